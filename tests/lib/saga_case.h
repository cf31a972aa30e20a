/* saga_case.h - one saga on the stage: submitted, watched, ended, counted.
 *
 * What is waited for are lines of its history, which the coordinator tells only when
 * they are durable, and rows in the resources.
 * Rule: a case is over when the coordinator says so *and* the resources agree:
 *   committed    each step that was done has its effect exactly once, none is undone
 *   rolled back  each step's effect and compensation happened equally often, at most
 *                once; branches of a group alike
 * Thread: the test's main thread. */
#ifndef TESTS_LIB_SAGA_CASE_H
#define TESTS_LIB_SAGA_CASE_H

#include "tests/lib/saga_stage.h"

struct saga_case {
	char gid[65];
	struct saga_pace pace; /* of the step and direction that is tried */
	json_t *lines;         /* of its history, so far */
	long long next;
};

void case_open(struct saga_case *c, const char *gid, const struct saga_pace *pace);
void case_close(struct saga_case *c);

/* Submits and does not wait for anything but being taken. */
void case_submit(struct saga_case *c);
/* Submits to a coordinator that does not answer; true if one did nevertheless. */
bool case_submit_in_vain(struct saga_case *c);
/* POST …/cancel, /retry; must be taken. */
void case_ask(struct saga_case *c, const char *what);

/* Waits until its history has `n` lines with this event; `step`, `way` ("do", "undo") and `outcome`
 * may be NULL, then they do not count. */
void case_await(struct saga_case *c, const char *event, const char *step, const char *way,
		const char *outcome, size_t n);
/* What the coordinator calls it now; "unknown" if it knows nothing. Borrowed until the
 * next call. */
const char *case_status(const struct saga_case *c);
/* The same of the transaction that the group of `step` is now. */
const char *case_group_status(const struct saga_case *c, size_t step);

/* Waits for its end, or until it is stuck; fails unless it is `status`, and unless the
 * resources agree. */
void case_ends(struct saga_case *c, const char *status);
/* Counts alone: for cases that have ended. */
void case_count(const char *gid);

#endif
