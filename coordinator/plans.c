/* plans.c - what is asked for, against what resources have declared that they can do.
 *
 * A slip of the pen is refused when a transaction is submitted, not found out in the
 * middle of it. */
#include "base/json_text.h"
#include "base/mem.h"
#include "coordinator/core.h"

#include <stdlib.h>
#include <string.h>

/* Says whose it is in front. */
static enum rc whose(const struct plan_owner *who, struct err *err)
{
	return err_wrap(err, "%s %s%s", who->kind, who->name, who->part);
}

/* The declared operation; NULL with `err` filled. */
static const struct operation_info *find(struct engine *e, const struct plan_owner *who,
					 const char *resource, const char *operation,
					 struct err *err)
{
	const struct resource *res = resource_find(e, resource);

	if (res == NULL || !res->known) {
		err_set(err, RC_REFUSED, "unknown resource `%s`: no agent has ever declared it",
			resource);
		whose(who, err);
		return NULL;
	}
	for (size_t i = 0; i < res->info.n_operations; i++)
		if (strcmp(res->info.operations[i].name, operation) == 0)
			return &res->info.operations[i];
	err_set(err, RC_REFUSED, "resource %s has no operation `%s`", resource, operation);
	whose(who, err);
	return NULL;
}

static enum rc check_names(const char *resource, const struct operation_info *op,
			   const json_t *args, struct err *err)
{
	const char *key;
	const json_t *value;

	for (size_t i = 0; i < op->n_args; i++)
		if (json_object_get(args, op->args[i]) == NULL)
			return err_set(err, RC_REFUSED,
				       "operation %s of resource %s needs the argument `%s`",
				       op->name, resource, op->args[i]);
	json_object_foreach((json_t *)args, key, value)
	{
		size_t i = 0;

		while (i < op->n_args && strcmp(op->args[i], key) != 0)
			i++;
		if (i == op->n_args)
			return err_set(err, RC_REFUSED,
				       "operation %s of resource %s has no argument `%s`", op->name,
				       resource, key);
	}
	return RC_OK;
}

enum rc plan_check_args(struct engine *e, const struct plan_owner *who, const char *resource,
			const char *operation, const char *text, bool declared, struct err *err)
{
	const struct operation_info *op = find(e, who, resource, operation, err);
	json_t *args;
	enum rc rc;

	if (op == NULL)
		return declared ? err->code : RC_OK;
	if (op->n_args == 0 && strcmp(text, "{}") == 0)
		return RC_OK;
	args = json_text_read(text, strlen(text), 0, NULL);
	rc = check_names(resource, op, args, err);
	json_decref(args);
	return rc == RC_OK ? rc : whose(who, err);
}

static enum rc check_serves(struct engine *e, const struct plan_owner *who, const char *resource,
			    bool group, struct err *err)
{
	const struct resource *res = resource_find(e, resource);

	if (group ? res->info.groups : res->info.calls)
		return RC_OK;
	err_set(err, RC_REFUSED, "resource %s (%s) %s", resource, res->info.adapter,
		group ? "takes part in no atomic group" : "serves no calls of sagas");
	return whose(who, err);
}

enum rc plan_check(struct engine *e, const struct plan *plan, bool declared, struct err *err)
{
	for (size_t i = 0; i < plan->n_branches; i++) {
		const struct plan_branch *b = &plan->branches[i];
		const struct plan_owner who = {"branch", b->name, ""};
		enum rc rc;

		rc = plan_check_args(e, &who, b->resource, b->operation, b->args, declared, err);
		if (rc == RC_OK && declared)
			rc = check_serves(e, &who, b->resource, true, err);
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

	for (size_t i = 0; i < n; i++) {
		const char *resource = group ? work->branches[i].resource : work->resource;
		const char *op = group ? work->branches[i].operation : work->operation;

		const struct plan_owner who = {group ? "branch" : "step",
					       group ? work->branches[i].name : step, ""};

		if (find(e, &who, resource, op, err) == NULL ||
		    check_serves(e, &who, resource, group, err) != RC_OK)
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
