/* test_rest_stream.c - the history of a transaction as a live stream. */
#include "tests/unit/rest_fixture.h"

#define HEARD(part) ck_assert_msg(strstr(heard, part) != NULL, "no %s in: %s", part, heard)

static int open_stream(const char *query, const char *headers)
{
	const int fd = dial();
	char *path = mem_printf("/v1/transactions/t/events%s", query);
	char *all = mem_printf("Accept: text/event-stream\r\n%s", headers);

	heard[0] = '\0';
	say_request(fd, "GET", path, all, "");
	free(path);
	free(all);
	return fd;
}

static void answer_lines(size_t n, const char *lines)
{
	ck_assert_str_eq(await_asked(n)->what, "events");
	answer(await_asked(n)->client, ANSWER_OK, lines, NULL);
}

static void answer_no_lines(size_t n, const char *status)
{
	char *json = mem_printf("{\"events\":[],\"status\":\"%s\"}", status);

	answer_lines(n, json);
	free(json);
}

START_TEST(stream_sends_lines_as_they_come_and_ends_with_the_transaction)
{
	const int fd = open_stream("", "");

	await_asked(1);
	ck_assert_uint_eq(asked[0].after, 0);
	ck_assert_uint_eq(asked[0].wait_ms, 0);
	answer_lines(1, "{\"events\":[{\"n\":1,\"event\":\"begun\",\"x\":0.1},"
			"{\"n\":2,\"event\":\"attempt\",\"step\":\"a\\nb\"}],\"next\":2}");
	hear_part(fd, "a\\nb\"}\n\n");
	HEARD("HTTP/1.1 200");
	HEARD("Content-Type: text/event-stream");
	HEARD("Cache-Control: no-store");
	HEARD("id: 1\nevent: begun\ndata: {\"n\":1,\"event\":\"begun\",\"x\":0.1}\n\n");
	HEARD("id: 2\nevent: attempt\ndata: ");
	ck_assert_uint_eq(await_asked(2)->after, 2);
	ck_assert_uint_eq(asked[1].wait_ms, 15000);
	answer_lines(2, "{\"events\":[{\"n\":3,\"event\":\"finished\"}],\"next\":3}");
	hear_part(fd, "id: 3\nevent: finished\n");
	hear_part(fd, "\r\n0\r\n"); /* the last chunk */
	ck_assert_int_eq(ask(fd, "GET", "/healthz", "", ""), 200);
	ck_assert_uint_eq(n_asked, 2);
	ck_assert_uint_eq(rest_busy(rest), 0);
	close(fd);
}
END_TEST

START_TEST(silent_stream_beats_and_goes_on)
{
	const int fd = open_stream("?after=4", "");

	ck_assert_uint_eq(await_asked(1)->after, 4);
	answer_no_lines(1, "running");
	hear_part(fd, ":\n\n");
	HEARD("HTTP/1.1 200");
	ck_assert_uint_eq(await_asked(2)->wait_ms, 15000);
	answer_no_lines(2, "stuck");
	answer_lines(3, "{\"events\":[{\"n\":5,\"event\":\"resolved\"}],\"next\":5}");
	hear_part(fd, "event: resolved");
	ck_assert_uint_eq(await_asked(4)->after, 5);
	answer_no_lines(4, "rolled_back");
	hear_part(fd, "\r\n0\r\n");
	close(fd);
}
END_TEST

START_TEST(stream_goes_on_after_the_last_line_that_was_had)
{
	const int fd = open_stream("?after=2", "Last-Event-ID: 9\r\n");

	ck_assert_uint_eq(await_asked(1)->after, 9);
	answer_lines(1, "{\"events\":[{\"n\":10,\"event\":\"ended\"}],\"next\":10}");
	hear_part(fd, "id: 10\n");
	close(fd);
}
END_TEST

START_TEST(stream_of_what_is_over_is_empty)
{
	const int fd = open_stream("?after=9", "");

	answer_no_lines(1, "committed");
	hear_part(fd, "\r\n\r\n");
	HEARD("HTTP/1.1 204");
	ck_assert_int_eq(ask(fd, "GET", "/healthz", "", ""), 200);
	close(fd);
}
END_TEST

START_TEST(stream_of_an_unknown_transaction_is_a_problem)
{
	const int fd = open_stream("", "");

	answer(await_asked(1)->client, ANSWER_NOT_FOUND, NULL, "no such transaction");
	ck_assert_int_eq(hear(fd), 404);
	expect_detail("no such transaction");
	close(fd);
}
END_TEST

START_TEST(stream_ends_when_the_engine_refuses_later)
{
	const int fd = open_stream("", "");

	answer_lines(1, "{\"events\":[{\"n\":1,\"event\":\"begun\"}],\"next\":1}");
	hear_part(fd, "id: 1\n");
	answer(await_asked(2)->client, ANSWER_STOPPING, NULL, "stopping");
	hear_part(fd, "\r\n0\r\n");
	close(fd);
}
END_TEST

START_TEST(stream_may_be_answered_from_inside_the_call)
{
	int fd;

	answer_at_once = true; /* with no lines, and no status */
	fd = open_stream("", "");
	hear_part(fd, "\r\n\r\n");
	HEARD("HTTP/1.1 204");
	close(fd);
}
END_TEST

/* Lines are asked for only when those before have left: for a client that does not
 * read, the engine is asked until the kernel's buffers are full, and then no more. */
START_TEST(slow_reader_piles_up_nothing)
{
	enum { LINE = 900000, QUIET_US = 300 * 1000, ASKED_AT_MOST = 60 };
	const int fd = open_stream("", "");
	char *big = mem_new(LINE + 1, 1), *lines;
	uint64_t quiet_since;
	size_t n = 1;

	memset(big, 'x', LINE);
	lines = mem_printf("{\"events\":[{\"n\":1,\"event\":\"attempt\",\"reason\":\"%s\"}]}", big);
	await_asked(1);
	for (quiet_since = clock_mono_us(); clock_mono_us() - quiet_since < QUIET_US; pump(-1)) {
		if (n_asked < n)
			continue;
		answer_lines(n++, lines);
		ck_assert_uint_lt(n, ASKED_AT_MOST);
		quiet_since = clock_mono_us();
	}
	free(lines);
	free(big);
	close(fd);
}
END_TEST

START_TEST(clients_that_leave_their_streams_are_noticed)
{
	const int fd = open_stream("", "");

	answer_lines(1, "{\"events\":[{\"n\":1,\"event\":\"begun\"}],\"next\":1}");
	hear_part(fd, "id: 1\n");
	await_asked(2);
	close(fd);
	for (size_t n = 2; rest_busy(rest) > 0; n++) {
		ck_assert_uint_lt(n, 20);
		answer_no_lines(n, "running");
		while (n_asked == n && rest_busy(rest) > 0)
			pump(-1);
	}
}
END_TEST

START_TEST(streams_are_capped)
{
	enum { CAP = 256 };
	static int fds[CAP];
	int one_more;

	for (int i = 0; i < CAP; i++) {
		fds[i] = open_stream("", "");
		await_asked((size_t)i + 1);
	}
	one_more = open_stream("", "");
	ck_assert_int_eq(hear(one_more), 429);
	expect_detail("256 streams");
	HEARD("Retry-After");
	ck_assert_int_eq(ask(one_more, "GET", "/healthz", "", ""), 200);
	for (int i = 0; i < CAP; i++)
		close(fds[i]);
	close(one_more);
}
END_TEST

START_TEST(streams_do_not_hold_up_the_stop)
{
	int fd;

	start_rest();
	fd = open_stream("", "");
	answer_lines(1, "{\"events\":[{\"n\":1,\"event\":\"begun\"}],\"next\":1}");
	hear_part(fd, "id: 1\n");
	await_asked(2);
	rest_quiesce(rest);
	hear_part(fd, "\r\n0\r\n");
	while (rest_busy(rest) > 0)
		pump(-1);
	ck_assert_uint_eq(n_gone, 1);
	stop_rest();
	close(fd);
}
END_TEST

START_TEST(closing_ends_open_streams)
{
	int fd;

	start_rest();
	fd = open_stream("", "");
	answer_lines(1, "{\"events\":[{\"n\":1,\"event\":\"begun\"}],\"next\":1}");
	hear_part(fd, "id: 1\n");
	await_asked(2);
	stop_rest();
	heard[0] = '\0';
	while (recv(fd, heard, sizeof heard - 1, 0) > 0)
		;
	close(fd);
}
END_TEST

static void start_hasty(void)
{
	settings.idle_ms = settings.transfer_ms = 200;
	start_rest();
}

START_TEST(stream_lives_longer_than_a_response_may_take)
{
	const int fd = open_stream("", "");
	const uint64_t until = clock_mono_us() + 700 * 1000;

	answer_lines(1, "{\"events\":[{\"n\":1,\"event\":\"begun\"}],\"next\":1}");
	hear_part(fd, "id: 1\n");
	await_asked(2);
	while (clock_mono_us() < until)
		pump(fd);
	answer_lines(2, "{\"events\":[{\"n\":2,\"event\":\"ended\"}],\"next\":2}");
	hear_part(fd, "id: 2\n");
	close(fd);
}
END_TEST

static TCase *streams(void)
{
	TCase *t = tcase_create("streams");

	tcase_add_checked_fixture(t, start_rest, stop_rest);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, stream_sends_lines_as_they_come_and_ends_with_the_transaction);
	tcase_add_test(t, silent_stream_beats_and_goes_on);
	tcase_add_test(t, stream_goes_on_after_the_last_line_that_was_had);
	tcase_add_test(t, stream_of_what_is_over_is_empty);
	tcase_add_test(t, stream_of_an_unknown_transaction_is_a_problem);
	tcase_add_test(t, stream_ends_when_the_engine_refuses_later);
	tcase_add_test(t, stream_may_be_answered_from_inside_the_call);
	tcase_add_test(t, slow_reader_piles_up_nothing);
	tcase_add_test(t, clients_that_leave_their_streams_are_noticed);
	tcase_add_test(t, streams_are_capped);
	return t;
}

static TCase *hasty_streams(void)
{
	TCase *t = tcase_create("hasty streams");

	tcase_add_checked_fixture(t, start_hasty, stop_rest);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, stream_lives_longer_than_a_response_may_take);
	return t;
}

static TCase *ends(void)
{
	TCase *t = tcase_create("ends");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, streams_do_not_hold_up_the_stop);
	tcase_add_test(t, closing_ends_open_streams);
	return t;
}

int main(void)
{
	static TCase *(*const cases[])(void) = {streams, hasty_streams, ends};

	return run_suite("rest_stream", cases, 3);
}
