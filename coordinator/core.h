/* core.h - what the parts of the engine ask of each other.  Private to engine.c, jobs.c, results.c,
 * resources.c, agents.c, inquiries.c, effects.c, clients.c, lists.c, and of sagas:
 * sagas.c, saga_records.c, calls.c, groups.c, catalog.c, history.c, persons.c; nobody else includes
 * it.  What they hold stands in state.h.
 *
 * Thread: the loop's. */
#ifndef COORDINATOR_CORE_H
#define COORDINATOR_CORE_H

#include "coordinator/state.h"

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
/* Between two events of a turn: gives the journal what there is if that is much, and it has
 * nothing to do. */
void effects_early(struct engine *e);
/* Closes the open batch if it must be, and releases what is ready. */
void effects_turn(struct engine *e);
uint64_t effects_due(const struct engine *e);
/* Something will be released at the end of the next turn. */
bool effects_ready(const struct engine *e);
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
/* Whose arguments they are, for messages: "step", its name, and what stands behind. */
struct plan_owner {
	const char *kind, *name, *part;
};
/* The arguments of one call. */
enum rc plan_check_args(struct engine *e, const struct plan_owner *who, const char *resource,
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
