/* fuzz_record.c - the bytes are rows of the journal: columns of any type, the packed detail of
 * a transaction, how far its steps are.
 *
 * What reads is packed and read to the same again.  What is valid is loaded by an engine,
 * which must keep the rules of world.h from there on, and bring it to an end; what is not
 * is refused with words. */
#include "base/mem.h"
#include "coordinator/journal_row.h"
#include "tests/fuzz/world.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

static sqlite3 *db;
static sqlite3_stmt *row_stmt, *step_stmt, *steps_stmt;

static void prepare(void)
{
	if (db != NULL)
		return;
	MUST(sqlite3_open(":memory:", &db) == SQLITE_OK);
	MUST(sqlite3_prepare_v2(db, "SELECT ?1,?2,?3,?4,?5,?6,?7,?8,?9,?10", -1, &row_stmt, NULL) ==
	     SQLITE_OK);
	MUST(sqlite3_prepare_v2(db, "SELECT ?1, ?2, ?3", -1, &step_stmt, NULL) == SQLITE_OK);
	MUST(sqlite3_prepare_v2(db, "SELECT ?1", -1, &steps_stmt, NULL) == SQLITE_OK);
}

/* A column as a disk may give it: of any type. */
static void bind_any(sqlite3_stmt *s, int at, struct feed *f)
{
	const size_t type = feed_choice(f, 4);
	const struct feed bytes = feed_take(f, type >= 2 ? feed_number(f, 1) : 0);

	switch (type) {
	case 0: sqlite3_bind_null(s, at); break;
	case 1: sqlite3_bind_int64(s, at, (sqlite3_int64)feed_number(f, 8)); break;
	case 2:
		sqlite3_bind_text(s, at, (const char *)bytes.at, (int)bytes.left, SQLITE_TRANSIENT);
		break;
	default: sqlite3_bind_blob(s, at, bytes.at, (int)bytes.left, SQLITE_TRANSIENT); break;
	}
}

/* The columns of a good row, some of which the input replaces. */
static void bind_row(struct feed *f)
{
	static const unsigned char hash[BODY_HASH_SIZE];
	const uint64_t wrong = feed_number(f, 2);
	struct feed detail;

	sqlite3_bind_int64(row_stmt, 1, 1700000000000000);
	sqlite3_bind_int(row_stmt, 2, feed_byte(f));
	sqlite3_bind_int(row_stmt, 3, 0);
	sqlite3_bind_int(row_stmt, 4, 1);
	sqlite3_bind_text(row_stmt, 5, "g", 1, SQLITE_STATIC);
	sqlite3_bind_text(row_stmt, 6, "w", 1, SQLITE_STATIC);
	sqlite3_bind_null(row_stmt, 7);
	sqlite3_bind_blob(row_stmt, 8, hash, sizeof hash, SQLITE_STATIC);
	sqlite3_bind_null(row_stmt, 10);
	for (int i = 0; i < 10; i++)
		if ((wrong >> i & 1) != 0)
			bind_any(row_stmt, i + 1, f);
	detail = feed_take(f, feed_number(f, 2));
	sqlite3_bind_blob(row_stmt, 9, detail.at, (int)detail.left, SQLITE_TRANSIENT);
}

/* How far one step is, in a row of its own; `any`: with a key of any kind. */
static enum rc read_one(struct record *r, bool any, uint64_t *orders, struct feed *f,
			struct err *err)
{
	const size_t steps = r->saga->n_steps;
	const size_t n = feed_choice(f, steps + (any || steps == 0 ? 1 : 0));
	const struct feed detail = feed_take(f, feed_number(f, 1));
	enum rc rc;

	sqlite3_bind_int64(step_stmt, 1, row_step_key(r->seq, n));
	sqlite3_bind_blob(step_stmt, 2, detail.at, (int)detail.left, SQLITE_TRANSIENT);
	sqlite3_bind_int(step_stmt, 3, 1);
	if (any)
		bind_any(step_stmt, 1, f);
	MUST(sqlite3_step(step_stmt) == SQLITE_ROW);
	rc = row_read_step(step_stmt, r, orders, err);
	sqlite3_reset(step_stmt);
	return rc;
}

/* Several of them, as a row of the history carries them. */
static enum rc read_several(struct record *r, uint64_t *orders, struct feed *f, struct err *err)
{
	const struct feed piece = feed_take(f, feed_number(f, 2));
	enum rc rc;

	sqlite3_bind_blob(steps_stmt, 1, piece.at, (int)piece.left, SQLITE_TRANSIENT);
	MUST(sqlite3_step(steps_stmt) == SQLITE_ROW);
	rc = row_read_steps(steps_stmt, r, orders, err);
	sqlite3_reset(steps_stmt);
	return rc;
}

static enum rc read_steps(struct record *r, struct feed *f, struct err *err)
{
	uint64_t *orders = r->saga != NULL ? mem_new(r->saga->n_steps, sizeof *orders) : NULL;
	enum rc rc = RC_OK;

	while (rc == RC_OK && r->saga != NULL && f->left > 0) {
		const size_t kind = feed_choice(f, 16);

		rc = kind == 14 ? read_several(r, orders, f, err)
				: read_one(r, kind == 15, orders, f, err);
	}
	free(orders);
	return rc;
}

static struct record *read_record(struct feed *f, struct err *err)
{
	struct record *r = mem_new(1, sizeof *r);
	enum rc rc;

	prepare();
	sqlite3_clear_bindings(row_stmt);
	bind_row(f);
	MUST(sqlite3_step(row_stmt) == SQLITE_ROW);
	rc = row_read_columns(row_stmt, r, err);
	if (rc == RC_OK)
		rc = row_read_detail(row_stmt, r, err);
	sqlite3_reset(row_stmt);
	if (rc == RC_OK)
		rc = read_steps(r, f, err);
	if (rc == RC_OK)
		return r;
	MUST(err->text[0] != '\0');
	record_free(r);
	return NULL;
}

/* ---- packed and read again ---- */

static void check_same(const struct record *r)
{
	struct record *again = mem_new(1, sizeof *again);
	size_t size, size_again;
	void *bytes, *bytes_again;

	memcpy(again->gid, r->gid, sizeof r->gid);
	again->state = r->state;
	record_pack(r, &bytes, &size);
	MUST(record_unpack(again, bytes, size, NULL) == RC_OK);
	record_pack(again, &bytes_again, &size_again);
	MUST(size == size_again && memcmp(bytes, bytes_again, size) == 0);
	free(bytes_again);
	for (size_t i = 0; r->saga != NULL && i < r->saga->n_steps; i++) {
		void *step, *step_again;

		record_pack_step(&r->saga->steps[i], &step, &size);
		MUST(record_unpack_step(&again->saga->steps[i], step, size, NULL) == RC_OK);
		record_pack_step(&again->saga->steps[i], &step_again, &size_again);
		MUST(size == size_again && memcmp(step, step_again, size) == 0);
		free(step);
		free(step_again);
	}
	free(bytes);
	record_free(again);
}

/* ---- loaded ---- */

static void serve_all_of(const struct record *r)
{
	static const char *const args[] = {NULL};

	if (r->definition != NULL)
		world_serve_text(r->definition, strlen(r->definition));
	for (size_t i = 0; i < r->n_branches; i++)
		world_serve(r->branches[i].resource, r->branches[i].operation, args);
	for (size_t i = 0; r->saga != NULL && i < r->saga->n_steps; i++) {
		const struct saga_step *s = &r->saga->steps[i];

		if (s->resource != NULL)
			world_serve(s->resource, s->operation, args);
		if (s->undo_resource != NULL)
			world_serve(s->undo_resource, s->undo_operation, args);
	}
}

/* Text that is no JSON where JSON belongs is looked for when it is read by whom it is for, not
 * here; but then clients' answers are none either. */
static bool is_sound(const struct record *r)
{
	bool sound = r->input == NULL || is_json(r->input, strlen(r->input));

	for (size_t i = 0; i < r->n_branches; i++) {
		const struct record_branch *b = &r->branches[i];

		sound = sound && (b->args == NULL || is_json(b->args, strlen(b->args)));
		sound = sound && (b->output == NULL || is_json(b->output, strlen(b->output)));
	}
	for (size_t i = 0; r->saga != NULL && i < r->saga->n_steps; i++) {
		const struct saga_step *s = &r->saga->steps[i];

		sound = sound && (s->args == NULL || is_json(s->args, strlen(s->args)));
		sound = sound && (s->output == NULL || is_json(s->output, strlen(s->output)));
	}
	return sound;
}

static void load(const struct record *r)
{
	if (!world_open_over(r, (r->seq & 1) != 0))
		return;
	serve_all_of(r);
	if (is_sound(r))
		world_heal();
	else
		world_serve_all();
	world_close();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed f = {data, size};
	struct err err = {0};
	struct record *r = read_record(&f, &err);

	if (r == NULL)
		return 0;
	check_same(r);
	load(r);
	record_free(r);
	return 0;
}
