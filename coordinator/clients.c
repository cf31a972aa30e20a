/* clients.c - what clients ask for, and when they are answered.
 *
 * Rule: an answer that names a state leaves when that state can no longer be taken
 * back by a crash (effects.c), and no later answer contradicts it. */
#include "base/log.h"
#include "base/mem.h"
#include "coordinator/core.h"
#include "coordinator/view.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- answers ---- */

static void refuse(struct engine *e, uint64_t client, enum answer_code code, const char *text)
{
	effects_answer(e, 0, client, code, NULL, text);
}

static bool needs_a_person(enum txn_state s)
{
	return s == TXN_COMMIT_HAZARD || s == TXN_ABORT_HAZARD;
}

static void show(struct engine *e, uint64_t after, uint64_t client, const struct record *r,
		 bool get)
{
	enum answer_code code = record_finished(r->state) ? ANSWER_FINISHED : ANSWER_UNFINISHED;

	effects_answer(e, after, client, get ? ANSWER_OK : code, view_dump(view_record(r)), NULL);
}

/* ---- waiters ---- */

static void waiter_free(struct engine *e, struct waiter *w)
{
	DL_DELETE(w->txn->waiters, w);
	HASH_DEL(e->waiters, w);
	heap_remove(&e->waiter_timers, &w->timer);
	free(w);
}

static void waiter_add(struct engine *e, struct txn *t, uint64_t client, enum wait_for want,
		       uint64_t wait_ms, bool get)
{
	struct waiter *w = mem_new(1, sizeof *w);

	w->client = client;
	w->txn = t;
	w->want = want;
	w->get = get;
	DL_APPEND(t->waiters, w);
	HASH_ADD(hh, e->waiters, client, sizeof w->client, w);
	heap_set(&e->waiter_timers, &w->timer, e->now_us + wait_ms * 1000);
}

static bool satisfied(const struct record *r, enum wait_for want)
{
	if (record_finished(r->state) || needs_a_person(r->state))
		return true;
	if (want == WAIT_DECIDED)
		return r->state == TXN_COMMITTING || r->state == TXN_ABORTING;
	return want == WAIT_ACCEPTED;
}

void clients_notify(struct engine *e, struct txn *t)
{
	struct waiter *w, *next;

	DL_FOREACH_SAFE (t->waiters, w, next) {
		if (!satisfied(t->rec, w->want))
			continue;
		show(e, t->batch, w->client, t->rec, w->get);
		waiter_free(e, w);
	}
}

void clients_turn(struct engine *e)
{
	struct heap_node *n;

	while ((n = heap_first(&e->waiter_timers)) != NULL && n->at <= e->now_us) {
		struct waiter *w = (struct waiter *)((char *)n - offsetof(struct waiter, timer));

		show(e, w->txn->batch, w->client, w->txn->rec, w->get);
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

/* The operation must be declared, and its arguments be exactly those declared. */
static enum rc check_args(const struct plan_branch *b, const struct operation_info *op,
			  struct err *err)
{
	json_error_t jerr;
	json_t *args = json_loads(b->args, 0, &jerr);
	enum rc rc = RC_OK;
	const char *key;
	json_t *value;

	for (size_t i = 0; i < op->n_args && rc == RC_OK; i++)
		if (json_object_get(args, op->args[i]) == NULL)
			rc = err_set(
				err, RC_REFUSED,
				"branch %s: operation %s of resource %s needs the argument `%s`",
				b->name, op->name, b->resource, op->args[i]);
	json_object_foreach(args, key, value)
	{
		size_t i = 0;

		while (i < op->n_args && strcmp(op->args[i], key) != 0)
			i++;
		if (i == op->n_args && rc == RC_OK)
			rc = err_set(err, RC_REFUSED,
				     "branch %s: operation %s of resource %s has no argument `%s`",
				     b->name, op->name, b->resource, key);
	}
	json_decref(args);
	return rc;
}

static enum rc check_branch(struct engine *e, const struct plan_branch *b, struct err *err)
{
	const struct resource *res = resource_find(e, b->resource);

	if (res == NULL || !res->known)
		return err_set(err, RC_REFUSED,
			       "branch %s: unknown resource `%s`: no agent has ever declared it",
			       b->name, b->resource);
	for (size_t i = 0; i < res->info.n_operations; i++)
		if (strcmp(res->info.operations[i].name, b->operation) == 0)
			return check_args(b, &res->info.operations[i], err);
	return err_set(err, RC_REFUSED, "branch %s: resource %s has no operation `%s`", b->name,
		       b->resource, b->operation);
}

static enum rc check_plan(struct engine *e, const struct plan *plan, struct err *err)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; i < plan->n_branches && rc == RC_OK; i++)
		rc = check_branch(e, &plan->branches[i], err);
	return rc;
}

static void answer_or_wait(struct engine *e, struct txn *t, uint64_t client, enum wait_for want,
			   uint64_t wait_ms, bool get)
{
	/* Submitted first by somebody who did not ask for the promise: it was not written. */
	if (want == WAIT_ACCEPTED && !t->rec->accepted)
		want = WAIT_DECIDED;
	if (wait_ms == 0 || satisfied(t->rec, want))
		show(e, t->batch, client, t->rec, get);
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
			refuse(e, client, ANSWER_CONFLICT, differs);
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
		refuse(e, client, ANSWER_FAILED, err.text);
	else if (memcmp(r->hash, s->hash, BODY_HASH_SIZE) != 0)
		refuse(e, client, ANSWER_CONFLICT, differs);
	else
		show(e, 0, client, r, false);
	record_free(r);
	return true;
}

static struct txn *admit(struct engine *e, const struct submit *s)
{
	struct record *r = record_new(s->gid, s->plan);

	r->seq = e->wall_us > e->last_seq ? e->wall_us : e->last_seq + 1;
	e->last_seq = r->seq;
	memcpy(r->hash, s->hash, BODY_HASH_SIZE);
	r->input = mem_dup(s->input);
	r->accepted = s->wait == WAIT_ACCEPTED;
	r->epoch = e->settings.epoch;
	e->counters.begun++;
	return txn_add(e, r);
}

void engine_submit(struct engine *e, uint64_t client, const struct submit *s)
{
	struct txn *t;
	struct err err;

	if (seen_before(e, client, s))
		return;
	if (e->draining) {
		refuse(e, client, ANSWER_STOPPING,
		       "the coordinator is stopping: submit again later");
		return;
	}
	if (e->in_flight >= e->settings.max_in_flight) {
		refuse(e, client, ANSWER_FULL,
		       "too many transactions are in flight: submit again later");
		return;
	}
	if (check_plan(e, s->plan, &err) != RC_OK) {
		refuse(e, client, ANSWER_INVALID, err.text);
		return;
	}
	t = admit(e, s);
	if (t->rec->accepted)
		effects_record(e, t, TXN_ACCEPTED);
	txn_begin(e, t);
	answer_or_wait(e, t, client, s->wait, s->wait_ms, false);
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
		show(e, 0, client, r, true);
	else if (rc == RC_NOT_FOUND)
		refuse(e, client, ANSWER_NOT_FOUND,
		       "no such transaction: it was never submitted, or was not decided before a "
		       "restart and so was not committed");
	else
		refuse(e, client, ANSWER_FAILED, err.text);
	record_free(r);
}

/* ---- a person's word ---- */

/* The transaction, if it is in memory; else the client is told why not. */
static struct txn *find_or_refuse(struct engine *e, uint64_t client, const char *gid)
{
	struct txn *t;

	HASH_FIND_STR(e->txns, gid, t);
	if (t == NULL)
		engine_get(e, client, gid, 0);
	return t;
}

void engine_forget(struct engine *e, uint64_t client, const char *gid, const char *reason)
{
	struct txn *t = find_or_refuse(e, client, gid);
	char *text;

	if (t == NULL)
		return;
	if (!needs_a_person(t->rec->state)) {
		refuse(e, client, ANSWER_CONFLICT, "this transaction is not stuck");
		return;
	}
	text = mem_printf("%s; forgotten by a person: %s",
			  t->rec->reason != NULL ? t->rec->reason : "hazard", reason);
	txn_event(e, t, TXN_EV_FORGET, 0, text);
	free(text);
	show(e, t->batch, client, t->rec, true);
}

void engine_cancel(struct engine *e, uint64_t client, const char *gid, const char *reason)
{
	struct txn *t = find_or_refuse(e, client, gid);
	char *text;

	if (t == NULL)
		return;
	if (t->rec->state != TXN_PREPARING && t->rec->state != TXN_ONE_PHASE &&
	    t->rec->state != TXN_ABORTING && t->rec->state != TXN_ABORTED) {
		refuse(e, client, ANSWER_CONFLICT, "too late: the decision to commit was made");
		return;
	}
	text = mem_printf("cancelled: %s", reason != NULL ? reason : "no reason given");
	txn_event(e, t, TXN_EV_CANCEL, 0, text);
	if (t->rec->state == TXN_ONE_PHASE)
		effects_record(e, t, TXN_ONE_PHASE); /* a restart must not run it again */
	free(text);
	show(e, t->batch, client, t->rec, true);
}
