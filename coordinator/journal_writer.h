/* journal_writer.h - the thread that makes batches durable, in order.  Private to
 * the journal.
 *
 * Rule: a batch is posted as durable only after the transaction that holds it and
 * all before it has been committed and synced.  If that fails, nothing is posted and
 * the process ends at once (status 70).
 * Thread: the loop's; the connection is whose turn it is from start to close. */
#ifndef COORDINATOR_JOURNAL_WRITER_H
#define COORDINATOR_JOURNAL_WRITER_H

#include "coordinator/journal_staged.h"

#include <sqlite3.h>
#include <uv.h>

enum { JOURNAL_FAILED_STATUS = 70 };

struct writer;

/* Takes `db`, also on failure.  `epoch`: that of this opening. */
enum rc writer_open(sqlite3 *db, uint64_t epoch, struct writer **out, struct err *err);

/* Starts the thread. `durable` is called on the loop's thread, once for each batch
 * given to writer_queue, in order. */
void writer_start(struct writer *w, uv_loop_t *loop, void (*durable)(uint64_t batch, void *arg),
		  void *arg);

/* Takes the batch.  `at_once`: it may be made durable before this returns, blocking for a
 * sync; `durable` is called later in any case. */
void writer_queue(struct writer *w, struct staged *s, bool at_once);

/* Makes durable what is queued, ends the thread, closes the journal in order. `durable`
 * is not called any more. NULL is ignored. */
void writer_close(struct writer *w);

#endif
