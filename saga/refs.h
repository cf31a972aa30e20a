/* refs.h - which names a Lua expression uses, checked against what may be used.
 * Thread: the owner's. */
#ifndef SAGA_REFS_H
#define SAGA_REFS_H

#include "saga/expr.h"

/* Fills what `e`, a script, mentions. False after problems. */
bool refs_find(struct scope *scope, const struct yaml_node *at, struct expr *e);

/* Checks a name of an input, or of a step whose result is read; for the latter the
 * step is `*step`. False after a problem. */
bool refs_input(struct scope *scope, const struct yaml_node *at, const char *shown,
		const char *name, size_t size);
bool refs_step(struct scope *scope, const struct yaml_node *at, const char *shown, const char *name,
	       size_t size, size_t *step);

#endif
