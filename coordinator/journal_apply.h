/* journal_apply.h - staged writes as SQL.  Private to the journal.
 * Thread: the one that owns the connection. */
#ifndef COORDINATOR_JOURNAL_APPLY_H
#define COORDINATOR_JOURNAL_APPLY_H

#include "coordinator/journal_staged.h"

#include <sqlite3.h>

struct apply;

/* Prepares the statements on `db`, which is borrowed until apply_close. `epoch`: ours. */
enum rc apply_open(sqlite3 *db, uint64_t epoch, struct apply **out, struct err *err);
void apply_close(struct apply *a);

/* Begins the transaction of the next apply_all, which is to come; false if somebody else writes to
 * the file just now.  Does not wait for that. */
bool apply_begin(struct apply *a);

/* Writes `list` and what follows it in one transaction, in order; on RC_OK it is
 * durable.  RC_REFUSED: nothing was written, a newer coordinator has the journal.  Anything
 * else leaves open what is on the disk.  Blocks for the sync. */
enum rc apply_all(struct apply *a, const struct staged *list, struct err *err);

#endif
