/* journal_schema.c - see journal_schema.h. */
#include "coordinator/journal_schema.h"
#include "base/log.h"
#include "base/mem.h"
#include "coordinator/journal_db.h"

#include <stdlib.h>
#include <string.h>

/* What each part is for stands in docs/journal.md.  The numbers are of enum
 * txn_state; 6 is TXN_COMMITTED, by far the most rows, which no index needs to
 * find by state.  A step that has been released is never changed. */
static const char *const steps[JOURNAL_VERSION] = {
	[0] = "CREATE TABLE meta("
	      " key TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;"
	      "CREATE TABLE txn("
	      " seq INTEGER PRIMARY KEY, state INTEGER NOT NULL, finished_us INTEGER NOT NULL,"
	      " epoch INTEGER NOT NULL, gid TEXT NOT NULL, workflow TEXT NOT NULL, reason TEXT,"
	      " hash BLOB NOT NULL, detail BLOB NOT NULL) STRICT;"
	      "CREATE UNIQUE INDEX txn_gid ON txn(gid);"
	      "CREATE INDEX txn_state ON txn(state) WHERE state <> 6;"
	      "CREATE TABLE resource("
	      " name TEXT PRIMARY KEY, adapter TEXT NOT NULL, one_phase INTEGER NOT NULL,"
	      " operations TEXT NOT NULL) STRICT, WITHOUT ROWID;"
	      "INSERT INTO meta VALUES('epoch', 0);",
	/* `parent` stands after `detail`, which need not be read for it in most rows: 0 has
	 * its place in the row's head. */
	[1] = "ALTER TABLE txn ADD COLUMN parent INTEGER NOT NULL DEFAULT 0;"
	      "CREATE TABLE step("
	      " key INTEGER PRIMARY KEY, detail BLOB NOT NULL) STRICT;"
	      "CREATE TABLE event("
	      " seq INTEGER NOT NULL, n INTEGER NOT NULL, at_us INTEGER NOT NULL,"
	      " json TEXT NOT NULL, PRIMARY KEY(seq, n)) STRICT, WITHOUT ROWID;"
	      "CREATE TABLE workflow("
	      " name TEXT NOT NULL, version INTEGER NOT NULL, active INTEGER NOT NULL,"
	      " published_us INTEGER NOT NULL, text TEXT NOT NULL,"
	      " PRIMARY KEY(name, version)) STRICT;"
	      "ALTER TABLE resource ADD COLUMN calls INTEGER NOT NULL DEFAULT 0;"
	      "ALTER TABLE resource ADD COLUMN exact INTEGER NOT NULL DEFAULT 0;"
	      "ALTER TABLE resource ADD COLUMN groups INTEGER NOT NULL DEFAULT 1;",
	/* Pages have checksums: journal_seal.c, in a new file. */
	[2] = "",
	/* Small steps, beside the lines that were written with them. */
	[3] = ("ALTER TABLE event ADD COLUMN steps BLOB;"
	       "ALTER TABLE step ADD COLUMN written INTEGER NOT NULL DEFAULT 0;"),
};

/* ---- versions ---- */

static enum rc run_step(sqlite3 *db, const char *step, int version, struct err *err)
{
	char *sql = mem_printf("BEGIN IMMEDIATE; %s ; PRAGMA application_id=%d; "
			       "PRAGMA user_version=%d; COMMIT",
			       step, JOURNAL_APPLICATION_ID, version);
	enum rc rc = db_exec(db, sql, err);

	free(sql);
	if (rc != RC_OK) {
		err_wrap(err, "cannot bring the journal to schema version %d", version);
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	}
	return rc;
}

enum rc schema_upgrade(sqlite3 *db, const char *const *list, int from, int to, struct err *err)
{
	for (int v = from; v < to; v++) {
		const enum rc rc = run_step(db, list[v], v + 1, err);

		if (rc != RC_OK)
			return rc;
		if (from > 0) /* else it is being made */
			log_event(LOG_INFO, "journal-upgraded", "version=%d from=%d", v + 1, v);
	}
	return RC_OK;
}

enum rc schema_update(sqlite3 *db, int from, struct err *err)
{
	return schema_upgrade(db, steps, from, JOURNAL_VERSION, err);
}

/* The file's version; 0 for an empty one. */
static enum rc read_version(sqlite3 *db, int *version, struct err *err)
{
	const char *path = sqlite3_db_filename(db, "main");
	int64_t application = 0, stored = 0, tables = 0;
	enum rc rc;

	rc = db_number(db, "PRAGMA application_id", &application, err);
	if (rc == RC_OK)
		rc = db_number(db, "PRAGMA user_version", &stored, err);
	if (rc == RC_OK)
		rc = db_number(db, "SELECT count(*) FROM sqlite_schema", &tables, err);
	if (rc != RC_OK)
		return rc;
	if (application == 0 && stored == 0 && tables == 0) {
		*version = 0;
		return RC_OK;
	}
	if (application != JOURNAL_APPLICATION_ID || stored < 1)
		return err_set(err, RC_INVALID,
			       "%s: is a SQLite database, but not a journal of Settle: give the "
			       "coordinator a data directory of its own",
			       path);
	if (stored > JOURNAL_VERSION)
		return err_set(
			err, RC_CONFLICT,
			"%s: a newer Settle wrote it (schema version %lld, this program knows "
			"up to %d): use that version or a later one",
			path, (long long)stored, JOURNAL_VERSION);
	*version = (int)stored;
	return RC_OK;
}

/* ---- durability ---- */

static enum rc want_text(sqlite3 *db, const char *pragma, const char *want, struct err *err)
{
	char *got;
	enum rc rc = db_text(db, pragma, &got, err);

	if (rc != RC_OK)
		return rc;
	if (strcmp(got, want) != 0)
		rc = err_set(
			err, RC_IO,
			"%s: %s gave \"%s\" where \"%s\" is needed: put the data directory on a "
			"local file system",
			sqlite3_db_filename(db, "main"), pragma, got, want);
	free(got);
	return rc;
}

/* FULL: a commit returns when its log is synced. (NORMAL would sync at checkpoints
 * only, and lose the last commits with the power.) */
static enum rc make_durable(sqlite3 *db, struct err *err)
{
	enum rc rc = want_text(db, "PRAGMA journal_mode=WAL", "wal", err);

	if (rc == RC_OK)
		rc = db_exec(db, "PRAGMA synchronous=FULL", err);
	if (rc == RC_OK)
		rc = want_text(db, "PRAGMA journal_mode", "wal", err);
	if (rc == RC_OK)
		rc = want_text(db, "PRAGMA synchronous", "2", err);
	return rc;
}

enum rc schema_ready(sqlite3 *db, struct err *err)
{
	int version = 0;
	enum rc rc;

	/* Until there is a log, a rollback journal guards the file (also the making of
	 * the tables): so the file itself is ours before it has a log. */
	rc = db_exec(db, "PRAGMA synchronous=EXTRA", err);
	if (rc == RC_OK)
		rc = read_version(db, &version, err);
	if (rc == RC_OK && version == 0) {
		rc = schema_update(db, 0, err);
		version = JOURNAL_VERSION;
	}
	if (rc == RC_OK)
		rc = make_durable(db, err);
	/* What the log shows may not all be on the disk (see mark_open), and nothing may be
	 * written behind it before it is. */
	if (rc == RC_OK && version < JOURNAL_VERSION)
		rc = db_exec(db, "PRAGMA wal_checkpoint(RESTART)", err);
	return rc == RC_OK ? schema_update(db, version, err) : rc;
}

/* ---- cluster and epoch ---- */

static enum rc set_cluster(sqlite3 *db, const char *cluster, struct err *err)
{
	char *sql = sqlite3_mprintf("INSERT INTO meta VALUES('cluster', %Q) ON CONFLICT DO NOTHING",
				    cluster);
	char *owner = NULL;
	enum rc rc = db_exec(db, sql, err);

	sqlite3_free(sql);
	if (rc == RC_OK)
		rc = db_text(db, "SELECT value FROM meta WHERE key = 'cluster'", &owner, err);
	if (rc == RC_OK && strcmp(owner, cluster) != 0)
		rc = err_set(
			err, RC_CONFLICT,
			"%s: belongs to cluster \"%.40s\", the configuration says \"%s\": change "
			"`cluster`, or use another data directory",
			sqlite3_db_filename(db, "main"), owner, cluster);
	free(owner);
	return rc;
}

static enum rc raise_epoch(sqlite3 *db, uint64_t *epoch, struct err *err)
{
	int64_t n = 0;
	enum rc rc = db_exec(db, "UPDATE meta SET value = value + 1 WHERE key = 'epoch'", err);

	if (rc == RC_OK)
		rc = db_number(db, "SELECT value FROM meta WHERE key = 'epoch'", &n, err);
	if (rc == RC_OK && n < 1)
		rc = db_damaged(err, sqlite3_db_filename(db, "main"), "epoch %lld", (long long)n);
	*epoch = (uint64_t)n;
	return rc;
}

enum rc schema_next_epoch(sqlite3 *db, const char *cluster, uint64_t *epoch, struct err *err)
{
	enum rc rc = db_exec(db, "BEGIN IMMEDIATE", err);

	if (rc != RC_OK)
		return rc;
	rc = set_cluster(db, cluster, err);
	if (rc == RC_OK)
		rc = raise_epoch(db, epoch, err);
	if (rc == RC_OK)
		rc = db_exec(db, "COMMIT", err);
	if (rc != RC_OK)
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}
