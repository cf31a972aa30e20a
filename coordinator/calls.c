/* calls.c - a step that is one call: its way to an agent and back.
 *
 * On the wire an attempt is numbered by the step's `tries`, which only grows: an agent
 * ignores a lower number than it has seen.  The key of a call is gid/step/do or gid/step/undo, in
 * every epoch and for every attempt.  While an attempt is under way, the call is sent again only to
 * the same agent, which knows it; when its time is over or the agent started anew, nobody can say
 * what became of it, and the next attempt may go anywhere.
 *
 * Rule: a no is proof only if no attempt can act after it.  An agent does one attempt of a step
 * after the other; but while another agent may still be at one, or a frame with one be on its way
 * to it, even an exact resource's no tells only of now. */
#include "base/mem.h"
#include "coordinator/core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t timeout_ms(const struct engine *e, const struct job *job)
{
	const struct work *work = saga_work(job->txn->rec->saga, job->branch);

	return work->timeout_ms != 0 ? work->timeout_ms : e->settings.call_ms;
}

enum rc call_render(struct engine *e, struct txn *t, size_t step, struct err *err)
{
	const struct workflow *w = definition_workflow(t->definition);
	struct saga_step *st = &t->rec->saga->steps[step];
	const bool undo = st->state == STEP_UNDOING;
	const struct work *work = undo ? &w->steps[step].undo : &w->steps[step].action;
	const struct plan_owner who = {"step", st->name, undo ? ", compensation" : ""};
	char *args;
	struct workflow_data data = {0};
	json_t *input = NULL;
	enum rc rc;

	if (st->args != NULL)
		return RC_OK;
	if (work->args != NULL) /* else nothing is read */
		data = saga_data(t, &input);
	rc = workflow_args(w, step, undo, &data, &args, err);
	json_decref(input);
	if (rc != RC_OK)
		return rc;
	rc = plan_check_args(e, &who, work->resource, work->operation, args, false, err);
	if (rc != RC_OK) {
		free(args);
		return rc;
	}
	st->args = args;
	t->jobs[step].written = 0; /* not with these arguments */
	return RC_OK;
}

void call_dispatch(struct engine *e, struct job *job)
{
	job_unlist(job);
	if (job_step(job)->out) {
		agent_give(e, job->agent, job);
		return;
	}
	agent_branch_over(e, job); /* its agent went before it was sent */
	if (job_assign(e, job))
		return;
	job->place = JOB_FRESH;
	DL_APPEND(job->resource->fresh, job);
}

/* Whether the step's compensation is at another place than its action. */
static bool acted_elsewhere(const struct job *job)
{
	const struct def_step *d = &job->txn->rec->saga->def->steps[job->branch];

	return d->action.kind != WORK_CALL || strcmp(d->action.resource, d->undo.resource) != 0;
}

void call_fill(struct engine *e, const struct job *job, struct command *c)
{
	const struct saga_step *st = job_step(job);
	const struct work *work = saga_work(job->txn->rec->saga, job->branch);
	const uint64_t ms = timeout_ms(e, job);

	*c = (struct command){
		.kind = job->command,
		.id = {work->resource, job->txn->rec->gid, e->settings.epoch, st->name},
		.operation = work->operation,
		.args = {st->args, strlen(st->args)},
		.timeout_ms = ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms,
		.attempt = st->out ? st->tries : st->tries + 1,
		.repeat = job->sends > 0,
		.elsewhere = job->command == COMMAND_UNDO && acted_elsewhere(job),
	};
}

void call_sent(struct engine *e, struct agent *a, struct job *job)
{
	struct saga_step *st = job_step(job);

	if (st->agent == NULL || strcmp(st->agent, a->name) != 0) {
		free(st->agent);
		st->agent = mem_dup(a->name);
	}
	if (st->out)
		return; /* once more, after a lost connection: its time goes on */
	saga_attempt_begins(e, job->txn, job->branch);
	job_retry_in(e, job, (timeout_ms(e, job) + CALL_GRACE_MS) * 1000);
}

/* ---- outputs ---- */

bool saga_keep_output(struct txn *t, size_t step, struct bytes output)
{
	struct saga *s = t->rec->saga;
	size_t sum = output.size;

	for (size_t i = 0; i < s->n_steps; i++)
		if (i != step && s->steps[i].output != NULL)
			sum += strlen(s->steps[i].output);
	if (sum > OUTPUTS_MAX)
		return false;
	free(s->steps[step].output);
	s->steps[step].output = mem_dup_bytes(output.data, output.size);
	return true;
}

void saga_output_dropped(struct engine *e, struct txn *t)
{
	static const struct saga_news full = {
		SAGA_EV_CANCEL, 0, "the outputs of all steps together are over 8 MiB", false};

	saga_happen(e, t, &full);
}

/* ---- answers ---- */

/* False if there is no room for it: it is dropped. */
static bool keep_output(struct txn *t, size_t step, const struct result *r)
{
	if (r->output.size == 0 || t->rec->saga->steps[step].state == STEP_UNDOING)
		return true;
	return saga_keep_output(t, step, r->output);
}

static enum saga_event event_of(enum result_kind kind)
{
	switch (kind) {
	case RESULT_DONE: return SAGA_EV_DONE;
	case RESULT_REFUSED: return SAGA_EV_REFUSED;
	case RESULT_RETRY: return SAGA_EV_RETRY;
	case RESULT_PENDING: return SAGA_EV_PENDING;
	default: return SAGA_EV_UNKNOWN;
	}
}

/* A yes counts whichever attempt it is of; anything else only if it is of the one
 * that is under way.  Nothing counts that no agent was asked. */
static bool counts(const struct job *job, const struct result *r)
{
	const struct saga_step *st = job_step(job);
	const struct work *work = saga_work(job->txn->rec->saga, job->branch);

	if (job->command != r->call || work->kind != WORK_CALL ||
	    strcmp(work->resource, r->id.resource) != 0)
		return false;
	return r->kind == RESULT_DONE || (st->out && r->attempt == st->tries);
}

/* Whether an attempt that nobody answered for may still act.  A standing agent may, however late,
 * and so what can be undone stays in doubt: its undo leaves the mark that refuses a late action.
 * For a pivot, which cannot, there is only time. */
static bool in_doubt(const struct engine *e, const struct job *job)
{
	return job->doubt_us != 0 && (!job_step(job)->pivot || e->now_us < job->doubt_us);
}

void call_silent(struct engine *e, struct job *job, struct agent *a)
{
	const bool others = in_doubt(e, job) && job->doubted != a;

	job->doubted = others ? NULL : a;
	job->doubt_us = e->now_us + (POLL_LIFE_MS + timeout_ms(e, job)) * 1000;
}

static bool doubtful(const struct engine *e, const struct job *job, const struct agent *a)
{
	return in_doubt(e, job) && job->doubted != a;
}

static void take(struct engine *e, struct agent *a, struct job *job, const struct result *r)
{
	struct txn *t = job->txn;
	/* RETRY proves nothing: an agent says it for a resource that it cannot reach. */
	const bool exact =
		resource_need(e, r->id.resource)->info.exact && r->kind == RESULT_REFUSED;
	const bool doubt = doubtful(e, job, a);
	struct saga_news news = {event_of(r->kind), job->branch, r->reason, exact && !doubt};
	const bool kept = r->kind != RESULT_DONE || keep_output(t, job->branch, r);
	uint64_t after_ms = r->retry_after_ms;

	/* What could be undone will be.  The pivot cannot: its no is asked for once more, when
	 * there is no doubt any longer. */
	if (doubt && exact && job_step(job)->pivot) {
		news.event = SAGA_EV_RETRY;
		after_ms = (job->doubt_us - e->now_us) / 1000 + 1;
	}
	saga_attempt_over(e, t, &news, after_ms);
	if (!kept)
		saga_output_dropped(e, t);
}

void call_result(struct engine *e, struct agent *a, struct txn *t, const struct result *r)
{
	for (size_t i = 0; i < t->rec->saga->n_steps; i++) {
		struct job *job = &t->jobs[i];

		if (strcmp(t->rec->saga->steps[i].name, r->id.branch) != 0)
			continue;
		if (counts(job, r))
			take(e, a, job, r);
		return;
	}
}

void call_orphaned(struct engine *e, struct job *job)
{
	const struct saga_news news = {SAGA_EV_UNKNOWN, job->branch,
				       "the agent started anew before it answered", false};

	if (!job_step(job)->out) {
		call_dispatch(e, job);
		return;
	}
	call_silent(e, job, job->agent);
	saga_attempt_over(e, job->txn, &news, 0);
}
