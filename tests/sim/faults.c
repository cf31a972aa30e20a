/* faults.c - what fails, and when; see sim.h. */
#include "tests/sim/sim.h"

/* Mostly short, sometimes longer than anybody waits. */
static uint64_t standstill_us(void)
{
	static const uint64_t most[] = {2, 2, 2, 20, 20, 100};

	return 1000 + sim_rand(most[sim_rand(6)] * 1000 * 1000);
}

static void coordinator_stands_still(void)
{
	struct sim_coord *c = &sim_coords[sim_rand(SIM_COORDS)];
	const uint64_t us = standstill_us();

	if (!coord_runs(c))
		return;
	coord_stands_still(c, us);
	if (sim_rand(2) == 0)
		coord_replace(us + 1000000);
}

static void fails(void)
{
	const uint64_t dice = sim_rand(100);

	if (dice < 20)
		coord_dies(&sim_coords[sim_rand(SIM_COORDS)], coord_killed);
	else if (dice < 40)
		agent_crash(&sim_agents[sim_rand(SIM_AGENTS)]);
	else if (dice < 53)
		db_crash(sim_rand(SIM_DBS));
	else if (dice < 75)
		net_cut(sim_rand(SIM_AGENTS));
	else if (dice < 82)
		coordinator_stands_still();
	else if (dice < 86)
		coord_replace(1000000);
	else if (dice < 92)
		agent_stands_still(&sim_agents[sim_rand(SIM_AGENTS)], standstill_us());
	else
		watch_set_wall(&sim_coords[sim_rand(SIM_COORDS)].watch);
}

static void fault(void *arg, uint64_t n)
{
	(void)arg;
	(void)n;
	if (sim_healing)
		return;
	sim_in(sim_rand(4000000), fault, NULL, 0);
	if (sim_chance(1000)) /* else it is left out */
		fails();
}

void faults_init(void)
{
	SIM_AS(SIM_FAULT, 0);

	sim_in(sim_rand(3000000), fault, NULL, 0);
}
