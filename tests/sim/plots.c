/* plots.c - sagas drawn from the seed, and their workflow files; see sim.h.
 *
 * The steps stand in an order in which they could run one by one: those before the
 * pivot, the pivot, those past it. */
#include "tests/sim/sagas.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FOREVER_US = 25 * 1000 * 1000 };

/* ---- drawing ---- */

static void draw_group(struct sim_step *st)
{
	st->group = true;
	st->n_branches = 1 + sim_rand(2);
	st->db[0] = sim_rand(SIM_DBS);
	st->db[1] = (st->db[0] + 1) % SIM_DBS;
}

static void draw_call(struct sim_step *st)
{
	st->n_branches = 1;
	st->db[0] = sim_rand(SIM_DBS);
	st->pending = !sim_exact(st->db[0]) && sim_rand(2) == 0;
	if (st->pending && sim_rand(2) == 0)
		st->within_ms = (unsigned)(1000 + sim_rand(10000));
}

static void draw_undo(struct sim_step *st)
{
	if (sim_rand(8) == 0)
		return;
	st->undo = st->group && sim_rand(4) != 0 ? SIM_UNDO_GROUP : SIM_UNDO_CALL;
	st->undo_db = st->group ? sim_rand(SIM_DBS) : st->db[0];
	st->undo_attempts = (unsigned)(1 + sim_rand(6));
	if (sim_rand(5) == 0)
		st->undo_fails_until_us = sim_rand(FOREVER_US);
}

/* A step has all before it in `after` if it is the pivot, the pivot if it comes past it,
 * and any others. */
static void draw_after(struct sim_saga *s, size_t step)
{
	struct sim_step *st = &s->steps[step];
	const bool past = plot_past_pivot(s, step);
	const size_t first = past ? (size_t)s->pivot : 0;

	for (size_t i = first; i < step; i++)
		st->after[i] = (int)step == s->pivot || (past && i == first) || sim_rand(3) == 0;
	st->from = SIM_NONE;
	for (size_t i = 0; i < step; i++)
		if (st->after[i] && !s->steps[i].group && sim_rand(2) == 0)
			st->from = (int)i;
}

static void draw_step(struct sim_saga *s, size_t step)
{
	struct sim_step *st = &s->steps[step];

	if (sim_rand(4) == 0)
		draw_group(st);
	else
		draw_call(st);
	draw_after(s, step);
	if ((int)step != s->pivot && !plot_past_pivot(s, step))
		draw_undo(st);
	st->has_when = sim_rand(6) == 0;
	st->omitted = st->has_when && (int)step < s->input;
	st->attempts = (unsigned)(1 + sim_rand(5));
	st->timeout_ms = (unsigned)(500 + sim_rand(3500));
}

/* A shorter history may do without a step. */
static void leave_out(struct sim_saga *s, size_t step)
{
	s->n_steps--;
	memmove(&s->steps[step], &s->steps[step + 1], (s->n_steps - step) * sizeof s->steps[step]);
	if ((int)step == s->pivot)
		s->pivot = SIM_NONE;
	else if ((int)step < s->pivot)
		s->pivot--;
	for (size_t i = step; i < s->n_steps; i++) {
		struct sim_step *st = &s->steps[i];

		memmove(&st->after[step], &st->after[step + 1],
			(SIM_STEPS - step - 1) * sizeof st->after[0]);
		st->after[SIM_STEPS - 1] = false;
		if (st->from == (int)step)
			st->from = SIM_NONE;
		else if (st->from > (int)step)
			st->from--;
		st->omitted = st->has_when && (int)i < s->input;
	}
}

void plot_draw(struct sim_saga *s, size_t number)
{
	memset(s, 0, sizeof *s);
	snprintf(s->gid, sizeof s->gid, "g%zu", number);
	s->n_steps = 1 + sim_rand(SIM_STEPS);
	s->pivot = sim_rand(2) == 0 ? (int)sim_rand(s->n_steps) : SIM_NONE;
	s->input = (int)sim_rand(SIM_STEPS);
	s->deadline_s = sim_rand(5) == 0 ? (unsigned)(1 + sim_rand(30)) : 0;
	s->wait = (enum wait_for)sim_rand(3);
	s->meddled = sim_rand(6) == 0;
	for (size_t i = 0; i < s->n_steps; i++)
		draw_step(s, i);
	for (size_t i = s->n_steps; i-- > 0;)
		if (!sim_chance_ever(1000) && s->n_steps > 1)
			leave_out(s, i);
}

/* ---- its file ---- */

struct text {
	char *at;
	size_t size, room;
};

static void add(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->at + t->size, t->room - t->size, fmt, ap);
	va_end(ap);
	if (n < 0 || t->size + (size_t)n >= t->room)
		sim_fail("a workflow is too long for its room");
	t->size += (size_t)n;
}

static void add_group(struct text *t, const struct sim_step *st, const char *operation)
{
	add(t, "atomic: [");
	for (size_t b = 0; b < st->n_branches; b++)
		add(t, "{name: b%zu, resource: db%zu, operation: %s, args: {x: %d}}, ", b,
		    st->db[b], operation,
		    st->n_branches == 1 ? 0
		    : b == 0            ? 7
					: -7);
	add(t, "], ");
}

static void add_undo(struct text *t, const struct sim_step *st, size_t step)
{
	if (st->undo == SIM_UNDO_NONE) {
		add(t, "compensate: none, ");
		return;
	}
	add(t, "compensate: {");
	if (st->undo == SIM_UNDO_GROUP)
		add_group(t, st, "back");
	else
		add(t,
		    "resource: db%zu, operation: undo, args: {id: \"${steps.s%zu.output.id}\"}, ",
		    st->undo_db, step);
	add(t, "timeout: %ums, retry: {attempts: %u, first: 50ms, max: 1s}}, ", st->timeout_ms,
	    st->undo_attempts);
}

static void add_call(struct text *t, const struct sim_step *st)
{
	add(t, "resource: db%zu, operation: act, args: {from: ", st->db[0]);
	if (st->from != SIM_NONE)
		add(t, "\"${steps.s%d.output.id}\"}, ", st->from);
	else
		add(t, "0}, ");
	if (st->within_ms != 0)
		add(t, "complete_within: %ums, ", st->within_ms);
}

static void add_step(struct text *t, const struct sim_saga *s, size_t step)
{
	const struct sim_step *st = &s->steps[step];

	add(t, "{name: s%zu, after: [", step);
	for (size_t i = 0; i < step; i++)
		if (st->after[i])
			add(t, "s%zu, ", i);
	add(t, "], ");
	if (st->has_when)
		add(t, "when: \"${input.n <= %zu}\", ", step);
	if (st->group)
		add_group(t, st, "op");
	else
		add_call(t, st);
	if ((int)step == s->pivot)
		add(t, "pivot: true, ");
	else if (!plot_past_pivot(s, step))
		add_undo(t, st, step);
	add(t, "timeout: %ums, retry: {attempts: %u, first: 50ms, max: 1s}}, ", st->timeout_ms,
	    st->attempts);
}

size_t plot_text(const struct sim_saga *s, char *out, size_t room)
{
	struct text t = {out, 0, room};

	add(&t, "{workflow: saga, input: [n], ");
	if (s->deadline_s != 0)
		add(&t, "deadline: %us, ", s->deadline_s);
	add(&t, "steps: [");
	for (size_t i = 0; i < s->n_steps; i++)
		add_step(&t, s, i);
	add(&t, "]}");
	return t.size;
}
