/* service.c - calls of sagas at the simulated databases; see sim.h.
 *
 * An exact one keeps a mark of each key, together with the effect, over every crash:
 * a call may go on after its agent died and find the mark.  Another one has none: it
 * acts as often as it is told, but what its agent had under way acts at once or never
 * when the agent dies. */
#include "base/mem.h"
#include "tests/sim/sagas.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ZOMBIE_US = 20 * 1000 * 1000 };

struct job {
	struct client *c;
	struct sim_saga *saga;
	struct sim_step *st;
	size_t step;
	bool undo, ended, told; /* to its agent */
	enum result_kind kind;
	bool elsewhere; /* what the undo takes back was not done here */
	bool late;      /* it took longer than it may */
	uint64_t crashes;
	adapter_done_fn done;
	void *arg;
	struct job *next;
};

static struct job *jobs;

bool sim_exact(size_t db)
{
	return db != SIM_DBS - 1;
}

/* ---- what a service does ---- */

static void later_ends(void *saga, uint64_t step)
{
	struct sim_saga *s = saga;
	struct sim_step *st = &s->steps[step];

	if (st->later != LATER_OPEN)
		return;
	st->later = LATER_DONE;
	if (plot_past_pivot(s, step) ? sim_chance(250) : sim_chance_ever(250))
		st->later = LATER_FAILED;
	sim_note("service: step s%zu of %s ends, %s", (size_t)step, s->gid,
		 st->later == LATER_DONE ? "done" : "failed");
	if (st->later == LATER_DONE)
		ledger_acts(s, step);
	sagas_tell_later(s, step);
}

/* Past the pivot what has failed may be begun anew. */
static enum result_kind act_later(struct job *j)
{
	if (j->st->later == LATER_FAILED && plot_past_pivot(j->saga, j->step))
		j->st->later = LATER_NONE;
	switch (j->st->later) {
	case LATER_NONE:
		j->st->later = LATER_OPEN;
		sim_in(sim_rand(3) == 0 ? sim_rand(25000000) : sim_rand(100000), later_ends,
		       j->saga, j->step);
		return RESULT_PENDING;
	case LATER_OPEN: return RESULT_PENDING;
	case LATER_DONE: return RESULT_DONE;
	case LATER_FAILED:
	case LATER_STOPPED: return RESULT_REFUSED;
	}
	return RESULT_UNKNOWN;
}

static enum result_kind act(struct job *j)
{
	if (j->st->pending)
		return act_later(j);
	if (sim_exact(j->c->db) && j->st->undone)
		return RESULT_REFUSED;
	if (!sim_exact(j->c->db) || j->st->acts == 0)
		ledger_acts(j->saga, j->step);
	return RESULT_DONE;
}

static enum result_kind undo(struct job *j)
{
	if (sim_exact(j->c->db) && (j->st->undone || (j->st->group && !j->elsewhere)))
		return RESULT_DONE; /* it was undone, or there is no mark of it */
	if (j->st->later == LATER_OPEN)
		j->st->later = LATER_STOPPED;
	ledger_undoes(j->saga, j->step);
	return RESULT_DONE;
}

static enum result_kind act_or_undo(struct job *j)
{
	return j->undo ? undo(j) : act(j);
}

/* ---- how a call ends ---- */

/* The mark is there: it was done, or is not to be done any more. */
static bool marked(const struct job *j)
{
	return sim_exact(j->c->db) && (j->st->undone || (!j->undo && j->st->acts > 0));
}

static enum result_kind action_ends(struct job *j)
{
	const bool calm = plot_past_pivot(j->saga, j->step) && sim_healing;

	if (j->st->later != LATER_NONE)
		return act(j);
	if (!calm && sim_chance_ever(70))
		return RESULT_REFUSED;
	if (sim_chance(75))
		return RESULT_RETRY;
	if (sim_chance(35))
		return RESULT_UNKNOWN;
	if (sim_chance(36)) {
		act(j);
		return RESULT_UNKNOWN;
	}
	return act(j);
}

static enum result_kind undo_ends(struct job *j)
{
	static const enum result_kind noes[] = {RESULT_REFUSED, RESULT_RETRY, RESULT_UNKNOWN,
						RESULT_PENDING};

	if (!sim_healing && sim_now_us() < j->st->undo_fails_until_us)
		return noes[sim_rand(4)];
	if (sim_chance(60))
		return noes[1 + sim_rand(2)];
	if (sim_chance(40)) {
		undo(j);
		return RESULT_UNKNOWN;
	}
	return undo(j);
}

static enum result_kind ends(struct job *j)
{
	if (db_down[j->c->db] || j->crashes != db_crashes[j->c->db])
		return RESULT_UNKNOWN;
	if (j->late) {
		if (sim_rand(2) == 0)
			act_or_undo(j);
		return RESULT_UNKNOWN;
	}
	if (marked(j))
		return act_or_undo(j);
	return j->undo ? undo_ends(j) : action_ends(j);
}

static void job_ends(void *arg, uint64_t n);

static bool waits(struct job *j)
{
	return sim_stands_still(sim_agents[j->c->agent].still_until_us, job_ends, j, 0);
}

static void job_ends(void *arg, uint64_t n)
{
	struct job *j = arg;
	struct adapter_answer answer = {.reason = "so say the dice"};
	char output[32];

	(void)n;
	if (j->told || j->c->gone)
		return; /* ended before, or left to itself */
	/* An agent that stands still had sent it to the database, or will. */
	if (!j->ended && sim_rand(2) == 0 && waits(j))
		return;
	if (!j->ended)
		j->kind = ends(j);
	j->ended = true;
	if (waits(j))
		return;
	j->told = true;
	answer.kind = j->kind;
	sim_note("db %zu: %s s%zu of %s ends, %s", j->c->db, j->undo ? "undo" : "do", j->step,
		 j->saga->gid, result_kind_name(answer.kind));
	if (answer.kind == RESULT_DONE && !j->undo) {
		answer.output.size = (size_t)snprintf(output, sizeof output, "{\"id\": %d}",
						      plot_output(j->saga, j->step));
		answer.output.data = output;
	}
	if (answer.kind == RESULT_RETRY)
		answer.retry_after_ms = (uint32_t)(sim_rand(3) * sim_rand(1000));
	j->done(&answer, j->arg);
	sim_agent_turn(&sim_agents[j->c->agent]);
}

void service_call(void *client, const struct adapter_call *call, adapter_done_fn done, void *arg)
{
	struct job *j = mem_new(1, sizeof *j);
	const uint64_t most = (uint64_t)call->timeout_ms * 1000;

	j->c = client;
	j->st = ledger_step(call->gid, call->step, &j->saga);
	SIM_AS(SIM_CALL, (size_t)(j->saga - sim_sagas));
	const uint64_t us = sim_delay_us();
	j->step = (size_t)(j->st - j->saga->steps);
	j->undo = call->undo;
	j->elsewhere = call->elsewhere;
	j->crashes = db_crashes[j->c->db];
	j->done = done;
	j->arg = arg;
	j->next = jobs;
	jobs = j;
	sim_note("db %zu: %s s%zu of %s begins, attempt %" PRIu32, j->c->db,
		 j->undo ? "undo" : "do", j->step, j->saga->gid, call->attempt);
	if ((j->st->group && !j->undo) || (j->undo ? j->st->undo_db : j->st->db[0]) != j->c->db ||
	    strcmp(call->operation, j->undo ? "undo" : "act") != 0)
		sim_fail("%s: step s%zu is called at db %zu, as %s", j->saga->gid, j->step,
			 j->c->db, call->operation);
	ledger_attempt(j->saga, j->step, j->undo, call->attempt);
	ledger_check_args(j->saga, j->step, j->undo, call->args.data, call->args.size);
	for (const struct job *o = j->next; o != NULL; o = o->next)
		if (!o->told && !o->c->gone && o->c == j->c && o->st == j->st)
			sim_fail("%s: two calls of step s%zu are under way at one agent",
				 j->saga->gid, j->step);
	j->late = us > most;
	sim_in(j->late ? most : us, job_ends, j, 0);
}

void service_cancel(void *client, const char *gid, const char *step, bool undo)
{
	for (struct job *j = jobs; j != NULL; j = j->next) {
		char name[8];

		snprintf(name, sizeof name, "s%u", (unsigned)(j->step & 0xff));
		if (j->c == client && !j->ended && j->undo == undo &&
		    strcmp(j->saga->gid, gid) == 0 && strcmp(name, step) == 0)
			sim_in(sim_rand(2000), job_ends, j, 0);
	}
}

/* ---- life ---- */

static void zombie(void *arg, uint64_t n)
{
	struct job *j = arg;

	(void)n;
	if (!j->ended && !db_down[j->c->db] && j->crashes == db_crashes[j->c->db])
		act_or_undo(j);
	j->ended = true;
}

void service_agent_down(size_t agent, uint64_t incarnation)
{
	for (struct job *j = jobs; j != NULL; j = j->next) {
		SIM_AS(SIM_CALL, (size_t)(j->saga - sim_sagas));

		if (j->ended || j->c->agent != agent || j->c->incarnation != incarnation)
			continue;
		if (sim_exact(j->c->db))
			sim_in(sim_rand(ZOMBIE_US), zombie, j, 0);
		else if (sim_rand(2) == 0)
			zombie(j, 0);
		else
			j->ended = true;
	}
}

void service_end_sessions(size_t db, size_t agent)
{
	for (struct job *j = jobs; j != NULL; j = j->next)
		j->ended = j->ended || (j->c->db == db && j->c->agent == agent);
}

void service_fini(void)
{
	while (jobs != NULL) {
		struct job *j = jobs;

		jobs = j->next;
		free(j);
	}
}
