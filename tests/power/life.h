/* life.h - lives of a coordinator's journal, drawn from a seed, each noted by disk.c.
 *
 * A life opens the journal in a directory, commits batches, copies its log now and then, and
 * is closed in order or not.  It is lived twice: at first on a copy, batch by batch, to learn
 * what the journal holds after each.
 * Thread: a test's main thread. */
#ifndef TESTS_POWER_LIFE_H
#define TESTS_POWER_LIFE_H

#include "tests/power/disk.h"

enum { LIFE_BATCHES = 60 };

/* What a life tells in its story. */
enum { TOLD_OPEN, TOLD_GIVEN, TOLD_DURABLE };

struct life_facts {
	uint64_t held[LIFE_BATCHES + 1]; /* after so many batches: a hash of all rows */
	size_t n;                        /* batches */
	bool big;                        /* it wrote megabytes */
};

/* What a journal's rows come to; its tables are read in full. */
uint64_t life_hash(const char *dir);

/* Lives once in `dir`, in a child; the story has all of it. */
void life_live(struct disk_story *story, const char *dir, uint64_t seed, struct life_facts *facts);

/* Something that a life may begin with, in a new `dir`: nothing, a journal of version 1 that
 * was closed or not, one of version 3 with a torn batch, one that is to be taken over. */
void life_base(const char *dir, uint64_t *state);

#endif
