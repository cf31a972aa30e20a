/* test_journal_open.c - whose directory it is, which file is a journal of ours, what
 * a start replays, and how an older schema becomes a new one. */
#include "base/mem.h"
#include "coordinator/journal_db.h"
#include "coordinator/journal_file.h"
#include "coordinator/journal_schema.h"
#include "tests/lib/harness.h"
#include "tests/lib/journal_fixture.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct jf f;

static void setup(void)
{
	jf_init(&f);
}

static void teardown(void)
{
	jf_fini(&f);
}

static void write_file(const char *name, const char *text)
{
	char *path = jf_path(&f, name);

	mkdir(f.dir, 0700);
	file_write(path, text);
	free(path);
}

static off_t size_of(const char *name)
{
	char *path = jf_path(&f, name);
	struct stat st;
	const off_t size = stat(path, &st) == 0 ? st.st_size : -1;

	free(path);
	return size;
}

/* ---- whose it is ---- */

START_TEST(every_opening_raises_the_epoch)
{
	for (uint64_t epoch = 1; epoch <= 4; epoch++) {
		jf_open_only(&f);
		ck_assert_uint_eq(journal_epoch(f.j), epoch);
		jf_close(&f);
	}
}
END_TEST

START_TEST(second_opener_is_refused_with_the_pid)
{
	char *pid = textf("process %d", (int)getpid());
	struct jf g;

	jf_open(&f);
	jf_init_on(&g, f.dir);
	jf_refused(&g, RC_FULL, pid);
	jf_close(&f);
	jf_open(&g);
	ck_assert_uint_eq(journal_epoch(g.j), 2); /* the refused one raised nothing */
	jf_fini(&g);
	free(pid);
}
END_TEST

START_TEST(directory_and_file_are_for_the_owner_only)
{
	char *db = jf_path(&f, "settle.db");
	struct stat st;

	jf_open(&f);
	ck_assert_int_eq(stat(f.dir, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0700);
	ck_assert_int_eq(stat(db, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	free(db);
}
END_TEST

START_TEST(directory_that_cannot_be_is_refused)
{
	struct jf g;
	char *dir = textf("%s/is/missing", f.dir);

	jf_init_on(&g, dir);
	jf_refused(&g, RC_IO, "cannot be made");
	jf_fini(&g);
	file_write(f.dir, "a file");
	jf_refused(&f, RC_IO, "is not a directory");
	free(dir);
}
END_TEST

START_TEST(journal_of_another_cluster_is_refused)
{
	jf_open(&f);
	jf_close(&f);
	jf_sql(&f, "UPDATE meta SET value = 'other' WHERE key = 'cluster'");
	jf_refused(&f, RC_CONFLICT, "\"other\"");
	jf_sql(&f, "UPDATE meta SET value = 'test' WHERE key = 'cluster'");
	jf_open(&f);
	ck_assert_uint_eq(journal_epoch(f.j), 2);
}
END_TEST

START_TEST(journal_of_a_newer_program_is_refused_and_left_alone)
{
	jf_open(&f);
	jf_close(&f);
	jf_sql(&f, "PRAGMA user_version=99");
	jf_refused(&f, RC_CONFLICT, "schema version 99");
	jf_sql(&f, "PRAGMA user_version=4");
	jf_open(&f);
	ck_assert_uint_eq(journal_epoch(f.j), 2);
}
END_TEST

/* ---- what is no journal ---- */

START_TEST(garbage_is_refused_and_left_alone)
{
	char *path = jf_path(&f, "settle.db"), *text;

	write_file("settle.db", "these are not the bytes of a database, but somebody's own");
	jf_refused(&f, RC_INVALID, "is not a SQLite database");
	text = file_read(path);
	ck_assert_str_eq(text, "these are not the bytes of a database, but somebody's own");
	free(text);
	free(path);
}
END_TEST

START_TEST(database_of_somebody_else_is_refused)
{
	jf_foreign_sql(&f, "CREATE TABLE t(x)");
	jf_refused(&f, RC_INVALID, "not a journal of Settle");
	jf_foreign_sql(&f, "DROP TABLE t; PRAGMA application_id=7");
	jf_refused(&f, RC_INVALID, "not a journal of Settle");
}
END_TEST

/* What a crash leaves right after the file was made. */
START_TEST(empty_file_becomes_a_journal)
{
	write_file("settle.db", "");
	jf_open(&f);
	ck_assert_uint_eq(journal_epoch(f.j), 1);
}
END_TEST

/* SQLite alone would begin anew, and forget every promise. */
START_TEST(emptied_file_beside_its_log_is_refused)
{
	write_file("settle.db", "");
	write_file("settle.db-wal", "something");
	jf_refused(&f, RC_INVALID, "damaged");
	ck_assert_int_eq(size_of("settle.db-wal"), 9);
}
END_TEST

static void fill(void)
{
	char gid[16];

	jf_open(&f);
	for (uint64_t seq = 1; seq <= 2000; seq++) {
		snprintf(gid, sizeof gid, "g%" PRIu64, seq);
		jf_put(&f, gid, seq, seq % 2 ? TXN_COMMITTED : TXN_COMMITTING);
	}
	jf_commit(&f);
	jf_close(&f);
}

START_TEST(truncated_file_is_refused)
{
	char *path = jf_path(&f, "settle.db");

	fill();
	ck_assert_int_eq(truncate(path, size_of("settle.db") - 4096), 0);
	jf_refused(&f, RC_INVALID, "damaged");
	ck_assert_int_eq(truncate(path, 50), 0);
	jf_refused(&f, RC_INVALID, "is not a SQLite database");
	free(path);
}
END_TEST

static void take(struct record *r, void *arg)
{
	size_t *n = arg;

	(*n)++;
	record_free(r);
}

static void take_workflow(const struct workflow_row *row, void *arg)
{
	(void)row;
	(void)arg;
}

static void take_resource(const struct resource_info *info, void *arg)
{
	(void)info;
	(void)arg;
}

START_TEST(overwritten_pages_are_refused_at_open_or_replay)
{
	char *path = jf_path(&f, "settle.db"), *junk = mem_new(4096, 1);
	const int fd = (fill(), open(path, O_WRONLY));
	struct err err = {0};
	enum rc rc;
	size_t n = 0;

	memset(junk, 0x5a, 4096);
	for (off_t at = 4 * 4096; at < size_of("settle.db"); at += 2 * 4096)
		ck_assert_int_eq(pwrite(fd, junk, 4096, at), 4096);
	close(fd);
	rc = journal_open(f.dir, "test", &f.j, &err);
	if (rc == RC_OK)
		rc = journal_replay(f.j, take_workflow, take_resource, take, &n, &err);
	ck_assert_int_eq(rc, RC_INVALID);
	ck_assert_ptr_nonnull(strstr(err.text, "docs/journal.md"));
	free(junk);
	free(path);
}
END_TEST

START_TEST(damaged_rows_are_refused_at_replay)
{
	static const char *const damage[] = {
		"UPDATE txn SET detail = x'ff'",
		"UPDATE txn SET gid = 'no gid' WHERE seq = 2",
		"UPDATE txn SET hash = x'00'",
		"DELETE FROM txn; INSERT INTO resource VALUES('r', 'a', 0, '{}', 0, 0, 1)",
		"UPDATE resource SET operations = '[{\"name\":1}]'",
	};
	struct err err = {0};
	size_t n = 0;

	fill();
	for (size_t i = 0; i < sizeof damage / sizeof damage[0]; i++) {
		jf_sql(&f, damage[i]);
		jf_open_only(&f);
		ck_assert_int_eq(journal_replay(f.j, take_workflow, take_resource, take, &n, &err),
				 RC_INVALID);
		ck_assert_ptr_nonnull(strstr(err.text, "damaged"));
		jf_close(&f);
	}
	jf_sql(&f, "DROP TABLE resource");
	jf_refused(&f, RC_INVALID, "resource");
}
END_TEST

/* ---- replay ---- */

struct replayed {
	char gids[200];
	char resources[400];
	char workflows[400];
};

static void note_workflow(const struct workflow_row *row, void *arg)
{
	struct replayed *seen = arg;
	char *at = seen->workflows + strlen(seen->workflows);

	ck_assert(seen->gids[0] == '\0' && seen->resources[0] == '\0'); /* they come first */
	ck_assert_ptr_null(row->text);
	sprintf(at, "%s@%u%s:%d ", row->name, (unsigned)row->version, row->active ? "!" : "",
		(int)row->published_us);
}

static void note_record(struct record *r, void *arg)
{
	struct replayed *seen = arg;

	strcat(strcat(seen->gids, r->gid), " ");
	ck_assert(r->n_branches > 0 || r->saga != NULL);
	record_free(r);
}

static void note_resource(const struct resource_info *info, void *arg)
{
	struct replayed *seen = arg;
	char *at = seen->resources + strlen(seen->resources);

	ck_assert(!info->ready && seen->gids[0] == '\0');
	at += sprintf(at, "%s:%s%s%s%s%s", info->name, info->adapter, info->one_phase ? "!" : "",
		      info->calls ? "c" : "", info->exact ? "x" : "", info->groups ? "g" : "");
	for (size_t i = 0; i < info->n_operations; i++) {
		at += sprintf(at, " %s(", info->operations[i].name);
		for (size_t k = 0; k < info->operations[i].n_args; k++)
			at += sprintf(at, "%s%s", k > 0 ? "," : "", info->operations[i].args[k]);
		at += sprintf(at, ")");
	}
	sprintf(at, "; ");
}

START_TEST(replay_gives_what_is_unfinished_oldest_first)
{
	struct replayed seen = {0};
	struct err err;

	jf_open(&f);
	jf_put(&f, "stuck", 60, TXN_ABORT_HAZARD);
	jf_put(&f, "committing", 30, TXN_COMMITTING);
	jf_put(&f, "committed", 20, TXN_COMMITTED);
	jf_put(&f, "accepted", 50, TXN_ACCEPTED);
	jf_put(&f, "aborted", 10, TXN_ABORTED);
	jf_put(&f, "aborting", 5, TXN_ABORTING);
	jf_put(&f, "once", 40, TXN_ONE_PHASE);
	jf_commit(&f);
	jf_close(&f);
	jf_open_only(&f);
	ck_assert_int_eq(
		journal_replay(f.j, note_workflow, note_resource, note_record, &seen, &err), RC_OK);
	ck_assert_str_eq(seen.gids, "aborting committing once accepted stuck ");
}
END_TEST

START_TEST(replay_gives_the_catalog_as_it_was_last_declared)
{
	const char *two[] = {"id", "amount"};
	struct operation_info ops[] = {{"debit", two, 2}, {"audit", NULL, 0}};
	struct resource_info a = {.name = "bank-a",
				  .adapter = "postgres",
				  .problem = "",
				  .operations = ops,
				  .n_operations = 1,
				  .groups = true},
			     b = {.name = "bank-b",
				  .adapter = "exec",
				  .problem = "",
				  .calls = true};
	struct replayed seen = {0};
	struct err err;

	jf_open(&f);
	f.port.put_resource(f.port.self, &b);
	f.port.put_resource(f.port.self, &a);
	jf_commit(&f);
	a.n_operations = 2;
	a.one_phase = a.calls = a.exact = true;
	f.port.put_resource(f.port.self, &a);
	jf_commit(&f);
	jf_close(&f);
	jf_open_only(&f);
	ck_assert_int_eq(
		journal_replay(f.j, note_workflow, note_resource, note_record, &seen, &err), RC_OK);
	ck_assert_str_eq(seen.resources,
			 "bank-a:postgres!cxg debit(id,amount) audit(); bank-b:execc; ");
}
END_TEST

/* ---- durability and upgrades ---- */

START_TEST(writer_runs_with_wal_and_full_sync)
{
	char *path = jf_path(&f, "settle.db"), *mode;
	struct err err = {0};
	sqlite3 *db;
	int64_t level;

	jf_open(&f);
	jf_close(&f);
	ck_assert_int_eq(db_open(path, &db, &err), RC_OK);
	ck_assert_msg(schema_ready(db, &err) == RC_OK, "%s", err.text);
	ck_assert_int_eq(db_number(db, "PRAGMA synchronous", &level, &err), RC_OK);
	ck_assert_int_eq(level, 2);
	ck_assert_int_eq(db_text(db, "PRAGMA journal_mode", &mode, &err), RC_OK);
	ck_assert_str_eq(mode, "wal");
	db_close(db);
	free(mode);
	free(path);
}
END_TEST

START_TEST(upgrade_runs_the_missing_steps_each_whole_or_not_at_all)
{
	static const char *const good[] = {
		"CREATE TABLE t(x)",
		"ALTER TABLE t ADD COLUMN y; UPDATE t SET y = x + 1",
		"CREATE INDEX i ON t(y)",
	};
	static const char *const bad[] = {"", "", "INSERT INTO t VALUES(8, 9); CREATE TABLE t(x)"};
	char *path = jf_path(&f, "settle.db");
	struct file_facts facts;
	struct err err = {0};
	int64_t n;
	sqlite3 *db;

	mkdir(f.dir, 0700);
	ck_assert_int_eq(file_check(path, &facts, &err), RC_OK);
	ck_assert_int_eq(facts.kind, FILE_NEW);
	ck_assert_int_eq(db_open(path, &db, &err), RC_OK);
	ck_assert_int_eq(schema_upgrade(db, good, 0, 1, &err), RC_OK);
	ck_assert_int_eq(db_exec(db, "INSERT INTO t VALUES(7)", &err), RC_OK);
	ck_assert_int_eq(schema_upgrade(db, good, 1, 2, &err), RC_OK);
	ck_assert_int_eq(db_number(db, "SELECT y FROM t", &n, &err), RC_OK);
	ck_assert_int_eq(n, 8);
	ck_assert_int_ne(schema_upgrade(db, bad, 2, 3, &err), RC_OK);
	ck_assert_ptr_nonnull(strstr(err.text, "schema version 3"));
	ck_assert_int_eq(db_number(db, "PRAGMA user_version", &n, &err), RC_OK);
	ck_assert_int_eq(n, 2);
	ck_assert_int_eq(db_number(db, "SELECT count(*) FROM t", &n, &err), RC_OK);
	ck_assert_int_eq(n, 1);
	ck_assert_int_eq(schema_upgrade(db, good, 2, 3, &err), RC_OK);
	ck_assert_int_eq(db_number(db, "PRAGMA user_version", &n, &err), RC_OK);
	ck_assert_int_eq(n, 3);
	db_close(db);
	free(path);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("journal_open");
	TCase *tc = tcase_create("journal_open");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, every_opening_raises_the_epoch);
	tcase_add_test(tc, second_opener_is_refused_with_the_pid);
	tcase_add_test(tc, directory_and_file_are_for_the_owner_only);
	tcase_add_test(tc, directory_that_cannot_be_is_refused);
	tcase_add_test(tc, journal_of_another_cluster_is_refused);
	tcase_add_test(tc, journal_of_a_newer_program_is_refused_and_left_alone);
	tcase_add_test(tc, garbage_is_refused_and_left_alone);
	tcase_add_test(tc, database_of_somebody_else_is_refused);
	tcase_add_test(tc, empty_file_becomes_a_journal);
	tcase_add_test(tc, emptied_file_beside_its_log_is_refused);
	tcase_add_test(tc, truncated_file_is_refused);
	tcase_add_test(tc, overwritten_pages_are_refused_at_open_or_replay);
	tcase_add_test(tc, damaged_rows_are_refused_at_replay);
	tcase_add_test(tc, replay_gives_what_is_unfinished_oldest_first);
	tcase_add_test(tc, replay_gives_the_catalog_as_it_was_last_declared);
	tcase_add_test(tc, writer_runs_with_wal_and_full_sync);
	tcase_add_test(tc, upgrade_runs_the_missing_steps_each_whole_or_not_at_all);
	suite_add_tcase(suite, tc);
	return suite_run(suite, NULL, NULL);
}
