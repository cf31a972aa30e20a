/* journal_apply.c - see journal_apply.h.
 *
 * A row's width does not change when its transaction ends: `finished_us` holds the
 * time of the begin until then.  So the end is written over the row in place; a row
 * that grew would split its page, full as all are that rows were appended to. */
#include "coordinator/journal_apply.h"
#include "base/crash.h"
#include "base/mem.h"
#include "coordinator/journal_db.h"
#include "coordinator/journal_prune.h"
#include "coordinator/journal_row.h"

#include <stdlib.h>

enum {
	BEGIN,
	EPOCH,
	COMMIT,
	PUT,
	END,
	STEP,
	EVENT,
	EVENT_OUT,
	RESOURCE,
	WORKFLOW,
	NONE_ACTIVE,
	ACTIVE,
	STATEMENTS
};

/* A put of the same transaction replaces its row.  Another one with its gid or its
 * seq is a mistake of ours: the unique index, or no changed row, tells. */
static const char *const texts[STATEMENTS] = {
	[BEGIN] = "BEGIN IMMEDIATE",
	[EPOCH] = "SELECT value FROM meta WHERE key = 'epoch'",
	[COMMIT] = "COMMIT",
	[PUT] = "INSERT INTO txn(seq, state, finished_us, epoch, gid, workflow, reason, hash, "
		"detail, parent)"
		" VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
		" ON CONFLICT(seq) DO UPDATE SET state = ?2, finished_us = ?3, epoch = ?4,"
		" workflow = ?6, reason = ?7, hash = ?8, detail = ?9, parent = ?10 WHERE gid = ?5",
	[END] = "UPDATE txn SET state = ?2, finished_us = ?3 WHERE seq = ?1 AND gid = ?4",
	[STEP] = "INSERT INTO step(key, detail, written) VALUES(?1, ?2, ?3)"
		 " ON CONFLICT(key) DO UPDATE SET detail = ?2, written = ?3",
	[EVENT] = "INSERT INTO event(seq, n, at_us, json, steps) VALUES(?1, ?2, ?3, ?4, ?5)",
	[EVENT_OUT] = "DELETE FROM event WHERE seq = ?1 AND n = ?2",
	[RESOURCE] = "INSERT INTO resource(name, adapter, one_phase, operations, calls, exact,"
		     " groups) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)"
		     " ON CONFLICT(name) DO UPDATE SET adapter = ?2, one_phase = ?3,"
		     " operations = ?4, calls = ?5, exact = ?6, groups = ?7",
	[WORKFLOW] = "INSERT INTO workflow(name, version, active, published_us, text)"
		     " VALUES(?1, ?2, 1, ?3, ?4)",
	[NONE_ACTIVE] = "UPDATE workflow SET active = 0 WHERE name = ?1 AND active = 1",
	[ACTIVE] = "UPDATE workflow SET active = 1 WHERE name = ?1 AND version = ?2",
};

struct apply {
	sqlite3 *db;
	uint64_t epoch;
	sqlite3_stmt *stmts[STATEMENTS];
	struct prune *prune;
};

enum rc apply_open(sqlite3 *db, uint64_t epoch, struct apply **out, struct err *err)
{
	struct apply *a = mem_new(1, sizeof *a);

	a->db = db;
	a->epoch = epoch;
	*out = NULL;
	for (int i = 0; i < STATEMENTS; i++) {
		const enum rc rc = db_prepare(db, texts[i], &a->stmts[i], err);

		if (rc != RC_OK) {
			apply_close(a);
			return rc;
		}
	}
	if (prune_open(db, &a->prune, err) != RC_OK) {
		apply_close(a);
		return err->code;
	}
	*out = a;
	return RC_OK;
}

void apply_close(struct apply *a)
{
	if (a == NULL)
		return;
	for (int i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(a->stmts[i]);
	prune_close(a->prune);
	free(a);
}

static enum rc run(struct apply *a, int which, struct err *err)
{
	sqlite3_stmt *stmt = a->stmts[which];

	if (sqlite3_step(stmt) != SQLITE_DONE)
		return db_fail(a->db, texts[which], err);
	sqlite3_reset(stmt);
	return RC_OK;
}

/* Nothing of what is bound is touched before the statement has run. */
static void bind_text(sqlite3_stmt *stmt, int at, const char *text)
{
	sqlite3_bind_text(stmt, at, text, -1, SQLITE_STATIC);
}

static void bind_number(sqlite3_stmt *stmt, int at, uint64_t n)
{
	sqlite3_bind_int64(stmt, at, (sqlite3_int64)n);
}

static uint64_t finished_column(const struct write *w)
{
	return w->row.finished_us != 0 ? w->row.finished_us : w->seq;
}

static enum rc one_row(struct apply *a, const struct write *w, const char *what, struct err *err)
{
	if (sqlite3_changes(a->db) == 1)
		return RC_OK;
	return err_set(err, RC_CONFLICT, "%s of %s (seq %llu): its row is not there or another's",
		       what, w->row.gid, (unsigned long long)w->seq);
}

static enum rc put(struct apply *a, const struct write *w, struct err *err)
{
	const struct write_row *row = &w->row;
	sqlite3_stmt *s = a->stmts[PUT];

	bind_number(s, 1, w->seq);
	sqlite3_bind_int(s, 2, (int)row->state);
	bind_number(s, 3, finished_column(w));
	bind_number(s, 4, row->epoch);
	bind_text(s, 5, row->gid);
	bind_text(s, 6, row->workflow);
	bind_text(s, 7, row->reason);
	sqlite3_bind_blob(s, 8, row->hash, sizeof row->hash, SQLITE_STATIC);
	bind_number(s, 10, row->parent);
	if (sqlite3_bind_blob64(s, 9, row->detail, row->detail_size, SQLITE_STATIC) != SQLITE_OK)
		return db_fail(a->db, row->gid, err);
	if (run(a, PUT, err) != RC_OK)
		return err_wrap(err, "transaction %s (seq %llu)", row->gid,
				(unsigned long long)w->seq);
	return one_row(a, w, "put", err);
}

static enum rc end(struct apply *a, const struct write *w, struct err *err)
{
	sqlite3_stmt *s = a->stmts[END];

	bind_number(s, 1, w->seq);
	sqlite3_bind_int(s, 2, (int)w->row.state);
	bind_number(s, 3, finished_column(w));
	bind_text(s, 4, w->row.gid);
	if (run(a, END, err) != RC_OK)
		return err_wrap(err, "end of %s", w->row.gid);
	return one_row(a, w, "end", err);
}

static enum rc steps(struct apply *a, const struct write *w, struct err *err)
{
	const unsigned char *at = w->steps.list.bytes, *end = at + w->steps.list.size;
	sqlite3_stmt *s = a->stmts[STEP];
	struct steps_one one;

	while (at != end && steps_next(&at, end, &one)) {
		sqlite3_bind_int64(s, 1, row_step_key(w->seq, one.n));
		bind_number(s, 3, one.order);
		if (sqlite3_bind_blob64(s, 2, one.detail, one.detail_size, SQLITE_STATIC) !=
		    SQLITE_OK)
			return db_fail(a->db, texts[STEP], err);
		if (run(a, STEP, err) != RC_OK)
			return err->code;
	}
	return RC_OK;
}

/* Line n pushes one out when there are more than EVENTS_KEPT: the oldest but for the
 * first hundred. */
static enum rc event(struct apply *a, const struct write *w, struct err *err)
{
	const struct write_event *event = &w->event;
	sqlite3_stmt *s = a->stmts[EVENT];

	bind_number(s, 1, w->seq);
	bind_number(s, 2, event->n);
	bind_number(s, 3, event->at_us);
	bind_text(s, 4, event->json);
	if (sqlite3_bind_blob64(s, 5, event->steps.bytes, event->steps.size, SQLITE_STATIC) !=
	    SQLITE_OK) /* NULL if there are none */
		return db_fail(a->db, texts[EVENT], err);
	if (run(a, EVENT, err) != RC_OK)
		return err_wrap(err, "event %llu of seq %llu", (unsigned long long)event->n,
				(unsigned long long)w->seq);
	if (event->n <= EVENTS_KEPT)
		return RC_OK;
	s = a->stmts[EVENT_OUT];
	bind_number(s, 1, w->seq);
	bind_number(s, 2, event->n - (EVENTS_KEPT - EVENTS_FIRST_KEPT));
	return run(a, EVENT_OUT, err);
}

static enum rc resource(struct apply *a, const struct write *w, struct err *err)
{
	sqlite3_stmt *s = a->stmts[RESOURCE];

	bind_text(s, 1, w->resource.name);
	bind_text(s, 2, w->resource.adapter);
	sqlite3_bind_int(s, 3, w->resource.one_phase);
	bind_text(s, 4, w->resource.operations);
	sqlite3_bind_int(s, 5, w->resource.calls);
	sqlite3_bind_int(s, 6, w->resource.exact);
	sqlite3_bind_int(s, 7, w->resource.groups);
	return run(a, RESOURCE, err);
}

static enum rc none_active(struct apply *a, const struct write *w, struct err *err)
{
	bind_text(a->stmts[NONE_ACTIVE], 1, w->workflow.name);
	return run(a, NONE_ACTIVE, err);
}

static enum rc workflow(struct apply *a, const struct write *w, struct err *err)
{
	sqlite3_stmt *s = a->stmts[WORKFLOW];

	if (none_active(a, w, err) != RC_OK)
		return err->code;
	bind_text(s, 1, w->workflow.name);
	bind_number(s, 2, w->workflow.version);
	bind_number(s, 3, w->workflow.published_us);
	bind_text(s, 4, w->workflow.text);
	if (run(a, WORKFLOW, err) != RC_OK)
		return err_wrap(err, "version %u of workflow %s", (unsigned)w->workflow.version,
				w->workflow.name);
	return RC_OK;
}

static enum rc activate(struct apply *a, const struct write *w, struct err *err)
{
	sqlite3_stmt *s = a->stmts[ACTIVE];

	if (none_active(a, w, err) != RC_OK)
		return err->code;
	bind_text(s, 1, w->workflow.name);
	bind_number(s, 2, w->workflow.version);
	if (run(a, ACTIVE, err) != RC_OK)
		return err->code;
	if (sqlite3_changes(a->db) == 1)
		return RC_OK;
	return err_set(err, RC_CONFLICT, "workflow %s has no version %u to make active",
		       w->workflow.name, (unsigned)w->workflow.version);
}

static enum rc write_one(struct apply *a, const struct write *w, struct err *err)
{
	CRASH_POINT(record_write);
	switch (w->kind) {
	case WRITE_PUT: return put(a, w, err);
	case WRITE_END: return end(a, w, err);
	case WRITE_STEPS: return steps(a, w, err);
	case WRITE_EVENT: return event(a, w, err);
	case WRITE_RESOURCE: return resource(a, w, err);
	case WRITE_WORKFLOW: return workflow(a, w, err);
	case WRITE_ACTIVATE: return activate(a, w, err);
	case WRITE_PRUNE: return prune_some(a->prune, w->seq, err);
	}
	return err_set(err, RC_INVALID, "no such write: %d", (int)w->kind);
}

/* The directory's lock keeps a second coordinator out; where it failed to (removed by hand, a
 * file system that does not lock), the one that opened the journal last has it. */
static enum rc still_ours(struct apply *a, struct err *err)
{
	sqlite3_stmt *stmt = a->stmts[EPOCH];
	enum rc rc = RC_OK;
	uint64_t epoch;

	if (sqlite3_step(stmt) != SQLITE_ROW)
		return db_fail(a->db, texts[EPOCH], err);
	epoch = (uint64_t)sqlite3_column_int64(stmt, 0);
	if (epoch != a->epoch)
		rc = err_set(err, RC_REFUSED,
			     "%s: a newer coordinator (epoch %llu, this one has %llu) has taken "
			     "this journal over: run one, and leave settle.lock alone",
			     sqlite3_db_filename(a->db, "main"), (unsigned long long)epoch,
			     (unsigned long long)a->epoch);
	sqlite3_reset(stmt);
	return rc;
}

bool apply_begin(struct apply *a)
{
	bool begun;

	sqlite3_busy_timeout(a->db, 0);
	begun = sqlite3_step(a->stmts[BEGIN]) == SQLITE_DONE;
	sqlite3_reset(a->stmts[BEGIN]);
	sqlite3_busy_timeout(a->db, DB_BUSY_MS);
	return begun;
}

enum rc apply_all(struct apply *a, const struct staged *list, struct err *err)
{
	enum rc rc = sqlite3_get_autocommit(a->db) ? run(a, BEGIN, err) : RC_OK;

	if (rc == RC_OK)
		rc = still_ours(a, err);

	for (const struct staged *s = list; s != NULL && rc == RC_OK; s = s->next)
		for (const struct write *w = s->first; w != NULL && rc == RC_OK; w = w->next)
			rc = write_one(a, w, err);
	CRASH_POINT(batch_commit);
	return rc == RC_OK ? run(a, COMMIT, err) : rc;
}
