/* The SQLite adapter and its file: locks, kinds of files, disks that fail. */
#include "tests/lib/bad_disk.h"
#include "tests/lib/sqlite_box.h"

#include "adapters/sqlite.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char *file;

static void set_up(void)
{
	file = box_path();
}

static void tear_down(void)
{
	free(file);
}

static struct cr *open_box(const char *more)
{
	char *config = box_config(file, more, "");
	struct cr *r = cr_open(&adapter_sqlite, config);

	free(config);
	return r;
}

/* A file of somebody else's, with the table `item` and SQLite's older kind of journal. */
static void make_old_file(void)
{
	sqlite3 *db = box_open(file);

	box_do(db, "CREATE TABLE item (id INTEGER PRIMARY KEY, n NOT NULL)");
	sqlite3_close(db);
}

/* ---- locks ---- */

START_TEST(locked_file_is_waited_for)
{
	struct cr *r = box_serve(file, "", "");
	sqlite3 *other = box_open(file);
	struct cr_call *late, *patient;

	box_do(other, "BEGIN IMMEDIATE");
	patient = cr_do(r, "g", "s", "add", "{\"n\": 1}");
	late = box_do_in(r, "h", "add", "{\"n\": 2}", 100);
	/* Whoever has the lock may be an earlier call of the same key: no RETRY. */
	CR_IS(late, "unknown");
	CR_SAYS(late, "somebody else keeps locked");
	ck_assert_int_eq(patient->answers, 0);
	box_do(other, "COMMIT");
	sqlite3_close(other);
	CR_IS(patient, "done");
	CR_IS(box_do_in(r, "h", "add", "{\"n\": 2}", 60000), "done");
	ITEMS(file, 2);
	cr_close(r);
}
END_TEST

START_TEST(cancel_and_close_end_a_wait_for_the_lock)
{
	struct cr *r = box_serve(file, "", "");
	sqlite3 *other = box_open(file);
	struct cr_call *c;

	box_do(other, "BEGIN IMMEDIATE");
	c = cr_do(r, "g", "s", "add", "{\"n\": 1}");
	cr_turn(r);
	cr_cancel(r, "g", "s", false);
	CR_IS(c, "unknown");
	cr_do(r, "h", "s", "add", "{\"n\": 1}");
	cr_turn(r);
	cr_close(r);
	box_do(other, "COMMIT");
	sqlite3_close(other);
	ITEMS(file, 0);
}
END_TEST

/* With a rollback journal a reader keeps a writer from its commit. */
START_TEST(reader_that_stays_makes_a_commit_give_up_and_roll_back)
{
	struct cr *r;
	sqlite3 *other;
	struct cr_call *c, *patient;

	make_old_file();
	r = box_serve(file, "", "");
	other = box_open(file);
	box_do(other, "BEGIN; SELECT count(*) FROM item");
	c = box_do_in(r, "g", "add", "{\"n\": 1}", 200);
	patient = cr_do(r, "h", "s", "add", "{\"n\": 2}");
	CR_IS(c, "retry");
	CR_SAYS(c, "locked");
	ck_assert_int_eq(patient->answers, 0);
	box_do(other, "COMMIT");
	sqlite3_close(other);
	CR_IS(patient, "done");
	ITEMS(file, 1);
	CR_IS(cr_do(r, "g", "s", "add", "{\"n\": 1}"), "done");
	ITEMS(file, 2);
	cr_close(r);
}
END_TEST

/* ---- kinds of files ---- */

START_TEST(new_file_is_private_and_logs_ahead)
{
	struct cr *r = box_serve(file, "", "");
	struct stat st;
	char *mode = box_text(file, "PRAGMA journal_mode");

	ck_assert_str_eq(mode, "wal");
	ck_assert_int_eq(stat(file, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
	free(mode);
	cr_close(r);
}
END_TEST

START_TEST(file_of_others_keeps_its_mode_and_its_tables)
{
	struct cr *r;
	char *mode;

	make_old_file();
	r = box_serve(file, "  - CREATE TABLE second (a)\n", "");
	CR_IS(cr_do(r, "g", "s", "add", "{\"n\": 1}"), "done");
	mode = box_text(file, "PRAGMA journal_mode");
	ck_assert_str_eq(mode, "delete");
	ck_assert_int_eq(box_number(file, "SELECT count(*) FROM sqlite_schema"
					  " WHERE name = 'second'"),
			 0);
	free(mode);
	cr_close(r);
}
END_TEST

START_TEST(schema_that_fails_leaves_an_empty_file)
{
	struct cr *r = open_box("  - CREATE TABLE item (again)\n");

	box_await_problem(r, "schema (line 5, column 5)");
	ck_assert_int_eq(box_number(file, "SELECT count(*) FROM sqlite_schema"), 0);
	cr_close(r);
}
END_TEST

static const struct {
	const char *sql, *says;
} not_for_us[] = {
	{"PRAGMA application_id = 1584864769", "Settle's own journal"},
	{"PRAGMA application_id = 1400138855", "Settle's own state file"},
	{"CREATE TABLE settle_barrier (a)", "not as Settle makes it"},
};

START_TEST(files_that_are_not_for_it_are_refused_with_a_reason)
{
	for (size_t i = 0; i < sizeof not_for_us / sizeof not_for_us[0]; i++) {
		sqlite3 *db;
		struct cr *r;

		make_old_file();
		db = box_open(file);
		box_do(db, not_for_us[i].sql);
		sqlite3_close(db);
		r = open_box("");
		box_await_problem(r, not_for_us[i].says);
		cr_close(r);
		ck_assert_int_eq(unlink(file), 0);
	}
}
END_TEST

START_TEST(what_is_no_database_is_left_alone_until_it_is_one)
{
	struct cr *r;
	char *text;

	file_write(file, "This is a shopping list, and it is long enough to be read by SQLite "
			 "as the first page of a database, which it is not.\n");
	r = open_box("");
	box_await_problem(r, "not a database");
	text = file_read(file);
	ck_assert_ptr_nonnull(strstr(text, "shopping list"));
	free(text);
	ck_assert_int_eq(unlink(file), 0);
	CR_UNTIL(r, 30, r->ready);
	CR_IS(cr_do(r, "g", "s", "add", "{\"n\": 1}"), "done");
	cr_close(r);
}
END_TEST

START_TEST(missing_file_is_made_only_if_that_is_wanted)
{
	struct cr *r = open_box("create: false\n");
	char *folder;

	box_await_problem(r, "`create` is false");
	ck_assert_int_ne(access(file, F_OK), 0);
	make_old_file();
	CR_UNTIL(r, 30, r->ready);
	cr_close(r);
	folder = file;
	file = textf("%s.d/box.db", folder);
	r = open_box("");
	box_await_problem(r, "No such file or directory");
	cr_close(r);
	free(folder);
}
END_TEST

/* Else it would go on in a file that has no name any more, and ends with the agent. */
START_TEST(file_that_is_removed_while_open_is_made_again)
{
	struct cr *r = box_serve(file, "", "");

	CR_IS(cr_do(r, "g", "s", "add", "{\"n\": 1}"), "done");
	ck_assert_int_eq(unlink(file), 0);
	CR_IS(cr_do(r, "h", "s", "add", "{\"n\": 2}"), "done");
	ITEMS(file, 1);
	cr_close(r);
}
END_TEST

/* Pages of a table overwritten with noise, behind everybody's back. */
START_TEST(damaged_file_is_told_and_not_worked_in)
{
	struct cr *r = box_serve(file, "", "");
	char noise[4096];
	sqlite3 *db;
	int fd;

	CR_IS(cr_do(r, "g", "s", "add", "{\"n\": 1}"), "done");
	cr_close(r);
	db = box_open(file);
	box_do(db, "PRAGMA wal_checkpoint(TRUNCATE)");
	sqlite3_close(db);
	memset(noise, 0x5a, sizeof noise);
	fd = open(file, O_WRONLY);
	for (int page = 1; page < 5; page++) /* but the first */
		ck_assert_int_eq(pwrite(fd, noise, sizeof noise, page * 4096), sizeof noise);
	close(fd);
	r = open_box("");
	CR_UNTIL(r, 30, r->told);
	if (r->ready) {
		CR_IS(cr_do(r, "h", "s", "add", "{\"n\": 2}"), "unknown");
		CR_UNTIL(r, 30, !r->ready);
	}
	cr_close(r);
}
END_TEST

/* Root may write anywhere, so somebody else tries. */
START_TEST(folder_that_cannot_be_written_is_a_problem_with_its_cure)
{
	char *folder = temp_path("read-only-%d", (int)getpid());
	int status = 0;
	pid_t child;

	free(file);
	file = textf("%s/box.db", folder);
	ck_assert_int_eq(mkdir(folder, 0755), 0);
	make_old_file();
	ck_assert_int_eq(chmod(file, 0666), 0);
	ck_assert_int_eq(chmod(folder, 0555), 0);
	ck_assert_int_eq(chmod(temp_dir(), 0755), 0);
	child = fork();
	if (child == 0) {
		struct cr *r;

		if (geteuid() == 0 && setuid(65534) != 0)
			_exit(3);
		r = open_box("");
		box_await_problem(r, "must be able to write");
		cr_close(r);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	chmod(folder, 0755);
	free(folder);
}
END_TEST

/* ---- disks that fail ---- */

/* One call while the disk fails at its nth write or sync, and the same call again when
 * it is mended.  True if the failure was met. */
static bool try_on_bad_disk(enum bad_disk how, int nth, bool stays)
{
	struct cr *r = box_serve(file, "", "");
	struct cr_call *c;
	const char *word;
	bool met;

	CR_IS(cr_do(r, "before", "s", "add", "{\"n\": 0}"), "done");
	bad_disk_break(how, nth, stays);
	c = cr_do(r, "g", "s", "add", "{\"n\": 1}");
	word = cr_word(c);
	met = bad_disk_mend();
	if (!met)
		ck_assert_str_eq(word, "done");
	else if (strcmp(word, "done") != 0) {
		ck_assert_msg(strcmp(word, "retry") == 0 || strcmp(word, "unknown") == 0, "%s: %s",
			      word, c->reason);
		ck_assert_ptr_nonnull(c->reason);
	}
	if (strcmp(word, "retry") == 0)
		ITEMS(file, 1);
	do { /* it may be noticed only now that the file must be opened again */
		CR_UNTIL(r, 30, r->ready);
		c = cr_do(r, "g", "s", "add", "{\"n\": 1}");
		word = cr_word(c);
	} while (strcmp(word, "unknown") == 0);
	ck_assert_str_eq(word, "done");
	ITEMS(file, 2);
	CR_IS(cr_undo(r, "g", "s", "take", "{\"n\": 1}"), "done");
	ITEMS(file, 1);
	cr_close(r);
	ck_assert_int_eq(box_number(file, "SELECT count(*) FROM pragma_integrity_check"
					  " WHERE integrity_check = 'ok'"),
			 1);
	unlink(file);
	return met;
}

START_TEST(effect_is_there_once_whichever_write_or_sync_fails)
{
	const enum bad_disk how = (enum bad_disk)(_i / 4);
	const bool stays = (_i & 1) != 0, old = (_i & 2) != 0;
	int nth = 0;

	bad_disk_install();
	do {
		if (old)
			make_old_file();
	} while (try_on_bad_disk(how, ++nth, stays));
	ck_assert_int_gt(nth, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sqlite-files");
	TCase *tc = tcase_create("files");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 180);
	tcase_add_test(tc, locked_file_is_waited_for);
	tcase_add_test(tc, cancel_and_close_end_a_wait_for_the_lock);
	tcase_add_test(tc, reader_that_stays_makes_a_commit_give_up_and_roll_back);
	tcase_add_test(tc, new_file_is_private_and_logs_ahead);
	tcase_add_test(tc, file_of_others_keeps_its_mode_and_its_tables);
	tcase_add_test(tc, schema_that_fails_leaves_an_empty_file);
	tcase_add_test(tc, files_that_are_not_for_it_are_refused_with_a_reason);
	tcase_add_test(tc, what_is_no_database_is_left_alone_until_it_is_one);
	tcase_add_test(tc, missing_file_is_made_only_if_that_is_wanted);
	tcase_add_test(tc, file_that_is_removed_while_open_is_made_again);
	tcase_add_test(tc, damaged_file_is_told_and_not_worked_in);
	tcase_add_test(tc, folder_that_cannot_be_written_is_a_problem_with_its_cure);
	tcase_add_loop_test(tc, effect_is_there_once_whichever_write_or_sync_fails, 0, 12);
	suite_add_tcase(suite, tc);
	return suite_run(suite, NULL, NULL);
}
