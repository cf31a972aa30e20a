/* test_rest_sagas.c - the calls about steps and workflows, the history, the metrics. */
#include "tests/unit/rest_fixture.h"

#include "coordinator/metrics.h"

#define HEARD(part) ck_assert_msg(strstr(heard, part) != NULL, "no %s in: %s", part, heard)

/* Asks, and has the engine answer. */
static int asked_answered(int fd, const char *method, const char *path, const char *body,
			  enum answer_code code, const char *json)
{
	const size_t n = n_asked + 1;

	say_request(fd, method, path, "", body);
	answer(await_asked(n)->client, code, json, json == NULL ? "because" : NULL);
	return hear(fd);
}

static const struct asked *last(void)
{
	return &asked[(n_asked - 1) % ASKED_MAX];
}

/* ---- a person's word ---- */

START_TEST(retry_is_of_one_step_or_of_all)
{
	const int fd = dial();

	ck_assert_int_eq(
		asked_answered(fd, "POST", "/v1/transactions/t/retry", "", ANSWER_OK, "{}"), 200);
	ck_assert_str_eq(last()->what, "retry");
	ck_assert_str_eq(last()->gid, "t");
	ck_assert_str_eq(last()->step, "-");
	ck_assert_str_eq(last()->text, "-");
	ck_assert_int_eq(asked_answered(fd, "POST", "/v1/transactions/t/retry",
					"{\"step\": \"pay\", \"reason\": \"bank is back\"}",
					ANSWER_UNFINISHED, "{}"),
			 202);
	ck_assert_str_eq(last()->step, "pay");
	ck_assert_str_eq(last()->text, "bank is back");
	close(fd);
}
END_TEST

START_TEST(resolve_has_four_actions)
{
	static const char *const words[] = {"forget", "skip", "committed", "rolled_back"};
	const int fd = dial();

	for (int i = 0; i < 4; i++) {
		char *body = mem_printf("{\"action\": \"%s\", \"reason\": \"by hand\"}", words[i]);

		ck_assert_int_eq(asked_answered(fd, "POST", "/v1/transactions/t/resolve", body,
						ANSWER_OK, "{}"),
				 200);
		ck_assert_int_eq(last()->action, i);
		ck_assert_str_eq(last()->text, "by hand");
		ck_assert_str_eq(last()->step, "-");
		free(body);
	}
	asked_answered(fd, "POST", "/v1/transactions/t/resolve",
		       "{\"action\": \"skip\", \"step\": \"mail\", \"reason\": \"x\"}",
		       ANSWER_CONFLICT, NULL);
	ck_assert_str_eq(last()->step, "mail");
	HEARD("because");
	close(fd);
}
END_TEST

START_TEST(pending_call_is_completed_or_failed)
{
	const int fd = dial();

	asked_answered(fd, "POST", "/v1/transactions/t.1/steps/sign-off/complete", "", ANSWER_OK,
		       "{}");
	ck_assert_str_eq(last()->what, "complete");
	ck_assert_str_eq(last()->gid, "t.1");
	ck_assert_str_eq(last()->step, "sign-off");
	ck_assert_str_eq(last()->text, "-");
	asked_answered(fd, "POST", "/v1/transactions/t.1/steps/sign-off/complete",
		       "{\"output\": {\"by\": \"ann\", \"rate\": 0.1}}", ANSWER_OK, "{}");
	ck_assert_str_eq(last()->text, "{\"by\":\"ann\",\"rate\":0.1}");
	asked_answered(fd, "POST", "/v1/transactions/t.1/steps/sign-off/fail",
		       "{\"reason\": \"not signed\"}", ANSWER_OK, "{}");
	ck_assert_str_eq(last()->what, "fail");
	ck_assert_str_eq(last()->text, "not signed");
	close(fd);
}
END_TEST

/* ---- workflows ---- */

START_TEST(workflow_file_is_published_as_it_is)
{
	static const char *const types[] = {"", "Content-Type: text/yaml; charset=utf-8\r\n",
					    "Content-Type: application/yaml\r\n",
					    "Content-Type: application/json\r\n"};
	const int fd = dial();

	for (size_t i = 0; i < 4; i++) {
		say_request(fd, "POST", "/v1/workflows", types[i], TRANSFER);
		answer(await_asked(i + 1)->client, i == 0 ? ANSWER_FINISHED : ANSWER_OK,
		       "{\"workflow\":\"transfer\",\"version\":1,\"new\":true}", NULL);
		ck_assert_int_eq(hear(fd), i == 0 ? 201 : 200);
		ck_assert_str_eq(last()->what, "publish");
		ck_assert_str_eq(last()->definition, TRANSFER);
		if (i == 0)
			HEARD("Location: /v1/workflows/transfer\r\n");
	}
	close(fd);
}
END_TEST

START_TEST(workflows_are_shown_and_activated)
{
	const int fd = dial();

	asked_answered(fd, "GET", "/v1/workflows", "", ANSWER_OK, "{}");
	ck_assert_str_eq(last()->what, "workflows");
	asked_answered(fd, "GET", "/v1/workflows/book.trip", "", ANSWER_OK, "{}");
	ck_assert_str_eq(last()->what, "workflow");
	ck_assert_str_eq(last()->gid, "book.trip");
	ck_assert_uint_eq(last()->version, 0);
	asked_answered(fd, "GET", "/v1/workflows/validate?version=3", "", ANSWER_NOT_FOUND, NULL);
	ck_assert_str_eq(last()->gid, "validate");
	ck_assert_uint_eq(last()->version, 3);
	asked_answered(fd, "POST", "/v1/workflows/trip/activate", "{\"version\": 2}", ANSWER_OK,
		       "{}");
	ck_assert_str_eq(last()->what, "activate");
	ck_assert_str_eq(last()->gid, "trip");
	ck_assert_uint_eq(last()->version, 2);
	close(fd);
}
END_TEST

START_TEST(validate_tells_every_problem_with_its_place)
{
	static const char bad[] = "workflow: x\nstepps: []\nsteps:\n  - {name: a, atomik: []}\n";
	const int fd = dial();
	json_t *json;

	ck_assert_int_eq(
		ask(fd, "POST", "/v1/workflows/validate", "Content-Type: text/yaml\r\n", TRANSFER),
		200);
	ck_assert_str_eq(heard_body(), "{\"valid\":true,\"problems\":[]}");
	ck_assert_int_eq(ask(fd, "POST", "/v1/workflows/validate", "", bad), 200);
	HEARD("\"valid\":false");
	HEARD("\"line\":2");
	HEARD("stepps");
	HEARD("\"line\":4");
	HEARD("atomik");
	json = heard_json();
	ck_assert_uint_ge(json_array_size(json_object_get(json, "problems")), 2);
	json_decref(json);
	ck_assert_int_eq(ask(fd, "POST", "/v1/workflows/validate", "", "\xff\xfe: ["), 200);
	HEARD("\"valid\":false");
	ck_assert_uint_eq(n_asked, 0);
	close(fd);
}
END_TEST

/* ---- refusals ---- */

#define T "/v1/transactions/t"
static const struct {
	const char *method, *path, *headers, *body;
	int status;
	const char *detail, *member;
} wrong[] = {
	{"POST", T "/retry", "", "{\"setp\": \"a\"}", 422, "did you mean \"step\"?", NULL},
	{"POST", T "/retry", "", "{\"step\": 7}", 422, "step: must be a text",
	 "\"where\":\"step\""},
	{"POST", T "/retry", "", "{\"step\": \"a.b\"}", 422, "name of a step", NULL},
	{"POST", T "/retry", "", "{\"reason\": []}", 422, "reason: must be a text",
	 "\"where\":\"reason\""},
	{"POST", T "/resolve", "", "", 400, "empty", NULL},
	{"POST", T "/resolve", "", "{\"reason\": \"x\"}", 422, "\"rolled_back\"",
	 "\"where\":\"action\""},
	{"POST", T "/resolve", "", "{\"action\": \"skip\"}", 422, "reason: is needed", NULL},
	{"POST", T "/resolve", "", "{\"action\": \"skip\", \"reason\": \"\"}", 422,
	 "reason: is needed", NULL},
	{"POST", T "/resolve", "",
	 "{\"action\": \"committed\", \"step\": \"a\", \"reason\": \"x\"}", 422,
	 "only with the action \"skip\"", "\"where\":\"step\""},
	{"POST", T "/steps/a/complete", "", "{\"output\": [1]}", 422, "output: must be an object",
	 "\"where\":\"output\""},
	{"POST", T "/steps/a/complete", "", "{\"ouput\": {}}", 422, "did you mean \"output\"?",
	 NULL},
	{"POST", T "/steps/a/fail", "", "{}", 422, "reason: is needed", NULL},
	{"POST", T "/steps/a.b.c/d/fail", "", "{}", 404, "nothing at", NULL},
	{"POST", T "/steps//fail", "", "{}", 404, "nothing at", NULL},
	{"GET", T "/steps/a/fail", "", "", 405, "takes POST", NULL},
	{"GET", T "/events?after=-1", "", "", 422, "after: must be a number", NULL},
	{"GET", T "/events?after=9223372036854775808", "", "", 422, "after: must be", NULL},
	{"GET", T "/events?wait=6m", "", "", 422, "at most 5m", NULL},
	{"GET", T "/events?afetr=1", "", "", 422, "did you mean \"after\"?", NULL},
	{"GET", T "/events?wait=5s", "Accept: text/event-stream\r\n", "", 422, "leave it out",
	 NULL},
	{"GET", T "/events", "Accept: text/event-stream\r\nLast-Event-ID: x\r\n", "", 422,
	 "id of an event", NULL},
	{"POST", "/v1/workflows", "", "", 400, "empty", NULL},
	{"POST", "/v1/workflows", "Content-Type: text/html\r\n", "x", 415, "text/yaml", NULL},
	{"POST", "/v1/workflows/validate", "", "", 400, "empty", NULL},
	{"POST", "/v1/workflows/x", "", "{}", 405, "takes GET", NULL},
	{"GET", "/v1/workflows/x?version=0", "", "", 422, "version: must be a number", NULL},
	{"POST", "/v1/workflows/x/activate", "", "{}", 422, "version: must be", NULL},
	{"POST", "/v1/workflows/x/activate", "", "{\"version\": 0}", 422, "version: must be", NULL},
	{"POST", "/v1/workflows/x/activate", "", "{\"version\": \"2\"}", 422, "version: must be",
	 "\"where\":\"version\""},
	{"POST", "/v1/workflows/x/activate", "Content-Type: text/yaml\r\n", "version: 2", 415,
	 "application/json, not", NULL},
};
#undef T

START_TEST(wrong_call_is_refused_with_its_reason)
{
	const int fd = dial();

	ck_assert_int_eq(
		ask(fd, wrong[_i].method, wrong[_i].path, wrong[_i].headers, wrong[_i].body),
		wrong[_i].status);
	expect_detail(wrong[_i].detail);
	if (wrong[_i].member != NULL)
		HEARD(wrong[_i].member);
	ck_assert_uint_eq(n_asked, 0);
	ck_assert_int_eq(ask(fd, "GET", "/healthz", "", ""), 200);
	close(fd);
}
END_TEST

START_TEST(texts_over_their_caps_are_refused)
{
	char *text = mem_new((1 << 20) + 2, 1), *body;
	const int fd = dial();

	memset(text, 'x', (1 << 20) + 1);
	ck_assert_int_eq(ask(fd, "POST", "/v1/workflows", "", text), 413);
	ck_assert_int_eq(ask(fd, "POST", "/v1/workflows/validate", "", text), 413);
	body = mem_printf("{\"output\": {\"a\": \"%s\"}}", text);
	ck_assert_int_eq(ask(fd, "POST", "/v1/transactions/t/steps/a/complete", "", body), 422);
	expect_detail("output: is over 1 MiB");
	free(body);
	text[1001] = '\0';
	body = mem_printf("{\"reason\": \"%s\"}", text);
	ck_assert_int_eq(ask(fd, "POST", "/v1/transactions/t/steps/a/fail", "", body), 422);
	expect_detail("over 1000 bytes");
	ck_assert_uint_eq(n_asked, 0);
	free(body);
	free(text);
	close(fd);
}
END_TEST

/* ---- the history ---- */

START_TEST(history_is_a_long_poll)
{
	const int fd = dial();

	say_request(fd, "GET", "/v1/transactions/t/events?after=7&wait=5s", "", "");
	ck_assert_str_eq(await_asked(1)->what, "events");
	ck_assert_uint_eq(asked[0].after, 7);
	ck_assert_uint_eq(asked[0].wait_ms, 5000);
	answer(asked[0].client, ANSWER_OK, "{\"events\":[],\"next\":7}", NULL);
	ck_assert_int_eq(hear(fd), 200);
	ck_assert_str_eq(heard_body(), "{\"events\":[],\"next\":7}");
	say_request(fd, "GET", "/v1/transactions/t/events", "", "");
	ck_assert_uint_eq(await_asked(2)->after, 0);
	ck_assert_uint_eq(asked[1].wait_ms, 0);
	close(fd);
}
END_TEST

/* ---- metrics ---- */

START_TEST(metrics_are_the_stats_for_prometheus)
{
	const int fd = dial();

	ck_assert_int_eq(
		asked_answered(fd, "GET", "/metrics", "", ANSWER_OK,
			       "{\"cluster\":\"a\\\"b\",\"epoch\":4,\"now\":{\"running\":1,"
			       "\"committing\":2,\"rolling_back\":3,\"stuck\":4},\"since_start\":{"
			       "\"begun\":10,\"committed\":5,\"rolled_back\":6,\"hazards\":0},"
			       "\"steps\":{\"attempts\":7,\"retried\":8,\"undone\":9},"
			       "\"agents_connected\":2}"),
		200);
	ck_assert_str_eq(last()->what, "stats");
	HEARD("Content-Type: text/plain; version=0.0.4");
	HEARD("cluster=\"a_b\"} 1\n");
	HEARD("# TYPE settle_transactions gauge\nsettle_transactions{status=\"running\"} 1\n"
	      "settle_transactions{status=\"committing\"} 2\n");
	HEARD("settle_transactions{status=\"stuck\"} 4\n");
	HEARD("# TYPE settle_transactions_finished_total counter\n"
	      "settle_transactions_finished_total{status=\"committed\"} 5\n"
	      "settle_transactions_finished_total{status=\"rolled_back\"} 6\n");
	HEARD("settle_step_attempts_total 7\n");
	HEARD("settle_step_retries_total 8\n");
	HEARD("settle_steps_undone_total 9\n");
	HEARD("settle_agents_connected 2\n");
	close(fd);
}
END_TEST

START_TEST(metrics_leave_out_what_is_not_known)
{
	json_t *stats = json_loads("{\"now\":{\"stuck\":1},\"epoch\":\"x\"}", 0, NULL);
	char *text = metrics_text(stats);

	ck_assert_ptr_nonnull(strstr(text, "settle_transactions{status=\"stuck\"} 1\n"));
	ck_assert_ptr_null(strstr(text, "running"));
	ck_assert_ptr_null(strstr(text, "epoch"));
	free(text);
	json_decref(stats);
	text = metrics_text(NULL);
	ck_assert_ptr_nonnull(strstr(text, "settle_info"));
	free(text);
}
END_TEST

static TCase *calls(void)
{
	TCase *t = tcase_create("calls");

	tcase_add_checked_fixture(t, start_rest, stop_rest);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, retry_is_of_one_step_or_of_all);
	tcase_add_test(t, resolve_has_four_actions);
	tcase_add_test(t, pending_call_is_completed_or_failed);
	tcase_add_test(t, workflow_file_is_published_as_it_is);
	tcase_add_test(t, workflows_are_shown_and_activated);
	tcase_add_test(t, validate_tells_every_problem_with_its_place);
	tcase_add_loop_test(t, wrong_call_is_refused_with_its_reason, 0,
			    sizeof wrong / sizeof wrong[0]);
	tcase_add_test(t, texts_over_their_caps_are_refused);
	tcase_add_test(t, history_is_a_long_poll);
	tcase_add_test(t, metrics_are_the_stats_for_prometheus);
	tcase_add_test(t, metrics_leave_out_what_is_not_known);
	return t;
}

int main(void)
{
	static TCase *(*const cases[])(void) = {calls};

	return run_suite("rest_sagas", cases, 1);
}
