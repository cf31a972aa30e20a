/* fill.c - see workflow.h: the data of one transaction, filled in. */
#include "base/mem.h"
#include "base/word.h"
#include "saga/eval.h"
#include "saga/input.h"
#include "saga/template.h"
#include "saga/workflow.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum rc workflow_input(const struct workflow *w, const json_t *given, json_t **out, struct err *err)
{
	return inputs_bind(w->inputs, given, out, err);
}

static enum rc render_args(struct eval *eval, const struct template *args, size_t most, char **out,
			   struct err *err)
{
	struct jsonbuf text = {.max = most};
	enum rc rc = template_render(args, eval, &text, err);

	if (text.over)
		rc = RC_TOO_BIG;
	if (rc == RC_OK)
		*out = mem_dup_bytes(jsonbuf_peek(&text), text.size);
	jsonbuf_fini(&text);
	return rc;
}

/* Arguments as a JSON object's text; `*left` is the room that all of them have.  They are
 * kept until the work is done, so in no more memory than they need. */
static enum rc fill_args(struct eval *eval, const struct template *args, size_t *left, char **out,
			 struct err *err)
{
	const size_t most = *left < WORKFLOW_ARGS_MAX ? *left : WORKFLOW_ARGS_MAX;
	const char *constant = args == NULL ? "{}" : template_constant(args);
	enum rc rc = RC_OK;

	*out = NULL;
	if (constant == NULL)
		rc = render_args(eval, args, most, out, err);
	else if (strlen(constant) > most)
		rc = RC_TOO_BIG;
	else
		*out = mem_dup(constant);
	if (rc == RC_OK)
		*left -= strlen(*out);
	return rc;
}

static enum rc fill_branch(struct eval *eval, const struct work_branch *b, size_t *left,
			   struct plan_branch *out, struct err *err)
{
	enum rc rc;

	out->name = word_hold(b->name);
	out->resource = word_hold(b->resource);
	out->operation = word_hold(b->operation);
	out->read_only = b->read_only;
	rc = fill_args(eval, b->args, left, &out->args, err);
	if (rc == RC_TOO_BIG)
		return err_set(err, rc,
			       "the arguments of \"%s\" come to more than %d bytes, or those of "
			       "all branches to more than %d",
			       out->name, WORKFLOW_ARGS_MAX, WORKFLOW_PLAN_MAX);
	if (rc != RC_OK)
		err_wrap(err, "the arguments of \"%s\"", out->name);
	return rc;
}

enum rc workflow_group(const struct workflow *w, size_t step, bool undo,
		       const struct workflow_data *data, struct plan *plan, struct err *err)
{
	const struct work *work = undo ? &w->steps[step].undo : &w->steps[step].action;
	struct eval eval = {.workflow = w, .data = data};
	size_t left = WORKFLOW_PLAN_MAX;
	enum rc rc = RC_OK;

	assert(step < w->n_steps && work->kind == WORK_ATOMIC);
	memset(plan, 0, sizeof *plan);
	plan->workflow = mem_dup(w->name);
	plan->timeout_ms = work->timeout_ms;
	plan->sequential = work->sequential;
	plan->branches = mem_new(work->n_branches, sizeof *plan->branches);
	while (rc == RC_OK && plan->n_branches < work->n_branches) {
		const size_t i = plan->n_branches++; /* counted first, so that it is freed */

		rc = fill_branch(&eval, &work->branches[i], &left, &plan->branches[i], err);
	}
	eval_fini(&eval);
	if (rc != RC_OK)
		plan_fini(plan);
	return rc;
}

void plan_fini(struct plan *plan)
{
	for (size_t i = 0; i < plan->n_branches; i++) {
		word_drop(plan->branches[i].name);
		word_drop(plan->branches[i].resource);
		word_drop(plan->branches[i].operation);
		free(plan->branches[i].args);
	}
	free(plan->branches);
	free(plan->workflow);
	memset(plan, 0, sizeof *plan);
}

enum rc workflow_args(const struct workflow *w, size_t step, bool undo,
		      const struct workflow_data *data, char **args, struct err *err)
{
	const struct def_step *s = &w->steps[step];
	const struct work *work = undo ? &s->undo : &s->action;
	struct eval eval = {.workflow = w, .data = data};
	size_t left = WORKFLOW_ARGS_MAX;
	enum rc rc;

	assert(step < w->n_steps && work->kind == WORK_CALL);
	rc = fill_args(&eval, work->args, &left, args, err);
	eval_fini(&eval);
	if (rc == RC_TOO_BIG)
		return err_set(err, rc, "the arguments of %s\"%s\" come to more than %d bytes",
			       undo ? "the compensation of " : "", s->name, WORKFLOW_ARGS_MAX);
	if (rc != RC_OK)
		err_wrap(err, "the arguments of %s\"%s\"", undo ? "the compensation of " : "",
			 s->name);
	return rc;
}

enum rc workflow_when(const struct workflow *w, size_t step, const struct workflow_data *data,
		      bool *run, struct err *err)
{
	const struct def_step *s = &w->steps[step];
	struct eval eval = {.workflow = w, .data = data};
	enum rc rc;

	assert(step < w->n_steps);
	*run = true;
	if (s->when == NULL)
		return RC_OK;
	rc = eval_bool(&eval, s->when, run, err);
	eval_fini(&eval);
	if (rc != RC_OK)
		err_wrap(err, "`when` of \"%s\"", s->name);
	return rc;
}
