/* journal_db.h - a SQLite connection as the journal wants it.  Private to the
 * journal.
 *
 * Thread: a connection belongs to one thread at a time; it may be handed over. */
#ifndef COORDINATOR_JOURNAL_DB_H
#define COORDINATOR_JOURNAL_DB_H

#include "base/err.h"

#include <sqlite3.h>
#include <stdint.h>

enum {
	/* So long a lock is waited for.  Nobody else writes to the journal; but a person may look
	 * at it, and SQLite's own tools take short locks. */
	DB_BUSY_MS = 5000,
};

/* Opens the file, which is there: one whose pages are sealed (base/seal_vfs.h), or an empty
 * one.  RC_IO, RC_INVALID; `*db` is then NULL. */
enum rc db_open(const char *path, sqlite3 **db, struct err *err);
/* The same for a file whose pages have no checksums, or whose checksums do not count. */
enum rc db_open_unsealed(const char *path, sqlite3 **db, struct err *err);

/* NULL is ignored. Every statement was finalized before.  The log stays (journal_mark.h). */
void db_close(sqlite3 *db);

/* Turns the connection's last failure into an error: damage is RC_INVALID and says
 * what to do, all else is RC_IO. */
enum rc db_fail(sqlite3 *db, const char *what, struct err *err);

/* RC_INVALID: the file at `path` is damaged, how, and where to read what to do. */
enum rc db_damaged(struct err *err, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Runs statements that give no rows. */
enum rc db_exec(sqlite3 *db, const char *sql, struct err *err);

/* The first column of the first row. RC_INVALID if there is no row or, for the
 * number, if it is none; the text is for free(). */
enum rc db_number(sqlite3 *db, const char *sql, int64_t *out, struct err *err);
enum rc db_text(sqlite3 *db, const char *sql, char **out, struct err *err);

/* A statement that is kept; sqlite3_finalize. */
enum rc db_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out, struct err *err);

#endif
