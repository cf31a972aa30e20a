/* pg_output.h - an operation's rows as JSON: an array of objects.
 *
 * Rule: what does not fit in PAYLOAD_MAX, or is not UTF-8, is never passed on in
 * part: the branch is refused.
 * Thread: no shared state. */
#ifndef ADAPTERS_PG_OUTPUT_H
#define ADAPTERS_PG_OUTPUT_H

#include "wire/frame.h"

#include <libpq-fe.h>

struct pg_output {
	char *text;
	size_t size, room;
	size_t rows;
	bool open;     /* has result columns; the array is begun */
	bool too_big;  /* over the cap: the text was dropped */
	bool bad_text; /* some value is not UTF-8 */
};

/* Appends the rows of `res`, which may be one of several results. */
void pg_output_add(struct pg_output *o, const PGresult *res);
/* The finished array, or nothing if the statement has no result columns. */
struct bytes pg_output_finish(struct pg_output *o);
void pg_output_fini(struct pg_output *o);

#endif
