/* plugin_job.c - see plugin_job.h. */
#include "adapters/plugin_job.h"

#include "base/json_text.h"
#include "base/mem.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_names[PLUGIN_KINDS] = {
	[PLUGIN_DO] = "call",       [PLUGIN_UNDO] = "call (undo)",  [PLUGIN_PREPARE] = "prepare",
	[PLUGIN_COMMIT] = "commit", [PLUGIN_ROLLBACK] = "rollback", [PLUGIN_LIST] = "list",
	[PLUGIN_CHECK] = "check",   [PLUGIN_CLOSE] = "close",
};

const char *plugin_kind_name(enum plugin_kind kind)
{
	return kind_names[kind];
}

/* ---- what the function may say ---- */

/* What is handed out is the part that the plugin knows; ours lies around it. */
struct answering {
	struct settle_reply reply;
	struct plugin_job *job;
	size_t room; /* of job->said.output */
	bool flooded;
};

struct listing {
	struct settle_list list;
	struct plugin_job *job;
	size_t room;
	bool flooded;
};

static void on_output(struct settle_reply *reply, const void *json, size_t size)
{
	struct answering *a = (struct answering *)reply;
	struct plugin_said *said = &a->job->said;

	if (a->flooded || size == 0)
		return;
	if (size > SETTLE_OUTPUT_MAX - said->output_size) {
		a->flooded = true;
		return;
	}
	if (said->output_size + size > a->room) {
		a->room = 2 * (said->output_size + size);
		said->output = mem_grow(said->output, a->room, 1);
	}
	memcpy(said->output + said->output_size, json, size);
	said->output_size += size;
}

static void on_reason(struct settle_reply *reply, const char *text)
{
	struct plugin_said *said = &((struct answering *)reply)->job->said;

	free(said->reason);
	said->reason = text != NULL ? mem_dup_bytes(text, strnlen(text, SETTLE_REASON_MAX)) : NULL;
}

static void on_retry_after(struct settle_reply *reply, uint32_t ms)
{
	((struct answering *)reply)->job->said.retry_after_ms = ms;
}

static bool on_cancelled(const struct settle_reply *reply)
{
	return atomic_load(&((const struct answering *)reply)->job->cancelled);
}

static void on_listed(struct settle_list *list, const char *key)
{
	struct listing *l = (struct listing *)list;
	struct plugin_said *said = &l->job->said;

	if (said->n_keys == PLUGIN_LIST_MAX || strnlen(key, PLUGIN_KEY_SIZE) == PLUGIN_KEY_SIZE) {
		l->flooded = true;
		return;
	}
	if (said->n_keys == l->room) {
		l->room = l->room > 0 ? 2 * l->room : 16;
		said->keys = mem_grow(said->keys, l->room, sizeof *said->keys);
	}
	said->keys[said->n_keys++] = mem_dup(key);
}

/* ---- the call ---- */

/* Reals, since an integer of any length shall pass; nothing is printed from it. */
enum { JSON_READ = JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL };

static bool args_are_an_object(const struct plugin_job *job)
{
	json_t *json = job->args_size > 0
			       ? json_text_read(job->args, job->args_size, JSON_READ, NULL)
			       : json_object();
	const bool good = json_is_object(json);

	json_decref(json);
	return good;
}

static bool is_json(const struct plugin_said *said)
{
	json_t *json =
		json_text_read(said->output, said->output_size, JSON_READ | JSON_DECODE_ANY, NULL);
	const bool good = json != NULL;

	json_decref(json);
	return good;
}

static void check_output(const struct answering *a)
{
	struct plugin_said *said = &a->job->said;

	if (a->flooded)
		said->fault = "its output has more than 1 MiB";
	else if (said->output_size > 0 && !is_json(said))
		said->fault = "its output is not one valid JSON value";
	if (said->fault != NULL)
		said->output_size = 0;
}

static void run_function(struct plugin_job *job)
{
	struct answering a = {
		.reply = {sizeof a.reply, on_output, on_reason, on_retry_after, on_cancelled},
		.job = job,
	};
	const struct settle_request q = {
		.size = sizeof q,
		.key = job->key,
		.gid = job->gid,
		.step = job->step,
		.operation = job->operation,
		.args = job->args != NULL ? job->args : "",
		.args_size = job->args_size,
		.timeout_ms = job->timeout_ms,
		.attempt = job->attempt,
		.undo = job->kind == PLUGIN_UNDO,
		.read_only = job->read_only,
		.elsewhere = job->elsewhere,
	};
	const struct settle_plugin *api = &job->target->lib.api;
	enum settle_result (*fn)(void *, const struct settle_request *, struct settle_reply *) =
		job->kind == PLUGIN_PREPARE    ? api->prepare
		: job->kind == PLUGIN_COMMIT   ? api->commit
		: job->kind == PLUGIN_ROLLBACK ? api->rollback
					       : api->call;

	job->said.result = fn(job->target->self, &q, &a.reply);
	check_output(&a);
}

static void run_work(struct plugin_job *job)
{
	if (args_are_an_object(job)) {
		if (job->args == NULL) {
			job->args = mem_dup("{}");
			job->args_size = 2;
		}
		run_function(job);
		return;
	}
	job->said.result = SETTLE_REFUSED;
	job->said.reason = mem_dup("the arguments are not a valid JSON object");
}

static void run_list(struct plugin_job *job)
{
	struct listing l = {.list = {sizeof l.list, on_listed}, .job = job};

	job->said.result = job->target->lib.api.list(job->target->self, &l.list);
	if (l.flooded)
		job->said.fault = "its `list` names too many branches, or one by a key that is too "
				  "long";
}

static void run_check(struct plugin_job *job)
{
	char problem[SETTLE_PROBLEM_SIZE] = "";
	const bool serves = job->target->lib.api.check(job->target->self, problem);

	job->said.result = serves ? SETTLE_DONE : SETTLE_REFUSED;
	job->said.reason = mem_dup_bytes(problem, strnlen(problem, sizeof problem - 1));
}

void plugin_job_run(struct plugin_job *job)
{
	switch (job->kind) {
	case PLUGIN_DO:
	case PLUGIN_UNDO:
	case PLUGIN_PREPARE: run_work(job); break;
	case PLUGIN_COMMIT:
	case PLUGIN_ROLLBACK: run_function(job); break;
	case PLUGIN_LIST: run_list(job); break;
	case PLUGIN_CHECK: run_check(job); break;
	case PLUGIN_CLOSE:
		job->target->close_begun = true;
		job->target->lib.api.close(job->target->self);
		break;
	case PLUGIN_KINDS: break;
	}
}

void plugin_job_free(struct plugin_job *job)
{
	for (size_t i = 0; i < job->said.n_keys; i++)
		free(job->said.keys[i]);
	free(job->said.keys);
	free(job->said.output);
	free(job->said.reason);
	free(job->args);
	free(job);
}
