/* state.h - what the engine holds: its structs and their limits.  Private, as core.h is.
 *
 *   txn ──< job            one job per branch (or step of a saga): the command that
 *                          it is owed, and where that is on its way to an agent
 *   resource ──< job       parked: no agent can take it now
 *   agent ──< job          in its outbox, or sent and unanswered
 *   batch ──< effect, job  held until the batch is durable
 *
 * Thread: the loop's. */
#ifndef COORDINATOR_STATE_H
#define COORDINATOR_STATE_H

#include "base/heap.h"
#include "coordinator/definitions.h"
#include "coordinator/engine.h"
#include "coordinator/txn.h"
#include "saga/jsonbuf.h"

#include <uthash.h>
#include <utlist.h>

enum {
	POLLS_HELD_MAX = 4, /* of one agent; a further one lets the oldest go */
	AGENTS_MAX = 10000,
	AGENT_RESOURCES_MAX = 1000,
	EARLY_NEWS = 32,           /* so many transactions need not wait for the end of a turn */
	FEW_IN_FLIGHT = 2,         /* up to so many, a turn may wait for the journal's sync */
	LAZY_FLUSH_US = 20 * 1000, /* a lazy record waits no longer for a forced one */
	RESEND_FIRST_US = 1000 * 1000,
	RESEND_MAX_US = 20 * 1000 * 1000,
	RETRY_FIRST_US = 100 * 1000, /* after the agent itself said that it cannot now */
	RETRY_MAX_US = 5 * 1000 * 1000,
	/* An agent polls at least each POLL_HOLD_MS; one that is silent for longer than
	 * this is taken for gone, even if its connection never said so. */
	AGENT_SILENT_US = (POLL_HOLD_MS + POLL_LIFE_MS) * 1000,
	FRAME_FILL = FRAME_MAX / 2, /* commands for one frame, counted roughly */
	/* A prune forgets up to 1,000 rows; a busy journal must be pruned as fast as it
	 * grows, an idle one is left asleep. */
	PRUNE_BUSY_US = 100 * 1000,
	PRUNE_IDLE_US = 10 * 1000 * 1000,
	/* A wall clock that goes otherwise than the monotonic one by more than this was set. */
	WALL_SLACK_US = 60 * 1000 * 1000,
	OUTPUTS_MAX = 8 << 20, /* bytes, of all branches or steps of a transaction */
	/* An agent ends a call by its timeout; its answer may take this much longer. */
	CALL_GRACE_MS = 5 * 1000,
	/* Steps of one saga that are set going in one turn; then others have theirs. */
	STEPS_A_TURN = 16,
	WORKFLOWS_MAX = 10000, /* names, and versions of one */
};

/* For so long (or the retention, if that is shorter) a clock that was set, or that a start
 * found, may not make anything old: a person has the time to set it right. */
#define WALL_DOUBT_US (UINT64_C(3600) * 1000 * 1000)

/* Where a job's command is. */
enum job_place {
	JOB_IDLE,   /* nothing owed, or waiting for its retry time */
	JOB_HELD,   /* with its batch, until that is durable */
	JOB_FRESH,  /* resource->fresh */
	JOB_PARKED, /* resource->parked */
	JOB_OUTBOX, /* agent->outbox */
	JOB_SENT,   /* agent->sent, unanswered */
};

struct job {
	struct txn *txn;
	struct resource *resource;
	struct agent *agent; /* who has it, or last had it; the branch's agent */
	enum command_kind command;
	enum job_place place;
	uint32_t branch;
	uint32_t sends;        /* of the present command */
	int written;           /* enum step_state that the journal was last given; 0: none */
	bool voted;            /* prepared: any agent of the resource can finish it */
	bool shared;           /* the command may have gone to more than one agent */
	struct agent *counted; /* in whose `open` it is; NULL: in nobody's */
	struct job **held;     /* JOB_HELD: the list that it is in */
	uint64_t pipe;         /* JOB_SENT: on which connection */
	uint64_t retry_us;     /* 0: no retry is planned; of a call also: its time is over */
	/* Until when an attempt that nobody answered for may still act, if its agent does not
	 * stand still, and whose it was; NULL: anybody's. See in_doubt. */
	uint64_t doubt_us;
	struct agent *doubted;
	struct job *prev, *next;
};

/* Lines of a history that wait for others, to be one row (history.c). */
struct lines {
	struct txn *txn;
	struct jsonbuf text; /* "[" and the lines so far */
	uint32_t n;
	bool telling;               /* in which of the engine's two lists */
	uint64_t since_us, wall_us; /* when the first was written */
	struct lines *prev, *next;
};

struct txn {
	struct record *rec;
	struct job *jobs;
	uint64_t batch;        /* the last forced batch that has news of it */
	uint64_t events_batch; /* the batch with the newest line of its history */
	struct lines *lines;   /* of its history, not staged yet; NULL: it never had any */
	uint64_t deadline_us;  /* to vote; of a saga: to get past the pivot; UINT64_MAX: none */
	struct definition *definition; /* of a saga; held */
	bool settling;                 /* a saga: what it owes is being seen to */
	bool unsettled;                /* … and must be looked at once more */
	bool put_off;                  /* … and not all of it in this turn */
	struct heap_node timer;
	struct waiter *waiters;
	struct txn *next_over; /* ended: leaves memory when its end is durable */
	UT_hash_handle hh;     /* by gid */
};

/* A client that waits for a transaction. */
struct waiter {
	uint64_t client;
	struct txn *txn;
	enum wait_for want;
	bool get;    /* asked by a GET: answered 200 whatever the state */
	bool events; /* wants lines of the history after `after` */
	uint64_t after;
	struct heap_node timer;
	struct waiter *prev, *next;
	UT_hash_handle hh; /* by client */
};

struct resource {
	char *name;
	struct resource_info info; /* owned copy; see resource_learn */
	bool known;                /* an agent has declared it, now or in the past */
	struct job *fresh;         /* never sent, waiting for an agent with room; in order */
	struct job *parked;        /* sent before: waiting for its agent, or for any */
	/* Its entry at each agent that serves it: with a hundred agents, asking each whether it
	 * does took 4 % of a transaction's instructions. */
	struct agent_resource *served;
	UT_hash_handle hh; /* by name */
};

struct agent_resource {
	struct agent *agent;
	struct resource *resource;
	bool ready;
	char *problem;                      /* why it is not ready */
	struct agent_resource *prev, *next; /* in resource->served, if listed */
	bool listed;                        /* the agent's first entry for it */
};

struct held_poll {
	uint64_t id, pipe;
	uint64_t until_us;
};

struct agent {
	char *name;
	uint64_t incarnation;
	uint64_t pipe; /* the newest connection */
	uint64_t last_poll_us;
	uint64_t last_poll_wall_us;
	bool connected;
	bool greeted;       /* its hello has come */
	uint64_t hello_seq; /* of the newest: polls may overtake one another */
	/* A batch from after its start: nothing is sent to it before that is durable. */
	uint64_t vouched;
	bool vouching; /* it waits for that */
	uint32_t window;
	uint32_t open; /* branches given to it that have not ended */
	struct agent_resource *resources;
	size_t n_resources;
	struct held_poll polls[POLLS_HELD_MAX + 1]; /* oldest first */
	size_t n_polls;
	struct job *outbox, *sent;
	struct answer *answers; /* strings owned */
	size_t n_answers, answers_room;
	struct heap_node timer;
	bool dirty; /* in the engine's list of agents to flush */
	struct agent *next_dirty;
	UT_hash_handle hh; /* by name */
};

/* An answer to a client that waits for a batch. */
struct effect {
	uint64_t client;
	bool events; /* the answer is the history of `text` after `after`, read then */
	uint64_t after;
	enum txn_state state; /* that it may tell; 0: what the journal has */
	enum answer_code code;
	char *json;
	char *text;
	struct effect *next;
};

/* What waits for a batch: answers to give, and jobs to dispatch. */
struct effects {
	struct effect *first, **last;
	struct job *jobs; /* each in place JOB_HELD */
};

struct batch {
	uint64_t id;
	bool staged;   /* holds records */
	unsigned told; /* transactions that it has forced news of */
	struct effects effects;
	struct txn *over; /* whose end is written in this batch */
	struct batch *next;
};

struct counters {
	uint64_t begun, committed, rolled_back, hazards;
	uint64_t attempts, retried, undone; /* of the steps of sagas */
};

/* A published workflow. */
struct flow_version {
	uint64_t published_us;
	struct definition *definition; /* held; NULL: not in memory */
};

struct flow {
	char *name;
	struct flow_version *versions; /* the first is version 1 */
	uint32_t n_versions, active;   /* active: from 1 */
	UT_hash_handle hh;             /* by name */
};

struct engine {
	struct engine_settings settings;
	struct journal_port journal;
	struct link_port agents_port;
	struct client_port clients_port;
	uint64_t now_us, wall_us;
	uint64_t last_seq;
	bool draining;

	struct txn *txns;
	size_t in_flight; /* not finished; groups of sagas aside */
	bool begun;       /* what was loaded has been continued */
	uint64_t random;  /* state of the jitter's generator */
	struct flow *flows;
	struct definitions *definitions;
	struct resource *resources;
	struct agent *agents;
	struct agent *dirty; /* agents with something to send */
	size_t vouching;     /* agents that wait for a batch from after their start */
	struct waiter *waiters;
	struct heap txn_timers, agent_timers, waiter_timers;

	struct batch *open;                 /* collects the present turn's records */
	struct batch *flying, **flying_end; /* committed, not yet durable, in order */
	struct effects turns[2];            /* of two turns: what is being released, and … */
	struct effects *ready;              /* … what is to be, at the end of a turn */
	struct txn *dead;                   /* freed after that */
	bool forced;                        /* the open batch must be made durable now */
	uint64_t staged_us;                 /* since when the open batch holds lazy records */
	uint64_t durable;                   /* the last durable batch */
	uint64_t last_forced;               /* the last batch that anybody may have to wait for */
	uint64_t pruned_us;                 /* when old rows were last forgotten */
	int64_t wall_ahead_us;              /* of the monotonic clock, when it was last set */
	uint64_t wall_set_us;               /* when that was seen; 0: no clock was seen yet */
	struct counters counters;
	struct jsonbuf line;   /* of a history, being written */
	struct lines *telling; /* go with the open batch */
	struct lines *quiet;   /* may wait, LAZY_FLUSH_US at the most; the oldest first */
	struct command *frame; /* commands of a frame, being filled */
	size_t frame_room;
};

#endif
