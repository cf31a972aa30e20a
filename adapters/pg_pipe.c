/* pg_pipe.c - a session's units: what is sent, and which result belongs to what.
 * See pg_session.h. */
#include "adapters/pg_session_impl.h"

#include "adapters/pg_verdict.h"
#include "base/crash.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

static void add_send(struct pg_session *s, struct pg_unit *u, int step,
		     const struct pg_statement *parse, const struct pg_statement *execute, int sent)
{
	assert(u->n_sends < PG_UNIT_SENDS);
	u->sends[u->n_sends].parse = parse;
	u->sends[u->n_sends].execute = execute;
	u->sends[u->n_sends++].step = step;
	if (!sent)
		pg_session_doom(s);
}

/* `parsed` is set when the statement is sent, not when the server has taken it:
 * what follows in the same pipeline counts on it.  A refusal unsets it. */
void pg_session_execute(struct pg_session *s, struct pg_unit *u, int step,
			const struct pg_statement *st, const char *const *values, size_t n)
{
	assert(s->conn != NULL && st->id < s->host->n_statements);
	if (!s->parsed[st->id]) {
		s->parsed[st->id] = true;
		add_send(s, u, step, st, NULL, PQsendPrepare(s->conn, st->name, st->sql, 0, NULL));
	}
	add_send(s, u, step, NULL, st,
		 PQsendQueryPrepared(s->conn, st->name, (int)n, values, NULL, NULL, 0));
}

void pg_session_query(struct pg_session *s, struct pg_unit *u, int step, const char *sql)
{
	assert(s->conn != NULL);
	add_send(s, u, step, NULL, NULL,
		 PQsendQueryParams(s->conn, sql, 0, NULL, NULL, NULL, NULL, 0));
}

void pg_session_sync(struct pg_session *s, struct pg_unit *u)
{
	assert(s->conn != NULL && u->n_sends > 0);
	DL_APPEND(s->units, u);
	s->n_units++;
	if (CRASH_ERROR(pg_send) || !PQpipelineSync(s->conn))
		pg_session_doom(s);
	else
		pg_session_watch(s);
	CRASH_POINT(pg_sent);
}

int pg_pipe_flush(struct pg_session *s)
{
	const int rest = PQflush(s->conn);

	if (rest < 0)
		pg_session_doom(s);
	return rest > 0 ? UV_READABLE | UV_WRITABLE : UV_READABLE;
}

/* Ends the first unit; the session may be broken, or busy again, afterwards. */
static void end_unit(struct pg_session *s, struct pg_unit *u, bool whole)
{
	DL_DELETE(s->units, u);
	s->n_units--;
	u->n_sends = u->at = 0;
	u->got = u->parse_failed = false;
	u->end(u, whole);
}

void pg_pipe_drop(struct pg_session *s)
{
	while (s->units != NULL)
		end_unit(s, s->units, false);
}

/* Rows of an operation come one by one, so that a result of any size costs the
 * memory of what is kept of it only.  libpq wants to be told just here. */
static void next_send(struct pg_session *s, struct pg_unit *u)
{
	const struct pg_statement *st;

	u->at++;
	u->got = false;
	if (u->at >= u->n_sends)
		return;
	st = u->sends[u->at].execute;
	if (st != NULL && st->rows)
		PQsetSingleRowMode(s->conn);
}

static void take_result(struct pg_session *s, struct pg_unit *u, const PGresult *res)
{
	const struct pg_statement *parse = u->sends[u->at].parse;
	const int step = u->sends[u->at].step;
	const bool ok = PQresultStatus(res) == PGRES_COMMAND_OK;

	u->got = true;
	if (parse == NULL) {
		if (!u->parse_failed)
			u->result(u, step, res);
		u->parse_failed = false;
		return;
	}
	if (ok)
		return;
	s->parsed[parse->id] = false;
	u->parse_failed = true; /* its execution is skipped; the cause is what counts */
	u->result(u, step, res);
}

/* COPY takes the connection over; there is no way on from here. */
static bool is_copy(const PGresult *res)
{
	const ExecStatusType status = PQresultStatus(res);

	return status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH;
}

/* One thing from the pipeline; false if it makes no sense there. */
static bool take(struct pg_session *s, PGresult *res)
{
	struct pg_unit *u = s->units;

	if (res == NULL) {
		if (u->at >= u->n_sends || !u->got)
			return false;
		next_send(s, u);
		return true;
	}
	if (PQresultStatus(res) == PGRES_PIPELINE_SYNC) {
		if (u->at < u->n_sends)
			return false;
		end_unit(s, u, true);
		return true;
	}
	if (u->at >= u->n_sends || is_copy(res))
		return false;
	take_result(s, u, res);
	return true;
}

bool pg_pipe_read(struct pg_session *s, const char **why)
{
	PGconn *conn = s->conn;
	const bool alive = !CRASH_ERROR(pg_receive) && PQconsumeInput(conn);
	bool sense = true;

	/* What came before the connection broke still counts.  Any callback may break
	 * this session, which changes s->conn. */
	while (sense && s->conn == conn && !PQisBusy(conn) && s->units != NULL) {
		PGresult *res = PQgetResult(conn);

		sense = take(s, res);
		PQclear(res);
	}
	if (s->conn != conn)
		return true; /* already seen to */
	if (alive && sense && PQstatus(conn) == CONNECTION_OK)
		return true;
	*why = PQerrorMessage(conn);
	if (**why == '\0')
		*why = "the server's answers make no sense here";
	return false;
}

static void on_own_result(struct pg_unit *u, int step, const PGresult *res)
{
	const enum pg_verdict v = pg_verdict(res, NULL);

	(void)step;
	if (v != PG_DONE)
		pg_session_recycle(u->arg); /* its settings are not what we believe */
}

static void on_own_end(struct pg_unit *u, bool whole)
{
	(void)u;
	(void)whole;
}

/* The session's own units never overlap with themselves: the one who may send
 * them has the session for itself, and it is not vacant before they have ended. */
static void own_unit(struct pg_session *s, struct pg_unit *u)
{
	u->result = on_own_result;
	u->end = on_own_end;
	u->arg = s;
}

void pg_session_timeouts(struct pg_session *s, const struct pg_statement *st, uint32_t lock_ms,
			 uint32_t statement_ms)
{
	char lock[16], statement[16];
	const char *values[2] = {lock, statement};

	if (lock_ms == s->lock_ms && statement_ms == s->statement_ms)
		return;
	s->lock_ms = lock_ms;
	s->statement_ms = statement_ms;
	snprintf(lock, sizeof lock, "%" PRIu32, lock_ms);
	snprintf(statement, sizeof statement, "%" PRIu32, statement_ms);
	own_unit(s, &s->timeouts_unit);
	pg_session_execute(s, &s->timeouts_unit, 0, st, values, 2);
	pg_session_sync(s, &s->timeouts_unit);
}

void pg_session_rollback(struct pg_session *s, const struct pg_statement *st)
{
	if (!pg_session_up(s))
		return;
	own_unit(s, &s->rollback_unit);
	pg_session_execute(s, &s->rollback_unit, 0, st, NULL, 0);
	pg_session_sync(s, &s->rollback_unit);
}
