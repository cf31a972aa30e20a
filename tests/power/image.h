/* image.h - the files as a crash in the middle of a story may leave them.
 *
 * A killed process leaves all that it did, the last write perhaps not whole.  A power failure
 * leaves of each file what was there at its last sync; of the writes since then some, each
 * whole or some of its sectors, in any order; a size that it had since then; in what was
 * never written zeros, or what the disk had there before.  Of the directory's entries it
 * leaves those of its last sync and some of the changes since.
 * Thread: one. */
#ifndef TESTS_POWER_IMAGE_H
#define TESTS_POWER_IMAGE_H

#include "tests/power/disk.h"

/* A dice whose seed is told when a test fails. */
uint64_t dice(uint64_t *state);
/* 0 to n - 1. */
size_t dice_below(uint64_t *state, size_t n);
bool dice_one_in(uint64_t *state, size_t n);

enum crash_kind { CRASH_KILL, CRASH_POWER };

/* Makes `dir` hold what a crash before op `at` leaves, and nothing else. */
void image_make(const struct disk_story *s, size_t at, enum crash_kind kind, uint64_t *state,
		const char *dir);

/* Removes the files and the directory. */
void image_remove(const char *dir);

#endif
