/* world.h - the real engine for fuzz targets, with agents, clients and a disk that do what
 * the input says, however wrong; and the rules that hold whatever they do:
 *
 *   - each poll and each request is answered once;
 *   - a commit leaves only when its decision is durable; nothing is begun of a saga's step
 *     before its intent is, and nothing undone before that intent is;
 *   - no branch of a transaction is told to commit and another to roll back;
 *   - clients are never told of a commit after a rollback, or the other way round;
 *   - what is said to clients is JSON;
 *   - once everybody answers well and persons see to what is stuck, all ends, and what was
 *     told before is still true after one more restart.
 *
 * Agents that lie cannot break these: only the engine can.  (What becomes of the resources is
 * the simulator's matter, whose agents are the real ones.)  Thread: one. */
#ifndef TESTS_FUZZ_WORLD_H
#define TESTS_FUZZ_WORLD_H

#include "coordinator/engine.h"
#include "tests/fuzz/fuzz.h"
#include "tests/lib/memory_journal.h"

enum { WORLD_AGENTS = 3, WORLD_KEPT = 512, WORLD_HELD = 64, WORLD_PENDING = 256 };

/* A command that an agent was sent. */
struct sent {
	enum command_kind kind;
	char resource[NAME_MAX_LEN + 1], gid[GID_MAX + 1], branch[NAME_MAX_LEN + 1];
	uint64_t epoch;
	uint32_t attempt;
	unsigned agent;
	bool answered;
};

extern struct fuzz_world {
	struct engine *e;
	struct memory_journal *journal;
	uint64_t now_us, wall_jump_us, epoch;
	struct {
		uint64_t incarnation, pipe, seq;
		bool greeted;
	} agents[WORLD_AGENTS];
	struct {
		uint64_t poll; /* 0: free */
		unsigned agent;
	} held[WORLD_HELD];
	struct sent *sent; /* the newest WORLD_KEPT, in a ring */
	size_t n_sent;     /* ever */
	/* What agents say that they serve. */
	struct resource_info *resources;
	size_t n_resources;
	bool one_phase, exact;
	bool mute;    /* the input can break what clients are told: that is not compared */
	bool foreign; /* the journal is the input's: what it holds may be refused, or no JSON */
	bool refused; /* … and was */
} fw;

/* A fresh coordinator with an empty journal; no agent has come yet. */
void world_open(bool one_phase, bool exact);
void world_close(void);
/* The same over a journal that holds this transaction (borrowed); false: the engine refused to
 * load it, and the world is closed. */
bool world_open_over(const struct record *r, bool one_phase);
/* Agents will serve this; a resource or an operation said twice is one. `args` ends with NULL. */
void world_serve(const char *resource, const char *operation, const char *const *args);

/* The same for all that the text of a workflow speaks of. */
void world_serve_text(const char *text, size_t size);

/* ---- time and disk ---- */

void world_turn(void);
void world_pass(uint64_t ms);
/* What was committed up to some batch becomes durable; 0: everything. */
void world_sync(uint64_t batches);
void world_crash(void);

/* ---- agents ---- */

void world_hello(unsigned agent, bool ready);
/* The process of the agent is a new one. */
void world_agent_restarted(unsigned agent);
void world_poll(unsigned agent, uint32_t window, struct result *results, size_t n);
void world_inquire(unsigned agent, const struct branch_id *id);
void world_pipe_lost(unsigned agent);
/* Whatever frame, on this agent's connection. */
void world_any_poll(unsigned agent, struct poll *p);
/* The command sent `back` ago; NULL: there is none. */
struct sent *world_command(size_t back);
/* What may be said of it; `kind` is made one that fits. */
struct result world_result(const struct sent *s, enum result_kind kind);

/* ---- clients ---- */

/* An id for the next request; answers to it are checked, those about `gid` against what was
 * told before (NULL: about no one). */
uint64_t world_client(const char *gid);
/* Healing sees to this one as well. */
void world_know(const char *gid);
void world_client_gone(uint64_t client);
void world_submit(const char *gid, const char *text, size_t size, const json_t *input,
		  enum wait_for wait);
/* The engine's port for clients, so that another one may stand before it. */
struct client_port world_clients(void);
/* From the next start on, clients are answered through this one. */
extern struct client_port world_other_clients;

/* Everybody answers well from now on; asserts that all ends. */
void world_heal(void);

/* ---- between world.c, world_agents.c and world_clients.c ---- */

void world_reply(void *self, uint64_t poll, const struct reply *r);
void world_decisions_reset(void);
void world_clients_reset(void);
/* The agents' part of a round of healing. */
void world_serve_all(void);
/* The clients' part; true once every transaction has ended. */
bool world_see_to_all(bool hurry);
/* All that was told is still so; nobody waits. */
void world_told_holds(void);

#endif
