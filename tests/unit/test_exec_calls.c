/* The exec adapter's calls of sagas: what each end of a command means, and what becomes
 * of commands that hang, print without end, or outlive their agent. */
#include "tests/lib/exec_rig.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static char *dir, *operations;
static struct xr *rig;

#define SECRET "s3cr3t-of-the-till"

static const char *const scripts[][2] = {
	{"book", "cat > input; env > environment; echo \"{\\\"n\\\": 1.10}\""},
	{"counts", "echo $SETTLE_KEY $SETTLE_ATTEMPT >> keys; echo $SETTLE_DIRECTION > direction"},
	{"says_done", "echo \"{\\\"result\\\": \\\"done\\\", \\\"output\\\": "
		      "{\\\"big\\\": 123456789012345678901}}\""},
	{"says_no", "echo \"{\\\"result\\\": \\\"refused\\\", \\\"reason\\\": \\\"sold out\\\"}\""},
	{"says_retry", "echo \"{\\\"result\\\": \\\"retry\\\", \\\"reason\\\": \\\"shut\\\", "
		       "\\\"retry_after\\\": 1.5}\""},
	{"says_long", "echo \"{\\\"result\\\": \\\"retry\\\", \\\"retry_after\\\": 1e300}\""},
	{"says_later", "echo \"{\\\"result\\\": \\\"pending\\\"}\""},
	{"says_nonsense", "echo \"{\\\"result\\\": \\\"perhaps\\\"}\""},
	{"exits_1", "echo the last words >&2; exit 1"},
	{"exits_65", "echo sold out >&2; exit 65"},
	{"exits_75", "echo come back later >&2; exit 75"},
	{"exits_3", "exit 3"},
	{"is_killed", "kill -SEGV $$"},
	{"is_no_json", "echo hello"},
	{"floods", "echo $$ > pid; head -c 1073741824 /dev/zero"},
	{"never_ends", "echo $$ > pid; sleep 1000 & echo $! > child; touch begun; wait"},
	{"is_deaf", "trap \"\" TERM; echo $$ > pid; touch begun; while :; do sleep 0.1; done"},
	{"hangs", "touch run-$SETTLE_GID; sleep 1000"},
	{"leaks_nothing", "test \"$TILL\" = " SECRET " || exit 75; exit 3"},
};

/* An operation that is only a call. */
static char *call_of(const char *name, const char *script)
{
	return textf("  %s:\n    call: {command: [sh, -c, '%s']}\n", name, script);
}

static void set_up(void)
{
	dir = xr_dir();
	operations = textf("%s", "  both:\n"
				 "    prepare: {command: ['true']}\n"
				 "    commit: {command: ['true']}\n"
				 "    rollback: {command: ['true']}\n"
				 "    call: {command: [echo, '5']}\n"
				 "  group:\n"
				 "    prepare: {command: ['true']}\n"
				 "    commit: {command: ['true']}\n"
				 "    rollback: {command: ['true']}\n"
				 "  late:\n"
				 "    call: {command: [sleep, '1000'], timeout: 100ms}\n"
				 "  tool:\n"
				 "    call: {command: [./tool]}\n");
	for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
		char *op = call_of(scripts[i][0], scripts[i][1]);
		char *all = textf("%s%s", operations, op);

		free(op);
		free(operations);
		operations = all;
	}
	setenv("TILL", SECRET, 1);
	char *tool = textf("%s/tool", dir),
	     *make = textf("echo '#!/bin/sh' > %s; chmod +x %s", tool, tool);

	NEED(system(make) == 0, "cannot make %s", tool);
	free(make);
	free(tool);
	rig = xr_serve(xr_open(dir, operations, "parallel: 4\nenv: [TILL]\n"));
}

static void tear_down(void)
{
	if (rig != NULL)
		xr_close(rig);
	free(operations);
	free(dir);
}

static void expect_file(const char *name, const char *text)
{
	char *is = xr_file(rig, name);

	ck_assert_msg(is != NULL && strcmp(is, text) == 0, "%s holds: %s", name,
		      is != NULL ? is : "(not there)");
	free(is);
}

static struct xr_call *doing(const char *gid, const char *op)
{
	return xr_do(rig, gid, op, "{}");
}

static struct xr_call *undoing(const char *gid, const char *op)
{
	return xr_undo(rig, gid, op, "{}");
}

/* ---- what is asked, and what is answered ---- */

START_TEST(resource_says_what_it_can_do)
{
	const struct resource_info info = xr_info(rig);

	ck_assert(info.calls && info.groups && !info.exact && !info.one_phase);
}
END_TEST

START_TEST(command_is_told_what_and_for_whom)
{
	static const char *const variables[] = {
		"SETTLE_KEY=g/st/undo",  "SETTLE_GID=g",        "SETTLE_STEP=st",
		"SETTLE_DIRECTION=undo", "SETTLE_ATTEMPT=3",    "SETTLE_PHASE=call",
		"SETTLE_OPERATION=book", "SETTLE_RESOURCE=box", "SETTLE_AGENT=agent-a",
		"SETTLE_CLUSTER=test",   ("TILL=" SECRET)};
	static const char args[] = "{\"amount\": 0.10}";
	struct xr_call *c = xr_call_in(rig, &(struct adapter_call){.gid = "g",
								   .step = "st",
								   .undo = true,
								   .attempt = 3,
								   .operation = "book",
								   .args = {args, sizeof args - 1},
								   .timeout_ms = 20000});
	char *env;

	XR_IS(c, "done");
	ck_assert_str_eq(c->output, "{\"n\": 1.10}");
	expect_file("input", "{\"key\":\"g/st/undo\",\"gid\":\"g\",\"step\":\"st\","
			     "\"direction\":\"undo\",\"attempt\":3,\"resource\":\"box\","
			     "\"operation\":\"book\",\"phase\":\"call\","
			     "\"args\":{\"amount\": 0.10}}\n");
	env = xr_file(rig, "environment");
	for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++)
		ck_assert_msg(strstr(env, variables[i]) != NULL, "no %s in %s", variables[i], env);
	ck_assert_ptr_null(strstr(env, "SETTLE_BRANCH"));
	free(env);
}
END_TEST

static const struct {
	const char *op, *word, *says;
	uint32_t retry_after_ms;
} ends[] = {
	{"says_done", "done", NULL, 0},
	{"both", "done", NULL, 0},
	{"says_no", "refused", "operation says_no on box: sold out", 0},
	{"exits_65", "refused", "sold out (exit status 65)", 0},
	{"says_retry", "retry", "shut", 1500},
	{"says_long", "retry", "retry", RETRY_AFTER_MAX_MS},
	{"exits_75", "retry", "come back later (exit status 75)", 0},
	{"says_later", "pending", "pending", 0},
	{"exits_1", "unknown", "the last words (exit status 1)", 0}, /* may have died half-way */
	{"exits_3", "unknown", "exit status 3", 0},
	{"is_killed", "unknown", "signal 11", 0},
	{"is_no_json", "unknown", "not JSON", 0},
	{"says_nonsense", "unknown", "none of done", 0},
	{"late", "unknown", "did not end in time", 0},
	{"none", "refused", "resource box has no operation none", 0},
	{"group", "refused", "has no `call`", 0},
};

START_TEST(end_of_the_command_is_the_answer)
{
	struct xr_call *c = _i % 2 == 0 ? doing("g", ends[_i].op) : undoing("g", ends[_i].op);

	XR_IS(c, ends[_i].word);
	if (ends[_i].says != NULL)
		XR_SAYS(c, ends[_i].says);
	ck_assert_uint_eq(c->retry_after_ms, ends[_i].retry_after_ms);
}
END_TEST

START_TEST(output_keeps_its_digits)
{
	struct xr_call *c = doing("g", "says_done");

	XR_IS(c, "done");
	ck_assert_str_eq(c->output, "{\"big\": 123456789012345678901}");
}
END_TEST

START_TEST(bad_arguments_are_refused)
{
	struct xr_call *c = xr_do(rig, "g", "book", "[1]");

	XR_IS(c, "refused");
	XR_SAYS(c, "must be a JSON object");
	XR_IS(xr_do(rig, "g", "book", "{\"a\":"), "refused");
	ck_assert(!xr_has(rig, "input"));
}
END_TEST

START_TEST(same_call_comes_with_the_same_key)
{
	XR_IS(doing("g", "counts"), "done");
	expect_file("direction", "do\n");
	XR_IS(doing("g", "counts"), "done");
	XR_IS(undoing("g", "counts"), "done");
	expect_file("direction", "undo\n");
	expect_file("keys", "g/st/do 1\ng/st/do 1\ng/st/undo 1\n");
}
END_TEST

START_TEST(command_that_cannot_be_started_is_retried)
{
	char *tool = textf("%s/tool", dir);
	struct xr_call *c;

	XR_IS(doing("g", "tool"), "done");
	unlink(tool);
	c = doing("h", "tool");
	XR_IS(c, "retry");
	XR_SAYS(c, "cannot find ./tool");
	XR_UNTIL(rig, 10, !rig->ready);
	free(tool);
}
END_TEST

/* ---- commands that misbehave ---- */

START_TEST(deadline_ends_the_whole_process_group)
{
	struct xr_call *c = xr_call_in(rig, &(struct adapter_call){.gid = "g",
								   .step = "st",
								   .attempt = 1,
								   .operation = "never_ends",
								   .timeout_ms = 1500});

	XR_IS(c, "unknown");
	XR_SAYS(c, "did not end in time");
	/* A machine so slow that the script had not begun proves nothing. */
	if (xr_has(rig, "begun")) {
		ck_assert(!xr_alive(rig, "pid"));
		WAIT_FOR(5, !xr_alive(rig, "child")); /* killed; it takes a moment to go */
	}
}
END_TEST

START_TEST(gigabyte_of_output_is_cut_off)
{
	struct rusage before, after;
	struct xr_call *c, *other;

	getrusage(RUSAGE_SELF, &before);
	c = doing("g", "floods");
	other = doing("h", "book");
	XR_IS(c, "unknown");
	XR_SAYS(c, "printed more than 1 MiB");
	XR_IS(other, "done");
	getrusage(RUSAGE_SELF, &after);
	ck_assert_int_lt(after.ru_maxrss - before.ru_maxrss, 32 << 10); /* KiB */
	ck_assert(!xr_alive(rig, "pid"));
}
END_TEST

START_TEST(cancelled_call_ends_and_is_unknown)
{
	struct xr_call *c = doing("g", "never_ends");

	XR_UNTIL(rig, 10, xr_has(rig, "begun"));
	xr_cancel_call(rig, "g", true); /* the other direction: nothing happens */
	xr_cancel_call(rig, "none", false);
	xr_cancel_call(rig, "g", false);
	xr_cancel_call(rig, "g", false);
	XR_IS(c, "unknown");
	XR_SAYS(c, "it was stopped");
	ck_assert(!xr_alive(rig, "pid"));
	WAIT_FOR(5, !xr_alive(rig, "child"));
	c = doing("g", "book");
	xr_cancel_call(rig, "g", false);
	XR_IS(c, "retry"); /* certainly not begun */
	ck_assert(!xr_has(rig, "input"));
}
END_TEST

START_TEST(actions_that_hang_leave_room_for_compensations)
{
	struct xr_call *hung[4], *late;

	for (int i = 0; i < 3; i++) {
		char *gid = textf("h%d", i), *file = textf("run-h%d", i);

		hung[i] = doing(gid, "hangs");
		XR_UNTIL(rig, 10, xr_has(rig, file));
		free(file);
		free(gid);
	}
	hung[3] = doing("h3", "hangs");
	late = xr_call_in(rig, &(struct adapter_call){.gid = "l",
						      .step = "st",
						      .attempt = 1,
						      .operation = "book",
						      .timeout_ms = 200});
	XR_IS(late, "retry"); /* its turn did not come */
	XR_SAYS(late, "was busy until the deadline");
	XR_IS(undoing("g", "counts"), "done");
	ck_assert(!xr_has(rig, "run-h3") && !xr_has(rig, "input"));
	for (int i = 3; i >= 0; i--) { /* the one that waits first */
		char *gid = textf("h%d", i);

		ck_assert_int_eq(hung[i]->answers, 0);
		xr_cancel_call(rig, gid, false);
		XR_IS(hung[i], i < 3 ? "unknown" : "retry");
		free(gid);
	}
}
END_TEST

/* ---- ends of the agent ---- */

START_TEST(close_kills_what_runs)
{
	struct xr_call *c = doing("g", "is_deaf"), *queued;

	XR_UNTIL(rig, 10, xr_has(rig, "begun"));
	queued = doing("h", "book");
	ck_assert_int_eq(c->answers + queued->answers, 0);
	xr_close(rig); /* checks that both were answered, and that no child is left */
	rig = xr_open(dir, operations, "env: [TILL]\n");
	ck_assert(!xr_alive(rig, "pid"));
	ck_assert(!xr_has(rig, "input"));
}
END_TEST

/* The agent is killed during an action.  Its command would act after the undo. */
START_TEST(action_that_outlives_its_agent_is_killed_before_it_serves)
{
	pid_t child;
	int status;

	xr_close(rig); /* no thread may hold a lock while we fork */
	child = fork();
	if (child == 0) {
		rig = xr_serve(xr_open(dir, operations, "env: [TILL]\n"));
		doing("g", "is_deaf");
		XR_UNTIL(rig, 10, xr_has(rig, "begun"));
		kill(getpid(), SIGKILL);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	rig = xr_open(dir, operations, "env: [TILL]\n");
	ck_assert(xr_alive(rig, "pid"));
	xr_serve(rig);
	ck_assert(!xr_alive(rig, "pid"));
	XR_IS(undoing("g", "counts"), "done");
}
END_TEST

START_TEST(another_resource_does_not_kill_our_commands)
{
	struct xr_call *c = doing("g", "never_ends");
	char *elsewhere = xr_dir();
	struct xr *other;

	XR_UNTIL(rig, 10, xr_has(rig, "begun"));
	other = xr_open(elsewhere, "  o:\n    call: {command: ['true']}\n", "");
	xr_serve(other);
	ck_assert(xr_alive(rig, "pid"));
	xr_cancel_call(rig, "g", false);
	XR_IS(c, "unknown");
	/* Its close looks for children of this whole process: there are none now. */
	xr_close(other);
	free(elsewhere);
}
END_TEST

START_TEST(calls_alone_need_no_state_file)
{
	struct resource_info info;

	xr_close(rig);
	rig = xr_serve(xr_open_stateless(dir, "  o:\n    call: {command: [echo, '1']}\n"));
	info = xr_info(rig);
	ck_assert(info.calls && !info.groups);
	XR_IS(doing("g", "o"), "done");
	XR_IS(xr_prepare(rig, "g", "o"), "refused");
	ck_assert_uint_eq(xr_list(rig)->n, 0);
	XR_IS(xr_rollback(rig, "g"), "rolled-back");
	XR_IS(xr_commit(rig, "g", false), "hazard");
	XR_IS(xr_commit(rig, "g", true), "committed");
}
END_TEST

START_TEST(secrets_are_told_to_commands_only)
{
	char *log = textf("%s/log", dir), *text;
	const int kept = dup(STDERR_FILENO);
	struct xr_call *c;

	NEED(freopen(log, "w", stderr), "cannot write %s", log);
	c = doing("g", "leaks_nothing");
	XR_IS(c, "unknown");
	XR_SAYS(c, "exit status 3"); /* it was told */
	ck_assert_ptr_null(strstr(c->reason, SECRET));
	c = doing("h", "late");
	XR_IS(c, "unknown");
	ck_assert_ptr_null(strstr(c->reason, SECRET));
	fflush(stderr);
	dup2(kept, STDERR_FILENO);
	close(kept);
	text = xr_file(rig, "log");
	ck_assert_ptr_null(strstr(text, SECRET));
	free(text);
	free(log);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("exec_calls");
	TCase *tc = tcase_create("calls");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, resource_says_what_it_can_do);
	tcase_add_test(tc, command_is_told_what_and_for_whom);
	tcase_add_loop_test(tc, end_of_the_command_is_the_answer, 0, sizeof ends / sizeof ends[0]);
	tcase_add_test(tc, output_keeps_its_digits);
	tcase_add_test(tc, bad_arguments_are_refused);
	tcase_add_test(tc, same_call_comes_with_the_same_key);
	tcase_add_test(tc, command_that_cannot_be_started_is_retried);
	tcase_add_test(tc, deadline_ends_the_whole_process_group);
	tcase_add_test(tc, gigabyte_of_output_is_cut_off);
	tcase_add_test(tc, cancelled_call_ends_and_is_unknown);
	tcase_add_test(tc, actions_that_hang_leave_room_for_compensations);
	tcase_add_test(tc, close_kills_what_runs);
	tcase_add_test(tc, action_that_outlives_its_agent_is_killed_before_it_serves);
	tcase_add_test(tc, another_resource_does_not_kill_our_commands);
	tcase_add_test(tc, calls_alone_need_no_state_file);
	tcase_add_test(tc, secrets_are_told_to_commands_only);
	suite_add_tcase(suite, tc);
	return suite_run(suite, NULL, NULL);
}
