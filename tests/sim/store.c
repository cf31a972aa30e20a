/* store.c - the journal of the simulation; see sim.h.
 *
 * Batches become durable in order, after a while.  A crash keeps what was reported
 * as durable, and of the rest a prefix drawn from the seed: a sync that was
 * under way may have reached the disk without anybody hearing of it. */
#include "tests/lib/memory_journal.h"
#include "tests/sim/sim.h"

#include <inttypes.h>

static struct memory_journal *journal;
static struct journal_port memory;
static uint64_t life, done_at_us;

static void ready(void)
{
	if (journal != NULL)
		return;
	journal = memory_journal_new();
	memory = memory_journal_port(journal);
}

/* `n` is life * 2^32 + batch, so that a sync of a life before does not report. */
static void synced(void *arg, uint64_t n)
{
	(void)arg;
	if (n >> 32 != life)
		return;
	memory_journal_durable(journal, n & 0xffffffff);
	sim_engine_enter();
	engine_durable(sim_engine, n & 0xffffffff);
	sim_engine_leave();
}

static void commit(void *self, uint64_t batch)
{
	SIM_AS(SIM_STORE, 0);
	/* What a start writes first is slow more often: agents may come before it is there. */
	const bool slow = sim_chance(batch <= 2 ? 300 : 30);
	const uint64_t most = slow && batch <= 2 ? 1500000 : slow ? 300000 : 3000;
	uint64_t at = sim_now_us() + 100 + sim_rand(most);

	memory.commit(self, batch);
	if (at < done_at_us)
		at = done_at_us;
	done_at_us = at;
	sim_in(at - sim_now_us(), synced, NULL, (life << 32) | batch);
}

const struct record *store_find(const char *gid)
{
	ready();
	return memory_journal_peek(journal, gid);
}

void store_init(void)
{
	ready();
	done_at_us = 0;
}

struct journal_port store_port(void)
{
	struct journal_port port;

	ready();
	port = memory;
	port.commit = commit;
	return port;
}

void store_crash(void)
{
	uint64_t kept, open;

	ready();
	kept = memory_journal_synced(journal);
	open = memory_journal_committed(journal) - kept;
	if (open > 0)
		memory_journal_durable(journal, kept + sim_rand(open + 1));
	memory_journal_crash(journal);
	life++;
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
