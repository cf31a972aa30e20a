/* engine.c - see engine.h: the life of the engine, and its turn.
 *
 * What a turn does, in order:
 *   1. timers that are due: deadlines, resends, clients whose wait is over, polls
 *      held long enough
 *   2. the batch is closed if it holds anything that must be durable
 *   3. effects whose batch is durable are released: commands go to outboxes,
 *      answers to clients
 *   4. each agent with something in its outbox and a poll held is sent one frame */
#include "base/log.h"
#include "base/mem.h"
#include "coordinator/core.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void note_newest(const struct record *r, void *arg)
{
	uint64_t *newest = arg;

	if (r->seq > *newest)
		*newest = r->seq;
}

struct engine *engine_new(const struct engine_settings *settings,
			  const struct journal_port *journal, const struct link_port *agents_port,
			  const struct client_port *clients_port)
{
	struct engine *e = mem_new(1, sizeof *e);
	const struct list_query newest = {.limit = 1, .groups = true};
	struct err err;

	e->settings = *settings;
	if (e->settings.early_news == 0)
		e->settings.early_news = EARLY_NEWS;
	e->journal = *journal;
	e->agents_port = *agents_port;
	e->clients_port = *clients_port;
	e->definitions = definitions_new();
	e->random = settings->seed;
	effects_init(e);
	/* The wall clock may have gone back since: a number must not come twice. */
	if (journal->list(journal->self, &newest, note_newest, &e->last_seq, &err) != RC_OK)
		log_event(LOG_ERROR, "journal-read-failed", "%s", err.text);
	return e;
}

void engine_free(struct engine *e)
{
	struct resource *res, *tmp;
	struct txn *t, *next;

	if (e == NULL)
		return;
	clients_fini(e);
	HASH_ITER (hh, e->txns, t, next)
		txn_free(e, t);
	agents_fini(e);
	catalog_fini(e);
	definitions_free(e->definitions);
	HASH_ITER (hh, e->resources, res, tmp) {
		HASH_DEL(e->resources, res);
		resource_free(res);
	}
	effects_fini(e);
	heap_fini(&e->txn_timers);
	heap_fini(&e->agent_timers);
	heap_fini(&e->waiter_timers);
	jsonbuf_fini(&e->line);
	free(e->frame);
	free(e);
}

static enum rc damaged(const struct record *r, const char *how, struct err *err)
{
	return err_set(err, RC_INVALID,
		       "the journal is damaged: transaction %s %s: see \"A damaged journal\" in "
		       "docs/journal.md before you do anything else",
		       r->gid, how);
}

/* Agents' answers are told apart by the names of branches. */
static bool names_repeat(const struct record *r)
{
	for (size_t i = 0; i < r->n_branches; i++)
		for (size_t k = 0; k < i; k++)
			if (strcmp(r->branches[i].name, r->branches[k].name) == 0)
				return true;
	return false;
}

/* What has still to be done can be said. */
static bool args_missing(const struct record *r)
{
	for (size_t i = 0; i < r->n_branches; i++) {
		const struct record_branch *b = &r->branches[i];

		if ((b->state == BR_WAITING || b->state == BR_WORKING) && b->args == NULL)
			return true;
	}
	return false;
}

/* What was written of the steps is what the definition says that they are. */
static bool steps_fit(const struct saga *s)
{
	if (s->def->n_steps != s->n_steps)
		return false;
	for (size_t i = 0; i < s->n_steps; i++)
		if (strcmp(s->steps[i].name, s->def->steps[i].name) != 0)
			return false;
	return saga_valid(s);
}

/* Gives the saga the definition that it began with. */
static enum rc load_definition(struct engine *e, struct record *r, struct definition **out,
			       struct err *err)
{
	uint32_t version = r->version;

	if (version != 0)
		*out = catalog_hold(e, r->workflow, &version, err);
	else if (r->definition != NULL)
		*out = definitions_get(e->definitions, r->definition, strlen(r->definition), err);
	else
		return damaged(r, "has no definition", err);
	if (*out == NULL)
		return err_wrap(err, "transaction %s: its workflow cannot be read", r->gid);
	r->saga->def = definition_workflow(*out);
	if (!steps_fit(r->saga))
		return damaged(r, "is in a state that cannot be", err);
	return RC_OK;
}

static enum rc load_saga(struct engine *e, struct record *r, struct err *err)
{
	struct definition *def = NULL;
	enum rc rc = load_definition(e, r, &def, err);

	if (rc == RC_OK) {
		txn_add(e, r)->definition = def;
	} else {
		definition_release(e->definitions, def);
		record_free(r);
	}
	return rc;
}

enum rc engine_load(struct engine *e, struct record *r, struct err *err)
{
	enum rc rc = RC_OK;

	if (r->saga != NULL)
		return load_saga(e, r, err);
	if (r->state == TXN_PREPARING)
		rc = damaged(r, "is in a state that is never written", err);
	else if (!txn_valid(r))
		rc = damaged(r, "is in a state that its branches are not in", err);
	else if (names_repeat(r))
		rc = damaged(r, "has two branches of the same name", err);
	else if (args_missing(r))
		rc = damaged(r, "has a branch to be done and no arguments for it", err);
	if (rc == RC_OK)
		txn_continue(e, txn_add(e, r));
	else
		record_free(r);
	return rc;
}

/* Sagas go on once everything is loaded: they look at their groups. */
static void begin(struct engine *e)
{
	struct txn *t, *next;

	e->begun = true;
	HASH_ITER (hh, e->txns, t, next)
		if (t->rec->saga != NULL)
			saga_continue(e, t);
}

void engine_load_resource(struct engine *e, const struct resource_info *info)
{
	resource_learn(resource_need(e, info->name), info);
}

/* Notes when the wall clock was last set: it went otherwise than the one nobody sets. */
static void watch_wall(struct engine *e)
{
	const int64_t ahead = (int64_t)(e->wall_us - e->now_us), by = ahead - e->wall_ahead_us;

	if (e->wall_set_us == 0)
		e->pruned_us = e->now_us;
	else if (by < WALL_SLACK_US && by > -WALL_SLACK_US)
		return;
	e->wall_ahead_us = ahead;
	e->wall_set_us = e->now_us;
}

void engine_clock(struct engine *e, uint64_t mono_us, uint64_t wall_us)
{
	assert(mono_us >= e->now_us);
	e->now_us = mono_us;
	e->wall_us = wall_us;
	watch_wall(e);
}

void engine_durable(struct engine *e, uint64_t batch)
{
	effects_durable(e, batch);
	agents_durable(e);
}

static void txn_timers(struct engine *e)
{
	struct heap_node *n;

	while ((n = heap_first(&e->txn_timers)) != NULL && n->at <= e->now_us)
		txn_timer_due(e, (struct txn *)((char *)n - offsetof(struct txn, timer)));
}

/* A clock that was set years ahead would make everything old, and a client that asks once
 * more would have its transaction done twice.  So it is only believed after a while. */
static bool wall_believed(const struct engine *e)
{
	const uint64_t retention_us = e->settings.retention_ms * 1000;
	const uint64_t doubt_us = retention_us < WALL_DOUBT_US ? retention_us : WALL_DOUBT_US;

	return e->now_us >= e->wall_set_us + doubt_us && e->wall_us >= retention_us;
}

/* An empty batch asks the journal whether it is still ours: it refuses a coordinator that
 * was replaced, and without it an idle one would never hear of that. */
static void prune(struct engine *e)
{
	const bool busy = e->open->staged && e->now_us >= e->pruned_us + PRUNE_BUSY_US;

	if (!busy && e->now_us < e->pruned_us + PRUNE_IDLE_US)
		return;
	e->pruned_us = e->now_us;
	if (e->settings.retention_ms != 0 && wall_believed(e))
		e->journal.prune(e->journal.self, e->wall_us - e->settings.retention_ms * 1000);
	effects_stage_lazy(e);
}

void engine_turn(struct engine *e)
{
	if (!e->begun)
		begin(e);
	txn_timers(e);
	clients_turn(e);
	agents_turn(e);
	prune(e);
	effects_turn(e);
	agents_flush(e);
}

static uint64_t earlier(uint64_t at, const struct heap *h)
{
	const struct heap_node *n = heap_first(h);

	return n != NULL && n->at < at ? n->at : at;
}

uint64_t engine_due(const struct engine *e)
{
	uint64_t at = effects_due(e);

	if (e->dirty != NULL || !e->begun)
		return 0;
	if (e->pruned_us + PRUNE_IDLE_US < at)
		at = e->pruned_us + PRUNE_IDLE_US;
	at = earlier(at, &e->txn_timers);
	at = earlier(at, &e->agent_timers);
	return earlier(at, &e->waiter_timers);
}

void engine_drain(struct engine *e)
{
	e->draining = true;
	history_overdue(e, true);
}

size_t engine_busy(const struct engine *e)
{
	struct txn *t, *tmp;
	size_t n = HASH_COUNT(e->waiters);

	HASH_ITER (hh, e->txns, t, tmp)
		n += t->rec->state == TXN_PREPARING && !t->rec->accepted;
	return n + (e->flying != NULL) + effects_ready(e);
}
