/* test_http.c - the HTTP adapter's branches: what is sent, what answers mean, what the
 * ledger keeps. */
#include "tests/lib/http_rig.h"
#include "tests/lib/http_stub.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SECRET "s3cr3t-Tok3n-abcdef"
#define ARGS   "{\"seat\": \"12A\", \"price\": 10.50, \"note\": \"x\"}"

static struct http_stub *stub;
static struct shop *shop;
static char *state;

static const char operations[] =
	"secrets:\n"
	"  TOKEN: {env: SETTLE_TEST_TOKEN}\n"
	"headers:\n"
	"  Authorization: \"Bearer {secret.TOKEN}\"\n"
	"operations:\n"
	"  hold:\n"
	"    args: [seat, price, note]\n"
	"    timeout: 3s\n"
	"    prepare:\n"
	"      method: POST\n"
	"      path: /seats/{seat}/hold?for={note}\n"
	"      body: {hold: \"{key}\", price: \"{price}\", seat: \"{seat}\", n: 3, s: \"3\",\n"
	"             text: \"for {note}, {price}; {{}}\", list: [\"{note}\", true, null]}\n"
	"    commit: {method: PUT, path: \"/holds/{key}\", gone: [404, 410]}\n"
	"    rollback: {method: DELETE, path: \"/holds/{key}\", gone: [404, 410]}\n"
	"  noted:\n"
	"    args: [note]\n"
	"    prepare: {path: /notes, headers: {X-Note: \"<{note}>\", Accept: text/plain}}\n"
	"    commit: {path: \"/notes/{gid}/commit\"}\n"
	"    rollback: {path: \"/notes/{branch}/rollback\"}\n"
	"  look:\n"
	"    args: [seat]\n"
	"    read_only: true\n"
	"    prepare: {method: GET, path: \"/seats/{seat}\"}\n";

static struct shop *open_with(const char *more)
{
	char *config = textf("adapter: http\nbase: http://127.0.0.1:%d/api/\nstate: %s\n%s%s",
			     http_stub_port(stub), state, more, operations);
	struct shop *s = shop_open(config);

	free(config);
	return s;
}

static void setup(void)
{
	setenv("SETTLE_TEST_TOKEN", SECRET, 1);
	stub = http_stub_new();
	state = temp_path("ledger-%d", (int)getpid());
	shop = open_with("parallel: 4\n");
}

static void teardown(void)
{
	shop_close(shop);
	http_stub_free(stub);
	free(state);
}

static void sent(const char *path, const char *text)
{
	char *request = http_stub_last(stub, path);

	ck_assert_msg(request != NULL, "nothing came for %s", path);
	ck_assert_msg(strstr(request, text) != NULL, "no `%s` in: %s", text, request);
	free(request);
}

static size_t listed(void)
{
	const struct shop_call *list = shop_list(shop);

	ck_assert_int_eq(list->rc, RC_OK);
	return list->n;
}

/* ---- the way it goes well ---- */

START_TEST(hold_is_made_and_confirmed)
{
	struct shop_call *c;

	RULE(stub, .path = "/api/seats", .status = 201, .body = "{\"hold\": 5}");
	c = shop_prepare(shop, "g1", "hold", ARGS);
	WORD(c, "prepared");
	ck_assert_str_eq(c->output, "{\"hold\": 5}");
	ck_assert_ptr_null(c->reason);
	ck_assert_uint_eq(listed(), 1);
	ck_assert_str_eq(shop_list(shop)->branches[0], "7 g1 s.b");
	c = shop_commit(shop, "g1", false);
	WORD(c, "committed");
	ck_assert_ptr_null(c->output);
	ck_assert_uint_eq(listed(), 0);
	WORD(shop_commit(shop, "g1", true), "committed");
	ck_assert_int_eq(http_stub_count(stub, "/api/holds"), 1);
	sent("/api/holds", "PUT /api/holds/settle%3Atest%3A7%3Ag1%3As.b HTTP/1.1\r\n");
}
END_TEST

START_TEST(hold_is_made_and_released)
{
	WORD(shop_prepare(shop, "g2", "hold", ARGS), "prepared");
	WORD(shop_rollback(shop, "g2"), "rolled-back");
	WORD(shop_rollback(shop, "g2"), "rolled-back");
	ck_assert_int_eq(http_stub_count(stub, "/api/holds"), 1);
	sent("/api/holds", "DELETE /api/holds/settle%3Atest%3A7%3Ag2%3As.b HTTP/1.1\r\n");
	ck_assert_uint_eq(listed(), 0);
	WORD(shop_prepare(shop, "g2", "hold", ARGS), "refused");
}
END_TEST

START_TEST(requests_carry_what_the_file_says)
{
	static const char path[] = "/api/seats";

	WORD(shop_prepare(shop, "g3", "hold",
			  "{\"seat\": \"1/2 \\u00e4?\", \"price\": 12345678901234567890.10, "
			  "\"note\": \"a\\\"b&c=d\"}"),
	     "prepared");
	sent(path, "POST /api/seats/1%2F2%20%C3%A4%3F/hold?for=a%22b%26c%3Dd HTTP/1.1\r\n");
	sent(path, "\r\nContent-Type: application/json\r\n");
	sent(path, "\r\nAccept: application/json\r\n");
	sent(path, "\r\nAuthorization: Bearer " SECRET "\r\n");
	sent(path, "\r\nIdempotency-Key: settle:test:7:g3:s.b:prepare\r\n");
	sent(path, "{\"hold\":\"settle:test:7:g3:s.b\",\"price\":12345678901234567890.10,"
		   "\"seat\":\"1/2 \\u00e4?\",\"n\":3,\"s\":\"3\","
		   "\"text\":\"for a\\\"b&c=d, 12345678901234567890.10; {}\","
		   "\"list\":[\"a\\\"b&c=d\",true,null]}");
	WORD(shop_rollback(shop, "g3"), "rolled-back");
	sent("/api/holds", "\r\nIdempotency-Key: settle:test:7:g3:s.b:rollback\r\n");
	sent("/api/holds", "\r\nAuthorization: Bearer " SECRET "\r\n");
}
END_TEST

START_TEST(branches_of_a_transaction_share_a_trace)
{
	char *a, *b, *at, *bt;

	WORD(shop_prepare(shop, "g4", "hold", ARGS), "prepared");
	WORD(shop_commit(shop, "g4", false), "committed");
	a = http_stub_last(stub, "/api/seats");
	b = http_stub_last(stub, "/api/holds");
	at = strstr(a, "\r\ntraceparent: 00-");
	bt = strstr(b, "\r\ntraceparent: 00-");
	ck_assert_ptr_nonnull(at);
	ck_assert_ptr_nonnull(bt);
	ck_assert_uint_eq(strspn(at + 18, "0123456789abcdef"), 32);
	ck_assert_uint_eq(strspn(at + 51, "0123456789abcdef"), 16);
	ck_assert_mem_eq(at + 67, "-01\r\n", 5);
	ck_assert_mem_eq(at, bt, 50);           /* the trace … */
	ck_assert_mem_ne(at + 51, bt + 51, 16); /* … and the spans */
	free(a);
	free(b);
}
END_TEST

START_TEST(reading_leaves_nothing)
{
	struct shop_call *c;

	RULE(stub, .path = "/api/seats/7", .body = "[1]");
	RULE(stub, .path = "/api/seats/8", .status = 500);
	c = shop_read(shop, "g5", "look", "{\"seat\": 7}");
	WORD(c, "read-only");
	ck_assert_str_eq(c->output, "[1]");
	WORD(shop_prepare(shop, "g5", "look", "{\"seat\": 7}"), "read-only");
	WORD(shop_read(shop, "g6", "look", "{\"seat\": 8}"), "retry");
	c = shop_read(shop, "g7", "hold", ARGS);
	WORD(c, "refused");
	SAYS(c, "not read_only");
	ck_assert_uint_eq(listed(), 0);
	ck_assert_int_eq(http_stub_count(stub, "/"), 3);
}
END_TEST

START_TEST(connections_are_kept)
{
	char gid[16];

	for (int i = 0; i < 20; i++) {
		snprintf(gid, sizeof gid, "g8-%d", i);
		WORD(shop_prepare(shop, gid, "hold", ARGS), "prepared");
		WORD(shop_commit(shop, gid, false), "committed");
	}
	ck_assert_int_eq(http_stub_count(stub, "/"), 40);
	ck_assert_int_le(http_stub_connections(stub), 2);
}
END_TEST

/* ---- what a status means ---- */

static const struct {
	int status;
	const char *prepare, *first, *again, *rollback;
} statuses[] = {
	{200, "prepared", "committed", "committed", "rolled-back"},
	{204, "prepared", "committed", "committed", "rolled-back"},
	{202, "unknown", "unknown", "unknown", "unknown"},
	{301, "unknown", "unknown", "unknown", "unknown"},
	{308, "refused", "unknown", "unknown", "unknown"},
	{400, "refused", "unknown", "unknown", "unknown"},
	{401, "refused", "unknown", "unknown", "unknown"},
	{404, "refused", "hazard", "committed", "rolled-back"},
	{408, "unknown", "unknown", "unknown", "unknown"},
	{409, "refused", "unknown", "unknown", "unknown"},
	{410, "refused", "hazard", "committed", "rolled-back"},
	{422, "refused", "unknown", "unknown", "unknown"},
	{425, "unknown", "unknown", "unknown", "unknown"},
	{429, "unknown", "unknown", "unknown", "unknown"},
	{500, "unknown", "unknown", "unknown", "unknown"},
	{503, "unknown", "unknown", "unknown", "unknown"},
};

START_TEST(status_says_how_a_phase_ended)
{
	const int status = statuses[_i].status;
	struct shop_call *c;

	for (int i = 0; i < 3; i++) { /* prepared while all is well */
		char gid[16];

		snprintf(gid, sizeof gid, "ok-%d", i);
		WORD(shop_prepare(shop, gid, "hold", ARGS), "prepared");
	}
	RULE(stub, .path = "/api", .status = status);
	c = shop_prepare(shop, "g", "hold", ARGS);
	WORD(c, statuses[_i].prepare);
	if (status != 200 && status != 204) {
		char *text = textf("answered %d", status);

		SAYS(c, text);
		free(text);
	}
	/* What was refused is over, what is unknown is still there. */
	ck_assert_uint_eq(listed(), strcmp(statuses[_i].prepare, "refused") == 0 ? 3 : 4);
	WORD(shop_commit(shop, "ok-0", false), statuses[_i].first);
	WORD(shop_commit(shop, "ok-1", true), statuses[_i].again);
	WORD(shop_rollback(shop, "ok-2"), statuses[_i].rollback);
	RULE(stub, .path = "/api", .status = 200); /* an unknown one is not the last word */
	if (strcmp(statuses[_i].first, "unknown") == 0)
		WORD(shop_commit(shop, "ok-0", true), "committed");
	if (strcmp(statuses[_i].rollback, "unknown") == 0)
		WORD(shop_rollback(shop, "ok-2"), "rolled-back");
	if (strcmp(statuses[_i].prepare, "refused") != 0)
		WORD(shop_rollback(shop, "g"), "rolled-back");
}
END_TEST

START_TEST(refusal_has_the_words_of_the_service)
{
	struct shop_call *c;

	RULE(stub, .path = "/api/seats", .status = 409, .body = "{\"detail\": \"seat\\ntaken\"}");
	c = shop_prepare(shop, "g1", "hold", ARGS);
	WORD(c, "refused");
	ck_assert_str_eq(c->reason, "the service answered 409: seat taken");
	RULE(stub, .path = "/api/seats", .status = 503, .headers = "Retry-After: 30\r\n");
	c = shop_prepare(shop, "g2", "hold", ARGS);
	WORD(c, "unknown");
	ck_assert_str_eq(c->reason, "the service answered 503 (to be tried again after 30 s)");
	RULE(stub, .path = "/api/seats", .status = 202);
	c = shop_prepare(shop, "g3", "hold", ARGS);
	WORD(c, "unknown");
	SAYS(c, "must be done when it is answered");
}
END_TEST

START_TEST(body_that_is_no_json_is_no_output)
{
	struct shop_call *c;

	RULE(stub, .path = "/api/seats", .body = "<html>fine</html>");
	c = shop_prepare(shop, "g1", "hold", ARGS);
	WORD(c, "prepared");
	ck_assert_ptr_null(c->output);
	RULE(stub, .path = "/api/seats", .headers = "Content-Type: application/json\r\n",
	     .body = "{\"broken\": ");
	c = shop_prepare(shop, "g2", "hold", ARGS);
	WORD(c, "unknown");
	SAYS(c, "not JSON");
}
END_TEST

/* ---- what must not get through ---- */

static void refused(const char *op, const char *args, const char *why)
{
	struct shop_call *c = shop_prepare(shop, "bad", op, args);

	WORD(c, "refused");
	SAYS(c, why);
	ck_assert_uint_eq(listed(), 0);
	ck_assert_int_eq(http_stub_count(stub, "/"), 0);
}

START_TEST(values_cannot_become_more_than_values)
{
	refused("noted", "{\"note\": \"a\\r\\nX-Evil: 1\"}", "control character");
	refused("noted", "{\"note\": \"a\\nb\"}", "control character");
	refused("noted", "{\"note\": {\"a\": 1}}", "an object");
	refused("hold", "{\"seat\": \"..\", \"price\": 1, \"note\": \"x\"}", "another path");
	refused("hold", "{\"seat\": \"\", \"price\": 1, \"note\": \"x\"}", "another path");
	refused("hold", "{\"seat\": null, \"price\": 1, \"note\": \"x\"}", "null");
	refused("hold", "{\"seat\": \"1\", \"price\": 1}", "\"note\" is missing");
	refused("hold", "{\"seat\": 1, \"price\": 1, \"note\": 1, \"x\": 1}", "no argument");
	refused("hold", "[1]", "must be a JSON object");
	refused("hold", "{\"seat\": 1,", "not valid JSON");
	refused("nothing", "{}", "no operation nothing");
	WORD(shop_prepare(shop, "g1", "noted", "{\"note\": \"a: b\"}"), "prepared");
	sent("/api/notes", "\r\nX-Note: <a: b>\r\n");
	sent("/api/notes", "\r\nAccept: text/plain\r\n");
	sent("/api/notes", "\r\nContent-Length: 0\r\n");
}
END_TEST

START_TEST(secrets_are_in_headers_and_nowhere_else)
{
	char *echo = textf("{\"detail\": \"what is Bearer %s, %.12s\"}", SECRET, SECRET);
	char *plain = textf("%0290d" SECRET SECRET, 0);
	struct shop_call *c;

	RULE(stub, .path = "/api/seats", .status = 401, .body = echo);
	c = shop_prepare(shop, "g1", "hold", ARGS);
	WORD(c, "refused");
	SAYS(c, "what is Bearer ***");
	ck_assert_ptr_null(strstr(c->reason, SECRET));
	RULE(stub, .path = "/api/seats", .status = 500, .body = plain);
	c = shop_prepare(shop, "g2", "hold", ARGS);
	WORD(c, "unknown");
	ck_assert_ptr_null(strstr(c->reason, "s3cr3t")); /* not even where it is cut */
	free(echo);
	free(plain);
}
END_TEST

/* ---- the ledger ---- */

START_TEST(restart_finds_what_was_prepared)
{
	WORD(shop_prepare(shop, "g1", "hold", ARGS), "prepared");
	WORD(shop_prepare(shop, "g2", "hold", ARGS), "prepared");
	RULE(stub, .path = "/api/seats", .manner = STUB_HANGUP);
	WORD(shop_prepare(shop, "g3", "hold", ARGS), "unknown");
	shop_close(shop);
	shop = open_with("");
	ck_assert_uint_eq(listed(), 3);
	WORD(shop_commit(shop, "g1", false), "committed");
	WORD(shop_rollback(shop, "g2"), "rolled-back");
	WORD(shop_rollback(shop, "g3"), "rolled-back");
	ck_assert_int_eq(http_stub_count(stub, "/api/holds/settle%3Atest%3A7%3Ag"), 3);
	ck_assert_uint_eq(listed(), 0);
}
END_TEST

START_TEST(close_in_the_middle_leaves_the_try_in_the_ledger)
{
	struct shop_call *c;

	RULE(stub, .path = "/api/seats", .manner = STUB_SILENT);
	c = shop_prepare(shop, "g1", "hold", ARGS);
	RUN_UNTIL(shop, 10, http_stub_count(stub, "/api/seats") == 1);
	ck_assert(!c->done);
	shop_close(shop); /* fails unless it is answered */
	shop = open_with("");
	ck_assert_uint_eq(listed(), 1);
	WORD(shop_rollback(shop, "g1"), "rolled-back");
}
END_TEST

START_TEST(branches_that_are_not_there)
{
	WORD(shop_commit(shop, "none", false), "hazard");
	WORD(shop_commit(shop, "none", true), "committed");
	WORD(shop_rollback(shop, "never"), "rolled-back");
	WORD(shop_prepare(shop, "never", "hold", ARGS), "refused");
	WORD(shop_prepare(shop, "g1", "hold", ARGS), "prepared");
	WORD(shop_prepare(shop, "g1", "hold", ARGS), "unknown");
	WORD(shop_commit(shop, "g1", false), "committed");
	WORD(shop_rollback(shop, "g1"), "hazard");
	ck_assert_int_eq(http_stub_count(stub, "/api"), 2);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("http");
	TCase *tc = tcase_create("branches");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, hold_is_made_and_confirmed);
	tcase_add_test(tc, hold_is_made_and_released);
	tcase_add_test(tc, requests_carry_what_the_file_says);
	tcase_add_test(tc, branches_of_a_transaction_share_a_trace);
	tcase_add_test(tc, reading_leaves_nothing);
	tcase_add_test(tc, connections_are_kept);
	tcase_add_loop_test(tc, status_says_how_a_phase_ended, 0,
			    sizeof statuses / sizeof statuses[0]);
	tcase_add_test(tc, refusal_has_the_words_of_the_service);
	tcase_add_test(tc, body_that_is_no_json_is_no_output);
	tcase_add_test(tc, values_cannot_become_more_than_values);
	tcase_add_test(tc, secrets_are_in_headers_and_nowhere_else);
	tcase_add_test(tc, restart_finds_what_was_prepared);
	tcase_add_test(tc, close_in_the_middle_leaves_the_try_in_the_ledger);
	tcase_add_test(tc, branches_that_are_not_there);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return suite_run(suite(), NULL, NULL);
}
