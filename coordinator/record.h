/* record.h - a transaction as plain data: what the journal keeps and people see.
 *
 * Thread: the loop's, or whoever owns the record. */
#ifndef COORDINATOR_RECORD_H
#define COORDINATOR_RECORD_H

#include "base/err.h"
#include "base/id.h"
#include "saga/saga.h"
#include "saga/workflow.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Values are in journals: append, never renumber.  What each means and where it
 * may go stands in txn.c. */
enum txn_state {
	TXN_ACCEPTED = 1,
	TXN_PREPARING = 2,
	TXN_ONE_PHASE = 3,
	TXN_COMMITTING = 4,
	TXN_ABORTING = 5,
	TXN_COMMITTED = 6,
	TXN_ABORTED = 7,
	TXN_COMMIT_HAZARD = 8, /* decided to commit, and a branch contradicts it */
	TXN_ABORT_HAZARD = 9,  /* decided to roll back, and a branch contradicts it */
	/* Those of a saga stand for enum saga_state (saga/saga.h), which owns them; a saga
	 * ends as TXN_COMMITTED or TXN_ABORTED. */
	TXN_SAGA_RUNNING = 10,
	TXN_SAGA_FINISHING = 11,
	TXN_SAGA_UNDOING = 12,
	TXN_SAGA_RUN_STUCK = 13,
	TXN_SAGA_FINISH_STUCK = 14,
	TXN_SAGA_UNDO_STUCK = 15,
	TXN_STATES
};

enum branch_state {
	BR_WAITING = 1,    /* nothing was sent */
	BR_WORKING = 2,    /* prepare or once was given to an agent, no answer yet */
	BR_PREPARED = 3,   /* voted yes */
	BR_READ_ONLY = 4,  /* voted yes, has nothing to commit: final */
	BR_COMMITTING = 5, /* owes a commit */
	BR_COMMITTED = 6,  /* final */
	BR_ABORTING = 7,   /* owes a rollback */
	BR_ABORTED = 8,    /* known to be gone: final */
	BR_HAZARD = 9,     /* contradicts the decision: final, until a person forgets it */
	BR_STATES
};

struct record_branch {
	const char *name; /* these four are held (base/word.h) */
	const char *resource;
	const char *operation;
	const char *agent; /* who was last given work for it; or NULL */
	char *args;        /* JSON; NULL once it is not needed any more */
	char *output;      /* JSON or NULL */
	char *reason;      /* why it was refused, is unknown, or a hazard; or NULL */
	enum branch_state state;
	bool read_only;
};

enum {
	BODY_HASH_SIZE = 32,
	RECORD_STEPS_MAX = 1000, /* of a saga */
};

struct record {
	uint64_t seq; /* wall time in µs at its begin, made unique: the order of lists */
	char gid[GID_MAX + 1];
	unsigned char hash[BODY_HASH_SIZE]; /* SHA-256 of what was submitted */
	bool sequential;
	bool accepted; /* was promised to be run, crash or not */
	bool refused;  /* a branch said no for good; not journalled: only a saga asks, at once */
	enum txn_state state;
	uint64_t epoch;       /* in which its branches are named */
	uint64_t finished_us; /* wall time; 0: not yet */
	uint64_t timeout_ms;
	char *workflow;
	char *input;                    /* JSON or NULL */
	char *reason;                   /* why it was rolled back or is a hazard; or NULL */
	struct record_branch *branches; /* of a plain transaction */
	size_t n_branches;

	/* A saga; NULL: a plain transaction.  How far its steps are is not in its row of the
	 * journal, but written as they change (journal_port.put_step). */
	struct saga *saga;
	uint32_t version;     /* of the published workflow; 0: the definition came along */
	char *definition;     /* its text if it came along and is a saga's; or NULL */
	uint64_t deadline_us; /* wall time, of a saga; 0: none */
	uint64_t events;      /* lines of its history that were ever written */

	/* An atomic group of a saga is a transaction of its own (gid `settle.…`), which
	 * lists do not show. */
	uint64_t parent_seq;  /* 0: it is nobody's */
	char *parent;         /* the saga's gid; or NULL */
	uint32_t parent_step; /* which of its steps */
};

/* A new record for `plan`, whose strings it takes (the plan is left empty). */
struct record *record_new(const char *gid, struct plan *plan);
void record_free(struct record *r);
/* Frees what a record in the caller's storage owns, and zeroes it. */
void record_fini(struct record *r);

/* The word that people and programs see: "running", "committing",
 * "rolling_back", "committed", "rolled_back", "stuck". */
const char *record_status(enum txn_state state);
/* What a saga's record is in while its saga is in `state`; and back: 0 if no saga can
 * be in it. */
enum txn_state record_of_saga(enum saga_state state);
enum saga_state record_saga_state(enum txn_state state);
/* The same for a branch: "waiting", "working", "prepared", … */
const char *record_branch_status(enum branch_state state);
/* The same for the n-th step of a saga: "waiting", "running", "pending", "done",
 * "skipped", "failed", "unknown", "undoing", "undone", "kept", "stuck"; "not_run" for
 * one that was not begun and, since the saga is undone, never will be. */
const char *record_step_status(const struct saga *saga, size_t n);
/* True when nothing is owed any more: committed or rolled back. (A hazard is not
 * finished: it is kept until a person forgets it.) */
bool record_finished(enum txn_state state);

/* Packs what is not a column of its own, of a saga's steps only what they are; give
 * `*out` to free(). */
void record_pack(const struct record *r, void **out, size_t *size);
/* Unpacks into `r`, whose columns were filled before; each step of a saga is then
 * waiting, until record_unpack_step. RC_INVALID: not a detail, or not of a transaction in
 * that state; the caller still calls record_fini. */
enum rc record_unpack(struct record *r, const void *bytes, size_t size, struct err *err);

/* The same for how far one step of a saga is. `step` was unpacked before with all others;
 * what it held of this is replaced. */
void record_pack_step(const struct saga_step *step, void **out, size_t *size);
enum rc record_unpack_step(struct saga_step *step, const void *bytes, size_t size, struct err *err);

#endif
