/* clock.c - the events and the dice; see sim.h. */
#include "base/mem.h"
#include "tests/sim/sim.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct event {
	struct heap_node node; /* at = time * 2^20 + order, see sim_in */
	sim_fn fn;
	void *arg;
	uint64_t n;
};

static struct heap events;
static uint64_t now_us, order, state, seed_now;
static char *notes;
static size_t notes_size;

void sim_seed(uint64_t seed)
{
	state = seed_now = seed;
	now_us = 1000000;
	order = 0;
	sim_healing = false;
	free(notes);
	notes = NULL;
	notes_size = 0;
}

/* splitmix64 (Steele, Lea and Flood, 2014). */
static uint64_t roll(void)
{
	uint64_t z = (state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

uint64_t sim_rand(uint64_t below)
{
	return below == 0 ? 0 : roll() % below;
}

bool sim_chance(uint64_t per_thousand)
{
	const bool yes = sim_rand(1000) < per_thousand;

	return yes && !sim_healing;
}

uint64_t sim_delay_us(void)
{
	const uint64_t kind = sim_rand(100);

	if (kind < 80 || sim_healing)
		return 50 + sim_rand(1000);
	if (kind < 95)
		return sim_rand(200 * 1000);
	return sim_rand(15 * 1000 * 1000);
}

uint64_t sim_now_us(void)
{
	return now_us;
}

/* The heap is not stable, so the order of making is part of the key; a history
 * has far fewer than 2^20 events in one microsecond. */
void sim_in(uint64_t us, sim_fn fn, void *arg, uint64_t n)
{
	struct event *ev = mem_new(1, sizeof *ev);

	ev->fn = fn;
	ev->arg = arg;
	ev->n = n;
	heap_set(&events, &ev->node, ((now_us + us) << 20) | (order++ & 0xfffff));
}

bool sim_next(uint64_t until_us)
{
	struct event *ev = (struct event *)(void *)heap_first(&events);

	if (ev == NULL || (ev->node.at >> 20) > until_us)
		return false;
	heap_remove(&events, &ev->node);
	now_us = ev->node.at >> 20;
	ev->fn(ev->arg, ev->n);
	free(ev);
	return true;
}

void sim_clock_fini(void)
{
	struct heap_node *n;

	while ((n = heap_first(&events)) != NULL) {
		heap_remove(&events, n);
		free((struct event *)(void *)n);
	}
	heap_fini(&events);
	free(notes);
	notes = NULL;
	notes_size = 0;
}

/* The history is kept and only shown when it breaks a rule. */
void sim_note(const char *fmt, ...)
{
	char line[3000];
	size_t size;
	va_list ap;
	int n = snprintf(line, sizeof line, "%10.3f ms  ", (double)now_us / 1000.0);

	va_start(ap, fmt);
	vsnprintf(line + n, sizeof line - (size_t)n, fmt, ap);
	va_end(ap);
	size = strlen(line);
	notes = mem_grow(notes, notes_size + size + 2, 1);
	memcpy(notes + notes_size, line, size);
	notes[notes_size + size] = '\n';
	notes_size += size + 1;
	notes[notes_size] = '\0';
}

/* An assertion of the programs failed, which has said so: whose history it was. */
void sim_aborted(int signal)
{
	(void)signal;
	sim_fail("an assertion failed");
}

void sim_fail(const char *fmt, ...)
{
	va_list ap;

	if (notes != NULL)
		fputs(notes, stderr);
	fprintf(stderr, "BROKEN by seed %" PRIu64 ": ", seed_now);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}
