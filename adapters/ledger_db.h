/* ledger_db.h - the ledger's file.  Private to the ledger.
 *
 * Rule: a move is made only where ledger.h's diagram has it, whatever the caller
 * believes; and a file that is not ours, or another resource's, is never written.
 * Thread: one at a time. */
#ifndef ADAPTERS_LEDGER_DB_H
#define ADAPTERS_LEDGER_DB_H

#include "adapters/ledger.h"

struct ledger_db;

/* A row in memory of its own. */
struct ledger_copy {
	struct ledger_row row; /* points into what follows */
	char *gid, *branch, *operation, *args, *output;
};

void ledger_copy_fini(struct ledger_copy *copy);

/* What shall become of a branch. */
struct ledger_move {
	struct branch_id id;
	enum ledger_phase to;
	const char *operation; /* to TRYING */
	struct bytes args;     /* to TRYING */
	struct bytes output;   /* to PREPARED */
};

/* Opens the file, or makes it (mode 0600), takes it for this process alone and
 * proves that it can be written.  Failures are RC_IO, for people to read. */
enum rc ledger_db_open(const char *path, const char *cluster, const char *resource,
		       struct ledger_db **db, struct err *err);
/* NULL is ignored. */
void ledger_db_close(struct ledger_db *db);

/* Between these, moves and lists are one transaction; the end makes them durable.
 * After a failure of anything inside, or of the end, close the file. */
enum rc ledger_db_begin(struct ledger_db *db, struct err *err);
enum rc ledger_db_end(struct ledger_db *db, struct err *err);

/* Moves a branch; `*verdict` and `copy` are what ledger_done_fn gets.
 * RC_IO if the file fails. `copy` is zeroed before, and the caller's to end. */
enum rc ledger_db_move(struct ledger_db *db, const struct ledger_move *move, uint64_t wall_ms,
		       enum rc *verdict, struct ledger_copy *copy, struct err *err);

/* Every branch that is not over, in `*rows` for free(), each with its own fini. */
enum rc ledger_db_list(struct ledger_db *db, struct ledger_copy **rows, size_t *n, struct err *err);

/* Deletes tombstones from before `wall_ms`, at most some thousands. */
enum rc ledger_db_prune(struct ledger_db *db, uint64_t wall_ms, struct err *err);

#endif
