/* definition.h - a workflow as plain data: what workflow_parse makes of a file.
 *
 * It never changes once made and may be read by any thread.  A workflow that is a
 * single atomic group with nothing around it is a plain distributed transaction;
 * every other one is a saga (workflow_is_saga).
 * Facts that hold in each (workflow_parse refuses what breaks one):
 *   - steps are in the file's order; `after` holds no cycle; `before` is its mirror;
 *   - there is at most one pivot, and every other step comes before or after it
 *     (through `after`, directly or not), so that nothing else runs while it does;
 *   - a step that comes after the pivot has no undo; the pivot has none either; each
 *     other step has one, or said `compensate: none`;
 *   - an expression refers only to steps that come before its own step (an undo also
 *     to its own step), directly or not. */
#ifndef SAGA_DEFINITION_H
#define SAGA_DEFINITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct template;
struct expr;
struct inputs;

struct retry {
	uint32_t attempts; /* all in all, 1 or more */
	uint64_t first_ms, max_ms;
};

enum work_kind { WORK_NONE, WORK_CALL, WORK_ATOMIC };

struct work_branch {
	char *name; /* `step.branch` */
	char *resource;
	char *operation;
	bool read_only;
	struct template *args; /* NULL: none */
};

/* What an action or a compensation does. */
struct work {
	enum work_kind kind;
	char *resource, *operation;   /* WORK_CALL */
	struct template *args;        /* WORK_CALL; NULL: none */
	struct work_branch *branches; /* WORK_ATOMIC */
	size_t n_branches;
	bool sequential;
	uint64_t timeout_ms; /* of one attempt; 0: the coordinator's default */
	struct retry retry;
};

struct def_step {
	char *name;
	struct work action;
	struct work undo; /* WORK_NONE: `compensate: none`, or there is no need for one */
	bool pivot;
	struct expr *when;           /* NULL: always */
	uint64_t complete_within_ms; /* how long it may be pending; 0: until the deadline */
	uint32_t *after, *before;    /* direct predecessors and successors, as indices */
	size_t n_after, n_before;
};

struct workflow {
	char *name;
	struct inputs *inputs;
	uint64_t deadline_ms; /* of the whole; 0: the coordinator's default */
	struct def_step *steps;
	size_t n_steps;
	size_t pivot; /* SIZE_MAX: none */
	bool saga;
};

#endif
