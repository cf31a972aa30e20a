/* run.h - one run of a load: so many clients, each with one transaction at a time,
 * warmed up, measured for a fixed time, then let end.
 *
 * Both sides of the benchmark go through here, so that they are measured alike:
 * a transaction counts if its end falls into the window; what it moved counts in
 * any case, because the banks are held against it.
 * Thread: the program's only one. */
#ifndef BENCH_RUN_H
#define BENCH_RUN_H

#include "bench/cpu.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct run {
	/* Given. */
	int clients;
	uint64_t warm_ms, window_ms;
	uint64_t seed;
	struct cpu *cpu;
	int accounts; /* on each server, numbered from 1 */

	/* Measured. */
	uint64_t committed, rolled_back; /* in the window */
	uint32_t *latency_us;            /* of each of both; sorted once run_loop has returned */
	size_t n_latencies, room;
	double seconds; /* that the window was open */
	struct cpu_use use;

	/* Over the whole run. */
	int64_t moved;
	uint64_t all_rolled_back;
	char reason[200]; /* of the last that was rolled back */

	uint64_t opens_us, closes_us, opened_us; /* the window */
	bool closed;
	int open; /* transactions under way */
};

/* What one transaction does. */
struct transfer {
	int from, to, amount;
	uint64_t began_us;
};

/* Begins the next one into `t`; false when no more are to be begun. */
bool run_next(struct run *run, struct transfer *t);

/* One has ended; `reason` tells why it was rolled back, NULL: it was committed. */
void run_ended(struct run *run, const struct transfer *t, const char *reason);

/* Called with what epoll was given for a descriptor that can be read or written. */
typedef void (*run_ready_fn)(void *who, struct run *run);

/* Starts the clock; the caller then begins one transaction a client and calls run_loop,
 * which returns when all of them have ended.  `ep` is the caller's. */
void run_start(struct run *run);
void run_loop(struct run *run, int ep, run_ready_fn ready);

/* For a load that waits in another way than by epoll: after the last has ended. */
void run_finish(struct run *run);

/* The latency that `share` (0 to 1) of the transactions did not exceed, in ms. */
double run_percentile_ms(const struct run *run, double share);
double run_per_second(const struct run *run);
void run_fini(struct run *run);

/* The number that an option's text is. */
int bench_number(const char *text, int min, int max);
/* Ends the program: a benchmark that went wrong has no result. */
_Noreturn void bench_die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
