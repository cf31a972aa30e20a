/* journal_seal.c - see journal_seal.h.
 *
 * The new file has no log when it takes the old one's name, and the old one's log was removed
 * before: so no log ever stands beside a file that it does not belong to. */
#include "coordinator/journal_seal.h"
#include "base/log.h"
#include "base/file.h"
#include "base/mem.h"
#include "coordinator/journal_db.h"
#include "coordinator/journal_lock.h"
#include "coordinator/journal_schema.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What an earlier try has left. */
static void remove_file(const char *path)
{
	static const char *const suffixes[] = {"", "-journal", "-wal", "-shm"};

	for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
		char *name = mem_printf("%s%s", path, suffixes[i]);

		unlink(name);
		free(name);
	}
}

static enum rc make_file(const char *path, struct err *err)
{
	const int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_set(err, RC_IO, "%s: cannot be made: %s", path, strerror(errno));
	close(fd);
	return RC_OK;
}

static enum rc sync_file(const char *path, struct err *err)
{
	const int fd = open(path, O_RDWR | O_CLOEXEC);
	enum rc rc = RC_OK;

	if (fd < 0 || fsync(fd) != 0)
		rc = err_set(err, RC_IO, "%s: cannot be synced: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return rc;
}

/* The log into the file, and all of it checked by SQLite. */
static enum rc check_all(sqlite3 *db, struct err *err)
{
	char *said = NULL;
	int64_t busy = 0;
	enum rc rc = db_number(db, "PRAGMA wal_checkpoint(TRUNCATE)", &busy, err);

	if (rc == RC_OK && busy != 0)
		rc = err_set(err, RC_IO, "%s: another program reads it: end that one first",
			     sqlite3_db_filename(db, "main"));
	if (rc == RC_OK)
		rc = db_text(db, "PRAGMA integrity_check(1)", &said, err);
	if (rc == RC_OK && strcmp(said, "ok") != 0)
		rc = db_damaged(err, sqlite3_db_filename(db, "main"), "%.200s", said);
	free(said);
	return rc;
}

static enum rc copy_all(sqlite3 *db, const char *to, struct err *err)
{
	char *sql = sqlite3_mprintf("VACUUM INTO %Q", to);
	const enum rc rc = db_exec(db, sql, err);

	sqlite3_free(sql);
	return rc;
}

/* Closes the old file, its log with it. */
static enum rc leave_old(sqlite3 *db, const char *path, struct err *err)
{
	char *log = mem_printf("%s-wal", path);
	struct stat st;
	enum rc rc = RC_OK;

	sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, (int *)NULL);
	db_close(db);
	if (stat(log, &st) == 0)
		rc = err_set(err, RC_IO,
			     "%s: another program has it open: end that one, then start again",
			     path);
	free(log);
	return rc;
}

/* The file that `db` has, written anew to `to`; gives its version.  `db` is closed. */
static enum rc write_anew(sqlite3 *db, const char *path, const char *to, int *version,
			  struct err *err)
{
	int64_t stored = 0;
	enum rc rc = check_all(db, err);

	if (rc == RC_OK)
		rc = db_number(db, "PRAGMA user_version", &stored, err);
	if (rc == RC_OK)
		rc = make_file(to, err);
	if (rc == RC_OK)
		rc = copy_all(db, to, err);
	*version = (int)(stored % JOURNAL_TAKE_OVER);
	if (rc != RC_OK) {
		db_close(db);
		return rc;
	}
	return leave_old(db, path, err);
}

/* The new file, whose pages are sealed, in our version. */
static enum rc finish_new(const char *path, int version, struct err *err)
{
	char *sql = mem_printf("PRAGMA user_version=%d", version);
	sqlite3 *db;
	enum rc rc = db_open(path, &db, err);

	if (rc == RC_OK)
		rc = db_exec(db, sql, err);
	if (rc == RC_OK)
		rc = schema_update(db, version, err);
	db_close(db);
	free(sql);
	return rc == RC_OK ? sync_file(path, err) : rc;
}

enum rc file_seal(const char *dir, const char *path, struct err *err)
{
	char *new_path = mem_printf("%s.new", path);
	int version = 0;
	sqlite3 *db;
	enum rc rc = db_open_unsealed(path, &db, err);

	remove_file(new_path);
	if (rc == RC_OK)
		rc = write_anew(db, path, new_path, &version, err);
	if (rc == RC_OK)
		rc = finish_new(new_path, version, err);
	if (rc == RC_OK) /* the old log is gone before the new file can be there */
		rc = dir_sync(dir, err);
	if (rc == RC_OK && rename(new_path, path) != 0)
		rc = err_set(err, RC_IO, "%s: cannot be put in place: %s", new_path,
			     strerror(errno));
	if (rc == RC_OK)
		rc = dir_sync(dir, err);
	if (rc == RC_OK)
		log_event(LOG_INFO, "journal-sealed",
			  "every page of the journal has a checksum now");
	else
		remove_file(new_path);
	free(new_path);
	return rc;
}
