/* adapter.c - the adapter of the simulation: calls that end after a while, as the
 * dice say, and keep the contract of participant/adapter.h; see sim.h. */
#include "base/mem.h"
#include "tests/sim/sagas.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOCK_POLL_US = 100 * 1000 };

static struct call *calls;

/* RESULT_NONE: it waits for a lock. */
static enum result_kind work_ends(struct call *call)
{
	struct session *s = call->s;

	if (s->dead || db_down[call->c->db] || call->crashes != db_crashes[call->c->db]) {
		s->dead = true;
		return RESULT_UNKNOWN;
	}
	if (call->read_only) {
		s->dead = true;
		return RESULT_READ_ONLY;
	}
	if (sim_chance_ever(100)) {
		s->dead = true;
		return RESULT_REFUSED;
	}
	if (sim_chance(44)) {
		/* The connection breaks; the database may do it now, later or never. */
		if (sim_rand(2) == 0)
			sim_in(sim_rand(20000000), db_zombie, s, 0);
		else
			s->dead = true;
		return RESULT_UNKNOWN;
	}
	if (account_locked(s->b)) {
		if (sim_now_us() >= call->until_us) {
			s->dead = true;
			return RESULT_REFUSED;
		}
		return RESULT_NONE;
	}
	s->dead = true;
	return db_work(s);
}

static enum result_kind commit_ends(struct call *call)
{
	struct dbbranch *b = call->b;

	if (db_down[b->db] || call->crashes != db_crashes[b->db])
		return RESULT_UNKNOWN;
	if (b->state == DB_PREPARED) {
		db_commit(b);
	} else if (!call->repeat) {
		b->hazard_said = true;
		return RESULT_HAZARD;
	} else {
		b->taken_for_done = true; /* rightly, but for what hands did */
	}
	return sim_chance(30) ? RESULT_UNKNOWN : RESULT_COMMITTED;
}

static enum result_kind rollback_ends(struct call *call)
{
	struct dbbranch *b = call->b;

	if (db_down[b->db] || call->crashes != db_crashes[b->db])
		return RESULT_UNKNOWN;
	db_end_sessions(b, b->db, call->c->agent);
	if (b->state == DB_PREPARED)
		db_rollback(b);
	/* One that keeps marks can tell what a person did. */
	if (b->state == DB_COMMITTED && b->by_hand && sim_exact(b->db)) {
		b->hazard_said = true;
		return RESULT_HAZARD;
	}
	return sim_chance(30) ? RESULT_UNKNOWN : RESULT_ROLLED_BACK;
}

static enum result_kind settle_ends(struct call *call)
{
	struct dbbranch *b = call->b;

	if (db_down[b->db] || call->crashes != db_crashes[b->db] || sim_chance(30))
		return RESULT_UNKNOWN;
	if (b->state == DB_COMMITTED)
		return RESULT_COMMITTED;
	b->state = DB_FORBIDDEN;
	return RESULT_ROLLED_BACK;
}

static void call_ends(void *arg, uint64_t n);

static bool waits(struct call *call)
{
	return sim_stands_still(sim_agents[call->c->agent].still_until_us, call_ends, call, 0);
}

static void call_ends(void *arg, uint64_t n)
{
	struct call *call = arg;
	struct client *c = call->c;
	struct adapter_answer answer = {.reason = "so say the dice"};

	(void)n;
	if (call->what == CALL_WORK && c->gone)
		return; /* its session was left to itself by db_agent_down */
	/* An agent that stands still had sent it to the database, or will. */
	if (call->what != CALL_ANSWER && sim_rand(2) == 0 && waits(call))
		return;
	switch (call->what) {
	case CALL_WORK: call->kind = work_ends(call); break;
	case CALL_COMMIT: call->kind = commit_ends(call); break;
	case CALL_ROLLBACK: call->kind = rollback_ends(call); break;
	case CALL_SETTLE: call->kind = settle_ends(call); break;
	case CALL_ANSWER: break;
	}
	if (call->kind == RESULT_NONE) {
		sim_in(1 + sim_rand(LOCK_POLL_US), call_ends, call, 0);
		return;
	}
	call->what = CALL_ANSWER;
	if (c->gone || waits(call))
		return;
	answer.kind = call->kind;
	call->done(&answer, call->arg);
	sim_agent_turn(&sim_agents[c->agent]);
}

/* Who draws for work on this branch: its transaction, or the saga whose group it is. */
static struct sim_as worker(const struct dbbranch *b)
{
	const uint64_t n = strtoull(b->gid + 1, NULL, 10);

	if (b->gid[0] == 't' && n < SIM_TXNS)
		return (struct sim_as){SIM_BRANCH, n};
	for (size_t i = 0; i < SIM_SAGAS && strncmp(b->gid, "settle.", 7) == 0; i++) {
		const struct record *r = store_find(sim_sagas[i].gid);

		if (r != NULL && strtoull(b->gid + strlen("settle."), NULL, 16) == r->seq)
			return (struct sim_as){SIM_CALL, i};
	}
	return (struct sim_as){SIM_DB, b->db};
}

static struct call *call_new(struct client *c, struct dbbranch *b, enum call_kind what,
			     adapter_done_fn done, void *arg)
{
	struct call *call = mem_new(1, sizeof *call);

	call->c = c;
	call->b = b;
	call->what = what;
	call->done = done;
	call->arg = arg;
	call->crashes = db_crashes[c->db];
	call->next = calls;
	calls = call;
	return call;
}

static void call_begins(struct call *call)
{
	const struct sim_as who = worker(call->b);
	SIM_AS(who.who, who.n);

	sim_in(sim_delay_us(), call_ends, call, 0);
}

static void work(struct client *c, const struct adapter_work *w, bool once, adapter_done_fn done,
		 void *arg)
{
	struct session *s = mem_new(1, sizeof *s);
	struct call *call;

	s->b = db_branch(c->db, &w->id);
	s->agent = c->agent;
	s->incarnation = c->incarnation;
	s->once = once;
	s->next = db_sessions;
	db_sessions = s;
	call = call_new(c, s->b, CALL_WORK, done, arg);
	call->s = s;
	call->once = once;
	call->until_us = sim_now_us() + (uint64_t)w->timeout_ms * 1000;
	account_asked(s->b, w->args.data, w->args.size);
	call->read_only = w->read_only;
	call_begins(call);
}

static void a_prepare(void *self, const struct adapter_work *w, adapter_done_fn done, void *arg)
{
	work(self, w, false, done, arg);
}

static void a_once(void *self, const struct adapter_work *w, adapter_done_fn done, void *arg)
{
	work(self, w, true, done, arg);
}

static void a_commit(void *self, const struct branch_id *id, bool repeat, adapter_done_fn done,
		     void *arg)
{
	struct client *c = self;
	struct call *call = call_new(c, db_branch(c->db, id), CALL_COMMIT, done, arg);

	call->repeat = repeat;
	call_begins(call);
}

static void a_rollback(void *self, const struct branch_id *id, adapter_done_fn done, void *arg)
{
	struct client *c = self;

	call_begins(call_new(c, db_branch(c->db, id), CALL_ROLLBACK, done, arg));
}

static void a_settle(void *self, const struct branch_id *id, adapter_done_fn done, void *arg)
{
	struct client *c = self;

	call_begins(call_new(c, db_branch(c->db, id), CALL_SETTLE, done, arg));
}

static void a_cancel(void *self, const struct branch_id *id)
{
	(void)self;
	(void)id;
}

enum { LIST_MAX_IDS = 2000 };

struct listing {
	struct client *c;
	adapter_list_fn done;
	void *arg;
};

static void list_ends(void *arg, uint64_t n)
{
	struct listing *l = arg;
	struct branch_id ids[LIST_MAX_IDS];
	struct dbbranch *b, *tmp;
	size_t count = 0;

	if (!l->c->gone &&
	    sim_stands_still(sim_agents[l->c->agent].still_until_us, list_ends, arg, n))
		return;
	if (!l->c->gone) {
		HASH_ITER (hh, db_branches, b, tmp)
			if (b->db == l->c->db && b->state == DB_PREPARED)
				assert(count < LIST_MAX_IDS),
					ids[count++] =
						(struct branch_id){"", b->gid, b->epoch, b->branch};
		l->done(db_down[l->c->db] ? RC_UNAVAILABLE : RC_OK, ids, count, l->arg);
		sim_agent_turn(&sim_agents[l->c->agent]);
	}
	free(l);
}

static void a_list(void *self, adapter_list_fn done, void *arg)
{
	struct listing *l = mem_new(1, sizeof *l);

	*l = (struct listing){self, done, arg};
	SIM_AS(SIM_DB, l->c->db);
	sim_in(sim_delay_us(), list_ends, l, 0);
}

static void a_describe(void *self, struct resource_info *info)
{
	const struct client *c = self;

	sim_describe(c->db, info);
}

const struct adapter sim_adapter = {
	.name = "sim",
	.describe = a_describe,
	.prepare = a_prepare,
	.commit = a_commit,
	.rollback = a_rollback,
	.cancel = a_cancel,
	.once = a_once,
	.settle_once = a_settle,
	.list = a_list,
	.call = service_call,
	.cancel_call = service_cancel,
};

void sim_calls_fini(void)
{
	while (calls != NULL) {
		struct call *c = calls;

		calls = c->next;
		free(c);
	}
}
