/* http_branch.c - see http_branch.h: a call, and the prepare.
 *
 *   ledger_try → the request → done:    ledger_prepared → PREPARED
 *                              refused: ledger_end      → REFUSED
 *                              unknown: UNKNOWN; the row stays TRYING, is listed, and
 *                                       rolled back on the coordinator's word */
#include "adapters/http_branch.h"

#include "base/mem.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* ---- calls ---- */

static char *saga_key(const char *gid, const char *step, bool undo)
{
	char key[CALL_KEY_SIZE];

	call_key(gid, step, undo, key);
	return mem_dup(key);
}

struct http_call *http_call_new(struct http *h, enum http_phase phase, const struct branch_id *id,
				bool undo, adapter_done_fn done, void *arg)
{
	struct http_call *c = mem_new(1, sizeof *c);

	c->http = h;
	c->phase = phase;
	c->id = (struct branch_id){.resource = mem_dup(h->resource),
				   .gid = mem_dup(id->gid),
				   .epoch = id->epoch,
				   .branch = mem_dup(id->branch)};
	c->undo = undo;
	c->key =
		phase == HTTP_CALL ? saga_key(id->gid, id->branch, undo) : http_key(h->cluster, id);
	c->done = done;
	c->arg = arg;
	DL_APPEND(h->open, c);
	return c;
}

static void call_free(struct http_call *c)
{
	http_run_fini(&c->run);
	free((void *)(uintptr_t)c->id.resource);
	free((void *)(uintptr_t)c->id.gid);
	free((void *)(uintptr_t)c->id.branch);
	free(c->key);
	free(c->output);
	free(c->reason);
	free(c);
}

void http_call_end(struct http_call *c, enum result_kind kind, const char *reason)
{
	struct http *h = c->http;

	assert(!c->running && !c->ledgered);
	c->kind = kind;
	if (reason != NULL) {
		free(c->reason);
		c->reason = frame_cut_reason(reason);
	}
	DL_DELETE(h->open, c);
	DL_APPEND(h->answers, c);
	adapter_loop_soon(&h->loop);
}

void http_call_endf(struct http_call *c, enum result_kind kind, const char *fmt, ...)
{
	char text[REASON_MAX + 1];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	http_call_end(c, kind, text);
}

void http_call_deliver(struct http *h)
{
	struct http_call *c;

	while ((c = h->answers) != NULL) {
		const bool yes = c->kind == RESULT_PREPARED || c->kind == RESULT_READ_ONLY ||
				 c->kind == RESULT_DONE;
		const struct adapter_answer answer = {
			.kind = c->kind,
			.output = {yes ? c->output : NULL, yes ? c->output_size : 0},
			.reason = c->reason,
			.retry_after_ms = c->retry_after_ms,
		};

		DL_DELETE(h->answers, c);
		c->done(&answer, c->arg);
		call_free(c);
	}
}

enum rc http_call_make(struct http_call *c, const char *operation, struct bytes args,
		       struct err *err)
{
	struct http *h = c->http;
	const struct http_operation *op = http_config_find(&h->config, operation);
	struct http_args split = {0};
	const struct http_values values = {c->id.gid, c->id.branch, c->key,
					   &split,    c->undo,      c->attempt};
	enum rc rc;

	if (op == NULL)
		return err_set(err, RC_NOT_FOUND, "resource %s has no operation %s", h->resource,
			       operation);
	if (!http_config_can(&h->config, op, c->phase))
		return err_set(err, RC_NOT_FOUND,
			       "operation %s has no `%s` in the agent's configuration", operation,
			       http_phase_name(c->phase));
	rc = http_args_read(op->args, op->n_args, args, &split, err);
	if (rc != RC_OK)
		err_wrap(err, "operation %s", operation);
	/* What could not be decided later must not be begun. */
	for (int phase = HTTP_COMMIT;
	     rc == RC_OK && c->phase == HTTP_PREPARE && !op->read_only && phase <= HTTP_ROLLBACK;
	     phase++) {
		struct http_request later;

		rc = http_request_make(&h->config, op, (enum http_phase)phase, &values, &later,
				       err);
		http_request_fini(&later);
	}
	if (rc == RC_OK)
		rc = http_run_init(&c->run, &h->runner, op, c->phase, &values, err);
	http_args_fini(&split);
	return rc;
}

void http_call_output(struct http_call *c, struct bytes output)
{
	if (output.size == 0)
		return;
	c->output = mem_dup_bytes(output.data, output.size);
	c->output_size = output.size;
}

void http_call_run(struct http_call *c, void (*done)(struct http_run *run))
{
	c->run.due_ms = c->due_ms;
	c->run.done = done;
	c->run.owner = c;
	c->running = true;
	http_run_start(&c->run);
}

void http_call_cancel(struct http_call *c, const char *why)
{
	c->cancelled = true;
	if (c->running)
		http_run_cancel(&c->run, why);
}

/* ---- prepare ---- */

static void on_prepared(enum rc rc, const struct ledger_row *row, const char *problem, void *arg)
{
	struct http_call *c = arg;
	struct adapter_loop *loop = &c->http->loop;

	adapter_loop_enter(loop);
	c->ledgered = false;
	if (rc == RC_OK)
		http_call_end(c, RESULT_PREPARED, NULL);
	else if (rc == RC_IO)
		http_call_endf(c, RESULT_UNKNOWN,
			       "it is prepared, but the ledger could not keep that: %s", problem);
	else
		http_call_endf(c, RESULT_UNKNOWN, "it is prepared, but the ledger has it as %s",
			       ledger_phase_name(row->phase));
	adapter_loop_leave(loop);
}

/* Nothing of the try is left: only when the ledger says so too is it refused. */
static void on_refused(enum rc rc, const struct ledger_row *row, const char *problem, void *arg)
{
	struct http_call *c = arg;
	struct adapter_loop *loop = &c->http->loop;

	(void)row, (void)problem;
	adapter_loop_enter(loop);
	c->ledgered = false;
	http_call_end(c, rc == RC_OK ? c->no : RESULT_UNKNOWN, NULL);
	adapter_loop_leave(loop);
}

static void refuse(struct http_call *c, enum result_kind no, const char *reason)
{
	c->no = no;
	c->reason = frame_cut_reason(reason);
	c->ledgered = true;
	ledger_end(c->http->ledger, &c->id, LEDGER_ROLLED_BACK, on_refused, c);
}

static void on_tried(struct http_run *run)
{
	struct http_call *c = run->owner;
	const struct http_verdict *v = &run->verdict;

	c->running = false;
	switch (v->end) {
	case HTTP_DONE:
		http_call_output(c, v->output);
		c->ledgered = true;
		ledger_prepared(c->http->ledger, &c->id, v->output, on_prepared, c);
		break;
	case HTTP_REFUSED:
	case HTTP_GONE: refuse(c, RESULT_REFUSED, v->reason); break;
	case HTTP_RETRY:
		if (v->clean)
			refuse(c, RESULT_RETRY, v->reason);
		else
			http_call_end(c, RESULT_UNKNOWN, v->reason);
		break;
	case HTTP_PENDING:
		/* What is done later cannot be promised now.  It may be done all the same,
		 * so that it has to be rolled back, which a refusal would spare. */
		http_call_endf(c, RESULT_UNKNOWN,
			       "a prepare in an atomic group must be done when it is answered: %s",
			       v->reason);
		break;
	case HTTP_UNKNOWN: http_call_end(c, RESULT_UNKNOWN, v->reason); break;
	}
}

static void on_read(struct http_run *run)
{
	struct http_call *c = run->owner;

	c->running = false;
	if (run->verdict.end == HTTP_DONE) {
		http_call_output(c, run->verdict.output);
		http_call_end(c, RESULT_READ_ONLY, NULL);
	} else {
		/* Nothing can be left of it, whatever it was. */
		http_call_end(c,
			      run->verdict.end == HTTP_RETRY || run->verdict.end == HTTP_UNKNOWN
				      ? RESULT_RETRY
				      : RESULT_REFUSED,
			      run->verdict.reason);
	}
}

static void on_trying(enum rc rc, const struct ledger_row *row, const char *problem, void *arg)
{
	struct http_call *c = arg;
	struct adapter_loop *loop = &c->http->loop;

	adapter_loop_enter(loop);
	c->ledgered = false;
	if (rc == RC_OK && c->cancelled)
		refuse(c, RESULT_RETRY, "cancelled before anything was sent");
	else if (rc == RC_OK)
		http_call_run(c, on_tried);
	else if (rc == RC_CONFLICT && row->phase == LEDGER_ROLLED_BACK)
		http_call_end(c, RESULT_REFUSED, "the branch was rolled back before");
	else if (rc == RC_CONFLICT)
		http_call_endf(c, RESULT_UNKNOWN, "the branch was here before, and is %s",
			       ledger_phase_name(row->phase));
	else
		http_call_endf(c, RESULT_UNKNOWN, "the ledger could not be written: %s",
			       problem != NULL ? problem : "no reason given");
	adapter_loop_leave(loop);
}

void http_prepare_start(struct http_call *c, const struct adapter_work *work)
{
	struct http *h = c->http;
	const struct http_operation *op = http_config_find(&h->config, work->operation);
	struct err err = {0};

	c->due_ms = uv_now(h->loop.uv) + work->timeout_ms;
	if (http_call_make(c, work->operation, work->args, &err) != RC_OK) {
		http_call_end(c, RESULT_REFUSED, err.text);
	} else if (work->read_only && !op->read_only) {
		http_call_endf(c, RESULT_REFUSED,
			       "operation %s is not read_only in the agent's configuration",
			       op->name);
	} else if (op->read_only) {
		http_call_run(c, on_read);
	} else {
		c->ledgered = true;
		ledger_try(h->ledger, &c->id, work->operation, work->args, on_trying, c);
	}
}
