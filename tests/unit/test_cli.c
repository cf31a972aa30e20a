/* test_cli.c - the commands of `settle` that submit, show, list and wait. */
#include "tests/unit/cli_fixture.h"

/* ---- submit and show ---- */

static const struct {
	enum answer_code code;
	const char *text;
	int status;
} ends[] = {
	{ANSWER_FINISHED, TXN("committed"), CLI_DONE},
	{ANSWER_FINISHED, TXN("rolled_back"), CLI_ROLLED_BACK},
	{ANSWER_FINISHED, TXN("stuck"), CLI_STUCK},
	{ANSWER_UNFINISHED, TXN("running"), CLI_UNFINISHED},
	{ANSWER_UNFINISHED, TXN("committing"), CLI_UNFINISHED},
	{ANSWER_INVALID, "unknown resource", CLI_FAILED},
	{ANSWER_FULL, "too many", CLI_FAILED},
};

START_TEST(exit_status_tells_the_outcome)
{
	ck_assert_int_eq(run_answered("submit|t.yaml|--input|from=1|--input|amount=5",
				      ends[_i].code, ends[_i].text),
			 ends[_i].status);
	if (ends[_i].code < 300) {
		HAS(out, "g-1");
		HAS(out, "bank-a");
	} else {
		HAS(err_out, ends[_i].text);
	}
	ck_assert_int_eq(
		run_answered("show|g-1",
			     ends[_i].code == ANSWER_FULL ? ANSWER_NOT_FOUND : ends[_i].code,
			     ends[_i].text),
		ends[_i].status);
}
END_TEST

START_TEST(less_than_the_end_asked_for_is_done_when_reached)
{
	ck_assert_int_eq(
		run_answered("submit|t.yaml|--input=from=1|--input=amount=5|--wait=accepted",
			     ANSWER_UNFINISHED, TXN("running")),
		CLI_DONE);
	ck_assert_int_eq(asked[0].wait, WAIT_ACCEPTED);
	ck_assert_int_eq(
		run_answered("submit|t.yaml|--input=from=1|--input=amount=5|--wait=decided",
			     ANSWER_UNFINISHED, TXN("committing")),
		CLI_DONE);
	ck_assert_int_eq(
		run_answered("submit|t.yaml|--input=from=1|--input=amount=5|--wait=decided",
			     ANSWER_UNFINISHED, TXN("rolling_back")),
		CLI_ROLLED_BACK);
}
END_TEST

START_TEST(inputs_keep_their_types_and_later_ones_win)
{
	static const char *const pairs[][2] = {
		{"5", "5"},
		{"-1.5e3", "-1500.0"},
		{"true", "true"},
		{"null", "null"},
		{"{\"a\": [1]}", "{\"a\":[1]}"},
		{"five", "\"five\""},
		{"\"quoted\"", "\"\\\"quoted\\\"\""},
		{"", "\"\""},
		{"2024-01-01", "\"2024-01-01\""},
	};

	write_file("in.json", "{\"from\": 9, \"amount\": 1}");
	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
		char *line = mem_printf("submit|t.yaml|--input-json|in.json|--input|amount=%s",
					pairs[i][0]);
		char *args = mem_printf("{\"from\":9,\"amount\":%s}", pairs[i][1]);

		ck_assert_int_eq(run_answered(line, ANSWER_FINISHED, TXN("committed")), 0);
		ck_assert_str_eq(asked[i].text, args);
		free(line);
		free(args);
	}
}
END_TEST

START_TEST(gid_is_passed_or_made_so_that_it_can_be_asked_for)
{
	run_answered("submit|t.yaml|--input|from=1|--input|amount=5|--gid|mine", ANSWER_FINISHED,
		     TXN("committed"));
	ck_assert_str_eq(asked[0].gid, "mine");
	run_answered("submit|t.yaml|--input|from=1|--input|amount=5", ANSWER_FINISHED,
		     TXN("committed"));
	ck_assert(!asked[1].fresh && id_valid(asked[1].gid, GID_MAX));
}
END_TEST

START_TEST(definition_error_names_file_line_and_column)
{
	static const char place[] = "{\"where\":\"definition\",\"line\":2,\"column\":1}";

	ck_assert_int_eq(run_refused("submit|t.yaml", place, "no stepps"), CLI_FAILED);
	HAS(err_out, "t.yaml:2:1: no stepps");
	ck_assert_int_eq(run_refused("publish|t.yaml", place, "no stepps"), CLI_FAILED);
	HAS(err_out, "t.yaml:2:1: no stepps");
	ck_assert_int_eq(run_refused("submit|transfer@2", place, "no such"), CLI_FAILED);
	HAS(err_out, "settle: no such");
}
END_TEST

START_TEST(wrong_use_is_told)
{
	static const char *const lines[][2] = {
		{"submit", "needs FILE|NAME[@V]"},
		{"submit|a b", "name@version"},
		{"submit|./none", "cannot open ./none"},
		{"submit|a|b", "unexpected \"b\""},
		{"submit|t.yaml|--inputs|x=1", "no option --inputs"},
		{"submit|t.yaml|--input", "--input needs a value"},
		{"submit|t.yaml|--input|x", "name=value"},
		{"submit|t.yaml|--timeout|soon", "--timeout"},
		{"submit|t.yaml|--gid|a b", "--gid"},
		{"submit|none.yaml", "cannot open none.yaml"},
		{"submit|t.yaml|--input-json|t.yaml", "t.yaml:1:"},
		{"list|--all=yes", "takes no value"},
		{"resolve|g", "needs --action (forget, skip"},
		{"skip|g|--reason|x", "needs --step"},
		{"fail|g|s", "--reason"},
		{"complete|g", "needs GID STEP"},
		{"complete|g|s|--output|[1]", "must be a JSON object"},
		{"complete|g|s|--output|{", "not JSON"},
		{"complete|g|s|--output|@none.json", "cannot open none.json"},
		{"workflow|a@x", "NAME@VERSION"},
		{"workflow|@1", "NAME@VERSION"},
		{"activate|a", "NAME@VERSION"},
		{"activate|a@0", "NAME@VERSION"},
		{"publish|none.yaml", "cannot open none.yaml"},
		{"agents|--timeout|3s", "--wait"},
	};

	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		start(lines[i][0]);
		ck_assert_int_eq(finish(), CLI_FAILED);
		HAS(err_out, lines[i][1]);
	}
	ck_assert_uint_eq(n_asked, 0);
}
END_TEST

START_TEST(server_that_is_away_is_said_so)
{
	server = "http://127.0.0.1:1";
	start("submit|t.yaml|--input|from=1|--input|amount=5");
	ck_assert_int_eq(finish(), CLI_FAILED);
	HAS(err_out, "no settled answers at http://127.0.0.1:1");
	HAS(err_out, "--server");
	server = "nonsense://x";
	start("stats");
	ck_assert_int_eq(finish(), CLI_FAILED);
	HAS(err_out, "not the URL");
}
END_TEST

START_TEST(terminal_is_not_driven_by_what_the_server_says)
{
	run_answered(
		"show|g-1", ANSWER_OK,
		"{\"gid\":\"g-1\",\"status\":\"committed\",\"reason\":\"\\u001b[2Jhi\\u009b1m\"}");
	LACKS(out, "\x1b");
	LACKS(out, "\xc2\x9b");
	HAS(out, "?[2Jhi?1m");
}
END_TEST

START_TEST(json_is_printed_unchanged)
{
	json = true;
	ck_assert_int_eq(run_answered("show|g-1", ANSWER_OK, "{\"status\":\"stuck\", \"x\": 0.1}"),
			 CLI_STUCK);
	ck_assert_str_eq(out, "{\"status\":\"stuck\", \"x\": 0.1}\n");
	ck_assert_int_eq(run_answered("show|g-1", ANSWER_NOT_FOUND, "no such"), CLI_FAILED);
	HAS(out, "urn:settle:problem:not-found");
}
END_TEST

/* ---- the others ---- */

START_TEST(list_all_follows_the_pages)
{
	start("list|--all|--status|stuck|--limit|2");
	answer(await_asked(1)->client, ANSWER_OK,
	       "{\"transactions\":[{\"gid\":\"c\",\"status\":\"stuck\"},{\"gid\":\"b\"}],\"next\":"
	       "\"77\"}",
	       NULL);
	ck_assert_uint_eq(await_asked(2)->query.before_seq, 77);
	ck_assert_uint_eq(asked[1].query.limit, 2);
	ck_assert_str_eq(asked[1].text, "stuck - -");
	answer(asked[1].client, ANSWER_OK, "{\"transactions\":[{\"gid\":\"a\"}]}", NULL);
	ck_assert_int_eq(finish(), CLI_DONE);
	HAS(out, "c    stuck");
	HAS(out, "\na    ");
	ck_assert_int_eq(run_answered("list", ANSWER_OK, "{\"transactions\":[],\"next\":\"5\"}"),
			 0);
	HAS(err_out, "--cursor 5");
}
END_TEST

START_TEST(watch_prints_each_change_once)
{
	start("watch|g-1");
	answer(await_asked(1)->client, ANSWER_OK, TXN("running"), NULL);
	answer(await_asked(2)->client, ANSWER_OK, TXN("running"), NULL);
	answer(await_asked(3)->client, ANSWER_OK, TXN("committing"), NULL);
	answer(await_asked(4)->client, ANSWER_STOPPING, NULL, "stopping");
	answer(await_asked(5)->client, ANSWER_OK, TXN("committed"), NULL);
	ck_assert_int_eq(finish(), CLI_DONE);
	HAS(out, "debit=committing");
	HAS(out, "debit=running");
	ck_assert_ptr_null(strstr(strstr(out, "debit=running") + 1, "debit=running"));
	ck_assert_int_eq(run_answered("watch|g-1", ANSWER_NOT_FOUND, "no such"), CLI_FAILED);
	HAS(err_out, "no such");
}
END_TEST

START_TEST(agents_wait_ends_when_every_resource_is_ready)
{
	start("agents|--wait|a,b");
	answer(await_asked(1)->client, ANSWER_OK, "{\"resources\":[]}", NULL);
	answer(await_asked(2)->client, ANSWER_OK,
	       "{\"resources\":[{\"name\":\"a\",\"ready\":true},{\"name\":\"b\",\"ready\":false}]}",
	       NULL);
	answer(await_asked(3)->client, ANSWER_OK,
	       "{\"resources\":[{\"name\":\"a\",\"ready\":true},{\"name\":\"b\",\"ready\":true}]}",
	       NULL);
	ck_assert_int_eq(finish(), CLI_DONE);
	ck_assert_str_eq(asked[0].what, "resources");
	ck_assert_int_eq(run_answered("agents|--wait|b,c|--timeout|0s", ANSWER_OK,
				      "{\"resources\":[{\"name\":\"b\",\"ready\":true}]}"),
			 CLI_UNFINISHED);
	HAS(err_out, "not ready: c");
}
END_TEST

START_TEST(agents_and_resources_are_tables)
{
	ck_assert_int_eq(run_answered("agents", ANSWER_OK,
				      "{\"agents\":[{\"name\":\"agent-a\",\"connected\":true,"
				      "\"resources\":[{\"name\":\"bank-a\",\"ready\":false,"
				      "\"problem\":\"set max_prepared_transactions\"}]},"
				      "{\"name\":\"agent-b\",\"connected\":false}]}"),
			 CLI_DONE);
	HAS(out, "agent-a  not ready     bank-a");
	HAS(out, "set max_prepared_transactions");
	HAS(out, "agent-b  disconnected  -");
	ck_assert_int_eq(
		run_answered("resources", ANSWER_OK,
			     "{\"resources\":[{\"name\":\"bank-a\",\"adapter\":\"postgres\","
			     "\"ready\":true,\"agents\":[\"agent-a\",\"agent-c\"],\"operations\":"
			     "[{\"name\":\"debit\",\"args\":[\"id\",\"amount\"]}]}]}"),
		CLI_DONE);
	HAS(out, "bank-a    ready   postgres  agent-a,agent-c  debit(id, amount)");
	ck_assert_int_eq(run_answered("stats", ANSWER_OK, "{\"now\":{\"stuck\":3}}"), CLI_DONE);
	HAS(out, "now.stuck");
}
END_TEST

START_TEST(cancel_and_resolve_pass_their_reasons)
{
	ck_assert_int_eq(run_answered("cancel|g-1|--reason|typo", ANSWER_OK, TXN("rolling_back")),
			 CLI_DONE);
	ck_assert_str_eq(asked[0].text, "typo");
	ck_assert_int_eq(run_answered("cancel|g-1", ANSWER_CONFLICT, "too late"), CLI_FAILED);
	HAS(err_out, "too late");
	ck_assert_int_eq(run_answered("resolve|g-1|--action|forget|--reason|done by hand",
				      ANSWER_OK, TXN("committed")),
			 CLI_DONE);
	ck_assert_str_eq(asked[2].text, "done by hand");
}
END_TEST

static TCase *all(void)
{
	TCase *t = tcase_create("commands");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, exit_status_tells_the_outcome, 0, sizeof ends / sizeof ends[0]);
	tcase_add_test(t, less_than_the_end_asked_for_is_done_when_reached);
	tcase_add_test(t, inputs_keep_their_types_and_later_ones_win);
	tcase_add_test(t, gid_is_passed_or_made_so_that_it_can_be_asked_for);
	tcase_add_test(t, definition_error_names_file_line_and_column);
	tcase_add_test(t, wrong_use_is_told);
	tcase_add_test(t, server_that_is_away_is_said_so);
	tcase_add_test(t, terminal_is_not_driven_by_what_the_server_says);
	tcase_add_test(t, json_is_printed_unchanged);
	tcase_add_test(t, list_all_follows_the_pages);
	tcase_add_test(t, watch_prints_each_change_once);
	tcase_add_test(t, agents_wait_ends_when_every_resource_is_ready);
	tcase_add_test(t, agents_and_resources_are_tables);
	tcase_add_test(t, cancel_and_resolve_pass_their_reasons);
	return t;
}

int main(void)
{
	static TCase *(*const cases[])(void) = {all};

	return run_suite("cli", cases, 1);
}
