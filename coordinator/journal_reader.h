/* journal_reader.h - reads from the journal, on a connection of its own.  Private to
 * the journal.
 *
 * Every statement is reset before a function returns, and none is open while a
 * callback that may last runs: an open read would keep the log from shrinking.
 * Thread: the loop's. */
#ifndef COORDINATOR_JOURNAL_READER_H
#define COORDINATOR_JOURNAL_READER_H

#include "coordinator/ports.h"

enum {
	/* What one list may look at, since the loop stands still meanwhile: rows, and
	 * bytes of detail where a resource is searched. */
	LIST_ROWS_LOOKED_AT = 50000,
	LIST_BYTES_LOOKED_AT = 64 << 20,
};

struct reader;

/* Opens `path`, which is there and ours. */
enum rc reader_open(const char *path, struct reader **out, struct err *err);
void reader_close(struct reader *r);
/* All that a start needs has been read.  The page cache is small until then, and may grow to
 * 8 MiB from now on. */
enum rc reader_start_done(struct reader *rd, struct err *err);

/* What journal.h and ports.h say. */
enum rc reader_unfinished(struct reader *rd, void (*each)(struct record *r, void *arg), void *arg,
			  struct err *err);
enum rc reader_workflows(struct reader *rd, workflow_fn each, void *arg, struct err *err);
enum rc reader_resources(struct reader *rd, resource_fn each, void *arg, struct err *err);
enum rc reader_find(struct reader *rd, const char *gid, struct record **out, struct err *err);
enum rc reader_list(struct reader *rd, const struct list_query *q, record_fn each, void *arg,
		    struct err *err);
enum rc reader_events(struct reader *rd, uint64_t seq, uint64_t after, size_t limit, event_fn each,
		      void *arg, struct err *err);
enum rc reader_workflow(struct reader *rd, const char *name, uint32_t version, char **text,
			struct err *err);

#endif
