/* eval.c - see eval.h. */
#include "saga/eval.h"
#include "base/mem.h"
#include "saga/saga.h"

#include <stdlib.h>
#include <string.h>

void eval_fini(struct eval *e)
{
	for (size_t i = 0; e->outputs != NULL && i < e->workflow->n_steps; i++)
		json_decref(e->outputs[i]);
	free(e->outputs);
	json_decref(e->text);
	sandbox_free(e->sandbox);
	*e = (struct eval){0};
}

/* ---- what steps gave ---- */

static const char *status_of(const struct eval *e, size_t step)
{
	const struct saga *s = e->data->saga;

	return step_state_name(s != NULL ? s->steps[step].state : STEP_WAITING);
}

/* Reads the output of a step, once; `*out` is NULL if it gave none. */
static enum rc output_of(struct eval *e, size_t step, const json_t **out, struct err *err)
{
	const char *text = e->data->saga != NULL ? e->data->saga->steps[step].output : NULL;
	json_error_t why;

	*out = NULL;
	if (text == NULL)
		return RC_OK;
	if (e->outputs == NULL)
		e->outputs = mem_new(e->workflow->n_steps, sizeof *e->outputs);
	if (e->outputs[step] == NULL) {
		e->outputs_size += strlen(text);
		if (e->outputs_size > WORKFLOW_OUTPUTS_MAX)
			return err_set(err, RC_INVALID,
				       "the outputs that it reads come to more than %d bytes",
				       WORKFLOW_OUTPUTS_MAX);
		e->outputs[step] = json_loads(text, JSON_DECODE_ANY, &why);
		if (e->outputs[step] == NULL)
			return err_set(err, RC_INVALID,
				       "the output of the step \"%s\" cannot be read: %.100s",
				       e->workflow->steps[step].name, why.text);
	}
	*out = e->outputs[step];
	return RC_OK;
}

/* ---- paths ---- */

/* The value at the end of a path; NULL: missing.  Borrowed. */
static enum rc find(struct eval *e, const struct expr *x, const json_t **out, struct err *err)
{
	const char *field = x->fields;
	const json_t *value = NULL;
	enum rc rc = RC_OK;

	switch (x->root) {
	case ROOT_INPUT: value = e->data->input; break;
	case ROOT_OUTPUT: rc = output_of(e, x->step, &value, err); break;
	case ROOT_GID:
	case ROOT_STATUS:
		json_decref(e->text);
		e->text = json_string(x->root == ROOT_GID ? e->data->gid : status_of(e, x->step));
		value = e->text;
		break;
	case ROOT_NULL: value = json_null(); break;
	case ROOT_SCRIPT: abort(); /* eval_… asked before */
	}
	for (size_t i = 0; i < x->n_fields && value != NULL; i++) {
		value = json_object_get(value, field); /* NULL also if it is no object */
		field += strlen(field) + 1;
	}
	*out = value;
	return rc;
}

static const char *kind_of(const json_t *value)
{
	return value == NULL           ? "missing"
	       : json_is_object(value) ? "an object"
	       : json_is_array(value)  ? "a list"
				       : "null";
}

static enum rc path_text(const json_t *value, struct jsonbuf *out, struct err *err)
{
	if (json_is_string(value))
		jsonbuf_escape(out, json_string_value(value), json_string_length(value));
	else if (json_is_number(value) || json_is_boolean(value))
		jsonbuf_value(out, value);
	else
		return err_set(err, RC_INVALID, "it is %s, which cannot stand inside a longer text",
			       kind_of(value));
	return RC_OK;
}

/* ---- scripts ---- */

static enum rc run(struct eval *e, const struct expr *x, struct err *err)
{
	struct sandbox_step *steps = mem_new(x->n_steps, sizeof *steps);
	const struct sandbox_env env = {
		.gid = e->data->gid,
		.input = e->data->input,
		.inputs = x->inputs,
		.n_inputs = x->n_inputs,
		.whole_input = x->whole_input,
		.steps = steps,
		.n_steps = x->n_steps,
	};
	enum rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && i < x->n_steps; i++) {
		steps[i].name = e->workflow->steps[x->steps[i]].name;
		steps[i].status = status_of(e, x->steps[i]);
		rc = output_of(e, x->steps[i], &steps[i].output, err);
	}
	if (e->sandbox == NULL)
		e->sandbox = sandbox_new();
	if (rc == RC_OK)
		rc = sandbox_run(e->sandbox, x->source, x->size, &env, err);
	free(steps);
	return rc;
}

/* ---- public ---- */

static enum rc named(enum rc rc, const struct expr *x, struct err *err)
{
	if (rc != RC_OK)
		err_wrap(err, "${%s}", x->shown);
	return rc;
}

enum rc eval_json(struct eval *e, const struct expr *x, struct jsonbuf *out, struct err *err)
{
	const json_t *value;
	enum rc rc;

	if (x->root == ROOT_SCRIPT) {
		rc = run(e, x, err);
		if (rc == RC_OK)
			rc = sandbox_json(e->sandbox, out, err);
	} else {
		rc = find(e, x, &value, err);
		if (rc == RC_OK && value != NULL)
			jsonbuf_value(out, value);
		else if (rc == RC_OK)
			jsonbuf_text(out, "null");
	}
	return named(rc, x, err);
}

enum rc eval_text(struct eval *e, const struct expr *x, struct jsonbuf *out, struct err *err)
{
	const json_t *value;
	enum rc rc;

	if (x->root == ROOT_SCRIPT) {
		rc = run(e, x, err);
		if (rc == RC_OK)
			rc = sandbox_text(e->sandbox, out, err);
	} else {
		rc = find(e, x, &value, err);
		if (rc == RC_OK)
			rc = path_text(value, out, err);
	}
	return named(rc, x, err);
}

enum rc eval_bool(struct eval *e, const struct expr *x, bool *out, struct err *err)
{
	const json_t *value;
	enum rc rc;

	if (x->root == ROOT_SCRIPT) {
		rc = run(e, x, err);
		if (rc == RC_OK)
			rc = sandbox_bool(e->sandbox, out, err);
	} else {
		rc = find(e, x, &value, err);
		if (rc == RC_OK && !json_is_boolean(value))
			rc = err_set(err, RC_INVALID, "it must be true or false, and is %s",
				     json_is_string(value)   ? "a text"
				     : json_is_number(value) ? "a number"
							     : kind_of(value));
		*out = rc == RC_OK && json_is_true(value);
	}
	return named(rc, x, err);
}
