/* pg_once.c - one phase: an operation and its commit in one local transaction,
 * with a barrier row as the durable mark that it was done.
 *
 * The row's key is the branch; whoever inserts it first decides.  `once` inserts
 * 'once' in the operation's own transaction, `settle_once` inserts 'settled': then
 * a `once` that comes later, from wherever, fails on the key.  An insert of a key
 * that another transaction holds waits for that one's end, so there is no moment
 * at which neither knows.  The rows are looked at before the commit, which takes
 * a second round trip: after it nothing could be taken back.
 * See pg.h. */
#include "adapters/pg.h"

#include "base/crash.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void send_mark(struct pg_call *c, struct pg_unit *u, enum pg_statement_id id, int step)
{
	char epoch[24];
	const char *values[4] = {c->pg->cluster, c->branch.gid, epoch, c->branch.branch};

	snprintf(epoch, sizeof epoch, "%" PRIu64, c->branch.epoch);
	pg_session_execute(c->session, u, step, pg_statement_of(c->pg, id), values, 4);
}

static void on_mark_read(struct pg_unit *u, int step, const PGresult *res)
{
	struct pg_call *c = u->arg;

	(void)step;
	if (pg_verdict(res, NULL) == PG_DONE && PQntuples(res) == 1)
		pg_print(c->mark, sizeof c->mark, "%s", PQgetvalue(res, 0, 0));
}

/* ---- once ---- */

static void on_conflict_end(struct pg_unit *u, bool whole)
{
	struct pg_call *c = u->arg;

	c->reason[0] = '\0';
	if (!whole)
		pg_work_unknown(c);
	else if (strcmp(c->mark, "once") == 0)
		pg_call_answer(c, RESULT_COMMITTED);
	else if (strcmp(c->mark, "settled") == 0)
		pg_call_fail(c, RESULT_REFUSED, "it was settled before, as not done");
	else
		pg_call_fail(c, RESULT_UNKNOWN, "cannot read the branch's barrier row");
}

static void ask_who_was_first(struct pg_call *c)
{
	c->unit2.result = on_mark_read;
	c->unit2.end = on_conflict_end;
	send_mark(c, &c->unit2, PG_READ_MARK, PG_STEP_MARK);
	pg_session_sync(c->session, &c->unit2);
}

static void on_commit_result(struct pg_unit *u, int step, const PGresult *res)
{
	(void)step;
	pg_work_committed(u->arg, res);
}

static void on_commit_end(struct pg_unit *u, bool whole)
{
	struct pg_call *c = u->arg;

	if (!whole || pg_cut(c, CRASH_ERROR(pg_once_committed))) {
		pg_work_unknown(c);
		return;
	}
	if (c->last != PG_DONE)
		pg_session_rollback(c->session, pg_statement_of(c->pg, PG_ROLLBACK));
	if (c->last == PG_DONE)
		pg_call_answer(c, RESULT_COMMITTED);
	else if (c->last == PG_FAILED && pg_work_passing(c))
		pg_call_answer(c, RESULT_RETRY); /* a serialization failure, say */
	else if (c->last == PG_UNDONE || c->last == PG_FAILED)
		pg_call_answer(c, RESULT_REFUSED);
	else
		pg_call_answer(c, RESULT_UNKNOWN);
}

static void on_operation_end(struct pg_unit *u, bool whole)
{
	struct pg_call *c = u->arg;

	c->may_cancel = false;
	if (!whole || pg_cut(c, CRASH_ERROR(pg_once_worked))) {
		pg_work_unknown(c);
		return;
	}
	if (pg_work_good(c)) {
		c->unit.result = on_commit_result;
		c->unit.end = on_commit_end;
		pg_session_execute(c->session, &c->unit, PG_STEP_LAST,
				   pg_statement_of(c->pg, PG_COMMIT), NULL, 0);
		CRASH_POINT(pg_once_commit);
		pg_session_sync(c->session, &c->unit);
		pg_cut(c, CRASH_ERROR(pg_once_commit_sent));
		return;
	}
	pg_session_rollback(c->session, pg_statement_of(c->pg, PG_ROLLBACK));
	if (c->failed_step == PG_STEP_MARK && strcmp(c->state, "23505") == 0)
		ask_who_was_first(c);
	else
		pg_call_answer(c, pg_work_no(c));
}

void pg_once_start(struct pg_call *c)
{
	c->unit.result = pg_work_result;
	c->unit.end = on_operation_end;
	pg_work_begin(c, PG_BEGIN);
	send_mark(c, &c->unit, PG_MARK, PG_STEP_MARK);
	pg_work_operation(c);
	CRASH_POINT(pg_once_send);
	pg_session_sync(c->session, &c->unit);
	pg_cut(c, CRASH_ERROR(pg_once_sent));
}

/* ---- settle_once ---- */

static void on_settle_result(struct pg_unit *u, int step, const PGresult *res)
{
	struct pg_call *c = u->arg;
	char text[REASON_MAX];

	(void)step;
	if (pg_verdict(res, NULL) == PG_DONE)
		return;
	pg_explain(text, sizeof text, res, (struct pg_circumstance){.late = true});
	pg_print(c->reason, sizeof c->reason, "cannot settle on %s yet: %s", c->pg->resource, text);
}

/* What it did is read back: the next unit says whose row is there. */
static void on_settle_end(struct pg_unit *u, bool whole)
{
	(void)u;
	(void)whole;
}

static void on_settled_end(struct pg_unit *u, bool whole)
{
	struct pg_call *c = u->arg;

	if (!whole || pg_cut(c, CRASH_ERROR(pg_settled)))
		pg_work_unknown(c);
	else if (strcmp(c->mark, "once") == 0)
		pg_call_answer(c, RESULT_COMMITTED);
	else if (strcmp(c->mark, "settled") == 0)
		pg_call_answer(c, RESULT_ROLLED_BACK);
	else
		pg_call_answer(c, RESULT_UNKNOWN);
}

static void settle_run(struct pg_call *c)
{
	c->unit.result = on_settle_result;
	c->unit.end = on_settle_end;
	c->unit2.result = on_mark_read;
	c->unit2.end = on_settled_end;
	pg_work_timeouts(c);
	send_mark(c, &c->unit, PG_SETTLE, PG_STEP_MARK);
	CRASH_POINT(pg_settle_send);
	pg_session_sync(c->session, &c->unit);
	send_mark(c, &c->unit2, PG_READ_MARK, PG_STEP_MARK);
	pg_session_sync(c->session, &c->unit2);
	pg_cut(c, CRASH_ERROR(pg_settle_sent));
}

static void settle_queue(struct pg_call *c)
{
	pg_call_queue_work(c, settle_run);
}

void pg_settle_start(struct pg_call *c)
{
	pg_suspect_clear(c, settle_queue);
}
