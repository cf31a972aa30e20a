/* work.c - see work.h. */
#include "saga/work.h"
#include "base/mem.h"
#include "saga/read.h"
#include "saga/template.h"
#include "saga/workflow.h"

#include <stdlib.h>
#include <string.h>

static const struct retry standard_action = {5, 200, 30 * 1000};
static const struct retry standard_undo = {10, 200, 30 * 1000};

/* ---- parts ---- */

static struct template *read_args(struct scope *scope, const struct yaml_node *map)
{
	const struct yaml_node *node = yaml_get(map, "args");

	if (node == NULL)
		return NULL;
	if (node->kind == YAML_MAP)
		return template_parse(scope, node);
	problem_add(scope->problems, RC_INVALID, node, "args: expected a map of names to values");
	return NULL;
}

static void read_retry(struct problems *p, const struct yaml_node *map, struct retry *retry)
{
	static const char *const known[] = {"attempts", "first", "max", NULL};
	const struct yaml_node *node = yaml_get(map, "retry");
	const struct yaml_node *attempts, *first, *max;
	struct err err;
	int64_t n;

	if (node == NULL || !read_keys(p, node, known, "retry"))
		return;
	attempts = yaml_get(node, "attempts");
	first = yaml_get(node, "first");
	max = yaml_get(node, "max");
	if (attempts != NULL) {
		if (yaml_int(attempts, "attempts", 1, RETRY_ATTEMPTS_MAX, &n, &err) == RC_OK)
			retry->attempts = (uint32_t)n;
		else
			problem_take(p, &err);
	}
	read_ms(p, node, "first", 1, WORKFLOW_TIMEOUT_MAX_MS, &retry->first_ms);
	read_ms(p, node, "max", 1, WORKFLOW_TIMEOUT_MAX_MS, &retry->max_ms);
	if (retry->max_ms >= retry->first_ms)
		return;
	if (first != NULL && max != NULL)
		problem_add(p, RC_INVALID, max, "max: is shorter than first");
	else if (first != NULL)
		retry->max_ms =
			retry->first_ms; /* one was given: the standard of the other yields */
	else
		retry->first_ms = retry->max_ms;
}

static void read_order(struct problems *p, const struct yaml_node *map, struct work *work)
{
	const struct yaml_node *node = yaml_get(map, "order");

	if (node == NULL)
		return;
	if (node->kind == YAML_SCALAR && strcmp(node->text, "sequential") == 0)
		work->sequential = true;
	else if (node->kind != YAML_SCALAR || strcmp(node->text, "parallel") != 0)
		problem_add(p, RC_INVALID, node, "order: expected parallel or sequential");
}

/* ---- calls and groups ---- */

static void read_branch(struct scope *scope, const struct yaml_node *map, struct work_branch *b)
{
	static const char *const known[] = {"name", "resource",  "operation",
					    "args", "read_only", NULL};
	struct problems *p = scope->problems;

	if (!read_keys(p, map, known, "a branch"))
		return;
	b->name = read_name(p, map, "name", "a branch", name_plain);
	b->resource = read_name(p, map, "resource", "a branch", name_dotted);
	b->operation = read_name(p, map, "operation", "a branch", name_dotted);
	read_bool(p, map, "read_only", &b->read_only);
	b->args = read_args(scope, map);
}

static void refuse_repeated(struct problems *p, const struct yaml_node *list,
			    const struct work *work)
{
	for (size_t i = 1; i < work->n_branches; i++) {
		const char *name = work->branches[i].name;

		for (size_t k = 0; name != NULL && k < i; k++) {
			if (work->branches[k].name == NULL ||
			    strcmp(work->branches[k].name, name) != 0)
				continue;
			problem_add(p, RC_INVALID, list->items[i],
				    "the branch \"%s\" was given before, on line %d", name,
				    list->items[k]->line);
			break;
		}
	}
}

static void read_atomic(struct scope *scope, const struct yaml_node *list, struct work *work)
{
	struct problems *p = scope->problems;

	work->kind = WORK_ATOMIC;
	if (list->kind != YAML_LIST || list->count == 0) {
		problem_add(p, RC_INVALID, list, "atomic: expected a list of one branch or more");
		return;
	}
	if (list->count > WORKFLOW_BRANCHES_MAX) {
		problem_add(p, RC_TOO_BIG, list, "atomic: %zu branches; at most %d are allowed",
			    list->count, WORKFLOW_BRANCHES_MAX);
		return;
	}
	work->branches = mem_new(list->count, sizeof *work->branches);
	work->n_branches = list->count;
	for (size_t i = 0; i < list->count; i++)
		read_branch(scope, list->items[i], &work->branches[i]);
	refuse_repeated(p, list, work);
}

/* Keys that make no sense beside what the map is. */
static void refuse_keys(struct problems *p, const struct yaml_node *map, const char *const *keys,
			const char *why)
{
	for (; *keys != NULL; keys++)
		for (size_t i = 0; i < map->count; i++)
			if (strcmp(map->keys[i]->text, *keys) == 0)
				problem_add(p, RC_INVALID, map->keys[i], "\"%s\" %s", *keys, why);
}

static void read_common(struct scope *scope, const struct yaml_node *map, struct work *work)
{
	read_ms(scope->problems, map, "timeout", 1, WORKFLOW_TIMEOUT_MAX_MS, &work->timeout_ms);
	read_retry(scope->problems, map, &work->retry);
}

static void read_group(struct scope *scope, const struct yaml_node *map, struct work *work)
{
	static const char *const of_calls[] = {"resource", "operation", "args", "complete_within",
					       NULL};

	refuse_keys(scope->problems, map, of_calls,
		    "cannot stand beside \"atomic\": it belongs to a call, or into a branch");
	read_atomic(scope, yaml_get(map, "atomic"), work);
	read_order(scope->problems, map, work);
}

static void refuse_order(struct problems *p, const struct yaml_node *map)
{
	static const char *const of_groups[] = {"order", NULL};

	refuse_keys(p, map, of_groups, "is for the branches of \"atomic\"; there are none here");
}

/* ---- public ---- */

void work_read_action(struct scope *scope, const struct yaml_node *map, struct work *work)
{
	struct problems *p = scope->problems;

	work->retry = standard_action;
	read_common(scope, map, work);
	if (yaml_get(map, "atomic") != NULL) {
		read_group(scope, map, work);
		return;
	}
	if (yaml_get(map, "resource") == NULL && yaml_get(map, "operation") == NULL) {
		if (!read_misspelt(map, "resource") && !read_misspelt(map, "operation") &&
		    !read_misspelt(map, "atomic"))
			problem_add(p, RC_INVALID, map,
				    "a step needs a \"resource\" and an \"operation\" to call, or "
				    "\"atomic\", a list of branches");
		return;
	}
	work->kind = WORK_CALL;
	work->resource = read_name(p, map, "resource", "a step", name_dotted);
	work->operation = read_name(p, map, "operation", "a step", name_dotted);
	work->args = read_args(scope, map);
	refuse_order(p, map);
}

void work_read_undo(struct scope *scope, const struct yaml_node *node, const struct work *action,
		    struct work *undo)
{
	static const char *const known[] = {"operation", "resource", "args",  "retry",
					    "timeout",   "atomic",   "order", NULL};
	struct problems *p = scope->problems;

	undo->retry = standard_undo;
	if (node->kind == YAML_SCALAR && strcmp(node->text, "none") == 0)
		return;
	if (node->kind != YAML_MAP) {
		problem_add(p, RC_INVALID, node,
			    "compensate: expected none, or a map with an \"operation\" or with "
			    "\"atomic\"");
		return;
	}
	read_keys(p, node, known, "compensate");
	read_common(scope, node, undo);
	if (yaml_get(node, "atomic") != NULL) {
		read_group(scope, node, undo);
		return;
	}
	undo->kind = WORK_CALL;
	undo->operation = read_name(p, node, "operation", "compensate", name_dotted);
	undo->resource = read_optional_name(p, node, "resource", name_dotted);
	if (yaml_get(node, "resource") == NULL && action->resource != NULL)
		undo->resource = mem_dup(action->resource);
	else if (yaml_get(node, "resource") == NULL && action->kind == WORK_ATOMIC)
		problem_add(p, RC_INVALID, node,
			    "compensate needs a \"resource\" here: the step is a group and has "
			    "none of its own");
	undo->args = read_args(scope, node);
	refuse_order(p, node);
}

void work_name_branches(struct work *work, const char *step)
{
	for (size_t i = 0; i < work->n_branches; i++) {
		char *full = mem_printf("%s.%s", step, work->branches[i].name);

		free(work->branches[i].name);
		work->branches[i].name = full;
	}
}

size_t work_size(const struct work *work)
{
	return work->kind == WORK_NONE ? 0 : work->kind == WORK_CALL ? 1 : work->n_branches;
}

void work_fini(struct work *work)
{
	for (size_t i = 0; i < work->n_branches; i++) {
		free(work->branches[i].name);
		free(work->branches[i].resource);
		free(work->branches[i].operation);
		template_free(work->branches[i].args);
	}
	free(work->branches);
	free(work->resource);
	free(work->operation);
	template_free(work->args);
	*work = (struct work){0};
}
