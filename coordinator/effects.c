/* effects.c - batches of records, and what must wait for them.
 *
 * Rule: an effect that tells of a transaction leaves only when the last forced
 * batch with news of that transaction is durable.  A list, which tells of all,
 * waits for the last forced batch of all.  Lazy records (ends) nobody waits for:
 * after a crash the decision before them is found and carried out again.
 *
 * A batch goes: open (collects this turn's records) → flying (given to the journal)
 * → durable (its effects are ready, transactions that ended in it leave memory). */
#include "base/crash.h"
#include "base/mem.h"
#include "coordinator/core.h"

#include <assert.h>
#include <stdlib.h>

static void effects_list_init(struct effects *list)
{
	list->first = NULL;
	list->last = &list->first;
	list->jobs = NULL;
}

static void append(struct effects *list, struct effect *x)
{
	*list->last = x;
	list->last = &x->next;
}

static void hold(struct effects *list, struct job *job)
{
	job->place = JOB_HELD;
	job->held = &list->jobs;
	DL_APPEND(list->jobs, job);
}

/* Moves all of `from` behind `to`. */
static void splice(struct effects *to, struct effects *from)
{
	struct job *job;

	if (from->first != NULL) {
		*to->last = from->first;
		to->last = from->last;
	}
	DL_FOREACH (from->jobs, job)
		job->held = &to->jobs;
	DL_CONCAT(to->jobs, from->jobs);
	effects_list_init(from);
}

static struct batch *batch_new(uint64_t id)
{
	struct batch *b = mem_new(1, sizeof *b);

	b->id = id;
	effects_list_init(&b->effects);
	return b;
}

void effects_init(struct engine *e)
{
	e->open = batch_new(1);
	e->flying_end = &e->flying;
	effects_list_init(&e->turns[0]);
	effects_list_init(&e->turns[1]);
	e->ready = &e->turns[0];
}

/* The list for what must wait for batch `after`. */
static struct effects *list_for(struct engine *e, uint64_t after)
{
	if (after <= e->durable)
		return e->ready;
	for (struct batch *b = e->flying; b != NULL; b = b->next)
		if (b->id == after)
			return &b->effects;
	assert(after == e->open->id);
	return &e->open->effects;
}

static void stage(struct engine *e, bool forced)
{
	if (!e->open->staged)
		e->staged_us = e->now_us;
	e->open->staged = true;
	e->forced = e->forced || forced;
}

void effects_stage_lazy(struct engine *e)
{
	stage(e, false);
}

/* The open batch is the one to wait for before `t` is heard of. */
static void news_of(struct engine *e, struct txn *t)
{
	if (t->batch != e->open->id)
		e->open->told++;
	t->batch = e->open->id;
	history_with_batch(e, t);
}

void effects_stage_news(struct engine *e, struct txn *t)
{
	stage(e, true);
	news_of(e, t);
}

static bool hazard(enum txn_state s)
{
	return s == TXN_COMMIT_HAZARD || s == TXN_ABORT_HAZARD;
}

/* What was never written is written whole and at once, whatever it has become.
 * What was decided before, and now ends, only ends.  A rollback in one phase is
 * forced as well: a restart that did not know of it would run an accepted
 * transaction again, after its client was told that it was rolled back. */
void effects_record(struct engine *e, struct txn *t, enum txn_state before)
{
	const enum txn_state now = t->rec->state;
	const bool ends = before == TXN_COMMITTING || before == TXN_ABORTING;
	bool forced;

	if (txn_durability(now) == TXN_VOLATILE)
		return;
	forced = txn_durability(now) == TXN_FORCED || txn_durability(before) == TXN_VOLATILE ||
		 hazard(before) || (before == TXN_ONE_PHASE && now == TXN_ABORTED);
	if (txn_durability(now) == TXN_LAZY && ends)
		e->journal.end(e->journal.self, t->rec);
	else
		e->journal.put(e->journal.self, t->rec);
	stage(e, forced);
	if (forced)
		news_of(e, t);
	if (record_finished(now))
		LL_PREPEND2(e->open->over, t, next_over);
}

/* A saga's decision may be its end, so that ends are forced as well. */
void effects_record_saga(struct engine *e, struct txn *t, bool whole)
{
	if (whole)
		e->journal.put(e->journal.self, t->rec);
	else
		e->journal.end(e->journal.self, t->rec);
	effects_stage_news(e, t);
	if (record_finished(t->rec->state))
		LL_PREPEND2(e->open->over, t, next_over);
}

void effects_record_step(struct engine *e, struct txn *t, size_t n, bool forced)
{
	e->journal.put_step(e->journal.self, t->rec, n);
	stage(e, forced);
	if (forced)
		news_of(e, t);
}

uint64_t effects_stage_forced(struct engine *e)
{
	stage(e, true);
	return e->open->id;
}

void effects_events(struct engine *e, const struct txn *t, uint64_t client, const char *gid,
		    uint64_t after)
{
	struct effect *x = mem_new(1, sizeof *x);
	uint64_t batch = 0;

	if (t != NULL) {
		batch = t->batch > t->events_batch ? t->batch : t->events_batch;
		x->state = t->rec->state;
	}
	x->client = client;
	x->events = true;
	x->after = after;
	x->text = mem_dup(gid);
	append(list_for(e, batch), x);
}

uint64_t effects_latest(const struct engine *e)
{
	return e->forced ? e->open->id : e->last_forced;
}

void effects_hold_job(struct engine *e, struct job *job)
{
	assert(job->place == JOB_IDLE || job->place == JOB_HELD);
	job_unlist(job); /* what it is owed now may have to wait for a later batch */
	hold(list_for(e, job->txn->batch), job);
}

void effects_answer(struct engine *e, uint64_t after, uint64_t client, enum answer_code code,
		    char *json, const char *text)
{
	struct effect *x = mem_new(1, sizeof *x);

	x->client = client;
	x->code = code;
	x->json = json;
	x->text = mem_dup(text);
	append(list_for(e, after), x);
}

void effects_durable(struct engine *e, uint64_t id)
{
	while (e->flying != NULL && e->flying->id <= id) {
		struct batch *b = e->flying;
		struct txn *t, *next;

		e->flying = b->next;
		if (e->flying == NULL)
			e->flying_end = &e->flying;
		splice(e->ready, &b->effects);
		LL_FOREACH_SAFE2(b->over, t, next, next_over)
		LL_PREPEND2(e->dead, t, next_over);
		e->durable = b->id;
		free(b);
	}
}

/* What ended in the batch is in flight no more, so what it tells of is counted as well. */
static bool few_wait(const struct engine *e)
{
	return e->in_flight <= FEW_IN_FLIGHT && e->open->told <= FEW_IN_FLIGHT;
}

static void batch_close(struct engine *e)
{
	struct batch *b = e->open;

	history_batch_closes(e);
	CRASH_POINT(batch_close);
	e->journal.commit(e->journal.self, b->id, e->forced && few_wait(e));
	if (e->forced)
		e->last_forced = b->id;
	e->forced = false;
	*e->flying_end = b;
	e->flying_end = &b->next;
	e->open = batch_new(b->id + 1);
}

/* A frame may have the answers of all that is in flight.  Taken as one batch, loop and journal
 * would then wait for each other in turn, half of the time each. */
void effects_early(struct engine *e)
{
	if (e->flying == NULL && e->open->told >= e->settings.early_news)
		batch_close(e);
}

/* An answer or a job: the place where it may be too late for it. */
static void one_leaves(void)
{
	CRASH_POINT(effect_release);
}

static void release(struct engine *e, struct effect *x)
{
	one_leaves();
	if (x->events)
		history_answer(e, x->client, x->text, x->after, x->state);
	else
		e->clients_port.answer(e->clients_port.self, x->client, x->code, x->json, x->text);
	free(x->text);
	free(x);
}

/* What becomes ready meanwhile is for the next turn. */
static void release_all(struct engine *e)
{
	struct effects *now = e->ready;
	struct effect *x, *next;

	e->ready = &e->turns[now == &e->turns[0]];
	for (x = now->first; x != NULL; x = next) {
		next = x->next;
		release(e, x);
	}
	while (now->jobs != NULL) { /* one may take others out of the list */
		one_leaves();
		job_dispatch(e, now->jobs);
	}
	effects_list_init(now);
}

void effects_turn(struct engine *e)
{
	struct txn *t, *next_dead;

	history_overdue(e, false);
	if (e->open->staged && (e->forced || e->now_us >= e->staged_us + LAZY_FLUSH_US))
		batch_close(e);
	release_all(e);
	LL_FOREACH_SAFE2(e->dead, t, next_dead, next_over)
	txn_free(e, t);
	e->dead = NULL;
}

bool effects_ready(const struct engine *e)
{
	return e->ready->first != NULL || e->ready->jobs != NULL;
}

uint64_t effects_due(const struct engine *e)
{
	if (effects_ready(e) || e->forced)
		return 0;
	return e->open->staged && e->staged_us + LAZY_FLUSH_US < history_due(e)
		       ? e->staged_us + LAZY_FLUSH_US
		       : history_due(e);
}

static void effects_free(struct effects *list)
{
	struct effect *x, *next;

	for (x = list->first; x != NULL; x = next) {
		next = x->next;
		free(x->json);
		free(x->text);
		free(x);
	}
}

void effects_fini(struct engine *e)
{
	struct batch *b, *next;

	for (b = e->flying; b != NULL; b = next) {
		next = b->next;
		effects_free(&b->effects);
		free(b);
	}
	effects_free(&e->open->effects);
	free(e->open);
	effects_free(e->ready);
}
