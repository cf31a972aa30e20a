/* work.h - what a step or its compensation does, read from the file's tree: a call,
 * or an atomic group.  Thread: the owner's. */
#ifndef SAGA_WORK_H
#define SAGA_WORK_H

#include "saga/definition.h"
#include "saga/scope.h"

/* Reads the action from a step's map, of which the keys are checked already. */
void work_read_action(struct scope *scope, const struct yaml_node *map, struct work *work);

/* Reads `compensate`; `action` is what it undoes. */
void work_read_undo(struct scope *scope, const struct yaml_node *node, const struct work *action,
		    struct work *undo);

/* Puts `step.branch` in the place of each branch's name. */
void work_name_branches(struct work *work, const char *step);

/* How much of WORKFLOW_STEPS_MAX it takes: a call 1, a group its branches. */
size_t work_size(const struct work *work);

void work_fini(struct work *work);

#endif
