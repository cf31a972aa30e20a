/* coord.c - the coordinators of the simulated world; see sim.h.
 *
 * There are two machines for them.  One takes over from the other when that has died,
 * and sometimes when it has not: the old one stands still or is cut off, and goes on
 * later, as if nothing had been.  The journal is one; it takes nothing from a
 * coordinator whose epoch is not the newest (store.c), which dies of that. */
#include "base/mem.h"
#include "tests/lib/memory_journal.h"
#include "tests/sim/sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

_Static_assert(SIM_COORDS == 2, "one, and another");

enum { RETENTION_MS = 7 * 24 * 3600 * 1000, TURNS_MAX = 1000 };

struct sim_coord sim_coords[SIM_COORDS];
struct engine *sim_engine;
uint64_t sim_epoch;
bool sim_slept;

struct sim_coord *sim_speaking;
const char coord_killed[] = "killed";
static uint64_t lives;
static bool over; /* nothing starts any more */

static size_t number(const struct sim_coord *c)
{
	return (size_t)(c - sim_coords);
}

/* ---- who is there ---- */

bool sim_stands_still(uint64_t until_us, sim_fn fn, void *arg, uint64_t n)
{
	if (until_us <= sim_now_us())
		return false;
	sim_in(until_us - sim_now_us(), fn, arg, n);
	return true;
}

bool coord_runs(const struct sim_coord *c)
{
	return c->engine != NULL && c->still_until_us <= sim_now_us();
}

struct sim_coord *coord_newest(void)
{
	for (size_t i = 0; i < SIM_COORDS; i++)
		if (sim_coords[i].engine != NULL && sim_coords[i].epoch == sim_epoch)
			return &sim_coords[i];
	return NULL;
}

/* Whoever looks for one finds the old one as well, until nothing fails any more. */
struct sim_coord *coord_found(void)
{
	struct sim_coord *found = NULL;
	size_t n = 0;

	for (size_t i = 0; i < SIM_COORDS; i++) {
		struct sim_coord *c = &sim_coords[i];

		if (!coord_runs(c) || (sim_healing && c->epoch != sim_epoch))
			continue;
		if (sim_rand(++n) == 0)
			found = c;
	}
	return found;
}

bool coord_alone(void)
{
	size_t n = 0;

	for (size_t i = 0; i < SIM_COORDS; i++)
		n += sim_coords[i].engine != NULL;
	return n == 1;
}

/* ---- its turn ---- */

static void wakes(void *arg, uint64_t life)
{
	struct sim_coord *c = arg;

	if (c->engine == NULL || c->life != life ||
	    sim_stands_still(c->still_until_us, wakes, arg, life))
		return;
	c->wake_us = UINT64_MAX;
	coord_enter(c);
	coord_leave(c);
}

void coord_enter(struct sim_coord *c)
{
	sim_speaking = c;
	sim_engine = c->engine;
	engine_clock(c->engine, watch_mono_us(&c->watch), watch_wall_us(&c->watch));
}

void coord_leave(struct sim_coord *c)
{
	const uint64_t now = watch_mono_us(&c->watch);
	uint64_t due, at;
	int turns = 0;

	do {
		engine_turn(c->engine);
		due = engine_due(c->engine);
		if (++turns > TURNS_MAX)
			sim_fail("the engine is due for ever");
	} while (due <= now);
	sim_engine = NULL;
	sim_speaking = NULL;
	if (due == UINT64_MAX)
		return;
	at = sim_now_us() + watch_until_us(&c->watch, due) + 1;
	if (at < c->wake_us) {
		c->wake_us = at;
		sim_in(at - sim_now_us(), wakes, c, c->life);
	}
}

bool sim_speak(void)
{
	struct sim_coord *c = coord_found();

	if (c != NULL)
		coord_enter(c);
	return c != NULL;
}

void sim_spoken(void)
{
	coord_leave(sim_speaking);
}

/* ---- start and end ---- */

static void load(struct sim_coord *c)
{
	for (size_t i = 0; i < SIM_DBS; i++) {
		struct resource_info info = {.adapter = "sim"};
		char name[16];

		sim_describe(i, &info);
		snprintf(name, sizeof name, "db%zu", i);
		info.name = name;
		engine_load_resource(c->engine, &info);
	}
	store_load(c->engine);
}

static void raise_epoch(void)
{
	for (size_t i = 0; i < SIM_COORDS; i++)
		if (sim_coords[i].engine != NULL)
			store_taken_over(&sim_coords[i]);
	sim_epoch++;
}

/* `n` is 1 if that is only to be while there is no other, 0 whoever there is. */
static void starts(void *arg, uint64_t n)
{
	SIM_AS(SIM_COORDINATOR, 0);
	struct sim_coord *c = arg;
	struct engine_settings settings = {.cluster = "sim",
					   .timeout_ms = 3000,
					   .retention_ms = RETENTION_MS,
					   .max_in_flight = 1000,
					   .call_ms = 3000,
					   .seed = sim_rand(UINT64_MAX)};
	const struct link_port agents = net_port();
	const struct client_port clients = people_port();
	struct journal_port journal;

	(void)n;
	settings.early_news = 1 + settings.seed % 3; /* there are never as many as in earnest */
	if (c->engine != NULL || over || (n != 0 && coord_newest() != NULL))
		return;
	/* The epoch is the first that is written, and may get no further. */
	if (sim_chance(20)) {
		sim_note("coordinator %zu: its journal fails at the start", number(c));
		sim_tally("journal failed at the start");
		if (sim_rand(2) == 0)
			raise_epoch();
		sim_in(sim_rand(2000000), starts, c, 1);
		return;
	}
	raise_epoch();
	settings.epoch = c->epoch = sim_epoch;
	c->life = ++lives;
	c->still_until_us = 0;
	c->wake_us = UINT64_MAX;
	watch_start(&c->watch);
	sim_note("coordinator %zu: starts in epoch %" PRIu64, number(c), c->epoch);
	journal = store_port(c);
	c->engine = engine_new(&settings, &journal, &agents, &clients);
	engine_clock(c->engine, watch_mono_us(&c->watch), watch_wall_us(&c->watch));
	load(c);
	coord_enter(c);
	coord_leave(c);
}

static void end(struct sim_coord *c)
{
	engine_free(c->engine);
	c->engine = NULL;
	store_crash(c);
	people_coordinator_down(c);
	net_coordinator_down(c);
}

/* A machine for the next: this one or the other. */
static struct sim_coord *one_free(struct sim_coord *c)
{
	struct sim_coord *other = &sim_coords[1 - number(c)];

	return other->engine == NULL && sim_rand(2) == 0 ? other : c;
}

void coord_dies(struct sim_coord *c, const char *why)
{
	if (c->engine == NULL)
		return;
	sim_note("coordinator %zu: dies, %s", number(c), why);
	sim_tally("coordinator ended");
	if (sim_wrong_rule && db_prepared() > 0 && why == coord_killed)
		sim_fail("the coordinator is killed while a branch is prepared");
	end(c);
	if (coord_newest() == NULL)
		sim_in(sim_rand(5000000), starts, one_free(c), 1);
}

/* Somebody starts another one, whatever the old one does. */
static void takes_over(void *arg, uint64_t n)
{
	(void)arg;
	(void)n;
	for (size_t i = 0; i < SIM_COORDS; i++)
		if (sim_coords[i].engine == NULL && !sim_healing) {
			if (coord_newest() != NULL)
				sim_tally("coordinator replaced alive");
			starts(&sim_coords[i], 0);
			return;
		}
}

void coord_replace(uint64_t within_us)
{
	sim_in(sim_rand(within_us), takes_over, NULL, 0);
}

static void goes_on(void *arg, uint64_t life)
{
	struct sim_coord *c = arg;

	if (c->engine == NULL || c->life != life)
		return;
	watch_awake(&c->watch);
	sim_note("coordinator %zu: goes on", number(c));
}

void coord_stands_still(struct sim_coord *c, uint64_t us)
{
	if (!coord_runs(c))
		return;
	sim_tally("coordinator stood still");
	sim_note("coordinator %zu: stands still for %.3f s", number(c), (double)us / 1e6);
	if (sim_rand(2) == 0) {
		watch_sleep(&c->watch);
		sim_slept = true;
	}
	c->still_until_us = sim_now_us() + us;
	sim_in(us, goes_on, c, c->life); /* before all that waits for it */
}

void coords_init(void)
{
	SIM_AS(SIM_COORDINATOR, 0);

	over = sim_slept = false;
	sim_epoch = 0;
	memset(sim_coords, 0, sizeof sim_coords);
	for (size_t i = 0; i < SIM_COORDS; i++)
		if (sim_rand(4) == 0)
			watch_set_wall(&sim_coords[i].watch);
	while (coord_newest() == NULL)
		starts(&sim_coords[0], 1);
}

void coords_fini(void)
{
	over = true;
	for (size_t i = 0; i < SIM_COORDS; i++)
		if (sim_coords[i].engine != NULL)
			end(&sim_coords[i]);
}
