/* crew.h - plays many cases, some at a time, each in a process and at a seat of its own.
 * Thread: the runner's. */
#ifndef TESTS_CRASH_CREW_H
#define TESTS_CRASH_CREW_H

#include "tests/crash/plan.h"

struct crew_result {
	int failed, not_reached;
};

/* Starts both banks with a database for each of `jobs` workers. */
void crew_open(int jobs);
void crew_close(void);
/* Traces every story into the plan; how many could not be played. */
int crew_trace(void);
/* Plays them; failures are printed as they come, with the command that plays one again. */
void crew_play(const struct crash_case *cases, size_t n, struct crew_result *sum);

#endif
