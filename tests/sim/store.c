/* store.c - the journal of the simulation; see sim.h.
 *
 * Batches become durable in order, after a while.  A crash keeps what was reported
 * as durable, and of the rest a prefix drawn from the seed: a sync that was
 * under way, or failed, may have reached the disk without anybody hearing of it.
 * The journal takes nothing from a coordinator whose epoch is not the newest; what such
 * a one had under way when the other raised the epoch came before that or never. */
#include "tests/lib/memory_journal.h"
#include "tests/sim/sim.h"

#include <inttypes.h>

static struct memory_journal *journal; /* what is durable */

static void ready(void)
{
	if (journal == NULL)
		journal = memory_journal_new();
}

static struct sim_coord *owner(const struct memory_journal *m)
{
	for (size_t i = 0; i < SIM_COORDS; i++)
		if (sim_coords[i].journal == m)
			return &sim_coords[i];
	sim_fail("somebody without a life writes to the journal");
}

/* Of what is under way some has reached the disk. */
static void keep_some(struct sim_coord *c)
{
	const uint64_t kept = memory_journal_synced(c->journal);
	const uint64_t open = memory_journal_committed(c->journal) - kept;

	if (open > 0)
		memory_journal_durable(c->journal, kept + sim_rand(open + 1));
}

/* `n` is life * 2^32 + batch, so that a sync of a life before does not report. */
static void synced(void *arg, uint64_t n)
{
	struct sim_coord *c = arg;
	const uint64_t batch = n & 0xffffffff;

	if (c->engine == NULL || n >> 32 != c->life ||
	    sim_stands_still(c->still_until_us, synced, arg, n))
		return;
	if (batch > memory_journal_synced(c->journal)) {
		if (c->epoch != sim_epoch) {
			coord_dies(c, "a newer one has the journal");
			return;
		}
		if (sim_chance(3)) {
			sim_tally("journal failed");
			coord_dies(c, "its journal fails");
			return;
		}
		memory_journal_durable(c->journal, batch);
	}
	coord_enter(c);
	engine_durable(c->engine, batch);
	coord_leave(c);
}

static void dies(void *arg, uint64_t life)
{
	struct sim_coord *c = arg;

	if (coord_runs(c) && c->life == life)
		coord_dies(c, coord_killed);
}

/* Before it is durable, somebody says a word, and the process may end after that. */
static void bad_moment(struct sim_coord *c, uint64_t us)
{
	const uint64_t first = sim_rand(us);

	sim_in(first, people_meddle, NULL, sim_rand(SIM_TXNS));
	if (sim_chance(250))
		sim_in(first + sim_rand(us - first), dies, c, c->life);
}

static void commit(void *self, uint64_t batch, bool at_once)
{
	SIM_AS(SIM_STORE, 0);
	struct journal_port memory;
	struct sim_coord *c = owner(self);
	/* What a start writes first is slow more often: agents may come before it is there. */
	const bool slow = sim_chance(batch <= 2 ? 300 : 30);
	const uint64_t most = slow && batch <= 2 ? 1500000 : slow ? 300000 : 3000;
	uint64_t at = sim_now_us() + 100 + sim_rand(most);

	memory = memory_journal_port(self);
	memory.commit(self, batch, at_once);
	if (at < c->synced_us)
		at = c->synced_us;
	c->synced_us = at;
	sim_in(at - sim_now_us(), synced, c, (c->life << 32) | batch);
	if (sim_chance(20))
		bad_moment(c, at - sim_now_us());
}

const struct record *store_find(const char *gid)
{
	ready();
	return memory_journal_peek(journal, gid);
}

struct journal_port store_port(struct sim_coord *c)
{
	struct journal_port port;

	ready();
	c->journal = memory_journal_beside(journal);
	c->synced_us = 0;
	port = memory_journal_port(c->journal);
	port.commit = commit;
	return port;
}

void store_taken_over(struct sim_coord *c)
{
	if (c->epoch == sim_epoch)
		keep_some(c);
}

void store_crash(struct sim_coord *c)
{
	if (c->epoch == sim_epoch)
		keep_some(c);
	memory_journal_free(c->journal);
	c->journal = NULL;
}

static void count_unfinished(struct record *r, void *arg)
{
	++*(size_t *)arg;
	record_free(r);
}

static void ignore_workflow(const struct workflow_row *row, void *arg)
{
	(void)row;
	(void)arg;
}

size_t store_unfinished(void)
{
	size_t n = 0;

	memory_journal_replay(journal, ignore_workflow, count_unfinished, &n);
	return n;
}

static void load_workflow(const struct workflow_row *row, void *arg)
{
	engine_load_workflow(arg, row);
}

static void load_record(struct record *r, void *arg)
{
	if (engine_load(arg, r, NULL) != RC_OK)
		sim_fail("a transaction is not valid in the journal");
}

void store_load(struct engine *e)
{
	memory_journal_replay(journal, load_workflow, load_record, e);
}

void store_fini(void)
{
	memory_journal_free(journal);
	journal = NULL;
}
