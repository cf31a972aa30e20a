/* saga_ways.h - the ways in which a step of a saga, or its compensation, can fail.
 *
 * Each way brings one saga to one exact moment, lets the failure happen, and holds what
 * the saga did against what its resources count.  A moment is held by a lock in the resource
 * or by a proxy that keeps frames back, never by time.  The sides of the journal's
 * writes (the coordinator is killed with SIGKILL):
 *
 *   unsubmitted  nothing is written: the submission was never read
 *   intent       the step's intent is durable (its line `attempt` is told only then), and
 *                the command has not left the proxy
 *   unheard      the effect is in the resource; the answer has not reached the coordinator,
 *                so its write cannot have been made (and so the next step's intent neither)
 *   decided      of a group: its decision is durable, no commit has left the proxy
 *   told         the result is durable (its line `ended` is told only then)
 *
 * Thread: the test's main thread. */
#ifndef TESTS_LIB_SAGA_WAYS_H
#define TESTS_LIB_SAGA_WAYS_H

#include "tests/lib/saga_case.h"

struct saga_trial;

struct saga_way {
	const char *name;
	void (*run)(struct saga_trial *t);
	bool (*fits)(const struct saga_unit *u); /* NULL: any unit */
	bool slow;                               /* somebody's deadline must pass */
};

/* Ended by a row without name. */
extern const struct saga_way saga_ways[];

bool saga_way_fits(const struct saga_way *way, const struct saga_unit *u);

/* Runs it with a saga of its own on the stage; `gid` gets its name. */
void saga_try(const struct saga_way *way, const struct saga_unit *u, char gid[65]);

#endif
