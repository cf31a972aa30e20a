/* journal_staged.h - a batch of writes on its way to the journal's writer.  Private
 * to the journal.
 *
 * It owns copies of all it needs, so the loop's thread may go on with its records.
 * Thread: whoever owns the batch: the loop's, then the writer's, then the loop's. */
#ifndef COORDINATOR_JOURNAL_STAGED_H
#define COORDINATOR_JOURNAL_STAGED_H

#include "base/mailbox.h"
#include "coordinator/record.h"
#include "wire/frame.h"

enum write_kind { WRITE_PUT, WRITE_END, WRITE_RESOURCE, WRITE_PRUNE };

struct write {
	struct write *next;
	enum write_kind kind;
	/* WRITE_PUT uses all of these, WRITE_END the first four, WRITE_PRUNE `seq`:
	 * the first that is kept. */
	uint64_t seq;
	char gid[GID_MAX + 1];
	enum txn_state state;
	uint64_t finished_us;
	uint64_t epoch;
	unsigned char hash[BODY_HASH_SIZE];
	char *workflow;
	char *reason;
	void *detail;
	size_t detail_size;
	/* WRITE_RESOURCE */
	char *name;
	char *adapter;
	char *operations; /* [{"name": …, "args": […]}, …] */
	bool one_phase;
};

struct staged {
	struct mail mail; /* first: posted to the loop when it is durable */
	uint64_t id;      /* 0: nobody waits for it */
	struct write *first, **last;
	struct staged *next; /* in the writer's queue */
};

struct staged *staged_new(void);
void staged_free(struct staged *s);

/* Append one write; what is given is borrowed for the call. */
void staged_put(struct staged *s, const struct record *r);
void staged_end(struct staged *s, const struct record *r);
void staged_resource(struct staged *s, const struct resource_info *info);
void staged_prune(struct staged *s, uint64_t before_us);

#endif
