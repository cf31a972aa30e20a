#include "tests/lib/pg_rig.h"

#include "adapters/postgres.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char operations[] =
	"  debit:\n"
	"    sql: UPDATE account SET balance = balance - $2 WHERE id = $1 AND balance >= $2\n"
	"    args: [id, amount]\n"
	"    expect_rows: 1\n"
	"  credit:\n"
	"    sql: UPDATE account SET balance = balance + $2 WHERE id = $1 RETURNING id, balance\n"
	"    args: [id, amount]\n"
	"    expect_rows: 1\n"
	"  balance:\n"
	"    sql: SELECT balance FROM account WHERE id = $1\n"
	"    args: [id]\n"
	"    read_only: true\n"
	"  note:\n"
	"    sql: INSERT INTO note (text) VALUES ($1)\n"
	"    args: [text]\n";

static void on_ready(void *arg, const char *problem)
{
	struct rig *r = arg;

	NEED(!r->inside, "called back from inside a call");
	r->ready = problem == NULL;
	r->changes++;
	snprintf(r->problem, sizeof r->problem, "%s", problem != NULL ? problem : "");
}

struct rig *rig_open(const struct rig_wish *wish)
{
	struct rig *r = calloc(1, sizeof *r);
	struct err err = {0};
	char *text = textf("adapter: postgres\nconnection: \"%s\"\npool: %d\nfinishers: %d\n%s"
			   "operations:\n%s%s",
			   wish->conninfo, wish->pool ? wish->pool : 2,
			   wish->finishers ? wish->finishers : 1, wish->more ? wish->more : "",
			   operations, wish->operations ? wish->operations : "");
	struct adapter_host host = {
		.cluster = "test",
		.agent = wish->agent ? wish->agent : "agent-a",
		.incarnation = wish->incarnation ? wish->incarnation : 1,
		.ready = on_ready,
	};

	NEED(r, "out of memory");
	uv_loop_init(&r->loop);
	host.loop = &r->loop;
	host.arg = r;
	NEED(yaml_parse(text, strlen(text), &r->doc, &err) == RC_OK, "%d: %s", err.line, err.text);
	r->inside = true;
	NEED(adapter_postgres.open(&host, "bank", yaml_root(r->doc), &r->self, &err) == RC_OK,
	     "%d:%d: %s", err.line, err.column, err.text);
	r->inside = false;
	free(text);
	return r;
}

static void on_wake(uv_timer_t *t)
{
	(void)t;
}

void rig_turn(struct rig *r)
{
	uv_timer_t wake;

	/* A turn of the loop ends after a while even if nothing happens.  By the time of
	 * now: what the test has done meanwhile may have taken longer than that, and a
	 * timer that is over before the loop waits ends nothing; so it repeats. */
	uv_update_time(&r->loop);
	uv_timer_init(&r->loop, &wake);
	uv_timer_start(&wake, on_wake, 20, 20);
	uv_run(&r->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&wake, NULL);
	uv_run(&r->loop, UV_RUN_NOWAIT);
}

struct rig *rig_serve(struct rig *r)
{
	int64_t until = clock_ms() + harness_patience_ms(30);

	while (!r->ready) {
		if (clock_ms() > until)
			FAIL("not ready: %s", r->problem);
		rig_turn(r);
	}
	return r;
}

struct rig *rig_serve_through(const struct pg_server *s, const char *operations_more,
			      struct proxy **proxy)
{
	char *upstream = textf("%s/.s.PGSQL.%d", s->dir, s->port), *conninfo;
	struct rig *r;

	*proxy = proxy_new(upstream);
	conninfo = textf("host=127.0.0.1 port=%d user=postgres dbname=bank sslmode=disable",
			 proxy_port(*proxy));
	r = SERVE(.conninfo = conninfo, .operations = operations_more);
	free(upstream);
	free(conninfo);
	return r;
}

static void on_closed(void *arg)
{
	struct rig *r = arg;

	NEED(!r->inside, "called back from inside a call");
	r->closed = true;
}

static void free_call(struct rig_call *call)
{
	for (size_t i = 0; i < call->n; i++)
		free(call->branches[i]);
	free(call->branches);
	free(call->output);
	free(call->reason);
	free(call);
}

void rig_close(struct rig *r)
{
	r->inside = true;
	adapter_postgres.close(r->self, on_closed, r);
	r->inside = false;
	RUN_UNTIL(r, 10, r->closed);
	uv_run(&r->loop, UV_RUN_NOWAIT);
	NEED(uv_loop_close(&r->loop) == 0, "the adapter left a handle open");
	for (size_t i = 0; i < r->n_calls; i++) {
		NEED(r->calls[i]->answers == 1, "call %zu was answered %d times", i,
		     r->calls[i]->answers);
		free_call(r->calls[i]);
	}
	yaml_doc_free(r->doc);
	free(r);
}

static struct rig_call *new_call(struct rig *r)
{
	struct rig_call *call = calloc(1, sizeof *call);

	NEED(call && r->n_calls < sizeof r->calls / sizeof r->calls[0], "too many calls");
	call->rig = r;
	r->calls[r->n_calls++] = call;
	return call;
}

static void on_done(const struct adapter_answer *answer, void *arg)
{
	struct rig_call *call = arg;

	NEED(!call->rig->inside, "called back from inside a call");
	call->done = true;
	call->answers++;
	call->kind = answer->kind;
	call->reason = answer->reason ? textf("%s", answer->reason) : NULL;
	call->output = answer->output.size > 0
			       ? textf("%.*s", (int)answer->output.size, answer->output.data)
			       : NULL;
}

static void on_listed(enum rc rc, const struct branch_id *branches, size_t n, void *arg)
{
	struct rig_call *call = arg;

	NEED(!call->rig->inside, "called back from inside a call");
	call->done = true;
	call->answers++;
	call->rc = rc;
	call->n = n;
	call->branches = calloc(n + 1, sizeof *call->branches);
	for (size_t i = 0; i < n; i++)
		call->branches[i] = textf("%llu %s %s", (unsigned long long)branches[i].epoch,
					  branches[i].gid, branches[i].branch);
}

static struct branch_id id_of(const char *gid)
{
	return (struct branch_id){.resource = "bank", .gid = gid, .epoch = 7, .branch = "s.b"};
}

typedef void (*work_fn)(void *self, const struct adapter_work *work, adapter_done_fn done,
			void *arg);

/* What is given is only borrowed: it is overwritten as soon as the call is back. */
static struct rig_call *work(struct rig *r, work_fn fn, const char *gid, const char *op,
			     const char *args, uint32_t timeout_ms, bool read_only)
{
	struct rig_call *call = new_call(r);
	char *gid_copy = textf("%s", gid), *op_copy = textf("%s", op), *copy = textf("%s", args);
	const struct adapter_work w = {
		.id = id_of(gid_copy),
		.operation = op_copy,
		.args = {copy, strlen(copy)},
		.timeout_ms = timeout_ms,
		.read_only = read_only,
	};

	uv_update_time(&r->loop);
	r->inside = true;
	fn(r->self, &w, on_done, call);
	r->inside = false;
	free(gid_copy);
	free(op_copy);
	free(copy);
	return call;
}

enum { STANDARD_MS = 20000 };

struct rig_call *rig_prepare(struct rig *r, const char *gid, const char *op, const char *args)
{
	return work(r, adapter_postgres.prepare, gid, op, args, STANDARD_MS, false);
}

struct rig_call *rig_prepare_in(struct rig *r, const char *gid, const char *op, const char *args,
				uint32_t timeout_ms)
{
	return work(r, adapter_postgres.prepare, gid, op, args, timeout_ms, false);
}

struct rig_call *rig_read(struct rig *r, const char *gid, const char *op, const char *args)
{
	return work(r, adapter_postgres.prepare, gid, op, args, STANDARD_MS, true);
}

struct rig_call *rig_once(struct rig *r, const char *gid, const char *op, const char *args)
{
	return work(r, adapter_postgres.once, gid, op, args, STANDARD_MS, false);
}

struct rig_call *rig_settle(struct rig *r, const char *gid)
{
	struct rig_call *call = new_call(r);
	const struct branch_id id = id_of(gid);

	r->inside = true;
	adapter_postgres.settle_once(r->self, &id, on_done, call);
	r->inside = false;
	return call;
}

struct rig_call *rig_commit(struct rig *r, const char *gid, bool repeat)
{
	struct rig_call *call = new_call(r);
	const struct branch_id id = id_of(gid);

	r->inside = true;
	adapter_postgres.commit(r->self, &id, repeat, on_done, call);
	r->inside = false;
	return call;
}

struct rig_call *rig_rollback(struct rig *r, const char *gid)
{
	struct rig_call *call = new_call(r);
	const struct branch_id id = id_of(gid);

	r->inside = true;
	adapter_postgres.rollback(r->self, &id, on_done, call);
	r->inside = false;
	return call;
}

struct rig_call *rig_list(struct rig *r)
{
	struct rig_call *call = new_call(r);

	r->inside = true;
	adapter_postgres.list(r->self, on_listed, call);
	r->inside = false;
	return call;
}

void rig_cancel(struct rig *r, const char *gid)
{
	const struct branch_id id = id_of(gid);

	r->inside = true;
	adapter_postgres.cancel(r->self, &id);
	r->inside = false;
}

struct rig_call *rig_step(struct rig *r, const struct rig_step *step)
{
	struct rig_call *call = new_call(r);
	char *gid = textf("%s", step->gid), *op = textf("%s", step->op);
	char *name = textf("%s", step->step ? step->step : "step");
	char *args = textf("%s", step->args);
	const struct adapter_call c = {
		.gid = gid,
		.step = name,
		.undo = step->undo,
		.attempt = step->attempt ? step->attempt : 1,
		.operation = op,
		.args = {args, strlen(args)},
		.timeout_ms = step->timeout_ms ? step->timeout_ms : STANDARD_MS,
	};

	uv_update_time(&r->loop);
	r->inside = true;
	adapter_postgres.call(r->self, &c, on_done, call);
	r->inside = false;
	free(gid);
	free(op);
	free(name);
	free(args);
	return call;
}

void rig_cancel_step(struct rig *r, const char *gid, bool undo)
{
	r->inside = true;
	adapter_postgres.cancel_call(r->self, gid, "step", undo);
	r->inside = false;
}

enum result_kind rig_kind(struct rig_call *call)
{
	RUN_UNTIL(call->rig, 40, call->done);
	return call->kind;
}

const char *rig_word(struct rig_call *call)
{
	static const char *const words[] = {
		[RESULT_NONE] = "none",           [RESULT_PREPARED] = "prepared",
		[RESULT_READ_ONLY] = "read-only", [RESULT_REFUSED] = "refused",
		[RESULT_COMMITTED] = "committed", [RESULT_ROLLED_BACK] = "rolled-back",
		[RESULT_HAZARD] = "hazard",       [RESULT_UNKNOWN] = "unknown",
		[RESULT_DONE] = "done",           [RESULT_RETRY] = "retry",
		[RESULT_PENDING] = "pending",
	};

	return words[rig_kind(call)];
}

void rig_make_tables(const struct pg_server *s)
{
	PGconn *conn = pg_open(s);

	pg_do(conn, "CREATE TABLE account (id int PRIMARY KEY, balance bigint NOT NULL)");
	pg_do(conn, "INSERT INTO account SELECT i, 100 FROM generate_series(1, 3) i");
	pg_do(conn, "CREATE TABLE note (text text)");
	PQfinish(conn);
}

void rig_clean(const struct pg_server *s)
{
	PGconn *conn;
	PGresult *res;

	/* A session whose client is gone may still be preparing: what it prepares after we
	 * looked would hold its rows locked for ever. */
	WAIT_FOR(60, pg_ask(s, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
			       "WHERE application_name LIKE 'settle:%%'") == 0);
	conn = pg_open(s);
	res = PQexec(conn, "SELECT gid FROM pg_prepared_xacts WHERE database = current_database()");
	for (int i = 0; i < PQntuples(res); i++)
		pg_do(conn, "ROLLBACK PREPARED '%s'", PQgetvalue(res, i, 0));
	PQclear(res);
	pg_do(conn, "UPDATE account SET balance = 100; DELETE FROM note");
	PQfinish(conn);
}
