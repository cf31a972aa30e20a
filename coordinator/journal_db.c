/* journal_db.c - see journal_db.h. */
#include "coordinator/journal_db.h"
#include "base/mem.h"
#include "base/seal_vfs.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum rc db_damaged(struct err *err, const char *path, const char *fmt, ...)
{
	char how[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(how, sizeof how, fmt, ap);
	va_end(ap);
	return err_set(err, RC_INVALID,
		       "%s: the journal is damaged (%s): see \"A damaged journal\" in "
		       "docs/journal.md before you do anything else",
		       path, how);
}

/* ---- connections ---- */

static const char *path_of(sqlite3 *db)
{
	return sqlite3_db_filename(db, "main");
}

enum rc db_fail(sqlite3 *db, const char *what, struct err *err)
{
	const char *path = path_of(db);
	const int code = sqlite3_errcode(db);

	if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
		return db_damaged(err, path, "%s; %.60s", sqlite3_errmsg(db), what);
	if (sqlite3_extended_errcode(db) == SQLITE_IOERR_DATA)
		return db_damaged(err, path, "%s; %.60s", seal_vfs_problem(), what);
	return err_set(err, RC_IO, "%s: %s (SQLite code %d; %.60s)", path, sqlite3_errmsg(db),
		       sqlite3_extended_errcode(db), what);
}

static enum rc open_as(const char *path, enum seal_how how, sqlite3 **out, struct err *err)
{
	/* cell_size_check finds damaged pages when they are read, not later; defensive
	 * and trusted_schema are for a file that somebody meddled with.  Overwritten
	 * rows are not wiped: Debian's SQLite does that unless told otherwise.  cache_spill:
	 * see base/seal_vfs.h. */
	static const char settings[] = "PRAGMA cell_size_check=ON; PRAGMA trusted_schema=OFF; "
				       "PRAGMA secure_delete=OFF; PRAGMA temp_store=MEMORY; "
				       "PRAGMA cache_spill=OFF; PRAGMA mmap_size=0";
	sqlite3 *db = NULL;
	enum rc rc = RC_OK;

	*out = NULL;
	if (seal_vfs_open(path, how, &db) != SQLITE_OK)
		rc = err_set(err, RC_IO, "%s: cannot be opened: %s", path,
			     db != NULL ? sqlite3_errmsg(db) : "no memory");
	if (rc == RC_OK) {
		sqlite3_busy_timeout(db, DB_BUSY_MS);
		sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
		/* The log stays where it is unless the journal was closed in order. */
		sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
		rc = db_exec(db, settings, err);
	}
	if (rc != RC_OK) {
		db_close(db);
		return rc;
	}
	*out = db;
	return RC_OK;
}

enum rc db_open(const char *path, sqlite3 **out, struct err *err)
{
	return open_as(path, SEAL_YES, out, err);
}

enum rc db_open_unsealed(const char *path, sqlite3 **out, struct err *err)
{
	return open_as(path, SEAL_NO, out, err);
}

void db_close(sqlite3 *db)
{
	sqlite3_close_v2(db);
}

enum rc db_exec(sqlite3 *db, const char *sql, struct err *err)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return db_fail(db, sql, err);
	return RC_OK;
}

enum rc db_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out, struct err *err)
{
	if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL) == SQLITE_OK)
		return RC_OK;
	/* All our SQL is sound: a table or column is missing. */
	if (sqlite3_errcode(db) == SQLITE_ERROR)
		return db_damaged(err, path_of(db), "%s", sqlite3_errmsg(db));
	return db_fail(db, sql, err);
}

/* Steps to the first row. */
static enum rc first_row(sqlite3 *db, const char *sql, sqlite3_stmt **stmt, struct err *err)
{
	enum rc rc = db_prepare(db, sql, stmt, err);
	int step;

	if (rc != RC_OK)
		return rc;
	step = sqlite3_step(*stmt);
	if (step == SQLITE_ROW)
		return RC_OK;
	rc = step == SQLITE_DONE ? db_damaged(err, path_of(db), "%s: nothing there", sql)
				 : db_fail(db, sql, err);
	sqlite3_finalize(*stmt);
	return rc;
}

enum rc db_number(sqlite3 *db, const char *sql, int64_t *out, struct err *err)
{
	sqlite3_stmt *stmt;
	enum rc rc = first_row(db, sql, &stmt, err);

	if (rc != RC_OK)
		return rc;
	if (sqlite3_column_type(stmt, 0) != SQLITE_INTEGER)
		rc = db_damaged(err, path_of(db), "%s: not a number", sql);
	*out = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return rc;
}

enum rc db_text(sqlite3 *db, const char *sql, char **out, struct err *err)
{
	sqlite3_stmt *stmt;
	const enum rc rc = first_row(db, sql, &stmt, err);

	if (rc != RC_OK)
		return rc;
	*out = mem_dup_bytes(sqlite3_column_text(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0));
	sqlite3_finalize(stmt);
	return RC_OK;
}
