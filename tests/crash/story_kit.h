/* story_kit.h - what the stories share: moments, locks, looks until something is so.
 * Thread: the client's; in `before` the case's main thread. */
#ifndef TESTS_CRASH_STORY_KIT_H
#define TESTS_CRASH_STORY_KIT_H

#include "tests/crash/count.h"
#include "tests/crash/deal.h"
#include "tests/crash/story.h"
#include "tests/crash/world.h"
#include "tests/lib/bank.h"

enum { MOMENT_S = 20 };

#define HOLD "20s"

/* Waits for a moment of the story.  When somebody has died it may never come: then the
 * story goes on without it, and only an undisturbed run must reach it. */
#define MOMENT(cond)                                                             \
	do {                                                                     \
		int64_t until_ = clock_ms() + harness_patience_ms(MOMENT_S);     \
		while (!(cond) && !atomic_load(&world.hit)) {                    \
			NEED(clock_ms() < until_, "this never came: %s", #cond); \
			harness_pause();                                         \
		}                                                                \
	} while (0)

/* Submits a new one and waits for an answer as far as `wait` says. */
struct deal *story_run(const struct flow *flow, const char *wait);
/* A transaction whose branch at bank b waits for a lock of ours, on its account, and whose
 * branch at bank a is prepared.  The lock is freed by row_free. */
PGconn *story_half_prepared(struct deal *d, int account);
/* Until its second step is pending, or it has ended. */
void story_await_pending(struct deal *d);

/* The parts of the stories: of those that begin anew, and of those that recover. */
void act_commit(void);
void act_refused(void);
void act_once(void);
void act_accepted(void);
void act_ordered(void);
void act_mixed(void);
void act_saga(void);
void act_undo(void);
void act_pivot(void);
void act_custom(void);
void act_cancel(void);
void act_pending(void);
void act_publish(void);
void act_watch(void);
void act_hazard(void);
void act_drain(void);
void act_sessions(void);
void act_prune(void);
void act_heavy(void);
void before_undecided(void);
void before_decided(void);
void before_saga(void);
void before_once(void);
void before_done(void);
void before_undo(void);
void before_agent_a(void);
void before_agent_b(void);
void before_mixed(void);
void act_mixed_again(void);

#endif
