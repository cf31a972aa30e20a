/* workflow.c - see workflow.h. */
#include "saga/workflow.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "saga/input.h"
#include "saga/template.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct branch {
	char *name;
	char *resource;
	char *operation;
	bool read_only;
	struct template *args; /* NULL: none */
};

/* Today every step is an atomic group. */
struct step {
	char *name;
	uint64_t timeout_ms; /* 0: not given */
	bool sequential;
	struct branch *branches;
	size_t n_branches;
};

struct workflow {
	char *name;
	struct inputs *inputs;
	struct step *steps;
	size_t n_steps;
};

/* ---- parsing ---- */

static enum rc refuse(const struct yaml_node *at, struct err *err, const char *text)
{
	return err_set_at(err, RC_INVALID, at->line, at->column, "%s", text);
}

/* What a name may be. */
struct name_rule {
	size_t max;
	bool dots;
};
static const struct name_rule name_dotted = {NAME_MAX_LEN, true};
static const struct name_rule name_plain = {STEP_MAX, false};

/* Reads the name at `key` of `map`, which is `what` ("a branch"). */
static enum rc parse_name(const struct yaml_node *map, const char *key, const char *what,
			  struct name_rule rule, char **out, struct err *err)
{
	const struct yaml_node *node = yaml_get(map, key);

	if (node == NULL)
		return err_set_at(err, RC_INVALID, map->line, map->column,
				  "%s needs a \"%s\": a name", what, key);
	if (node->kind != YAML_SCALAR ||
	    !(rule.dots ? id_valid(node->text, rule.max) : id_valid_plain(node->text, rule.max)))
		return err_set_at(err, RC_INVALID, node->line, node->column,
				  "%s: expected a name of 1 to %zu letters, digits, %s", key,
				  rule.max, rule.dots ? "-, _ and ." : "- and _");
	*out = mem_dup(node->text);
	return RC_OK;
}

static enum rc parse_args(const struct yaml_node *node, const struct inputs *inputs,
			  struct branch *b, struct err *err)
{
	const struct template_scope scope = {inputs_names(inputs)};

	if (node == NULL)
		return RC_OK;
	if (node->kind != YAML_MAP)
		return refuse(node, err, "args: expected a map of names to values");
	return template_parse(node, &scope, &b->args, err);
}

static enum rc parse_branch(const struct yaml_node *map, const struct inputs *inputs,
			    struct branch *b, struct err *err)
{
	static const char *const known[] = {"name", "resource",  "operation",
					    "args", "read_only", NULL};
	const struct yaml_node *read_only = yaml_get(map, "read_only");
	enum rc rc = yaml_only(map, known, "a branch", err);

	if (rc == RC_OK)
		rc = parse_name(map, "name", "a branch", name_plain, &b->name, err);
	if (rc == RC_OK)
		rc = parse_name(map, "resource", "a branch", name_dotted, &b->resource, err);
	if (rc == RC_OK)
		rc = parse_name(map, "operation", "a branch", name_dotted, &b->operation, err);
	if (rc == RC_OK && read_only != NULL)
		rc = yaml_bool(read_only, "read_only", &b->read_only, err);
	if (rc == RC_OK)
		rc = parse_args(yaml_get(map, "args"), inputs, b, err);
	return rc;
}

static enum rc parse_atomic(const struct yaml_node *list, const struct inputs *inputs,
			    struct step *s, struct err *err)
{
	if (list->kind != YAML_LIST || list->count == 0)
		return refuse(list, err, "atomic: expected a list of one branch or more");
	if (list->count > WORKFLOW_BRANCHES_MAX)
		return err_set_at(err, RC_TOO_BIG, list->line, list->column,
				  "atomic: %zu branches; at most %d are allowed", list->count,
				  WORKFLOW_BRANCHES_MAX);
	s->branches = mem_new(list->count, sizeof *s->branches);
	while (s->n_branches < list->count) {
		const size_t at = s->n_branches++; /* counted first, so that it is freed */
		const struct yaml_node *node = list->items[at];
		struct branch *b = &s->branches[at];
		const enum rc rc = parse_branch(node, inputs, b, err);

		if (rc != RC_OK)
			return rc;
		for (size_t i = 0; i < at; i++)
			if (strcmp(s->branches[i].name, b->name) == 0)
				return err_set_at(err, RC_INVALID, node->line, node->column,
						  "the branch \"%s\" was given before, on line %d",
						  b->name, list->items[i]->line);
	}
	return RC_OK;
}

/* The keys that the format reserves for sagas get an answer of their own. */
static enum rc refuse_saga(const struct yaml_node *map, struct err *err)
{
	static const char *const keys[] = {"after",    "when",      "pivot", "compensate", "retry",
					   "resource", "operation", "args",  NULL};

	for (const char *const *key = keys; *key != NULL; key++) {
		const struct yaml_node *node = yaml_get(map, *key);

		if (node != NULL)
			return err_set_at(err, RC_INVALID, node->line, node->column,
					  "a step with \"%s\" is a part of a saga, which this "
					  "version does not support: a step is one atomic group",
					  *key);
	}
	return RC_OK;
}

static enum rc parse_order(const struct yaml_node *node, bool *sequential, struct err *err)
{
	if (node->kind != YAML_SCALAR ||
	    (strcmp(node->text, "parallel") != 0 && strcmp(node->text, "sequential") != 0))
		return refuse(node, err, "order: expected parallel or sequential");
	*sequential = node->text[0] == 's';
	return RC_OK;
}

static enum rc parse_step(const struct yaml_node *map, const struct inputs *inputs, struct step *s,
			  struct err *err)
{
	static const char *const known[] = {"name", "order", "timeout", "atomic", NULL};
	const struct yaml_node *order = yaml_get(map, "order");
	const struct yaml_node *timeout = yaml_get(map, "timeout");
	const struct yaml_node *atomic = yaml_get(map, "atomic");
	enum rc rc = refuse_saga(map, err);

	if (rc == RC_OK)
		rc = yaml_only(map, known, "a step", err);
	if (rc == RC_OK && atomic == NULL)
		rc = refuse(map, err,
			    "a step needs \"atomic\", a list of branches: sagas (steps that are "
			    "calls) are not supported by this version");
	if (rc == RC_OK)
		rc = parse_name(map, "name", "a step", name_plain, &s->name, err);
	if (rc == RC_OK && order != NULL)
		rc = parse_order(order, &s->sequential, err);
	if (rc == RC_OK && timeout != NULL)
		rc = yaml_ms(timeout, "timeout", 1, WORKFLOW_TIMEOUT_MAX_MS, &s->timeout_ms, err);
	if (rc == RC_OK)
		rc = parse_atomic(atomic, inputs, s, err);
	return rc;
}

static enum rc parse_steps(const struct yaml_node *list, struct workflow *w, struct err *err)
{
	enum rc rc = RC_OK;

	if (list->kind != YAML_LIST || list->count == 0)
		return refuse(list, err, "steps: expected a list of one step");
	if (list->count > 1)
		return refuse(list->items[1], err,
			      "a second step: sagas (several steps) are not supported by this "
			      "version; put all branches into the one atomic group");
	w->steps = mem_new(list->count, sizeof *w->steps);
	while (rc == RC_OK && w->n_steps < list->count) {
		const size_t i = w->n_steps++; /* counted first, so that it is freed */

		rc = parse_step(list->items[i], w->inputs, &w->steps[i], err);
	}
	return rc;
}

static enum rc parse_root(const struct yaml_node *root, struct workflow *w, struct err *err)
{
	static const char *const known[] = {"workflow", "input", "steps", NULL};
	const struct yaml_node *steps = yaml_get(root, "steps");
	enum rc rc = yaml_only(root, known, "a workflow", err);

	if (rc == RC_OK)
		rc = parse_name(root, "workflow", "a workflow file", name_dotted, &w->name, err);
	if (rc == RC_OK)
		rc = inputs_parse(yaml_get(root, "input"), &w->inputs, err);
	if (rc == RC_OK && steps == NULL)
		rc = refuse(root, err, "a workflow needs \"steps\": a list of one step");
	if (rc == RC_OK)
		rc = parse_steps(steps, w, err);
	return rc;
}

enum rc workflow_parse(const char *text, size_t size, struct workflow **out, struct err *err)
{
	struct yaml_doc *doc;
	struct workflow *w;
	enum rc rc;

	*out = NULL;
	if (size > WORKFLOW_TEXT_MAX)
		return err_set(err, RC_TOO_BIG,
			       "the workflow has %zu bytes; at most %d are allowed", size,
			       WORKFLOW_TEXT_MAX);
	rc = yaml_parse(text, size, &doc, err);
	if (rc != RC_OK)
		return rc;
	w = mem_new(1, sizeof *w);
	rc = parse_root(yaml_root(doc), w, err);
	yaml_doc_free(doc);
	if (rc != RC_OK) {
		workflow_free(w);
		return rc;
	}
	*out = w;
	return RC_OK;
}

static void step_fini(struct step *s)
{
	for (size_t i = 0; i < s->n_branches; i++) {
		free(s->branches[i].name);
		free(s->branches[i].resource);
		free(s->branches[i].operation);
		template_free(s->branches[i].args);
	}
	free(s->branches);
	free(s->name);
}

void workflow_free(struct workflow *w)
{
	if (w == NULL)
		return;
	for (size_t i = 0; i < w->n_steps; i++)
		step_fini(&w->steps[i]);
	free(w->steps);
	inputs_free(w->inputs);
	free(w->name);
	free(w);
}

const char *workflow_name(const struct workflow *w)
{
	return w->name;
}

/* ---- binding ---- */

/* Fills `out`; what the arguments come to is taken off `*left`, the plan's room. */
static enum rc bind_branch(const struct step *s, const struct branch *b, const json_t *input,
			   size_t *left, struct plan_branch *out, struct err *err)
{
	struct jsonbuf args = {.max = *left < WORKFLOW_ARGS_MAX ? *left : WORKFLOW_ARGS_MAX};
	enum rc rc = RC_OK;

	out->name = mem_printf("%s.%s", s->name, b->name);
	out->resource = mem_dup(b->resource);
	out->operation = mem_dup(b->operation);
	out->read_only = b->read_only;
	if (b->args != NULL)
		rc = template_render(b->args, input, &args, err);
	else
		jsonbuf_text(&args, "{}");
	if (rc == RC_OK && args.over)
		rc = err_set(err, RC_TOO_BIG, "no room for arguments");
	if (rc == RC_OK) {
		*left -= args.size;
		out->args = jsonbuf_take(&args);
	} else if (rc == RC_TOO_BIG) {
		err_set(err, rc,
			"the arguments of \"%s\" come to more than %d bytes, or those of all "
			"branches to more than %d",
			out->name, WORKFLOW_ARGS_MAX, WORKFLOW_PLAN_MAX);
	} else {
		err_wrap(err, "the arguments of \"%s\"", out->name);
	}
	jsonbuf_fini(&args);
	return rc;
}

enum rc workflow_bind(const struct workflow *w, const json_t *input, struct plan *plan,
		      struct err *err)
{
	const struct step *s = &w->steps[0];
	size_t left = WORKFLOW_PLAN_MAX;
	json_t *bound;
	enum rc rc;

	memset(plan, 0, sizeof *plan);
	assert(w->n_steps == 1); /* parse_steps saw to it */
	rc = inputs_bind(w->inputs, input, &bound, err);
	if (rc != RC_OK)
		return rc;
	plan->workflow = mem_dup(w->name);
	plan->timeout_ms = s->timeout_ms;
	plan->sequential = s->sequential;
	plan->branches = mem_new(s->n_branches, sizeof *plan->branches);
	while (rc == RC_OK && plan->n_branches < s->n_branches) {
		const size_t i = plan->n_branches++; /* counted first, so that it is freed */

		rc = bind_branch(s, &s->branches[i], bound, &left, &plan->branches[i], err);
	}
	json_decref(bound);
	if (rc != RC_OK)
		plan_fini(plan);
	return rc;
}

void plan_fini(struct plan *plan)
{
	for (size_t i = 0; i < plan->n_branches; i++) {
		free(plan->branches[i].name);
		free(plan->branches[i].resource);
		free(plan->branches[i].operation);
		free(plan->branches[i].args);
	}
	free(plan->branches);
	free(plan->workflow);
	memset(plan, 0, sizeof *plan);
}
