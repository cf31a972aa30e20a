#include "tests/lib/saga_ways.h"

#include <stdio.h>
#include <string.h>

enum { FACT_S = 30, SHORT_MS = 60, GROUP_SHORT_MS = 400, GROUP_MS = 2000, MANY = 3 };

/* How the moment before the unit is reached, and left. */
enum brink {
	BRINK_NONE,    /* an action: before the submission */
	BRINK_REFUSAL, /* a compensation: a later step is held up, and will be refused */
	BRINK_UNHEARD, /* answers that are on their way are held back; a compensation: and
			* the saga was cancelled meanwhile */
	BRINK_GROUP,   /* the group before it is held up */
};

struct saga_trial {
	const struct saga_unit *u;
	struct saga_case c;
	enum brink brink;
	struct stage_lock *ahead; /* of the brink */
	struct stage_lock *lock;  /* of the unit itself */
};

/* ---- who is who ---- */

static const struct workflow *flow(void)
{
	return stage.file->w;
}

static const char *name_of(size_t step)
{
	return flow()->steps[step].name;
}

static const char *way_of(const struct saga_unit *u)
{
	return u->undo ? "undo" : "do";
}

/* The last unit of a step's action or compensation: in a group that prepares one
 * branch after another, all others have voted when this one is asked. */
static const struct saga_unit *unit_of(size_t step, bool undo)
{
	const struct saga_unit *last = NULL;
	for (size_t i = 0; i < stage.file->n_units; i++) {
		const struct saga_unit *u = &stage.file->units[i];
		if (u->step == step && u->undo == undo)
			last = u;
	}
	return last;
}

static bool is_last(const struct saga_unit *u)
{
	return u->group && unit_of(u->step, u->undo) == u;
}

static bool is_first(const struct saga_unit *u)
{
	return !u->undo && u == &stage.file->units[0];
}

static bool is_undo(const struct saga_unit *u)
{
	return u->undo;
}

static bool past(const struct saga_trial *t)
{
	return !t->u->undo && saga_past_pivot(flow(), t->u->step);
}

static bool is_pivot(const struct saga_trial *t)
{
	return !t->u->undo && flow()->pivot == t->u->step;
}

/* A step whose refusal undoes `step`, which is done by then: the next one, or one
 * beside it. NULL: there is none. */
static const struct saga_unit *refuser(size_t step)
{
	const struct def_step *d = &flow()->steps[step];
	if (d->n_before > 0)
		return unit_of(d->before[0], false);
	for (size_t i = 0; i < flow()->n_steps; i++)
		if (i != step && !saga_after(flow(), step, i) && !saga_past_pivot(flow(), i))
			return unit_of(i, false);
	return NULL;
}

/* A call whose answer can be held back while the saga is cancelled, so that `step` is
 * undone when it arrives: its own action, or for a group the step after it. */
static const struct saga_unit *carrier(size_t step)
{
	const struct saga_unit *own = unit_of(step, false);
	const struct def_step *d = &flow()->steps[step];
	if (!own->group)
		return own;
	NEED(d->n_before > 0 && !unit_of(d->before[0], false)->group,
	     "%s: nothing after the group %s is a call", stage.file->path, name_of(step));
	return unit_of(d->before[0], false);
}

/* ---- the brink ---- */

static void begun(struct saga_trial *t, const struct saga_unit *u)
{
	case_await(&t->c, "attempt", name_of(u->step), way_of(u), NULL, 1);
}

/* The effects of all of `units` are there, and no answer of them is heard. */
static void keep_unheard(struct saga_trial *t, const struct saga_unit **units, size_t n)
{
	struct stage_lock *locks[SAGA_UNITS];

	for (size_t i = 0; i < n; i++)
		locks[i] = stage_hold(units[i], HOLD_ALL);
	case_submit(&t->c);
	for (size_t i = 0; i < n; i++)
		begun(t, units[i]);
	stage_links(PROXY_UP, PROXY_HOLD);
	for (size_t i = 0; i < n; i++)
		stage_let_go(locks[i]);
	for (size_t i = 0; i < n; i++)
		WAIT_FOR(FACT_S, stage_effects(t->c.gid, units[i]) == 1);
	t->brink = BRINK_UNHEARD;
}

/* Up to where the unit's command is the next to be sent on its link. */
static void reach_intent(struct saga_trial *t)
{
	const struct def_step *d = &flow()->steps[t->u->step];
	const struct saga_unit *before[SAGA_UNITS];
	size_t n = 0;

	if (t->u->undo) {
		before[0] = carrier(t->u->step);
		keep_unheard(t, before, 1);
		case_ask(&t->c, "cancel");
		return;
	}
	for (size_t i = 0; i < d->n_after; i++)
		before[n++] = unit_of(d->after[i], false);
	if (n == 0)
		return;
	if (!before[0]->group) {
		keep_unheard(t, before, n);
		return;
	}
	NEED(n == 1 && !t->u->group, "%s: %s comes after groups", stage.file->path, t->u->label);
	t->ahead = stage_hold(before[0], HOLD_ALL);
	t->brink = BRINK_GROUP;
	case_submit(&t->c);
	WAIT_FOR(FACT_S, stage_waiting(before[0]) > 0);
}

/* Up to where an action is submitted next, or a compensation is decided upon next. */
static void reach(struct saga_trial *t)
{
	const struct saga_unit *r;

	if (!t->u->undo)
		return;
	r = refuser(t->u->step);
	if (r == NULL) {
		reach_intent(t);
		return;
	}
	t->brink = BRINK_REFUSAL;
	stage_forbid(t->c.gid, r);
	t->ahead = stage_hold(r, HOLD_ALL);
	case_submit(&t->c);
	case_await(&t->c, "ended", name_of(t->u->step), "do", "done", 1);
	begun(t, r);
}

static void go(struct saga_trial *t)
{
	switch (t->brink) {
	case BRINK_NONE: case_submit(&t->c); return;
	case BRINK_UNHEARD: stage_links(PROXY_UP, PROXY_PASS); return;
	case BRINK_REFUSAL:
	case BRINK_GROUP:
		stage_let_go(t->ahead);
		t->ahead = NULL;
		return;
	}
}

/* ---- moments ---- */

static void pace(struct saga_trial *t, int attempts, int timeout_ms)
{
	t->c.pace.attempts = attempts;
	t->c.pace.timeout_ms = timeout_ms;
}

static void let_go(struct saga_trial *t)
{
	stage_let_go(t->lock);
	t->lock = NULL;
}

/* The unit's work is under way, and waits for its lock. */
static void hold_up(struct saga_trial *t)
{
	reach(t);
	t->lock = stage_hold(t->u, HOLD_ALL);
	go(t);
	begun(t, t->u);
	if (t->u->group)
		WAIT_FOR(FACT_S, stage_waiting(t->u) > 0);
}

/* Its effect is there, or its branch is prepared, and the coordinator cannot know. */
static void unheard(struct saga_trial *t)
{
	hold_up(t);
	stage_links(PROXY_UP, PROXY_HOLD);
	let_go(t);
	if (t->u->group)
		WAIT_FOR(FACT_S, stage_prepared(t->u) > 0);
	else
		WAIT_FOR(FACT_S, stage_effects(t->c.gid, t->u) == 1);
}

static void coordinator_anew(void)
{
	stage_coordinator_kill();
	stage_links_anew();
	stage_coordinator_start();
}

static void await_ended(struct saga_trial *t, const char *outcome, size_t n)
{
	case_await(&t->c, "ended", name_of(t->u->step), way_of(t->u), outcome, n);
}

/* What was only held up is done in the end. */
static void ends_well(struct saga_trial *t)
{
	case_ends(&t->c, t->u->undo ? "rolled_back" : "committed");
}

/* What was given up: past the pivot that never happens. */
static void ends_back(struct saga_trial *t)
{
	case_ends(&t->c, past(t) ? "committed" : "rolled_back");
}

/* ---- the ways ---- */

static void refused(struct saga_trial *t)
{
	stage_forbid(t->c.gid, t->u);
	reach(t);
	go(t);
	if (past(t) || t->u->undo) {
		await_ended(t, "refused", MANY);
		stage_allow(t->c.gid, t->u);
	}
	ends_back(t);
}

static void stuck(struct saga_trial *t)
{
	stage_forbid(t->c.gid, t->u);
	pace(t, 2, 0);
	reach(t);
	go(t);
	case_ends(&t->c, "stuck");
	stage_allow(t->c.gid, t->u);
	case_ask(&t->c, "retry");
	ends_well(t);
}

static void retried_out(struct saga_trial *t)
{
	const bool for_ever = past(t) || t->u->undo;
	const int tries = t->u->group ? 1 : 2;

	pace(t, for_ever ? 0 : tries, t->u->group ? GROUP_SHORT_MS : SHORT_MS);
	reach(t);
	t->lock = stage_hold(t->u, HOLD_COMMIT);
	go(t);
	await_ended(t, NULL, for_ever ? MANY : (size_t)tries);
	let_go(t);
	ends_back(t);
}

/* Nobody answers for a call whose file is locked past the deadline. */
static void call_timed_out(struct saga_trial *t)
{
	pace(t, t->u->undo ? 0 : 1, SHORT_MS);
	reach(t);
	t->lock = stage_hold(t->u, HOLD_ALL);
	go(t);
	await_ended(t, "unknown", 1);
	let_go(t);
	if (is_pivot(t)) { /* nobody can say whether it was done: a person looks */
		case_ends(&t->c, "stuck");
		case_ask(&t->c, "retry");
		case_ends(&t->c, "committed");
		return;
	}
	ends_back(t);
}

/* The group's present attempt is to be rolled back, or was already. */
static bool given_up(const struct saga_trial *t)
{
	const char *status = case_group_status(&t->c, t->u->step);
	return strcmp(status, "rolling_back") == 0 || strcmp(status, "rolled_back") == 0;
}

/* The agent does not answer: the deadline decides, and the agent hears of it later.  (On
 * a machine so slow that the deadline passes first, the resource ends the attempt.) */
static void group_timed_out(struct saga_trial *t)
{
	struct proc *agent = stage.agent[stage_agent_of(t->u)];

	pace(t, t->u->undo ? 0 : 1, GROUP_MS);
	reach(t);
	t->lock = stage_hold(t->u, HOLD_ALL);
	go(t);
	begun(t, t->u);
	WAIT_FOR(FACT_S, stage_waiting(t->u) > 0 || given_up(t));
	proc_freeze(agent);
	WAIT_FOR(FACT_S, given_up(t));
	let_go(t);
	proc_thaw(agent);
	ends_back(t);
}

static void timed_out(struct saga_trial *t)
{
	if (t->u->group)
		group_timed_out(t);
	else
		call_timed_out(t);
}

static void agent_killed_before(struct saga_trial *t)
{
	const int agent = stage_agent_of(t->u);

	hold_up(t);
	stage_agent_kill(agent);
	stage_agent_start(agent);
	let_go(t);
	ends_well(t);
}

static void agent_killed_after(struct saga_trial *t)
{
	const int agent = stage_agent_of(t->u);

	unheard(t);
	stage_agent_kill(agent);
	stage_links_anew();
	stage_agent_start(agent);
	ends_well(t);
}

/* The same, and there is no further attempt: what may have been done is undone. */
static void lost(struct saga_trial *t)
{
	const int agent = stage_agent_of(t->u);

	pace(t, 1, 0);
	unheard(t);
	stage_agent_kill(agent);
	stage_links_anew();
	stage_agent_start(agent);
	if (t->u->undo || (is_pivot(t) && !t->u->group)) {
		case_ends(&t->c, "stuck");
		case_ask(&t->c, "retry");
		ends_well(t);
		return;
	}
	ends_back(t);
}

static void unsubmitted(struct saga_trial *t)
{
	proc_freeze(stage.coordinator);
	NEED(!case_submit_in_vain(&t->c), "a frozen coordinator answered");
	coordinator_anew();
	NEED(strcmp(case_status(&t->c), "unknown") == 0, "%s is %s", t->c.gid, case_status(&t->c));
	NEED(stage_effects(t->c.gid, t->u) == 0, "%s has effects", t->c.gid);
	case_submit(&t->c);
	ends_well(t);
}

static void intent(struct saga_trial *t)
{
	reach_intent(t);
	for (size_t i = 0; i < stage.file->n_units; i++) {
		const struct saga_unit *u = &stage.file->units[i];
		if (u->step == t->u->step && u->undo == t->u->undo)
			proxy_set(stage.link[stage_agent_of(u)], PROXY_DOWN, PROXY_HOLD);
	}
	go(t);
	begun(t, t->u);
	NEED(stage_effects(t->c.gid, t->u) == 0, "%s: %s was sent", t->c.gid, t->u->label);
	coordinator_anew();
	ends_well(t);
}

static void coordinator_killed_unheard(struct saga_trial *t)
{
	unheard(t);
	coordinator_anew();
	ends_well(t);
}

static void decided(struct saga_trial *t)
{
	hold_up(t);
	stage_links(PROXY_DOWN, PROXY_HOLD);
	let_go(t);
	WAIT_FOR(FACT_S, strcmp(case_group_status(&t->c, t->u->step), "committing") == 0);
	NEED(stage_effects(t->c.gid, t->u) == 0, "%s: %s is committed", t->c.gid, t->u->label);
	coordinator_anew();
	ends_well(t);
}

static void told(struct saga_trial *t)
{
	reach(t);
	go(t);
	await_ended(t, "done", 1);
	coordinator_anew();
	ends_well(t);
}

const struct saga_way saga_ways[] = {
	{"refused", refused, NULL, false},
	{"stuck", stuck, is_undo, false},
	{"retried-out", retried_out, NULL, false},
	{"timed-out", timed_out, NULL, true},
	{"agent-before", agent_killed_before, NULL, false},
	{"agent-after", agent_killed_after, NULL, false},
	{"lost", lost, NULL, false},
	{"unsubmitted", unsubmitted, is_first, true},
	{"intent", intent, NULL, false},
	{"unheard", coordinator_killed_unheard, NULL, false},
	{"decided", decided, is_last, false},
	{"told", told, NULL, false},
	{NULL, NULL, NULL, false},
};

bool saga_way_fits(const struct saga_way *way, const struct saga_unit *u)
{
	return way->fits == NULL || way->fits(u);
}

void saga_try(const struct saga_way *way, const struct saga_unit *u, char gid[65])
{
	struct saga_trial t = {.u = u};
	const struct saga_pace room = {.step = u->step, .undo = u->undo};

	snprintf(gid, 65, "%.20s.%.24s.%s.%s", stage.file->name, u->label, way_of(u), way->name);
	case_open(&t.c, gid, &room);
	way->run(&t);
	case_close(&t.c);
}
