/* ledger.c - what the databases did of sagas, and what must hold of it; see sim.h.
 *
 * Each effect is held against the durable record at the moment when it happens: what
 * was not written down before must not be done.  What a person said about a step
 * (`worded`), or ended as it was (`resolved`), is the person's and not checked. */
#include "tests/sim/sagas.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FORGOTTEN = 3 /* attempts, by one restart */ };

#define IN(s) (1u << STEP_##s)

static bool in(const struct saga_step *st, unsigned states)
{
	return (states & (1u << st->state)) != 0;
}

/* The durable saga; it must be there. */
static const struct saga *durable(const struct sim_saga *s, const char *what, size_t step)
{
	const struct record *r = store_find(s->gid);

	if (r == NULL || r->saga == NULL)
		sim_fail("%s: step s%zu %s, and the journal does not know the saga", s->gid, step,
			 what);
	return r->saga;
}

struct sim_step *ledger_step(const char *gid, const char *step, struct sim_saga **saga)
{
	const size_t g = gid[0] == 'g' ? strtoul(gid + 1, NULL, 10) : SIM_SAGAS;
	const size_t n = step[0] == 's' ? strtoul(step + 1, NULL, 10) : SIM_STEPS;

	if (g >= SIM_SAGAS || strcmp(sim_sagas[g].gid, gid) != 0 || n >= sim_sagas[g].n_steps ||
	    strlen(step) != 2)
		sim_fail("a call has the key %s/%s, which nobody submitted", gid, step);
	*saga = &sim_sagas[g];
	return &sim_sagas[g].steps[n];
}

static const char *arg_name(bool undo)
{
	return undo ? "id" : "from";
}

/* The output of a step as it must be passed on: NULL may be passed where it is lost. */
void ledger_check_args(const struct sim_saga *s, size_t step, bool undo, const char *args,
		       size_t size)
{
	json_t *all = json_loadb(args, size, 0, NULL);
	const json_t *value = json_object_get(all, arg_name(undo));
	const int giver = undo ? (int)step : s->steps[step].from;
	const int want = giver == SIM_NONE ? 0 : plot_output(s, (size_t)giver);
	const bool null =
		giver != SIM_NONE && (undo || s->steps[giver].omitted || s->steps[giver].worded);

	if (json_object_size(all) != 1 ||
	    !(json_is_null(value) ? null : json_integer_value(value) == want))
		sim_fail("%s: step s%zu is called with %.*s, %d is to be passed", s->gid, step,
			 (int)size, args, want);
	json_decref(all);
}

/* The number grows, and keeps to the limit.  What a restart may forget of it is what
 * began shortly before; a person may ask for all of it again. */
void ledger_attempt(struct sim_saga *s, size_t step, bool undo, unsigned attempt)
{
	struct sim_step *st = &s->steps[step];
	const unsigned limit = undo ? st->undo_attempts : st->attempts;
	/* One agent has them all, and remembers them for as long as anybody may send them; a
	 * coordinator whose clock stood still does not know that this is over. */
	const bool alone = !sim_exact(undo ? st->undo_db : st->db[0]) && !sim_slept;
	const unsigned restarts = (unsigned)(sim_epoch - s->epoch);

	st->begun[undo]++;
	if (restarts == 0 && attempt <= st->last[undo] && alone)
		sim_fail("%s: attempt %u of step s%zu, and %u was before", s->gid, attempt, step,
			 st->last[undo]);
	st->last[undo] = attempt;
	if ((!undo && plot_past_pivot(s, step)) || s->resolved || st->worded)
		return;
	if (st->begun[undo] > (limit + FORGOTTEN * restarts) * (1 + s->retried))
		sim_fail("%s: step s%zu, attempt %u, and there are to be %u", s->gid, step,
			 st->begun[undo], limit);
}

/* ---- effects ---- */

void ledger_acts(struct sim_saga *s, size_t step)
{
	const struct saga *saga = durable(s, "acts", step);
	const struct saga_step *d = &saga->steps[step];
	struct sim_step *st = &s->steps[step];

	sim_note("saga: %s, step s%zu acts", s->gid, step);
	if (st->acts++ > 0 && (st->group || sim_exact(st->db[0])))
		sim_fail("%s: step s%zu acts a second time", s->gid, step);
	if (st->undone)
		sim_fail("%s: step s%zu acts after its compensation", s->gid, step);
	if (st->worded || s->resolved || in(d, IN(KEPT)))
		return; /* what nothing undoes may end whenever it does */
	if (in(d, IN(WAITING) | IN(SKIPPED)))
		sim_fail("%s: step s%zu acts before its intent is durable", s->gid, step);
	if (in(d, IN(FAILED) | IN(UNDONE)))
		sim_fail("%s: step s%zu acts, and was said to be certainly not done", s->gid, step);
	if (st->omitted)
		sim_fail("%s: step s%zu acts, though its `when` is false", s->gid, step);
	for (size_t i = 0; i < step; i++)
		if (st->after[i] && !in(&saga->steps[i], IN(DONE) | IN(SKIPPED)))
			sim_fail("%s: step s%zu acts before s%zu is done", s->gid, step, i);
}

/* Nothing that rests on the step may be left. */
static void check_nothing_after(const struct sim_saga *s, const struct saga *saga, size_t step)
{
	for (size_t i = step + 1; i < s->n_steps; i++) {
		const struct sim_step *o = &s->steps[i];
		const unsigned settled =
			IN(WAITING) | IN(SKIPPED) | IN(FAILED) | IN(UNDONE) | IN(KEPT);

		if (!o->after[step])
			continue;
		if (!in(&saga->steps[i], settled))
			sim_fail("%s: step s%zu is undone before s%zu, which comes after it",
				 s->gid, step, i);
		if (o->acts > 0 && !o->undone && o->undo != SIM_UNDO_NONE && !o->worded)
			sim_fail("%s: step s%zu is undone, and s%zu after it still stands", s->gid,
				 step, i);
	}
}

void ledger_undoes(struct sim_saga *s, size_t step)
{
	const struct saga *saga = durable(s, "is undone", step);
	struct sim_step *st = &s->steps[step];

	sim_note("saga: %s, step s%zu is undone", s->gid, step);
	st->undone = true;
	st->undos++;
	if (st->undo == SIM_UNDO_NONE)
		sim_fail("%s: step s%zu is undone and has no compensation", s->gid, step);
	if (s->resolved || st->worded)
		return;
	if (saga->state != SAGA_UNDOING && saga->state != SAGA_UNDO_STUCK)
		sim_fail("%s: step s%zu is undone in a saga that goes forward", s->gid, step);
	if (!in(&saga->steps[step], IN(UNDOING) | IN(STUCK) | IN(UNDONE)))
		sim_fail("%s: step s%zu is undone before that is durable", s->gid, step);
	check_nothing_after(s, saga, step);
	if (s->pivot != SIM_NONE && s->steps[s->pivot].acts > 0 && !s->steps[s->pivot].worded)
		sim_fail("%s: step s%zu is undone past the pivot", s->gid, step);
}

/* What a command rests on is durable when it leaves, not only when it acts. */
void ledger_sends(const struct command *c)
{
	const struct record *r = command_is_call(c->kind) ? store_find(c->id.gid) : NULL;
	struct sim_saga *s;
	struct sim_step *st;
	const struct saga_step *d;

	if (r == NULL || r->saga == NULL)
		return; /* its effect is held against that */
	st = ledger_step(c->id.gid, c->id.branch, &s);
	d = &r->saga->steps[st - s->steps];
	if (s->resolved || st->worded)
		return;
	if (c->kind == COMMAND_DO && in(d, IN(WAITING)))
		sim_fail("%s: step %s is sent before its intent is durable", s->gid, c->id.branch);
	if (c->kind == COMMAND_UNDO && !in(d, IN(UNDOING) | IN(STUCK) | IN(UNDONE)))
		sim_fail("%s: the undo of %s is sent before that is durable", s->gid, c->id.branch);
	if (c->kind == COMMAND_UNDO && in(d, IN(UNDOING)) && d->args == NULL)
		sim_fail("%s: the undo of %s is sent before its arguments are durable", s->gid,
			 c->id.branch);
}

/* ---- groups ---- */

/* `settle.SEQ.STEP.TRY` */
static unsigned try_of(const char *gid)
{
	return (unsigned)strtoul(strrchr(gid, '.') + 1, NULL, 10);
}

void ledger_group(const struct dbbranch *b, const struct record *r)
{
	const bool undo = r->n_branches > 0 && strcmp(r->branches[0].operation, "back") == 0;
	const struct record *parent = store_find(r->parent);
	char name[8], *committed;
	struct sim_saga *s;
	struct sim_step *st;

	snprintf(name, sizeof name, "s%u", (unsigned)(r->parent_step & 0xff));
	st = ledger_step(r->parent, name, &s);
	committed = undo ? st->undo_try : st->act_try;
	if (strcmp(committed, b->gid) == 0)
		return; /* another branch of the same try */
	if (parent == NULL || parent->saga->steps[r->parent_step].tries < try_of(b->gid))
		sim_fail("%s: its try is not durable", b->gid);
	if (committed[0] != '\0')
		sim_fail("%s: %s is committed, and %s was before", s->gid, b->gid, committed);
	memcpy(committed, b->gid, sizeof b->gid);
	if (undo)
		ledger_undoes(s, r->parent_step);
	else
		ledger_acts(s, r->parent_step);
}

/* ---- the end ---- */

static void check_committed(const struct sim_saga *s, size_t step)
{
	const struct sim_step *st = &s->steps[step];
	const bool exact = st->group || sim_exact(st->db[0]);

	if (st->undos > 0)
		sim_fail("%s: committed, and step s%zu was undone", s->gid, step);
	if (st->omitted ? st->acts != 0 : st->acts < 1 || (exact && st->acts > 1))
		sim_fail("%s: committed, and step s%zu acted %u times", s->gid, step, st->acts);
}

static void check_rolled_back(const struct sim_saga *s, size_t step)
{
	const struct sim_step *st = &s->steps[step];

	if (st->acts == 0)
		return;
	if ((int)step == s->pivot || plot_past_pivot(s, step))
		sim_fail("%s: rolled back, and step s%zu was done, the pivot or past it", s->gid,
			 step);
	if (!st->undone && st->undo != SIM_UNDO_NONE)
		sim_fail("%s: rolled back, and step s%zu was not undone", s->gid, step);
}

void ledger_check(const struct sim_saga *s)
{
	const struct record *r = store_find(s->gid);

	if (r == NULL || !record_finished(r->state))
		sim_fail("%s: it has not ended in the journal", s->gid);
	if ((s->told == TOLD_COMMIT) != (r->state == TXN_COMMITTED))
		sim_fail("%s: told %s, the journal says %s", s->gid,
			 s->told == TOLD_COMMIT ? "committed" : "rolled back",
			 record_status(r->state));
	for (size_t i = 0; i < s->n_steps && !s->resolved; i++) {
		if (s->steps[i].worded)
			continue;
		if (r->state == TXN_COMMITTED)
			check_committed(s, i);
		else
			check_rolled_back(s, i);
	}
}
