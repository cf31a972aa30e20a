/* engine.h - the coordinator's turn.
 *
 * Rule: no effect of a turn leaves before the turn's records are durable.
 *
 * Between two calls of engine_turn the owner hands over every event that has
 * arrived, by the functions below; each steps state machines, stages records and
 * collects effects.  engine_turn then looks after what is due, closes the batch
 * and releases the effects whose batch is durable.  See docs/architecture.md.
 *
 * Thread: the loop's only.  Nothing blocks, but for the journal's reads.
 * Memory: everything given is borrowed for the call unless said otherwise. */
#ifndef COORDINATOR_ENGINE_H
#define COORDINATOR_ENGINE_H

#include "coordinator/ports.h"

struct engine_settings {
	const char *cluster;
	uint64_t epoch;
	uint64_t timeout_ms;   /* of an atomic group that names none */
	uint64_t retention_ms; /* finished transactions older than this are forgotten; 0: never */
	size_t max_in_flight;  /* transactions not finished; beyond it ANSWER_FULL */
	uint64_t deadline_ms;  /* of a saga that names none; 0: none */
	uint64_t call_ms;      /* of one attempt of a saga's call that names no timeout */
	uint64_t seed;         /* of the jitter in retries */
	/* So many transactions with news are given to an idle journal before the turn ends; 0:
	 * EARLY_NEWS. */
	size_t early_news;
};

struct engine;

/* `settings` and the ports are copied; what they point to outlives the engine. */
struct engine *engine_new(const struct engine_settings *settings,
			  const struct journal_port *journal, const struct link_port *link,
			  const struct client_port *client);
void engine_free(struct engine *e);

/* Start-up, before the first turn: what the journal holds that is not finished
 * (takes `r`), and the resources it knows.
 *   RC_INVALID  no transaction can be in such a state: the journal is damaged */
enum rc engine_load(struct engine *e, struct record *r, struct err *err);
void engine_load_resource(struct engine *e, const struct resource_info *info);
/* A published version, without its text; each before the first record of it. */
void engine_load_workflow(struct engine *e, const struct workflow_row *row);

/* The time, before each round of events: monotonic µs, and wall µs for people. */
void engine_clock(struct engine *e, uint64_t mono_us, uint64_t wall_us);

/* ---- events from clients; `client` names whom to answer, once ---- */

enum wait_for { WAIT_ACCEPTED, WAIT_DECIDED, WAIT_FINISHED };

struct submit {
	const char *gid;           /* given by the client, or made by the caller */
	bool fresh_gid;            /* made by the caller: the journal cannot know it */
	const unsigned char *hash; /* BODY_HASH_SIZE bytes: same gid, other hash: conflict */
	const char *workflow;      /* a published one's name; NULL: `definition` is given */
	uint32_t version;          /* of it; 0: the active one */
	const char *definition;    /* the text of a workflow file */
	size_t definition_size;
	const json_t *input; /* an object or NULL */
	enum wait_for wait;
	uint64_t wait_ms; /* how long to hold the answer; then ANSWER_UNFINISHED */
};

void engine_submit(struct engine *e, uint64_t client, const struct submit *s);
/* Answers now if it is finished or `wait_ms` is 0, else at its end or in `wait_ms`. */
void engine_get(struct engine *e, uint64_t client, const char *gid, uint64_t wait_ms);
void engine_list(struct engine *e, uint64_t client, const struct list_query *q);
void engine_agents(struct engine *e, uint64_t client);
void engine_resources(struct engine *e, uint64_t client);
void engine_stats(struct engine *e, uint64_t client);

/* The history of a transaction: {"events": [...], "next": N, "status"}, lines after `after`; if
 * there are none yet and it is not finished, held for `wait_ms` at the most. */
void engine_events(struct engine *e, uint64_t client, const char *gid, uint64_t after,
		   uint64_t wait_ms);

/* ---- a person's word; `reason` is journalled and stands in the history ---- */

/* Asks that a transaction not yet decided be rolled back. */
void engine_cancel(struct engine *e, uint64_t client, const char *gid, const char *reason);
/* Tries again now: the steps that are stuck, and those that wait for their next
 * attempt; `step` NULL: all of them. */
void engine_retry(struct engine *e, uint64_t client, const char *gid, const char *step,
		  const char *reason);

enum resolve_action {
	RESOLVE_FORGET,      /* a hazard was seen to */
	RESOLVE_SKIP,        /* the stuck step is taken for done, or for undone; go on */
	RESOLVE_COMMITTED,   /* end it as it is: past the pivot only */
	RESOLVE_ROLLED_BACK, /* end it as it is: while it is rolled back only */
};
/* `step` (skip only) NULL: every stuck step. */
void engine_resolve(struct engine *e, uint64_t client, const char *gid, enum resolve_action action,
		    const char *step, const char *reason);

/* The end of a call that is pending (or of a stuck pivot): done, with `output` (JSON
 * object text or NULL), or not done and not to be. */
void engine_complete(struct engine *e, uint64_t client, const char *gid, const char *step,
		     const char *output);
void engine_fail(struct engine *e, uint64_t client, const char *gid, const char *step,
		 const char *reason);

/* ---- workflows ---- */

/* A version more of the workflow that `text` names, unless it is the text of its newest
 * version: then that becomes the active one.  ANSWER_OK or ANSWER_FINISHED (new):
 * {"workflow", "version", "new"}; ANSWER_INVALID with the first problem. */
void engine_publish(struct engine *e, uint64_t client, const char *text, size_t size);
void engine_workflows(struct engine *e, uint64_t client);
/* One, with its text; `version` 0: the active one. */
void engine_workflow(struct engine *e, uint64_t client, const char *name, uint32_t version);
void engine_activate(struct engine *e, uint64_t client, const char *name, uint32_t version);

/* The client went away: its wait is over.  An answer that is on its way already is still given
 * to the port, which drops it. */
void engine_client_gone(struct engine *e, uint64_t client);

/* ---- events from agents ---- */

/* A poll came in on connection `pipe`; it is answered by link_port.reply(poll),
 * once, unless its pipe is lost before. */
void engine_poll(struct engine *e, uint64_t poll, uint64_t pipe, const struct poll *p);
/* The connection is gone, with every poll that was held on it. */
void engine_pipe_lost(struct engine *e, uint64_t pipe);

/* ---- events from the journal ---- */
void engine_durable(struct engine *e, uint64_t batch);

/* ---- the turn ---- */
void engine_turn(struct engine *e);
/* When engine_turn must be called at the latest (monotonic µs); UINT64_MAX: never. */
uint64_t engine_due(const struct engine *e);

/* From now on new transactions are refused (ANSWER_STOPPING); those begun go on. */
void engine_drain(struct engine *e);
/* Transactions that are neither finished nor safe to leave (not yet decided,
 * not accepted), and clients that still wait: 0 when drained. */
size_t engine_busy(const struct engine *e);

#endif
