/* calls.c - saga calls: from DO and UNDO to the adapters' calls and back to answers.
 *
 * An attempt that was answered is never run again, not even when the answer was
 * that nothing could be begun: the coordinator has read it and may have drawn its
 * conclusion, and a duplicate that ran after that would leave an effect which
 * nobody undoes.  DONE answers every later attempt too: it is true of all.
 *
 * What a resource cannot do now is answered RETRY, for an action and for an undo:
 * nothing was begun, and the coordinator tries again by its own plan. */
#include "base/crash.h"
#include "base/log.h"
#include "participant/core.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

static void begin(struct agent *a, struct call *c, bool undo, const struct adapter_call *work);

/* ---- answers ---- */

static enum command_kind kind_of(bool undo)
{
	return undo ? COMMAND_UNDO : COMMAND_DO;
}

static void report(struct agent *a, const struct result *r)
{
	log_event(LOG_DEBUG, "call-answer",
		  "kind=%s call=%s resource=%s gid=%s step=%s attempt=%" PRIu32 " %s",
		  result_kind_name(r->kind), command_kind_name(r->call), r->id.resource, r->id.gid,
		  r->id.branch, r->attempt, r->reason != NULL ? r->reason : "");
	outbox_result(&a->outbox, r);
}

/* For a command that leaves no trace here. */
static void answer_once(struct agent *a, const struct command *cmd, const char *why)
{
	report(a, &(struct result){.id = cmd->id,
				   .kind = RESULT_RETRY,
				   .reason = why,
				   .call = cmd->kind,
				   .attempt = cmd->attempt});
}

/* Answers the newest attempt of a side. */
static void answer(struct agent *a, const struct call *c, bool undo,
		   const struct adapter_answer *what)
{
	const struct call_side *side = &c->sides[undo];

	report(a, &(struct result){.id = {c->served->name, c->gid, side->epoch, c->step},
				   .kind = what->kind,
				   .output = what->output,
				   .reason = what->reason,
				   .call = kind_of(undo),
				   .attempt = side->attempt,
				   .retry_after_ms = what->retry_after_ms});
}

/* Answers, and remembers it where it may be asked for: an action whose undo has come
 * is only ever refused from now on. */
static void conclude(struct agent *a, struct call *c, bool undo, const struct adapter_answer *what)
{
	answer(a, c, undo, what);
	if (undo || !c->undone)
		call_remember(&a->saga, c, undo, what);
}

/* What an adapter says, in a form that may be passed on. */
static struct adapter_answer sane(const struct adapter_answer *said)
{
	struct adapter_answer what = *said;

	if (!result_fits(what.kind, true))
		what = (struct adapter_answer){.kind = RESULT_UNKNOWN,
					       .reason = "the adapter's answer fits no call"};
	if (what.output.size > PAYLOAD_MAX) {
		what.output = (struct bytes){0};
		what.reason = "the operation's output was too big and is left out";
	}
	if (what.kind != RESULT_RETRY)
		what.retry_after_ms = 0;
	return what;
}

/* ---- beginning and ending ---- */

/* Why no call can be begun on the resource, or NULL. */
static const char *problem_of(const struct served *s)
{
	const char *problem = served_problem(s);

	if (problem == NULL && !s->calls)
		problem = "it serves no calls of sagas";
	return problem;
}

/* Not begun; the call is OVER afterwards. */
static void put_off(struct agent *a, struct call *c, bool undo, const char *why)
{
	char text[REASON_MAX];

	snprintf(text, sizeof text, "resource %s: %s", c->served->name, why);
	call_move(&a->saga, c, CALL_OVER, agent_now(a));
	conclude(a, c, undo, &(struct adapter_answer){.kind = RESULT_RETRY, .reason = text});
}

/* The action has answered: its undo has its turn, if there is time left for it. */
static void begin_waiting(struct agent *a, struct call *c)
{
	struct call_parked *w = call_unpark(c);
	const uint64_t now = agent_now(a);
	const uint64_t left_us = w->until_us > now ? w->until_us - now : 0;
	const struct adapter_call work = {.operation = w->operation,
					  .args = {w->args, w->args_size},
					  .elsewhere = w->elsewhere,
					  .timeout_ms = (uint32_t)((left_us + 999) / 1000)};

	if (left_us == 0)
		put_off(a, c, true, "the action took longer than its undo could wait");
	else
		begin(a, c, true, &work);
	call_parked_free(w);
}

static void on_called(const struct adapter_answer *said, void *arg)
{
	struct call *c = arg;
	struct agent *a = c->served->agent;
	const bool undo = c->stage == CALL_UNDOING;
	const struct adapter_answer what = sane(said);

	assert(c->stage != CALL_OVER);
	CRASH_POINT(call_ended);
	a->calls--;
	if (c->stage == CALL_STOPPING) {
		conclude(a, c, undo, &what);
		begin_waiting(a, c);
		return;
	}
	call_move(&a->saga, c, CALL_OVER, agent_now(a));
	conclude(a, c, undo, &what);
}

/* `work` has the operation, its arguments and the time. */
static void begin(struct agent *a, struct call *c, bool undo, const struct adapter_call *work)
{
	struct adapter_call call = *work;
	const char *problem = problem_of(c->served);

	if (problem != NULL) {
		put_off(a, c, undo, problem);
		return;
	}
	call.gid = c->gid;
	call.step = c->step;
	call.undo = undo;
	call.attempt = c->sides[undo].attempt;
	call_move(&a->saga, c, undo ? CALL_UNDOING : CALL_DOING, agent_now(a));
	call_forget(&a->saga, c, undo);
	a->calls++;
	CRASH_POINT(call_begin);
	c->served->adapter->call(c->served->self, &call, on_called, c);
}

/* ---- what comes down ---- */

enum seen { SEEN_BEFORE, SEEN_SAME, SEEN_NEW };

/* How the command stands to the newest one of its side, which it becomes.  The
 * numbers of a new coordinator may begin lower: not all that its predecessor counted
 * was forced to disk. */
static enum seen take_newest(struct call_side *side, const struct command *cmd)
{
	enum seen seen = SEEN_NEW;

	if (cmd->id.epoch < side->epoch ||
	    (cmd->id.epoch == side->epoch && cmd->attempt < side->attempt))
		return SEEN_BEFORE;
	if (cmd->attempt == side->attempt)
		seen = SEEN_SAME;
	side->epoch = cmd->id.epoch;
	side->attempt = cmd->attempt;
	return seen;
}

/* The answer to this very attempt has not been acknowledged yet. */
static bool answered(const struct agent *a, const struct command *cmd)
{
	return outbox_has_answer(&a->outbox, &cmd->id, cmd->kind, cmd->attempt);
}

/* No call of the step is under way. */
static void call_over(struct agent *a, struct call *c, const struct command *cmd, enum seen seen)
{
	const bool undo = cmd->kind == COMMAND_UNDO;
	struct adapter_answer what;

	if (call_recall(c, undo, &what) && (seen == SEEN_SAME || what.kind == RESULT_DONE))
		answer(a, c, undo, &what);
	else if (seen == SEEN_SAME && answered(a, cmd))
		return; /* forgotten early, to save room */
	else if (a->branches.n_live + a->saga.n_live >= 2 * (size_t)a->settings.window)
		put_off(a, c, undo, "busy: the agent has too much open already");
	else
		begin(a, c, undo,
		      &(struct adapter_call){.operation = cmd->operation,
					     .args = cmd->args,
					     .elsewhere = cmd->elsewhere,
					     .timeout_ms = cmd->timeout_ms});
}

static void do_came(struct agent *a, struct call *c, const struct command *cmd, enum seen seen)
{
	switch (c->stage) {
	case CALL_DOING:
	case CALL_STOPPING: return; /* one answer, to the newest attempt, when it ends */
	case CALL_UNDOING:
	case CALL_OVER: break;
	}
	if (c->undone)
		answer(a, c, false,
		       &(struct adapter_answer){.kind = RESULT_REFUSED, .reason = "undone before"});
	else
		call_over(a, c, cmd, seen);
}

static void undo_came(struct agent *a, struct call *c, const struct command *cmd, enum seen seen)
{
	const uint64_t now = agent_now(a);

	c->undone = true; /* from here on, before anything is done: its action is too late */
	call_forget(&a->saga, c, false);
	switch (c->stage) {
	case CALL_DOING:
		call_park(c, cmd, now);
		call_move(&a->saga, c, CALL_STOPPING, now);
		c->served->adapter->cancel_call(c->served->self, c->gid, c->step, false);
		break;
	case CALL_STOPPING:
		if (seen == SEEN_NEW)
			call_park(c, cmd, now);
		break;
	case CALL_UNDOING: break;
	case CALL_OVER: call_over(a, c, cmd, seen); break;
	}
}

void calls_command(struct agent *a, struct served *s, uint64_t epoch, const struct command *cmd)
{
	const bool undo = cmd->kind == COMMAND_UNDO;
	char why[REASON_MAX];
	struct call *c;
	enum seen seen;

	if (cmd->id.epoch != epoch) {
		log_event(LOG_WARN, "call-foreign-epoch",
			  "resource=%s gid=%s step=%s epoch=%" PRIu64 " of a reply of %" PRIu64
			  "; ignored",
			  cmd->id.resource, cmd->id.gid, cmd->id.branch, cmd->id.epoch, epoch);
		return;
	}
	if (s == NULL) {
		snprintf(why, sizeof why, "agent %s does not serve resource %s", a->settings.agent,
			 cmd->id.resource);
		answer_once(a, cmd, why);
		return;
	}
	c = calls_find(&a->saga, &cmd->id);
	/* Forgotten here, since that was long ago; but the coordinator, which may have slept
	 * meanwhile, has yet to read its answer, and draws its conclusion from that. */
	if (c == NULL && cmd->repeat && answered(a, cmd))
		return;
	if (c == NULL)
		c = calls_add(&a->saga, &cmd->id, s, agent_now(a));
	if (c == NULL) {
		answer_once(a, cmd, "the agent is full");
		return;
	}
	seen = take_newest(&c->sides[undo], cmd);
	if (seen == SEEN_BEFORE)
		return; /* overtaken by a newer attempt, which is answered */
	if (undo)
		undo_came(a, c, cmd, seen);
	else
		do_came(a, c, cmd, seen);
}
