/* core.h - what the agent's core is made of.  Private to agent.c, work.c, calls.c
 * and sweep.c; nobody else includes it.
 * Thread: the loop's. */
#ifndef PARTICIPANT_CORE_H
#define PARTICIPANT_CORE_H

#include "participant/agent.h"
#include "participant/branch.h"
#include "participant/call.h"
#include "participant/outbox.h"

#include <uthash.h>

enum {
	POLLS_MIN = 2,                  /* always outstanding, so that work can come at any time */
	POLLS_MAX = 8,                  /* when there is something to deliver */
	ASK_AFTER_US = 5 * 1000 * 1000, /* a decision that takes longer is asked about */
	REFUSED_PAUSE_US = 1000 * 1000, /* after a reply that says no to the poll itself */
	LOST_PAUSE_US = 100 * 1000,
	LAST_WORDS_US = 1000 * 1000,     /* when stopping: for the last poll to arrive */
	LOG_EVERY_US = 10 * 1000 * 1000, /* of one kind of trouble that goes on */
};

/* A resource and the sweeps over it. */
struct served {
	struct agent *agent;
	const struct adapter *adapter;
	void *self; /* the adapter's */
	char *name;
	char *problem;    /* NULL: it serves */
	bool groups;      /* it takes part in two-phase commit; as the last hello says */
	bool calls;       /* it serves saga calls; likewise */
	bool listing;     /* a sweep is under way; never two */
	bool again;       /* another one is wanted right after it */
	bool list_failed; /* the last one did, and it was logged */
	uint64_t sweeps;
	uint64_t sweep_us; /* when the last one began */
	uint64_t due_us;   /* when the next one shall */
	UT_hash_handle hh; /* by name */
};

struct agent {
	struct agent_settings settings;
	struct agent_world world;
	struct served *served;
	struct branches branches;
	struct calls saga;
	struct outbox outbox;
	uint64_t epoch;    /* the highest seen */
	uint64_t epoch_us; /* since when */
	uint64_t seq;      /* of the last poll */
	uint64_t pause_us; /* no poll before */
	uint64_t log_us;   /* when the last refusal of a poll was logged */
	size_t calls;      /* of any kind under way at adapters, sweeps aside */
	bool connected;
	bool stopping;
};

static inline uint64_t agent_now(const struct agent *a)
{
	return a->world.now_us(a->world.self);
}

/* Why no new call can be made on the resource; NULL if it can. */
const char *served_problem(const struct served *s);

/* ---- work.c: commands to calls to results ---- */

/* `epoch` is that of the reply which brought the command. */
void work_command(struct agent *a, uint64_t epoch, const struct command *c);
/* The answer to an inquiry. */
void work_answer(struct agent *a, const struct answer *ans);

/* ---- calls.c: the same for saga calls ---- */

/* DO or UNDO for the resource `s`; NULL: it is not served here. */
void calls_command(struct agent *a, struct served *s, uint64_t epoch, const struct command *cmd);

/* ---- sweep.c: what is prepared, and asked about ---- */

/* Begins the sweeps that are due. */
void sweep_turn(struct agent *a);
uint64_t sweep_due(const struct agent *a);
/* Wants one now. */
void sweep_soon(struct served *s);
/* A new coordinator: every branch that waits for a decision is asked about. */
void sweep_epoch_rose(struct agent *a);
/* Asks about one branch. */
void sweep_ask(struct agent *a, const struct branch_id *id);

#endif
