/* lists.c - what clients ask of the whole: transactions, agents, resources, counts.
 *
 * A list of transactions is the journal's rows merged with those in memory, which
 * may not be in the journal (yet).  Memory wins where both know one. */
#include "base/clock.h"
#include "base/mem.h"
#include "coordinator/core.h"
#include "coordinator/jsonout.h"
#include "coordinator/view.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- transactions ---- */

static bool touches(const struct record *r, const char *resource)
{
	const struct saga *s = r->saga;

	for (size_t i = 0; i < r->n_branches; i++)
		if (strcmp(r->branches[i].resource, resource) == 0)
			return true;
	for (size_t i = 0; s != NULL && i < s->n_steps; i++)
		if ((s->steps[i].resource != NULL && strcmp(s->steps[i].resource, resource) == 0) ||
		    (s->steps[i].undo_resource != NULL &&
		     strcmp(s->steps[i].undo_resource, resource) == 0))
			return true;
	return false;
}

static bool matches(const struct record *r, const struct list_query *q)
{
	return r->parent_seq == 0 && (q->before_seq == 0 || r->seq < q->before_seq) &&
	       r->seq >= q->since_us && (q->until_us == 0 || r->seq < q->until_us) &&
	       (q->status == NULL || strcmp(record_status(r->state), q->status) == 0) &&
	       (q->workflow == NULL || strcmp(r->workflow, q->workflow) == 0) &&
	       (q->resource == NULL || touches(r, q->resource));
}

struct row {
	uint64_t seq;
	char *json;
};

struct rows {
	struct engine *e;
	struct row *all;
	size_t n, room;
};

static void add_row(struct rows *rows, const struct record *r)
{
	if (rows->n == rows->room) {
		rows->room = rows->room > 0 ? 2 * rows->room : 64;
		rows->all = mem_grow(rows->all, rows->room, sizeof *rows->all);
	}
	rows->all[rows->n++] = (struct row){r->seq, view_row(r)};
}

static void add_from_journal(const struct record *r, void *arg)
{
	struct rows *rows = arg;
	struct txn *t;

	HASH_FIND_STR(rows->e->txns, r->gid, t);
	if (t == NULL)
		add_row(rows, r);
}

static int newest_first(const void *x, const void *y)
{
	const struct row *a = x, *b = y;

	return (a->seq < b->seq) - (a->seq > b->seq);
}

/* The journal was looked at down to `next` (0: to its end), so only rows from there
 * up are complete; of those the newest `limit` are shown, and the cursor says where
 * the next page begins. */
static char *page(struct rows *rows, size_t limit, uint64_t next)
{
	struct jsonbuf out = {.max = SIZE_MAX};
	uint64_t cursor = next;
	char text[32];
	size_t n = 0;

	if (rows->n > 0)
		qsort(rows->all, rows->n, sizeof *rows->all, newest_first);
	out_open(&out, '{');
	out_key(&out, "transactions");
	out_open(&out, '[');
	for (size_t i = 0; i < rows->n; i++) {
		if (rows->all[i].seq < next)
			continue; /* of memory; it comes with its page */
		if (n++ == limit) {
			cursor = rows->all[i - 1].seq;
			break;
		}
		out_item(&out, rows->all[i].json);
	}
	out_close(&out, ']');
	if (cursor != 0) {
		snprintf(text, sizeof text, "%" PRIu64, cursor);
		out_text(&out, "next", text);
	}
	out_close(&out, '}');
	return jsonbuf_take(&out);
}

static void rows_free(struct rows *rows)
{
	for (size_t i = 0; i < rows->n; i++)
		free(rows->all[i].json);
	free(rows->all);
}

void engine_list(struct engine *e, uint64_t client, const struct list_query *q)
{
	struct rows rows = {.e = e};
	struct list_query past = *q;
	uint64_t next = 0;
	struct txn *t, *tmp;
	struct err err;

	HASH_ITER (hh, e->txns, t, tmp)
		if (matches(t->rec, q))
			add_row(&rows, t->rec);
	past.next_seq = &next;
	if (e->journal.list(e->journal.self, &past, add_from_journal, &rows, &err) != RC_OK)
		effects_answer(e, 0, client, ANSWER_FAILED, NULL, err.text);
	else
		effects_answer(e, effects_latest(e), client, ANSWER_OK, page(&rows, q->limit, next),
			       NULL);
	rows_free(&rows);
}

/* ---- agents, resources, counts ---- */

static json_t *view_agent(const struct engine *e, const struct agent *a)
{
	json_t *list = json_array(), *out;
	char when[32];

	(void)e;
	for (size_t i = 0; i < a->n_resources; i++) {
		const struct agent_resource *ar = &a->resources[i];
		json_t *one =
			json_pack("{s:s, s:b}", "name", ar->resource->name, "ready", ar->ready);

		if (ar->problem != NULL)
			json_object_set_new(one, "problem", json_string(ar->problem));
		json_array_append_new(list, one);
	}
	out = json_pack("{s:s, s:b, s:I, s:I, s:o}", "name", a->name, "connected", a->connected,
			"window", (json_int_t)a->window, "open", (json_int_t)a->open, "resources",
			list);
	if (a->last_poll_wall_us != 0)
		json_object_set_new(out, "last_seen",
				    json_string(time_format(a->last_poll_wall_us, when)));
	return out;
}

void engine_agents(struct engine *e, uint64_t client)
{
	json_t *list = json_array();
	struct agent *a, *tmp;

	HASH_ITER (hh, e->agents, a, tmp)
		json_array_append_new(list, view_agent(e, a));
	effects_answer(e, 0, client, ANSWER_OK, view_dump(json_pack("{s:o}", "agents", list)),
		       NULL);
}

static json_t *view_operation(const struct operation_info *op)
{
	json_t *args = json_array();

	for (size_t i = 0; i < op->n_args; i++)
		json_array_append_new(args, json_string(op->args[i]));
	return json_pack("{s:s, s:o}", "name", op->name, "args", args);
}

static json_t *view_resource(struct engine *e, const struct resource *res)
{
	json_t *ops = json_array(), *served = json_array(), *out;
	bool ready = false;
	struct agent *a, *tmp;

	for (size_t i = 0; i < res->info.n_operations; i++)
		json_array_append_new(ops, view_operation(&res->info.operations[i]));
	HASH_ITER (hh, e->agents, a, tmp) {
		const struct agent_resource *ar = agent_serves(a, res);

		if (ar == NULL)
			continue;
		json_array_append_new(served, json_string(a->name));
		ready = ready || (a->connected && ar->ready);
	}
	out = json_pack("{s:s, s:s, s:b, s:b, s:o, s:o}", "name", res->name, "adapter",
			res->info.adapter, "ready", ready, "one_phase", res->info.one_phase,
			"agents", served, "operations", ops);
	return out;
}

void engine_resources(struct engine *e, uint64_t client)
{
	json_t *list = json_array();
	struct resource *res, *tmp;

	HASH_ITER (hh, e->resources, res, tmp)
		if (res->known)
			json_array_append_new(list, view_resource(e, res));
	effects_answer(e, 0, client, ANSWER_OK, view_dump(json_pack("{s:o}", "resources", list)),
		       NULL);
}

struct now {
	size_t running, committing, rolling_back, stuck;
};

static void count_one(struct now *now, enum txn_state s)
{
	const char *status = record_status(s);

	now->running += strcmp(status, "running") == 0;
	now->committing += strcmp(status, "committing") == 0;
	now->rolling_back += strcmp(status, "rolling_back") == 0;
	now->stuck += txn_is_stuck(s);
}

void engine_stats(struct engine *e, uint64_t client)
{
	struct now now = {0};
	size_t connected = 0;
	struct txn *t, *tmp;
	struct agent *a, *next;
	json_t *out;

	HASH_ITER (hh, e->txns, t, tmp)
		if (t->rec->parent_seq == 0)
			count_one(&now, t->rec->state);
	HASH_ITER (hh, e->agents, a, next)
		connected += a->connected;
	out = json_pack(
		"{s:s, s:I, s:{s:I, s:I, s:I, s:I}, s:{s:I, s:I, s:I, s:I}, s:{s:I, s:I, s:I}, "
		"s:I}",
		"cluster", e->settings.cluster, "epoch", (json_int_t)e->settings.epoch, "now",
		"running", (json_int_t)now.running, "committing", (json_int_t)now.committing,
		"rolling_back", (json_int_t)now.rolling_back, "stuck", (json_int_t)now.stuck,
		"since_start", "begun", (json_int_t)e->counters.begun, "committed",
		(json_int_t)e->counters.committed, "rolled_back",
		(json_int_t)e->counters.rolled_back, "hazards", (json_int_t)e->counters.hazards,
		"steps", "attempts", (json_int_t)e->counters.attempts, "retried",
		(json_int_t)e->counters.retried, "undone", (json_int_t)e->counters.undone,
		"agents_connected", (json_int_t)connected);
	effects_answer(e, 0, client, ANSWER_OK, view_dump(out), NULL);
}
