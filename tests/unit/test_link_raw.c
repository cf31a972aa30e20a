/* test_link_raw.c - the coordinator's side of the polls, against bytes on a socket. */
#include "tests/lib/link_rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int dial_raw(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_port = htons((uint16_t)atoi(strrchr(link_url(lr.link), ':') + 1));
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	return fd;
}

static void send_raw(int fd, const void *bytes, size_t size)
{
	ck_assert_int_eq(send(fd, bytes, size, MSG_NOSIGNAL), (ssize_t)size);
}

/* True when the other side has closed; what it said before is read away. */
static bool hung_up(int fd)
{
	char away[4096];
	ssize_t n;

	while ((n = recv(fd, away, sizeof away, MSG_DONTWAIT)) > 0)
		continue;
	return n == 0 || (errno != EAGAIN && errno != EINTR);
}

#define SP_HELLO_REQ "\0SP\0\0\x30\0\0"

static void send_poll_raw(int fd, uint64_t seq)
{
	const struct poll p = {.cluster = "settle", .agent = "a", .seq = seq};
	const size_t size = poll_size(&p);
	unsigned char frame[200] = {0, 0, 0, 0, 0, 0, 0, (unsigned char)(4 + size), 0x80, 0, 0, 1};

	poll_encode(&p, frame + 12);
	send_raw(fd, frame, 12 + size);
}

START_TEST(connections_that_break_in_the_middle_are_all_noticed)
{
	const struct linger reset = {1, 0};

	lr.echo = true;
	for (size_t round = 0; round < 300; round++) {
		const int fd = dial_raw();

		send_raw(fd, SP_HELLO_REQ, 8);
		for (size_t i = 0; i < 3; i++)
			send_poll_raw(fd, i);
		send_raw(fd, "\0\0\0\0\0\0\0\x20 half", 13); /* half of a fourth */
		UNTIL(lr.n_polls == 3 * (round + 1));
		if (round % 2 == 0)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
		close(fd);
		UNTIL(lr.n_lost == round + 1);
		ck_assert_uint_eq(lr.lost[round], lr.polls[lr.n_polls - 1].pipe);
	}
}
END_TEST

START_TEST(what_is_not_the_protocol_is_hung_up_on)
{
	static const struct {
		const char *bytes;
		size_t size;
	} bad[] = {
		{"GET / HTTP/1.1\r\n\r\n", 18},
		{"\0SP\0\0\x31\0\0", 8}, /* another REP */
		{"\0SP\0\0\x30\0\0\xff\xff\xff\xff\xff\xff\xff\xff",
		 16},                                             /* a length that nobody has */
		{"\0SP\0\0\x30\0\0\0\0\0\0\0\0\0\4\0\0\0\1", 20}, /* no id */
		{"\0SP\0\0\x30\0\0\0\0\0\0\0\0\0\0", 16},         /* nothing at all */
	};
	nng_socket s = lr_dial();
	struct lr_request *q;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		const int fd = dial_raw();

		send_raw(fd, bad[i].bytes, bad[i].size);
		UNTIL(hung_up(fd));
		close(fd);
	}
	ck_assert_uint_eq(lr.n_lost, 0); /* the engine never heard of them */
	lr.echo = true;
	q = lr_request_poll(s, 3);
	UNTIL(atomic_load(&q->done));
	lr_request_free(q);
	nng_close(s);
}
END_TEST

START_TEST(bytes_that_come_one_by_one_are_a_poll_in_the_end)
{
	const int fd = dial_raw();
	const struct poll p = {.cluster = "settle", .agent = "a", .seq = 77};
	unsigned char bytes[200] = SP_HELLO_REQ "\0\0\0\0\0\0\0\0\x80\0\0\1";
	const size_t size = poll_size(&p);

	bytes[15] = (unsigned char)(4 + size);
	poll_encode(&p, bytes + 20);
	for (size_t i = 0; i < 20 + size; i++) {
		ck_assert_uint_eq(lr.n_polls, 0);
		send_raw(fd, bytes + i, 1);
		uv_run(&lr.loop, UV_RUN_ONCE);
	}
	UNTIL(lr.n_polls == 1);
	ck_assert_uint_eq(lr.polls[0].seq, 77);
	close(fd);
	UNTIL(lr.n_lost == 1);
}
END_TEST

START_TEST(one_connection_cannot_have_any_number_of_polls_held)
{
	const int fd = dial_raw();

	send_raw(fd, SP_HELLO_REQ, 8);
	for (uint64_t i = 0; i < 600; i++) {
		send_poll_raw(fd, i);
		uv_run(&lr.loop, UV_RUN_NOWAIT);
	}
	UNTIL(lr.n_polls >= 512 && !hung_up(fd));
	for (int i = 0; i < 20; i++)
		uv_run(&lr.loop, UV_RUN_ONCE);
	ck_assert_uint_eq(lr.n_polls, 512);
	close(fd);
	UNTIL(lr.n_lost == 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("link raw");
	TCase *t = tcase_create("link raw");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, lr_setup, lr_teardown);
	tcase_add_test(t, connections_that_break_in_the_middle_are_all_noticed);
	tcase_add_test(t, what_is_not_the_protocol_is_hung_up_on);
	tcase_add_test(t, bytes_that_come_one_by_one_are_a_poll_in_the_end);
	tcase_add_test(t, one_connection_cannot_have_any_number_of_polls_held);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
