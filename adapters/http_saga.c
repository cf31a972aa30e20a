/* http_saga.c - see http_branch.h: the calls of sagas.  One request each, and nothing
 * remembered: it is the service that knows the key.
 *
 *   2xx DONE    202 PENDING    4xx REFUSED    408, 425, 429, 503 with Retry-After: RETRY
 *   nothing was sent: RETRY    anything else: UNKNOWN
 *   one of `gone`, to a compensation: DONE, since there is nothing to undo
 *
 * Rule: RETRY says that this call has left nothing.  So a 5xx that says no more than
 * that something went wrong is UNKNOWN: it is tried again just the same, but if it is
 * given up the step is undone. */
#include "adapters/http_branch.h"

static enum result_kind kind_of(const struct http_verdict *v, bool undo)
{
	switch (v->end) {
	case HTTP_DONE: return RESULT_DONE;
	case HTTP_REFUSED: return RESULT_REFUSED;
	case HTTP_GONE: return undo ? RESULT_DONE : RESULT_REFUSED;
	case HTTP_RETRY: return v->clean || v->turned_away ? RESULT_RETRY : RESULT_UNKNOWN;
	case HTTP_PENDING: return RESULT_PENDING;
	case HTTP_UNKNOWN: return RESULT_UNKNOWN;
	}
	return RESULT_UNKNOWN;
}

static void on_answered(struct http_run *run)
{
	struct http_call *c = run->owner;
	const struct http_verdict *v = &run->verdict;
	const enum result_kind kind = kind_of(v, c->undo);

	c->running = false;
	if (v->end == HTTP_DONE)
		http_call_output(c, v->output);
	if (kind == RESULT_RETRY)
		c->retry_after_ms = (uint32_t)v->retry_after_s * 1000; /* capped */
	http_call_end(c, kind, v->reason);
}

void http_saga_start(struct http_call *c, const struct adapter_call *call)
{
	struct err err = {0};

	c->attempt = call->attempt;
	c->due_ms = uv_now(c->http->loop.uv) + call->timeout_ms;
	if (http_call_make(c, call->operation, call->args, &err) != RC_OK)
		http_call_end(c, RESULT_REFUSED, err.text);
	else
		http_call_run(c, on_answered);
}
