/* journal_schema.h - what is in the journal's file, and how an older one becomes
 * a new one.  Private to the journal.
 *
 * The version is SQLite's user_version, written in the same transaction as the
 * step that leads to it: a crash leaves the old schema or the new one.
 * Thread: the caller's, before others use the file. */
#ifndef COORDINATOR_JOURNAL_SCHEMA_H
#define COORDINATOR_JOURNAL_SCHEMA_H

#include "base/err.h"

#include <sqlite3.h>
#include <stdint.h>

enum {
	JOURNAL_APPLICATION_ID = 0x5e771e01, /* tells our files from others' */
	JOURNAL_VERSION = 4,
	JOURNAL_SEALED = 3, /* the first one whose pages have checksums */
	/* What a person adds to the version to have a file taken as it is: one that is a copy,
	 * or that another program has written to (journal_seal.h). */
	JOURNAL_TAKE_OVER = 1000,
};

/* Steps `db` from version `from` to `to`: steps[v] leads from v to v + 1. Each is
 * one transaction. */
enum rc schema_upgrade(sqlite3 *db, const char *const *steps, int from, int to, struct err *err);

/* Brings a file that is ours from version `from` to ours. */
enum rc schema_update(sqlite3 *db, int from, struct err *err);

/* Makes sure the file is ours, current, in WAL mode with synchronous=FULL; creates
 * the tables in an empty one.
 *   RC_INVALID   not ours, or damaged
 *   RC_CONFLICT  a newer program wrote it
 *   RC_IO        the system failed, or WAL or FULL could not be had */
enum rc schema_ready(sqlite3 *db, struct err *err);

/* Binds a new journal to `cluster`, or checks it; forces the next epoch. On return
 * it is durable. RC_CONFLICT: another cluster's. */
enum rc schema_next_epoch(sqlite3 *db, const char *cluster, uint64_t *epoch, struct err *err);

#endif
