/* journal.h - the durable record of what the coordinator has promised, in SQLite.
 *
 * Rule: no effect of a turn leaves the process before that turn's batch has
 * been reported durable.  After a crash the journal alone decides.
 *
 * Two connections to one database in WAL mode with synchronous=FULL (verified
 * after opening): a writer thread that commits what is queued, several batches in
 * one sync if they piled up, and a reader on the loop's thread.
 * A failed write stops the process at once (exit status 70, event
 * `journal-failed`): memory and disk may differ, only a restart can tell.
 *
 * Thread: the loop's, except where it says writer. */
#ifndef COORDINATOR_JOURNAL_H
#define COORDINATOR_JOURNAL_H

#include "coordinator/ports.h"

#include <uv.h>

struct journal;

/* Locks the directory (made if missing, mode 0700) against a second coordinator,
 * opens or creates `settle.db` in it, brings its schema up to date, and forces a
 * new epoch.
 *   RC_FULL     another process holds the directory (the text says which pid)
 *   RC_CONFLICT the journal belongs to another cluster, or a newer program wrote it
 *   RC_INVALID  a file is there that is not a journal of ours, or is damaged
 *   RC_IO       the disk or the system failed; also if synchronous=FULL or WAL
 *               could not be had
 * Nothing runs in the background yet. */
enum rc journal_open(const char *dir, const char *cluster, struct journal **out, struct err *err);

/* The epoch that this opening forced. */
uint64_t journal_epoch(const struct journal *j);

/* Replays: every published version of a workflow (borrowed, without its text), then every
 * catalogued resource (borrowed; as not ready), then every transaction that is not
 * finished, a saga's groups too, oldest first (the record is given: the callback takes
 * it).  RC_INVALID: damaged; RC_IO. */
enum rc journal_replay(struct journal *j, workflow_fn workflow, resource_fn resource,
		       void (*each)(struct record *r, void *arg), void *arg, struct err *err);

/* Starts the writer thread; `durable` is called on the loop's thread, once for each
 * batch, in order, never from inside a call. */
void journal_start(struct journal *j, uv_loop_t *loop, void (*durable)(uint64_t batch, void *arg),
		   void *arg);

/* The port for the engine; valid until journal_close. */
struct journal_port journal_port(struct journal *j);

/* Commits what is staged and queued, stops the writer, closes and unlocks. Blocks
 * for the last sync. `durable` is not called any more. The loop must run once more
 * to free what belongs to it. NULL is ignored. */
void journal_close(struct journal *j);

#endif
