/* sagas.c - the steps of a saga: what is owed after each event, journalled, then sent.
 *
 * The machine (saga/saga.c) says what each step is owed.  Here its changes are
 * written down, and what is owed is given its way: a call as a job for an agent
 * (calls.c), an atomic group as a transaction of its own (groups.c).
 * Rule: each change of a step's state is forced; the counts of attempts are written
 * lazily, since losing one only means one attempt more. */
#include "base/json_text.h"
#include "base/mem.h"
#include "coordinator/core.h"
#include "coordinator/jsonout.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- timers ---- */

static void set_timer(struct engine *e, struct txn *t)
{
	const struct saga *s = t->rec->saga;
	uint64_t at = s->state == SAGA_RUNNING && !s->stop ? t->deadline_us : UINT64_MAX;

	for (size_t i = 0; i < s->n_steps; i++)
		if (t->jobs[i].retry_us != 0 && t->jobs[i].retry_us < at)
			at = t->jobs[i].retry_us;
	/* In the next turn, not in this one: in between others are heard. */
	if (t->put_off)
		at = e->now_us + 1;
	if (at == UINT64_MAX)
		heap_remove(&e->txn_timers, &t->timer);
	else
		heap_set(&e->txn_timers, &t->timer, at);
}

/* splitmix64, Steele, Lea and Flood, "Fast splittable pseudorandom number generators"
 * (2014): small, and good enough to spread retries. */
static uint64_t next_random(struct engine *e)
{
	uint64_t z = e->random += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static uint64_t plan_retry(struct engine *e, struct txn *t, size_t step, uint64_t after_ms)
{
	const struct saga *s = t->rec->saga;
	uint64_t ms =
		saga_pause_ms(&saga_work(s, step)->retry, s->steps[step].attempts, next_random(e));

	if (ms < after_ms)
		ms = after_ms;
	/* Never 0, which would say that none is planned. */
	t->jobs[step].retry_us = e->now_us + ms * 1000 + 1;
	return ms;
}

/* ---- what is owed ---- */

struct workflow_data saga_data(const struct txn *t, json_t **input)
{
	const char *text = t->rec->input;

	*input = text != NULL ? json_text_read(text, strlen(text), 0, NULL) : json_object();
	return (struct workflow_data){t->rec->gid, *input, t->rec->saga};
}

static void broken(struct engine *e, struct txn *t, size_t step, const struct err *err)
{
	const struct saga_news news = {SAGA_EV_BROKEN, step, err->text, false};

	history_step(e, t, step, "broken", err->text);
	saga_tell(e, t, &news);
}

/* A step's turn has come: is it to run? */
static void open_step(struct engine *e, struct txn *t, size_t step)
{
	const struct workflow *w = definition_workflow(t->definition);
	struct saga_news news = {SAGA_EV_START, step, NULL, false};
	struct workflow_data data;
	bool run = true;
	json_t *input;
	struct err err;
	enum rc rc = RC_OK;

	if (w->steps[step].when != NULL) {
		data = saga_data(t, &input);
		rc = workflow_when(w, step, &data, &run, &err);
		json_decref(input);
	}
	if (rc != RC_OK) {
		broken(e, t, step, &err);
		return;
	}
	if (!run) {
		news.event = SAGA_EV_OMIT;
		history_step(e, t, step, "skipped", "`when` is false");
	}
	saga_tell(e, t, &news);
}

/* Sets an attempt going.  (The step's state was journalled by whoever changed it.) */
static void begin_attempt(struct engine *e, struct txn *t, size_t step)
{
	struct job *job = &t->jobs[step];
	const struct work *work = saga_work(t->rec->saga, step);
	struct err err;
	enum rc rc;

	job->retry_us = 0;
	if (work->kind == WORK_ATOMIC) {
		rc = group_begin(e, t, step, &err);
	} else if ((rc = call_render(e, t, step, &err)) == RC_OK) {
		if (saga_unwritten(t, step)) /* it leaves after its arguments are durable */
			t->batch = effects_stage_forced(e);
		job->resource = resource_need(e, work->resource);
		effects_hold_job(e, job);
	}
	if (rc != RC_OK)
		broken(e, t, step, &err);
}

static enum command_kind command_owed(const struct saga *s, size_t step)
{
	const enum saga_duty duty = saga_owes(s, step);

	if (duty == SAGA_OWES_DO)
		return COMMAND_DO;
	return duty == SAGA_OWES_UNDO ? COMMAND_UNDO : COMMAND_NONE;
}

/* Takes back what is not owed any more, wherever it is on its way.  This is never put
 * off: an agent must not be sent what the states say nobody was sent. */
static void withdraw(struct engine *e, struct txn *t, size_t step)
{
	struct job *job = &t->jobs[step];
	const struct saga *s = t->rec->saga;
	const struct saga_step *st = &s->steps[step];

	if (job->command != COMMAND_NONE && job->command != command_owed(s, step)) {
		job_unlist(job);
		agent_branch_over(e, job);
		job->command = COMMAND_NONE;
		job->sends = 0;
		job->shared = false;
		job->retry_us = 0;
	}
	if (st->state == STEP_DOING && st->out && s->def->steps[step].action.kind == WORK_ATOMIC &&
	    (s->stop || s->state == SAGA_UNDOING || s->state == SAGA_UNDO_STUCK))
		group_cancel(e, t, step);
}

/* Sets going what is owed; false if `budget` is used up: then it is put off. */
static bool set_going(struct engine *e, struct txn *t, size_t step, size_t *budget)
{
	struct job *job = &t->jobs[step];
	const bool start = saga_owes(t->rec->saga, step) == SAGA_OWES_START;

	if (job->command != COMMAND_NONE ||
	    (!start && command_owed(t->rec->saga, step) == COMMAND_NONE))
		return true;
	if (*budget == 0)
		return false;
	--*budget;
	if (start) {
		open_step(e, t, step);
		t->unsettled = true;
	}
	job->command = command_owed(t->rec->saga, step);
	if (job->command != COMMAND_NONE)
		begin_attempt(e, t, step);
	if (job->command != command_owed(t->rec->saga, step))
		t->unsettled = true; /* it could not be said what to do */
	return true;
}

static void wait_for_others(struct engine *e, struct txn *t, size_t step)
{
	const uint64_t ms = definition_workflow(t->definition)->steps[step].complete_within_ms;
	struct job *job = &t->jobs[step];

	if (t->rec->saga->steps[step].state == STEP_PENDING && job->retry_us == 0 && ms != 0)
		job->retry_us = e->now_us + ms * 1000;
}

/* One look at every step; false if something was put off. */
static bool look(struct engine *e, struct txn *t, size_t *budget)
{
	bool all = true;

	for (size_t i = 0; i < t->rec->saga->n_steps; i++) {
		withdraw(e, t, i);
		all = set_going(e, t, i, budget) && all;
		wait_for_others(e, t, i);
	}
	return all;
}

/* Sees to everything that is owed: to what begins, a bounded part in one turn, since
 * expressions take time; the timer brings the rest back.  What happens meanwhile (a group that
 * ends at once) makes it look again. */
static void see_to(struct engine *e, struct txn *t)
{
	size_t budget = t->put_off ? 0 : STEPS_A_TURN;

	t->unsettled = true;
	if (t->settling)
		return;
	t->settling = true;
	while (t->unsettled) {
		t->unsettled = false;
		t->put_off = !look(e, t, &budget);
	}
	t->settling = false;
	saga_write_steps(e, t);
	set_timer(e, t);
	clients_notify(e, t);
}

void saga_happen(struct engine *e, struct txn *t, const struct saga_news *news)
{
	if (saga_tell(e, t, news))
		see_to(e, t);
}

/* ---- attempts ---- */

static struct jsonbuf *open_attempt(struct engine *e, const struct txn *t, size_t step,
				    const char *event)
{
	const struct saga_step *st = &t->rec->saga->steps[step];
	struct jsonbuf *line = history_open(e, event);

	out_text(line, "step", st->name);
	out_text(line, "direction", st->state == STEP_UNDOING ? "undo" : "do");
	if (st->attempts > 0) /* else it is of before a restart, which may have lost the count */
		out_number(line, "attempt", st->attempts);
	out_text(line, "agent", st->agent);
	return line;
}

void saga_attempt_begins(struct engine *e, struct txn *t, size_t step)
{
	const struct saga_news news = {SAGA_EV_ATTEMPT, step, NULL, false};

	saga_step(t->rec->saga, &news);
	e->counters.attempts++;
	open_attempt(e, t, step, "attempt");
	history_close(e, t);
}

static void say_ended(struct engine *e, struct txn *t, const struct saga_news *n)
{
	static const char *const words[] = {
		[SAGA_EV_DONE] = "done",       [SAGA_EV_REFUSED] = "refused",
		[SAGA_EV_RETRY] = "retry",     [SAGA_EV_UNKNOWN] = "unknown",
		[SAGA_EV_PENDING] = "pending", [SAGA_EV_HAZARD] = "hazard",
	};
	struct jsonbuf *line = open_attempt(e, t, n->step, "ended");

	out_text(line, "outcome", words[n->event]);
	if (n->reason != NULL && n->reason[0] != '\0')
		out_text(line, "reason", n->reason);
	history_close(e, t);
}

static void say_again(struct engine *e, struct txn *t, size_t step, uint64_t pause_ms)
{
	out_number(open_attempt(e, t, step, "retry_planned"), "retry_in_ms", pause_ms);
	history_close(e, t);
}

/* A step's attempt ended without a change of direction: once more, after a pause. */
static void try_again(struct engine *e, struct txn *t, size_t step, uint64_t retry_after_ms)
{
	struct job *job = &t->jobs[step];

	job_unlist(job);
	agent_branch_over(e, job);
	job->command = command_owed(t->rec->saga, step);
	e->counters.retried++;
	say_again(e, t, step, plan_retry(e, t, step, retry_after_ms));
	effects_record_step(e, t, step, false);
}

static void take_end(struct engine *e, struct txn *t, const struct saga_news *news,
		     uint64_t retry_after_ms)
{
	struct saga *s = t->rec->saga;
	const enum step_state before = s->steps[news->step].state;
	const bool changed = saga_tell(e, t, news);

	e->counters.undone += before == STEP_UNDOING && s->steps[news->step].state == STEP_UNDONE;
	if (saga_may_retry(s, news->step) &&
	    (before == STEP_PENDING || command_owed(s, news->step) == t->jobs[news->step].command))
		try_again(e, t, news->step, retry_after_ms);
	if (changed)
		see_to(e, t);
	else
		set_timer(e, t);
}

void saga_attempt_over(struct engine *e, struct txn *t, const struct saga_news *news,
		       uint64_t retry_after_ms)
{
	say_ended(e, t, news);
	take_end(e, t, news, retry_after_ms);
}

void saga_told(struct engine *e, struct txn *t, const struct saga_news *news)
{
	take_end(e, t, news, 0);
}

static void step_due(struct engine *e, struct txn *t, size_t step)
{
	const struct saga_step *st = &t->rec->saga->steps[step];
	struct saga_news news = {SAGA_EV_UNKNOWN, step, NULL, false};

	t->jobs[step].retry_us = 0;
	if (st->state == STEP_PENDING) {
		news.reason = "it was not completed in time";
		saga_attempt_over(e, t, &news, 0);
	} else if (st->out) {
		news.reason = "the agent did not answer in time";
		call_silent(e, &t->jobs[step], t->jobs[step].agent);
		saga_attempt_over(e, t, &news, 0);
	} else if (t->jobs[step].command != COMMAND_NONE &&
		   t->jobs[step].command == command_owed(t->rec->saga, step)) {
		begin_attempt(e, t, step); /* still owed: the deadline may be due as well */
	}
}

void saga_timer_due(struct engine *e, struct txn *t)
{
	struct saga *s = t->rec->saga;
	const struct saga_news late = {SAGA_EV_CANCEL, 0, "the deadline passed", false};

	if (s->state == SAGA_RUNNING && !s->stop && e->now_us >= t->deadline_us)
		saga_tell(e, t, &late);
	for (size_t i = 0; i < s->n_steps; i++)
		if (t->jobs[i].retry_us != 0 && t->jobs[i].retry_us <= e->now_us)
			step_due(e, t, i);
	t->put_off = false;
	see_to(e, t);
}

/* ---- life ---- */

/* Only the wall clock goes on over a restart; but nobody has longer than all of his time,
 * wherever that clock was set to meanwhile. */
static void set_deadline(struct engine *e, struct txn *t)
{
	const uint64_t own_ms = definition_workflow(t->definition)->deadline_ms;
	const uint64_t all_us = (own_ms != 0 ? own_ms : e->settings.deadline_ms) * 1000;
	const uint64_t at = t->rec->deadline_us;
	uint64_t left_us = at > e->wall_us ? at - e->wall_us : 0;

	if (all_us != 0 && left_us > all_us)
		left_us = all_us;
	t->deadline_us = at == 0 ? UINT64_MAX : e->now_us + left_us;
}

/* Without steps there is nothing to wait for: its end is all that is written. */
static void end_at_once(struct engine *e, struct txn *t)
{
	history_say(e, t, "begun", NULL);
	saga_resume(t->rec->saga);
	saga_write(e, t, SAGA_RUNNING, true);
}

void saga_begin(struct engine *e, struct txn *t)
{
	t->rec->epoch = e->settings.epoch;
	if (t->rec->saga->n_steps == 0) {
		end_at_once(e, t);
		return;
	}
	set_deadline(e, t);
	effects_record_saga(e, t, true);
	history_say(e, t, "begun", NULL);
	see_to(e, t);
}

/* Somebody may still be at what our predecessor sent.  One that is stuck or pending may be
 * tried again meanwhile. */
static bool maybe_sent(const struct saga *s, size_t step)
{
	const enum step_state state = s->steps[step].state;

	return command_owed(s, step) != COMMAND_NONE || state == STEP_STUCK ||
	       state == STEP_PENDING;
}

void saga_continue(struct engine *e, struct txn *t)
{
	struct saga *s = t->rec->saga;

	t->rec->epoch = e->settings.epoch;
	set_deadline(e, t);
	for (size_t i = 0; i < s->n_steps; i++)
		t->jobs[i].written = (int)s->steps[i].state;
	saga_resume(s);
	if (record_of_saga(s->state) != t->rec->state)
		saga_write(e, t, s->state, true);
	for (size_t i = 0; i < s->n_steps; i++)
		if (saga_unwritten(t, i))
			t->batch = effects_stage_forced(e); /* see_to writes it */
	t->settling = true; /* until every group knows what became of it */
	for (size_t i = 0; i < s->n_steps; i++) {
		struct job *job = &t->jobs[i];

		if (saga_work(s, i)->kind == WORK_CALL && maybe_sent(s, i))
			call_silent(e, job, NULL);
		if (command_owed(s, i) == COMMAND_NONE)
			continue;
		job->command = command_owed(s, i);
		job->sends = 1; /* by whoever was here before us, perhaps */
		if (saga_work(s, i)->kind == WORK_ATOMIC)
			group_recover(e, t, i);
		else if (s->steps[i].attempts > 0)
			plan_retry(e, t, i, 0);
		else
			begin_attempt(e, t, i);
	}
	t->settling = false;
	see_to(e, t);
}
