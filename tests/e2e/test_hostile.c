/* Broken, oversized, slow and idle: a clear error or a time-out, and everyone else
 * is served. */
#include "tests/lib/cluster.h"

#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void still_serves(const char *gid)
{
	struct response r = SUBMIT(.gid = gid);
	ck_assert_msg(r.status == 201, "%ld %s", r.status, r.body);
	ck_assert_str_eq(json_text(r.json, "status"), "committed");
	response_free(&r);
}

static void answers(const char *method, const char *path, const char *body, long size, long status,
		    const char *word)
{
	struct response r = rest_send(cluster.url, method, path, body, size, 20000);
	ck_assert_msg(r.status == status, "%s %s: %ld, not %ld: %.300s", method, path, r.status,
		      status, r.body);
	ck_assert_msg(strstr(r.type, "application/problem+json"), "%s %s: %s", method, path,
		      r.type);
	ck_assert_msg(strstr(r.body, word), "%s %s: no \"%s\" in %.300s", method, path, word,
		      r.body);
	response_free(&r);
}

static void submit_answers(const char *body, long status, const char *word)
{
	answers("POST", "/v1/transactions", body, -1, status, word);
}

START_TEST(malformed_json_is_a_clear_error)
{
	START(0);
	submit_answers("", 400, "empty");
	submit_answers("{", 400, "JSON");
	submit_answers("{\"gid\": \"x\",}", 400, "JSON");
	submit_answers("{\"gid\": \"x\", \"gid\": \"y\"}", 400, "gid");
	answers("POST", "/v1/transactions", "{\"gid\": \"\xff\xfe\"}", -1, 400, "JSON");
	answers("POST", "/v1/transactions", "{\"gid\":\0\"x\"}", 13, 400, "JSON");
	char *deep = calloc(1, 200001);
	memset(deep, '[', 200000);
	submit_answers(deep, 400, "JSON");
	free(deep);
	still_serves("served");
}
END_TEST

START_TEST(wrong_types_and_values_name_the_field)
{
	START(0);
	submit_answers("[]", 422, "object");
	submit_answers("{\"gid\": 7, \"definition\": {}}", 422, "gid");
	submit_answers("{\"gid\": \"with space\", \"definition\": {}}", 422, "gid");
	submit_answers("{\"gid\": \"\", \"definition\": {}}", 422, "gid");
	submit_answers("{\"gid\": \"x\"}", 422, "definition");
	submit_answers("{\"gid\": \"x\", \"definition\": 3}", 422, "definition");
	submit_answers("{\"gid\": \"x\", \"definition\": {}, \"wait\": \"long\"}", 422, "wait");
	submit_answers("{\"gid\": \"x\", \"definition\": {}, \"timeout\": 3}", 422, "timeout");
	submit_answers("{\"gid\": \"x\", \"definition\": {}, \"timeout\": \"9d\"}", 422, "timeout");
	submit_answers("{\"gid\": \"x\", \"definition\": {}, \"colour\": 1}", 422, "colour");
	submit_answers("{\"gid\": \"x\", \"definition\": {\"steps\": []}}", 422, "workflow");
	char body[300];
	char gid[66];
	memset(gid, 'g', 65);
	gid[65] = '\0';
	snprintf(body, sizeof body, "{\"gid\": \"%s\", \"definition\": {}}", gid);
	submit_answers(body, 422, "gid");
	still_serves("served");
}
END_TEST

START_TEST(malformed_yaml_names_line_and_column)
{
	START(0);
	struct response r = rest_send(cluster.url, "POST", "/v1/transactions",
				      "{\"gid\": \"y\", \"definition\": \"workflow: w\\nsteps:\\n"
				      "  - name: s\\n   atomic: [\\n\"}",
				      -1, 20000);
	ck_assert_msg(r.status == 422, "%ld %s", r.status, r.body);
	ck_assert_msg(json_integer_value(json_object_get(r.json, "line")) >= 3, "%s", r.body);
	response_free(&r);
	/* An anchor could name a huge tree. */
	submit_answers("{\"gid\": \"y\", \"definition\": \"workflow: &a w\\nsteps: [*a]\\n\"}", 422,
		       "definition");
	still_serves("served");
}
END_TEST

START_TEST(unknown_paths_and_methods_are_told)
{
	START(0);
	answers("GET", "/v1/nothing", NULL, 0, 404, "");
	answers("DELETE", "/v1/transactions", NULL, 0, 405, "");
	answers("GET", "/v1/transactions/nobody", NULL, 0, 404, "no such transaction");
	answers("GET", "/v1/transactions?limit=0", NULL, 0, 422, "limit");
	answers("GET", "/v1/transactions?limit=many", NULL, 0, 422, "limit");
	answers("GET", "/v1/transactions?status=happy", NULL, 0, 422, "status");
	answers("GET", "/v1/transactions/x?wait=long", NULL, 0, 422, "wait");
}
END_TEST

START_TEST(body_over_the_cap_is_refused)
{
	START(0);
	size_t size = (4 << 20) + 100;
	char *body = malloc(size + 1);
	memset(body, ' ', size);
	body[0] = '{';
	body[size - 1] = '}';
	body[size] = '\0';
	answers("POST", "/v1/transactions", body, (long)size, 413, "");
	free(body);
	/* An input over its own cap, in a body below the other. */
	char *text = malloc((1 << 20) + 100);
	memset(text, 'x', 1 << 20);
	text[1 << 20] = '\0';
	char *big = textf("{\"gid\": \"big\", \"definition\": {\"workflow\": \"w\"}, "
			  "\"input\": {\"a\": \"%s\"}}",
			  text);
	submit_answers(big, 422, "input");
	free(big);
	free(text);
	still_serves("served");
}
END_TEST

START_TEST(thousand_idle_connections_leave_room)
{
	enum { IDLE = 1000 };
	static int fds[IDLE];
	struct rlimit files;
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	NEED(files.rlim_cur > IDLE + 100, "the limit of open files is too low for this test");
	START(.settings = "idle: 3s\n");
	for (int i = 0; i < IDLE; i++)
		fds[i] = raw_connect(cluster.rest_port);
	/* Half of them begin a request and never end it. */
	for (int i = 0; i < IDLE / 2; i++)
		raw_send(fds[i], "POST /v1/tra", 12);
	int64_t began = clock_ms();
	still_serves("served");
	ck_assert_int_lt(clock_ms() - began, harness_patience_ms(3));
	/* And they are closed in the end, the silent ones and the half ones. */
	char bytes[1000];
	bool closed;
	raw_read(fds[IDLE - 1], bytes, sizeof bytes, (int)harness_patience_ms(15), &closed);
	ck_assert(closed);
	raw_read(fds[0], bytes, sizeof bytes, (int)harness_patience_ms(15), &closed);
	ck_assert(closed);
	for (int i = 0; i < IDLE; i++)
		close(fds[i]);
	still_serves("after");
}
END_TEST

/* One byte now and then keeps a connection from being idle, not from its deadline
 * for the whole request. */
START_TEST(dripping_client_is_cut_off_and_delays_nobody)
{
	START(.settings = "idle: 3s\n");
	static const char head[] = "POST /v1/transactions HTTP/1.1\r\nHost: x\r\n"
				   "Content-Length: 1000\r\n\r\n";
	int fd = raw_connect(cluster.rest_port);
	ck_assert(raw_send(fd, head, sizeof head - 1));
	int64_t until = clock_ms() + harness_patience_ms(60);
	bool closed = false;
	char bytes[2000];
	int served = 0;
	while (!closed) {
		NEED(clock_ms() < until, "a client that drips is never cut off");
		char gid[32];
		snprintf(gid, sizeof gid, "served-%d", served++);
		still_serves(gid);
		if (!raw_send(fd, " ", 1))
			break;
		raw_read(fd, bytes, sizeof bytes, 1000, &closed);
	}
	close(fd);
	ck_assert_int_gt(served, 1);
}
END_TEST

START_TEST(garbage_for_http_is_cut_off)
{
	START(0);
	int fd = raw_connect(cluster.rest_port);
	char bytes[70000];
	bool closed;
	raw_send(fd, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\r\n\r\n", 14);
	raw_read(fd, bytes, sizeof bytes, 10000, &closed);
	ck_assert(closed);
	close(fd);
	/* A header without end. */
	fd = raw_connect(cluster.rest_port);
	memset(bytes, 'h', sizeof bytes);
	raw_send(fd, "GET / HTTP/1.1\r\nX: ", 19);
	for (int i = 0; i < 4 && raw_send(fd, bytes, sizeof bytes); i++)
		continue;
	raw_read(fd, bytes, sizeof bytes, 10000, &closed);
	ck_assert(closed || strstr(bytes, "431") || strstr(bytes, "413"));
	close(fd);
	still_serves("served");
}
END_TEST

/* Sends a frame as an agent would; the reply's size, or -1 when there is none. */
static long ask_frame(nng_socket socket, const void *frame, size_t size)
{
	nng_msg *msg = NULL;
	NEED(nng_msg_alloc(&msg, 0) == 0 && nng_msg_append(msg, frame, size) == 0, "no message");
	if (nng_sendmsg(socket, msg, 0) != 0) {
		nng_msg_free(msg);
		return -1;
	}
	if (nng_recvmsg(socket, &msg, 0) != 0)
		return -1;
	long n = (long)nng_msg_len(msg);
	nng_msg_free(msg);
	return n;
}

START_TEST(malformed_frames_hurt_nobody)
{
	START(0);
	nng_socket socket;
	char *url = textf("tcp://127.0.0.1:%d", cluster.agents_port);
	NEED(nng_req0_open(&socket) == 0 &&
		     nng_socket_set_ms(socket, NNG_OPT_RECVTIMEO, 500) == 0 &&
		     nng_dial(socket, url, NULL, 0) == 0,
	     "cannot dial");
	unsigned seed = 5;
	char frame[512];
	ask_frame(socket, "", 0);
	ask_frame(socket, "\x08\x01\x12", 3);                    /* ends in the midst of a field */
	ask_frame(socket, "\x08\x63", 2);                        /* version 99 */
	ask_frame(socket, "\x08\x01\x12\x05other\x1a\x01x", 12); /* another cluster */
	for (int i = 0; i < 40; i++) {
		size_t size = (size_t)(rand_r(&seed) % (int)sizeof frame);
		for (size_t k = 0; k < size; k++)
			frame[k] = (char)rand_r(&seed);
		frame[0] = 8;
		frame[1] = 1;
		nng_socket_set_ms(socket, NNG_OPT_RECVTIMEO, 50);
		ask_frame(socket, frame, size);
	}
	nng_close(socket);
	free(url);
	/* Below nng: no handshake, half of one, and a length that nobody has. */
	static const char hello[] = "\0SP\0\0\x30\0\0";
	int fds[3];
	for (int i = 0; i < 3; i++)
		fds[i] = raw_connect(cluster.agents_port);
	raw_send(fds[0], "GET / HTTP/1.1\r\n\r\n", 18);
	raw_send(fds[1], hello, 4);
	raw_send(fds[2], hello, 8);
	raw_send(fds[2], "\x7f\xff\xff\xff\xff\xff\xff\xff garbage", 16);
	still_serves("served");
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	still_serves("after");
}
END_TEST

static void config_refused(const char *name, const char *text, const char *word)
{
	char *conf = temp_path("bad.%d.yaml", (int)getpid());
	char *path = program_path(name);
	const char *argv[] = {path, "--config", conf, NULL};
	file_write(conf, text);
	struct proc *p = proc_new("bad", argv);
	proc_start(p);
	ck_assert_int_ne(proc_wait(p, 20), 0);
	if (!proc_logged(p, word)) {
		char *log = file_read(p->log_path);
		FAIL("%s does not say \"%s\": %s", name, word, log);
	}
	proc_free(p);
	free(conf);
	free(path);
}

START_TEST(malformed_configuration_names_the_line)
{
	START(0);
	config_refused("settled", "data: [\n", "line");
	config_refused("settled", "data: /tmp/x\nlitsen: 127.0.0.1:1\n", "listen");
	config_refused("settled", "data: /tmp/x\ntimeout: soon\n", "timeout");
	config_refused("settle-agent", "agent: a\ncoordinator: tcp://127.0.0.1:1\nresources: 5\n",
		       "resources");
	config_refused("settle-agent",
		       "agent: a\ncoordinator: tcp://127.0.0.1:1\nresources:\n  bank:\n"
		       "    adapter: oracle\n    connection: x\n",
		       "adapter");
	still_serves("served");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hostile");
	TCase *c = cluster_case(s, "hostile");
	tcase_add_test(c, malformed_json_is_a_clear_error);
	tcase_add_test(c, wrong_types_and_values_name_the_field);
	tcase_add_test(c, malformed_yaml_names_line_and_column);
	tcase_add_test(c, unknown_paths_and_methods_are_told);
	tcase_add_test(c, body_over_the_cap_is_refused);
	tcase_add_test(c, thousand_idle_connections_leave_room);
	tcase_add_test(c, dripping_client_is_cut_off_and_delays_nobody);
	tcase_add_test(c, garbage_for_http_is_cut_off);
	tcase_add_test(c, malformed_frames_hurt_nobody);
	tcase_add_test(c, malformed_configuration_names_the_line);
	return suite_run(s, banks_open, banks_close);
}
