/* pg_call.c - see pg_call.h. */
#include "adapters/pg_call.h"

#include "adapters/pg.h"
#include "base/mem.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

enum {
	GRACE_MS = 2000,        /* for the server's own time-outs to come first */
	FINISH_MS = 10000,      /* any call without a deadline of its own */
	FINISHER_LOAD_MAX = 64, /* units; more wait here, for whoever is free first */
	SPARE_MAX = 64,
	COMMIT_MS = 8000, /* the least time-out that a commit may run under */
	RELIEF_MS = 5,    /* that a commit waits for a session of the pool */
};

#define CALL_OF(timer, member) \
	((struct pg_call *)((char *)(timer)-offsetof(struct pg_call, member)))

static void out_of_time(struct pg_call *c)
{
	struct pg *pg = c->pg;

	if (c->place == PG_QUEUED_WORK && c->is_work) {
		if (pg->ready)
			pg_call_fail(c, pg_call_unbegun(c),
				     "no free session in %s's pool of %d before the deadline",
				     pg->resource, (int)pg->config.pool);
		else
			pg_call_fail(c, pg_call_unbegun(c), "%s does not serve: %s", pg->resource,
				     pg->problem);
		return;
	}
	if (c->reason[0] == '\0')
		pg_print(c->reason, sizeof c->reason, "%s gave no answer in time", pg->resource);
	c->expired = true;
	if (c->place == PG_RUNNING)
		pg_session_break(c->session, c->reason); /* its unit ends, and answers */
	else
		pg_call_answer(c, RESULT_UNKNOWN);
}

static void on_deadline(struct adapter_timer *t)
{
	out_of_time(CALL_OF(t, deadline));
}

static void on_pause(struct adapter_timer *t)
{
	struct pg_call *c = CALL_OF(t, pause);

	c->step(c);
}

/* Calls are big for malloc's caches, and there are two for each branch. */
static struct pg_call *spare_call(struct pg *pg)
{
	struct pg_call *c = pg->spare;

	if (c == NULL)
		return mem_new(1, sizeof *c);
	LL_DELETE(pg->spare, c);
	pg->n_spare--;
	memset(c, 0, sizeof *c);
	return c;
}

static void drop_call(struct pg *pg, struct pg_call *c)
{
	if (pg->n_spare == SPARE_MAX) {
		free(c);
		return;
	}
	LL_PREPEND(pg->spare, c);
	pg->n_spare++;
}

void pg_call_free_spare(struct pg *pg)
{
	struct pg_call *c, *next;

	LL_FOREACH_SAFE (pg->spare, c, next)
		free(c);
}

static struct pg_call *new_call(struct pg *pg, adapter_done_fn done, void *arg)
{
	struct pg_call *c = spare_call(pg);

	c->pg = pg;
	c->done = done;
	c->arg = arg;
	c->place = PG_PAUSED;
	c->deadline.fn = on_deadline;
	c->pause.fn = on_pause;
	c->unit.arg = c->unit2.arg = c;
	c->ends_at = uv_now(pg->loop.uv) + FINISH_MS;
	adapter_timer_set(&pg->loop, &c->deadline, FINISH_MS);
	DL_APPEND2(pg->open, c, prev_open, next_open);
	return c;
}

struct pg_call *pg_call_new(struct pg *pg, const struct branch_id *id, adapter_done_fn done,
			    void *arg)
{
	struct pg_call *c = new_call(pg, done, arg);

	if (id != NULL) {
		pg_branch_init(&c->branch, pg->cluster, id);
		HASH_ADD_STR(pg->by_name, branch.name, c);
	}
	return c;
}

struct pg_call *pg_call_new_saga(struct pg *pg, const struct adapter_call *call,
				 adapter_done_fn done, void *arg)
{
	struct pg_call *c = new_call(pg, done, arg);

	c->is_call = true;
	c->undo = call->undo;
	c->elsewhere = call->elsewhere;
	c->attempt = call->attempt;
	pg_branch_of_step(&c->branch, call->gid, call->step);
	HASH_ADD_STR(pg->by_name, branch.name, c);
	return c;
}

enum result_kind pg_call_unbegun(const struct pg_call *c)
{
	return !c->is_call || c->attempt <= 1 ? RESULT_RETRY : RESULT_UNKNOWN;
}

enum result_kind pg_call_unfit(const struct pg_call *c)
{
	return c->is_call && c->attempt > 1 ? RESULT_UNKNOWN : RESULT_REFUSED;
}

void pg_call_leave(struct pg_call *c)
{
	struct pg_session *s = c->session;

	c->session = NULL;
	if (c->claims)
		pg_session_release(s);
	c->claims = false;
}

/* Out of the queue it may be in. */
static void unqueue(struct pg_call *c)
{
	if (c->place == PG_QUEUED_WORK)
		DL_DELETE(c->pg->queued_work, c);
	else if (c->place == PG_QUEUED_COMMIT)
		DL_DELETE(c->pg->queued_commit, c);
	else if (c->place == PG_QUEUED_FINISH)
		DL_DELETE(c->pg->queued_finish, c);
	else if (c->place == PG_PAUSED)
		adapter_timer_stop(&c->pg->loop, &c->pause);
}

void pg_call_answer(struct pg_call *c, enum result_kind kind)
{
	struct pg *pg = c->pg;

	assert(c->place != PG_ANSWERED);
	unqueue(c);
	pg_call_leave(c);
	adapter_timer_stop(&pg->loop, &c->deadline);
	adapter_timer_stop(&pg->loop, &c->cancel);
	DL_DELETE2(pg->open, c, prev_open, next_open);
	if (c->branch.name[0] != '\0')
		HASH_DEL(pg->by_name, c);
	if (c->is_call) /* its next attempt, wherever it runs, waits for the key itself */
		pg_suspect_forget(pg, c->branch.name);
	c->kind = kind;
	c->place = PG_ANSWERED;
	DL_APPEND(pg->answers, c);
	adapter_loop_soon(&pg->loop);
}

void pg_call_fail(struct pg_call *c, enum result_kind kind, const char *fmt, ...)
{
	va_list ap;
	char text[sizeof c->reason];

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	pg_print(c->reason, sizeof c->reason, "%s", text);
	pg_call_answer(c, kind);
}

/* False if there is no time left to go on: then it was answered. */
static bool move(struct pg_call *c, enum pg_place place, pg_step_fn step)
{
	assert(c->place == PG_RUNNING || c->place == PG_PAUSED);
	if (c->expired) {
		pg_call_answer(c, RESULT_UNKNOWN);
		return false;
	}
	unqueue(c);
	pg_call_leave(c);
	c->place = place;
	c->step = step;
	return true;
}

void pg_call_queue_work(struct pg_call *c, pg_step_fn step)
{
	if (!move(c, PG_QUEUED_WORK, step))
		return;
	DL_APPEND(c->pg->queued_work, c);
	pg_call_dispatch(c->pg);
}

void pg_call_queue_commit(struct pg_call *c, pg_step_fn step)
{
	if (!move(c, PG_QUEUED_COMMIT, step))
		return;
	c->queued = uv_now(c->pg->loop.uv);
	DL_APPEND(c->pg->queued_commit, c);
	pg_call_dispatch(c->pg);
}

void pg_call_queue_finish(struct pg_call *c, pg_step_fn step)
{
	if (!move(c, PG_QUEUED_FINISH, step))
		return;
	DL_APPEND(c->pg->queued_finish, c);
	pg_call_dispatch(c->pg);
}

void pg_call_pause(struct pg_call *c, uint64_t ms, pg_step_fn step)
{
	if (!move(c, PG_PAUSED, step))
		return;
	adapter_timer_set(&c->pg->loop, &c->pause, ms);
}

static struct pg_session *vacant_session(const struct pg *pg)
{
	for (int64_t i = 0; i < pg->config.pool; i++)
		if (pg_session_vacant(pg->work[i]))
			return pg->work[i];
	return NULL;
}

static struct pg_session *least_loaded_finisher(const struct pg *pg)
{
	struct pg_session *best = NULL;

	for (int64_t i = 0; i < pg->config.finishers; i++) {
		struct pg_session *s = pg->finish[i];

		if (pg_session_up(s) && pg_session_load(s) < FINISHER_LOAD_MAX &&
		    (best == NULL || pg_session_load(s) < pg_session_load(best)))
			best = s;
	}
	return best;
}

static void run(struct pg_call *c, struct pg_session *s)
{
	const uint64_t now = uv_now(c->pg->loop.uv);

	unqueue(c);
	c->session = s;
	c->place = PG_RUNNING;
	c->began = now;
	if (c->is_work)
		adapter_timer_set(&c->pg->loop, &c->deadline,
				  (c->ends_at > now ? c->ends_at - now : 0) + GRACE_MS);
	c->step(c);
}

/* A commit goes out together with the next work: the server's process wakes up once
 * for both (docs/performance.md).  The commit is the first of the two, so it waits for no
 * lock.  But it runs under the time-out of the work before it on that session: where that is
 * short, it goes to a finisher, which has none.  False if there was nothing to give. */
static bool give(struct pg *pg, struct pg_session *s)
{
	struct pg_session *const f =
		pg_session_patient(s, COMMIT_MS) ? s : least_loaded_finisher(pg);
	struct pg_call *const work = pg->queued_work;
	const bool commit = pg->queued_commit != NULL && f != NULL;

	if (commit)
		run(pg->queued_commit, f);
	if (work == NULL || !pg_session_up(s))
		return commit;
	pg_session_claim(s);
	work->claims = true;
	run(work, s);
	return true;
}

/* All of the pool may be waiting for locks that only these commits let go: those that
 * have waited for a moment go to the finishers. */
static void on_relief(struct adapter_timer *t)
{
	struct pg *pg = (struct pg *)((char *)t - offsetof(struct pg, relief));
	const uint64_t now = uv_now(pg->loop.uv);
	struct pg_session *s;

	while (pg->ready && pg->queued_commit != NULL &&
	       now - pg->queued_commit->queued >= RELIEF_MS &&
	       (s = least_loaded_finisher(pg)) != NULL)
		run(pg->queued_commit, s);
	pg_call_dispatch(pg);
}

void pg_call_dispatch(struct pg *pg)
{
	struct pg_session *s;

	if (!pg->ready || pg->closing)
		return;
	while ((pg->queued_commit != NULL || pg->queued_work != NULL) &&
	       (s = vacant_session(pg)) != NULL && give(pg, s))
		continue;
	if (pg->queued_commit != NULL && pg->relief.node.place == 0) {
		pg->relief.fn = on_relief;
		adapter_timer_set(&pg->loop, &pg->relief, RELIEF_MS);
	}
	while (pg->queued_finish != NULL && (s = least_loaded_finisher(pg)) != NULL)
		run(pg->queued_finish, s);
}

void pg_call_end_open(struct pg *pg)
{
	struct pg_call *c, *next;

	DL_FOREACH_SAFE2(pg->open, c, next, next_open)
	{
		assert(c->place != PG_RUNNING);
		pg_call_fail(c, RESULT_UNKNOWN, "the agent ends");
	}
}

void pg_call_end_all(struct pg *pg)
{
	for (int64_t i = 0; i < pg->config.pool; i++)
		pg_session_stop(pg->work[i]);
	for (int64_t i = 0; i < pg->config.finishers; i++)
		pg_session_stop(pg->finish[i]);
	pg_call_end_open(pg);
}

static struct bytes output_of(struct pg_call *c)
{
	struct bytes none = {NULL, 0};

	if (c->kind == RESULT_DONE && c->stored != NULL)
		return (struct bytes){c->stored, strlen(c->stored)};
	if (c->kind == RESULT_PREPARED || c->kind == RESULT_READ_ONLY ||
	    c->kind == RESULT_COMMITTED)
		return pg_output_finish(&c->output);
	return none;
}

static void tell(struct pg_call *c)
{
	const struct adapter_answer answer = {
		.kind = c->kind,
		.output = output_of(c),
		.reason = c->reason[0] != '\0' ? c->reason : NULL,
	};
	struct branch_id *ids;

	if (c->listed == NULL) {
		c->done(&answer, c->arg);
		return;
	}
	ids = mem_new(c->n_found, sizeof *ids);
	for (size_t i = 0; i < c->n_found; i++) {
		ids[i].resource = c->pg->resource;
		ids[i].gid = c->found[i].gid;
		ids[i].epoch = c->found[i].epoch;
		ids[i].branch = c->found[i].branch;
	}
	c->listed(c->rc, ids, c->n_found, c->arg);
	free(ids);
}

void pg_call_deliver(struct pg *pg)
{
	while (pg->answers != NULL) {
		struct pg_call *c = pg->answers;

		DL_DELETE(pg->answers, c);
		tell(c);
		pg_params_fini(&c->params);
		pg_output_fini(&c->output);
		free(c->stored);
		free(c->found);
		drop_call(pg, c);
	}
}

struct pg_call *pg_call_find(struct pg *pg, const struct branch_id *id)
{
	struct pg_branch b;
	struct pg_call *c;

	pg_branch_init(&b, pg->cluster, id);
	HASH_FIND_STR(pg->by_name, b.name, c);
	return c;
}

struct pg_call *pg_call_find_saga(struct pg *pg, const char *gid, const char *step, bool undo)
{
	struct pg_branch b;
	struct pg_call *c;

	pg_branch_of_step(&b, gid, step);
	HASH_FIND_STR(pg->by_name, b.name, c);
	return c != NULL && c->undo == undo ? c : NULL;
}
