/* txn.h - the two-phase commit state machine of one transaction.  Pure.
 *
 * It owns the `state` fields of a record and of its branches: nobody else writes
 * them.  What is owed to the agents is not stored, it follows from the states
 * (txn_owes), so the two can never disagree.
 * Rules guarded: presumed abort, "a lost answer is not a no", and that a decision
 * never changes (docs/architecture.md tells the whole story).
 * Thread: the caller's. */
#ifndef COORDINATOR_TXN_H
#define COORDINATOR_TXN_H

#include "coordinator/record.h"
#include "wire/frame.h"

/* What can happen to a transaction. */
enum txn_event {
	/* about the whole; the branch number is ignored */
	TXN_EV_BEGIN,      /* start to prepare */
	TXN_EV_BEGIN_ONCE, /* start in one phase: a single branch that can do it */
	TXN_EV_DEADLINE,   /* the time to vote is over */
	TXN_EV_CANCEL,     /* a person asks for a rollback */
	TXN_EV_FORGET,     /* a person has seen to the hazard */
	/* about one branch */
	TXN_EV_SENT,        /* its prepare or once is being handed to an agent */
	TXN_EV_PREPARED,    /* voted yes */
	TXN_EV_READ_ONLY,   /* voted yes, nothing to commit */
	TXN_EV_REFUSED,     /* voted no, nothing is left */
	TXN_EV_FAILED,      /* the same, for a cause that may pass: no word about the business */
	TXN_EV_LOST,        /* nobody can say what became of its prepare or once */
	TXN_EV_COMMITTED,   /* the agent says: committed */
	TXN_EV_ROLLED_BACK, /* the agent says: gone for good */
	TXN_EV_HAZARD,      /* the agent says: contradicts the decision */
};

/* Steps `r`. `reason` (borrowed, may be NULL) explains a refusal, loss, deadline,
 * cancel, hazard or forgetting, for people.  Events that come late or twice, or
 * that make no sense in the present state, change nothing.
 * Returns true if r->state has changed: the caller then journals it as
 * txn_durability says, before it sends anything. */
bool txn_step(struct record *r, enum txn_event ev, size_t branch, const char *reason);

/* After a restart: brings a record as the journal had it to what must be assumed. */
void txn_resume(struct record *r);

/* How entering a state is written down. */
enum txn_durability {
	TXN_VOLATILE, /* not at all: presumed abort covers it */
	TXN_LAZY,     /* with the next forced batch, or soon; nothing waits for it */
	TXN_FORCED,   /* before anything of this turn leaves the process */
};
enum txn_durability txn_durability(enum txn_state state);

/* The command that this branch is owed now; COMMAND_NONE when nothing is. For a
 * branch that is BR_WORKING it is the PREPARE or ONCE that was given already. */
enum command_kind txn_owes(const struct record *r, size_t branch);

/* Where a state may go; the table in txn.c. */
bool txn_may_move(enum txn_state from, enum txn_state to);

/* Whether `r` is as its state says it must be; a damaged journal may hold others. */
bool txn_valid(const struct record *r);
/* Asserts that it is. */
void txn_check(const struct record *r);

#endif
