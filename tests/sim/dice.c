/* dice.c - what chance says to each subject, and what a history leaves out; see sim.h.
 *
 * What is drawn depends on the seed, on who draws, on the time, and on how often the
 * same one has drawn at that time: on nothing else.  So a transaction or a fault that
 * is left out changes little of what befalls the others. */
#include "tests/sim/sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 64 };

/* The names of the subjects, as they are written after `--only`. */
static const char *const names[SIM_WHOS] = {
	[SIM_WORLD] = "world",   [SIM_CLIENT] = "t",
	[SIM_SAGA] = "g",        [SIM_LINK] = "link",
	[SIM_AGENT] = "agent",   [SIM_DB] = "db",
	[SIM_BRANCH] = "work.t", [SIM_CALL] = "work.g",
	[SIM_STORE] = "journal", [SIM_COORDINATOR] = "coordinator",
	[SIM_FAULT] = "fault",
};

static struct stream {
	uint64_t n, at_us, state;
	uint32_t drawn;
} streams[SIM_WHOS][SLOTS];

static uint64_t seed_now;
static struct sim_as now;
static const struct sim_only *only; /* NULL: nothing is left out */
static struct sim_points *taken;    /* NULL: not kept */

void sim_dice_init(uint64_t seed, const struct sim_only *left_in, struct sim_points *points)
{
	memset(streams, 0, sizeof streams);
	seed_now = seed;
	now = (struct sim_as){SIM_WORLD, 0};
	only = left_in;
	taken = points;
}

uint64_t sim_dice_seed(void)
{
	return seed_now;
}

struct sim_as sim_who(void)
{
	return now;
}

struct sim_as sim_as(enum sim_whos who, uint64_t n)
{
	const struct sim_as was = now;

	now = (struct sim_as){who, n};
	return was;
}

void sim_as_before(const struct sim_as *was)
{
	now = *was;
}

/* ---- drawing ---- */

/* splitmix64 (Steele, Lea and Flood, 2014). */
static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* The plots are drawn before anything happens. */
static uint64_t salt(void)
{
	return only != NULL && sim_now_us() > SIM_BEGIN_US ? mix(only->again) : 0;
}

static struct stream *stream_now(void)
{
	struct stream *s = &streams[now.who][now.n % SLOTS];

	if (s->at_us == sim_now_us() && s->n == now.n)
		return s;
	s->at_us = sim_now_us();
	s->n = now.n;
	s->drawn = 0;
	s->state = mix(mix(mix(seed_now ^ salt()) + now.n * SIM_WHOS + now.who) + s->at_us);
	return s;
}

static uint64_t roll(void)
{
	struct stream *s = stream_now();

	s->drawn++;
	return mix(s->state += 0x9e3779b97f4a7c15u);
}

uint64_t sim_rand(uint64_t below)
{
	return below == 0 ? 0 : roll() % below;
}

static bool same(const struct sim_point *a, const struct sim_point *b)
{
	return a->who == b->who && a->n == b->n && a->at_us == b->at_us && a->drawn == b->drawn;
}

/* Something out of the ordinary happens here, unless it is left out. */
static bool happens(void)
{
	const struct stream *s = stream_now();
	const struct sim_point p = {now.who, s->drawn, now.n, s->at_us};
	bool in = only == NULL || only->every_point;

	for (size_t i = 0; !in && i < only->points.n; i++)
		in = same(&p, &only->points.at[i]);
	if (in && taken != NULL && taken->n < SIM_POINTS)
		taken->at[taken->n++] = p;
	return in;
}

bool sim_chance_ever(uint64_t per_thousand)
{
	return sim_rand(1000) < per_thousand && happens();
}

bool sim_chance(uint64_t per_thousand)
{
	return sim_rand(1000) < per_thousand && !sim_healing && happens();
}

uint64_t sim_delay_us(void)
{
	const uint64_t kind = sim_rand(100), soon = 50 + sim_rand(1000);

	if (kind < 80 || sim_healing || !happens())
		return soon;
	if (kind < 95)
		return sim_rand(200 * 1000);
	sim_tally("message or work very late");
	return sim_rand(15 * 1000 * 1000);
}

/* ---- what is left in ---- */

bool sim_left_in(enum sim_whos who, uint64_t n)
{
	if (only == NULL)
		return true;
	return (((who == SIM_CLIENT ? only->clients : only->sagas) >> n) & 1) != 0;
}

uint64_t sim_heals_us(void)
{
	return only != NULL && only->heals_us != 0 ? only->heals_us : SIM_FAULTS_US;
}

size_t sim_point_text(const struct sim_point *p, char *out, size_t room)
{
	const int n = snprintf(out, room, "%s%" PRIu64 "@%" PRIu64 ".%" PRIu32, names[p->who], p->n,
			       p->at_us, p->drawn);

	return n < 0 ? 0 : (size_t)n;
}

bool sim_point_parse(struct sim_point *p, const char *text)
{
	const size_t name = strcspn(text, "0123456789");
	int used = 0;

	for (unsigned who = 0; who < SIM_WHOS; who++) {
		if (strlen(names[who]) != name || strncmp(names[who], text, name) != 0)
			continue;
		p->who = (enum sim_whos)who;
		return sscanf(text + name, "%" SCNu64 "@%" SCNu64 ".%" SCNu32 "%n", &p->n,
			      &p->at_us, &p->drawn, &used) == 3 &&
		       text[name + (size_t)used] == '\0';
	}
	return false;
}
