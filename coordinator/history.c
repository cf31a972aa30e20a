/* history.c - what happened to a transaction, line by line, for people.
 *
 * A saga's lines are journalled with the batch of what they tell; nobody waits for
 * them, and no decision rests on them.  They are read from the journal alone: an
 * answer is built when the batch of the newest line is durable.  A plain
 * transaction has no lines of its own: its record tells begin and end. */
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

void history_close(struct engine *e, struct txn *t)
{
	struct record *r = t->rec;

	out_close(&e->line, '}');
	r->events++;
	e->journal.put_event(e->journal.self, r->seq, r->events, e->wall_us,
			     jsonbuf_peek(&e->line));
	effects_stage_lazy(e);
	t->events_batch = e->open->id;
	clients_news(e, t);
}

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

static void add_line(uint64_t n, uint64_t wall_us, const char *json, void *arg)
{
	struct page *page = arg;
	json_t *line = json_loads(json, 0, NULL);
	char when[32];

	if (!json_is_object(line)) {
		json_decref(line);
		line = json_object();
	}
	json_object_set_new(line, "n", json_integer((json_int_t)n));
	json_object_set_new(line, "time", json_string(time_format(wall_us, when)));
	json_array_append_new(page->list, line);
	page->last = n;
}

/* What the record of a plain transaction tells. */
static void tell_plain(const struct record *r, uint64_t after, struct page *page)
{
	char *end = NULL;

	if (after < 1)
		add_line(1, r->seq, "{\"event\": \"begun\"}", page);
	if (record_finished(r->state) && after < 2) {
		json_t *line = json_pack("{s:s, s:s}", "event", "finished", "status",
					 record_status(r->state));

		if (r->reason != NULL)
			json_object_set_new(line, "reason", json_string(r->reason));
		end = view_dump(line);
		add_line(2, r->finished_us, end, page);
		free(end);
	}
}

static char *build(struct engine *e, const struct record *r, uint64_t after, struct err *err)
{
	struct page page = {json_array(), after};
	enum rc rc = RC_OK;

	if (r->saga == NULL)
		tell_plain(r, after, &page);
	else
		rc = e->journal.events(e->journal.self, r->seq, after, EVENTS_PAGE, add_line, &page,
				       err);
	if (rc != RC_OK) {
		json_decref(page.list);
		return NULL;
	}
	return view_dump(json_pack("{s:o, s:I, s:s}", "events", page.list, "next",
				   (json_int_t)page.last, "status", record_status(r->state)));
}

void history_answer(struct engine *e, uint64_t client, const char *gid, uint64_t after)
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
	if (r != NULL)
		json = build(e, r, after, &err);
	if (json != NULL)
		e->clients_port.answer(e->clients_port.self, client, ANSWER_OK, json, NULL);
	else
		e->clients_port.answer(e->clients_port.self, client,
				       rc == RC_NOT_FOUND ? ANSWER_NOT_FOUND : ANSWER_FAILED, NULL,
				       rc == RC_NOT_FOUND ? "no such transaction" : err.text);
	record_free(stored);
}
