/* Commands that misbehave, and what they cost: nobody else anything. */
#include "adapters/exec_run.h"
#include "tests/lib/exec_rig.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static char *dir, *operations;
static struct xr *rig;

static const char *const scripts[][2] = {
	{"floods", "yes hello"},
	{"floods_errors", "head -c 50000000 /dev/zero | tr \"\\\\0\" x >&2; echo >&2; echo 1"},
	{"prints_much", "printf \"\\\"\"; head -c 1000000 /dev/zero | tr \"\\\\0\" x; "
			"printf \"\\\"\""},
	{"closes_early", "exec >&- 2>&- <&-; touch closed; sleep 0.2; touch slept"},
	{"is_quick", "true"},
	{"is_slow_to_read", "sleep 0.2; wc -c | tr -d \" \""},
	{"leaves_a_daemon", "setsid sh -c \"echo \\$\\$ > daemon; exec sleep 1000\" & "
			    "while [ ! -s daemon ]; do sleep 0.02; done; echo 1"},
	{"leaves_a_child", "sleep 1000 & echo $! > child; echo 1"},
	{"shows_descriptors", "ls /proc/self/fd > fds; cut -d\" \" -f5,6 /proc/self/stat > ids; "
			      "grep Sig /proc/self/status > signals; echo $$ > pid"},
	{"prints_control", "printf \"a\\033[31mb\\377\\n\\n\" >&2; exit 3"},
	{"writes_to_dev_stderr", "echo so > /dev/stderr; echo 1 > /dev/stdout"},
};

static void set_up(void)
{
	dir = xr_dir();
	operations = textf("%s", "");
	for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
		char *op = xr_operation(scripts[i][0], scripts[i][1]);
		char *all = textf("%s%s", operations, op);

		free(op);
		free(operations);
		operations = all;
	}
	rig = xr_serve(xr_open(dir, operations, ""));
}

static void tear_down(void)
{
	xr_close(rig);
	free(operations);
	free(dir);
}

static int64_t memory_kib(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss;
}

START_TEST(flood_is_cut_off_undone_and_refused)
{
	const int64_t before = memory_kib();
	struct xr_call *c = xr_prepare(rig, "g", "floods"),
		       *other = xr_prepare(rig, "h", "is_quick");
	char *undone;

	XR_IS(c, "refused");
	XR_SAYS(c, "printed more than 1 MiB");
	XR_IS(other, "prepared");
	undone = xr_file(rig, "undone");
	ck_assert_str_eq(undone, "g\n");
	ck_assert_int_lt(memory_kib() - before, 30000);
	free(undone);
}
END_TEST

START_TEST(flood_of_errors_is_read_and_forgotten)
{
	const int64_t before = memory_kib();

	XR_IS(xr_prepare(rig, "g", "floods_errors"), "prepared");
	ck_assert_int_lt(memory_kib() - before, 30000);
}
END_TEST

START_TEST(output_up_to_the_cap_is_kept)
{
	struct xr_call *c = xr_prepare(rig, "g", "prints_much");

	XR_IS(c, "prepared");
	ck_assert_uint_eq(strlen(c->output), 1000002);
}
END_TEST

START_TEST(command_need_not_read_its_input_nor_at_once)
{
	char *args = textf("{\"x\": \"%0900000d\"}", 1);
	struct xr_call *c = xr_prepare_in(rig, "g", "is_quick", args, 20000, false);
	struct xr_call *slow = xr_prepare_in(rig, "h", "is_slow_to_read", args, 20000, false);

	XR_IS(c, "prepared");
	ck_assert_ptr_null(c->output);
	XR_IS(slow, "prepared");
	ck_assert_int_gt(atoi(slow->output), 900000);
	free(args);
}
END_TEST

START_TEST(command_that_closes_its_pipes_is_waited_for)
{
	XR_IS(xr_prepare(rig, "g", "closes_early"), "prepared");
	ck_assert(xr_has(rig, "slept"));
}
END_TEST

START_TEST(daemon_holds_nobody_up_and_lives)
{
	char *pid;

	XR_IS(xr_prepare(rig, "g", "leaves_a_daemon"), "prepared");
	ck_assert(xr_alive(rig, "daemon"));
	XR_IS(xr_commit(rig, "g", false), "committed");
	pid = xr_file(rig, "daemon");
	kill(atoi(pid), SIGKILL);
	free(pid);
}
END_TEST

START_TEST(child_that_is_left_behind_is_killed)
{
	XR_IS(xr_prepare(rig, "g", "leaves_a_child"), "prepared");
	WAIT_FOR(5, !xr_alive(rig, "child"));
}
END_TEST

START_TEST(command_inherits_three_descriptors_and_default_signals)
{
	const int stray = open("/dev/null", O_RDONLY); /* a library forgot O_CLOEXEC */
	char *fds, *ids, *signals, *pid;
	const char *at;
	int group, session;

	ck_assert_int_ge(stray, 3);
	signal(SIGHUP, SIG_IGN);
	XR_IS(xr_prepare(rig, "g", "shows_descriptors"), "prepared");
	fds = xr_file(rig, "fds");
	ck_assert_str_eq(fds, "0\n1\n2\n3\n"); /* 3 is how ls looks */
	signals = xr_file(rig, "signals");
	ck_assert(strstr(signals, "SigBlk:\t0000000000000000") != NULL);
	at = strstr(signals, "SigIgn:\t");
	/* Beyond 31 there are two of the C library's own. */
	ck_assert_uint_eq(strtoull(at + strlen("SigIgn:\t"), NULL, 16) & 0x7fffffff, 0);
	ids = xr_file(rig, "ids");
	pid = xr_file(rig, "pid");
	ck_assert_int_eq(sscanf(ids, "%d %d", &group, &session), 2);
	ck_assert_int_eq(session, atoi(pid));
	ck_assert_int_eq(group, session);
	ck_assert_int_ne(session, getsid(0));
	free(fds);
	free(signals);
	free(ids);
	free(pid);
	close(stray);
}
END_TEST

START_TEST(words_of_a_command_are_made_harmless)
{
	struct xr_call *c = xr_prepare(rig, "g", "prints_control");

	XR_IS(c, "unknown");
	ck_assert_str_eq(c->reason, "operation prints_control on box: a?[31mb? (exit status 3)");
}
END_TEST

START_TEST(script_may_open_its_output_by_name)
{
	struct xr_call *c = xr_prepare(rig, "g", "writes_to_dev_stderr");

	XR_IS(c, "prepared");
	ck_assert_str_eq(c->output, "1");
}
END_TEST

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

START_TEST(many_runs_leak_no_descriptor_and_no_zombie)
{
	const int before = count_fds();

	for (int i = 0; i < 60; i++) {
		char gid[16];

		snprintf(gid, sizeof gid, "g%d", i);
		XR_IS(xr_prepare(rig, gid, i % 3 == 0 ? "leaves_a_child" : "is_quick"), "prepared");
	}
	xr_turn(rig);
	ck_assert_int_eq(count_fds(), before);
	ck_assert(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}
END_TEST

START_TEST(shortage_of_descriptors_is_a_refusal)
{
	struct rlimit limit;
	struct xr_call *c;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = (rlim_t)count_fds(); /* one is free, three pipes are wanted */
	setrlimit(RLIMIT_NOFILE, &limit);
	c = xr_prepare(rig, "g", "is_quick");
	XR_IS(c, "retry");
	XR_SAYS(c, "Too many open files");
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	XR_IS(xr_prepare(rig, "h", "is_quick"), "prepared");
}
END_TEST

/* ---- a process that does not die, as far as can be had: no time is given to it ---- */

static struct adapter_loop loop;
static struct exec_run *run;
static int ended, gone, closed;
static bool lost;

static void nothing(void *arg)
{
	(void)arg;
}

static void on_closed(void *arg)
{
	(void)arg;
	closed++;
}

static void on_dead(void *arg)
{
	(void)arg;
	gone++;
	adapter_loop_close(&loop);
}

static void on_ended(const struct exec_end *end, void *arg)
{
	const bool *forget = arg;

	ended++;
	lost = end->lost;
	exec_run_lost(run, on_dead, NULL);
	if (*forget) {
		exec_run_forget(run);
		adapter_loop_close(&loop);
	}
}

static void lose(bool forget)
{
	static char *argv[] = {"sleep", "1000", NULL}, *envp[] = {NULL};
	const struct exec_command command = {
		.path = "/bin/sleep", .argv = argv, .envp = envp, .timeout_ms = 20};
	uv_loop_t uv;
	struct err err;

	ended = gone = closed = 0;
	uv_loop_init(&uv);
	loop = (struct adapter_loop){.after = nothing, .gone = on_closed};
	adapter_loop_init(&loop, &uv);
	ck_assert_int_eq(exec_run_start(&loop, &command, on_ended, &forget, &run, &err), RC_OK);
	uv_run(&uv, UV_RUN_DEFAULT);
	ck_assert_int_eq(uv_loop_close(&uv), 0);
	ck_assert_int_eq(ended, 1);
	ck_assert_int_eq(closed, 1);
	ck_assert(lost);
}

START_TEST(process_that_does_not_die_is_told_lost_and_reaped_when_it_does)
{
	lose(false);
	ck_assert_int_eq(gone, 1);
	ck_assert(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}
END_TEST

START_TEST(lost_process_can_be_forgotten)
{
	lose(true);
	ck_assert_int_eq(gone, 0);
	ck_assert_int_gt(waitpid(-1, NULL, 0), 0);
}
END_TEST

#define ADD(tcase, name) tcase_add_test(tcase, name)

int main(void)
{
	Suite *suite = suite_create("exec_run");
	TCase *bad = tcase_create("bad"), *raw = tcase_create("raw");

	tcase_set_timeout(bad, 120);
	tcase_add_checked_fixture(bad, set_up, tear_down);
	ADD(bad, flood_is_cut_off_undone_and_refused);
	ADD(bad, flood_of_errors_is_read_and_forgotten);
	ADD(bad, output_up_to_the_cap_is_kept);
	ADD(bad, command_need_not_read_its_input_nor_at_once);
	ADD(bad, command_that_closes_its_pipes_is_waited_for);
	ADD(bad, daemon_holds_nobody_up_and_lives);
	ADD(bad, child_that_is_left_behind_is_killed);
	ADD(bad, command_inherits_three_descriptors_and_default_signals);
	ADD(bad, words_of_a_command_are_made_harmless);
	ADD(bad, script_may_open_its_output_by_name);
	ADD(bad, many_runs_leak_no_descriptor_and_no_zombie);
	ADD(bad, shortage_of_descriptors_is_a_refusal);
	suite_add_tcase(suite, bad);
	tcase_set_timeout(raw, 60);
	ADD(raw, process_that_does_not_die_is_told_lost_and_reaped_when_it_does);
	ADD(raw, lost_process_can_be_forgotten);
	suite_add_tcase(suite, raw);
	return suite_run(suite, NULL, NULL);
}
