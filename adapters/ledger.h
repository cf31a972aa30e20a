/* ledger.h - the durable record of the branches that an agent has prepared at a
 * resource which cannot list them itself (exec, http): a small SQLite file.
 *
 *   (none)       → TRYING        ledger_try: before the try is started
 *   TRYING       → PREPARED      ledger_prepared: before PREPARED is answered
 *   TRYING       → ROLLED_BACK   ledger_end: the try was refused, nothing is left
 *   PREPARED     → COMMITTING    ledger_commit: before the commit is started
 *   COMMITTING   → COMMITTED     ledger_end
 *   TRYING, PREPARED → ROLLING_BACK  ledger_rollback: before the rollback is started
 *   ROLLING_BACK → ROLLED_BACK   ledger_end
 *   (none)       → ROLLED_BACK   ledger_rollback: a tombstone, so that a try which
 *                                comes later is refused
 *
 * Rule: nothing is done at the resource that the file does not know of already, and
 * nothing is answered that the file does not know of yet.  So after a crash at any
 * point a branch that may have left something is listed: TRYING and PREPARED wait
 * for the coordinator's word, COMMITTING and ROLLING_BACK for their repetition.
 * COMMITTED and ROLLED_BACK are tombstones, without arguments, and are deleted
 * after LEDGER_KEEP_MS.
 *
 * One file serves one resource of one agent; a second process that opens it waits.
 * All calls return at once; a thread of the ledger's own does the work, in order,
 * and syncs all that has queued up meanwhile at once.  Callbacks come exactly once,
 * in order, from the loop, never from inside the call.
 * Thread: the loop's. */
#ifndef ADAPTERS_LEDGER_H
#define ADAPTERS_LEDGER_H

#include "wire/frame.h"

#include <uv.h>

struct ledger;

enum {
	/* Longer than any command of the time before can still arrive (POLL_LIFE_MS),
	 * also over a restart of the agent. */
	LEDGER_KEEP_MS = 10 * 60 * 1000,
};

enum ledger_phase {
	LEDGER_NONE, /* no such branch */
	LEDGER_TRYING,
	LEDGER_PREPARED,
	LEDGER_COMMITTING,
	LEDGER_ROLLING_BACK,
	LEDGER_COMMITTED,
	LEDGER_ROLLED_BACK,
};

/* "trying", "rolling-back", …; as in the file. */
const char *ledger_phase_name(enum ledger_phase phase);

/* What the file has of a branch. */
struct ledger_row {
	struct branch_id id;
	enum ledger_phase phase;
	const char *operation; /* "" in a tombstone, and when there is none */
	struct bytes args;     /* empty in a tombstone */
	struct bytes output;   /* the try's, as given to ledger_prepared */
};

/* How a call ended.
 *   RC_OK        the move was made and is durable; `row` is as it is now
 *   RC_NOT_FOUND there was no such branch; row->phase is NONE
 *   RC_CONFLICT  the branch is there in a phase (row->phase) that has no such move;
 *                nothing was changed
 *   RC_IO        it may or may not be in the file: answer UNKNOWN; `problem` says why
 * `row` is never NULL; it is valid until the callback returns. `problem` is NULL
 * but for RC_IO. */
typedef void (*ledger_done_fn)(enum rc rc, const struct ledger_row *row, const char *problem,
			       void *arg);

/* `rows` have no operation, args or output here.  RC_OK or RC_IO. */
typedef void (*ledger_list_fn)(enum rc rc, const struct ledger_row *rows, size_t n, void *arg);

struct ledger_settings {
	uv_loop_t *loop;
	const char *path; /* `state` of the resource; its folder must be there */
	const char *cluster, *resource;
	/* NULL: the file is open and can be written; else why not, for people.  Called
	 * at each change; it is tried again every second, for ever.  Never called from
	 * inside a call, and not any more after ledger_close. */
	void (*ready)(void *arg, const char *problem);
	void *arg;
};

/* Starts to open the file, or to make it.  `settings` and its strings are copied.
 * Calls made before it is ready wait for the first try to open it, and fail with
 * RC_IO if that fails. */
struct ledger *ledger_open(const struct ledger_settings *settings);

/* A try is about to begin. `id`, `operation` and `args` are borrowed for the call, as
 * in all that follow; the resource's name in `id` is not looked at.
 * RC_OK: begin.  RC_CONFLICT: it was here before (row->phase), do not begin. */
void ledger_try(struct ledger *l, const struct branch_id *id, const char *operation,
		struct bytes args, ledger_done_fn done, void *arg);

/* The try succeeded. RC_OK: answer PREPARED. RC_CONFLICT also if it is PREPARED. */
void ledger_prepared(struct ledger *l, const struct branch_id *id, struct bytes output,
		     ledger_done_fn done, void *arg);

/* A commit is about to begin.
 * RC_OK: do it; the row has the operation, its arguments and the try's output.  It
 *   may have been begun, even done, before: COMMITTING stays COMMITTING.
 * RC_CONFLICT: COMMITTED: it is done.  Others: a hazard.
 * RC_NOT_FOUND: done before if this is a repetition, else a hazard. */
void ledger_commit(struct ledger *l, const struct branch_id *id, ledger_done_fn done, void *arg);

/* A rollback is about to begin.
 * RC_OK: do it (again: ROLLING_BACK stays ROLLING_BACK); row as for commit.
 * RC_NOT_FOUND: nothing was ever tried, and from now on nothing will be: answer
 *   ROLLED_BACK; the tombstone is durable.
 * RC_CONFLICT: ROLLED_BACK: it is done.  COMMITTING, COMMITTED: a hazard. */
void ledger_rollback(struct ledger *l, const struct branch_id *id, ledger_done_fn done, void *arg);

/* The branch is over: COMMITTED from COMMITTING, ROLLED_BACK from ROLLING_BACK or,
 * when the try was refused, from TRYING. Only RC_OK allows the answer. */
void ledger_end(struct ledger *l, const struct branch_id *id, enum ledger_phase over,
		ledger_done_fn done, void *arg);

/* Every branch that is not over. */
void ledger_list(struct ledger *l, ledger_list_fn done, void *arg);

/* Ends what is queued, with callbacks, closes the file, frees `l`, then calls `closed`. */
void ledger_close(struct ledger *l, void (*closed)(void *arg), void *arg);

#endif
