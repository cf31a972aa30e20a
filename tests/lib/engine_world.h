/* engine_world.h - a world for the engine: a journal, agents and clients that are
 * only tables, and tiny verbs to tell a story with.
 *
 * The journal keeps what was durable when it crashed (CRASH) and gives it to the
 * next engine (RESTART), so that tests read as histories. */
#ifndef TESTS_ENGINE_WORLD_H
#define TESTS_ENGINE_WORLD_H

#include "coordinator/engine.h"
#include "tests/lib/memory_journal.h"

enum { WORLD_SENT = 256, WORLD_ANSWERS = 64, WORLD_IN_FLIGHT = 40 };

struct world_command {
	enum command_kind kind;
	char agent[32], gid[65], branch[65], resource[65];
	uint64_t epoch;
	bool repeat;
	uint32_t attempt;
	bool elsewhere;
	char args[256];
};

struct world_answer {
	uint64_t client;
	enum answer_code code;
	char status[32];
	char reason[512];
	char text[512];
	char json[4096];
};

struct world {
	struct engine *e;
	uint64_t now_us, epoch;
	int64_t wall_off_us;            /* how wrong the wall clock is */
	uint64_t retention_ms;          /* of the next engine */
	struct memory_journal *journal; /* what a crash leaves is in it */
	uint64_t next_poll;
	bool one_phase; /* what agents say of their resources */
	bool exact;
	const char *output; /* of the next result */
	uint64_t late;      /* how many polls ago the next one was made */
	uint32_t window;    /* of every poll, as the last world_poll said */
	struct {
		uint64_t id;
		char agent[32];
	} polls[64];
	size_t n_polls;
	struct world_command sent[WORLD_SENT];
	size_t n_sent;
	struct {
		char branch[65];
		enum verdict verdict;
	} verdicts[16];
	size_t n_verdicts;
	char poll_error[512];
	size_t empty_frames;
	struct world_answer answers[WORLD_ANSWERS];
	size_t n_answers;
};

extern struct world w;

void world_start(void); /* a fresh coordinator, nothing in the journal */
void world_stop(void);
void world_turn(void);          /* a turn; records stay on their way to the disk */
void world_sync(void);          /* all that was committed becomes durable, and a turn */
void world_crash_restart(void); /* what was not durable is lost; a new epoch */
void world_pass(uint64_t ms);   /* time passes, with a turn at each deadline */

/* An agent that serves `resource` (operation "op", argument "x") says hello. */
void world_agent(const char *agent, uint64_t incarnation, const char *resource, bool ready);
void world_poll(const char *agent, uint64_t incarnation, uint32_t window);
void world_inquire(const char *agent, uint64_t incarnation, const char *resource, const char *gid,
		   uint64_t epoch, const char *branch);
/* A poll that carries one result for the newest command for that branch. */
void world_result(const char *agent, uint64_t incarnation, const char *gid, const char *branch,
		  enum result_kind kind, const char *reason);
/* The votes for one branch of each of `n` transactions, in one frame. */
void world_votes(const char *agent, const char *const *gids, size_t n, const char *branch);
void world_pipe_lost(const char *agent);

/* Submits a transaction of branches t.b0 at r0, t.b1 at r1, …; the answer goes to
 * `client`. `salt` makes its hash. */
void world_submit(uint64_t client, const char *gid, size_t branches, enum wait_for wait, int salt);
/* The same of any workflow's text. */
void world_submit_text(uint64_t client, const char *gid, const char *definition, enum wait_for wait,
		       int salt);

/* How many commands of a kind were sent for a branch; the last one. */
size_t world_sent(const char *gid, const char *branch, enum command_kind kind);
const struct world_command *world_last(const char *gid, const char *branch);
/* The answer to a client; NULL: none yet. */
const struct world_answer *world_answer(uint64_t client);
/* The status of a gid now, by a GET that is answered; "none" for 404. */
const char *world_status(const char *gid);

/* Agent a0 at r0 and agent a1 at r1 have said hello, each with polls held. */
void world_two_agents(void);
/* A fixture: a fresh world with both. */
void world_setup(void);
/* "g" was submitted for client 1, both branches have voted yes; the decision is on
 * its way to the disk. */
void world_both_yes(void);

/* What a story about "g" is told with. */
#define SENT(branch, kind)  world_sent("g", branch, COMMAND_##kind)
#define STATUS(word)        ck_assert_str_eq(world_status("g"), word)
#define YES(agent, branch)  world_result(agent, 1, "g", branch, RESULT_PREPARED, "")
#define NO(agent, branch)   world_result(agent, 1, "g", branch, RESULT_REFUSED, "too little money")
#define DONE(agent, branch) world_result(agent, 1, "g", branch, RESULT_COMMITTED, "")
#define GONE(agent, branch) world_result(agent, 1, "g", branch, RESULT_ROLLED_BACK, "")

#endif
