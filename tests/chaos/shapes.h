/* shapes.h - the workflows that the clients of a chaos run submit, and what each of them
 * does at the banks when it is committed.
 *
 * Every operation writes a ledger row (gid, part, account, amount) in the statement that
 * changes the balance.  A compensation's part is the action's with a `~`.
 * Rule: a shape moves money, it makes none: committed or rolled back, its rows sum to 0.
 * Thread: constant tables; shapes_publish from the main thread. */
#ifndef TESTS_CHAOS_SHAPES_H
#define TESTS_CHAOS_SHAPES_H

#include <stdbool.h>
#include <stddef.h>

enum shape_id {
	SHAPE_TRANSFER, /* two branches */
	SHAPE_CHECKED,  /* one after another, and one that only reads */
	SHAPE_INSIDE,   /* a single branch: one phase */
	SHAPE_HOP,      /* saga: two calls */
	SHAPE_TRIP,     /* saga: a call, a group as pivot, a call */
	SHAPE_PAIR,     /* saga: a call, a group that can be undone, a call */
	SHAPE_DOOMED,   /* the same, but its last call is always refused */
	SHAPES
};

enum { EFFECTS_MAX = 5 };

/* One ledger row of a committed transaction. */
struct effect {
	const char *part;
	bool far;  /* at the second bank of the direction */
	bool to;   /* of the account that gets the money, not of the one that pays */
	int sign;  /* of the amount */
	bool undo; /* it may be undone */
};

struct shape {
	const char *name;
	bool saga;
	bool never;                         /* it can never be committed */
	struct effect effects[EFFECTS_MAX]; /* ended by one without part */
	const char *steps;                  /* @X and @Y stand for the banks */
};

extern const struct shape shapes[SHAPES];

/* The agents' operations, as the map for their file. */
extern const char shape_operations[];

/* The name of the published workflow, in that direction; for free(). */
char *shape_name(enum shape_id id, bool back);
/* Publishes all of them at `url`, or fails. */
void shapes_publish(const char *url);

#endif
