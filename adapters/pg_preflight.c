/* pg_preflight.c - see pg_preflight.h.
 *
 *   facts ──▶ fence (once a start, again and again until nobody is left;
 *             later: is there a newer start?)
 *         ──▶ barrier table (made if need be and allowed) ──▶ checked
 *
 * Checked, and with a first session for work, the resource is ready.  Whatever
 * is wrong breaks the session; when it has connected again, all is tried anew. */
#include "adapters/pg.h"

#include "base/crash.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FENCE_AGAIN_MS = 20, FENCE_PATIENCE_MS = 2000 };

static const char same_backend[] =
	"two connections are served by one server process: a proxy that pools transactions (such "
	"as PgBouncer in transaction mode) is in between: connect to the server itself, or let "
	"the proxy pool sessions";

bool pg_facts_problem(const struct pg_facts *facts, long pool, char out[PG_PROBLEM_SIZE])
{
	/* Prepared branches wait for the decision without a session, so there are more
	 * of them than sessions; four times the pool is a start. */
	if (facts->standby)
		pg_print(out, PG_PROBLEM_SIZE,
			 "the server is a standby in recovery: connect to the primary");
	else if (facts->max_prepared == 0)
		pg_print(out, PG_PROBLEM_SIZE,
			 "prepared transactions are disabled: set max_prepared_transactions to at "
			 "least %ld in postgresql.conf and restart the server",
			 4 * pool);
	else
		return false;
	return true;
}

/* ---- what people are told ---- */

void pg_problem(struct pg *pg, const char *problem)
{
	pg->ready = problem == NULL;
	pg_print(pg->problem, sizeof pg->problem, "%s", problem != NULL ? problem : "");
}

void pg_problem_tell(struct pg *pg)
{
	if (pg->closing ||
	    (pg->ready == pg->told_ready && strcmp(pg->problem, pg->told_problem) == 0))
		return;
	pg->told_ready = pg->ready;
	memcpy(pg->told_problem, pg->problem, sizeof pg->told_problem);
	pg->host.ready(pg->host.arg, pg->ready ? NULL : pg->told_problem);
}

/* ---- the steps ---- */

static void facts_start(struct pg_preflight *f);
static void fence_start(struct pg_preflight *f);
static void barrier_start(struct pg_preflight *f);
static void consider_ready(struct pg *pg);

static void step_send(struct pg_preflight *f, pg_result_fn result, pg_end_fn end, const char *sql)
{
	f->failed = false;
	f->unit.arg = f;
	f->unit.result = result;
	f->unit.end = end;
	if (sql == NULL)
		return;
	pg_session_query(f->session, &f->unit, 0, sql);
	pg_session_sync(f->session, &f->unit);
}

/* True if the step's results are good; else it keeps why. */
static bool good(struct pg_preflight *f, const PGresult *res)
{
	if (pg_verdict(res, NULL) == PG_DONE)
		return true;
	f->failed = true;
	pg_explain(f->why, sizeof f->why, res, (struct pg_circumstance){.during = PG_WORKING});
	return false;
}

static void give_up(struct pg_preflight *f, const char *why)
{
	pg_session_break(f->session, why); /* which tells pg_preflight_down */
}

static void on_facts_result(struct pg_unit *u, int step, const PGresult *res)
{
	struct pg_preflight *f = u->arg;

	(void)step;
	if (!good(f, res))
		return;
	f->facts.max_prepared = strtol(PQgetvalue(res, 0, 0), NULL, 10);
	f->facts.standby = PQgetvalue(res, 0, 1)[0] == 't';
}

static void on_facts_end(struct pg_unit *u, bool whole)
{
	struct pg_preflight *f = u->arg;

	if (!whole)
		return;
	if (f->failed || pg_facts_problem(&f->facts, (long)f->pg->config.pool, f->why)) {
		give_up(f, f->why);
		return;
	}
	if (f->facts.max_prepared < f->pg->config.pool)
		log_event(LOG_WARN, "pg-few-slots",
			  "resource=%s max_prepared_transactions=%ld pool=%d the server has fewer "
			  "slots than the pool has sessions: branches will be refused under load",
			  f->pg->resource, f->facts.max_prepared, (int)f->pg->config.pool);
	f->fencing_since = uv_now(f->pg->loop.uv);
	fence_start(f);
}

static void facts_start(struct pg_preflight *f)
{
	step_send(f, on_facts_result, on_facts_end,
		  "SELECT current_setting('max_prepared_transactions'), pg_is_in_recovery()");
}

static void on_fence_result(struct pg_unit *u, int step, const PGresult *res)
{
	struct pg_preflight *f = u->arg;

	(void)step;
	if (!good(f, res))
		return;
	f->fence_left = PQntuples(res);
	f->fence_pid = f->fence_left > 0 ? atoi(PQgetvalue(res, 0, 0)) : 0;
}

static void on_fence_again(struct adapter_timer *t)
{
	fence_start((struct pg_preflight *)((char *)t - offsetof(struct pg_preflight, again)));
}

static void on_fence_end(struct pg_unit *u, bool whole)
{
	struct pg_preflight *f = u->arg;
	char why[PG_PROBLEM_SIZE];

	if (!whole)
		return;
	if (f->failed) {
		give_up(f, f->why);
	} else if (f->fence_left == 0) {
		CRASH_POINT(pg_fenced);
		f->pg->fenced = true;
		barrier_start(f);
	} else {
		if (uv_now(f->pg->loop.uv) - f->fencing_since > FENCE_PATIENCE_MS) {
			pg_print(why, sizeof why,
				 "waiting for %d sessions of an earlier start of this agent to end "
				 "(one is the server's process %d)",
				 f->fence_left, f->fence_pid);
			pg_problem(f->pg, why);
		}
		f->again.fn = on_fence_again;
		adapter_timer_set(&f->pg->loop, &f->again, FENCE_AGAIN_MS);
	}
}

static void on_newer_end(struct pg_unit *u, bool whole)
{
	struct pg_preflight *f = u->arg;

	if (!whole)
		return;
	if (f->failed)
		give_up(f, f->why);
	else if (f->fence_left > 0)
		give_up(f, "a newer start of this agent serves this database");
	else
		barrier_start(f);
}

/* The fence goes up once a start.  Later, when this one was cut off and comes
 * back, a newer start may have ended its sessions: their work was given up by
 * then, and what still waits here must not be begun behind its back. */
static void fence_start(struct pg_preflight *f)
{
	const struct pg *pg = f->pg;
	const int n = (int)pg->app_shared;
	char shared[PG_APP_SIZE];
	const char *values[2] = {shared, pg->fenced ? pg->app_name + n : pg->app_name};

	snprintf(shared, sizeof shared, "%.*s", n, pg->app_name);
	CRASH_POINT(pg_fence_send);
	step_send(f, on_fence_result, pg->fenced ? on_newer_end : on_fence_end, NULL);
	pg_session_execute(f->session, &f->unit, 0,
			   pg_statement_of(pg, pg->fenced ? PG_NEWER : PG_FENCE), values, 2);
	pg_session_sync(f->session, &f->unit);
}

static void checked(struct pg_preflight *f)
{
	struct pg *pg = f->pg;

	f->session = NULL;
	pg->barrier = f->barrier_usable;
	pg->looked = true;
	pg->checked = true;
	for (int64_t i = 0; i < pg->config.finishers; i++)
		pg_session_start(pg->finish[i]);
	for (int64_t i = 0; i < pg->config.pool; i++)
		pg_session_start(pg->work[i]);
	consider_ready(pg);
}

static void on_barrier_result(struct pg_unit *u, int step, const PGresult *res)
{
	struct pg_preflight *f = u->arg;

	(void)step;
	if (!good(f, res))
		return;
	f->barrier_seen = PQgetvalue(res, 0, 0)[0] == 't';
	f->barrier_shape = PQgetvalue(res, 0, 2)[0] == 't';
	f->barrier_usable = f->barrier_shape && PQgetvalue(res, 0, 1)[0] == 't';
}

static void on_ddl_result(struct pg_unit *u, int step, const PGresult *res)
{
	(void)step;
	good(u->arg, res);
}

static void on_ddl_end(struct pg_unit *u, bool whole)
{
	if (whole)
		barrier_start(u->arg); /* somebody else may have made it meanwhile: look */
}

/* Without the table there is no one-phase commit and no saga call; all else works. */
static void tell_no_barrier(struct pg_preflight *f)
{
	struct pg *pg = f->pg;
	char *ddl = pg_barrier_ddl(&pg->config);

	if (f->barrier_seen && !f->barrier_shape)
		pg_print(pg->no_barrier, sizeof pg->no_barrier,
			 "the table %s is not the barrier table of this version: name another one "
			 "by barrier_table, or drop it",
			 pg->config.barrier);
	else
		pg_print(pg->no_barrier, sizeof pg->no_barrier,
			 "the role %s. As the table's owner run: %s; and grant SELECT, INSERT and "
			 "UPDATE on it; then restart the agent",
			 f->barrier_seen ? "may not use the barrier table"
					 : "cannot make the barrier table",
			 ddl);
	if (!f->barrier_told)
		log_event(LOG_WARN, "pg-no-barrier",
			  "resource=%s no one-phase commit and no saga calls: %s", pg->resource,
			  pg->no_barrier);
	f->barrier_told = true;
	free(ddl);
}

static void on_barrier_end(struct pg_unit *u, bool whole)
{
	struct pg_preflight *f = u->arg;
	char *ddl;

	if (!whole)
		return;
	if (f->failed) {
		give_up(f, f->why);
		return;
	}
	if (!f->barrier_seen && !f->barrier_tried) {
		ddl = pg_barrier_ddl(&f->pg->config);
		f->barrier_tried = true;
		step_send(f, on_ddl_result, on_ddl_end, ddl);
		free(ddl);
		return;
	}
	if (!f->barrier_usable)
		tell_no_barrier(f);
	checked(f);
}

static void barrier_start(struct pg_preflight *f)
{
	char sql[768];

	snprintf(sql, sizeof sql,
		 "SELECT r IS NOT NULL, has_table_privilege(r, 'INSERT') AND "
		 "has_table_privilege(r, 'SELECT') AND has_table_privilege(r, 'UPDATE'), "
		 "(SELECT count(*) FROM pg_attribute WHERE attrelid = r AND NOT attisdropped AND "
		 "attname IN ('kind', 'output', 'made_at')) = 3 FROM to_regclass('%s') AS r",
		 f->pg->config.barrier);
	step_send(f, on_barrier_result, on_barrier_end, sql);
}

/* ---- sessions come and go ---- */

static bool any_up(struct pg_session *const *sessions, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		if (pg_session_up(sessions[i]))
			return true;
	return false;
}

static void consider_ready(struct pg *pg)
{
	if (pg->ready || !pg->checked || !any_up(pg->work, pg->config.pool))
		return;
	pg_problem(pg, NULL);
	for (int64_t i = 0; i < pg->config.pool; i++)
		pg_session_settle(pg->work[i]);
	for (int64_t i = 0; i < pg->config.finishers; i++)
		pg_session_settle(pg->finish[i]);
}

static bool is_finisher(const struct pg *pg, const struct pg_session *s)
{
	for (int64_t i = 0; i < pg->config.finishers; i++)
		if (pg->finish[i] == s)
			return true;
	return false;
}

static struct pg_session *twin(struct pg_session *const *sessions, int64_t n,
			       const struct pg_session *s)
{
	for (int64_t i = 0; i < n; i++)
		if (sessions[i] != s && pg_session_up(sessions[i]) &&
		    pg_session_pid(sessions[i]) == pg_session_pid(s) &&
		    strcmp(pg_session_backend_start(sessions[i]), pg_session_backend_start(s)) == 0)
			return sessions[i];
	return NULL;
}

/* Two of our sessions with one backend: there is a proxy that shares it out. */
static bool shared_backend(struct pg *pg, struct pg_session *s)
{
	struct pg_session *other = twin(pg->work, pg->config.pool, s);

	if (other == NULL)
		other = twin(pg->finish, pg->config.finishers, s);
	if (other == NULL)
		return false;
	pg_session_break(other, same_backend);
	pg_session_break(s, same_backend);
	pg->checked = false;
	pg_problem(pg, same_backend);
	return true;
}

void pg_preflight_up(struct pg *pg, struct pg_session *s)
{
	struct pg_preflight *f = &pg->preflight;

	if (shared_backend(pg, s))
		return;
	if (pg->checked) {
		pg->told_short = false;
		consider_ready(pg);
		pg_session_settle(s);
	} else if (f->session == NULL && is_finisher(pg, s)) {
		f->pg = pg;
		f->session = s;
		f->barrier_tried = false;
		facts_start(f);
	}
}

void pg_preflight_down(struct pg *pg, struct pg_session *s, bool was_up, const char *why)
{
	struct pg_preflight *f = &pg->preflight;

	if (f->session == s) {
		f->session = NULL;
		adapter_timer_stop(&pg->loop, &f->again);
	}
	if (pg->closing)
		return;
	if (!any_up(pg->finish, pg->config.finishers)) {
		pg->checked = false;
		pg_problem(pg, why);
	} else if (!pg->ready) {
		pg_problem(pg, why);
	} else if (was_up) {
		log_event(LOG_INFO, "pg-session-lost", "resource=%s %s", pg->resource, why);
	} else if (!pg->told_short) {
		pg->told_short = true;
		log_event(LOG_WARN, "pg-pool-short",
			  "resource=%s not all sessions can be opened: %s", pg->resource, why);
	}
}

void pg_preflight_stop(struct pg *pg)
{
	adapter_timer_stop(&pg->loop, &pg->preflight.again);
	pg->preflight.session = NULL;
}
