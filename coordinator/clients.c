/* clients.c - what clients ask for, and when they are answered.
 *
 * Rule: an answer that names a state leaves when that state can no longer be taken
 * back by a crash (effects.c), and no later answer contradicts it. */
#include "base/log.h"
#include "base/mem.h"
#include "coordinator/core.h"
#include "coordinator/problem.h"
#include "coordinator/view.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- answers ---- */

void client_refuse(struct engine *e, uint64_t client, enum answer_code code, const char *text)
{
	effects_answer(e, 0, client, code, NULL, text);
}

void client_refuse_at(struct engine *e, uint64_t client, const char *where, const struct err *err)
{
	effects_answer(e, 0, client, ANSWER_INVALID,
		       where != NULL ? problem_place(where, err->line, err->column) : NULL,
		       err->text);
}

/* `t` is NULL for one that is not in memory. */
static void show(struct engine *e, const struct txn *t, const struct record *r, uint64_t client,
		 bool get)
{
	enum answer_code code = record_finished(r->state) ? ANSWER_FINISHED : ANSWER_UNFINISHED;

	client_show_record(e, t, r, client, get ? ANSWER_OK : code);
}

/* ---- waiters ---- */

static void waiter_free(struct engine *e, struct waiter *w)
{
	DL_DELETE(w->txn->waiters, w);
	HASH_DEL(e->waiters, w);
	heap_remove(&e->waiter_timers, &w->timer);
	free(w);
}

static struct waiter *waiter_add(struct engine *e, struct txn *t, uint64_t client,
				 enum wait_for want, uint64_t wait_ms, bool get)
{
	struct waiter *w = mem_new(1, sizeof *w);

	w->client = client;
	w->txn = t;
	w->want = want;
	w->get = get;
	DL_APPEND(t->waiters, w);
	HASH_ADD(hh, e->waiters, client, sizeof w->client, w);
	heap_set(&e->waiter_timers, &w->timer, e->now_us + wait_ms * 1000);
	return w;
}

static bool satisfied(const struct record *r, enum wait_for want)
{
	if (record_finished(r->state) || txn_is_stuck(r->state))
		return true;
	if (want == WAIT_DECIDED)
		return r->state == TXN_COMMITTING || r->state == TXN_ABORTING ||
		       r->state == TXN_SAGA_FINISHING || r->state == TXN_SAGA_UNDOING;
	return want == WAIT_ACCEPTED;
}

static void show_events(struct engine *e, struct waiter *w)
{
	history_flush(e, w->txn);
	effects_events(e, w->txn, w->client, w->txn->rec->gid, w->after);
	waiter_free(e, w);
}

void clients_notify(struct engine *e, struct txn *t)
{
	struct waiter *w, *next;

	DL_FOREACH_SAFE (t->waiters, w, next) {
		if (!satisfied(t->rec, w->want))
			continue;
		if (w->events) { /* a plain transaction has ended; a saga told it already */
			show_events(e, w);
			continue;
		}
		show(e, t, t->rec, w->client, w->get);
		waiter_free(e, w);
	}
}

void clients_news(struct engine *e, struct txn *t)
{
	struct waiter *w, *next;

	DL_FOREACH_SAFE (t->waiters, w, next)
		if (w->events)
			show_events(e, w);
}

void clients_turn(struct engine *e)
{
	struct heap_node *n;

	while ((n = heap_first(&e->waiter_timers)) != NULL && n->at <= e->now_us) {
		struct waiter *w = (struct waiter *)((char *)n - offsetof(struct waiter, timer));

		if (w->events) {
			show_events(e, w);
			continue;
		}
		show(e, w->txn, w->txn->rec, w->client, w->get);
		waiter_free(e, w);
	}
}

void engine_client_gone(struct engine *e, uint64_t client)
{
	struct waiter *w;

	HASH_FIND(hh, e->waiters, &client, sizeof client, w);
	if (w != NULL)
		waiter_free(e, w);
}

void clients_fini(struct engine *e)
{
	struct waiter *w, *tmp;

	HASH_ITER (hh, e->waiters, w, tmp)
		waiter_free(e, w);
}

/* ---- submit ---- */

static void answer_or_wait(struct engine *e, struct txn *t, uint64_t client, enum wait_for want,
			   uint64_t wait_ms, bool get)
{
	/* Submitted first by somebody who did not ask for the promise: it was not written. */
	if (want == WAIT_ACCEPTED && !t->rec->accepted)
		want = WAIT_DECIDED;
	if (wait_ms == 0 || satisfied(t->rec, want))
		show(e, t, t->rec, client, get);
	else
		waiter_add(e, t, client, want, wait_ms, get);
}

/* True if the gid is taken, and the client is dealt with. */
static bool seen_before(struct engine *e, uint64_t client, const struct submit *s)
{
	static const char differs[] =
		"this gid was submitted before with another definition or input";
	struct record *r = NULL;
	struct txn *t;
	struct err err;
	enum rc rc;

	HASH_FIND_STR(e->txns, s->gid, t);
	if (t != NULL) {
		if (memcmp(t->rec->hash, s->hash, BODY_HASH_SIZE) != 0)
			client_refuse(e, client, ANSWER_CONFLICT, differs);
		else
			answer_or_wait(e, t, client, s->wait, s->wait_ms, false);
		return true;
	}
	if (s->fresh_gid)
		return false;
	rc = e->journal.find(e->journal.self, s->gid, &r, &err);
	if (rc == RC_NOT_FOUND)
		return false;
	if (rc != RC_OK)
		client_refuse(e, client, ANSWER_FAILED, err.text);
	else if (memcmp(r->hash, s->hash, BODY_HASH_SIZE) != 0)
		client_refuse(e, client, ANSWER_CONFLICT, differs);
	else
		show(e, NULL, r, client, false);
	record_free(r);
	return true;
}

static void number(struct engine *e, struct record *r, const struct submit *s)
{
	r->seq = e->wall_us > e->last_seq ? e->wall_us : e->last_seq + 1;
	e->last_seq = r->seq;
	memcpy(r->hash, s->hash, BODY_HASH_SIZE);
	r->epoch = e->settings.epoch;
	e->counters.begun++;
}

/* ---- a plain transaction ---- */

static enum rc begin_plain(struct engine *e, const struct submit *s, const struct workflow *w,
			   json_t *input, struct txn **out, struct err *err)
{
	const struct workflow_data data = {s->gid, input, NULL};
	struct plan plan;
	struct record *r;
	enum rc rc = workflow_group(w, 0, false, &data, &plan, err);

	if (rc == RC_OK && (rc = plan_check(e, &plan, true, err)) != RC_OK)
		plan_fini(&plan);
	if (rc != RC_OK)
		return rc;
	r = record_new(s->gid, &plan);
	number(e, r, s);
	r->version = s->version;
	r->input = s->input != NULL ? view_dump(json_incref(input)) : NULL;
	r->accepted = s->wait == WAIT_ACCEPTED;
	*out = txn_add(e, r);
	if (r->accepted)
		effects_record(e, *out, TXN_ACCEPTED);
	txn_begin(e, *out);
	return RC_OK;
}

/* ---- a saga ---- */

static enum rc begin_saga(struct engine *e, const struct submit *s, struct definition *def,
			  json_t *input, struct txn **out, struct err *err)
{
	const struct workflow *w = definition_workflow(def);
	const uint64_t deadline_ms = w->deadline_ms != 0 ? w->deadline_ms : e->settings.deadline_ms;
	struct record *r;
	enum rc rc = plan_check_saga(e, w, err);

	if (rc != RC_OK)
		return rc;
	r = mem_new(1, sizeof *r);
	memcpy(r->gid, s->gid, strlen(s->gid) + 1);
	number(e, r, s);
	r->state = TXN_SAGA_RUNNING;
	r->saga = saga_new(w);
	r->workflow = mem_dup(w->name);
	r->version = s->version;
	r->definition = s->version == 0 ? mem_dup(definition_text(def)) : NULL;
	r->input = view_dump(json_incref(input));
	r->accepted = true; /* its first record is forced */
	r->deadline_us = deadline_ms != 0 ? e->wall_us + deadline_ms * 1000 : 0;
	*out = txn_add(e, r);
	(*out)->definition = definition_hold(def);
	saga_begin(e, *out);
	return RC_OK;
}

/* On failure `*where` is the part of the request that is wrong, or NULL. */
static enum rc begin(struct engine *e, struct submit *s, struct txn **out, const char **where,
		     struct err *err)
{
	struct definition *def =
		s->workflow != NULL
			? catalog_hold(e, s->workflow, &s->version, err)
			: definitions_get(e->definitions, s->definition, s->definition_size, err);
	const struct workflow *w;
	json_t *input = NULL;
	enum rc rc;

	*where = s->workflow != NULL ? "workflow" : "definition";
	if (def == NULL)
		return err->code;
	w = definition_workflow(def);
	*where = "input";
	rc = workflow_input(w, s->input, &input, err);
	if (rc == RC_OK)
		*where = NULL;
	if (rc == RC_OK)
		rc = w->saga ? begin_saga(e, s, def, input, out, err)
			     : begin_plain(e, s, w, input, out, err);
	json_decref(input);
	definition_release(e->definitions, def);
	return rc;
}

void engine_submit(struct engine *e, uint64_t client, const struct submit *given)
{
	struct submit s = *given;
	const char *where = NULL;
	struct txn *t = NULL;
	struct err err;

	if (seen_before(e, client, &s))
		return;
	if (e->draining) {
		client_refuse(e, client, ANSWER_STOPPING,
			      "the coordinator is stopping: submit again later");
		return;
	}
	if (e->in_flight >= e->settings.max_in_flight) {
		client_refuse(e, client, ANSWER_FULL,
			      "too many transactions are in flight: submit again later");
		return;
	}
	if (begin(e, &s, &t, &where, &err) != RC_OK) {
		if (err.code == RC_NOT_FOUND)
			client_refuse(e, client, ANSWER_NOT_FOUND, err.text);
		else
			client_refuse_at(e, client, where, &err);
		return;
	}
	answer_or_wait(e, t, client, s.wait, s.wait_ms, false);
}

/* ---- one ---- */

void engine_get(struct engine *e, uint64_t client, const char *gid, uint64_t wait_ms)
{
	struct record *r = NULL;
	struct txn *t;
	struct err err;
	enum rc rc;

	HASH_FIND_STR(e->txns, gid, t);
	if (t != NULL) {
		answer_or_wait(e, t, client, WAIT_FINISHED, wait_ms, true);
		return;
	}
	rc = e->journal.find(e->journal.self, gid, &r, &err);
	if (rc == RC_OK)
		show(e, NULL, r, client, true);
	else if (rc == RC_NOT_FOUND)
		client_refuse(
			e, client, ANSWER_NOT_FOUND,
			"no such transaction: it was never submitted, or was not decided before a "
			"restart and so was not committed");
	else
		client_refuse(e, client, ANSWER_FAILED, err.text);
	record_free(r);
}

void client_show(struct engine *e, struct txn *t, uint64_t client)
{
	show(e, t, t->rec, client, true);
}

struct txn *client_find(struct engine *e, uint64_t client, const char *gid)
{
	struct txn *t;

	HASH_FIND_STR(e->txns, gid, t);
	if (t == NULL)
		engine_get(e, client, gid, 0);
	return t;
}

void engine_events(struct engine *e, uint64_t client, const char *gid, uint64_t after,
		   uint64_t wait_ms)
{
	struct waiter *w;
	struct txn *t;

	HASH_FIND_STR(e->txns, gid, t);
	if (t == NULL || wait_ms == 0 || record_finished(t->rec->state) || t->rec->events > after) {
		if (t != NULL)
			history_flush(e, t);
		effects_events(e, t, client, gid, after);
		return;
	}
	w = waiter_add(e, t, client, WAIT_FINISHED, wait_ms, true);
	w->events = true;
	w->after = after;
}
