/* story.h - the workloads: fixed little histories in which programs are made to die.
 *
 * A story's `before` runs with nobody armed and ends with some programs killed; these are
 * then started armed, so that what they pass is recovery.  Without it all start armed.
 * `act` is the client's part.  In any of its waits the programs may die: what cannot
 * come about any more then is not waited for, since any history must end well.
 * Thread: `before` the case's main thread, `act` the client's. */
#ifndef TESTS_CRASH_STORY_H
#define TESTS_CRASH_STORY_H

#include <stdbool.h>
#include <stddef.h>

struct story {
	const char *name;
	const char *settings; /* more lines of the coordinator's file, or NULL */
	void (*before)(void); /* or NULL */
	void (*act)(void);    /* or NULL */
	bool edges;           /* its start and its stop are the point */
};

extern const struct story stories[];
extern const size_t n_stories;

#endif
