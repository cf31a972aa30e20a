/* plugin.c - see plugin.h: the contract's functions. */
#include "adapters/plugin.h"

#include "adapters/plugin_impl.h"
#include "base/log.h"
#include "base/mem.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- open, describe, close ---- */

/* Nobody is in the plugin any more.  If somebody was when the resource was closed, the
 * plugin is closed only now. */
static void target_free(void *arg)
{
	struct plugin_target *t = arg;

	if (t->opened && !t->close_begun)
		t->lib.api.close(t->self);
	plugin_unload(&t->lib);
	free(t->cluster);
	free(t->agent);
	free(t->resource);
	free(t->settings);
	free(t);
}

static void plugin_free(struct plugin *p)
{
	plugin_ready_fini(p);
	plugin_config_fini(&p->config);
	free(p->operations);
	free(p);
}

/* From any of the plugin's threads. */
static void on_log(const struct settle_host *host, enum settle_log_level level, const char *text)
{
	const struct plugin_target *t = (const struct plugin_target *)host;
	char *line = frame_cut_reason(text);

	log_event(level == SETTLE_LOG_DEBUG  ? LOG_DEBUG
		  : level == SETTLE_LOG_WARN ? LOG_WARN
		  : level == SETTLE_LOG_INFO ? LOG_INFO
					     : LOG_ERROR,
		  "plugin-says", "resource=%s %s", t->resource, line);
	free(line);
}

static void on_gone(void *arg)
{
	struct plugin *p = arg;
	const adapter_closed_fn closed = p->closed;
	void *closed_arg = p->closed_arg;

	plugin_free(p);
	closed(closed_arg);
}

/* The plugin's own close can only be called when nobody is in the plugin. */
static void give_close(struct plugin *p)
{
	struct plugin_call *c;

	p->close_given = true;
	if (p->lost > 0) {
		log_event(
			LOG_WARN, "plugin-left",
			"resource=%s lost=%" PRId64
			" functions have not returned, so the plugin is not closed before they do",
			p->resource, p->lost);
		return;
	}
	c = plugin_call_new(p, PLUGIN_CLOSE, "close", NULL);
	plugin_call_queue(c, p->config.grace_ms);
}

static void on_after(void *arg)
{
	struct plugin *p = arg;

	plugin_ready_tell(p);
	do { /* who is answered may call again */
		plugin_call_deliver(p);
	} while (plugin_call_dispatch(p) || p->answers != NULL);
	plugin_ready_tell(p);
	if (!p->closing || p->pool == NULL || p->open != NULL)
		return;
	if (!p->close_given)
		give_close(p);
	if (p->open != NULL)
		return;
	plugin_call_forget_lost(p);
	plugin_pool_close(p->pool);
	p->pool = NULL;
	adapter_loop_close(&p->loop);
}

static void init_operations(struct plugin *p)
{
	const struct plugin_config *config = &p->config;

	p->operations = mem_new(config->n_operations, sizeof *p->operations);
	for (size_t i = 0; i < config->n_operations; i++) {
		p->operations[i].name = config->operations[i].name;
		p->operations[i].args = config->operations[i].args;
		p->operations[i].n_args = config->operations[i].n_args;
	}
}

static struct plugin_target *target_new(const struct adapter_host *host, const char *resource,
					struct plugin_config *config)
{
	struct plugin_target *t = mem_new(1, sizeof *t);

	t->cluster = mem_dup(host->cluster);
	t->agent = mem_dup(host->agent);
	t->resource = mem_dup(resource);
	t->settings = config->settings;
	config->settings = NULL;
	t->host = (struct settle_host){sizeof t->host, t->cluster, t->agent, t->resource, on_log};
	return t;
}

/* An error of the library's is told with the line of `library:`. */
static enum rc at_library(const struct yaml_node *map, struct err *err)
{
	const struct yaml_node *node = yaml_get(map, "library");
	char text[sizeof err->text];

	memcpy(text, err->text, sizeof text);
	return err_set_at(err, RC_INVALID, node->line, node->column, "library: %s", text);
}

/* On failure the target is gone, or belongs to the thread that hangs in it. */
static enum rc open_library(struct plugin_target *t, const char *path, const char *directory,
			    uint64_t timeout_ms, struct err *err)
{
	enum rc rc = plugin_load(path, directory, &t->lib, err);

	if (rc == RC_OK)
		rc = plugin_open(&t->lib, &t->host, t->settings, timeout_ms, &t->self, err);
	t->opened = rc == RC_OK;
	if (rc != RC_OK && rc != RC_TIMEOUT)
		target_free(t);
	return rc;
}

static enum rc plugin_adapter_open(const struct adapter_host *host, const char *resource,
				   const struct yaml_node *map, void **self, struct err *err)
{
	struct plugin *p = mem_new(1, sizeof *p);
	struct plugin_pool_events events = {plugin_call_back, p, target_free, NULL};
	enum rc rc = plugin_config_read(map, &p->config, err);

	if (rc == RC_OK) {
		p->target = target_new(host, resource, &p->config);
		rc = open_library(p->target, p->config.library, host->directory,
				  p->config.timeout_ms, err);
		if (rc != RC_OK)
			at_library(map, err);
	}
	if (rc == RC_OK) {
		events.left_arg = p->target;
		rc = plugin_pool_new(host->loop, (size_t)p->config.threads, &events, &p->pool, err);
	}
	if (rc != RC_OK) {
		plugin_free(p);
		return err->code;
	}
	p->host = *host;
	p->host.cluster = p->target->cluster;
	p->host.agent = p->target->agent;
	p->resource = p->target->resource;
	p->api = &p->target->lib.api;
	init_operations(p);
	p->loop.after = on_after;
	p->loop.gone = on_gone;
	p->loop.arg = p;
	adapter_loop_init(&p->loop, host->loop);
	plugin_ready_init(p);
	log_event(LOG_INFO, "plugin-opened", "resource=%s plugin=%s threads=%" PRId64 " %s",
		  p->resource, p->api->name, p->config.threads, p->target->lib.path);
	*self = p;
	return RC_OK;
}

static void plugin_describe(void *self, struct resource_info *info)
{
	struct plugin *p = self;
	const char *problem = plugin_ready_problem(p, p->described);

	*info = (struct resource_info){
		.name = p->resource,
		.adapter = "plugin",
		.ready = problem == NULL,
		.problem = problem != NULL ? problem : "",
		.calls = p->api->call != NULL,
		.exact = p->api->call != NULL && (p->api->flags & SETTLE_EXACT) != 0,
		.groups = p->api->prepare != NULL,
		.operations = p->operations,
		.n_operations = p->config.n_operations,
	};
}

static void plugin_adapter_close(void *self, adapter_closed_fn closed, void *arg)
{
	struct plugin *p = self;

	assert(!p->closing);
	p->closing = true;
	p->closed = closed;
	p->closed_arg = arg;
	adapter_timer_stop(&p->loop, &p->check_due);
	plugin_call_end_all(p);
	adapter_loop_soon(&p->loop);
}

/* ---- calls ---- */

/* A new call, or NULL if it has been answered already. */
static struct plugin_call *begin(struct plugin *p, enum plugin_kind kind, const char *identity,
				 adapter_done_fn done, adapter_list_fn listed, void *arg)
{
	struct plugin_call *c = plugin_call_new(p, kind, identity, arg);

	c->done = done;
	c->listed = listed;
	if (c->job == NULL)
		return NULL;
	if (p->closing) {
		plugin_call_answer(c, RESULT_UNKNOWN, "the agent is stopping");
		return NULL;
	}
	return c;
}

/* False if the work was refused. */
static bool take_work(struct plugin_call *c, const char *name, struct bytes args, bool read_only)
{
	struct plugin *p = c->p;
	const struct plugin_operation *op = plugin_config_find(&p->config, name);
	const bool exact = c->kind != PLUGIN_PREPARE && (p->api->flags & SETTLE_EXACT) != 0;

	if (op == NULL) {
		/* It may have had the operation when an earlier attempt was done. */
		plugin_call_answer(c, exact ? RESULT_UNKNOWN : RESULT_REFUSED,
				   "resource %s has no operation %s", p->resource, name);
		return false;
	}
	if (read_only && !op->read_only) {
		plugin_call_answer(c, RESULT_REFUSED,
				   "operation %s on %s is not declared read_only in the agent's "
				   "configuration",
				   name, p->resource);
		return false;
	}
	strcpy(c->job->operation, op->name); /* its length was checked with the file */
	if (args.size > 0)
		c->job->args = mem_dup_bytes(args.data, args.size);
	c->job->args_size = args.size;
	c->job->read_only = op->read_only;
	return true;
}

static void name_branch(char out[PLUGIN_KEY_SIZE], const struct plugin *p,
			const struct branch_id *id)
{
	const int n = snprintf(out, PLUGIN_KEY_SIZE, "settle:%s:%" PRIu64 ":%s:%s", p->host.cluster,
			       id->epoch, id->gid, id->branch);

	assert(n > 0 && n < PLUGIN_KEY_SIZE); /* the ids were checked where they came in */
}

static struct plugin_call *begin_branch(struct plugin *p, enum plugin_kind kind,
					const struct branch_id *id, adapter_done_fn done, void *arg)
{
	char key[PLUGIN_KEY_SIZE];
	struct plugin_call *c;

	name_branch(key, p, id);
	c = begin(p, kind, key, done, NULL, arg);
	if (c == NULL)
		return NULL;
	assert(strlen(id->gid) <= GID_MAX && strlen(id->branch) <= NAME_MAX_LEN);
	strcpy(c->job->gid, id->gid);
	strcpy(c->job->step, id->branch);
	if (p->api->prepare != NULL)
		return c;
	plugin_call_answer(c, kind == PLUGIN_PREPARE ? RESULT_RETRY : RESULT_UNKNOWN,
			   "the plugin of resource %s takes no part in atomic groups", p->resource);
	return NULL;
}

static void plugin_prepare(void *self, const struct adapter_work *work, adapter_done_fn done,
			   void *arg)
{
	struct plugin_call *c = begin_branch(self, PLUGIN_PREPARE, &work->id, done, arg);

	if (c != NULL && take_work(c, work->operation, work->args, work->read_only))
		plugin_call_queue(c, work->timeout_ms);
}

static void plugin_commit(void *self, const struct branch_id *id, bool repeat, adapter_done_fn done,
			  void *arg)
{
	struct plugin *p = self;
	struct plugin_call *c = begin_branch(p, PLUGIN_COMMIT, id, done, arg);

	if (c == NULL)
		return;
	c->repeat = repeat;
	plugin_call_queue(c, p->config.timeout_ms);
}

static void plugin_rollback(void *self, const struct branch_id *id, adapter_done_fn done, void *arg)
{
	struct plugin *p = self;
	struct plugin_call *c = begin_branch(p, PLUGIN_ROLLBACK, id, done, arg);

	if (c != NULL)
		plugin_call_queue(c, p->config.timeout_ms);
}

static void plugin_cancel(void *self, const struct branch_id *id)
{
	char key[PLUGIN_KEY_SIZE];

	name_branch(key, self, id);
	plugin_call_cancel(self, key, PLUGIN_PREPARE);
}

/* A step's action and its compensation share the identity: never both at once. */
static void name_step(char out[PLUGIN_KEY_SIZE], const char *gid, const char *step)
{
	const int n = snprintf(out, PLUGIN_KEY_SIZE, "%s/%s", gid, step);

	assert(n > 0 && n < PLUGIN_KEY_SIZE);
}

static void plugin_do(void *self, const struct adapter_call *call, adapter_done_fn done, void *arg)
{
	struct plugin *p = self;
	const enum plugin_kind kind = call->undo ? PLUGIN_UNDO : PLUGIN_DO;
	char identity[PLUGIN_KEY_SIZE];
	struct plugin_call *c;

	name_step(identity, call->gid, call->step);
	c = begin(p, kind, identity, done, NULL, arg);
	if (c == NULL)
		return;
	if (p->api->call == NULL) {
		plugin_call_answer(c, RESULT_REFUSED, "the plugin of resource %s serves no calls",
				   p->resource);
		return;
	}
	assert(strlen(call->gid) <= GID_MAX && strlen(call->step) <= NAME_MAX_LEN);
	strcpy(c->job->gid, call->gid);
	strcpy(c->job->step, call->step);
	strcat(strcat(c->job->key, "/"), call->undo ? "undo" : "do");
	c->job->attempt = call->attempt;
	c->job->elsewhere = call->elsewhere;
	if (take_work(c, call->operation, call->args, false))
		plugin_call_queue(c, call->timeout_ms);
}

static void plugin_cancel_call(void *self, const char *gid, const char *step, bool undo)
{
	char identity[PLUGIN_KEY_SIZE];

	name_step(identity, gid, step);
	plugin_call_cancel(self, identity, undo ? PLUGIN_UNDO : PLUGIN_DO);
}

static void plugin_list(void *self, adapter_list_fn done, void *arg)
{
	struct plugin *p = self;
	struct plugin_call *c = begin(p, PLUGIN_LIST, "list", NULL, done, arg);

	if (c == NULL)
		return;
	if (p->api->list == NULL)
		plugin_call_answer(c, RESULT_DONE, NULL);
	else
		plugin_call_queue(c, p->config.timeout_ms);
}

const struct adapter adapter_plugin = {
	.name = "plugin",
	.open = plugin_adapter_open,
	.describe = plugin_describe,
	.prepare = plugin_prepare,
	.commit = plugin_commit,
	.rollback = plugin_rollback,
	.cancel = plugin_cancel,
	.once = NULL, /* a plugin that can do it serves single steps by `call` */
	.settle_once = NULL,
	.call = plugin_do,
	.cancel_call = plugin_cancel_call,
	.list = plugin_list,
	.close = plugin_adapter_close,
};
