/* core.h - what the engine is made of.  Private to engine.c, jobs.c, results.c,
 * resources.c, agents.c, inquiries.c, effects.c, clients.c, lists.c, and of sagas:
 * sagas.c, saga_records.c, calls.c, groups.c, catalog.c, history.c, persons.c; nobody else includes
 * it.
 *
 *   txn ──< job            one job per branch (or step of a saga): the command that
 *                          it is owed, and where that is on its way to an agent
 *   resource ──< job       parked: no agent can take it now
 *   agent ──< job          in its outbox, or sent and unanswered
 *   batch ──< effect       held until the batch is durable
 *
 * Thread: the loop's. */
#ifndef COORDINATOR_CORE_H
#define COORDINATOR_CORE_H

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
	JOB_HELD,   /* an effect, until its batch is durable */
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
	struct agent *counted; /* in whose `open` it is; NULL: in nobody's */
	bool voted;            /* prepared: any agent of the resource can finish it */
	bool shared;           /* the command may have gone to more than one agent */
	uint64_t ticket;       /* of the effect that holds it; an older effect is void */
	uint64_t pipe;         /* JOB_SENT: on which connection */
	uint64_t retry_us;     /* 0: no retry is planned; of a call also: its time is over */
	/* Until when an attempt that nobody answered for may still act, and whose it was;
	 * NULL: anybody's. See call_silent. */
	uint64_t doubt_us;
	struct agent *doubted;
	int written; /* enum step_state that the journal was last given; 0: none */
	struct job *prev, *next;
};

/* Lines of a history that wait for others, to be one row (history.c). */
struct lines {
	struct jsonbuf text; /* "[" and the lines so far */
	uint32_t n;
	uint64_t since_us, wall_us; /* when the first was written */
	bool telling;               /* in which of the engine's two lists */
	struct txn *prev, *next;
};

struct txn {
	struct record *rec;
	struct job *jobs;
	uint64_t batch;        /* the last forced batch that has news of it */
	uint64_t events_batch; /* the batch with the newest line of its history */
	struct lines lines;    /* of its history, not staged yet */
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
	UT_hash_handle hh;         /* by name */
};

struct agent_resource {
	struct resource *resource;
	bool ready;
	char *problem; /* why it is not ready */
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

/* What waits for a batch: a job to dispatch, or an answer to a client. */
struct effect {
	struct job *job; /* NULL: an answer */
	uint64_t ticket;
	uint64_t client;
	bool events; /* the answer is the history of `text` after `after`, read then */
	uint64_t after;
	enum txn_state state; /* that it may tell; 0: what the journal has */
	enum answer_code code;
	char *json;
	char *text;
	struct effect *next;
};

struct effects {
	struct effect *first, **last;
};

struct batch {
	uint64_t id;
	bool staged; /* holds records */
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
	uint64_t last_seq, last_ticket;
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
	struct effects ready;               /* released at the end of this turn */
	struct txn *dead;                   /* freed after that */
	bool forced;                        /* the open batch must be made durable now */
	uint64_t staged_us;                 /* since when the open batch holds lazy records */
	uint64_t durable;                   /* the last durable batch */
	uint64_t last_forced;               /* the last batch that anybody may have to wait for */
	uint64_t pruned_us;                 /* when old rows were last forgotten */
	int64_t wall_ahead_us;              /* of the monotonic clock, when it was last set */
	uint64_t wall_set_us;               /* when that was seen; 0: no clock was seen yet */
	struct counters counters;
	struct jsonbuf line; /* of a history, being written */
	struct txn *telling; /* their lines go with the open batch */
	struct txn *quiet;   /* theirs may wait, LAZY_FLUSH_US at the most; the oldest first */
};

/* ---- effects.c: batches, and what waits for them ---- */

/* Stages what entering r->state asks for; `before` is where it came from. */
void effects_record(struct engine *e, struct txn *t, enum txn_state before);
/* Stages a saga's own row, `whole` or only that it ended. */
void effects_record_saga(struct engine *e, struct txn *t, bool whole);
/* Stages the n-th step of a saga; `forced`: nothing of it leaves before it is durable. */
void effects_record_step(struct engine *e, struct txn *t, size_t n, bool forced);
/* Stages a person's word about `t`, which must be durable before anybody hears of it. */
void effects_stage_news(struct engine *e, struct txn *t);
/* Stages something else that must be durable; gives the batch to wait for. */
uint64_t effects_stage_forced(struct engine *e);
/* Answers `client` with the history of `gid` when what is known of `t` now is durable;
 * `t` is NULL for one that is not in memory. */
void effects_events(struct engine *e, const struct txn *t, uint64_t client, const char *gid,
		    uint64_t after);
/* The batch that a reader of everything must wait for. */
uint64_t effects_latest(const struct engine *e);
/* Stages something else that may wait. */
void effects_stage_lazy(struct engine *e);
/* Holds `job` until its transaction's records are durable, then dispatches it. */
void effects_hold_job(struct engine *e, struct job *job);
/* Answers `client` when batch `after` is durable; takes `json`, copies `text`. */
void effects_answer(struct engine *e, uint64_t after, uint64_t client, enum answer_code code,
		    char *json, const char *text);
void effects_durable(struct engine *e, uint64_t batch);
/* Closes the open batch if it must be, and releases what is ready. */
void effects_turn(struct engine *e);
uint64_t effects_due(const struct engine *e);
void effects_init(struct engine *e);
void effects_fini(struct engine *e);

/* ---- jobs.c: from what is owed to who gets it ---- */

/* Steps the machine, journals, brings jobs, timers and waiters up to date. */
void txn_event(struct engine *e, struct txn *t, enum txn_event ev, size_t branch,
	       const char *reason);
/* A transaction around `r` (taken), in the table; nothing is started. */
struct txn *txn_add(struct engine *e, struct record *r);
/* Begins an accepted or new one, in the present epoch. */
void txn_begin(struct engine *e, struct txn *t);
/* One job for each branch or step. */
static inline size_t txn_jobs(const struct txn *t)
{
	return t->rec->saga != NULL ? t->rec->saga->n_steps : t->rec->n_branches;
}
/* It has come to its end. */
void txn_count_end(struct engine *e, const struct txn *t);
/* Gives each job of a loaded transaction its way. */
void txn_continue(struct engine *e, struct txn *t);
void txn_free(struct engine *e, struct txn *t);
void txn_timer_due(struct engine *e, struct txn *t);
/* Finds an agent for the job's command, or parks it. */
void job_dispatch(struct engine *e, struct job *job);
/* Gives the job to an agent that may have it now; false if there is none. */
bool job_assign(struct engine *e, struct job *job);
/* Takes the job out of whichever list it is in. */
void job_unlist(struct job *job);
/* The pause before the n-th sending, doubling from `first` to `most`. */
uint64_t job_backoff_us(uint64_t first, uint64_t most, uint32_t n);
/* Plans to send the command again in `us`. */
void job_retry_in(struct engine *e, struct job *job, uint64_t us);
static inline struct record_branch *job_branch(const struct job *job)
{
	return &job->txn->rec->branches[job->branch];
}
/* Work that takes a place in an agent's window. */
static inline bool command_is_work(enum command_kind kind)
{
	return kind == COMMAND_PREPARE || kind == COMMAND_ONCE || command_is_call(kind);
}
/* True when a saga or a hazard waits for a person. */
bool txn_is_stuck(enum txn_state s);

/* ---- sagas.c: the steps of a saga ---- */

/* Writes a new saga down and starts it. */
void saga_begin(struct engine *e, struct txn *t);
/* Takes one from the journal up again, once all are loaded. */
void saga_continue(struct engine *e, struct txn *t);
/* Steps its machine, journals, and sees to what it owes then. */
void saga_happen(struct engine *e, struct txn *t, const struct saga_news *news);
/* An attempt is being handed over. */
void saga_attempt_begins(struct engine *e, struct txn *t, size_t step);
/* It has ended; `retry_after_ms` is the resource's wish, 0: none. */
void saga_attempt_over(struct engine *e, struct txn *t, const struct saga_news *news,
		       uint64_t retry_after_ms);
/* How a step ended was told from outside; the caller has said so in the history. */
void saga_told(struct engine *e, struct txn *t, const struct saga_news *news);
void saga_timer_due(struct engine *e, struct txn *t);
/* What expressions of `t` read; `*input` is to be json_decref'ed. */
struct workflow_data saga_data(const struct txn *t, json_t **input);
static inline struct saga_step *job_step(const struct job *job)
{
	return &job->txn->rec->saga->steps[job->branch];
}

/* ---- saga_records.c: what happens, told to the machine and written down ---- */

/* Steps the machine; true if anything changed: then the caller goes on to see to what
 * is owed, and to saga_write_steps. */
bool saga_tell(struct engine *e, struct txn *t, const struct saga_news *news);
/* Whether the step has changed since it was last staged. */
bool saga_unwritten(const struct txn *t, size_t step);
/* Stages each step that has. */
void saga_write_steps(struct engine *e, struct txn *t);
/* Stages the saga's own row, whole or only its end; `before` is the state it came from. */
void saga_write(struct engine *e, struct txn *t, enum saga_state before, bool whole);

/* ---- calls.c: a step that is one call ---- */

/* Renders its arguments, if it has none yet. RC_INVALID, RC_TOO_BIG. */
enum rc call_render(struct engine *e, struct txn *t, size_t step, struct err *err);
void call_dispatch(struct engine *e, struct job *job);
void call_fill(struct engine *e, const struct job *job, struct command *c);
/* It is being handed to the agent. */
void call_sent(struct engine *e, struct agent *a, struct job *job);
void call_result(struct engine *e, struct agent *a, struct txn *t, const struct result *r);
/* An attempt was given to the agent (NULL: it is not known to which) and is taken for
 * ended without its word. */
void call_silent(struct engine *e, struct job *job, struct agent *a);
void call_orphaned(struct engine *e, struct job *job);
/* Keeps what the action of a step gave; false if the outputs of all steps would be too much. */
bool saga_keep_output(struct txn *t, size_t step, struct bytes output);
/* … it was dropped: the saga cannot go on without it. */
void saga_output_dropped(struct engine *e, struct txn *t);

/* ---- groups.c: a step that is an atomic group ---- */

/* Begins the next attempt, as a transaction of its own.  RC_INVALID, RC_TOO_BIG: it
 * cannot be said what to do. */
enum rc group_begin(struct engine *e, struct txn *t, size_t step, struct err *err);
/* Asks the transaction of an attempt that is under way to roll back. */
void group_cancel(struct engine *e, struct txn *t, size_t step);
/* The group `t` ended, or is a hazard: tells its saga. */
void group_moved(struct engine *e, struct txn *t);
/* After a restart: what became of the attempt that was under way. */
void group_recover(struct engine *e, struct txn *t, size_t step);
/* The gid of the step's newest attempt. */
void group_gid(const struct record *saga, size_t step, char out[GID_MAX + 1]);

/* ---- catalog.c: published workflows ---- */

/* The definition of a published version (0: the active one), held; `*version` says
 * which it is.  NULL with `err` filled: RC_NOT_FOUND, RC_INVALID, RC_IO. */
struct definition *catalog_hold(struct engine *e, const char *name, uint32_t *version,
				struct err *err);
void catalog_fini(struct engine *e);

/* ---- plans.c: what is asked for against what resources can do ---- */

/* The arguments must be exactly those declared.  With `declared` the operation must be as
 * well; a saga that was begun goes on without: the catalog is written lazily, and a
 * restart may have lost what its agent will declare again. */
enum rc plan_check(struct engine *e, const struct plan *plan, bool declared, struct err *err);
/* Every resource and operation of a saga must be known, and serve what is asked. */
enum rc plan_check_saga(struct engine *e, const struct workflow *w, struct err *err);
/* The arguments of one call, `what` says whose ("step pay"). */
enum rc plan_check_args(struct engine *e, const char *what, const char *resource,
			const char *operation, const char *args, bool declared, struct err *err);

/* ---- history.c ---- */

/* Begins a line, to be filled (jsonout.h) and closed before the next one. */
struct jsonbuf *history_open(struct engine *e, const char *event);
void history_close(struct engine *e, struct txn *t);
/* The open batch has forced news of `t`: its lines go with it. */
void history_with_batch(struct engine *e, struct txn *t);
/* Stages its lines now. */
void history_flush(struct engine *e, struct txn *t);
/* Stages what has waited long enough, or (`all`) everything that waits. */
void history_overdue(struct engine *e, bool all);
/* The open batch is being closed. */
void history_batch_closes(struct engine *e);
/* When history_overdue has something to do; UINT64_MAX: never. */
uint64_t history_due(const struct engine *e);
/* Drops its lines: it leaves memory. */
void history_drop(struct engine *e, struct txn *t);
/* A line with an event and perhaps a reason; with a step. */
void history_say(struct engine *e, struct txn *t, const char *event, const char *reason);
void history_step(struct engine *e, struct txn *t, size_t step, const char *event,
		  const char *reason);
/* Reads the history and answers now; `state` is one that may be told, if a newer one is not
 * durable yet. */
void history_answer(struct engine *e, uint64_t client, const char *gid, uint64_t after,
		    enum txn_state state);

/* ---- results.c: the agents' word ---- */

void job_result(struct engine *e, struct agent *a, const struct result *r);
/* The job's agent started anew, its answer will never come. */
void job_orphaned(struct engine *e, struct job *job);

/* ---- resources.c ---- */

/* An agent has room again: gives it what was never sent. */
void resource_feed(struct engine *e, struct resource *res);
/* An agent came (back) or is ready: gives it what is parked as well. */
void resource_unpark(struct engine *e, struct resource *res);
struct resource *resource_find(struct engine *e, const char *name);
/* Finds or makes it. */
struct resource *resource_need(struct engine *e, const char *name);
/* Takes over a declaration; true if it is news. */
bool resource_learn(struct resource *res, const struct resource_info *info);
void resource_free(struct resource *res);

/* ---- agents.c ---- */

/* Puts the job in the agent's outbox, to leave with this turn. */
void agent_give(struct engine *e, struct agent *a, struct job *job);
/* Finds it, or makes one that has not come yet; NULL when there are too many. */
struct agent *agent_need(struct engine *e, const char *name);
/* The agent's entry for a resource; NULL if it does not serve it. */
struct agent_resource *agent_serves(struct agent *a, const struct resource *res);
/* A branch ended: its place in the window is free. */
void agent_branch_over(struct engine *e, struct job *job);
void agents_turn(struct engine *e);
/* A batch is durable: agents may have waited for it. */
void agents_durable(struct engine *e);
/* Sends what the outboxes hold to the polls that are held. */
void agents_flush(struct engine *e);
void agents_fini(struct engine *e);

/* ---- inquiries.c ---- */

/* Puts the answers to the poll's questions with what the agent is sent next. */
void inquiries_answer(struct engine *e, struct agent *a, const struct poll *p);
void inquiries_clear(struct agent *a);

/* ---- clients.c ---- */

/* After a change of state: answers the waiters that have what they want. */
void clients_notify(struct engine *e, struct txn *t);
/* After a new line of its history. */
void clients_news(struct engine *e, struct txn *t);
/* Answers with the present state of `t`, or with a refusal. */
void client_show(struct engine *e, struct txn *t, uint64_t client);
/* The same of a record; `t` is NULL for one that is not in memory. */
void client_show_record(struct engine *e, const struct txn *t, const struct record *r,
			uint64_t client, enum answer_code code);
void client_refuse(struct engine *e, uint64_t client, enum answer_code code, const char *text);
/* The same, and where in the request: `where` is "definition" or "input". */
void client_refuse_at(struct engine *e, uint64_t client, const char *where, const struct err *err);
/* The transaction, if it is in memory; else the client is told why not. */
struct txn *client_find(struct engine *e, uint64_t client, const char *gid);
void clients_turn(struct engine *e);
void clients_fini(struct engine *e);

#endif
