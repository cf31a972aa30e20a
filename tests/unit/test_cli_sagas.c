/* test_cli_sagas.c - the commands of `settle` about sagas: watched live, helped by a
 * person, and their workflows. */
#include "tests/unit/cli_fixture.h"

/* A saga as the server shows one. */
#define SAGA(status)                                                                        \
	"{\"gid\":\"g-1\",\"status\":\"" status "\",\"workflow\":\"trip\",\"version\":3,"   \
	"\"deadline\":\"2024-05-24T08:30:00Z\",\"steps\":[{\"name\":\"reserve\",\"kind\":"  \
	"\"call\",\"status\":\"undoing\",\"resource\":\"hotel\",\"operation\":\"reserve\"," \
	"\"attempts\":2,\"direction\":\"undo\",\"reason\":\"no route\",\"agent\":"          \
	"\"agent-h\",\"next_attempt\":\"2024-05-17T08:31:00Z\"},{\"name\":\"pay\","         \
	"\"kind\":\"atomic\",\"status\":\"failed\",\"pivot\":true,\"attempts\":1,"          \
	"\"direction\":\"do\",\"transaction\":\"settle.x\",\"branches\":[{\"name\":"        \
	"\"debit\",\"resource\":\"bank-a\",\"operation\":\"debit\",\"status\":"             \
	"\"rolled_back\",\"reason\":\"too little\"}]},{\"name\":\"mail\",\"kind\":"         \
	"\"call\",\"status\":\"not_run\",\"resource\":\"mailer\",\"operation\":\"send\","   \
	"\"attempts\":0}]}"

/* ---- submit ---- */

START_TEST(name_of_a_published_workflow_is_submitted)
{
	ck_assert_int_eq(
		run_answered("submit|trip@3|--input|n=1", ANSWER_FINISHED, TXN("committed")),
		CLI_DONE);
	ck_assert_str_eq(asked[0].definition, "trip");
	ck_assert_uint_eq(asked[0].version, 3);
	ck_assert_str_eq(asked[0].text, "{\"n\":1}");
	run_answered("submit|trip", ANSWER_FINISHED, TXN("committed"));
	ck_assert_uint_eq(asked[1].version, 0);
	write_file("in.json", TRANSFER); /* a file by its ending */
	run_answered("submit|in.json", ANSWER_FINISHED, TXN("committed"));
	ck_assert_str_eq(asked[2].definition, TRANSFER);
}
END_TEST

/* ---- live ---- */

static void answer_events(size_t n, uint64_t after, const char *lines)
{
	struct asked *a = await_asked(n);

	ck_assert_str_eq(a->what, "events");
	ck_assert_str_eq(a->gid, "g-1");
	ck_assert_uint_eq(a->after, after);
	answer(a->client, ANSWER_OK, lines, NULL);
}

static void answer_get(size_t n, const char *json_text)
{
	ck_assert_str_eq(await_asked(n)->what, "get");
	answer(await_asked(n)->client, ANSWER_OK, json_text, NULL);
}

static const char first_lines[] =
	"{\"events\":[{\"n\":1,\"time\":\"2024-05-17T08:30:00.123456Z\",\"event\":\"begun\"},"
	"{\"n\":2,\"event\":\"attempt\",\"step\":\"reserve\",\"direction\":\"do\",\"attempt\":1,"
	"\"agent\":\"agent-h\"},{\"n\":3,\"event\":\"ended\",\"step\":\"reserve\",\"direction\":"
	"\"do\",\"attempt\":1,\"agent\":\"agent-h\",\"outcome\":\"retry\",\"reason\":\"busy\"},"
	"{\"n\":4,\"event\":\"retry_planned\",\"step\":\"reserve\",\"direction\":\"do\","
	"\"attempt\":1,\"agent\":\"agent-h\",\"retry_in_ms\":450}],\"next\":4,\"status\":"
	"\"running\"}";

START_TEST(submit_watch_prints_what_happens_and_how_it_ends)
{
	start("submit|trip|--gid|g-1|--watch");
	ck_assert_str_eq(await_asked(1)->what, "submit");
	ck_assert_uint_eq(asked[0].wait_ms, 0);
	answer(asked[0].client, ANSWER_UNFINISHED, SAGA("running"), NULL);
	answer_get(2, SAGA("running"));
	answer_events(3, 0, first_lines);
	answer_events(
		4, 4,
		"{\"events\":[{\"n\":5,\"event\":\"undoing\",\"status\":\"rolling_back\","
		"\"reason\":\"step pay was refused\"},{\"n\":6,\"event\":\"attempt\",\"step\":"
		"\"reserve\",\"direction\":\"undo\",\"attempt\":1,\"outcome\":\"done\"}],\"next\":"
		"6}");
	answer_events(5, 6, "{\"events\":[],\"next\":6}");
	answer_get(6, SAGA("rolling_back"));
	answer_events(7, 6,
		      "{\"events\":[{\"n\":7,\"event\":\"finished\",\"status\":\"rolled_back\"}],"
		      "\"next\":7}");
	answer_get(8, SAGA("rolled_back"));
	ck_assert_int_eq(finish(), CLI_ROLLED_BACK);
	HAS(out, "gid       g-1\n");
	HAS(out, "2024-05-17T08:30:00.123Z  -                 begun\n");
	HAS(out, "reserve           begins, attempt 1, by agent-h\n");
	HAS(out, "reserve           retry, attempt 1, by agent-h: busy\n");
	HAS(out, "reserve           will be retried in 450 ms\n");
	HAS(out, "-                 rolling back: step pay was refused\n");
	HAS(out, "reserve           undo: done, attempt 1\n");
	HAS(out, "Z  rolled_back");
	LACKS(out, "\x1b");
}
END_TEST

static const struct {
	const char *last, *status;
	int exit;
} saga_ends[] = {
	{"finished", "committed", CLI_DONE},
	{"finished", "rolled_back", CLI_ROLLED_BACK},
	{"stuck", "stuck", CLI_STUCK},
};

START_TEST(watch_ends_with_the_status_of_the_saga)
{
	char *lines = mem_printf("{\"events\":[{\"n\":1,\"event\":\"%s\"}],\"next\":1}",
				 saga_ends[_i].last);
	char *txn =
		mem_printf("{\"gid\":\"g-1\",\"status\":\"%s\",\"steps\":[{\"kind\":\"call\"}]}",
			   saga_ends[_i].status);

	start("watch|g-1");
	answer_get(1, SAGA("running"));
	answer_events(2, 0, lines);
	answer_get(3, txn);
	ck_assert_int_eq(finish(), saga_ends[_i].exit);
	HAS(out, saga_ends[_i].status);
	free(lines);
	free(txn);
}
END_TEST

/* A line "stuck" may be old: a person has helped since. */
START_TEST(watch_goes_on_past_a_stuck_that_was_resolved)
{
	start("watch|g-1");
	answer_get(1, SAGA("running"));
	answer_events(2, 0,
		      "{\"events\":[{\"n\":1,\"event\":\"stuck\"},{\"n\":2,\"event\":\"retried\","
		      "\"reason\":\"bank is back\"}],\"next\":2}");
	answer_get(3, SAGA("running"));
	answer_events(4, 2, "{\"events\":[{\"n\":3,\"event\":\"finished\"}],\"next\":3}");
	answer_get(5, SAGA("committed"));
	ck_assert_int_eq(finish(), CLI_DONE);
	HAS(out, "retry asked for: bank is back");
}
END_TEST

START_TEST(watch_outlives_a_restart_of_the_server)
{
	start("watch|g-1");
	answer_get(1, SAGA("running"));
	answer(await_asked(2)->client, ANSWER_STOPPING, NULL, "stopping");
	answer_events(3, 0, "{\"events\":[{\"n\":1,\"event\":\"finished\"}],\"next\":1}");
	answer(await_asked(4)->client, ANSWER_STOPPING, NULL, "stopping");
	answer_events(5, 1, "{\"events\":[],\"next\":1}");
	answer_get(6, SAGA("committed"));
	ck_assert_int_eq(finish(), CLI_DONE);
}
END_TEST

START_TEST(watch_stops_at_its_time_out)
{
	start("submit|trip|--gid|g-1|--watch|--timeout|0s");
	answer(await_asked(1)->client, ANSWER_UNFINISHED, SAGA("running"), NULL);
	answer_get(2, SAGA("running"));
	answer_events(3, 0, first_lines);
	ck_assert_uint_eq(asked[2].wait_ms, 0);
	ck_assert_int_eq(finish(), CLI_UNFINISHED);
	HAS(out, "begun");
}
END_TEST

START_TEST(plain_transaction_is_watched_by_its_branches)
{
	start("submit|t.yaml|--input|from=1|--input|amount=5|--gid|g-1|--watch");
	answer(await_asked(1)->client, ANSWER_UNFINISHED, TXN("running"), NULL);
	answer_get(2, TXN("running"));
	answer_get(3, TXN("committed"));
	ck_assert_uint_eq(asked[2].wait_ms, 500);
	ck_assert_int_eq(finish(), CLI_DONE);
	HAS(out, "debit=running");
	HAS(out, "debit=committed");
}
END_TEST

/* ---- the history ---- */

START_TEST(events_are_printed_to_the_last)
{
	start("events|g-1");
	answer_events(1, 0, first_lines);
	answer_events(2, 4,
		      "{\"events\":[{\"n\":5,\"event\":\"moved\",\"step\":\"pay\",\"to\":\"x y\","
		      "\"deep\":{\"a\":[1]}}],\"next\":5}");
	answer_events(3, 5, "{\"events\":[],\"next\":5}");
	ck_assert_int_eq(finish(), CLI_DONE);
	HAS(out, "will be retried in 450 ms");
	HAS(out, "pay               moved to=x y deep={\"a\":[1]}\n"); /* a kind of tomorrow */
	ck_assert_int_eq(run_answered("events|g-2", ANSWER_NOT_FOUND, "no such"), CLI_FAILED);
	HAS(err_out, "no such");
}
END_TEST

START_TEST(events_follow_to_the_end)
{
	start("events|g-1|--follow");
	answer_events(1, 0, first_lines);
	answer_events(2, 4, "{\"events\":[{\"n\":5,\"event\":\"finished\"}],\"next\":5}");
	answer_get(3, SAGA("committed"));
	ck_assert_int_eq(finish(), CLI_DONE);
	HAS(out, "begun");
	HAS(out, "committed");
}
END_TEST

START_TEST(events_as_json_are_the_answers_unchanged)
{
	json = true;
	start("events|g-1");
	answer_events(1, 0, "{\"events\":[{\"n\":1, \"x\":0.1}],\"next\":1}");
	answer_events(2, 1, "{\"events\":[]}");
	ck_assert_int_eq(finish(), CLI_DONE);
	ck_assert_str_eq(out, "{\"events\":[{\"n\":1, \"x\":0.1}],\"next\":1}\n{\"events\":[]}\n");
}
END_TEST

START_TEST(terminal_is_not_driven_by_an_event)
{
	start("events|g-1");
	answer_events(1, 0,
		      "{\"events\":[{\"n\":1,\"event\":\"a\\u001b[2J\",\"step\":\"b\\u001b\","
		      "\"k\\u001b\":\"v\\u001b\",\"reason\":\"r\\u001b\\n\"}],\"next\":1}");
	answer_events(2, 1, "{\"events\":[]}");
	ck_assert_int_eq(finish(), CLI_DONE);
	LACKS(out, "\x1b");
	HAS(out, "a?[2J");
}
END_TEST

/* ---- show ---- */

START_TEST(saga_is_shown_with_its_steps_and_branches)
{
	ck_assert_int_eq(run_answered("show|g-1", ANSWER_OK, SAGA("rolling_back")), CLI_UNFINISHED);
	HAS(out, "workflow  trip@3\n");
	HAS(out, "deadline  2024-05-24T08:30:00Z\n");
	HAS(out,
	    "STEP         STATUS       DIRECTION  TRIES  RESOURCE  OPERATION  AGENT    RESULT");
	HAS(out,
	    "reserve      undoing      undo       2      hotel     reserve    agent-h  no route; "
	    "again at 2024-05-17T08:31:00Z");
	HAS(out, "pay (pivot)  failed       do         1      (group)   -");
	HAS(out,
	    "  debit      rolled_back                    bank-a    debit      -        too little");
	HAS(out, "mail         not_run      -          -      mailer    send");
}
END_TEST

START_TEST(step_that_waits_for_an_agent_says_so)
{
	run_answered(
		"show|g-1", ANSWER_OK,
		"{\"gid\":\"g-1\",\"status\":\"running\",\"steps\":[{\"name\":\"a\",\"kind\":"
		"\"call\",\"status\":\"running\",\"attempts\":1,\"reason\":\"was busy\",\"queued\":"
		"true}]}");
	HAS(out, "was busy; waits for an agent that serves it: see settle agents");
}
END_TEST

START_TEST(step_that_is_done_shows_what_it_gave)
{
	run_answered(
		"show|g-1", ANSWER_OK,
		"{\"gid\":\"g-1\",\"status\":\"committed\",\"steps\":[{\"name\":\"a\",\"kind\":"
		"\"call\",\"status\":\"done\",\"attempts\":2,\"reason\":\"was busy\",\"output\":"
		"{\"id\":7}}]}");
	HAS(out, "{\"id\":7}");
	LACKS(out, "was busy");
}
END_TEST

/* ---- a person's word ---- */

static const struct {
	const char *line, *what, *step, *text;
	enum resolve_action action;
} acts[] = {
	{"retry|g-1", "retry", "-", "-", 0},
	{"retry|g-1|--step|pay|--reason|it is back", "retry", "pay", "it is back", 0},
	{"resolve|g-1|--action|committed|--reason|r", "resolve", "-", "r", RESOLVE_COMMITTED},
	{"resolve|g-1|--action|rolled_back|--reason|r", "resolve", "-", "r", RESOLVE_ROLLED_BACK},
	{"resolve|g-1|--action|skip|--step|s|--reason|r", "resolve", "s", "r", RESOLVE_SKIP},
	{"skip|g-1|--step|s|--reason|r", "resolve", "s", "r", RESOLVE_SKIP},
	{"complete|g-1|s", "complete", "s", "-", 0},
	{"complete|g-1|s|--output|{\"a\": 1}", "complete", "s", "{\"a\":1}", 0},
	{"complete|g-1|s|--output|@in.json", "complete", "s", "{\"b\":[2]}", 0},
	{"fail|g-1|s|--reason|never signed", "fail", "s", "never signed", 0},
};

START_TEST(word_of_a_person_is_passed_on)
{
	write_file("in.json", "{\"b\": [2]}\n");
	ck_assert_int_eq(run_answered(acts[_i].line, ANSWER_UNFINISHED, SAGA("running")), CLI_DONE);
	ck_assert_str_eq(asked[0].what, acts[_i].what);
	ck_assert_str_eq(asked[0].gid, "g-1");
	ck_assert_str_eq(asked[0].step, acts[_i].step);
	ck_assert_str_eq(asked[0].text, acts[_i].text);
	ck_assert_int_eq(asked[0].action, acts[_i].action);
	HAS(out, "reserve");
	ck_assert_int_eq(run_answered(acts[_i].line, ANSWER_CONFLICT, "not stuck"), CLI_FAILED);
	HAS(err_out, "not stuck");
}
END_TEST

/* ---- workflows ---- */

START_TEST(publish_tells_the_version)
{
	ck_assert_int_eq(run_answered("publish|t.yaml", ANSWER_FINISHED,
				      "{\"workflow\":\"transfer\",\"version\":4,\"new\":true}"),
			 CLI_DONE);
	ck_assert_str_eq(asked[0].definition, TRANSFER);
	ck_assert_str_eq(out, "transfer@4\n");
	run_answered("publish|t.yaml", ANSWER_OK,
		     "{\"workflow\":\"transfer\",\"version\":4,\"new\":false}");
	ck_assert_str_eq(out, "transfer@4 (the same text: no new version)\n");
}
END_TEST

START_TEST(workflows_are_a_table)
{
	ck_assert_int_eq(
		run_answered(
			"workflows", ANSWER_OK,
			"{\"workflows\":[{\"workflow\":\"trip\",\"version\":1,\"active\":false,"
			"\"published\":\"2024-05-17T08:30:00.1Z\"},{\"workflow\":\"trip\","
			"\"version\":2,\"active\":true,\"published\":\"2024-05-18T08:30:00Z\"}]}"),
		CLI_DONE);
	HAS(out, "trip      1        -       2024-05-17T08:30:00Z\n");
	HAS(out, "trip      2        active  2024-05-18T08:30:00Z\n");
}
END_TEST

START_TEST(text_of_a_workflow_is_printed_as_it_was_published)
{
	ck_assert_int_eq(run_answered("workflow|trip@2", ANSWER_OK,
				      "{\"workflow\":\"trip\",\"text\":\"a: 1\\n\\tb\\n\"}"),
			 CLI_DONE);
	ck_assert_str_eq(asked[0].gid, "trip");
	ck_assert_uint_eq(asked[0].version, 2);
	ck_assert_str_eq(out, "a: 1\n\tb\n");
	run_answered("workflow|trip", ANSWER_OK, "{\"text\":\"\"}");
	ck_assert_uint_eq(asked[1].version, 0);
}
END_TEST

START_TEST(older_version_is_activated)
{
	ck_assert_int_eq(run_answered("activate|trip@2", ANSWER_OK, "{}"), CLI_DONE);
	ck_assert_str_eq(asked[0].what, "activate");
	ck_assert_str_eq(asked[0].gid, "trip");
	ck_assert_uint_eq(asked[0].version, 2);
	HAS(out, "trip@2 is active");
}
END_TEST

static TCase *all(void)
{
	TCase *t = tcase_create("commands of sagas");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, name_of_a_published_workflow_is_submitted);
	tcase_add_test(t, submit_watch_prints_what_happens_and_how_it_ends);
	tcase_add_loop_test(t, watch_ends_with_the_status_of_the_saga, 0,
			    sizeof saga_ends / sizeof saga_ends[0]);
	tcase_add_test(t, watch_goes_on_past_a_stuck_that_was_resolved);
	tcase_add_test(t, watch_outlives_a_restart_of_the_server);
	tcase_add_test(t, watch_stops_at_its_time_out);
	tcase_add_test(t, plain_transaction_is_watched_by_its_branches);
	tcase_add_test(t, events_are_printed_to_the_last);
	tcase_add_test(t, events_follow_to_the_end);
	tcase_add_test(t, events_as_json_are_the_answers_unchanged);
	tcase_add_test(t, terminal_is_not_driven_by_an_event);
	tcase_add_test(t, saga_is_shown_with_its_steps_and_branches);
	tcase_add_test(t, step_that_waits_for_an_agent_says_so);
	tcase_add_test(t, step_that_is_done_shows_what_it_gave);
	tcase_add_loop_test(t, word_of_a_person_is_passed_on, 0, sizeof acts / sizeof acts[0]);
	tcase_add_test(t, publish_tells_the_version);
	tcase_add_test(t, workflows_are_a_table);
	tcase_add_test(t, text_of_a_workflow_is_printed_as_it_was_published);
	tcase_add_test(t, older_version_is_activated);
	return t;
}

int main(void)
{
	static TCase *(*const cases[])(void) = {all};

	return run_suite("cli_sagas", cases, 1);
}
