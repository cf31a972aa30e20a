/* agent.h - the agent's core: commands in, calls to adapters, results out.
 *
 * It does no I/O and reads no clock: polls leave through `agent_world`, work is
 * done by adapters, both of them small tables of functions; so a test drives it
 * through any history.  It guards, for every adapter alike:
 *   - one call for a branch or a saga's step at a time; duplicates never run twice;
 *   - a prepare that arrives after its rollback, and an action that arrives after its
 *     undo, is refused (tombstones);
 *   - a coordinator of an older epoch is not listened to;
 *   - a prepared branch without work known for it is asked about, and ended only
 *     on the coordinator's word;
 *   - results are sent until a reply to the poll that carried them has come.
 *
 * Thread: the loop's.  Nothing blocks.  Strings given are borrowed for the call,
 * those of the settings as long as the agent lives. */
#ifndef PARTICIPANT_AGENT_H
#define PARTICIPANT_AGENT_H

#include "participant/adapter.h"

enum { AGENT_POLLS_MAX = 8 }; /* outstanding at once */

struct agent;
struct served;

struct agent_settings {
	const char *cluster;
	const char *agent;
	uint64_t incarnation;
	/* Branches and saga calls open at once; beyond twice as many, branches are refused
	 * and calls answered RETRY. */
	uint32_t window;
	uint64_t sweep_ms; /* between two looks into a resource for prepared branches */
};

struct agent_world {
	/* Monotonic µs. */
	uint64_t (*now_us)(void *self);
	/* Sends a poll, which is borrowed.  Its end is told once, later, never from
	 * inside: agent_reply or agent_poll_lost, with its seq. */
	void (*send)(void *self, const struct poll *p);
	/* A newer process has this agent's name: this one must end. */
	void (*superseded)(void *self, const char *why);
	void *self;
};

/* Both structs are copied. */
struct agent *agent_new(const struct agent_settings *settings, const struct agent_world *world);
/* Every adapter has been closed before. NULL is ignored. */
void agent_free(struct agent *a);

/* A resource that this agent serves through `adapter`, not ready until agent_ready
 * says so.  `name` is copied; the same name twice gives NULL. */
struct served *agent_serve(struct agent *a, const char *name, const struct adapter *adapter);
/* What the adapter's open gave, before the next agent_turn. */
void served_attach(struct served *s, void *adapter_self);
/* For adapter_host.ready, with the struct served as `arg`. */
void agent_ready(void *served, const char *problem);

/* The connection to the coordinator is there, or not any more: polls are made only
 * while it is.  With a lost connection every poll that was sent on it is lost. */
void agent_connected(struct agent *a, bool up);
/* How a poll ended. The reply is borrowed. */
void agent_reply(struct agent *a, uint64_t seq, const struct reply *r);
void agent_poll_lost(struct agent *a, uint64_t seq);

/* Sends what is to be sent and does what is due: after each round of events. */
void agent_turn(struct agent *a);
/* When it must be called at the latest; UINT64_MAX: not before the next event. */
uint64_t agent_due(const struct agent *a);

/* From now on no work is taken and no call begun; what is under way goes on. */
void agent_stop(struct agent *a);
/* After agent_stop: no call is under way and all results are sent. */
bool agent_idle(const struct agent *a);

#endif
