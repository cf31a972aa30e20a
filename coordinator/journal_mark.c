/* journal_mark.c - see journal_mark.h.
 *
 * Page 1 reaches the file by way of the log, like any other: so a crash while it is written
 * over leaves it in the log.  Setting user_version to what it is writes page 1. */
#include "coordinator/journal_mark.h"
#include "base/mem.h"
#include "base/seal_vfs.h"
#include "base/wal.h"
#include "coordinator/journal_db.h"
#include "coordinator/journal_schema.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static enum rc write_page_1(sqlite3 *db, struct err *err)
{
	char *sql = mem_printf("PRAGMA user_version=%d", JOURNAL_VERSION);
	const enum rc rc = db_exec(db, sql, err);

	free(sql);
	return rc;
}

/* `*whole` is false if somebody reads an older state. */
static enum rc copy_log(sqlite3 *db, const char *how, bool *whole, struct err *err)
{
	char *sql = mem_printf("PRAGMA wal_checkpoint(%s)", how);
	int64_t busy = 1;
	const enum rc rc = db_number(db, sql, &busy, err);

	*whole = rc == RC_OK && busy == 0;
	free(sql);
	return rc;
}

/* While nobody else can write. */
enum rc mark_forget_tail(sqlite3 *db, struct err *err)
{
	const char *path = sqlite3_db_filename(db, "main");
	enum rc rc = db_exec(db, "BEGIN IMMEDIATE", err);

	if (rc == RC_OK && wal_forget_tail(path) != 0)
		rc = err_set(err, RC_IO, "%s-wal: cannot be written: %s", path, strerror(errno));
	if (sqlite3_get_autocommit(db) == 0)
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}

/* Another than `last`. */
static uint64_t new_number(uint64_t last)
{
	uint64_t number = last;

	while (number == 0 || number == last) {
		sqlite3_randomness(sizeof number, &number);
		number &= ~(uint64_t)MARK_OPEN;
	}
	return number;
}

/* If the last process ended on a failed sync, what its log shows may not all be on the disk
 * although it reads well.  The first copy writes it all once more and syncs; and the next
 * write begins the log anew, so that its pages all have the new number.  Somebody who reads
 * an older state all the while may prevent either; then the number stays, and the mark waits for
 * the first copy of the log that is whole.  (To refuse would be worse: when that somebody ends, and
 * nobody else has the journal, SQLite copies the log, without checksums.) */
enum rc mark_open(sqlite3 *db, struct err *err)
{
	const uint64_t last = seal_vfs_note(db) & ~(uint64_t)MARK_OPEN;
	bool whole = false, marked = false;
	enum rc rc = copy_log(db, "RESTART", &whole, err);

	if (rc != RC_OK)
		return rc;
	seal_vfs_set_note(db, (whole ? new_number(last) : last) | MARK_OPEN);
	rc = write_page_1(db, err);
	if (rc == RC_OK)
		rc = copy_log(db, whole ? "FULL" : "PASSIVE", &marked, err);
	if (rc == RC_OK && !marked)
		seal_vfs_set_note(db, last | MARK_OPEN);
	sqlite3_db_release_memory(db); /* pages with the old number */
	return rc;
}

static bool still_ours(sqlite3 *db, uint64_t epoch)
{
	int64_t now = 0;
	struct err err;

	return epoch == 0 ||
	       (db_number(db, "SELECT value FROM meta WHERE key = 'epoch'", &now, &err) == RC_OK &&
		(uint64_t)now == epoch);
}

static enum rc clear(sqlite3 *db, uint64_t epoch, struct err *err)
{
	enum rc rc = db_exec(db, "BEGIN IMMEDIATE", err);

	if (rc != RC_OK)
		return rc;
	if (!still_ours(db, epoch))
		rc = err_set(err, RC_REFUSED, "taken over");
	if (rc == RC_OK)
		rc = write_page_1(db, err);
	if (rc == RC_OK)
		rc = db_exec(db, "COMMIT", err);
	if (rc != RC_OK)
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}

void mark_closed(sqlite3 *db, uint64_t epoch)
{
	bool whole;
	struct err err;

	if (copy_log(db, "FULL", &whole, &err) != RC_OK || !whole ||
	    clear(db, epoch, &err) != RC_OK)
		return;
	seal_vfs_set_note(db, seal_vfs_note(db) & ~(uint64_t)MARK_OPEN);
	if (copy_log(db, "TRUNCATE", &whole, &err) == RC_OK && whole)
		sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, (int *)NULL);
}
