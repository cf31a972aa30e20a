/* The exec adapter: what each end of a command means for its branch. */
#include "tests/lib/exec_rig.h"

#include <stdlib.h>

static char *dir, *operations;
static struct xr *rig;

/* Every operation's prepare; see xr_operation for the rest of it. */
static const char *const scripts[][2] = {
	{"book", "cat > input; env > environment; echo \"{\\\"n\\\": 1.10}\""},
	{"says_done", "echo \"{\\\"result\\\": \\\"done\\\", \\\"reason\\\": \\\"}\\\", "
		      "\\\"output\\\": {\\\"big\\\": 123456789012345678901, \\\"s\\\": "
		      "\\\"},\\\"}}\""},
	{"says_no", "echo \"{\\\"result\\\": \\\"refused\\\", \\\"reason\\\": \\\"sold out\\\"}\""},
	{"says_no_with_1", "echo \"{\\\"result\\\": \\\"refused\\\"}\"; exit 1"},
	{"says_done_with_1", "echo \"{\\\"result\\\": \\\"done\\\"}\"; exit 1"},
	{"says_nonsense", "echo \"{\\\"result\\\": \\\"perhaps\\\"}\""},
	{"says_retry", "echo \"{\\\"result\\\": \\\"retry\\\"}\""},
	{"exits_1", "echo first >&2; echo the last words >&2; exit 1"},
	{"exits_75", "echo come back later >&2; exit 75"},
	{"exits_3", "exit 3"},
	{"is_killed", "kill -SEGV $$"},
	{"is_no_json", "echo hello"},
	{"never_ends", "echo $$ > pid; sleep 1000 & echo $! > child; touch begun; wait"},
	{"is_deaf", "trap \"\" TERM; echo $$ > pid; touch begun; while :; do sleep 0.1; done"},
	{"waits", "touch run-$SETTLE_GID; while [ ! -e go ]; do sleep 0.02; done; rm "
		  "run-$SETTLE_GID"},
};

static void set_up(void)
{
	dir = xr_dir();
	operations = textf("%s", "  read:\n"
				 "    read_only: true\n"
				 "    prepare: {command: [sh, -c, 'echo 7']}\n"
				 "  read_fails:\n"
				 "    read_only: true\n"
				 "    prepare: {command: [sh, -c, 'exit 3']}\n"
				 "  one_way:\n"
				 "    prepare: {command: [sh, -c, 'exit 1']}\n"
				 "    commit: {command: ['true']}\n"
				 "    rollback: {command: [sh, -c, 'test -e allow']}\n"
				 "  late:\n"
				 "    prepare: {command: [sleep, '100'], timeout: 100ms}\n"
				 "    commit: {command: ['true']}\n"
				 "    rollback: {command: ['true']}\n"
				 "");
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

/* ---- the good way ---- */

START_TEST(prepared_branch_is_listed_and_commits)
{
	struct xr_call *c = xr_prepare_in(rig, "g", "book", "{\"amount\": 0.10}", 20000, false);

	XR_IS(c, "prepared");
	ck_assert_str_eq(c->output, "{\"n\": 1.10}");
	expect_listed("7 box g s.b", 1);
	XR_IS(xr_commit(rig, "g", false), "committed");
	expect_file("committed", "g\n");
	expect_listed("", 0);
	XR_IS(xr_commit(rig, "g", true), "committed");
	expect_file("committed", "g\n"); /* not run again */
	ck_assert(!xr_has(rig, "undone"));
}
END_TEST

START_TEST(command_is_told_what_and_for_whom)
{
	static const char *const variables[] = {"SETTLE_KEY=settle:test:7:g:s.b",
						"SETTLE_GID=g",
						"SETTLE_BRANCH=s.b",
						"SETTLE_PHASE=prepare",
						"SETTLE_OPERATION=book",
						"SETTLE_RESOURCE=box",
						"SETTLE_AGENT=agent-a",
						"SETTLE_CLUSTER=test",
						"PATH=/usr/local/bin:/usr/bin:/bin"};
	char *env;

	setenv("SECRET", "hunter2", 1);
	XR_IS(xr_prepare_in(rig, "g", "book", "{\"amount\": 0.10}", 20000, false), "prepared");
	expect_file("input", "{\"key\":\"settle:test:7:g:s.b\",\"gid\":\"g\",\"branch\":\"s.b\","
			     "\"epoch\":7,\"resource\":\"box\",\"operation\":\"book\","
			     "\"phase\":\"prepare\",\"args\":{\"amount\": 0.10},"
			     "\"prepared\":null}\n");
	env = xr_file(rig, "environment");
	for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++)
		ck_assert_msg(strstr(env, variables[i]) != NULL, "no %s in %s", variables[i], env);
	ck_assert(strstr(env, "SECRET") == NULL);
	free(env);
}
END_TEST

START_TEST(environment_comes_by_name_and_from_a_file)
{
	char *file = textf("%s/vars", dir), *more, *env;

	file_write(file, "# a comment\n\nTOKEN=a=b c\nPATH=/usr/bin:/bin\n");
	setenv("SEEN", "yes", 1);
	setenv("UNSEEN", "no", 1);
	more = textf("env: [SEEN]\nenv_from: %s\n", file);
	xr_close(rig);
	rig = xr_serve(xr_open(dir, operations, more));
	XR_IS(xr_prepare(rig, "g", "book"), "prepared");
	env = xr_file(rig, "environment");
	ck_assert(strstr(env, "SEEN=yes\n") != NULL && strstr(env, "TOKEN=a=b c\n") != NULL);
	ck_assert(strstr(env, "PATH=/usr/bin:/bin\n") != NULL && strstr(env, "UNSEEN") == NULL);
	free(env);
	free(more);
	free(file);
}
END_TEST

START_TEST(output_of_a_result_keeps_its_digits)
{
	struct xr_call *c = xr_prepare(rig, "g", "says_done");

	XR_IS(c, "prepared");
	ck_assert_str_eq(c->output, "{\"big\": 123456789012345678901, \"s\": \"},\"}");
}
END_TEST

START_TEST(read_only_operation_leaves_nothing)
{
	struct xr_call *c = xr_prepare_in(rig, "g", "read", "{}", 20000, true);

	XR_IS(c, "read-only");
	ck_assert_str_eq(c->output, "7");
	XR_IS(xr_prepare(rig, "h", "read"), "read-only");
	XR_IS(xr_prepare(rig, "i", "read_fails"), "retry");
	expect_listed("", 0);
	c = xr_prepare_in(rig, "j", "book", "{}", 20000, true);
	XR_IS(c, "refused");
	XR_SAYS(c, "not declared read_only");
	ck_assert(!xr_has(rig, "input"));
}
END_TEST

/* ---- no, and perhaps ---- */

START_TEST(refusal_in_words_is_believed)
{
	struct xr_call *c = xr_prepare(rig, "g", "says_no");

	XR_IS(c, "refused");
	ck_assert_str_eq(c->reason, "operation says_no on box: sold out");
	XR_IS(xr_prepare(rig, "h", "says_no_with_1"), "refused");
	ck_assert(!xr_has(rig, "undone"));
	expect_listed("", 0);
}
END_TEST

START_TEST(exit_status_1_is_refused_after_a_rollback)
{
	struct xr_call *c = xr_prepare(rig, "g", "exits_1");

	XR_IS(c, "refused");
	ck_assert_str_eq(c->reason, "operation exits_1 on box: the last words (exit status 1)");
	expect_file("undone", "g\n");
	expect_listed("", 0);
}
END_TEST

START_TEST(refusal_whose_rollback_fails_is_unknown)
{
	struct xr_call *c = xr_prepare(rig, "g", "one_way");

	XR_IS(c, "unknown");
	XR_SAYS(c, "rollback does not succeed");
	expect_listed("7 box g s.b", 1);
	XR_IS(xr_rollback(rig, "g"), "unknown");
	touch("allow");
	XR_IS(xr_rollback(rig, "g"), "rolled-back");
	expect_listed("", 0);
}
END_TEST

START_TEST(unclear_end_is_unknown_and_can_be_rolled_back)
{
	static const char *const ops[][2] = {
		{"exits_75", "come back later (exit status 75)"},
		{"exits_3", "exit status 3"},
		{"is_killed", "signal 11"},
		{"says_retry", "retry"},
		{"says_done_with_1", "it says done, but exits with status 1"},
	};

	for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
		struct xr_call *c = xr_prepare(rig, ops[i][0], ops[i][0]);

		XR_IS(c, "unknown");
		XR_SAYS(c, ops[i][1]);
		ck_assert_uint_eq(xr_list(rig)->n, 1);
		XR_IS(xr_rollback(rig, ops[i][0]), "rolled-back");
		expect_listed("", 0);
	}
	expect_file("undone", "exits_75\nexits_3\nis_killed\nsays_retry\nsays_done_with_1\n");
}
END_TEST

START_TEST(output_that_cannot_be_used_is_undone_and_refused)
{
	struct xr_call *c = xr_prepare(rig, "g", "is_no_json");

	XR_IS(c, "refused");
	XR_SAYS(c, "not JSON");
	c = xr_prepare(rig, "h", "says_nonsense");
	XR_IS(c, "refused");
	XR_SAYS(c, "none of done, refused, retry, pending");
	expect_file("undone", "g\nh\n");
}
END_TEST

START_TEST(unknown_operation_and_bad_arguments_are_refused)
{
	struct xr_call *c = xr_prepare(rig, "g", "fly");

	XR_IS(c, "refused");
	XR_SAYS(c, "has no operation fly");
	c = xr_prepare_in(rig, "h", "book", "[1]", 20000, false);
	XR_IS(c, "refused");
	XR_SAYS(c, "must be a JSON object");
	XR_IS(xr_prepare_in(rig, "i", "book", "{\"a\": }", 20000, false), "refused");
	expect_listed("", 0);
}
END_TEST

/* ---- deadlines ---- */

START_TEST(command_dies_at_its_deadline_with_its_group)
{
	struct xr_call *c = xr_prepare_in(rig, "g", "never_ends", "{}", 1000, false);

	XR_IS(c, "unknown");
	XR_SAYS(c, "did not end in time");
	ck_assert(!xr_alive(rig, "pid"));
	WAIT_FOR(5, !xr_alive(rig, "child"));
	XR_IS(xr_rollback(rig, "g"), "rolled-back");
	XR_IS(xr_prepare(rig, "h", "late"), "unknown"); /* its own, shorter one */
}
END_TEST

START_TEST(command_that_ignores_sigterm_is_killed_after_two_seconds)
{
	const int64_t began = clock_ms();

	/* Time for the shell to begin, and to say that it ignores the signal. */
	XR_IS(xr_prepare_in(rig, "g", "is_deaf", "{}", 3000, false), "unknown");
	ck_assert(!xr_alive(rig, "pid"));
	ck_assert_int_ge(clock_ms() - began, 4900);
}
END_TEST

START_TEST(cancel_ends_a_prepare)
{
	struct xr_call *c = xr_prepare(rig, "g", "never_ends");

	XR_UNTIL(rig, 10, xr_has(rig, "begun"));
	xr_cancel(rig, "g");
	XR_IS(c, "unknown");
	WAIT_FOR(5, !xr_alive(rig, "pid") && !xr_alive(rig, "child"));
	XR_IS(xr_rollback(rig, "g"), "rolled-back");
	c = xr_prepare(rig, "h", "book");
	xr_cancel(rig, "h"); /* before it begins */
	XR_IS(c, "retry");
	expect_listed("", 0);
	ck_assert(!xr_has(rig, "input"));
}
END_TEST

/* ---- parallelism ---- */

static int count_running(void)
{
	int n = 0;

	for (char c = 'a'; c <= 'f'; c++) {
		char name[] = {'r', 'u', 'n', '-', c, '\0'};

		n += xr_has(rig, name);
	}
	return n;
}

START_TEST(prepares_wait_for_slots_and_leave_one_to_commits)
{
	struct xr_call *calls[6];

	XR_IS(xr_prepare(rig, "done", "book"), "prepared");
	for (int i = 0; i < 6; i++) {
		const char gid[] = {(char)('a' + i), '\0'};

		calls[i] = xr_prepare_in(rig, gid, "waits", "{}", i == 5 ? 2000 : 20000, false);
	}
	XR_UNTIL(rig, 10, count_running() == 3); /* parallel: 4, a quarter is kept */
	XR_IS(xr_commit(rig, "done", false), "committed");
	XR_IS(calls[5], "retry"); /* its deadline, in the queue */
	XR_SAYS(calls[5], "busy until the deadline");
	ck_assert_int_eq(count_running(), 3);
	ck_assert(!xr_has(rig, "run-f"));
	touch("go");
	for (int i = 0; i < 5; i++)
		XR_IS(calls[i], "prepared");
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
	Suite *suite = suite_create("exec");

	ADD(prepared_branch_is_listed_and_commits);
	ADD(command_is_told_what_and_for_whom);
	ADD(environment_comes_by_name_and_from_a_file);
	ADD(output_of_a_result_keeps_its_digits);
	ADD(read_only_operation_leaves_nothing);
	ADD(refusal_in_words_is_believed);
	ADD(exit_status_1_is_refused_after_a_rollback);
	ADD(refusal_whose_rollback_fails_is_unknown);
	ADD(unclear_end_is_unknown_and_can_be_rolled_back);
	ADD(output_that_cannot_be_used_is_undone_and_refused);
	ADD(unknown_operation_and_bad_arguments_are_refused);
	ADD(command_dies_at_its_deadline_with_its_group);
	ADD(command_that_ignores_sigterm_is_killed_after_two_seconds);
	ADD(cancel_ends_a_prepare);
	ADD(prepares_wait_for_slots_and_leave_one_to_commits);
	return suite_run(suite, NULL, NULL);
}
