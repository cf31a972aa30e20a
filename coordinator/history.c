/* history.c - what happened to a transaction, line by line, for people.
 *
 * A saga's lines are journalled with the batch of what they tell; nobody waits for
 * them, and no decision rests on them.  One that tells of nothing forced (an attempt
 * begins) waits for the next that does, LAZY_FLUSH_US at the most: the lines of a
 * transaction that go with one batch are one row, numbered by its last line, whose JSON
 * is a list: line, µs from the first line to the second, second line, and so on.  A line
 * alone is an object.  Only the first EVENTS_FIRST_KEPT lines are put together, so that
 * each of those that may be pushed out by newer ones is a row.  They are read from the journal
 * alone: an answer is built when the batch of the newest line is durable.  A plain transaction has
 * no lines of its own: its record tells begin and end. */
#include "base/clock.h"
#include "base/mem.h"
#include "coordinator/core.h"
#include "coordinator/jsonout.h"
#include "coordinator/view.h"

#include <stdlib.h>
#include <string.h>

enum { EVENTS_PAGE = 200 };

struct jsonbuf *history_open(struct engine *e, const char *event)
{
	e->line.max = SIZE_MAX;
	e->line.size = 0;
	out_open(&e->line, '{');
	out_text(&e->line, "event", event);
	return &e->line;
}

/* ---- lines that wait ---- */

static void unlist(struct engine *e, struct lines *l)
{
	if (l->telling)
		DL_DELETE(e->telling, l);
	else
		DL_DELETE(e->quiet, l);
	l->telling = false;
}

void history_with_batch(struct engine *e, struct txn *t)
{
	struct lines *l = t->lines;

	if (l == NULL || l->n == 0 || l->telling)
		return;
	unlist(e, l);
	l->telling = true;
	DL_APPEND(e->telling, l);
}

/* They were staged, or are not wanted any more. */
static void clear(struct engine *e, struct lines *l)
{
	if (l->n > 0)
		unlist(e, l);
	l->n = 0;
	jsonbuf_fini(&l->text);
}

void history_drop(struct engine *e, struct txn *t)
{
	if (t->lines == NULL)
		return;
	clear(e, t->lines);
	free(t->lines);
	t->lines = NULL;
}

void history_flush(struct engine *e, struct txn *t)
{
	struct lines *l = t->lines;

	if (l == NULL || l->n == 0)
		return;
	if (l->n > 1)
		out_close(&l->text, ']');
	e->journal.put_event(e->journal.self, t->rec->seq, t->rec->events, l->wall_us,
			     jsonbuf_peek(&l->text) + (l->n == 1));
	effects_stage_lazy(e);
	if (l->since_us < e->staged_us)
		e->staged_us = l->since_us; /* it has waited since then */
	t->events_batch = e->open->id;
	clear(e, l);
}

void history_overdue(struct engine *e, bool all)
{
	while (e->quiet != NULL && (all || e->now_us >= history_due(e)))
		history_flush(e, e->quiet->txn);
}

void history_batch_closes(struct engine *e)
{
	while (e->telling != NULL)
		history_flush(e, e->telling->txn);
}

uint64_t history_due(const struct engine *e)
{
	return e->quiet != NULL ? e->quiet->since_us + LAZY_FLUSH_US : UINT64_MAX;
}

static void keep(struct engine *e, struct txn *t)
{
	struct lines *l = t->lines;

	if (l == NULL) {
		t->lines = l = mem_new(1, sizeof *l);
		l->txn = t;
	}
	if (l->n++ == 0) {
		l->text.max = SIZE_MAX;
		l->since_us = e->now_us;
		l->wall_us = e->wall_us;
		out_open(&l->text, '[');
		DL_APPEND(e->quiet, l);
	} else {
		out_item_number(&l->text, (int64_t)(e->wall_us - l->wall_us));
	}
	out_item(&l->text, jsonbuf_peek(&e->line));
}

void history_close(struct engine *e, struct txn *t)
{
	const bool alone = t->rec->events >= EVENTS_FIRST_KEPT;

	out_close(&e->line, '}');
	if (alone)
		history_flush(e, t);
	t->rec->events++;
	keep(e, t);
	if (alone || e->draining)
		history_flush(e, t);
	else if (t->batch == e->open->id)
		history_with_batch(e, t);
	clients_news(e, t);
}

/* ---- common lines ---- */

void history_say(struct engine *e, struct txn *t, const char *event, const char *reason)
{
	out_text(history_open(e, event), "reason", reason);
	history_close(e, t);
}

void history_step(struct engine *e, struct txn *t, size_t step, const char *event,
		  const char *reason)
{
	struct jsonbuf *line = history_open(e, event);

	out_text(line, "step", t->rec->saga->steps[step].name);
	out_text(line, "reason", reason);
	history_close(e, t);
}

/* ---- reading ---- */

struct page {
	json_t *list;
	uint64_t last;
};

/* Takes `line`; what is not to be read, or is beyond the page, is left out. */
static void add_line(struct page *page, uint64_t n, uint64_t wall_us, json_t *line)
{
	char when[32];

	if (n <= page->last || json_array_size(page->list) == EVENTS_PAGE) {
		json_decref(line);
		return;
	}
	json_object_set_new(line, "n", json_integer((json_int_t)n));
	json_object_set_new(line, "time", json_string(time_format(wall_us, when)));
	json_array_append_new(page->list, line);
	page->last = n;
}

/* A row: its last line is number `n`. */
static void add_row(uint64_t n, uint64_t wall_us, const char *json, void *arg)
{
	json_t *row = json_loads(json, 0, NULL), *line;
	uint64_t offset = 0;

	if (!json_is_array(row)) {
		add_line(arg, n, wall_us, json_is_object(row) ? json_incref(row) : json_object());
		json_decref(row);
		return;
	}
	n -= json_array_size(row) / 2;
	for (size_t i = 0; i < json_array_size(row); i++) {
		line = json_array_get(row, i);
		if (json_is_object(line))
			add_line(arg, n++, wall_us + offset, json_incref(line));
		else
			offset = (uint64_t)json_integer_value(line);
	}
	json_decref(row);
}

/* What the record of a plain transaction tells. */
static void tell_plain(const struct record *r, enum txn_state state, uint64_t after,
		       struct page *page)
{
	if (after < 1)
		add_line(page, 1, r->seq, json_pack("{s:s}", "event", "begun"));
	if (record_finished(state) && after < 2) {
		json_t *line = json_pack("{s:s, s:s}", "event", "finished", "status",
					 record_status(state));

		if (r->reason != NULL)
			json_object_set_new(line, "reason", json_string(r->reason));
		add_line(page, 2, r->finished_us, line);
	}
}

static char *build(struct engine *e, const struct record *r, enum txn_state state, uint64_t after,
		   struct err *err)
{
	struct page page = {json_array(), after};
	enum rc rc = RC_OK;

	if (r->saga == NULL)
		tell_plain(r, state, after, &page);
	else
		rc = e->journal.events(e->journal.self, r->seq, after, EVENTS_PAGE, add_row, &page,
				       err);
	if (rc != RC_OK) {
		json_decref(page.list);
		return NULL;
	}
	return view_dump(json_pack("{s:o, s:I, s:s}", "events", page.list, "next",
				   (json_int_t)page.last, "status", record_status(state)));
}

void history_answer(struct engine *e, uint64_t client, const char *gid, uint64_t after,
		    enum txn_state state)
{
	struct record *stored = NULL;
	const struct record *r = NULL;
	char *json = NULL;
	struct err err;
	struct txn *t;
	enum rc rc = RC_OK;

	HASH_FIND_STR(e->txns, gid, t);
	if (t != NULL)
		r = t->rec;
	else if ((rc = e->journal.find(e->journal.self, gid, &stored, &err)) == RC_OK)
		r = stored;
	if (r != NULL && (t == NULL || t->batch <= e->durable || state == 0))
		state = r->state;
	if (r != NULL)
		json = build(e, r, state, after, &err);
	if (json != NULL)
		e->clients_port.answer(e->clients_port.self, client, ANSWER_OK, json, NULL);
	else
		e->clients_port.answer(e->clients_port.self, client,
				       rc == RC_NOT_FOUND ? ANSWER_NOT_FOUND : ANSWER_FAILED, NULL,
				       rc == RC_NOT_FOUND ? "no such transaction" : err.text);
	record_free(stored);
}
