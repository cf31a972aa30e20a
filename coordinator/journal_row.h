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

/* Fills a zeroed record but for what is packed in the detail. RC_INVALID: damaged;
 * the caller still calls record_fini. */
enum rc row_read_columns(sqlite3_stmt *stmt, struct record *r, struct err *err);

/* Fills the rest, but for the steps of a saga, which are all waiting then. */
enum rc row_read_detail(sqlite3_stmt *stmt, struct record *r, struct err *err);
/* Fills one step from a row of `n, detail`. */
enum rc row_read_step(sqlite3_stmt *stmt, struct record *r, struct err *err);
/* True if the row is that of a saga's group. */
bool row_is_group(sqlite3_stmt *stmt);

#endif
