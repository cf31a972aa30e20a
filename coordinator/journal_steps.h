/* journal_steps.h - how far steps of a saga are, several in one piece of bytes.  Private to
 * the journal.
 *
 * A row of a history carries the small steps that were written in its batch, so that a saga
 * of small steps costs one row a batch.  So a step may stand in several rows: the one with the
 * highest order tells.
 * Thread: the owner's. */
#ifndef COORDINATOR_JOURNAL_STEPS_H
#define COORDINATOR_JOURNAL_STEPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct steps {
	unsigned char *bytes; /* NULL: none; freed by the owner */
	size_t size, room;
};

/* One of them, as record_pack_step made it; the bytes are borrowed. */
struct steps_one {
	size_t n;       /* which step */
	uint64_t order; /* grows with each step that is written, over all starts */
	const void *detail;
	size_t detail_size;
};

void steps_add(struct steps *s, const struct steps_one *one);

/* The next one, and moves `*at` behind it; false at `end`, or if what stands there is none:
 * then `*at` stays before `end`. */
bool steps_next(const unsigned char **at, const unsigned char *end, struct steps_one *one);

#endif
