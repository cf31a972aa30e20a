/* world.h - the programs of one case: a coordinator, two agents, what they serve.
 *
 * One of them may be armed: its next start gets SETTLE_CRASH.  Whoever ends because
 * of it is started again without, and must then end well.
 * Rule: a program ends when it is told to, or as its crash point says; anything else
 * (a sanitizer's report, a failed start) fails the case.
 * Thread: the case's main thread, unless a function says otherwise. */
#ifndef TESTS_CRASH_WORLD_H
#define TESTS_CRASH_WORLD_H

#include "tests/crash/flow.h"
#include "tests/lib/harness.h"
#include "tests/lib/http_stub.h"
#include "tests/lib/proc.h"

#include <stdatomic.h>

enum actor { COORDINATOR, AGENT_A, AGENT_B, ACTORS };
extern const char *const actor_name[ACTORS];

/* What a case does to whom. */
struct aim {
	int actor;           /* -1: nobody; ACTORS: all (a trace) */
	const char *setting; /* of SETTLE_CRASH */
	const char *action;  /* its last word; "" in a trace */
};

extern struct world {
	char *url, *data;
	char cluster[32]; /* no two cases have the same, so nothing of one is another's */
	struct proc *procs[ACTORS];
	struct http_stub *desk;
	struct aim aim;
	bool arming; /* starts from now on are those that the case is about */
	bool armed[ACTORS], replaced;
	atomic_bool hit; /* the crash point did its work */
	/* The client asks for a SIGTERM; when the program has ended it is started again. */
	_Atomic enum leave { LEAVE_NOT, LEAVE_ASKED, LEAVE_TOLD } leave[ACTORS];
} world;

/* Makes the configurations. `slot` is the worker's: ports of two never meet. */
void world_open(const struct aim *aim, const char *settings, int slot, int slots);
/* Starts whoever does not run, the coordinator first. */
void world_start(void);
/* SIGKILL to one, or to all; nobody starts them again by himself. */
void world_kill(enum actor a);
void world_kill_all(void);
/* One look at everybody: who ended is started again. */
void world_look(void);
/* SIGTERM to all, and waits; true if each ended with 0, false if the armed one ended
 * as its crash point says. */
bool world_stop(void);
/* Whether the log of the armed program says that its point was reached. */
bool world_reached(void);

/* A case that failed shows its logs when it ends: called once at its end, if all is well. */
void world_is_well(void);
/* The file of a resource that is one. Any thread; for free(). */
char *world_file(const char *name);

#endif
