/* catalog.c - published workflows: their versions, and which one is active.
 *
 * The newest and the active version of each are kept in memory, the others are read
 * from the journal when a transaction of theirs needs them.  A running transaction
 * holds its own version, whatever is published meanwhile. */
#include "base/clock.h"
#include "base/mem.h"
#include "coordinator/core.h"
#include "coordinator/view.h"

#include <stdlib.h>
#include <string.h>

/* ---- finding ---- */

static struct flow *find(struct engine *e, const char *name)
{
	struct flow *f;

	HASH_FIND_STR(e->flows, name, f);
	return f;
}

static struct flow *need(struct engine *e, const char *name)
{
	struct flow *f = find(e, name);

	if (f == NULL) {
		f = mem_new(1, sizeof *f);
		f->name = mem_dup(name);
		HASH_ADD_KEYPTR(hh, e->flows, f->name, strlen(f->name), f);
	}
	return f;
}

/* Reads a version's text from the journal and parses it. */
static struct definition *read_version(struct engine *e, const struct flow *f, uint32_t version,
				       struct err *err)
{
	struct definition *def;
	char *text;

	if (e->journal.workflow(e->journal.self, f->name, version, &text, err) != RC_OK)
		return NULL;
	def = definitions_get(e->definitions, text, strlen(text), err);
	free(text);
	if (def == NULL)
		err_wrap(err, "workflow %s@%u", f->name, (unsigned)version);
	return def;
}

struct definition *catalog_hold(struct engine *e, const char *name, uint32_t *version,
				struct err *err)
{
	struct flow *f = find(e, name);
	struct flow_version *v;

	if (f == NULL) {
		err_set(err, RC_NOT_FOUND, "no workflow `%s` has been published", name);
		return NULL;
	}
	if (*version == 0)
		*version = f->active;
	if (*version == 0 || *version > f->n_versions) {
		err_set(err, RC_NOT_FOUND, "workflow %s has no version %u: its newest is %u", name,
			(unsigned)*version, (unsigned)f->n_versions);
		return NULL;
	}
	v = &f->versions[*version - 1];
	if (v->definition != NULL)
		return definition_hold(v->definition);
	if (*version != f->active)
		return read_version(e, f, *version, err);
	v->definition = read_version(e, f, *version, err);
	return v->definition != NULL ? definition_hold(v->definition) : NULL;
}

/* ---- changing ---- */

static struct flow_version *add_version(struct flow *f, uint32_t version, uint64_t published_us)
{
	if (version > f->n_versions) {
		f->versions = mem_grow(f->versions, version, sizeof *f->versions);
		memset(f->versions + f->n_versions, 0,
		       (version - f->n_versions) * sizeof *f->versions);
		f->n_versions = version;
	}
	f->versions[version - 1].published_us = published_us;
	return &f->versions[version - 1];
}

/* What is neither the newest nor the active one leaves memory. */
static void set_active(struct engine *e, struct flow *f, uint32_t version)
{
	const uint32_t old = f->active;

	f->active = version;
	for (uint32_t v = 1; v <= f->n_versions; v++) {
		if ((v != old && v != f->n_versions - 1) || v == version || v == f->n_versions)
			continue;
		definition_release(e->definitions, f->versions[v - 1].definition);
		f->versions[v - 1].definition = NULL;
	}
}

void engine_load_workflow(struct engine *e, const struct workflow_row *row)
{
	struct flow *f = need(e, row->name);

	if (row->version == 0 || row->version > WORKFLOWS_MAX)
		return;
	add_version(f, row->version, row->published_us);
	if (row->active)
		f->active = row->version;
}

static void answer(struct engine *e, uint64_t batch, uint64_t client, const struct flow *f,
		   uint32_t version, bool fresh)
{
	effects_answer(e, batch, client, fresh ? ANSWER_FINISHED : ANSWER_OK,
		       view_dump(json_pack("{s:s, s:I, s:b, s:b}", "workflow", f->name, "version",
					   (json_int_t)version, "active", f->active == version,
					   "new", fresh)),
		       NULL);
}

static uint64_t activate(struct engine *e, struct flow *f, uint32_t version)
{
	if (f->active == version)
		return effects_latest(e);
	e->journal.activate(e->journal.self, f->name, version);
	set_active(e, f, version);
	return effects_stage_forced(e);
}

/* True if `def` is the newest version already. */
static bool is_newest(struct engine *e, struct flow *f, const struct definition *def)
{
	struct flow_version *v;
	struct err err;

	if (f == NULL || f->n_versions == 0)
		return false;
	v = &f->versions[f->n_versions - 1];
	if (v->definition == NULL)
		v->definition = read_version(e, f, f->n_versions, &err);
	return v->definition == def;
}

static void publish(struct engine *e, uint64_t client, struct definition *def)
{
	const char *name = definition_workflow(def)->name;
	struct flow *f = find(e, name);
	struct workflow_row row = {.name = name,
				   .active = true,
				   .published_us = e->wall_us,
				   .text = definition_text(def)};

	if (is_newest(e, f, def)) {
		answer(e, activate(e, f, f->n_versions), client, f, f->n_versions, false);
		return;
	}
	if (f == NULL ? HASH_COUNT(e->flows) >= WORKFLOWS_MAX : f->n_versions >= WORKFLOWS_MAX) {
		client_refuse(e, client, ANSWER_FULL,
			      f == NULL ? "10,000 workflows are published, and no more can be"
					: "this workflow has 10,000 versions, and no more can be: "
					  "publish it under another name");
		return;
	}
	f = need(e, name);
	row.version = f->n_versions + 1;
	add_version(f, row.version, row.published_us)->definition = definition_hold(def);
	e->journal.put_workflow(e->journal.self, &row);
	set_active(e, f, row.version);
	answer(e, effects_stage_forced(e), client, f, row.version, true);
}

void engine_publish(struct engine *e, uint64_t client, const char *text, size_t size)
{
	struct err err;
	struct definition *def = definitions_get(e->definitions, text, size, &err);

	if (def == NULL)
		client_refuse_at(e, client, "definition", &err);
	else if (e->draining)
		client_refuse(e, client, ANSWER_STOPPING, "the coordinator is stopping");
	else
		publish(e, client, def);
	definition_release(e->definitions, def);
}

/* The flow that has this version; else the client is told. */
static struct flow *find_version(struct engine *e, uint64_t client, const char *name,
				 uint32_t version)
{
	struct flow *f = find(e, name);

	if (f == NULL)
		client_refuse(e, client, ANSWER_NOT_FOUND,
			      "no workflow of this name has been published");
	else if (version > f->n_versions)
		client_refuse(e, client, ANSWER_NOT_FOUND, "the workflow has no such version");
	else
		return f;
	return NULL;
}

void engine_activate(struct engine *e, uint64_t client, const char *name, uint32_t version)
{
	struct flow *f = find_version(e, client, name, version);

	if (f == NULL)
		return;
	if (version == 0)
		client_refuse(e, client, ANSWER_INVALID, "versions count from 1");
	else
		answer(e, activate(e, f, version), client, f, version, false);
}

/* ---- showing ---- */

static json_t *view_version(const struct flow *f, uint32_t version)
{
	char when[32];

	return json_pack("{s:s, s:I, s:b, s:s}", "workflow", f->name, "version",
			 (json_int_t)version, "active", f->active == version, "published",
			 time_format(f->versions[version - 1].published_us, when));
}

static int by_name(struct flow *x, struct flow *y)
{
	return strcmp(x->name, y->name);
}

void engine_workflows(struct engine *e, uint64_t client)
{
	json_t *list = json_array();
	struct flow *f, *tmp;

	HASH_SORT(e->flows, by_name);
	HASH_ITER (hh, e->flows, f, tmp)
		for (uint32_t v = 1; v <= f->n_versions; v++)
			json_array_append_new(list, view_version(f, v));
	effects_answer(e, effects_latest(e), client, ANSWER_OK,
		       view_dump(json_pack("{s:o}", "workflows", list)), NULL);
}

void engine_workflow(struct engine *e, uint64_t client, const char *name, uint32_t version)
{
	struct flow *f = find_version(e, client, name, version);
	struct definition *def;
	struct err err;
	json_t *out;

	if (f == NULL)
		return;
	def = catalog_hold(e, name, &version, &err);
	if (def == NULL) {
		client_refuse(e, client, ANSWER_FAILED, err.text);
		return;
	}
	out = view_version(f, version);
	json_object_set_new(out, "text", json_string(definition_text(def)));
	effects_answer(e, effects_latest(e), client, ANSWER_OK, view_dump(out), NULL);
	definition_release(e->definitions, def);
}

void catalog_fini(struct engine *e)
{
	struct flow *f, *tmp;

	HASH_ITER (hh, e->flows, f, tmp) {
		HASH_DEL(e->flows, f);
		for (uint32_t v = 0; v < f->n_versions; v++)
			definition_release(e->definitions, f->versions[v].definition);
		free(f->versions);
		free(f->name);
		free(f);
	}
}
