/* order.c - see order.h. */
#include "saga/order.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_BITS = 64 };

struct order {
	size_t n, words;
	uint64_t *sets; /* of each step, `words` long: who comes before it */
	bool *unsure;
};

static uint64_t *set_of(const struct order *o, size_t step)
{
	return o->sets + step * o->words;
}

static void fill_before(struct workflow *w)
{
	for (size_t i = 0; i < w->n_steps; i++)
		for (size_t k = 0; k < w->steps[i].n_after; k++)
			w->steps[w->steps[i].after[k]].n_before++;
	for (size_t i = 0; i < w->n_steps; i++) {
		struct def_step *s = &w->steps[i];

		free(s->before);
		s->before = s->n_before > 0 ? mem_new(s->n_before, sizeof *s->before) : NULL;
		s->n_before = 0;
	}
	for (size_t i = 0; i < w->n_steps; i++) {
		for (size_t k = 0; k < w->steps[i].n_after; k++) {
			struct def_step *first = &w->steps[w->steps[i].after[k]];

			first->before[first->n_before++] = (uint32_t)i;
		}
	}
}

/* The steps so that each comes behind those it is after; the number that could be
 * placed: fewer than all if there is a circle. `waits` is 0 for those placed. */
static size_t sort_steps(const struct workflow *w, size_t *sorted, size_t *waits)
{
	size_t placed = 0, next = 0;

	for (size_t i = 0; i < w->n_steps; i++) {
		waits[i] = w->steps[i].n_after;
		if (waits[i] == 0)
			sorted[placed++] = i;
	}
	while (next < placed) {
		const struct def_step *s = &w->steps[sorted[next++]];

		for (size_t k = 0; k < s->n_before; k++)
			if (--waits[s->before[k]] == 0)
				sorted[placed++] = s->before[k];
	}
	return placed;
}

/* The first predecessor of `step` that could not be placed either. */
static size_t waits_for(const struct workflow *w, const size_t *waits, size_t step)
{
	const struct def_step *s = &w->steps[step];
	size_t k = 0;

	while (waits[s->after[k]] == 0)
		k++;
	return s->after[k];
}

static const char *step_name(const struct workflow *w, size_t step)
{
	return w->steps[step].name != NULL ? w->steps[step].name : "?";
}

/* "a after c after b after a", cut when it is long. */
static void circle_text(const struct workflow *w, const size_t *waits, size_t from, char *text,
			size_t room)
{
	size_t at = from, used = (size_t)snprintf(text, room, "%s", step_name(w, from));

	do {
		at = waits_for(w, waits, at);
		if (used + 80 > room) {
			snprintf(text + used, room - used, " after ... after %s",
				 step_name(w, from));
			return;
		}
		used += (size_t)snprintf(text + used, room - used, " after %s", step_name(w, at));
	} while (at != from);
}

/* Reports a circle among the steps that could not be placed, and cuts it. */
static void cut_circle(struct problems *p, struct workflow *w, struct step_nodes *nodes,
		       const size_t *waits)
{
	bool *seen = mem_new(w->n_steps, sizeof *seen);
	size_t at = 0, first, cut;
	char text[400];

	while (waits[at] == 0)
		at++;
	while (!seen[at]) { /* each waits for another: sooner or later one comes again */
		seen[at] = true;
		at = waits_for(w, waits, at);
	}
	first = at;
	for (size_t i = waits_for(w, waits, at); i != at; i = waits_for(w, waits, i))
		if (i < first)
			first = i;
	circle_text(w, waits, first, text, sizeof text);
	problem_add(p, RC_INVALID, nodes[first].after, "these steps wait for each other: %s", text);
	cut = waits_for(w, waits, first);
	for (size_t k = 0; k < w->steps[first].n_after; k++)
		if (w->steps[first].after[k] == cut)
			w->steps[first].after[k] = w->steps[first].after[--w->steps[first].n_after];
	nodes[first].unsure = true;
	free(seen);
}

struct order *order_new(struct problems *p, struct workflow *w, struct step_nodes *nodes)
{
	struct order *o = mem_new(1, sizeof *o);
	size_t *sorted = mem_new(w->n_steps, sizeof *sorted);
	size_t *waits = mem_new(w->n_steps, sizeof *waits);

	o->n = w->n_steps;
	o->words = (o->n + WORD_BITS - 1) / WORD_BITS;
	o->sets = mem_new(o->n * o->words, sizeof *o->sets);
	o->unsure = mem_new(o->n, sizeof *o->unsure);
	for (;;) {
		for (size_t i = 0; i < o->n; i++)
			w->steps[i].n_before = 0;
		fill_before(w);
		if (sort_steps(w, sorted, waits) == o->n)
			break;
		cut_circle(p, w, nodes, waits);
		if (p->more) { /* nobody reads on: one problem more or less is the same */
			for (size_t i = 0; i < o->n; i++)
				w->steps[i].n_after = 0;
			memset(o->unsure, true, o->n * sizeof *o->unsure);
		}
	}
	for (size_t i = 0; i < o->n; i++) {
		const size_t at = sorted[i];
		const struct def_step *s = &w->steps[at];

		o->unsure[at] = o->unsure[at] || nodes[at].unsure;
		for (size_t k = 0; k < s->n_after; k++) {
			const uint64_t *from = set_of(o, s->after[k]);
			uint64_t *to = set_of(o, at);

			for (size_t word = 0; word < o->words; word++)
				to[word] |= from[word];
			to[s->after[k] / WORD_BITS] |= (uint64_t)1 << (s->after[k] % WORD_BITS);
			o->unsure[at] = o->unsure[at] || o->unsure[s->after[k]];
		}
	}
	free(sorted);
	free(waits);
	return o;
}

void order_free(struct order *o)
{
	if (o == NULL)
		return;
	free(o->sets);
	free(o->unsure);
	free(o);
}

bool order_before(const struct order *o, size_t first, size_t then)
{
	return (set_of(o, then)[first / WORD_BITS] >> (first % WORD_BITS) & 1) != 0;
}

bool order_unsure(const struct order *o, size_t step)
{
	return o->unsure[step];
}
