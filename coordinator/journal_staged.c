/* journal_staged.c - see journal_staged.h. */
#include "coordinator/journal_staged.h"
#include "base/mem.h"
#include "coordinator/journal_catalog.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct staged *staged_new(void)
{
	struct staged *s = mem_new(1, sizeof *s);

	s->last = &s->first;
	return s;
}

void staged_free(struct staged *s)
{
	struct write *w, *next;

	if (s == NULL)
		return;
	for (w = s->first; w != NULL; w = next) {
		next = w->next;
		free(w->workflow);
		free(w->reason);
		free(w->detail);
		free(w->name);
		free(w->adapter);
		free(w->operations);
		free(w);
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

static struct write *add_row(struct staged *s, enum write_kind kind, const struct record *r)
{
	struct write *w = add(s, kind);

	assert(r->seq > 0 && r->seq <= INT64_MAX);
	w->seq = r->seq;
	memcpy(w->gid, r->gid, sizeof w->gid);
	w->state = r->state;
	w->finished_us = r->finished_us;
	return w;
}

void staged_put(struct staged *s, const struct record *r)
{
	struct write *w = add_row(s, WRITE_PUT, r);

	w->epoch = r->epoch;
	memcpy(w->hash, r->hash, sizeof w->hash);
	w->workflow = mem_dup(r->workflow);
	w->reason = mem_dup(r->reason);
	record_pack(r, &w->detail, &w->detail_size);
}

void staged_end(struct staged *s, const struct record *r)
{
	assert(record_finished(r->state));
	add_row(s, WRITE_END, r);
}

void staged_resource(struct staged *s, const struct resource_info *info)
{
	struct write *w = add(s, WRITE_RESOURCE);

	w->name = mem_dup(info->name);
	w->adapter = mem_dup(info->adapter);
	w->one_phase = info->one_phase;
	w->operations = catalog_operations(info);
}

void staged_prune(struct staged *s, uint64_t before_us)
{
	add(s, WRITE_PRUNE)->seq = before_us < INT64_MAX ? before_us : INT64_MAX;
}
