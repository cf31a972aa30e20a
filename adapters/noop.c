/* noop.c - saga calls that are done at once, with their arguments as output.
 *
 * Every answer comes in the loop's next round, as those of real resources do.
 * There is no two-phase commit: a branch that lived in memory alone would break its
 * promise with each restart. */
#include "adapters/noop.h"

#include "adapters/loop.h"
#include "base/conf.h"
#include "base/id.h"
#include "base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

enum { OPERATIONS_MAX = 1000, ARGS_MAX = 1000 };

struct noop_config {
	char *adapter;
	const struct yaml_node *operations;
};

static const struct conf_row rows[] = {
	{"adapter", CONF_TEXT, offsetof(struct noop_config, adapter), "noop", 0, 63,
	 "must be `noop`"},
	{"operations", CONF_NODE, offsetof(struct noop_config, operations), NULL, 0, 0,
	 "map of name to operation"},
	{NULL, CONF_TEXT, 0, NULL, 0, 0, NULL},
};

/* A call that waits for the next round. */
struct noop_call {
	adapter_done_fn done;
	void *arg;
	const char *wrong; /* the operation's name is unknown */
	struct noop_call *prev, *next;
	size_t size;
	char args[];
};

struct noop {
	struct adapter_host host;
	struct operation_info *operations; /* their texts are the configuration's */
	size_t n_operations;
	struct adapter_loop loop;
	struct noop_call *calls; /* in order */
	bool told;               /* that it serves */
	bool closing;
	adapter_closed_fn closed;
	void *closed_arg;
};

/* ---- configuration ---- */

static enum rc wrong(struct err *err, const struct yaml_node *at, const char *what)
{
	return err_set_at(err, RC_INVALID, at->line, at->column, "%s", what);
}

static enum rc read_args(const struct yaml_node *list, struct operation_info *op, struct err *err)
{
	if (list->kind != YAML_LIST || list->count > ARGS_MAX)
		return wrong(err, list, "args must be a list of at most 1000 names");
	op->args = mem_new(list->count, sizeof *op->args);
	for (size_t i = 0; i < list->count; i++) {
		const struct yaml_node *item = list->items[i];

		if (item->kind != YAML_SCALAR || !id_valid(item->text, NAME_MAX_LEN))
			return wrong(err, item,
				     "an argument's name is 1 to 63 of A-Z a-z 0-9 . _ -");
		op->args[op->n_args++] = item->text;
	}
	return RC_OK;
}

static enum rc read_operation(const struct yaml_node *name, const struct yaml_node *map,
			      struct operation_info *op, struct err *err)
{
	static const char *const known[] = {"args", NULL};
	const struct yaml_node *args;
	enum rc rc;

	if (!id_valid(name->text, NAME_MAX_LEN))
		return wrong(err, name, "an operation's name is 1 to 63 of A-Z a-z 0-9 . _ -");
	op->name = name->text;
	if (map->kind != YAML_MAP)
		return wrong(err, map, "expected a map, {} or {args: [names]}");
	rc = yaml_only(map, known, "an operation", err);
	args = yaml_get(map, "args");
	return rc == RC_OK && args != NULL ? read_args(args, op, err) : rc;
}

static enum rc read_operations(struct noop *n, const struct yaml_node *map, struct err *err)
{
	if (map->kind != YAML_MAP || map->count == 0 || map->count > OPERATIONS_MAX)
		return wrong(err, map, "operations must be a map of 1 to 1000 operations");
	n->operations = mem_new(map->count, sizeof *n->operations);
	for (size_t i = 0; i < map->count; i++) {
		n->n_operations = i + 1;
		if (read_operation(map->keys[i], map->items[i], &n->operations[i], err) != RC_OK)
			return err_wrap(err, "operation %s", map->keys[i]->text);
	}
	return RC_OK;
}

static void noop_free(struct noop *n)
{
	for (size_t i = 0; i < n->n_operations; i++)
		free(n->operations[i].args);
	free(n->operations);
	free(n);
}

/* ---- answers ---- */

static void call_end(struct noop *n, struct noop_call *c)
{
	struct adapter_answer answer = {.kind = RESULT_DONE, .output = {c->args, c->size}};
	char why[100];

	if (c->wrong != NULL) {
		snprintf(why, sizeof why, "there is no operation %s", c->wrong);
		answer = (struct adapter_answer){.kind = RESULT_REFUSED, .reason = why};
	}
	DL_DELETE(n->calls, c);
	c->done(&answer, c->arg);
	free(c);
}

static void on_after(void *arg)
{
	struct noop *n = arg;

	if (!n->told && !n->closing) {
		n->told = true;
		n->host.ready(n->host.arg, NULL);
	}
	while (n->calls != NULL) /* an answer may bring the next call */
		call_end(n, n->calls);
	if (n->closing)
		adapter_loop_close(&n->loop);
}

static void on_gone(void *arg)
{
	struct noop *n = arg;
	const adapter_closed_fn closed = n->closed;
	void *closed_arg = n->closed_arg;

	noop_free(n);
	closed(closed_arg);
}

/* ---- the contract ---- */

static enum rc noop_open(const struct adapter_host *host, const char *resource,
			 const struct yaml_node *config, void **self, struct err *err)
{
	struct noop *n = mem_new(1, sizeof *n);
	struct noop_config settings = {0};
	enum rc rc = conf_read(rows, config, &settings, err);

	(void)resource;
	if (rc == RC_OK)
		rc = read_operations(n, settings.operations, err);
	if (rc != RC_OK) {
		conf_fini(rows, &settings);
		noop_free(n);
		return rc;
	}
	conf_fini(rows, &settings);
	n->host = *host;
	n->loop.after = on_after;
	n->loop.gone = on_gone;
	n->loop.arg = n;
	adapter_loop_init(&n->loop, host->loop);
	adapter_loop_soon(&n->loop); /* to say that it serves */
	*self = n;
	return RC_OK;
}

static void noop_describe(void *self, struct resource_info *info)
{
	const struct noop *n = self;

	info->ready = n->told;
	info->problem = "";
	info->calls = true;
	info->operations = n->operations;
	info->n_operations = n->n_operations;
}

static bool has_operation(const struct noop *n, const char *name)
{
	for (size_t i = 0; i < n->n_operations; i++)
		if (strcmp(n->operations[i].name, name) == 0)
			return true;
	return false;
}

static void noop_call(void *self, const struct adapter_call *call, adapter_done_fn done, void *arg)
{
	static const struct bytes nothing = {"{}", 2};
	const struct bytes args = call->args.size > 0 ? call->args : nothing;
	const bool known = has_operation(self, call->operation);
	const size_t room = known ? args.size : strlen(call->operation) + 1;
	struct noop_call *c = mem_new(1, sizeof *c + room);
	struct noop *n = self;

	assert(!n->closing);
	c->done = done;
	c->arg = arg;
	c->size = room;
	memcpy(c->args, known ? args.data : call->operation, room);
	c->wrong = known ? NULL : c->args;
	DL_APPEND(n->calls, c);
	adapter_loop_soon(&n->loop);
}

static void noop_cancel_call(void *self, const char *gid, const char *step, bool undo)
{
	(void)self, (void)gid, (void)step, (void)undo; /* it ends in the next round anyway */
}

static void noop_close(void *self, adapter_closed_fn closed, void *arg)
{
	struct noop *n = self;

	assert(!n->closing);
	n->closing = true;
	n->closed = closed;
	n->closed_arg = arg;
	adapter_loop_soon(&n->loop);
}

const struct adapter adapter_noop = {
	.name = "noop",
	.open = noop_open,
	.describe = noop_describe,
	.call = noop_call,
	.cancel_call = noop_cancel_call,
	.close = noop_close,
};
