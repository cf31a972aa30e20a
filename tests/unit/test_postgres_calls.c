/* Saga calls: what each leaves in the database, once, and what it answers. */
#include "adapters/postgres.h"
#include "tests/lib/pg_rig.h"

#include <stdlib.h>
#include <string.h>

static struct pg_server *server;
static struct rig *rig, *other;
static PGconn *locker;

static const char more[] =
	"  late:\n    sql: INSERT INTO late VALUES ($1)\n    args: [i]\n"
	"  raise:\n    sql: SELECT raise()\n"
	"  fall:\n    sql: SELECT fall()\n"
	"  shapes:\n"
	"    sql: SELECT $1::text t, 12.50::numeric n, 9007199254740993::bigint i, true b, "
	"NULL::int z, $2::jsonb j\n    args: [t, j]\n"
	"  nobody:\n    sql: DELETE FROM account WHERE id = 99 RETURNING id\n"
	"  big:\n    sql: SELECT repeat('x', $1::int) t\n    args: [n]\n"
	"  count:\n    sql: SELECT nextval('ticks') n\n    read_only: true\n"
	"  peek:\n    sql: SELECT count(*) FROM note\n    read_only: true\n";

static void open_server(void)
{
	PGconn *conn;

	server = pg_server_new("pg-calls", NULL);
	rig_make_tables(server);
	conn = pg_open(server);
	pg_do(conn, "CREATE TABLE late (i int UNIQUE DEFERRABLE INITIALLY DEFERRED)");
	pg_do(conn, "INSERT INTO late VALUES (1)");
	pg_do(conn, "CREATE SEQUENCE ticks");
	pg_do(conn, "CREATE FUNCTION raise() RETURNS int LANGUAGE plpgsql AS "
		    "'BEGIN INSERT INTO note VALUES (''r''); RAISE ''no room''; END'");
	pg_do(conn, "CREATE FUNCTION fall() RETURNS int LANGUAGE plpgsql AS 'BEGIN UPDATE account "
		    "SET balance = 0 WHERE id = 1; RAISE ''no'' USING ERRCODE = ''22000''; END'");
	PQfinish(conn);
}

static void close_server(void)
{
	pg_server_free(server);
}

static void serve(void)
{
	rig = SERVE(.conninfo = server->conninfo, .operations = more);
}

static void finish(void)
{
	PQfinish(locker);
	rig_close(rig);
	if (other)
		rig_close(other);
	rig_clean(server);
}

#define CREDIT(r, g) STEP(r, .gid = g, .op = "credit", .args = "{\"id\": 1, \"amount\": 10}")
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

static void lock_account(void)
{
	locker = pg_open(server);
	pg_do(locker, "BEGIN; UPDATE account SET balance = balance WHERE id = 1");
}

static void unlock_account(void)
{
	pg_do(locker, "ROLLBACK");
}

START_TEST(resource_says_that_it_serves_calls_exactly_once)
{
	struct resource_info info;

	adapter_postgres.describe(rig->self, &info);
	ck_assert(info.calls && info.exact && info.groups);
}
END_TEST

START_TEST(call_is_done_once_and_keeps_its_output)
{
	struct rig_call *c = CREDIT(rig, "k1");

	WORD(c, "done");
	ck_assert_str_eq(c->output, "[{\"id\":1,\"balance\":110}]");
	c = STEP(rig, .gid = "k1", .op = "credit", .args = "{\"id\": 2, \"amount\": 5}",
		 .attempt = 2);
	WORD(c, "done");
	ck_assert_str_eq(c->output, "[{\"id\":1,\"balance\":110}]"); /* the first one's */
	ck_assert_int_eq(balance(), 110);
	WORD(STEP(rig, .gid = "k1", .step = "other", .op = "credit",
		  .args = "{\"id\": 1, \"amount\": 1}"),
	     "done");
	ck_assert_int_eq(balance(), 111);
}
END_TEST

START_TEST(output_of_any_shape_comes_back_as_it_was)
{
	static const char args[] = "{\"t\": \"a \\\"quote\\\", \\\\ and \\u00e9\\n\", "
				   "\"j\": {\"a\": [1, null]}}";
	struct rig_call *first = DO("k2", "shapes", args), *again;

	WORD(first, "done");
	again = DO("k2", "shapes", args);
	WORD(again, "done");
	ck_assert_str_eq(first->output, again->output);
	ck_assert(strstr(first->output, "\"n\":\"12.50\",\"i\":9007199254740993,\"b\":true"));
	for (int i = 0; i < 2; i++) {
		struct rig_call *none = DO("k3", "nobody", "{}");
		struct rig_call *silent = DO("k4", "note", "{\"text\": null}");

		WORD(none, "done");
		ck_assert_str_eq(none->output, "[]");
		WORD(silent, "done");
		ck_assert_ptr_null(silent->output);
	}
	ck_assert_int_eq(pg_ask(server, "SELECT count(*) FROM note WHERE text IS NULL"), 1);
}
END_TEST

START_TEST(output_up_to_its_limit_is_kept_and_beyond_it_refused)
{
	struct rig_call *c = DO("k5", "big", "{\"n\": 1048000}"), *again;

	WORD(c, "done");
	again = DO("k5", "big", "{\"n\": 1048000}");
	WORD(again, "done");
	ck_assert(strlen(c->output) > 1048000 && strcmp(c->output, again->output) == 0);
	c = DO("k6", "big", "{\"n\": 2000000}");
	WORD(c, "refused");
	SAYS(c, "over the limit of 1 MiB");
	ck_assert_int_eq(rows("k6"), 0);
}
END_TEST

START_TEST(refused_leaves_nothing_and_may_be_asked_again)
{
	static const struct {
		const char *op, *args, *text;
	} no[] = {
		{"debit", "{\"id\": 1, \"amount\": 1000}", "changed 0 rows, 1 was expected"},
		{"credit", "{\"id\": 1, \"amount\": 9223372036854775807}", "SQLSTATE 22003"},
		{"credit", "{\"id\": 1, \"amount\": \"ten\"}", "SQLSTATE 22P02"},
		{"credit", "{\"id\": 1}", "amount"},
		{"credit", "{\"id\": 1, \"amount\": 1, \"x\": 1}", "x"},
		{"credit", "[1]", "object"},
		{"raise", "{}", "no room (SQLSTATE P0001)"},
		{"late", "{\"i\": 1}", "SQLSTATE 23505"}, /* fails at the commit itself */
		{"steal", "{}", "has no operation steal"},
	};

	for (size_t i = 0; i < sizeof no / sizeof no[0]; i++) {
		struct rig_call *c = DO("k7", no[i].op, no[i].args);

		WORD(c, "refused");
		SAYS(c, no[i].text);
		ck_assert_int_eq(rows("k7"), 0);
	}
	ck_assert_int_eq(pg_ask(server, "SELECT count(*) FROM note"), 0);
	WORD(CREDIT(rig, "k7"), "done");
	ck_assert_int_eq(balance(), 110);
}
END_TEST

START_TEST(arguments_are_values_whatever_they_hold)
{
	WORD(DO("k.8_-x", "note", "{\"text\": \"'); DROP TABLE note; --\"}"), "done");
	WORD(STEP(rig, .gid = "k.8_-x", .step = "a.b", .op = "note",
		  .args = "{\"text\": \"\\ud83d\\ude00\"}"),
	     "done");
	ck_assert_int_eq(pg_ask(server, "SELECT count(*) FROM note WHERE text LIKE '%%DROP%%' OR "
					"ascii(text) = 128512"),
			 2);
}
END_TEST

START_TEST(undo_undoes_once)
{
	WORD(CREDIT(rig, "u1"), "done");
	WORD(DEBIT_BACK(rig, "u1"), "done");
	WORD(DEBIT_BACK(rig, "u1"), "done");
	ck_assert_int_eq(balance(), 100);
}
END_TEST

START_TEST(undo_keeps_its_own_output)
{
	struct rig_call *c;

	WORD(CREDIT(rig, "u2"), "done");
	for (int i = 0; i < 2; i++) {
		c = STEP(rig, .gid = "u2", .op = "credit", .args = "{\"id\": 1, \"amount\": -10}",
			 .undo = true);
		WORD(c, "done");
		ck_assert_str_eq(c->output, "[{\"id\":1,\"balance\":100}]");
	}
}
END_TEST

START_TEST(undo_without_its_action_does_nothing_and_keeps_it_out)
{
	struct rig_call *c;

	WORD(DEBIT_BACK(rig, "u3"), "done");
	WORD(DEBIT_BACK(rig, "u3"), "done");
	ck_assert_int_eq(balance(), 100);
	c = CREDIT(rig, "u3");
	WORD(c, "refused");
	SAYS(c, "undone before");
	ck_assert_int_eq(balance(), 100);
}
END_TEST

START_TEST(action_that_was_undone_is_not_done_again)
{
	struct rig_call *c;

	WORD(CREDIT(rig, "u4"), "done");
	WORD(DEBIT_BACK(rig, "u4"), "done");
	c = CREDIT(rig, "u4");
	WORD(c, "refused");
	SAYS(c, "undone before");
	ck_assert_int_eq(balance(), 100);
}
END_TEST

START_TEST(refused_undo_leaves_nothing_and_may_be_asked_again)
{
	WORD(CREDIT(rig, "u5"), "done");
	WORD(STEP(rig, .gid = "u5", .op = "debit", .args = "{\"id\": 1, \"amount\": 1000}",
		  .undo = true),
	     "refused");
	ck_assert_int_eq(rows("u5"), 1);
	WORD(CREDIT(rig, "u5"), "done"); /* still done */
	WORD(DEBIT_BACK(rig, "u5"), "done");
	ck_assert_int_eq(balance(), 100);
}
END_TEST

START_TEST(read_only_call_reads_and_keeps_what_it_read)
{
	struct rig_call *c = DO("r1", "peek", "{}");

	WORD(c, "done");
	ck_assert_str_eq(c->output, "[{\"count\":0}]");
	WORD(DO("r2", "note", "{\"text\": \"n\"}"), "done");
	c = DO("r1", "peek", "{}");
	WORD(c, "done");
	ck_assert_str_eq(c->output, "[{\"count\":0}]");
	c = DO("r3", "count", "{}");
	WORD(c, "refused");
	SAYS(c, "SQLSTATE 25006");
	WORD(DO("r4", "note", "{\"text\": \"n\"}"), "done"); /* the session can write again */
	ck_assert_int_eq(rows("r3"), 0);
}
END_TEST

/* Two agents are given one key: the second waits for the first's row. */
START_TEST(two_agents_with_one_key_do_it_once)
{
	struct rig_call *a, *b;

	other = SERVE(.conninfo = server->conninfo, .operations = more, .agent = "agent-b");
	lock_account();
	a = CREDIT(rig, "c1");
	RUN_UNTIL(rig, 20, waiting() == 1);
	b = CREDIT(other, "c1");
	RUN_UNTIL(other, 20, waiting() == 2);
	unlock_account();
	WORD(a, "done");
	WORD(b, "done");
	ck_assert_str_eq(a->output, b->output);
	ck_assert_int_eq(balance(), 110);
}
END_TEST

START_TEST(second_of_one_key_goes_on_when_the_first_is_refused)
{
	struct rig_call *a, *b;

	other = SERVE(.conninfo = server->conninfo, .operations = more, .agent = "agent-b");
	lock_account();
	a = DO("c2", "fall", "{}");
	RUN_UNTIL(rig, 20, waiting() == 1);
	b = CREDIT(other, "c2");
	RUN_UNTIL(other, 20, waiting() == 2);
	unlock_account();
	WORD(a, "refused");
	WORD(b, "done");
	ck_assert_int_eq(balance(), 110);
}
END_TEST

START_TEST(undo_waits_for_an_action_that_is_under_way)
{
	struct rig_call *a, *b;

	other = SERVE(.conninfo = server->conninfo, .operations = more, .agent = "agent-b");
	lock_account();
	a = CREDIT(rig, "c3");
	RUN_UNTIL(rig, 20, waiting() == 1);
	b = DEBIT_BACK(other, "c3");
	RUN_UNTIL(other, 20, waiting() == 2);
	unlock_account();
	WORD(a, "done");
	WORD(b, "done");
	ck_assert_int_eq(balance(), 100);
	ck_assert_int_eq(rows("c3"), 2);
}
END_TEST

START_TEST(undo_that_waited_for_an_action_in_vain_does_nothing)
{
	struct rig_call *a, *b;

	other = SERVE(.conninfo = server->conninfo, .operations = more, .agent = "agent-b");
	lock_account();
	a = DO("c4", "fall", "{}");
	RUN_UNTIL(rig, 20, waiting() == 1);
	b = DEBIT_BACK(other, "c4");
	RUN_UNTIL(other, 20, waiting() == 2);
	unlock_account();
	WORD(a, "refused");
	WORD(b, "done");
	ck_assert_int_eq(balance(), 100);
	WORD(CREDIT(rig, "c4"), "refused");
}
END_TEST

/* While both loops run: what one session holds the other may wait for. */
static const char *word_of(struct rig_call *call)
{
	int64_t until = clock_ms() + harness_patience_ms(40);

	while (!call->done) {
		NEED(clock_ms() < until, "a call has no answer");
		rig_turn(rig);
		rig_turn(other);
	}
	return rig_word(call);
}

/* Actions, duplicates and undos of 30 keys by two agents, all at once. */
START_TEST(crowd_of_duplicates_has_each_effect_once)
{
	enum { KEYS = 30 };
	struct rig_call *calls[KEYS][2];
	long long done;

	other = SERVE(.conninfo = server->conninfo, .operations = more, .agent = "agent-b",
		      .pool = 8);
	for (int i = 0; i < KEYS; i++) {
		char gid[16];

		snprintf(gid, sizeof gid, "crowd%d", i);
		calls[i][0] = CREDIT(rig, gid);
		calls[i][1] = CREDIT(other, gid);
	}
	for (int i = 0; i < KEYS; i++)
		for (int k = 0; k < 2; k++)
			ck_assert_str_eq(word_of(calls[i][k]), "done");
	ck_assert_int_eq(balance(), 100 + 10 * KEYS);
	for (int i = 0; i < KEYS; i++) {
		char gid[16];

		snprintf(gid, sizeof gid, "crowd%d", i + KEYS / 2);
		calls[i][0] = CREDIT(rig, gid);
		calls[i][1] = DEBIT_BACK(other, gid);
	}
	for (int i = 0; i < KEYS; i++) {
		ck_assert_str_eq(word_of(calls[i][1]), "done");
		word_of(calls[i][0]);
	}
	done = pg_ask(server, "SELECT count(*) FROM settle_barrier d WHERE gid LIKE 'crowd%%' AND "
			      "kind = 'do' AND mark = 'done' AND NOT EXISTS (SELECT FROM "
			      "settle_barrier u WHERE u.gid = d.gid AND u.kind = 'undo')");
	ck_assert_int_eq(done, KEYS / 2);
	ck_assert_int_eq(balance(), 100 + 10 * done);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("postgres-calls");
	TCase *tc = tcase_create("calls");

	tcase_add_checked_fixture(tc, serve, finish);
	tcase_set_timeout(tc, 180);
	tcase_add_test(tc, resource_says_that_it_serves_calls_exactly_once);
	tcase_add_test(tc, call_is_done_once_and_keeps_its_output);
	tcase_add_test(tc, output_of_any_shape_comes_back_as_it_was);
	tcase_add_test(tc, output_up_to_its_limit_is_kept_and_beyond_it_refused);
	tcase_add_test(tc, refused_leaves_nothing_and_may_be_asked_again);
	tcase_add_test(tc, arguments_are_values_whatever_they_hold);
	tcase_add_test(tc, undo_undoes_once);
	tcase_add_test(tc, undo_keeps_its_own_output);
	tcase_add_test(tc, undo_without_its_action_does_nothing_and_keeps_it_out);
	tcase_add_test(tc, action_that_was_undone_is_not_done_again);
	tcase_add_test(tc, refused_undo_leaves_nothing_and_may_be_asked_again);
	tcase_add_test(tc, read_only_call_reads_and_keeps_what_it_read);
	tcase_add_test(tc, two_agents_with_one_key_do_it_once);
	tcase_add_test(tc, second_of_one_key_goes_on_when_the_first_is_refused);
	tcase_add_test(tc, undo_waits_for_an_action_that_is_under_way);
	tcase_add_test(tc, undo_that_waited_for_an_action_in_vain_does_nothing);
	tcase_add_test(tc, crowd_of_duplicates_has_each_effect_once);
	suite_add_tcase(suite, tc);
	return suite_run(suite, open_server, close_server);
}
