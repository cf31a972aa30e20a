/* What dies while a branch is under way: the connection, the agent, the server.
 * The rule under test: a lost answer is not a no, and "gone" is only said when
 * nothing can appear any more. */
#include "tests/lib/pg_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct pg_server *server;
static struct rig *rig;
static struct proxy *proxy;
static PGconn *locker;

static void open_server(void)
{
	static const char *const settings[] = {"wal_level = replica", "max_wal_senders = 2", NULL};

	server = pg_server_new("pg-crash", settings);
	rig_make_tables(server);
}

static void close_server(void)
{
	pg_server_free(server);
}

static void begin(void)
{
	pg_server_start(server);
}

static void finish(void)
{
	PQfinish(locker);
	locker = NULL;
	if (rig)
		rig_close(rig);
	proxy_free(proxy);
	rig_clean(server);
	/* A server that this process has started would not outlive it. */
	pg_server_stop_own(server);
}

static void serve_directly(void)
{
	rig = SERVE(.conninfo = server->conninfo);
}

#define DEBIT(gid) rig_prepare(rig, gid, "debit", "{\"id\": 1, \"amount\": 10}")

static void lock_account(void)
{
	locker = pg_open(server);
	pg_do(locker, "BEGIN; UPDATE account SET balance = balance WHERE id = 1");
}

static void unlock_account(void)
{
	pg_do(locker, "ROLLBACK");
}

static long long blocked(void)
{
	return pg_ask(server, "SELECT coalesce(min(pid), 0) FROM pg_stat_activity WHERE "
			      "wait_event_type = 'Lock'");
}

static long long prepared(void)
{
	return pg_ask(server, "SELECT count(*) FROM pg_prepared_xacts");
}

static long long balance(void)
{
	return pg_ask(server, "SELECT balance FROM account WHERE id = 1");
}

/* Sessions of the adapter whose set-up is over: what goes through the proxy after that
 * is work. */
static long long idle_sessions(void)
{
	return pg_ask(server, "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle' AND "
			      "starts_with(application_name, 'settle')");
}

/* It is in the database before its answer is on the way: that must be lost as well. */
static bool answer_lost(long long n_prepared)
{
	return prepared() == n_prepared && proxy_stopped(proxy, PROXY_DOWN) > 0;
}

START_TEST(lost_answer_to_prepare_is_unknown_and_can_be_rolled_back)
{
	struct rig_call *c;

	rig = rig_serve_through(server, NULL, &proxy);
	RUN_UNTIL(rig, 10, idle_sessions() == RIG_SESSIONS);
	proxy_set(proxy, PROXY_DOWN, PROXY_DROP);
	c = DEBIT("c1");
	RUN_UNTIL(rig, 10, answer_lost(1));
	ck_assert(!c->done);
	proxy_set(proxy, PROXY_DOWN, PROXY_PASS);
	proxy_cut(proxy);
	WORD(c, "unknown");
	RUN_UNTIL(rig, 10, rig->ready);
	WORD(rig_rollback(rig, "c1"), "rolled-back");
	ck_assert_int_eq(prepared(), 0);
}
END_TEST

START_TEST(silent_server_is_given_up_after_the_deadline)
{
	int64_t began = clock_ms();
	struct rig_call *c;

	rig = rig_serve_through(server, NULL, &proxy);
	proxy_set(proxy, PROXY_DOWN, PROXY_DROP);
	c = rig_prepare_in(rig, "c2", "debit", "{\"id\": 1, \"amount\": 10}", 300);
	WORD(c, "unknown");
	SAYS(c, "gave no answer in time");
	ck_assert_int_lt(clock_ms() - began, harness_patience_ms(6));
	proxy_set(proxy, PROXY_DOWN, PROXY_PASS);
	proxy_cut(proxy);
	RUN_UNTIL(rig, 10, rig->ready);
	WORD(rig_rollback(rig, "c2"), "rolled-back");
	ck_assert_int_eq(prepared(), 0);
}
END_TEST

START_TEST(session_ended_by_an_administrator_leaves_nothing)
{
	struct rig_call *c;

	serve_directly();
	lock_account();
	c = DEBIT("c4");
	RUN_UNTIL(rig, 10, blocked() != 0);
	pg_do(locker, "SELECT pg_terminate_backend(%lld)", blocked());
	WORD(c, "unknown");
	SAYS(c, "57P01");
	WORD(rig_rollback(rig, "c4"), "rolled-back");
	unlock_account();
	ck_assert_int_eq(prepared(), 0);
	WORD(DEBIT("c4b"), "prepared"); /* on a session that has reconnected */
}
END_TEST

START_TEST(server_that_stops_in_mid_prepare_leaves_nothing)
{
	struct rig_call *c;

	serve_directly();
	lock_account();
	c = DEBIT("c10");
	RUN_UNTIL(rig, 10, blocked() != 0);
	pg_server_stop(server);
	WORD(c, "unknown");
	RUN_UNTIL(rig, 10, !rig->ready);
	ck_assert_uint_gt(strlen(rig->problem), 0);
	PQfinish(locker);
	locker = NULL;
	c = rig_rollback(rig, "c10"); /* waits for the server */
	pg_server_start(server);
	WORD(c, "rolled-back");
	ck_assert(rig->ready);
	ck_assert_int_eq(prepared(), 0);
}
END_TEST

START_TEST(prepared_branch_survives_the_servers_crash)
{
	struct rig_call *c;

	serve_directly();
	WORD(DEBIT("c11"), "prepared");
	pg_server_kill(server);
	RUN_UNTIL(rig, 20, !rig->ready);
	pg_server_start(server);
	rig_serve(rig);
	c = rig_list(rig);
	rig_kind(c);
	ck_assert_uint_eq(c->n, 1);
	ck_assert_str_eq(c->branches[0], "7 c11 s.b");
	WORD(rig_commit(rig, "c11", false), "committed");
	ck_assert_int_eq(balance(), 90);
}
END_TEST

START_TEST(work_that_found_no_server_is_refused_at_its_deadline)
{
	struct rig_call *c;

	serve_directly();
	pg_server_stop(server);
	RUN_UNTIL(rig, 10, !rig->ready);
	c = rig_prepare_in(rig, "c12", "debit", "{\"id\": 1, \"amount\": 10}", 200);
	WORD(c, "retry");
	SAYS(c, "bank does not serve: ");
	pg_server_start(server);
	rig_serve(rig);
}
END_TEST

START_TEST(lost_answer_to_commit_is_unknown_and_done_on_repeat)
{
	struct rig_call *c;

	rig = rig_serve_through(server, NULL, &proxy);
	WORD(DEBIT("c13"), "prepared");
	RUN_UNTIL(rig, 10, idle_sessions() == RIG_SESSIONS);
	proxy_set(proxy, PROXY_DOWN, PROXY_DROP);
	c = rig_commit(rig, "c13", false);
	RUN_UNTIL(rig, 10, answer_lost(0));
	ck_assert(!c->done);
	proxy_set(proxy, PROXY_DOWN, PROXY_PASS);
	proxy_cut(proxy);
	WORD(c, "unknown");
	WORD(rig_commit(rig, "c13", true), "committed");
	ck_assert_int_eq(balance(), 90);
}
END_TEST

START_TEST(commit_that_never_arrived_is_unknown_and_done_on_repeat)
{
	struct rig_call *c;

	rig = rig_serve_through(server, NULL, &proxy);
	WORD(DEBIT("c14"), "prepared");
	RUN_UNTIL(rig, 10, idle_sessions() == RIG_SESSIONS);
	proxy_set(proxy, PROXY_UP, PROXY_DROP);
	c = rig_commit(rig, "c14", false);
	RUN_UNTIL(rig, 10, proxy_stopped(proxy, PROXY_UP) > 0);
	proxy_set(proxy, PROXY_UP, PROXY_PASS);
	proxy_cut(proxy);
	WORD(c, "unknown");
	ck_assert_int_eq(prepared(), 1);
	WORD(rig_commit(rig, "c14", true), "committed");
	ck_assert_int_eq(balance(), 90);
}
END_TEST

static long long waits_for_standby(void)
{
	return pg_ask(server, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
}

/* Another session that is just committing it, held up by a standby that is not
 * there, makes the branch "busy" (55000). */
START_TEST(branch_that_is_busy_elsewhere_is_unknown_then_committed)
{
	PGconn *admin = pg_open(server), *other = pg_open(server), *probe = pg_open(server);
	struct rig_call *c;

	serve_directly();
	WORD(DEBIT("c15"), "prepared");
	pg_do(admin, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
	pg_do(admin, "SELECT pg_reload_conf()");
	do { /* until commits have begun to wait */
		PQconsumeInput(probe);
		if (!PQisBusy(probe)) {
			PQclear(PQgetResult(probe));
			PQsendQuery(probe, "INSERT INTO note VALUES ('probe')");
		}
		harness_pause();
	} while (waits_for_standby() == 0);
	ck_assert(PQsendQuery(other, "COMMIT PREPARED '" RIG_NAME("c15") "'"));
	RUN_UNTIL(rig, 10, waits_for_standby() == 2);
	c = rig_commit(rig, "c15", false);
	WORD(c, "unknown");
	SAYS(c, "55000");
	pg_do(admin, "ALTER SYSTEM RESET synchronous_standby_names");
	pg_do(admin, "SELECT pg_reload_conf()");
	PQclear(PQgetResult(other));
	PQfinish(probe);
	WORD(rig_commit(rig, "c15", true), "committed");
	ck_assert_int_eq(balance(), 90);
	PQfinish(other);
	PQfinish(admin);
}
END_TEST

START_TEST(close_answers_what_is_under_way)
{
	struct rig_call *running, *queued;

	rig = SERVE(.conninfo = server->conninfo, .pool = 1);
	lock_account();
	running = DEBIT("c16");
	queued = DEBIT("c17");
	RUN_UNTIL(rig, 10, blocked() != 0);
	rig_commit(rig, "c18", true); /* its answer comes with the end */
	ck_assert(!running->done && !queued->done);
	rig_close(rig); /* which checks that each was answered once */
	rig = NULL;
	WAIT_FOR(10, blocked() == 0);
	unlock_account();
	ck_assert_int_eq(prepared(), 0);
}
END_TEST

static long long waiting_for_standby(void)
{
	return pg_ask(server, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
}

/* The session that commits, and waits. */
static long long committer(void)
{
	return pg_ask(server, "SELECT coalesce(min(pid), 0) FROM pg_stat_activity WHERE "
			      "wait_event = 'SyncRep' AND query LIKE 'COMMIT PREPARED%%'");
}

/* True once a write of `probe` waits for the standby. */
static bool probe_waits(PGconn *probe)
{
	if (PQconsumeInput(probe) && !PQisBusy(probe)) {
		for (PGresult *r; (r = PQgetResult(probe)) != NULL;)
			PQclear(r);
		PQsendQuery(probe, "UPDATE account SET balance = balance WHERE id = 3");
	}
	return waiting_for_standby() == 1;
}

/* From now on what is committed waits for a standby that is not there; or not any more. */
static void standby(const char *change)
{
	PGconn *conn = pg_open(server);

	pg_do(conn, "ALTER SYSTEM %s", change);
	pg_do(conn, "SELECT pg_reload_conf()");
	PQfinish(conn);
}

/* A commit that is queued together with work, on the only session of the pool; false if it was too
 * slow for that, and the finisher has it. */
static bool spares_the_commit(int n, long long pool)
{
	char gid[16], work_gid[16];
	struct rig_call *commit, *work, *list;
	PGconn *probe = pg_open(server);
	bool together;

	snprintf(gid, sizeof gid, "c19-%d", n);
	snprintf(work_gid, sizeof work_gid, "c20-%d", n);
	WORD(rig_prepare(rig, gid, "debit", "{\"id\": 2, \"amount\": 1}"), "prepared");
	standby("SET synchronous_standby_names = 'gone'");
	RUN_UNTIL(rig, 10, probe_waits(probe));
	rig_read(rig, "c21", "balance", "{\"id\": 2}");
	work = DEBIT(work_gid);
	commit = rig_commit(rig, gid, false);
	RUN_UNTIL(rig, 10, committer() != 0);
	together = committer() == pool;
	rig_cancel(rig, work_gid);
	if (together) {
		list = rig_list(rig); /* behind the request to cancel */
		RUN_UNTIL(rig, 10, list->done);
		ck_assert_int_eq(committer(), pool);
	}
	standby("RESET synchronous_standby_names");
	WORD(commit, "committed");
	WORD(work, "retry");
	SAYS(work, "cancelled");
	PQfinish(probe);
	return together;
}

/* Cancelled while it waits for its standby, a commit is done without it, and says so only in a
 * warning. */
START_TEST(cancel_of_work_spares_the_commit_that_went_ahead_of_it)
{
	struct rig_call *call;
	long long pool;
	int n = 0;

	rig = SERVE(.conninfo = server->conninfo, .pool = 1);
	lock_account();
	call = DEBIT("c18");
	RUN_UNTIL(rig, 10, blocked() != 0);
	pool = blocked();
	rig_cancel(rig, "c18");
	WORD(call, "retry");
	/* On a busy machine it may be too slow each time: then nothing is shown. */
	while (n < 20 && !spares_the_commit(n, pool))
		n++;
}
END_TEST

/* Nor is it ended by what time the work before it had. */
START_TEST(time_of_the_work_before_does_not_end_a_commit)
{
	PGconn *probe = pg_open(server);
	struct rig_call *commit;

	rig = SERVE(.conninfo = server->conninfo, .pool = 1);
	WORD(rig_prepare_in(rig, "c22", "debit", "{\"id\": 2, \"amount\": 1}", 3000), "prepared");
	standby("SET synchronous_standby_names = 'gone'");
	RUN_UNTIL(rig, 10, probe_waits(probe));
	commit = rig_commit(rig, "c22", false);
	RUN_UNTIL(rig, 10,
		  commit->done ||
			  pg_ask(server, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = "
					 "'SyncRep' AND query LIKE 'COMMIT PREPARED%%' AND "
					 "clock_timestamp() - query_start > '3.5 s'") == 1);
	ck_assert(!commit->done);
	standby("RESET synchronous_standby_names");
	WORD(commit, "committed");
	PQfinish(probe);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("postgres-crash");
	TCase *tc = tcase_create("crash");

	tcase_add_checked_fixture(tc, begin, finish);
	tcase_set_timeout(tc, 180);
	tcase_add_test(tc, lost_answer_to_prepare_is_unknown_and_can_be_rolled_back);
	tcase_add_test(tc, silent_server_is_given_up_after_the_deadline);
	tcase_add_test(tc, session_ended_by_an_administrator_leaves_nothing);
	tcase_add_test(tc, server_that_stops_in_mid_prepare_leaves_nothing);
	tcase_add_test(tc, prepared_branch_survives_the_servers_crash);
	tcase_add_test(tc, work_that_found_no_server_is_refused_at_its_deadline);
	tcase_add_test(tc, lost_answer_to_commit_is_unknown_and_done_on_repeat);
	tcase_add_test(tc, commit_that_never_arrived_is_unknown_and_done_on_repeat);
	tcase_add_test(tc, branch_that_is_busy_elsewhere_is_unknown_then_committed);
	tcase_add_test(tc, close_answers_what_is_under_way);
	tcase_add_test(tc, cancel_of_work_spares_the_commit_that_went_ahead_of_it);
	tcase_add_test(tc, time_of_the_work_before_does_not_end_a_commit);
	suite_add_tcase(suite, tc);
	return suite_run(suite, open_server, close_server);
}
