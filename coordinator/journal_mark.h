/* journal_mark.h - whether the journal is open, in the file itself.  Private to the journal.
 *
 * The note of page 1 (base/seal_vfs.h) is a random number, new at each start, whose lowest bit
 * is set while the journal is open.  An open journal without its log lacks what the log held:
 * it is not read (journal_file.h).  And the pages of a log carry the number, so that another
 * journal's log, or one from another time, is told.
 *
 * Rule: while page 1 in the file says "open", the log is there and is never empty.
 * Thread: the connection's. */
#ifndef COORDINATOR_JOURNAL_MARK_H
#define COORDINATOR_JOURNAL_MARK_H

#include "base/err.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

enum { MARK_OPEN = 1 };

/* Makes nothing of what a torn transaction has left in the log (base/wal.h).  Before anything is
 * written: it would stand behind that, and be taken for later transactions. */
enum rc mark_forget_tail(sqlite3 *db, struct err *err);

/* Copies all of the log into the file, with a sync, and marks the file. When it returns, the
 * mark is durable, unless somebody has read the file all the while. */
enum rc mark_open(sqlite3 *db, struct err *err);

/* Copies the log, clears the mark, empties the log; closing the connection then removes it.
 * Does nothing if the epoch is not `epoch` any more (0: whatever it is); and if it fails, or
 * somebody reads the file, it is left as a crash would leave it. */
void mark_closed(sqlite3 *db, uint64_t epoch);

#endif
