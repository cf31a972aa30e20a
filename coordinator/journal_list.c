/* journal_list.c - lists from the journal; see journal_reader.h.
 *
 * A list steps over `seq` alone, from an index, and fetches each row by it. */
#include "coordinator/journal_db.h"
#include "coordinator/journal_reading.h"
#include "coordinator/journal_row.h"

#include <assert.h>
#include <string.h>

struct search {
	const struct list_query *q;
	unsigned states; /* bits; 0: all */
	size_t found, rows, bytes;
	sqlite3_int64 last; /* looked at */
};

static enum rc read_status(const char *word, unsigned *states, struct err *err)
{
	*states = 0;
	for (int s = 1; word != NULL && s < TXN_STATES; s++)
		if (strcmp(record_status((enum txn_state)s), word) == 0)
			*states |= 1u << s;
	if (word != NULL && *states == 0)
		return err_set(
			err, RC_INVALID,
			"no such status: %.40s: running, committing, rolling_back, committed, "
			"rolled_back or stuck",
			word);
	return RC_OK;
}

/* Committed ones are in no index by state, and need none: they are most of all. */
static sqlite3_stmt *choose(struct reader *rd, unsigned states)
{
	int list[STATES_OF_A_WORD], n = 0;
	sqlite3_stmt *stmt;

	if (states == 0 || states == 1u << TXN_COMMITTED)
		return rd->stmts[READ_BY_SEQ];
	for (int s = 1; s < TXN_STATES; s++) {
		if ((states & (1u << s)) != 0) {
			assert(n < STATES_OF_A_WORD);
			list[n++] = s;
		}
	}
	stmt = rd->stmts[n == 1 ? READ_BY_STATE : READ_BY_STATES];
	sqlite3_bind_int(stmt, 3, list[0]);
	for (int i = 1; n > 1 && i < STATES_OF_A_WORD; i++)
		sqlite3_bind_int(stmt, 3 + i, list[i < n ? i : 0]);
	return stmt;
}

static sqlite3_int64 clamp(uint64_t n)
{
	return n < INT64_MAX ? (sqlite3_int64)n : INT64_MAX;
}

static sqlite3_stmt *start(struct reader *rd, const struct search *s)
{
	const struct list_query *q = s->q;
	sqlite3_stmt *stmt = choose(rd, s->states);
	uint64_t before = UINT64_MAX;

	if (q->before_seq != 0)
		before = q->before_seq;
	if (q->until_us != 0 && q->until_us < before)
		before = q->until_us;
	sqlite3_bind_int64(stmt, 1, clamp(q->since_us));
	sqlite3_bind_int64(stmt, 2, clamp(before));
	return stmt;
}

static bool is(const char *name, const char *resource)
{
	return name != NULL && strcmp(name, resource) == 0;
}

static bool has_resource(const struct record *r, const char *resource)
{
	for (size_t i = 0; r->saga != NULL && i < r->saga->n_steps; i++)
		if (is(r->saga->steps[i].resource, resource) ||
		    is(r->saga->steps[i].undo_resource, resource))
			return true;
	for (size_t i = 0; i < r->n_branches; i++)
		if (is(r->branches[i].resource, resource))
			return true;
	return false;
}

/* Sets `*match`. A name that is nowhere in the packed bytes is no branch's or step's:
 * most rows need not be unpacked to tell. */
static enum rc match_resource(struct search *s, sqlite3_stmt *row, struct record *r, bool *match,
			      struct err *err)
{
	const char *name = s->q->resource;
	const void *detail = sqlite3_column_blob(row, ROW_DETAIL);
	const size_t size = (size_t)sqlite3_column_bytes(row, ROW_DETAIL);
	enum rc rc;

	s->bytes += size;
	*match = false;
	if (detail == NULL || memmem(detail, size, name, strlen(name)) == NULL)
		return RC_OK;
	rc = row_read_detail(row, r, err);
	*match = rc == RC_OK && has_resource(r, name);
	saga_free(r->saga); /* the rows of its steps were not read */
	r->saga = NULL;
	return rc;
}

static enum rc look_at(struct search *s, sqlite3_stmt *row, record_fn each, void *arg,
		       struct err *err)
{
	struct record r = {0};
	enum rc rc = row_read_columns(row, &r, err);
	bool match = rc == RC_OK && (s->q->groups || !row_is_group(row)) &&
		     (s->states == 0 || (s->states & (1u << r.state)) != 0) &&
		     (s->q->workflow == NULL ||
		      (r.workflow != NULL && strcmp(r.workflow, s->q->workflow) == 0));

	if (match && s->q->resource != NULL)
		rc = match_resource(s, row, &r, &match, err);
	if (match) {
		s->found++;
		each(&r, arg);
	}
	record_fini(&r);
	return rc;
}

static enum rc look_up(struct reader *rd, struct search *s, record_fn each, void *arg,
		       struct err *err)
{
	sqlite3_stmt *row = rd->stmts[READ_ROW];
	enum rc rc;

	sqlite3_bind_int64(row, 1, s->last);
	switch (sqlite3_step(row)) {
	case SQLITE_ROW: rc = look_at(s, row, each, arg, err); break;
	case SQLITE_DONE: rc = reading_lost(rd, s->last, err); break;
	default: rc = db_fail(rd->db, "reading a list", err); break;
	}
	sqlite3_reset(row);
	return rc;
}

/* A search that found enough, or looked at enough, ends where the next one begins. */
static enum rc stop_early(const struct search *s, struct err *err)
{
	if (s->q->next_seq != NULL)
		*s->q->next_seq = (uint64_t)s->last;
	else if (s->found < s->q->limit)
		return err_set(
			err, RC_FULL,
			"too much to search: looked at %zu transactions and found %zu; name a "
			"shorter time with `since` and `until`",
			s->rows, s->found);
	return RC_OK;
}

enum rc reader_list(struct reader *rd, const struct list_query *q, record_fn each, void *arg,
		    struct err *err)
{
	struct search s = {.q = q};
	enum rc rc = read_status(q->status, &s.states, err);
	sqlite3_stmt *source;
	int step;

	if (rc != RC_OK)
		return rc;
	if (q->next_seq != NULL)
		*q->next_seq = 0;
	source = start(rd, &s);
	while ((step = sqlite3_step(source)) == SQLITE_ROW && rc == RC_OK) {
		if (s.found >= q->limit || s.rows >= LIST_ROWS_LOOKED_AT ||
		    s.bytes >= LIST_BYTES_LOOKED_AT) {
			rc = stop_early(&s, err);
			break;
		}
		s.last = sqlite3_column_int64(source, 0);
		s.rows++;
		rc = look_up(rd, &s, each, arg, err);
	}
	if (rc == RC_OK && step != SQLITE_ROW && step != SQLITE_DONE)
		rc = db_fail(rd->db, "reading a list", err);
	sqlite3_reset(source);
	return rc;
}
