/* series.h - the runs of one kind over all rounds, and what is said of them.
 *
 * Thread: the program's only one. */
#ifndef BENCH_SERIES_H
#define BENCH_SERIES_H

#include "bench/run.h"

enum { ROUNDS_MAX = 99, SERIES_MAX = 16 };

enum kind { LOOP, SETTLE };

/* One figure of each run. */
struct figure {
	double of[ROUNDS_MAX];
};

struct series {
	enum kind kind;
	int clients;
	int rounds; /* so far */
	struct figure per_second, p50_ms, p99_ms, rolled_back;
	struct figure cpu_us[CPU_NAMES_MAX]; /* a transaction, by process */
	struct figure others_us;  /* a transaction: the kernel's own, and whoever else there is */
	struct figure idle, wait; /* of the machine's CPU time, 0 to 1 */
};

/* Adds a run and prints its line. */
void series_add(struct series *s, const struct run *run);

/* Prints the medians: a `2pc` line for each of Settle's series, then one line of CPU
 * time for each series. */
void series_report(const struct series *all, int n, const struct cpu *cpu);

#endif
