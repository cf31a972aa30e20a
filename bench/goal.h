/* goal.h - a figure against its goal, for people's eyes and for programs.
 *
 * Thread: the program's only one. */
#ifndef BENCH_GOAL_H
#define BENCH_GOAL_H

#include <stddef.h>

/* Values of rounds that took turns; at most PAIRS_MAX are kept. */
enum { PAIRS_MAX = 200 };
struct pairs {
	double ours[PAIRS_MAX], theirs[PAIRS_MAX];
	size_t n;
};

void pairs_add(struct pairs *p, double ours, double theirs);
/* Medians over the rounds; the ratio is that of each round, ours to theirs: what
 * disturbs the machine for longer than a round disturbs both. */
double pairs_ours(const struct pairs *p);
double pairs_theirs(const struct pairs *p);
double pairs_ratio(const struct pairs *p);

/* Prints `name=… value=… unit=… goal=>=0.80 ok=1`. */
void goal_at_least(const char *name, double value, const char *unit, double limit);
void goal_at_most(const char *name, double value, const char *unit, double limit);

#endif
