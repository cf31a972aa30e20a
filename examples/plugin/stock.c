/* stock.c - a plugin for Settle: a warehouse's stock, kept in one file.
 *
 * The file is a list of facts, one a line, that only grows; each is written and synced
 * before it is answered.  A line holds the work and its mark at once, and that is what
 * makes the calls exact: after a crash either both are there or neither (a line without
 * its end was never answered, and is cut off).
 *
 *   took G/S ITEM N LEFT   a call took N of ITEM, and left LEFT
 *   gave G/S               … and its undo gave them back
 *   barred G/S             an undo came without its action, which must not come any more
 *   held KEY ITEM N LEFT   a branch has N of ITEM reserved
 *   sold KEY               … and was committed
 *   freed KEY              … or rolled back
 *
 * Built and set up as README.md says. */
#define _GNU_SOURCE
#include <settle_plugin.h>

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEY_ROOM = 256, ITEM_ROOM = 64, LINE_ROOM = 512 };

enum fact { TOOK, GAVE, BARRED, HELD, SOLD, FREED, FACTS };
static const char *const words[FACTS] = {"took", "gave", "barred", "held", "sold", "freed"};

/* The newest fact of one step or branch. */
struct mark {
	char key[KEY_ROOM];
	enum fact fact;
	char item[ITEM_ROOM];
	long n, left;
};

struct stock {
	pthread_mutex_t lock; /* guards all that follows: functions run at the same time */
	int fd;
	off_t size;    /* of the file, up to its last whole line */
	bool broken;   /* what is in the file is not known any more */
	json_t *start; /* how much there was of each item at the beginning */
	json_t *stock; /* … and is now */
	void *marks;   /* a tree of struct mark, by key */
};

/* ---- memory ---- */

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct mark *)a)->key, ((const struct mark *)b)->key);
}

static struct mark *find(struct stock *s, const char *key)
{
	struct mark wanted;
	void *at;

	snprintf(wanted.key, sizeof wanted.key, "%s", key);
	at = tfind(&wanted, &s->marks, by_key);
	return at != NULL ? *(struct mark **)at : NULL;
}

static void add(struct stock *s, const char *item, long n)
{
	const json_int_t now = json_integer_value(json_object_get(s->stock, item));

	json_object_set_new(s->stock, item, json_integer(now + n));
}

/* A fact takes effect; false if there is no memory. */
static bool apply(struct stock *s, const struct mark *m)
{
	struct mark *old = find(s, m->key), *copy;

	if (m->fact == TOOK || m->fact == HELD)
		add(s, m->item, -m->n);
	else if (old != NULL && (m->fact == GAVE || m->fact == FREED))
		add(s, old->item, old->n);
	if (old != NULL) {
		old->fact = m->fact;
		return true;
	}
	copy = malloc(sizeof *copy);
	if (copy == NULL)
		return false;
	*copy = *m;
	return tsearch(copy, &s->marks, by_key) != NULL;
}

/* ---- the file ---- */

/* Makes a fact durable, and then true.  False: it is not in the file, or (`broken`)
 * nobody knows whether it is: only reading the file again, after a restart, can tell. */
static bool record(struct stock *s, const struct mark *m)
{
	char line[LINE_ROOM];
	int n = snprintf(line, sizeof line, "%s %s", words[m->fact], m->key);

	if (m->fact == TOOK || m->fact == HELD)
		n += snprintf(line + n, sizeof line - (size_t)n, " %s %ld %ld", m->item, m->n,
			      m->left);
	line[n++] = '\n';
	if (s->broken)
		return false;
	if (pwrite(s->fd, line, (size_t)n, s->size) != n) {
		s->broken = ftruncate(s->fd, s->size) != 0;
		return false;
	}
	if (fdatasync(s->fd) != 0 || !apply(s, m)) {
		s->broken = true;
		return false;
	}
	s->size += n;
	return true;
}

static bool read_line(struct stock *s, char *line)
{
	char word[16];
	struct mark m = {.key = ""};
	const int n = sscanf(line, "%15s %255s %63s %ld %ld", word, m.key, m.item, &m.n, &m.left);

	for (m.fact = TOOK; m.fact < FACTS; m.fact++)
		if (n >= 2 && strcmp(words[m.fact], word) == 0)
			return (n == 5) == (m.fact == TOOK || m.fact == HELD) && apply(s, &m);
	return false;
}

static bool read_file(struct stock *s)
{
	FILE *file = fdopen(dup(s->fd), "r");
	char *line = NULL;
	size_t room = 0;
	ssize_t n = 0;
	bool good = file != NULL;

	while (good && (n = getline(&line, &room, file)) > 0 && line[n - 1] == '\n') {
		good = read_line(s, line);
		s->size += n;
	}
	free(line);
	if (file != NULL)
		fclose(file);
	/* What has no end was being written when somebody died, and was never answered. */
	return good && ftruncate(s->fd, s->size) == 0;
}

/* ---- open, check, close ---- */

static void close_stock(void *self)
{
	struct stock *s = self;

	if (s->fd >= 0)
		close(s->fd);
	tdestroy(s->marks, free);
	json_decref(s->start);
	json_decref(s->stock);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static bool open_file(struct stock *s, const char *path, char *problem)
{
	s->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->fd < 0)
		snprintf(problem, SETTLE_PROBLEM_SIZE, "cannot open %s: %s", path, strerror(errno));
	else if (flock(s->fd, LOCK_EX | LOCK_NB) != 0)
		snprintf(problem, SETTLE_PROBLEM_SIZE, "%s is in use by another process", path);
	else if (!read_file(s))
		snprintf(problem, SETTLE_PROBLEM_SIZE, "%s is not a file of facts", path);
	else
		return true;
	return false;
}

static bool open_stock(const struct settle_host *host, const char *settings, void **self,
		       char *problem)
{
	struct stock *s = calloc(1, sizeof *s);
	json_t *json = json_loads(settings, 0, NULL);
	const char *path = json_string_value(json_object_get(json, "file"));
	bool good = false;

	(void)host;
	if (s == NULL)
		abort();
	s->fd = -1;
	pthread_mutex_init(&s->lock, NULL);
	s->start = json_incref(json_object_get(json, "items"));
	s->stock = json_copy(s->start);
	if (path == NULL || !json_is_object(s->start))
		snprintf(problem, SETTLE_PROBLEM_SIZE,
			 "settings must have `file`, and `items`: a map of name to number");
	else
		good = open_file(s, path, problem);
	json_decref(json);
	if (good)
		*self = s;
	else
		close_stock(s);
	return good;
}

static bool check_stock(void *self, char *problem)
{
	struct stock *s = self;
	bool good;

	pthread_mutex_lock(&s->lock);
	good = !s->broken;
	pthread_mutex_unlock(&s->lock);
	if (!good)
		snprintf(problem, SETTLE_PROBLEM_SIZE,
			 "the file could not be written; see to the disk and restart the agent");
	return good;
}

/* ---- what calls and branches share ---- */

/* `item` and `count` of the arguments. */
static bool read_args(const struct settle_request *q, struct mark *m)
{
	json_t *json = json_loads(q->args, 0, NULL);
	const char *item = json_string_value(json_object_get(json, "item"));
	const json_int_t n = json_integer_value(json_object_get(json, "count"));
	const bool good = item != NULL && strlen(item) < ITEM_ROOM && strcspn(item, " \n") > 0 &&
			  strpbrk(item, " \n") == NULL && n > 0 && n < 1000000000;

	if (good) {
		strcpy(m->item, item);
		m->n = (long)n;
	}
	json_decref(json);
	return good;
}

static void put_left(struct settle_reply *r, long left)
{
	char text[64];

	r->output(r, text, (size_t)snprintf(text, sizeof text, "{\"left\": %ld}", left));
}

static enum settle_result done_or_unknown(bool done, struct settle_reply *r)
{
	if (!done)
		r->reason(r, "the file could not be written");
	return done ? SETTLE_DONE : SETTLE_UNKNOWN;
}

/* Takes what the request names off the stock, as TOOK or HELD. */
static enum settle_result take(struct stock *s, const struct settle_request *q,
			       struct settle_reply *r, const char *key, enum fact fact)
{
	struct mark m = {.fact = fact};
	char text[128];

	snprintf(m.key, sizeof m.key, "%s", key);
	if (!read_args(q, &m)) {
		r->reason(r, "`item` must be a word, and `count` a number from 1");
		return SETTLE_REFUSED;
	}
	m.left = (long)json_integer_value(json_object_get(s->stock, m.item)) - m.n;
	if (m.left < 0) {
		snprintf(text, sizeof text, "%ld of %s wanted, %ld left", m.n, m.item,
			 m.left + m.n);
		r->reason(r, text);
		return SETTLE_REFUSED;
	}
	if (!record(s, &m))
		return done_or_unknown(false, r);
	put_left(r, m.left);
	return SETTLE_DONE;
}

static enum settle_result move(struct stock *s, struct settle_reply *r, const char *key,
			       enum fact fact)
{
	struct mark m = {.fact = fact};

	snprintf(m.key, sizeof m.key, "%s", key);
	return done_or_unknown(record(s, &m), r);
}

/* ---- calls ---- */

static enum settle_result take_once(struct stock *s, const struct settle_request *q,
				    struct settle_reply *r, const char *key)
{
	const struct mark *m = find(s, key);

	if (m == NULL)
		return take(s, q, r, key, TOOK);
	if (m->fact == TOOK) {
		put_left(r, m->left); /* as the first time */
		return SETTLE_DONE;
	}
	r->reason(r, "it has been undone already");
	return SETTLE_REFUSED;
}

static enum settle_result give_back(struct stock *s, struct settle_reply *r, const char *key)
{
	const struct mark *m = find(s, key);

	if (m == NULL)
		return move(s, r, key, BARRED);
	return m->fact == TOOK ? move(s, r, key, GAVE) : SETTLE_DONE;
}

static enum settle_result call(void *self, const struct settle_request *q, struct settle_reply *r)
{
	struct stock *s = self;
	enum settle_result result;
	char key[KEY_ROOM];

	if (q->elsewhere) {
		r->reason(r, "the stock gives back only what it took itself");
		return SETTLE_REFUSED;
	}
	snprintf(key, sizeof key, "%s/%s", q->gid, q->step); /* of the action and its undo */
	pthread_mutex_lock(&s->lock);
	result = q->undo ? give_back(s, r, key) : take_once(s, q, r, key);
	pthread_mutex_unlock(&s->lock);
	return result;
}

/* ---- atomic groups ---- */

static enum settle_result prepare(void *self, const struct settle_request *q,
				  struct settle_reply *r)
{
	struct stock *s = self;
	enum settle_result result = SETTLE_DONE;
	struct mark m = {.key = ""};

	pthread_mutex_lock(&s->lock);
	if (!q->read_only) {
		const struct mark *known = find(s, q->key);

		if (known == NULL)
			result = take(s, q, r, q->key, HELD);
		else if (known->fact != HELD)
			result = SETTLE_REFUSED;
	} else if (read_args(q, &m)) {
		put_left(r, (long)json_integer_value(json_object_get(s->stock, m.item)));
	} else {
		result = SETTLE_REFUSED;
	}
	pthread_mutex_unlock(&s->lock);
	return result;
}

static enum settle_result finish(struct stock *s, const struct settle_request *q,
				 struct settle_reply *r, enum fact fact)
{
	enum settle_result result = SETTLE_UNKNOWN;
	const struct mark *m;

	pthread_mutex_lock(&s->lock);
	m = find(s, q->key);
	if (m == NULL)
		result = SETTLE_GONE;
	else if (m->fact == HELD)
		result = move(s, r, q->key, fact);
	else if (m->fact == fact)
		result = SETTLE_DONE;
	else
		r->reason(r, "it ended the other way");
	pthread_mutex_unlock(&s->lock);
	return result;
}

static enum settle_result commit(void *self, const struct settle_request *q, struct settle_reply *r)
{
	return finish(self, q, r, SOLD);
}

static enum settle_result rollback(void *self, const struct settle_request *q,
				   struct settle_reply *r)
{
	return finish(self, q, r, FREED);
}

static void list_one(const void *node, VISIT which, void *list)
{
	const struct mark *m = *(struct mark *const *)node;

	if ((which == postorder || which == leaf) && m->fact == HELD)
		((struct settle_list *)list)->add(list, m->key);
}

static enum settle_result list(void *self, struct settle_list *out)
{
	struct stock *s = self;

	pthread_mutex_lock(&s->lock);
	twalk_r(s->marks, list_one, out);
	pthread_mutex_unlock(&s->lock);
	return SETTLE_DONE;
}

const struct settle_plugin settle_plugin = {
	.abi = SETTLE_PLUGIN_ABI,
	.size = sizeof(struct settle_plugin),
	.name = "stock",
	.flags = SETTLE_EXACT,
	.open = open_stock,
	.close = close_stock,
	.check = check_stock,
	.call = call,
	.prepare = prepare,
	.commit = commit,
	.rollback = rollback,
	.list = list,
};
