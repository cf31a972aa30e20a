/* pg_work.c - prepare: BEGIN, the operation and PREPARE TRANSACTION in one round
 * trip; and what prepare, once and saga calls have in common.
 *
 * The server skips everything up to the sync point once a statement has failed,
 * so PREPARE is not even tried after a failed operation; its tag is checked
 * nevertheless (pg_verdict.h).  How many rows the operation changed is known only
 * after the branch was prepared: if they are not as wanted, the prepared branch
 * is rolled back before anybody hears of it.
 * See pg.h. */
#include "adapters/pg.h"

#include "base/crash.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Rounded down to four significant bits, so that sessions that serve like
 * deadlines need no new setting for each. */
static uint32_t coarse(uint64_t ms)
{
	unsigned shift = 0;

	if (ms > INT32_MAX)
		ms = INT32_MAX;
	while ((ms >> shift) >= 16)
		shift++;
	ms = ms >> shift << shift;
	return ms > 0 ? (uint32_t)ms : 1; /* 0 would mean none */
}

/* A lock's wait ends a little before the statement's time does: "waited for a
 * lock" is what the person who reads the reason wants to know. */
void pg_work_timeouts(struct pg_call *c)
{
	const uint64_t now = uv_now(c->pg->loop.uv);
	const uint32_t statement_ms = coarse(c->ends_at > now ? c->ends_at - now : 1);
	const uint64_t most = c->pg->config.lock_timeout;
	uint32_t lock_ms = statement_ms - statement_ms / 16;

	if (most > 0 && most < lock_ms)
		lock_ms = (uint32_t)most;
	c->lock_ms = lock_ms;
	pg_session_timeouts(c->session, pg_statement_of(c->pg, PG_TIMEOUTS), lock_ms, statement_ms);
}

bool pg_work_init(struct pg_call *c, const struct adapter_work *work)
{
	struct pg *pg = c->pg;
	struct err err;

	c->is_work = true;
	c->ends_at = uv_now(pg->loop.uv) + work->timeout_ms;
	adapter_timer_set(&pg->loop, &c->deadline, work->timeout_ms);
	c->operation = pg_config_find(&pg->config, work->operation);
	if (c->operation == NULL) {
		pg_call_fail(c, pg_call_unfit(c), "resource %s has no operation %s", pg->resource,
			     work->operation);
		return false;
	}
	c->statement = pg_statement_of(
		pg, PG_OPERATIONS + (unsigned)(c->operation - pg->config.operations));
	c->read_only = work->read_only || c->operation->read_only;
	if (pg_args_bind(c->operation, work->args, &c->params, &err) != RC_OK) {
		pg_call_fail(c, pg_call_unfit(c), "%s", err.text);
		return false;
	}
	return true;
}

void pg_work_begin(struct pg_call *c, enum pg_statement_id begin)
{
	c->may_cancel = true;
	CRASH_POINT(pg_begin);
	pg_work_timeouts(c);
	pg_session_execute(c->session, &c->unit, PG_STEP_BEGIN, pg_statement_of(c->pg, begin), NULL,
			   0);
}

void pg_work_operation(struct pg_call *c)
{
	pg_session_execute(c->session, &c->unit, PG_STEP_OPERATION, c->statement,
			   (const char *const *)c->params.values, c->params.n);
}

static void take_rows(struct pg_call *c, const PGresult *res)
{
	PGresult *r = (PGresult *)(uintptr_t)res; /* libpq's getters want it non-const */

	pg_output_add(&c->output, res);
	if (PQresultStatus(res) == PGRES_SINGLE_TUPLE)
		return;
	c->rows = strtoll(PQcmdTuples(r), NULL, 10);
	c->returned = strncmp(PQcmdStatus(r), "SELECT", 6) == 0;
}

static void note_state(struct pg_call *c, const PGresult *res)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);

	pg_print(c->state, sizeof c->state, "%s", state != NULL ? state : "");
}

static void note_reason(struct pg_call *c, enum pg_verdict v, const PGresult *res,
			struct pg_circumstance how)
{
	char text[REASON_MAX];

	if (v == PG_UNDONE)
		pg_print(text, sizeof text, "the server rolled the transaction back instead");
	else
		pg_explain(text, sizeof text, res, how);
	pg_print(c->reason, sizeof c->reason, "operation %s on %s: %s", c->operation->name,
		 c->pg->resource, text);
}

static void take_failure(struct pg_call *c, enum pg_verdict v, int step, const PGresult *res)
{
	const struct pg_circumstance how = {
		.during = step == PG_STEP_LAST ? PG_PROMISING : PG_WORKING,
		.late = uv_now(c->pg->loop.uv) - c->began + 5 >= c->lock_ms,
		.cancelled = c->cancelled,
	};

	c->failed = v;
	c->failed_step = step;
	note_state(c, res);
	note_reason(c, v, res, how);
	/* A plan that no longer fits its tables stays so for the session's life. */
	if (step == PG_STEP_OPERATION &&
	    (strcmp(c->state, "0A000") == 0 || strcmp(c->state, "26000") == 0))
		pg_session_recycle(c->session);
}

void pg_work_result(struct pg_unit *u, int step, const PGresult *res)
{
	struct pg_call *c = u->arg;
	const char *tag = c->read_only ? "COMMIT" : "PREPARE TRANSACTION";
	const enum pg_verdict v =
		step == PG_STEP_LAST ? pg_verdict_final(res, tag) : pg_verdict(res, NULL);

	if (step == PG_STEP_LAST)
		c->last = v;
	if (v == PG_SKIPPED)
		return;
	if (v != PG_DONE) {
		if (c->failed == PG_NONE)
			take_failure(c, v, step, res);
	} else if (step == PG_STEP_OPERATION) {
		take_rows(c, res);
	}
}

bool pg_work_good(struct pg_call *c)
{
	const struct pg_operation *op = c->operation;

	if (c->failed != PG_NONE)
		return false;
	if (op->expect_rows >= 0 && c->rows != op->expect_rows) {
		pg_print(c->reason, sizeof c->reason,
			 "operation %s on %s %s %" PRId64 " row%s, %" PRId64 " %s expected",
			 op->name, c->pg->resource, c->returned ? "returned" : "changed", c->rows,
			 c->rows == 1 ? "" : "s", op->expect_rows,
			 op->expect_rows == 1 ? "was" : "were");
		return false;
	}
	if (c->output.too_big || c->output.bad_text) {
		pg_print(c->reason, sizeof c->reason, "operation %s on %s: its output %s", op->name,
			 c->pg->resource,
			 c->output.too_big ? "is over the limit of 1 MiB" : "is not UTF-8");
		return false;
	}
	return true;
}

bool pg_work_passing(const struct pg_call *c)
{
	static const char *const states[] = {"08", "40", "53", "55006", "55P03", "57",
					     "58", "XX", "0A", "26",    NULL};

	if (c->failed_step == PG_STEP_LAST && (c->failed == PG_UNDONE || c->state[0] == '0'))
		return false; /* it did what cannot be prepared, and will do so again */
	if (strcmp(c->state, "08P01") == 0)
		return false; /* of class 08, but no connection: arguments that do not fit */
	return c->state[0] == '\0' || pg_state_in(c->state, states) ||
	       (!c->read_only && strcmp(c->state, "25006") == 0);
}

enum result_kind pg_work_no(const struct pg_call *c)
{
	return c->failed != PG_NONE && pg_work_passing(c) ? RESULT_RETRY : RESULT_REFUSED;
}

void pg_work_committed(struct pg_call *c, const PGresult *res)
{
	c->last = pg_verdict_final(res, "COMMIT");
	if (c->last == PG_DONE || c->last == PG_SKIPPED)
		return;
	note_state(c, res);
	note_reason(c, c->last, res, (struct pg_circumstance){.during = PG_WORKING});
}

void pg_work_unknown(struct pg_call *c)
{
	pg_suspect_add(c->pg, c->branch.name, c->session);
	if (c->reason[0] == '\0')
		pg_print(c->reason, sizeof c->reason,
			 "the connection to %s broke before it answered", c->pg->resource);
	pg_call_answer(c, RESULT_UNKNOWN);
}

/* ---- prepare ---- */

static void on_undo_result(struct pg_unit *u, int step, const PGresult *res)
{
	struct pg_call *c = u->arg;

	(void)step;
	c->last = pg_verdict_final(res, "ROLLBACK PREPARED");
}

static void on_undo_end(struct pg_unit *u, bool whole)
{
	struct pg_call *c = u->arg;

	if (!whole || pg_cut(c, CRASH_ERROR(pg_unprepare_answered)))
		pg_work_unknown(c);
	else
		pg_call_answer(c, c->last == PG_DONE ? RESULT_REFUSED : RESULT_UNKNOWN);
}

/* Prepared, but not what was wanted. */
static void undo(struct pg_call *c)
{
	char sql[PG_NAME_SIZE + 32];

	snprintf(sql, sizeof sql, "ROLLBACK PREPARED '%s'", c->branch.name);
	c->last = PG_NONE;
	c->unit.result = on_undo_result;
	c->unit.end = on_undo_end;
	pg_session_query(c->session, &c->unit, PG_STEP_LAST, sql);
	CRASH_POINT(pg_unprepare_send);
	pg_session_sync(c->session, &c->unit);
	pg_cut(c, CRASH_ERROR(pg_unprepare_sent));
}

static void on_prepare_end(struct pg_unit *u, bool whole)
{
	struct pg_call *c = u->arg;

	c->may_cancel = false;
	if (!whole || pg_cut(c, CRASH_ERROR(pg_prepare_answered))) {
		pg_work_unknown(c);
		return;
	}
	if (c->last == PG_DONE) {
		if (pg_work_good(c))
			pg_call_answer(c, c->read_only ? RESULT_READ_ONLY : RESULT_PREPARED);
		else if (c->read_only)
			pg_call_answer(c, pg_work_no(c));
		else
			undo(c);
		return;
	}
	/* The sync point has come: what failed has been aborted by now. */
	pg_session_rollback(c->session, pg_statement_of(c->pg, PG_ROLLBACK));
	if (c->failed == PG_NONE || c->last == PG_LOST || strcmp(c->state, "42710") == 0)
		pg_call_answer(c, RESULT_UNKNOWN); /* 42710: a branch of this name is there */
	else
		pg_call_answer(c, pg_work_no(c));
}

void pg_work_start(struct pg_call *c)
{
	char sql[PG_NAME_SIZE + 32];

	c->unit.result = pg_work_result;
	c->unit.end = on_prepare_end;
	pg_work_begin(c, c->read_only ? PG_BEGIN_READ_ONLY : PG_BEGIN);
	pg_work_operation(c);
	if (c->read_only) {
		pg_session_execute(c->session, &c->unit, PG_STEP_LAST,
				   pg_statement_of(c->pg, PG_COMMIT), NULL, 0);
	} else {
		snprintf(sql, sizeof sql, "PREPARE TRANSACTION '%s'", c->branch.name);
		pg_session_query(c->session, &c->unit, PG_STEP_LAST, sql);
	}
	CRASH_POINT(pg_prepare_send);
	pg_session_sync(c->session, &c->unit);
	pg_cut(c, CRASH_ERROR(pg_prepare_sent));
}
