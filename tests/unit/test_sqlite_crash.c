/* The SQLite adapter when its process is killed, and when two processes share a file.
 *
 * The adapter runs in a child process here, so that kill -9 takes all of it. */
#include "tests/lib/sqlite_box.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KEYS = 150, WINDOW = 10 };

static char *file;

static void set_up(void)
{
	file = box_path();
}

static void tear_down(void)
{
	free(file);
}

static struct cr_call *add(struct cr *r, int i)
{
	char *gid = textf("g%d", i), *args = textf("{\"n\": %d}", i);
	struct cr_call *c = cr_do(r, gid, "s", "add", args);

	free(gid);
	free(args);
	return c;
}

/* Adds KEYS items, some at a time, and writes a byte to `fd` for each that is done. */
static void add_all(struct cr *r, int fd)
{
	struct cr_call *calls[KEYS];

	for (int i = 0; i < KEYS + WINDOW; i++) {
		if (i < KEYS)
			calls[i] = add(r, i);
		if (i < WINDOW)
			continue;
		NEED(strcmp(cr_word(calls[i - WINDOW]), "done") == 0, "%s",
		     calls[i - WINDOW]->reason);
		NEED(write(fd, ".", 1) == 1, "nobody listens");
	}
}

/* A child with the adapter, that adds all; `*fd` tells how far it is. */
static pid_t start_adder(int *fd)
{
	int ends[2];
	pid_t pid;

	NEED(pipe(ends) == 0, "no pipe");
	pid = fork();
	NEED(pid >= 0, "no process");
	if (pid == 0) {
		struct cr *r;

		close(ends[0]);
		r = box_serve(file, "", "");
		add_all(r, ends[1]);
		cr_close(r);
		_exit(0);
	}
	close(ends[1]);
	*fd = ends[0];
	return pid;
}

/* Reads so many bytes; fewer only if the writer is gone. */
static int read_dots(int fd, int n)
{
	char dot;
	int got = 0;

	while (got < n && read(fd, &dot, 1) == 1)
		got++;
	return got;
}

static void reap(pid_t pid, int signal)
{
	int status;

	NEED(waitpid(pid, &status, 0) == pid, "no child");
	if (signal == 0)
		ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %d", status);
	else
		ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == signal);
}

/* Killed after so many answers, with others in every state of being done. */
START_TEST(every_effect_is_there_once_after_a_kill)
{
	const int kill_after = 1 + 23 * _i;
	struct cr *r;
	pid_t pid;
	int fd, told;

	pid = start_adder(&fd);
	told = read_dots(fd, kill_after);
	ck_assert_int_eq(told, kill_after);
	kill(pid, SIGKILL);
	reap(pid, SIGKILL);
	told += read_dots(fd, KEYS);
	close(fd);

	r = box_serve(file, "", "");
	ck_assert_int_ge(box_number(file, "SELECT count(*) FROM item"), told);
	ck_assert(box_number(file, "SELECT count(*) FROM item") ==
		  box_number(file, "SELECT count(*) FROM settle_barrier"));
	for (int i = 0; i < KEYS; i++) { /* all of them again, as a coordinator would */
		struct cr_call *c = add(r, i);
		char *sql = textf("SELECT id FROM item WHERE n = %d", i), *given;

		CR_IS(c, "done");
		given = textf("[{\"id\":%d}]", (int)box_number(file, sql));
		CR_GAVE(c, given); /* the first one's output */
		free(given);
		free(sql);
	}
	ITEMS(file, KEYS);
	ck_assert_int_eq(box_number(file, "SELECT count(DISTINCT n) FROM item"), KEYS);
	cr_close(r);
}
END_TEST

/* A child that serves the file, and begins a call without an end when `*go` gets a byte.
 * It serves already when this returns: its opening locks the file as well. */
static pid_t start_slow(int *go)
{
	char serves;
	int ends[2];
	pid_t pid;

	NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "no sockets");
	pid = fork();
	NEED(pid >= 0, "no process");
	if (pid == 0) {
		struct cr *r = box_serve(file, "", "");
		char byte;

		close(ends[1]);
		NEED(write(ends[0], ".", 1) == 1, "nobody waits");
		NEED(read(ends[0], &byte, 1) == 1, "nobody says go");
		cr_word(cr_do(r, "g", "s", "slow", "{\"n\": 1}"));
		_exit(1);
	}
	close(ends[0]);
	NEED(read(ends[1], &serves, 1) == 1, "the child does not serve");
	*go = ends[1];
	return pid;
}

static bool is_locked(void)
{
	sqlite3 *db = box_open(file);
	int rc;

	sqlite3_busy_timeout(db, 0);
	rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	sqlite3_close(db);
	return rc == SQLITE_BUSY;
}

static bool has_table(void)
{
	return access(file, F_OK) == 0 &&
	       box_number(file, "SELECT count(*) FROM sqlite_schema WHERE name = 'item'") == 1;
}

START_TEST(call_that_was_cut_off_has_left_nothing)
{
	struct cr *r;
	int go;
	pid_t pid = start_slow(&go);

	NEED(write(go, ".", 1) == 1, "it is gone");
	WAIT_FOR(60, has_table() && is_locked()); /* it is in the middle of it */
	kill(pid, SIGKILL);
	reap(pid, SIGKILL);
	close(go);
	r = box_serve(file, "", "");
	ITEMS(file, 0);
	CR_IS(cr_undo(r, "g", "s", "take", "{\"n\": 1}"), "done");
	CR_IS(cr_do(r, "g", "s", "slow", "{\"n\": 1}"), "refused");
	ITEMS(file, 0);
	cr_close(r);
}
END_TEST

/* A frozen process keeps the lock; what it was doing must not come after our answer. */
START_TEST(frozen_process_cannot_act_behind_an_answer)
{
	int go;
	pid_t pid = start_slow(&go);
	struct cr *r = box_serve(file, "", "");
	struct cr_call *c;

	NEED(write(go, ".", 1) == 1, "it is gone");
	WAIT_FOR(60, is_locked());
	kill(pid, SIGSTOP);
	c = cr_call(r, &(struct adapter_call){.gid = "g",
					      .step = "s",
					      .undo = true,
					      .attempt = 1,
					      .operation = "take",
					      .args = {"{\"n\": 1}", 8},
					      .timeout_ms = 300});
	CR_IS(c, "unknown"); /* not DONE, and not RETRY either: it might be done yet */
	kill(pid, SIGKILL);
	reap(pid, SIGKILL);
	close(go);
	CR_IS(cr_undo(r, "g", "s", "take", "{\"n\": 1}"), "done");
	cr_close(r);
}
END_TEST

START_TEST(two_processes_do_each_key_once_between_them)
{
	int one, two;
	pid_t first = start_adder(&one), second = start_adder(&two);

	ck_assert_int_eq(read_dots(one, KEYS), KEYS);
	ck_assert_int_eq(read_dots(two, KEYS), KEYS);
	reap(first, 0);
	reap(second, 0);
	close(one);
	close(two);
	ITEMS(file, KEYS);
	ck_assert_int_eq(box_number(file, "SELECT count(DISTINCT n) FROM item"), KEYS);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sqlite-crash");
	TCase *tc = tcase_create("crash");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 180);
	tcase_add_loop_test(tc, every_effect_is_there_once_after_a_kill, 0, 6);
	tcase_add_test(tc, call_that_was_cut_off_has_left_nothing);
	tcase_add_test(tc, frozen_process_cannot_act_behind_an_answer);
	tcase_add_test(tc, two_processes_do_each_key_once_between_them);
	suite_add_tcase(suite, tc);
	return suite_run(suite, NULL, NULL);
}
