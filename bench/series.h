/* series.h - the runs of one kind over all rounds, and what is said of them.
 *
 * Thread: the program's only one. */
#ifndef BENCH_SERIES_H
#define BENCH_SERIES_H

#include "bench/run.h"

enum { ROUNDS_MAX = 99, SERIES_MAX = 16 };

enum kind { LOOP, SETTLE, SETTLE_DECIDED, SAGA_AGENT, SAGA_INPROCESS };

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

struct series_list {
	struct series of[SERIES_MAX];
	int n;
};

/* Adds a series for each number of clients in `clients` ("1,16,64"), which is changed. */
void series_list_add(struct series_list *list, enum kind kind, char *clients);
/* Few clients first; the loop before Settle. */
void series_list_sort(struct series_list *list);

/* Prints the medians: a `2pc` or `saga` line for each of Settle's series, then one line
 * of CPU time for each series, then the `name=` lines of what has a goal. */
void series_report(const struct series_list *list, const struct cpu *cpu);

#endif
