/* branch.h - what this agent knows of branches: those in its hands, and the
 * tombstones of those that are over.
 *
 *   (unknown) → WORKING               a PREPARE or ONCE begins
 *   (unknown) → DOUBT                 a decision comes for a branch not known here
 *   (unknown) → OVER                  work is refused: nothing was done, nor will be
 *   WORKING   → PREPARED, DOUBT, OVER the vote: yes; unknown; refused or read only
 *   PREPARED, DOUBT → FINISHING       the decision is carried out
 *   PREPARED  → DOUBT                 it is known, but cannot be carried out now
 *   FINISHING → OVER, DOUBT           done; or unknown, the coordinator asks again
 *   PREPARED, DOUBT → OVER            a sweep finds it gone from the resource
 *   OVER      → DOUBT                 a sweep finds it in the resource after all, or
 *                                     a decision comes for one that was gone
 *   OVER      → (unknown)             after TOMBSTONE_US
 *
 * Facts: WORKING and FINISHING have a call under way at the adapter, the others
 * have none.  Only PREPARED may repeat a vote.  A branch that is known in any
 * stage is never begun again: DOUBT and OVER are what refuses a prepare that was
 * overtaken by its rollback.  OVER is forgotten after TOMBSTONE_US, when no
 * command of the time before can arrive any more (frame.h, POLL_LIFE_MS).
 *
 * Thread: the loop's. */
#ifndef PARTICIPANT_BRANCH_H
#define PARTICIPANT_BRANCH_H

#include "wire/frame.h"

#include <uthash.h>

enum {
	BRANCHES_MAX = 1000000, /* with tombstones; none is forgotten before its time */
	TOMBSTONE_US = 2 * POLL_LIFE_MS * 1000,
};

enum stage {
	STAGE_WORKING,  /* prepare or once is under way */
	STAGE_PREPARED, /* voted yes, waits for the decision */
	STAGE_DOUBT, /* may be prepared or not; a decision was asked for, or the vote was unknown */
	STAGE_FINISHING, /* commit, rollback or settle_once is under way */
	STAGE_OVER,      /* a tombstone: `end` says how it ended */
};

enum branch_end {
	END_ROLLED_BACK, /* or refused: nothing of it is left */
	END_COMMITTED,
	END_READ_ONLY, /* there was nothing to commit */
	END_HAZARD,    /* ended against the decision, by whoever */
	END_GONE,      /* not in the resource any more, and not by us */
};

struct served;

struct branch {
	struct branch_id id; /* points into `key` */
	struct served *served;
	enum stage stage;
	enum branch_end end;    /* OVER */
	enum command_kind call; /* WORKING, FINISHING: what the adapter is doing */
	unsigned pending;       /* commands that wait for the call's end: 1 << command_kind */
	bool pending_repeat;    /* of a COMMIT that waits */
	bool commit_tried;      /* a call of this kind was made: it may have worked */
	bool rollback_tried;
	char *reason;               /* OVER: why it was refused, or NULL */
	bool passing;               /* … which another transaction need not meet */
	uint64_t since_us;          /* when it came into its stage */
	uint64_t listed;            /* the last sweep that found it in the resource */
	struct branch *prev, *next; /* in `live` or `over` */
	UT_hash_handle hh;
	char key[];
};

struct branches {
	struct branch *all;  /* by key */
	struct branch *live; /* every stage but OVER */
	struct branch *over; /* the oldest first */
	size_t n_live;
};

/* NULL if it is not known. `id` is valid by branch_id_valid. */
struct branch *branches_find(const struct branches *t, const struct branch_id *id);

/* Adds one that is not there, in `stage`; NULL when the table is full. */
struct branch *branches_add(struct branches *t, const struct branch_id *id, struct served *served,
			    enum stage stage, uint64_t now_us);

/* The only writer of a stage; asserts that the diagram has it. */
void branch_move(struct branches *t, struct branch *b, enum stage to, uint64_t now_us);
/* To OVER; `reason` is copied, may be NULL. */
void branch_bury(struct branches *t, struct branch *b, enum branch_end end, const char *reason,
		 uint64_t now_us);

/* Forgets the tombstones that are old enough. */
void branches_expire(struct branches *t, uint64_t now_us);
/* When the next one is; UINT64_MAX: there is none. */
uint64_t branches_due(const struct branches *t);
void branches_fini(struct branches *t);

#endif
