/* pg_setup.c - a new connection's first exchange: which backend serves us, is it
 * always the same one, and settings that the rules depend on.
 * See pg_session.h. */
#include "adapters/pg_session_impl.h"

#include "adapters/pg_verdict.h"
#include "base/crash.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char proxy_found[] =
	"a proxy that pools transactions (such as PgBouncer in transaction mode) is between the "
	"agent and the server: connect to the server itself, or let the proxy pool sessions";

/* What must not be inherited from the role's or the database's settings: limits
 * of time are ours to set, and a commit without a sync is none. */
static const char setup_sql[] =
	"SELECT pg_backend_pid(), extract(epoch FROM backend_start), application_name,"
	" set_config('settle.session', '%s', false),"
	" set_config('lock_timeout', '0', false), set_config('statement_timeout', '0', false),"
	" set_config('idle_session_timeout', '0', false),"
	" set_config('idle_in_transaction_session_timeout', '60s', false),"
	" CASE current_setting('synchronous_commit') WHEN 'off'"
	" THEN set_config('synchronous_commit', 'on', false) END"
	" FROM pg_stat_activity WHERE pid = pg_backend_pid()";

static const char probe_sql[] = "SELECT pg_backend_pid(), current_setting('settle.session', true)";

/* That a dead client is noticed while a statement waits.  Platforms without the
 * means refuse the first; fencing does not depend on it. */
static const char extra_sql[] = "SELECT set_config('tcp_keepalives_idle', '10', false),"
				" set_config('tcp_keepalives_interval', '5', false),"
				" set_config('tcp_keepalives_count', '3', false),"
				" set_config('client_connection_check_interval', '1s', false)";

static void note_why(struct pg_session *s, const char *why)
{
	if (s->why[0] == '\0')
		pg_print(s->why, sizeof s->why, "%s", why);
}

static void on_setup_result(struct pg_unit *u, int step, const PGresult *res)
{
	struct pg_session *s = u->arg;
	char line[400];

	(void)step;
	if (pg_verdict(res, NULL) != PG_DONE) {
		note_why(s, pg_explain(line, sizeof line, res, (struct pg_circumstance){0}));
		return;
	}
	if (PQntuples(res) != 1 || PQgetisnull(res, 0, 1) || PQgetisnull(res, 0, 2)) {
		note_why(s, "the role cannot see its own session in pg_stat_activity: connect "
			    "without a `role` setting");
		return;
	}
	if (strcmp(PQgetvalue(res, 0, 2), s->host->app_name) != 0)
		note_why(s, proxy_found);
	s->pid = atoi(PQgetvalue(res, 0, 0));
	pg_print(s->start, sizeof s->start, "%s", PQgetvalue(res, 0, 1));
}

static void on_probe_result(struct pg_unit *u, int step, const PGresult *res)
{
	struct pg_session *s = u->arg;

	(void)step;
	if (pg_verdict(res, NULL) != PG_DONE || PQntuples(res) != 1 ||
	    atoi(PQgetvalue(res, 0, 0)) != s->pid || strcmp(PQgetvalue(res, 0, 1), s->token) != 0)
		note_why(s, proxy_found);
}

static void on_extra_result(struct pg_unit *u, int step, const PGresult *res)
{
	(void)u;
	(void)step;
	(void)res;
}

static void on_probe_end(struct pg_unit *u, bool whole)
{
	(void)u;
	(void)whole;
}

static void on_extra_end(struct pg_unit *u, bool whole)
{
	struct pg_session *s = u->arg;

	if (!whole)
		return;
	if (s->why[0] != '\0') {
		pg_session_break(s, s->why);
		return;
	}
	adapter_timer_stop(s->host->loop, &s->timer);
	pg_session_move(s, PG_UP);
	CRASH_POINT(pg_up);
	s->host->up(s, s->host->arg);
}

/* A second round trip on purpose: within one, a pooling proxy would not let the
 * server change. */
static void on_setup_end(struct pg_unit *u, bool whole)
{
	struct pg_session *s = u->arg;

	if (!whole)
		return;
	if (s->why[0] != '\0') {
		pg_session_break(s, s->why);
		return;
	}
	s->probe_unit.arg = s->extra_unit.arg = s;
	s->probe_unit.result = on_probe_result;
	s->probe_unit.end = on_probe_end;
	s->extra_unit.result = on_extra_result;
	s->extra_unit.end = on_extra_end;
	pg_session_query(s, &s->probe_unit, 0, probe_sql);
	pg_session_sync(s, &s->probe_unit);
	pg_session_query(s, &s->extra_unit, 0, extra_sql);
	pg_session_sync(s, &s->extra_unit);
}

static void ignore_notice(void *arg, const PGresult *res)
{
	(void)arg;
	(void)res;
}

void pg_session_set_up(struct pg_session *s)
{
	char sql[sizeof setup_sql + PG_START_SIZE], old[100];
	const int version = PQserverVersion(s->conn);

	if (version < 140000) {
		pg_print(old, sizeof old, "the server is PostgreSQL %d: at least 14 is needed",
			 version / 10000);
		pg_session_break(s, old);
		return;
	}
	PQsetNoticeReceiver(s->conn, ignore_notice, NULL);
	if (PQsetnonblocking(s->conn, 1) != 0 || !PQenterPipelineMode(s->conn)) {
		pg_session_break(s, PQerrorMessage(s->conn));
		return;
	}
	pg_session_move(s, PG_SETTING_UP);
	s->why[0] = '\0';
	snprintf(s->token, sizeof s->token, "%p-%" PRIx64, (void *)s, uv_hrtime());
	snprintf(sql, sizeof sql, setup_sql, s->token);
	s->setup_unit.arg = s;
	s->setup_unit.result = on_setup_result;
	s->setup_unit.end = on_setup_end;
	pg_session_query(s, &s->setup_unit, 0, sql);
	pg_session_sync(s, &s->setup_unit);
}
