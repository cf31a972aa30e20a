/* test_journal_upgrade.c - the journal of an earlier program is read and goes on. */
#include "base/mem.h"
#include "tests/lib/bad_disk.h"
#include "tests/lib/harness.h"
#include "tests/lib/journal_fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What version 1 made, word for word. */
static const char version_1[] =
	"CREATE TABLE meta("
	" key TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE TABLE txn("
	" seq INTEGER PRIMARY KEY, state INTEGER NOT NULL, finished_us INTEGER NOT NULL,"
	" epoch INTEGER NOT NULL, gid TEXT NOT NULL, workflow TEXT NOT NULL, reason TEXT,"
	" hash BLOB NOT NULL, detail BLOB NOT NULL) STRICT;"
	"CREATE UNIQUE INDEX txn_gid ON txn(gid);"
	"CREATE INDEX txn_state ON txn(state) WHERE state <> 6;"
	"CREATE TABLE resource("
	" name TEXT PRIMARY KEY, adapter TEXT NOT NULL, one_phase INTEGER NOT NULL,"
	" operations TEXT NOT NULL) STRICT, WITHOUT ROWID;"
	"INSERT INTO meta VALUES('epoch', 41), ('cluster', 'test');"
	"INSERT INTO resource VALUES('bank-a', 'postgres', 1, '[]');"
	"PRAGMA application_id=1584864769; PRAGMA user_version=1;";

static struct jf f;

static void setup(void)
{
	jf_init(&f);
	jf_foreign_sql(&f, version_1);
}

static void teardown(void)
{
	jf_fini(&f);
}

static void old_row(const char *gid, uint64_t seq, enum txn_state state)
{
	struct record *r = jf_record(gid, seq, state, "bank-a", "bank-b", (char *)NULL);
	unsigned char *bytes;
	char *hex, *sql;
	void *detail;
	size_t size;

	record_pack(r, &detail, &size);
	bytes = detail;
	hex = mem_new(2 * size + 1, 1);
	for (size_t i = 0; i < size; i++)
		sprintf(hex + 2 * i, "%02x", bytes[i]);
	sql = mem_printf("INSERT INTO txn VALUES(%" PRIu64 ", %d, %" PRIu64
			 ", 41, '%s', 'transfer',"
			 " NULL, zeroblob(32), x'%s')",
			 seq, (int)state, seq + 5, gid, hex);
	jf_foreign_sql(&f, sql);
	free(sql);
	free(hex);
	free(detail);
	record_free(r);
}

struct replayed {
	char gids[100];
	bool groups, calls;
	int workflows;
};

static void note_workflow(const struct workflow_row *row, void *arg)
{
	(void)row;
	((struct replayed *)arg)->workflows++;
}

static void note_resource(const struct resource_info *info, void *arg)
{
	struct replayed *seen = arg;

	ck_assert_str_eq(info->name, "bank-a");
	seen->groups = info->groups;
	seen->calls = info->calls;
}

static void note_record(struct record *r, void *arg)
{
	ck_assert(r->saga == NULL && r->parent == NULL && r->n_branches == 2);
	strcat(strcat(((struct replayed *)arg)->gids, r->gid), " ");
	record_free(r);
}

static void note_row(const struct record *r, void *arg)
{
	strcat(strcat(arg, r->gid), " ");
}

static bool is_committing(const char *gid)
{
	struct record *r;
	struct err err;
	bool has;

	f.port = journal_port(f.j);
	ck_assert_msg(f.port.find(f.port.self, gid, &r, &err) == RC_OK, "%s", err.text);
	has = r->state == TXN_COMMITTING;
	record_free(r);
	return has;
}

START_TEST(version_1_is_upgraded_with_all_that_it_holds)
{
	const struct list_query all = {.limit = 10};
	struct replayed seen = {0};
	char gids[100] = "";
	struct record *r;
	struct err err;

	old_row("committing", 10, TXN_COMMITTING);
	old_row("committed", 20, TXN_COMMITTED);
	old_row("stuck", 30, TXN_ABORT_HAZARD);
	jf_open(&f);
	ck_assert_uint_eq(journal_epoch(f.j), 42);
	ck_assert_int_eq(
		journal_replay(f.j, note_workflow, note_resource, note_record, &seen, &err), RC_OK);
	ck_assert_str_eq(seen.gids, "committing stuck ");
	ck_assert(seen.groups && !seen.calls && seen.workflows == 0);
	ck_assert_int_eq(f.port.list(f.port.self, &all, note_row, gids, &err), RC_OK);
	ck_assert_str_eq(gids, "stuck committed committing ");
	r = jf_find(&f, "committing");
	r->state = TXN_COMMITTED;
	r->finished_us = 50;
	f.port.end(f.port.self, r);
	jf_commit(&f);
	record_free(r);
	r = jf_find(&f, "committing");
	ck_assert(r->state == TXN_COMMITTED && r->events == 0);
	record_free(r);
}
END_TEST

START_TEST(upgraded_journal_takes_sagas_and_is_not_upgraded_again)
{
	struct record *r;

	jf_open(&f);
	jf_put_saga(&f, "s", 100, SAGA_RUNNING, 2);
	jf_put_events(&f, 100, 1, 3);
	jf_close(&f);
	jf_open(&f);
	ck_assert_uint_eq(journal_epoch(f.j), 43);
	r = jf_find(&f, "s");
	ck_assert_uint_eq(r->saga->n_steps, 2);
	ck_assert_uint_eq(r->events, 3);
	record_free(r);
}
END_TEST

/* The first write that fails is the first, the second, … of all that the upgrade makes; and each
 * failure is got over by the next start. */
static void upgrade_in_spite_of(enum bad_disk how)
{
	struct err err = {0};
	int failed = 0;

	old_row("committing", 10, TXN_COMMITTING);
	for (int nth = 1; f.j == NULL; nth++) {
		enum rc rc;

		bad_disk_break(how, nth, true);
		rc = journal_open(f.dir, "test", &f.j, &err);
		ck_assert_msg(rc == RC_OK || rc == RC_IO, "%s: %s", rc_name(rc), err.text);
		failed += bad_disk_mend();
	}
	ck_assert_int_gt(failed, 3);
	ck_assert(is_committing("committing"));
}

START_TEST(upgrade_survives_a_disk_that_is_full_at_any_write)
{
	upgrade_in_spite_of(DISK_FULL);
}
END_TEST

START_TEST(upgrade_survives_a_sync_that_fails)
{
	upgrade_in_spite_of(DISK_SYNC_FAILS);
}
END_TEST

/* What a crash in the middle leaves. */
START_TEST(half_of_an_upgrade_is_begun_anew)
{
	char *half = jf_path(&f, "settle.db.new");

	old_row("committing", 10, TXN_COMMITTING);
	file_write(half, "half a journal");
	jf_open_only(&f);
	ck_assert(is_committing("committing"));
	ck_assert_int_ne(access(half, F_OK), 0);
	free(half);
}
END_TEST

START_TEST(damaged_journal_is_not_upgraded)
{
	old_row("g", 10, TXN_COMMITTING);
	jf_foreign_sql(&f, "PRAGMA writable_schema=ON; UPDATE sqlite_schema SET rootpage = 3"
			   " WHERE name = 'txn_state'");
	jf_refused(&f, RC_INVALID, "damaged");
	jf_refused(&f, RC_INVALID, "docs/journal.md");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("journal_upgrade");
	TCase *tc = tcase_create("journal_upgrade");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, version_1_is_upgraded_with_all_that_it_holds);
	tcase_add_test(tc, upgraded_journal_takes_sagas_and_is_not_upgraded_again);
	tcase_add_test(tc, upgrade_survives_a_disk_that_is_full_at_any_write);
	tcase_add_test(tc, upgrade_survives_a_sync_that_fails);
	tcase_add_test(tc, half_of_an_upgrade_is_begun_anew);
	tcase_add_test(tc, damaged_journal_is_not_upgraded);
	suite_add_tcase(suite, tc);
	return suite_run(suite, bad_disk_install, NULL);
}
