/* journal_db.c - see journal_db.h. */
#include "coordinator/journal_db.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	/* Nobody else writes to the journal; but a person may look at it, and SQLite's
	 * own tools take short locks. */
	BUSY_MS = 5000,
	HEADER_SIZE = 100, /* sqlite.org/fileformat2.html, 1.3 */
	WAL_HEADER_SIZE = 32,
};

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

/* ---- the file ---- */

static uint32_t big_endian(const unsigned char *p, int bytes)
{
	uint32_t n = 0;

	for (int i = 0; i < bytes; i++)
		n = n << 8 | p[i];
	return n;
}

/* The size of `path` with `suffix`; 0 if there is none. */
static off_t size_of(const char *path, const char *suffix)
{
	char *name = mem_printf("%s%s", path, suffix);
	struct stat st;
	const off_t size = stat(name, &st) == 0 ? st.st_size : 0;

	free(name);
	return size;
}

static enum rc check_header(const char *path, int fd, off_t size, bool settled, struct err *err)
{
	static const char magic[16] = "SQLite format 3";
	unsigned char h[HEADER_SIZE];
	uint32_t page, pages;

	if (pread(fd, h, sizeof h, 0) != (ssize_t)sizeof h || memcmp(h, magic, sizeof magic) != 0)
		return err_set(
			err, RC_INVALID,
			"%s: is not a SQLite database: the data directory must be empty or hold a "
			"journal of Settle",
			path);
	page = big_endian(h + 16, 2) == 1 ? 65536 : big_endian(h + 16, 2);
	pages = big_endian(h + 28, 4);
	/* The header's count is good if it was written with the file's last change. */
	if (settled && memcmp(h + 24, h + 92, 4) == 0 && size < (off_t)page * (off_t)pages)
		return db_damaged(err, path, "%lld bytes long where it says %lld", (long long)size,
				  (long long)page * (long long)pages);
	return RC_OK;
}

static enum rc check_open_file(const char *path, int fd, struct err *err)
{
	const off_t wal = size_of(path, "-wal"), rollback = size_of(path, "-journal");
	struct stat st;

	if (fstat(fd, &st) != 0)
		return err_set(err, RC_IO, "%s: %s", path, strerror(errno));
	if (st.st_size > 0)
		return check_header(path, fd, st.st_size, wal <= WAL_HEADER_SIZE && rollback == 0,
				    err);
	/* We make the schema before there is a log, so this is no crash of ours; and
	 * SQLite would throw the log away and begin anew. */
	if (wal > 0)
		return db_damaged(err, path, "it is empty or missing, but its log (-wal) is there");
	return RC_OK;
}

enum rc db_check_file(const char *path, struct err *err)
{
	const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	enum rc rc;

	if (fd < 0)
		return err_set(err, RC_IO, "%s: cannot be opened: %s", path, strerror(errno));
	rc = check_open_file(path, fd, err);
	close(fd);
	return rc;
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
	return err_set(err, RC_IO, "%s: %s (SQLite code %d; %.60s)", path, sqlite3_errmsg(db),
		       sqlite3_extended_errcode(db), what);
}

enum rc db_open(const char *path, sqlite3 **out, struct err *err)
{
	/* cell_size_check finds damaged pages when they are read, not later; defensive
	 * and trusted_schema are for a file that somebody meddled with.  Overwritten
	 * rows are not wiped: Debian's SQLite does that unless told otherwise. */
	static const char settings[] = "PRAGMA cell_size_check=ON; PRAGMA trusted_schema=OFF; "
				       "PRAGMA secure_delete=OFF; PRAGMA temp_store=MEMORY";
	sqlite3 *db = NULL;
	enum rc rc = RC_OK;

	*out = NULL;
	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) !=
	    SQLITE_OK)
		rc = err_set(err, RC_IO, "%s: cannot be opened: %s", path,
			     db != NULL ? sqlite3_errmsg(db) : "no memory");
	if (rc == RC_OK) {
		sqlite3_busy_timeout(db, BUSY_MS);
		sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
		rc = db_exec(db, settings, err);
	}
	if (rc != RC_OK) {
		db_close(db);
		return rc;
	}
	*out = db;
	return RC_OK;
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
