/* pg_finish.c - commit and rollback of prepared branches, and their list.  Commits go
 * out ahead of the next prepare on its session; all else, and commits that would have to
 * wait for a session, on the finishers: sessions of their own, which no prepare that
 * waits for a lock can keep busy.  (The lock may be one that only a commit lets go.)
 * See pg.h. */
#include "adapters/pg.h"

#include "base/crash.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUSY_TRIES_MAX = 6, BUSY_FIRST_MS = 10 };

static void on_finish_result(struct pg_unit *u, int step, const PGresult *res)
{
	struct pg_call *c = u->arg;
	const char *tag = step == PG_COMMIT ? "COMMIT PREPARED" : "ROLLBACK PREPARED";
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	char text[REASON_MAX];

	c->last = pg_verdict_final(res, tag);
	if (c->last == PG_DONE)
		return;
	pg_print(c->state, sizeof c->state, "%s", state != NULL ? state : "");
	pg_explain(text, sizeof text, res, (struct pg_circumstance){.during = PG_FINISHING});
	pg_print(c->reason, sizeof c->reason, "%s of %s on %s: %s", tag, c->branch.name,
		 c->pg->resource, text);
}

static void send_finish(struct pg_call *c, enum pg_statement_id which, pg_end_fn end)
{
	char sql[PG_NAME_SIZE + 32];

	c->last = PG_NONE;
	c->state[0] = c->reason[0] = '\0';
	c->unit.result = on_finish_result;
	c->unit.end = end;
	snprintf(sql, sizeof sql, "%s PREPARED '%s'", pg_statement_of(c->pg, which)->sql,
		 c->branch.name);
	pg_session_query(c->session, &c->unit, (int)which, sql);
	pg_session_sync(c->session, &c->unit);
}

/* Answers what commit and rollback have in common; false if it was none of that. */
static bool finish_settled(struct pg_call *c, bool whole, enum result_kind done, pg_step_fn again)
{
	if (!whole) {
		pg_call_fail(c, RESULT_UNKNOWN, "the connection to %s broke before it answered",
			     c->pg->resource);
	} else if (c->last == PG_DONE) {
		pg_call_answer(c, done);
	} else if (c->last == PG_FAILED && strcmp(c->state, "55000") == 0 &&
		   c->tries < BUSY_TRIES_MAX) {
		/* Another session is just finishing it: what it did shows in a moment. */
		pg_call_pause(c, (uint64_t)BUSY_FIRST_MS << c->tries++, again);
	} else if (c->last == PG_FAILED && strcmp(c->state, "42704") == 0) {
		return false;
	} else {
		pg_call_answer(c, RESULT_UNKNOWN);
	}
	return true;
}

/* ---- commit ---- */

static void commit_send(struct pg_call *c);

static void commit_queue(struct pg_call *c)
{
	pg_call_queue_commit(c, commit_send);
}

/* "No such prepared transaction" says that it is finished, not how.  After a
 * repeat it was our own commit; before the first it was somebody else. */
static void on_commit_end(struct pg_unit *u, bool whole)
{
	struct pg_call *c = u->arg;

	if (whole && pg_cut(c, CRASH_ERROR(pg_commit_answered)))
		whole = false;
	if (finish_settled(c, whole, RESULT_COMMITTED, commit_queue))
		return;
	if (c->repeat) {
		c->reason[0] = '\0';
		pg_call_answer(c, RESULT_COMMITTED);
	} else {
		pg_call_fail(c, RESULT_HAZARD,
			     "the prepared transaction %s on %s was gone before its first commit: "
			     "somebody else has committed it or rolled it back",
			     c->branch.name, c->pg->resource);
	}
}

static void commit_send(struct pg_call *c)
{
	CRASH_POINT(pg_commit_send);
	send_finish(c, PG_COMMIT, on_commit_end);
	pg_cut(c, CRASH_ERROR(pg_commit_sent));
}

void pg_commit_start(struct pg_call *c)
{
	commit_queue(c);
}

/* ---- rollback ---- */

static void rollback_send(struct pg_call *c);

static void rollback_queue(struct pg_call *c)
{
	pg_call_queue_finish(c, rollback_send);
}

/* Its suspects are gone, nobody of an earlier start is left (the fence), and the
 * agent gives us one call of a branch at a time: "no such prepared transaction"
 * is for good. */
static void on_rollback_end(struct pg_unit *u, bool whole)
{
	struct pg_call *c = u->arg;

	if (whole && pg_cut(c, CRASH_ERROR(pg_rollback_answered)))
		whole = false;
	if (finish_settled(c, whole, RESULT_ROLLED_BACK, rollback_queue))
		return;
	c->reason[0] = '\0';
	pg_call_answer(c, RESULT_ROLLED_BACK);
}

static void rollback_send(struct pg_call *c)
{
	CRASH_POINT(pg_rollback_send);
	send_finish(c, PG_ROLLBACK, on_rollback_end);
	pg_cut(c, CRASH_ERROR(pg_rollback_sent));
}

void pg_rollback_start(struct pg_call *c)
{
	pg_suspect_clear(c, rollback_queue);
}

/* ---- list ---- */

/* How many names begin like ours and are not. */
static int strangers(const struct pg_call *c, const PGresult *res)
{
	struct pg_branch b;
	int n = 0;

	for (int i = 0; i < PQntuples(res); i++)
		n += !pg_branch_parse(&b, c->pg->cluster, PQgetvalue(res, i, 0));
	return n;
}

static void on_list_result(struct pg_unit *u, int step, const PGresult *res)
{
	struct pg_call *c = u->arg;
	const int rows = PQntuples(res);
	enum log_level level;

	(void)step;
	if (pg_verdict(res, NULL) != PG_DONE)
		return;
	c->rc = RC_OK;
	/* Said once for as many as there are, not at each look. */
	level = c->pg->strangers == strangers(c, res) ? LOG_DEBUG : LOG_WARN;
	c->pg->strangers = strangers(c, res);
	c->found = mem_new((size_t)rows, sizeof *c->found);
	for (int i = 0; i < rows; i++) {
		const char *name = PQgetvalue(res, i, 0);

		if (pg_branch_parse(&c->found[c->n_found], c->pg->cluster, name))
			c->n_found++;
		else
			log_event(level, "pg-name-skipped",
				  "resource=%s name=%s a prepared transaction that begins like one "
				  "of Settle's is none",
				  c->pg->resource, name);
	}
}

static void on_list_end(struct pg_unit *u, bool whole)
{
	struct pg_call *c = u->arg;

	if (!whole || pg_cut(c, CRASH_ERROR(pg_listed)))
		c->rc = RC_UNAVAILABLE;
	pg_call_answer(c, RESULT_NONE);
}

static void list_send(struct pg_call *c)
{
	char prefix[PG_NAME_SIZE];
	const char *values[1] = {prefix};

	pg_name_prefix(prefix, c->pg->cluster);
	c->unit.result = on_list_result;
	c->unit.end = on_list_end;
	pg_session_execute(c->session, &c->unit, 0, pg_statement_of(c->pg, PG_LIST), values, 1);
	CRASH_POINT(pg_list_send);
	pg_session_sync(c->session, &c->unit);
}

void pg_list_start(struct pg_call *c)
{
	c->rc = RC_UNAVAILABLE; /* until the server has told */
	pg_call_queue_finish(c, list_send);
}
