/* exec_saga.c - the calls of sagas: one command each, and nothing remembered.  See
 * exec_impl.h.
 *
 *   command  done:     DONE                refused: REFUSED      pending: PENDING
 *            retry:    RETRY               not started, no turn: RETRY
 *            anything else: UNKNOWN
 *
 * Rule: REFUSED and RETRY are answered only when the command has said in so many words,
 * or by a status that no interpreter ends with by accident, that it has left nothing
 * (exit status 1 is not one of these), or when it was never started. */
#include "adapters/exec_impl.h"

#include "base/mem.h"

#define WHAT "operation %s on %s"

void exec_saga_take(struct exec_call *c, const struct adapter_call *call)
{
	struct exec *ex = c->ex;
	struct err err;

	c->attempt = call->attempt;
	c->operation = exec_config_find(&ex->config, call->operation);
	if (c->operation == NULL) {
		exec_call_answer(c, RESULT_REFUSED, "resource %s has no operation %s", ex->resource,
				 call->operation);
	} else if (!exec_config_can(&ex->config, c->operation, EXEC_CALL)) {
		exec_call_answer(c, RESULT_REFUSED,
				 WHAT " has no `call` in the agent's configuration: it serves "
				      "atomic groups only",
				 call->operation, ex->resource);
	} else if (exec_check_args(call->args, &err) != RC_OK) {
		exec_call_answer(c, RESULT_REFUSED, WHAT ": %s", call->operation, ex->resource,
				 err.text);
	} else {
		if (call->args.size > 0)
			c->args = mem_dup_bytes(call->args.data, call->args.size);
		c->args_size = call->args.size;
		c->ends_at = uv_now(ex->loop.uv) + call->timeout_ms;
		exec_call_queue(c, call->timeout_ms);
	}
}

static enum result_kind kind_of(enum exec_outcome outcome)
{
	switch (outcome) {
	case EXEC_DONE: return RESULT_DONE;
	case EXEC_REFUSED: return RESULT_REFUSED;
	case EXEC_RETRY: return RESULT_RETRY;
	case EXEC_PENDING: return RESULT_PENDING;
	case EXEC_UNSURE: return RESULT_UNKNOWN;
	}
	return RESULT_UNKNOWN;
}

static void on_ended(struct exec_call *c, const struct exec_verdict *v)
{
	/* Without its own words, `undo` says, it may have died half-way. */
	const enum result_kind kind = v->undo ? RESULT_UNKNOWN : kind_of(v->outcome);

	c->retry_after_ms = v->retry_after_ms;
	if (kind == RESULT_DONE) {
		if (v->output.size > 0)
			c->output = mem_dup_bytes(v->output.data, v->output.size);
		c->output_size = v->output.size;
		exec_call_answer(c, kind, NULL);
	} else {
		exec_call_answer(c, kind, WHAT ": %s", c->operation->name, c->ex->resource,
				 v->reason != NULL ? v->reason : "");
	}
}

/* Both of the step's: an undo must not run beside an action that does not die. */
static bool is_lost(const struct exec_call *c)
{
	char key[CALL_KEY_SIZE];

	call_key(c->gid, c->branch, c->kind != COMMAND_UNDO, key);
	return exec_step_lost(c->ex, key);
}

void exec_saga_start(struct exec_call *c)
{
	const uint64_t now = uv_now(c->ex->loop.uv);
	struct err err;
	enum rc rc;

	if (is_lost(c)) {
		exec_call_answer(c, RESULT_UNKNOWN,
				 "an earlier command of the step was killed and does not die");
		return;
	}
	if (c->ends_at <= now) {
		exec_call_answer(c, RESULT_RETRY, WHAT ": its deadline came before it began",
				 c->operation->name, c->ex->resource);
		return;
	}
	rc = exec_step_run(c, EXEC_CALL, (struct bytes){c->args, c->args_size},
			   (struct bytes){NULL, 0}, c->ends_at - now, on_ended, &err);
	if (rc != RC_OK)
		exec_call_answer(c, rc == RC_UNKNOWN ? RESULT_UNKNOWN : RESULT_RETRY, WHAT ": %s",
				 c->operation->name, c->ex->resource, err.text);
}

void exec_saga_cancel(struct exec_call *c)
{
	c->cancelled = true;
	if (c->place == EXEC_QUEUED)
		exec_call_answer(c, RESULT_RETRY, "it was cancelled before it began");
	else if (c->run != NULL)
		exec_run_stop(c->run, false);
}
