/* persons.c - a person's word about one transaction: cancel, retry, resolve, and the
 * end of a call that was pending.
 *
 * Every word is journalled with its reason before it is answered. */
#include "base/mem.h"
#include "coordinator/core.h"
#include "coordinator/jsonout.h"

#include <stdlib.h>
#include <string.h>

/* ---- finding ---- */

/* The saga and the number of its step; else the client is told why not. */
static struct txn *find_step(struct engine *e, uint64_t client, const char *gid, const char *step,
			     size_t *at)
{
	struct txn *t = client_find(e, client, gid);
	const struct saga *s = t != NULL ? t->rec->saga : NULL;

	if (t == NULL)
		return NULL;
	for (*at = 0; s != NULL && *at < s->n_steps; ++*at)
		if (strcmp(s->steps[*at].name, step) == 0)
			return t;
	client_refuse(e, client, ANSWER_NOT_FOUND,
		      s == NULL ? "this transaction has no steps of its own: it is one atomic group"
				: "the saga has no step of this name");
	return NULL;
}

/* No, because of what is known of `t`: that must be as durable as a yes. */
static void decline(struct engine *e, const struct txn *t, uint64_t client, const char *text)
{
	effects_answer(e, t->batch, client, ANSWER_CONFLICT, NULL, text);
}

static void say(struct engine *e, struct txn *t, const char *event, const char *step,
		const char *reason)
{
	struct jsonbuf *line = history_open(e, event);

	out_text(line, "step", step);
	out_text(line, "reason", reason);
	history_close(e, t);
	/* Whoever asked is answered when this line is durable. */
	effects_stage_news(e, t);
}

/* ---- cancel ---- */

static void cancel_saga(struct engine *e, struct txn *t, uint64_t client, const char *reason)
{
	const struct saga_news news = {SAGA_EV_CANCEL, 0, reason, false};
	const enum saga_state s = t->rec->saga->state;

	if (s != SAGA_RUNNING && s != SAGA_UNDOING && s != SAGA_UNDO_STUCK && s != SAGA_UNDONE) {
		decline(e, t, client,
			s == SAGA_RUN_STUCK
				? "nobody can say whether its pivot was done: complete or "
				  "fail that step, or retry"
				: "too late: the saga is past its pivot");
		return;
	}
	say(e, t, "cancelled", NULL, reason);
	saga_happen(e, t, &news);
	client_show(e, t, client);
}

void engine_cancel(struct engine *e, uint64_t client, const char *gid, const char *reason)
{
	struct txn *t = client_find(e, client, gid);
	enum txn_state s;
	char *text;

	if (t == NULL)
		return;
	text = mem_printf("cancelled: %s", reason != NULL ? reason : "no reason given");
	s = t->rec->state;
	if (t->rec->parent_seq != 0) {
		decline(e, t, client, "this is an atomic group of a saga: cancel the saga");
	} else if (t->rec->saga != NULL) {
		cancel_saga(e, t, client, text);
	} else if (s == TXN_ABORT_HAZARD) {
		decline(e, t, client,
			"it is rolled back already, but for a hazard, which is to be seen to, "
			"and forgotten");
	} else if (s != TXN_PREPARING && s != TXN_ONE_PHASE && s != TXN_ABORTING &&
		   s != TXN_ABORTED) {
		decline(e, t, client, "too late: the decision to commit was made");
	} else {
		txn_event(e, t, TXN_EV_CANCEL, 0, text);
		if (t->rec->state == TXN_ONE_PHASE)
			effects_record(e, t, TXN_ONE_PHASE); /* a restart must not run it again */
		client_show(e, t, client);
	}
	free(text);
}

/* ---- retry ---- */

/* The stuck step's atomic group, if it is a hazard: a part of it was committed.  Only
 * a person who has seen to that can close it; a new try would do that part twice. */
static struct txn *hazard_of(struct engine *e, const struct txn *t, size_t step)
{
	char gid[GID_MAX + 1];
	struct txn *group;

	group_gid(t->rec, step, gid);
	HASH_FIND_STR(e->txns, gid, group);
	return group != NULL && t->rec->saga->steps[step].state == STEP_STUCK &&
			       txn_is_stuck(group->rec->state)
		       ? group
		       : NULL;
}

/* True if the step had anything to try again. */
static bool retry_step(struct engine *e, struct txn *t, size_t i, const char *reason)
{
	const struct saga_news again = {SAGA_EV_AGAIN, i, reason, false};
	const struct saga_step *st = &t->rec->saga->steps[i];
	struct job *job = &t->jobs[i];

	if (hazard_of(e, t, i) != NULL)
		return false;
	if (st->state == STEP_STUCK) {
		say(e, t, "retried", st->name, reason);
		saga_happen(e, t, &again);
		return true;
	}
	if (job->command == COMMAND_NONE || job->retry_us == 0 || st->out)
		return false;
	say(e, t, "retried", st->name, reason);
	job_retry_in(e, job, 0);
	return true;
}

void engine_retry(struct engine *e, uint64_t client, const char *gid, const char *step,
		  const char *reason)
{
	size_t at = 0;
	struct txn *t =
		step != NULL ? find_step(e, client, gid, step, &at) : client_find(e, client, gid);
	bool any = false;

	if (t == NULL)
		return;
	if (t->rec->saga != NULL)
		for (size_t i = 0; i < t->rec->saga->n_steps; i++)
			if (step == NULL || i == at)
				any = retry_step(e, t, i, reason) || any;
	if (any)
		client_show(e, t, client);
	else
		decline(e, t, client,
			"there is nothing to try again: no step is stuck or waits for its "
			"next attempt (an atomic group with a hazard is to be seen to, and "
			"forgotten)");
}

/* ---- resolve ---- */

static void forget(struct engine *e, struct txn *t, uint64_t client, const char *reason)
{
	char *text;

	if (t->rec->state != TXN_COMMIT_HAZARD && t->rec->state != TXN_ABORT_HAZARD) {
		decline(e, t, client, "this transaction is not stuck");
		return;
	}
	text = mem_printf("%s; forgotten by a person: %s",
			  t->rec->reason != NULL ? t->rec->reason : "hazard", reason);
	txn_event(e, t, TXN_EV_FORGET, 0, text);
	free(text);
	client_show(e, t, client);
}

/* Of a saga: the hazards of its groups. */
static void forget_groups(struct engine *e, struct txn *t, uint64_t client, const char *reason)
{
	bool any = false;

	for (size_t i = 0; i < t->rec->saga->n_steps; i++) {
		struct txn *group = hazard_of(e, t, i);

		if (group == NULL)
			continue;
		say(e, t, "resolved", t->rec->saga->steps[i].name, reason);
		txn_event(e, group, TXN_EV_FORGET, 0, reason);
		any = true;
	}
	if (any)
		client_show(e, t, client);
	else
		decline(e, t, client, "no atomic group of this saga is a hazard");
}

static void skip(struct engine *e, struct txn *t, uint64_t client, const char *step,
		 const char *reason)
{
	bool any = false;

	for (size_t i = 0; i < t->rec->saga->n_steps; i++) {
		const struct saga_news news = {SAGA_EV_SKIP, i, reason, false};
		const struct saga_step *st = &t->rec->saga->steps[i];

		if (step != NULL ? strcmp(st->name, step) != 0 : st->state != STEP_STUCK)
			continue;
		if (!saga_may_skip(t->rec->saga, i))
			continue;
		say(e, t, "resolved", st->name, reason);
		saga_happen(e, t, &news);
		any = true;
	}
	if (any)
		client_show(e, t, client);
	else
		decline(e, t, client,
			"no such step can be skipped: it must be stuck; or be named, and "
			"wait for its next attempt, past the pivot or in a rollback");
}

static void end(struct engine *e, struct txn *t, uint64_t client, bool committed,
		const char *reason)
{
	const struct saga_news news = {SAGA_EV_RESOLVE, 0, reason, false};
	const enum saga_state s = t->rec->saga->state;
	const bool forward = s == SAGA_FINISHING || s == SAGA_FINISH_STUCK;
	const bool backward = s == SAGA_UNDOING || s == SAGA_UNDO_STUCK;

	if (committed ? !forward : !backward) {
		decline(e, t, client,
			committed ? "only a saga past its pivot can be ended as committed"
				  : "only a saga that is rolled back can be ended as rolled "
				    "back: cancel it first");
		return;
	}
	say(e, t, "resolved", NULL, reason);
	saga_happen(e, t, &news);
	client_show(e, t, client);
}

void engine_resolve(struct engine *e, uint64_t client, const char *gid, enum resolve_action action,
		    const char *step, const char *reason)
{
	struct txn *t = client_find(e, client, gid);

	if (t == NULL)
		return;
	if (t->rec->saga == NULL && action == RESOLVE_FORGET) {
		forget(e, t, client, reason);
		return;
	}
	if (t->rec->saga == NULL) {
		decline(e, t, client,
			"this transaction is one atomic group: only forget can be said of it");
		return;
	}
	switch (action) {
	case RESOLVE_FORGET: forget_groups(e, t, client, reason); break;
	case RESOLVE_SKIP: skip(e, t, client, step, reason); break;
	case RESOLVE_COMMITTED: end(e, t, client, true, reason); break;
	case RESOLVE_ROLLED_BACK: end(e, t, client, false, reason); break;
	}
}

/* ---- the end of a pending call ---- */

/* A service may be quicker than the answer of its agent, or that answer may be lost: a call
 * that was or may have been sent can be pending.  A group cannot: its transaction decides. */
static bool may_be_pending(const struct saga *s, size_t step)
{
	const struct saga_step *st = &s->steps[step];

	return st->state == STEP_PENDING ||
	       (st->state == STEP_DOING && s->def->steps[step].action.kind == WORK_CALL &&
		(st->out || st->maybe));
}

static void told(struct engine *e, uint64_t client, struct txn *t, const struct saga_news *news,
		 const char *output)
{
	struct saga_step *st = &t->rec->saga->steps[news->step];
	const bool pending = may_be_pending(t->rec->saga, news->step);

	/* It may be said twice. */
	if (st->state == (news->event == SAGA_EV_DONE ? STEP_DONE : STEP_FAILED)) {
		client_show(e, t, client);
		return;
	}
	if (!pending && (t->rec->saga->state != SAGA_RUN_STUCK || st->state != STEP_STUCK)) {
		decline(e, t, client, "this step is not pending");
		return;
	}
	if (output != NULL &&
	    !saga_keep_output(t, news->step, (struct bytes){output, strlen(output)})) {
		client_refuse(e, client, ANSWER_INVALID,
			      "the outputs of all steps together would be over 8 MiB");
		return;
	}
	say(e, t, news->event == SAGA_EV_DONE ? "completed" : "failed", st->name, news->reason);
	saga_told(e, t, news);
	client_show(e, t, client);
}

void engine_complete(struct engine *e, uint64_t client, const char *gid, const char *step,
		     const char *output)
{
	struct saga_news news = {.event = SAGA_EV_DONE};
	struct txn *t = find_step(e, client, gid, step, &news.step);

	if (t != NULL)
		told(e, client, t, &news, output);
}

void engine_fail(struct engine *e, uint64_t client, const char *gid, const char *step,
		 const char *reason)
{
	/* Whoever failed it knows: nothing of it is left. */
	struct saga_news news = {.event = SAGA_EV_REFUSED, .reason = reason, .exact = true};
	struct txn *t = find_step(e, client, gid, step, &news.step);

	if (t != NULL)
		told(e, client, t, &news, NULL);
}
