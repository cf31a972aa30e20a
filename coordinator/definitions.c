/* definitions.c - see definitions.h. */
#include "coordinator/definitions.h"
#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

/* Of those that nobody holds. */
enum { IDLE_MAX = 256, IDLE_BYTES_MAX = 8 << 20 };

struct definition {
	char *text;
	size_t size;
	struct workflow *workflow;
	size_t holders;
	struct definition *prev, *next; /* idle, while nobody holds it */
	UT_hash_handle hh;              /* by text */
};

struct definitions {
	struct definition *by_text;
	struct definition *idle; /* the last used first */
	size_t n_idle, idle_bytes;
};

struct definitions *definitions_new(void)
{
	return mem_new(1, sizeof(struct definitions));
}

static void unlist(struct definitions *d, struct definition *def)
{
	DL_DELETE(d->idle, def);
	d->n_idle--;
	d->idle_bytes -= def->size;
}

static void drop(struct definitions *d, struct definition *def)
{
	unlist(d, def);
	HASH_DELETE(hh, d->by_text, def);
	workflow_free(def->workflow);
	free(def->text);
	free(def);
}

void definitions_free(struct definitions *d)
{
	if (d == NULL)
		return;
	while (d->idle != NULL)
		drop(d, d->idle);
	assert(d->by_text == NULL);
	free(d);
}

struct definition *definition_hold(struct definition *def)
{
	def->holders++;
	return def;
}

struct definition *definitions_get(struct definitions *d, const char *text, size_t size,
				   struct err *err)
{
	struct workflow *workflow;
	struct definition *def;

	HASH_FIND(hh, d->by_text, text, size, def);
	if (def != NULL) {
		if (def->holders == 0)
			unlist(d, def);
		return definition_hold(def);
	}
	if (workflow_parse(text, size, &workflow, err) != RC_OK)
		return NULL;
	def = mem_new(1, sizeof *def);
	def->text = mem_dup_bytes(text, size);
	def->size = size;
	def->workflow = workflow;
	HASH_ADD_KEYPTR(hh, d->by_text, def->text, size, def);
	return definition_hold(def);
}

void definition_release(struct definitions *d, struct definition *def)
{
	if (def == NULL || --def->holders > 0)
		return;
	DL_PREPEND(d->idle, def);
	d->n_idle++;
	d->idle_bytes += def->size;
	while (d->n_idle > IDLE_MAX || d->idle_bytes > IDLE_BYTES_MAX)
		drop(d, d->idle->prev); /* the head's prev is the tail */
}

const struct workflow *definition_workflow(const struct definition *def)
{
	return def->workflow;
}

const char *definition_text(const struct definition *def)
{
	return def->text;
}
