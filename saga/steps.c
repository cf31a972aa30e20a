/* steps.c - see steps.h.
 *
 * In three passes, since each needs what the one before it found: names; who comes
 * after whom; and all the rest, with expressions that may refer to earlier steps. */
#include "saga/steps.h"
#include "base/mem.h"
#include "saga/expr.h"
#include "saga/input.h"
#include "saga/lexer.h"
#include "saga/read.h"
#include "saga/sandbox.h"
#include "saga/work.h"
#include "saga/workflow.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct reading {
	struct problems *problems;
	struct workflow *w;
	struct step_nodes *nodes;
	const char **list; /* the names; "" where there is none */
	struct names names;
	struct order *order;
};

static const char *const step_keys[] = {
	"name",   "after", "when",  "pivot",   "resource",   "operation",       "args",
	"atomic", "order", "retry", "timeout", "compensate", "complete_within", NULL,
};

/* ---- first: names ---- */

static void read_names(struct reading *r, const struct yaml_node *list)
{
	struct workflow *w = r->w;

	for (size_t i = 0; i < w->n_steps; i++) {
		const struct yaml_node *map = list->items[i];
		size_t before;

		r->nodes[i].map = map;
		r->nodes[i].after = yaml_get(map, "after");
		if (read_keys(r->problems, map, step_keys, "a step"))
			w->steps[i].name =
				read_name(r->problems, map, "name", "a step", name_plain);
		r->list[i] = w->steps[i].name != NULL ? w->steps[i].name : "";
		for (before = 0; before < i && w->steps[i].name != NULL; before++) {
			if (strcmp(r->list[before], r->list[i]) != 0)
				continue;
			problem_add(r->problems, RC_INVALID, yaml_get(map, "name"),
				    "the step \"%s\" was given before, on line %d", r->list[i],
				    list->items[before]->line);
			break;
		}
	}
	names_init(&r->names, r->list);
}

/* ---- second: the order ---- */

static void add_after(struct reading *r, size_t step, const struct yaml_node *node)
{
	struct def_step *s = &r->w->steps[step];
	size_t first = SIZE_MAX;
	const char *near;

	if (node->kind == YAML_SCALAR && node->text[0] != '\0')
		first = names_find(&r->names, node->text, strlen(node->text));
	r->nodes[step].unsure = true; /* unless all goes well */
	if (node->kind != YAML_SCALAR) {
		problem_add(r->problems, RC_INVALID, node, "after: expected the name of a step");
		return;
	}
	if (first == SIZE_MAX) {
		near = nearest_word(node->text, r->list);
		problem_add(r->problems, RC_INVALID, node,
			    "after: there is no step \"%.60s\"%s%s%s", node->text,
			    near != NULL && *near ? "; did you mean \"" : "",
			    near != NULL ? near : "", near != NULL && *near ? "\"?" : "");
		return;
	}
	r->nodes[step].unsure = false;
	if (first == step) {
		problem_add(r->problems, RC_INVALID, node,
			    "after: the step \"%s\" cannot come after itself", s->name);
		return;
	}
	for (size_t i = 0; i < s->n_after; i++) {
		if (s->after[i] == first) {
			problem_add(r->problems, RC_INVALID, node,
				    "after: the step \"%s\" is named twice", node->text);
			return;
		}
	}
	s->after[s->n_after++] = (uint32_t)first;
}

static void read_after(struct reading *r, size_t step)
{
	const struct yaml_node *node = r->nodes[step].after;
	struct def_step *s = &r->w->steps[step];
	const size_t count = node == NULL ? 0 : node->kind == YAML_LIST ? node->count : 1;
	bool unsure = false;

	if (count == 0)
		return;
	if (node->kind == YAML_MAP) {
		problem_add(r->problems, RC_INVALID, node,
			    "after: expected the name of a step, or a list of names");
		r->nodes[step].unsure = true;
		return;
	}
	s->after = mem_new(count, sizeof *s->after);
	for (size_t i = 0; i < count; i++) {
		add_after(r, step, node->kind == YAML_LIST ? node->items[i] : node);
		unsure = unsure || r->nodes[step].unsure;
	}
	r->nodes[step].unsure = unsure;
}

/* ---- third: the rest of each step ---- */

static void read_when(struct scope *scope, const struct yaml_node *map, struct def_step *s)
{
	const struct yaml_node *node = yaml_get(map, "when");
	const char *text, *end = NULL, *why = NULL;

	if (node == NULL)
		return;
	text = node->kind == YAML_SCALAR ? node->text : "";
	while (isspace((unsigned char)*text))
		text++;
	if (strncmp(text, "${", 2) == 0)
		end = lexer_end(text + 2, &why);
	if (end == NULL || end[1 + strspn(end + 1, " \t\r\n")] != '\0') {
		problem_add(scope->problems, RC_INVALID, node,
			    "when: expected one expression, such as \"${input.amount > 100}\"%s%s",
			    why != NULL ? ": " : "", why != NULL ? why : "");
		return;
	}
	s->when = expr_parse(scope, node, text + 2, (size_t)(end - text - 2));
}

static void read_step(struct reading *r, struct scope *scope, size_t step)
{
	const struct yaml_node *map = r->nodes[step].map;
	const struct yaml_node *compensate = yaml_get(map, "compensate");
	struct def_step *s = &r->w->steps[step];

	if (map->kind != YAML_MAP)
		return;
	scope->step = step;
	scope->undo = false;
	read_when(scope, map, s);
	read_bool(r->problems, map, "pivot", &s->pivot);
	read_ms(r->problems, map, "complete_within", 1,
		(uint64_t)WORKFLOW_DEADLINE_MAX_DAYS * 24 * 3600 * 1000, &s->complete_within_ms);
	work_read_action(scope, map, &s->action);
	scope->undo = true;
	s->undo.retry.attempts = 0;
	if (compensate != NULL)
		work_read_undo(scope, compensate, &s->action, &s->undo);
}

static void read_all(struct reading *r)
{
	struct names inputs;
	struct scope scope = {
		.problems = r->problems, .inputs = &inputs, .steps = &r->names, .order = r->order};
	size_t size = 0;

	names_init(&inputs, inputs_names(r->w->inputs));
	for (size_t i = 0; i < r->w->n_steps; i++) {
		struct def_step *s = &r->w->steps[i];

		read_step(r, &scope, i);
		if (size <= WORKFLOW_STEPS_MAX &&
		    (size += work_size(&s->action) + work_size(&s->undo)) > WORKFLOW_STEPS_MAX)
			problem_add(r->problems, RC_TOO_BIG, r->nodes[i].map,
				    "calls and branches, compensations as well, come to more than "
				    "%d",
				    WORKFLOW_STEPS_MAX);
	}
	sandbox_free(scope.checker);
	names_fini(&inputs);
}

/* ---- what must hold between them ---- */

static void find_pivot(struct reading *r)
{
	struct workflow *w = r->w;

	for (size_t i = 0; i < w->n_steps; i++) {
		if (!w->steps[i].pivot)
			continue;
		if (w->pivot == SIZE_MAX)
			w->pivot = i;
		else
			problem_add(r->problems, RC_INVALID, yaml_get(r->nodes[i].map, "pivot"),
				    "there is a pivot already, on line %d: only one step can be "
				    "the point of no return",
				    r->nodes[w->pivot].map->line);
	}
}

/* Nothing may run beside the pivot: it could neither be undone nor be waited for. */
static void check_beside_pivot(struct reading *r)
{
	const struct workflow *w = r->w;

	for (size_t i = 0; i < w->n_steps && w->pivot != SIZE_MAX; i++) {
		if (i == w->pivot || w->steps[i].pivot || w->steps[i].name == NULL ||
		    w->steps[w->pivot].name == NULL || order_unsure(r->order, i) ||
		    order_unsure(r->order, w->pivot) || order_before(r->order, i, w->pivot) ||
		    order_before(r->order, w->pivot, i))
			continue;
		problem_add(r->problems, RC_INVALID, r->nodes[i].map,
			    "the step \"%s\" comes neither before nor after the pivot \"%s\": name "
			    "one in the other's `after`",
			    w->steps[i].name, w->steps[w->pivot].name);
	}
}

/* A single group with nothing around it is a plain transaction. */
static bool is_plain(const struct reading *r)
{
	static const char *const features[] = {"when", "retry", "compensate", NULL};
	const struct def_step *s = &r->w->steps[0];

	if (r->w->n_steps != 1 || s->action.kind != WORK_ATOMIC || s->pivot ||
	    r->w->deadline_ms != 0)
		return false;
	for (const char *const *key = features; *key != NULL; key++)
		if (yaml_get(r->nodes[0].map, *key) != NULL)
			return false;
	return true;
}

static void check_compensation(struct reading *r, size_t step)
{
	const struct def_step *s = &r->w->steps[step];
	const struct yaml_node *map = r->nodes[step].map;
	const struct yaml_node *given = yaml_get(map, "compensate");
	const size_t pivot = r->w->pivot;
	const bool past = pivot != SIZE_MAX && order_before(r->order, pivot, step);

	if (map->kind != YAML_MAP || s->name == NULL)
		return;
	if (s->pivot && s->undo.kind != WORK_NONE)
		problem_add(r->problems, RC_INVALID, given,
			    "the pivot \"%s\" is never undone, so that it can have no "
			    "compensation: once it is done the transaction goes on to its end",
			    s->name);
	else if (past && s->undo.kind != WORK_NONE)
		problem_add(r->problems, RC_INVALID, given,
			    "the step \"%s\" comes after the pivot \"%s\" and is never undone, so "
			    "that it can have no compensation",
			    s->name, r->w->steps[pivot].name);
	else if (given == NULL && s->action.kind != WORK_NONE &&
		 !read_misspelt(map, "compensate") && !s->pivot && !past &&
		 (pivot == SIZE_MAX || order_before(r->order, step, pivot)))
		problem_add(r->problems, RC_INVALID, map,
			    "the step \"%s\" needs \"compensate\": an operation that undoes it, or "
			    "none if nothing has to be undone",
			    s->name);
}

/* Without problems, branches get the names that travel. */
static void finish(struct reading *r)
{
	for (size_t i = 0; i < r->w->n_steps; i++) {
		work_name_branches(&r->w->steps[i].action, r->w->steps[i].name);
		work_name_branches(&r->w->steps[i].undo, r->w->steps[i].name);
	}
}

void steps_read(struct problems *p, const struct yaml_node *list, struct workflow *w)
{
	struct reading r = {.problems = p, .w = w};

	if (list->kind != YAML_LIST) {
		problem_add(p, RC_INVALID, list, "steps: expected a list of steps");
		return;
	}
	if (list->count == 0) { /* nothing to do: what is submitted is committed at once */
		w->saga = true;
		return;
	}
	if (list->count > WORKFLOW_STEPS_MAX) {
		problem_add(p, RC_TOO_BIG, list, "steps: %zu; at most %d are allowed", list->count,
			    WORKFLOW_STEPS_MAX);
		return;
	}
	w->n_steps = list->count;
	w->steps = mem_new(w->n_steps, sizeof *w->steps);
	r.nodes = mem_new(w->n_steps, sizeof *r.nodes);
	r.list = mem_new(w->n_steps + 1, sizeof *r.list);
	read_names(&r, list);
	for (size_t i = 0; i < w->n_steps; i++)
		read_after(&r, i);
	r.order = order_new(p, w, r.nodes);
	read_all(&r);
	find_pivot(&r);
	check_beside_pivot(&r);
	w->saga = !is_plain(&r);
	for (size_t i = 0; i < w->n_steps && w->saga; i++)
		check_compensation(&r, i);
	if (p->count == 0)
		finish(&r);
	order_free(r.order);
	names_fini(&r.names);
	free(r.nodes);
	free(r.list);
}

void steps_free(struct workflow *w)
{
	for (size_t i = 0; i < w->n_steps; i++) {
		struct def_step *s = &w->steps[i];

		work_fini(&s->action);
		work_fini(&s->undo);
		expr_free(s->when);
		free(s->after);
		free(s->before);
		free(s->name);
	}
	free(w->steps);
}
