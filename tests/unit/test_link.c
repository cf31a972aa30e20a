/* test_link.c - the coordinator's side of the polls, against nng's REQ sockets. */
#include "base/mem.h"
#include "tests/lib/link_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { REQUESTS_MAX = 300 };

START_TEST(url_names_the_port_that_was_bound)
{
	unsigned port = 0;

	ck_assert_int_eq(sscanf(link_url(lr.link), "tcp://127.0.0.1:%u", &port), 1);
	ck_assert_uint_gt(port, 0);
}
END_TEST

START_TEST(urls_that_cannot_be_listened_on_are_refused)
{
	struct link *l = NULL;
	struct err err;

	ck_assert_int_eq(link_open(&lr.loop, "http://127.0.0.1:1", &lr_events, &l, &err),
			 RC_INVALID);
	ck_assert_ptr_nonnull(strstr(err.text, "http://127.0.0.1:1"));
	ck_assert_int_ne(link_open(&lr.loop, "tcp://127.0.0.1:notaport", &lr_events, &l, &err),
			 RC_OK);
	ck_assert_int_eq(link_open(&lr.loop, link_url(lr.link), &lr_events, &l, &err), RC_IO);
	ck_assert_ptr_null(l);
}
END_TEST

START_TEST(a_poll_is_held_until_it_is_answered)
{
	nng_socket s = lr_dial();
	struct lr_request *q = lr_request_poll(s, 41);

	UNTIL(lr.n_polls == 1);
	ck_assert_uint_eq(lr.polls[0].seq, 41);
	ck_assert(!atomic_load(&q->done));
	lr_answer(lr.polls[0].id, 9);
	UNTIL(atomic_load(&q->done));
	ck_assert_int_eq(q->rv, 0);
	ck_assert_uint_eq(q->reply.epoch, 9);
	lr_answer(lr.polls[0].id, 10); /* twice, or never heard of: nothing happens */
	lr_answer(123456, 10);
	lr_request_free(q);
	nng_close(s);
}
END_TEST

START_TEST(hundreds_of_polls_are_held_at_once)
{
	nng_socket s = lr_dial();
	struct lr_request *q[REQUESTS_MAX];

	for (size_t i = 0; i < REQUESTS_MAX; i++)
		q[i] = lr_request_poll(s, i);
	UNTIL(lr.n_polls == REQUESTS_MAX);
	for (size_t i = 0; i < REQUESTS_MAX; i++) {
		for (size_t k = 0; k < i; k++)
			ck_assert_uint_ne(lr.polls[k].id, lr.polls[i].id);
		lr_answer(lr.polls[i].id, 1000 + lr.polls[i].seq);
	}
	for (size_t i = 0; i < REQUESTS_MAX; i++) {
		UNTIL(atomic_load(&q[i]->done));
		ck_assert_uint_eq(q[i]->reply.epoch, 1000 + i);
		lr_request_free(q[i]);
	}
	nng_close(s);
}
END_TEST

START_TEST(a_context_serves_many_polls_in_turn)
{
	nng_socket s = lr_dial();

	lr.echo = true;
	for (size_t i = 1; i <= 500; i++) {
		struct lr_request *q = lr_request_poll(s, i);

		UNTIL(atomic_load(&q->done));
		ck_assert_uint_eq(q->reply.epoch, i);
		lr_request_free(q);
	}
	nng_close(s);
}
END_TEST

START_TEST(a_malformed_frame_is_answered_with_an_error)
{
	nng_socket s = lr_dial();
	struct lr_request *q = lr_request_bytes(s, "rubbish", 7);

	UNTIL(atomic_load(&q->done));
	ck_assert_int_eq(q->rv, 0);
	ck_assert_str_eq(q->reply.error, "the bytes are not a frame");
	ck_assert_uint_eq(lr.n_polls, 0);
	lr_request_free(q);
	q = lr_request_bytes(s, "", 0);
	UNTIL(atomic_load(&q->done));
	ck_assert_str_ne(q->reply.error, "");
	lr_request_free(q);
	lr.echo = true; /* and the connection goes on */
	q = lr_request_poll(s, 5);
	UNTIL(atomic_load(&q->done));
	ck_assert_uint_eq(q->reply.epoch, 5);
	lr_request_free(q);
	nng_close(s);
}
END_TEST

START_TEST(an_oversized_frame_ends_only_its_own_connection)
{
	nng_socket bad = lr_dial(), good = lr_dial();
	char *bytes = mem_new(FRAME_MAX + 1000, 1);
	struct lr_request *big, *q;

	lr.echo = true;
	q = lr_request_poll(bad, 1); /* so that its pipe is known */
	UNTIL(atomic_load(&q->done));
	lr_request_free(q);
	big = lr_request_bytes(bad, bytes, FRAME_MAX + 1000);
	UNTIL(lr.n_lost > 0);
	ck_assert_uint_eq(lr.lost[0], lr.polls[0].pipe);
	ck_assert(!atomic_load(&big->done));
	q = lr_request_poll(good, 2);
	UNTIL(atomic_load(&q->done));
	lr_request_free(q);
	lr_request_free(big);
	free(bytes);
	nng_close(bad);
	nng_close(good);
}
END_TEST

START_TEST(a_lost_connection_is_told_after_its_polls)
{
	nng_socket a = lr_dial(), b = lr_dial();
	struct lr_request *q[3];

	q[0] = lr_request_poll(a, 1);
	q[1] = lr_request_poll(a, 2);
	UNTIL(lr.n_polls == 2);
	q[2] = lr_request_poll(b, 3);
	UNTIL(lr.n_polls == 3);
	ck_assert_uint_eq(lr.polls[0].pipe, lr.polls[1].pipe);
	ck_assert_uint_ne(lr.polls[0].pipe, lr.polls[2].pipe);
	lr_request_free(q[0]);
	lr_request_free(q[1]);
	nng_close(a);
	UNTIL(lr.n_lost == 1);
	ck_assert_uint_eq(lr.lost[0], lr.polls[0].pipe);
	lr_answer(lr.polls[0].id, 1); /* goes nowhere */
	lr_answer(lr.polls[2].id, 3);
	UNTIL(atomic_load(&q[2]->done));
	ck_assert_uint_eq(q[2]->reply.epoch, 3);
	lr_request_free(q[2]);
	nng_close(b);
}
END_TEST

START_TEST(closing_with_polls_held_and_on_their_way_leaves_nothing)
{
	nng_socket s = lr_dial();
	struct lr_request *q[REQUESTS_MAX];

	for (size_t i = 0; i < REQUESTS_MAX; i++)
		q[i] = lr_request_poll(s, i);
	UNTIL(lr.n_polls >= 10);
	link_close(lr.link);
	lr.link = NULL;
	for (size_t i = 0; i < REQUESTS_MAX; i++)
		lr_request_free(q[i]);
	nng_close(s);
}
END_TEST

START_TEST(the_link_may_be_closed_from_inside_an_event)
{
	nng_socket s = lr_dial();
	struct lr_request *q;

	lr.close = true;
	q = lr_request_poll(s, 1);
	UNTIL(lr.n_polls == 1);
	ck_assert_ptr_null(lr.link);
	lr_request_free(q);
	nng_close(s);
}
END_TEST

/* What a coordinator that was killed leaves behind. */
static void leave_stale_socket(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(at.sun_path, path, strlen(path) + 1);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	close(fd);
}

START_TEST(ipc_works_and_a_stale_socket_file_does_not_matter)
{
	char dir[] = "/tmp/settle-link-XXXXXX", url[64];
	struct link *second = NULL;
	struct err err;
	struct lr_request *q;
	nng_socket s;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(url, sizeof url, "ipc://%s/link", dir);
	leave_stale_socket(url + strlen("ipc://"));
	lr_start(url);
	ck_assert_int_eq(link_open(&lr.loop, url, &lr_events, &second, &err), RC_IO);
	ck_assert_str_eq(link_url(lr.link), url);
	lr.echo = true;
	s = lr_dial();
	q = lr_request_poll(s, 7);
	UNTIL(atomic_load(&q->done));
	ck_assert_uint_eq(q->reply.epoch, 7);
	lr_request_free(q);
	nng_close(s);
	lr_teardown();
	ck_assert_int_eq(rmdir(dir), 0); /* the socket file is gone */
}
END_TEST

int main(void)
{
	Suite *s = suite_create("link");
	TCase *t = tcase_create("link");
	TCase *own = tcase_create("own fixture");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, lr_setup, lr_teardown);
	tcase_add_test(t, url_names_the_port_that_was_bound);
	tcase_add_test(t, urls_that_cannot_be_listened_on_are_refused);
	tcase_add_test(t, a_poll_is_held_until_it_is_answered);
	tcase_add_test(t, hundreds_of_polls_are_held_at_once);
	tcase_add_test(t, a_context_serves_many_polls_in_turn);
	tcase_add_test(t, a_malformed_frame_is_answered_with_an_error);
	tcase_add_test(t, an_oversized_frame_ends_only_its_own_connection);
	tcase_add_test(t, a_lost_connection_is_told_after_its_polls);
	tcase_add_test(t, closing_with_polls_held_and_on_their_way_leaves_nothing);
	tcase_add_test(t, the_link_may_be_closed_from_inside_an_event);
	suite_add_tcase(s, t);
	tcase_add_test(own, ipc_works_and_a_stale_socket_file_does_not_matter);
	suite_add_tcase(s, own);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
