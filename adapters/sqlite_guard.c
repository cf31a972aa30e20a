/* sqlite_guard.c - see sqlite_impl.h: SQL that is not ours, and SQLite's errors. */
#include "adapters/sqlite_impl.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define BARRIER "settle_barrier"

static bool is(const char *name, const char *what)
{
	return name != NULL && strcasecmp(name, what) == 0;
}

/* Temporary things would outlive the call in the shared connection. */
static int authorize(void *arg, int action, const char *a, const char *b, const char *database,
		     const char *inner)
{
	const bool *guarded = arg;

	(void)database;
	(void)inner;
	if (!*guarded)
		return SQLITE_OK;
	switch (action) {
	case SQLITE_ATTACH:
	case SQLITE_DETACH:
	case SQLITE_PRAGMA:
	case SQLITE_TRANSACTION:
	case SQLITE_SAVEPOINT:
	case SQLITE_CREATE_TEMP_INDEX:
	case SQLITE_CREATE_TEMP_TABLE:
	case SQLITE_CREATE_TEMP_TRIGGER:
	case SQLITE_CREATE_TEMP_VIEW:
	case SQLITE_DROP_TEMP_INDEX:
	case SQLITE_DROP_TEMP_TABLE:
	case SQLITE_DROP_TEMP_TRIGGER:
	case SQLITE_DROP_TEMP_VIEW: return SQLITE_DENY;
	case SQLITE_FUNCTION: return is(b, "load_extension") ? SQLITE_DENY : SQLITE_OK;
	case SQLITE_INSERT:
	case SQLITE_UPDATE:
	case SQLITE_DELETE:
	case SQLITE_CREATE_TABLE:
	case SQLITE_DROP_TABLE: return is(a, BARRIER) ? SQLITE_DENY : SQLITE_OK;
	case SQLITE_ALTER_TABLE: return is(b, BARRIER) ? SQLITE_DENY : SQLITE_OK;
	default: return SQLITE_OK;
	}
}

void sqlite_guard(sqlite3 *db, const bool *guarded)
{
	sqlite3_set_authorizer(db, authorize, (void *)(uintptr_t)guarded);
}

enum sqlite_fault sqlite_fault_of(int code)
{
	switch (code & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_INTERRUPT:
	case SQLITE_FULL:
	case SQLITE_NOMEM:
	case SQLITE_SCHEMA: return SQ_FAULT_PASSING;
	case SQLITE_IOERR:
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_CANTOPEN:
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_PROTOCOL:
	case SQLITE_NOLFS:
	case SQLITE_MISUSE: return SQ_FAULT_FILE;
	default: return SQ_FAULT_CALL;
	}
}

static const char *cure_of(int code)
{
	switch (code & 0xff) {
	case SQLITE_BUSY: return ": another process keeps the file locked";
	case SQLITE_FULL: return ": make room on the disk, or raise max_page_count";
	case SQLITE_READONLY:
		return ": the agent's user must be able to write both the file and its folder";
	case SQLITE_CANTOPEN:
		return ": the folder must be there, and the agent's user be able to write in it";
	case SQLITE_NOTADB: return ": name another file, this one holds something else";
	case SQLITE_CORRUPT: return ": restore the file from a backup";
	default: return "";
	}
}

void sqlite_explain(sqlite3 *db, char *out, size_t size)
{
	const int code = sqlite3_extended_errcode(db);

	snprintf(out, size, "%s (SQLite %d)%s", sqlite3_errmsg(db), code, cure_of(code));
}
