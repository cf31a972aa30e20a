/* scope.h - what an expression at some place of a file may refer to, and where
 * problems go.  Thread: the owner's. */
#ifndef SAGA_SCOPE_H
#define SAGA_SCOPE_H

#include "saga/names.h"
#include "saga/order.h"
#include "saga/problems.h"

struct sandbox;

/* One for a file; the members that tell the place change as the file is read. */
struct scope {
	struct problems *problems;
	const struct names *inputs;
	const struct names *steps;
	const struct order *order; /* which steps come before which */
	size_t step;               /* whose value it is */
	bool undo;                 /* in its compensation: its own result may be used */
	bool constant;             /* a default: no expressions at all */
	struct sandbox *checker;   /* made when the first expression needs it */
	bool scripts_over;         /* too many: said already */
	size_t script_bytes;       /* so far */
	size_t scripts;            /* expressions so far that need Lua */
};

#endif
