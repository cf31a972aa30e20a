/* The exec adapter: how branches end, and how the agent does. */
#include "adapters/exec.h"
#include "tests/lib/exec_rig.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char *dir, *operations;
static struct xr *rig;

/* Every operation's prepare; see xr_operation for the rest of it. */
static const char *const scripts[][2] = {
	{"book", "cat > input; env > environment; echo \"{\\\"n\\\": 1.10}\""},
	{"exits_3", "exit 3"},
	{"is_deaf", "trap \"\" TERM; echo $$ > pid; touch begun; while :; do sleep 0.1; done"},
};

static void set_up(void)
{
	dir = xr_dir();
	operations = textf("%s", "  read:\n"
				 "    read_only: true\n"
				 "    prepare: {command: [sh, -c, 'echo 7']}\n"
				 "  careful:\n"
				 "    args: [x]\n"
				 "    prepare: {command: [sh, -c, 'echo 5']}\n"
				 "    commit: {command: [sh, -c, 'cat > input; test -e allow']}\n"
				 "    rollback: {command: [sh, -c, 'exit 1']}\n");
	for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
		char *op = xr_operation(scripts[i][0], scripts[i][1]);
		char *all = textf("%s%s", operations, op);

		free(op);
		free(operations);
		operations = all;
	}
	rig = xr_serve(xr_open(dir, operations, "parallel: 4\n"));
}

static void tear_down(void)
{
	if (rig != NULL)
		xr_close(rig);
	free(operations);
	free(dir);
}

static void restart(void)
{
	xr_close(rig);
	rig = xr_serve(xr_open(dir, operations, "parallel: 4\n"));
}

static void touch(const char *name)
{
	char *path = textf("%s/%s", dir, name);

	file_write(path, "");
	free(path);
}

static void expect_file(const char *name, const char *text)
{
	char *is = xr_file(rig, name);

	ck_assert_msg(is != NULL && strcmp(is, text) == 0, "%s holds: %s", name,
		      is != NULL ? is : "(not there)");
	free(is);
}

static void expect_listed(const char *first, size_t n)
{
	struct xr_call *c = xr_list(rig);

	ck_assert_uint_eq(c->n, n);
	ck_assert_str_eq(c->first, first);
}

/* ---- commit and rollback ---- */

START_TEST(commit_is_tried_until_it_succeeds_and_knows_what_was_prepared)
{
	struct xr_call *c;

	XR_IS(xr_prepare_in(rig, "g", "careful", "{\"x\": 1}", 20000, false), "prepared");
	c = xr_commit(rig, "g", false);
	XR_IS(c, "unknown");
	XR_SAYS(c, "commit does not succeed: exit status 1");
	expect_listed("7 box g s.b", 1);
	restart(); /* it still knows what it was about */
	touch("allow");
	XR_IS(xr_commit(rig, "g", true), "committed");
	expect_file("input", "{\"key\":\"settle:test:7:g:s.b\",\"gid\":\"g\",\"branch\":\"s.b\","
			     "\"epoch\":7,\"resource\":\"box\",\"operation\":\"careful\","
			     "\"phase\":\"commit\",\"args\":{\"x\": 1},\"prepared\":5}\n");
	expect_listed("", 0);
}
END_TEST

START_TEST(commit_of_an_unknown_branch_is_a_hazard_unless_repeated)
{
	struct xr_call *c = xr_commit(rig, "g", false);

	XR_IS(c, "hazard");
	XR_SAYS(c, "gone before its first commit");
	XR_IS(xr_commit(rig, "g", true), "committed");
	XR_IS(xr_prepare(rig, "h", "exits_3"), "unknown");
	XR_IS(xr_commit(rig, "h", false), "hazard"); /* it was never prepared */
	XR_IS(xr_rollback(rig, "h"), "rolled-back");
	XR_IS(xr_commit(rig, "h", true), "hazard");
	ck_assert(!xr_has(rig, "committed"));
}
END_TEST

START_TEST(rollback_without_a_try_runs_nothing_and_stops_the_try)
{
	struct xr_call *c;

	XR_IS(xr_rollback(rig, "g"), "rolled-back");
	ck_assert(!xr_has(rig, "undone"));
	c = xr_prepare(rig, "g", "book");
	XR_IS(c, "refused");
	XR_SAYS(c, "was rolled back before");
	restart();
	XR_IS(xr_prepare(rig, "g", "book"), "refused");
	ck_assert(!xr_has(rig, "input"));
}
END_TEST

START_TEST(operation_that_was_removed_keeps_its_branches_waiting)
{
	struct xr_call *c;
	char *few = xr_operation("other", "true");

	XR_IS(xr_prepare(rig, "g", "book"), "prepared");
	xr_close(rig);
	rig = xr_serve(xr_open(dir, few, ""));
	c = xr_rollback(rig, "g");
	XR_IS(c, "unknown");
	XR_SAYS(c, "operation book, by which the branch was prepared");
	expect_listed("7 box g s.b", 1);
	restart();
	XR_IS(xr_rollback(rig, "g"), "rolled-back");
	free(few);
}
END_TEST

/* ---- ends of the agent ---- */

START_TEST(close_kills_what_runs_and_says_unknown)
{
	struct xr_call *c = xr_prepare(rig, "g", "is_deaf"), *queued;
	struct xr *other;

	XR_UNTIL(rig, 10, xr_has(rig, "begun"));
	queued = xr_prepare(rig, "h", "book");
	xr_cancel(rig, "none"); /* nothing happens */
	ck_assert_int_eq(c->answers + queued->answers, 0);
	restart(); /* checks that both were answered, and that no child is left */
	ck_assert(!xr_alive(rig, "pid"));
	expect_listed("7 box g s.b", 1);
	other = rig;
	XR_IS(xr_rollback(other, "g"), "rolled-back");
}
END_TEST

/* The agent is killed in the middle of a try; the command lives on. */
START_TEST(try_that_outlives_its_agent_is_killed_and_rolled_back)
{
	pid_t child;
	int status;

	xr_close(rig); /* no thread may hold a lock while we fork */
	child = fork();
	if (child == 0) {
		rig = xr_serve(xr_open(dir, operations, ""));
		xr_prepare(rig, "g", "is_deaf");
		XR_UNTIL(rig, 10, xr_has(rig, "begun"));
		kill(getpid(), SIGKILL);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	rig = xr_open(dir, operations, "");
	ck_assert(xr_alive(rig, "pid"));
	xr_serve(rig);
	ck_assert(!xr_alive(rig, "pid"));
	expect_listed("7 box g s.b", 1);
	XR_IS(xr_rollback(rig, "g"), "rolled-back");
	expect_file("undone", "g\n");
}
END_TEST

/* ---- readiness and configuration ---- */

START_TEST(missing_program_is_told_and_found_when_it_comes)
{
	char *op = textf("  go:\n"
			 "    prepare: {command: [./tool]}\n"
			 "    commit: {command: ['true']}\n"
			 "    rollback: {command: ['true']}\n"),
	     *tool = textf("%s/tool", dir);
	struct xr_call *c;

	xr_close(rig);
	rig = xr_open(dir, op, "");
	XR_UNTIL(rig, 10, rig->told && strstr(rig->problem, "tool") != NULL);
	ck_assert_str_eq(rig->problem, "operation go: prepare: cannot find or execute ./tool");
	file_write(tool, "#!/bin/sh\n");
	XR_UNTIL(rig, 5, !rig->ready); /* it cannot be executed */
	chmod(tool, 0755);
	xr_serve(rig);
	XR_IS(xr_prepare(rig, "g", "go"), "prepared");
	unlink(tool);
	c = xr_prepare(rig, "h", "go");
	XR_IS(c, "retry"); /* certainly not begun */
	XR_SAYS(c, "cannot find ./tool");
	XR_UNTIL(rig, 5, !rig->ready);
	expect_listed("7 box g s.b", 1);
	free(tool);
	free(op);
}
END_TEST

START_TEST(mistakes_in_the_configuration_are_told_with_their_line)
{
#define STEP "{command: [sh]}"
#define REST "\n    commit: " STEP "\n    rollback: " STEP "\n"
	static const char *const bad[][2] = {
		{"", "required"},
		{"state: s\noperations: {}", "1 to 1000 operations"},
		{"state: s\noperations:\n  o:\n    prepare: {command: sh -c x}" REST, "no shell"},
		{"state: s\noperations:\n  o:\n    prepare: {command: []}" REST, "1 to 1000 words"},
		{"state: s\noperations:\n  o:\n    prepare: " STEP "\n", "needs `commit`"},
		{"state: s\noperations:\n  o:\n    read_only: true\n    prepare: " STEP REST,
		 "has no `commit`"},
		{"state: s\noperations:\n  o:\n    prepare: {command: [sh], timeout: 0s}" REST,
		 "timeout"},
		{"state: s\ndirectory: /nowhere\noperations:\n  o:\n    prepare: " STEP REST,
		 "not there"},
		{"state: s\nenv: [SETTLE_X]\noperations:\n  o:\n    prepare: " STEP REST,
		 "name of a variable"},
		{"state: s\nenv: [NOT_SET_AT_ALL]\noperations:\n  o:\n    prepare: " STEP REST,
		 "has no NOT_SET_AT_ALL"},
		{"state: s\nenv_from: /nowhere\noperations:\n  o:\n    prepare: " STEP REST,
		 "cannot read"},
		{"state: s\noperations:\n  o:\n    prepared: " STEP REST, "prepare"},
	};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		char *text = textf("adapter: exec\n%s", bad[i][0]);
		struct adapter_host host = {.loop = &rig->loop, .cluster = "c", .agent = "a"};
		struct yaml_doc *doc;
		struct err err = {0};
		void *self;

		ck_assert_int_eq(yaml_parse(text, strlen(text), &doc, &err), RC_OK);
		ck_assert_int_eq(adapter_exec.open(&host, "box", yaml_root(doc), &self, &err),
				 RC_INVALID);
		ck_assert_msg((strstr(err.text, bad[i][1]) != NULL || i == 0) && err.line > 0,
			      "%zu: %d: %s", i, err.line, err.text);
		yaml_doc_free(doc);
		free(text);
	}
}
END_TEST

/* ---- the example ---- */

START_TEST(example_never_sells_a_seat_twice)
{
	enum { BRANCHES = 24 };
	static const char ops[] = "  reserve:\n"
				  "    args: [show, seats]\n"
				  "    prepare: {command: [./seats.sh, prepare], timeout: 20s}\n"
				  "    commit: {command: [./seats.sh, commit], timeout: 20s}\n"
				  "    rollback: {command: [./seats.sh, rollback], timeout: 20s}\n"
				  "  free:\n"
				  "    args: [show]\n"
				  "    read_only: true\n"
				  "    prepare: {command: [./seats.sh, read]}\n";
	struct xr_call *calls[BRANCHES], *c;
	int held = 0;
	char *setting = textf("mkdir -p %s/seats/total && echo 20 > %s/seats/total/hamlet && "
			      "cp examples/exec/seats.sh %s/",
			      dir, dir, dir);

	xr_close(rig);
	NEED(system(setting) == 0, "cannot set up the example");
	rig = xr_serve(xr_open(dir, ops, ""));
	for (int i = 0; i < BRANCHES; i++) {
		char gid[16];

		snprintf(gid, sizeof gid, "g%d", i);
		calls[i] = xr_prepare_in(rig, gid, "reserve",
					 "{\"show\": \"hamlet\", \"seats\": 2}", 20000, false);
	}
	for (int i = 0; i < BRANCHES; i++)
		held += strcmp(xr_word(calls[i]), "prepared") == 0;
	ck_assert_int_eq(held, 10);
	for (int i = 0, k = 0; i < BRANCHES; i++) {
		char gid[16];

		snprintf(gid, sizeof gid, "g%d", i);
		if (strcmp(xr_word(calls[i]), "prepared") != 0)
			XR_SAYS(calls[i], "0 seats left on hamlet, 2 wanted");
		else if (k++ % 2 == 0)
			XR_IS(xr_commit(rig, gid, false), "committed");
		else
			XR_IS(xr_rollback(rig, gid), "rolled-back");
	}
	c = xr_prepare_in(rig, "read", "free", "{\"show\": \"hamlet\"}", 20000, true);
	XR_IS(c, "read-only");
	ck_assert_str_eq(c->output, "{\"free\": 10}");
	expect_listed("", 0);
	free(setting);
}
END_TEST

#define ADD(name)                                                     \
	do {                                                          \
		TCase *tcase_ = tcase_create(#name);                  \
		tcase_set_timeout(tcase_, 120);                       \
		tcase_add_checked_fixture(tcase_, set_up, tear_down); \
		tcase_add_test(tcase_, name);                         \
		suite_add_tcase(suite, tcase_);                       \
	} while (0)

int main(void)
{
	Suite *suite = suite_create("exec_ends");

	ADD(commit_is_tried_until_it_succeeds_and_knows_what_was_prepared);
	ADD(commit_of_an_unknown_branch_is_a_hazard_unless_repeated);
	ADD(rollback_without_a_try_runs_nothing_and_stops_the_try);
	ADD(operation_that_was_removed_keeps_its_branches_waiting);
	ADD(close_kills_what_runs_and_says_unknown);
	ADD(try_that_outlives_its_agent_is_killed_and_rolled_back);
	ADD(missing_program_is_told_and_found_when_it_comes);
	ADD(mistakes_in_the_configuration_are_told_with_their_line);
	ADD(example_never_sells_a_seat_twice);
	return suite_run(suite, NULL, NULL);
}
