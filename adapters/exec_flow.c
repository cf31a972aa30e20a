/* exec_flow.c - the steps of a branch's calls.  See exec_impl.h and ledger.h.
 *
 *   prepare   ledger TRYING ─▶ command ─▶ done:    ledger PREPARED ─▶ PREPARED
 *                                         refused: ledger ROLLED_BACK ─▶ REFUSED
 *                                         undo:    as rollback, then REFUSED
 *                                         else:    UNKNOWN (stays TRYING: listed)
 *   commit    ledger COMMITTING ─▶ command ─▶ done: ledger COMMITTED ─▶ COMMITTED
 *   rollback  ledger ROLLING_BACK ─▶ command ─▶ done: ledger ROLLED_BACK ─▶ ROLLED_BACK
 *                                         else: UNKNOWN (the coordinator asks again)
 *
 * Rule: only the last ledger answer before the arrow allows what is behind it. */
#include "adapters/exec_impl.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void begin_rollback(struct exec_call *c);

static struct exec_call *enter(void *arg)
{
	struct exec_call *c = arg;

	adapter_loop_enter(&c->ex->loop);
	return c;
}

/* `ex` is no longer to be had from a call that may have been freed. */
static void leave(struct exec *ex)
{
	adapter_loop_leave(&ex->loop);
}

static bool too_late(const struct exec_call *c)
{
	return c->ends_at <= uv_now(c->ex->loop.uv);
}

/* ---- prepare ---- */

#define WHAT "operation %s on %s"

/* Ends a prepare with its no once the ledger knows that nothing is left. */
static void on_refused_noted(enum rc rc, const struct ledger_row *row, const char *problem,
			     void *arg)
{
	struct exec_call *c = enter(arg);
	struct exec *ex = c->ex;

	(void)row;
	if (rc == RC_OK)
		exec_call_answer(c, c->no, NULL); /* c->reason is there */
	else
		exec_call_answer(c, RESULT_UNKNOWN, "%s", problem != NULL ? problem : "");
	leave(ex);
}

/* For later: what is answered when the ledger knows. */
static void keep_reason(struct exec_call *c, const char *what)
{
	char *text = mem_printf(WHAT ": %s", c->operation->name, c->ex->resource, what);

	free(c->reason);
	c->reason = frame_cut_reason(text);
	free(text);
}

/* `no`: REFUSED, or RETRY if the cause may pass. */
static void refuse(struct exec_call *c, enum result_kind no, const char *what)
{
	c->no = no;
	keep_reason(c, what);
	if (c->operation->read_only)
		exec_call_answer(c, no, NULL);
	else
		ledger_end(c->ex->ledger, &c->id, LEDGER_ROLLED_BACK, on_refused_noted, c);
}

static void on_prepared_noted(enum rc rc, const struct ledger_row *row, const char *problem,
			      void *arg)
{
	struct exec_call *c = enter(arg);
	struct exec *ex = c->ex;

	(void)row;
	if (rc == RC_OK)
		exec_call_answer(c, RESULT_PREPARED, NULL);
	else
		exec_call_answer(c, RESULT_UNKNOWN, WHAT ": it is done, but cannot be noted: %s",
				 c->operation->name, ex->resource,
				 problem != NULL ? problem : "the state file was changed");
	leave(ex);
}

static void prepare_done(struct exec_call *c, const struct exec_verdict *v)
{
	if (v->output.size > 0)
		c->output = mem_dup_bytes(v->output.data, v->output.size);
	c->output_size = v->output.size;
	if (c->operation->read_only)
		exec_call_answer(c, RESULT_READ_ONLY, NULL);
	else
		ledger_prepared(c->ex->ledger, &c->id, v->output, on_prepared_noted, c);
}

static void after_prepare(struct exec_call *c, const struct exec_verdict *v)
{
	const char *reason = v->reason != NULL ? v->reason : "";

	if (v->outcome == EXEC_DONE) {
		prepare_done(c, v);
	} else if (c->operation->read_only || (v->outcome == EXEC_REFUSED && !v->undo)) {
		/* What only reads leaves nothing, however it ends. */
		refuse(c, v->outcome == EXEC_REFUSED || v->undo ? RESULT_REFUSED : RESULT_RETRY,
		       reason);
	} else if (v->undo && !c->ex->closing) {
		keep_reason(c, reason);
		c->undoing = true;
		begin_rollback(c);
	} else {
		exec_call_answer(c, RESULT_UNKNOWN, WHAT ": %s", c->operation->name,
				 c->ex->resource, reason);
	}
}

/* Nothing was begun before. */
static void run_prepare(struct exec_call *c)
{
	const struct bytes args = {c->args, c->args_size};
	struct err err;
	enum rc rc;

	if (c->cancelled || c->ex->closing) {
		refuse(c, RESULT_RETRY, "it was cancelled before it began");
		return;
	}
	if (too_late(c)) {
		refuse(c, RESULT_RETRY, "its deadline came before it began");
		return;
	}
	rc = exec_step_run(c, EXEC_PREPARE, args, (struct bytes){NULL, 0},
			   c->ends_at - uv_now(c->ex->loop.uv), after_prepare, &err);
	if (rc == RC_UNKNOWN)
		exec_call_answer(c, RESULT_UNKNOWN, WHAT ": %s", c->operation->name,
				 c->ex->resource, err.text);
	else if (rc != RC_OK)
		refuse(c, RESULT_RETRY, err.text);
}

static void on_try_noted(enum rc rc, const struct ledger_row *row, const char *problem, void *arg)
{
	struct exec_call *c = enter(arg);
	struct exec *ex = c->ex;

	if (rc == RC_OK)
		run_prepare(c);
	else if (rc == RC_CONFLICT && row->phase == LEDGER_ROLLED_BACK)
		exec_call_answer(c, RESULT_REFUSED, WHAT ": the branch was rolled back before",
				 c->operation->name, ex->resource);
	else if (rc == RC_CONFLICT)
		exec_call_answer(c, RESULT_UNKNOWN, WHAT ": the branch is there already, %s",
				 c->operation->name, ex->resource, ledger_phase_name(row->phase));
	else
		/* Not begun: nothing is left.  Should the row be there after all, then a
		 * sweep finds it, and it is rolled back without harm. */
		exec_call_answer(c, RESULT_RETRY, WHAT ": %s", c->operation->name, ex->resource,
				 problem != NULL ? problem : "");
	leave(ex);
}

/* ---- commit and rollback ---- */

static void on_end_noted(enum rc rc, const struct ledger_row *row, const char *problem, void *arg)
{
	struct exec_call *c = enter(arg);
	struct exec *ex = c->ex;

	(void)row;
	if (rc != RC_OK)
		exec_call_answer(c, RESULT_UNKNOWN, "it is done, but cannot be noted: %s",
				 problem != NULL ? problem : "the state file was changed");
	else if (c->kind == COMMAND_COMMIT)
		exec_call_answer(c, RESULT_COMMITTED, NULL);
	else if (c->undoing)
		exec_call_answer(c, RESULT_REFUSED, NULL); /* c->reason is there */
	else
		exec_call_answer(c, RESULT_ROLLED_BACK, NULL);
	leave(ex);
}

static void after_finish(struct exec_call *c, const struct exec_verdict *v)
{
	const bool commit = c->kind == COMMAND_COMMIT;

	/* Here nobody needs the output, so one that cannot be used does no harm. */
	if (v->outcome == EXEC_DONE)
		ledger_end(c->ex->ledger, &c->id, commit ? LEDGER_COMMITTED : LEDGER_ROLLED_BACK,
			   on_end_noted, c);
	else if (c->undoing)
		exec_call_answer(c, RESULT_UNKNOWN, "%s; and rollback does not succeed: %s",
				 c->reason, v->reason != NULL ? v->reason : "");
	else
		exec_call_answer(c, RESULT_UNKNOWN, WHAT ": %s does not succeed: %s",
				 c->operation->name, c->ex->resource,
				 commit ? "commit" : "rollback",
				 v->reason != NULL ? v->reason : "");
}

/* The ledger has said: do it. */
static void run_finish(struct exec_call *c, const struct ledger_row *row)
{
	const enum exec_phase phase = c->kind == COMMAND_COMMIT ? EXEC_COMMIT : EXEC_ROLLBACK;
	struct err err;

	c->operation = exec_config_find(&c->ex->config, row->operation);
	if (c->operation == NULL || !exec_config_can(&c->ex->config, c->operation, phase)) {
		exec_call_answer(c, RESULT_UNKNOWN,
				 "operation %s, by which the branch was prepared, is not in the "
				 "agent's configuration any more: put it back",
				 row->operation);
		return;
	}
	if (c->ex->closing) {
		exec_call_answer(c, RESULT_UNKNOWN, "the agent is stopping");
		return;
	}
	if (exec_step_run(c, phase, row->args, row->output, UINT64_MAX, after_finish, &err) !=
	    RC_OK)
		exec_call_answer(c, RESULT_UNKNOWN, WHAT ": %s", c->operation->name,
				 c->ex->resource, err.text);
}

static void on_commit_noted(enum rc rc, const struct ledger_row *row, const char *problem,
			    void *arg)
{
	struct exec_call *c = enter(arg);
	struct exec *ex = c->ex;

	if (rc == RC_OK)
		run_finish(c, row);
	else if (rc == RC_CONFLICT && row->phase == LEDGER_COMMITTED)
		exec_call_answer(c, RESULT_COMMITTED, NULL);
	else if (rc == RC_CONFLICT)
		exec_call_answer(c, RESULT_HAZARD,
				 "told to commit a branch that is %s here, not prepared",
				 ledger_phase_name(row->phase));
	else if (rc == RC_NOT_FOUND && c->repeat)
		exec_call_answer(c, RESULT_COMMITTED, NULL);
	else if (rc == RC_NOT_FOUND)
		exec_call_answer(c, RESULT_HAZARD,
				 "the branch is gone before its first commit: state file %s does "
				 "not have it",
				 ex->config.state);
	else
		exec_call_answer(c, RESULT_UNKNOWN, "%s", problem != NULL ? problem : "");
	leave(ex);
}

static void on_rollback_noted(enum rc rc, const struct ledger_row *row, const char *problem,
			      void *arg)
{
	struct exec_call *c = enter(arg);
	struct exec *ex = c->ex;
	const enum result_kind over = c->undoing ? RESULT_REFUSED : RESULT_ROLLED_BACK;

	if (rc == RC_OK)
		run_finish(c, row);
	else if (rc == RC_NOT_FOUND || (rc == RC_CONFLICT && row->phase == LEDGER_ROLLED_BACK))
		exec_call_answer(c, over, NULL);
	else if (rc == RC_CONFLICT)
		exec_call_answer(c, RESULT_HAZARD, "told to roll back a branch that is %s here",
				 ledger_phase_name(row->phase));
	else
		exec_call_answer(c, RESULT_UNKNOWN, "%s", problem != NULL ? problem : "");
	leave(ex);
}

static void begin_rollback(struct exec_call *c)
{
	ledger_rollback(c->ex->ledger, &c->id, on_rollback_noted, c);
}

/* ---- beginnings ---- */

void exec_flow_start(struct exec_call *c)
{
	if (exec_step_lost(c->ex, c->key)) {
		exec_call_answer(c, RESULT_UNKNOWN,
				 "an earlier command of it was killed and does not die");
		return;
	}
	switch (c->kind) {
	case COMMAND_PREPARE:
		if (c->operation->read_only)
			run_prepare(c);
		else
			ledger_try(c->ex->ledger, &c->id, c->operation->name,
				   (struct bytes){c->args, c->args_size}, on_try_noted, c);
		break;
	case COMMAND_COMMIT: ledger_commit(c->ex->ledger, &c->id, on_commit_noted, c); break;
	case COMMAND_ROLLBACK: begin_rollback(c); break;
	case COMMAND_DO:
	case COMMAND_UNDO: exec_saga_start(c); break;
	case COMMAND_NONE:
	case COMMAND_ONCE:
	case COMMAND_SETTLE_ONCE: assert(false); break;
	}
}

static void on_listed(enum rc rc, const struct ledger_row *rows, size_t n, void *arg)
{
	struct exec_call *c = enter(arg);
	struct exec *ex = c->ex;

	c->rc = rc == RC_OK ? RC_OK : RC_UNAVAILABLE;
	c->found = mem_new(n, sizeof *c->found);
	c->names = mem_new(2 * n, sizeof *c->names);
	for (size_t i = 0; i < n; i++) {
		c->names[2 * i] = mem_dup(rows[i].id.gid);
		c->names[2 * i + 1] = mem_dup(rows[i].id.branch);
		c->found[i] = (struct branch_id){ex->resource, c->names[2 * i], rows[i].id.epoch,
						 c->names[2 * i + 1]};
	}
	c->n_found = n;
	exec_call_answer(c, RESULT_NONE, NULL);
	leave(ex);
}

void exec_flow_list(struct exec_call *c)
{
	if (c->ex->ledger == NULL) {
		c->rc = RC_OK; /* nothing is ever prepared here */
		exec_call_answer(c, RESULT_NONE, NULL);
		return;
	}
	ledger_list(c->ex->ledger, on_listed, c);
}
