/* plan.h - the cases: generated from the registry of crash points and from traces.
 *
 * A case is STORY.PROCESS.POINT.NTH.ACTION.  Of the passes that one process makes
 * of one point in a story's own part (from when all is ready to when all has ended; of
 * `idle` and of recovery from the start) the first, the second, a middle one and the last
 * are taken, with each action that the registry allows there; abort with the first only.
 * Thread: the runner's. */
#ifndef TESTS_CRASH_PLAN_H
#define TESTS_CRASH_PLAN_H

#include "base/crash.h"
#include "tests/crash/story.h"
#include "tests/crash/world.h"

struct crash_case {
	const struct story *story;
	enum actor actor;
	int point;
	unsigned nth;
	enum crash_what what;
};

enum { CASE_NAME_ROOM = 160 };

/* The number of a point, or -1; its name. */
int plan_point(const char *name);
const char *plan_point_name(int point);
const char *plan_action_name(enum crash_what what);
/* Its name, and whom it is from; false if that does not read as a case. */
void plan_name(const struct crash_case *c, char name[CASE_NAME_ROOM]);
bool plan_parse(const char *name, struct crash_case *c);

/* Takes the trace of `story` (a file of play_trace) into account. */
void plan_add_trace(const struct story *story, const char *path);
/* Fails the run, with a line for each, if points are never passed and not excused;
 * returns how many. */
int plan_missing(void);
/* All cases so far; `*n` of them.  They stay the plan's. */
struct crash_case *plan_cases(size_t *n);
/* Keeps `share` of them drawn by `seed`, and beside them one for each action. */
void plan_sample(size_t share, unsigned seed);

#endif
