/* http.c - see http.h: the contract's functions. */
#include "adapters/http.h"

#include "adapters/http_branch.h"
#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* ---- readiness ---- */

static void set_problem(struct http *h, const char *problem)
{
	char *copy = mem_dup(problem);

	free(h->problem);
	h->problem = copy;
	h->told = false;
	adapter_loop_soon(&h->loop);
}

static void on_ledger(void *arg, const char *problem)
{
	struct http *h = arg;
	char *text = problem != NULL ? mem_printf("the ledger: %s", problem) : NULL;

	adapter_loop_enter(&h->loop);
	set_problem(h, text);
	adapter_loop_leave(&h->loop);
	free(text);
}

static void tell(struct http *h)
{
	if (h->told || h->closing)
		return;
	h->told = true;
	h->host.ready(h->host.arg, h->problem);
}

/* ---- the end ---- */

static void http_free(struct http *h)
{
	http_config_fini(&h->config);
	free(h->operations);
	free(h->problem);
	free(h->cluster);
	free(h->resource);
	free(h);
}

/* Calls are over, then the ledger is closed, then the rest. */
static void close_rest(struct http *h)
{
	http_runner_fini(&h->runner);
	adapter_loop_close(&h->loop);
}

static void on_ledger_closed(void *arg)
{
	struct http *h = arg;

	adapter_loop_enter(&h->loop);
	h->ledger = NULL;
	close_rest(h);
	adapter_loop_leave(&h->loop);
}

static void on_after(void *arg)
{
	struct http *h = arg;

	if (h->loop.timer == NULL)
		return;
	tell(h);
	http_call_deliver(h);
	if (!h->closing || h->ledger_closing || h->open != NULL || h->answers != NULL ||
	    h->lists > 0)
		return;
	h->ledger_closing = true;
	if (h->ledger != NULL)
		ledger_close(h->ledger, on_ledger_closed, h);
	else
		close_rest(h);
}

static void on_gone(void *arg)
{
	struct http *h = arg;
	const adapter_closed_fn closed = h->closed;
	void *closed_arg = h->closed_arg;

	http_free(h);
	closed(closed_arg);
}

/* ---- open, describe, close ---- */

static void open_ledger(struct http *h)
{
	const struct ledger_settings settings = {
		.loop = h->host.loop,
		.path = h->config.state,
		.cluster = h->cluster,
		.resource = h->resource,
		.ready = on_ledger,
		.arg = h,
	};

	h->problem = mem_dup("opening the ledger");
	h->told = true; /* the agent takes it so until it hears otherwise */
	h->ledger = ledger_open(&settings);
}

static void init_operations(struct http *h)
{
	h->operations = mem_new(h->config.n_operations, sizeof *h->operations);
	for (size_t i = 0; i < h->config.n_operations; i++) {
		h->operations[i].name = h->config.operations[i].name;
		h->operations[i].args = h->config.operations[i].args;
		h->operations[i].n_args = h->config.operations[i].n_args;
	}
}

static enum rc http_open(const struct adapter_host *host, const char *resource,
			 const struct yaml_node *config, void **self, struct err *err)
{
	struct http *h = mem_new(1, sizeof *h);
	const enum rc rc = http_config_read(config, &h->config, err);

	if (rc != RC_OK) {
		http_free(h);
		return rc;
	}
	h->host = *host;
	h->cluster = mem_dup(host->cluster);
	h->resource = mem_dup(resource);
	init_operations(h);
	h->loop.after = on_after;
	h->loop.gone = on_gone;
	h->loop.arg = h;
	adapter_loop_init(&h->loop, host->loop);
	http_runner_init(&h->runner, &h->config, &h->loop);
	if (h->config.state[0] != '\0')
		open_ledger(h);
	else
		set_problem(h, NULL);
	*self = h;
	return RC_OK;
}

static void http_describe(void *self, struct resource_info *info)
{
	struct http *h = self;

	*info = (struct resource_info){
		.name = h->resource,
		.adapter = "http",
		.ready = h->problem == NULL,
		.problem = h->problem != NULL ? h->problem : "",
		.groups = http_config_can(&h->config, NULL, HTTP_PREPARE),
		.calls = http_config_can(&h->config, NULL, HTTP_CALL),
		.operations = h->operations,
		.n_operations = h->config.n_operations,
	};
}

static void http_close(void *self, adapter_closed_fn closed, void *arg)
{
	struct http *h = self;
	struct http_call *c, *tmp;

	assert(!h->closing);
	h->closing = true;
	h->closed = closed;
	h->closed_arg = arg;
	DL_FOREACH_SAFE (h->open, c, tmp)
		http_call_cancel(c, "the resource is being closed");
	adapter_loop_soon(&h->loop);
}

/* ---- calls ---- */

static void http_prepare(void *self, const struct adapter_work *work, adapter_done_fn done,
			 void *arg)
{
	http_prepare_start(http_call_new(self, HTTP_PREPARE, &work->id, false, done, arg), work);
}

static void http_commit(void *self, const struct branch_id *id, bool repeat, adapter_done_fn done,
			void *arg)
{
	struct http_call *c = http_call_new(self, HTTP_COMMIT, id, false, done, arg);

	c->repeat = repeat;
	http_commit_start(c);
}

static void http_rollback(void *self, const struct branch_id *id, adapter_done_fn done, void *arg)
{
	http_rollback_start(http_call_new(self, HTTP_ROLLBACK, id, false, done, arg));
}

static void http_cancel(void *self, const struct branch_id *id)
{
	struct http *h = self;
	struct http_call *c;

	DL_FOREACH (h->open, c) {
		if (c->phase == HTTP_PREPARE && c->id.epoch == id->epoch &&
		    strcmp(c->id.gid, id->gid) == 0 && strcmp(c->id.branch, id->branch) == 0) {
			http_call_cancel(c, "cancelled: the transaction is being rolled back");
			return;
		}
	}
}

static void http_call(void *self, const struct adapter_call *call, adapter_done_fn done, void *arg)
{
	const struct branch_id id = {.gid = call->gid, .branch = call->step};
	struct http_call *c = http_call_new(self, HTTP_CALL, &id, call->undo, done, arg);

	if (c->http->closing)
		http_call_end(c, RESULT_UNKNOWN, "the resource is being closed");
	else
		http_saga_start(c, call);
}

static void http_cancel_call(void *self, const char *gid, const char *step, bool undo)
{
	struct http *h = self;
	struct http_call *c;

	DL_FOREACH (h->open, c) {
		if (c->phase == HTTP_CALL && c->undo == undo && strcmp(c->id.gid, gid) == 0 &&
		    strcmp(c->id.branch, step) == 0) {
			http_call_cancel(c, "cancelled");
			return;
		}
	}
}

static void http_list(void *self, adapter_list_fn done, void *arg)
{
	http_list_start(self, done, arg);
}

const struct adapter adapter_http = {
	.name = "http",
	.open = http_open,
	.describe = http_describe,
	.prepare = http_prepare,
	.commit = http_commit,
	.rollback = http_rollback,
	.cancel = http_cancel,
	.once = NULL, /* a lost answer could not be told from a no */
	.settle_once = NULL,
	.call = http_call,
	.cancel_call = http_cancel_call,
	.list = http_list,
	.close = http_close,
};
