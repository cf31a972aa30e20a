/* store.c - the journal of the simulation; see sim.h.
 *
 * Batches become durable in order, after a while.  A crash keeps what was reported
 * as durable, and of the rest a prefix drawn from the seed: a sync that was
 * under way may have reached the disk without anybody hearing of it. */
#include "base/mem.h"
#include "tests/lib/record_copy.h"
#include "tests/sim/sim.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct row {
	struct record *rec;
	UT_hash_handle hh; /* durable: by gid */
};

struct put {
	struct record *rec;
	uint64_t batch;
};

static struct row *rows;
static struct put *staged;
static size_t n_staged, staged_room;
static uint64_t last_batch, life, done_at_us;

static void apply(struct record *rec)
{
	struct row *row;

	HASH_FIND_STR(rows, rec->gid, row);
	if (row == NULL) {
		row = mem_new(1, sizeof *row);
		row->rec = rec;
		HASH_ADD_KEYPTR(hh, rows, row->rec->gid, strlen(row->rec->gid), row);
		return;
	}
	if (row->rec->seq != rec->seq)
		sim_fail("the journal has %s twice, under two numbers", rec->gid);
	HASH_DEL(rows, row);
	record_free(row->rec);
	row->rec = rec;
	HASH_ADD_KEYPTR(hh, rows, row->rec->gid, strlen(row->rec->gid), row);
}

static void make_durable(uint64_t batch)
{
	size_t kept = 0;

	for (size_t i = 0; i < n_staged; i++) {
		if (staged[i].batch <= batch)
			apply(staged[i].rec);
		else
			staged[kept++] = staged[i];
	}
	n_staged = kept;
}

static void put(void *self, const struct record *r)
{
	(void)self;
	if (n_staged == staged_room) {
		staged_room = staged_room > 0 ? 2 * staged_room : 64;
		staged = mem_grow(staged, staged_room, sizeof *staged);
	}
	staged[n_staged++] = (struct put){record_copy(r), last_batch + 1};
}

static void put_resource(void *self, const struct resource_info *info)
{
	(void)self;
	(void)info;
}

static void prune(void *self, uint64_t before_us)
{
	(void)self;
	(void)before_us;
}

/* `n` is life * 2^32 + batch, so that a sync of a life before does not report. */
static void synced(void *arg, uint64_t n)
{
	(void)arg;
	if (n >> 32 != life)
		return;
	make_durable(n & 0xffffffff);
	sim_engine_enter();
	engine_durable(sim_engine, n & 0xffffffff);
	sim_engine_leave();
}

static void commit(void *self, uint64_t batch)
{
	uint64_t at = sim_now_us() + 100 + (sim_chance(30) ? sim_rand(300000) : sim_rand(3000));

	(void)self;
	last_batch = batch;
	if (at < done_at_us)
		at = done_at_us;
	done_at_us = at;
	sim_in(at - sim_now_us(), synced, NULL, (life << 32) | batch);
}

const struct record *store_find(const char *gid)
{
	struct row *row;

	HASH_FIND_STR(rows, gid, row);
	return row != NULL ? row->rec : NULL;
}

static enum rc find(void *self, const char *gid, struct record **out, struct err *err)
{
	const struct record *r = store_find(gid);

	(void)self;
	if (r == NULL)
		return err_set(err, RC_NOT_FOUND, "no");
	*out = record_copy(r);
	return RC_OK;
}

static enum rc list(void *self, const struct list_query *q, record_fn each, void *arg,
		    struct err *err)
{
	const struct record *newest = NULL;
	struct row *row, *tmp;

	(void)self;
	(void)err;
	HASH_ITER (hh, rows, row, tmp)
		if (newest == NULL || row->rec->seq > newest->seq)
			newest = row->rec;
	if (newest != NULL && q->limit == 1)
		each(newest, arg);
	return RC_OK;
}

void store_init(void)
{
	last_batch = 0;
	done_at_us = 0;
}

struct journal_port store_port(void)
{
	return (struct journal_port){.put = put,
				     .end = put,
				     .put_resource = put_resource,
				     .prune = prune,
				     .commit = commit,
				     .find = find,
				     .list = list};
}

void store_crash(void)
{
	const uint64_t first = n_staged > 0 ? staged[0].batch : 0;

	if (n_staged > 0 && first <= last_batch)
		make_durable(first - 1 + sim_rand(last_batch - first + 2));
	for (size_t i = 0; i < n_staged; i++)
		record_free(staged[i].rec);
	n_staged = 0;
	life++;
}

static int by_seq(struct row *a, struct row *b)
{
	return (a->rec->seq > b->rec->seq) - (a->rec->seq < b->rec->seq);
}

void store_load(struct engine *e)
{
	struct row *row, *tmp;

	HASH_SORT(rows, by_seq);
	HASH_ITER (hh, rows, row, tmp)
		if (!record_finished(row->rec->state))
			if (engine_load(e, record_copy(row->rec), NULL) != RC_OK)
				sim_fail("%s is not valid in the journal", row->rec->gid);
}

void store_fini(void)
{
	struct row *row, *tmp;

	for (size_t i = 0; i < n_staged; i++)
		record_free(staged[i].rec);
	free(staged);
	staged = NULL;
	n_staged = staged_room = 0;
	HASH_ITER (hh, rows, row, tmp) {
		HASH_DEL(rows, row);
		record_free(row->rec);
		free(row);
	}
}
