/* journal_row.c - see journal_row.h. */
#include "coordinator/journal_row.h"
#include "base/mem.h"
#include "coordinator/journal_db.h"
#include "coordinator/journal_steps.h"

#include <string.h>

static enum rc damaged_at(sqlite3_stmt *stmt, sqlite3_int64 seq, const char *what, struct err *err)
{
	return db_damaged(err, sqlite3_db_filename(sqlite3_db_handle(stmt), "main"),
			  "transaction with seq %lld: %s", seq, what);
}

static enum rc damaged(sqlite3_stmt *stmt, const char *what, struct err *err)
{
	return damaged_at(stmt, sqlite3_column_int64(stmt, 0), what, err);
}

static char *column_text(sqlite3_stmt *stmt, int column)
{
	return mem_dup((const char *)sqlite3_column_text(stmt, column));
}

enum rc row_read_columns(sqlite3_stmt *stmt, struct record *r, struct err *err)
{
	const sqlite3_int64 seq = sqlite3_column_int64(stmt, 0);
	const int state = sqlite3_column_int(stmt, 1);
	const char *gid = (const char *)sqlite3_column_text(stmt, 4);
	const void *hash = sqlite3_column_blob(stmt, 7);

	if (seq < 1 || seq > ROW_SEQ_MAX)
		return damaged(stmt, "no such number", err);
	if (state < 1 || state >= TXN_STATES)
		return damaged(stmt, "its state", err);
	if (gid == NULL || !id_valid(gid, GID_MAX))
		return damaged(stmt, "its gid", err);
	if (hash == NULL || sqlite3_column_bytes(stmt, 7) != BODY_HASH_SIZE)
		return damaged(stmt, "its hash", err);
	memcpy(r->gid, gid, strlen(gid) + 1);
	memcpy(r->hash, hash, BODY_HASH_SIZE);
	r->seq = (uint64_t)seq;
	r->state = (enum txn_state)state;
	r->epoch = (uint64_t)sqlite3_column_int64(stmt, 3);
	if (record_finished(r->state)) /* else the column only keeps the place */
		r->finished_us = (uint64_t)sqlite3_column_int64(stmt, 2);
	r->workflow = column_text(stmt, 5);
	r->reason = column_text(stmt, 6);
	return RC_OK;
}

enum rc row_read_detail(sqlite3_stmt *stmt, struct record *r, struct err *err)
{
	const void *detail = sqlite3_column_blob(stmt, ROW_DETAIL);
	struct err inner;

	if (record_unpack(r, detail, (size_t)sqlite3_column_bytes(stmt, ROW_DETAIL), &inner) !=
	    RC_OK)
		return damaged(stmt, inner.text, err);
	return RC_OK;
}

static enum rc read_step(sqlite3_stmt *stmt, struct record *r, const struct steps_one *one,
			 uint64_t *orders, struct err *err)
{
	struct err inner;

	if (one->n >= r->saga->n_steps)
		return damaged_at(stmt, (sqlite3_int64)r->seq, "a step that it has not", err);
	if (one->order < orders[one->n])
		return RC_OK;
	orders[one->n] = one->order;
	if (record_unpack_step(&r->saga->steps[one->n], one->detail, one->detail_size, &inner) !=
	    RC_OK)
		return damaged_at(stmt, (sqlite3_int64)r->seq, inner.text, err);
	return RC_OK;
}

enum rc row_read_step(sqlite3_stmt *stmt, struct record *r, uint64_t *orders, struct err *err)
{
	const sqlite3_int64 n = sqlite3_column_int64(stmt, 0) - row_step_key(r->seq, 0);
	const struct steps_one one = {
		.n = n < 0 ? SIZE_MAX : (size_t)n,
		.order = (uint64_t)sqlite3_column_int64(stmt, 2),
		.detail = sqlite3_column_blob(stmt, 1),
		.detail_size = (size_t)sqlite3_column_bytes(stmt, 1),
	};

	return read_step(stmt, r, &one, orders, err);
}

enum rc row_read_steps(sqlite3_stmt *stmt, struct record *r, uint64_t *orders, struct err *err)
{
	const unsigned char *at = sqlite3_column_blob(stmt, 0), *end;
	struct steps_one one;

	if (at == NULL) /* an empty one */
		return RC_OK;
	end = at + sqlite3_column_bytes(stmt, 0);
	while (at != end) {
		if (!steps_next(&at, end, &one))
			return damaged_at(stmt, (sqlite3_int64)r->seq, "steps in its history", err);
		if (read_step(stmt, r, &one, orders, err) != RC_OK)
			return err->code;
	}
	return RC_OK;
}

bool row_is_group(sqlite3_stmt *stmt)
{
	return sqlite3_column_int64(stmt, ROW_PARENT) != 0;
}
