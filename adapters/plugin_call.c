/* plugin_call.c - a call from the contract's function to its answer: see plugin_impl.h.
 *
 * Threads: what finishes (commit, rollback, undo, list, check) goes first, and work (do,
 * prepare) never takes the last quarter of the threads that are not lost, so that work
 * which hangs cannot keep others from being ended.
 *
 * A job that is given up may still act.  So nothing else about the same branch or step
 * is begun until it has returned; and as it lives in this process, it ends with it. */
#include "adapters/plugin_impl.h"

#include "base/crash.h"
#include "base/log.h"
#include "base/mem.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

static void on_timer(struct adapter_timer *t);

struct plugin_call *plugin_call_new(struct plugin *p, enum plugin_kind kind, const char *identity,
				    void *arg)
{
	struct plugin_call *c = mem_new(1, sizeof *c);
	struct plugin_job *job;

	c->p = p;
	c->kind = kind;
	c->arg = arg;
	c->timer.fn = on_timer;
	DL_APPEND2(p->open, c, prev_open, next_open);
	HASH_FIND_STR(p->jobs, identity, job);
	if (job != NULL) {
		assert(job->call == NULL); /* one call a branch or step: the agent's promise */
		plugin_call_answer(
			c, RESULT_UNKNOWN,
			"resource %s: an earlier %s of it has been given up and still has "
			"not returned",
			p->resource, plugin_kind_name(job->kind));
		return c;
	}
	job = mem_new(1, sizeof *job);
	assert(strlen(identity) < sizeof job->identity);
	strcpy(job->identity, identity);
	strcpy(job->key, identity);
	job->target = p->target;
	job->kind = kind;
	job->call = c;
	c->job = job;
	HASH_ADD_STR(p->jobs, identity, job);
	return c;
}

/* ---- answers ---- */

static struct plugin_call **queue_of(struct plugin_call *c)
{
	const bool work = c->kind == PLUGIN_DO || c->kind == PLUGIN_PREPARE;

	return work ? &c->p->queued_work : &c->p->queued_finish;
}

static void leave_queue(struct plugin_call *c)
{
	struct plugin_call **queue = queue_of(c);

	assert(c->place == PLUGIN_QUEUED);
	DL_DELETE(*queue, c);
	c->p->queued--;
}

static void let_job_go(struct plugin_call *c)
{
	struct plugin_job *job = c->job;

	c->job = NULL;
	if (job == NULL)
		return;
	job->call = NULL;
	if (c->place == PLUGIN_RUNNING)
		return; /* it is lost, and stays known */
	HASH_DEL(c->p->jobs, job);
	plugin_job_free(job);
}

static void answer(struct plugin_call *c, enum result_kind result, const char *fmt, va_list ap)
{
	struct plugin *p = c->p;

	assert(c->place != PLUGIN_ANSWERED);
	if (c->place == PLUGIN_QUEUED)
		leave_queue(c);
	adapter_timer_stop(&p->loop, &c->timer);
	let_job_go(c);
	c->place = PLUGIN_ANSWERED;
	c->result = result;
	if (fmt != NULL) {
		char text[2 * REASON_MAX];

		vsnprintf(text, sizeof text, fmt, ap);
		c->reason = frame_cut_reason(text); /* the plugin's own words are in it */
	}
	DL_DELETE2(p->open, c, prev_open, next_open);
	DL_APPEND(p->answers, c);
	adapter_loop_soon(&p->loop);
}

void plugin_call_answer(struct plugin_call *c, enum result_kind result, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (c->kind == PLUGIN_LIST && result != RESULT_DONE)
		c->rc = RC_UNAVAILABLE;
	answer(c, result, fmt, ap);
	va_end(ap);
}

/* "Not begun" proves nothing of earlier attempts of the same call, and an exact
 * resource's RETRY would claim that. */
void plugin_call_not_begun(struct plugin_call *c, const char *fmt, ...)
{
	const bool exact = (c->p->api->flags & SETTLE_EXACT) != 0;
	enum result_kind result = RESULT_UNKNOWN;
	va_list ap;

	if (c->kind == PLUGIN_PREPARE)
		result = RESULT_RETRY;
	else if ((c->kind == PLUGIN_DO || c->kind == PLUGIN_UNDO) && !exact)
		result = RESULT_RETRY;
	if (result == RESULT_RETRY)
		c->retry_after_ms = PLUGIN_BUSY_RETRY_MS;
	if (c->kind == PLUGIN_CHECK)
		plugin_ready_again(c->p);
	c->rc = RC_UNAVAILABLE;
	va_start(ap, fmt);
	answer(c, result, fmt, ap);
	va_end(ap);
}

static void call_free(struct plugin_call *c)
{
	for (size_t i = 0; i < 2 * c->n_found; i++)
		free(c->names[i]);
	free(c->names);
	free(c->found);
	free(c->output);
	free(c->reason);
	free(c);
}

void plugin_call_deliver(struct plugin *p)
{
	struct plugin_call *c;

	while ((c = p->answers) != NULL) {
		const struct adapter_answer told = {
			.kind = c->result,
			.output = {c->output, c->output_size},
			.reason = c->reason,
			.retry_after_ms = c->retry_after_ms,
		};

		DL_DELETE(p->answers, c);
		if (c->listed != NULL)
			c->listed(c->rc, c->found, c->n_found, c->arg);
		else if (c->done != NULL)
			c->done(&told, c->arg);
		call_free(c);
	}
}

/* ---- the queue ---- */

void plugin_call_queue(struct plugin_call *c, uint64_t ms)
{
	struct plugin *p = c->p;
	struct plugin_call **queue = queue_of(c);

	if (p->queued >= p->config.queue) {
		plugin_call_not_begun(c,
				      "resource %s is busy: %" PRId64 " calls wait already (queue)",
				      p->resource, p->queued);
		return;
	}
	c->place = PLUGIN_QUEUED;
	c->ends_at = uv_now(p->loop.uv) + ms;
	DL_APPEND(*queue, c);
	p->queued++;
	adapter_timer_set(&p->loop, &c->timer, ms);
	plugin_call_dispatch(p);
}

static void start(struct plugin_call *c)
{
	struct plugin *p = c->p;
	const uint64_t now = uv_now(p->loop.uv), left = c->ends_at > now ? c->ends_at - now : 0;

	leave_queue(c);
	c->place = PLUGIN_RUNNING;
	c->job->timeout_ms = (uint32_t)left;
	c->job->began_at = now;
	adapter_timer_set(&p->loop, &c->timer, left);
	p->running++;
	plugin_pool_give(p->pool, c->job);
}

bool plugin_call_dispatch(struct plugin *p)
{
	const int64_t live = p->config.threads - p->lost;
	const int64_t kept = live > 1 ? (live + 3) / 4 : 0;
	bool any = false;

	while (p->pool != NULL) {
		const int64_t busy = p->running - p->lost;
		struct plugin_call *c = NULL;

		if (p->queued_finish != NULL && busy < live)
			c = p->queued_finish;
		else if (p->queued_work != NULL && busy < live - kept)
			c = p->queued_work;
		if (c == NULL)
			break;
		start(c);
		any = true;
	}
	return any;
}

/* Nobody is left who could take what waits. */
static void send_all_back(struct plugin *p)
{
	struct plugin_call *c, *tmp;

	for (c = p->open; c != NULL; c = tmp) {
		tmp = c->next_open;
		if (c->place == PLUGIN_QUEUED)
			plugin_call_not_begun(c,
					      "resource %s: every thread is in a function of the "
					      "plugin that does not return",
					      p->resource);
	}
}

/* ---- deadlines ---- */

static void lose(struct plugin_call *c)
{
	struct plugin *p = c->p;
	const struct plugin_job *job = c->job;
	const uint64_t ms = uv_now(p->loop.uv) - job->began_at;

	p->lost++;
	log_event(LOG_ERROR, "plugin-call-lost",
		  "resource=%s function=\"%s\" key=%s ms=%" PRIu64 " lost=%" PRId64
		  " threads=%" PRId64 " has not returned by its deadline and the grace",
		  p->resource, plugin_kind_name(c->kind), job->key, ms, p->lost, p->config.threads);
	if (c->kind == PLUGIN_CHECK)
		plugin_ready_checked(p, "the plugin's `check` does not return");
	plugin_call_answer(c, RESULT_UNKNOWN,
			   "resource %s: the plugin's %s has not returned after %" PRIu64 " ms",
			   p->resource, plugin_kind_name(c->kind), ms);
	if (p->lost == p->config.threads)
		send_all_back(p);
}

static void on_timer(struct adapter_timer *t)
{
	struct plugin_call *c =
		(struct plugin_call *)((char *)t - offsetof(struct plugin_call, timer));
	struct plugin *p = c->p;

	if (c->place == PLUGIN_QUEUED) {
		plugin_call_not_begun(c,
				      "resource %s was busy until the deadline: %" PRId64
				      " of %" PRId64 " threads are in use",
				      p->resource, p->running, p->config.threads);
		return;
	}
	assert(c->place == PLUGIN_RUNNING);
	atomic_store(&c->job->cancelled, true);
	if (c->late) {
		lose(c);
		return;
	}
	c->late = true;
	adapter_timer_set(&p->loop, &c->timer, p->config.grace_ms);
}

/* ---- the end of a function ---- */

static void came_late(struct plugin *p, struct plugin_job *job)
{
	p->lost--;
	log_event(LOG_WARN, "plugin-call-returned",
		  "resource=%s function=\"%s\" key=%s ms=%" PRIu64 " lost=%" PRId64
		  " had been given up; what it says is dropped",
		  p->resource, plugin_kind_name(job->kind), job->key,
		  uv_now(p->loop.uv) - job->began_at, p->lost);
	HASH_DEL(p->jobs, job);
	if (job->kind == PLUGIN_CHECK && !p->closing)
		adapter_timer_set(&p->loop, &p->check_due, 0);
	plugin_job_free(job);
}

void plugin_call_back(struct plugin_job *job, void *arg)
{
	struct plugin *p = arg;
	struct plugin_call *c = job->call;

	CRASH_POINT(plugin_heard);
	adapter_loop_enter(&p->loop);
	p->running--;
	if (c == NULL) {
		came_late(p, job);
	} else {
		assert(c->place == PLUGIN_RUNNING);
		c->place = PLUGIN_NEW; /* it has no thread any more */
		plugin_verdict(c, &job->said);
	}
	adapter_loop_leave(&p->loop);
}

void plugin_call_cancel(struct plugin *p, const char *identity, enum plugin_kind kind)
{
	struct plugin_job *job;

	HASH_FIND_STR(p->jobs, identity, job);
	if (job == NULL || job->call == NULL || job->kind != kind)
		return;
	if (job->call->place == PLUGIN_QUEUED)
		plugin_call_not_begun(job->call, "it was cancelled before it began");
	else
		atomic_store(&job->cancelled, true);
}

void plugin_call_end_all(struct plugin *p)
{
	struct plugin_call *c, *tmp;

	/* Answering takes the call out of this list. */
	for (c = p->open; c != NULL; c = tmp) {
		tmp = c->next_open;
		if (c->place == PLUGIN_QUEUED) {
			plugin_call_answer(c, RESULT_UNKNOWN, "the agent is stopping");
		} else if (c->place == PLUGIN_RUNNING && !c->late) {
			atomic_store(&c->job->cancelled, true);
			c->late = true;
			adapter_timer_set(&p->loop, &c->timer, p->config.grace_ms);
		}
	}
}

/* Their threads, or the pool, free them. */
void plugin_call_forget_lost(struct plugin *p)
{
	struct plugin_job *job, *tmp;

	HASH_ITER (hh, p->jobs, job, tmp) {
		assert(job->call == NULL);
		HASH_DEL(p->jobs, job);
	}
}
