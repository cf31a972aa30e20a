/* The SQLite adapter: values, SQL, and calls that share a transaction.  What it owes as
 * every adapter does is in test_conformance.c. */
#include "tests/lib/sqlite_box.h"

#include "adapters/sqlite.h"

#include <stdio.h>
#include <stdlib.h>

static char *file;

static void set_up(void)
{
	file = box_path();
}

static void tear_down(void)
{
	free(file);
}

/* ---- values ---- */

static const char echo[] = "  echo: {sql: 'SELECT :v AS v, typeof(:v) AS t', args: [v]}\n";

static const struct {
	const char *in, *out;
} values[] = {
	{"9223372036854775807", "[{\"v\":9223372036854775807,\"t\":\"integer\"}]"},
	{"-9223372036854775808", "[{\"v\":-9223372036854775808,\"t\":\"integer\"}]"},
	{"0", "[{\"v\":0,\"t\":\"integer\"}]"},
	{"0.1", "[{\"v\":0.1,\"t\":\"real\"}]"},
	{"1.0", "[{\"v\":1.0,\"t\":\"real\"}]"},
	{"1e300", "[{\"v\":1e+300,\"t\":\"real\"}]"},
	{"0.30000000000000004", "[{\"v\":0.30000000000000004,\"t\":\"real\"}]"},
	{"true", "[{\"v\":1,\"t\":\"integer\"}]"},
	{"false", "[{\"v\":0,\"t\":\"integer\"}]"},
	{"null", "[{\"v\":null,\"t\":\"null\"}]"},
	{"\"\"", "[{\"v\":\"\",\"t\":\"text\"}]"},
	{"\"12\"", "[{\"v\":\"12\",\"t\":\"text\"}]"},
	{"\"a\\n\\u00e9\\\"'; DROP TABLE item\"",
	 "[{\"v\":\"a\\né\\\"'; DROP TABLE item\",\"t\":\"text\"}]"},
	{"[1, 2.50, {\"a\": 12345678901234567890}]",
	 "[{\"v\":\"[1, 2.50, {\\\"a\\\": 12345678901234567890}]\",\"t\":\"text\"}]"},
};

START_TEST(values_keep_their_type_and_their_digits)
{
	struct cr *r = box_serve(file, "", echo);

	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
		char *gid = textf("g%zu", i), *args = textf("{\"v\": %s}", values[i].in);
		struct cr_call *c = cr_do(r, gid, "s", "echo", args);

		CR_IS(c, "done");
		CR_GAVE(c, values[i].out);
		free(gid);
		free(args);
	}
	cr_close(r);
}
END_TEST

static const struct {
	const char *args, *reason;
} bad_args[] = {
	{"{\"v\": 9223372036854775808}", "does not fit in an integer of 64 bits"},
	{"{\"v\": 1e400}", "JSON"},
	{"{}", "\"v\" is missing"},
	{"{\"v\": 1, \"w\": 2}", "no argument \"w\""},
	{"{\"v\": 1, \"v\": 2}", "duplicate"},
	{"[1]", "must be a JSON object"},
	{"", "missing"},
};

START_TEST(arguments_that_do_not_fit_are_refused_by_name)
{
	struct cr *r = box_serve(file, "", echo);

	for (size_t i = 0; i < sizeof bad_args / sizeof bad_args[0]; i++) {
		struct cr_call *c = cr_do(r, "g", "s", "echo", bad_args[i].args);

		CR_IS(c, "refused");
		CR_SAYS(c, bad_args[i].reason);
		CR_SAYS(c, "operation echo on box");
	}
	cr_close(r);
}
END_TEST

static const char outputs[] =
	"  big: {sql: 'SELECT hex(zeroblob(600000)) AS big'}\n"
	"  rows: {sql: 'WITH RECURSIVE c(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM c"
	" WHERE i < 1000000) SELECT i FROM c'}\n"
	"  foreign: {sql: \"SELECT CAST(x'ff41' AS TEXT) AS t\"}\n"
	"  blob: {sql: \"SELECT x'00ff' AS b, 9e999 AS i, -9e999 AS j\"}\n"
	"  none: {sql: SELECT 1 AS a WHERE false}\n"
	"  two: {sql: 'VALUES (1), (2)'}\n"
	"  quiet: {sql: INSERT INTO item (n) VALUES (1)}\n";

START_TEST(output_is_rows_as_json_or_a_refusal)
{
	struct cr *r = box_serve(file, "", outputs);
	struct cr_call *c;

	CR_IS(c = cr_do(r, "g1", "s", "big", "{}"), "refused");
	CR_SAYS(c, "over the limit of 1 MiB");
	CR_IS(c = cr_do(r, "g2", "s", "rows", "{}"), "refused");
	CR_SAYS(c, "over the limit of 1 MiB");
	CR_IS(c = cr_do(r, "g3", "s", "foreign", "{}"), "refused");
	CR_SAYS(c, "not UTF-8");
	CR_IS(c = cr_do(r, "g4", "s", "blob", "{}"), "done");
	CR_GAVE(c, "[{\"b\":\"\\\\x00ff\",\"i\":\"Infinity\",\"j\":\"-Infinity\"}]");
	CR_IS(c = cr_do(r, "g5", "s", "none", "{}"), "done");
	CR_GAVE(c, "[]");
	CR_IS(c = cr_do(r, "g6", "s", "two", ""), "done");
	CR_GAVE(c, "[{\"column1\":1},{\"column1\":2}]");
	CR_IS(c = cr_do(r, "g7", "s", "quiet", "{}"), "done");
	ck_assert_ptr_null(c->output);
	cr_close(r);
}
END_TEST

START_TEST(rows_are_counted_before_the_commit)
{
	struct cr *r = box_serve(file, "",
				 "  both: {sql: 'INSERT INTO item (n) VALUES (1), (2) RETURNING n',"
				 " expect_rows: 1}\n");
	struct cr_call *c;

	CR_IS(c = cr_do(r, "g", "s", "take", "{\"n\": 5}"), "refused");
	CR_SAYS(c, "operation take on box changed 0 rows, 1 was expected");
	CR_IS(c = cr_do(r, "g", "s", "both", "{}"), "refused");
	CR_SAYS(c, "operation both on box returned 2 rows, 1 was expected");
	ITEMS(file, 0);
	cr_close(r);
}
END_TEST

/* ---- SQL of the configuration ---- */

static const struct {
	const char *operations, *says;
	int line; /* after the four lines of `item` and what is before */
} bad_sql[] = {
	{"  x: {sql: 'ATTACH ''x'' AS y'}\n", "must begin with SELECT", 11},
	{"  x: {sql: 'PRAGMA user_version = 3'}\n", "must begin with SELECT", 11},
	{"  x: {sql: COMMIT}\n", "must begin with SELECT", 11},
	{"  x: {sql: '/* so */ VACUUM'}\n", "must begin with SELECT", 11},
	{"  x: {sql: CREATE TABLE t (a)}\n", "must begin with SELECT", 11},
	{"  x: {sql: SELECT 1 FROM FROM}\n", "syntax error", 11},
	{"  x: {sql: SELECT (1}\n", "incomplete input", 11},
	{"  x: {sql: \"SELECT load_extension('x')\"}\n", "load extensions", 11},
	{"  x: {args: [a]}\n", "needs `sql`", 11},
	{"  x: {sql: SELECT 1, expect_row: 1}\n", "expect_rows", 11},
	{"  x: {sql: SELECT 1, args: [a, a]}\n", "named twice", 11},
	{"  x: SELECT 1\n", "expected a map", 11},
};

START_TEST(wrong_sql_stops_the_start_with_line_and_column)
{
	for (size_t i = 0; i < sizeof bad_sql / sizeof bad_sql[0]; i++) {
		char *config = box_config(file, "", bad_sql[i].operations);
		struct err err = {0};

		ck_assert_ptr_null(cr_try_open(&adapter_sqlite, config, &err));
		ck_assert_int_eq(err.code, RC_INVALID);
		ck_assert_msg(strstr(err.text, bad_sql[i].says) != NULL, "%s", err.text);
		ck_assert_msg(strstr(err.text, "operation x") != NULL, "%s", err.text);
		ck_assert_int_eq(err.line, bad_sql[i].line);
		ck_assert_int_gt(err.column, 1);
		free(config);
	}
}
END_TEST

static const struct {
	const char *more, *says;
} bad_settings[] = {
	{"file: ''\n", "path of a file"},
	{"file: ':memory:'\n", "path of a file"},
	{"file: x\nschema: CREATE\n", "a list of"},
	{"file: x\nschema: [PRAGMA a]\n", "must begin with CREATE"},
	{"file: x\ncreate: perhaps\n", "create"},
	{"file: x\nfiles: y\n", "file"},
	{"schema: []\n", "file"},
};

START_TEST(wrong_settings_stop_the_start)
{
	for (size_t i = 0; i < sizeof bad_settings / sizeof bad_settings[0]; i++) {
		char *config = textf("adapter: sqlite\n%soperations: {a: {sql: SELECT 1}}\n",
				     bad_settings[i].more);
		struct err err = {0};

		ck_assert_ptr_null(cr_try_open(&adapter_sqlite, config, &err));
		ck_assert_int_eq(err.code, RC_INVALID);
		ck_assert_msg(strstr(err.text, bad_settings[i].says) != NULL, "%s", err.text);
		free(config);
	}
}
END_TEST

static const struct {
	const char *operation, *says;
} unfit_sql[] = {
	{"  x: {sql: SELECT * FROM missing}\n", "no such table: missing"},
	{"  x: {sql: 'SELECT :a', args: [b]}\n", ":a, which is not among `args`"},
	{"  x: {sql: 'SELECT ?2', args: [b]}\n", "?2, and there are 1 `args`"},
	{"  x: {sql: 'SELECT ?1', args: [a, b]}\n", "does not use the argument b"},
	{"  x: {sql: SELECT 1; SELECT 2}\n", "one statement"},
	{"  x: {sql: DELETE FROM settle_barrier}\n", "write to settle_barrier"},
};

START_TEST(sql_that_does_not_fit_the_file_is_told_with_its_place)
{
	for (size_t i = 0; i < sizeof unfit_sql / sizeof unfit_sql[0]; i++) {
		char *config = box_config(file, "", unfit_sql[i].operation);
		struct cr *r = cr_open(&adapter_sqlite, config);

		box_await_problem(r, "operation x (line 11, column 12)");
		ck_assert_msg(strstr(r->problem, unfit_sql[i].says) != NULL, "%s", r->problem);
		cr_close(r);
		free(config);
	}
}
END_TEST

/* SQLite compiles the PRAGMA only when the operation runs. */
START_TEST(no_pragma_runs_in_a_roundabout_way)
{
	struct cr *r =
		box_serve(file, "", "  x: {sql: \"SELECT * FROM pragma_table_info('item')\"}\n");
	struct cr_call *c = cr_do(r, "g", "s", "x", "{}");

	CR_IS(c, "refused");
	CR_SAYS(c, "not authorized");
	cr_close(r);
}
END_TEST

START_TEST(table_that_appears_later_makes_it_serve)
{
	char *config = box_config(file, "", "  x: {sql: SELECT * FROM later}\n");
	struct cr *r = cr_open(&adapter_sqlite, config);
	sqlite3 *db;

	box_await_problem(r, "no such table: later");
	db = box_open(file);
	box_do(db, "CREATE TABLE later (a)");
	sqlite3_close(db);
	CR_UNTIL(r, 30, r->ready);
	CR_IS(cr_do(r, "g", "s", "x", "{}"), "done");
	cr_close(r);
	free(config);
}
END_TEST

/* The authorizer also judges triggers, which run inside an operation. */
START_TEST(trigger_cannot_write_to_the_barrier)
{
	char *config = box_config(
		file,
		"  - CREATE TRIGGER t AFTER INSERT ON item BEGIN DELETE FROM settle_barrier; END\n",
		"");
	struct cr *r = cr_open(&adapter_sqlite, config);

	box_await_problem(r, "operation add");
	cr_close(r);
	free(config);
}
END_TEST

/* ---- calls that share a transaction ---- */

static const char wild[] =
	"  wipe: {sql: 'INSERT OR ROLLBACK INTO item (id, n) VALUES (1, 0), (1, 0)'}\n"
	"  orphan: {sql: INSERT INTO child (parent) VALUES (99)}\n";
static const char children[] =
	"  - CREATE TABLE child (parent REFERENCES item (id) DEFERRABLE INITIALLY DEFERRED)\n";

/* Each has what it takes to roll back all that are in its transaction. */
START_TEST(failing_call_takes_no_other_along)
{
	struct cr *r = box_serve(file, children, wild);
	struct cr_call *wipe[10], *add[100], *orphan[10], *cut[2];

	for (int i = 0; i < 100; i++) {
		char *gid = textf("add-%d", i);

		if (i % 10 == 5) {
			char *other = textf("wipe-%d", i), *third = textf("orphan-%d", i);

			wipe[i / 10] = cr_do(r, other, "s", "wipe", "{}");
			orphan[i / 10] = cr_do(r, third, "s", "orphan", "{}");
			free(other);
			free(third);
		}
		if (i % 50 == 25)
			cut[i / 50] = box_do_in(r, i == 25 ? "cut-a" : "cut-b", "slow",
						"{\"n\": 1}", 100);
		add[i] = cr_do(r, gid, "s", "add", "{\"n\": 7}");
		free(gid);
	}
	for (int i = 0; i < 100; i++)
		CR_IS(add[i], "done");
	for (int i = 0; i < 10; i++) {
		CR_IS(wipe[i], "refused");
		CR_IS(orphan[i], "refused");
		CR_SAYS(orphan[i], "REFERENCES");
	}
	CR_IS(cut[0], "retry");
	CR_SAYS(cut[0], "its time was over");
	CR_IS(cut[1], "retry");
	ITEMS(file, 100);
	ck_assert_int_eq(box_number(file, "SELECT count(*) FROM settle_barrier"), 100);
	cr_close(r);
}
END_TEST

START_TEST(foreign_keys_can_be_left_unchecked)
{
	char *more = textf("%sforeign_keys: false\n", children);
	struct cr *r = box_serve(file, more, wild);

	CR_IS(cr_do(r, "g", "s", "orphan", "{}"), "done");
	cr_close(r);
	free(more);
}
END_TEST

START_TEST(constraint_is_a_refusal_with_its_words)
{
	struct cr *r = box_serve(file, "", "");
	struct cr_call *c = cr_do(r, "g", "s", "add", "{\"n\": null}");

	CR_IS(c, "refused");
	CR_SAYS(c, "operation add on box: NOT NULL constraint failed: item.n (SQLite 1299)");
	ITEMS(file, 0);
	cr_close(r);
}
END_TEST

/* Every one of the questions of exactness is answered from this table. */
START_TEST(barrier_tells_what_was_done)
{
	struct cr *r = box_serve(file, "", "");
	char *text;

	CR_IS(cr_do(r, "g", "s", "add", "{\"n\": 1}"), "done");
	CR_IS(cr_undo(r, "g", "s", "take", "{\"n\": 1}"), "done");
	CR_IS(cr_undo(r, "h", "s", "take", "{\"n\": 1}"), "done");
	text = box_text(file,
			"SELECT group_concat(line, ', ') FROM (SELECT cluster || ' ' || gid ||"
			" ' ' || step || ' ' || part || ' ' || did || ' ' ||"
			" coalesce(output, '-') AS line FROM settle_barrier ORDER BY 1)");
	ck_assert_str_eq(text, "test g s do 1 [{\"id\":1}], test g s undo 1 -, test h s undo 0 -");
	free(text);
	cr_close(r);
}
END_TEST

START_TEST(too_many_bytes_that_wait_are_turned_away)
{
	enum { SOME = 70 };
	struct cr *r = box_serve(file, "", "");
	sqlite3 *other = box_open(file);
	char *args = textf("{\"n\": \"%0*d\"}", 1000000, 0);
	struct cr_call *calls[SOME];

	box_do(other, "BEGIN IMMEDIATE");
	for (int i = 0; i < SOME; i++) {
		char *gid = textf("g%d", i);

		calls[i] = cr_do(r, gid, "s", "add", args);
		free(gid);
	}
	CR_IS(calls[SOME - 1], "unknown");
	CR_SAYS(calls[SOME - 1], "too many calls");
	box_do(other, "ROLLBACK");
	CR_IS(calls[0], "done");
	CR_IS(cr_do(r, "g69", "s", "add", "{\"n\": 1}"), "done");
	sqlite3_close(other);
	free(args);
	cr_close(r);
}
END_TEST

/* ---- the example ---- */

/* The resource's map of examples/sqlite/agent.yaml, with the file in the test's folder. */
static char *example_config(void)
{
	char *text = file_read("examples/sqlite/agent.yaml"), *map, *path, *config;

	NEED(text != NULL, "run from the project's folder");
	map = strstr(text, "  inn:\n");
	NEED(map != NULL, "no resource inn");
	map += strlen("  inn:\n");
	path = strstr(map, "build/inn.db");
	NEED(path != NULL, "no file");
	config = textf("%.*s%s%s", (int)(path - map), map, file, path + strlen("build/inn.db"));
	free(text);
	return config;
}

START_TEST(example_keeps_rooms_and_purses)
{
	char *config = example_config();
	struct cr *r = cr_serve(&adapter_sqlite, config);
	struct cr_call *c;

	CR_IS(cr_do(r, "a", "room", "reserve", "{\"room\": 2, \"guest\": \"ann\"}"), "done");
	c = cr_do(r, "a", "pay", "pay", "{\"guest\": \"ann\", \"cents\": 12000}");
	CR_IS(c, "done");
	CR_GAVE(c, "[{\"guest\":\"ann\",\"left\":18000}]");
	c = cr_do(r, "b", "room", "reserve", "{\"room\": 2, \"guest\": \"bob\"}");
	CR_IS(c, "refused"); /* taken */
	c = cr_do(r, "c", "room", "reserve", "{\"room\": 9, \"guest\": \"bob\"}");
	CR_IS(c, "refused"); /* not there */
	CR_SAYS(c, "FOREIGN KEY");
	CR_IS(cr_do(r, "d", "room", "reserve", "{\"room\": 3, \"guest\": \"bob\"}"), "done");
	c = cr_do(r, "d", "pay", "pay", "{\"guest\": \"bob\", \"cents\": 12000}");
	CR_IS(c, "refused");
	CR_SAYS(c, "CHECK");
	CR_IS(cr_undo(r, "d", "room", "release", "{\"room\": 3}"), "done");
	CR_IS(cr_undo(r, "a", "pay", "refund", "{\"guest\": \"ann\", \"cents\": 12000}"), "done");
	cr_close(r);
	ck_assert_int_eq(box_number(file, "SELECT sum(cents) FROM purse"), 35000);
	ck_assert_int_eq(box_number(file, "SELECT sum(room) FROM stay"), 2);
	free(config);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sqlite");
	TCase *tc = tcase_create("sqlite");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, values_keep_their_type_and_their_digits);
	tcase_add_test(tc, arguments_that_do_not_fit_are_refused_by_name);
	tcase_add_test(tc, output_is_rows_as_json_or_a_refusal);
	tcase_add_test(tc, rows_are_counted_before_the_commit);
	tcase_add_test(tc, wrong_sql_stops_the_start_with_line_and_column);
	tcase_add_test(tc, wrong_settings_stop_the_start);
	tcase_add_test(tc, sql_that_does_not_fit_the_file_is_told_with_its_place);
	tcase_add_test(tc, no_pragma_runs_in_a_roundabout_way);
	tcase_add_test(tc, table_that_appears_later_makes_it_serve);
	tcase_add_test(tc, trigger_cannot_write_to_the_barrier);
	tcase_add_test(tc, failing_call_takes_no_other_along);
	tcase_add_test(tc, foreign_keys_can_be_left_unchecked);
	tcase_add_test(tc, constraint_is_a_refusal_with_its_words);
	tcase_add_test(tc, barrier_tells_what_was_done);
	tcase_add_test(tc, too_many_bytes_that_wait_are_turned_away);
	tcase_add_test(tc, example_keeps_rooms_and_purses);
	suite_add_tcase(suite, tc);
	return suite_run(suite, NULL, NULL);
}
