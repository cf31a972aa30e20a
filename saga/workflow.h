/* workflow.h - workflow files: parsing, and binding one to its input.
 *
 * A workflow names steps; today exactly one step, an atomic group of branches.
 * Parsing gives a tree that never changes afterwards; binding gives the plan of
 * one transaction: every branch with its arguments as JSON.
 * Thread: no shared state; any.  Pure: no I/O. */
#ifndef SAGA_WORKFLOW_H
#define SAGA_WORKFLOW_H

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	WORKFLOW_TEXT_MAX = 1 << 20, /* bytes */
	WORKFLOW_BRANCHES_MAX = 1000,
	WORKFLOW_INPUTS_MAX = 1000,   /* declared names */
	WORKFLOW_INPUT_MAX = 1 << 20, /* bytes of JSON */
	WORKFLOW_ARGS_MAX = 1 << 20,  /* bytes of JSON of one branch */
	WORKFLOW_PLAN_MAX = 8 << 20,  /* bytes of JSON of all branches */
	WORKFLOW_TIMEOUT_MAX_MS = 24 * 3600 * 1000,
};

struct workflow;

/* One branch, ready to be sent. */
struct plan_branch {
	char *name; /* `step.branch` */
	char *resource;
	char *operation;
	char *args; /* a JSON object */
	bool read_only;
};

struct plan {
	char *workflow;      /* its name */
	uint64_t timeout_ms; /* of the atomic group; 0: the coordinator's default */
	bool sequential;     /* prepare in the listed order, one after another */
	struct plan_branch *branches;
	size_t n_branches;
};

/* Parses YAML or JSON text. RC_OK gives `*out`; RC_INVALID and RC_TOO_BIG say
 * where (line, column) and what was expected. */
enum rc workflow_parse(const char *text, size_t size, struct workflow **out, struct err *err);
void workflow_free(struct workflow *w);
const char *workflow_name(const struct workflow *w);

/* Fills `plan` from `input`, a JSON object or NULL for none.  Owned by the caller
 * until plan_fini; on failure it is zeroed.
 *   RC_INVALID  an input is missing, unknown, or not of use where it is referred
 *               to; the text names it
 *   RC_TOO_BIG  the input, or the arguments that come of it, are over a cap */
enum rc workflow_bind(const struct workflow *w, const json_t *input, struct plan *plan,
		      struct err *err);
void plan_fini(struct plan *plan);

#endif
