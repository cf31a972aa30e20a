/* A plugin for the conformance suite: effects are files of a folder, counted there.
 *
 * It is as careless as a plugin may be: nothing is remembered of a key. */
#define _GNU_SOURCE
#include <settle_plugin.h>

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 512 };

/* The text at `key` of a flat JSON object whose texts have no escapes. */
static bool text_of(const char *json, const char *key, char out[ROOM])
{
	char quoted[64];
	const char *p;

	snprintf(quoted, sizeof quoted, "\"%s\"", key);
	p = strstr(json, quoted);
	return p != NULL && sscanf(p + strlen(quoted), " : \"%511[^\"]\"", out) == 1;
}

static bool shelf_open(const struct settle_host *host, const char *settings, void **self,
		       char *problem)
{
	char *dir = calloc(1, ROOM);

	(void)host;
	if (dir != NULL && text_of(settings, "dir", dir)) {
		*self = dir;
		return true;
	}
	snprintf(problem, SETTLE_PROBLEM_SIZE, "settings must have `dir`");
	free(dir);
	return false;
}

static void shelf_close(void *self)
{
	free(self);
}

static enum settle_result add(const char *dir, const char *name, struct settle_reply *r)
{
	char path[3 * ROOM];
	int fd;

	snprintf(path, sizeof path, "%s/%s.XXXXXX", dir, name);
	fd = mkstemp(path);
	if (fd < 0)
		return SETTLE_RETRY;
	close(fd);
	r->output(r, "1", 1);
	return SETTLE_DONE;
}

static enum settle_result take(const char *dir, const char *name)
{
	char pattern[3 * ROOM];
	bool taken;
	glob_t found;

	snprintf(pattern, sizeof pattern, "%s/%s.*", dir, name);
	if (glob(pattern, 0, NULL, &found) != 0)
		return SETTLE_REFUSED;
	taken = unlink(found.gl_pathv[0]) == 0;
	globfree(&found);
	return taken ? SETTLE_DONE : SETTLE_RETRY;
}

static enum settle_result slow(const struct settle_reply *r)
{
	const struct timespec pause = {0, 5000000};

	while (!r->cancelled(r))
		nanosleep(&pause, NULL);
	return SETTLE_RETRY;
}

static enum settle_result shelf_call(void *self, const struct settle_request *q,
				     struct settle_reply *r)
{
	char name[ROOM];

	r->reason(r, "the shelf says no");
	if (!text_of(q->args, "name", name) || strcmp(q->operation, "refuse") == 0)
		return SETTLE_REFUSED;
	if (strcmp(q->operation, "add") == 0)
		return add(self, name, r);
	return strcmp(q->operation, "remove") == 0 ? take(self, name) : slow(r);
}

const struct settle_plugin settle_plugin = {
	.abi = SETTLE_PLUGIN_ABI,
	.size = sizeof(struct settle_plugin),
	.name = "shelf",
	.open = shelf_open,
	.close = shelf_close,
	.call = shelf_call,
};
