/* problems.h - what is wrong with a file: all of it, not only the first.
 *
 * Reading goes on after a problem, so that a person mends a file in one go.
 * At most PROBLEMS_MAX are kept; the last then says that there are more.
 * Thread: the owner's. */
#ifndef SAGA_PROBLEMS_H
#define SAGA_PROBLEMS_H

#include "base/err.h"
#include "base/yaml.h"

#include <stdbool.h>
#include <stddef.h>

enum { PROBLEMS_MAX = 100 };

/* Zero it. */
struct problems {
	struct err *all; /* in the order of their places once problems_sort was called */
	size_t count;
	bool more; /* some were not kept */
};

/* Adds one at a place; `code` is RC_INVALID or RC_TOO_BIG. */
void problem_add(struct problems *p, enum rc code, const struct yaml_node *at, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Adds a copy of what a function gave that stops at its first. */
void problem_take(struct problems *p, const struct err *err);

/* Puts them in the order of lines and columns; says in the last if there are more. */
void problems_sort(struct problems *p);
void problems_fini(struct problems *p);

#endif
