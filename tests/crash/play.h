/* play.h - one case, or one trace, in a process of its own.
 * Thread: the only one of a new process. */
#ifndef TESTS_CRASH_PLAY_H
#define TESTS_CRASH_PLAY_H

#include "tests/crash/story.h"
#include "tests/crash/world.h"

enum { PLAY_GOOD = 0, PLAY_BAD = 1, PLAY_NOT_REACHED = 3 };

/* Which worker this is, of how many; its databases are `w<slot>` at both banks. */
struct seat {
	int slot, slots;
	bool dirty; /* what was before it failed there, or nothing was: fresh tables */
};

/* Plays `story` with `aim`; the process ends with one of the numbers above, and has
 * said on standard error why, if it is bad. */
_Noreturn void play(const struct story *story, const struct aim *aim, const struct seat *seat);
/* Plays it undisturbed and writes into play_trace_path what was passed when:
 * ACTOR POINT READY OVER STOPPED, the numbers of passes up to these moments. */
_Noreturn void play_trace(const struct story *story, const struct seat *seat);
/* In the runner's temporary directory; for free(). */
char *play_trace_path(const struct story *story);

#endif
