/* sqlite_db.c - calls in an open file: see sqlite_db.h.
 *
 * SQLite rolls a whole transaction back by itself after some errors: an interrupt, a
 * full disk, INSERT OR ROLLBACK.  Autocommit being on again tells it. */
#include "adapters/sqlite_impl.h"

#include "adapters/sqlite_value.h"
#include "base/crash.h"
#include "base/mem.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void end_job(struct sqlite_job *job, enum result_kind kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void end_job(struct sqlite_job *job, enum result_kind kind, const char *fmt, ...)
{
	va_list ap;

	job->kind = kind;
	va_start(ap, fmt);
	vsnprintf(job->reason, sizeof job->reason, fmt, ap);
	va_end(ap);
}

/* Runs one of our own statements that gives no rows. */
static int run(struct sqlite_db *d, enum sqlite_statement which)
{
	sqlite3_stmt *s = d->own[which];
	const int rc = sqlite3_step(s);

	sqlite3_reset(s);
	return rc == SQLITE_DONE ? SQLITE_OK : sqlite3_extended_errcode(d->db);
}

/* What an error leaves of the transaction. */
static enum sqlite_end end_of(const struct sqlite_db *d, int code)
{
	if (sqlite_fault_of(code) == SQ_FAULT_FILE)
		return SQ_END_BROKEN;
	return sqlite3_get_autocommit(d->db) ? SQ_END_LOST : SQ_END_OK;
}

/* ---- the barrier ---- */

static void bind_key(const struct sqlite_db *d, sqlite3_stmt *s, const struct sqlite_job *job)
{
	sqlite3_bind_text(s, 1, d->settings.cluster, -1, SQLITE_STATIC);
	sqlite3_bind_text(s, 2, job->gid, -1, SQLITE_STATIC);
	sqlite3_bind_text(s, 3, job->step, -1, SQLITE_STATIC);
}

static void take_output(sqlite3_stmt *s, struct sqlite_job *job)
{
	const char *text = (const char *)sqlite3_column_text(s, 1);
	const size_t size = (size_t)sqlite3_column_bytes(s, 1);

	if (text == NULL)
		return;
	job->output = mem_dup_bytes(text, size);
	job->output_size = size;
}

struct found {
	bool done, undone;
};

/* Which of the step's rows are there; the output of the job's own. */
static int look(struct sqlite_db *d, struct sqlite_job *job, struct found *found)
{
	sqlite3_stmt *s = d->own[SQ_LOOK];
	int rc;

	bind_key(d, s, job);
	while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
		const bool undo = strcmp((const char *)sqlite3_column_text(s, 0), "undo") == 0;

		if (undo)
			found->undone = true;
		else
			found->done = true;
		if (undo == job->undo)
			take_output(s, job);
	}
	rc = rc == SQLITE_DONE ? SQLITE_OK : sqlite3_extended_errcode(d->db);
	sqlite3_reset(s);
	return rc;
}

static int mark(struct sqlite_db *d, const struct sqlite_job *job, bool did)
{
	sqlite3_stmt *s = d->own[SQ_MARK];
	int rc;

	bind_key(d, s, job);
	sqlite3_bind_text(s, 4, job->undo ? "undo" : "do", -1, SQLITE_STATIC);
	sqlite3_bind_int(s, 5, did);
	if (job->output != NULL)
		sqlite3_bind_text64(s, 6, job->output, job->output_size, SQLITE_STATIC,
				    SQLITE_UTF8);
	rc = run(d, SQ_MARK);
	sqlite3_clear_bindings(s);
	return rc;
}

/* ---- the operation ---- */

/* The job failed with an error of SQLite's. */
static void take_fault(struct sqlite_db *d, struct sqlite_job *job, int code)
{
	const enum sqlite_fault fault = sqlite_fault_of(code);
	char text[REASON_MAX / 2];

	sqlite_explain(d->db, text, sizeof text);
	end_job(job, fault == SQ_FAULT_CALL ? RESULT_REFUSED : RESULT_RETRY,
		"operation %s on %s: %s%s", job->operation->name, d->settings.resource,
		(code & 0xff) == SQLITE_INTERRUPT
			? "its time was over, or it was cancelled, and it was rolled back: "
			: "",
		text);
}

static void take_refusal(const struct sqlite_db *d, struct sqlite_job *job, const char *text)
{
	end_job(job, RESULT_REFUSED, "operation %s on %s: %s", job->operation->name,
		d->settings.resource, text);
}

static bool bind_args(const struct sqlite_db *d, struct sqlite_job *job,
		      const struct sqlite_prepared *p)
{
	struct err err;

	for (int i = 1; i <= p->n; i++) {
		const size_t arg = p->arg_of[i - 1];

		if (sqlite_value_bind(p->s, i, &job->args->all[arg], &err) != RC_OK) {
			err_wrap(&err, "argument %s", job->operation->args[arg]);
			take_refusal(d, job, err.text);
			return false;
		}
	}
	return true;
}

/* Runs it and takes its rows; true if it did what was wanted, else the job is ended. */
static bool step_all(struct sqlite_db *d, struct sqlite_job *job, sqlite3_stmt *s, int *code)
{
	const bool rows = sqlite3_column_count(s) > 0;
	struct http_text out = {.max = PAYLOAD_MAX};
	const int64_t wanted = job->operation->expect_rows;
	struct err err;
	int64_t n = 0;
	enum rc rc = RC_OK;
	int step = SQLITE_ROW;

	if (rows)
		http_text_put(&out, "[", 1);
	while (rc == RC_OK && (step = sqlite3_step(s)) == SQLITE_ROW) {
		if (n++ > 0)
			http_text_put(&out, ",", 1);
		rc = sqlite_value_row(s, &out, &err);
	}
	if (rows && rc == RC_OK)
		http_text_put(&out, "]", 1);
	else if (!rows && step == SQLITE_DONE)
		n = sqlite3_changes64(d->db);
	if (rc == RC_OK && out.over)
		rc = err_set(&err, RC_TOO_BIG, "its output is over the limit of 1 MiB");
	if (rc == RC_OK && step != SQLITE_DONE) {
		*code = sqlite3_extended_errcode(d->db);
		take_fault(d, job, *code);
	} else if (rc != RC_OK) {
		take_refusal(d, job, err.text);
	} else if (wanted >= 0 && n != wanted) {
		end_job(job, RESULT_REFUSED,
			"operation %s on %s %s %" PRId64 " row%s, %" PRId64 " %s expected",
			job->operation->name, d->settings.resource, rows ? "returned" : "changed",
			n, n == 1 ? "" : "s", wanted, wanted == 1 ? "was" : "were");
	} else if (rows) {
		job->output_size = out.size;
		job->output = http_text_take(&out);
	}
	http_text_fini(&out);
	return job->kind == RESULT_NONE;
}

/* A REFERENCES clause that is checked at the end would only fail at the commit, which
 * belongs to other calls as well. */
static bool references_hold(struct sqlite_db *d, struct sqlite_job *job)
{
	int open = 0, high;

	sqlite3_db_status(d->db, SQLITE_DBSTATUS_DEFERRED_FKS, &open, &high, 0);
	if (open != 0)
		take_refusal(d, job, "it leaves a REFERENCES clause broken");
	return open == 0;
}

static int operate(struct sqlite_db *d, struct sqlite_job *job)
{
	const struct sqlite_prepared *p =
		&d->operations[job->operation - d->settings.config->operations];
	int code = SQLITE_OK;

	d->guarded = true; /* also for SQL that SQLite compiles again */
	if (bind_args(d, job, p) && step_all(d, job, p->s, &code))
		references_hold(d, job);
	sqlite3_reset(p->s);
	sqlite3_clear_bindings(p->s);
	d->guarded = false;
	return code;
}

/* ---- one call ---- */

static void drop_output(struct sqlite_job *job)
{
	free(job->output);
	job->output = NULL;
	job->output_size = 0;
}

/* Operation and mark, or neither. The error that ended it, or SQLITE_OK. */
static int act(struct sqlite_db *d, struct sqlite_job *job)
{
	int code = run(d, SQ_SAVEPOINT_SET);

	if (code == SQLITE_OK)
		code = operate(d, job);
	if (code == SQLITE_OK && job->kind == RESULT_NONE)
		code = mark(d, job, true);
	if (code == SQLITE_OK && job->kind == RESULT_NONE) {
		job->kind = RESULT_DONE;
		job->acted = true;
	} else {
		drop_output(job);
		if (job->kind == RESULT_NONE)
			take_fault(d, job, code);
		if (!sqlite3_get_autocommit(d->db) && run(d, SQ_SAVEPOINT_UNDO) != SQLITE_OK)
			return SQLITE_IOERR; /* what is left of it, nobody knows: roll all back */
	}
	if (!sqlite3_get_autocommit(d->db) && run(d, SQ_SAVEPOINT_DROP) != SQLITE_OK)
		return SQLITE_IOERR;
	return code;
}

/* An undo that finds nothing to undo. */
static int bar(struct sqlite_db *d, struct sqlite_job *job)
{
	const int code = mark(d, job, false);

	if (code == SQLITE_OK) {
		job->kind = RESULT_DONE;
		job->acted = true;
	} else {
		end_job(job, RESULT_RETRY, "cannot write to settle_barrier on %s: %s",
			d->settings.resource, sqlite3_errmsg(d->db));
	}
	return code;
}

static int proceed(struct sqlite_db *d, struct sqlite_job *job, const struct found *found)
{
	if (job->undo ? found->undone : found->done) {
		job->kind = RESULT_DONE; /* by an earlier call */
	} else if (!job->undo && found->undone) {
		end_job(job, RESULT_REFUSED,
			"it comes after its own compensation, so it is not done any more");
	} else if (job->undo && !job->elsewhere && !found->done) {
		return bar(d, job);
	} else if (job->refusal != NULL) {
		end_job(job, RESULT_REFUSED, "%s", job->refusal);
	} else if (d->settings.give_up(SQ_RUNNING, d->settings.arg)) {
		end_job(job, RESULT_RETRY,
			"operation %s on %s: its time was over, or it was cancelled, before it "
			"began",
			job->operation->name, d->settings.resource);
	} else {
		return act(d, job);
	}
	return SQLITE_OK;
}

enum sqlite_end sqlite_db_call(struct sqlite_db *d, struct sqlite_job *job)
{
	struct found found = {false, false};
	enum sqlite_end end;
	int code;

	assert(job->kind == RESULT_NONE && job->output == NULL);
	CRASH_POINT(sqlite_call);
	d->phase = SQ_FINISHING; /* the look is short, and an answer needs it */
	code = look(d, job, &found);
	if (code != SQLITE_OK) {
		drop_output(job);
		end_job(job, RESULT_UNKNOWN, "cannot read settle_barrier on %s: %s",
			d->settings.resource, sqlite3_errmsg(d->db));
		return SQ_END_BROKEN;
	}
	d->phase = SQ_RUNNING;
	code = proceed(d, job, &found);
	CRASH_POINT(sqlite_called);
	d->phase = SQ_FINISHING;
	end = end_of(d, code);
	if (end != SQ_END_OK && job->acted) { /* it was done, and is not any more */
		drop_output(job);
		job->acted = false;
		end_job(job, RESULT_RETRY, "the transaction was rolled back on %s",
			d->settings.resource);
	}
	return end;
}

/* ---- the transaction ---- */

enum sqlite_end sqlite_db_begin(struct sqlite_db *d, char reason[REASON_MAX])
{
	int moved = 0, code;

	d->phase = SQ_WAITING;
	sqlite3_file_control(d->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
	if (moved) { /* what is written now would be lost with the file */
		snprintf(reason, REASON_MAX, "file %s was removed or replaced while it was open",
			 d->settings.config->file);
		return SQ_END_BROKEN;
	}
	CRASH_POINT(sqlite_begin);
	code = run(d, SQ_BEGIN);
	if (code == SQLITE_OK)
		return SQ_END_OK;
	sqlite_explain(d->db, reason, REASON_MAX);
	return sqlite_fault_of(code) == SQ_FAULT_FILE ? SQ_END_BROKEN : SQ_END_LOST;
}

/* Readers of a file with a rollback journal may keep a commit from its lock; then, and
 * for a constraint, the transaction is still whole and is rolled back.  After any other
 * error nobody can tell: a sync that failed may have reached the disk all the same. */
enum sqlite_end sqlite_db_commit(struct sqlite_db *d, char reason[REASON_MAX])
{
	int code;

	d->phase = SQ_FINISHING;
	CRASH_POINT(sqlite_commit);
	code = run(d, SQ_COMMIT);
	CRASH_POINT(sqlite_committed);
	if (code == SQLITE_OK)
		return SQ_END_OK;
	sqlite_explain(d->db, reason, REASON_MAX);
	if (sqlite3_get_autocommit(d->db) ||
	    ((code & 0xff) != SQLITE_BUSY && (code & 0xff) != SQLITE_CONSTRAINT))
		return SQ_END_UNKNOWN;
	sqlite_db_rollback(d);
	return SQ_END_LOST;
}

void sqlite_db_rollback(struct sqlite_db *d)
{
	d->phase = SQ_FINISHING;
	if (!sqlite3_get_autocommit(d->db))
		sqlite3_exec(d->db, "ROLLBACK", NULL, NULL, NULL);
}
