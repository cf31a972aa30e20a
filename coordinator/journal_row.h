/* journal_row.h - a row of the journal as a record.  Private to the journal.
 *
 * What the disk gives is checked here: no other file trusts a column.
 * Thread: the connection's. */
#ifndef COORDINATOR_JOURNAL_ROW_H
#define COORDINATOR_JOURNAL_ROW_H

#include "coordinator/record.h"

#include <sqlite3.h>

/* What a statement selects for these functions.  A large detail is not read unless it is
 * asked for. */
#define ROW_COLUMNS "seq, state, finished_us, epoch, gid, workflow, reason, hash, detail, parent"
enum { ROW_DETAIL = 8, ROW_PARENT = 9 };

/* The key of a step's row: one number, `seq` and `n` together, since details are too large
 * for keys of two columns (docs/journal.md).  It serves clocks up to the year 2255. */
enum { STEP_KEYS = 1024 }; /* of one saga */
_Static_assert((int)RECORD_STEPS_MAX <= (int)STEP_KEYS, "a saga's steps have keys of their own");
#define ROW_SEQ_MAX (INT64_MAX / STEP_KEYS - 1)

static inline sqlite3_int64 row_step_key(uint64_t seq, size_t n)
{
	return (sqlite3_int64)(seq * STEP_KEYS + n);
}

/* Fills a zeroed record but for what is packed in the detail. RC_INVALID: damaged;
 * the caller still calls record_fini. */
enum rc row_read_columns(sqlite3_stmt *stmt, struct record *r, struct err *err);

/* Fills the rest, but for the steps of a saga, which are all waiting then. */
enum rc row_read_detail(sqlite3_stmt *stmt, struct record *r, struct err *err);
/* Fills one step from a row of `key, detail, written`; several from a history's `steps`.  Each
 * unless it is known newer: `orders` has the order of each step (0 at first). */
enum rc row_read_step(sqlite3_stmt *stmt, struct record *r, uint64_t *orders, struct err *err);
enum rc row_read_steps(sqlite3_stmt *stmt, struct record *r, uint64_t *orders, struct err *err);
/* True if the row is that of a saga's group. */
bool row_is_group(sqlite3_stmt *stmt);

#endif
