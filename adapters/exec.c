/* exec.c - see exec.h: the contract's functions. */
#include "adapters/exec.h"

#include "adapters/exec_impl.h"
#include "base/mem.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* ---- open, describe, close ---- */

static void exec_free(struct exec *ex)
{
	exec_ready_fini(ex);
	exec_config_fini(&ex->config);
	free(ex->operations);
	free(ex->cluster);
	free(ex->agent);
	free(ex->resource);
	free(ex);
}

static void on_ledger_closed(void *arg)
{
	struct exec *ex = arg;

	adapter_loop_enter(&ex->loop);
	ex->ledger = NULL;
	adapter_loop_leave(&ex->loop);
}

static void on_after(void *arg)
{
	struct exec *ex = arg;

	exec_ready_tell(ex);
	do { /* who is answered may call again */
		exec_call_deliver(ex);
	} while (exec_call_dispatch(ex) || ex->answers != NULL);
	if (!ex->closing || ex->loop.timer == NULL || ex->open != NULL || ex->answers != NULL)
		return;
	exec_step_forget_lost(ex);
	if (ex->ledger == NULL) {
		adapter_loop_close(&ex->loop);
	} else if (!ex->ledger_closing) {
		ex->ledger_closing = true;
		ledger_close(ex->ledger, on_ledger_closed, ex);
	}
}

static void on_gone(void *arg)
{
	struct exec *ex = arg;
	const adapter_closed_fn closed = ex->closed;
	void *closed_arg = ex->closed_arg;

	exec_free(ex);
	closed(closed_arg);
}

static void init_operations(struct exec *ex)
{
	const struct exec_config *config = &ex->config;

	ex->operations = mem_new(config->n_operations, sizeof *ex->operations);
	for (size_t i = 0; i < config->n_operations; i++) {
		ex->operations[i].name = config->operations[i].name;
		ex->operations[i].args = config->operations[i].args;
		ex->operations[i].n_args = config->operations[i].n_args;
	}
}

/* Started by somebody who ignores it, the agent would never see how a command ended:
 * the system would reap them. */
static void want_children(void)
{
	struct sigaction now;

	if (sigaction(SIGCHLD, NULL, &now) == 0 && now.sa_handler == SIG_IGN)
		signal(SIGCHLD, SIG_DFL);
}

static enum rc exec_open(const struct adapter_host *host, const char *resource,
			 const struct yaml_node *config, void **self, struct err *err)
{
	struct exec *ex = mem_new(1, sizeof *ex);
	const enum rc rc = exec_config_read(config, &ex->config, err);

	if (rc != RC_OK) {
		exec_free(ex);
		return rc;
	}
	want_children();
	ex->host = *host;
	ex->host.cluster = ex->cluster = mem_dup(host->cluster);
	ex->host.agent = ex->agent = mem_dup(host->agent);
	ex->resource = mem_dup(resource);
	init_operations(ex);
	ex->loop.after = on_after;
	ex->loop.gone = on_gone;
	ex->loop.arg = ex;
	adapter_loop_init(&ex->loop, host->loop);
	exec_ready_init(ex);
	if (ex->config.state[0] != '\0')
		ex->ledger = ledger_open(&(struct ledger_settings){.loop = host->loop,
								   .path = ex->config.state,
								   .cluster = ex->cluster,
								   .resource = ex->resource,
								   .ready = exec_ready_ledger,
								   .arg = ex});
	*self = ex;
	return RC_OK;
}

static void exec_describe(void *self, struct resource_info *info)
{
	struct exec *ex = self;
	const char *problem = exec_ready_problem(ex);

	*info = (struct resource_info){
		.name = ex->resource,
		.adapter = "exec",
		.ready = problem == NULL,
		.problem = problem != NULL ? problem : "",
		.groups = exec_config_can(&ex->config, NULL, EXEC_PREPARE),
		.calls = exec_config_can(&ex->config, NULL, EXEC_CALL),
		.operations = ex->operations,
		.n_operations = ex->config.n_operations,
	};
}

static void exec_close(void *self, adapter_closed_fn closed, void *arg)
{
	struct exec *ex = self;

	assert(!ex->closing);
	ex->closing = true;
	ex->closed = closed;
	ex->closed_arg = arg;
	exec_call_end_all(ex);
	adapter_loop_soon(&ex->loop);
}

/* ---- calls ---- */

static bool is_closing(struct exec_call *c)
{
	if (c->ex->closing)
		exec_call_answer(c, RESULT_UNKNOWN, "the agent is stopping");
	return c->ex->closing;
}

/* False if the work was refused. */
static bool take_work(struct exec_call *c, const struct adapter_work *work)
{
	struct exec *ex = c->ex;
	struct err err;

	c->operation = exec_config_find(&ex->config, work->operation);
	if (c->operation == NULL)
		exec_call_answer(c, RESULT_REFUSED, "resource %s has no operation %s", ex->resource,
				 work->operation);
	else if (!exec_config_can(&ex->config, c->operation, EXEC_PREPARE))
		exec_call_answer(c, RESULT_REFUSED,
				 "operation %s on %s has no `prepare` in the agent's "
				 "configuration: it serves calls of sagas only",
				 work->operation, ex->resource);
	else if (work->read_only && !c->operation->read_only)
		exec_call_answer(c, RESULT_REFUSED,
				 "operation %s on %s is not declared read_only in the agent's "
				 "configuration",
				 work->operation, ex->resource);
	else if (exec_check_args(work->args, &err) != RC_OK)
		exec_call_answer(c, RESULT_REFUSED, "operation %s on %s: %s", work->operation,
				 ex->resource, err.text);
	else
		return true;
	return false;
}

static void exec_prepare(void *self, const struct adapter_work *work, adapter_done_fn done,
			 void *arg)
{
	struct exec_call *c = exec_call_new(self, COMMAND_PREPARE, &work->id, arg);

	c->done = done;
	if (is_closing(c) || !take_work(c, work))
		return;
	c->ends_at = uv_now(c->ex->loop.uv) + work->timeout_ms;
	if (work->args.size > 0)
		c->args = mem_dup_bytes(work->args.data, work->args.size);
	c->args_size = work->args.size;
	exec_call_queue(c, work->timeout_ms);
}

/* Without a state file nothing was ever prepared here. */
static bool is_absent(struct exec_call *c)
{
	if (c->ex->ledger != NULL)
		return false;
	if (c->kind == COMMAND_ROLLBACK)
		exec_call_answer(c, RESULT_ROLLED_BACK, NULL);
	else if (c->repeat)
		exec_call_answer(c, RESULT_COMMITTED, NULL);
	else
		exec_call_answer(c, RESULT_HAZARD,
				 "resource %s has no state file, and prepares "
				 "nothing",
				 c->ex->resource);
	return true;
}

static void exec_commit(void *self, const struct branch_id *id, bool repeat, adapter_done_fn done,
			void *arg)
{
	struct exec_call *c = exec_call_new(self, COMMAND_COMMIT, id, arg);

	c->done = done;
	c->repeat = repeat;
	if (!is_closing(c) && !is_absent(c))
		exec_call_queue(c, EXEC_QUEUE_MS);
}

static void exec_rollback(void *self, const struct branch_id *id, adapter_done_fn done, void *arg)
{
	struct exec_call *c = exec_call_new(self, COMMAND_ROLLBACK, id, arg);

	c->done = done;
	if (!is_closing(c) && !is_absent(c))
		exec_call_queue(c, EXEC_QUEUE_MS);
}

static void exec_cancel(void *self, const struct branch_id *id)
{
	struct exec *ex = self;
	char key[EXEC_KEY_SIZE];
	struct exec_call *c;

	exec_key_make(key, ex->cluster, id);
	c = exec_call_find(ex, key);
	if (c == NULL || c->kind != COMMAND_PREPARE || c->undoing)
		return;
	c->cancelled = true;
	if (c->place == EXEC_QUEUED)
		exec_call_answer(c, RESULT_RETRY, "it was cancelled before it began");
	else if (c->run != NULL)
		exec_run_stop(c->run, false);
}

static void exec_call(void *self, const struct adapter_call *call, adapter_done_fn done, void *arg)
{
	const struct branch_id id = {.gid = call->gid, .branch = call->step};
	struct exec_call *c = exec_call_new(self, call->undo ? COMMAND_UNDO : COMMAND_DO, &id, arg);

	c->done = done;
	if (!is_closing(c))
		exec_saga_take(c, call);
}

static void exec_cancel_call(void *self, const char *gid, const char *step, bool undo)
{
	char key[CALL_KEY_SIZE];
	struct exec_call *c;

	call_key(gid, step, undo, key);
	c = exec_call_find(self, key);
	if (c != NULL)
		exec_saga_cancel(c);
}

static void exec_list(void *self, adapter_list_fn done, void *arg)
{
	struct exec_call *c = exec_call_new(self, COMMAND_NONE, NULL, arg);

	c->listed = done;
	c->rc = RC_UNAVAILABLE;
	if (!is_closing(c))
		exec_flow_list(c);
}

const struct adapter adapter_exec = {
	.name = "exec",
	.open = exec_open,
	.describe = exec_describe,
	.prepare = exec_prepare,
	.commit = exec_commit,
	.rollback = exec_rollback,
	.cancel = exec_cancel,
	.once = NULL, /* no command can do its work and mark it done in one step */
	.settle_once = NULL,
	.call = exec_call,
	.cancel_call = exec_cancel_call,
	.list = exec_list,
	.close = exec_close,
};
