/* rest_fixture.h - a REST interface over an engine that only remembers what it was
 * asked, and raw sockets to talk to it, all on one thread.  Included once a
 * program. */
#ifndef TESTS_REST_FIXTURE_H
#define TESTS_REST_FIXTURE_H

#include "base/clock.h"
#include "base/mem.h"
#include "coordinator/rest.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Not every program needs every one. */
#define FIXTURE static __attribute__((unused))

#define TRANSFER                                                                          \
	"workflow: transfer\ninput: [from, amount]\nsteps:\n  - name: pay\n    atomic:\n" \
	"      - {name: debit, resource: bank-a, operation: debit, "                      \
	"args: {id: \"${input.from}\", amount: \"${input.amount}\"}}\n"
#define TRANSFER_JSON                                                                          \
	"workflow: transfer\\ninput: [from, amount]\\nsteps:\\n  - name: pay\\n    atomic:\\n" \
	"      - {name: debit, resource: bank-a, operation: debit, "                           \
	"args: {id: \\\"${input.from}\\\", amount: \\\"${input.amount}\\\"}}\\n"
#define BODY(more) \
	"{\"definition\": \"" TRANSFER_JSON "\", \"input\": {\"from\": 1, \"amount\": 5}" more "}"

/* ---- the engine that remembers ---- */

enum { ASKED_MAX = 64 };

static struct asked {
	char what[16];
	uint64_t client;
	char gid[GID_MAX + 1];    /* or the name of a workflow */
	char text[256];           /* the reason, the output, or the input as JSON */
	char definition[512];     /* its beginning, or the text that was published */
	char step[STEP_MAX + 10]; /* "-": none */
	uint64_t version, after;
	enum resolve_action action;
	unsigned char hash[BODY_HASH_SIZE];
	enum wait_for wait;
	uint64_t wait_ms;
	struct list_query query;
	bool fresh;
} asked[ASKED_MAX];
static size_t n_asked, n_gone, turns_wanted;
static bool answer_at_once; /* from inside the call, as the real one never does today */

static struct rest *rest;
static uv_loop_t loop;

static void answer(uint64_t client, enum answer_code code, const char *json, const char *text)
{
	const struct client_port port = rest_port(rest);

	port.answer(port.self, client, code, mem_dup(json), text);
}

static struct asked *note(const char *what, uint64_t client, const char *gid)
{
	struct asked *a = &asked[n_asked++ % ASKED_MAX];

	memset(a, 0, sizeof *a);
	snprintf(a->what, sizeof a->what, "%s", what);
	snprintf(a->gid, sizeof a->gid, "%s", gid);
	a->client = client;
	if (answer_at_once)
		answer(client, ANSWER_OK, "{\"at\":\"once\"}", NULL);
	return a;
}

void engine_clock(struct engine *e, uint64_t mono_us, uint64_t wall_us)
{
	(void)e;
	ck_assert(mono_us > 0 && wall_us > 0);
}
void engine_submit(struct engine *e, uint64_t client, const struct submit *s)
{
	struct asked *a = note("submit", client, s->gid);
	char *input = s->input != NULL ? json_dumps(s->input, JSON_COMPACT) : mem_dup("-");

	(void)e;
	a->wait = s->wait;
	a->wait_ms = s->wait_ms;
	a->fresh = s->fresh_gid;
	memcpy(a->hash, s->hash, sizeof a->hash);
	snprintf(a->text, sizeof a->text, "%s", input);
	free(input);
	ck_assert((s->workflow == NULL) == (s->definition != NULL));
	a->version = s->version;
	if (s->definition != NULL)
		ck_assert_uint_eq(strlen(s->definition), s->definition_size);
	snprintf(a->definition, sizeof a->definition, "%s",
		 s->definition != NULL ? s->definition : s->workflow);
}
void engine_get(struct engine *e, uint64_t client, const char *gid, uint64_t wait_ms)
{
	(void)e;
	note("get", client, gid)->wait_ms = wait_ms;
}
void engine_list(struct engine *e, uint64_t client, const struct list_query *q)
{
	struct asked *a = note("list", client, "");

	(void)e;
	a->query = *q;
	snprintf(a->text, sizeof a->text, "%s %s %s", q->status != NULL ? q->status : "-",
		 q->workflow != NULL ? q->workflow : "-", q->resource != NULL ? q->resource : "-");
}
void engine_agents(struct engine *e, uint64_t client)
{
	(void)e;
	note("agents", client, "");
}
void engine_resources(struct engine *e, uint64_t client)
{
	(void)e;
	note("resources", client, "");
}
void engine_stats(struct engine *e, uint64_t client)
{
	(void)e;
	note("stats", client, "");
}
void engine_events(struct engine *e, uint64_t client, const char *gid, uint64_t after,
		   uint64_t wait_ms)
{
	struct asked *a = note("events", client, gid);

	(void)e;
	a->after = after;
	a->wait_ms = wait_ms;
}

/* One about a step of a transaction. */
static struct asked *note_step(const char *what, uint64_t client, const char *gid, const char *step,
			       const char *text)
{
	struct asked *a = note(what, client, gid);

	snprintf(a->step, sizeof a->step, "%s", step != NULL ? step : "-");
	snprintf(a->text, sizeof a->text, "%s", text != NULL ? text : "-");
	return a;
}

void engine_cancel(struct engine *e, uint64_t client, const char *gid, const char *reason)
{
	(void)e;
	note_step("cancel", client, gid, NULL, reason);
}
void engine_retry(struct engine *e, uint64_t client, const char *gid, const char *step,
		  const char *reason)
{
	(void)e;
	note_step("retry", client, gid, step, reason);
}
void engine_resolve(struct engine *e, uint64_t client, const char *gid, enum resolve_action action,
		    const char *step, const char *reason)
{
	(void)e;
	note_step("resolve", client, gid, step, reason)->action = action;
}
void engine_complete(struct engine *e, uint64_t client, const char *gid, const char *step,
		     const char *output)
{
	(void)e;
	note_step("complete", client, gid, step, output);
}
void engine_fail(struct engine *e, uint64_t client, const char *gid, const char *step,
		 const char *reason)
{
	(void)e;
	note_step("fail", client, gid, step, reason);
}
void engine_publish(struct engine *e, uint64_t client, const char *text, size_t size)
{
	(void)e;
	ck_assert_uint_eq(strlen(text), size);
	snprintf(note("publish", client, "")->definition, 512, "%s", text);
}
void engine_workflows(struct engine *e, uint64_t client)
{
	(void)e;
	note("workflows", client, "");
}
void engine_workflow(struct engine *e, uint64_t client, const char *name, uint32_t version)
{
	(void)e;
	note("workflow", client, name)->version = version;
}
void engine_activate(struct engine *e, uint64_t client, const char *name, uint32_t version)
{
	(void)e;
	note("activate", client, name)->version = version;
}
void engine_client_gone(struct engine *e, uint64_t client)
{
	(void)e;
	(void)client;
	n_gone++;
}

/* ---- the server ---- */

static void want_turn(void *arg)
{
	(void)arg;
	turns_wanted++;
}

static struct rest_settings settings = {
	.listen = "127.0.0.1:0",
	.idle_ms = 20000,
	.transfer_ms = 20000,
	.max_connections = 2000,
};

FIXTURE void open_rest(void)
{
	struct err err = {0};

	ck_assert_int_eq(uv_loop_init(&loop), 0);
	ck_assert_msg(rest_open(&loop, &settings, &rest, &err) == RC_OK, "%s", err.text);
}

FIXTURE void start_rest(void)
{
	open_rest();
	rest_serve(rest, (struct engine *)&loop, want_turn, NULL); /* only its address is used */
}

FIXTURE void stop_rest(void)
{
	rest_close(rest);
	rest = NULL;
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
}

/* ---- a client ---- */

static uint64_t deadline_us(void)
{
	return clock_mono_us() + 10 * 1000 * 1000;
}

/* Lets the server work until something happens at `fd`, for a moment at most. */
static void pump(int fd)
{
	int ms = uv_backend_timeout(&loop);
	struct pollfd fds[2] = {{.fd = uv_backend_fd(&loop), .events = POLLIN},
				{.fd = fd, .events = POLLIN}};

	poll(fds, fd >= 0 ? 2 : 1, ms >= 0 && ms < 100 ? ms : 100);
	uv_run(&loop, UV_RUN_NOWAIT);
}

FIXTURE int dial(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	const int fd = socket(AF_INET, SOCK_STREAM, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	to.sin_port = htons((uint16_t)atoi(strrchr(rest_address(rest), ':') + 1));
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	return fd;
}

FIXTURE void say_bytes(int fd, const char *bytes, size_t size)
{
	const uint64_t until = deadline_us();

	while (size > 0) {
		const ssize_t n = send(fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			return; /* the server closed: what it said is heard next */
		bytes += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
		pump(-1);
		ck_assert(clock_mono_us() < until);
	}
}

FIXTURE void say(int fd, const char *text)
{
	say_bytes(fd, text, strlen(text));
}

FIXTURE void say_request(int fd, const char *method, const char *path, const char *headers,
			 const char *body)
{
	char *text =
		mem_printf("%s %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %zu\r\n\r\n%s",
			   method, path, headers, strlen(body), body);

	say(fd, text);
	free(text);
}

static char heard[1 << 16];
static bool closed;

/* Hears one whole response; its status, 0 if the connection was closed before. */
FIXTURE int hear(int fd)
{
	const uint64_t until = deadline_us();
	size_t size = 0;

	closed = false;
	for (;;) {
		const char *end, *length;
		ssize_t n;

		heard[size] = '\0';
		end = strstr(heard, "\r\n\r\n");
		length = strcasestr(heard, "content-length:");
		if (end != NULL && length != NULL &&
		    size >= (size_t)(end + 4 - heard) + (size_t)atol(length + 15))
			return atoi(heard + 9);
		n = recv(fd, heard + size, end != NULL || size == 0 ? sizeof heard - 1 - size : 1,
			 MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno == ECONNRESET)) {
			closed = true;
			return 0;
		}
		size += n > 0 ? (size_t)n : 0;
		if (n < 0)
			pump(fd);
		ck_assert_msg(clock_mono_us() < until, "no response; heard: %s", heard);
	}
}

/* Hears until `part` has come, or with NULL until the server closed; the bytes stay in
 * `heard`, after those that were there. */
FIXTURE void hear_part(int fd, const char *part)
{
	const uint64_t until = deadline_us();
	size_t size = strlen(heard);

	closed = false;
	while (part == NULL ? !closed : strstr(heard, part) == NULL) {
		const ssize_t n = recv(fd, heard + size, sizeof heard - 1 - size, MSG_DONTWAIT);

		closed = n == 0;
		size += n > 0 ? (size_t)n : 0;
		heard[size] = '\0';
		if (n < 0)
			pump(fd);
		ck_assert_msg(n != 0 || part == NULL, "closed; heard: %s", heard);
		ck_assert_msg(clock_mono_us() < until, "no %s; heard: %s", part, heard);
	}
}

FIXTURE const char *heard_body(void)
{
	return strstr(heard, "\r\n\r\n") + 4;
}

FIXTURE int ask(int fd, const char *method, const char *path, const char *headers, const char *body)
{
	say_request(fd, method, path, headers, body);
	return hear(fd);
}

/* Waits until the engine was asked `n` things. */
FIXTURE struct asked *await_asked(size_t n)
{
	const uint64_t until = deadline_us();

	while (n_asked < n) {
		pump(-1);
		ck_assert(clock_mono_us() < until);
	}
	return &asked[(n - 1) % ASKED_MAX];
}

FIXTURE json_t *heard_json(void)
{
	json_t *json = json_loads(heard_body(), 0, NULL);

	ck_assert_msg(json != NULL, "not JSON: %s", heard);
	return json;
}

FIXTURE void expect_detail(const char *part)
{
	json_t *json = heard_json();
	const char *detail = json_string_value(json_object_get(json, "detail"));

	ck_assert_msg(strstr(heard, "application/problem+json") != NULL, "%s", heard);
	ck_assert_msg(detail != NULL && strstr(detail, part) != NULL, "no \"%s\" in %s", part,
		      heard_body());
	json_decref(json);
}

static int run_suite(const char *name, TCase *(*const *cases)(void), size_t n)
{
	Suite *suite = suite_create(name);
	SRunner *runner;
	int failed;

	for (size_t i = 0; i < n; i++)
		suite_add_tcase(suite, cases[i]());
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
