/* work.c - from commands to the adapters' calls and back to results.
 *
 * A decision never changes: the coordinator sends either commits or rollbacks for
 * a branch, whatever dies.  So a command that contradicts what is known here is a
 * hazard, and is reported as one instead of being carried out:
 *
 *   COMMIT of a branch that is OVER as rolled back.  The adapter has promised that
 *   nothing of it is left or can appear, so there is nothing to try.  It is not
 *   taken for rolled back when that was only asked for: then the branch is DOUBT,
 *   the commit goes to the adapter, and never as a repeat, so that "no such
 *   branch" is not taken for "done before".
 *   COMMIT of one that is read only is done: there was nothing to commit.
 *   COMMIT or ROLLBACK of one that was only found GONE goes to the adapter: another
 *   agent of the same resource may have carried out the same decision.
 *   ROLLBACK of a branch that is OVER as committed, or whose commit was tried.
 *
 * Work that is refused leaves a tombstone as well: a duplicate of it, arriving when
 * there is room again, must not run after the coordinator has read the refusal. */
#include "base/crash.h"
#include "base/log.h"
#include "participant/core.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BIT(kind) (1u << (kind))

static const struct bytes nothing;
static const char no_groups[] = "takes no part in two-phase commit";

static void run_pending(struct agent *a, struct branch *b);

const char *served_problem(const struct served *s)
{
	return s->agent->stopping ? "the agent is stopping" : s->problem;
}

/* ---- results ---- */

static void report(struct agent *a, const struct branch_id *id, enum result_kind kind,
		   struct bytes output, const char *reason)
{
	/* A suspicion only: that another agent has carried out the same decision meanwhile,
	 * while this one was cut off, the coordinator alone can know. */
	if (kind == RESULT_HAZARD)
		log_event(LOG_WARN, "hazard", "resource=%s gid=%s branch=%s epoch=%" PRIu64 " %s",
			  id->resource, id->gid, id->branch, id->epoch,
			  reason != NULL ? reason : "");
	else
		log_event(LOG_DEBUG, "result", "kind=%s resource=%s gid=%s branch=%s %s",
			  result_kind_name(kind), id->resource, id->gid, id->branch,
			  reason != NULL ? reason : "");
	outbox_result(
		&a->outbox,
		&(struct result){.id = *id, .kind = kind, .output = output, .reason = reason});
}

static void report_text(struct agent *a, const struct branch_id *id, enum result_kind kind,
			const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static void report_text(struct agent *a, const struct branch_id *id, enum result_kind kind,
			const char *fmt, ...)
{
	char text[REASON_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	report(a, id, kind, nothing, text);
}

/* ---- work: PREPARE and ONCE ---- */

/* How the vote moves the branch. */
static void note_vote(struct agent *a, struct branch *b, enum result_kind kind, const char *reason)
{
	const uint64_t now = agent_now(a);

	switch (kind) {
	case RESULT_PREPARED: branch_move(&a->branches, b, STAGE_PREPARED, now); break;
	case RESULT_READ_ONLY: branch_bury(&a->branches, b, END_READ_ONLY, NULL, now); break;
	case RESULT_REFUSED:
	case RESULT_RETRY:
		branch_bury(&a->branches, b, END_ROLLED_BACK, reason, now);
		b->passing = kind == RESULT_RETRY;
		break;
	case RESULT_COMMITTED: branch_bury(&a->branches, b, END_COMMITTED, NULL, now); break;
	case RESULT_NONE:
	case RESULT_ROLLED_BACK:
	case RESULT_HAZARD:
	case RESULT_DONE:
	case RESULT_PENDING:
	case RESULT_UNKNOWN: branch_move(&a->branches, b, STAGE_DOUBT, now); break;
	}
}

static void on_worked(const struct adapter_answer *answer, void *arg)
{
	struct branch *b = arg;
	struct agent *a = b->served->agent;
	const enum result_kind yes = b->call == COMMAND_ONCE ? RESULT_COMMITTED : RESULT_PREPARED;
	enum result_kind kind = answer->kind;

	assert(b->stage == STAGE_WORKING);
	CRASH_POINT(work_ended);
	a->calls--;
	if (kind != yes && kind != RESULT_READ_ONLY && kind != RESULT_REFUSED &&
	    kind != RESULT_RETRY)
		kind = RESULT_UNKNOWN;
	note_vote(a, b, kind, answer->reason);
	/* A decision that waits makes the vote idle, but for what ONCE has done. */
	if (kind == RESULT_COMMITTED)
		b->pending &= ~BIT(COMMAND_SETTLE_ONCE);
	if (b->pending == 0 || kind == RESULT_COMMITTED)
		report(a, &b->id, kind, answer->output, answer->reason);
	if (b->pending != 0)
		run_pending(a, b);
	else if (kind == RESULT_PREPARED && b->id.epoch < a->epoch)
		sweep_ask(a, &b->id); /* whoever sent it has been replaced meanwhile */
}

/* The command came before.  What is under way will answer; so will what is on its
 * way already (and a poll may overtake another: only the first answer has the
 * output and the reason).  Where the end is not known for sure, nothing is said:
 * the vote was given, or a decision came that makes it idle. */
static void work_again(struct agent *a, const struct branch *b)
{
	const bool voted = b->stage == STAGE_PREPARED || b->stage == STAGE_OVER;

	if (!voted || outbox_has_result(&a->outbox, &b->id))
		return;
	if (b->stage == STAGE_PREPARED) {
		report(a, &b->id, RESULT_PREPARED, nothing, NULL);
		return;
	}
	switch (b->end) {
	case END_COMMITTED: report(a, &b->id, RESULT_COMMITTED, nothing, NULL); break;
	case END_READ_ONLY: report(a, &b->id, RESULT_READ_ONLY, nothing, NULL); break;
	case END_ROLLED_BACK:
		report(a, &b->id, b->passing ? RESULT_RETRY : RESULT_REFUSED, nothing,
		       b->reason != NULL ? b->reason : "rolled back before it was prepared");
		break;
	case END_HAZARD:
	case END_GONE: break;
	}
}

/* What cannot be begun is no word of the resource about the business. */
static void refuse(struct agent *a, struct served *s, const struct branch_id *id,
		   const char *reason)
{
	struct branch *b;

	if (s != NULL &&
	    (b = branches_add(&a->branches, id, s, STAGE_WORKING, agent_now(a))) != NULL)
		note_vote(a, b, RESULT_RETRY, reason);
	report(a, id, RESULT_RETRY, nothing, reason);
}

/* Fills `why` and returns true if the work must be refused. */
static bool must_refuse(struct agent *a, const struct served *s, uint64_t epoch,
			const struct command *c, char *why, size_t room)
{
	const size_t open = a->branches.n_live + a->saga.n_live;

	if (s == NULL)
		snprintf(why, room, "agent %s does not serve resource %s", a->settings.agent,
			 c->id.resource);
	else if (c->id.epoch != epoch)
		snprintf(why, room,
			 "the branch is of epoch %" PRIu64 ", its coordinator of %" PRIu64,
			 c->id.epoch, epoch);
	else if (served_problem(s) != NULL)
		snprintf(why, room, "resource %s: %s", s->name, served_problem(s));
	else if (!s->groups)
		snprintf(why, room, "resource %s %s", s->name, no_groups);
	else if (c->kind == COMMAND_ONCE && s->adapter->once == NULL)
		snprintf(why, room, "resource %s cannot commit in one phase", s->name);
	else if (open >= 2 * (size_t)a->settings.window)
		snprintf(why, room, "agent %s has %zu branches and calls open already",
			 a->settings.agent, open);
	else
		return false;
	return true;
}

static void work_begin(struct agent *a, struct served *s, uint64_t epoch, const struct command *c)
{
	const struct adapter_work work = {.id = c->id,
					  .operation = c->operation,
					  .args = c->args,
					  .timeout_ms = c->timeout_ms,
					  .read_only = c->read_only};
	char why[REASON_MAX];
	struct branch *b;

	if (must_refuse(a, s, epoch, c, why, sizeof why)) {
		refuse(a, s, &c->id, why);
		return;
	}
	b = branches_add(&a->branches, &c->id, s, STAGE_WORKING, agent_now(a));
	if (b == NULL) {
		refuse(a, NULL, &c->id, "the agent is full");
		return;
	}
	b->call = c->kind;
	a->calls++;
	CRASH_POINT(work_begin);
	if (c->kind == COMMAND_ONCE)
		s->adapter->once(s->self, &work, on_worked, b);
	else
		s->adapter->prepare(s->self, &work, on_worked, b);
}

/* ---- decisions: COMMIT, ROLLBACK, SETTLE_ONCE ---- */

static void on_finished(const struct adapter_answer *answer, void *arg)
{
	struct branch *b = arg;
	struct agent *a = b->served->agent;
	const uint64_t now = agent_now(a);
	enum result_kind kind = answer->kind;

	assert(b->stage == STAGE_FINISHING);
	CRASH_POINT(finish_ended);
	a->calls--;
	if (kind == RESULT_COMMITTED && b->call != COMMAND_ROLLBACK)
		branch_bury(&a->branches, b, END_COMMITTED, NULL, now);
	else if (kind == RESULT_ROLLED_BACK && b->call != COMMAND_COMMIT)
		branch_bury(&a->branches, b, END_ROLLED_BACK, NULL, now);
	else if (kind == RESULT_HAZARD)
		branch_bury(&a->branches, b, END_HAZARD, answer->reason, now);
	else {
		kind = RESULT_UNKNOWN;
		branch_move(&a->branches, b, STAGE_DOUBT, now);
	}
	report(a, &b->id, kind, answer->output, answer->reason);
	run_pending(a, b);
}

static void call_commit(struct agent *a, struct branch *b, bool repeat)
{
	const bool maybe_done = (repeat || b->commit_tried) && !b->rollback_tried;

	b->commit_tried = true;
	a->calls++;
	b->served->adapter->commit(b->served->self, &b->id, maybe_done, on_finished, b);
}

static void call_rollback(struct agent *a, struct branch *b)
{
	b->rollback_tried = true;
	a->calls++;
	b->served->adapter->rollback(b->served->self, &b->id, on_finished, b);
}

static void call_settle(struct agent *a, struct branch *b)
{
	a->calls++;
	b->served->adapter->settle_once(b->served->self, &b->id, on_finished, b);
}

/* The branch is PREPARED or DOUBT. */
static void decide(struct agent *a, struct branch *b, enum command_kind kind, bool repeat)
{
	const struct served *s = b->served;
	const char *problem = served_problem(s);

	if (s->adapter->prepare == NULL)
		problem = no_groups;
	else if (kind == COMMAND_SETTLE_ONCE && s->adapter->settle_once == NULL)
		problem = "it cannot commit in one phase";
	if (kind == COMMAND_ROLLBACK && b->commit_tried) {
		report_text(a, &b->id, RESULT_HAZARD,
			    "told to roll back a branch whose commit was tried");
		return;
	}
	if (problem != NULL) {
		if (b->stage == STAGE_PREPARED)
			branch_move(&a->branches, b, STAGE_DOUBT, agent_now(a));
		report_text(a, &b->id, RESULT_UNKNOWN, "resource %s: %s", s->name, problem);
		return;
	}
	branch_move(&a->branches, b, STAGE_FINISHING, agent_now(a));
	CRASH_POINT(finish_begin);
	b->call = kind;
	if (kind == COMMAND_COMMIT)
		call_commit(a, b, repeat);
	else if (kind == COMMAND_ROLLBACK)
		call_rollback(a, b);
	else
		call_settle(a, b);
}

/* A decision for a branch that is over: the top of this file has the reasons. */
static void decide_over(struct agent *a, struct branch *b, enum command_kind kind, bool repeat)
{
	switch (b->end) {
	case END_GONE:
		branch_move(&a->branches, b, STAGE_DOUBT, agent_now(a));
		decide(a, b, kind, repeat);
		break;
	case END_COMMITTED:
		if (kind == COMMAND_ROLLBACK)
			report_text(a, &b->id, RESULT_HAZARD,
				    "told to roll back a branch that is committed");
		else
			report(a, &b->id, RESULT_COMMITTED, nothing, NULL);
		break;
	case END_READ_ONLY:
		report(a, &b->id, kind == COMMAND_ROLLBACK ? RESULT_ROLLED_BACK : RESULT_COMMITTED,
		       nothing, NULL);
		break;
	case END_ROLLED_BACK:
		if (kind == COMMAND_COMMIT)
			report_text(a, &b->id, RESULT_HAZARD,
				    "told to commit a branch that is rolled back%s%s",
				    b->reason != NULL ? ": " : "",
				    b->reason != NULL ? b->reason : "");
		else
			report(a, &b->id, RESULT_ROLLED_BACK, nothing, b->reason);
		break;
	case END_HAZARD: report(a, &b->id, RESULT_HAZARD, nothing, b->reason); break;
	}
}

static void await(struct branch *b, enum command_kind kind, bool repeat)
{
	const bool cancel = b->stage == STAGE_WORKING && kind != COMMAND_COMMIT &&
			    (b->pending & (BIT(COMMAND_ROLLBACK) | BIT(COMMAND_SETTLE_ONCE))) == 0;

	if (b->stage == STAGE_FINISHING && b->call == kind)
		return; /* its answer is this one's as well */
	b->pending |= BIT(kind);
	if (kind == COMMAND_COMMIT)
		b->pending_repeat = b->pending_repeat || repeat;
	if (cancel)
		b->served->adapter->cancel(b->served->self, &b->id);
}

static void decision(struct agent *a, struct branch *b, enum command_kind kind, bool repeat)
{
	switch (b->stage) {
	case STAGE_WORKING:
	case STAGE_FINISHING: await(b, kind, repeat); break;
	case STAGE_PREPARED:
	case STAGE_DOUBT: decide(a, b, kind, repeat); break;
	case STAGE_OVER: decide_over(a, b, kind, repeat); break;
	}
}

/* The call has ended: what waited for it begins, or is answered. */
static void run_pending(struct agent *a, struct branch *b)
{
	static const enum command_kind order[] = {COMMAND_COMMIT, COMMAND_ROLLBACK,
						  COMMAND_SETTLE_ONCE};
	const unsigned pending = b->pending;
	const bool repeat = b->pending_repeat;

	b->pending = 0;
	b->pending_repeat = false;
	for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
		if ((pending & BIT(order[i])) != 0)
			decision(a, b, order[i], repeat);
}

static void decision_came(struct agent *a, struct served *s, const struct branch_id *id,
			  enum command_kind kind, bool repeat)
{
	struct branch *b;

	if (s == NULL) {
		report_text(a, id, RESULT_UNKNOWN, "agent %s does not serve resource %s",
			    a->settings.agent, id->resource);
		return;
	}
	b = branches_find(&a->branches, id);
	/* Known from here on, before anything is done: its prepare is now too late. */
	if (b == NULL)
		b = branches_add(&a->branches, id, s, STAGE_DOUBT, agent_now(a));
	if (b == NULL)
		report_text(a, id, RESULT_UNKNOWN, "the agent is full");
	else
		decision(a, b, kind, repeat);
}

/* ---- what comes down ---- */

static struct served *served_by_name(const struct agent *a, const char *name)
{
	struct served *s;

	HASH_FIND_STR(a->served, name, s);
	return s;
}

void work_command(struct agent *a, uint64_t epoch, const struct command *c)
{
	struct served *s = served_by_name(a, c->id.resource);
	const struct branch *b;

	log_event(LOG_DEBUG, "command", "kind=%s resource=%s gid=%s branch=%s epoch=%" PRIu64,
		  command_kind_name(c->kind), c->id.resource, c->id.gid, c->id.branch, c->id.epoch);
	CRASH_POINT(command_begin);
	switch (c->kind) {
	case COMMAND_PREPARE:
	case COMMAND_ONCE:
		b = branches_find(&a->branches, &c->id);
		if (b != NULL)
			work_again(a, b);
		else if (!c->repeat || !outbox_has_result(&a->outbox, &c->id))
			work_begin(a, s, epoch, c);
		break;
	case COMMAND_COMMIT:
	case COMMAND_ROLLBACK:
	case COMMAND_SETTLE_ONCE: decision_came(a, s, &c->id, c->kind, c->repeat); break;
	case COMMAND_DO:
	case COMMAND_UNDO: calls_command(a, s, epoch, c); break;
	case COMMAND_NONE: break;
	}
}

void work_answer(struct agent *a, const struct answer *ans)
{
	struct served *s = served_by_name(a, ans->id.resource);

	log_event(LOG_INFO, "inquiry-answered",
		  "verdict=%s resource=%s gid=%s branch=%s epoch=%" PRIu64,
		  verdict_name(ans->verdict), ans->id.resource, ans->id.gid, ans->id.branch,
		  ans->id.epoch);
	CRASH_POINT(verdict_received);
	switch (ans->verdict) {
	case VERDICT_WAIT: break; /* the next sweep asks again */
	case VERDICT_COMMIT: decision_came(a, s, &ans->id, COMMAND_COMMIT, true); break;
	case VERDICT_ABORT: decision_came(a, s, &ans->id, COMMAND_ROLLBACK, false); break;
	}
}
