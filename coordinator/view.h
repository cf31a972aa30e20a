/* view.h - records as the JSON that clients see.  Pure.
 * Thread: any. */
#ifndef COORDINATOR_VIEW_H
#define COORDINATOR_VIEW_H

#include "coordinator/record.h"

#include <jansson.h>

/* One transaction with its branches: {gid, status, workflow, reason?, input?,
 * created, finished?, steps: [{name, status, branches: [{name, resource,
 * operation, status, agent?, output?, reason?}]}]}.  A new reference. */
json_t *view_record(const struct record *r);

/* The row of a list: without input and branches. */
json_t *view_row(const struct record *r);

/* Dumps compactly and drops the reference; give the text to free(). */
char *view_dump(json_t *json);

#endif
