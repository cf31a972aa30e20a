/* Crash points: what the registry promises, what a value of SETTLE_CRASH makes happen,
 * and that an ordinary build has nothing of it. */
#ifndef SETTLE_CRASH_POINTS
#define SETTLE_CRASH_POINTS 1 /* a copy of our own: the library has none */
#define ORDINARY_BUILD      true
#else
#define ORDINARY_BUILD false
#endif
#include "base/crash.c"     /* NOLINT */
#include "base/crash_vfs.c" /* NOLINT */

#include "tests/lib/harness.h"

#include <glob.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* ---- the value ---- */

static const char *const refused[] = {
	"tracer",
	"turn_begin",
	"turn_begin:1",
	"turn_begin:0:kill",
	"turn_begin:1:explode",
	"turn_begin:1:eio", /* it can only be passed */
	"disk_read:1:full", /* full is of writes */
	"no_such_point:1:kill",
	"disk_write:-:eio",
};

/* Ends with status 2. */
START_TEST(a_value_that_cannot_be_read_is_refused)
{
	setenv("SETTLE_CRASH", refused[_i], 1);
	crash_begin();
}
END_TEST

START_TEST(without_a_value_nothing_happens)
{
	unsetenv("SETTLE_CRASH");
	crash_begin();
	for (int at = 0; at < CRASH_AT_COUNT; at++)
		for (int pass = 0; pass < 3; pass++)
			ck_assert_int_eq(crash_pass((enum crash_at)at), 0);
}
END_TEST

START_TEST(kill_kills)
{
	setenv("SETTLE_CRASH", "turn_begin:2:kill", 1);
	crash_begin();
	CRASH_POINT(turn_begin);
	CRASH_POINT(turn_done);
	CRASH_POINT(turn_begin);
	_exit(1);
}
END_TEST

START_TEST(abort_aborts)
{
	setenv("SETTLE_CRASH", "turn_done:1:abort", 1);
	crash_begin();
	CRASH_POINT(turn_begin);
	CRASH_POINT(turn_done);
	_exit(1);
}
END_TEST

START_TEST(an_error_comes_once)
{
	setenv("SETTLE_CRASH", "disk_sync:2:eio", 1);
	crash_begin();
	ck_assert_int_eq(CRASH_ERROR(disk_sync), 0);
	ck_assert_int_eq(CRASH_ERROR(disk_write), 0);
	ck_assert_int_eq(CRASH_ERROR(disk_sync), EIO);
	ck_assert_int_eq(CRASH_ERROR(disk_sync), 0);
}
END_TEST

START_TEST(a_full_disk_stays_full)
{
	setenv("SETTLE_CRASH", "disk_write:2:full", 1);
	crash_begin();
	ck_assert_int_eq(CRASH_ERROR(disk_write), 0);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(CRASH_ERROR(disk_write), ENOSPC);
	ck_assert_int_eq(CRASH_ERROR(disk_sync), 0);
}
END_TEST

/* ---- SQLite's files ---- */

/* Makes a table in a new file under that value of SETTLE_CRASH; SQLite's extended code. */
static int make_table(const char *value, const char *path)
{
	sqlite3 *db = NULL;
	int rc;

	setenv("SETTLE_CRASH", value, 1);
	crash_begin();
	rc = sqlite3_open(path, &db);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, "PRAGMA journal_mode=MEMORY; CREATE TABLE t(a)", NULL, NULL,
				  NULL);
	if (rc != SQLITE_OK)
		rc = sqlite3_extended_errcode(db);
	sqlite3_close(db);
	return rc;
}

static const struct {
	const char *value;
	int code;
} failures[] = {
	{"disk_write:1:eio", SQLITE_IOERR_WRITE}, {"disk_write:1:full", SQLITE_FULL},
	{"disk_sync:1:eio", SQLITE_IOERR_FSYNC},  {"disk_open:1:eio", SQLITE_CANTOPEN},
	{"disk_write:99:eio", SQLITE_OK},
};

START_TEST(sqlite_is_told_of_the_error_in_its_own_words)
{
	char *path = temp_path("failure-%d.db", _i);

	ck_assert_int_eq(make_table(failures[_i].value, path), failures[_i].code);
	free(path);
}
END_TEST

/* Two pages are written: the first is there, of the second one half. */
START_TEST(a_torn_write_leaves_half_a_page)
{
	char *path = temp_path("torn.db");
	const pid_t child = fork();
	struct stat st;
	int status = 0;

	if (child == 0) {
		make_table("disk_torn:2:kill", path);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_size, 4096 + 2048);
	free(path);
}
END_TEST

/* ---- the registry ---- */

#define X(name, who, what) (who),
static const int who[] = {CRASH_POINTS(X)};
#undef X

static size_t count(const char *text, const char *macro, const char *name)
{
	char *call = textf("%s(%s)", macro, name);
	size_t n = 0;

	for (const char *at = text; (at = strstr(at, call)) != NULL; at++)
		n++;
	free(call);
	return n;
}

/* Where each point is passed in the sources of one folder. */
static void count_folder(const char *folder, int passer, size_t *passed)
{
	char *pattern = textf("%s/*.c", folder);
	glob_t found;

	ck_assert_int_eq(glob(pattern, 0, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		char *text = file_read(found.gl_pathv[i]);

		for (int at = 0; at < CRASH_AT_COUNT; at++) {
			const size_t points = count(text, "CRASH_POINT", names[at]);
			const size_t errors = count(text, "CRASH_ERROR", names[at]);
			const bool fails = (may[at] & (CRASH_EIO | CRASH_FULL)) != 0;

			passed[at] += points + errors;
			ck_assert_msg(points + errors == 0 || who[at] == passer,
				      "%s passes %s, which the registry gives to another",
				      found.gl_pathv[i], names[at]);
			ck_assert_msg(fails ? points == 0 : errors == 0,
				      "%s: %s is not what the registry says", found.gl_pathv[i],
				      names[at]);
		}
		free(text);
	}
	globfree(&found);
	free(pattern);
}

START_TEST(every_point_is_placed_once_where_the_registry_says)
{
	size_t passed[CRASH_AT_COUNT] = {0};

	count_folder("base", CRASH_BOTH, passed);
	count_folder("wire", CRASH_BOTH, passed);
	count_folder("coordinator", CRASH_COORDINATOR, passed);
	count_folder("participant", CRASH_AGENT, passed);
	count_folder("adapters", CRASH_AGENT, passed);
	for (int at = 0; at < CRASH_AT_COUNT; at++)
		ck_assert_msg(passed[at] == 1, "%s is placed %zu times", names[at], passed[at]);
	ck_assert_int_ge(CRASH_AT_COUNT, 60);
}
END_TEST

/* ---- the build ---- */

static bool holds(const char *program, const char *what)
{
	char *path = program_path(program);
	FILE *f = fopen(path, "r");
	struct stat st;
	bool found;
	char *all;

	NEED(f != NULL && fstat(fileno(f), &st) == 0, "%s is not built", path);
	all = malloc((size_t)st.st_size);
	NEED(all != NULL && fread(all, 1, (size_t)st.st_size, f) == (size_t)st.st_size,
	     "cannot read %s", path);
	found = memmem(all, (size_t)st.st_size, what, strlen(what)) != NULL;
	free(all);
	fclose(f);
	free(path);
	return found;
}

/* Its symbols are among the bytes of a program, as its texts are. */
START_TEST(an_ordinary_build_has_nothing_of_it)
{
	static const char *const programs[] = {"settled", "settle-agent"};
	static const char *const traces[] = {"SETTLE_CRASH=",     "crash_pass",
					     "crash_vfs_install", "crash-point",
					     "pg_prepare_sent",   "disk_torn"};

	for (size_t p = 0; p < sizeof programs / sizeof programs[0]; p++)
		for (size_t t = 0; t < sizeof traces / sizeof traces[0]; t++)
			ck_assert_msg(holds(programs[p], traces[t]) != ORDINARY_BUILD, "%s in %s",
				      traces[t], programs[p]);
}
END_TEST

#define COUNT(list) ((int)(sizeof(list) / sizeof(list)[0]))

int main(void)
{
	Suite *suite = suite_create("crash points");
	TCase *tc = tcase_create("crash points");

	tcase_add_loop_exit_test(tc, a_value_that_cannot_be_read_is_refused, 2, 0, COUNT(refused));
	tcase_add_test(tc, without_a_value_nothing_happens);
	tcase_add_test_raise_signal(tc, kill_kills, SIGKILL);
	tcase_add_test_raise_signal(tc, abort_aborts, SIGABRT);
	tcase_add_test(tc, an_error_comes_once);
	tcase_add_test(tc, a_full_disk_stays_full);
	tcase_add_loop_test(tc, sqlite_is_told_of_the_error_in_its_own_words, 0, COUNT(failures));
	tcase_add_test(tc, a_torn_write_leaves_half_a_page);
	tcase_add_test(tc, every_point_is_placed_once_where_the_registry_says);
	tcase_add_test(tc, an_ordinary_build_has_nothing_of_it);
	suite_add_tcase(suite, tc);
	return suite_run(suite, NULL, NULL);
}
