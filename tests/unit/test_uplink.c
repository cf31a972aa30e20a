/* test_uplink.c - the agent's side of the polls, against nng REP sockets and
 * against servers that misbehave. */
#include "base/log.h"
#include "base/mem.h"
#include "participant/agent.h"
#include "participant/uplink.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DEADLINE_MS = 20000, TICK_MS = 2 };

static struct {
	uv_loop_t loop;
	uv_timer_t tick;
	struct uplink *up;
	bool connected;
	unsigned ups, downs, replies, losses;
	uint64_t last_reply, last_epoch, last_lost;
	bool close_on_reply;
} w;

static void on_connected(bool up, void *arg)
{
	(void)arg;
	ck_assert(up != w.connected);
	w.connected = up;
	if (up)
		w.ups++;
	else
		w.downs++;
}

static void on_reply(uint64_t seq, const struct reply *r, void *arg)
{
	(void)arg;
	w.replies++;
	w.last_reply = seq;
	w.last_epoch = r->epoch;
	if (w.close_on_reply) {
		uplink_close(w.up);
		w.up = NULL;
	}
}

static void on_lost(uint64_t seq, void *arg)
{
	(void)arg;
	ck_assert(!w.connected); /* a poll never goes alone */
	w.losses++;
	w.last_lost = seq;
}

static const struct uplink_events events = {on_connected, on_reply, on_lost, NULL};

static void on_tick(uv_timer_t *t)
{
	(void)t;
}

static void setup(void)
{
	memset(&w, 0, sizeof w);
	signal(SIGPIPE, SIG_IGN); /* as in settle-agent */
	log_set_level(LOG_ERROR);
	ck_assert_int_eq(uv_loop_init(&w.loop), 0);
	uv_timer_init(&w.loop, &w.tick);
	uv_timer_start(&w.tick, on_tick, TICK_MS, TICK_MS);
}

static void teardown(void)
{
	uplink_close(w.up);
	uv_close((uv_handle_t *)&w.tick, NULL);
	uv_run(&w.loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(uv_loop_close(&w.loop), 0);
}

#define UNTIL(cond)                                                                 \
	do {                                                                        \
		const uint64_t end = uv_hrtime() + DEADLINE_MS * UINT64_C(1000000); \
		while (!(cond)) {                                                   \
			ck_assert_msg(uv_hrtime() < end, "never came: %s", #cond);  \
			uv_run(&w.loop, UV_RUN_ONCE);                               \
		}                                                                   \
	} while (0)

static void dial(const char *url)
{
	struct err err;

	ck_assert_msg(uplink_open(&w.loop, url, &events, &w.up, &err) == RC_OK, "%s", err.text);
}

static void send_poll(uint64_t seq)
{
	const struct poll p = {.cluster = "settle", .agent = "a", .seq = seq};

	uplink_send(w.up, &p);
}

/* ---- a coordinator made of nng: answers each poll with its seq as epoch ---- */

struct server {
	nng_socket sock;
	nng_aio *aio;
	bool sending;
	atomic_uint answered;
	char url[64];
};

static void on_server(void *arg)
{
	struct server *s = arg;
	struct reply r = {.cluster = "settle", .error = ""};
	struct poll p;
	nng_msg *m;

	if (nng_aio_result(s->aio) != 0)
		return;
	if (s->sending) {
		s->sending = false;
		atomic_fetch_add(&s->answered, 1);
		nng_recv_aio(s->sock, s->aio);
		return;
	}
	m = nng_aio_get_msg(s->aio);
	if (poll_decode(&p, nng_msg_body(m), nng_msg_len(m), NULL) != RC_OK)
		abort();
	r.epoch = p.seq;
	poll_free(&p);
	nng_msg_realloc(m, reply_size(&r));
	reply_encode(&r, nng_msg_body(m));
	s->sending = true;
	nng_aio_set_msg(s->aio, m);
	nng_send_aio(s->sock, s->aio);
}

static void server_start(struct server *s, const char *url)
{
	nng_listener l;
	int port;

	memset(s, 0, sizeof *s);
	ck_assert_int_eq(nng_rep0_open(&s->sock), 0);
	ck_assert_int_eq(nng_listen(s->sock, url, &l, 0), 0);
	snprintf(s->url, sizeof s->url, "%s", url);
	if (nng_listener_get_int(l, NNG_OPT_TCP_BOUND_PORT, &port) == 0)
		snprintf(s->url, sizeof s->url, "tcp://127.0.0.1:%d", port);
	ck_assert_int_eq(nng_aio_alloc(&s->aio, on_server, s), 0);
	nng_recv_aio(s->sock, s->aio);
}

static void server_stop(struct server *s)
{
	nng_close(s->sock);
	nng_aio_stop(s->aio);
	nng_aio_free(s->aio);
}

START_TEST(polls_are_answered_by_an_nng_socket)
{
	struct server s;

	server_start(&s, "tcp://127.0.0.1:0");
	dial(s.url);
	UNTIL(w.connected);
	for (uint64_t i = 1; i <= 500; i++) {
		send_poll(i);
		UNTIL(w.replies == i);
		ck_assert_uint_eq(w.last_reply, i);
		ck_assert_uint_eq(w.last_epoch, i);
	}
	for (uint64_t i = 0; i < AGENT_POLLS_MAX; i++)
		send_poll(1000 + i);
	UNTIL(w.replies == 500 + AGENT_POLLS_MAX);
	ck_assert_uint_eq(w.losses, 0);
	server_stop(&s);
	UNTIL(w.downs == 1);
}
END_TEST

START_TEST(ipc_is_spoken_as_well)
{
	char dir[] = "/tmp/settle-uplink-XXXXXX", url[64];
	struct server s;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(url, sizeof url, "ipc://%s/c", dir);
	server_start(&s, url);
	dial(url);
	UNTIL(w.connected);
	send_poll(9);
	UNTIL(w.replies == 1);
	ck_assert_uint_eq(w.last_epoch, 9);
	server_stop(&s);
	UNTIL(!w.connected);
	unlink(url + strlen("ipc://"));
	rmdir(dir);
}
END_TEST

/* ---- a coordinator made of bytes ---- */

static int listen_raw(char url[64])
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof at;
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (url[0] != '\0')
		at.sin_port = htons((uint16_t)atoi(strrchr(url, ':') + 1));
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	ck_assert_int_eq(listen(fd, 5), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &size), 0);
	snprintf(url, 64, "tcp://127.0.0.1:%d", ntohs(at.sin_port));
	return fd;
}

#define HELLO_REP "\0SP\0\0\x31\0\0"

static int accept_raw(int listener)
{
	int fd = -1;

	UNTIL((fd = accept(listener, NULL, NULL)) >= 0);
	return fd;
}

static int accept_and_greet(int listener)
{
	const int fd = accept_raw(listener);

	ck_assert_int_eq(send(fd, HELLO_REP, 8, MSG_NOSIGNAL), 8);
	UNTIL(w.connected);
	return fd;
}

START_TEST(a_lost_connection_loses_every_poll_and_is_dialed_again)
{
	char url[64] = "";
	const int listener = listen_raw(url);
	int fd;

	dial(url);
	for (unsigned round = 1; round <= 3; round++) {
		fd = accept_and_greet(listener);
		send_poll(10 * round);
		send_poll(10 * round + 1);
		close(fd); /* with polls unread: a reset */
		UNTIL(w.losses == 2 * round);
		ck_assert_uint_eq(w.last_lost, 10 * round + 1);
		ck_assert(!w.connected);
	}
	close(listener);
}
END_TEST

START_TEST(a_coordinator_that_comes_later_is_found)
{
	char url[64] = "";
	int listener = listen_raw(url), fd;

	close(listener);
	dial(url); /* nobody is there */
	for (int i = 0; i < 100; i++)
		uv_run(&w.loop, UV_RUN_ONCE);
	ck_assert(!w.connected);
	listener = listen_raw(url);
	fd = accept_and_greet(listener);
	close(fd);
	close(listener);
}
END_TEST

START_TEST(who_does_not_speak_the_protocol_is_left)
{
	static const struct {
		const char *bytes;
		size_t size;
		bool greeted;
	} bad[] = {
		{"HTTP/1.1 400 Bad Request\r\n", 26, false},
		{"\0SP\0\0\x30\0\0", 8, false},                       /* another REQ */
		{HELLO_REP "\xff\0\0\0\0\0\0\0", 16, true},           /* too big */
		{HELLO_REP "\0\0\0\0\0\0\0\4\x80\0\0\x63", 20, true}, /* not asked */
		{HELLO_REP "\0\0\0\0\0\0\0\2\x80\0", 18, true},       /* no id */
	};
	char url[64] = "";
	const int listener = listen_raw(url);

	dial(url);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		const int fd = accept_raw(listener);
		char away[100];

		ck_assert_int_eq(send(fd, bad[i].bytes, bad[i].size, MSG_NOSIGNAL),
				 (ssize_t)bad[i].size);
		ssize_t n = 1;
		UNTIL((n = recv(fd, away, sizeof away, MSG_DONTWAIT)) == 0 ||
		      (n < 0 && errno != EAGAIN));
		close(fd);
	}
	ck_assert_uint_eq(w.replies, 0);
	close(listener);
}
END_TEST

START_TEST(a_malformed_reply_loses_the_poll)
{
	char url[64] = "";
	const int listener = listen_raw(url);
	int fd;

	dial(url);
	log_set_level(LOG_ERROR + 1);
	fd = accept_and_greet(listener);
	send_poll(5);
	ck_assert_int_eq(send(fd, "\0\0\0\0\0\0\0\7\x80\0\0\1abc", 15, MSG_NOSIGNAL), 15);
	UNTIL(w.losses == 1);
	ck_assert_uint_eq(w.last_lost, 5);
	close(fd);
	close(listener);
}
END_TEST

START_TEST(urls_that_nobody_can_dial_are_refused)
{
	static const char *const bad[] = {"",
					  "tcp://",
					  "tcp://host",
					  "tcp://host:port",
					  "tcp://host:70000",
					  "http://host:1",
					  "ipc://relative",
					  "ipc://",
					  "tcp://::1:80",
					  "tcp://a/b:1"};
	struct err err;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		ck_assert_msg(uplink_open(&w.loop, bad[i], &events, &w.up, &err) == RC_INVALID,
			      "`%s` was taken", bad[i]);
	ck_assert_ptr_null(w.up);
}
END_TEST

START_TEST(it_may_be_closed_at_any_moment)
{
	char url[64] = "";
	const int listener = listen_raw(url);
	struct server s;

	/* 0: before the first attempt; then a little later each time. */
	for (int rounds = 0; rounds < 20; rounds++) {
		dial(url);
		for (int i = 0; i < rounds; i++)
			uv_run(&w.loop, UV_RUN_NOWAIT);
		uplink_close(w.up);
	}
	w.up = NULL;
	close(listener);
	w.connected = false;
	server_start(&s, "tcp://127.0.0.1:0");
	dial(s.url);
	UNTIL(w.connected);
	w.close_on_reply = true; /* from inside an event */
	send_poll(1);
	UNTIL(w.up == NULL);
	server_stop(&s);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("uplink");
	TCase *t = tcase_create("uplink");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, polls_are_answered_by_an_nng_socket);
	tcase_add_test(t, ipc_is_spoken_as_well);
	tcase_add_test(t, a_lost_connection_loses_every_poll_and_is_dialed_again);
	tcase_add_test(t, a_coordinator_that_comes_later_is_found);
	tcase_add_test(t, who_does_not_speak_the_protocol_is_left);
	tcase_add_test(t, a_malformed_reply_loses_the_poll);
	tcase_add_test(t, urls_that_nobody_can_dial_are_refused);
	tcase_add_test(t, it_may_be_closed_at_any_moment);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
