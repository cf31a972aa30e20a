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

/* The time, before each round of events: monotonic µs, and wall µs for people. */
void engine_clock(struct engine *e, uint64_t mono_us, uint64_t wall_us);

/* ---- events from clients; `client` names whom to answer, once ---- */

enum wait_for { WAIT_ACCEPTED, WAIT_DECIDED, WAIT_FINISHED };

struct submit {
	const char *gid;           /* given by the client, or made by the caller */
	bool fresh_gid;            /* made by the caller: the journal cannot know it */
	const unsigned char *hash; /* BODY_HASH_SIZE bytes: same gid, other hash: conflict */
	struct plan *plan;         /* its strings are taken */
	const char *input;         /* JSON or NULL */
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
/* A person's word that a hazard was seen to: `reason` is journalled. */
void engine_forget(struct engine *e, uint64_t client, const char *gid, const char *reason);
/* Asks that a transaction not yet decided be rolled back. */
void engine_cancel(struct engine *e, uint64_t client, const char *gid, const char *reason);
/* The client went away: it will not be answered. */
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
