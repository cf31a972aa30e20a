/* saga.c - see saga.h.
 *
 *                      pivot done                    all done
 *     RUNNING ───────────────────────▶ FINISHING ───────────────▶ DONE
 *      ▲  │  │                          ▲    │                      ▲
 *      │  │  └── all done, no pivot ────│────│──────────────────────┤
 *      ▼  │                             ▼    └── a person ends it ──┤
 *  RUN_STUCK                        FINISH_STUCK ───────────────────┘
 *         │ a step failed, a cancel, the deadline
 *         ▼
 *      UNDOING ──── nothing is left to undo, or a person ends it ──▶ UNDONE
 *       ▲   │                                                         ▲
 *       ▼   └──────────────────────────────────────────────────┐      │
 *    UNDO_STUCK ───────────────────────────────────────────────┴──────┘
 *
 * A saga is stuck in its direction for as long as one of its steps is; the others
 * go on.  Every transition of a step, and the function that makes it:
 *   WAITING → DOING, SKIPPED             start, when all before it are done
 *   DOING   → DONE, PENDING              acted
 *   DOING   → FAILED, LOST, STUCK        give_up: see there
 *   PENDING → DONE, FAILED, DOING, LOST  acted, from outside, or too late
 *   DONE, LOST → UNDOING, KEPT           undo_next, when nothing after it is left
 *   UNDOING → UNDONE, STUCK              undid
 *   DOING   → SKIPPED, UNDOING → KEPT    a person, while no attempt is under way
 *   STUCK   → WAITING, DOING, UNDOING, DONE, UNDONE, FAILED, SKIPPED, KEPT   a person
 *
 * Facts that hold in each state stand in the table and in saga_valid. */
#include "saga/saga.h"
#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define IN(s) (1u << STEP_##s)

enum {
	FORWARD = IN(WAITING) | IN(DOING) | IN(PENDING) | IN(DONE) | IN(SKIPPED),
	/* What needs no undoing, or no more. */
	SETTLED = IN(WAITING) | IN(SKIPPED) | IN(FAILED) | IN(UNDONE) | IN(KEPT),
	BACKWARD = SETTLED | IN(DOING) | IN(DONE) | IN(LOST) | IN(UNDOING),
};

/* One row per state: what its steps may be, and its pair: the state of the same
 * direction with a step that is stuck, or without one. */
static const struct saga_row {
	unsigned steps;
	enum saga_state stuck, free;
} rows[SAGA_STATES] = {
	[SAGA_RUNNING] = {FORWARD, SAGA_RUN_STUCK, SAGA_RUNNING},
	[SAGA_RUN_STUCK] = {FORWARD | IN(STUCK), SAGA_RUN_STUCK, SAGA_RUNNING},
	[SAGA_FINISHING] = {FORWARD, SAGA_FINISH_STUCK, SAGA_FINISHING},
	[SAGA_FINISH_STUCK] = {FORWARD | IN(STUCK), SAGA_FINISH_STUCK, SAGA_FINISHING},
	[SAGA_UNDOING] = {BACKWARD, SAGA_UNDO_STUCK, SAGA_UNDOING},
	[SAGA_UNDO_STUCK] = {BACKWARD | IN(STUCK), SAGA_UNDO_STUCK, SAGA_UNDOING},
	[SAGA_DONE] = {IN(DONE) | IN(SKIPPED), SAGA_DONE, SAGA_DONE},
	[SAGA_UNDONE] = {SETTLED, SAGA_UNDONE, SAGA_UNDONE},
};

/* ---- looking ---- */

static enum saga_state direction(const struct saga *s)
{
	return rows[s->state].free;
}

static bool in(const struct saga_step *st, unsigned states)
{
	return (states & (1u << st->state)) != 0;
}

static bool any(const struct saga *s, unsigned states)
{
	for (size_t i = 0; i < s->n_steps; i++)
		if (in(&s->steps[i], states))
			return true;
	return false;
}

static bool all_of(const struct saga *s, const uint32_t *list, size_t n, unsigned states)
{
	for (size_t i = 0; i < n; i++)
		if (!in(&s->steps[list[i]], states))
			return false;
	return true;
}

static struct saga_step *pivot(const struct saga *s)
{
	return s->def->pivot < s->n_steps ? &s->steps[s->def->pivot] : NULL;
}

bool saga_over(const struct saga *s)
{
	return s->state == SAGA_DONE || s->state == SAGA_UNDONE;
}

const struct work *saga_work(const struct saga *s, size_t step)
{
	const struct saga_step *st = &s->steps[step];
	const bool undo = st->state == STEP_UNDOING || (st->state == STEP_STUCK && st->undo);

	return undo ? &s->def->steps[step].undo : &s->def->steps[step].action;
}

static bool exhausted(const struct saga *s, size_t step)
{
	return s->steps[step].attempts >= saga_work(s, step)->retry.attempts;
}

/* ---- the only writers of the states ---- */

static void set(struct saga_step *st, enum step_state to)
{
	if (to == STEP_DOING || to == STEP_UNDOING)
		st->attempts = 0;
	if (to != STEP_PENDING) {
		free(st->args);
		st->args = NULL;
	}
	st->out = false;
	st->state = to;
}

static void explain(struct saga_step *st, const char *reason)
{
	if (reason == NULL || reason[0] == '\0')
		return;
	free(st->reason);
	st->reason = mem_dup(reason);
}

static void stick(struct saga_step *st, bool undo)
{
	set(st, STEP_STUCK);
	st->undo = undo;
}

/* ---- backward ---- */

/* A step is undone when all that came after it is: then nothing rests on it. */
static bool undo_next(struct saga *s)
{
	bool moved = false;

	for (size_t i = s->n_steps; i-- > 0;) {
		const struct def_step *d = &s->def->steps[i];
		struct saga_step *st = &s->steps[i];

		if (!in(st, IN(DONE) | IN(LOST)) || !all_of(s, d->before, d->n_before, SETTLED))
			continue;
		set(st, d->undo.kind != WORK_NONE ? STEP_UNDOING : STEP_KEPT);
		moved = true;
	}
	return moved;
}

/* What is under way is waited for: its answer tells what there is to undo.  What is
 * not, and never was in doubt, is certainly not done. */
static void turn_back(struct saga *s)
{
	s->state = SAGA_UNDOING;
	for (size_t i = 0; i < s->n_steps; i++) {
		struct saga_step *st = &s->steps[i];

		if (st->state == STEP_PENDING)
			set(st, STEP_LOST);
		else if (st->state == STEP_DOING && !st->out)
			set(st, st->maybe ? STEP_LOST : STEP_FAILED);
	}
}

/* ---- what follows from the steps ---- */

/* The pivot has decided: whoever asked for a rollback meanwhile came too late, and what
 * comes past the pivot must not be held up by it. */
static void finishing(struct saga *s)
{
	s->state = SAGA_FINISHING;
	s->stop = false;
}

static void settle(struct saga *s)
{
	const struct saga_step *p = pivot(s);

	if (direction(s) == SAGA_RUNNING) {
		if (any(s, IN(FAILED) | IN(LOST)))
			turn_back(s);
		else if (p != NULL && in(p, IN(DONE) | IN(SKIPPED)))
			finishing(s);
	}
	if (direction(s) == SAGA_UNDOING) {
		while (undo_next(s))
			;
		if (!any(s, ~(unsigned)SETTLED))
			s->state = SAGA_UNDONE;
	} else if (!any(s, ~(IN(DONE) | IN(SKIPPED)))) {
		s->state = SAGA_DONE;
	}
	s->state = any(s, IN(STUCK)) ? rows[s->state].stuck : rows[s->state].free;
}

/* ---- forward ---- */

static bool its_turn(const struct saga *s, size_t step)
{
	const struct def_step *d = &s->def->steps[step];

	return all_of(s, d->after, d->n_after, IN(DONE) | IN(SKIPPED));
}

static void start(struct saga *s, const struct saga_news *n)
{
	struct saga_step *st = &s->steps[n->step];

	if (saga_owes(s, n->step) != SAGA_OWES_START)
		return;
	explain(st, n->reason);
	if (n->event == SAGA_EV_START)
		set(st, STEP_DOING);
	else if (n->event == SAGA_EV_OMIT)
		set(st, STEP_SKIPPED);
	else if (direction(s) == SAGA_FINISHING)
		stick(st, false);
	else
		set(st, STEP_FAILED);
}

/* No further attempt of an action.  What was certainly not done has failed.  What may
 * have been done is undone like what was, but for the pivot: it has no undo, so only
 * a person can find out. */
static void give_up(struct saga *s, size_t step)
{
	struct saga_step *st = &s->steps[step];

	if (!st->maybe)
		set(st, STEP_FAILED);
	else if (s->def->steps[step].pivot)
		stick(st, false);
	else
		set(st, STEP_LOST);
}

/* An attempt of an action ended without a yes. */
static void not_done(struct saga *s, const struct saga_news *n)
{
	struct saga_step *st = &s->steps[n->step];
	const bool pivot_stops = s->def->steps[n->step].pivot && s->stop && !st->maybe;

	if (n->event == SAGA_EV_BROKEN && direction(s) == SAGA_FINISHING)
		stick(st, false);
	else if (direction(s) == SAGA_FINISHING)
		st->state = STEP_DOING; /* until it succeeds */
	else if (n->event == SAGA_EV_REFUSED || n->event == SAGA_EV_BROKEN)
		give_up(s, n->step);
	else if (direction(s) == SAGA_UNDOING || exhausted(s, n->step) || pivot_stops)
		give_up(s, n->step);
	else
		st->state = STEP_DOING; /* may have been pending */
}

static void acted(struct saga *s, const struct saga_news *n)
{
	struct saga_step *st = &s->steps[n->step];

	st->out = false;
	explain(st, n->reason);
	switch (n->event) {
	case SAGA_EV_DONE: set(st, STEP_DONE); return;
	case SAGA_EV_PENDING:
		st->maybe = true;
		if (direction(s) == SAGA_UNDOING)
			give_up(s, n->step);
		else
			set(st, STEP_PENDING);
		return;
	case SAGA_EV_HAZARD: stick(st, false); return;
	case SAGA_EV_UNKNOWN: st->maybe = true; break;
	case SAGA_EV_REFUSED: st->maybe = st->maybe && !n->exact; break;
	default: break;
	}
	not_done(s, n);
}

/* A compensation: everything but a yes is tried again, to the limit. */
static void undid(struct saga *s, const struct saga_news *n)
{
	struct saga_step *st = &s->steps[n->step];

	st->out = false;
	explain(st, n->reason);
	if (n->event == SAGA_EV_DONE)
		set(st, STEP_UNDONE);
	else if (n->event == SAGA_EV_BROKEN || n->event == SAGA_EV_HAZARD || exhausted(s, n->step))
		stick(st, true);
}

static void attempt(struct saga_step *st)
{
	if (!in(st, IN(DOING) | IN(UNDOING)) || st->out)
		return;
	st->out = true;
	st->attempts++;
	st->tries++;
}

static void outcome(struct saga *s, const struct saga_news *n)
{
	struct saga_step *st = &s->steps[n->step];

	if (st->state == STEP_UNDOING)
		undid(s, n);
	else if (in(st, IN(DOING) | IN(PENDING)))
		acted(s, n);
	else if (st->state == STEP_WAITING && n->event == SAGA_EV_BROKEN)
		start(s, n);
}

/* ---- a person ---- */

static void cancel(struct saga *s)
{
	struct saga_step *p = pivot(s);

	if (s->state != SAGA_RUNNING)
		return;
	if (p != NULL &&
	    (p->state == STEP_PENDING || (p->state == STEP_DOING && (p->out || p->maybe))))
		s->stop = true; /* the pivot decides */
	else
		turn_back(s);
}

static void end_as_it_is(struct saga *s)
{
	const enum saga_state to = direction(s) == SAGA_FINISHING ? SAGA_DONE
				   : direction(s) == SAGA_UNDOING ? SAGA_UNDONE
								  : 0;

	if (to == 0)
		return;
	for (size_t i = 0; i < s->n_steps; i++) {
		struct saga_step *st = &s->steps[i];

		if (to == SAGA_DONE && !in(st, IN(DONE) | IN(SKIPPED)))
			set(st, STEP_SKIPPED);
		else if (to == SAGA_UNDONE && !in(st, SETTLED))
			set(st, STEP_KEPT);
	}
	s->state = to;
}

/* The step's atomic group, or a person who looked, says at last what became of it. */
static void unstick(struct saga *s, const struct saga_news *n)
{
	struct saga_step *st = &s->steps[n->step];
	const bool running = direction(s) == SAGA_RUNNING;

	switch (n->event) {
	case SAGA_EV_AGAIN:
		if (st->undo || direction(s) != SAGA_UNDOING)
			set(st, st->undo         ? STEP_UNDOING
				: st->tries == 0 ? STEP_WAITING /* its `when` had failed */
						 : STEP_DOING);
		return;
	case SAGA_EV_DONE: set(st, st->undo ? STEP_UNDONE : STEP_DONE); return;
	case SAGA_EV_SKIP:
		if (st->undo)
			set(st, STEP_KEPT);
		else if (!running)
			set(st, direction(s) == SAGA_FINISHING ? STEP_SKIPPED : STEP_KEPT);
		return;
	case SAGA_EV_REFUSED:
	case SAGA_EV_RETRY:
		if (st->undo || direction(s) == SAGA_FINISHING)
			set(st, st->undo ? STEP_UNDOING : STEP_DOING);
		else
			set(st, STEP_FAILED);
		explain(st, n->reason);
		return;
	default: return;
	}
}

bool saga_may_skip(const struct saga *s, size_t step)
{
	const struct saga_step *st = &s->steps[step];

	if (st->state == STEP_STUCK)
		return st->undo || direction(s) != SAGA_RUNNING;
	if (st->out)
		return false;
	return st->state == STEP_UNDOING ||
	       (direction(s) == SAGA_FINISHING && st->state == STEP_DOING);
}

/* ---- stepping ---- */

/* Enough of a saga to see whether it changed. */
static uint64_t fingerprint(const struct saga *s, size_t step)
{
	const struct saga_step *st = &s->steps[step];

	return (uint64_t)s->state | (uint64_t)st->state << 8 | (uint64_t)s->stop << 16;
}

bool saga_step(struct saga *s, const struct saga_news *n)
{
	struct saga_step *st;
	uint64_t before;

	assert(s->def != NULL && n->step < s->n_steps);
	if (saga_over(s))
		return false;
	st = &s->steps[n->step];
	before = fingerprint(s, n->step);
	if (n->event == SAGA_EV_CANCEL)
		cancel(s);
	else if (n->event == SAGA_EV_RESOLVE)
		end_as_it_is(s);
	else if (n->event == SAGA_EV_START || n->event == SAGA_EV_OMIT)
		start(s, n);
	else if (n->event == SAGA_EV_ATTEMPT)
		attempt(st);
	else if (st->state == STEP_STUCK)
		unstick(s, n);
	else if (n->event == SAGA_EV_SKIP) {
		if (saga_may_skip(s, n->step))
			set(st, st->state == STEP_UNDOING ? STEP_KEPT : STEP_SKIPPED);
	} else if (n->event != SAGA_EV_AGAIN)
		outcome(s, n);
	if (!saga_over(s))
		settle(s);
	assert(saga_valid(s));
	return fingerprint(s, n->step) != before;
}

void saga_resume(struct saga *s)
{
	for (size_t i = 0; i < s->n_steps; i++) {
		struct saga_step *st = &s->steps[i];

		st->out = false;
		/* An attempt may have been sent that was never counted: the next one must
		 * not look like the first. */
		if (st->tries == 0 && in(st, IN(DOING) | IN(UNDOING)) &&
		    saga_work(s, i)->kind == WORK_CALL)
			st->tries = 1;
		/* The intent was written; whether it was sent is not known.  (What became of
		 * an atomic group the journal does know.) */
		if (st->state == STEP_DOING && s->def->steps[i].action.kind == WORK_CALL)
			st->maybe = true;
	}
	if (direction(s) == SAGA_UNDOING)
		for (size_t i = 0; i < s->n_steps; i++)
			if (s->steps[i].state == STEP_DOING &&
			    s->def->steps[i].action.kind == WORK_CALL)
				set(&s->steps[i], STEP_LOST);
	if (!saga_over(s))
		settle(s);
}

/* ---- what follows from the states ---- */

enum saga_duty saga_owes(const struct saga *s, size_t step)
{
	const struct saga_step *st = &s->steps[step];
	const enum saga_state d = direction(s);

	if (st->state == STEP_UNDOING)
		return SAGA_OWES_UNDO;
	if (st->state == STEP_DOING)
		return SAGA_OWES_DO;
	if (st->state == STEP_WAITING && (d == SAGA_RUNNING || d == SAGA_FINISHING) &&
	    its_turn(s, step))
		return SAGA_OWES_START;
	return SAGA_OWES_NOTHING;
}

bool saga_may_retry(const struct saga *s, size_t step)
{
	return in(&s->steps[step], IN(DOING) | IN(UNDOING)) && !s->steps[step].out;
}

bool saga_valid(const struct saga *s)
{
	const struct saga_step *p = s->def != NULL ? pivot(s) : NULL;

	if (s->state <= 0 || s->state >= SAGA_STATES)
		return false;
	for (size_t i = 0; i < s->n_steps; i++)
		if (s->steps[i].state <= 0 || !in(&s->steps[i], rows[s->state].steps))
			return false;
	if ((p != NULL && direction(s) == SAGA_FINISHING && !in(p, IN(DONE) | IN(SKIPPED))) ||
	    any(s, IN(STUCK)) != (s->state != rows[s->state].free) ||
	    (s->n_steps == 0 && s->state != SAGA_DONE)) /* it ends as it begins */
		return false;
	return s->state != SAGA_UNDOING || any(s, ~(unsigned)SETTLED);
}
