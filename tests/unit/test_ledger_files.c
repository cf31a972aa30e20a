/* The ledger and its file: whose it is, and a disk that takes nothing. */
#include "tests/lib/ledger_desk.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char *path;

static void set_up(void)
{
	static int n;

	path = temp_path("ledger-%d-%d.db", (int)getpid(), n++);
	desk_open(path);
}

static void tear_down(void)
{
	desk_close(&desk);
	free(path);
}

/* ---- files ---- */

static struct desk second;

START_TEST(second_process_waits_until_the_first_is_gone)
{
	desk_open_as(&second, path, "seats");
	RUN_UNTIL(&second, 10, second.told);
	ck_assert(!second.ready);
	ck_assert_msg(strstr(second.problem, "open in another process") != NULL, "%s",
		      second.problem);
	desk_try("g"); /* the first is not disturbed */
	desk_close(&desk);
	RUN_UNTIL(&second, 10, second.ready);
	desk_close(&second);
	desk_open(path);
	IS(desk_list(), "7/g/s.b trying");
}
END_TEST

static void expect_problem(const char *file, const char *resource, const char *what)
{
	desk_open_as(&second, file, resource);
	RUN_UNTIL(&second, 10, second.told);
	ck_assert_msg(!second.ready && strstr(second.problem, what) != NULL, "%s", second.problem);
	desk_close(&second);
}

START_TEST(file_of_another_is_left_alone)
{
	char *other = temp_path("other-%d.db", (int)getpid());
	char *before, *after;

	file_write(other, "This is no database, but somebody's notes, and they are long enough "
			  "to be mistaken for one by their size: a hundred bytes or more.\n");
	before = file_read(other);
	expect_problem(other, "seats", "not a database");
	after = file_read(other);
	ck_assert_str_eq(before, after);
	unlink(other);
	desk_alter(other, "CREATE TABLE mine (x)");
	expect_problem(other, "seats", "not one that Settle made");
	expect_problem("/nowhere/at/all.db", "seats", "No such file");
	desk_close(&desk);
	expect_problem(path, "tables", "belongs to resource seats of cluster test");
	desk_alter(path, "PRAGMA user_version = 99");
	expect_problem(path, "seats", "format 99");
	desk_alter(path, "PRAGMA user_version = 1");
	desk_open(path);
	free(before);
	free(after);
	free(other);
}
END_TEST

START_TEST(file_is_for_its_owner_only)
{
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
}
END_TEST

START_TEST(full_disk_is_told_and_got_over)
{
	struct rlimit limit = {0, RLIM_INFINITY}; /* no file may grow, or be written at all */

	desk_try("before");
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &limit);
	IS(desk_try("g"), "io none");
	ck_assert_msg(strstr(desk.why, "state file") != NULL, "%s", desk.why);
	RUN_UNTIL(&desk, 10, !desk.ready);
	IS(desk_try("h"), "io none");
	limit.rlim_cur = RLIM_INFINITY;
	setrlimit(RLIMIT_FSIZE, &limit);
	RUN_UNTIL(&desk, 10, desk.ready);
	IS(desk_try("before"), "conflict trying");
	IS(desk_try("i"), "ok trying");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ledger_files");
	TCase *files = tcase_create("files");

	tcase_set_timeout(files, 120);
	tcase_add_checked_fixture(files, set_up, tear_down);
	tcase_add_test(files, second_process_waits_until_the_first_is_gone);
	tcase_add_test(files, file_of_another_is_left_alone);
	tcase_add_test(files, file_is_for_its_owner_only);
	tcase_add_test(files, full_disk_is_told_and_got_over);
	suite_add_tcase(suite, files);
	return suite_run(suite, NULL, NULL);
}
