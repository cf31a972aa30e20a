/* What goes in and comes out: arguments, rows as JSON, SQL that does not fit. */
#include "tests/lib/pg_rig.h"

#include <stdlib.h>
#include <string.h>

static struct pg_server *server;

static void open_server(void)
{
	server = pg_server_new("pg-data", NULL);
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

static long long prepared(const char *gid)
{
	return pg_ask(server, "SELECT count(*) FROM pg_prepared_xacts WHERE gid LIKE '%%:%s:%%'",
		      gid);
}

START_TEST(returned_rows_are_the_output)
{
	struct rig_call *c = rig_prepare(rig, "g5", "credit", "{\"id\": 2, \"amount\": 5}");

	WORD(c, "prepared");
	ck_assert_str_eq(c->output, "[{\"id\":2,\"balance\":105}]");
	c = rig_prepare(rig, "g5b", "debit", "{\"id\": 1, \"amount\": 5}");
	WORD(c, "prepared");
	ck_assert_ptr_null(c->output);
}
END_TEST

START_TEST(arguments_are_bound_and_never_spliced)
{
	static const char *const texts[] = {
		"'; DROP TABLE account; --", "$1",   "\\\\'); DELETE FROM account; --",
		"a\\u0027b\\n\\\"c\\\"",     "%s%n", "\\u00e4\\ud83d\\ude00",
	};
	char args[200], gid[16];

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		snprintf(gid, sizeof gid, "g27-%zu", i);
		snprintf(args, sizeof args, "{\"text\": \"%s\"}", texts[i]);
		WORD(rig_prepare(rig, gid, "note", args), "prepared");
		WORD(rig_commit(rig, gid, false), "committed");
	}
	ck_assert_int_eq(pg_ask(server, "SELECT count(*) FROM account"), 3);
	ck_assert_int_eq(pg_ask(server,
				"SELECT count(*) FROM note WHERE text IN ("
				"'''; DROP TABLE account; --', '$1', 'a''b' || chr(10) || '\"c\"',"
				"'\\''); DELETE FROM account; --', '%%s%%n', 'ä😀')"),
			 6);
}
END_TEST

START_TEST(null_objects_and_numbers_arrive_as_written)
{
	rig_close(rig);
	rig = SERVE(.conninfo = server->conninfo,
		    .operations =
			    "  types:\n    sql: \"SELECT $1::numeric n, $2::jsonb j, $3::text t,"
			    " $4::bool b\"\n    args: [n, j, t, b]\n");
	struct rig_call *c = rig_prepare(rig, "g28", "types",
					 "{ \"b\" :true, \"n\":0.10000000000000000000000000001 ,"
					 "\"j\": {\"a\": [1, \"}\\\"\"]}, \"t\": null}");

	WORD(c, "prepared");
	ck_assert_str_eq(c->output, "[{\"n\":\"0.10000000000000000000000000001\",\"j\":{\"a\": [1, "
				    "\"}\\\"\"]},\"t\":null,\"b\":true}]");
	c = rig_prepare(rig, "g28b", "types",
			"{\"n\": 123456789012345678901234567890, \"j\": [], \"t\": -1e3, \"b\": "
			"false}");
	WORD(c, "prepared");
	ck_assert_str_eq(c->output, "[{\"n\":\"123456789012345678901234567890\",\"j\":[],\"t\":"
				    "\"-1e3\",\"b\":false}]");
}
END_TEST

START_TEST(every_type_has_its_json)
{
	rig_close(rig);
	rig = SERVE(.conninfo = server->conninfo,
		    .operations =
			    "  types:\n    sql: \"SELECT 1::int2 a, -2::int8 b, 1.5::float8 c,"
			    " 'NaN'::float8 d, '-Infinity'::float4 e, 1e30::float8 f,"
			    " 1.20::numeric g, date '2020-01-02' h, '[1, 2]'::json i,"
			    " E'q\\\\\\\"\\t\\x01ä' j, null::int k\"\n"
			    "  none:\n    sql: SELECT 1 AS x WHERE false\n"
			    "  done:\n    sql: DO 'BEGIN END'\n");
	struct rig_call *c = rig_prepare(rig, "g29", "types", "");

	WORD(c, "prepared");
	ck_assert_str_eq(c->output,
			 "[{\"a\":1,\"b\":-2,\"c\":1.5,\"d\":\"NaN\",\"e\":\"-Infinity\","
			 "\"f\":1e+30,\"g\":\"1.20\",\"h\":\"2020-01-02\",\"i\":[1, 2],"
			 "\"j\":\"q\\\"\\u0009\\u0001ä\",\"k\":null}]");
	c = rig_prepare(rig, "g29b", "none", "{}");
	WORD(c, "prepared");
	ck_assert_str_eq(c->output, "[]");
	c = rig_prepare(rig, "g29c", "done", "{}");
	WORD(c, "prepared");
	ck_assert_ptr_null(c->output);
}
END_TEST

START_TEST(too_big_output_is_refused_and_nothing_stays)
{
	struct rig_call *c;

	rig_close(rig);
	rig = SERVE(.conninfo = server->conninfo,
		    .operations = "  big:\n    sql: SELECT repeat('x', 1000) FROM "
				  "generate_series(1, $1::int)\n    args: [n]\n"
				  "  wide:\n    sql: SELECT repeat('x', $1::int)\n    args: [n]\n");
	c = rig_prepare(rig, "g30", "big", "{\"n\": 100000}");
	WORD(c, "refused");
	ck_assert_str_eq(c->reason, "operation big on bank: its output is over the limit of 1 MiB");
	ck_assert_int_eq(prepared("g30"), 0);
	WORD(rig_prepare(rig, "g31", "wide", "{\"n\": 5000000}"), "refused");
	c = rig_prepare(rig, "g32", "big", "{\"n\": 1000}");
	WORD(c, "prepared");
	ck_assert_uint_gt(strlen(c->output), 1000000);
}
END_TEST

START_TEST(wrong_arguments_are_refused_by_name)
{
	static const char *const cases[][2] = {
		{"{\"id\": 1}", "operation debit needs the argument \"amount\""},
		{"{\"id\": 1, \"amount\": 1, \"x\": 2}", "operation debit has no argument \"x\""},
		{"[1]", "must be a JSON object"},
		{"{\"id\": 1", "not valid JSON"},
		{"{\"id\": 1, \"id\": 2, \"amount\": 1}", "not valid JSON"},
		{"", "needs the argument \"id\""},
		{"{\"id\": \"a\\u0000b\", \"amount\": 1}", "not valid JSON"},
		{"nonsense", "not valid JSON"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct rig_call *c = rig_prepare(rig, "g33", "debit", cases[i][0]);

		WORD(c, "refused");
		SAYS(c, cases[i][1]);
	}
	struct rig_call *c = rig_prepare(rig, "g34", "steal", "{}");
	WORD(c, "refused");
	ck_assert_str_eq(c->reason, "resource bank has no operation steal");
}
END_TEST

START_TEST(operation_whose_sql_does_not_fit_is_refused)
{
	struct rig_call *c;

	rig_close(rig);
	rig = SERVE(.conninfo = server->conninfo,
		    .operations = "  few:\n    sql: UPDATE account SET balance = 1 WHERE id = $2\n"
				  "    args: [id]\n"
				  "  many:\n    sql: SELECT 1\n    args: [id]\n"
				  "  typo:\n    sql: UPDAT account\n"
				  "  two:\n    sql: SELECT 1; SELECT 2\n"
				  "  temp:\n    sql: CREATE TEMP TABLE t (i int)\n"
				  "  sneaky:\n    sql: DO 'BEGIN COMMIT; END'\n");
	for (int i = 0; i < 2; i++) { /* the second time on a session that knows it */
		c = rig_prepare(rig, "g35", "few", "{\"id\": 1}");
		WORD(c, "refused");
		c = rig_prepare(rig, "g36", "many", "{\"id\": 1}");
		WORD(c, "refused");
		SAYS(c, "08P01");
		c = rig_prepare(rig, "g37", "typo", "{}");
		WORD(c, "refused");
		SAYS(c, "42601");
		c = rig_prepare(rig, "g38", "two", "{}");
		WORD(c, "refused");
		c = rig_prepare(rig, "g39", "temp", "{}");
		WORD(c, "refused");
		SAYS(c, "temporary objects");
		c = rig_prepare(rig, "g40", "sneaky", "{}");
		WORD(c, "refused");
		SAYS(c, "2D000");
	}
	ck_assert_int_eq(pg_ask(server, "SELECT count(*) FROM pg_prepared_xacts"), 0);
}
END_TEST

START_TEST(deferred_constraint_is_a_no)
{
	PGconn *conn = pg_open(server);
	struct rig_call *c;

	pg_do(conn, "CREATE TABLE late (i int UNIQUE DEFERRABLE INITIALLY DEFERRED)");
	pg_do(conn, "INSERT INTO late VALUES (1)");
	rig_close(rig);
	rig = SERVE(.conninfo = server->conninfo,
		    .operations = "  late:\n    sql: INSERT INTO late VALUES (1)\n");
	c = rig_prepare(rig, "g41", "late", "{}");
	WORD(c, "refused");
	SAYS(c, "23505");
	ck_assert_int_eq(prepared("g41"), 0);
	PQfinish(conn);
}
END_TEST

START_TEST(plan_that_went_stale_is_made_again)
{
	PGconn *conn = pg_open(server);

	pg_do(conn, "CREATE TABLE shape (a int)");
	rig_close(rig);
	rig = SERVE(.conninfo = server->conninfo, .pool = 1,
		    .operations = "  shape:\n    sql: SELECT * FROM shape\n");
	WORD(rig_prepare(rig, "g42", "shape", "{}"), "prepared");
	WORD(rig_rollback(rig, "g42"), "rolled-back");
	pg_do(conn, "ALTER TABLE shape ADD b int");
	WORD(rig_prepare(rig, "g43", "shape", "{}"), "retry"); /* cached plan … */
	WORD(rig_prepare(rig, "g44", "shape", "{}"), "prepared");
	PQfinish(conn);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("postgres-data");
	TCase *tc = tcase_create("calls");

	tcase_add_checked_fixture(tc, serve, finish);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, returned_rows_are_the_output);
	tcase_add_test(tc, arguments_are_bound_and_never_spliced);
	tcase_add_test(tc, null_objects_and_numbers_arrive_as_written);
	tcase_add_test(tc, every_type_has_its_json);
	tcase_add_test(tc, too_big_output_is_refused_and_nothing_stays);
	tcase_add_test(tc, wrong_arguments_are_refused_by_name);
	tcase_add_test(tc, operation_whose_sql_does_not_fit_is_refused);
	tcase_add_test(tc, deferred_constraint_is_a_no);
	tcase_add_test(tc, plan_that_went_stale_is_made_again);
	suite_add_tcase(suite, tc);
	return suite_run(suite, open_server, close_server);
}
