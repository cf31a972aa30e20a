/* ledger_db.c - see ledger_db.h. */
#include "adapters/ledger_db.h"

#include "adapters/ledger_log.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/seal_vfs.h"

#include <assert.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FROM(phase) (1u << LEDGER_##phase)

enum {
	APPLICATION_ID = 0x53746c67, /* "Stlg": whose file this is, for file(1) and for us */
	FORMAT = 2,                  /* user_version: each page has a checksum */
	FORMAT_UNSEALED = 1,         /* before 0.2: none has */
	PRUNE_ROWS = 4000,           /* in one transaction, so that nobody waits long for it */
};

static const char *const phase_names[] = {
	[LEDGER_NONE] = "none",
	[LEDGER_TRYING] = "trying",
	[LEDGER_PREPARED] = "prepared",
	[LEDGER_COMMITTING] = "committing",
	[LEDGER_ROLLING_BACK] = "rolling-back",
	[LEDGER_COMMITTED] = "committed",
	[LEDGER_ROLLED_BACK] = "rolled-back",
};

/* From where a phase may be entered. */
static const unsigned moves[] = {
	[LEDGER_NONE] = 0,
	[LEDGER_TRYING] = FROM(NONE),
	[LEDGER_PREPARED] = FROM(TRYING),
	[LEDGER_COMMITTING] = FROM(PREPARED) | FROM(COMMITTING),
	[LEDGER_ROLLING_BACK] = FROM(TRYING) | FROM(PREPARED) | FROM(ROLLING_BACK),
	[LEDGER_COMMITTED] = FROM(COMMITTING),
	[LEDGER_ROLLED_BACK] = FROM(TRYING) | FROM(ROLLING_BACK),
};

/* `changed_ms` is wall time: of all clocks only that one goes on over a restart. */
static const char schema[] = "CREATE TABLE branch ("
			     "  epoch INTEGER NOT NULL, gid TEXT NOT NULL, branch TEXT NOT NULL,"
			     "  phase TEXT NOT NULL, operation TEXT NOT NULL,"
			     "  args BLOB, output BLOB, changed_ms INTEGER NOT NULL,"
			     "  PRIMARY KEY (gid, branch, epoch));"
			     "CREATE INDEX branch_live ON branch (phase)"
			     "  WHERE phase NOT IN ('committed', 'rolled-back');"
			     "CREATE INDEX branch_over ON branch (changed_ms)"
			     "  WHERE phase IN ('committed', 'rolled-back');"
			     "CREATE TABLE owner (cluster TEXT NOT NULL, resource TEXT NOT NULL,"
			     "  opened INTEGER NOT NULL);";

enum statement { BEGIN, END, FIND, INSERT, MOVE, BURY, LIST, PRUNE, N_STATEMENTS };

static const char *const sql[N_STATEMENTS] = {
	[BEGIN] = "BEGIN IMMEDIATE",
	[END] = "COMMIT",
	[FIND] = "SELECT phase, operation, args, output FROM branch"
		 " WHERE gid = ?1 AND branch = ?2 AND epoch = ?3",
	[INSERT] = "INSERT INTO branch (gid, branch, epoch, phase, changed_ms, operation, args)"
		   " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	[MOVE] = "UPDATE branch SET phase = ?4, changed_ms = ?5, output = coalesce(?7, output)"
		 " WHERE gid = ?1 AND branch = ?2 AND epoch = ?3",
	[BURY] = "UPDATE branch SET phase = ?4, changed_ms = ?5, operation = '', args = NULL,"
		 " output = NULL WHERE gid = ?1 AND branch = ?2 AND epoch = ?3",
	[LIST] = "SELECT gid, branch, epoch, phase FROM branch"
		 " WHERE phase NOT IN ('committed', 'rolled-back')",
	[PRUNE] = "DELETE FROM branch WHERE rowid IN (SELECT rowid FROM branch"
		  " WHERE phase IN ('committed', 'rolled-back') AND changed_ms < ?1 LIMIT ?2)",
};

struct ledger_db {
	char *path;
	sqlite3 *db;
	sqlite3_stmt *all[N_STATEMENTS];
};

const char *ledger_phase_name(enum ledger_phase phase)
{
	return phase_names[phase];
}

void ledger_copy_fini(struct ledger_copy *copy)
{
	free(copy->gid);
	free(copy->branch);
	free(copy->operation);
	free(copy->args);
	free(copy->output);
	memset(copy, 0, sizeof *copy);
}

/* ---- failures ---- */

static enum rc damaged(const struct ledger_db *l, const char *how, struct err *err)
{
	return err_set(err, RC_IO,
		       "state file %s is damaged (%s): see \"A damaged state file\" in "
		       "docs/operations.md first",
		       l->path, how);
}

static enum rc fail(const struct ledger_db *l, struct err *err)
{
	const int code = sqlite3_extended_errcode(l->db);

	if (code == SQLITE_IOERR_DATA || (code & 0xff) == SQLITE_CORRUPT)
		return damaged(
			l, code == SQLITE_IOERR_DATA ? seal_vfs_problem() : sqlite3_errmsg(l->db),
			err);

	if ((code & 0xff) == SQLITE_BUSY)
		return err_set(err, RC_IO,
			       "state file %s is open in another process or resource: each needs "
			       "a file of its own",
			       l->path);
	return err_set(err, RC_IO, "state file %s: %s (SQLite %d)", l->path, sqlite3_errmsg(l->db),
		       code);
}

static enum rc not_ours(const struct ledger_db *l, struct err *err)
{
	return err_set(err, RC_IO, "state file %s is not one that Settle made: name another",
		       l->path);
}

static enum rc exec(const struct ledger_db *l, const char *text, struct err *err)
{
	return sqlite3_exec(l->db, text, NULL, NULL, NULL) == SQLITE_OK ? RC_OK : fail(l, err);
}

/* The first column of the first row; 0 without one. */
static enum rc number(const struct ledger_db *l, const char *text, int64_t *out, struct err *err)
{
	sqlite3_stmt *s = NULL;
	int rc = sqlite3_prepare_v2(l->db, text, -1, &s, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(s);
	*out = rc == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
	sqlite3_finalize(s);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? RC_OK : fail(l, err);
}

/* ---- opening ---- */

static enum rc set_up(const struct ledger_db *l, struct err *err)
{
	sqlite3_stmt *mode = NULL;
	bool wal;

	if (exec(l, "PRAGMA locking_mode = EXCLUSIVE", err) != RC_OK ||
	    exec(l, "PRAGMA cache_spill = OFF", err) != RC_OK) /* see base/seal_vfs.h */
		return RC_IO;
	if (sqlite3_prepare_v2(l->db, "PRAGMA journal_mode = WAL", -1, &mode, NULL) != SQLITE_OK)
		return fail(l, err);
	wal = sqlite3_step(mode) == SQLITE_ROW &&
	      strcmp((const char *)sqlite3_column_text(mode, 0), "wal") == 0;
	sqlite3_finalize(mode);
	if (!wal)
		return fail(l, err);
	return exec(l, "PRAGMA synchronous = FULL", err);
}

static enum rc check_owner(const struct ledger_db *l, const char *cluster, const char *resource,
			   struct err *err)
{
	sqlite3_stmt *s = NULL;
	enum rc rc = RC_OK;

	if (sqlite3_prepare_v2(l->db, "SELECT cluster, resource FROM owner", -1, &s, NULL) !=
		    SQLITE_OK ||
	    sqlite3_step(s) != SQLITE_ROW)
		rc = fail(l, err);
	else if (strcmp((const char *)sqlite3_column_text(s, 0), cluster) != 0 ||
		 strcmp((const char *)sqlite3_column_text(s, 1), resource) != 0)
		rc = err_set(err, RC_IO,
			     "state file %s belongs to resource %s of cluster %s: name another",
			     l->path, sqlite3_column_text(s, 1), sqlite3_column_text(s, 0));
	sqlite3_finalize(s);
	return rc;
}

static enum rc make_tables(const struct ledger_db *l, const char *cluster, const char *resource,
			   struct err *err)
{
	char *text = sqlite3_mprintf("%s INSERT INTO owner VALUES (%Q, %Q, 0);"
				     "PRAGMA application_id = %d; PRAGMA user_version = %d;",
				     schema, cluster, resource, (int)APPLICATION_ID, (int)FORMAT);
	const enum rc rc = exec(l, text, err);

	sqlite3_free(text);
	return rc;
}

/* Before anything is changed. */
static enum rc check_kind(const struct ledger_db *l, bool *empty, struct err *err)
{
	int64_t application = 0, format = 0, tables = 0;

	if (number(l, "SELECT count(*) FROM sqlite_schema", &tables, err) != RC_OK ||
	    number(l, "PRAGMA application_id", &application, err) != RC_OK ||
	    number(l, "PRAGMA user_version", &format, err) != RC_OK)
		return RC_IO;
	*empty = tables == 0 && application == 0 && format == 0;
	if (*empty)
		return RC_OK;
	if (application != APPLICATION_ID)
		return not_ours(l, err);
	if (format > 0 && format <= FORMAT && (format == FORMAT) != seal_vfs_sealed(l->db))
		return damaged(l, "its header", err);
	if (format != FORMAT && format != FORMAT_UNSEALED)
		return err_set(err, RC_IO,
			       "state file %s has format %" PRId64 ", this program knows %d",
			       l->path, format, (int)FORMAT);
	return RC_OK;
}

/* Locks, checks, makes what is missing, and writes once, so that a disk that takes
 * nothing is noticed now.  The checkpoint writes afresh what an earlier connection,
 * perhaps after a failed sync, has left in the log.  `*mended`: it is to be opened once more. */
static enum rc take(const struct ledger_db *l, const char *cluster, const char *resource,
		    bool *mended, struct err *err)
{
	char damage[LEDGER_DAMAGE_SIZE];
	bool empty;

	if (check_kind(l, &empty, err) != RC_OK || set_up(l, err) != RC_OK ||
	    exec(l, sql[BEGIN], err) != RC_OK)
		return RC_IO;
	if (!ledger_log_look(l->db, l->path, mended, damage))
		return damaged(l, damage, err);
	if (*mended)
		return RC_OK;
	if (check_kind(l, &empty, err) != RC_OK ||
	    (empty && make_tables(l, cluster, resource, err) != RC_OK) ||
	    check_owner(l, cluster, resource, err) != RC_OK ||
	    exec(l, "UPDATE owner SET opened = opened + 1", err) != RC_OK)
		return RC_IO;
	if (exec(l, sql[END], err) != RC_OK)
		return RC_IO;
	return exec(l, "PRAGMA wal_checkpoint(TRUNCATE)", err);
}

static enum rc open_file(struct ledger_db *l, const char *cluster, const char *resource,
			 struct err *err)
{
	bool mended = true;
	enum rc rc = RC_OK;

	for (int i = 0; i < 2 && mended && rc == RC_OK; i++) {
		mended = false;
		sqlite3_close(l->db);
		l->db = NULL;
		rc = seal_vfs_open(l->path, SEAL_AS_FOUND, &l->db) != SQLITE_OK
			     ? fail(l, err)
			     : take(l, cluster, resource, &mended, err);
	}
	if (rc == RC_OK && mended)
		rc = damaged(l, "its log was put right, and is wrong again", err);
	return rc;
}

enum rc ledger_db_open(const char *path, const char *cluster, const char *resource,
		       struct ledger_db **db, struct err *err)
{
	struct ledger_db *l;

	*db = NULL;
	if (file_make(path, err) != RC_OK)
		return RC_IO;
	l = mem_new(1, sizeof *l);
	l->path = mem_dup(path);
	if (open_file(l, cluster, resource, err) == RC_OK)
		*db = l;
	for (int i = 0; *db != NULL && i < N_STATEMENTS; i++) {
		if (sqlite3_prepare_v3(l->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &l->all[i],
				       NULL) != SQLITE_OK) {
			fail(l, err);
			*db = NULL;
		}
	}
	if (*db == NULL)
		ledger_db_close(l);
	return *db != NULL ? RC_OK : RC_IO;
}

void ledger_db_close(struct ledger_db *l)
{
	if (l == NULL)
		return;
	for (int i = 0; i < N_STATEMENTS; i++)
		sqlite3_finalize(l->all[i]);
	sqlite3_close(l->db); /* rolls back what is open */
	free(l->path);
	free(l);
}

/* ---- statements ---- */

static enum rc run(const struct ledger_db *l, enum statement which, struct err *err)
{
	sqlite3_stmt *s = l->all[which];
	const enum rc rc = sqlite3_step(s) == SQLITE_DONE ? RC_OK : fail(l, err);

	sqlite3_reset(s);
	sqlite3_clear_bindings(s);
	return rc;
}

enum rc ledger_db_begin(struct ledger_db *l, struct err *err)
{
	return run(l, BEGIN, err);
}

enum rc ledger_db_end(struct ledger_db *l, struct err *err)
{
	return run(l, END, err);
}

static sqlite3_stmt *bind_id(const struct ledger_db *l, enum statement which,
			     const struct branch_id *id)
{
	sqlite3_stmt *s = l->all[which];

	sqlite3_bind_text(s, 1, id->gid, -1, SQLITE_STATIC);
	sqlite3_bind_text(s, 2, id->branch, -1, SQLITE_STATIC);
	sqlite3_bind_int64(s, 3, (sqlite3_int64)id->epoch);
	return s;
}

static void bind_bytes(sqlite3_stmt *s, int place, struct bytes b)
{
	if (b.size > 0)
		sqlite3_bind_blob64(s, place, b.data, b.size, SQLITE_STATIC);
}

static char *column_bytes(sqlite3_stmt *s, int column, struct bytes *out)
{
	const void *data = sqlite3_column_blob(s, column);
	const size_t size = (size_t)sqlite3_column_bytes(s, column);
	char *copy = data != NULL ? mem_dup_bytes(data, size) : NULL;

	*out = (struct bytes){copy, copy != NULL ? size : 0};
	return copy;
}

static enum rc column_phase(const struct ledger_db *l, sqlite3_stmt *s, int column,
			    enum ledger_phase *out, struct err *err)
{
	const char *text = (const char *)sqlite3_column_text(s, column);

	for (unsigned i = LEDGER_TRYING; i <= LEDGER_ROLLED_BACK; i++) {
		if (text != NULL && strcmp(phase_names[i], text) == 0) {
			*out = (enum ledger_phase)i;
			return RC_OK;
		}
	}
	return err_set(err, RC_IO, "state file %s has a phase that this program does not know",
		       l->path);
}

/* The branch as it is; phase NONE if it is not there. */
static enum rc find(const struct ledger_db *l, const struct branch_id *id, struct ledger_copy *out,
		    struct err *err)
{
	sqlite3_stmt *s = bind_id(l, FIND, id);
	const int step = sqlite3_step(s);
	enum rc rc = RC_OK;

	if (step == SQLITE_ROW) {
		rc = column_phase(l, s, 0, &out->row.phase, err);
		out->operation = mem_dup((const char *)sqlite3_column_text(s, 1));
		out->args = column_bytes(s, 2, &out->row.args);
		out->output = column_bytes(s, 3, &out->row.output);
	} else if (step != SQLITE_DONE) {
		rc = fail(l, err);
	}
	sqlite3_reset(s);
	sqlite3_clear_bindings(s);
	out->row.operation = out->operation != NULL ? out->operation : "";
	return rc;
}

static bool is_over(enum ledger_phase phase)
{
	return phase == LEDGER_COMMITTED || phase == LEDGER_ROLLED_BACK;
}

/* Writes the row in its new phase. */
static enum rc write_move(const struct ledger_db *l, const struct ledger_move *m,
			  enum ledger_phase from, enum ledger_phase to, uint64_t wall_ms,
			  struct err *err)
{
	const enum statement which = from == LEDGER_NONE ? INSERT : is_over(to) ? BURY : MOVE;
	sqlite3_stmt *s = bind_id(l, which, &m->id);

	sqlite3_bind_text(s, 4, phase_names[to], -1, SQLITE_STATIC);
	sqlite3_bind_int64(s, 5, (sqlite3_int64)wall_ms);
	if (which == INSERT) {
		sqlite3_bind_text(s, 6, to == LEDGER_TRYING ? m->operation : "", -1, SQLITE_STATIC);
		bind_bytes(s, 7, m->args);
	} else if (which == MOVE) {
		bind_bytes(s, 7, m->output);
	}
	return run(l, which, err);
}

enum rc ledger_db_move(struct ledger_db *l, const struct ledger_move *m, uint64_t wall_ms,
		       enum rc *verdict, struct ledger_copy *copy, struct err *err)
{
	enum ledger_phase from, to = m->to;

	memset(copy, 0, sizeof *copy);
	if (find(l, &m->id, copy, err) != RC_OK)
		return RC_IO;
	from = copy->row.phase;
	*verdict = RC_OK;
	if ((moves[to] & (1u << from)) == 0)
		*verdict = from == LEDGER_NONE ? RC_NOT_FOUND : RC_CONFLICT;
	if (*verdict == RC_NOT_FOUND && to == LEDGER_ROLLING_BACK)
		to = LEDGER_ROLLED_BACK; /* the tombstone that stops a late try */
	else if (*verdict != RC_OK || from == to)
		return RC_OK;
	if (write_move(l, m, from, to, wall_ms, err) != RC_OK)
		return RC_IO;
	if (*verdict == RC_OK)
		copy->row.phase = to;
	return RC_OK;
}

enum rc ledger_db_list(struct ledger_db *l, struct ledger_copy **rows, size_t *n, struct err *err)
{
	sqlite3_stmt *s = l->all[LIST];
	size_t room = 0;
	enum rc rc = RC_OK;
	int step;

	*rows = NULL;
	*n = 0;
	while (rc == RC_OK && (step = sqlite3_step(s)) != SQLITE_DONE) {
		struct ledger_copy *c;

		if (step != SQLITE_ROW) {
			rc = fail(l, err);
			break;
		}
		if (*n == room) {
			room = room == 0 ? 64 : 2 * room;
			*rows = mem_grow(*rows, room, sizeof **rows);
		}
		c = &(*rows)[(*n)++];
		memset(c, 0, sizeof *c);
		c->gid = mem_dup((const char *)sqlite3_column_text(s, 0));
		c->branch = mem_dup((const char *)sqlite3_column_text(s, 1));
		c->row.id = (struct branch_id){"", c->gid, (uint64_t)sqlite3_column_int64(s, 2),
					       c->branch};
		c->row.operation = "";
		rc = column_phase(l, s, 3, &c->row.phase, err);
	}
	sqlite3_reset(s);
	return rc;
}

enum rc ledger_db_prune(struct ledger_db *l, uint64_t wall_ms, struct err *err)
{
	sqlite3_stmt *s = l->all[PRUNE];

	sqlite3_bind_int64(s, 1, (sqlite3_int64)wall_ms);
	sqlite3_bind_int(s, 2, PRUNE_ROWS);
	return run(l, PRUNE, err);
}
