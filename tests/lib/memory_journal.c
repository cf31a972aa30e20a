/* memory_journal.c - see memory_journal.h.
 *
 * Writes are staged by the real journal's own code, which packs them, and are then
 * carried out on tables in memory. */
#include "tests/lib/memory_journal.h"
#include "base/mem.h"
#include "tests/lib/memory_tables.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct memory_journal {
	struct staged *open, *flying;
	uint64_t committed, synced;
	struct memory_tables *tables;
	bool beside; /* the tables are another's */
};

/* ---- batches ---- */

void memory_journal_durable(struct memory_journal *m, uint64_t batch)
{
	assert(batch <= m->committed);
	while (m->flying != NULL && m->flying->id <= batch) {
		struct staged *s = m->flying;

		for (struct write *w = s->first; w != NULL; w = w->next)
			tables_apply(m->tables, w);
		m->flying = s->next;
		staged_free(s);
	}
	if (batch > m->synced)
		m->synced = batch;
}

void memory_journal_crash(struct memory_journal *m)
{
	struct staged *s;

	while ((s = m->flying) != NULL) {
		m->flying = s->next;
		staged_free(s);
	}
	staged_free(m->open);
	m->open = staged_new(tables_start(m->tables));
	m->committed = m->synced = 0;
}

uint64_t memory_journal_committed(const struct memory_journal *m)
{
	return m->committed;
}

uint64_t memory_journal_synced(const struct memory_journal *m)
{
	return m->synced;
}

const struct record *memory_journal_peek(struct memory_journal *m, const char *gid)
{
	return tables_peek(m->tables, gid);
}

void memory_journal_replay(struct memory_journal *m, workflow_fn workflow,
			   void (*each)(struct record *r, void *arg), void *arg)
{
	tables_replay(m->tables, workflow, each, arg);
}

/* ---- the port ---- */

static void port_put(void *self, const struct record *r)
{
	struct memory_journal *m = self;

	staged_put(m->open, r);
}

static void port_end(void *self, const struct record *r)
{
	struct memory_journal *m = self;

	staged_end(m->open, r);
}

static void port_put_step(void *self, const struct record *r, size_t n)
{
	struct memory_journal *m = self;

	staged_step(m->open, r, n);
}

static void port_put_event(void *self, uint64_t seq, uint64_t n, uint64_t wall_us, const char *json)
{
	struct memory_journal *m = self;

	staged_event(m->open, seq, n, wall_us, json);
}

static void port_put_resource(void *self, const struct resource_info *info)
{
	(void)self;
	(void)info;
}

static void port_put_workflow(void *self, const struct workflow_row *row)
{
	struct memory_journal *m = self;

	staged_workflow(m->open, row);
}

static void port_activate(void *self, const char *name, uint32_t version)
{
	struct memory_journal *m = self;

	staged_activate(m->open, name, version);
}

static void port_prune(void *self, uint64_t before_us)
{
	struct memory_journal *m = self;

	staged_prune(m->open, before_us);
}

static void port_commit(void *self, uint64_t batch, bool at_once)
{
	(void)at_once; /* when a batch is durable is for the test to say */
	struct memory_journal *m = self;
	struct staged **end = &m->flying;
	const uint64_t order = m->open->order;

	assert(batch == m->committed + 1);
	m->committed = batch;
	m->open->id = batch;
	while (*end != NULL)
		end = &(*end)->next;
	*end = m->open;
	m->open = staged_new(order);
}

static enum rc port_find(void *self, const char *gid, struct record **out, struct err *err)
{
	struct memory_journal *m = self;

	return tables_find(m->tables, gid, out, err);
}

static enum rc port_list(void *self, const struct list_query *q, record_fn each, void *arg,
			 struct err *err)
{
	struct memory_journal *m = self;

	return tables_list(m->tables, q, each, arg, err);
}

static enum rc port_events(void *self, uint64_t seq, uint64_t after, size_t limit, event_fn each,
			   void *arg, struct err *err)
{
	struct memory_journal *m = self;

	return tables_events(m->tables, seq, after, limit, each, arg, err);
}

static enum rc port_workflow(void *self, const char *name, uint32_t version, char **text,
			     struct err *err)
{
	struct memory_journal *m = self;

	return tables_workflow(m->tables, name, version, text, err);
}

struct journal_port memory_journal_port(struct memory_journal *m)
{
	return (struct journal_port){
		.put = port_put,
		.end = port_end,
		.put_step = port_put_step,
		.put_event = port_put_event,
		.put_resource = port_put_resource,
		.put_workflow = port_put_workflow,
		.activate = port_activate,
		.prune = port_prune,
		.commit = port_commit,
		.find = port_find,
		.list = port_list,
		.events = port_events,
		.workflow = port_workflow,
		.self = m,
	};
}

/* ---- life ---- */

struct memory_journal *memory_journal_new(void)
{
	struct memory_journal *m = mem_new(1, sizeof *m);

	m->tables = tables_new();
	m->open = staged_new(tables_start(m->tables));
	return m;
}

struct memory_journal *memory_journal_beside(const struct memory_journal *owner)
{
	struct memory_journal *m = mem_new(1, sizeof *m);

	m->tables = owner->tables;
	m->open = staged_new(tables_start(m->tables));
	m->beside = true;
	return m;
}

void memory_journal_free(struct memory_journal *m)
{
	if (m == NULL)
		return;
	memory_journal_crash(m);
	staged_free(m->open);
	if (!m->beside)
		tables_free(m->tables);
	free(m);
}
