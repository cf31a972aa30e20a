/* goal.c - see goal.h. */
#include "bench/goal.h"

#include "bench/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void pairs_add(struct pairs *p, double ours, double theirs)
{
	if (p->n == PAIRS_MAX)
		bench_die("more than %d rounds", PAIRS_MAX);
	p->ours[p->n] = ours;
	p->theirs[p->n++] = theirs;
}

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(const double *values, size_t n)
{
	double sorted[PAIRS_MAX];

	if (n == 0)
		return 0;
	memcpy(sorted, values, n * sizeof *sorted);
	qsort(sorted, n, sizeof *sorted, by_value);
	return (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
}

double pairs_ours(const struct pairs *p)
{
	return median(p->ours, p->n);
}

double pairs_theirs(const struct pairs *p)
{
	return median(p->theirs, p->n);
}

double pairs_ratio(const struct pairs *p)
{
	double ratios[PAIRS_MAX];

	for (size_t i = 0; i < p->n; i++)
		ratios[i] = p->ours[i] / p->theirs[i];
	return median(ratios, p->n);
}

/* Judged by the value as it is printed. */
static void goal(const char *name, double value, const char *unit, const char *sign, double limit)
{
	char text[40];
	double shown;

	snprintf(text, sizeof text, value >= 1000 ? "%.0f" : "%.3f", value);
	shown = strtod(text, NULL);
	printf("name=%s value=%s unit=%s goal=%s%.2f ok=%d\n", name, text, unit, sign, limit,
	       sign[0] == '>' ? shown >= limit : shown <= limit);
	fflush(stdout);
}

void goal_at_least(const char *name, double value, const char *unit, double limit)
{
	goal(name, value, unit, ">=", limit);
}

void goal_at_most(const char *name, double value, const char *unit, double limit)
{
	goal(name, value, unit, "<=", limit);
}
