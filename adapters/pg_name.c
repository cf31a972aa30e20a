/* pg_name.c - see pg_name.h. */
#include "adapters/pg_name.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "settle:" + cluster + ":" + 20 digits + ":" + gid + ":" + branch + NUL */
_Static_assert(7 + CLUSTER_MAX + 1 + 20 + 1 + GID_MAX + 1 + NAME_MAX_LEN + 1 <= PG_NAME_SIZE,
	       "a branch's name must fit in the server's");

void pg_name_prefix(char out[PG_NAME_SIZE], const char *cluster)
{
	assert(id_valid_plain(cluster, CLUSTER_MAX));
	snprintf(out, PG_NAME_SIZE, "settle:%s:", cluster);
}

void pg_branch_init(struct pg_branch *b, const char *cluster, const struct branch_id *id)
{
	int n;

	assert(id_valid_plain(cluster, CLUSTER_MAX));
	assert(id_valid(id->gid, GID_MAX) && id_valid(id->branch, NAME_MAX_LEN));
	memset(b, 0, sizeof *b);
	snprintf(b->gid, sizeof b->gid, "%s", id->gid);
	snprintf(b->branch, sizeof b->branch, "%s", id->branch);
	b->epoch = id->epoch;
	n = snprintf(b->name, sizeof b->name, "settle:%s:%" PRIu64 ":%s:%s", cluster, id->epoch,
		     id->gid, id->branch);
	assert(n > 0 && (size_t)n < sizeof b->name);
}

void pg_branch_of_step(struct pg_branch *b, const char *gid, const char *step)
{
	assert(id_valid(gid, GID_MAX) && id_valid(step, NAME_MAX_LEN));
	memset(b, 0, sizeof *b);
	snprintf(b->gid, sizeof b->gid, "%s", gid);
	snprintf(b->branch, sizeof b->branch, "%s", step);
	snprintf(b->name, sizeof b->name, "%s/%s", gid, step);
}

/* Copies up to `end` into `out`; false if it is no id of at most `max` bytes. */
static bool take_id(const char **p, const char *end, char *out, size_t max)
{
	const size_t n = (size_t)(end - *p);

	if (n > max)
		return false;
	memcpy(out, *p, n);
	out[n] = '\0';
	*p = end + (*end != '\0');
	return id_valid(out, max);
}

bool pg_branch_parse(struct pg_branch *b, const char *cluster, const char *name)
{
	char prefix[PG_NAME_SIZE];
	const char *p = name;
	char *after;

	memset(b, 0, sizeof *b);
	pg_name_prefix(prefix, cluster);
	if (strlen(name) >= sizeof b->name || strncmp(name, prefix, strlen(prefix)) != 0)
		return false;
	p += strlen(prefix);
	if (*p < '0' || *p > '9')
		return false;
	errno = 0;
	b->epoch = strtoull(p, &after, 10);
	if (errno != 0 || *after != ':' || (*p == '0' && after != p + 1))
		return false; /* a number that we would have written otherwise */
	p = after + 1;
	if (strchr(p, ':') == NULL || !take_id(&p, strchr(p, ':'), b->gid, GID_MAX))
		return false;
	if (!take_id(&p, p + strlen(p), b->branch, NAME_MAX_LEN))
		return false;
	snprintf(b->name, sizeof b->name, "%s", name);
	return true;
}

/* FNV-1a: not to keep secrets, only to tell long names apart. */
static uint64_t hash(uint64_t h, const char *s)
{
	for (; *s != '\0'; s++)
		h = (h ^ (unsigned char)*s) * UINT64_C(0x100000001b3);
	return (h ^ ':') * UINT64_C(0x100000001b3);
}

size_t pg_app_name(char out[PG_APP_SIZE], const char *cluster, const char *agent,
		   uint64_t incarnation)
{
	enum { LONGEST_SHARED = PG_APP_SIZE - 1 - 20 };
	int n = snprintf(out, PG_APP_SIZE, "settle:%s:%s:", cluster, agent);

	if (n > LONGEST_SHARED)
		n = snprintf(out, PG_APP_SIZE, "settle:#%016" PRIx64 ":",
			     hash(hash(UINT64_C(0xcbf29ce484222325), cluster), agent));
	snprintf(out + n, PG_APP_SIZE - (size_t)n, "%" PRIu64, incarnation);
	return (size_t)n;
}
