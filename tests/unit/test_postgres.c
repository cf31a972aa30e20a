/* Prepare, commit, rollback, list and cancel, against a real server. */
#include "adapters/pg_verdict.h"
#include "tests/lib/pg_rig.h"

#include <stdlib.h>
#include <string.h>

static struct pg_server *server;

static void open_server(void)
{
	server = pg_server_new("pg", NULL);
	rig_make_tables(server);
}

static void close_server(void)
{
	pg_server_free(server);
}

static struct rig *rig;

static void serve(void)
{
	rig = SERVE(.conninfo = server->conninfo);
}

static void finish(void)
{
	rig_close(rig);
	rig_clean(server);
}

static long long balance(int id)
{
	return pg_ask(server, "SELECT balance FROM account WHERE id = %d", id);
}

static long long prepared(const char *gid)
{
	return pg_ask(server, "SELECT count(*) FROM pg_prepared_xacts WHERE gid LIKE '%%:%s:%%'",
		      gid);
}

/* Waits until some session waits for a lock. */
#define AWAIT_BLOCKED(n)                                                                        \
	RUN_UNTIL(rig, 10,                                                                      \
		  pg_ask(server, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type " \
				 "= 'Lock'") == (n))

START_TEST(prepared_branch_is_there_and_commits)
{
	WORD(rig_prepare(rig, "g1", "debit", "{\"id\": 1, \"amount\": 30}"), "prepared");
	ck_assert_int_eq(pg_ask(server, "SELECT count(*) FROM pg_prepared_xacts WHERE gid = "
					"'" RIG_NAME("g1") "'"),
			 1);
	ck_assert_int_eq(balance(1), 100);
	WORD(rig_commit(rig, "g1", false), "committed");
	ck_assert_int_eq(balance(1), 70);
}
END_TEST

START_TEST(prepared_branch_rolls_back)
{
	WORD(rig_prepare(rig, "g2", "debit", "{\"id\": 1, \"amount\": 30}"), "prepared");
	WORD(rig_rollback(rig, "g2"), "rolled-back");
	ck_assert_int_eq(balance(1), 100);
	ck_assert_int_eq(prepared("g2"), 0);
}
END_TEST

START_TEST(unmet_expect_rows_leaves_nothing_and_says_so)
{
	struct rig_call *c = rig_prepare(rig, "g3", "debit", "{\"id\": 1, \"amount\": 101}");

	WORD(c, "refused");
	ck_assert_str_eq(c->reason, "operation debit on bank changed 0 rows, 1 was expected");
	ck_assert_int_eq(prepared("g3"), 0);
	/* the session serves on */
	WORD(rig_prepare(rig, "g3b", "debit", "{\"id\": 1, \"amount\": 1}"), "prepared");
}
END_TEST

START_TEST(failed_sql_is_refused_with_its_state)
{
	struct rig_call *c = rig_prepare(rig, "g4", "debit", "{\"id\": \"x\", \"amount\": 1}");

	WORD(c, "refused");
	SAYS(c, "operation debit on bank: invalid input syntax for type integer");
	SAYS(c, "22P02");
	for (int i = 0; i < 5; i++) { /* more than there are sessions: all are clean */
		char gid[16];

		snprintf(gid, sizeof gid, "g4-%d", i);
		WORD(rig_prepare(rig, gid, "note", "{\"text\": \"t\"}"), "prepared");
	}
}
END_TEST

/* The trap itself, on a plain connection: PREPARE succeeds, with tag ROLLBACK. */
START_TEST(prepare_that_answers_rollback_is_not_prepared)
{
	PGconn *conn = pg_open(server);
	PGresult *res;

	PQclear(PQexec(conn, "BEGIN"));
	PQclear(PQexec(conn, "SELECT 1/0"));
	res = PQexec(conn, "PREPARE TRANSACTION 'trap'");
	ck_assert_int_eq(PQresultStatus(res), PGRES_COMMAND_OK);
	ck_assert_str_eq(PQcmdStatus(res), "ROLLBACK");
	ck_assert_int_eq(pg_verdict_final(res, "PREPARE TRANSACTION"), PG_UNDONE);
	PQclear(res);

	res = PQexec(conn, "PREPARE TRANSACTION 'trap'"); /* outside of any */
	ck_assert_int_eq(PQresultStatus(res), PGRES_COMMAND_OK);
	ck_assert_int_eq(pg_verdict_final(res, "PREPARE TRANSACTION"), PG_UNDONE);
	PQclear(res);

	PQclear(PQexec(conn, "BEGIN"));
	res = PQexec(conn, "PREPARE TRANSACTION 'good'");
	ck_assert_int_eq(pg_verdict_final(res, "PREPARE TRANSACTION"), PG_DONE);
	PQclear(res);
	ck_assert_int_eq(pg_verdict_final(NULL, "PREPARE TRANSACTION"), PG_LOST);
	PQfinish(conn);
}
END_TEST

START_TEST(result_without_sqlstate_or_from_a_dying_session_is_lost)
{
	PGconn *conn = pg_open(server);
	PGresult *res;

	res = PQmakeEmptyPGresult(conn, PGRES_FATAL_ERROR);
	ck_assert_int_eq(pg_verdict(res, NULL), PG_LOST);
	PQclear(res);
	res = PQexec(conn, "SELECT pg_terminate_backend(pg_backend_pid())");
	ck_assert_int_eq(pg_verdict(res, NULL), PG_LOST); /* 57P01, FATAL */
	PQclear(res);
	PQfinish(conn);
	conn = pg_open(server);
	res = PQexec(conn, "SELECT 1/0");
	ck_assert_int_eq(pg_verdict(res, NULL), PG_FAILED);
	ck_assert(pg_state_is(res, "22012"));
	PQclear(res);
	PQfinish(conn);
}
END_TEST

START_TEST(read_only_work_leaves_nothing)
{
	struct rig_call *c = rig_read(rig, "g6", "balance", "{\"id\": 3}");

	WORD(c, "read-only");
	ck_assert_str_eq(c->output, "[{\"balance\":100}]");
	ck_assert_int_eq(prepared("g6"), 0);
	c = rig_prepare(rig, "g6b", "balance", "{\"id\": 3}"); /* by its configuration */
	WORD(c, "read-only");
	c = rig_read(rig, "g6c", "debit", "{\"id\": 1, \"amount\": 5}");
	WORD(c, "refused");
	SAYS(c, "25006");
	ck_assert_int_eq(balance(1), 100);
}
END_TEST

START_TEST(commit_twice_is_committed_when_repeated)
{
	WORD(rig_prepare(rig, "g7", "debit", "{\"id\": 1, \"amount\": 1}"), "prepared");
	WORD(rig_commit(rig, "g7", false), "committed");
	WORD(rig_commit(rig, "g7", true), "committed");
	ck_assert_int_eq(balance(1), 99);
}
END_TEST

START_TEST(branch_gone_before_its_first_commit_is_a_hazard)
{
	PGconn *conn = pg_open(server);
	struct rig_call *c;

	WORD(rig_prepare(rig, "g8", "debit", "{\"id\": 1, \"amount\": 1}"), "prepared");
	pg_do(conn, "ROLLBACK PREPARED '" RIG_NAME("g8") "'");
	c = rig_commit(rig, "g8", false);
	WORD(c, "hazard");
	SAYS(c, "gone before its first commit");
	WORD(rig_rollback(rig, "g8"), "rolled-back");
	PQfinish(conn);
}
END_TEST

START_TEST(commit_of_what_another_role_prepared_names_the_cure)
{
	char *teller = textf("%s user=teller", server->conninfo);
	PGconn *conn = pg_open(server);
	struct rig_call *c;

	pg_do(conn, "CREATE ROLE teller LOGIN; GRANT ALL ON account, note TO teller");
	pg_do(conn, "BEGIN; PREPARE TRANSACTION '" RIG_NAME("g9") "'");
	rig_close(rig);
	rig = SERVE(.conninfo = teller, .incarnation = 2);
	c = rig_commit(rig, "g9", false);
	WORD(c, "unknown");
	SAYS(c, "42501");
	SAYS(c, "connect as the role that prepared it");
	c = rig_list(rig);
	rig_kind(c);
	ck_assert_uint_eq(c->n, 0); /* not ours to list */
	free(teller);
	PQfinish(conn);
}
END_TEST

START_TEST(commit_from_another_database_names_the_cure)
{
	PGconn *conn = pg_open(server), *other;
	char *conninfo = textf("%s dbname=other", server->conninfo);
	struct rig_call *c;

	pg_do(conn, "CREATE DATABASE other");
	other = PQconnectdb(conninfo);
	pg_do(other, "BEGIN");
	pg_do(other, "PREPARE TRANSACTION '" RIG_NAME("g10") "'");
	c = rig_commit(rig, "g10", false);
	WORD(c, "unknown");
	SAYS(c, "0A000");
	SAYS(c, "connect to the database where it was prepared");
	c = rig_list(rig);
	rig_kind(c);
	ck_assert_uint_eq(c->n, 0);
	pg_do(other, "ROLLBACK PREPARED '" RIG_NAME("g10") "'");
	PQfinish(other);
	PQfinish(conn);
	free(conninfo);
}
END_TEST

START_TEST(list_has_ours_and_nothing_foreign)
{
	static const char *const foreign[] = {"settle:test:7:g:s.b:x", "settle:tes:7:g:s.b",
					      "settle:testx:7:g:s.b",  "settle:test:07:g:s.b",
					      "settle:test:7:g",       "other",
					      "settle_test:7:g:s.b",   "settle:test::g:s.b"};
	PGconn *conn = pg_open(server);
	struct rig_call *c;

	for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
		pg_do(conn, "BEGIN");
		pg_do(conn, "PREPARE TRANSACTION '%s'", foreign[i]);
	}
	WORD(rig_prepare(rig, "g11", "debit", "{\"id\": 1, \"amount\": 1}"), "prepared");
	WORD(rig_prepare(rig, "g12", "debit", "{\"id\": 2, \"amount\": 1}"), "prepared");
	c = rig_list(rig);
	rig_kind(c);
	ck_assert_int_eq(c->rc, RC_OK);
	ck_assert_uint_eq(c->n, 2);
	ck_assert_str_eq(c->branches[0], "7 g11 s.b");
	ck_assert_str_eq(c->branches[1], "7 g12 s.b");
	PQfinish(conn);
}
END_TEST

START_TEST(name_that_is_taken_is_not_refused)
{
	struct rig_call *c;

	WORD(rig_prepare(rig, "g13", "debit", "{\"id\": 1, \"amount\": 1}"), "prepared");
	c = rig_prepare(rig, "g13", "debit", "{\"id\": 2, \"amount\": 1}");
	WORD(c, "unknown");
	SAYS(c, "42710");
	WORD(rig_rollback(rig, "g13"), "rolled-back");
	ck_assert_int_eq(prepared("g13"), 0);
}
END_TEST

START_TEST(lock_is_waited_for_no_longer_than_the_deadline)
{
	PGconn *conn = pg_open(server);
	int64_t began = clock_ms();
	struct rig_call *c;

	pg_do(conn, "BEGIN; UPDATE account SET balance = 1 WHERE id = 1");
	c = rig_prepare_in(rig, "g14", "debit", "{\"id\": 1, \"amount\": 1}", 400);
	WORD(c, "retry");
	SAYS(c, "the deadline passed while waiting for a lock");
	SAYS(c, "55P03");
	ck_assert_int_lt(clock_ms() - began, harness_patience_ms(2));
	pg_do(conn, "ROLLBACK");
	WORD(rig_prepare(rig, "g14b", "debit", "{\"id\": 1, \"amount\": 1}"), "prepared");
	PQfinish(conn);
}
END_TEST

START_TEST(statement_ends_by_the_deadline)
{
	struct rig_call *c;

	rig_close(rig);
	rig = SERVE(.conninfo = server->conninfo,
		    .operations = "  sleep:\n    sql: SELECT pg_sleep(30)\n");
	c = rig_prepare_in(rig, "g15", "sleep", "{}", 300);
	WORD(c, "retry");
	SAYS(c, "the deadline passed before it was done");
	SAYS(c, "57014");
}
END_TEST

/* a waits for b's lock on one branch, b for a's on the other: only deadlines end
 * it, since no lock manager sees both. Here both are in one server, and it is the
 * prepared holders that nobody can see waiting. */
START_TEST(crossed_branches_end_at_their_deadlines)
{
	struct rig_call *a, *b;

	WORD(rig_prepare(rig, "ga1", "debit", "{\"id\": 1, \"amount\": 1}"), "prepared");
	WORD(rig_prepare(rig, "gb1", "debit", "{\"id\": 2, \"amount\": 1}"), "prepared");
	a = rig_prepare_in(rig, "ga2", "credit", "{\"id\": 2, \"amount\": 1}", 500);
	b = rig_prepare_in(rig, "gb2", "credit", "{\"id\": 1, \"amount\": 1}", 500);
	WORD(a, "retry");
	WORD(b, "retry");
	SAYS(a, "waiting for a lock");
	WORD(rig_rollback(rig, "ga1"), "rolled-back");
	WORD(rig_rollback(rig, "gb1"), "rolled-back");
}
END_TEST

START_TEST(commit_is_not_kept_waiting_by_prepares_that_wait_for_its_lock)
{
	struct rig_call *waiting[2];

	WORD(rig_prepare(rig, "g16", "debit", "{\"id\": 1, \"amount\": 1}"), "prepared");
	waiting[0] = rig_prepare(rig, "g17", "credit", "{\"id\": 1, \"amount\": 1}");
	waiting[1] = rig_prepare(rig, "g18", "credit", "{\"id\": 1, \"amount\": 1}");
	AWAIT_BLOCKED(2); /* the whole pool */
	WORD(rig_commit(rig, "g16", false), "committed");
	RUN_UNTIL(rig, 10, waiting[0]->done || waiting[1]->done);
	WORD(rig_commit(rig, waiting[0]->done ? "g17" : "g18", false), "committed");
	WORD(waiting[0], "prepared");
	WORD(waiting[1], "prepared");
}
END_TEST

/* One session: what is queued behind the first prepare goes out on it in one go. */
START_TEST(commit_rides_ahead_of_the_next_prepare)
{
	struct rig_call *first, *second, *commit;

	rig_close(rig);
	rig = SERVE(.conninfo = server->conninfo, .pool = 1);
	WORD(rig_prepare(rig, "g1", "debit", "{\"id\":1,\"amount\":10}"), "prepared");
	first = rig_prepare(rig, "g2", "debit", "{\"id\":2,\"amount\":10}");
	second = rig_prepare(rig, "g3", "debit", "{\"id\":1,\"amount\":10}");
	commit = rig_commit(rig, "g1", false);
	WORD(second, "prepared"); /* its lock was let go by the commit */
	WORD(commit, "committed");
	WORD(first, "prepared");
	WORD(rig_commit(rig, "g2", false), "committed");
	WORD(rig_commit(rig, "g3", false), "committed");
}
END_TEST

START_TEST(work_beyond_the_pool_waits_and_is_refused_at_its_deadline)
{
	PGconn *conn = pg_open(server);
	struct rig_call *a, *b, *c;

	pg_do(conn, "BEGIN; UPDATE account SET balance = 1 WHERE id = 1");
	a = rig_prepare(rig, "g19", "debit", "{\"id\": 1, \"amount\": 1}");
	b = rig_prepare(rig, "g20", "debit", "{\"id\": 1, \"amount\": 1}");
	c = rig_prepare_in(rig, "g21", "debit", "{\"id\": 2, \"amount\": 1}", 200);
	WORD(c, "retry");
	ck_assert_str_eq(c->reason, "no free session in bank's pool of 2 before the deadline");
	c = rig_prepare(rig, "g22", "debit", "{\"id\": 2, \"amount\": 1}");
	pg_do(conn, "ROLLBACK");
	RUN_UNTIL(rig, 10, a->done || b->done);
	WORD(c, "prepared"); /* with the first session that was free */
	WORD(rig_rollback(rig, a->done ? "g19" : "g20"), "rolled-back");
	WORD(a, "prepared");
	WORD(b, "prepared");
	PQfinish(conn);
}
END_TEST

START_TEST(cancel_ends_what_waits_and_spares_the_next)
{
	PGconn *conn = pg_open(server);
	struct rig_call *a, *b, *c;

	pg_do(conn, "BEGIN; UPDATE account SET balance = 1 WHERE id = 1");
	a = rig_prepare(rig, "g23", "debit", "{\"id\": 1, \"amount\": 1}");
	b = rig_prepare(rig, "g24", "debit", "{\"id\": 1, \"amount\": 1}");
	c = rig_prepare(rig, "g25", "debit", "{\"id\": 2, \"amount\": 1}");
	AWAIT_BLOCKED(2);
	rig_cancel(rig, "g25");
	WORD(c, "retry");
	SAYS(c, "cancelled before it was begun");
	rig_cancel(rig, "g23");
	rig_cancel(rig, "g23");
	rig_cancel(rig, "none");
	WORD(a, "retry");
	SAYS(a, "cancelled");
	for (int i = 0; i < 20; i++) {
		char gid[16];

		snprintf(gid, sizeof gid, "g26-%d", i);
		WORD(rig_prepare(rig, gid, "note", "{\"text\": \"t\"}"), "prepared");
	}
	pg_do(conn, "ROLLBACK");
	WORD(b, "prepared");
	PQfinish(conn);
}
END_TEST

START_TEST(finishers_at_once_agree)
{
	struct rig_call *calls[8];

	rig_close(rig);
	rig = SERVE(.conninfo = server->conninfo, .finishers = 4);
	for (int round = 0; round < 5; round++) {
		char gid[16];

		snprintf(gid, sizeof gid, "g45-%d", round);
		WORD(rig_prepare(rig, gid, "note", "{\"text\": \"n\"}"), "prepared");
		for (int i = 0; i < 8; i++)
			calls[i] = rig_commit(rig, gid, true);
		for (int i = 0; i < 8; i++)
			WORD(calls[i], "committed");
	}
	ck_assert_int_eq(pg_ask(server, "SELECT count(*) FROM note"), 5);
}
END_TEST

START_TEST(many_branches_ride_the_pool)
{
	struct rig_call *calls[60];
	char gid[16];

	for (int i = 0; i < 60; i++) {
		snprintf(gid, sizeof gid, "g46-%d", i);
		calls[i] = rig_prepare(rig, gid, "note", "{\"text\": \"n\"}");
	}
	for (int i = 0; i < 60; i++)
		WORD(calls[i], "prepared");
	for (int i = 0; i < 60; i++) {
		snprintf(gid, sizeof gid, "g46-%d", i);
		calls[i] = rig_commit(rig, gid, false);
	}
	for (int i = 0; i < 60; i++)
		WORD(calls[i], "committed");
	ck_assert_int_eq(pg_ask(server, "SELECT count(*) FROM note"), 60);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("postgres");
	TCase *tc = tcase_create("calls");

	tcase_add_checked_fixture(tc, serve, finish);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, prepared_branch_is_there_and_commits);
	tcase_add_test(tc, prepared_branch_rolls_back);
	tcase_add_test(tc, unmet_expect_rows_leaves_nothing_and_says_so);
	tcase_add_test(tc, failed_sql_is_refused_with_its_state);
	tcase_add_test(tc, prepare_that_answers_rollback_is_not_prepared);
	tcase_add_test(tc, result_without_sqlstate_or_from_a_dying_session_is_lost);
	tcase_add_test(tc, read_only_work_leaves_nothing);
	tcase_add_test(tc, commit_twice_is_committed_when_repeated);
	tcase_add_test(tc, branch_gone_before_its_first_commit_is_a_hazard);
	tcase_add_test(tc, commit_of_what_another_role_prepared_names_the_cure);
	tcase_add_test(tc, commit_from_another_database_names_the_cure);
	tcase_add_test(tc, list_has_ours_and_nothing_foreign);
	tcase_add_test(tc, name_that_is_taken_is_not_refused);
	tcase_add_test(tc, lock_is_waited_for_no_longer_than_the_deadline);
	tcase_add_test(tc, statement_ends_by_the_deadline);
	tcase_add_test(tc, crossed_branches_end_at_their_deadlines);
	tcase_add_test(tc, commit_is_not_kept_waiting_by_prepares_that_wait_for_its_lock);
	tcase_add_test(tc, commit_rides_ahead_of_the_next_prepare);
	tcase_add_test(tc, work_beyond_the_pool_waits_and_is_refused_at_its_deadline);
	tcase_add_test(tc, cancel_ends_what_waits_and_spares_the_next);
	tcase_add_test(tc, finishers_at_once_agree);
	tcase_add_test(tc, many_branches_ride_the_pool);
	suite_add_tcase(suite, tc);
	return suite_run(suite, open_server, close_server);
}
