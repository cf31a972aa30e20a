/* The ledger and its file: whose it is, and a disk that takes nothing. */
#include "tests/lib/ledger_desk.h"

#include <signal.h>
#include <sqlite3.h>
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
	desk_alter(path, "PRAGMA user_version = 2");
	desk_open(path);
	free(before);
	free(after);
	free(other);
}
END_TEST

/* A copy of a file in which a bit is flipped, or none. */
/* A frame of the log that is wrong in one bit would be put right. */
static int bits = 24;

static void copy_with_flip(const char *from, const char *to, const char *suffix, long flip)
{
	char *source = textf("%s%s", from, suffix), *target = textf("%s%s", to, suffix);
	FILE *in = fopen(source, "r"), *out = fopen(target, "w");
	long at = 0;
	int c;

	ck_assert(in != NULL && out != NULL);
	for (; (c = getc(in)) != EOF; at++)
		putc(at == flip ? c ^ bits : c, out);
	ck_assert(fclose(in) == 0 && fclose(out) == 0);
	free(source);
	free(target);
}

/* What a crash leaves: the file and its log as they are while the ledger is open. */
static char *crashed(long flip_file, long flip_log)
{
	static int n;
	char *copy = temp_path("crashed-%d-%d.db", (int)getpid(), n++);

	copy_with_flip(path, copy, "", flip_file);
	copy_with_flip(path, copy, "-wal", flip_log);
	return copy;
}

static void expect_whole(char *copy)
{
	desk_open_as(&second, copy, "seats");
	RUN_UNTIL(&second, 10, second.told);
	ck_assert_msg(second.ready, "%s", second.problem);
	desk_close(&second);
	desk_close(&desk);
	desk_open(copy);
	IS(desk_list(), "7/g/s.b trying, 7/h/s.b trying");
	free(copy);
}

START_TEST(log_whose_checksums_tell_what_was_written_is_put_right)
{
	char *one_bit, *salts;

	desk_try("g");
	desk_try("h");
	salts = crashed(-1, 32 + 8);
	bits = 16;
	one_bit = crashed(-1, 32 + 500);
	expect_whole(salts);
	expect_whole(one_bit);
}
END_TEST

START_TEST(damaged_file_is_refused_and_left_alone)
{
	static const long in_file[] = {50, 70, 1000, 4095};
	static const long in_log[] = {32 + 100, 32 + 500, 32 + 18, 32 + 24 + 4000};
	char *copy;

	desk_try("g");
	desk_try("h");
	for (size_t i = 0; i < sizeof in_log / sizeof in_log[0]; i++) {
		copy = crashed(-1, in_log[i]);
		expect_problem(copy, "seats", "docs/operations.md");
		expect_problem(copy, "seats", "damaged");
		free(copy);
	}
	desk_close(&desk); /* the log is in the file now; what is read at a start is page 1 */
	for (size_t i = 0; i < sizeof in_file / sizeof in_file[0]; i++) {
		copy = temp_path("flipped-%d-%d.db", (int)getpid(), (int)i);
		copy_with_flip(path, copy, "", in_file[i]);
		expect_problem(copy, "seats", "damaged");
		free(copy);
	}
	desk_open(path);
	desk_try("i");
	copy = crashed(-1, -1);
	desk_close(&desk);
	desk_open(copy);
	IS(desk_list(), "7/g/s.b trying, 7/h/s.b trying, 7/i/s.b trying");
	free(copy);
}
END_TEST

static int run_sql(void *db, int n, char **columns, char **names)
{
	(void)n;
	(void)names;
	return sqlite3_exec(db, columns[0], NULL, NULL, NULL);
}

/* A file of format 1, whose pages have no checksums, is used as it is. */
START_TEST(file_of_an_earlier_program_goes_on)
{
	char *old = temp_path("old-%d.db", (int)getpid());
	char *attach = textf("ATTACH '%s' AS new", path);
	sqlite3 *db;

	desk_try("g");
	desk_close(&desk);
	ck_assert_int_eq(sqlite3_open(old, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, attach, NULL, NULL, NULL), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, "SELECT sql FROM new.sqlite_schema WHERE sql IS NOT NULL",
				      run_sql, db, NULL),
			 SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db,
				      "INSERT INTO branch SELECT * FROM new.branch;"
				      "INSERT INTO owner SELECT * FROM new.owner;"
				      "PRAGMA application_id = 1400138855; PRAGMA user_version = 1",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	sqlite3_close(db);
	for (int i = 0; i < 2; i++) {
		desk_open(old);
		IS(desk_list(), "7/g/s.b trying");
		desk_close(&desk);
	}
	desk_open(old);
	free(attach);
	free(old);
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
	tcase_add_test(files, log_whose_checksums_tell_what_was_written_is_put_right);
	tcase_add_test(files, damaged_file_is_refused_and_left_alone);
	tcase_add_test(files, file_of_an_earlier_program_goes_on);
	tcase_add_test(files, file_is_for_its_owner_only);
	tcase_add_test(files, full_disk_is_told_and_got_over);
	suite_add_tcase(suite, files);
	return suite_run(suite, NULL, NULL);
}
