/* branch.c - see branch.h. */
#include "participant/branch.h"
#include "base/id.h"
#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define TO(s) (1u << STAGE_##s)

enum {
	KEY_MAX = sizeof(uint64_t) + (NAME_MAX_LEN + 1) + (GID_MAX + 1) + (NAME_MAX_LEN + 1),
	REASON_KEPT = 300, /* bytes; a million tombstones shall stay affordable */
};

/* Where a stage may go. */
static const unsigned moves[] = {
	[STAGE_WORKING] = TO(PREPARED) | TO(DOUBT) | TO(OVER),
	[STAGE_PREPARED] = TO(FINISHING) | TO(DOUBT) | TO(OVER),
	[STAGE_DOUBT] = TO(FINISHING) | TO(OVER),
	[STAGE_FINISHING] = TO(DOUBT) | TO(OVER),
	/* The resource shows it though it was over, or a decision comes for one that
	 * is gone. */
	[STAGE_OVER] = TO(DOUBT),
};

/* The key is the epoch and the three names with their NULs: no two ids share one. */
static unsigned make_key(const struct branch_id *id, char key[KEY_MAX])
{
	char *at = key;

	assert(branch_id_valid(id));
	memcpy(at, &id->epoch, sizeof id->epoch);
	at = mem_put(at + sizeof id->epoch, id->resource);
	at = mem_put(at, id->gid);
	at = mem_put(at, id->branch);
	return (unsigned)(at - key);
}

struct branch *branches_find(const struct branches *t, const struct branch_id *id)
{
	char key[KEY_MAX];
	const unsigned size = make_key(id, key);
	struct branch *b;

	HASH_FIND(hh, t->all, key, size, b);
	return b;
}

static void enlist(struct branches *t, struct branch *b)
{
	if (b->stage == STAGE_OVER) {
		DL_APPEND(t->over, b);
	} else {
		DL_APPEND(t->live, b);
		t->n_live++;
	}
}

static void unlist(struct branches *t, struct branch *b)
{
	if (b->stage == STAGE_OVER) {
		DL_DELETE(t->over, b);
	} else {
		DL_DELETE(t->live, b);
		t->n_live--;
	}
}

struct branch *branches_add(struct branches *t, const struct branch_id *id, struct served *served,
			    enum stage stage, uint64_t now_us)
{
	char key[KEY_MAX];
	const unsigned size = make_key(id, key);
	struct branch *b;

	if (HASH_COUNT(t->all) >= BRANCHES_MAX)
		return NULL;
	b = mem_new(1, sizeof *b + size);
	memcpy(b->key, key, size);
	b->id.epoch = id->epoch;
	b->id.resource = b->key + sizeof id->epoch;
	b->id.gid = b->id.resource + strlen(b->id.resource) + 1;
	b->id.branch = b->id.gid + strlen(b->id.gid) + 1;
	b->served = served;
	b->stage = stage;
	b->since_us = now_us;
	HASH_ADD_KEYPTR(hh, t->all, b->key, size, b);
	enlist(t, b);
	return b;
}

void branch_move(struct branches *t, struct branch *b, enum stage to, uint64_t now_us)
{
	assert((moves[b->stage] & (1u << to)) != 0);
	unlist(t, b);
	b->stage = to;
	b->since_us = now_us;
	enlist(t, b);
}

void branch_bury(struct branches *t, struct branch *b, enum branch_end end, const char *reason,
		 uint64_t now_us)
{
	branch_move(t, b, STAGE_OVER, now_us);
	b->end = end;
	free(b->reason);
	b->reason = NULL;
	if (reason != NULL && reason[0] != '\0')
		b->reason = mem_printf("%.*s", REASON_KEPT, reason);
}

static void drop(struct branches *t, struct branch *b)
{
	unlist(t, b);
	HASH_DEL(t->all, b);
	free(b->reason);
	free(b);
}

uint64_t branches_due(const struct branches *t)
{
	return t->over == NULL ? UINT64_MAX : t->over->since_us + TOMBSTONE_US;
}

void branches_expire(struct branches *t, uint64_t now_us)
{
	while (branches_due(t) <= now_us)
		drop(t, t->over);
}

void branches_fini(struct branches *t)
{
	struct branch *b, *tmp;

	HASH_ITER (hh, t->all, b, tmp)
		drop(t, b);
}
