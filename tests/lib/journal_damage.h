/* journal_damage.h - two journals to be damaged, and what they must say if they say anything.
 *
 * "closed" was closed in order; "crashed" is it with some more batches, and then SIGKILL. Both
 * hold plain transactions, a saga with its steps, histories, resources, and a workflow.
 * Thread: a test's main thread. */
#ifndef TESTS_LIB_JOURNAL_DAMAGE_H
#define TESTS_LIB_JOURNAL_DAMAGE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { DAMAGE_BATCHES = 6 }; /* after the journal was closed, before it crashed */

/* A file as bytes. */
struct damage_file {
	char *bytes;
	size_t size;
};

struct damage {
	/* What all reads give after each batch; [0] is the closed journal. */
	char *said[DAMAGE_BATCHES + 1];
	struct damage_file closed;    /* settle.db */
	struct damage_file file, log; /* settle.db and settle.db-wal of the crashed one */
};

/* Makes both; once. */
const struct damage *damage_make(void);

struct damage_file damage_read(const char *path);

/* A copy of a journal in a directory of its own; `log` NULL: without one. */
char *damage_put(const struct damage_file *file, const struct damage_file *log);

/* Opens the journal in `dir` and reads all that there is: the text, for free(), or NULL if it
 * was refused or a read failed. */
char *damage_ask(const char *dir, struct err *err);

/* Asks the journal in `dir`, removes it. True if it was refused; else what it says is what was
 * durable, but for the last `may_lack` batches of the crashed one, or of the closed one if
 * `closed`.  Fails the test if not, or if the refusal does not say what to do. */
bool damage_try(const char *dir, bool closed, int may_lack, const char *what);

#endif
