/* fuzz_rest.c - the bytes are requests, one after another (a line `%%` between them), through the
 * real handlers, just below libmicrohttpd, to a real engine with agents.
 *
 * Each gets one response; the status is one of those that docs/rest.md knows, what is no 2xx is a
 * problem that is JSON and says its status, what is JSON by its type is; and the rules of world.h.
 */
#include "base/mem.h"
#include "tests/fuzz/fake_http.h"
#include "tests/fuzz/world.h"

#include <stdlib.h>
#include <string.h>

enum { REQUESTS_MAX = 24, NAMED_MAX = 32 };

static struct rest *rest;
static uv_loop_t loop;

/* What clients need not hear: the engine's own answers go to the calls. */
static void check_response(const struct fake_request *q)
{
	const unsigned status = fake_status(q);
	const char *type = fake_type(q);
	size_t size;
	const char *body = fake_body(q, &size);

	MUST(status >= 200 && status < 600 && status != 500);
	if (status >= 300) {
		json_t *problem = json_loadb(body, size, 0, NULL);

		MUST(strcmp(type, PROBLEM_TYPE) == 0 && problem != NULL);
		MUST(json_integer_value(json_object_get(problem, "status")) == (json_int_t)status);
		MUST(json_is_string(json_object_get(problem, "detail")));
		json_decref(problem);
	} else if (strcmp(type, "application/json") == 0) {
		MUST_SAY(is_json(body, size), "not JSON: %s", body);
	} else {
		MUST(status == 204 || strncmp(type, "text/", 5) == 0);
	}
}

/* Something to talk about: a saga that waits for its agent, one that is pending, a workflow. */
static void prepare(void)
{
	static const char trip[] = "{workflow: trip, steps: [{name: hotel, resource: r0, "
				   "operation: op, args: {x: 1}, compensate: {operation: op, args: "
				   "{x: 2}}}]}";
	static const char *const args[] = {"x", NULL};
	const struct sent *s;

	for (int i = 0; i < 3; i++)
		world_serve((const char *const[]){"r0", "r1", "bank-a"}[i], "op", args);
	world_serve_all();
	engine_publish(fw.e, 1u << 30, trip, strlen(trip));
	for (int i = 0; i < 2; i++) {
		const unsigned char hash[BODY_HASH_SIZE] = {0};
		const struct submit submit = {.gid = i == 0 ? "g0" : "g1",
					      .hash = hash,
					      .definition = trip,
					      .definition_size = strlen(trip),
					      .wait = WAIT_ACCEPTED};

		engine_submit(fw.e, (1u << 30) + 1 + (unsigned)i, &submit);
		world_turn();
		world_sync(0);
	}
	s = world_command(1);
	if (s != NULL) {
		struct result r = world_result(s, RESULT_PENDING);

		world_poll(s->agent, 100, &r, 1);
	}
	world_sync(0);
}

/* Everybody waits at the most five minutes. */
static void wait_for(struct fake_request **all, size_t n)
{
	bool over = false;

	for (int i = 0; i < 40 && !over; i++) {
		over = true;
		world_serve_all();
		world_sync(0);
		for (size_t k = 0; k < n; k++)
			fake_pump(all[k]);
		for (size_t k = 0; k < n; k++)
			over = over && fake_over(all[k]);
		world_sync(0);
		world_pass(i < 10 ? 100 : 15000);
	}
}

static void begin(void)
{
	rest = mem_new(1, sizeof *rest);
	rest->loop = &loop;
	rest->idle_us = rest->transfer_us = 1000000;
	rest->timer_at_us = 1; /* its turn is ours: nothing is to be woken */
	world_other_clients = rest_port(rest);
	world_open(false, false);
	rest->engine = fw.e;
}

static void end(void)
{
	heap_fini(&rest->deadlines);
	MUST(rest->calls == 0 && rest->waiting == NULL && rest->n_streams == 0);
	free(rest);
	world_close();
	world_other_clients = (struct client_port){0};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fake_request *all[REQUESTS_MAX];
	struct feed f = {data, size};
	size_t n = 0;

	begin();
	prepare();
	while (f.left > 0 && n < REQUESTS_MAX) {
		all[n++] = fake_request(rest, feed_until(&f, "%%"));
		world_turn();
	}
	wait_for(all, n);
	for (size_t i = 0; i < n; i++) {
		if (fake_over(all[i]))
			check_response(all[i]);
		else /* a stream of what is not over */
			MUST_SAY(fake_status(all[i]) == 200 &&
					 strncmp(fake_type(all[i]), "text/event-stream", 17) == 0,
				 "each request is answered");
		fake_free(all[i]);
		world_turn();
	}
	end();
	return 0;
}
