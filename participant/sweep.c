/* sweep.c - looking into the resources for what is prepared there.
 *
 * "Not found" never proves that a prepare cannot still arrive, so the sweeps go on
 * for ever; and an orphan is ended only on the coordinator's word.  What a sweep
 * found counts only against what was known before it began. */
#include "base/crash.h"
#include "base/log.h"
#include "participant/core.h"

#include <inttypes.h>
#include <utlist.h>

void sweep_ask(struct agent *a, const struct branch_id *id)
{
	CRASH_POINT(inquiry_put);
	if (outbox_ask(&a->outbox, id))
		log_event(LOG_INFO, "inquiry", "resource=%s gid=%s branch=%s epoch=%" PRIu64,
			  id->resource, id->gid, id->branch, id->epoch);
}

void sweep_soon(struct served *s)
{
	s->due_us = agent_now(s->agent);
	s->again = s->listing;
}

void sweep_epoch_rose(struct agent *a)
{
	struct served *s, *tmp;
	struct branch *b;

	HASH_ITER (hh, a->served, s, tmp)
		sweep_soon(s);
	DL_FOREACH (a->branches.live, b)
		if (b->stage == STAGE_PREPARED || b->stage == STAGE_DOUBT)
			sweep_ask(a, &b->id);
}

/* One that waits is asked about only after a while: its decision is on its way. */
static bool waits_long(const struct agent *a, const struct branch *b)
{
	const uint64_t since = b->since_us > a->epoch_us ? b->since_us : a->epoch_us;

	return agent_now(a) >= since + ASK_AFTER_US;
}

static void found(struct served *s, const struct branch_id *listed)
{
	const struct branch_id id = {s->name, listed->gid, listed->epoch, listed->branch};
	struct agent *a = s->agent;
	struct branch *b;
	bool ask = true;

	if (!branch_id_valid(&id)) {
		log_event(LOG_WARN, "sweep-odd-branch", "resource=%s a branch with no valid name",
			  s->name);
		return;
	}
	b = branches_find(&a->branches, &id);
	if (b != NULL) {
		b->listed = s->sweeps;
		switch (b->stage) {
		case STAGE_WORKING:
		case STAGE_FINISHING: ask = false; break;
		case STAGE_PREPARED:
		case STAGE_DOUBT: ask = waits_long(a, b); break;
		case STAGE_OVER:
			/* It ended before we looked, and yet it is there (a zombie prepare):
			 * the tombstone may not answer for it any more. */
			ask = b->since_us < s->sweep_us;
			if (ask)
				branch_move(&a->branches, b, STAGE_DOUBT, agent_now(a));
			break;
		}
	}
	if (ask)
		sweep_ask(a, &id);
}

/* What waited here before the sweep began and was not found was ended by somebody
 * else: another agent of the resource, or a person.  It takes no room any more. */
static void bury_gone(struct served *s)
{
	struct agent *a = s->agent;
	struct branch *b, *tmp;

	DL_FOREACH_SAFE (a->branches.live, b, tmp) {
		const bool waits = b->stage == STAGE_PREPARED || b->stage == STAGE_DOUBT;

		if (b->served != s || !waits || b->since_us >= s->sweep_us ||
		    b->listed == s->sweeps)
			continue;
		log_event(LOG_INFO, "branch-gone", "resource=%s gid=%s branch=%s epoch=%" PRIu64,
			  b->id.resource, b->id.gid, b->id.branch, b->id.epoch);
		branch_bury(&a->branches, b, END_GONE, NULL, agent_now(a));
	}
}

static void on_list(enum rc rc, const struct branch_id *branches, size_t n, void *arg)
{
	struct served *s = arg;

	CRASH_POINT(sweep_listed);
	s->listing = false;
	s->due_us = agent_now(s->agent);
	if (!s->again)
		s->due_us += s->agent->settings.sweep_ms * 1000;
	s->again = false;
	if (rc != RC_OK) {
		if (!s->list_failed)
			log_event(LOG_WARN, "sweep-failed",
				  "resource=%s code=%s will be tried again", s->name, rc_name(rc));
		s->list_failed = true;
		return;
	}
	s->list_failed = false;
	for (size_t i = 0; i < n; i++)
		found(s, &branches[i]);
	bury_gone(s);
}

static bool can_sweep(const struct served *s)
{
	return s->adapter->list != NULL && !s->listing && served_problem(s) == NULL;
}

void sweep_turn(struct agent *a)
{
	const uint64_t now = agent_now(a);
	struct served *s, *tmp;

	HASH_ITER (hh, a->served, s, tmp) {
		if (!can_sweep(s) || s->due_us > now)
			continue;
		s->listing = true;
		s->sweeps++;
		s->sweep_us = now;
		CRASH_POINT(sweep_begin);
		s->adapter->list(s->self, on_list, s);
	}
}

uint64_t sweep_due(const struct agent *a)
{
	uint64_t due = UINT64_MAX;
	struct served *s, *tmp;

	HASH_ITER (hh, a->served, s, tmp)
		if (can_sweep(s) && s->due_us < due)
			due = s->due_us;
	return due;
}
