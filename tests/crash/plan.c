#include "tests/crash/plan.h"

#include "tests/lib/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define X(name, who, what) #name,
static const char *const names[] = {CRASH_POINTS(X)};
#undef X
#define X(name, who, what) (what),
static const int may[] = {CRASH_POINTS(X)};
#undef X
#define X(name, who, what) (who),
static const int passes_by[] = {CRASH_POINTS(X)};
#undef X

static const struct {
	const char *word;
	enum crash_what what;
} actions[] = {
	{"kill", CRASH_KILL}, {"abort", CRASH_ABORT}, {"eio", CRASH_EIO}, {"full", CRASH_FULL}};
enum { ACTIONS = sizeof actions / sizeof actions[0] };

/* Points that no story reaches, each with its reason. */
static const struct {
	const char *point, *reason;
} excuses[] = {
	{"", ""},
};

/* Who passed what: bits of enum crash_who. */
static int passed[CRASH_AT_COUNT];
static struct crash_case *cases;
static size_t n_cases, room;

/* ---- names ---- */

int plan_point(const char *name)
{
	for (int i = 0; i < CRASH_AT_COUNT; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	return -1;
}

const char *plan_point_name(int point)
{
	return names[point];
}

const char *plan_action_name(enum crash_what what)
{
	for (int i = 0; i < ACTIONS; i++)
		if (actions[i].what == what)
			return actions[i].word;
	return "?";
}

void plan_name(const struct crash_case *c, char name[CASE_NAME_ROOM])
{
	snprintf(name, CASE_NAME_ROOM, "%s.%s.%s.%u.%s", c->story->name, actor_name[c->actor],
		 names[c->point], c->nth, plan_action_name(c->what));
}

bool plan_parse(const char *name, struct crash_case *c)
{
	char story[32], actor[32], point[64], action[8];

	memset(c, 0, sizeof *c);
	if (sscanf(name, "%31[a-z-].%31[a-z-].%63[a-z0-9_].%u.%7[a-z]", story, actor, point,
		   &c->nth, action) != 5)
		return false;
	for (size_t i = 0; i < n_stories; i++)
		if (strcmp(stories[i].name, story) == 0)
			c->story = &stories[i];
	for (c->actor = 0; c->actor < ACTORS && strcmp(actor_name[c->actor], actor) != 0;)
		c->actor++;
	for (int i = 0; i < ACTIONS; i++)
		if (strcmp(actions[i].word, action) == 0)
			c->what = actions[i].what;
	c->point = plan_point(point);
	return c->story && c->actor < ACTORS && c->what && c->point >= 0 && c->nth > 0;
}

/* ---- cases from traces ---- */

static enum crash_who who(enum actor a)
{
	return a == COORDINATOR ? CRASH_COORDINATOR : CRASH_AGENT;
}

static void add(const struct crash_case *c)
{
	if (n_cases == room) {
		room = room ? 2 * room : 1024;
		cases = realloc(cases, room * sizeof *cases);
		NEED(cases, "out of memory");
	}
	cases[n_cases++] = *c;
}

static void add_actions(const struct story *s, enum actor a, int point, unsigned nth)
{
	for (int i = 0; i < ACTIONS; i++)
		if (may[point] & (int)actions[i].what)
			add(&(struct crash_case){s, a, point, nth, actions[i].what});
}

/* Passes `from` + 1 to `to`. */
static void add_passes(const struct story *s, enum actor a, int point, unsigned from, unsigned to)
{
	const unsigned n = to - from;
	const unsigned middle = from + (n + 1) / 2 + 1;

	if (n >= 1)
		add_actions(s, a, point, from + 1);
	if (n >= 2)
		add_actions(s, a, point, from + 2);
	if (n >= 4)
		add_actions(s, a, point, middle > from + 2 ? middle : from + 3);
	if (n >= 3)
		add_actions(s, a, point, to);
}

void plan_add_trace(const struct story *s, const char *path)
{
	FILE *in = fopen(path, "r");
	unsigned a, point, ready, over, stopped;

	NEED(in, "there is no trace of %s", s->name);
	while (fscanf(in, "%u %u %u %u %u", &a, &point, &ready, &over, &stopped) == 5) {
		passed[point] |= (int)who((enum actor)a);
		if (s->edges) {
			add_passes(s, (enum actor)a, (int)point, 0, ready);
			add_passes(s, (enum actor)a, (int)point, over, stopped);
		} else {
			add_passes(s, (enum actor)a, (int)point, ready, over);
		}
	}
	fclose(in);
}

static const char *excuse(int point)
{
	for (size_t i = 0; i < sizeof excuses / sizeof excuses[0]; i++)
		if (strcmp(excuses[i].point, names[point]) == 0)
			return excuses[i].reason;
	return NULL;
}

int plan_missing(void)
{
	int missing = 0;
	for (int i = 0; i < CRASH_AT_COUNT; i++) {
		const int by = passes_by[i] & ~passed[i];
		if (!by || excuse(i))
			continue;
		printf("never reached: %s%s%s\n", names[i],
		       by & CRASH_COORDINATOR ? " by coordinator" : "",
		       by & CRASH_AGENT ? " by an agent" : "");
		missing++;
	}
	return missing;
}

struct crash_case *plan_cases(size_t *n)
{
	*n = n_cases;
	return cases;
}

/* ---- a part of them ---- */

static void swap(size_t i, size_t j)
{
	const struct crash_case c = cases[i];
	cases[i] = cases[j];
	cases[j] = c;
}

/* Brings the first case from `from` on that does `what` to the place `from`. */
static bool fetch(enum crash_what what, size_t from)
{
	for (size_t i = from; i < n_cases; i++)
		if (cases[i].what == what) {
			swap(i, from);
			return true;
		}
	return false;
}

void plan_sample(size_t share, unsigned seed)
{
	size_t n = 0;

	for (size_t i = n_cases; i > 1; i--)
		swap(i - 1, (size_t)rand_r(&seed) % i);
	for (int i = 0; i < ACTIONS && n < n_cases; i++)
		if (fetch(actions[i].what, n))
			n++;
	n += share;
	if (n < n_cases)
		n_cases = n;
}
