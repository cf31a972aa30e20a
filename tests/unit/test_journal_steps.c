/* test_journal_steps.c - steps of a saga that are written beside lines of its history. */
#include "base/mem.h"
#include "base/wal.h"
#include "coordinator/journal_schema.h"
#include "tests/lib/bad_disk.h"
#include "tests/lib/harness.h"
#include "tests/lib/journal_damage.h"
#include "tests/lib/journal_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SEQ = 1000, STEPS = 3 };

static struct jf f;
static struct record *saga;

static void setup(void)
{
	jf_init(&f);
	jf_open(&f);
	saga = jf_saga("s", SEQ, SAGA_RUNNING, STEPS);
	f.port.put(f.port.self, saga);
}

static void teardown(void)
{
	record_free(saga);
	jf_fini(&f);
}

static void put_step(size_t n, enum step_state state)
{
	saga->saga->steps[n].state = state;
	f.port.put_step(f.port.self, saga, n);
}

static void output_is(size_t n, size_t size)
{
	struct saga_step *step = &saga->saga->steps[n];

	free(step->output);
	step->output = mem_new(size + 1, 1);
	memset(step->output, '7', size);
}

static void put_line(uint64_t n)
{
	jf_put_events(&f, SEQ, n, n);
}

/* All that was put is what is read. */
static void found(void)
{
	struct record *r = jf_find(&f, "s");

	for (size_t i = 0; i < STEPS; i++) {
		ck_assert_int_eq(r->saga->steps[i].state, saga->saga->steps[i].state);
		ck_assert_uint_eq(r->saga->steps[i].attempts, saga->saga->steps[i].attempts);
		ck_assert_str_eq(r->saga->steps[i].output != NULL ? r->saga->steps[i].output : "",
				 saga->saga->steps[i].output != NULL ? saga->saga->steps[i].output
								     : "");
	}
	record_free(r);
}

static int rows(const char *table)
{
	char *sql = mem_printf("SELECT count(*) FROM %s", table);
	const int n = (int)jf_count(&f, sql);

	free(sql);
	return n;
}

START_TEST(small_steps_are_in_the_row_of_the_lines_of_their_batch)
{
	put_step(0, STEP_DONE);
	put_step(1, STEP_DOING);
	put_line(2);
	jf_commit(&f);
	found();
	jf_close(&f);
	ck_assert_int_eq(rows("step"), 0);
	ck_assert_int_eq(rows("event"), 1);
}
END_TEST

START_TEST(steps_without_lines_have_rows_of_their_own)
{
	put_step(0, STEP_DONE);
	put_step(1, STEP_DOING);
	jf_commit(&f);
	found();
	jf_close(&f);
	ck_assert_int_eq(rows("step"), 2);
}
END_TEST

START_TEST(lines_of_another_saga_take_no_steps)
{
	struct record *other = jf_saga("o", SEQ + 64, SAGA_RUNNING, STEPS);

	f.port.put(f.port.self, other);
	put_step(0, STEP_DONE);
	jf_put_events(&f, SEQ + 64, 1, 1);
	jf_commit(&f);
	found();
	jf_close(&f);
	ck_assert_int_eq(rows("step"), 1);
	record_free(other);
}
END_TEST

START_TEST(what_was_written_last_is_found_wherever_it_is)
{
	put_step(0, STEP_DOING);
	put_line(1);
	jf_commit(&f);
	put_step(0, STEP_UNDOING); /* a row of its own: there is no line */
	jf_commit(&f);
	found();
	put_step(0, STEP_DONE);
	put_line(2);
	jf_commit(&f);
	found();
	output_is(0, 100000); /* too large to stand beside a line */
	put_step(0, STEP_UNDONE);
	put_line(3);
	jf_commit(&f);
	found();
	output_is(0, 10);
	put_step(0, STEP_DONE);
	put_line(4);
	jf_commit(&f);
	found();
}
END_TEST

START_TEST(of_one_batch_the_last_is_found)
{
	put_step(0, STEP_DOING);
	output_is(0, 100000);
	put_step(0, STEP_DONE);
	put_step(1, STEP_DOING);
	put_step(1, STEP_STUCK);
	put_line(1);
	put_step(1, STEP_DONE); /* after the line: it is not in its row */
	jf_commit(&f);
	found();
}
END_TEST

START_TEST(what_a_later_start_writes_is_newer)
{
	for (int i = 0; i < 5; i++) {
		put_step(0, STEP_UNDOING);
		put_line((uint64_t)i + 1);
		jf_commit(&f);
	}
	jf_close(&f);
	jf_open(&f);
	put_step(0, STEP_DOING);
	jf_commit(&f);
	found();
	jf_close(&f);
	jf_open(&f);
	put_step(0, STEP_DONE);
	put_line(6);
	jf_commit(&f);
	found();
}
END_TEST

START_TEST(lines_that_are_pushed_out_take_no_steps_with_them)
{
	jf_put_events(&f, SEQ, 1, EVENTS_FIRST_KEPT);
	jf_commit(&f);
	put_step(0, STEP_DONE);
	put_line(EVENTS_FIRST_KEPT + 1);
	jf_commit(&f);
	jf_put_events(&f, SEQ, EVENTS_FIRST_KEPT + 2, EVENTS_KEPT + 10);
	jf_commit(&f);
	found();
}
END_TEST

START_TEST(damaged_steps_beside_a_line_are_refused)
{
	static const char *const damage[] = {
		"UPDATE event SET steps = x'00'",
		/* step 0 with more bytes than there are; step 9; step 0 in state 99 */
		"UPDATE event SET steps = x'0000 09000000 0100000000000000 0801'",
		"UPDATE event SET steps = x'0900 02000000 0100000000000000 0801'",
		"UPDATE event SET steps = x'0000 02000000 ffffffffffffff7f 0863'",
	};
	struct record *r;
	struct err err;

	put_step(0, STEP_DONE);
	put_line(1);
	jf_commit(&f);
	for (size_t i = 0; i < sizeof damage / sizeof damage[0]; i++) {
		char sql[200], *to = sql;

		for (const char *at = damage[i]; *at != '\0'; at++) /* blanks in x'…' are for us */
			if (*at != ' ' || at < strchr(damage[i], '\''))
				*to++ = *at;
		*to = '\0';
		jf_close(&f);
		jf_sql(&f, sql);
		jf_open(&f);
		ck_assert_int_eq(f.port.find(f.port.self, "s", &r, &err), RC_INVALID);
		ck_assert_ptr_nonnull(strstr(err.text, "damaged"));
	}
}
END_TEST

/* ---- a journal of version 3 ---- */

#define TO_VERSION_3                                                                 \
	"ALTER TABLE event DROP COLUMN steps; ALTER TABLE step DROP COLUMN written;" \
	"PRAGMA user_version=3"

static void back_to_version_3(void)
{
	jf_close(&f);
	jf_sql(&f, TO_VERSION_3);
}

START_TEST(journal_of_version_3_goes_on)
{
	put_step(0, STEP_DONE);
	put_step(1, STEP_DOING);
	jf_commit(&f);
	put_line(1);
	jf_commit(&f);
	back_to_version_3();
	jf_open(&f);
	ck_assert_int_eq((int)jf_count(&f, "PRAGMA user_version"), 4);
	found();
	put_step(1, STEP_DONE);
	put_line(2);
	jf_commit(&f);
	found();
}
END_TEST

START_TEST(upgrade_of_version_3_survives_a_disk_that_is_full_at_any_write)
{
	struct err err = {0};
	int failed = 0;

	put_step(0, STEP_DONE);
	jf_commit(&f);
	back_to_version_3();
	for (int nth = 1; f.j == NULL; nth++) {
		enum rc rc;

		bad_disk_break(DISK_FULL, nth, true);
		rc = journal_open(f.dir, "test", &f.j, &err);
		ck_assert_msg(rc == RC_OK || rc == RC_IO, "%s: %s", rc_name(rc), err.text);
		failed += bad_disk_mend();
	}
	ck_assert_int_gt(failed, 2);
	f.port = journal_port(f.j);
	found();
}
END_TEST

static void tear(struct jf *j, uint64_t frame)
{
	static const char torn[] = "what another sector held";
	char *log = jf_path(j, "settle.db-wal");
	FILE *file = fopen(log, "r+");

	ck_assert(file != NULL &&
		  fseek(file, WAL_HEADER + (long)frame * WAL_FRAME - 1000, SEEK_SET) == 0 &&
		  fwrite(torn, sizeof torn, 1, file) == 1 && fclose(file) == 0);
	free(log);
}

static struct wal_facts log_of(struct jf *j)
{
	char *path = jf_path(j, "settle.db");
	struct wal_facts facts;

	ck_assert_int_eq(wal_scan_of(path, 0, &facts), 0);
	free(path);
	return facts;
}

/* Version 3 lost its power in the middle of a batch, of which the end is there. */
static void die_in_version_3(struct jf *j, void *arg)
{
	uint64_t frame;

	(void)arg;
	jf_open(j);
	jf_sql(j, TO_VERSION_3);
	frame = log_of(j).whole + 2;
	jf_sql(j, "INSERT INTO txn VALUES(5, 6, 9, 1, 'old', 'w', NULL, zeroblob(32),"
		  " zeroblob(60000), 0)");
	tear(j, frame);
	_exit(0);
}

/* The `nth` sync of a start fails.  If that was the upgrade's, the power fails as well, and of
 * what was to be synced a part is lost.  True if no sync failed. */
static bool start_with_failed_sync(const struct damage_file *file, const struct damage_file *log,
				   int nth, bool *torn)
{
	char *dir = damage_put(file, log);
	struct err err = {0};
	uint64_t before;
	bool failed;
	struct jf j;

	jf_init_on(&j, dir);
	before = log_of(&j).commits;
	bad_disk_break(DISK_SYNC_FAILS, nth, true);
	journal_open(j.dir, "test", &j.j, &err);
	failed = bad_disk_mend();
	ck_assert_msg(failed == (j.j == NULL), "%s", err.text);
	if (failed && !*torn && log_of(&j).commits != before && log_of(&j).commits != 0) {
		tear(&j, log_of(&j).whole > 1 ? log_of(&j).whole - 1 : 1);
		*torn = true;
	}
	if (failed)
		jf_open(&j);
	ck_assert_int_eq((int)jf_count(&j, "PRAGMA user_version"), JOURNAL_VERSION);
	jf_fini(&j);
	free(dir);
	return !failed;
}

START_TEST(upgrade_behind_a_torn_batch_may_be_torn_itself)
{
	char *path = jf_path(&f, "settle.db"), *log_path = jf_path(&f, "settle.db-wal");
	struct damage_file file, log;
	bool torn = false;
	int nth = 1;

	jf_close(&f);
	ck_assert_int_eq(jf_fork(&f, die_in_version_3, NULL, NULL), 0);
	file = damage_read(path);
	log = damage_read(log_path);
	while (!start_with_failed_sync(&file, &log, nth, &torn))
		nth++;
	ck_assert(torn);
	free(file.bytes);
	free(log.bytes);
	free(path);
	free(log_path);
}
END_TEST

/* Version 3 always had room for checksums: without it, somebody has written it anew. */
START_TEST(version_3_without_room_for_checksums_is_refused)
{
	char *path = jf_path(&f, "settle.db");

	jf_close(&f);
	ck_assert_int_eq(unlink(path), 0);
	jf_foreign_sql(&f, "CREATE TABLE event(seq); CREATE TABLE step(key);"
			   "PRAGMA application_id=1584864769; PRAGMA user_version=3");
	jf_refused(&f, RC_INVALID, "its header");
	free(path);
}
END_TEST

START_TEST(copy_of_version_3_is_taken_over)
{
	put_step(0, STEP_DONE);
	jf_commit(&f);
	back_to_version_3();
	jf_foreign_sql(&f, "PRAGMA user_version=1003");
	jf_open(&f);
	found();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("journal_steps");
	TCase *tc = tcase_create("journal_steps");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, small_steps_are_in_the_row_of_the_lines_of_their_batch);
	tcase_add_test(tc, steps_without_lines_have_rows_of_their_own);
	tcase_add_test(tc, lines_of_another_saga_take_no_steps);
	tcase_add_test(tc, what_was_written_last_is_found_wherever_it_is);
	tcase_add_test(tc, of_one_batch_the_last_is_found);
	tcase_add_test(tc, what_a_later_start_writes_is_newer);
	tcase_add_test(tc, lines_that_are_pushed_out_take_no_steps_with_them);
	tcase_add_test(tc, damaged_steps_beside_a_line_are_refused);
	tcase_add_test(tc, journal_of_version_3_goes_on);
	tcase_add_test(tc, upgrade_of_version_3_survives_a_disk_that_is_full_at_any_write);
	tcase_add_test(tc, upgrade_behind_a_torn_batch_may_be_torn_itself);
	tcase_add_test(tc, version_3_without_room_for_checksums_is_refused);
	tcase_add_test(tc, copy_of_version_3_is_taken_over);
	suite_add_tcase(suite, tc);
	return suite_run(suite, bad_disk_install, NULL);
}
