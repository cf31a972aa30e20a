/* bench_growth.c - what finished transactions in the journal cost: the same load on an empty
 * one and on a full one, in turns.
 *
 * Transactions of two branches with two-phase commit, on engine and journal in this process
 * (bench/inproc.h), so that nothing but the journal's size differs.  bench-growth.sh makes the
 * full one. */
#include "base/log.h"
#include "bench/goal.h"
#include "bench/inproc.h"
#include "bench/run.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
	const char *empty, *full, *name;
	int rounds, window_ms, clients;
	bool own_gids;
} options = {.name = "growth", .rounds = 9, .window_ms = 1000, .clients = 64};

static const char transfer[] = "workflow: transfer\n"
			       "steps:\n"
			       "  - name: pay\n"
			       "    atomic:\n"
			       "      - {name: debit, resource: nothing, operation: step}\n"
			       "      - {name: credit, resource: nothing, operation: step}\n";

/* Transactions a second; `cpu_us` is of this process, for one. */
static double one_run(struct inproc *p, struct cpu *cpu, double *cpu_us)
{
	struct run run = {
		.clients = options.clients,
		.warm_ms = 100,
		.window_ms = (uint64_t)options.window_ms,
		.seed = 1,
		.cpu = cpu,
		.accounts = 1,
	};
	double rate;

	inproc_run(p, &run);
	if (run.all_rolled_back > 0)
		bench_die("a transaction was rolled back: %s", run.reason);
	rate = run_per_second(&run);
	*cpu_us = run.use.of[0] * 1e6 / (double)run.committed;
	run_fini(&run);
	return rate;
}

/* The full one first in every second round. */
static void one_round(struct inproc *full, struct inproc *empty, struct cpu *cpu, int round,
		      struct pairs *rates, struct pairs *cpus)
{
	double rate[2], cpu_us[2];
	const int first = round % 2;

	for (int i = 0; i < 2; i++) {
		const int side = i == 0 ? first : !first;

		rate[side] = one_run(side == 0 ? full : empty, cpu, &cpu_us[side]);
	}
	pairs_add(rates, rate[0], rate[1]);
	pairs_add(cpus, cpu_us[0], cpu_us[1]);
	printf("run round=%d full=%.0f empty=%.0f\n", round, rate[0], rate[1]);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static const struct option list[] = {
		{"empty", required_argument, NULL, 'e'},
		{"full", required_argument, NULL, 'f'},
		{"rounds", required_argument, NULL, 'r'},
		{"window-ms", required_argument, NULL, 'w'},
		{"clients", required_argument, NULL, 'c'},
		{"name", required_argument, NULL, 'n'},
		{"own-gids", no_argument, NULL, 'o'},
		{NULL, 0, NULL, 0},
	};
	struct inproc *full, *empty;
	struct pairs rates = {0}, cpus = {0};
	struct cpu cpu = {0};
	int o;

	while ((o = getopt_long(argc, argv, "", list, NULL)) != -1) {
		switch (o) {
		case 'e': options.empty = optarg; break;
		case 'f': options.full = optarg; break;
		case 'r': options.rounds = bench_number(optarg, 1, PAIRS_MAX); break;
		case 'w': options.window_ms = bench_number(optarg, 1, 60000); break;
		case 'c': options.clients = bench_number(optarg, 1, 10000); break;
		case 'o': options.own_gids = true; break;
		case 'n': options.name = optarg; break;
		default: options.empty = NULL; optind = argc;
		}
	}
	if (options.empty == NULL || options.full == NULL || optind < argc) {
		fputs("usage: bench_growth --empty DIR --full DIR [--rounds 9]\n"
		      "       [--window-ms 1000] [--clients 64] [--name growth] [--own-gids]\n",
		      stderr);
		exit(2);
	}
	log_set_level(LOG_WARN);
	cpu_add(&cpu, "engine", getpid());
	full = inproc_open(options.full, "transfer", transfer);
	empty = inproc_open(options.empty, "transfer", transfer);
	if (options.own_gids) {
		inproc_own_gids(full);
		inproc_own_gids(empty);
	}
	for (int round = 1; round <= options.rounds; round++)
		one_round(full, empty, &cpu, round, &rates, &cpus);
	inproc_close(full);
	inproc_close(empty);
	printf("growth inflight=%d full=%.0f empty=%.0f a second cpu_us=%.1f, %.1f a transaction "
	       "(ratio %.3f)\n",
	       options.clients, pairs_ours(&rates), pairs_theirs(&rates), pairs_ours(&cpus),
	       pairs_theirs(&cpus), pairs_ratio(&cpus));
	goal_at_least(options.name, pairs_ratio(&rates), "ratio", 0.95);
	return 0;
}
