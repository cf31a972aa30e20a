/* workflow.h - workflow files: parsing, validating, and filling in the data.
 *
 * Thread: no shared state; any.  Pure: no I/O. */
#ifndef SAGA_WORKFLOW_H
#define SAGA_WORKFLOW_H

#include "base/err.h"
#include "saga/definition.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	WORKFLOW_TEXT_MAX = 1 << 20, /* bytes */
	WORKFLOW_STEPS_MAX = 1000,   /* steps and branches of a file, all together */
	WORKFLOW_BRANCHES_MAX = 1000,
	WORKFLOW_INPUTS_MAX = 1000,     /* declared names */
	WORKFLOW_INPUT_MAX = 1 << 20,   /* bytes of JSON */
	WORKFLOW_ARGS_MAX = 1 << 20,    /* bytes of JSON of one branch or call */
	WORKFLOW_PLAN_MAX = 8 << 20,    /* bytes of JSON of all branches */
	WORKFLOW_OUTPUTS_MAX = 2 << 20, /* bytes of steps' outputs that one call may read */
	WORKFLOW_TIMEOUT_MAX_MS = 24 * 3600 * 1000,
	WORKFLOW_DEADLINE_MAX_DAYS = 366,
	WORKFLOW_PROBLEMS_MAX = 100, /* reported of one file; the last says that there are more */
	RETRY_ATTEMPTS_MAX = 1000000,
	/* Standards: 5 attempts of an action, 10 of a compensation, 200ms to 30s between. */
};

/* Parses YAML or JSON text. RC_OK gives `*out`; RC_INVALID and RC_TOO_BIG say
 * where (line, column) and what was expected: the first problem of the file. */
enum rc workflow_parse(const char *text, size_t size, struct workflow **out, struct err *err);
void workflow_free(struct workflow *w);

/* Every problem of the file, in the order of its lines, at most WORKFLOW_PROBLEMS_MAX;
 * returns how many there are (0: it is good).  `each` gets line, column and text. */
size_t workflow_validate(const char *text, size_t size,
			 void (*each)(const struct err *problem, void *arg), void *arg);

/* Checks what was given (an object, or NULL for none) against `input:` and fills in
 * the defaults: an object for json_decref. RC_INVALID names the input; RC_TOO_BIG. */
enum rc workflow_input(const struct workflow *w, const json_t *given, json_t **out,
		       struct err *err);

/* ---- plain transactions (not w->saga), and atomic groups of a saga ---- */

/* One branch, ready to be sent. */
struct plan_branch {
	const char *name; /* `step.branch`; these three are held (base/word.h) */
	const char *resource;
	const char *operation;
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
void plan_fini(struct plan *plan);

struct saga;

/* What expressions read.  `input` as workflow_input gave it; `saga` may be NULL for a
 * plain transaction.  The names in an expression: `input`, `steps.NAME.output` (missing
 * unless the step gave one), `steps.NAME.status` ("done", "skipped", "waiting", …: the
 * words of step_state_name), `gid`, `null`. */
struct workflow_data {
	const char *gid;
	const json_t *input;
	const struct saga *saga;
};

/* Fills `plan` from the only step of a plain transaction, or from the group that is
 * the action (or with `undo` the compensation) of `step`.  Owned by the caller until
 * plan_fini; on failure it is zeroed.
 *   RC_INVALID  an expression failed or ran away: the text names step and expression
 *   RC_TOO_BIG  the arguments are over a cap */
enum rc workflow_group(const struct workflow *w, size_t step, bool undo,
		       const struct workflow_data *data, struct plan *plan, struct err *err);

/* The arguments of a call: a JSON object's text for free(). Errors as above. */
enum rc workflow_args(const struct workflow *w, size_t step, bool undo,
		      const struct workflow_data *data, char **args, struct err *err);

/* Whether the step is to run.  Errors as above; also if `when` gave no true or false. */
enum rc workflow_when(const struct workflow *w, size_t step, const struct workflow_data *data,
		      bool *run, struct err *err);

#endif
