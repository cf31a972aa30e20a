/* problem.h - what was wrong, where, as RFC 9457's application/problem+json.
 * Pure.  Thread: any. */
#ifndef COORDINATOR_PROBLEM_H
#define COORDINATOR_PROBLEM_H

#include <jansson.h>

#define PROBLEM_TYPE "application/problem+json"

/* `detail` is for the person who reads it. `where` names the part of the request
 * ("definition", "input", "body"; NULL: the whole); line and column count from 1
 * within it, 0: unknown. */
struct problem {
	unsigned status;
	const char *detail;
	const char *where;
	int line, column;
};

/* The JSON text: {type, title, status, detail, where?, line?, column?}; give it
 * to free().  Bytes of `detail` that are not UTF-8 become `?`. */
char *problem_json(const struct problem *p);

/* The place alone, {where, line?, column?}: what the engine gives beside a text that
 * refuses (ports.h).  Give it to free(). */
char *problem_place(const char *where, int line, int column);

/* A text as a JSON string, its bytes that are not UTF-8 as `?`. */
json_t *problem_text(const char *text);

/* "Not Found" and so on, for the statuses that this program uses. */
const char *problem_title(unsigned status);

#endif
