/* trial.h - histories in processes of their own; see sim.h.
 *
 * A history that breaks a rule ends its process; what it found it leaves in memory that
 * its parent shares. */
#ifndef TESTS_SIM_TRIAL_H
#define TESTS_SIM_TRIAL_H

#include "tests/sim/sim.h"

#include <stdio.h>

/* ---- trial.c ---- */

/* Of CPU, for one history, which takes some milliseconds. */
enum { TRIAL_SECONDS = 20, TRIAL_SECONDS_SHRINKING = 1 };

struct trial {
	struct sim_verdict v;
	struct sim_points points; /* that were taken */
};

/* Zeroed memory that children share; never given back. */
void *trial_shared(size_t size);
/* In the child: an assertion, or a history without end, is a rule broken. */
void trial_guard(unsigned seconds);
/* In the parent: a child that died without a verdict gets one. */
void trial_died(struct sim_verdict *v, int status);
/* `t` must be shared. */
void trial_run(struct trial *t, uint64_t seed, const struct sim_only *only, enum sim_show show);

/* ---- shrink.c ---- */

struct shrunk {
	uint64_t seed;
	size_t whole, lines, trials; /* lines before and after */
	struct sim_only only;
};

/* Finds what the history of a seed that breaks a rule can do without; takes so many
 * seconds of CPU at most, and a history.  False: it breaks none. */
bool shrink(uint64_t seed, unsigned seconds, struct shrunk *out);
/* Prints what is left, the rule, and how to see it again. */
void shrink_show(const struct shrunk *it);

/* ---- only.c ---- */

/* As it is written after `--only`; false: it says what is wrong on stderr. */
bool only_parse(struct sim_only *only, const char *text);
void only_print(const struct sim_only *only, FILE *out);

/* ---- crowd.c ---- */

enum { CROWD_JOBS_MAX = 64 };

struct crowd {
	uint64_t first, count;
	const uint64_t *seeds; /* instead of first, first + 1, … */
	double cpu_seconds;    /* then no more are begun; 0: no limit */
	unsigned jobs;
};

/* Runs them all, prints the sums; false: one broke a rule, and was shown. */
bool crowd_run(const struct crowd *c);

/* ---- repeat.c ---- */

/* A seed is the same history in each process, whatever ran before it. */
bool repeat_check(uint64_t seed);
/* A history that breaks a rule becomes short, and its command line shows it again. */
bool repeat_check_shrunk(uint64_t seed);

#endif
