/* journal_prune.c - see journal_prune.h.
 *
 * A history may be older than its transaction's row, or have none: what was begun and
 * not written down when the coordinator died.  So beside the transactions, histories
 * are walked through, a stretch each time, from one to the next by their key. */
#include "coordinator/journal_prune.h"
#include "base/crash.h"
#include "base/mem.h"
#include "coordinator/journal_db.h"
#include "coordinator/journal_row.h"

#include <stdlib.h>

enum { OLD, EVENTS, STEPS, ROW, NEXT_HISTORY, STATEMENTS };

static const char *const texts[STATEMENTS] = {
	/* What became of its groups an unfinished saga may still have to look up. */
	[OLD] = ("SELECT seq FROM txn AS t WHERE seq < ?1 AND state IN (6, 7)"
		 " AND (parent = 0 OR NOT EXISTS(SELECT 1 FROM txn AS saga"
		 " WHERE saga.seq = t.parent AND saga.state NOT IN (6, 7)))"
		 " ORDER BY seq LIMIT ?2"),
	[EVENTS] = "DELETE FROM event WHERE seq = ?1",
	[STEPS] = "DELETE FROM step WHERE key BETWEEN ?1 AND ?2",
	[ROW] = "DELETE FROM txn WHERE seq = ?1",
	[NEXT_HISTORY] =
		("SELECT e.seq, EXISTS(SELECT 1 FROM txn WHERE txn.seq = e.seq) FROM event e"
		 " WHERE e.seq > ?1 AND e.seq < ?2 ORDER BY e.seq LIMIT 1"),
};
_Static_assert(TXN_COMMITTED == 6 && TXN_ABORTED == 7, "the numbers in the SQL");

struct prune {
	sqlite3 *db;
	sqlite3_stmt *stmts[STATEMENTS];
	sqlite3_int64 stray; /* histories up to this one were looked at */
};

enum rc prune_open(sqlite3 *db, struct prune **out, struct err *err)
{
	struct prune *p = mem_new(1, sizeof *p);

	p->db = db;
	*out = NULL;
	for (int i = 0; i < STATEMENTS; i++) {
		const enum rc rc = db_prepare(db, texts[i], &p->stmts[i], err);

		if (rc != RC_OK) {
			prune_close(p);
			return rc;
		}
	}
	*out = p;
	return RC_OK;
}

void prune_close(struct prune *p)
{
	if (p == NULL)
		return;
	for (int i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(p->stmts[i]);
	free(p);
}

/* Adds the deleted rows to `*rows`. */
static enum rc forget(struct prune *p, int which, sqlite3_int64 key, size_t *rows, struct err *err)
{
	sqlite3_stmt *stmt = p->stmts[which];

	sqlite3_bind_int64(stmt, 1, key);
	if (sqlite3_step(stmt) != SQLITE_DONE)
		return db_fail(p->db, texts[which], err);
	sqlite3_reset(stmt);
	*rows += (size_t)sqlite3_changes(p->db);
	return RC_OK;
}

static enum rc forget_steps(struct prune *p, sqlite3_int64 seq, size_t *rows, struct err *err)
{
	const sqlite3_int64 first = row_step_key((uint64_t)seq, 0);

	sqlite3_bind_int64(p->stmts[STEPS], 2, first + STEP_KEYS - 1);
	return forget(p, STEPS, first, rows, err);
}

static enum rc forget_all(struct prune *p, sqlite3_int64 seq, size_t *rows, struct err *err)
{
	enum rc rc = forget(p, EVENTS, seq, rows, err);

	if (rc == RC_OK)
		rc = forget_steps(p, seq, rows, err);
	return rc == RC_OK ? forget(p, ROW, seq, rows, err) : rc;
}

/* The `seq` of what can go, collected before anything is deleted under the cursor. */
static enum rc collect(struct prune *p, sqlite3_int64 before, sqlite3_int64 *list, size_t *n,
		       struct err *err)
{
	sqlite3_stmt *stmt = p->stmts[OLD];
	int step;

	*n = 0;
	sqlite3_bind_int64(stmt, 1, before);
	sqlite3_bind_int(stmt, 2, PRUNE_MAX);
	while ((step = sqlite3_step(stmt)) == SQLITE_ROW)
		list[(*n)++] = sqlite3_column_int64(stmt, 0);
	if (step != SQLITE_DONE)
		return db_fail(p->db, texts[OLD], err);
	sqlite3_reset(stmt);
	return RC_OK;
}

/* Looks at the history after the last one that was looked at; forgets it if it is a
 * stray. `*more` is false at the end, from where it begins anew. */
static enum rc next_history(struct prune *p, sqlite3_int64 before, bool *more, size_t *rows,
			    struct err *err)
{
	sqlite3_stmt *stmt = p->stmts[NEXT_HISTORY];
	bool owned = true;
	int step;

	sqlite3_bind_int64(stmt, 1, p->stray);
	sqlite3_bind_int64(stmt, 2, before);
	step = sqlite3_step(stmt);
	*more = step == SQLITE_ROW;
	p->stray = 0;
	if (step == SQLITE_ROW) {
		p->stray = sqlite3_column_int64(stmt, 0);
		owned = sqlite3_column_int(stmt, 1) != 0;
	} else if (step != SQLITE_DONE) {
		return db_fail(p->db, texts[NEXT_HISTORY], err);
	}
	sqlite3_reset(stmt);
	return owned ? RC_OK : forget(p, EVENTS, p->stray, rows, err);
}

enum rc prune_some(struct prune *p, uint64_t before_us, struct err *err)
{
	const sqlite3_int64 before = (sqlite3_int64)before_us;
	sqlite3_int64 list[PRUNE_MAX];
	size_t n, rows = 0;
	bool more = true;
	enum rc rc = collect(p, before, list, &n, err);

	CRASH_POINT(prune_begin);
	for (size_t i = 0; i < n && rows < PRUNE_ROWS_MAX && rc == RC_OK; i++)
		rc = forget_all(p, list[i], &rows, err);
	for (int i = 0; more && i < PRUNE_STRAYS_MAX && rows < PRUNE_ROWS_MAX && rc == RC_OK; i++)
		rc = next_history(p, before, &more, &rows, err);
	CRASH_POINT(prune_done);
	return rc;
}
