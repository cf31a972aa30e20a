/* eval.h - the data of one call of workflow_args and its kind, and what is computed
 * of it.
 *
 * Made anew for each call: so that nothing is kept of one for the next, and the
 * budgets of sandbox.h hold for the call.  The output of a step is read when an
 * expression first asks for it.  Thread: the owner's.  Pure. */
#ifndef SAGA_EVAL_H
#define SAGA_EVAL_H

#include "saga/expr.h"
#include "saga/sandbox.h"
#include "saga/workflow.h"

/* Zero it, but for the first two, which are borrowed. */
struct eval {
	const struct workflow *workflow;
	const struct workflow_data *data;
	json_t **outputs; /* of each step; NULL: not read yet */
	size_t outputs_size;
	json_t *text; /* the last gid or status that was asked for */
	struct sandbox *sandbox;
};
void eval_fini(struct eval *e);

/* Writes the value of an expression as JSON; missing is null.  RC_INVALID has the
 * expression and what went wrong. */
enum rc eval_json(struct eval *e, const struct expr *x, struct jsonbuf *out, struct err *err);

/* The same, as a part of a text: the inside of a JSON string. */
enum rc eval_text(struct eval *e, const struct expr *x, struct jsonbuf *out, struct err *err);

/* The same, of an expression that is true or false. */
enum rc eval_bool(struct eval *e, const struct expr *x, bool *out, struct err *err);

#endif
