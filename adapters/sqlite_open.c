/* sqlite_open.c - opening the file: see sqlite_db.h.
 *
 * One write at the end of it, though nothing changes: a commit that failed with an
 * I/O error may have left a whole transaction behind that only recovery after a crash
 * would find.  SQLite's next write goes over it, so after this one no answer that was
 * given from the file can be turned round. */
#include "adapters/sqlite_impl.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	OPEN_WAITS = 100,        /* times 10 ms for a lock; then it is tried again later */
	VALUE_MAX = 64 << 20,    /* bytes of one value or row */
	PROGRESS_STEPS = 1000,   /* of SQLite's machine, well under a millisecond */
	SYNCHRONOUS_EXTRA = 3,   /* as FULL, and syncs the folder when a journal is removed */
	JOURNAL_ID = 0x5e771e01, /* application_id of the coordinator's journal … */
	LEDGER_ID = 0x53746c67,  /* … and of an agent's state file */
};

/* `did`: 0 for an undo that found nothing to undo. */
static const char barrier[] = "CREATE TABLE IF NOT EXISTS settle_barrier ("
			      " cluster TEXT NOT NULL, gid TEXT NOT NULL, step TEXT NOT NULL,"
			      " part TEXT NOT NULL CHECK (part IN ('do', 'undo')),"
			      " did INTEGER NOT NULL, output TEXT,"
			      " made_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,"
			      " PRIMARY KEY (cluster, gid, step, part))";

static const char *const own_sql[SQ_STATEMENTS] = {
	[SQ_BEGIN] = "BEGIN IMMEDIATE",
	[SQ_COMMIT] = "COMMIT",
	[SQ_LOOK] = "SELECT part, output FROM settle_barrier"
		    " WHERE cluster = ?1 AND gid = ?2 AND step = ?3",
	[SQ_MARK] = "INSERT INTO settle_barrier (cluster, gid, step, part, did, output)"
		    " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
	[SQ_SAVEPOINT_SET] = "SAVEPOINT settle_call",
	[SQ_SAVEPOINT_UNDO] = "ROLLBACK TO settle_call",
	[SQ_SAVEPOINT_DROP] = "RELEASE settle_call",
};

static enum rc fail(const struct sqlite_db *d, struct err *err)
{
	char text[300];

	sqlite_explain(d->db, text, sizeof text);
	return err_set(err, RC_IO, "file %s: %s", d->settings.config->file, text);
}

static enum rc exec(struct sqlite_db *d, const char *sql, struct err *err)
{
	return sqlite3_exec(d->db, sql, NULL, NULL, NULL) == SQLITE_OK ? RC_OK : fail(d, err);
}

/* The first column of the first row, as text into `out`. */
static enum rc ask(struct sqlite_db *d, const char *sql, char out[32], struct err *err)
{
	sqlite3_stmt *s = NULL;
	const char *text;
	int rc = sqlite3_prepare_v2(d->db, sql, -1, &s, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(s);
	text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(s, 0) : NULL;
	snprintf(out, 32, "%s", text != NULL ? text : "");
	sqlite3_finalize(s);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? RC_OK : fail(d, err);
}

static enum rc ask_number(struct sqlite_db *d, const char *sql, int64_t *out, struct err *err)
{
	char text[32];
	const enum rc rc = ask(d, sql, text, err);

	*out = strtoll(text, NULL, 10);
	return rc;
}

/* ---- while SQLite works ---- */

static void doze(int tries)
{
	const long ms = tries < 4 ? 1 : tries < 10 ? 5 : 10;
	const struct timespec pause = {0, ms * 1000000};

	nanosleep(&pause, NULL);
}

/* SQLite's own timeout could not be ended by a cancel. */
static int on_busy(void *arg, int tries)
{
	const struct sqlite_db *d = arg;

	if (d->opening ? tries >= OPEN_WAITS : d->settings.give_up(d->phase, d->settings.arg))
		return 0;
	doze(tries);
	return 1;
}

static int on_progress(void *arg)
{
	const struct sqlite_db *d = arg;

	return !d->opening && d->phase == SQ_RUNNING &&
	       d->settings.give_up(d->phase, d->settings.arg);
}

/* ---- the file ---- */

static enum rc open_connection(struct sqlite_db *d, struct err *err)
{
	const struct sqlite_config *config = d->settings.config;

	if (config->create && file_make(config->file, err) != RC_OK)
		return RC_IO;
	if (!config->create && access(config->file, F_OK) != 0)
		return err_set(err, RC_IO, "file %s: %s, and `create` is false", config->file,
			       strerror(errno));
	if (sqlite3_open_v2(config->file, &d->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
			    NULL) != SQLITE_OK)
		return d->db != NULL ? fail(d, err) : err_set(err, RC_IO, "out of memory");
	sqlite3_extended_result_codes(d->db, 1);
	sqlite3_limit(d->db, SQLITE_LIMIT_LENGTH, VALUE_MAX);
	sqlite3_limit(d->db, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_db_config(d->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(d->db, SQLITE_DBCONFIG_ENABLE_FKEY, config->foreign_keys ? 1 : 0, NULL);
	sqlite3_busy_handler(d->db, on_busy, d);
	sqlite3_progress_handler(d->db, PROGRESS_STEPS, on_progress, d);
	sqlite_guard(d->db, &d->guarded);
	return RC_OK;
}

static enum rc is_empty(struct sqlite_db *d, bool *empty, struct err *err)
{
	int64_t n = 0;
	const enum rc rc = ask_number(d, "SELECT count(*) FROM sqlite_schema", &n, err);

	*empty = n == 0;
	return rc;
}

static enum rc check_kind(struct sqlite_db *d, struct err *err)
{
	int64_t id = 0;

	if (ask_number(d, "PRAGMA application_id", &id, err) != RC_OK)
		return RC_IO;
	if (id == JOURNAL_ID || id == LEDGER_ID)
		return err_set(err, RC_IO, "file %s is Settle's own %s: name another",
			       d->settings.config->file,
			       id == JOURNAL_ID ? "journal" : "state file");
	return RC_OK;
}

/* A commit must survive a power failure.  Write-ahead logging is for files that begin
 * with us; one that others brought keeps its mode, unless a crash could damage it. */
static enum rc set_durable(struct sqlite_db *d, struct err *err)
{
	char mode[32];
	int64_t level;
	bool empty;

	if (is_empty(d, &empty, err) != RC_OK ||
	    ask(d, empty ? "PRAGMA journal_mode = WAL" : "PRAGMA journal_mode", mode, err) != RC_OK)
		return RC_IO;
	if ((strcmp(mode, "off") == 0 || strcmp(mode, "memory") == 0) &&
	    ask(d, "PRAGMA journal_mode = DELETE", mode, err) != RC_OK)
		return RC_IO;
	if (exec(d, "PRAGMA synchronous = EXTRA", err) != RC_OK ||
	    ask_number(d, "PRAGMA synchronous", &level, err) != RC_OK)
		return RC_IO;
	if (level != SYNCHRONOUS_EXTRA || strcmp(mode, "off") == 0 || strcmp(mode, "memory") == 0)
		return err_set(err, RC_IO, "file %s: SQLite does not make commits durable",
			       d->settings.config->file);
	return RC_OK;
}

/* ---- all of it ---- */

static enum rc prepare_own(struct sqlite_db *d, struct err *err)
{
	for (int i = 0; i < SQ_STATEMENTS; i++)
		if (sqlite3_prepare_v3(d->db, own_sql[i], -1, SQLITE_PREPARE_PERSISTENT, &d->own[i],
				       NULL) != SQLITE_OK) {
			fail(d, err);
			return err_wrap(err, "the table settle_barrier is not as Settle makes it");
		}
	return RC_OK;
}

/* Sets the number that is there already: nothing changes, but a page is written. */
static enum rc touch(struct sqlite_db *d, struct err *err)
{
	int64_t version = 0;
	char sql[60];

	if (ask_number(d, "PRAGMA user_version", &version, err) != RC_OK)
		return RC_IO;
	snprintf(sql, sizeof sql, "PRAGMA user_version = %" PRId64, version);
	return exec(d, sql, err);
}

static enum rc set_up(struct sqlite_db *d, struct err *err)
{
	bool empty;

	if (open_connection(d, err) != RC_OK || check_kind(d, err) != RC_OK ||
	    set_durable(d, err) != RC_OK || exec(d, own_sql[SQ_BEGIN], err) != RC_OK)
		return RC_IO;
	/* Under the lock: another agent may be making the same file. */
	if (is_empty(d, &empty, err) != RC_OK || (empty && sqlite_schema_run(d, err) != RC_OK) ||
	    exec(d, barrier, err) != RC_OK || touch(d, err) != RC_OK ||
	    exec(d, own_sql[SQ_COMMIT], err) != RC_OK)
		return RC_IO;
	return prepare_own(d, err) == RC_OK ? sqlite_operations_prepare(d, err) : RC_IO;
}

enum rc sqlite_db_open(const struct sqlite_db_settings *settings, struct sqlite_db **db,
		       struct err *err)
{
	struct sqlite_db *d = mem_new(1, sizeof *d);

	*db = NULL;
	d->settings = *settings;
	d->opening = true;
	if (set_up(d, err) != RC_OK) {
		sqlite_db_close(d);
		return RC_IO;
	}
	d->opening = false;
	*db = d;
	return RC_OK;
}

void sqlite_db_close(struct sqlite_db *d)
{
	if (d == NULL)
		return;
	for (int i = 0; i < SQ_STATEMENTS; i++)
		sqlite3_finalize(d->own[i]);
	for (size_t i = 0; d->operations != NULL && i < d->settings.config->n_operations; i++) {
		sqlite3_finalize(d->operations[i].s);
		free(d->operations[i].arg_of);
	}
	free(d->operations);
	d->opening = true; /* nobody is to be asked while it rolls back what is open */
	sqlite3_close(d->db);
	free(d);
}
