/* A plugin that does what a test wants: each operation is one way to answer.
 *
 * It keeps nothing but a count of calls and the names of what is prepared.  Its settings
 * name a directory, whose files steer it: `problem` is what `check` says, `release` lets
 * those go that block, `gone` makes commits find nothing.  It leaves `began`. */
#define _GNU_SOURCE
#include <settle_plugin.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { KEYS = 64, ROOM = 256 };

struct tame {
	const struct settle_host *host;
	char dir[ROOM];
	pthread_mutex_t lock;
	int calls;
	char keys[KEYS][ROOM];
};

static void path_of(const struct tame *t, const char *name, char *out)
{
	snprintf(out, 2 * ROOM, "%s/%s", t->dir, name);
}

static bool is_there(const struct tame *t, const char *name)
{
	char path[2 * ROOM];

	path_of(t, name, path);
	return access(path, F_OK) == 0;
}

static void leave(const struct tame *t, const char *name, const char *text)
{
	char path[2 * ROOM];
	FILE *f;

	path_of(t, name, path);
	f = fopen(path, "a");
	if (f == NULL)
		abort();
	fprintf(f, "%s\n", text);
	fclose(f);
}

static void *block(struct tame *t, const struct settle_reply *r)
{
	const struct timespec pause = {0, 2000000};

	leave(t, "began", "x");
	while (!is_there(t, "release") && (r == NULL || !r->cancelled(r)))
		nanosleep(&pause, NULL);
	return NULL;
}

static bool open_tame(const struct settle_host *host, const char *settings, void **self,
		      char *problem)
{
	const char *dir = strstr(settings, "\"dir\":\"");
	struct tame *t = calloc(1, sizeof *t);

	if (t == NULL)
		abort();
	if (dir == NULL || sscanf(dir + 7, "%255[^\"]", t->dir) != 1) {
		snprintf(problem, SETTLE_PROBLEM_SIZE, "settings must have `dir`, not %s",
			 settings);
		free(t);
		return false;
	}
	pthread_mutex_init(&t->lock, NULL);
	t->host = host;
	leave(t, "settings", settings);
	if (is_there(t, "hang"))
		block(t, NULL);
	host->log(host, SETTLE_LOG_INFO, "opened\nhere");
	*self = t;
	return true;
}

static void close_tame(void *self)
{
	struct tame *t = self;

	leave(t, "closed", "x");
	if (is_there(t, "hang_close"))
		block(t, NULL);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

static bool check_tame(void *self, char *problem)
{
	struct tame *t = self;
	char path[2 * ROOM];
	FILE *f;

	if (is_there(t, "hang_check"))
		block(t, NULL);
	path_of(t, "problem", path);
	f = fopen(path, "r");
	if (f == NULL)
		return true;
	if (fgets(problem, SETTLE_PROBLEM_SIZE, f) == NULL)
		problem[0] = '\0';
	fclose(f);
	return false;
}

/* ---- the ways to answer ---- */

static void fill(struct settle_reply *r, size_t size)
{
	char part[1000];

	memset(part, ' ', sizeof part);
	for (; size > sizeof part; size -= sizeof part)
		r->output(r, part, sizeof part);
	r->output(r, part, size);
}

static enum settle_result say(struct settle_reply *r, const char *output, const char *reason,
			      enum settle_result result)
{
	if (output != NULL)
		r->output(r, output, strlen(output));
	if (reason != NULL)
		r->reason(r, reason);
	return result;
}

static enum settle_result show(const struct settle_request *q, struct settle_reply *r)
{
	char text[2000];
	const int n = snprintf(text, sizeof text,
			       "{\"key\":\"%s\",\"gid\":\"%s\",\"step\":\"%s\",\"operation\":"
			       "\"%s\",\"attempt\":%u,\"undo\":%d,\"timely\":%d,\"args\":%s}",
			       q->key, q->gid, q->step, q->operation, (unsigned)q->attempt, q->undo,
			       q->timeout_ms > 0 && q->size == sizeof *q, q->args);

	r->output(r, text, (size_t)n);
	return SETTLE_DONE;
}

static enum settle_result act(struct tame *t, const struct settle_request *q,
			      struct settle_reply *r)
{
	const char *op = q->operation;

	if (strcmp(op, "show") == 0)
		return show(q, r);
	if (strcmp(op, "refuse") == 0)
		return say(r, "{}", "sold\nout", SETTLE_REFUSED);
	if (strcmp(op, "mute") == 0)
		return SETTLE_REFUSED;
	if (strcmp(op, "retry") == 0) {
		r->retry_after(r, 1500);
		return say(r, NULL, "closed", SETTLE_RETRY);
	}
	if (strcmp(op, "pending") == 0)
		return SETTLE_PENDING;
	if (strcmp(op, "gone") == 0)
		return SETTLE_GONE;
	if (strcmp(op, "odd") == 0)
		return (enum settle_result)99;
	if (strcmp(op, "bad_json") == 0)
		return say(r, "{\"a\": 1", NULL, SETTLE_DONE);
	if (strcmp(op, "full") == 0) {
		fill(r, SETTLE_OUTPUT_MAX - 1);
		return say(r, "1", NULL, SETTLE_DONE);
	}
	if (strcmp(op, "flood") == 0) {
		fill(r, 100 * (size_t)SETTLE_OUTPUT_MAX);
		return say(r, "1", NULL, SETTLE_DONE);
	}
	if (strcmp(op, "block") == 0)
		return block(t, r), say(r, NULL, "cancelled", SETTLE_UNKNOWN);
	if (strcmp(op, "deaf") == 0)
		return block(t, NULL), say(r, "1", NULL, SETTLE_DONE);
	return SETTLE_DONE;
}

static enum settle_result call(void *self, const struct settle_request *q, struct settle_reply *r)
{
	return act(self, q, r);
}

/* ---- atomic groups ---- */

static char *find(struct tame *t, const char *key)
{
	for (int i = 0; i < KEYS; i++)
		if (strcmp(t->keys[i], key) == 0)
			return t->keys[i];
	return NULL;
}

static enum settle_result prepare(void *self, const struct settle_request *q,
				  struct settle_reply *r)
{
	struct tame *t = self;
	const enum settle_result result = act(t, q, r);

	pthread_mutex_lock(&t->lock);
	if (result == SETTLE_DONE && !q->read_only)
		strcpy(find(t, ""), q->key);
	pthread_mutex_unlock(&t->lock);
	return result;
}

static enum settle_result finish(struct tame *t, const char *key)
{
	enum settle_result result = SETTLE_GONE;
	char *at;

	pthread_mutex_lock(&t->lock);
	at = find(t, key);
	if (at != NULL) {
		at[0] = '\0';
		result = SETTLE_DONE;
	}
	pthread_mutex_unlock(&t->lock);
	return result;
}

static enum settle_result commit(void *self, const struct settle_request *q, struct settle_reply *r)
{
	if (is_there(self, "no_commit"))
		return say(r, NULL, "not today", SETTLE_REFUSED);
	return finish(self, q->key);
}

static enum settle_result rollback(void *self, const struct settle_request *q,
				   struct settle_reply *r)
{
	(void)r;
	return finish(self, q->key);
}

static enum settle_result list(void *self, struct settle_list *out)
{
	struct tame *t = self;

	if (is_there(t, "bad_list"))
		out->add(out, "settle:test:x:g:b");
	if (is_there(t, "foreign"))
		out->add(out, "settle:other:3:g:b");
	pthread_mutex_lock(&t->lock);
	for (int i = 0; i < KEYS; i++)
		if (t->keys[i][0] != '\0')
			out->add(out, t->keys[i]);
	pthread_mutex_unlock(&t->lock);
	return is_there(t, "no_list") ? SETTLE_UNKNOWN : SETTLE_DONE;
}

const struct settle_plugin settle_plugin = {
	.abi = SETTLE_PLUGIN_ABI,
	.size = sizeof(struct settle_plugin),
	.name = "tame",
	.open = open_tame,
	.close = close_tame,
	.check = check_tame,
	.call = call,
	.prepare = prepare,
	.commit = commit,
	.rollback = rollback,
	.list = list,
};
