/* view.h - records as the JSON that clients see.  Pure.
 * Thread: any. */
#ifndef COORDINATOR_VIEW_H
#define COORDINATOR_VIEW_H

#include "coordinator/record.h"

#include <jansson.h>

/* What a saga's record does not hold itself; each function may be NULL.
 * What they return is borrowed for the call of view_record. */
struct view_more {
	/* The transaction that runs, or last ran, the atomic group of a step; NULL: none. */
	const struct record *(*group)(size_t step, void *arg);
	/* When the step is tried again (wall µs); 0: that is not planned. */
	uint64_t (*next_attempt)(size_t step, void *arg);
	/* Whether it waits for an agent of its resource that can take it. */
	bool (*queued)(size_t step, void *arg);
	void *arg;
};

/* One transaction with its branches: {gid, status, workflow, version?, reason?, input?,
 * created, deadline?, finished?, steps}, as text for free().
 *   plain   steps: [{name, status, branches: [{name, resource, operation, status,
 *           agent?, output?, reason?}]}]
 *   a saga  steps: [{name, kind: call or atomic, status, pivot?, resource?, operation?,
 *           attempts, direction?: do or undo, undo?: {resource, operation}, output?,
 *           reason?, agent?, next_attempt?, queued?, transaction?, branches?}]
 * `more` is for sagas only; NULL: nothing more is known. */
char *view_record(const struct record *r, const struct view_more *more);

/* The row of a list: without input and branches; for free(). */
char *view_row(const struct record *r);

/* Dumps compactly and drops the reference; give the text to free(). */
char *view_dump(json_t *json);

#endif
