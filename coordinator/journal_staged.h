/* journal_staged.h - a batch of writes on its way to the journal's writer.  Private
 * to the journal.
 *
 * It owns copies of all it needs, so the loop's thread may go on with its records.
 * Thread: whoever owns the batch: the loop's, then the writer's, then the loop's. */
#ifndef COORDINATOR_JOURNAL_STAGED_H
#define COORDINATOR_JOURNAL_STAGED_H

#include "base/mailbox.h"
#include "coordinator/journal_steps.h"
#include "coordinator/ports.h"

enum write_kind {
	WRITE_PUT,
	WRITE_END,
	WRITE_STEPS,
	WRITE_EVENT,
	WRITE_RESOURCE,
	WRITE_WORKFLOW,
	WRITE_ACTIVATE,
	WRITE_PRUNE,
};

/* WRITE_PUT; WRITE_END uses the first three. */
struct write_row {
	char gid[GID_MAX + 1];
	enum txn_state state;
	uint64_t finished_us;
	uint64_t epoch;
	unsigned char hash[BODY_HASH_SIZE];
	uint64_t parent; /* the saga whose group it is; 0: none */
	char *workflow;
	char *reason;
	void *detail;
	size_t detail_size;
};

struct write_event {
	uint64_t n;
	uint64_t at_us;
	char *json;
	struct steps steps; /* that were written in the same batch and are small; or none */
};

/* Small ones become the event that takes them. */
struct write_steps {
	struct steps list;
	struct write *next; /* in `small` */
};

struct write_resource {
	char *name;
	char *adapter;
	char *operations; /* [{"name": …, "args": […]}, …] */
	bool one_phase, calls, exact, groups;
};

/* WRITE_WORKFLOW; WRITE_ACTIVATE uses the first two. */
struct write_workflow {
	char *name;
	uint32_t version;
	uint64_t published_us;
	char *text;
};

struct write {
	struct write *next;
	enum write_kind kind;
	uint64_t seq; /* of the transaction; WRITE_PRUNE: the first that is kept */
	union {
		struct write_row row;
		struct write_steps steps;
		struct write_event event;
		struct write_resource resource;
		struct write_workflow workflow;
	};
};

enum { STAGED_BUCKETS = 64 };

struct staged {
	struct mail mail; /* first: posted to the loop when it is durable */
	uint64_t id;      /* 0: nobody waits for it */
	struct write *first, **last;
	struct staged *next; /* in the writer's queue */
	uint64_t order;      /* of the last step that was written: it counts on */
	/* Small steps that an event of theirs may still take, by their saga's seq. */
	struct write *small[STAGED_BUCKETS];
};

/* `order`: that of the last step in the batch before, or the first that may be used less one. */
struct staged *staged_new(uint64_t order);
void staged_free(struct staged *s);

/* Append one write; what is given is borrowed for the call. */
void staged_put(struct staged *s, const struct record *r);
void staged_end(struct staged *s, const struct record *r);
void staged_step(struct staged *s, const struct record *r, size_t n);
void staged_event(struct staged *s, uint64_t seq, uint64_t n, uint64_t wall_us, const char *json);
void staged_resource(struct staged *s, const struct resource_info *info);
void staged_workflow(struct staged *s, const struct workflow_row *row);
void staged_activate(struct staged *s, const char *name, uint32_t version);
void staged_prune(struct staged *s, uint64_t before_us);

#endif
