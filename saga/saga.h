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
	bool out;          /* an attempt is under way; after a restart none is */
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
	/* The names of all steps' work, in one piece; NULL: each is freed with its step. */
	char *names;
};

/* A saga of `def`, every step waiting; borrows `def`. Give to saga_free. */
struct saga *saga_new(const struct workflow *def);
/* One without a definition and of `n` empty steps, to be filled from a journal. */
struct saga *saga_blank(size_t n);
/* Frees it and all its texts; not the definition.  NULL is ignored. */
void saga_free(struct saga *s);

/* What can happen. */
enum saga_event {
	/* about the whole; the step number is ignored */
	SAGA_EV_CANCEL,  /* a person, or the deadline, wants it rolled back */
	SAGA_EV_RESOLVE, /* a person ends it as it is */
	/* about one step that waits */
	SAGA_EV_START, /* its turn has come: the intent to do it */
	SAGA_EV_OMIT,  /* its turn has come, and its `when` is false */
	/* about an attempt of its action or its compensation */
	SAGA_EV_ATTEMPT, /* begins: it is being handed over */
	SAGA_EV_DONE,    /* done; also: completed from outside */
	SAGA_EV_REFUSED, /* a no that will not change; also: failed from outside */
	SAGA_EV_RETRY,   /* not done, for a reason that may pass */
	SAGA_EV_UNKNOWN, /* nobody can say */
	SAGA_EV_PENDING, /* begun, its end will be told from outside */
	SAGA_EV_BROKEN,  /* it cannot be said what to do: an expression failed */
	SAGA_EV_HAZARD,  /* its atomic group contradicts the decision */
	/* a person's word about a step that is stuck */
	SAGA_EV_AGAIN,
	SAGA_EV_SKIP,
};

struct saga_news {
	enum saga_event event;
	size_t step;
	const char *reason; /* borrowed, may be NULL: why, for people */
	/* A REFUSED is proof that no earlier attempt was done either.  (A RETRY never is: it
	 * may come from an agent that did not look.) */
	bool exact;
};

/* Steps `s`.  What comes late or twice, or makes no sense in the present state,
 * changes nothing.  Returns true if the state of the saga or of any step changed: the
 * caller journals the steps that differ and the saga's own row, before it sends
 * anything that is owed. */
bool saga_step(struct saga *s, const struct saga_news *news);

/* After a restart: what was under way may or may not have been done.  A saga without steps
 * is done by this, restart or not. */
void saga_resume(struct saga *s);

/* What a step is owed now. */
enum saga_duty {
	SAGA_OWES_NOTHING,
	SAGA_OWES_START, /* its turn has come: START or OMIT (or BROKEN) */
	SAGA_OWES_DO,    /* an attempt of the action, now or after its pause */
	SAGA_OWES_UNDO,
};
enum saga_duty saga_owes(const struct saga *s, size_t step);

/* True once nothing more will happen. */
bool saga_over(const struct saga *s);
/* True if an attempt of the step failed and the next one may be made after a pause. */
bool saga_may_retry(const struct saga *s, size_t step);

/* True if a person may skip the step: it is stuck; or, past the pivot or in a rollback,
 * waits for its next attempt, perhaps for an agent that never comes. */
bool saga_may_skip(const struct saga *s, size_t step);

/* The work of the step's present direction. */
const struct work *saga_work(const struct saga *s, size_t step);

/* The word that people and expressions see: "waiting", "running", "done", "unknown", … */
const char *step_state_name(enum step_state state);

/* The pause before the next attempt, after `attempts` have failed: exponential with a
 * cap, and full jitter, as in Brooker, "Exponential Backoff and Jitter" (2015): uniform
 * between 0 and the doubled pause.  `random` is any 64 random bits. */
uint64_t saga_pause_ms(const struct retry *retry, uint32_t attempts, uint64_t random);

/* Whether `s` is as its state says it must be; a damaged journal may hold others. */
bool saga_valid(const struct saga *s);

#endif
