/* sagas.h - what plots.c, sagas.c, service.c, ledger.c and adapter.c share of sagas;
 * see sim.h.
 *
 * A saga here is a plot drawn from the seed, what the databases did of it (its ledger),
 * and what its client was told. */
#ifndef TESTS_SIM_SAGAS_H
#define TESTS_SIM_SAGAS_H

#include "tests/sim/db_core.h"

#include <jansson.h>

enum { SIM_STEPS = 6, SIM_NONE = -1 };

enum sim_undo { SIM_UNDO_NONE, SIM_UNDO_CALL, SIM_UNDO_GROUP };

/* Something that ends later than its call, and says so itself. */
enum sim_later { LATER_NONE, LATER_OPEN, LATER_DONE, LATER_FAILED, LATER_STOPPED };

struct sim_step {
	/* the plot */
	bool group; /* else a call */
	size_t n_branches, db[2];
	enum sim_undo undo;
	size_t undo_db; /* of a call */
	bool after[SIM_STEPS];
	int from; /* whose output is an argument of the call; SIM_NONE */
	bool pending, has_when, omitted;
	unsigned attempts, undo_attempts, timeout_ms, within_ms;
	uint64_t undo_fails_until_us;

	/* the ledger */
	unsigned acts, undos;
	unsigned begun[2], last[2]; /* attempts of the action and the undo; the newest's number */
	bool undone;                /* an undo has come: the action must not act any more */
	enum sim_later later;
	char act_try[GID_MAX + 1], undo_try[GID_MAX + 1]; /* of a group: which committed */

	/* A person said how the step ended, or skipped it: then it may be otherwise. */
	bool worded;
};

struct sim_saga {
	char gid[16];
	size_t n_steps;
	int pivot; /* SIM_NONE: there is none */
	unsigned deadline_s;
	int input;
	enum wait_for wait;
	bool meddled; /* persons say things at bad moments */
	struct sim_step steps[SIM_STEPS];

	bool submitted, ended, stuck;
	uint64_t epoch;   /* in which it was submitted */
	unsigned retried; /* how often a person asked for it */
	enum told told;
	bool resolved; /* a person ended it as it was: what is left is the person's */
};

extern struct sim_saga sim_sagas[SIM_SAGAS];

/* ---- plots.c ---- */

void plot_draw(struct sim_saga *s, size_t number);
/* The workflow's text; gives its size. */
size_t plot_text(const struct sim_saga *s, char *out, size_t room);
static inline bool plot_past_pivot(const struct sim_saga *s, size_t step)
{
	return s->pivot != SIM_NONE && (int)step > s->pivot;
}
/* What the step's call gives, and later calls are given. */
static inline int plot_output(const struct sim_saga *s, size_t step)
{
	return (int)((size_t)(s - sim_sagas) * 100 + step + 1);
}

/* ---- ledger.c ---- */

/* A step's call, found by the names on the wire; others break a rule. */
struct sim_step *ledger_step(const char *gid, const char *step, struct sim_saga **saga);
/* What a call is given must be what the plot says. */
void ledger_check_args(const struct sim_saga *s, size_t step, bool undo, const char *args,
		       size_t size);
/* An attempt of its call begins. */
void ledger_attempt(struct sim_saga *s, size_t step, bool undo, unsigned attempt);
/* The action has its effect; the compensation has (also one that finds nothing to do). */
void ledger_acts(struct sim_saga *s, size_t step);
void ledger_undoes(struct sim_saga *s, size_t step);
/* A command leaves the coordinator. */
void ledger_sends(const struct command *c);
/* A branch of a saga's group is committed. */
void ledger_group(const struct dbbranch *b, const struct record *r);
/* At the end. */
void ledger_check(const struct sim_saga *s);

/* ---- service.c ---- */

void service_call(void *client, const struct adapter_call *call, adapter_done_fn done, void *arg);
void service_cancel(void *client, const char *gid, const char *step, bool undo);
/* The work of an agent that died goes on by itself; it ends for good. */
void service_agent_down(size_t agent, uint64_t incarnation);
void service_end_sessions(size_t db, size_t agent);
void service_fini(void);

/* ---- sagas.c ---- */

/* Something that was pending has ended: tells the coordinator until it listens. */
void sagas_tell_later(struct sim_saga *s, size_t step);

#endif
