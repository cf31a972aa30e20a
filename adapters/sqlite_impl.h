/* sqlite_impl.h - what sqlite_open.c and sqlite_db.c share: see sqlite_db.h. */
#ifndef ADAPTERS_SQLITE_IMPL_H
#define ADAPTERS_SQLITE_IMPL_H

#include "adapters/sqlite_db.h"

enum sqlite_statement {
	SQ_BEGIN,
	SQ_COMMIT,
	SQ_LOOK,
	SQ_MARK,
	SQ_SAVEPOINT_SET,
	SQ_SAVEPOINT_UNDO,
	SQ_SAVEPOINT_DROP,
	SQ_STATEMENTS
};

struct sqlite_prepared {
	sqlite3_stmt *s;
	size_t *arg_of; /* which argument parameter 1, 2, … is */
	int n;
};

struct sqlite_db {
	struct sqlite_db_settings settings;
	sqlite3 *db;
	sqlite3_stmt *own[SQ_STATEMENTS];
	struct sqlite_prepared *operations; /* as the configuration's */
	enum sqlite_phase phase;
	bool opening;
	bool guarded; /* the authorizer judges: this is not our own SQL */
};

/* The class of an error of SQLite's. */
enum sqlite_fault {
	SQ_FAULT_CALL,    /* the operation's own: it will not work the next time either */
	SQ_FAULT_PASSING, /* the next time it may work */
	SQ_FAULT_FILE     /* the file cannot be trusted as it is open now */
};
enum sqlite_fault sqlite_fault_of(int code);

/* For people: SQLite's words and its extended code, and the cure where we know one. */
void sqlite_explain(sqlite3 *db, char *out, size_t size);

/* Has the authorizer refuse, while `guarded`, what neither an operation nor `schema`
 * may do: other files, transactions, settings, the barrier. */
void sqlite_guard(sqlite3 *db, const bool *guarded);

/* Runs `schema`; prepares the operations and finds out which argument goes where.
 * RC_IO: `err` has line and column in the configuration. */
enum rc sqlite_schema_run(struct sqlite_db *d, struct err *err);
enum rc sqlite_operations_prepare(struct sqlite_db *d, struct err *err);

#endif
