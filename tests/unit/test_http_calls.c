/* test_http_calls.c - the HTTP adapter's calls of sagas: what is sent, what answers
 * mean, and services that misbehave. */
#include "tests/lib/http_rig.h"
#include "tests/lib/http_stub.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define SECRET "s3cr3t-Tok3n-abcdef"

static struct http_stub *stub;
static struct shop *shop;

static const char operations[] =
	"secrets:\n"
	"  TOKEN: {env: SETTLE_TEST_TOKEN}\n"
	"headers:\n"
	"  Authorization: \"Bearer {secret.TOKEN}\"\n"
	"operations:\n"
	"  hold:\n"
	"    args: [seat]\n"
	"    call:\n"
	"      method: PUT\n"
	"      path: /holds/{gid}/{step}\n"
	"      body: {seat: \"{seat}\", key: \"{key}\", step: \"{step}\"}\n"
	"  free:\n"
	"    call: {method: DELETE, path: \"/holds/{gid}/{step}\", gone: [404, 410]}\n"
	"  go:\n"
	"    timeout: 500ms\n"
	"    call: {path: /go}\n"
	"  wait:\n"
	"    timeout: 60s\n"
	"    call: {path: /wait}\n";

static void open_at(int port)
{
	char *config = textf("adapter: http\nbase: http://127.0.0.1:%d\nparallel: 2\n%s", port,
			     operations);

	if (shop != NULL)
		shop_close(shop);
	shop = shop_open(config);
	free(config);
}

static void setup(void)
{
	setenv("SETTLE_TEST_TOKEN", SECRET, 1);
	stub = http_stub_new();
	open_at(http_stub_port(stub));
}

static void teardown(void)
{
	if (shop != NULL)
		shop_close(shop);
	http_stub_free(stub);
}

static void sent(const char *path, const char *text)
{
	char *request = http_stub_last(stub, path);

	ck_assert_msg(request != NULL, "nothing came for %s", path);
	ck_assert_msg(strstr(request, text) != NULL, "no `%s` in: %s", text, request);
	free(request);
}

/* The value of a header of the last request, for free(). */
static char *header(const char *path, const char *name)
{
	char *request = http_stub_last(stub, path), *line, *value;

	ck_assert_ptr_nonnull(request);
	line = strcasestr(request, name);
	ck_assert_msg(line != NULL, "no %s in: %s", name, request);
	line += strlen(name) + 2;
	value = textf("%.*s", (int)strcspn(line, "\r\n"), line);
	free(request);
	return value;
}

static struct shop_call *go(const char *word, const char *says)
{
	struct shop_call *c = shop_do(shop, "g", "go", "{}");

	WORD(c, word);
	if (says != NULL)
		SAYS(c, says);
	return c;
}

/* ---- what is sent ---- */

START_TEST(resource_without_groups_needs_no_state)
{
	const struct resource_info info = shop_info(shop);

	ck_assert(info.calls && !info.groups && !info.exact && !info.one_phase);
	ck_assert_uint_eq(shop_list(shop)->n, 0);
	WORD(shop_prepare(shop, "g", "go", "{}"), "refused");
	WORD(shop_rollback(shop, "g"), "rolled-back");
}
END_TEST

START_TEST(request_says_whose_it_is)
{
	struct shop_call *c;

	RULE(stub, .path = "/holds", .body = "{\"hold\": 1.10}");
	c = shop_do(shop, "g.1", "hold", "{\"seat\": \"12A\"}");
	WORD(c, "done");
	ck_assert_str_eq(c->output, "{\"hold\": 1.10}");
	sent("/holds", "PUT /holds/g.1/st HTTP/1.1\r\n");
	sent("/holds", "\r\nIdempotency-Key: g.1/st/do\r\n");
	sent("/holds", "\r\nSettle-Gid: g.1\r\n");
	sent("/holds", "\r\nSettle-Step: st\r\n");
	sent("/holds", "\r\nSettle-Direction: do\r\n");
	sent("/holds", "\r\nSettle-Attempt: 1\r\n");
	sent("/holds", "\r\nAuthorization: Bearer " SECRET "\r\n");
	sent("/holds", "\r\n\r\n{\"seat\":\"12A\",\"key\":\"g.1/st/do\",\"step\":\"st\"}");
	WORD(shop_undo(shop, "g.1", "free", "{}"), "done");
	sent("/holds", "DELETE /holds/g.1/st HTTP/1.1\r\n");
	sent("/holds", "\r\nIdempotency-Key: g.1/st/undo\r\n");
	sent("/holds", "\r\nSettle-Direction: undo\r\n");
}
END_TEST

START_TEST(attempts_share_key_and_trace)
{
	struct adapter_call call = {
		.gid = "g", .step = "st", .attempt = 1, .operation = "go", .timeout_ms = 20000};
	char *first, *again, *second, *key;

	WORD(shop_call_in(shop, &call), "done");
	first = header("/go", "traceparent");
	/* The trace id is the beginning of SHA-256("g"). */
	ck_assert_msg(strncmp(first, "00-cd0aa9856147b6c5b4ff2b7dfee5da20-", 36) == 0, "%s", first);
	ck_assert_uint_eq(strlen(first), 55);
	ck_assert_str_eq(first + 52, "-01");
	WORD(shop_call_in(shop, &call), "done");
	again = header("/go", "traceparent");
	ck_assert_str_eq(again, first);
	call.attempt = 2;
	WORD(shop_call_in(shop, &call), "done");
	second = header("/go", "traceparent");
	ck_assert_int_eq(strncmp(second, first, 36), 0);
	ck_assert_str_ne(second, first);
	key = header("/go", "Idempotency-Key");
	ck_assert_str_eq(key, "g/st/do");
	free(first);
	free(again);
	free(second);
	free(key);
}
END_TEST

START_TEST(what_cannot_be_sent_is_refused)
{
	struct shop_call *c = shop_do(shop, "g", "none", "{}");

	WORD(c, "refused");
	SAYS(c, "resource shop has no operation none");
	c = shop_do(shop, "g", "hold", "{}");
	WORD(c, "refused");
	SAYS(c, "\"seat\" is missing");
	ck_assert_int_eq(http_stub_count(stub, "/"), 0);
}
END_TEST

/* ---- what answers mean ---- */

static const struct {
	int status;
	const char *headers, *word;
} statuses[] = {
	{200, NULL, "done"},
	{201, NULL, "done"},
	{204, NULL, "done"},
	{202, NULL, "pending"},
	{400, NULL, "refused"},
	{401, NULL, "refused"},
	{404, NULL, "refused"},
	{409, NULL, "refused"},
	{410, NULL, "refused"},
	{422, NULL, "refused"},
	{307, "Location: /other\r\n", "refused"},
	{408, NULL, "retry"},
	{425, NULL, "retry"},
	{429, NULL, "retry"},
	{503, "Retry-After: 2\r\n", "retry"},
	{500, NULL, "unknown"}, /* may have acted, as all that follow */
	{502, NULL, "unknown"},
	{503, NULL, "unknown"},
	{504, "Retry-After: 2\r\n", "unknown"},
	{304, NULL, "unknown"},
};

START_TEST(status_is_the_answer)
{
	struct shop_call *c;

	RULE(stub, .path = "/go", .status = statuses[_i].status, .headers = statuses[_i].headers);
	c = go(statuses[_i].word, NULL);
	ck_assert_uint_eq(c->retry_after_ms,
			  statuses[_i].headers != NULL && c->kind == RESULT_RETRY ? 2000 : 0);
	ck_assert(c->kind == RESULT_DONE || c->reason != NULL);
}
END_TEST

START_TEST(gone_is_done_for_a_compensation)
{
	RULE(stub, .path = "/holds", .status = 404);
	WORD(shop_undo(shop, "g", "free", "{}"), "done");
	WORD(shop_do(shop, "g", "free", "{}"), "refused");
	RULE(stub, .path = "/holds", .status = 409, .body = "{\"detail\": \"in use\"}");
	struct shop_call *c = shop_undo(shop, "g", "free", "{}");

	WORD(c, "refused");
	SAYS(c, "the service answered 409: in use");
}
END_TEST

static uint32_t told_to_wait(const char *headers)
{
	RULE(stub, .path = "/go", .status = 429, .headers = headers);
	return go("retry", "429")->retry_after_ms;
}

START_TEST(retry_after_is_passed_on)
{
	static const char format[] = "Retry-After: %a, %d %b %Y %H:%M:%S GMT\r\n";
	char future[100], past[100];
	time_t at = time(NULL) + 3000;
	uint32_t ms;

	strftime(future, sizeof future, format, gmtime(&at));
	at -= 6000;
	strftime(past, sizeof past, format, gmtime(&at));
	ck_assert_uint_eq(told_to_wait("Retry-After: 7\r\n"), 7000);
	ck_assert_uint_eq(told_to_wait("Retry-After: 99999999\r\n"), RETRY_AFTER_MAX_MS);
	ck_assert_uint_eq(told_to_wait("Retry-After: soon\r\n"), 0);
	ck_assert_uint_eq(told_to_wait("Retry-After: -5\r\n"), 0);
	ck_assert_uint_eq(told_to_wait(past), 0);
	ms = told_to_wait(future);
	ck_assert(ms > 2000 * 1000 && ms <= 3001 * 1000);
}
END_TEST

START_TEST(pending_names_the_service_words)
{
	RULE(stub, .path = "/go", .status = 202, .body = "{\"message\": \"in the queue\"}");
	go("pending", "in the queue");
}
END_TEST

START_TEST(body_that_lies_about_json_is_unknown)
{
	RULE(stub, .path = "/go", .headers = "Content-Type: application/json\r\n", .body = "<p>");
	go("unknown", "not JSON");
	RULE(stub, .path = "/go", .headers = "Content-Type: text/html\r\n", .body = "<p>");
	ck_assert_ptr_null(go("done", NULL)->output);
}
END_TEST

START_TEST(secrets_are_in_headers_and_nowhere_else)
{
	char *echo = textf("{\"detail\": \"what is Bearer %s?\"}", SECRET);
	char *path = temp_path("log-%d", (int)getpid()), *text;
	const int kept = dup(STDERR_FILENO);
	struct shop_call *c;

	NEED(freopen(path, "w", stderr), "cannot write %s", path);
	RULE(stub, .path = "/go", .status = 401, .body = echo);
	c = go("refused", "what is Bearer ***?");
	ck_assert_ptr_null(strstr(c->reason, SECRET));
	RULE(stub, .path = "/go", .manner = STUB_HANGUP);
	c = go("unknown", NULL);
	ck_assert_ptr_null(strstr(c->reason, SECRET));
	fflush(stderr);
	dup2(kept, STDERR_FILENO);
	close(kept);
	text = file_read(path);
	ck_assert_ptr_null(strstr(text, SECRET));
	free(text);
	free(path);
	free(echo);
}
END_TEST

/* ---- services that misbehave, or are not there ---- */

static const struct {
	enum stub_manner manner;
	const char *says;
} manners[] = {
	{STUB_SILENT, "was sent"}, {STUB_HANGUP, "was sent"}, {STUB_DRIP, "was sent"},
	{STUB_RESET, "was sent"},  {STUB_HEADS, NULL},
};

START_TEST(broken_answer_is_unknown)
{
	const int64_t from = clock_ms();

	RULE(stub, .path = "/go", .manner = manners[_i].manner);
	go("unknown", manners[_i].says);
	ck_assert_int_lt(clock_ms() - from, harness_patience_ms(10)); /* drips end as well */
}
END_TEST

START_TEST(gigabyte_is_cut_at_the_cap)
{
	struct rusage before, after;

	getrusage(RUSAGE_SELF, &before);
	RULE(stub, .path = "/wait", .manner = STUB_FLOOD);
	struct shop_call *c = shop_do(shop, "g", "wait", "{}");

	WORD(c, "unknown");
	SAYS(c, "too big");
	getrusage(RUSAGE_SELF, &after);
	ck_assert_int_lt(after.ru_maxrss - before.ru_maxrss, 64 << 10); /* KiB */
	RUN_UNTIL(shop, 10, http_stub_flooded(stub) > 0);
	ck_assert_uint_lt(http_stub_flooded(stub), 64 << 20);
}
END_TEST

START_TEST(deadline_of_the_call_counts_when_it_is_sooner)
{
	struct shop_call *c;

	RULE(stub, .path = "/wait", .manner = STUB_SILENT);
	c = shop_call_in(shop, &(struct adapter_call){.gid = "g",
						      .step = "st",
						      .attempt = 1,
						      .operation = "wait",
						      .timeout_ms = 300});
	WORD(c, "unknown");
}
END_TEST

START_TEST(nothing_listens)
{
	open_at(port_free());
	go("retry", "nothing was sent");
}
END_TEST

/* A kept connection was closed meanwhile, and libcurl sends again. */
START_TEST(turned_away_the_second_time_is_unknown)
{
	RULE(stub, .path = "/go", .manner = STUB_STALE, .status = 429);
	go("retry", NULL);
	go("unknown", NULL);
	ck_assert_int_eq(http_stub_count(stub, "/go"), 3);
}
END_TEST

START_TEST(actions_that_hang_leave_room_for_compensations)
{
	struct shop_call *hung[2], *late, *queued;

	RULE(stub, .path = "/wait", .manner = STUB_SILENT);
	hung[0] = shop_do(shop, "g1", "wait", "{}");
	hung[1] = shop_do(shop, "g2", "wait", "{}");
	RUN_UNTIL(shop, 10, http_stub_count(stub, "/wait") == 2);
	late = shop_call_in(shop, &(struct adapter_call){.gid = "g3",
							 .step = "st",
							 .attempt = 1,
							 .operation = "wait",
							 .timeout_ms = 200});
	WORD(late, "retry"); /* its turn did not come */
	SAYS(late, "parallel");
	WORD(shop_undo(shop, "g1", "free", "{}"), "done");
	queued = shop_do(shop, "g4", "wait", "{}");
	shop_cancel_call(shop, "g4", true); /* the other direction: nothing happens */
	shop_cancel_call(shop, "none", false);
	shop_cancel_call(shop, "g4", false);
	WORD(queued, "retry"); /* certainly not sent */
	ck_assert(!hung[0]->done && !hung[1]->done);
	shop_cancel_call(shop, "g1", false);
	WORD(hung[0], "unknown");
	shop_cancel_call(shop, "g2", false);
	WORD(hung[1], "unknown");
	ck_assert_int_eq(http_stub_count(stub, "/wait"), 2);
}
END_TEST

START_TEST(close_ends_what_is_out)
{
	struct shop_call *c;

	RULE(stub, .path = "/wait", .manner = STUB_SILENT);
	c = shop_do(shop, "g", "wait", "{}");
	RUN_UNTIL(shop, 10, http_stub_count(stub, "/wait") == 1);
	ck_assert(!c->done);
	shop_close(shop); /* checks that it was answered, and that nothing is left */
	shop = NULL;
}
END_TEST

/* ---- configuration ---- */

START_TEST(wrong_operations_are_refused)
{
	static const char *const bad[][2] = {
		{"{call: {path: \"/x/{branch}\"}}", "nor gid, step, key"},
		{"{read_only: true, prepare: {path: \"/x/{step}\"}}", "nor gid, branch, key"},
		{"{read_only: true, call: {path: /x}}", "prepare is missing"},
		{"{call: {path: /x}, prepare: {path: /x}}", "commit is missing"},
		{"{}", "needs `call`"},
		{"{call: {path: /x, headers: {Settle-Gid: x}}}", "set by the adapter"},
		{"{args: [step], call: {path: /x}}", "another name"},
		{"{call: {path: /x}, prepare: {path: /x}, commit: {path: /x}, rollback: {path: "
		 "/x}}",
		 "needs `state`"},
		{"{calls: {path: /x}}", "call"},
	};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		char *config =
			textf("adapter: http\nbase: http://a\noperations:\n  o: %s\n", bad[i][0]);
		struct err err = {0};

		ck_assert_ptr_null(shop_try_open(config, &err));
		ck_assert_msg(strstr(err.text, bad[i][1]) != NULL && err.line == 4, "%d: %s",
			      err.line, err.text);
		free(config);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("http_calls");
	TCase *tc = tcase_create("calls");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, resource_without_groups_needs_no_state);
	tcase_add_test(tc, request_says_whose_it_is);
	tcase_add_test(tc, attempts_share_key_and_trace);
	tcase_add_test(tc, what_cannot_be_sent_is_refused);
	tcase_add_loop_test(tc, status_is_the_answer, 0, sizeof statuses / sizeof statuses[0]);
	tcase_add_test(tc, gone_is_done_for_a_compensation);
	tcase_add_test(tc, retry_after_is_passed_on);
	tcase_add_test(tc, pending_names_the_service_words);
	tcase_add_test(tc, body_that_lies_about_json_is_unknown);
	tcase_add_test(tc, secrets_are_in_headers_and_nowhere_else);
	tcase_add_loop_test(tc, broken_answer_is_unknown, 0, sizeof manners / sizeof manners[0]);
	tcase_add_test(tc, gigabyte_is_cut_at_the_cap);
	tcase_add_test(tc, deadline_of_the_call_counts_when_it_is_sooner);
	tcase_add_test(tc, nothing_listens);
	tcase_add_test(tc, turned_away_the_second_time_is_unknown);
	tcase_add_test(tc, actions_that_hang_leave_room_for_compensations);
	tcase_add_test(tc, close_ends_what_is_out);
	tcase_add_test(tc, wrong_operations_are_refused);
	suite_add_tcase(suite, tc);
	return suite_run(suite, NULL, NULL);
}
