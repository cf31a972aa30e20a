/* agent_world.h - a world of tables for the agent's core: a fake adapter that
 * answers when the test says, polls as text, a clock that the test sets.
 *
 * One agent `a` in cluster `settle` serves the resource `bank`; all branches are
 * `pay.debit`, all saga calls are of the step `reserve`, told apart by their gid. */
#ifndef TESTS_LIB_AGENT_WORLD_H
#define TESTS_LIB_AGENT_WORLD_H

#include "participant/agent.h"
#include "participant/branch.h"

#include <check.h>

enum { AW_SECOND = 1000 * 1000, AW_EPOCH = 7, AW_WINDOW = 4, AW_ROOM = 64 };

/* A call that the fake adapter got and has not answered. */
struct aw_call {
	char text[100];
	adapter_done_fn done;
	adapter_list_fn listed;
	void *arg;
	uint32_t timeout_ms; /* of a saga call */
};

extern struct agent_world_state {
	struct agent *agent;
	struct served *served;
	uint64_t now;
	uint64_t epoch; /* of the coordinator that answers */
	struct aw_call calls[AW_ROOM];
	size_t n_calls;
	bool one_phase, no_calls, no_groups;         /* what the adapter says of itself */
	bool told_one_phase, told_calls, told_exact; /* what the last hello said of it */
	char said[4096];                             /* what went up, ";" after each */
	uint64_t seqs[AW_ROOM];                      /* polls without an answer, oldest first */
	size_t n_seqs;
	uint32_t window; /* of the last poll */
	char superseded[100];
} aw;

/* Fixtures.  The first leaves the first sweep unanswered, so that sweeps do not come
 * between; after the second it has found nothing, and the next is due in 5 s. */
void aw_setup(void);
void aw_setup_sweeps(void);
void aw_teardown(void);

void aw_wait(uint64_t us);
/* How the oldest poll ends. */
void aw_reply(const struct reply *r);
void aw_lose(void);
struct reply aw_reply_empty(void);
void aw_command(enum command_kind kind, const char *gid, uint64_t epoch, bool repeat);
/* DO or UNDO of step `reserve`, with 1000 ms. */
void aw_saga(enum command_kind kind, const char *gid, uint32_t attempt);
/* The same, by a coordinator that says that it sent one before. */
void aw_saga_again(enum command_kind kind, const char *gid, uint32_t attempt);
void aw_verdict(const char *gid, uint64_t epoch, enum verdict verdict);
/* Every poll that is out now is answered, or lost with its connection. */
void aw_reply_all(void);
void aw_lose_all(void);

/* What went up since the last look: the text must be this. */
void aw_said(const char *text);
/* The oldest unanswered call must be this one; takes it out. */
struct aw_call aw_take(const char *text);
/* The same, and answers it. PREPARED and DONE have an output ("+" in what goes up; "!"
 * is a reason).  An answer to a saga call goes up as "done t1 do:1 +", the number being
 * the attempt; an epoch that is not AW_EPOCH follows as "@8", a wish to wait as "~500". */
void aw_finish(const char *text, enum result_kind kind, const char *reason);
/* The sweep under way finds these gids (NULL at the end). */
void aw_listed(const char *const *gids);
/* To a vote yes that was acknowledged. */
void aw_prepared(const char *gid);

/* Runs the suite's one case and says how the program shall exit. */
int aw_run(const char *name, void (*setup)(void), const TTest *const *tests);

#define SECONDS(n)               aw_wait((uint64_t)(n)*AW_SECOND)
#define SAID(text)               aw_said(text)
#define CALLED(text)             ((void)aw_take(text))
#define NO_CALLS()               ck_assert_msg(aw.n_calls == 0, "unexpected call: %s", aw.calls[0].text)
#define FINISH(text, kind, r)    aw_finish(text, RESULT_##kind, r)
#define FINDS(...)               aw_listed((const char *const[]){__VA_ARGS__, NULL})
#define FINDS_NOTHING()          aw_listed((const char *const[]){NULL})
#define PREPARED(gid)            aw_prepared(gid)
#define REPLY()                  aw_reply(&(struct reply){.cluster = "settle", .epoch = aw.epoch, .error = ""})
#define REPLY_ALL()              aw_reply_all()
#define PREPARE(gid)             aw_command(COMMAND_PREPARE, gid, aw.epoch, false)
#define ONCE(gid)                aw_command(COMMAND_ONCE, gid, aw.epoch, false)
#define COMMIT(gid)              aw_command(COMMAND_COMMIT, gid, AW_EPOCH, false)
#define COMMIT_AGAIN(gid)        aw_command(COMMAND_COMMIT, gid, AW_EPOCH, true)
#define ROLLBACK(gid)            aw_command(COMMAND_ROLLBACK, gid, AW_EPOCH, false)
#define DO(gid, attempt)         aw_saga(COMMAND_DO, gid, attempt)
#define UNDO(gid, attempt)       aw_saga(COMMAND_UNDO, gid, attempt)
#define DO_AGAIN(gid, attempt)   aw_saga_again(COMMAND_DO, gid, attempt)
#define UNDO_AGAIN(gid, attempt) aw_saga_again(COMMAND_UNDO, gid, attempt)
#define SETTLE(gid)              aw_command(COMMAND_SETTLE_ONCE, gid, AW_EPOCH, false)
#define VERDICT(gid, v)          aw_verdict(gid, AW_EPOCH, VERDICT_##v)

#endif
