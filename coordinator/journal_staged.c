/* journal_staged.c - see journal_staged.h. */
#include "coordinator/journal_staged.h"
#include "base/mem.h"
#include "coordinator/journal_catalog.h"
#include "coordinator/journal_row.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct staged *staged_new(void)
{
	struct staged *s = mem_new(1, sizeof *s);

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
	case WRITE_STEP: free(w->step.detail); break;
	case WRITE_EVENT: free(w->event.json); break;
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

void staged_step(struct staged *s, const struct record *r, size_t n)
{
	struct write_step *step = &add_of(s, WRITE_STEP, r->seq)->step;

	assert(r->saga != NULL && n < r->saga->n_steps);
	step->n = n;
	record_pack_step(&r->saga->steps[n], &step->detail, &step->detail_size);
}

void staged_event(struct staged *s, uint64_t seq, uint64_t n, uint64_t wall_us, const char *json)
{
	struct write_event *event = &add_of(s, WRITE_EVENT, seq)->event;

	assert(n > 0 && n <= INT64_MAX);
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
