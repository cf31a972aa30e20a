/* sim.c - coordinator and agents in the simulated world; see sim.h. */
#include "tests/sim/sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct sim_agent sim_agents[SIM_AGENTS];
struct engine *sim_engine;
uint64_t sim_epoch;
bool sim_healing, sim_wrong_rule;

static bool over; /* nothing starts any more */
static uint64_t engine_wake_us, agent_wake_us[SIM_AGENTS];

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

uint64_t sim_healing_since_us(void)
{
	return sim_healing ? sim_now_us() - sim_heals_us() : 0;
}

/* ---- the coordinator ---- */

static void engine_wakes(void *arg, uint64_t epoch)
{
	(void)arg;
	if (sim_engine == NULL || epoch != sim_epoch)
		return;
	engine_wake_us = UINT64_MAX;
	sim_engine_enter();
	sim_engine_leave();
}

void sim_engine_enter(void)
{
	engine_clock(sim_engine, sim_now_us(), 1700000000000000 + sim_now_us());
}

void sim_engine_leave(void)
{
	uint64_t due;
	int turns = 0;

	do {
		engine_turn(sim_engine);
		due = engine_due(sim_engine);
		if (++turns > 1000)
			sim_fail("the engine is due for ever");
	} while (due <= sim_now_us());
	if (due < engine_wake_us) {
		engine_wake_us = due;
		sim_in(due - sim_now_us(), engine_wakes, NULL, sim_epoch);
	}
}

static void engine_up(void *arg, uint64_t n)
{
	SIM_AS(SIM_COORDINATOR, 0);
	struct engine_settings settings = {.cluster = "sim",
					   .timeout_ms = 3000,
					   .max_in_flight = 1000,
					   .call_ms = 3000,
					   .seed = sim_rand(UINT64_MAX)};
	const struct journal_port journal = store_port();
	const struct link_port agents = net_port();
	const struct client_port clients = people_port();

	(void)arg;
	(void)n;
	if (sim_engine != NULL || over)
		return;
	settings.epoch = ++sim_epoch;
	sim_note("coordinator: starts in epoch %" PRIu64, sim_epoch);
	store_init();
	engine_wake_us = UINT64_MAX;
	sim_engine = engine_new(&settings, &journal, &agents, &clients);
	sim_engine_enter();
	for (size_t i = 0; i < SIM_DBS; i++) {
		struct resource_info info = {.adapter = "sim"};
		char name[16];

		sim_describe(i, &info);
		snprintf(name, sizeof name, "db%zu", i);
		info.name = name;
		engine_load_resource(sim_engine, &info);
	}
	store_load(sim_engine);
	sim_engine_leave();
}

static void engine_crash(void)
{
	if (sim_engine == NULL)
		return;
	sim_note("coordinator: killed");
	sim_tally("coordinator killed");
	if (sim_wrong_rule && db_prepared() > 0)
		sim_fail("the coordinator is killed while a branch is prepared");
	engine_free(sim_engine);
	sim_engine = NULL;
	store_crash();
	people_coordinator_down();
	net_coordinator_down();
	sim_in(sim_rand(5000000), engine_up, NULL, 0);
}

/* ---- agents ---- */

static uint64_t agent_clock(void *self)
{
	(void)self;
	return sim_now_us();
}

static void superseded(void *self, const char *why)
{
	(void)self;
	sim_fail("an agent is told: %s", why);
}

static void agent_wakes(void *arg, uint64_t incarnation)
{
	struct sim_agent *a = arg;

	if (a->core == NULL || a->incarnation != incarnation)
		return;
	agent_wake_us[a->number] = UINT64_MAX;
	sim_agent_turn(a);
}

void sim_agent_turn(struct sim_agent *a)
{
	uint64_t due;

	if (a->core == NULL)
		return;
	agent_turn(a->core);
	due = agent_due(a->core);
	if (due < sim_now_us())
		due = sim_now_us();
	if (due < agent_wake_us[a->number]) {
		agent_wake_us[a->number] = due;
		sim_in(due - sim_now_us() + 1, agent_wakes, a, a->incarnation);
	}
}

static void agent_up(void *arg, uint64_t n)
{
	struct sim_agent *a = arg;
	SIM_AS(SIM_AGENT, a->number);
	static const char *const names[SIM_AGENTS] = {"agent-0", "agent-1", "agent-2"};
	const struct agent_settings settings = {.cluster = "sim",
						.agent = names[a->number],
						.incarnation = a->incarnation + 1,
						.window = 64,
						.sweep_ms = 2000};
	const struct agent_world world = {agent_clock, net_send, superseded, a};

	(void)n;
	if (a->core != NULL || over)
		return;
	a->incarnation++;
	agent_wake_us[a->number] = UINT64_MAX;
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

static void agent_crash(struct sim_agent *a)
{
	if (a->core == NULL)
		return;
	sim_note("agent %zu: killed", a->number);
	sim_tally("agent killed");
	net_agent_down(a->number);
	db_agent_down(a->number, a->incarnation);
	agent_free(a->core);
	a->core = NULL;
	sim_in(sim_rand(5000000), agent_up, a, 0);
}

/* ---- history ---- */

static void fault(void *arg, uint64_t n)
{
	const uint64_t dice = sim_rand(100);

	(void)arg;
	(void)n;
	if (sim_healing)
		return;
	sim_in(sim_rand(4000000), fault, NULL, 0);
	if (!sim_chance(1000))
		return; /* it is left out */
	if (dice < 25)
		engine_crash();
	else if (dice < 50)
		agent_crash(&sim_agents[sim_rand(SIM_AGENTS)]);
	else if (dice < 65)
		db_crash(sim_rand(SIM_DBS));
	else
		net_cut(sim_rand(SIM_AGENTS));
}

static void start(void)
{
	sim_clock_init();
	sim_healing = over = false;
	sim_epoch = 0;
	memset(sim_agents, 0, sizeof sim_agents);
	db_init();
	net_init();
	engine_up(NULL, 0);
	for (size_t i = 0; i < SIM_AGENTS; i++) {
		sim_agents[i].number = i;
		agent_up(&sim_agents[i], 0);
	}
	people_init();
	sagas_init();
	sim_as(SIM_FAULT, 0);
	sim_in(sim_rand(3000000), fault, NULL, 0);
}

static void stop(void)
{
	over = true;
	net_coordinator_down();
	for (size_t i = 0; i < SIM_AGENTS; i++) {
		net_agent_down(i);
		db_agent_down(i, sim_agents[i].incarnation);
		agent_free(sim_agents[i].core);
		sim_agents[i].core = NULL;
	}
	engine_free(sim_engine);
	sim_engine = NULL;
	store_crash();
}

static bool at_rest(void)
{
	return people_open() == 0 && sagas_open() == 0 && db_prepared() == 0 &&
	       store_unfinished() == 0 && people_engine_is_empty();
}

static void check(void)
{
	if (!at_rest())
		sim_fail(
			"after healing %zu transactions and %zu sagas have not ended, %zu branches "
			"are prepared, the journal has %zu unfinished",
			people_open(), sagas_open(), db_prepared(), store_unfinished());
	db_check_atomic(true);
	people_check();
	sagas_check();
}

void sim_history(uint64_t seed, const struct sim_only *only, struct sim_points *points,
		 struct sim_verdict *v)
{
	sim_dice_init(seed, only, points);
	sim_notes_init(v);
	v->events = 0;
	start();
	while (sim_next(sim_heals_us()))
		v->events++;
	sim_healing = true;
	sim_note("from now on nothing fails");
	while (!at_rest() && sim_next(sim_heals_us() + SIM_HEAL_US))
		v->events++;
	check();
	sim_note("all is well");
	if (v->show == SHOW_ALL)
		sim_notes_show();
	sim_notes_fini();
	stop();
	while (sim_next(UINT64_MAX >> 21))
		; /* what is still on its way frees itself */
	store_fini();
	db_fini();
	sim_clock_fini();
}
