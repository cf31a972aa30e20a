/* outbox.h - what waits to go up to the coordinator, and what is on its way.
 *
 * Rule: a result is dropped only when a reply came to the poll that carried it.
 * A poll that got lost gives back what it carried, to go first into the next.
 * Thread: the loop's. */
#ifndef PARTICIPANT_OUTBOX_H
#define PARTICIPANT_OUTBOX_H

#include "wire/frame.h"

#include <uthash.h>

struct note;
struct parcel;

struct outbox {
	struct note *results; /* not in a poll now; the oldest first */
	struct note *inquiries;
	struct note *asked;     /* every inquiry, waiting or on its way: by id */
	struct parcel *parcels; /* polls without an answer; the oldest first */
	size_t n_parcels;
	bool hello; /* the next poll shall carry the resources */
};

/* Copies everything. `reason` may be anything, also NULL: it is made fit for a frame.
 * Results are told apart by nothing: each one put in goes up, and in this order. */
void outbox_result(struct outbox *o, const struct result *r);
/* True if a result for this branch (not for a saga call of that name) has not been
 * acknowledged yet. */
bool outbox_has_result(const struct outbox *o, const struct branch_id *id);
/* The same for this attempt of a saga call. */
bool outbox_has_answer(const struct outbox *o, const struct branch_id *id, enum command_kind call,
		       uint32_t attempt);
/* Puts a question in, once; false if it was there already, or too many are. */
bool outbox_ask(struct outbox *o, const struct branch_id *id);

/* True if there is something that no poll carries yet. */
bool outbox_waiting(const struct outbox *o);
/* True if results are waiting, or left after `sent_after_us` without an answer. */
bool outbox_owes_results(const struct outbox *o, uint64_t sent_after_us);

/* Fills results, inquiries and hello of poll `p`, named by p->seq, and remembers
 * what it carries.  The arrays are the outbox's until the poll is acked or lost. */
void outbox_take(struct outbox *o, struct poll *p, uint64_t now_us);
/* How the poll `seq` ended; false if it is not on its way. */
bool outbox_acked(struct outbox *o, uint64_t seq);
bool outbox_lost(struct outbox *o, uint64_t seq);
void outbox_fini(struct outbox *o);

#endif
