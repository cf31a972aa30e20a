/* journal_prune.h - forgetting what is old.  Private to the journal.
 *
 * Rule: each call is short, since a batch waits for it; and a transaction goes whole,
 * its history before its steps and its row.
 * Thread: the one that owns the connection. */
#ifndef COORDINATOR_JOURNAL_PRUNE_H
#define COORDINATOR_JOURNAL_PRUNE_H

#include "base/err.h"

#include <sqlite3.h>
#include <stdint.h>

enum {
	PRUNE_MAX = 1000, /* transactions that one call forgets at the most */
	/* After this many rows of steps and events a call ends; the transaction that it
	 * is at may have a thousand of each more. */
	PRUNE_ROWS_MAX = 10000,
	PRUNE_STRAYS_MAX = 1000, /* histories that one call looks at for their transaction */
};

struct prune;

/* Prepares the statements on `db`, which is borrowed until prune_close. */
enum rc prune_open(sqlite3 *db, struct prune **out, struct err *err);
void prune_close(struct prune *p);

/* Inside a transaction of the caller's: forgets the oldest finished transactions that
 * began before `before_us`, and some histories that belong to none. */
enum rc prune_some(struct prune *p, uint64_t before_us, struct err *err);

#endif
