/* test_journal_shell.c - what people do to a journal with sqlite3, while a coordinator runs, after
 * it crashed, and to make a copy. */
#include "base/mem.h"
#include "base/wal.h"
#include "coordinator/journal_db.h"
#include "coordinator/journal_schema.h"
#include "tests/lib/harness.h"
#include "tests/lib/journal_damage.h"
#include "tests/lib/journal_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct damage *d;

static void make(void)
{
	d = damage_make();
}

/* A connection as the shell has it. */
static sqlite3 *shell(const struct jf *f, int mode)
{
	char *path = jf_path(f, "settle.db");
	sqlite3 *db;

	ck_assert_msg(sqlite3_open_v2(path, &db, mode, NULL) == SQLITE_OK, "%s",
		      sqlite3_errmsg(db));
	free(path);
	return db;
}

static void run(sqlite3 *db, const char *sql)
{
	char *problem = NULL;

	ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, &problem) == SQLITE_OK, "%s: %s", sql,
		      problem);
}

static void begin_crashed(struct jf *f)
{
	char *dir = damage_put(&d->file, &d->log);

	jf_init_on(f, dir);
	free(dir);
}

static void holds_all(struct jf *f)
{
	struct err err = {0};
	char *said = damage_ask(f->dir, &err);

	ck_assert_msg(said != NULL, "%s", err.text);
	ck_assert_str_eq(said, d->said[DAMAGE_BATCHES]);
	free(said);
}

START_TEST(look_with_readonly_after_a_crash_changes_nothing)
{
	sqlite3 *db;
	struct jf f;

	begin_crashed(&f);
	db = shell(&f, SQLITE_OPEN_READONLY);
	run(db, "SELECT count(*) FROM txn");
	ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
	holds_all(&f);
	jf_fini(&f);
}
END_TEST

/* Also if it was opened to write: only the last to close copies the log. */
START_TEST(shell_that_reads_while_a_coordinator_starts_runs_and_stops_is_no_matter)
{
	sqlite3 *db;
	struct jf f;

	begin_crashed(&f);
	db = shell(&f, SQLITE_OPEN_READWRITE);
	run(db, "SELECT count(*) FROM txn");
	jf_open(&f);
	run(db, "SELECT count(*) FROM txn");
	jf_close(&f);
	run(db, "SELECT count(*) FROM txn");
	ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
	holds_all(&f);
	jf_fini(&f);
}
END_TEST

static void dies(struct jf *f, void *arg)
{
	(void)arg;
	jf_open(f);
	jf_put(f, "mine", 9001, TXN_COMMITTING);
	jf_commit(f);
	kill(getpid(), SIGKILL);
}

/* `sql` reads, and keeps what it has read from being written over; the coordinator cannot mark
 * the file, and dies. */
static void read_all_the_while(struct jf *f, const char *sql)
{
	sqlite3 *db = shell(f, SQLITE_OPEN_READONLY);

	run(db, sql);
	jf_fork(f, dies, NULL, NULL);
	ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
	jf_open(f);
	ck_assert(jf_has(f, "mine"));
	jf_close(f);
	jf_open(f);
	ck_assert(jf_has(f, "mine"));
	jf_fini(f);
}

START_TEST(reader_of_a_closed_journal_does_not_keep_it_from_starting)
{
	char *dir = damage_put(&d->closed, NULL);
	struct jf f;

	jf_init_on(&f, dir);
	read_all_the_while(&f, "BEGIN; SELECT count(*) FROM txn");
	free(dir);
}
END_TEST

START_TEST(reader_of_a_crashed_journal_does_not_keep_it_from_starting)
{
	struct jf f;

	begin_crashed(&f);
	read_all_the_while(&f, "BEGIN; SELECT count(*) FROM txn");
}
END_TEST

/* ---- a backup ---- */

/* As `.backup` does it: a hundred pages at a time. */
static void back_up(struct jf *f, const char *to)
{
	sqlite3 *db = shell(f, SQLITE_OPEN_READONLY), *copy;
	sqlite3_backup *b;
	int rc;

	ck_assert_int_eq(sqlite3_open(to, &copy), SQLITE_OK);
	b = sqlite3_backup_init(copy, "main", db, "main");
	ck_assert_ptr_nonnull(b);
	while ((rc = sqlite3_backup_step(b, 100)) == SQLITE_OK)
		;
	ck_assert_int_eq(rc, SQLITE_DONE);
	ck_assert_int_eq(sqlite3_backup_finish(b), SQLITE_OK);
	ck_assert_int_eq(sqlite3_close(copy), SQLITE_OK);
	ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

START_TEST(backup_of_a_running_journal_is_taken_over)
{
	struct jf f, copy;
	char *path;

	begin_crashed(&f);
	jf_init(&copy);
	ck_assert_int_eq(mkdir(copy.dir, 0700), 0);
	path = jf_path(&copy, "settle.db");
	jf_open(&f);
	back_up(&f, path);
	jf_put(&f, "later", 3000, TXN_COMMITTING);
	jf_commit(&f);
	jf_fini(&f);
	jf_refused(&copy, RC_INVALID, "Taking a journal over");
	jf_foreign_sql(&copy, "PRAGMA user_version=1004");
	holds_all(&copy);
	ck_assert_int_eq(jf_count(&copy, "PRAGMA user_version"), JOURNAL_VERSION);
	jf_open(&copy);
	ck_assert(!jf_has(&copy, "later"));
	jf_fini(&copy);
	free(path);
}
END_TEST

/* ---- logs ---- */

static void spoil_log(const char *path, off_t at)
{
	char *name = textf("%s-wal", path);
	const int fd = open(name, O_RDWR);

	ck_assert(fd >= 0 && pwrite(fd, "spoilt", 6, at) == 6);
	close(fd);
	free(name);
}

/* Frames of a torn transaction, which nothing written later may stand before. */
START_TEST(tail_of_a_torn_transaction_is_wiped)
{
	char *path;
	struct wal_facts whole, torn, wiped;
	struct jf f;

	begin_crashed(&f);
	path = jf_path(&f, "settle.db");
	ck_assert_int_eq(wal_scan_of(path, 0, &whole), 0);
	spoil_log(path, WAL_HEADER + ((off_t)whole.frames - 1) * WAL_FRAME + 500);
	ck_assert_int_eq(wal_scan_of(path, 0, &torn), 0);
	ck_assert(!whole.tail && torn.tail && torn.whole < whole.whole);
	ck_assert_int_eq(wal_forget_tail(path), 0);
	ck_assert_int_eq(wal_scan_of(path, 0, &wiped), 0);
	ck_assert(!wiped.tail && wiped.frames == torn.whole && wiped.commits == torn.commits);
	free(path);
	jf_fini(&f);
}
END_TEST

static off_t log_size(const char *path)
{
	char *name = textf("%s-wal", path);
	struct stat st;

	ck_assert_int_eq(stat(name, &st), 0);
	free(name);
	return st.st_size;
}

/* SQLite then cuts the log to what is in it; and a log that does not end with a piece counts
 * as one that somebody has cut. */
START_TEST(log_of_one_transaction_above_the_limit_ends_with_a_piece)
{
	static const char grow[] = "INSERT INTO t SELECT randomblob(3000) FROM (WITH RECURSIVE n(i)"
				   " AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900)"
				   " SELECT i FROM n)";
	char *path = temp_path("cut.db");
	struct err err = {0};
	sqlite3 *db;

	file_write(path, "");
	ck_assert_int_eq(db_open(path, &db, &err), RC_OK);
	run(db, "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0;"
		" PRAGMA journal_size_limit=1048576; CREATE TABLE t(x)");
	run(db, grow);
	run(db, grow);
	ck_assert_int_gt(log_size(path), 7 * WAL_PIECE);
	run(db, "PRAGMA wal_checkpoint(RESTART)");
	run(db, grow);
	ck_assert_int_eq(log_size(path), 4 * WAL_PIECE);
	db_close(db);
	free(path);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("journal_shell");
	TCase *tc = tcase_create("journal_shell");

	tcase_set_timeout(tc, (double)harness_patience_ms(60) / 1000);
	tcase_add_test(tc, look_with_readonly_after_a_crash_changes_nothing);
	tcase_add_test(tc, shell_that_reads_while_a_coordinator_starts_runs_and_stops_is_no_matter);
	tcase_add_test(tc, reader_of_a_closed_journal_does_not_keep_it_from_starting);
	tcase_add_test(tc, reader_of_a_crashed_journal_does_not_keep_it_from_starting);
	tcase_add_test(tc, backup_of_a_running_journal_is_taken_over);
	tcase_add_test(tc, tail_of_a_torn_transaction_is_wiped);
	tcase_add_test(tc, log_of_one_transaction_above_the_limit_ends_with_a_piece);
	suite_add_tcase(suite, tc);
	return suite_run(suite, make, NULL);
}
