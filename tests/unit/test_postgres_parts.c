/* The adapter's parts that need no server: configuration, names, judging facts. */
#include "adapters/pg_config.h"
#include "adapters/pg_name.h"
#include "adapters/pg_preflight.h"
#include "adapters/pg_verdict.h"
#include "tests/lib/harness.h"

#include <stdlib.h>
#include <string.h>

/* The error that reading `text` gives; "" if none. Borrowed until the next call. */
static struct err err;
static struct pg_config config;
static struct yaml_doc *doc;

static const char *read_config(const char *text)
{
	pg_config_fini(&config);
	yaml_doc_free(doc);
	memset(&err, 0, sizeof err);
	NEED(yaml_parse(text, strlen(text), &doc, &err) == RC_OK, "%s", err.text);
	pg_config_read(yaml_root(doc), &config, &err);
	return err.text;
}

static void finish(void)
{
	pg_config_fini(&config);
	yaml_doc_free(doc);
}

#define CONNECTION "adapter: postgres\nconnection: host=/tmp dbname=bank\n"
#define GOOD       "operations:\n  a:\n    sql: SELECT 1\n"

START_TEST(config_has_its_defaults)
{
	ck_assert_str_eq(read_config(CONNECTION GOOD), "");
	ck_assert_int_eq(config.pool, 16);
	ck_assert_int_eq(config.finishers, 4);
	ck_assert_str_eq(config.barrier, "\"settle_barrier\"");
	ck_assert_uint_eq(config.lock_timeout, 0);
	ck_assert_ptr_nonnull(pg_config_find(&config, "a"));
	ck_assert_int_eq(pg_config_find(&config, "a")->expect_rows, -1);
	ck_assert_ptr_null(pg_config_find(&config, "b"));
	ck_assert_ptr_null(config.host); /* a socket needs no DNS */
	read_config("connection: postgresql://u:p@db.example.org/bank\n" GOOD);
	ck_assert_str_eq(config.host, "db.example.org");
	read_config("connection: host=db.example.org hostaddr=10.0.0.1\n" GOOD);
	ck_assert_ptr_null(config.host);
	read_config("connection: host=::1\n" GOOD);
	ck_assert_ptr_null(config.host);
}
END_TEST

START_TEST(wrong_config_is_refused_with_its_place)
{
	static const struct {
		const char *text, *says;
		int line;
	} cases[] = {
		{CONNECTION "poool: 3\n" GOOD, "pool", 3},
		{CONNECTION "pool: 0\n" GOOD, "pool", 3},
		{CONNECTION "pool: many\n" GOOD, "pool", 3},
		{CONNECTION "finishers: 1000\n" GOOD, "finishers", 3},
		{CONNECTION "lock_timeout: 5 parsecs\n" GOOD, "lock_timeout", 3},
		{CONNECTION "barrier_table: a; DROP\n" GOOD, "barrier_table", 3},
		{CONNECTION "barrier_table: a.b.c\n" GOOD, "barrier_table", 3},
		{CONNECTION, "operations", 0},
		{GOOD, "connection", 0},
		{CONNECTION "operations: []\n", "operations must be a map", 3},
		{CONNECTION "operations:\n  a:\n    sqll: x\n", "sql", 5},
		{CONNECTION "operations:\n  a:\n    args: []\n", "needs `sql`", 5},
		{CONNECTION "operations:\n  a:\n    sql: ' -- nothing'\n", "no statement", 5},
		{CONNECTION "operations:\n  a b:\n    sql: SELECT 1\n", "name", 4},
		{CONNECTION "operations:\n  a:\n    sql: SELECT 1\n    args: [x, x]\n", "twice", 6},
		{CONNECTION "operations:\n  a:\n    sql: SELECT 1\n    args: x\n", "list", 6},
		{CONNECTION "operations:\n  a:\n    sql: SELECT 1\n    expect_rows: -1\n",
		 "expect_rows", 6},
		{CONNECTION "operations:\n  a:\n    sql: SELECT 1\n    read_only: si\n",
		 "read_only", 6},
		{CONNECTION "operations:\n  a:\n    sql: commit\n", "must not begin with COMMIT",
		 5},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		ck_assert_msg(strstr(read_config(cases[i].text), cases[i].says) != NULL, "%s\n%s",
			      cases[i].text, err.text);
		ck_assert_msg(cases[i].line == 0 || err.line == cases[i].line, "line %d: %s",
			      err.line, err.text);
	}
}
END_TEST

START_TEST(wrong_connection_string_is_not_echoed)
{
	read_config("connection: host=x password=my hunter2 secret\n" GOOD);
	ck_assert_int_eq(err.code, RC_INVALID);
	ck_assert_int_eq(err.line, 1);
	ck_assert_ptr_null(strstr(err.text, "hunter2"));
	ck_assert_ptr_null(strstr(err.text, "my"));
}
END_TEST

START_TEST(transaction_control_is_forbidden_however_written)
{
	static const char *const bad[] = {
		"COMMIT",
		"commit;",
		" \n\tRollBack",
		"/* a */ BEGIN",
		"-- x\nEND",
		";COMMIT",
		"; /* a /* b */ c */ ; abort",
		"SAVEPOINT a",
		"RELEASE a",
		"START TRANSACTION",
		"PREPARE TRANSACTION 'x'",
		"prepare p as select 1",
		"SET x = 1",
		"reset all",
		"COPY t FROM STDIN",
		"DISCARD ALL",
		"DEALLOCATE ALL",
		"LISTEN a",
		"commit/**/",
	};
	static const char *const good[] = {
		"SELECT 1",
		"commits()",
		"UPDATE a SET b = 1",
		"WITH x AS (SELECT 1) SELECT 1",
		"/* COMMIT */ SELECT 1",
		"-- COMMIT\nSELECT 1",
		"beginning",
		"CALL p()",
		"",
		"/* open",
	};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		ck_assert_msg(pg_sql_forbidden(bad[i]) != NULL, "%s", bad[i]);
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		ck_assert_msg(pg_sql_forbidden(good[i]) == NULL, "%s", good[i]);
}
END_TEST

static char *many(char c, size_t n, char out[100])
{
	memset(out, c, n);
	out[n] = '\0';
	return out;
}

START_TEST(name_goes_out_and_comes_back)
{
	char cluster[100], gid[100], branch[100];
	struct branch_id id = {.gid = "a.b-C_9", .epoch = 0, .branch = "s.b"};
	struct pg_branch out, back;

	pg_branch_init(&out, "main", &id);
	ck_assert_str_eq(out.name, "settle:main:0:a.b-C_9:s.b");
	ck_assert(pg_branch_parse(&back, "main", out.name));
	ck_assert_str_eq(back.gid, id.gid);
	ck_assert_str_eq(back.branch, id.branch);

	id.gid = many('g', GID_MAX, gid);
	id.branch = many('b', NAME_MAX_LEN, branch);
	id.epoch = UINT64_MAX;
	pg_branch_init(&out, many('c', CLUSTER_MAX, cluster), &id);
	ck_assert_uint_lt(strlen(out.name), 200);
	ck_assert(pg_branch_parse(&back, cluster, out.name));
	ck_assert_uint_eq(back.epoch, UINT64_MAX);
	ck_assert_str_eq(back.gid, gid);
}
END_TEST

START_TEST(foreign_names_are_not_taken_apart)
{
	static const char *const foreign[] = {
		"",
		"settle",
		"settle:main:",
		"settle:main:1",
		"settle:main:1:",
		"settle:main:1:g",
		"settle:main:1:g:",
		"settle:main:1::b",
		"settle:main:x:g:b",
		"settle:main:01:g:b",
		"settle:main:+1:g:b",
		"settle:main: 1:g:b",
		"settle:main:99999999999999999999999:g:b",
		"settle:main:1:g:b:c",
		"settle:main:1:g h:b",
		"settle:main2:1:g:b",
		"Settle:main:1:g:b",
		"settle:main:1:ggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggg:b",
	};
	struct pg_branch b;

	for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
		ck_assert_msg(!pg_branch_parse(&b, "main", foreign[i]), "%s", foreign[i]);
}
END_TEST

START_TEST(application_name_fits_and_tells_incarnations_apart)
{
	char a[PG_APP_SIZE], b[PG_APP_SIZE], agent[100];
	size_t shared;

	shared = pg_app_name(a, "main", "agent-a", 12);
	ck_assert_str_eq(a, "settle:main:agent-a:12");
	ck_assert_uint_eq(shared, strlen("settle:main:agent-a:"));
	many('x', 63, agent);
	shared = pg_app_name(a, "main", agent, UINT64_MAX);
	ck_assert_uint_lt(strlen(a), PG_APP_SIZE);
	ck_assert(pg_app_name(b, "main", agent, 1) == shared);
	ck_assert_int_eq(strncmp(a, b, shared), 0);
	agent[62] = 'y';
	pg_app_name(b, "main", agent, 1);
	ck_assert_int_ne(strncmp(a, b, shared), 0);
}
END_TEST

START_TEST(facts_that_forbid_to_serve_name_the_cure)
{
	struct pg_facts facts = {.max_prepared = 64};
	char out[PG_PROBLEM_SIZE];

	ck_assert(!pg_facts_problem(&facts, 16, out));
	facts.max_prepared = 0;
	ck_assert(pg_facts_problem(&facts, 16, out));
	ck_assert_str_eq(out, "prepared transactions are disabled: set max_prepared_transactions "
			      "to at least 64 in postgresql.conf and restart the server");
	facts.standby = true;
	ck_assert(pg_facts_problem(&facts, 16, out));
	ck_assert_ptr_nonnull(strstr(out, "standby"));
}
END_TEST

START_TEST(reason_is_never_cut_inside_a_character)
{
	char out[8];

	pg_print(out, sizeof out, "%s", "abcdefä");
	ck_assert_str_eq(out, "abcdef");
	pg_print(out, sizeof out, "%s", "abcdeä");
	ck_assert_str_eq(out, "abcdeä");
	pg_print(out, sizeof out, "%s", "abcdefghi");
	ck_assert_str_eq(out, "abcdefg");
	pg_print(out, sizeof out, "%s", "aaaa\xf0\x9f\x98\x80");
	ck_assert_str_eq(out, "aaaa");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("postgres-parts");
	TCase *tc = tcase_create("parts");

	tcase_add_checked_fixture(tc, NULL, finish);
	tcase_add_test(tc, config_has_its_defaults);
	tcase_add_test(tc, wrong_config_is_refused_with_its_place);
	tcase_add_test(tc, wrong_connection_string_is_not_echoed);
	tcase_add_test(tc, transaction_control_is_forbidden_however_written);
	tcase_add_test(tc, name_goes_out_and_comes_back);
	tcase_add_test(tc, foreign_names_are_not_taken_apart);
	tcase_add_test(tc, application_name_fits_and_tells_incarnations_apart);
	tcase_add_test(tc, facts_that_forbid_to_serve_name_the_cure);
	tcase_add_test(tc, reason_is_never_cut_inside_a_character);
	suite_add_tcase(suite, tc);
	return suite_run(suite, NULL, NULL);
}
