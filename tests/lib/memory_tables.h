/* memory_tables.h - what memory_journal has made durable.  Private to it.
 * Thread: one. */
#ifndef TESTS_LIB_MEMORY_TABLES_H
#define TESTS_LIB_MEMORY_TABLES_H

#include "coordinator/journal_staged.h"

struct memory_tables;

struct memory_tables *tables_new(void);
void tables_free(struct memory_tables *m);

/* What a coordinator that starts on them gives to staged_new: its steps are newer than those of
 * all before it. */
uint64_t tables_start(struct memory_tables *m);

/* Carries out one write; may take texts out of it. */
void tables_apply(struct memory_tables *m, struct write *w);

/* Reads, as memory_journal.h and ports.h say. */
const struct record *tables_peek(struct memory_tables *m, const char *gid);
void tables_replay(struct memory_tables *m, workflow_fn workflow,
		   void (*each)(struct record *r, void *arg), void *arg);
enum rc tables_find(struct memory_tables *m, const char *gid, struct record **out, struct err *err);
enum rc tables_list(struct memory_tables *m, const struct list_query *q, record_fn each, void *arg,
		    struct err *err);
enum rc tables_events(struct memory_tables *m, uint64_t seq, uint64_t after, size_t limit,
		      event_fn each, void *arg, struct err *err);
enum rc tables_workflow(struct memory_tables *m, const char *name, uint32_t version, char **text,
			struct err *err);

#endif
