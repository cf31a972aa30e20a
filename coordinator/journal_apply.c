/* journal_apply.c - see journal_apply.h.
 *
 * A row's width does not change when its transaction ends: `finished_us` holds the
 * time of the begin until then.  So the end is written over the row in place; a row
 * that grew would split its page, full as all are that rows were appended to. */
#include "coordinator/journal_apply.h"
#include "base/mem.h"
#include "coordinator/journal_db.h"

#include <stdlib.h>

enum { BEGIN, COMMIT, PUT, END, RESOURCE, PRUNE, STATEMENTS };

/* A put of the same transaction replaces its row.  Another one with its gid or its
 * seq is a mistake of ours: the unique index, or no changed row, tells. */
static const char *const texts[STATEMENTS] = {
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[PUT] = "INSERT INTO txn(seq, state, finished_us, epoch, gid, workflow, reason, hash, "
		"detail)"
		" VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
		" ON CONFLICT(seq) DO UPDATE SET state = ?2, finished_us = ?3, epoch = ?4,"
		" workflow = ?6, reason = ?7, hash = ?8, detail = ?9 WHERE gid = ?5",
	[END] = "UPDATE txn SET state = ?2, finished_us = ?3 WHERE seq = ?1 AND gid = ?4",
	[RESOURCE] =
		"INSERT INTO resource(name, adapter, one_phase, operations)"
		" VALUES(?1, ?2, ?3, ?4)"
		" ON CONFLICT(name) DO UPDATE SET adapter = ?2, one_phase = ?3, operations = ?4",
	[PRUNE] = ("DELETE FROM txn WHERE seq IN (SELECT seq FROM txn"
		   " WHERE seq < ?1 AND state IN (6, 7) ORDER BY seq LIMIT ?2)"),
};
_Static_assert(TXN_COMMITTED == 6 && TXN_ABORTED == 7, "the numbers in the SQL");

struct apply {
	sqlite3 *db;
	sqlite3_stmt *stmts[STATEMENTS];
};

enum rc apply_open(sqlite3 *db, struct apply **out, struct err *err)
{
	struct apply *a = mem_new(1, sizeof *a);

	a->db = db;
	*out = NULL;
	for (int i = 0; i < STATEMENTS; i++) {
		const enum rc rc = db_prepare(db, texts[i], &a->stmts[i], err);

		if (rc != RC_OK) {
			apply_close(a);
			return rc;
		}
	}
	*out = a;
	return RC_OK;
}

void apply_close(struct apply *a)
{
	if (a == NULL)
		return;
	for (int i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(a->stmts[i]);
	free(a);
}

static enum rc run(struct apply *a, int which, struct err *err)
{
	sqlite3_stmt *stmt = a->stmts[which];

	if (sqlite3_step(stmt) != SQLITE_DONE)
		return db_fail(a->db, texts[which], err);
	sqlite3_reset(stmt);
	return RC_OK;
}

/* Nothing of what is bound is touched before the statement has run. */
static void bind_text(sqlite3_stmt *stmt, int at, const char *text)
{
	sqlite3_bind_text(stmt, at, text, -1, SQLITE_STATIC);
}

static uint64_t finished_column(const struct write *w)
{
	return w->finished_us != 0 ? w->finished_us : w->seq;
}

static enum rc one_row(struct apply *a, const struct write *w, const char *what, struct err *err)
{
	if (sqlite3_changes(a->db) == 1)
		return RC_OK;
	return err_set(err, RC_CONFLICT, "%s of %s (seq %llu): its row is not there or another's",
		       what, w->gid, (unsigned long long)w->seq);
}

static enum rc put(struct apply *a, const struct write *w, struct err *err)
{
	sqlite3_stmt *s = a->stmts[PUT];

	sqlite3_bind_int64(s, 1, (sqlite3_int64)w->seq);
	sqlite3_bind_int(s, 2, (int)w->state);
	sqlite3_bind_int64(s, 3, (sqlite3_int64)finished_column(w));
	sqlite3_bind_int64(s, 4, (sqlite3_int64)w->epoch);
	bind_text(s, 5, w->gid);
	bind_text(s, 6, w->workflow);
	bind_text(s, 7, w->reason);
	sqlite3_bind_blob(s, 8, w->hash, sizeof w->hash, SQLITE_STATIC);
	if (sqlite3_bind_blob64(s, 9, w->detail, w->detail_size, SQLITE_STATIC) != SQLITE_OK)
		return db_fail(a->db, w->gid, err);
	if (run(a, PUT, err) != RC_OK)
		return err_wrap(err, "transaction %s (seq %llu)", w->gid,
				(unsigned long long)w->seq);
	return one_row(a, w, "put", err);
}

static enum rc end(struct apply *a, const struct write *w, struct err *err)
{
	sqlite3_stmt *s = a->stmts[END];

	sqlite3_bind_int64(s, 1, (sqlite3_int64)w->seq);
	sqlite3_bind_int(s, 2, (int)w->state);
	sqlite3_bind_int64(s, 3, (sqlite3_int64)finished_column(w));
	bind_text(s, 4, w->gid);
	if (run(a, END, err) != RC_OK)
		return err_wrap(err, "end of %s", w->gid);
	return one_row(a, w, "end", err);
}

static enum rc resource(struct apply *a, const struct write *w, struct err *err)
{
	sqlite3_stmt *s = a->stmts[RESOURCE];

	bind_text(s, 1, w->name);
	bind_text(s, 2, w->adapter);
	sqlite3_bind_int(s, 3, w->one_phase);
	bind_text(s, 4, w->operations);
	return run(a, RESOURCE, err);
}

static enum rc prune(struct apply *a, const struct write *w, struct err *err)
{
	sqlite3_stmt *s = a->stmts[PRUNE];

	sqlite3_bind_int64(s, 1, (sqlite3_int64)w->seq);
	sqlite3_bind_int(s, 2, PRUNE_MAX);
	return run(a, PRUNE, err);
}

static enum rc write_one(struct apply *a, const struct write *w, struct err *err)
{
	switch (w->kind) {
	case WRITE_PUT: return put(a, w, err);
	case WRITE_END: return end(a, w, err);
	case WRITE_RESOURCE: return resource(a, w, err);
	case WRITE_PRUNE: return prune(a, w, err);
	}
	return err_set(err, RC_INVALID, "no such write: %d", (int)w->kind);
}

enum rc apply_all(struct apply *a, const struct staged *list, struct err *err)
{
	enum rc rc = run(a, BEGIN, err);

	for (const struct staged *s = list; s != NULL && rc == RC_OK; s = s->next)
		for (const struct write *w = s->first; w != NULL && rc == RC_OK; w = w->next)
			rc = write_one(a, w, err);
	return rc == RC_OK ? run(a, COMMIT, err) : rc;
}
