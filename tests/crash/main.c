/* main.c - the crash matrix: every process dies at every point, in every story.
 *
 *   BUILD=build CRASH_BUILD=build/crash build/tests/crash/crash
 *
 * FAST=1 plays a sample (SAMPLE=25 cases, drawn by SEED=1) instead of all; CASE=… plays
 * one case, or those whose names begin so; JOBS=n plays so many at a time (standard: two
 * for each processor).  See docs/testing.md.
 *
 * First each story is played undisturbed and traced; then the cases are made (plan.h), and
 * each is played in a process of its own (play.h), by one of JOBS workers with databases of its
 * own.  A case whose point was not passed this time is played up to three times. */
#include "tests/crash/crew.h"
#include "tests/crash/plan.h"
#include "tests/lib/bank.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Percent of cases not reached that are too many, of many and of a small sample. */
enum { SAMPLE = 25, MANY = 200, LATE_OF_MANY = 5, LATE_OF_FEW = 25 };

static int number(const char *name, int standard)
{
	const char *text = getenv(name);
	return text && *text ? atoi(text) : standard;
}

/* The programs under test have crash points, what they load has not. */
static void choose_builds(void)
{
	const char *plain = getenv("BUILD"), *crash = getenv("CRASH_BUILD");
	char *stock = textf("%s/examples/plugin/stock.so", plain && *plain ? plain : "build");
	char *own = textf("%s/crash", plain && *plain ? plain : "build");

	setenv("STOCK", stock, 1);
	setenv("BUILD", crash && *crash ? crash : own, 1);
	unsetenv("SETTLE_CRASH");
	free(stock);
	free(own);
}

static bool is_wanted(const struct crash_case *c, const char *wanted)
{
	char name[CASE_NAME_ROOM];
	plan_name(c, name);
	return strncmp(name, wanted, strlen(wanted)) == 0;
}

/* One line for each point: how many cases of each action. */
static void print_table(const struct crash_case *cases, size_t n)
{
	static unsigned count[CRASH_AT_COUNT][4];
	static const enum crash_what what[] = {CRASH_KILL, CRASH_ABORT, CRASH_EIO, CRASH_FULL};

	for (size_t i = 0; i < n; i++)
		for (int w = 0; w < 4; w++)
			count[cases[i].point][w] += cases[i].what == what[w];
	printf("%-24s %6s %6s %6s %6s\n", "point", "kill", "abort", "eio", "full");
	for (int p = 0; p < CRASH_AT_COUNT; p++)
		if (count[p][0] + count[p][1] + count[p][2] + count[p][3])
			printf("%-24s %6u %6u %6u %6u\n", plan_point_name(p), count[p][0],
			       count[p][1], count[p][2], count[p][3]);
}

static struct crash_case *choose(const char *wanted, size_t *n)
{
	static struct crash_case one;
	struct crash_case *all;
	size_t kept = 0;

	if (wanted && plan_parse(wanted, &one)) {
		*n = 1;
		return &one;
	}
	if (number("FAST", 0))
		plan_sample((size_t)number("SAMPLE", SAMPLE), (unsigned)number("SEED", 1));
	all = plan_cases(n);
	for (size_t i = 0; wanted && i < *n; i++)
		if (is_wanted(&all[i], wanted))
			all[kept++] = all[i];
	if (wanted)
		*n = kept;
	return all;
}

int main(void)
{
	const char *wanted = getenv("CASE") && *getenv("CASE") ? getenv("CASE") : NULL;
	const int64_t began = clock_ms();
	struct crash_case ignored, *cases;
	struct crew_result sum = {0};
	const bool one = wanted && plan_parse(wanted, &ignored);
	int missing = 0;
	size_t n, all;

	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	choose_builds();
	crew_open(number("JOBS", 2 * (int)sysconf(_SC_NPROCESSORS_ONLN)));
	if (!one) {
		sum.failed += crew_trace();
		missing = sum.failed ? 0 : plan_missing();
	}
	plan_cases(&all);
	cases = choose(wanted, &n);
	if (!one)
		printf("%d points, %zu stories, %zu cases, of which %zu are played\n",
		       CRASH_AT_COUNT, n_stories, all, n);
	if (n == 0)
		printf("no case has a name that begins with \"%s\"\n", wanted ? wanted : "");
	crew_play(cases, n, &sum);
	if (!wanted && !number("FAST", 0))
		print_table(cases, n);
	printf("%zu cases in %lld s: %d failed, %d not reached\n", n,
	       (long long)(clock_ms() - began) / 1000, sum.failed, sum.not_reached);
	if ((size_t)sum.not_reached * 100 > n * (n < MANY ? LATE_OF_FEW : LATE_OF_MANY)) {
		printf("too many were not reached\n");
		sum.failed++;
	}
	crew_close();
	/* As Check says it, for tests/run.sh. */
	printf("100%%: Checks: %zu, Failures: %d, Errors: 0\n", n + (one ? 0 : n_stories),
	       sum.failed + missing);
	return sum.failed + missing == 0 && n > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
