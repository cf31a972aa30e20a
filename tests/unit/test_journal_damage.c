/* test_journal_damage.c - a damaged journal is refused, with a text that says what to do, or
 * everything that it says is what was durable.
 *
 * DAMAGE=all looks at every byte, and takes minutes. */
#include "base/mem.h"
#include "base/wal.h"
#include "coordinator/journal_db.h"
#include "coordinator/journal_schema.h"
#include "tests/lib/harness.h"
#include "tests/lib/journal_damage.h"
#include "tests/lib/journal_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct damage *d;
static size_t frames; /* of the crashed journal's log */
static int refused, taken;

static void make(void)
{
	d = damage_make();
}

static void setup(void)
{
	struct jf f;
	char *dir = damage_put(&d->file, &d->log);

	jf_init_on(&f, dir);
	frames = (size_t)(jf_log_end(&f) - WAL_HEADER) / WAL_FRAME;
	jf_fini(&f);
	free(dir);
}

static bool everything(void)
{
	const char *how = getenv("DAMAGE");

	return how != NULL && strcmp(how, "all") == 0;
}

/* Steps that differ, so that no alignment is always missed; 1 with DAMAGE=all. */
static size_t stride(size_t about, size_t at)
{
	return everything() ? 1 : about / 2 + (at * 2654435761u >> 7) % about;
}

static struct damage_file copy_of(const struct damage_file *f)
{
	return (struct damage_file){mem_dup_bytes(f->bytes, f->size), f->size};
}

/* Tries the closed journal with `file`. */
static void try_closed(struct damage_file *file, const char *what)
{
	char *dir = damage_put(file, NULL);

	*(damage_try(dir, true, 0, what) ? &refused : &taken) += 1;
	free(dir);
}

/* Tries the crashed one. */
static bool try_crashed(const struct damage_file *file, const struct damage_file *log, int may_lack,
			const char *what)
{
	char *dir = damage_put(file, log);
	const bool no = damage_try(dir, false, may_lack, what);

	*(no ? &refused : &taken) += 1;
	free(dir);
	return no;
}

static const char *called(const char *what, size_t at)
{
	static char text[100];

	snprintf(text, sizeof text, "%s at %zu", what, at);
	return text;
}

/* ---- nothing is wrong ---- */

START_TEST(intact_journals_are_read)
{
	char *dir = damage_put(&d->closed, NULL);

	ck_assert(!damage_try(dir, true, 0, "closed"));
	free(dir);
	ck_assert(!try_crashed(&d->file, &d->log, 0, "crashed"));
	for (int i = 0; i < DAMAGE_BATCHES; i++)
		ck_assert_str_ne(d->said[i], d->said[i + 1]);
}
END_TEST

/* ---- the file ---- */

static void flip(struct damage_file *f, size_t at)
{
	f->bytes[at] = (char)(f->bytes[at] ^ (1 << (at * 7 + at / 4096) % 8));
}

/* A page that nothing leads to is not read; any other that is flipped is refused. */
START_TEST(flipped_bit_of_the_file_is_refused_or_not_read)
{
	struct damage_file f = copy_of(&d->closed);

	for (size_t at = 0; at < f.size; at += at < 100 && !everything() ? 3 : stride(900, at)) {
		flip(&f, at);
		try_closed(&f, called("flipped bit of the file", at));
		flip(&f, at);
	}
	ck_assert_int_gt(refused, taken * 10);
	free(f.bytes);
}
END_TEST

START_TEST(flipped_bit_of_an_open_file_is_refused_or_in_the_log)
{
	struct damage_file f = copy_of(&d->file);

	for (size_t at = 0; at < f.size; at += at < 100 && !everything() ? 9 : stride(3000, at)) {
		flip(&f, at);
		try_crashed(&f, &d->log, 0, called("flipped bit of an open file", at));
		flip(&f, at);
	}
	free(f.bytes);
}
END_TEST

START_TEST(file_that_was_cut_is_refused)
{
	struct damage_file f = d->closed;

	for (size_t at = 1; at < d->closed.size; at += stride(4000, at)) {
		f.size = at;
		try_closed(&f, called("file cut", at));
	}
	ck_assert_int_eq(taken, 0);
}
END_TEST

/* With DAMAGE=all each with each. */
START_TEST(pages_that_changed_places_are_refused)
{
	const size_t pages = d->closed.size / SEAL_PAGE;

	for (size_t i = 0; i < pages; i++) {
		for (size_t k = 0; k < pages; k += everything() ? 1 : pages / 2 + 1) {
			struct damage_file f = copy_of(&d->closed);

			memcpy(f.bytes + i * SEAL_PAGE, d->closed.bytes + k * SEAL_PAGE, SEAL_PAGE);
			memcpy(f.bytes + k * SEAL_PAGE, d->closed.bytes + i * SEAL_PAGE, SEAL_PAGE);
			try_closed(&f, called("page in another's place", i * 1000 + k));
			free(f.bytes);
		}
	}
	ck_assert_int_gt(refused, taken);
}
END_TEST

START_TEST(pages_of_zeros_are_refused)
{
	for (size_t at = 0; at < d->closed.size; at += SEAL_PAGE) {
		struct damage_file f = copy_of(&d->closed);

		memset(f.bytes + at, 0, SEAL_PAGE);
		try_closed(&f, called("page of zeros", at));
		free(f.bytes);
	}
	ck_assert_int_gt(refused, taken);
}
END_TEST

/* ---- the log ---- */

static const size_t *log_end(void)
{
	static size_t end;

	end = WAL_HEADER + frames * WAL_FRAME;
	return &end;
}

/* One bit of a frame is noticed wherever it is, also in the last transaction, and mostly the
 * checksum tells which: then nothing is refused, and nothing is missing. */
START_TEST(flipped_bit_of_the_log_is_put_right_or_refused)
{
	struct damage_file log = copy_of(&d->log);
	const size_t end = *log_end();

	for (size_t at = WAL_HEADER; at < end; at += stride(600, at)) {
		flip(&log, at);
		try_crashed(&d->file, &log, 0, called("flipped bit of the log", at));
		flip(&log, at);
	}
	ck_assert_int_gt(taken, refused);
	/* What comes after it was never written. */
	flip(&log, end + 5);
	ck_assert(!try_crashed(&d->file, &log, 0, "after the log's end"));
	free(log.bytes);
}
END_TEST

START_TEST(flipped_bit_of_the_logs_header_is_refused)
{
	struct damage_file log = copy_of(&d->log);

	for (size_t at = 0; at < WAL_HEADER; at += everything() ? 1 : 2) {
		flip(&log, at);
		ck_assert(try_crashed(&d->file, &log, 0, called("log's header", at)));
		flip(&log, at);
	}
	free(log.bytes);
}
END_TEST

START_TEST(flipped_bit_of_a_frames_head_is_put_right_or_refused)
{
	struct damage_file log = copy_of(&d->log);

	for (size_t n = 0; n < frames; n++) {
		const size_t step = everything() ? 1 : 5;

		for (size_t at = n % step; at < WAL_HEAD; at += step) {
			const size_t in_log = WAL_HEADER + n * WAL_FRAME + at;

			flip(&log, in_log);
			try_crashed(&d->file, &log, 0, called("frame's head", in_log));
			flip(&log, in_log);
		}
	}
	ck_assert_int_gt(taken, refused);
	free(log.bytes);
}
END_TEST

/* As a power failure may leave a head that stands in two sectors. */
START_TEST(frame_with_other_salts_is_put_right)
{
	for (size_t n = 0; n < frames; n++) {
		struct damage_file log = copy_of(&d->log);

		memset(log.bytes + WAL_HEADER + n * WAL_FRAME + 8, 0x77, 8);
		ck_assert(!try_crashed(&d->file, &log, 0, called("salts of frame", n)));
		free(log.bytes);
	}
}
END_TEST

static void spoil(struct damage_file *log, size_t at, size_t size)
{
	memset(log->bytes + at, 0x5a, at + size < log->size ? size : log->size - at);
}

/* Whole sectors, as a torn write or a bad disk leaves them: the last transaction may be lost
 * in that way without a word, no other. */
START_TEST(spoilt_sectors_of_the_log_cost_the_last_transaction_at_most)
{
	for (size_t at = 0; at < *log_end(); at += 512 * (everything() ? 1 : 1 + at % 5)) {
		struct damage_file log = copy_of(&d->log);

		spoil(&log, at, 512);
		try_crashed(&d->file, &log, 1, called("spoilt sector", at));
		free(log.bytes);
	}
	ck_assert_int_gt(taken, 0); /* the end of the last */
	ck_assert_int_gt(refused, taken);
}
END_TEST

START_TEST(log_that_was_cut_is_refused)
{
	struct damage_file log = d->log;

	for (size_t at = 0; at < *log_end(); at += stride(5000, at)) {
		log.size = at;
		ck_assert(try_crashed(&d->file, &log, 0, called("log cut", at)));
	}
}
END_TEST

START_TEST(log_that_is_missing_is_refused)
{
	struct damage_file none = {(char *)"", 0};

	ck_assert(try_crashed(&d->file, NULL, 0, "no log"));
	ck_assert(try_crashed(&d->file, &none, 0, "empty log"));
}
END_TEST

/* The log of the journal's next run, and of a journal that began as a copy. */
START_TEST(log_of_another_time_or_journal_is_refused)
{
	char *dir = damage_put(&d->closed, NULL), *path = textf("%s/settle.db-wal", dir);
	struct damage_file log;
	struct jf f;

	jf_init_on(&f, dir);
	jf_open(&f);
	jf_put(&f, "new-1", 1001, TXN_COMMITTED);
	jf_commit(&f);
	log = damage_read(path);
	jf_fini(&f);
	ck_assert(try_crashed(&d->file, &log, 0, "another's log"));
	try_closed(&(struct damage_file){d->closed.bytes, d->closed.size}, "closed");
	free(dir);
	dir = damage_put(&d->closed, &log);
	ck_assert(damage_try(dir, true, 0, "another's log beside a closed journal"));
	free(log.bytes);
	free(path);
	free(dir);
}
END_TEST

/* ---- what is no journal ---- */

static void refused_as(const char *name, const char *text, size_t size, const char *part)
{
	const struct damage_file f = {(char *)(size_t)text, size};
	char *dir = damage_put(&f, NULL);
	struct err err = {0};
	char *said = damage_ask(dir, &err);

	ck_assert_msg(said == NULL && strstr(err.text, part) != NULL, "%s: %s", name, err.text);
	free(said);
	free(dir);
}

START_TEST(foreign_files_are_refused)
{
	char page[SEAL_PAGE] = "SQLite format 3";

	refused_as("text", "not a database", 14, "is not a SQLite database");
	refused_as("a header alone", page, sizeof page, "not a journal of Settle");
	memset(page, 0, sizeof page);
	refused_as("zeros", page, sizeof page, "is not a SQLite database");
}
END_TEST

START_TEST(directory_in_its_place_is_refused)
{
	struct jf f;
	char *path;

	jf_init(&f);
	path = jf_path(&f, "settle.db");
	ck_assert(mkdir(f.dir, 0700) == 0 && mkdir(path, 0700) == 0);
	jf_refused(&f, RC_IO, "cannot be opened");
	jf_fini(&f);
	free(path);
}
END_TEST

START_TEST(journal_of_the_future_is_refused)
{
	struct jf f;
	char *dir = damage_put(&d->closed, NULL);

	jf_init_on(&f, dir);
	jf_foreign_sql(&f, "PRAGMA user_version=5");
	jf_refused(&f, RC_CONFLICT, "schema version 5");
	jf_refused(&f, RC_CONFLICT, "use that version or a later one");
	jf_fini(&f);
	free(dir);
}
END_TEST

/* ---- other programs ---- */

/* What sqlite3 leaves after a crash when it was not told to only read: all is in the file, but
 * nobody has checked it. */
START_TEST(journal_that_another_program_wrote_to_is_taken_over_when_told_to)
{
	char *dir = damage_put(&d->file, &d->log), *said;
	struct err err = {0};
	struct jf f;

	jf_init_on(&f, dir);
	jf_foreign_sql(&f, "PRAGMA wal_checkpoint(TRUNCATE)");
	jf_refused(&f, RC_INVALID, "damaged");
	jf_foreign_sql(&f, "PRAGMA user_version=1004");
	said = damage_ask(dir, &err);
	ck_assert_msg(said != NULL, "%s", err.text);
	ck_assert_str_eq(said, d->said[DAMAGE_BATCHES]);
	free(said);
	ck_assert_int_eq(jf_count(&f, "PRAGMA user_version"), JOURNAL_VERSION);
	jf_fini(&f);
	free(dir);
}
END_TEST

/* A newer coordinator got past the lock: the older one writes nothing more. */
static void outlived(struct jf *f, void *arg)
{
	char *lock = jf_path(f, "settle.lock");
	struct jf newer;

	(void)arg;
	jf_open(f);
	jf_put(f, "mine", 10000, TXN_COMMITTING);
	jf_commit(f);
	unlink(lock);
	jf_init_on(&newer, f->dir);
	jf_open(&newer);
	jf_put(f, "too-late", 10001, TXN_COMMITTING);
	jf_commit(f);
	_exit(0);
}

START_TEST(older_coordinator_stops_when_a_newer_one_has_the_journal)
{
	char *said = NULL;
	struct jf f;

	jf_init(&f);
	ck_assert_int_eq(jf_fork(&f, outlived, NULL, &said), 70 << 8);
	ck_assert_ptr_nonnull(strstr(said, "journal-failed"));
	ck_assert_ptr_nonnull(strstr(said, "newer coordinator (epoch 2, this one has 1)"));
	free(said);
	jf_open(&f);
	ck_assert(jf_has(&f, "mine") && !jf_has(&f, "too-late"));
	jf_fini(&f);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("journal_damage");
	TCase *tc = tcase_create("journal_damage");

	/* Hundreds of journals are opened; what a sync does is not the matter here. */
	if (access("/dev/shm", W_OK | X_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
	tcase_set_timeout(tc, everything() ? 7200 : 120);
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, intact_journals_are_read);
	tcase_add_test(tc, flipped_bit_of_the_file_is_refused_or_not_read);
	tcase_add_test(tc, flipped_bit_of_an_open_file_is_refused_or_in_the_log);
	tcase_add_test(tc, file_that_was_cut_is_refused);
	tcase_add_test(tc, pages_that_changed_places_are_refused);
	tcase_add_test(tc, pages_of_zeros_are_refused);
	tcase_add_test(tc, flipped_bit_of_the_log_is_put_right_or_refused);
	tcase_add_test(tc, flipped_bit_of_the_logs_header_is_refused);
	tcase_add_test(tc, flipped_bit_of_a_frames_head_is_put_right_or_refused);
	tcase_add_test(tc, frame_with_other_salts_is_put_right);
	tcase_add_test(tc, spoilt_sectors_of_the_log_cost_the_last_transaction_at_most);
	tcase_add_test(tc, log_that_was_cut_is_refused);
	tcase_add_test(tc, log_that_is_missing_is_refused);
	tcase_add_test(tc, log_of_another_time_or_journal_is_refused);
	tcase_add_test(tc, foreign_files_are_refused);
	tcase_add_test(tc, directory_in_its_place_is_refused);
	tcase_add_test(tc, journal_of_the_future_is_refused);
	tcase_add_test(tc, journal_that_another_program_wrote_to_is_taken_over_when_told_to);
	tcase_add_test(tc, older_coordinator_stops_when_a_newer_one_has_the_journal);
	suite_add_tcase(suite, tc);
	return suite_run(suite, make, NULL);
}
