/* What people do about sagas: the command `settle` against the real programs, with a desk
 * (an HTTP service) that says yes, no, later, or nothing that helps. */
#include "tests/lib/http_stub.h"
#include "tests/lib/team.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Reserved, then refused; the desk does not take the reservation back. */
static const char book[] =
	"workflow: book\n"
	"input: {who: {type: string, default: ann}}\n"
	"steps:\n"
	"  - name: reserve\n"
	"    resource: desk\n"
	"    operation: reserve\n"
	"    compensate: {operation: release, retry: {attempts: 2, first: 1ms, max: 2ms}}\n"
	"  - {name: pay, after: reserve, resource: desk, operation: pay, compensate: none}\n";
/* A person is asked; what they say is handed on. */
static const char ask[] =
	"workflow: ask\n"
	"steps:\n"
	"  - {name: open, resource: desk, operation: reserve,\n"
	"     compensate: {operation: release}}\n"
	"  - {name: ask, after: open, resource: desk, operation: ask, compensate: none}\n"
	"  - {name: note, after: ask, resource: desk, operation: note,\n"
	"     args: {by: \"${steps.ask.output.by}\"}, compensate: none}\n";
/* Past its pivot, and the last step cannot be done. */
static const char send[] = "workflow: send\n"
			   "steps:\n"
			   "  - {name: charge, pivot: true, resource: desk, operation: reserve}\n"
			   "  - {name: mail, after: charge, resource: desk, operation: pay,\n"
			   "     retry: {attempts: 2, first: 1ms, max: 2ms}}\n";

static struct http_stub *desk;

static void open_desk(const char *flow)
{
	char *resources;

	desk = http_stub_new();
	RULE(desk, .path = "/ask", .status = 202);
	team_start(NULL);
	resources = textf("  desk:\n"
			  "    adapter: http\n"
			  "    base: http://127.0.0.1:%d\n"
			  "    operations:\n"
			  "      reserve: {call: {path: \"/reserve/{gid}\"}}\n"
			  "      release: {call: {path: \"/release/{gid}\"}}\n"
			  "      pay: {call: {path: \"/pay/{gid}\"}}\n"
			  "      ask: {call: {path: \"/ask/{gid}\"}}\n"
			  "      note: {args: [by], call: {path: \"/note/{by}\"}}\n",
			  http_stub_port(desk));
	team_agent("desk", resources);
	team_await("desk");
	team_publish(flow);
	free(resources);
}

static void says(const char *path, int status)
{
	RULE(desk, .path = path, .status = status, .headers = "Content-Type: text/plain\r\n",
	     .body = status == 200 ? "" : "the desk says no\n");
}

static void metrics_say(const char *line)
{
	struct response r = rest_send(team.url, "GET", "/metrics", NULL, -1, 20000);

	NEED(strstr(r.body, line) != NULL, "no \"%s\" in %s", line, r.body);
	response_free(&r);
}

/* A saga whose compensation fails for ever, and what everybody is told of it. */
static void get_stuck(const char *gid)
{
	says("/pay", 422);
	says("/release", 500);
	SETTLE(4, "stuck", "submit", "book", "--gid", gid);
	SETTLE(4, "the desk says no\n", "show", gid);
	SETTLE(0, gid, "list", "--status", "stuck");
	SETTLE(0, "stuck", "stats");
	ck_assert_int_eq(team_stat("now", "stuck"), 1);
	metrics_say("settle_transactions{status=\"stuck\"} 1\n");
	ck_assert_int_eq(http_stub_count(desk, "/release"), 2);
}

static void nothing_is_stuck(const char *gid)
{
	SETTLE(0, NULL, "list", "--status", "stuck");
	ck_assert_msg(strstr(team.said, gid) == NULL, "%s", team.said);
	ck_assert_int_eq(team_stat("now", "stuck"), 0);
	metrics_say("settle_transactions{status=\"stuck\"} 0\n");
}

START_TEST(stuck_compensation_is_ended_by_retry)
{
	open_desk(book);
	get_stuck("r1");
	SETTLE(1, "nothing to try again", "retry", "r1", "--step", "pay");
	says("/release", 200);
	SETTLE(0, NULL, "retry", "r1", "--step", "reserve", "--reason", "the desk was mended");
	SETTLE(2, "rolled_back", "watch", "r1");
	SETTLE(0, "the desk was mended", "events", "r1");
	ck_assert_int_eq(http_stub_count(desk, "/release"), 3);
	nothing_is_stuck("r1");
	http_stub_free(desk);
}
END_TEST

/* A person who retries in vain is told so, and may try again. */
START_TEST(retry_in_vain_is_stuck_again)
{
	open_desk(book);
	get_stuck("r2");
	SETTLE(0, NULL, "retry", "r2", "--reason", "hoping");
	SETTLE(4, "stuck", "watch", "r2");
	ck_assert_int_eq(http_stub_count(desk, "/release"), 4);
	says("/release", 200);
	SETTLE(0, NULL, "retry", "r2", "--reason", "knowing");
	SETTLE(2, "rolled_back", "watch", "r2");
	SETTLE(0, "hoping", "events", "r2");
	ck_assert_msg(strstr(team.said, "knowing") != NULL, "%s", team.said);
	http_stub_free(desk);
}
END_TEST

START_TEST(stuck_compensation_is_ended_by_skip)
{
	open_desk(book);
	get_stuck("s1");
	team_restart(); /* what is stuck stays so, and is counted */
	team_await("desk");
	SETTLE(0, "s1", "list", "--status", "stuck");
	ck_assert_int_eq(team_stat("now", "stuck"), 1);
	SETTLE(1, "reason", "skip", "s1", "--step", "reserve");
	SETTLE(1, "must be stuck", "skip", "s1", "--step", "pay", "--reason", "the wrong one");
	SETTLE(0, "rolled_back", "skip", "s1", "--step", "reserve", "--reason",
	       "given back by telephone");
	SETTLE(2, "rolled_back", "show", "s1");
	SETTLE(0, "given back by telephone", "events", "s1");
	nothing_is_stuck("s1");
	http_stub_free(desk);
}
END_TEST

START_TEST(stuck_compensation_is_ended_by_resolve)
{
	open_desk(book);
	get_stuck("e1");
	SETTLE(1, "pivot", "resolve", "e1", "--action", "committed", "--reason", "no");
	SETTLE(0, "rolled_back", "resolve", "e1", "--action", "rolled_back", "--reason",
	       "written off, ticket 12");
	SETTLE(2, "rolled_back", "show", "e1");
	SETTLE(0, "written off, ticket 12", "events", "e1");
	nothing_is_stuck("e1");
	http_stub_free(desk);
}
END_TEST

/* Past the pivot a step is tried until it is done, or a person ends the saga as it is. */
START_TEST(saga_past_its_pivot_is_not_cancelled_but_ended_by_a_person)
{
	open_desk(send);
	says("/pay", 503);
	SETTLE(3, NULL, "submit", "send", "--gid", "p1", "--timeout", "1ms");
	WAIT_FOR(30, http_stub_count(desk, "/pay") > 2);
	SETTLE(1, "past its pivot", "cancel", "p1", "--reason", "too late");
	SETTLE(0, NULL, "resolve", "p1", "--action", "committed", "--reason", "mailed by hand");
	SETTLE(0, "committed", "watch", "p1");
	SETTLE(0, "mailed by hand", "events", "p1");
	http_stub_free(desk);
}
END_TEST

START_TEST(cancel_undoes_with_its_reason)
{
	open_desk(ask);
	SETTLE(3, NULL, "submit", "ask", "--gid", "c1", "--timeout", "1ms");
	WAIT_FOR(30, http_stub_count(desk, "/ask") == 1);
	SETTLE(0, NULL, "cancel", "c1", "--reason", "the customer rang");
	SETTLE(2, "the customer rang", "watch", "c1");
	SETTLE(0, "the customer rang", "events", "c1");
	ck_assert_int_eq(http_stub_count(desk, "/release"), 1);
	ck_assert_int_eq(http_stub_count(desk, "/note"), 0);
	SETTLE(1, "no such", "cancel", "nobody");
	http_stub_free(desk);
}
END_TEST

static void pending(const char *gid)
{
	SETTLE(3, NULL, "submit", "ask", "--gid", gid, "--timeout", "1ms");
	WAIT_FOR(30, settle("show", gid, NULL) == 3 && strstr(team.said, "pending") != NULL);
}

START_TEST(pending_call_is_completed_with_its_output)
{
	char *path = temp_path("output.%d.json", (int)getpid()), *at = textf("@%s", path);

	open_desk(ask);
	pending("k1");
	SETTLE(1, "pending", "complete", "k1", "note", "--output", "{}");
	SETTLE(1, "object", "complete", "k1", "ask", "--output", "[1]");
	SETTLE(0, NULL, "complete", "k1", "ask", "--output", "{\"by\": \"ann\"}");
	SETTLE(0, "committed", "watch", "k1");
	ck_assert_int_eq(http_stub_count(desk, "/note/ann"), 1);
	pending("k2");
	file_write(path, "{\"by\": \"bob\"}\n");
	SETTLE(0, NULL, "complete", "k2", "ask", "--output", at);
	SETTLE(0, "committed", "watch", "k2");
	ck_assert_int_eq(http_stub_count(desk, "/note/bob"), 1);
	http_stub_free(desk);
	free(at);
	free(path);
}
END_TEST

START_TEST(pending_call_is_failed_and_the_rest_undone)
{
	open_desk(ask);
	pending("f1");
	team_restart();
	team_await("desk");
	SETTLE(1, "reason", "fail", "f1", "ask");
	SETTLE(0, NULL, "fail", "f1", "ask", "--reason", "she said no");
	SETTLE(2, "she said no", "watch", "f1");
	SETTLE(0, "she said no", "events", "f1");
	ck_assert_int_eq(http_stub_count(desk, "/release"), 1);
	http_stub_free(desk);
}
END_TEST

/* ---- watching ---- */

/* In this order. */
static void says_in_order(const char *const *words)
{
	const char *at = team.said;

	for (; *words != NULL; words++) {
		const char *found = strstr(at, *words);

		NEED(found != NULL, "no \"%s\", or not in its place: %s", *words, team.said);
		at = found + strlen(*words);
	}
}

START_TEST(watch_shows_steps_retried_and_undone)
{
	static const char *const undone[] = {"begun",
					     "reserve",
					     "begins, attempt 1",
					     "retry",
					     "retried",
					     "attempt 2",
					     "pay",
					     "refused",
					     "rolling back",
					     "undo: begins",
					     "undo: done",
					     "rolled_back",
					     NULL};
	static const char *const done[] = {"begun",  "reserve", "begins",    "done", "pay",
					   "begins", "done",    "committed", NULL};

	open_desk(book);
	SETTLE(0, NULL, "submit", "book", "--gid", "w1", "--watch");
	says_in_order(done);
	says("/pay", 422);
	says("/reserve", 429);
	struct proc *watch = settle_begin("submit", "book", "--gid", "w2", "--watch", NULL);

	/* It is shown while it runs, not only at the end. */
	WAIT_FOR(30, proc_logged(watch, "will be retried"));
	ck_assert(proc_alive(watch->pid));
	says("/reserve", 200);
	ck_assert_int_eq(proc_wait(watch, 60), 2);
	free(team.said);
	team.said = file_read(watch->log_path);
	says_in_order(undone);
	proc_free(watch);
	says("/release", 500);
	SETTLE(4, "stuck", "submit", "book", "--gid", "w3", "--watch");
	SETTLE(4, "stuck", "watch", "w3");
	http_stub_free(desk);
}
END_TEST

/* ---- workflow files ---- */

START_TEST(workflows_are_published_shown_and_activated)
{
	char *path = temp_path("book.%d.yaml", (int)getpid());
	char *second = textf("# second\n%s", book);

	open_desk(book);
	file_write(path, book);
	SETTLE(0, "book", "publish", path);
	file_write(path, second);
	SETTLE(0, "2", "publish", path);
	SETTLE(0, "2", "publish", path); /* the same text */
	ck_assert_uint_eq(json_array_size(json_object_get(
				  team_ask("GET", "/v1/workflows", NULL, 200), "workflows")),
			  2);
	SETTLE(0, "# second", "workflow", "book");
	SETTLE(0, "workflow: book", "workflow", "book@1");
	ck_assert_str_eq(team.said, book);
	SETTLE(0, NULL, "activate", "book@1");
	SETTLE(0, "book", "workflow", "book");
	ck_assert_str_eq(team.said, book);
	SETTLE(1, "no such version", "activate", "book@7");
	SETTLE(1, "no", "workflow", "nothing");
	SETTLE(0, "committed", "submit", "book@2", "--gid", "v2", "--input", "who=bob");
	SETTLE(0, "book", "show", "v2");
	SETTLE(0, "committed", "submit", "book", "--gid", "v1");
	SETTLE(1, "who", "submit", "book", "--gid", "v0", "--input", "who=7");
	file_write(path, "workflow: book\nsteps: {}\n");
	SETTLE(1, ":2:", "publish", path);
	file_write(path, "workflow: nothing\nsteps: []\n");
	SETTLE(0, "committed", "submit", path, "--gid", "n1");
	SETTLE(0, "begun", "events", "n1");
	http_stub_free(desk);
	free(second);
	free(path);
}
END_TEST

START_TEST(files_are_validated_and_drawn)
{
	char *path = temp_path("bad.%d.yaml", (int)getpid());

	open_desk(book);
	file_write(path, "workflow: w\n"
			 "steps:\n"
			 "  - {name: a, after: b, resource: r, operaton: o, compensate: none}\n"
			 "  - {name: b, resource: r, operation: o}\n"
			 "  - {name: c, after: b, resource: r, operation: o, compensate: none,\n"
			 "     args: {x: \"${steps.a.output + }\"}}\n");
	SETTLE(1, NULL, "validate", path);
	static const char *const problems[] = {
		":3:", "operation", ":4:", "compensate", ":6:", NULL};
	says_in_order(problems);
	file_write(path, book);
	SETTLE(0, NULL, "validate", path);
	SETTLE(0, "flowchart", "graph", path);
	SETTLE(0, "digraph", "graph", "--dot", path);
	http_stub_free(desk);
	free(path);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("saga people");
	TCase *c = team_case(s, "people");

	tcase_add_test(c, stuck_compensation_is_ended_by_retry);
	tcase_add_test(c, retry_in_vain_is_stuck_again);
	tcase_add_test(c, stuck_compensation_is_ended_by_skip);
	tcase_add_test(c, stuck_compensation_is_ended_by_resolve);
	tcase_add_test(c, saga_past_its_pivot_is_not_cancelled_but_ended_by_a_person);
	tcase_add_test(c, cancel_undoes_with_its_reason);
	tcase_add_test(c, pending_call_is_completed_with_its_output);
	tcase_add_test(c, pending_call_is_failed_and_the_rest_undone);
	tcase_add_test(c, watch_shows_steps_retried_and_undone);
	tcase_add_test(c, workflows_are_published_shown_and_activated);
	tcase_add_test(c, files_are_validated_and_drawn);
	return suite_run(s, NULL, NULL);
}
