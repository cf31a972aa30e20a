/* saga.h - the state machine of one saga.  Pure: no I/O, no clock, no random.
 *
 * It owns the states of a saga and of its steps: nobody else writes them.  What is
 * owed is not stored, it follows from the states (saga_owes), so that the two can
 * never disagree.  The definition (the graph, the pivot, what can be undone) is
 * borrowed and never changes while the saga lives.
 * Rules guarded: a step whose result is not known is undone like one that was
 * done; undoing runs in the reverse order of the graph; past the pivot nothing is
 * undone; an outcome that people were told never changes.
 * Thread: the caller's. */
#ifndef SAGA_SAGA_H
#define SAGA_SAGA_H

#include "saga/definition.h"

/* Values are in journals: append, never renumber.  Where each may go stands in saga.c. */
enum saga_state {
	SAGA_RUNNING = 1,      /* forward; what was done can still be undone */
	SAGA_FINISHING = 2,    /* past the pivot: forward until every step is done */
	SAGA_UNDOING = 3,      /* backward */
	SAGA_FINISH_STUCK = 4, /* past the pivot, and a step needs a person */
	SAGA_UNDO_STUCK = 5,   /* backward, and a step needs a person */
	SAGA_DONE = 6,         /* final: committed */
	SAGA_UNDONE = 7,       /* final: rolled back */
	SAGA_RUN_STUCK = 8,    /* nobody can say whether the pivot was done: needs a person */
	SAGA_STATES
};

enum step_state {
	STEP_WAITING = 1, /* nothing was begun; in a saga that is undone: it never will be */
	STEP_DOING = 2,   /* its action is owed or under way; the intent is journalled */
	STEP_PENDING = 3, /* the resource will say later, through `complete` or `fail` */
	STEP_DONE = 4,    /* its effect is there */
	STEP_SKIPPED = 5, /* `when` was false, or a person skipped it: final */
	STEP_FAILED = 6,  /* certainly not done, and will not be: final */
	STEP_LOST = 7,    /* given up without knowing whether it was done: owes an undo */
	STEP_UNDOING = 8, /* its compensation is owed or under way */
	STEP_UNDONE = 9,  /* final */
	STEP_KEPT = 10,   /* done or perhaps done, and stays: nothing undoes it: final */
	STEP_STUCK = 11,  /* a person must say how to go on */
	STEP_STATES
};

struct saga_step {
	/* What it is: copied from the definition, so that people can be shown a saga
	 * without it. */
	char *name;
	char *resource, *operation;           /* NULL: an atomic group */
	char *undo_resource, *undo_operation; /* NULL: an atomic group, or nothing */
	bool pivot;

	enum step_state state;
	bool maybe;        /* an attempt of the action ended with nobody knowing how */
	bool undo;         /* STUCK: in its compensation; else in its action */
	uint32_t attempts; /* of the present direction, that have begun */
	uint32_t tries;    /* of both, ever: names the transaction of an atomic group */
	char *args;        /* JSON of the present direction's call, or NULL */
	char *output;      /* JSON of what the action gave, or NULL */
	char *reason;      /* the last error, or why it failed; or NULL */
	char *agent;       /* who was last given it; or NULL */
};

struct saga {
	enum saga_state state;
	bool stop; /* a rollback was asked for while the pivot is under way: it decides */
	const struct workflow *def; /* borrowed; NULL in a saga that is only shown */
	struct saga_step *steps;
	size_t n_steps;
};

/* A saga of `def`, every step waiting; borrows `def`. Give to saga_free. */
struct saga *saga_new(const struct workflow *def);
/* One without a definition and of `n` empty steps, to be filled from a journal. */
struct saga *saga_blank(size_t n);
/* Frees it and all its texts; not the definition.  NULL is ignored. */
void saga_free(struct saga *s);

#endif
