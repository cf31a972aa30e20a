/* journal_reader.c - see journal_reader.h.
 *
 * Whatever looks for more than one row collects or steps over their `seq` alone (from
 * an index, mostly) and fetches each row by it, so that no sort ever carries details. */
#include "coordinator/journal_reader.h"
#include "base/mem.h"
#include "coordinator/journal_catalog.h"
#include "coordinator/journal_db.h"
#include "coordinator/journal_row.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

enum { STATES_OF_A_WORD = 5 }; /* at the most: those that are called "stuck" */
enum { FIND, ROW, UNFINISHED, RESOURCES, BY_SEQ, BY_STATE, BY_STATES, STATEMENTS };

#define RANGE "seq >= ?1 AND seq < ?2"

/* `state <> 6` is what lets SQLite use the partial index; INDEXED BY makes it an
 * error not to. */
static const char *const texts[STATEMENTS] = {
	[FIND] = "SELECT " ROW_COLUMNS " FROM txn WHERE gid = ?1",
	[ROW] = "SELECT " ROW_COLUMNS " FROM txn WHERE seq = ?1",
	[UNFINISHED] =
		"SELECT seq FROM txn INDEXED BY txn_state"
		" WHERE state <> 6 AND state IN (1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15)"
		" ORDER BY seq",
	[RESOURCES] = "SELECT " CATALOG_COLUMNS " FROM resource ORDER BY name",
	[BY_SEQ] = "SELECT seq FROM txn WHERE " RANGE " ORDER BY seq DESC",
	[BY_STATE] = "SELECT seq FROM txn INDEXED BY txn_state"
		     " WHERE state <> 6 AND state = ?3 AND " RANGE " ORDER BY seq DESC",
	[BY_STATES] = "SELECT seq FROM txn INDEXED BY txn_state"
		      " WHERE state <> 6 AND state IN (?3, ?4, ?5, ?6, ?7) AND " RANGE
		      " ORDER BY seq DESC",
};
_Static_assert(TXN_COMMITTED == 6 && TXN_ABORTED == 7 && TXN_STATES == 16, "numbers in the SQL");

struct reader {
	sqlite3 *db;
	sqlite3_stmt *stmts[STATEMENTS];
};

/* ---- life ---- */

enum rc reader_open(const char *path, struct reader **out, struct err *err)
{
	struct reader *rd = mem_new(1, sizeof *rd);
	enum rc rc = db_open(path, &rd->db, err);

	if (rc == RC_OK)
		rc = db_exec(rd->db, "PRAGMA query_only=ON; PRAGMA cache_size=-8192", err);
	for (int i = 0; i < STATEMENTS && rc == RC_OK; i++)
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
	for (int i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(rd->stmts[i]);
	db_close(rd->db);
	free(rd);
}

/* ---- one ---- */

/* An index has it, its table has not. */
static enum rc lost(struct reader *rd, sqlite3_int64 seq, struct err *err)
{
	return db_damaged(err, sqlite3_db_filename(rd->db, "main"),
			  "transaction with seq %lld is lost", seq);
}

/* The row of `stmt`, whose key is bound, whole. RC_NOT_FOUND if there is none. */
static enum rc fetch(struct reader *rd, sqlite3_stmt *stmt, struct record **out, struct err *err)
{
	struct record *r = NULL;
	enum rc rc;

	switch (sqlite3_step(stmt)) {
	case SQLITE_ROW:
		r = mem_new(1, sizeof *r);
		rc = row_read_columns(stmt, r, err);
		if (rc == RC_OK)
			rc = row_read_detail(stmt, r, err);
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
	sqlite3_stmt *stmt = rd->stmts[FIND];
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

enum rc reader_unfinished(struct reader *rd, void (*each)(struct record *r, void *arg), void *arg,
			  struct err *err)
{
	struct seqs seqs = {0};
	enum rc rc = collect(rd, rd->stmts[UNFINISHED], &seqs, err);

	for (size_t i = 0; i < seqs.n && rc == RC_OK; i++) {
		struct record *r;

		sqlite3_bind_int64(rd->stmts[ROW], 1, seqs.all[i]);
		rc = fetch(rd, rd->stmts[ROW], &r, err);
		if (rc == RC_OK)
			each(r, arg);
		else if (rc == RC_NOT_FOUND) /* the index knows it */
			rc = lost(rd, seqs.all[i], err);
	}
	free(seqs.all);
	return rc;
}

/* ---- resources ---- */

enum rc reader_resources(struct reader *rd, resource_fn each, void *arg, struct err *err)
{
	sqlite3_stmt *stmt = rd->stmts[RESOURCES];
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

/* ---- lists ---- */

struct search {
	const struct list_query *q;
	unsigned states; /* bits; 0: all */
	size_t found, rows, bytes;
	sqlite3_int64 last; /* looked at */
};

static enum rc read_status(const char *word, unsigned *states, struct err *err)
{
	*states = 0;
	for (int s = 1; word != NULL && s < TXN_STATES; s++)
		if (strcmp(record_status((enum txn_state)s), word) == 0)
			*states |= 1u << s;
	if (word != NULL && *states == 0)
		return err_set(
			err, RC_INVALID,
			"no such status: %.40s: running, committing, rolling_back, committed, "
			"rolled_back or stuck",
			word);
	return RC_OK;
}

/* Committed ones are in no index by state, and need none: they are most of all. */
static sqlite3_stmt *choose(struct reader *rd, unsigned states)
{
	int list[STATES_OF_A_WORD], n = 0;
	sqlite3_stmt *stmt;

	if (states == 0 || states == 1u << TXN_COMMITTED)
		return rd->stmts[BY_SEQ];
	for (int s = 1; s < TXN_STATES; s++) {
		if ((states & (1u << s)) != 0) {
			assert(n < STATES_OF_A_WORD);
			list[n++] = s;
		}
	}
	stmt = rd->stmts[n == 1 ? BY_STATE : BY_STATES];
	sqlite3_bind_int(stmt, 3, list[0]);
	for (int i = 1; n > 1 && i < STATES_OF_A_WORD; i++)
		sqlite3_bind_int(stmt, 3 + i, list[i < n ? i : 0]);
	return stmt;
}

static sqlite3_int64 clamp(uint64_t n)
{
	return n < INT64_MAX ? (sqlite3_int64)n : INT64_MAX;
}

static sqlite3_stmt *start(struct reader *rd, const struct search *s)
{
	const struct list_query *q = s->q;
	sqlite3_stmt *stmt = choose(rd, s->states);
	uint64_t before = UINT64_MAX;

	if (q->before_seq != 0)
		before = q->before_seq;
	if (q->until_us != 0 && q->until_us < before)
		before = q->until_us;
	sqlite3_bind_int64(stmt, 1, clamp(q->since_us));
	sqlite3_bind_int64(stmt, 2, clamp(before));
	return stmt;
}

static bool has_resource(const struct record *r, const char *resource)
{
	for (size_t i = 0; i < r->n_branches; i++)
		if (strcmp(r->branches[i].resource, resource) == 0)
			return true;
	return false;
}

/* Sets `*match`. A name that is nowhere in the packed bytes is no branch's: most rows
 * need not be unpacked to tell. */
static enum rc match_resource(struct search *s, sqlite3_stmt *row, struct record *r, bool *match,
			      struct err *err)
{
	const char *name = s->q->resource;
	const void *detail = sqlite3_column_blob(row, ROW_DETAIL);
	const size_t size = (size_t)sqlite3_column_bytes(row, ROW_DETAIL);
	enum rc rc;

	s->bytes += size;
	*match = false;
	if (detail == NULL || memmem(detail, size, name, strlen(name)) == NULL)
		return RC_OK;
	rc = row_read_detail(row, r, err);
	*match = rc == RC_OK && has_resource(r, name);
	return rc;
}

static enum rc look_at(struct search *s, sqlite3_stmt *row, record_fn each, void *arg,
		       struct err *err)
{
	struct record r = {0};
	enum rc rc = row_read_columns(row, &r, err);
	bool match = rc == RC_OK && (s->states == 0 || (s->states & (1u << r.state)) != 0) &&
		     (s->q->workflow == NULL ||
		      (r.workflow != NULL && strcmp(r.workflow, s->q->workflow) == 0));

	if (match && s->q->resource != NULL)
		rc = match_resource(s, row, &r, &match, err);
	if (match) {
		s->found++;
		each(&r, arg);
	}
	record_fini(&r);
	return rc;
}

static enum rc look_up(struct reader *rd, struct search *s, record_fn each, void *arg,
		       struct err *err)
{
	sqlite3_stmt *row = rd->stmts[ROW];
	enum rc rc;

	sqlite3_bind_int64(row, 1, s->last);
	switch (sqlite3_step(row)) {
	case SQLITE_ROW: rc = look_at(s, row, each, arg, err); break;
	case SQLITE_DONE: rc = lost(rd, s->last, err); break;
	default: rc = db_fail(rd->db, "reading a list", err); break;
	}
	sqlite3_reset(row);
	return rc;
}

/* A search that found enough, or looked at enough, ends where the next one begins. */
static enum rc stop_early(const struct search *s, struct err *err)
{
	if (s->q->next_seq != NULL)
		*s->q->next_seq = (uint64_t)s->last;
	else if (s->found < s->q->limit)
		return err_set(
			err, RC_FULL,
			"too much to search: looked at %zu transactions and found %zu; name a "
			"shorter time with `since` and `until`",
			s->rows, s->found);
	return RC_OK;
}

enum rc reader_list(struct reader *rd, const struct list_query *q, record_fn each, void *arg,
		    struct err *err)
{
	struct search s = {.q = q};
	enum rc rc = read_status(q->status, &s.states, err);
	sqlite3_stmt *source;
	int step;

	if (rc != RC_OK)
		return rc;
	if (q->next_seq != NULL)
		*q->next_seq = 0;
	source = start(rd, &s);
	while ((step = sqlite3_step(source)) == SQLITE_ROW && rc == RC_OK) {
		if (s.found >= q->limit || s.rows >= LIST_ROWS_LOOKED_AT ||
		    s.bytes >= LIST_BYTES_LOOKED_AT) {
			rc = stop_early(&s, err);
			break;
		}
		s.last = sqlite3_column_int64(source, 0);
		s.rows++;
		rc = look_up(rd, &s, each, arg, err);
	}
	if (rc == RC_OK && step != SQLITE_ROW && step != SQLITE_DONE)
		rc = db_fail(rd->db, "reading a list", err);
	sqlite3_reset(source);
	return rc;
}
