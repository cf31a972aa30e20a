/* hands.c - what people do with their own hands at bad moments; see sim.h.
 *
 * In the databases: in some histories somebody commits or rolls back a prepared branch of a
 * plain transaction.  That may break its atomicity, and nothing else may; what an
 * adapter saw of it must be shown as stuck until a person says that it was seen to.
 * At the coordinator: a word while a batch is on its way to the disk. */
#include "tests/sim/db_core.h"

#include <string.h>

static bool meddling;

static struct dbbranch *one_prepared(void)
{
	struct dbbranch *b, *tmp, *found = NULL;
	size_t n = 0;

	HASH_ITER (hh, db_branches, b, tmp)
		if (b->state == DB_PREPARED && b->gid[0] == 't' && sim_rand(++n) == 0)
			found = b;
	return found;
}

static void meddles(void *arg, uint64_t n)
{
	struct dbbranch *b = one_prepared();

	(void)arg;
	(void)n;
	if (sim_healing)
		return;
	if (b != NULL && sim_chance(1000)) {
		sim_tally("branch ended by hand");
		b->by_hand = true;
		if (sim_rand(2) == 0)
			db_commit(b);
		else
			db_rollback(b);
	}
	sim_in(sim_rand(b != NULL ? 10000000 : 100000), meddles, NULL, 0);
}

void hands_init(void)
{
	SIM_AS(SIM_WORLD, 1);

	meddling = sim_rand(4) == 0;
	if (meddling)
		sim_in(sim_rand(20000000), meddles, NULL, 0);
}

bool hands_touched(const char *gid)
{
	struct dbbranch *b, *tmp;

	if (!meddling)
		return false;
	HASH_ITER (hh, db_branches, b, tmp)
		if (b->by_hand && strcmp(b->gid, gid) == 0)
			return true;
	return false;
}

/* Seen by an adapter, and not told otherwise by one that could not know. */
static bool seen(const struct dbbranch *b)
{
	return b->by_hand && b->hazard_said && !b->taken_for_done;
}

bool hands_seen(const char *gid)
{
	const struct record *r = store_find(gid);
	struct dbbranch *b, *tmp;

	/* Of a try that was never decided only the agent's log tells. */
	if (!meddling || r == NULL)
		return false;
	HASH_ITER (hh, db_branches, b, tmp)
		if (seen(b) && b->epoch == r->epoch && strcmp(b->gid, gid) == 0)
			return true;
	return false;
}

/* The journal tells which branch of which transaction it was. */
void hands_check(void)
{
	struct dbbranch *b, *tmp;

	HASH_ITER (hh, db_branches, b, tmp) {
		const struct record *r = store_find(b->gid);

		if (!seen(b) || r == NULL || r->epoch != b->epoch)
			continue;
		for (size_t i = 0; i < r->n_branches; i++)
			if (strcmp(r->branches[i].name, b->branch) == 0 &&
			    r->branches[i].state != BR_HAZARD)
				sim_fail("%s: the hazard at %s was seen and is not in the journal",
					 b->gid, b->branch);
	}
}
