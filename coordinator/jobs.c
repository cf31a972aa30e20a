/* jobs.c - from what a transaction owes to the agent that gets the command.
 *
 * The state machine says what each branch is owed; a job carries that command
 * through held (for its batch), fresh or parked (for an agent), outbox, sent.
 * When the states owe something else, the job is taken out of wherever it is.
 *
 * Who may get a command:
 *   PREPARE, ONCE      any ready agent of the resource with room in its window;
 *                      sent again only to the same incarnation, which knows it
 *   DO                 the same; a DO whose attempt is under way only to its agent
 *   UNDO               the agent that had the DO if it can take it, else any
 *   COMMIT             its own agent if it is there, else any of the resource
 *   ROLLBACK,          its own agent: only that one can end the sessions that may
 *   SETTLE_ONCE        still work on the branch.  Once it has voted: any. */
#include "base/log.h"
#include "base/mem.h"
#include "coordinator/core.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- lists ---- */

void job_unlist(struct job *job)
{
	switch (job->place) {
	case JOB_FRESH: DL_DELETE(job->resource->fresh, job); break;
	case JOB_PARKED: DL_DELETE(job->resource->parked, job); break;
	case JOB_OUTBOX: DL_DELETE(job->agent->outbox, job); break;
	case JOB_SENT: DL_DELETE(job->agent->sent, job); break;
	case JOB_HELD: DL_DELETE(*job->held, job); break;
	case JOB_IDLE: break;
	}
	job->place = JOB_IDLE;
}

bool txn_is_stuck(enum txn_state s)
{
	return s == TXN_COMMIT_HAZARD || s == TXN_ABORT_HAZARD || s == TXN_SAGA_RUN_STUCK ||
	       s == TXN_SAGA_FINISH_STUCK || s == TXN_SAGA_UNDO_STUCK;
}

/* ---- choosing an agent ---- */

static bool open_for_work(const struct agent *a)
{
	return a->connected && a->greeted && !a->vouching;
}

static bool usable(struct agent *a, const struct resource *res)
{
	const struct agent_resource *ar;

	if (a == NULL || !open_for_work(a))
		return false;
	ar = agent_serves(a, res);
	return ar != NULL && ar->ready;
}

/* The least loaded; with `room`, only one that has room for another branch. */
static struct agent *least_loaded(const struct resource *res, bool room)
{
	const struct agent_resource *ar;
	struct agent *best = NULL;

	DL_FOREACH (res->served, ar) {
		struct agent *a = ar->agent;

		if (ar->ready && open_for_work(a) && (!room || a->open < a->window) &&
		    (best == NULL || a->open < best->open))
			best = a;
	}
	return best;
}

static struct agent *choose(const struct job *job)
{
	const bool here = usable(job->agent, job->resource);

	if (job->command == COMMAND_UNDO && here && job->agent->open < job->agent->window)
		return job->agent;
	if (command_is_work(job->command))
		return least_loaded(job->resource, true);
	if (here)
		return job->agent;
	if (job->command == COMMAND_COMMIT || job->voted || job->agent == NULL)
		return least_loaded(job->resource, false);
	return NULL;
}

bool job_assign(struct engine *e, struct job *job)
{
	struct agent *a = choose(job);

	if (a == NULL)
		return false;
	job_unlist(job);
	agent_give(e, a, job);
	return true;
}

void job_dispatch(struct engine *e, struct job *job)
{
	if (command_is_call(job->command)) {
		call_dispatch(e, job);
		return;
	}
	job_unlist(job);
	if (job_branch(job)->state == BR_WAITING && job->counted != NULL) {
		job->counted->open--; /* its agent went before it was sent */
		job->counted = NULL;
	}
	if (command_is_work(job->command) && job_branch(job)->state == BR_WORKING) {
		agent_give(e, job->agent, job);
	} else if (job_assign(e, job)) {
		return;
	} else if (command_is_work(job->command)) {
		job->place = JOB_FRESH;
		DL_APPEND(job->resource->fresh, job);
	} else {
		job->place = JOB_PARKED;
		DL_APPEND(job->resource->parked, job);
	}
}

/* ---- timers ---- */

static bool waits_for_votes(const struct txn *t)
{
	const struct record *r = t->rec;

	return r->state == TXN_PREPARING ||
	       (r->state == TXN_ONE_PHASE && r->branches[0].state != BR_ABORTING);
}

static void set_timer(struct engine *e, struct txn *t)
{
	uint64_t at = waits_for_votes(t) ? t->deadline_us : UINT64_MAX;

	for (size_t i = 0; i < t->rec->n_branches; i++)
		if (t->jobs[i].retry_us != 0 && t->jobs[i].retry_us < at)
			at = t->jobs[i].retry_us;
	if (at == UINT64_MAX)
		heap_remove(&e->txn_timers, &t->timer);
	else
		heap_set(&e->txn_timers, &t->timer, at);
}

uint64_t job_backoff_us(uint64_t first, uint64_t most, uint32_t n)
{
	const uint32_t doublings = n > 16 ? 16 : n;
	const uint64_t us = first << doublings;

	return us < most ? us : most;
}

void job_retry_in(struct engine *e, struct job *job, uint64_t us)
{
	job->retry_us = e->now_us + us;
	if (job->txn->timer.place == 0 || job->retry_us < job->txn->timer.at)
		heap_set(&e->txn_timers, &job->txn->timer, job->retry_us);
}

/* Why a branch has not voted, for the person who reads the reason of a rollback. */
static void say_why_late(struct engine *e, const struct job *job, char *out, size_t room)
{
	const struct record_branch *b = job_branch(job);
	struct agent *a, *tmp;
	const char *problem = NULL;
	bool connected = false;

	HASH_ITER (hh, e->agents, a, tmp) {
		const struct agent_resource *ar = agent_serves(a, job->resource);

		if (ar == NULL || !a->connected)
			continue;
		connected = true;
		if (!ar->ready)
			problem = ar->problem;
	}
	if (b->state == BR_WORKING)
		snprintf(out, room, "branch %s at %s: agent %s has not answered", b->name,
			 b->resource, b->agent != NULL ? b->agent : "?");
	else if (!connected)
		snprintf(out, room, "branch %s: no agent for resource %s is connected", b->name,
			 b->resource);
	else if (problem != NULL)
		snprintf(out, room, "branch %s: resource %s is not ready: %s", b->name, b->resource,
			 problem);
	else
		snprintf(out, room, "branch %s: the agents of resource %s had no room for it",
			 b->name, b->resource);
}

static void deadline_passed(struct engine *e, struct txn *t)
{
	char why[400] = "", reason[512];
	size_t i;

	for (i = 0; i < t->rec->n_branches; i++) {
		const enum branch_state s = t->rec->branches[i].state;

		if (s == BR_WORKING || s == BR_WAITING) {
			say_why_late(e, &t->jobs[i], why, sizeof why);
			break;
		}
	}
	snprintf(reason, sizeof reason, "the deadline of %" PRIu64 " ms passed: %s",
		 t->rec->timeout_ms, why);
	txn_event(e, t, TXN_EV_DEADLINE, 0, reason);
}

void txn_timer_due(struct engine *e, struct txn *t)
{
	if (t->rec->saga != NULL) {
		saga_timer_due(e, t);
		return;
	}
	if (waits_for_votes(t) && e->now_us >= t->deadline_us)
		deadline_passed(e, t);
	for (size_t i = 0; i < t->rec->n_branches; i++) {
		struct job *job = &t->jobs[i];

		if (job->retry_us == 0 || job->retry_us > e->now_us)
			continue;
		job->retry_us = 0;
		/* What is in an outbox or parked is on its way already. */
		if (job->place == JOB_IDLE || job->place == JOB_SENT)
			job_dispatch(e, job);
	}
	set_timer(e, t);
}

/* ---- transactions ---- */

struct txn *txn_add(struct engine *e, struct record *r)
{
	struct txn *t = mem_new(1, sizeof *t);

	t->rec = r;
	t->jobs = mem_new(txn_jobs(t), sizeof *t->jobs);
	for (uint32_t i = 0; i < txn_jobs(t); i++) {
		const char *agent =
			r->saga != NULL ? r->saga->steps[i].agent : r->branches[i].agent;

		t->jobs[i].txn = t;
		t->jobs[i].branch = i;
		t->jobs[i].agent = agent != NULL ? agent_need(e, agent) : NULL;
		if (r->saga == NULL)
			t->jobs[i].resource = resource_need(e, r->branches[i].resource);
	}
	HASH_ADD_KEYPTR(hh, e->txns, r->gid, strlen(r->gid), t);
	if (!record_finished(r->state) && r->parent_seq == 0)
		e->in_flight++;
	return t;
}

void txn_free(struct engine *e, struct txn *t)
{
	assert(t->waiters == NULL);
	for (size_t i = 0; i < txn_jobs(t); i++)
		job_unlist(&t->jobs[i]);
	history_drop(e, t);
	definition_release(e->definitions, t->definition);
	heap_remove(&e->txn_timers, &t->timer);
	HASH_DEL(e->txns, t);
	record_free(t->rec);
	free(t->jobs);
	free(t);
}

/* Brings the job to what its branch is owed now. */
static void follow(struct engine *e, struct txn *t, uint32_t branch)
{
	struct job *job = &t->jobs[branch];
	const struct record_branch *b = &t->rec->branches[branch];
	const enum command_kind want = txn_owes(t->rec, branch);

	if (b->state == BR_PREPARED)
		job->voted = true;
	if (b->state == BR_READ_ONLY || b->state == BR_COMMITTED || b->state == BR_ABORTED ||
	    b->state == BR_HAZARD)
		agent_branch_over(e, job);
	if (want == job->command)
		return;
	job_unlist(job);
	job->command = want;
	job->sends = 0;
	job->shared = false;
	job->retry_us = 0;
	if (want != COMMAND_NONE)
		effects_hold_job(e, job);
}

void txn_count_end(struct engine *e, const struct txn *t)
{
	if (t->rec->parent_seq != 0)
		return; /* its saga counts */
	e->in_flight--;
	if (t->rec->state == TXN_COMMITTED)
		e->counters.committed++;
	else
		e->counters.rolled_back++;
}

void txn_event(struct engine *e, struct txn *t, enum txn_event ev, size_t branch,
	       const char *reason)
{
	struct record *r = t->rec;
	const enum txn_state before = r->state;
	const bool moved = txn_step(r, ev, branch, reason);

	if (moved) {
		if (record_finished(r->state)) {
			r->finished_us = e->wall_us;
			txn_count_end(e, t);
		}
		if (r->state == TXN_COMMIT_HAZARD || r->state == TXN_ABORT_HAZARD) {
			e->counters.hazards++;
			log_event(LOG_ERROR, "hazard", "gid=%s %s", r->gid,
				  r->reason != NULL ? r->reason : "");
		}
		effects_record(e, t, before);
	}
	if (moved || r->sequential)
		for (uint32_t i = 0; i < r->n_branches; i++)
			follow(e, t, i);
	else
		follow(e, t, (uint32_t)branch);
	if (moved) {
		if (r->state == TXN_ACCEPTED)
			txn_begin(e, t);
		set_timer(e, t);
		clients_notify(e, t);
		if (r->parent_seq != 0)
			group_moved(e, t);
	}
}

/* One phase serves a single branch that has something to commit, where the
 * resource can keep a mark of it. */
void txn_begin(struct engine *e, struct txn *t)
{
	struct record *r = t->rec;
	const bool once = r->n_branches == 1 && !r->branches[0].read_only &&
			  t->jobs[0].resource->info.one_phase;

	r->epoch = e->settings.epoch;
	if (r->timeout_ms == 0)
		r->timeout_ms = e->settings.timeout_ms;
	t->deadline_us = e->now_us + r->timeout_ms * 1000;
	for (size_t i = 0; i < r->n_branches; i++) {
		t->jobs[i].agent = NULL;
		t->jobs[i].voted = false;
	}
	txn_event(e, t, once ? TXN_EV_BEGIN_ONCE : TXN_EV_BEGIN, 0, NULL);
}

void txn_continue(struct engine *e, struct txn *t)
{
	txn_resume(t->rec);
	if (t->rec->state == TXN_ACCEPTED) {
		txn_begin(e, t);
		return;
	}
	for (uint32_t i = 0; i < t->rec->n_branches; i++) {
		follow(e, t, i);
		t->jobs[i].sends = 1; /* by whoever was here before us, perhaps */
		t->jobs[i].shared = true;
	}
}
