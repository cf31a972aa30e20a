/* sim.c - one history, from start to end; see sim.h. */
#include "tests/sim/sim.h"

bool sim_healing, sim_wrong_rule;

uint64_t sim_healing_since_us(void)
{
	return sim_healing ? sim_now_us() - sim_heals_us() : 0;
}

/* ---- history ---- */

static void start(void)
{
	sim_clock_init();
	sim_healing = false;
	db_init();
	net_init();
	coords_init();
	agents_init();
	people_init();
	sagas_init();
	hands_init();
	faults_init();
}

static void stop(void)
{
	agents_stop();
	coords_fini();
}

static bool at_rest(void)
{
	return coord_newest() != NULL && coord_alone() && people_open() == 0 && sagas_open() == 0 &&
	       db_prepared() == 0 && store_unfinished() == 0 && people_engine_is_empty();
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
	hands_check();
	accounts_check();
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
	stop();
	while (sim_next(UINT64_MAX >> 21))
		; /* what is still on its way frees itself, or shows that it was forgotten */
	sim_notes_show();
	sim_notes_fini();
	net_fini();
	store_fini();
	db_fini();
	sim_clock_fini();
}
