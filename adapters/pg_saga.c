/* pg_saga.c - a saga's call: the operation and a row that marks its key as done, in
 * one local transaction.
 *
 * The key is (cluster, gid, step, direction), a row of the barrier table each:
 *
 *   do    'done'     the action's effect and its output are here
 *   do    'blocked'  no action was done, and none will be: its undo came first
 *   undo  'done'     the compensation was done, or there was nothing to undo
 *
 *   action  BEGIN, key, operation                       | output, COMMIT
 *   undo    BEGIN, block the action, key, look | operation | output, COMMIT
 *                                              | nothing to undo:  COMMIT
 *
 * Each `|` is a round trip.  The commit is never in the first one, for two reasons:
 * what the operation changed and returned is looked at before, as after it nothing
 * could be taken back; and a pipeline that lingers in the network after its call was
 * given up must not be able to commit.  The commit is sent only by an agent that is
 * alive and within the call's deadline, on a session that holds the key.
 *
 * Races, at READ COMMITTED (a stricter level turns some of them into SQLSTATE 40001,
 * which is tried again).  The primary key of the table decides all of them:
 *   - Two of one key.  The second INSERT waits until the first transaction has ended.
 *     It committed: the second fails with 23505, is rolled back, and reads the row in
 *     a new statement, which sees it.  It was rolled back: the second goes on.
 *   - Undo and action.  The undo begins with an INSERT of the action's row, ON
 *     CONFLICT DO NOTHING, which waits in the same way.  The action committed:
 *     nothing is inserted, and the look, a later statement with a newer snapshot,
 *     sees 'done'.  Else the row is the undo's own, 'blocked', and an action that
 *     comes now waits for the undo's end and then fails on it.  Every transaction
 *     takes the action's row first, then the undo's: no deadlock among them.
 *   - A session that works on an earlier attempt (its agent is dead, frozen or cut
 *     off) holds the row, and may yet commit if that was sent.  Waiting for it ends by
 *     the lock's time-out, and is then UNKNOWN: not done yet is no proof.
 *
 * What proves that neither this call nor an earlier one was done, so that the answer
 * may be REFUSED or RETRY: that our INSERT of the key has succeeded, and our
 * transaction has ended otherwise than by its commit:
 *   - any error of the operation or of storing its output, rows that are not as
 *     wanted, a cancellation, the deadline: COMMIT was not sent;
 *   - the connection lost before COMMIT was sent: the server cannot commit by itself;
 *   - COMMIT answered with an error other than XX and 58, or with the tag ROLLBACK;
 *   - after anything else: the backend is gone, and there is no row.
 * A first attempt that did not come so far proves it as well, as nothing was before it
 * (the coordinator counts an attempt before it sends it).  A later one is UNKNOWN.
 * See pg.h. */
#include "adapters/pg.h"

#include "base/crash.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	SETTLE_MS = 5000, /* to find out how a lost commit ended; another agent may know sooner */
	READ_AGAIN_MS = 20,
};

static void send_key(struct pg_call *c, enum pg_statement_id id, int step, size_t n)
{
	const char *values[5] = {c->pg->cluster, c->branch.gid, c->branch.branch,
				 c->undo ? "undo" : "do", c->stored};

	pg_session_execute(c->session, &c->unit, step, pg_statement_of(c->pg, id), values, n);
}

static void send_unit(struct pg_call *c, pg_result_fn result, pg_end_fn end)
{
	c->unit.result = result;
	c->unit.end = end;
	pg_session_sync(c->session, &c->unit);
}

static void roll_back(struct pg_call *c)
{
	pg_session_rollback(c->session, pg_statement_of(c->pg, PG_ROLLBACK));
}

/* ---- what the rows say ---- */

static void read_key(struct pg_call *c);

static void read_queue(struct pg_call *c)
{
	pg_call_queue_finish(c, read_key);
}

static void on_read_result(struct pg_unit *u, int step, const PGresult *res)
{
	struct pg_call *c = u->arg;
	const char *own = c->undo ? "undo" : "do";
	char text[REASON_MAX / 2];

	(void)step;
	c->failed = pg_verdict(res, NULL);
	if (c->failed != PG_DONE) {
		pg_explain(text, sizeof text, res, (struct pg_circumstance){.during = PG_WORKING});
		pg_print(c->reason, sizeof c->reason,
			 "cannot read the call's barrier row on %s: %s", c->pg->resource, text);
		return;
	}
	for (int i = 0; i < PQntuples(res); i++) {
		if (strcmp(PQgetvalue(res, i, 0), own) != 0) {
			c->blocked = true; /* an action whose undo has been */
			continue;
		}
		pg_print(c->mark, sizeof c->mark, "%s", PQgetvalue(res, i, 1));
		if (!PQgetisnull(res, i, 2))
			c->stored = mem_dup(PQgetvalue(res, i, 2));
	}
}

static void answer_by_mark(struct pg_call *c)
{
	if (!c->undo && (c->blocked || strcmp(c->mark, "blocked") == 0)) {
		pg_call_fail(c, RESULT_REFUSED, "it was undone before");
	} else if (strcmp(c->mark, "done") == 0) {
		c->reason[0] = '\0';
		pg_call_answer(c, RESULT_DONE);
	} else if (c->marked) {
		pg_call_answer(c, RESULT_RETRY);
	} else {
		pg_call_fail(c, RESULT_UNKNOWN, "the call's barrier row on %s has vanished",
			     c->pg->resource);
	}
}

static void on_read_end(struct pg_unit *u, bool whole)
{
	struct pg_call *c = u->arg;

	if (!whole || pg_cut(c, CRASH_ERROR(pg_key_read)))
		pg_call_pause(c, READ_AGAIN_MS, read_queue);
	else if (c->failed != PG_DONE)
		pg_call_answer(c, RESULT_UNKNOWN);
	else
		answer_by_mark(c);
}

static void read_key(struct pg_call *c)
{
	free(c->stored);
	c->stored = NULL;
	c->mark[0] = '\0';
	c->blocked = false;
	send_key(c, PG_KEY_READ, PG_STEP_LOOK, 3);
	CRASH_POINT(pg_key_send);
	send_unit(c, on_read_result, on_read_end);
}

/* ---- failures ---- */

/* An attempt that waits for its key waits for another attempt. */
static bool waited_for_key(const struct pg_call *c)
{
	static const char *const states[] = {"40", "55P03", "57014", NULL};

	return (c->failed_step == PG_STEP_BLOCK || c->failed_step == PG_STEP_MARK) &&
	       pg_state_in(c->state, states);
}

static enum result_kind not_done(const struct pg_call *c)
{
	return c->marked ? RESULT_RETRY : pg_call_unbegun(c);
}

/* COMMIT was not executed. */
static void fail(struct pg_call *c)
{
	roll_back(c);
	if (c->failed_step == PG_STEP_MARK && strcmp(c->state, "23505") == 0)
		read_key(c);
	else if (waited_for_key(c))
		pg_call_fail(c, RESULT_UNKNOWN,
			     "another attempt of this call is under way on %s, and did not end in "
			     "time (SQLSTATE %s)",
			     c->pg->resource, c->state);
	else if (c->failed_step < PG_STEP_OPERATION || pg_work_passing(c))
		pg_call_answer(c, not_done(c));
	else
		pg_call_answer(c, RESULT_REFUSED);
}

static void lost_before_commit(struct pg_call *c)
{
	if (c->reason[0] == '\0')
		pg_print(c->reason, sizeof c->reason,
			 "the connection to %s broke before the commit", c->pg->resource);
	pg_call_answer(c, not_done(c));
}

/* The backend may still be committing: it is gone before the row is looked for. */
static void lost_in_commit(struct pg_call *c)
{
	const uint64_t most = uv_now(c->pg->loop.uv) + SETTLE_MS;

	if (c->reason[0] == '\0')
		pg_print(c->reason, sizeof c->reason, "the connection to %s broke at the commit",
			 c->pg->resource);
	if (c->ends_at > most)
		c->ends_at = most;
	adapter_timer_set(&c->pg->loop, &c->deadline, SETTLE_MS);
	pg_suspect_add(c->pg, c->branch.name, c->session);
	pg_suspect_clear(c, read_queue);
}

/* ---- the end of the transaction ---- */

static void on_finish_result(struct pg_unit *u, int step, const PGresult *res)
{
	if (step == PG_STEP_LAST)
		pg_work_committed(u->arg, res);
	else
		pg_work_result(u, step, res);
}

static void on_finish_end(struct pg_unit *u, bool whole)
{
	struct pg_call *c = u->arg;

	if (!whole || pg_cut(c, CRASH_ERROR(pg_call_committed))) {
		lost_in_commit(c);
	} else if (c->last == PG_DONE) {
		pg_call_answer(c, RESULT_DONE);
	} else if (c->last == PG_LOST) {
		roll_back(c);
		read_key(c); /* the server has finished with it, one way or the other */
	} else {
		c->failed_step = c->failed != PG_NONE ? c->failed_step : PG_STEP_LAST;
		fail(c);
	}
}

/* A read-only operation ran in a savepoint, from which the way back is the only one to
 * a transaction that may write: the key and the output. */
static void finish(struct pg_call *c, bool worked)
{
	const struct bytes output = worked ? pg_output_finish(&c->output) : (struct bytes){0};

	c->last = PG_NONE;
	if (output.size > 0)
		c->stored = mem_dup_bytes(output.data, output.size);
	if (worked && c->read_only)
		pg_session_query(c->session, &c->unit, PG_STEP_STORE, "ROLLBACK TO settle");
	if (c->stored != NULL)
		send_key(c, PG_KEY_STORE, PG_STEP_STORE, 5);
	pg_session_execute(c->session, &c->unit, PG_STEP_LAST, pg_statement_of(c->pg, PG_COMMIT),
			   NULL, 0);
	CRASH_POINT(pg_call_commit);
	send_unit(c, on_finish_result, on_finish_end);
	pg_cut(c, CRASH_ERROR(pg_call_commit_sent));
}

/* False if the call must not commit any more: then it was answered. */
static bool in_time(struct pg_call *c)
{
	if (!c->cancelled && uv_now(c->pg->loop.uv) < c->ends_at)
		return true;
	roll_back(c);
	pg_call_fail(c, not_done(c), "operation %s on %s: %s before its commit", c->operation->name,
		     c->pg->resource, c->cancelled ? "cancelled" : "the deadline passed");
	return false;
}

/* ---- the work ---- */

static void on_work_result(struct pg_unit *u, int step, const PGresult *res)
{
	struct pg_call *c = u->arg;

	if (pg_verdict(res, NULL) == PG_DONE && step == PG_STEP_MARK)
		c->marked = true;
	else if (pg_verdict(res, NULL) == PG_DONE && step == PG_STEP_LOOK && PQntuples(res) == 1)
		pg_print(c->mark, sizeof c->mark, "%s", PQgetvalue(res, 0, 0));
	pg_work_result(u, step, res);
}

static void on_work_end(struct pg_unit *u, bool whole)
{
	struct pg_call *c = u->arg;

	c->may_cancel = false;
	if (!whole || pg_cut(c, CRASH_ERROR(pg_call_worked))) {
		lost_before_commit(c);
	} else if (c->failed != PG_NONE) {
		fail(c);
	} else if (!pg_work_good(c)) {
		roll_back(c);
		pg_call_answer(c, RESULT_REFUSED);
	} else if (in_time(c)) {
		finish(c, true);
	}
}

static void send_operation(struct pg_call *c)
{
	if (c->read_only) {
		pg_session_query(c->session, &c->unit, PG_STEP_LOOK, "SAVEPOINT settle");
		pg_session_query(c->session, &c->unit, PG_STEP_LOOK, "SET TRANSACTION READ ONLY");
	}
	pg_work_operation(c);
	CRASH_POINT(pg_call_send);
	send_unit(c, on_work_result, on_work_end);
	pg_cut(c, CRASH_ERROR(pg_call_sent));
}

/* Of an undo: what is there to undo? */
static void on_look_end(struct pg_unit *u, bool whole)
{
	struct pg_call *c = u->arg;

	if (!whole || pg_cut(c, CRASH_ERROR(pg_undo_looked))) {
		lost_before_commit(c);
	} else if (c->failed != PG_NONE) {
		fail(c);
	} else if (in_time(c)) {
		if (strcmp(c->mark, "done") == 0)
			send_operation(c);
		else
			finish(c, false);
	}
}

static void work(struct pg_call *c)
{
	pg_work_begin(c, PG_BEGIN);
	if (c->undo && !c->elsewhere)
		send_key(c, PG_KEY_BLOCK, PG_STEP_BLOCK, 3);
	send_key(c, PG_KEY, PG_STEP_MARK, 4);
	if (!c->undo || c->elsewhere) {
		send_operation(c);
		return;
	}
	send_key(c, PG_KEY_LOOK, PG_STEP_LOOK, 3);
	send_unit(c, on_work_result, on_look_end);
}

void pg_saga_start(struct pg_call *c, const struct adapter_call *call)
{
	const struct adapter_work w = {
		.operation = call->operation,
		.args = call->args,
		.timeout_ms = call->timeout_ms,
	};

	if (!c->pg->barrier)
		pg_call_fail(c, pg_call_unbegun(c), "resource %s serves no saga calls: %s",
			     c->pg->resource, c->pg->no_barrier);
	else if (pg_work_init(c, &w))
		pg_call_queue_work(c, work);
}
