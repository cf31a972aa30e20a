/* call.h - what this agent knows of saga calls: those under way, what the others
 * were answered, and which steps were undone.
 *
 * A call here is a step at a resource, its action and its undo together, for at
 * most one of them is under way at a time.  Its key is (resource, gid, step); the
 * epoch of a coordinator is no part of it.
 *
 *   (unknown) → OVER      a command has come for it
 *   OVER      → DOING     its action begins
 *   OVER      → UNDOING   its undo begins
 *   DOING     → STOPPING  an undo comes: it waits until the action has answered
 *   DOING     → OVER      the action has answered
 *   STOPPING  → UNDOING   the action has answered, and the undo begins
 *   STOPPING  → OVER      the action has answered, and the undo cannot begin
 *   UNDOING   → OVER      the undo has answered
 *   OVER      → (unknown) after CALL_LIFE_US; or when its answers were forgotten to
 *                         save room, unless an undo has come for it
 *
 * Facts: DOING, STOPPING and UNDOING have one call under way at the adapter, OVER
 * has none.  Only STOPPING has a command that waits.  `undone` never becomes false:
 * it is the tombstone that refuses an action which was overtaken by its undo, and
 * it lives until no command of the time before can arrive any more (frame.h,
 * POLL_LIFE_MS).  An answer is remembered only while its call is OVER or the
 * other side of it is under way, and its attempt is always that of its side.
 *
 * Thread: the loop's. */
#ifndef PARTICIPANT_CALL_H
#define PARTICIPANT_CALL_H

#include "participant/adapter.h"

#include <uthash.h>

enum {
	CALLS_MAX = 1000000,         /* with tombstones; none is forgotten before its time */
	CALL_ANSWERS_MAX = 100000,   /* remembered; beyond it the oldest go first */
	CALL_OUTPUTS_MAX = 64 << 20, /* bytes of their outputs and reasons, likewise */
	CALL_LIFE_US = 2 * POLL_LIFE_MS * 1000,
};

enum call_stage {
	CALL_DOING,    /* the action is under way */
	CALL_STOPPING, /* it is, and the undo waits for its end */
	CALL_UNDOING,  /* the undo is under way */
	CALL_OVER,
};

struct served;
struct call_memory;

/* What has come for one direction of a call. */
struct call_side {
	uint64_t epoch;             /* the newest command's */
	uint32_t attempt;           /* likewise; 0: none has come */
	struct call_memory *memory; /* what this attempt was answered, or NULL */
};

/* An undo that waits for its action. */
struct call_parked {
	char *operation;
	char *args;
	size_t args_size;
	bool elsewhere;
	uint64_t until_us; /* no later than this */
};

struct call {
	const char *gid, *step; /* point into `key` */
	struct served *served;
	enum call_stage stage;
	bool undone;               /* an UNDO has come */
	struct call_side sides[2]; /* [0] the action, [1] the undo */
	struct call_parked *parked;
	uint64_t since_us;        /* of its last move */
	struct call *prev, *next; /* in `live` or `over` */
	UT_hash_handle hh;
	char key[];
};

struct calls {
	struct call *all;  /* by key */
	struct call *live; /* every stage but OVER */
	struct call *over; /* the oldest first */
	size_t n_live;
	struct call_memory *memories; /* the oldest first */
	size_t n_memories, memory_bytes;
};

/* NULL if it is not known. */
struct call *calls_find(const struct calls *t, const struct branch_id *id);
/* Adds one that is not there, as OVER; NULL when the table is full. */
struct call *calls_add(struct calls *t, const struct branch_id *id, struct served *served,
		       uint64_t now_us);

/* The only writer of a stage; asserts that the diagram has it.  OVER to OVER
 * begins the call's life anew. */
void call_move(struct calls *t, struct call *c, enum call_stage to, uint64_t now_us);

/* An undo that waits for its action, copied from `cmd`, in the place of one that
 * waited before. */
void call_park(struct call *c, const struct command *cmd, uint64_t now_us);
/* Gives what waits to the caller, who frees it. */
struct call_parked *call_unpark(struct call *c);
void call_parked_free(struct call_parked *w); /* NULL is ignored */

/* Remembers (a copy of) what the side's newest attempt was answered, and forgets the
 * oldest answers over the caps; never `c` itself. */
void call_remember(struct calls *t, struct call *c, bool undo, const struct adapter_answer *answer);
/* False if there is nothing; else fills `answer`, borrowed until the next change. */
bool call_recall(const struct call *c, bool undo, struct adapter_answer *answer);
void call_forget(struct calls *t, struct call *c, bool undo);

/* Forgets the calls that are old enough. */
void calls_expire(struct calls *t, uint64_t now_us);
/* When the next one is; UINT64_MAX: there is none. */
uint64_t calls_due(const struct calls *t);
void calls_fini(struct calls *t);

#endif
