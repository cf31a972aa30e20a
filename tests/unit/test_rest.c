/* test_rest.c - what the REST interface makes of requests, and of answers. */
#include "tests/unit/rest_fixture.h"

#include "coordinator/problem.h"

#include <nettle/sha2.h>

/* ---- submitting ---- */

/* Posts, and has the engine answer. */
static int post_answered(int fd, const char *body, enum answer_code code, const char *json)
{
	const size_t n = n_asked + 1;

	say_request(fd, "POST", "/v1/transactions", "", body);
	answer(await_asked(n)->client, code, json, json == NULL ? "because" : NULL);
	return hear(fd);
}

START_TEST(submission_is_handed_over_and_its_outcome_is_201)
{
	const int fd = dial();

	ck_assert_int_eq(post_answered(fd, BODY(", \"gid\": \"t-1\""), ANSWER_FINISHED,
				       "{\"status\":\"committed\"}"),
			 201);
	ck_assert_str_eq(asked[0].what, "submit");
	ck_assert_str_eq(asked[0].gid, "t-1");
	ck_assert(!asked[0].fresh);
	ck_assert_int_eq(asked[0].wait, WAIT_FINISHED);
	ck_assert_uint_eq(asked[0].wait_ms, 30000);
	ck_assert_str_eq(asked[0].text, "{\"from\":1,\"amount\":5}");
	ck_assert_str_eq(asked[0].definition, TRANSFER);
	ck_assert_ptr_nonnull(strstr(heard, "Location: /v1/transactions/t-1\r\n"));
	ck_assert_str_eq(heard_body(), "{\"status\":\"committed\"}");
	ck_assert_uint_ge(turns_wanted, 1);
	close(fd);
}
END_TEST

START_TEST(unfinished_is_202_with_a_location_and_a_made_gid)
{
	const int fd = dial();
	char location[128];

	ck_assert_int_eq(post_answered(fd, BODY(", \"wait\": \"decided\", \"timeout\": \"2s\""),
				       ANSWER_UNFINISHED, "{}"),
			 202);
	ck_assert(asked[0].fresh);
	ck_assert(id_valid(asked[0].gid, GID_MAX));
	ck_assert_int_eq(asked[0].wait, WAIT_DECIDED);
	ck_assert_uint_eq(asked[0].wait_ms, 2000);
	snprintf(location, sizeof location, "Location: /v1/transactions/%s\r\n", asked[0].gid);
	ck_assert_ptr_nonnull(strstr(heard, location));
	close(fd);
}
END_TEST

START_TEST(body_hash_ignores_order_wait_and_gid_but_not_input)
{
	static const char *const same[] = {
		"{\"input\": {\"amount\": 5, \"from\": 1}, \"gid\": \"x\", \"definition\": "
		"\"" TRANSFER_JSON "\"}",
		BODY(", \"wait\": \"accepted\""),
		BODY(", \"timeout\": \"1s\""),
	};
	const int fd = dial();
	unsigned char first[BODY_HASH_SIZE];

	post_answered(fd, BODY(""), ANSWER_FINISHED, "{}");
	memcpy(first, asked[0].hash, sizeof first);
	for (size_t i = 0; i < 3; i++) {
		ck_assert_int_eq(post_answered(fd, same[i], ANSWER_FINISHED, "{}"), 201);
		ck_assert_mem_eq(asked[i + 1].hash, first, sizeof first);
	}
	post_answered(fd,
		      "{\"definition\": \"" TRANSFER_JSON
		      "\", \"input\": {\"from\": 1, \"amount\": 6}}",
		      ANSWER_FINISHED, "{}");
	ck_assert_mem_ne(asked[4].hash, first, sizeof first);
	close(fd);
}
END_TEST

START_TEST(definition_may_be_an_object)
{
	const int fd = dial();

	ck_assert_int_eq(
		post_answered(
			fd,
			"{\"definition\": {\"workflow\": \"w\", \"steps\": [{\"name\": \"s\", "
			"\"atomic\": [{\"name\": \"b\", \"resource\": \"r\", \"operation\": "
			"\"o\", \"args\": {\"n\": 0.1}}]}]}}",
			ANSWER_FINISHED, "{}"),
		201);
	ck_assert_ptr_nonnull(strstr(asked[0].definition, "\"args\":{\"n\":0.1}"));
	ck_assert_str_eq(asked[0].text, "-");
	close(fd);
}
END_TEST

/* Written down: a later version must still know a gid that came back. */
START_TEST(body_hash_is_of_definition_and_input)
{
	const int fd = dial();
	unsigned char want[SHA256_DIGEST_SIZE];
	struct sha256_ctx sha;

	post_answered(fd, BODY(""), ANSWER_FINISHED, "{}");
	sha256_init(&sha);
	sha256_update(&sha, strlen(TRANSFER) + 1, (const uint8_t *)TRANSFER);
	sha256_update(&sha, 21, (const uint8_t *)"{\"amount\":5,\"from\":1}");
	sha256_digest(&sha, sizeof want, want);
	ck_assert_mem_eq(asked[0].hash, want, sizeof want);
	close(fd);
}
END_TEST

START_TEST(published_workflow_is_named_with_or_without_a_version)
{
	const int fd = dial();

	post_answered(fd, "{\"workflow\": \"book.trip\"}", ANSWER_FINISHED, "{}");
	ck_assert_str_eq(asked[0].definition, "book.trip");
	ck_assert_uint_eq(asked[0].version, 0);
	post_answered(fd, "{\"workflow\": \"book.trip@12\", \"input\": {\"a\": 0.1}}",
		      ANSWER_FINISHED, "{}");
	ck_assert_str_eq(asked[1].definition, "book.trip");
	ck_assert_uint_eq(asked[1].version, 12);
	ck_assert_mem_ne(asked[0].hash, asked[1].hash, BODY_HASH_SIZE);
	post_answered(fd, "{\"definition\": \"book.trip\"}", ANSWER_FINISHED, "{}");
	ck_assert_mem_ne(asked[0].hash, asked[2].hash, BODY_HASH_SIZE);
	close(fd);
}
END_TEST

START_TEST(engine_may_answer_from_inside_the_call)
{
	const int fd = dial();

	answer_at_once = true;
	ck_assert_int_eq(ask(fd, "GET", "/v1/stats", "", ""), 200);
	ck_assert_str_eq(heard_body(), "{\"at\":\"once\"}");
	ck_assert_int_eq(ask(fd, "GET", "/v1/agents", "", ""), 200);
	close(fd);
}
END_TEST

/* ---- refusals ---- */

static const struct {
	const char *body;
	int status;
	const char *detail, *member;
} bad_bodies[] = {
	{"", 400, "empty", NULL},
	{"{\"gid\": \"x\",\n nonsense}", 400, "not JSON", "\"line\":2"},
	{"{\"gid\": \"x\", \"gid\": \"y\"}", 400, "duplicate", "\"line\":1"},
	{"[1, 2]", 422, "object", NULL},
	{"{\"definition\": \"\xff\"}", 400, "not JSON", NULL},
	{BODY(", \"wiat\": \"finished\""), 422, "\"wiat\"", NULL},
	{BODY(", \"wait\": \"later\""), 422, "accepted, decided or finished", NULL},
	{BODY(", \"wait\": 7"), 422, "accepted, decided or finished", NULL},
	{BODY(", \"timeout\": 30"), 422, "duration", NULL},
	{BODY(", \"timeout\": \"6m\""), 422, "at most 5m", NULL},
	{BODY(", \"gid\": \"a b\""), 422, "gid", NULL},
	{BODY(", \"gid\": \"\""), 422, "gid", NULL},
	{BODY(", \"gid\": 12"), 422, "gid", NULL},
	{BODY(", \"gid\": \"settle.x\""), 422, "coordinator's own", "\"where\":\"gid\""},
	{BODY(", \"workflow\": \"transfer\""), 422, "not both", "\"where\":\"workflow\""},
	{"{\"workflow\": \"\"}", 422, "name@version", "\"where\":\"workflow\""},
	{"{\"workflow\": \"a b\"}", 422, "name@version", NULL},
	{"{\"workflow\": \"a@\"}", 422, "name@version", NULL},
	{"{\"workflow\": \"a@0\"}", 422, "name@version", NULL},
	{"{\"workflow\": \"a@1x\"}", 422, "name@version", NULL},
	{"{\"workflow\": \"a@4294967296\"}", 422, "name@version", NULL},
	{"{\"workflow\": "
	 "\"a234567890123456789012345678901234567890123456789012345678901234\"}",
	 422, "name@version", NULL},
	{"{\"workflow\": 7}", 422, "must be a text", "\"where\":\"workflow\""},
	{"{\"input\": {}}", 422, "definition: is missing", "\"where\":\"definition\""},
	{"{\"definition\": 7}", 422, "definition: must be", NULL},
	{"{\"definition\": \"" TRANSFER_JSON "\", \"input\": []}", 422, "input: must be", NULL},
	{"{\"definitoin\": \"x\"}", 422, "did you mean \"definition\"?", NULL},
};

START_TEST(wrong_body_is_refused_with_its_reason_and_place)
{
	const int fd = dial();

	ck_assert_int_eq(ask(fd, "POST", "/v1/transactions", "", bad_bodies[_i].body),
			 bad_bodies[_i].status);
	expect_detail(bad_bodies[_i].detail);
	if (bad_bodies[_i].member != NULL)
		ck_assert_msg(strstr(heard_body(), bad_bodies[_i].member) != NULL, "%s", heard);
	ck_assert_uint_eq(n_asked, 0);
	/* the connection is still good */
	ck_assert_int_eq(ask(fd, "GET", "/healthz", "", ""), 200);
	close(fd);
}
END_TEST

START_TEST(deeply_nested_json_is_refused)
{
	char *deep = mem_new(300001, 1);
	const int fd = dial();

	memset(deep, '[', 300000);
	ck_assert_int_eq(ask(fd, "POST", "/v1/transactions", "", deep), 400);
	memcpy(deep, "{\"definition\": ", 15);
	ck_assert_int_eq(ask(fd, "POST", "/v1/transactions", "", deep), 400);
	free(deep);
	close(fd);
}
END_TEST

START_TEST(definition_nested_to_the_parsers_limit_does_no_harm)
{
	enum { DEPTH = 2000 };
	char *body = mem_new(DEPTH * 6 + 64, 1), *p = body;
	const int fd = dial();

	p += sprintf(p, "{\"definition\": {\"workflow\": ");
	for (int i = 0; i < DEPTH; i++)
		p += sprintf(p, "[");
	for (int i = 0; i < DEPTH; i++)
		p += sprintf(p, "]");
	sprintf(p, "}}");
	ck_assert_int_eq(post_answered(fd, body, ANSWER_INVALID, NULL), 422);
	free(body);
	close(fd);
}
END_TEST

static const struct {
	const char *method, *path, *headers;
	int status;
	const char *part;
} bad_requests[] = {
	{"GET", "/", "", 404, "nothing at /"},
	{"GET", "/v1/transaction", "", 404, "nothing at"},
	{"GET", "/v1/transactions/", "", 404, "nothing at"},
	{"GET", "/v1/transactions/a%20b", "", 404, "nothing at"},
	{"GET", "/v1/transactions/a/b", "", 404, "nothing at"},
	{"GET",
	 "/v1/transactions/"
	 "x2345678901234567890123456789012345678901234567890123456789012345",
	 "", 404, ""},
	{"DELETE", "/v1/transactions/x", "", 405, "Allow: GET\r\n"},
	{"PUT", "/v1/transactions", "", 405, "Allow: POST, GET\r\n"},
	{"GET", "/v1/transactions/x/cancel", "", 405, "Allow: POST\r\n"},
	{"POST", "/v1/transactions", "Content-Type: text/yaml\r\n", 415, "text/yaml"},
	{"GET", "/v1/transactions?limit=0", "", 422, "limit"},
	{"GET", "/v1/transactions?limit=1001", "", 422, "limit"},
	{"GET", "/v1/transactions?limit=", "", 422, "limit"},
	{"GET", "/v1/transactions?limit=-5", "", 422, "limit"},
	{"GET", "/v1/transactions?status=done", "", 422, "rolled_back"},
	{"GET", "/v1/transactions?since=yesterday", "", 422, "since"},
	{"GET", "/v1/transactions?cursor=99999999999999999999999", "", 422, "cursor"},
	{"GET", "/v1/transactions?colour=red", "", 422, "colour"},
	{"GET", "/v1/transactions/x?wait=soon", "", 422, "wait"},
	{"GET", "/v1/transactions/x?wait=10m", "", 422, "5m"},
	{"GET", "/v1/stats?x=1", "", 422, "\\\"x\\\""},
};

START_TEST(wrong_request_is_refused)
{
	const int fd = dial();

	ck_assert_int_eq(ask(fd, bad_requests[_i].method, bad_requests[_i].path,
			     bad_requests[_i].headers, ""),
			 bad_requests[_i].status);
	ck_assert_msg(strstr(heard, bad_requests[_i].part) != NULL, "%s", heard);
	ck_assert_uint_eq(n_asked, 0);
	ck_assert_int_eq(ask(fd, "GET", "/healthz", "", ""), 200);
	close(fd);
}
END_TEST

/* What the engine says of a definition has its place in it. */
START_TEST(place_of_a_fault_in_the_definition_is_told)
{
	static const char object[] = "{\"definition\": {\"workflow\": \"w\"}}";
	char *place = problem_place("definition", 3, 7);
	const int fd = dial();

	say_request(fd, "POST", "/v1/transactions", "", BODY(""));
	answer(await_asked(1)->client, ANSWER_INVALID, place, "a step has no \"x\"");
	ck_assert_int_eq(hear(fd), 422);
	ck_assert_ptr_nonnull(strstr(heard, "\"where\":\"definition\",\"line\":3,\"column\":7"));
	expect_detail("a step has no \"x\"");
	/* of an object there are no lines */
	say_request(fd, "POST", "/v1/transactions", "", object);
	answer(await_asked(2)->client, ANSWER_INVALID, place, "a step has no \"x\"");
	ck_assert_int_eq(hear(fd), 422);
	ck_assert_ptr_nonnull(strstr(heard, "\"where\":\"definition\"}"));
	free(place);
	close(fd);
}
END_TEST

START_TEST(refusals_of_the_engine_become_problems)
{
	static const enum answer_code codes[] = {ANSWER_INVALID, ANSWER_CONFLICT, ANSWER_FULL,
						 ANSWER_FAILED, ANSWER_STOPPING};
	const int fd = dial();

	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
		ck_assert_int_eq(post_answered(fd, BODY(""), codes[i], NULL), codes[i]);
		expect_detail("because");
		ck_assert_ptr_null(strstr(heard, "Location"));
		if (codes[i] == ANSWER_FULL)
			ck_assert_ptr_nonnull(strstr(heard, "Retry-After: 1\r\n"));
	}
	close(fd);
}
END_TEST

/* ---- the other calls ---- */

START_TEST(long_poll_hands_its_wait_over)
{
	const int fd = dial();

	say_request(fd, "GET", "/v1/transactions/t-9?wait=5s", "", "");
	ck_assert_str_eq(await_asked(1)->gid, "t-9");
	ck_assert_uint_eq(asked[0].wait_ms, 5000);
	answer(asked[0].client, ANSWER_UNFINISHED, "{}", NULL);
	ck_assert_int_eq(hear(fd), 200);
	say_request(fd, "HEAD", "/v1/transactions/t-9", "", "");
	answer(await_asked(2)->client, ANSWER_NOT_FOUND, NULL, "no such transaction");
	close(fd);
}
END_TEST

START_TEST(list_filters_are_handed_over)
{
	const int fd = dial();

	say_request(fd, "GET",
		    "/v1/transactions?status=stuck&workflow=book%20trip&resource=bank-a&limit=7"
		    "&cursor=123&since=1970-01-01T00:00:01Z&until=1970-01-01T00:00:02Z",
		    "", "");
	ck_assert_str_eq(await_asked(1)->text, "stuck book trip bank-a");
	ck_assert_uint_eq(asked[0].query.limit, 7);
	ck_assert_uint_eq(asked[0].query.before_seq, 123);
	ck_assert_uint_eq(asked[0].query.since_us, 1000000);
	ck_assert_uint_eq(asked[0].query.until_us, 2000000);
	answer(asked[0].client, ANSWER_OK, "{}", NULL);
	ck_assert_int_eq(hear(fd), 200);
	say_request(fd, "GET", "/v1/transactions", "", "");
	ck_assert_uint_eq(await_asked(2)->query.limit, LIST_STANDARD);
	close(fd);
}
END_TEST

START_TEST(cancel_and_resolve_carry_their_reasons)
{
	const int fd = dial();

	say_request(fd, "POST", "/v1/transactions/t/cancel", "", "");
	ck_assert_str_eq(await_asked(1)->text, "-");
	answer(asked[0].client, ANSWER_UNFINISHED, "{}", NULL);
	ck_assert_int_eq(hear(fd), 202);
	say_request(fd, "POST", "/v1/transactions/t/cancel", "", "{\"reason\": \"typo\"}");
	ck_assert_str_eq(await_asked(2)->text, "typo");
	answer(asked[1].client, ANSWER_FINISHED, "{}", NULL);
	ck_assert_int_eq(hear(fd), 200);
	say_request(fd, "POST", "/v1/transactions/t/resolve", "",
		    "{\"action\": \"forget\", \"reason\": \"seen to\"}");
	ck_assert_str_eq(await_asked(3)->what, "resolve");
	ck_assert_int_eq(asked[2].action, RESOLVE_FORGET);
	ck_assert_str_eq(asked[2].text, "seen to");
	answer(asked[2].client, ANSWER_OK, "{}", NULL);
	ck_assert_int_eq(hear(fd), 200);
	ck_assert_int_eq(
		ask(fd, "POST", "/v1/transactions/t/resolve", "", "{\"action\": \"forget\"}"), 422);
	expect_detail("reason");
	ck_assert_int_eq(ask(fd, "POST", "/v1/transactions/t/resolve", "",
			     "{\"action\": \"give up\", \"reason\": \"x\"}"),
			 422);
	expect_detail("forget");
	ck_assert_int_eq(ask(fd, "POST", "/v1/transactions/t/cancel", "", "{\"reason\": 7}"), 422);
	close(fd);
}
END_TEST

START_TEST(openapi_names_every_path)
{
	static const char *const paths[] = {
		"/v1/transactions",
		"/v1/transactions/{gid}",
		"/v1/transactions/{gid}/events",
		"/v1/transactions/{gid}/cancel",
		"/v1/transactions/{gid}/retry",
		"/v1/transactions/{gid}/resolve",
		"/v1/transactions/{gid}/steps/{step}/complete",
		"/v1/transactions/{gid}/steps/{step}/fail",
		"/v1/workflows",
		"/v1/workflows/validate",
		"/v1/workflows/{name}",
		"/v1/workflows/{name}/activate",
		"/v1/agents",
		"/v1/resources",
		"/v1/stats",
		"/v1/openapi.json",
		"/metrics",
		"/healthz",
		"/readyz",
	};
	const int fd = dial();
	json_t *json, *known;

	ck_assert_int_eq(ask(fd, "GET", "/v1/openapi.json", "", ""), 200);
	json = heard_json();
	known = json_object_get(json, "paths");
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
		ck_assert_msg(json_object_get(known, paths[i]) != NULL, "%s", paths[i]);
	ck_assert_uint_eq(json_object_size(known), sizeof paths / sizeof paths[0]);
	json_decref(json);
	close(fd);
}
END_TEST

static TCase *requests(void)
{
	TCase *t = tcase_create("requests");

	tcase_add_checked_fixture(t, start_rest, stop_rest);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, submission_is_handed_over_and_its_outcome_is_201);
	tcase_add_test(t, unfinished_is_202_with_a_location_and_a_made_gid);
	tcase_add_test(t, body_hash_ignores_order_wait_and_gid_but_not_input);
	tcase_add_test(t, definition_may_be_an_object);
	tcase_add_test(t, body_hash_is_of_definition_and_input);
	tcase_add_test(t, published_workflow_is_named_with_or_without_a_version);
	tcase_add_test(t, engine_may_answer_from_inside_the_call);
	tcase_add_loop_test(t, wrong_body_is_refused_with_its_reason_and_place, 0,
			    sizeof bad_bodies / sizeof bad_bodies[0]);
	tcase_add_test(t, deeply_nested_json_is_refused);
	tcase_add_test(t, definition_nested_to_the_parsers_limit_does_no_harm);
	tcase_add_loop_test(t, wrong_request_is_refused, 0,
			    sizeof bad_requests / sizeof bad_requests[0]);
	tcase_add_test(t, place_of_a_fault_in_the_definition_is_told);
	tcase_add_test(t, refusals_of_the_engine_become_problems);
	tcase_add_test(t, long_poll_hands_its_wait_over);
	tcase_add_test(t, list_filters_are_handed_over);
	tcase_add_test(t, cancel_and_resolve_carry_their_reasons);
	tcase_add_test(t, openapi_names_every_path);
	return t;
}

int main(void)
{
	static TCase *(*const cases[])(void) = {requests};

	return run_suite("rest", cases, 1);
}
