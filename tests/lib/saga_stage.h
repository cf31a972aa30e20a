/* saga_stage.h - everything that one example workflow runs on: a coordinator, an agent
 * for its files, one for each bank, and a proxy between each agent and the coordinator.
 *
 * The resources are made by the test and counted by the test: an effect is a row with
 * gid, step and way.  A resource says no to an effect that is in its table `trouble`.
 * Rule: a place is held up by a lock of the test's own, so that a moment lasts until
 * the test lets it pass; nothing here waits for time to go by.
 * Thread: the test's main thread. */
#ifndef TESTS_LIB_SAGA_STAGE_H
#define TESTS_LIB_SAGA_STAGE_H

#include "tests/lib/bank.h"
#include "tests/lib/harness.h"
#include "tests/lib/proc.h"
#include "tests/lib/proxy.h"
#include "tests/lib/rest_client.h"
#include "tests/lib/saga_file.h"

enum { STAGE_FILES, STAGE_BANK, STAGE_AGENTS = STAGE_BANK + BANKS };

extern struct stage {
	const struct saga_file *file;
	char *url;
	int rest_port, agents_port;
	struct proc *coordinator, *agent[STAGE_AGENTS]; /* NULL: none is needed */
	struct proxy *link[STAGE_AGENTS];
} stage;

/* Makes resources and programs for `f` and waits until all are served. */
void stage_open(const struct saga_file *f);
/* Ends the programs politely and fails if one did not end well. */
void stage_close(void);

void stage_coordinator_start(void);
void stage_coordinator_kill(void);
/* The agent of a unit: its program, and its link. */
int stage_agent_of(const struct saga_unit *u);
void stage_agent_kill(int agent);
void stage_agent_start(int agent);
/* Every link, in one way; and all of them cut and passing again: what was on its way
 * is lost. */
void stage_links(enum proxy_way way, enum proxy_mode mode);
void stage_links_anew(void);

/* ---- the resources ---- */

/* Rows of this effect that were committed. */
long long stage_effects(const char *gid, const struct saga_unit *u);

/* The unit's effect of this transaction is refused, until it is allowed again. */
void stage_forbid(const char *gid, const struct saga_unit *u);
void stage_allow(const char *gid, const struct saga_unit *u);

struct stage_lock;
enum stage_hold {
	HOLD_ALL,    /* nobody else gets the file's write lock, or the unit's row */
	HOLD_COMMIT, /* of a file: whoever works in it cannot commit; else as above */
};
/* Whoever does the unit's work waits until it is let go. */
struct stage_lock *stage_hold(const struct saga_unit *u, enum stage_hold hold);
void stage_let_go(struct stage_lock *lock); /* NULL is ignored */

/* Of a group's unit: branches prepared at its bank; sessions that wait for a lock. */
long long stage_prepared(const struct saga_unit *u);
long long stage_waiting(const struct saga_unit *u);

#endif
