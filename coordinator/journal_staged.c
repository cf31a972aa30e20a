/* journal_staged.c - see journal_staged.h. */
#include "coordinator/journal_staged.h"
#include "base/mem.h"
#include "coordinator/journal_catalog.h"
#include "coordinator/journal_row.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Larger steps have rows of their own, which are replaced: rows of a history are not, and would
 * keep every state of them. */
enum { SMALL_STEP = 512 };

struct staged *staged_new(uint64_t order)
{
	struct staged *s = mem_new(1, sizeof *s);

	s->order = order;
	s->last = &s->first;
	return s;
}

static void write_free(struct write *w)
{
	switch (w->kind) {
	case WRITE_PUT:
	case WRITE_END:
		free(w->row.workflow);
		free(w->row.reason);
		free(w->row.detail);
		break;
	case WRITE_STEPS: free(w->steps.list.bytes); break;
	case WRITE_EVENT:
		free(w->event.json);
		free(w->event.steps.bytes);
		break;
	case WRITE_RESOURCE:
		free(w->resource.name);
		free(w->resource.adapter);
		free(w->resource.operations);
		break;
	case WRITE_WORKFLOW:
	case WRITE_ACTIVATE:
		free(w->workflow.name);
		free(w->workflow.text);
		break;
	case WRITE_PRUNE: break;
	}
	free(w);
}

void staged_free(struct staged *s)
{
	struct write *w, *next;

	if (s == NULL)
		return;
	for (w = s->first; w != NULL; w = next) {
		next = w->next;
		write_free(w);
	}
	free(s);
}

static struct write *add(struct staged *s, enum write_kind kind)
{
	struct write *w = mem_new(1, sizeof *w);

	w->kind = kind;
	*s->last = w;
	s->last = &w->next;
	return w;
}

static struct write *add_of(struct staged *s, enum write_kind kind, uint64_t seq)
{
	struct write *w = add(s, kind);

	assert(seq > 0 && seq <= ROW_SEQ_MAX);
	w->seq = seq;
	return w;
}

static struct write_row *add_row(struct staged *s, enum write_kind kind, const struct record *r)
{
	struct write_row *row = &add_of(s, kind, r->seq)->row;

	memcpy(row->gid, r->gid, sizeof row->gid);
	row->state = r->state;
	row->finished_us = r->finished_us;
	return row;
}

void staged_put(struct staged *s, const struct record *r)
{
	struct write_row *row = add_row(s, WRITE_PUT, r);

	row->epoch = r->epoch;
	memcpy(row->hash, r->hash, sizeof row->hash);
	row->parent = r->parent_seq;
	row->workflow = mem_dup(r->workflow);
	row->reason = mem_dup(r->reason);
	record_pack(r, &row->detail, &row->detail_size);
}

void staged_end(struct staged *s, const struct record *r)
{
	assert(record_finished(r->state));
	add_row(s, WRITE_END, r);
}

static struct write **bucket_of(struct staged *s, uint64_t seq)
{
	return &s->small[seq % STAGED_BUCKETS];
}

/* The small steps of that saga in this batch; NULL if there are none. */
static struct write *small_steps(struct staged *s, uint64_t seq)
{
	struct write *w = *bucket_of(s, seq);

	while (w != NULL && w->seq != seq)
		w = w->steps.next;
	return w;
}

static struct write *add_small_steps(struct staged *s, uint64_t seq)
{
	struct write *w = add_of(s, WRITE_STEPS, seq), **bucket = bucket_of(s, seq);

	w->steps.next = *bucket;
	*bucket = w;
	return w;
}

/* They become those of an event that is still to be filled; NULL if there are none. */
static struct write *take_small_steps(struct staged *s, uint64_t seq)
{
	struct write **link = bucket_of(s, seq), *w;
	struct steps list;

	while (*link != NULL && (*link)->seq != seq)
		link = &(*link)->steps.next;
	w = *link;
	if (w == NULL)
		return NULL;
	*link = w->steps.next;
	list = w->steps.list;
	w->kind = WRITE_EVENT;
	w->event = (struct write_event){.steps = list};
	return w;
}

void staged_step(struct staged *s, const struct record *r, size_t n)
{
	struct steps_one one = {.n = n, .order = ++s->order};
	struct write *w;
	void *detail;

	assert(r->saga != NULL && n < r->saga->n_steps);
	record_pack_step(&r->saga->steps[n], &detail, &one.detail_size);
	one.detail = detail;
	if (one.detail_size > SMALL_STEP)
		w = add_of(s, WRITE_STEPS, r->seq);
	else if ((w = small_steps(s, r->seq)) == NULL)
		w = add_small_steps(s, r->seq);
	steps_add(&w->steps.list, &one);
	free(detail);
}

void staged_event(struct staged *s, uint64_t seq, uint64_t n, uint64_t wall_us, const char *json)
{
	/* Later rows are pushed out by newer ones, and would take the steps with them. */
	struct write *w = n <= EVENTS_FIRST_KEPT ? take_small_steps(s, seq) : NULL;
	struct write_event *event;

	assert(n > 0 && n <= INT64_MAX);
	if (w == NULL)
		w = add_of(s, WRITE_EVENT, seq);
	event = &w->event;
	event->n = n;
	event->at_us = wall_us;
	event->json = mem_dup(json);
}

void staged_resource(struct staged *s, const struct resource_info *info)
{
	struct write_resource *resource = &add(s, WRITE_RESOURCE)->resource;

	resource->name = mem_dup(info->name);
	resource->adapter = mem_dup(info->adapter);
	resource->one_phase = info->one_phase;
	resource->calls = info->calls;
	resource->exact = info->exact;
	resource->groups = info->groups;
	resource->operations = catalog_operations(info);
}

void staged_workflow(struct staged *s, const struct workflow_row *row)
{
	struct write_workflow *workflow = &add(s, WRITE_WORKFLOW)->workflow;

	assert(row->version > 0 && strlen(row->text) <= WORKFLOW_TEXT_MAX);
	workflow->name = mem_dup(row->name);
	workflow->version = row->version;
	workflow->published_us = row->published_us;
	workflow->text = mem_dup(row->text);
}

void staged_activate(struct staged *s, const char *name, uint32_t version)
{
	struct write_workflow *workflow = &add(s, WRITE_ACTIVATE)->workflow;

	workflow->name = mem_dup(name);
	workflow->version = version;
}

void staged_prune(struct staged *s, uint64_t before_us)
{
	add(s, WRITE_PRUNE)->seq = before_us < ROW_SEQ_MAX ? before_us : ROW_SEQ_MAX;
}
