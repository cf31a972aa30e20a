/* journal.c - see journal.h.
 *
 *   journal_lock     one coordinator per directory
 *   journal_file     what is in the directory, before SQLite opens it
 *   journal_seal     a file without checksums becomes one with them
 *   journal_db       a connection; damage
 *   journal_mark     open, or closed in order
 *   journal_schema   tables, versions, WAL and FULL, the epoch
 *   journal_staged   a batch, as the loop gives it
 *   journal_steps    steps of a saga, several in one row
 *   journal_apply    a batch, as SQL
 *   journal_prune    forgetting what is old
 *   journal_writer   the thread that applies batches
 *   journal_reader   find, replay, histories
 *   journal_list     lists
 *
 * docs/journal.md tells of the file from outside. */
#include "coordinator/journal.h"
#include "base/crash.h"
#include "base/file.h"
#include "base/mem.h"
#include "coordinator/journal_db.h"
#include "coordinator/journal_file.h"
#include "coordinator/journal_lock.h"
#include "coordinator/journal_mark.h"
#include "coordinator/journal_reader.h"
#include "coordinator/journal_schema.h"
#include "coordinator/journal_seal.h"
#include "coordinator/journal_writer.h"

#include <assert.h>
#include <stdlib.h>

/* Steps are written in an order that goes on from one start to the next: the epoch, then a
 * count. */
enum { ORDER_BITS = 40 };

struct journal {
	int lock;
	uint64_t epoch;
	uint64_t last_batch;
	struct reader *reader;
	struct writer *writer;
	struct staged *open; /* collects until the next commit */
};

/* ---- opening ---- */

/* Before this returns, the epoch is durable, and so is the way to the file. */
static enum rc open_file(struct journal *j, const char *dir, const char *path, const char *cluster,
			 struct err *err)
{
	sqlite3 *db = NULL;
	struct file_facts facts = {.kind = FILE_NEW};
	enum rc rc = file_check(path, &facts, err);

	CRASH_POINT(journal_open);
	if (rc == RC_OK && facts.kind == FILE_UNSEALED)
		rc = file_seal(dir, path, err);
	if (rc == RC_OK)
		rc = db_open(path, &db, err);
	if (rc == RC_OK && facts.tail)
		rc = mark_forget_tail(db, err);
	if (rc == RC_OK)
		rc = schema_ready(db, err);
	if (rc == RC_OK)
		rc = mark_open(db, err);
	CRASH_POINT(epoch_raise);
	if (rc == RC_OK && schema_next_epoch(db, cluster, &j->epoch, err) != RC_OK) {
		mark_closed(db, 0);
		rc = err->code;
	}
	CRASH_POINT(epoch_raised);
	if (rc == RC_OK)
		rc = dir_sync(dir, err);
	CRASH_POINT(journal_opened);
	if (rc != RC_OK) {
		db_close(db);
		return rc;
	}
	rc = writer_open(db, j->epoch, &j->writer, err);
	if (rc == RC_OK)
		rc = reader_open(path, &j->reader, err);
	return rc;
}

enum rc journal_open(const char *dir, const char *cluster, struct journal **out, struct err *err)
{
	struct journal *j = mem_new(1, sizeof *j);
	char *path = mem_printf("%s/settle.db", dir);
	enum rc rc;

	/* SQLite counts its memory under a lock that all threads share, for statistics that
	 * we do not read.  Too late if somebody has used it before: then it counts on. */
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	rc = journal_lock(dir, &j->lock, err);

	if (rc == RC_OK)
		rc = open_file(j, dir, path, cluster, err);
	free(path);
	if (rc != RC_OK) {
		journal_close(j);
		j = NULL;
	} else {
		j->open = staged_new(j->epoch << ORDER_BITS);
	}
	*out = j;
	return rc;
}

uint64_t journal_epoch(const struct journal *j)
{
	return j->epoch;
}

enum rc journal_replay(struct journal *j, workflow_fn workflow, resource_fn resource,
		       void (*each)(struct record *r, void *arg), void *arg, struct err *err)
{
	enum rc rc = reader_workflows(j->reader, workflow, arg, err);

	if (rc == RC_OK)
		rc = reader_resources(j->reader, resource, arg, err);
	if (rc == RC_OK)
		rc = reader_unfinished(j->reader, each, arg, err);
	return rc == RC_OK ? reader_start_done(j->reader, err) : rc;
}

void journal_start(struct journal *j, uv_loop_t *loop, void (*durable)(uint64_t batch, void *arg),
		   void *arg)
{
	writer_start(j->writer, loop, durable, arg);
}

/* ---- the port ---- */

static void port_put(void *self, const struct record *r)
{
	struct journal *j = self;

	staged_put(j->open, r);
}

static void port_end(void *self, const struct record *r)
{
	struct journal *j = self;

	staged_end(j->open, r);
}

static void port_put_step(void *self, const struct record *r, size_t n)
{
	struct journal *j = self;

	staged_step(j->open, r, n);
}

static void port_put_event(void *self, uint64_t seq, uint64_t n, uint64_t wall_us, const char *json)
{
	struct journal *j = self;

	staged_event(j->open, seq, n, wall_us, json);
}

static void port_put_workflow(void *self, const struct workflow_row *row)
{
	struct journal *j = self;

	staged_workflow(j->open, row);
}

static void port_activate(void *self, const char *name, uint32_t version)
{
	struct journal *j = self;

	staged_activate(j->open, name, version);
}

static void port_put_resource(void *self, const struct resource_info *info)
{
	struct journal *j = self;

	staged_resource(j->open, info);
}

static void port_prune(void *self, uint64_t before_us)
{
	struct journal *j = self;

	staged_prune(j->open, before_us);
}

static void port_commit(void *self, uint64_t batch, bool at_once)
{
	struct journal *j = self;
	struct staged *closed = j->open;
	const uint64_t order = closed->order;

	assert(batch > j->last_batch);
	j->last_batch = batch;
	closed->id = batch;
	j->open = staged_new(order);
	writer_queue(j->writer, closed, at_once);
	CRASH_POINT(batch_queued);
}

static enum rc port_find(void *self, const char *gid, struct record **out, struct err *err)
{
	struct journal *j = self;

	return reader_find(j->reader, gid, out, err);
}

static enum rc port_list(void *self, const struct list_query *q, record_fn each, void *arg,
			 struct err *err)
{
	struct journal *j = self;

	return reader_list(j->reader, q, each, arg, err);
}

static enum rc port_events(void *self, uint64_t seq, uint64_t after, size_t limit, event_fn each,
			   void *arg, struct err *err)
{
	struct journal *j = self;

	return reader_events(j->reader, seq, after, limit, each, arg, err);
}

static enum rc port_workflow(void *self, const char *name, uint32_t version, char **text,
			     struct err *err)
{
	struct journal *j = self;

	return reader_workflow(j->reader, name, version, text, err);
}

struct journal_port journal_port(struct journal *j)
{
	return (struct journal_port){
		.put = port_put,
		.end = port_end,
		.put_step = port_put_step,
		.put_event = port_put_event,
		.put_resource = port_put_resource,
		.put_workflow = port_put_workflow,
		.activate = port_activate,
		.prune = port_prune,
		.commit = port_commit,
		.find = port_find,
		.list = port_list,
		.events = port_events,
		.workflow = port_workflow,
		.self = j,
	};
}

/* The reader goes first: the last connection to close removes the log, and the reader may
 * not write. */
void journal_close(struct journal *j)
{
	if (j == NULL)
		return;
	reader_close(j->reader);
	if (j->writer != NULL && j->open != NULL && j->open->first != NULL)
		writer_queue(j->writer, j->open, false);
	else
		staged_free(j->open);
	writer_close(j->writer);
	journal_unlock(j->lock);
	free(j);
}
