/* plans.c - what is asked for, against what resources have declared that they can do.
 *
 * A slip of the pen is refused when a transaction is submitted, not found out in the
 * middle of it. */
#include "base/mem.h"
#include "coordinator/core.h"

#include <stdlib.h>
#include <string.h>

/* The declared operation; NULL with `err` filled.  `what` says whose it is. */
static const struct operation_info *find(struct engine *e, const char *what, const char *resource,
					 const char *operation, struct err *err)
{
	const struct resource *res = resource_find(e, resource);

	if (res == NULL || !res->known) {
		err_set(err, RC_REFUSED, "%s: unknown resource `%s`: no agent has ever declared it",
			what, resource);
		return NULL;
	}
	for (size_t i = 0; i < res->info.n_operations; i++)
		if (strcmp(res->info.operations[i].name, operation) == 0)
			return &res->info.operations[i];
	err_set(err, RC_REFUSED, "%s: resource %s has no operation `%s`", what, resource,
		operation);
	return NULL;
}

static enum rc check_names(const char *what, const char *resource, const struct operation_info *op,
			   const json_t *args, struct err *err)
{
	const char *key;
	const json_t *value;

	for (size_t i = 0; i < op->n_args; i++)
		if (json_object_get(args, op->args[i]) == NULL)
			return err_set(err, RC_REFUSED,
				       "%s: operation %s of resource %s needs the argument `%s`",
				       what, op->name, resource, op->args[i]);
	json_object_foreach((json_t *)args, key, value)
	{
		size_t i = 0;

		while (i < op->n_args && strcmp(op->args[i], key) != 0)
			i++;
		if (i == op->n_args)
			return err_set(err, RC_REFUSED,
				       "%s: operation %s of resource %s has no argument `%s`", what,
				       op->name, resource, key);
	}
	return RC_OK;
}

enum rc plan_check_args(struct engine *e, const char *what, const char *resource,
			const char *operation, const char *text, bool declared, struct err *err)
{
	const struct operation_info *op = find(e, what, resource, operation, err);
	json_t *args;
	enum rc rc;

	if (op == NULL)
		return declared ? err->code : RC_OK;
	args = json_loads(text, 0, NULL);
	rc = check_names(what, resource, op, args, err);
	json_decref(args);
	return rc;
}

static enum rc check_serves(struct engine *e, const char *what, const char *resource, bool group,
			    struct err *err)
{
	const struct resource *res = resource_find(e, resource);

	if (group ? res->info.groups : res->info.calls)
		return RC_OK;
	return err_set(err, RC_REFUSED, "%s: resource %s (%s) %s", what, resource,
		       res->info.adapter,
		       group ? "takes part in no atomic group" : "serves no calls of sagas");
}

enum rc plan_check(struct engine *e, const struct plan *plan, bool declared, struct err *err)
{
	for (size_t i = 0; i < plan->n_branches; i++) {
		const struct plan_branch *b = &plan->branches[i];
		char what[NAME_MAX_LEN + 10];
		enum rc rc;

		snprintf(what, sizeof what, "branch %s", b->name);
		rc = plan_check_args(e, what, b->resource, b->operation, b->args, declared, err);
		if (rc == RC_OK && declared)
			rc = check_serves(e, what, b->resource, true, err);
		if (rc != RC_OK)
			return rc;
	}
	return RC_OK;
}

static enum rc check_work(struct engine *e, const char *step, const struct work *work,
			  struct err *err)
{
	const size_t n = work->kind == WORK_ATOMIC ? work->n_branches : work->kind == WORK_CALL;
	const bool group = work->kind == WORK_ATOMIC;
	char what[NAME_MAX_LEN + 10];

	for (size_t i = 0; i < n; i++) {
		const char *resource = group ? work->branches[i].resource : work->resource;
		const char *op = group ? work->branches[i].operation : work->operation;

		snprintf(what, sizeof what, "%s %s", group ? "branch" : "step",
			 group ? work->branches[i].name : step);
		if (find(e, what, resource, op, err) == NULL ||
		    check_serves(e, what, resource, group, err) != RC_OK)
			return err->code;
	}
	return RC_OK;
}

enum rc plan_check_saga(struct engine *e, const struct workflow *w, struct err *err)
{
	for (size_t i = 0; i < w->n_steps; i++) {
		const struct def_step *d = &w->steps[i];

		if (check_work(e, d->name, &d->action, err) != RC_OK ||
		    check_work(e, d->name, &d->undo, err) != RC_OK)
			return err->code;
	}
	return RC_OK;
}
