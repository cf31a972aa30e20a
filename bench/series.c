/* series.c - see series.h. */
#include "bench/series.h"

#include "bench/goal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_names[] = {
	[LOOP] = "loop",
	[SETTLE] = "settle",
	[SETTLE_DECIDED] = "settle-decided",
	[SAGA_AGENT] = "agent",
	[SAGA_INPROCESS] = "inprocess",
};

void series_list_add(struct series_list *list, enum kind kind, char *clients)
{
	char *rest = NULL;

	for (char *word = strtok_r(clients, ",", &rest); word != NULL;
	     word = strtok_r(NULL, ",", &rest)) {
		if (list->n == SERIES_MAX)
			bench_die("more than %d kinds of runs", SERIES_MAX);
		list->of[list->n++] =
			(struct series){.kind = kind, .clients = bench_number(word, 1, 10000)};
	}
}

static int by_clients(const void *a, const void *b)
{
	const struct series *x = a, *y = b;

	if (x->clients != y->clients)
		return x->clients < y->clients ? -1 : 1;
	return (x->kind > y->kind) - (x->kind < y->kind);
}

void series_list_sort(struct series_list *list)
{
	qsort(list->of, (size_t)list->n, sizeof *list->of, by_clients);
}

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(const struct series *s, const struct figure *f)
{
	double sorted[ROUNDS_MAX];
	const int n = s->rounds;

	if (n == 0)
		return 0;
	memcpy(sorted, f->of, (size_t)n * sizeof *sorted);
	qsort(sorted, (size_t)n, sizeof *sorted, by_value);
	return (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
}

void series_add(struct series *s, const struct run *run)
{
	const int r = s->rounds++;
	const uint64_t ended = run->committed + run->rolled_back;
	const double to_us = ended > 0 ? 1e6 / (double)ended : 0;
	double ours = 0;

	s->per_second.of[r] = run_per_second(run);
	s->p50_ms.of[r] = run_percentile_ms(run, 0.50);
	s->p99_ms.of[r] = run_percentile_ms(run, 0.99);
	s->rolled_back.of[r] = (double)run->rolled_back;
	for (int i = 0; i < run->cpu->n; i++) {
		s->cpu_us[i].of[r] = run->use.of[i] * to_us;
		ours += run->use.of[i];
	}
	s->others_us.of[r] = (run->use.busy - ours) * to_us;
	s->idle.of[r] = 1 - (run->use.busy + run->use.wait) / run->use.whole;
	s->wait.of[r] = run->use.wait / run->use.whole;
	printf("run round=%d %s clients=%d per_second=%.0f p50=%.2f p99=%.2f max=%.2f "
	       "rolled_back=%" PRIu64 "%s%s\n",
	       r + 1, kind_names[s->kind], s->clients, s->per_second.of[r], s->p50_ms.of[r],
	       s->p99_ms.of[r], run_percentile_ms(run, 1), run->rolled_back,
	       run->all_rolled_back > 0 ? " the last: " : "", run->reason);
	fflush(stdout);
}

/* ---- the report ---- */

/* The loop's fastest series, or that of `clients`; NULL if there is none. */
static const struct series *loop_of(const struct series *all, int n, int clients)
{
	const struct series *best = NULL;

	for (const struct series *s = all; s < all + n; s++) {
		if (s->kind != LOOP || (clients > 0 && s->clients != clients))
			continue;
		if (best == NULL || median(s, &s->per_second) > median(best, &best->per_second))
			best = s;
	}
	return best;
}

static void report_2pc(const struct series *s, const struct series *best, const struct series *like)
{
	const double settle = median(s, &s->per_second);
	const double p50 = median(s, &s->p50_ms);

	printf("2pc inflight=%d answered=%s settle=%.0f", s->clients,
	       s->kind == SETTLE ? "finished" : "decided", settle);
	if (best != NULL)
		printf(" loop=%.0f ratio=%.2f best_loop_clients=%d",
		       median(best, &best->per_second), settle / median(best, &best->per_second),
		       best->clients);
	printf(" settle_p50_ms=%.2f settle_p99_ms=%.2f", p50, median(s, &s->p99_ms));
	if (like != NULL)
		printf(" loop_p50_ms=%.2f loop_p99_ms=%.2f p50_ratio=%.2f",
		       median(like, &like->p50_ms), median(like, &like->p99_ms),
		       p50 / median(like, &like->p50_ms));
	putchar('\n');
}

static void report_saga(const struct series *s)
{
	printf("saga steps=3 inflight=%d rate=%.0f p50_ms=%.2f p99_ms=%.2f where=%s\n", s->clients,
	       median(s, &s->per_second), median(s, &s->p50_ms), median(s, &s->p99_ms),
	       kind_names[s->kind]);
}

static void report_cpu(const struct series *s, const struct cpu *cpu)
{
	double sum = 0;

	printf("cpu %s clients=%d us_per_transaction:", kind_names[s->kind], s->clients);
	for (int i = 0; i < cpu->n; i++) {
		const double us = median(s, &s->cpu_us[i]);

		sum += us;
		printf(" %s=%.0f", cpu->name[i], us);
	}
	printf(" together=%.0f others=%.0f machine: idle=%.0f%% disk_wait=%.0f%%\n", sum,
	       median(s, &s->others_us), 100 * median(s, &s->idle), 100 * median(s, &s->wait));
}

/* Ours to theirs in each round; the median of that. */
static double ratio(const struct series *s, const struct figure *ours, const struct figure *theirs)
{
	struct figure each;

	for (int i = 0; i < s->rounds; i++)
		each.of[i] = ours->of[i] / theirs->of[i];
	return median(s, &each);
}

static void goals_2pc(const struct series *s, const struct series *best, const struct series *like)
{
	char name[48];

	const char *decided = s->kind == SETTLE_DECIDED ? "decided_" : "";

	if (best != NULL && s->clients != 1) {
		snprintf(name, sizeof name, "2pc_%sratio_%d", decided, s->clients);
		goal_at_least(name, ratio(s, &s->per_second, &best->per_second), "ratio", 1.0);
	}
	if (like != NULL && s->clients != 64) { /* of a full machine, the throughput counts */
		snprintf(name, sizeof name, "2pc_%sp50_ratio_%d", decided, s->clients);
		goal_at_most(name, ratio(s, &s->p50_ms, &like->p50_ms), "ratio", 1.3);
	}
}

static void goals(const struct series_list *list)
{
	for (const struct series *s = list->of; s < list->of + list->n; s++) {
		const double rate = median(s, &s->per_second);

		if (s->kind == SETTLE || s->kind == SETTLE_DECIDED)
			goals_2pc(s, loop_of(list->of, list->n, 0),
				  loop_of(list->of, list->n, s->clients));
		else if (s->kind == SAGA_AGENT && s->clients == 64)
			goal_at_least("saga_agent_64", rate, "per_second", 20000);
		else if (s->kind == SAGA_INPROCESS && s->clients == 64)
			goal_at_least("saga_inprocess_64", rate, "per_second", 50000);
	}
}

void series_report(const struct series_list *list, const struct cpu *cpu)
{
	const struct series *all = list->of, *end = all + list->n;

	puts("\nmedians over the rounds; latencies of the loop with as many clients");
	for (const struct series *s = all; s < end; s++)
		if (s->kind == SETTLE || s->kind == SETTLE_DECIDED)
			report_2pc(s, loop_of(all, list->n, 0), loop_of(all, list->n, s->clients));
		else if (s->kind != LOOP)
			report_saga(s);
	for (const struct series *s = all; s < end; s++)
		if (s->kind == LOOP)
			printf("loop clients=%d per_second=%.0f p50_ms=%.2f p99_ms=%.2f\n",
			       s->clients, median(s, &s->per_second), median(s, &s->p50_ms),
			       median(s, &s->p99_ms));
	for (const struct series *s = all; s < end; s++)
		report_cpu(s, cpu);
	goals(list);
}
