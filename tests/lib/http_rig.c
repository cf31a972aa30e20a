#include "tests/lib/http_rig.h"

#include "adapters/http.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static void on_ready(void *arg, const char *problem)
{
	struct shop *r = arg;

	NEED(!r->inside, "called back from inside a call");
	r->ready = problem == NULL;
	snprintf(r->problem, sizeof r->problem, "%s", problem != NULL ? problem : "");
}

struct shop *shop_try_open(const char *config, struct err *err)
{
	struct shop *r = calloc(1, sizeof *r);
	struct adapter_host host = {
		.cluster = "test", .agent = "agent-a", .incarnation = 1, .ready = on_ready};
	enum rc rc;

	NEED(r, "out of memory");
	signal(SIGPIPE, SIG_IGN); /* as the agent does */
	uv_loop_init(&r->loop);
	host.loop = &r->loop;
	host.arg = r;
	rc = yaml_parse(config, strlen(config), &r->doc, err);
	NEED(rc == RC_OK, "%d: %s in %s", err->line, err->text, config);
	r->inside = true;
	rc = adapter_http.open(&host, "shop", yaml_root(r->doc), &r->self, err);
	r->inside = false;
	if (rc == RC_OK)
		return r;
	NEED(uv_loop_close(&r->loop) == 0, "an open that failed left a handle open");
	yaml_doc_free(r->doc);
	free(r);
	return NULL;
}

struct shop *shop_open(const char *config)
{
	struct err err = {0};
	struct shop *r = shop_try_open(config, &err);

	NEED(r, "%d:%d: %s", err.line, err.column, err.text);
	RUN_UNTIL(r, 10, r->ready);
	return r;
}

static void on_wake(uv_timer_t *t)
{
	(void)t;
}

void shop_turn(struct shop *r)
{
	uv_timer_t wake;

	/* A turn of the loop ends after a while even if nothing happens. */
	uv_timer_init(&r->loop, &wake);
	uv_timer_start(&wake, on_wake, 20, 20);
	uv_run(&r->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&wake, NULL);
	uv_run(&r->loop, UV_RUN_NOWAIT);
}

static void on_closed(void *arg)
{
	struct shop *r = arg;

	NEED(!r->inside, "called back from inside a call");
	r->closed = true;
}

static void free_call(struct shop_call *call)
{
	for (size_t i = 0; i < call->n; i++)
		free(call->branches[i]);
	free(call->branches);
	free(call->output);
	free(call->reason);
	free(call);
}

void shop_close(struct shop *r)
{
	r->inside = true;
	adapter_http.close(r->self, on_closed, r);
	r->inside = false;
	RUN_UNTIL(r, 10, r->closed);
	uv_run(&r->loop, UV_RUN_NOWAIT);
	NEED(uv_loop_close(&r->loop) == 0, "the adapter left a handle open");
	for (size_t i = 0; i < r->n_calls; i++) {
		NEED(r->calls[i]->done, "call %zu was not answered", i);
		free_call(r->calls[i]);
	}
	yaml_doc_free(r->doc);
	free(r);
}

enum { STANDARD_MS = 20000 };

static struct shop_call *new_call(struct shop *r)
{
	struct shop_call *call = calloc(1, sizeof *call);

	NEED(call && r->n_calls < sizeof r->calls / sizeof r->calls[0], "too many calls");
	call->shop = r;
	r->calls[r->n_calls++] = call;
	uv_update_time(&r->loop);
	return call;
}

static void on_done(const struct adapter_answer *answer, void *arg)
{
	struct shop_call *call = arg;

	NEED(!call->shop->inside, "called back from inside a call");
	NEED(!call->done, "answered twice");
	call->done = true;
	call->kind = answer->kind;
	call->retry_after_ms = answer->retry_after_ms;
	call->reason = answer->reason ? textf("%s", answer->reason) : NULL;
	call->output = answer->output.size > 0
			       ? textf("%.*s", (int)answer->output.size, answer->output.data)
			       : NULL;
}

static void on_listed(enum rc rc, const struct branch_id *branches, size_t n, void *arg)
{
	struct shop_call *call = arg;

	NEED(!call->shop->inside, "called back from inside a call");
	call->done = true;
	call->rc = rc;
	call->n = n;
	call->branches = calloc(n + 1, sizeof *call->branches);
	for (size_t i = 0; i < n; i++)
		call->branches[i] = textf("%llu %s %s", (unsigned long long)branches[i].epoch,
					  branches[i].gid, branches[i].branch);
}

static struct branch_id id_of(const char *gid)
{
	return (struct branch_id){.resource = "shop", .gid = gid, .epoch = 7, .branch = "s.b"};
}

/* What is given is only borrowed: it is gone as soon as the call is back. */
static struct shop_call *work(struct shop *r, const char *gid, const char *op, const char *args,
			      uint32_t timeout_ms, bool read_only)
{
	struct shop_call *call = new_call(r);
	char *gid_copy = textf("%s", gid), *op_copy = textf("%s", op), *copy = textf("%s", args);
	const struct adapter_work w = {
		.id = id_of(gid_copy),
		.operation = op_copy,
		.args = {copy, strlen(copy)},
		.timeout_ms = timeout_ms,
		.read_only = read_only,
	};

	r->inside = true;
	adapter_http.prepare(r->self, &w, on_done, call);
	r->inside = false;
	free(gid_copy);
	free(op_copy);
	free(copy);
	return call;
}

struct shop_call *shop_prepare(struct shop *r, const char *gid, const char *op, const char *args)
{
	return work(r, gid, op, args, STANDARD_MS, false);
}

struct shop_call *shop_prepare_in(struct shop *r, const char *gid, const char *op, const char *args,
				  uint32_t timeout_ms)
{
	return work(r, gid, op, args, timeout_ms, false);
}

struct shop_call *shop_read(struct shop *r, const char *gid, const char *op, const char *args)
{
	return work(r, gid, op, args, STANDARD_MS, true);
}

struct shop_call *shop_commit(struct shop *r, const char *gid, bool repeat)
{
	struct shop_call *call = new_call(r);
	const struct branch_id id = id_of(gid);

	r->inside = true;
	adapter_http.commit(r->self, &id, repeat, on_done, call);
	r->inside = false;
	return call;
}

struct shop_call *shop_rollback(struct shop *r, const char *gid)
{
	struct shop_call *call = new_call(r);
	const struct branch_id id = id_of(gid);

	r->inside = true;
	adapter_http.rollback(r->self, &id, on_done, call);
	r->inside = false;
	return call;
}

struct shop_call *shop_list(struct shop *r)
{
	struct shop_call *call = new_call(r);

	r->inside = true;
	adapter_http.list(r->self, on_listed, call);
	r->inside = false;
	RUN_UNTIL(r, 10, call->done);
	return call;
}

void shop_cancel(struct shop *r, const char *gid)
{
	const struct branch_id id = id_of(gid);

	r->inside = true;
	adapter_http.cancel(r->self, &id);
	r->inside = false;
}

/* What is given is only borrowed. */
struct shop_call *shop_call_in(struct shop *r, const struct adapter_call *given)
{
	struct shop_call *call = new_call(r);
	char *gid = textf("%s", given->gid), *step = textf("%s", given->step),
	     *operation = textf("%s", given->operation),
	     *args = textf("%.*s", (int)given->args.size, given->args.data);
	struct adapter_call copy = *given;

	copy.gid = gid;
	copy.step = step;
	copy.operation = operation;
	copy.args.data = args;
	r->inside = true;
	adapter_http.call(r->self, &copy, on_done, call);
	r->inside = false;
	free(gid);
	free(step);
	free(operation);
	free(args);
	return call;
}

struct shop_call *shop_do(struct shop *r, const char *gid, const char *op, const char *args)
{
	return shop_call_in(r, &(struct adapter_call){.gid = gid,
						      .step = "st",
						      .attempt = 1,
						      .operation = op,
						      .args = {args, strlen(args)},
						      .timeout_ms = STANDARD_MS});
}

struct shop_call *shop_undo(struct shop *r, const char *gid, const char *op, const char *args)
{
	return shop_call_in(r, &(struct adapter_call){.gid = gid,
						      .step = "st",
						      .undo = true,
						      .attempt = 1,
						      .operation = op,
						      .args = {args, strlen(args)},
						      .timeout_ms = STANDARD_MS});
}

void shop_cancel_call(struct shop *r, const char *gid, bool undo)
{
	r->inside = true;
	adapter_http.cancel_call(r->self, gid, "st", undo);
	r->inside = false;
}

struct resource_info shop_info(struct shop *r)
{
	struct resource_info info;

	adapter_http.describe(r->self, &info);
	return info;
}

const char *shop_word(struct shop_call *call)
{
	static const char *const words[] = {
		[RESULT_NONE] = "none",           [RESULT_PREPARED] = "prepared",
		[RESULT_READ_ONLY] = "read-only", [RESULT_REFUSED] = "refused",
		[RESULT_COMMITTED] = "committed", [RESULT_ROLLED_BACK] = "rolled-back",
		[RESULT_HAZARD] = "hazard",       [RESULT_UNKNOWN] = "unknown",
		[RESULT_DONE] = "done",           [RESULT_RETRY] = "retry",
		[RESULT_PENDING] = "pending",
	};

	RUN_UNTIL(call->shop, 30, call->done);
	return words[call->kind];
}
