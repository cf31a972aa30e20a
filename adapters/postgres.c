/* postgres.c - see postgres.h: the contract's functions. */
#include "adapters/postgres.h"

#include "adapters/pg.h"
#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

const struct pg_statement *pg_statement_of(const struct pg *pg, unsigned id)
{
	assert(id < pg->statements.n);
	return &pg->statements.all[id];
}

/* ---- what sessions and the loop tell ---- */

static void on_up(struct pg_session *s, void *arg)
{
	struct pg *pg = arg;

	pg_preflight_up(pg, s);
	pg_call_dispatch(pg);
}

static void on_down(struct pg_session *s, bool was_up, const char *why, void *arg)
{
	pg_preflight_down(arg, s, was_up, why);
}

static void on_idle(struct pg_session *s, void *arg)
{
	(void)s;
	pg_call_dispatch(arg);
}

static void pg_free(struct pg *pg)
{
	for (int64_t i = 0; pg->work != NULL && i < pg->config.pool; i++)
		pg_session_free(pg->work[i]);
	for (int64_t i = 0; pg->finish != NULL && i < pg->config.finishers; i++)
		pg_session_free(pg->finish[i]);
	free(pg->work);
	free(pg->finish);
	pg_suspect_free_all(pg);
	pg_call_free_spare(pg);
	pg_statements_fini(&pg->statements);
	pg_config_fini(&pg->config);
	free(pg->operations);
	free(pg->cluster);
	free(pg->agent);
	free(pg->resource);
	free(pg);
}

static void on_after(void *arg)
{
	struct pg *pg = arg;

	pg_problem_tell(pg);
	pg_call_deliver(pg);
	if (!pg->closing || pg->loop.timer == NULL)
		return;
	while (pg->open != NULL) { /* who was answered may have called again */
		pg_call_end_open(pg);
		pg_call_deliver(pg);
	}
	adapter_loop_close(&pg->loop);
}

static void on_gone(void *arg)
{
	struct pg *pg = arg;
	const adapter_closed_fn closed = pg->closed;
	void *closed_arg = pg->closed_arg;

	assert(pg->open == NULL && pg->answers == NULL);
	pg_free(pg);
	closed(closed_arg);
}

/* ---- open, describe, close ---- */

static struct pg_session **new_sessions(const struct pg_session_host *host, int64_t n)
{
	struct pg_session **all = mem_new((size_t)n, sizeof(struct pg_session *));

	for (int64_t i = 0; i < n; i++)
		all[i] = pg_session_new(host);
	return all;
}

static void init_operations(struct pg *pg)
{
	const struct pg_config *config = &pg->config;

	pg->operations = mem_new(config->n_operations, sizeof *pg->operations);
	for (size_t i = 0; i < config->n_operations; i++) {
		pg->operations[i].name = config->operations[i].name;
		pg->operations[i].args = config->operations[i].args;
		pg->operations[i].n_args = config->operations[i].n_args;
	}
}

static void init_sessions(struct pg *pg)
{
	pg->app_shared = pg_app_name(pg->app_name, pg->cluster, pg->agent, pg->host.incarnation);
	pg->session_host = (struct pg_session_host){
		.loop = &pg->loop,
		.connection = pg->config.connection,
		.host = pg->config.host,
		.app_name = pg->app_name,
		.n_statements = pg->statements.n,
		.up = on_up,
		.down = on_down,
		.idle = on_idle,
		.arg = pg,
	};
	pg->work = new_sessions(&pg->session_host, pg->config.pool);
	pg->finish = new_sessions(&pg->session_host, pg->config.finishers);
}

static enum rc postgres_open(const struct adapter_host *host, const char *resource,
			     const struct yaml_node *config, void **self, struct err *err)
{
	struct pg *pg = mem_new(1, sizeof *pg);
	const enum rc rc = pg_config_read(config, &pg->config, err);

	if (rc != RC_OK) {
		pg_free(pg);
		return rc;
	}
	pg->host = *host;
	pg->cluster = mem_dup(host->cluster);
	pg->agent = mem_dup(host->agent);
	pg->resource = mem_dup(resource);
	pg_statements_init(&pg->statements, &pg->config);
	init_operations(pg);
	init_sessions(pg);
	pg->loop.after = on_after;
	pg->loop.gone = on_gone;
	pg->loop.arg = pg;
	adapter_loop_init(&pg->loop, host->loop);
	pg_problem(pg, "connecting to the server");
	memcpy(pg->told_problem, pg->problem, sizeof pg->told_problem);
	pg_session_start(pg->finish[0]); /* the others follow when it has passed */
	*self = pg;
	return RC_OK;
}

static void postgres_describe(void *self, struct resource_info *info)
{
	struct pg *pg = self;
	/* A server that nobody has reached yet is no reason to refuse sagas for good: they
	 * wait until it serves.  Only one phase needs the table at once. */
	const bool calls = pg->barrier || !pg->looked;

	*info = (struct resource_info){
		.name = pg->resource,
		.adapter = "postgres",
		.ready = pg->ready,
		.problem = pg->problem,
		.one_phase = pg->barrier,
		.groups = true,
		.calls = calls,
		.exact = calls,
		.operations = pg->operations,
		.n_operations = pg->config.n_operations,
	};
}

static void postgres_close(void *self, adapter_closed_fn closed, void *arg)
{
	struct pg *pg = self;

	assert(!pg->closing);
	pg->closing = true;
	pg->closed = closed;
	pg->closed_arg = arg;
	pg_preflight_stop(pg);
	pg_call_end_all(pg);
	adapter_loop_soon(&pg->loop);
}

/* ---- calls ---- */

static void postgres_prepare(void *self, const struct adapter_work *work, adapter_done_fn done,
			     void *arg)
{
	struct pg_call *c = pg_call_new(self, &work->id, done, arg);

	if (pg_work_init(c, work))
		pg_call_queue_work(c, pg_work_start);
}

static void postgres_once(void *self, const struct adapter_work *work, adapter_done_fn done,
			  void *arg)
{
	struct pg_call *c = pg_call_new(self, &work->id, done, arg);

	if (!c->pg->barrier)
		pg_call_fail(c, RESULT_REFUSED,
			     "resource %s has no barrier table, so no one-phase "
			     "commit",
			     c->pg->resource);
	else if (pg_work_init(c, work))
		pg_call_queue_work(c, pg_once_start);
}

static void postgres_commit(void *self, const struct branch_id *id, bool repeat,
			    adapter_done_fn done, void *arg)
{
	struct pg_call *c = pg_call_new(self, id, done, arg);

	c->repeat = repeat;
	pg_commit_start(c);
}

static void postgres_rollback(void *self, const struct branch_id *id, adapter_done_fn done,
			      void *arg)
{
	pg_rollback_start(pg_call_new(self, id, done, arg));
}

static void postgres_settle_once(void *self, const struct branch_id *id, adapter_done_fn done,
				 void *arg)
{
	struct pg_call *c = pg_call_new(self, id, done, arg);

	if (!c->pg->barrier)
		pg_call_fail(c, RESULT_UNKNOWN, "resource %s has no barrier table to look in",
			     c->pg->resource);
	else
		pg_settle_start(c);
}

static void postgres_list(void *self, adapter_list_fn done, void *arg)
{
	struct pg_call *c = pg_call_new(self, NULL, NULL, arg);

	c->listed = done;
	pg_list_start(c);
}

static void postgres_cancel(void *self, const struct branch_id *id)
{
	struct pg_call *c = pg_call_find(self, id);

	if (c != NULL)
		pg_cancel_start(c);
}

static void postgres_call(void *self, const struct adapter_call *call, adapter_done_fn done,
			  void *arg)
{
	pg_saga_start(pg_call_new_saga(self, call, done, arg), call);
}

static void postgres_cancel_call(void *self, const char *gid, const char *step, bool undo)
{
	struct pg_call *c = pg_call_find_saga(self, gid, step, undo);

	if (c != NULL)
		pg_cancel_start(c);
}

const struct adapter adapter_postgres = {
	.name = "postgres",
	.open = postgres_open,
	.describe = postgres_describe,
	.prepare = postgres_prepare,
	.commit = postgres_commit,
	.rollback = postgres_rollback,
	.cancel = postgres_cancel,
	.once = postgres_once,
	.settle_once = postgres_settle_once,
	.call = postgres_call,
	.cancel_call = postgres_cancel_call,
	.list = postgres_list,
	.close = postgres_close,
};
