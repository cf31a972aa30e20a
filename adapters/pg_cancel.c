/* pg_cancel.c - asks the server to stop what a branch's session is doing.
 *
 * By pg_cancel_backend on a finisher: libpq's own PQcancel would block the loop.
 * Until the request was carried out the session is held back from other work, or
 * the cancellation could hit the next branch; and none is made before the commit that
 * went out ahead has been answered, or it could hit that.
 * See pg.h. */
#include "adapters/pg.h"

#include "base/crash.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

enum { CANCEL_AGAIN_MS = 100 };

struct pg_cancel {
	struct pg_unit unit;
	struct pg *pg;
	struct pg_session *target;
};

static void on_cancel_result(struct pg_unit *u, int step, const PGresult *res)
{
	(void)u; /* too late or in time: the branch's own answer tells */
	(void)step;
	(void)res;
}

static void on_cancel_end(struct pg_unit *u, bool whole)
{
	struct pg_cancel *x = u->arg;
	struct pg *pg = x->pg;

	(void)whole;
	CRASH_POINT(pg_cancelled);
	pg_session_unhold(x->target);
	free(x);
	pg_call_dispatch(pg);
}

static struct pg_session *any_finisher(const struct pg *pg)
{
	for (int64_t i = 0; i < pg->config.finishers; i++)
		if (pg_session_up(pg->finish[i]))
			return pg->finish[i];
	return NULL;
}

static void send_cancel(struct pg_call *c, struct pg_session *s)
{
	struct pg_cancel *x = mem_new(1, sizeof *x);
	char pid[16];
	const char *values[2] = {pid, pg_session_backend_start(c->session)};

	x->pg = c->pg;
	x->target = c->session;
	x->unit.arg = x;
	x->unit.result = on_cancel_result;
	x->unit.end = on_cancel_end;
	pg_session_hold(x->target);
	CRASH_POINT(pg_cancel_send);
	snprintf(pid, sizeof pid, "%d", pg_session_pid(c->session));
	pg_session_execute(s, &x->unit, 0, pg_statement_of(c->pg, PG_CANCEL), values, 2);
	pg_session_sync(s, &x->unit);
}

/* The server forgets a request that comes before it has begun the statement, so it is
 * made again until the statement has ended. */
static void cancel_again(struct pg_call *c)
{
	struct pg_session *s = any_finisher(c->pg);

	if (c->place != PG_RUNNING || !c->may_cancel)
		return;
	if (s != NULL && pg_session_serves(c->session, c))
		send_cancel(c, s);
	adapter_timer_set(&c->pg->loop, &c->cancel, CANCEL_AGAIN_MS);
}

static void on_again(struct adapter_timer *t)
{
	cancel_again((struct pg_call *)((char *)t - offsetof(struct pg_call, cancel)));
}

void pg_cancel_start(struct pg_call *c)
{
	if (c->place == PG_QUEUED_WORK && c->is_work) {
		pg_call_fail(c, pg_call_unbegun(c), "cancelled before it was begun");
		return;
	}
	if (c->place != PG_RUNNING || !c->may_cancel || c->cancelled)
		return; /* it is at its end, or its deadline ends it */
	c->cancelled = true;
	c->cancel.fn = on_again;
	cancel_again(c);
}
