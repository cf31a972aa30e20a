/* saga_life.c - see saga.h: making sagas, freeing them, and the pause between attempts. */
#include "base/mem.h"
#include "saga/saga.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct saga *saga_blank(size_t n)
{
	struct saga *s = mem_new(1, sizeof *s);

	s->state = SAGA_RUNNING;
	s->n_steps = n;
	s->steps = mem_new(n, sizeof *s->steps);
	for (size_t i = 0; i < n; i++)
		s->steps[i].state = STEP_WAITING;
	return s;
}

static size_t size_of(const char *name)
{
	return name != NULL ? strlen(name) + 1 : 0;
}

static size_t size_of_names(const struct def_step *d)
{
	return size_of(d->name) + size_of(d->action.resource) + size_of(d->action.operation) +
	       size_of(d->undo.resource) + size_of(d->undo.operation);
}

/* The copy of `name` at `*at`, which moves behind it. */
static char *put_name(char **at, const char *name)
{
	const size_t size = size_of(name);

	if (name == NULL)
		return NULL;
	*at += size;
	return memcpy(*at - size, name, size);
}

struct saga *saga_new(const struct workflow *def)
{
	struct saga *s = saga_blank(def->n_steps);
	size_t size = 0;
	char *at;

	s->def = def;
	for (size_t i = 0; i < s->n_steps; i++)
		size += size_of_names(&def->steps[i]);
	at = s->names = mem_new(size, 1);
	for (size_t i = 0; i < s->n_steps; i++) {
		const struct def_step *d = &def->steps[i];
		struct saga_step *st = &s->steps[i];

		st->name = put_name(&at, d->name);
		st->resource = put_name(&at, d->action.resource);
		st->operation = put_name(&at, d->action.operation);
		st->undo_resource = put_name(&at, d->undo.resource);
		st->undo_operation = put_name(&at, d->undo.operation);
		st->pivot = d->pivot;
	}
	return s;
}

static void free_names(struct saga_step *st)
{
	free(st->name);
	free(st->resource);
	free(st->operation);
	free(st->undo_resource);
	free(st->undo_operation);
}

void saga_free(struct saga *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->n_steps; i++) {
		struct saga_step *st = &s->steps[i];

		if (s->names == NULL)
			free_names(st);
		free(st->args);
		free(st->output);
		free(st->reason);
		free(st->agent);
	}
	free(s->names);
	free(s->steps);
	free(s);
}

uint64_t saga_pause_ms(const struct retry *retry, uint32_t attempts, uint64_t random)
{
	uint64_t most = retry->first_ms;

	for (uint32_t i = 1; i < attempts && most < retry->max_ms; i++)
		most *= 2;
	if (most > retry->max_ms)
		most = retry->max_ms;
	return most == UINT64_MAX ? random : random % (most + 1);
}

const char *step_state_name(enum step_state state)
{
	static const char *const words[STEP_STATES] = {
		[STEP_WAITING] = "waiting", [STEP_DOING] = "running",   [STEP_PENDING] = "pending",
		[STEP_DONE] = "done",       [STEP_SKIPPED] = "skipped", [STEP_FAILED] = "failed",
		[STEP_LOST] = "unknown",    [STEP_UNDOING] = "undoing", [STEP_UNDONE] = "undone",
		[STEP_KEPT] = "kept",       [STEP_STUCK] = "stuck",
	};

	assert(state > 0 && state < STEP_STATES);
	return words[state];
}
