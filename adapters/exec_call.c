/* exec_call.c - a call from the contract's function to its answer: see exec_impl.h.
 *
 * Slots: commits, rollbacks and compensations go first, and prepares and actions never
 * take the last quarter, so that those which hang cannot keep others from being ended. */
#include "adapters/exec_impl.h"

#include "base/mem.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

void exec_key_make(char out[EXEC_KEY_SIZE], const char *cluster, const struct branch_id *id)
{
	const int n = snprintf(out, EXEC_KEY_SIZE, "settle:%s:%" PRIu64 ":%s:%s", cluster,
			       id->epoch, id->gid, id->branch);

	assert(n > 0 && n < EXEC_KEY_SIZE); /* the ids were checked where they came in */
}

static bool is_of_saga(enum command_kind kind)
{
	return kind == COMMAND_DO || kind == COMMAND_UNDO;
}

static void on_late(struct adapter_timer *t)
{
	struct exec_call *c = (struct exec_call *)((char *)t - offsetof(struct exec_call, timer));

	assert(c->place == EXEC_QUEUED);
	if (c->kind == COMMAND_PREPARE || is_of_saga(c->kind))
		exec_call_answer(c, RESULT_RETRY,
				 "resource %s was busy until the deadline: %" PRId64
				 " commands run at once (parallel)",
				 c->ex->resource, c->ex->config.parallel);
	else
		exec_call_answer(c, RESULT_UNKNOWN, "resource %s is busy", c->ex->resource);
}

struct exec_call *exec_call_new(struct exec *ex, enum command_kind kind, const struct branch_id *id,
				void *arg)
{
	struct exec_call *c = mem_new(1, sizeof *c);

	c->ex = ex;
	c->kind = kind;
	c->arg = arg;
	c->place = EXEC_BUSY;
	c->timer.fn = on_late;
	DL_APPEND2(ex->open, c, prev_open, next_open);
	if (id == NULL)
		return c;
	assert(strlen(id->gid) <= GID_MAX && strlen(id->branch) <= NAME_MAX_LEN);
	strcpy(c->gid, id->gid);
	strcpy(c->branch, id->branch);
	c->id = (struct branch_id){ex->resource, c->gid, id->epoch, c->branch};
	if (is_of_saga(kind))
		call_key(c->gid, c->branch, kind == COMMAND_UNDO, c->key);
	else
		exec_key_make(c->key, ex->cluster, id);
	assert(exec_call_find(ex, c->key) == NULL); /* one call a key: the agent's promise */
	HASH_ADD_STR(ex->by_key, key, c);
	return c;
}

struct exec_call *exec_call_find(struct exec *ex, const char *key)
{
	struct exec_call *c;

	HASH_FIND_STR(ex->by_key, key, c);
	return c;
}

/* ---- slots ---- */

static struct exec_call **queue_of(struct exec_call *c)
{
	return c->kind == COMMAND_PREPARE || c->kind == COMMAND_DO ? &c->ex->queued_work
								   : &c->ex->queued_finish;
}

static void leave_queue(struct exec_call *c)
{
	struct exec_call **queue = queue_of(c);

	assert(c->place == EXEC_QUEUED);
	DL_DELETE(*queue, c);
	adapter_timer_stop(&c->ex->loop, &c->timer);
	c->place = EXEC_BUSY;
}

void exec_call_queue(struct exec_call *c, uint64_t ms)
{
	struct exec_call **queue = queue_of(c);

	c->place = EXEC_QUEUED;
	DL_APPEND(*queue, c);
	adapter_timer_set(&c->ex->loop, &c->timer, ms);
	adapter_loop_soon(&c->ex->loop);
}

bool exec_call_dispatch(struct exec *ex)
{
	const int64_t all = ex->config.parallel, kept = all > 1 ? (all + 3) / 4 : 0;

	bool any = false;

	while (!ex->closing) {
		struct exec_call *c = NULL;

		if (ex->queued_finish != NULL && ex->running < all)
			c = ex->queued_finish;
		else if (ex->queued_work != NULL && ex->running < all - kept)
			c = ex->queued_work;
		if (c == NULL)
			break;
		any = true;
		leave_queue(c);
		c->slot = true;
		ex->running++;
		exec_flow_start(c);
	}
	return any;
}

/* ---- answers ---- */

void exec_call_answer(struct exec_call *c, enum result_kind result, const char *fmt, ...)
{
	struct exec *ex = c->ex;
	va_list ap;

	assert(c->place != EXEC_ANSWERED && c->run == NULL);
	if (c->place == EXEC_QUEUED)
		leave_queue(c);
	if (c->slot)
		ex->running--;
	c->place = EXEC_ANSWERED;
	c->result = result;
	if (fmt != NULL) {
		char text[2 * REASON_MAX];

		va_start(ap, fmt);
		vsnprintf(text, sizeof text, fmt, ap);
		va_end(ap);
		free(c->reason);
		c->reason = frame_cut_reason(text); /* commands' own words are in it */
	}
	if (c->kind != COMMAND_NONE)
		HASH_DEL(ex->by_key, c);
	DL_DELETE2(ex->open, c, prev_open, next_open);
	DL_APPEND(ex->answers, c);
	adapter_loop_soon(&ex->loop);
}

static void call_free(struct exec_call *c)
{
	for (size_t i = 0; i < 2 * c->n_found; i++)
		free(c->names[i]);
	free(c->names);
	free(c->found);
	free(c->args);
	free(c->output);
	free(c->reason);
	free(c);
}

void exec_call_deliver(struct exec *ex)
{
	struct exec_call *c;

	while ((c = ex->answers) != NULL) {
		const struct adapter_answer answer = {
			.kind = c->result,
			.output = {c->output, c->output_size},
			.reason = c->reason,
			.retry_after_ms = c->retry_after_ms,
		};

		DL_DELETE(ex->answers, c);
		if (c->kind == COMMAND_NONE)
			c->listed(c->rc, c->found, c->n_found, c->arg);
		else
			c->done(&answer, c->arg);
		call_free(c);
	}
}

void exec_call_end_all(struct exec *ex)
{
	struct exec_call *c, *tmp;

	/* Answering takes the call out of this list. */
	for (c = ex->open; c != NULL; c = tmp) {
		tmp = c->next_open;
		if (c->place == EXEC_QUEUED)
			exec_call_answer(c, RESULT_UNKNOWN, "the agent is stopping");
		else if (c->run != NULL)
			exec_run_stop(c->run, true);
	}
}
