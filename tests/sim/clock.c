/* clock.c - the events; see sim.h. */
#include "base/mem.h"
#include "tests/sim/sim.h"

#include <stdlib.h>

struct event {
	struct heap_node node; /* at = time * 2^20 + order, see sim_in */
	sim_fn fn;
	void *arg;
	uint64_t n;
	struct sim_as as;
};

static struct heap events;
static uint64_t now_us, order;

void sim_clock_init(void)
{
	now_us = SIM_BEGIN_US;
	order = 0;
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
	ev->as = sim_who();
	heap_set(&events, &ev->node, ((now_us + us) << 20) | (order++ & 0xfffff));
}

bool sim_next(uint64_t until_us)
{
	struct event *ev = (struct event *)(void *)heap_first(&events);

	if (ev == NULL || (ev->node.at >> 20) > until_us)
		return false;
	heap_remove(&events, &ev->node);
	now_us = ev->node.at >> 20;
	sim_as(ev->as.who, ev->as.n);
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
}
