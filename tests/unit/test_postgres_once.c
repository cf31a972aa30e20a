/* One phase: an operation and its commit at once, with a barrier row. */
#include "adapters/postgres.h"
#include "tests/lib/pg_rig.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static struct pg_server *server;
static struct rig *rig;
static struct proxy *proxy;

static void open_server(void)
{
	server = pg_server_new("pg-once", NULL);
	rig_make_tables(server);
}

static void close_server(void)
{
	pg_server_free(server);
}

static void finish(void)
{
	rig_close(rig);
	proxy_free(proxy);
	rig_clean(server);
}

static void serve(void)
{
	rig = SERVE(.conninfo = server->conninfo);
}

#define CREDIT(gid) rig_once(rig, gid, "credit", "{\"id\": 1, \"amount\": 10}")

static long long balance(void)
{
	return pg_ask(server, "SELECT balance FROM account WHERE id = 1");
}

static long long rows(const char *gid)
{
	return pg_ask(server, "SELECT count(*) FROM settle_barrier WHERE gid = '%s'", gid);
}

static bool one_phase(void)
{
	struct resource_info info;

	adapter_postgres.describe(rig->self, &info);
	return info.one_phase;
}

START_TEST(once_commits_with_its_mark_and_output)
{
	struct rig_call *c;

	serve();
	ck_assert(one_phase());
	c = CREDIT("o1");
	WORD(c, "committed");
	ck_assert_str_eq(c->output, "[{\"id\":1,\"balance\":110}]");
	ck_assert_int_eq(rows("o1"), 1);
	WORD(rig_settle(rig, "o1"), "committed");
	WORD(rig_settle(rig, "o1"), "committed");
}
END_TEST

START_TEST(once_twice_is_done_once)
{
	serve();
	WORD(CREDIT("o2"), "committed");
	WORD(CREDIT("o2"), "committed");
	ck_assert_int_eq(balance(), 110);
}
END_TEST

START_TEST(once_that_comes_after_its_settlement_is_refused)
{
	struct rig_call *c;

	serve();
	WORD(rig_settle(rig, "o3"), "rolled-back");
	WORD(rig_settle(rig, "o3"), "rolled-back");
	c = CREDIT("o3");
	WORD(c, "refused");
	SAYS(c, "settled before");
	ck_assert_int_eq(balance(), 100);
}
END_TEST

START_TEST(once_looks_at_the_rows_before_it_commits)
{
	struct rig_call *c;

	serve();
	c = rig_once(rig, "o4", "debit", "{\"id\": 1, \"amount\": 1000}");
	WORD(c, "refused");
	ck_assert_str_eq(c->reason, "operation debit on bank changed 0 rows, 1 was expected");
	ck_assert_int_eq(rows("o4"), 0);
	WORD(rig_once(rig, "o4b", "credit", "{\"id\": 99, \"amount\": 1}"), "refused");
	ck_assert_int_eq(rows("o4b"), 0);
}
END_TEST

START_TEST(passing_failure_at_the_commit_itself_is_no_word_about_the_business)
{
	PGconn *conn = pg_open(server);
	struct rig_call *c;

	pg_do(conn, "CREATE TABLE met (i int)");
	pg_do(conn, "CREATE FUNCTION meet() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
		    "RAISE SQLSTATE '40001'; END $$");
	pg_do(conn, "CREATE CONSTRAINT TRIGGER meet AFTER INSERT ON met DEFERRABLE INITIALLY "
		    "DEFERRED FOR EACH ROW EXECUTE FUNCTION meet()");
	rig = SERVE(.conninfo = server->conninfo,
		    .operations = "  meet:\n    sql: INSERT INTO met VALUES (1)\n");
	c = rig_once(rig, "o6", "meet", "{}");
	WORD(c, "retry");
	SAYS(c, "40001");
	ck_assert_int_eq(rows("o6"), 0);
	pg_do(conn, "DROP TABLE met; DROP FUNCTION meet");
	PQfinish(conn);
}
END_TEST

START_TEST(failure_at_the_commit_itself_is_a_no)
{
	PGconn *conn = pg_open(server);
	struct rig_call *c;

	pg_do(conn, "CREATE TABLE late (i int UNIQUE DEFERRABLE INITIALLY DEFERRED)");
	pg_do(conn, "INSERT INTO late VALUES (1)");
	rig = SERVE(.conninfo = server->conninfo,
		    .operations = "  late:\n    sql: INSERT INTO late VALUES (1)\n"
				  "  same:\n    sql: INSERT INTO account VALUES (1, 1)\n");
	c = rig_once(rig, "o5", "late", "{}");
	WORD(c, "refused");
	SAYS(c, "23505");
	c = rig_once(rig, "o5", "same", "{}"); /* the operation's own conflict is no barrier's */
	WORD(c, "refused");
	SAYS(c, "23505");
	ck_assert_int_eq(rows("o5"), 0);
	PQfinish(conn);
}
END_TEST

START_TEST(connection_lost_before_the_commit_is_settled_as_not_done)
{
	struct rig_call *c;

	rig = rig_serve_through(server, NULL, &proxy);
	proxy_set(proxy, PROXY_DOWN, PROXY_PASS);
	WORD(CREDIT("o6"), "committed"); /* what it takes is prepared now */
	proxy_set(proxy, PROXY_DOWN, PROXY_HOLD);
	c = CREDIT("o7"); /* its first answer is held: the commit is not sent */
	RUN_UNTIL(rig, 10, proxy_stopped(proxy, PROXY_DOWN) > 0);
	proxy_cut(proxy);
	proxy_set(proxy, PROXY_DOWN, PROXY_PASS);
	WORD(c, "unknown");
	WORD(rig_settle(rig, "o7"), "rolled-back");
	ck_assert_int_eq(balance(), 110);
}
END_TEST

/* The commit arrives and its answer does not: a deferred trigger holds the commit
 * up for long enough to cut the connection. */
START_TEST(commit_whose_answer_is_lost_counts)
{
	PGconn *conn = pg_open(server), *holder = pg_open(server);
	struct rig_call *c;

	pg_do(conn, "CREATE TABLE slow (i int)");
	pg_do(conn, "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS "
		    "'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END'");
	pg_do(conn, "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON slow DEFERRABLE INITIALLY "
		    "DEFERRED FOR EACH ROW EXECUTE FUNCTION slow()");
	pg_do(holder, "SELECT pg_advisory_lock(1)");
	rig = rig_serve_through(server, "  slow:\n    sql: INSERT INTO slow VALUES (1)\n", &proxy);
	c = rig_once(rig, "o8", "slow", "{}");
	RUN_UNTIL(rig, 10,
		  pg_ask(server, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = "
				 "'advisory' AND query = 'COMMIT'") == 1);
	RUN_UNTIL(rig, 10, /* the others have been set up */
		  pg_ask(server, "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle' AND "
				 "starts_with(application_name, 'settle')") == RIG_SESSIONS - 1);
	proxy_set(proxy, PROXY_DOWN, PROXY_DROP);
	pg_do(holder, "SELECT pg_advisory_unlock(1)");
	/* The row is there before its answer is on the way: that must be lost as well. */
	RUN_UNTIL(rig, 10, rows("o8") == 1 && proxy_stopped(proxy, PROXY_DOWN) > 0);
	proxy_set(proxy, PROXY_DOWN, PROXY_PASS);
	proxy_cut(proxy);
	WORD(c, "unknown");
	WORD(rig_settle(rig, "o8"), "committed");
	PQfinish(conn);
	PQfinish(holder);
}
END_TEST

START_TEST(settlement_waits_for_the_backend_that_may_still_commit)
{
	PGconn *locker = pg_open(server);
	struct rig_call *c;
	pid_t backend;
	int64_t until;

	serve();
	pg_do(locker, "BEGIN; UPDATE account SET balance = balance WHERE id = 1");
	c = rig_once(rig, "o9", "credit", "{\"id\": 1, \"amount\": 10}");
	RUN_UNTIL(rig, 10,
		  (backend = (pid_t)pg_ask(server,
					   "SELECT coalesce(min(pid), 0) FROM pg_stat_activity "
					   "WHERE wait_event_type = 'Lock'")) != 0);
	kill(backend, SIGSTOP);
	rig_cancel(rig, "o9"); /* in vain */
	pg_do(locker, "ROLLBACK");
	until = clock_ms() + 300;
	while (clock_ms() < until)
		rig_turn(rig);
	ck_assert(!c->done);
	pg_do(locker, "SELECT pg_terminate_backend(%d)", (int)backend);
	kill(backend, SIGCONT);
	WORD(c, "unknown");
	WORD(rig_settle(rig, "o9"), "rolled-back");
	ck_assert_int_eq(balance(), 100);
	PQfinish(locker);
}
END_TEST

START_TEST(role_that_may_not_make_the_table_has_no_one_phase)
{
	PGconn *conn = pg_open(server);
	char *teller = textf("%s user=teller", server->conninfo);
	struct rig_call *c;

	pg_do(conn, "CREATE ROLE teller LOGIN; GRANT ALL ON account, note TO teller");
	rig = SERVE(.conninfo = teller, .more = "barrier_table: teller_barrier\n");
	ck_assert(!one_phase());
	c = CREDIT("o10");
	WORD(c, "refused");
	SAYS(c, "no barrier table");
	WORD(rig_settle(rig, "o10"), "unknown");
	WORD(rig_prepare(rig, "o11", "credit", "{\"id\": 1, \"amount\": 10}"), "prepared");
	WORD(rig_rollback(rig, "o11"), "rolled-back");
	rig_close(rig);
	/* the owner makes it, and the next start finds it */
	rig = SERVE(.conninfo = server->conninfo, .more = "barrier_table: public.teller_barrier\n");
	pg_do(conn, "GRANT SELECT, INSERT, UPDATE ON teller_barrier TO teller");
	rig_close(rig);
	rig = SERVE(.conninfo = teller, .more = "barrier_table: teller_barrier\n");
	ck_assert(one_phase());
	WORD(CREDIT("o12"), "committed");
	free(teller);
	PQfinish(conn);
}
END_TEST

START_TEST(commit_is_durable_though_the_role_says_otherwise)
{
	PGconn *conn = pg_open(server);
	char *hasty = textf("%s user=hasty", server->conninfo);
	struct rig_call *c;

	pg_do(conn, "CREATE ROLE hasty LOGIN SUPERUSER");
	pg_do(conn, "ALTER ROLE hasty SET synchronous_commit = off");
	pg_do(conn, "ALTER ROLE hasty SET statement_timeout = '200ms'");
	rig = SERVE(.conninfo = hasty,
		    .operations = "  setting:\n"
				  "    sql: SELECT current_setting('synchronous_commit') s, "
				  "pg_sleep(0.4)::text p\n");
	c = rig_once(rig, "o13", "setting", "{}");
	WORD(c, "committed");
	ck_assert_str_eq(c->output, "[{\"s\":\"on\",\"p\":\"\"}]");
	free(hasty);
	PQfinish(conn);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("postgres-once");
	TCase *tc = tcase_create("once");

	tcase_add_checked_fixture(tc, NULL, finish);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, once_commits_with_its_mark_and_output);
	tcase_add_test(tc, once_twice_is_done_once);
	tcase_add_test(tc, once_that_comes_after_its_settlement_is_refused);
	tcase_add_test(tc, once_looks_at_the_rows_before_it_commits);
	tcase_add_test(tc, failure_at_the_commit_itself_is_a_no);
	tcase_add_test(tc, passing_failure_at_the_commit_itself_is_no_word_about_the_business);
	tcase_add_test(tc, connection_lost_before_the_commit_is_settled_as_not_done);
	tcase_add_test(tc, commit_whose_answer_is_lost_counts);
	tcase_add_test(tc, settlement_waits_for_the_backend_that_may_still_commit);
	tcase_add_test(tc, role_that_may_not_make_the_table_has_no_one_phase);
	tcase_add_test(tc, commit_is_durable_though_the_role_says_otherwise);
	suite_add_tcase(suite, tc);
	return suite_run(suite, open_server, close_server);
}
