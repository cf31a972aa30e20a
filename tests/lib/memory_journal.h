/* memory_journal.h - the journal's port in memory, for the engine's tests and the
 * simulation.
 *
 * It keeps what the real one keeps and no more: a saga's step that was never put comes
 * back as waiting, the end of a transaction changes its state and time alone.  Whoever
 * owns it says when a batch is durable and when the process dies.
 * Not served: resources (ignored), a list's status, workflow, resource and times.
 * Thread: one. */
#ifndef TESTS_LIB_MEMORY_JOURNAL_H
#define TESTS_LIB_MEMORY_JOURNAL_H

#include "coordinator/ports.h"

struct memory_journal;

struct memory_journal *memory_journal_new(void);
/* Another process at the same journal: what is durable is one, what is not yet is each's
 * own.  To be freed before its owner. */
struct memory_journal *memory_journal_beside(const struct memory_journal *owner);
void memory_journal_free(struct memory_journal *m);

/* The port. Its commit takes batches numbered from 1 without a gap. */
struct journal_port memory_journal_port(struct memory_journal *m);

/* The last batch that was committed, the last that is durable. */
uint64_t memory_journal_committed(const struct memory_journal *m);
uint64_t memory_journal_synced(const struct memory_journal *m);

/* All batches up to `batch` are durable: reads see them, a crash leaves them. */
void memory_journal_durable(struct memory_journal *m, uint64_t batch);
/* What is not durable is lost; batches are numbered from 1 again. */
void memory_journal_crash(struct memory_journal *m);

/* What a start finds, in journal_replay's order; `each` takes the record. */
void memory_journal_replay(struct memory_journal *m, workflow_fn workflow,
			   void (*each)(struct record *r, void *arg), void *arg);

/* The durable record, borrowed until the next call with `m`; NULL: none. */
const struct record *memory_journal_peek(struct memory_journal *m, const char *gid);

#endif
