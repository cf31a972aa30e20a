/* journal_reader.c - see journal_reader.h.  Lists are in journal_list.c.
 *
 * Whatever looks for more than one row collects or steps over their `seq` alone (from
 * an index, mostly) and fetches each row by it, so that no sort ever carries details. */
#include "coordinator/journal_reader.h"
#include "base/mem.h"
#include "coordinator/journal_catalog.h"
#include "coordinator/journal_db.h"
#include "coordinator/journal_reading.h"
#include "coordinator/journal_row.h"

#include <stdlib.h>

#define RANGE "seq >= ?1 AND seq < ?2"

/* `state <> 6` is what lets SQLite use the partial index; INDEXED BY makes it an
 * error not to. */
static const char *const texts[READ_STATEMENTS] = {
	[READ_FIND] = "SELECT " ROW_COLUMNS " FROM txn WHERE gid = ?1",
	[READ_ROW] = "SELECT " ROW_COLUMNS " FROM txn WHERE seq = ?1",
	[READ_UNFINISHED] =
		"SELECT seq FROM txn INDEXED BY txn_state"
		" WHERE state <> 6 AND state IN (1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15)"
		" ORDER BY seq",
	[READ_RESOURCES] = "SELECT " CATALOG_COLUMNS " FROM resource ORDER BY name",
	[READ_STEPS] = "SELECT key, detail, written FROM step WHERE key BETWEEN ?1 AND ?2",
	[READ_SMALL_STEPS] = "SELECT steps FROM event WHERE seq = ?1 AND n <= ?2"
			     " AND steps IS NOT NULL ORDER BY n",
	[READ_LAST_EVENT] = "SELECT max(n) FROM event WHERE seq = ?1",
	[READ_EVENTS] = "SELECT n, at_us, json FROM event WHERE seq = ?1 AND n > ?2 ORDER BY n"
			" LIMIT ?3",
	[READ_WORKFLOWS] = "SELECT " CATALOG_WORKFLOW_COLUMNS " FROM workflow"
			   " ORDER BY name, version",
	[READ_TEXT] = "SELECT text FROM workflow WHERE name = ?1 AND version = ?2",
	[READ_BY_SEQ] = "SELECT seq FROM txn WHERE " RANGE " ORDER BY seq DESC",
	[READ_BY_STATE] = "SELECT seq FROM txn INDEXED BY txn_state"
			  " WHERE state <> 6 AND state = ?3 AND " RANGE " ORDER BY seq DESC",
	[READ_BY_STATES] = "SELECT seq FROM txn INDEXED BY txn_state"
			   " WHERE state <> 6 AND state IN (?3, ?4, ?5, ?6, ?7) AND " RANGE
			   " ORDER BY seq DESC",
};
_Static_assert(TXN_COMMITTED == 6 && TXN_ABORTED == 7 && TXN_STATES == 16, "numbers in the SQL");

/* ---- life ---- */

enum rc reader_open(const char *path, struct reader **out, struct err *err)
{
	struct reader *rd = mem_new(1, sizeof *rd);
	enum rc rc = db_open(path, &rd->db, err);

	if (rc == RC_OK)
		rc = db_exec(rd->db, "PRAGMA query_only=ON; PRAGMA cache_size=-512", err);
	for (int i = 0; i < READ_STATEMENTS && rc == RC_OK; i++)
		rc = db_prepare(rd->db, texts[i], &rd->stmts[i], err);
	if (rc != RC_OK) {
		reader_close(rd);
		rd = NULL;
	}
	*out = rd;
	return rc;
}

void reader_close(struct reader *rd)
{
	if (rd == NULL)
		return;
	for (int i = 0; i < READ_STATEMENTS; i++)
		sqlite3_finalize(rd->stmts[i]);
	db_close(rd->db);
	free(rd);
}

/* The unfinished rows are read in order, each once, and what is made of them stays in memory, with
 * the pages of a cache in between that the allocator cannot give back: with 8 MiB of them
 * 74 bytes for each of 100,000 transactions. */
enum rc reader_start_done(struct reader *rd, struct err *err)
{
	sqlite3_db_release_memory(rd->db);
	return db_exec(rd->db, "PRAGMA cache_size=-8192", err);
}

/* ---- one ---- */

/* An index has it, its table has not. */
enum rc reading_lost(struct reader *rd, sqlite3_int64 seq, struct err *err)
{
	return db_damaged(err, sqlite3_db_filename(rd->db, "main"),
			  "transaction with seq %lld is lost", seq);
}

typedef enum rc (*step_row_fn)(sqlite3_stmt *stmt, struct record *r, uint64_t *orders,
			       struct err *err);

static enum rc each_step_row(struct reader *rd, int which, step_row_fn read, struct record *r,
			     uint64_t *orders, struct err *err)
{
	sqlite3_stmt *stmt = rd->stmts[which];
	enum rc rc = RC_OK;
	int step;

	while ((step = sqlite3_step(stmt)) == SQLITE_ROW && rc == RC_OK)
		rc = read(stmt, r, orders, err);
	if (rc == RC_OK && step != SQLITE_DONE)
		rc = db_fail(rd->db, "reading the steps of a saga", err);
	sqlite3_reset(stmt);
	return rc;
}

/* A step stands where it was written: beside lines of the history as often as it was small, in a
 * row of its own once.  The highest order tells. */
static enum rc read_steps(struct reader *rd, struct record *r, struct err *err)
{
	uint64_t *orders = mem_new(r->saga->n_steps, sizeof *orders);
	sqlite3_stmt *own = rd->stmts[READ_STEPS], *small = rd->stmts[READ_SMALL_STEPS];
	enum rc rc;

	sqlite3_bind_int64(own, 1, row_step_key(r->seq, 0));
	sqlite3_bind_int64(own, 2, row_step_key(r->seq, STEP_KEYS - 1));
	rc = each_step_row(rd, READ_STEPS, row_read_step, r, orders, err);
	sqlite3_bind_int64(small, 1, (sqlite3_int64)r->seq);
	sqlite3_bind_int(small, 2, EVENTS_FIRST_KEPT);
	if (rc == RC_OK)
		rc = each_step_row(rd, READ_SMALL_STEPS, row_read_steps, r, orders, err);
	free(orders);
	return rc;
}

static enum rc read_last_event(struct reader *rd, struct record *r, struct err *err)
{
	sqlite3_stmt *stmt = rd->stmts[READ_LAST_EVENT];
	enum rc rc = RC_OK;

	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)r->seq);
	if (sqlite3_step(stmt) == SQLITE_ROW)
		r->events = (uint64_t)sqlite3_column_int64(stmt, 0); /* NULL, none, is 0 */
	else
		rc = db_fail(rd->db, "reading the history of a transaction", err);
	sqlite3_reset(stmt);
	return rc;
}

/* The row of `stmt` with its detail, its steps and the length of its history.  While
 * `stmt` stands on the row, all reads see one state of the file. */
static enum rc read_whole(struct reader *rd, sqlite3_stmt *stmt, struct record *r, struct err *err)
{
	enum rc rc = row_read_columns(stmt, r, err);

	if (rc == RC_OK)
		rc = row_read_detail(stmt, r, err);
	if (rc == RC_OK && r->saga != NULL)
		rc = read_steps(rd, r, err);
	return rc == RC_OK ? read_last_event(rd, r, err) : rc;
}

/* What the key that is bound to `stmt` leads to, whole. RC_NOT_FOUND if nothing. */
static enum rc fetch(struct reader *rd, sqlite3_stmt *stmt, struct record **out, struct err *err)
{
	struct record *r = NULL;
	enum rc rc;

	switch (sqlite3_step(stmt)) {
	case SQLITE_ROW:
		r = mem_new(1, sizeof *r);
		rc = read_whole(rd, stmt, r, err);
		break;
	case SQLITE_DONE: rc = err_set(err, RC_NOT_FOUND, "no such transaction"); break;
	default: rc = db_fail(rd->db, "reading a transaction", err); break;
	}
	sqlite3_reset(stmt);
	if (rc != RC_OK) {
		record_free(r);
		r = NULL;
	}
	*out = r;
	return rc;
}

enum rc reader_find(struct reader *rd, const char *gid, struct record **out, struct err *err)
{
	sqlite3_stmt *stmt = rd->stmts[READ_FIND];
	enum rc rc;

	sqlite3_bind_text(stmt, 1, gid, -1, SQLITE_STATIC);
	rc = fetch(rd, stmt, out, err);
	sqlite3_clear_bindings(stmt); /* `gid` is borrowed */
	return rc;
}

/* ---- start-up ---- */

struct seqs {
	sqlite3_int64 *all;
	size_t n, room;
};

static enum rc collect(struct reader *rd, sqlite3_stmt *stmt, struct seqs *s, struct err *err)
{
	enum rc rc = RC_OK;
	int step;

	while ((step = sqlite3_step(stmt)) == SQLITE_ROW) {
		if (s->n == s->room) {
			s->room = s->room > 0 ? 2 * s->room : 256;
			s->all = mem_grow(s->all, s->room, sizeof *s->all);
		}
		s->all[s->n++] = sqlite3_column_int64(stmt, 0);
	}
	if (step != SQLITE_DONE)
		rc = db_fail(rd->db, "reading what is not finished", err);
	sqlite3_reset(stmt);
	return rc;
}

static enum rc read_unfinished(struct reader *rd, void (*each)(struct record *r, void *arg),
			       void *arg, struct err *err)
{
	struct seqs seqs = {0};
	enum rc rc = collect(rd, rd->stmts[READ_UNFINISHED], &seqs, err);

	for (size_t i = 0; i < seqs.n && rc == RC_OK; i++) {
		struct record *r;

		sqlite3_bind_int64(rd->stmts[READ_ROW], 1, seqs.all[i]);
		rc = fetch(rd, rd->stmts[READ_ROW], &r, err);
		if (rc == RC_OK)
			each(r, arg);
		else if (rc == RC_NOT_FOUND) /* the index knows it */
			rc = reading_lost(rd, seqs.all[i], err);
	}
	free(seqs.all);
	return rc;
}

/* In one read transaction: each by itself would lock the file and let go of it again, a fifth
 * of the time of a start. */
enum rc reader_unfinished(struct reader *rd, void (*each)(struct record *r, void *arg), void *arg,
			  struct err *err)
{
	struct err ignored;
	enum rc rc = db_exec(rd->db, "BEGIN", err);

	if (rc != RC_OK)
		return rc;
	rc = read_unfinished(rd, each, arg, err);
	if (rc == RC_OK)
		return db_exec(rd->db, "COMMIT", err);
	db_exec(rd->db, "ROLLBACK", &ignored); /* what went wrong is known */
	return rc;
}

/* ---- histories ---- */

static enum rc give_event(struct reader *rd, sqlite3_stmt *stmt, event_fn each, void *arg,
			  struct err *err)
{
	const char *json = (const char *)sqlite3_column_text(stmt, 2);

	if (json == NULL || sqlite3_column_int64(stmt, 0) < 1)
		return db_damaged(err, sqlite3_db_filename(rd->db, "main"),
				  "a line in the history of a transaction");
	each((uint64_t)sqlite3_column_int64(stmt, 0), (uint64_t)sqlite3_column_int64(stmt, 1), json,
	     arg);
	return RC_OK;
}

enum rc reader_events(struct reader *rd, uint64_t seq, uint64_t after, size_t limit, event_fn each,
		      void *arg, struct err *err)
{
	sqlite3_stmt *stmt = rd->stmts[READ_EVENTS];
	enum rc rc = RC_OK;
	int step;

	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)seq);
	sqlite3_bind_int64(stmt, 2, after < INT64_MAX ? (sqlite3_int64)after : INT64_MAX);
	sqlite3_bind_int64(stmt, 3, limit < EVENTS_KEPT ? (sqlite3_int64)limit : EVENTS_KEPT);
	while ((step = sqlite3_step(stmt)) == SQLITE_ROW && rc == RC_OK)
		rc = give_event(rd, stmt, each, arg, err);
	if (rc == RC_OK && step != SQLITE_DONE)
		rc = db_fail(rd->db, "reading the history of a transaction", err);
	sqlite3_reset(stmt);
	return rc;
}

/* ---- workflows and resources ---- */

static enum rc read_text(struct reader *rd, sqlite3_stmt *stmt, char **text, struct err *err)
{
	switch (sqlite3_step(stmt)) {
	case SQLITE_ROW: break;
	case SQLITE_DONE: return err_set(err, RC_NOT_FOUND, "no such version of a workflow");
	default: return db_fail(rd->db, "reading a workflow", err);
	}
	if (sqlite3_column_bytes(stmt, 0) > WORKFLOW_TEXT_MAX)
		return db_damaged(err, sqlite3_db_filename(rd->db, "main"),
				  "the text of a workflow has %d bytes",
				  sqlite3_column_bytes(stmt, 0));
	*text = mem_dup_bytes(sqlite3_column_text(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0));
	return RC_OK;
}

enum rc reader_workflow(struct reader *rd, const char *name, uint32_t version, char **text,
			struct err *err)
{
	sqlite3_stmt *stmt = rd->stmts[READ_TEXT];
	enum rc rc;

	*text = NULL;
	sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 2, version);
	rc = read_text(rd, stmt, text, err);
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt); /* `name` is borrowed */
	return rc;
}

enum rc reader_workflows(struct reader *rd, workflow_fn each, void *arg, struct err *err)
{
	sqlite3_stmt *stmt = rd->stmts[READ_WORKFLOWS];
	enum rc rc = RC_OK;
	int step;

	while ((step = sqlite3_step(stmt)) == SQLITE_ROW && rc == RC_OK)
		if (!catalog_read_workflow(stmt, each, arg))
			rc = db_damaged(err, sqlite3_db_filename(rd->db, "main"),
					"the entry of a workflow");
	if (rc == RC_OK && step != SQLITE_DONE)
		rc = db_fail(rd->db, "reading the workflows", err);
	sqlite3_reset(stmt);
	return rc;
}

enum rc reader_resources(struct reader *rd, resource_fn each, void *arg, struct err *err)
{
	sqlite3_stmt *stmt = rd->stmts[READ_RESOURCES];
	enum rc rc = RC_OK;
	int step;

	while ((step = sqlite3_step(stmt)) == SQLITE_ROW && rc == RC_OK)
		if (!catalog_read(stmt, each, arg))
			rc = db_damaged(err, sqlite3_db_filename(rd->db, "main"),
					"the entry of a resource");
	if (rc == RC_OK && step != SQLITE_DONE)
		rc = db_fail(rd->db, "reading the resources", err);
	sqlite3_reset(stmt);
	return rc;
}
