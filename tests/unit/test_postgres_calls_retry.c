/* Saga calls that are to be tried again: a lock that is held, a deadline, a cancellation,
 * no session, no table; and what of that proves that nothing was done. */
#include "tests/lib/pg_rig.h"

#include <stdlib.h>
#include <string.h>

static struct pg_server *server;
static struct rig *rig, *other;
static PGconn *locker;

static void open_server(void)
{
	server = pg_server_new("pg-calls-retry", NULL);
	rig_make_tables(server);
}

static void close_server(void)
{
	pg_server_free(server);
}

static void serve(void)
{
	rig = SERVE(.conninfo = server->conninfo,
		    .operations = "  sleep:\n    sql: SELECT pg_sleep(3600)\n");
}

static void finish(void)
{
	PQfinish(locker);
	if (rig)
		rig_close(rig);
	if (other)
		rig_close(other);
	rig_clean(server);
}

#define CREDIT_N(r, g, n) \
	STEP(r, .gid = g, .op = "credit", .args = "{\"id\": 1, \"amount\": 10}", .attempt = n)
#define CREDIT(r, g) CREDIT_N(r, g, 1)
#define DEBIT_BACK(r, g) \
	STEP(r, .gid = g, .op = "debit", .args = "{\"id\": 1, \"amount\": 10}", .undo = true)
#define DO(g, o, a) STEP(rig, .gid = g, .op = o, .args = a)

static long long balance(void)
{
	return pg_ask(server, "SELECT balance FROM account WHERE id = 1");
}

static long long rows(const char *gid)
{
	return pg_ask(server, "SELECT count(*) FROM settle_barrier WHERE gid = '%s'", gid);
}

static long long waiting(void)
{
	return pg_ask(server, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = "
			      "'Lock'");
}

static long long sleeping(void)
{
	return pg_ask(server, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = "
			      "'PgSleep'");
}

static void lock_account(void)
{
	locker = pg_open(server);
	pg_do(locker, "BEGIN; UPDATE account SET balance = balance WHERE id = 1");
}

static void unlock_account(void)
{
	pg_do(locker, "ROLLBACK");
}

START_TEST(lock_that_is_not_let_go_is_to_be_tried_again)
{
	struct rig_call *c;

	lock_account();
	c = STEP(rig, .gid = "t1", .op = "credit", .args = "{\"id\": 1, \"amount\": 10}",
		 .timeout_ms = 300);
	WORD(c, "retry");
	SAYS(c, "waiting for a lock");
	ck_assert_int_eq(rows("t1"), 0);
	unlock_account();
	WORD(CREDIT(rig, "t1"), "done");
}
END_TEST

START_TEST(deadline_ends_what_takes_too_long)
{
	struct rig_call *c = STEP(rig, .gid = "t2", .op = "sleep", .args = "{}", .timeout_ms = 300);

	WORD(c, "retry");
	SAYS(c, "the deadline passed before it was done");
	ck_assert_int_eq(rows("t2"), 0);
}
END_TEST

START_TEST(cancelled_call_is_to_be_tried_again)
{
	struct rig_call *c, *queued;

	lock_account();
	c = CREDIT(rig, "t3");
	DO("t4", "sleep", "{}"); /* the pool has two sessions */
	RUN_UNTIL(rig, 20,
		  waiting() == 1 && pg_ask(server, "SELECT count(*) FROM pg_stat_activity WHERE "
						   "wait_event = 'PgSleep'") == 1);
	queued = CREDIT(rig, "t5");
	rig_cancel_step(rig, "t3", true); /* nothing of that direction is under way */
	rig_cancel_step(rig, "t5", false);
	WORD(queued, "retry");
	ck_assert(!c->done);
	rig_cancel_step(rig, "t3", false);
	WORD(c, "retry");
	SAYS(c, "cancelled");
	rig_cancel_step(rig, "t4", false);
	unlock_account();
	ck_assert_int_eq(rows("t3") + rows("t5"), 0);
	WORD(CREDIT(rig, "t3"), "done");
}
END_TEST

/* What was not begun proves nothing of an attempt before. */
START_TEST(full_pool_is_to_be_tried_again)
{
	struct rig_call *first, *later;

	DO("t6", "sleep", "{}");
	DO("t7", "sleep", "{}");
	first = STEP(rig, .gid = "t8", .op = "credit", .args = "{\"id\": 1, \"amount\": 10}",
		     .timeout_ms = 100);
	later = STEP(rig, .gid = "t9", .op = "credit", .args = "{\"id\": 1, \"amount\": 10}",
		     .timeout_ms = 100, .attempt = 2);
	WORD(first, "retry");
	SAYS(first, "no free session in bank's pool of 2");
	WORD(later, "unknown");
	ck_assert_int_eq(balance(), 100);
}
END_TEST

START_TEST(close_answers_the_calls_that_are_under_way)
{
	struct rig_call *running = DO("t10", "sleep", "{}");
	struct rig *closing = rig;

	RUN_UNTIL(rig, 20, sleeping() == 1);
	DO("t11", "sleep", "{}");
	DO("t12", "note", "{\"text\": \"queued\"}");
	ck_assert(!running->done);
	serve();
	rig_close(closing); /* checks that each was answered once */
	ck_assert_int_eq(pg_ask(server, "SELECT count(*) FROM note"), 0);
}
END_TEST

START_TEST(serialization_failure_is_to_be_tried_again)
{
	char *strict = textf("%s options='-c default_transaction_isolation=serializable'",
			     server->conninfo);
	struct rig_call *c;

	other = SERVE(.conninfo = strict, .agent = "agent-b");
	free(strict);
	lock_account();
	c = CREDIT(other, "s1");
	RUN_UNTIL(other, 20, waiting() == 1);
	pg_do(locker, "UPDATE account SET balance = 50 WHERE id = 1; COMMIT");
	WORD(c, "retry");
	SAYS(c, "SQLSTATE 40001");
	ck_assert_int_eq(rows("s1"), 0);
	WORD(CREDIT(other, "s1"), "done");
	WORD(CREDIT(other, "s1"), "done");
	WORD(DEBIT_BACK(other, "s1"), "done");
	WORD(DEBIT_BACK(other, "s2"), "done");
	WORD(CREDIT(other, "s2"), "refused");
	ck_assert_int_eq(balance(), 50);
}
END_TEST

START_TEST(role_that_may_not_make_the_table_is_told_how)
{
	PGconn *conn = locker = pg_open(server);
	char *teller = textf("%s user=teller", server->conninfo), *ddl, *end;
	struct rig_call *c;

	pg_do(conn, "CREATE ROLE teller LOGIN; GRANT ALL ON account, note TO teller");
	rig = SERVE(.conninfo = teller, .more = "barrier_table: teller_barrier\n");
	c = CREDIT(rig, "b1");
	WORD(c, "retry");
	SAYS(c, "grant SELECT, INSERT and UPDATE");
	WORD(CREDIT_N(rig, "b1", 2), "unknown");
	ddl = textf("%s", strstr(c->reason, "CREATE TABLE"));
	end = strchr(ddl, ';');
	NEED(end != NULL, "%s", ddl);
	*end = '\0';
	pg_do(conn, "%s", ddl); /* as it was told */
	pg_do(conn, "GRANT SELECT, INSERT, UPDATE ON teller_barrier TO teller");
	rig_close(rig);
	rig = SERVE(.conninfo = teller, .more = "barrier_table: teller_barrier\n");
	WORD(CREDIT_N(rig, "b1", 3), "done");
	free(ddl);
	free(teller);
}
END_TEST

START_TEST(foreign_table_of_that_name_is_not_touched)
{
	PGconn *conn = locker = pg_open(server);
	struct rig_call *c;

	pg_do(conn, "CREATE TABLE theirs (i int)");
	rig = SERVE(.conninfo = server->conninfo, .more = "barrier_table: theirs\n");
	c = CREDIT(rig, "b2");
	WORD(c, "retry");
	SAYS(c, "is not the barrier table of this version");
	WORD(rig_prepare(rig, "b3", "credit", "{\"id\": 1, \"amount\": 10}"), "prepared");
	ck_assert_int_eq(balance(), 100);
}
END_TEST

START_TEST(table_that_is_lost_is_no_refusal)
{
	PGconn *conn = locker = pg_open(server);
	struct rig_call *c;

	rig = SERVE(.conninfo = server->conninfo, .more = "barrier_table: lost\n");
	WORD(CREDIT(rig, "b4"), "done");
	pg_do(conn, "ALTER TABLE lost RENAME TO away");
	c = CREDIT(rig, "b5");
	WORD(c, "retry");
	SAYS(c, "42P01");
	WORD(CREDIT_N(rig, "b4", 2), "unknown");
	pg_do(conn, "ALTER TABLE away RENAME TO lost");
	WORD(CREDIT_N(rig, "b4", 3), "done");
	ck_assert_int_eq(balance(), 110);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("postgres-calls-retry");
	TCase *calls = tcase_create("calls");
	TCase *tables = tcase_create("tables");

	tcase_add_checked_fixture(calls, serve, finish);
	tcase_set_timeout(calls, 180);
	tcase_add_test(calls, lock_that_is_not_let_go_is_to_be_tried_again);
	tcase_add_test(calls, deadline_ends_what_takes_too_long);
	tcase_add_test(calls, cancelled_call_is_to_be_tried_again);
	tcase_add_test(calls, full_pool_is_to_be_tried_again);
	tcase_add_test(calls, close_answers_the_calls_that_are_under_way);
	tcase_add_test(calls, serialization_failure_is_to_be_tried_again);
	suite_add_tcase(suite, calls);

	tcase_add_checked_fixture(tables, NULL, finish);
	tcase_set_timeout(tables, 180);
	tcase_add_test(tables, role_that_may_not_make_the_table_is_told_how);
	tcase_add_test(tables, foreign_table_of_that_name_is_not_touched);
	tcase_add_test(tables, table_that_is_lost_is_no_refusal);
	suite_add_tcase(suite, tables);
	return suite_run(suite, open_server, close_server);
}
