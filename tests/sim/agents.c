/* agents.c - the agents of the simulated world: real cores, started, killed, and stood
 * still; see sim.h. */
#include "tests/sim/sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct sim_agent sim_agents[SIM_AGENTS];

static bool over; /* nothing starts any more */

/* Which databases each agent serves; the exact ones have two agents. */
static const size_t serves[SIM_AGENTS][SIM_DBS + 1] = {
	{0, SIM_DBS}, {1, 2, SIM_DBS}, {0, 1, SIM_DBS}};

void sim_describe(size_t db, struct resource_info *info)
{
	static const char *x[] = {"x"}, *from[] = {"from"}, *id[] = {"id"};
	static struct operation_info all[] = {
		{"op", x, 1}, {"back", x, 1}, {"act", from, 1}, {"undo", id, 1}};

	info->operations = all;
	info->n_operations = sizeof all / sizeof all[0];
	info->one_phase = info->groups = info->calls = true;
	info->exact = sim_exact(db);
}

static uint64_t its_clock(void *self)
{
	return watch_mono_us(&((struct sim_agent *)self)->watch);
}

static void superseded(void *self, const char *why)
{
	(void)self;
	sim_fail("an agent is told: %s", why);
}

static void wakes(void *arg, uint64_t incarnation)
{
	struct sim_agent *a = arg;

	if (a->core == NULL || a->incarnation != incarnation)
		return;
	if (sim_stands_still(a->still_until_us, wakes, arg, incarnation))
		return;
	a->wake_us = UINT64_MAX;
	sim_agent_turn(a);
}

void sim_agent_turn(struct sim_agent *a)
{
	uint64_t due, at;

	if (a->core == NULL)
		return;
	agent_turn(a->core);
	due = agent_due(a->core);
	if (due == UINT64_MAX)
		return;
	at = sim_now_us() + watch_until_us(&a->watch, due) + 1;
	if (at < a->wake_us) {
		a->wake_us = at;
		sim_in(at - sim_now_us(), wakes, a, a->incarnation);
	}
}

static void starts(void *arg, uint64_t n)
{
	struct sim_agent *a = arg;
	SIM_AS(SIM_AGENT, a->number);
	static const char *const names[SIM_AGENTS] = {"agent-0", "agent-1", "agent-2"};
	const struct agent_settings settings = {.cluster = "sim",
						.agent = names[a->number],
						.incarnation = a->incarnation + 1,
						.window = 64,
						.sweep_ms = 2000};
	const struct agent_world world = {its_clock, net_send, superseded, a};

	(void)n;
	if (a->core != NULL || over)
		return;
	a->incarnation++;
	a->wake_us = UINT64_MAX;
	a->still_until_us = 0;
	watch_start(&a->watch);
	sim_note("agent %zu: starts, incarnation %" PRIu64, a->number, a->incarnation);
	a->core = agent_new(&settings, &world);
	for (size_t i = 0; serves[a->number][i] < SIM_DBS; i++) {
		char name[16];
		struct served *s;

		snprintf(name, sizeof name, "db%zu", serves[a->number][i]);
		s = agent_serve(a->core, name, &sim_adapter);
		served_attach(s, db_open(serves[a->number][i], a->number, a->incarnation, s));
	}
	sim_agent_turn(a);
	net_agent_up(a->number);
}

static void end(struct sim_agent *a)
{
	net_agent_down(a->number);
	db_agent_down(a->number, a->incarnation);
	agent_free(a->core);
	a->core = NULL;
}

void agent_crash(struct sim_agent *a)
{
	if (a->core == NULL)
		return;
	sim_note("agent %zu: killed", a->number);
	sim_tally("agent killed");
	end(a);
	sim_in(sim_rand(5000000), starts, a, 0);
}

static void goes_on(void *arg, uint64_t incarnation)
{
	struct sim_agent *a = arg;

	if (a->core == NULL || a->incarnation != incarnation)
		return;
	watch_awake(&a->watch);
	sim_note("agent %zu: goes on", a->number);
}

void agent_stands_still(struct sim_agent *a, uint64_t us)
{
	if (a->core == NULL || a->still_until_us > sim_now_us())
		return;
	sim_tally("agent stood still");
	sim_note("agent %zu: stands still for %.3f s", a->number, (double)us / 1e6);
	if (sim_rand(2) == 0)
		watch_sleep(&a->watch);
	a->still_until_us = sim_now_us() + us;
	sim_in(us, goes_on, a, a->incarnation);
}

void agents_init(void)
{
	over = false;
	memset(sim_agents, 0, sizeof sim_agents);
	for (size_t i = 0; i < SIM_AGENTS; i++) {
		sim_agents[i].number = i;
		starts(&sim_agents[i], 0);
	}
}

void agents_stop(void)
{
	over = true;
	for (size_t i = 0; i < SIM_AGENTS; i++)
		if (sim_agents[i].core != NULL)
			end(&sim_agents[i]);
}
