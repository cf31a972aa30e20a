/* image.c - see image.h. */
#include "tests/power/image.h"

#include "base/mem.h"
#include "tests/lib/harness.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- dice ---- */

uint64_t dice(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

size_t dice_below(uint64_t *state, size_t n)
{
	return (size_t)(dice(state) % n);
}

bool dice_one_in(uint64_t *state, size_t n)
{
	return dice_below(state, n) == 0;
}

/* ---- a file ---- */

struct content {
	unsigned char *bytes; /* zeros after `size` */
	size_t size, room;
};

static void need_room(struct content *c, size_t size)
{
	const size_t old = c->room;

	if (size <= old)
		return;
	c->room = size + size / 2 + SECTOR;
	c->bytes = mem_grow(c->bytes, c->room, 1);
	memset(c->bytes + old, 0, c->room - old);
}

static void put(struct content *c, size_t at, const unsigned char *data, size_t size)
{
	if (size == 0)
		return;
	need_room(c, at + size);
	memcpy(c->bytes + at, data, size);
	if (c->size < at + size)
		c->size = at + size;
}

static void set_size(struct content *c, size_t size)
{
	need_room(c, size);
	if (size < c->size)
		memset(c->bytes + size, 0, c->size - size);
	c->size = size;
}

static void apply(const struct disk_story *s, const struct disk_op *op, struct content *c)
{
	if (op->kind == DISK_WRITE)
		put(c, op->at, s->bytes + op->data, op->size);
	else
		set_size(c, op->size);
}

static bool changes(const struct disk_op *op, int file)
{
	return op->file == file && (op->kind == DISK_WRITE || op->kind == DISK_TRUNCATE);
}

static void begin(const struct disk_story *s, int file, struct content *c)
{
	for (int i = 0; i < DISK_NAMES; i++)
		if (s->first[i] == file)
			put(c, 0, s->bytes + s->first_data[i], s->first_size[i]);
}

/* ---- killed ---- */

/* The part of a write that a kill in its middle leaves. */
static void put_begun(const struct disk_story *s, const struct disk_op *op, uint64_t *state,
		      struct content *c)
{
	const size_t to = (op->at / SECTOR + 1 + dice_below(state, op->size / SECTOR + 1)) * SECTOR;

	if (to > op->at && to < op->at + op->size)
		put(c, op->at, s->bytes + op->data, to - op->at);
}

static void killed(const struct disk_story *s, size_t at, int file, uint64_t *state,
		   struct content *c)
{
	begin(s, file, c);
	for (size_t i = 0; i < at; i++)
		if (changes(&s->ops[i], file))
			apply(s, &s->ops[i], c);
	if (at < s->n_ops && s->ops[at].kind == DISK_WRITE && s->ops[at].file == file)
		put_begun(s, &s->ops[at], state, c);
}

/* ---- the power fails ---- */

enum { TORN_FIRST, TORN_LAST, TORN_ONE_OUT, TORN_ONE_IN, TORN_ANY, TEARS };

/* Some sectors of a write. */
static void put_torn(const struct disk_story *s, const struct disk_op *op, uint64_t *state,
		     struct content *c)
{
	const size_t first = op->at / SECTOR, end = (op->at + op->size - 1) / SECTOR + 1;
	const size_t how = dice_below(state, TEARS), mid = first + dice_below(state, end - first);

	for (size_t k = first; k < end; k++) {
		const bool in[TEARS] = {k<mid, k> mid, k != mid, k == mid, dice_one_in(state, 2)};
		const size_t from = k * SECTOR > op->at ? k * SECTOR : op->at;
		const size_t to =
			(k + 1) * SECTOR < op->at + op->size ? (k + 1) * SECTOR : op->at + op->size;

		if (in[how])
			put(c, from, s->bytes + op->data + (from - op->at), to - from);
	}
}

/* What has never been written shows what the disk had there: bytes from before this life. */
static void put_garbage(const struct disk_story *s, size_t from, size_t to, uint64_t *state,
			struct content *c)
{
	const size_t before = s->first_data[DISK_NAMES - 1] + s->first_size[DISK_NAMES - 1];
	const bool old = !dice_one_in(state, 3) && before > SECTOR;

	for (; from < to; from += SECTOR) {
		unsigned char sector[SECTOR];
		const size_t size = to - from < SECTOR ? to - from : SECTOR;

		for (size_t i = 0; i < SECTOR; i += 8) {
			const uint64_t noise = dice(state);

			memcpy(sector + i, &noise, 8);
		}
		if (old)
			memcpy(sector, s->bytes + dice_below(state, before - SECTOR), SECTOR);
		if (!dice_one_in(state, 4))
			put(c, from, sector, size);
	}
}

/* How a file's unsynced changes fare, all of them. */
struct fate {
	size_t kept, torn, of; /* so many of `of` */
	bool mixed;            /* not in their order */
};

static struct fate draw_fate(uint64_t *state)
{
	static const size_t kept[] = {0, 1, 8, 15, 16};

	return (struct fate){.kept = kept[dice_below(state, 5)],
			     .torn = dice_one_in(state, 3) ? 0 : dice_below(state, 12),
			     .of = 16,
			     .mixed = dice_one_in(state, 4)};
}

struct pending {
	const struct disk_op **ops;
	size_t n, room;
};

static void add_pending(struct pending *p, const struct disk_op *op)
{
	if (p->n == p->room) {
		p->room = p->room * 2 + 64;
		p->ops = mem_grow(p->ops, p->room, sizeof *p->ops);
	}
	p->ops[p->n++] = op;
}

/* The size is one that the file had; the true one more often than others. */
static size_t draw_size(const struct pending *p, size_t durable, uint64_t *state)
{
	const size_t stop = dice_one_in(state, 2) ? p->n : dice_below(state, p->n + 1);
	size_t size = durable;

	for (size_t i = 0; i < stop; i++) {
		if (p->ops[i]->kind == DISK_TRUNCATE)
			size = p->ops[i]->size;
		else if (size < p->ops[i]->at + p->ops[i]->size)
			size = p->ops[i]->at + p->ops[i]->size;
	}
	return size;
}

static void mix(struct pending *p, uint64_t *state)
{
	for (size_t i = p->n; i > 1; i--) {
		const size_t k = dice_below(state, i);
		const struct disk_op *op = p->ops[k];

		p->ops[k] = p->ops[i - 1];
		p->ops[i - 1] = op;
	}
}

static void lose(const struct disk_story *s, struct pending *p, uint64_t *state, struct content *c)
{
	const struct fate fate = draw_fate(state);
	const size_t size = draw_size(p, c->size, state);

	if (size > c->size && dice_one_in(state, 3))
		put_garbage(s, c->size, size, state, c);
	if (fate.mixed)
		mix(p, state);
	for (size_t i = 0; i < p->n; i++) {
		if (dice_below(state, fate.of) >= fate.kept)
			continue;
		if (p->ops[i]->kind == DISK_WRITE && dice_below(state, fate.of) < fate.torn)
			put_torn(s, p->ops[i], state, c);
		else
			apply(s, p->ops[i], c);
	}
	set_size(c, size);
}

static void powerless(const struct disk_story *s, size_t at, int file, uint64_t *state,
		      struct content *c)
{
	struct pending p = {0};
	size_t synced = 0;

	for (size_t i = 0; i < at; i++)
		if (s->ops[i].kind == DISK_SYNC && s->ops[i].file == file)
			synced = i;
	begin(s, file, c);
	for (size_t i = 0; i < at; i++) {
		if (changes(&s->ops[i], file) && i < synced)
			apply(s, &s->ops[i], c);
		else if (changes(&s->ops[i], file))
			add_pending(&p, &s->ops[i]);
	}
	/* What was being written when it happened. */
	if (at < s->n_ops && s->ops[at].kind == DISK_WRITE && s->ops[at].file == file)
		add_pending(&p, &s->ops[at]);
	if (p.n > 0)
		lose(s, &p, state, c);
	free(p.ops);
}

/* ---- the directory ---- */

static void change_names(const struct disk_op *op, int *names)
{
	if (op->kind == DISK_CREATE)
		names[op->a] = op->file;
	if (op->kind == DISK_UNLINK)
		names[op->a] = -1;
	if (op->kind == DISK_RENAME) {
		names[op->b] = op->file;
		if (names[op->a] == op->file)
			names[op->a] = -1;
	}
}

/* Mostly the changes come on the disk in their order, as with a file system that has a
 * journal; not always. */
static void names_at(const struct disk_story *s, size_t at, enum crash_kind kind, uint64_t *state,
		     int *names)
{
	const bool in_order = !dice_one_in(state, 4);
	size_t synced = 0, stop;

	memcpy(names, s->first, sizeof s->first);
	for (size_t i = 0; i < at; i++)
		if (s->ops[i].kind == DISK_DIR_SYNC)
			synced = i;
	stop = synced + dice_below(state, at - synced + 1);
	for (size_t i = 0; i < at; i++) {
		const bool come = kind == CRASH_KILL || i < synced ||
				  (in_order ? i < stop : dice_one_in(state, 2));

		if (come)
			change_names(&s->ops[i], names);
	}
}

static void write_content(const char *dir, int name, const struct content *c)
{
	char *path = textf("%s/%s", dir, disk_names[name]);
	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	size_t size = c->size;

	while (size > 0 && c->bytes[size - 1] == 0)
		size--;
	NEED(fd >= 0 && pwrite(fd, c->bytes, size, 0) == (ssize_t)size &&
		     ftruncate(fd, (off_t)c->size) == 0,
	     "cannot write %s", path);
	close(fd);
	free(path);
}

void image_make(const struct disk_story *s, size_t at, enum crash_kind kind, uint64_t *state,
		const char *dir)
{
	int names[DISK_NAMES];

	NEED(mkdir(dir, 0700) == 0, "cannot make %s", dir);
	names_at(s, at, kind, state, names);
	for (int i = 0; i < DISK_NAMES; i++) {
		struct content c = {0};

		if (names[i] < 0)
			continue;
		(kind == CRASH_KILL ? killed : powerless)(s, at, names[i], state, &c);
		write_content(dir, i, &c);
		free(c.bytes);
	}
}

void image_remove(const char *dir)
{
	static const char *const others[] = {"settle.db-shm", "settle.db.new-shm", "settle.lock"};

	for (size_t i = 0; i < DISK_NAMES + sizeof others / sizeof others[0]; i++) {
		char *path = textf("%s/%s", dir,
				   i < DISK_NAMES ? disk_names[i] : others[i - DISK_NAMES]);

		unlink(path);
		free(path);
	}
	NEED(rmdir(dir) == 0, "%s is not empty", dir);
}
