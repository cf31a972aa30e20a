/* journal_reading.h - the reader's statements, for journal_reader.c and journal_list.c;
 * nobody else includes it.
 * Thread: the loop's. */
#ifndef COORDINATOR_JOURNAL_READING_H
#define COORDINATOR_JOURNAL_READING_H

#include "coordinator/journal_reader.h"

#include <sqlite3.h>

enum {
	READ_FIND,
	READ_ROW,
	READ_STEPS,
	READ_SMALL_STEPS,
	READ_LAST_EVENT,
	READ_EVENTS,
	READ_UNFINISHED,
	READ_WORKFLOWS,
	READ_TEXT,
	READ_RESOURCES,
	/* For lists: `seq` alone, of a range (?1 to ?2); of one state (?3), of several. */
	READ_BY_SEQ,
	READ_BY_STATE,
	READ_BY_STATES,
	READ_STATEMENTS
};

enum { STATES_OF_A_WORD = 5 }; /* at the most: those that are called "stuck" */

struct reader {
	sqlite3 *db;
	sqlite3_stmt *stmts[READ_STATEMENTS];
};

/* RC_INVALID: an index has it, its table has not. */
enum rc reading_lost(struct reader *rd, sqlite3_int64 seq, struct err *err);

#endif
