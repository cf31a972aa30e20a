/* A workflow is published anew while a thousand of its transactions run: each ends by
 * the version that it began with.  The service counts: version 1 asks it for /one,
 * version 2 for /two. */
#include "tests/lib/http_stub.h"
#include "tests/lib/team.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OLD = 1000, NEW = 100, PICKED = 50 };

static const char flow[] = "workflow: trip\n"
			   "steps:\n"
			   "  - {name: gate, resource: gate, operation: pass, compensate: none}\n"
			   "  - {name: mark, after: gate, resource: desk, operation: %s,\n"
			   "     compensate: none}\n";
static const char waiting[] = "workflow: trip\n"
			      "steps:\n"
			      "  - {name: ask, resource: desk, operation: ask, compensate: none}\n"
			      "  - {name: mark, after: ask, resource: desk, operation: %s,\n"
			      "     compensate: none}\n";

static struct http_stub *desk;
static struct proc *gate;

static void open_desk(void)
{
	char *resources;

	desk = http_stub_new();
	RULE(desk, .path = "/ask", .status = 202);
	team_start(NULL);
	resources = textf("  desk:\n"
			  "    adapter: http\n"
			  "    base: http://127.0.0.1:%d\n"
			  "    operations:\n"
			  "      one: {call: {path: \"/one/{gid}.\"}}\n"
			  "      two: {call: {path: \"/two/{gid}.\"}}\n"
			  "      ask: {call: {path: \"/ask/{gid}.\"}}\n",
			  http_stub_port(desk));
	team_agent("desk", resources);
	gate = team_agent("gate", "  gate:\n    adapter: noop\n    operations: {pass: {}}\n");
	team_await("desk");
	team_await("gate");
	free(resources);
}

static int publish(const char *form, const char *operation)
{
	char *text = textf(form, operation);
	const int version = team_publish(text);

	free(text);
	return version;
}

/* `n` of them, named by `letter`. */
static void begin(char letter, int n, const char *workflow)
{
	char *more = textf("\"workflow\": \"%s\"", workflow), gid[16];

	for (int i = 0; i < n; i++) {
		snprintf(gid, sizeof gid, "%c%d", letter, i);
		team_submit(gid, more);
	}
	free(more);
}

static int asked(const char *operation, const char *gid)
{
	char *path = textf("/%s/%s.", operation, gid);
	const int n = http_stub_count(desk, path);

	free(path);
	return n;
}

/* All `n` are committed, in `version`, and the desk was asked for that version's
 * operation, once, and never for the other's. */
static void ended_by(char letter, int n, int version)
{
	char gid[16], path[64];

	for (int i = 0; i < n; i++) {
		snprintf(gid, sizeof gid, "%c%d", letter, i);
		snprintf(path, sizeof path, "/v1/transactions/%s", gid);
		team_ends(gid, "committed");
		ck_assert_int_eq(json_integer_value(json_object_get(
					 team_ask("GET", path, NULL, 200), "version")),
				 version);
		ck_assert_int_eq(asked(version == 1 ? "one" : "two", gid), 1);
		ck_assert_int_eq(asked(version == 1 ? "two" : "one", gid), 0);
	}
}

static long running(void)
{
	return team_stat("now", "running");
}

START_TEST(each_of_a_thousand_ends_by_the_version_it_began_with)
{
	open_desk();
	ck_assert_int_eq(publish(flow, "one"), 1);
	proc_freeze(gate);
	begin('a', OLD, "trip");
	ck_assert_int_eq(publish(flow, "two"), 2);
	ck_assert_int_eq(publish(flow, "two"), 2); /* the same text: no new version */
	begin('b', NEW, "trip");
	begin('c', PICKED, "trip@1");
	ck_assert_int_eq(running(), OLD + NEW + PICKED);
	team_restart();
	ck_assert_int_eq(running(), OLD + NEW + PICKED);
	begin('d', PICKED, "trip"); /* the active one is known after the restart */
	team_ask("POST", "/v1/workflows/trip/activate", "{\"version\": 1}", 200);
	begin('e', PICKED, "trip");
	begin('f', PICKED, "trip@2");
	team_restart();
	begin('g', PICKED, "trip");
	ck_assert_int_eq(http_stub_count(desk, "/"), 0);
	proc_thaw(gate);
	ended_by('a', OLD, 1);
	ended_by('b', NEW, 2);
	ended_by('c', PICKED, 1);
	ended_by('d', PICKED, 2);
	ended_by('e', PICKED, 1);
	ended_by('f', PICKED, 2);
	ended_by('g', PICKED, 1);
	http_stub_free(desk);
}
END_TEST

START_TEST(pending_ones_end_by_the_version_they_began_with)
{
	char gid[16], path[64];
	struct response r;

	open_desk();
	ck_assert_int_eq(publish(waiting, "one"), 1);
	begin('a', PICKED, "trip");
	WAIT_FOR(30, http_stub_count(desk, "/ask") == PICKED);
	ck_assert_int_eq(publish(waiting, "two"), 2);
	begin('b', PICKED, "trip");
	WAIT_FOR(30, http_stub_count(desk, "/ask") == 2 * PICKED);
	team_restart();
	for (int i = 0; i < 2 * PICKED; i++) {
		snprintf(gid, sizeof gid, "%c%d", i < PICKED ? 'a' : 'b', i % PICKED);
		snprintf(path, sizeof path, "/v1/transactions/%s/steps/ask/complete", gid);
		/* Taken even if the agent's own answer was lost with the coordinator. */
		r = rest_send(team.url, "POST", path, "{}", -1, 20000);
		ck_assert_msg(r.status == 200 || r.status == 202, "%ld %s", r.status, r.body);
		response_free(&r);
	}
	ended_by('a', PICKED, 1);
	ended_by('b', PICKED, 2);
	http_stub_free(desk);
}
END_TEST

START_TEST(versions_are_listed_and_unknown_ones_refused)
{
	const json_t *rows;

	open_desk();
	publish(flow, "one");
	publish(flow, "two");
	ck_assert_int_eq(publish(flow, "one"), 3); /* not the text of the newest one */
	team_ask("POST", "/v1/workflows/trip/activate", "{\"version\": 9}", 404);
	team_ask("POST", "/v1/transactions", "{\"gid\": \"x\", \"workflow\": \"trip@9\"}", 404);
	team_ask("POST", "/v1/workflows/trip/activate", "{\"version\": 2}", 200);
	rows = json_object_get(team_ask("GET", "/v1/workflows", NULL, 200), "workflows");
	ck_assert_uint_eq(json_array_size(rows), 3);
	for (size_t i = 0; i < 3; i++) {
		const json_t *row = json_array_get(rows, i);
		const json_int_t version = json_integer_value(json_object_get(row, "version"));

		ck_assert_int_eq(json_is_true(json_object_get(row, "active")), version == 2);
	}
	http_stub_free(desk);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("versions");
	TCase *c = team_case(s, "versions");

	tcase_add_test(c, each_of_a_thousand_ends_by_the_version_it_began_with);
	tcase_add_test(c, pending_ones_end_by_the_version_they_began_with);
	tcase_add_test(c, versions_are_listed_and_unknown_ones_refused);
	return suite_run(s, NULL, NULL);
}
