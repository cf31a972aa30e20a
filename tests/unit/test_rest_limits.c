/* test_rest_limits.c - slow, idle, oversized and unwelcome clients, and the start
 * and end of the REST interface. */
#include "tests/unit/rest_fixture.h"

#include <sys/resource.h>

/* ---- one client does not disturb another ---- */

START_TEST(answers_come_back_in_any_order)
{
	const int a = dial(), b = dial();

	say_request(a, "GET", "/v1/transactions/a?wait=5s", "", "");
	await_asked(1);
	say_request(b, "GET", "/v1/transactions/b?wait=5s", "", "");
	await_asked(2);
	answer(asked[1].client, ANSWER_OK, "{\"gid\":\"b\"}", NULL);
	ck_assert_int_eq(hear(b), 200);
	ck_assert_str_eq(heard_body(), "{\"gid\":\"b\"}");
	answer(asked[0].client, ANSWER_OK, "{\"gid\":\"a\"}", NULL);
	ck_assert_int_eq(hear(a), 200);
	ck_assert_str_eq(heard_body(), "{\"gid\":\"a\"}");
	ck_assert_uint_eq(rest_busy(rest), 0);
	close(a);
	close(b);
}
END_TEST

START_TEST(requests_sent_at_once_are_answered_in_turn)
{
	const int fd = dial();

	say(fd, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
		"GET /v1/stats HTTP/1.1\r\nHost: localhost\r\n\r\n");
	ck_assert_int_eq(hear(fd), 200);
	answer(await_asked(1)->client, ANSWER_OK, "{\"n\":1}", NULL);
	if (strstr(heard, "\"n\"") == NULL)
		ck_assert_int_eq(hear(fd), 200);
	close(fd);
}
END_TEST

START_TEST(thousand_idle_connections_disturb_nobody)
{
	static int idle[1000];
	int fd;

	for (int i = 0; i < 1000; i++) {
		idle[i] = dial();
		pump(-1);
	}
	fd = dial();
	ck_assert_int_eq(ask(fd, "GET", "/healthz", "", ""), 200);
	ck_assert_int_eq(ask(idle[999], "GET", "/healthz", "", ""), 200);
	for (int i = 0; i < 1000; i++)
		close(idle[i]);
	ck_assert_int_eq(ask(fd, "GET", "/healthz", "", ""), 200);
	close(fd);
}
END_TEST

/* ---- time-outs ---- */

START_TEST(connection_that_asks_nothing_is_closed)
{
	const int fd = dial();

	ck_assert_int_eq(hear(fd), 0);
	ck_assert(closed);
	close(fd);
}
END_TEST

/* A byte now and then must not keep a connection: the deadline is of the whole. */
static void drip(const char *start)
{
	const int slow = dial(), other = dial();
	const uint64_t began = clock_mono_us(), until = deadline_us();
	char byte;
	ssize_t n;

	say(slow, start);
	do {
		ck_assert_int_eq(ask(other, "GET", "/healthz", "", ""), 200);
		send(slow, "x", 1, MSG_NOSIGNAL);
		pump(slow);
		n = recv(slow, &byte, 1, MSG_DONTWAIT);
		ck_assert(clock_mono_us() < until);
	} while (n < 0 && errno == EAGAIN);
	ck_assert(clock_mono_us() - began >= 200 * 1000);
	close(slow);
	close(other);
}

START_TEST(request_line_sent_a_byte_at_a_time_is_cut_off)
{
	drip("GET /");
}
END_TEST

START_TEST(headers_sent_a_byte_at_a_time_are_cut_off)
{
	drip("GET / HTTP/1.1\r\nX: ");
}
END_TEST

START_TEST(body_sent_a_byte_at_a_time_is_cut_off)
{
	drip("POST /v1/transactions HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
	     "4000000\r\n\r\n");
}
END_TEST

START_TEST(call_that_waits_for_the_engine_is_not_cut_off)
{
	const int fd = dial();
	const uint64_t until = clock_mono_us() + 700 * 1000;

	say_request(fd, "GET", "/v1/transactions/x?wait=5s", "", "");
	await_asked(1);
	while (clock_mono_us() < until) /* longer than every deadline of this server */
		pump(fd);
	answer(asked[0].client, ANSWER_OK, "{}", NULL);
	ck_assert_int_eq(hear(fd), 200);
	close(fd);
}
END_TEST

/* ---- caps ---- */

static char *long_body(size_t size)
{
	char *body = mem_new(size + 1, 1);

	memset(body, ' ', size);
	return body;
}

START_TEST(body_over_the_cap_is_413_and_the_connection_lives)
{
	char *body = long_body(5 << 20);
	const int fd = dial();

	ck_assert_int_eq(ask(fd, "POST", "/v1/transactions", "", body), 413);
	expect_detail("4 MiB");
	ck_assert_int_eq(ask(fd, "GET", "/healthz", "", ""), 200);
	free(body);
	close(fd);
}
END_TEST

START_TEST(chunked_body_over_the_cap_is_413)
{
	char *body = long_body(1 << 20);
	const int fd = dial();

	say(fd, "POST /v1/transactions HTTP/1.1\r\nHost: localhost\r\n"
		"Transfer-Encoding: chunked\r\n\r\n");
	for (int i = 0; i < 5; i++) {
		say(fd, "100000\r\n");
		say(fd, body);
		say(fd, "\r\n");
	}
	say(fd, "0\r\n\r\n");
	ck_assert_int_eq(hear(fd), 413);
	free(body);
	close(fd);
}
END_TEST

START_TEST(client_that_asks_before_it_sends_is_refused_at_once)
{
	const int fd = dial();

	say(fd, "POST /v1/transactions HTTP/1.1\r\nHost: localhost\r\n"
		"Expect: 100-continue\r\nContent-Length: 50000000\r\n\r\n");
	ck_assert_int_eq(hear(fd), 413);
	close(fd);
}
END_TEST

START_TEST(definition_or_input_over_a_mebibyte_is_refused)
{
	char *text = long_body((1 << 20) + 1);
	char *body = mem_printf("{\"definition\": \"%s\"}", text);
	const int fd = dial();

	ck_assert_int_eq(ask(fd, "POST", "/v1/transactions", "", body), 422);
	expect_detail("over 1 MiB");
	free(body);
	body = mem_printf("{\"definition\": \"x\", \"input\": {\"a\": \"%s\"}}", text);
	ck_assert_int_eq(ask(fd, "POST", "/v1/transactions", "", body), 422);
	expect_detail("over 1 MiB");
	free(body);
	free(text);
	close(fd);
}
END_TEST

START_TEST(headers_over_the_cap_are_refused)
{
	char *value = long_body(60000);
	const int fd = dial();
	char *text;

	memset(value, 'v', 60000);
	text = mem_printf("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: %s\r\n\r\n", value);
	say(fd, text);
	ck_assert_int_ne(hear(fd), 200);
	free(text);
	free(value);
	close(fd);
}
END_TEST

START_TEST(bytes_that_are_not_http_do_no_harm)
{
	const int fd = dial(), other = dial();

	say_bytes(fd, "\x16\x03\x01\0\xff\xfe\r\n\r\n", 10);
	ck_assert_int_ne(hear(fd), 200);
	ck_assert_int_eq(ask(other, "GET", "/healthz", "", ""), 200);
	close(fd);
	close(other);
}
END_TEST

START_TEST(client_that_leaves_while_it_waits_does_no_harm)
{
	const int fd = dial(), other = dial();

	say_request(fd, "GET", "/v1/transactions/x?wait=5s", "", "");
	await_asked(1);
	close(fd);
	ck_assert_int_eq(ask(other, "GET", "/healthz", "", ""), 200);
	answer(asked[0].client, ANSWER_OK, "{}", NULL);
	ck_assert_int_eq(ask(other, "GET", "/healthz", "", ""), 200);
	while (rest_busy(rest) > 0)
		pump(-1);
	close(other);
}
END_TEST

/* ---- who may call ---- */

static void start_with_token(void)
{
	settings.token = "0123456789abcdef";
	start_rest();
}

START_TEST(without_the_token_only_the_probes_answer)
{
	const int fd = dial();

	ck_assert_int_eq(ask(fd, "GET", "/v1/stats", "", ""), 401);
	ck_assert_ptr_nonnull(strstr(heard, "WWW-Authenticate: Bearer"));
	ck_assert_ptr_null(strstr(heard, "0123456789abcdef"));
	ck_assert_int_eq(
		ask(fd, "GET", "/v1/stats", "Authorization: Bearer 0123456789abcdeX\r\n", ""), 401);
	ck_assert_int_eq(ask(fd, "GET", "/nothing", "", ""), 401);
	ck_assert_int_eq(ask(fd, "POST", "/v1/transactions", "", "{}"), 401);
	ck_assert_int_eq(ask(fd, "GET", "/healthz", "", ""), 200);
	ck_assert_int_eq(ask(fd, "GET", "/readyz", "", ""), 200);
	ck_assert_uint_eq(n_asked, 0);
	say_request(fd, "GET", "/v1/stats", "Authorization: Bearer 0123456789abcdef\r\n", "");
	answer(await_asked(1)->client, ANSWER_OK, "{}", NULL);
	ck_assert_int_eq(hear(fd), 200);
	close(fd);
}
END_TEST

START_TEST(without_a_token_foreign_pages_are_refused)
{
	const int fd = dial();

	ck_assert_int_eq(ask(fd, "GET", "/healthz", "Origin: https://evil.example\r\n", ""), 403);
	ck_assert_int_eq(ask(fd, "GET", "/healthz", "Origin: null\r\n", ""), 403);
	ck_assert_int_eq(ask(fd, "GET", "/healthz", "Origin: http://localhost:7480\r\n", ""), 200);
	say(fd, "GET /healthz HTTP/1.1\r\nHost: evil.example:7480\r\n\r\n");
	ck_assert_int_eq(hear(fd), 403);
	say(fd, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:7480\r\n\r\n");
	ck_assert_int_eq(hear(fd), 200);
	say(fd, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\n\r\n");
	ck_assert_int_eq(hear(fd), 403);
	say(fd, "GET /healthz HTTP/1.1\r\nHost: [::1]:80\r\n\r\n");
	ck_assert_int_eq(hear(fd), 200);
	close(fd);
}
END_TEST

/* ---- opening and closing ---- */

START_TEST(wrong_or_open_addresses_are_refused)
{
	static const char *const wrong[] = {
		"7480",        "localhost",       "localhost:", ":7480",  "::1:7480",      "[::1",
		"127.0.0.1:x", "127.0.0.1:99999", "0.0.0.0:0",  "[::]:0", "no such host:1"};
	struct rest_settings s = settings;

	uv_loop_init(&loop);
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct err err = {0};

		s.listen = wrong[i];
		ck_assert_msg(rest_open(&loop, &s, &rest, &err) == RC_INVALID, "%s", wrong[i]);
		ck_assert_ptr_nonnull(strstr(err.text, wrong[i]));
	}
	uv_loop_close(&loop);
}
END_TEST

START_TEST(port_in_use_is_an_io_error)
{
	struct rest_settings s = settings;
	struct rest *second = NULL;
	struct err err = {0};

	start_rest();
	s.listen = rest_address(rest);
	ck_assert_int_eq(rest_open(&loop, &s, &second, &err), RC_IO);
	ck_assert_ptr_nonnull(strstr(err.text, "cannot listen on"));
	stop_rest();
}
END_TEST

START_TEST(before_it_serves_it_is_healthy_but_not_ready)
{
	int fd;

	open_rest();
	fd = dial();
	ck_assert_int_eq(ask(fd, "GET", "/healthz", "", ""), 200);
	ck_assert_int_eq(ask(fd, "GET", "/readyz", "", ""), 503);
	ck_assert_int_eq(ask(fd, "GET", "/v1/stats", "", ""), 503);
	ck_assert_ptr_nonnull(strstr(heard, "Retry-After"));
	rest_serve(rest, (struct engine *)&loop, want_turn, NULL);
	ck_assert_int_eq(ask(fd, "GET", "/readyz", "", ""), 200);
	close(fd);
	stop_rest();
}
END_TEST

START_TEST(quiesced_it_answers_open_calls_and_takes_no_new_connection)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	int fd, late;

	start_rest();
	fd = dial();
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	to.sin_port = htons((uint16_t)atoi(strrchr(rest_address(rest), ':') + 1));
	say_request(fd, "GET", "/v1/transactions/x?wait=5s", "", "");
	await_asked(1);
	ck_assert_uint_eq(rest_busy(rest), 1);
	rest_quiesce(rest);
	late = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_ne(connect(late, (struct sockaddr *)&to, sizeof to), 0);
	answer(asked[0].client, ANSWER_OK, "{}", NULL);
	ck_assert_int_eq(hear(fd), 200);
	ck_assert_ptr_nonnull(strstr(heard, "Connection: close"));
	ck_assert_int_eq(hear(fd), 0);
	ck_assert_uint_eq(rest_busy(rest), 0);
	close(fd);
	close(late);
	stop_rest();
}
END_TEST

START_TEST(closing_answers_those_who_wait)
{
	int fd;

	start_rest();
	fd = dial();
	say_request(fd, "GET", "/v1/transactions/x?wait=5s", "", "");
	await_asked(1);
	stop_rest();
	ck_assert_int_gt(recv(fd, heard, sizeof heard - 1, 0), 0);
	ck_assert_ptr_nonnull(strstr(heard, "503"));
	close(fd);
}
END_TEST

static void start_hasty(void)
{
	settings.idle_ms = settings.transfer_ms = 200;
	start_rest();
}

static TCase *clients(void)
{
	TCase *t = tcase_create("clients");

	tcase_add_checked_fixture(t, start_rest, stop_rest);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, answers_come_back_in_any_order);
	tcase_add_test(t, requests_sent_at_once_are_answered_in_turn);
	tcase_add_test(t, thousand_idle_connections_disturb_nobody);
	tcase_add_test(t, body_over_the_cap_is_413_and_the_connection_lives);
	tcase_add_test(t, chunked_body_over_the_cap_is_413);
	tcase_add_test(t, client_that_asks_before_it_sends_is_refused_at_once);
	tcase_add_test(t, definition_or_input_over_a_mebibyte_is_refused);
	tcase_add_test(t, headers_over_the_cap_are_refused);
	tcase_add_test(t, bytes_that_are_not_http_do_no_harm);
	tcase_add_test(t, client_that_leaves_while_it_waits_does_no_harm);
	tcase_add_test(t, without_a_token_foreign_pages_are_refused);
	return t;
}

static TCase *timeouts(void)
{
	TCase *t = tcase_create("timeouts");

	tcase_add_checked_fixture(t, start_hasty, stop_rest);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, connection_that_asks_nothing_is_closed);
	tcase_add_test(t, request_line_sent_a_byte_at_a_time_is_cut_off);
	tcase_add_test(t, headers_sent_a_byte_at_a_time_are_cut_off);
	tcase_add_test(t, body_sent_a_byte_at_a_time_is_cut_off);
	tcase_add_test(t, call_that_waits_for_the_engine_is_not_cut_off);
	return t;
}

static TCase *tokens(void)
{
	TCase *t = tcase_create("tokens");

	tcase_add_checked_fixture(t, start_with_token, stop_rest);
	tcase_add_test(t, without_the_token_only_the_probes_answer);
	return t;
}

static TCase *opening(void)
{
	TCase *t = tcase_create("opening");

	tcase_add_test(t, wrong_or_open_addresses_are_refused);
	tcase_add_test(t, port_in_use_is_an_io_error);
	tcase_add_test(t, before_it_serves_it_is_healthy_but_not_ready);
	tcase_add_test(t, quiesced_it_answers_open_calls_and_takes_no_new_connection);
	tcase_add_test(t, closing_answers_those_who_wait);
	return t;
}

int main(void)
{
	static TCase *(*const cases[])(void) = {clients, timeouts, tokens, opening};
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	return run_suite("rest_limits", cases, 4);
}
