/* watch.c - the clocks of one machine: one that only goes on, and the wall's, which
 * somebody may set at any time; see sim.h.
 *
 * The first starts anywhere and is a little fast or slow.  In a machine that is put to
 * sleep it stands still; in a process that is stopped it goes on. */
#include "tests/sim/sim.h"

enum { PPM_MAX = 300 };

#define YEAR_US       (INT64_C(365) * 24 * 3600 * 1000 * 1000)
#define WALL_START_US UINT64_C(1700000000000000)

void watch_start(struct sim_watch *w)
{
	w->since_us = sim_now_us();
	w->mono_us = 1 + sim_rand(UINT64_C(1000000000000));
	w->ppm = (int64_t)sim_rand(2 * PPM_MAX + 1) - PPM_MAX;
	w->asleep = false;
}

uint64_t watch_mono_us(const struct sim_watch *w)
{
	const int64_t us = (int64_t)(sim_now_us() - w->since_us);

	return w->asleep ? w->mono_us : w->mono_us + (uint64_t)(us + us * w->ppm / 1000000);
}

uint64_t watch_until_us(const struct sim_watch *w, uint64_t mono_us)
{
	const uint64_t now = watch_mono_us(w);
	uint64_t left = mono_us > now ? mono_us - now : 0;

	/* Long enough: for ever, and the product must not overflow. */
	if (left > UINT64_C(1000000000000))
		left = UINT64_C(1000000000000);
	return (uint64_t)((int64_t)left - (int64_t)left * w->ppm / 1000000);
}

void watch_sleep(struct sim_watch *w)
{
	w->mono_us = watch_mono_us(w);
	w->asleep = true;
}

void watch_awake(struct sim_watch *w)
{
	if (!w->asleep)
		return;
	w->since_us = sim_now_us();
	w->asleep = false;
}

uint64_t watch_wall_us(const struct sim_watch *w)
{
	return (uint64_t)((int64_t)(WALL_START_US + sim_now_us()) + w->wall_off_us);
}

void watch_set_wall(struct sim_watch *w)
{
	const int64_t far[] = {3 * 1000 * 1000, INT64_C(600) * 1000 * 1000,
			       INT64_C(20) * 24 * 3600 * 1000 * 1000, 10 * YEAR_US};
	const int64_t most = far[sim_rand(4)];

	/* From time to time somebody sets it right. */
	sim_tally("wall clock set");
	w->wall_off_us = sim_rand(4) == 0 ? 0 : (int64_t)sim_rand((uint64_t)(2 * most)) - most;
}
