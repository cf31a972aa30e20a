/* resources.c - the catalog of resources, and the jobs that wait at each.
 *
 * A resource is known once any agent has declared it, and stays known across
 * restarts (the journal keeps it), so that work for one whose agent is away can
 * be told from a slip of the pen. */
#include "base/mem.h"
#include "coordinator/core.h"

#include <stdlib.h>
#include <string.h>

void resource_feed(struct engine *e, struct resource *res)
{
	while (res->fresh != NULL && job_assign(e, res->fresh))
		;
}

void resource_unpark(struct engine *e, struct resource *res)
{
	struct job *job, *next, *all = res->parked;

	res->parked = NULL;
	DL_FOREACH_SAFE (all, job, next) {
		job->place = JOB_IDLE;
		job_dispatch(e, job);
	}
	resource_feed(e, res);
}

struct resource *resource_find(struct engine *e, const char *name)
{
	struct resource *res;

	HASH_FIND_STR(e->resources, name, res);
	return res;
}

struct resource *resource_need(struct engine *e, const char *name)
{
	struct resource *res = resource_find(e, name);

	if (res == NULL) {
		res = mem_new(1, sizeof *res);
		res->name = mem_dup(name);
		HASH_ADD_KEYPTR(hh, e->resources, res->name, strlen(res->name), res);
	}
	return res;
}

static void info_fini(struct resource_info *info)
{
	free((char *)info->name);
	free((char *)info->adapter);
	for (size_t i = 0; i < info->n_operations; i++) {
		for (size_t k = 0; k < info->operations[i].n_args; k++)
			free((char *)info->operations[i].args[k]);
		free(info->operations[i].args);
		free((char *)info->operations[i].name);
	}
	free(info->operations);
	memset(info, 0, sizeof *info);
}

static void info_copy(struct resource_info *to, const struct resource_info *from)
{
	to->name = mem_dup(from->name);
	to->adapter = mem_dup(from->adapter);
	to->one_phase = from->one_phase;
	to->calls = from->calls;
	to->exact = from->exact;
	to->groups = from->groups;
	to->n_operations = from->n_operations;
	to->operations = mem_new(from->n_operations, sizeof *to->operations);
	for (size_t i = 0; i < from->n_operations; i++) {
		struct operation_info *op = &to->operations[i];

		op->name = mem_dup(from->operations[i].name);
		op->n_args = from->operations[i].n_args;
		op->args = mem_new(op->n_args, sizeof *op->args);
		for (size_t k = 0; k < op->n_args; k++)
			op->args[k] = mem_dup(from->operations[i].args[k]);
	}
}

static bool operation_same(const struct operation_info *x, const struct operation_info *y)
{
	if (strcmp(x->name, y->name) != 0 || x->n_args != y->n_args)
		return false;
	for (size_t k = 0; k < x->n_args; k++)
		if (strcmp(x->args[k], y->args[k]) != 0)
			return false;
	return true;
}

static bool info_same(const struct resource_info *x, const struct resource_info *y)
{
	if (strcmp(x->adapter, y->adapter) != 0 || x->one_phase != y->one_phase ||
	    x->calls != y->calls || x->exact != y->exact || x->groups != y->groups ||
	    x->n_operations != y->n_operations)
		return false;
	for (size_t i = 0; i < x->n_operations; i++)
		if (!operation_same(&x->operations[i], &y->operations[i]))
			return false;
	return true;
}

bool resource_learn(struct resource *res, const struct resource_info *info)
{
	if (res->known && info_same(&res->info, info))
		return false;
	info_fini(&res->info);
	info_copy(&res->info, info);
	res->known = true;
	return true;
}

void resource_free(struct resource *res)
{
	info_fini(&res->info);
	free(res->name);
	free(res);
}
