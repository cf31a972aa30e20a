/* When the resource serves, when it does not, and what it says then. */
#include "adapters/postgres.h"
#include "tests/lib/pg_rig.h"

#include "tests/lib/pooler.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct pg_server *server;
static struct rig *rig;

static void open_server(void)
{
	server = pg_server_new("pg-ready", NULL);
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
	if (rig)
		rig_close(rig);
	pg_server_start(server);
	rig_clean(server);
	pg_server_stop_own(server);
}

#define PROBLEM(text)  ck_assert_msg(strstr(rig->problem, text), "problem: %s", rig->problem)
#define DEBIT(gid, id) rig_prepare(rig, gid, "debit", "{\"id\": " id ", \"amount\": 10}")

START_TEST(disabled_prepared_transactions_are_named_and_cured_by_a_restart)
{
	pg_server_set(server, "max_prepared_transactions = 0");
	pg_server_stop(server);
	pg_server_start(server);
	rig = OPEN(.conninfo = server->conninfo);
	RUN_UNTIL(rig, 10, strstr(rig->problem, "max_prepared_transactions") != NULL);
	ck_assert(!rig->ready);
	PROBLEM("set max_prepared_transactions to at least 8 in postgresql.conf and restart");

	pg_server_set(server, "max_prepared_transactions = 1");
	pg_server_stop(server);
	pg_server_start(server);
	rig_serve(rig);
	struct rig_call *c;
	WORD(DEBIT("r1", "1"), "prepared");
	c = DEBIT("r2", "2");
	WORD(c, "retry");
	ck_assert_msg(strstr(c->reason, "raise max_prepared_transactions"), "%s", c->reason);
	WORD(rig_commit(rig, "r1", false), "committed");
	WORD(DEBIT("r3", "1"), "prepared");
	WORD(rig_rollback(rig, "r3"), "rolled-back");
	pg_server_set(server, "max_prepared_transactions = 100");
	pg_server_stop(server);
}
END_TEST

START_TEST(server_that_is_not_there_is_waited_for)
{
	pg_server_stop(server);
	rig = OPEN(.conninfo = server->conninfo);
	RUN_UNTIL(rig, 10, rig->changes == 1);
	ck_assert(!rig->ready);
	PROBLEM("connection to server");
	pg_server_start(server);
	rig_serve(rig);
	WORD(DEBIT("r4", "1"), "prepared");
}
END_TEST

START_TEST(each_change_is_told_once)
{
	rig = SERVE(.conninfo = server->conninfo);
	ck_assert_int_eq(rig->changes, 1);
	pg_server_stop(server);
	RUN_UNTIL(rig, 10, !rig->ready);
	pg_server_start(server);
	rig_serve(rig);
	WORD(DEBIT("r5", "1"), "prepared");
	WORD(rig_rollback(rig, "r5"), "rolled-back");
}
END_TEST

START_TEST(problem_never_holds_the_password)
{
	char *conninfo = textf("host=%s port=%d user=nobody password=hunter2 dbname=bank",
			       server->dir, server->port);

	rig = OPEN(.conninfo = conninfo);
	RUN_UNTIL(rig, 10, rig->changes >= 1);
	PROBLEM("role \"nobody\" does not exist");
	ck_assert_ptr_null(strstr(rig->problem, "hunter2"));
	free(conninfo);
}
END_TEST

START_TEST(host_that_has_no_address_is_named)
{
	rig = OPEN(.conninfo = "host=no-such-host.invalid dbname=bank");
	RUN_UNTIL(rig, 30, rig->changes >= 1);
	PROBLEM("cannot find the address of no-such-host.invalid");
}
END_TEST

START_TEST(host_by_name_is_served)
{
	struct pooler *p = pooler_new(server, POOLER_HONEST);
	char *conninfo = textf("host=localhost port=%d user=postgres dbname=bank sslmode=disable",
			       pooler_port(p));

	rig = SERVE(.conninfo = conninfo);
	WORD(DEBIT("r6", "1"), "prepared");
	WORD(rig_rollback(rig, "r6"), "rolled-back");
	rig_close(rig);
	rig = NULL;
	pooler_free(p);
	free(conninfo);
}
END_TEST

static void refuses_pooler(enum pooler_kind kind)
{
	struct pooler *p = pooler_new(server, kind);
	char *conninfo = textf("host=127.0.0.1 port=%d user=postgres dbname=bank sslmode=disable",
			       pooler_port(p));

	rig = OPEN(.conninfo = conninfo, .pool = 1);
	RUN_UNTIL(rig, 20, strstr(rig->problem, "proxy that pools transactions") != NULL);
	ck_assert(!rig->ready);
	rig_close(rig);
	rig = NULL;
	pooler_free(p);
	free(conninfo);
}

START_TEST(pooler_that_gives_two_sessions_one_backend_is_found)
{
	refuses_pooler(POOLER_SHARES);
}
END_TEST

START_TEST(pooler_that_gives_one_session_two_backends_is_found)
{
	refuses_pooler(POOLER_ROTATES);
}
END_TEST

START_TEST(close_while_connecting_is_clean)
{
	rig = OPEN(.conninfo = server->conninfo);
	rig_close(rig);
	for (int turns = 1; turns < 12; turns++) { /* at each stage that there is */
		rig = OPEN(.conninfo = server->conninfo);
		for (int i = 0; i < turns; i++)
			rig_turn(rig);
		rig_prepare(rig, "r7", "debit", "{\"id\": 1, \"amount\": 1}");
		rig_list(rig);
		rig_close(rig);
	}
	rig = OPEN(.conninfo = "host=no-such-host.invalid dbname=bank");
	rig_close(rig);
	rig = NULL;
}
END_TEST

static long long now_ms(void)
{
	return pg_ask(server, "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint");
}

/* Sessions of the adapter that were begun after `ms` and are set up. */
static long long fresh_sessions(long long ms)
{
	return pg_ask(server,
		      "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle' AND "
		      "application_name LIKE 'settle:%%' AND "
		      "extract(epoch FROM backend_start) * 1000 > %lld",
		      ms);
}

START_TEST(finishers_that_are_all_lost_make_it_unready_for_a_moment)
{
	PGconn *conn = pg_open(server);
	long long lost;

	rig = SERVE(.conninfo = server->conninfo);
	lost = now_ms();
	pg_do(conn, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
		    "application_name LIKE 'settle:%%'");
	RUN_UNTIL(rig, 10, rig->changes >= 2);
	/* What is sent to a session whose end was not noticed yet is unknown. */
	RUN_UNTIL(rig, 10, fresh_sessions(lost) == RIG_SESSIONS);
	rig_serve(rig);
	WORD(DEBIT("r8", "1"), "prepared");
	WORD(rig_rollback(rig, "r8"), "rolled-back");
	PQfinish(conn);
}
END_TEST

START_TEST(describe_tells_the_operations)
{
	struct resource_info info;

	rig = SERVE(.conninfo = server->conninfo);
	adapter_postgres.describe(rig->self, &info);
	ck_assert_str_eq(info.name, "bank");
	ck_assert_str_eq(info.adapter, "postgres");
	ck_assert(info.ready);
	ck_assert_uint_eq(info.n_operations, 4);
	ck_assert_str_eq(info.operations[0].name, "debit");
	ck_assert_uint_eq(info.operations[0].n_args, 2);
	ck_assert_str_eq(info.operations[0].args[1], "amount");
}
END_TEST

/* Otherwise an agent that starts while its server is down has every saga refused, even if
 * another agent serves. */
START_TEST(calls_are_not_denied_before_the_server_was_reached)
{
	struct resource_info info;
	char *nowhere = textf("host=%s port=1 user=postgres dbname=bank", temp_dir());

	rig = OPEN(.conninfo = nowhere);
	adapter_postgres.describe(rig->self, &info);
	ck_assert(!info.ready);
	ck_assert(info.calls && info.exact && info.groups);
	ck_assert(!info.one_phase);
	free(nowhere);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("postgres-ready");
	TCase *tc = tcase_create("ready");

	tcase_add_checked_fixture(tc, begin, finish);
	tcase_set_timeout(tc, 180);
	tcase_add_test(tc, disabled_prepared_transactions_are_named_and_cured_by_a_restart);
	tcase_add_test(tc, server_that_is_not_there_is_waited_for);
	tcase_add_test(tc, each_change_is_told_once);
	tcase_add_test(tc, problem_never_holds_the_password);
	tcase_add_test(tc, host_that_has_no_address_is_named);
	tcase_add_test(tc, host_by_name_is_served);
	tcase_add_test(tc, pooler_that_gives_two_sessions_one_backend_is_found);
	tcase_add_test(tc, pooler_that_gives_one_session_two_backends_is_found);
	tcase_add_test(tc, close_while_connecting_is_clean);
	tcase_add_test(tc, finishers_that_are_all_lost_make_it_unready_for_a_moment);
	tcase_add_test(tc, describe_tells_the_operations);
	tcase_add_test(tc, calls_are_not_denied_before_the_server_was_reached);
	suite_add_tcase(suite, tc);
	return suite_run(suite, open_server, close_server);
}
