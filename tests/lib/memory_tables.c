/* memory_tables.c - see memory_tables.h. */
#include "tests/lib/memory_tables.h"
#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct step_row {
	size_t n;
	uint64_t order;
	void *detail;
	size_t size;
	struct step_row *next;
};

struct row {
	uint64_t seq;
	struct write_row put;
	struct step_row *steps;
	struct record *whole; /* made when somebody looks; NULL: not yet, or changed since */
	UT_hash_handle by_gid, by_seq;
};

/* Lines in the order of their coming, which is that of their numbers. */
struct history {
	uint64_t seq;
	struct write_event *lines;
	size_t n, room;
	UT_hash_handle hh;
};

struct version {
	struct write_workflow put;
	bool active;
	struct version *next; /* in the order of their coming */
};

struct memory_tables {
	struct row *by_gid, *by_seq;
	struct history *histories;
	struct version *versions;
	uint64_t starts;
};

uint64_t tables_start(struct memory_tables *m)
{
	return ++m->starts << 40;
}

/* ---- carrying out ---- */

static struct row *row_of(struct memory_tables *m, uint64_t seq)
{
	struct row *row;

	HASH_FIND(by_seq, m->by_seq, &seq, sizeof seq, row);
	return row;
}

static struct row *row_named(struct memory_tables *m, const char *gid)
{
	struct row *row;

	HASH_FIND(by_gid, m->by_gid, gid, strlen(gid), row);
	return row;
}

static void row_changed(struct row *row)
{
	record_free(row->whole);
	row->whole = NULL;
}

static void put_fini(struct write_row *put)
{
	free(put->workflow);
	free(put->reason);
	free(put->detail);
}

static void apply_put(struct memory_tables *m, struct write *w)
{
	struct row *row = row_of(m, w->seq);

	if (row == NULL) {
		assert(row_named(m, w->row.gid) == NULL); /* one gid under two numbers */
		row = mem_new(1, sizeof *row);
		row->seq = w->seq;
		memcpy(row->put.gid, w->row.gid, sizeof row->put.gid);
		HASH_ADD(by_gid, m->by_gid, put.gid, strlen(row->put.gid), row);
		HASH_ADD(by_seq, m->by_seq, seq, sizeof row->seq, row);
	}
	assert(strcmp(row->put.gid, w->row.gid) == 0);
	put_fini(&row->put);
	row->put = w->row;
	w->row.workflow = w->row.reason = NULL; /* the row has them now */
	w->row.detail = NULL;
	row_changed(row);
}

static void apply_end(struct memory_tables *m, const struct write *w)
{
	struct row *row = row_of(m, w->seq);

	assert(row != NULL && strcmp(row->put.gid, w->row.gid) == 0); /* it was put before */
	row->put.state = w->row.state;
	row->put.finished_us = w->row.finished_us;
	row_changed(row);
}

static void apply_step(struct row *row, const struct steps_one *one)
{
	struct step_row *step;

	for (step = row->steps; step != NULL && step->n != one->n; step = step->next)
		;
	if (step == NULL) {
		step = mem_new(1, sizeof *step);
		step->n = one->n;
		step->next = row->steps;
		row->steps = step;
	}
	if (one->order < step->order)
		return;
	free(step->detail);
	step->order = one->order;
	step->detail = mem_dup_bytes(one->detail, one->detail_size);
	step->size = one->detail_size;
}

static void apply_steps(struct memory_tables *m, uint64_t seq, const struct steps *steps)
{
	const unsigned char *at = steps->bytes, *end;
	struct row *row = row_of(m, seq);
	struct steps_one one;

	if (steps->size == 0) /* and no bytes at all */
		return;
	end = at + steps->size;
	assert(row != NULL);
	while (steps_next(&at, end, &one))
		apply_step(row, &one);
	assert(at == end);
	row_changed(row);
}

static void forget_line(struct history *h, size_t at)
{
	free(h->lines[at].json);
	memmove(h->lines + at, h->lines + at + 1, (--h->n - at) * sizeof *h->lines);
}

static void apply_event(struct memory_tables *m, struct write *w)
{
	struct row *row = row_of(m, w->seq);
	struct history *h;

	HASH_FIND(hh, m->histories, &w->seq, sizeof w->seq, h);
	if (h == NULL) {
		h = mem_new(1, sizeof *h);
		h->seq = w->seq;
		HASH_ADD(hh, m->histories, seq, sizeof h->seq, h);
	}
	assert(h->n == 0 || h->lines[h->n - 1].n < w->event.n);
	if (h->n == h->room) {
		h->room = h->room > 0 ? 2 * h->room : 16;
		h->lines = mem_grow(h->lines, h->room, sizeof *h->lines);
	}
	apply_steps(m, w->seq, &w->event.steps);
	h->lines[h->n++] = w->event;
	h->lines[h->n - 1].steps = (struct steps){0};
	w->event.json = NULL;
	if (h->n > EVENTS_KEPT)
		forget_line(h, EVENTS_FIRST_KEPT);
	if (row != NULL)
		row_changed(row);
}

static void apply_activate(struct memory_tables *m, const char *name, uint32_t version)
{
	bool found = false;

	for (struct version *v = m->versions; v != NULL; v = v->next) {
		if (strcmp(v->put.name, name) != 0)
			continue;
		v->active = v->put.version == version;
		found = found || v->active;
	}
	assert(found);
}

static void apply_workflow(struct memory_tables *m, struct write *w)
{
	struct version **end = &m->versions;

	for (; *end != NULL; end = &(*end)->next)
		assert(strcmp((*end)->put.name, w->workflow.name) != 0 ||
		       (*end)->put.version != w->workflow.version);
	*end = mem_new(1, sizeof **end);
	(*end)->put = w->workflow;
	w->workflow.name = w->workflow.text = NULL;
	apply_activate(m, (*end)->put.name, (*end)->put.version);
}

static void row_free(struct row *row)
{
	struct step_row *step, *next;

	for (step = row->steps; step != NULL; step = next) {
		next = step->next;
		free(step->detail);
		free(step);
	}
	put_fini(&row->put);
	record_free(row->whole);
	free(row);
}

static void history_free(struct history *h)
{
	for (size_t i = 0; i < h->n; i++)
		free(h->lines[i].json);
	free(h->lines);
	free(h);
}

/* What became of its groups an unfinished saga may still have to look up. */
static bool may_forget(const struct memory_tables *m, const struct row *row, uint64_t before)
{
	const struct row *saga = NULL;

	if (row->seq >= before || !record_finished(row->put.state))
		return false;
	if (row->put.parent != 0)
		HASH_FIND(by_seq, m->by_seq, &row->put.parent, sizeof row->put.parent, saga);
	return saga == NULL || record_finished(saga->put.state);
}

static void apply_prune(struct memory_tables *m, uint64_t before)
{
	struct row *row, *tmp;
	struct history *h;

	HASH_ITER (by_seq, m->by_seq, row, tmp) {
		if (!may_forget(m, row, before))
			continue;
		HASH_FIND(hh, m->histories, &row->seq, sizeof row->seq, h);
		if (h != NULL) {
			HASH_DEL(m->histories, h);
			history_free(h);
		}
		HASH_DELETE(by_gid, m->by_gid, row);
		HASH_DELETE(by_seq, m->by_seq, row);
		row_free(row);
	}
}

void tables_apply(struct memory_tables *m, struct write *w)
{
	switch (w->kind) {
	case WRITE_PUT: apply_put(m, w); break;
	case WRITE_END: apply_end(m, w); break;
	case WRITE_STEPS: apply_steps(m, w->seq, &w->steps.list); break;
	case WRITE_EVENT: apply_event(m, w); break;
	case WRITE_WORKFLOW: apply_workflow(m, w); break;
	case WRITE_ACTIVATE: apply_activate(m, w->workflow.name, w->workflow.version); break;
	case WRITE_RESOURCE: break;
	case WRITE_PRUNE: apply_prune(m, w->seq); break;
	}
}

/* ---- reading ---- */

static struct record *read_row(struct memory_tables *m, const struct row *row)
{
	struct record *r = mem_new(1, sizeof *r);
	struct history *h;
	struct err err;
	enum rc rc;

	r->seq = row->seq;
	memcpy(r->gid, row->put.gid, sizeof r->gid);
	memcpy(r->hash, row->put.hash, sizeof r->hash);
	r->state = row->put.state;
	r->epoch = row->put.epoch;
	r->finished_us = row->put.finished_us;
	r->workflow = mem_dup(row->put.workflow);
	r->reason = mem_dup(row->put.reason);
	rc = record_unpack(r, row->put.detail, row->put.detail_size, &err);
	assert(rc == RC_OK);
	for (const struct step_row *step = row->steps; step != NULL; step = step->next) {
		assert(r->saga != NULL && step->n < r->saga->n_steps);
		rc = record_unpack_step(&r->saga->steps[step->n], step->detail, step->size, &err);
		assert(rc == RC_OK);
	}
	HASH_FIND(hh, m->histories, &row->seq, sizeof row->seq, h);
	if (h != NULL && h->n > 0)
		r->events = h->lines[h->n - 1].n;
	return r;
}

const struct record *tables_peek(struct memory_tables *m, const char *gid)
{
	struct row *row = row_named(m, gid);

	if (row == NULL)
		return NULL;
	if (row->whole == NULL)
		row->whole = read_row(m, row);
	return row->whole;
}

static int newest_first(const struct row *a, const struct row *b)
{
	return (a->seq < b->seq) - (a->seq > b->seq);
}

static int oldest_first(const struct row *a, const struct row *b)
{
	return -newest_first(a, b);
}

void tables_replay(struct memory_tables *m, workflow_fn workflow,
		   void (*each)(struct record *r, void *arg), void *arg)
{
	struct row *row, *tmp;

	for (const struct version *v = m->versions; v != NULL; v = v->next) {
		const struct workflow_row info = {
			.name = v->put.name,
			.version = v->put.version,
			.active = v->active,
			.published_us = v->put.published_us,
		};

		workflow(&info, arg);
	}
	HASH_SRT(by_seq, m->by_seq, oldest_first);
	HASH_ITER (by_seq, m->by_seq, row, tmp)
		if (!record_finished(row->put.state))
			each(read_row(m, row), arg);
}

enum rc tables_find(struct memory_tables *m, const char *gid, struct record **out, struct err *err)
{
	const struct row *row = row_named(m, gid);

	*out = NULL;
	if (row == NULL)
		return err_set(err, RC_NOT_FOUND, "no such transaction");
	*out = read_row(m, row);
	return RC_OK;
}

enum rc tables_list(struct memory_tables *m, const struct list_query *q, record_fn each, void *arg,
		    struct err *err)
{
	struct row *row, *tmp;
	size_t n = 0;

	(void)err;
	HASH_SRT(by_seq, m->by_seq, newest_first);
	HASH_ITER (by_seq, m->by_seq, row, tmp) {
		if (n == q->limit)
			break;
		if ((row->put.parent != 0 && !q->groups) ||
		    (q->before_seq != 0 && row->seq >= q->before_seq))
			continue;
		each(tables_peek(m, row->put.gid), arg);
		n++;
	}
	return RC_OK;
}

enum rc tables_events(struct memory_tables *m, uint64_t seq, uint64_t after, size_t limit,
		      event_fn each, void *arg, struct err *err)
{
	struct history *h;

	(void)err;
	HASH_FIND(hh, m->histories, &seq, sizeof seq, h);
	for (size_t i = 0; h != NULL && i < h->n && limit > 0; i++) {
		const struct write_event *line = &h->lines[i];

		if (line->n <= after)
			continue;
		each(line->n, line->at_us, line->json, arg);
		limit--;
	}
	return RC_OK;
}

enum rc tables_workflow(struct memory_tables *m, const char *name, uint32_t version, char **text,
			struct err *err)
{
	*text = NULL;
	for (const struct version *v = m->versions; v != NULL && *text == NULL; v = v->next)
		if (v->put.version == version && strcmp(v->put.name, name) == 0)
			*text = mem_dup(v->put.text);
	return *text != NULL ? RC_OK : err_set(err, RC_NOT_FOUND, "no such workflow");
}

/* ---- life ---- */

struct memory_tables *tables_new(void)
{
	return mem_new(1, sizeof(struct memory_tables));
}

void tables_free(struct memory_tables *m)
{
	struct row *row, *row_next;
	struct history *h, *h_next;
	struct version *v;

	HASH_CLEAR(by_seq, m->by_seq);
	HASH_ITER (by_gid, m->by_gid, row, row_next) {
		HASH_DELETE(by_gid, m->by_gid, row);
		row_free(row);
	}
	HASH_ITER (hh, m->histories, h, h_next) {
		HASH_DEL(m->histories, h);
		history_free(h);
	}
	while ((v = m->versions) != NULL) {
		m->versions = v->next;
		free(v->put.name);
		free(v->put.text);
		free(v);
	}
	free(m);
}
