/* steps.h - the steps of a workflow file: reading them, their order, and the rules
 * that hold between them.  Thread: the owner's. */
#ifndef SAGA_STEPS_H
#define SAGA_STEPS_H

#include "saga/definition.h"
#include "saga/problems.h"

/* Reads `list`, the value of `steps:`, into `w`, whose inputs are read already. */
void steps_read(struct problems *p, const struct yaml_node *list, struct workflow *w);

/* Frees the steps of `w`, half-made ones as well. */
void steps_free(struct workflow *w);

#endif
