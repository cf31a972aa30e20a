/* crowd.c - many histories, on all cores; see trial.h. */
#include "tests/sim/trial.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SHRINK_SECONDS = 60 };

/* What one process did; shared with the parent. */
struct lane {
	uint64_t seed, histories, events, hash;
	struct sim_verdict v;
	struct sim_tally tallies[SIM_TALLIES];
	pid_t pid;
};

static struct shared {
	_Atomic uint64_t next; /* index of the seed that is to be begun */
	_Atomic bool stop;
	struct lane lanes[CROWD_JOBS_MAX];
} * all;

static double cpu(int of)
{
	struct rusage u;

	getrusage(of, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void work(const struct crowd *c, struct lane *l)
{
	l->v.show = SHOW_NOTHING;
	sim_tallies = l->tallies;
	for (;;) {
		const uint64_t i = atomic_fetch_add(&all->next, 1);

		if (i >= c->count || atomic_load(&all->stop) ||
		    (c->cpu_seconds > 0 && cpu(RUSAGE_SELF) * c->jobs > c->cpu_seconds))
			return;
		l->seed = c->seeds != NULL ? c->seeds[i] : c->first + i;
		trial_guard(TRIAL_SECONDS);
		sim_history(l->seed, NULL, NULL, &l->v);
		l->histories++;
		l->events += l->v.events;
		l->hash ^= l->v.hash; /* the sum is the same whoever ran them */
	}
}

static void wait_for_all(const struct crowd *c)
{
	int status;
	pid_t pid;

	while ((pid = wait(&status)) > 0) {
		for (unsigned i = 0; i < c->jobs; i++) {
			if (all->lanes[i].pid != pid)
				continue;
			trial_died(&all->lanes[i].v, status);
			if (all->lanes[i].v.broken)
				atomic_store(&all->stop, true);
		}
	}
}

/* ---- what is printed ---- */

static void add_tally(struct sim_tally *sum, const struct sim_tally *t)
{
	for (size_t i = 0; i < SIM_TALLIES; i++) {
		if (sum[i].n != 0 && strcmp(sum[i].what, t->what) != 0)
			continue;
		memcpy(sum[i].what, t->what, sizeof t->what);
		sum[i].n += t->n;
		return;
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct sim_tally *)a)->what, ((const struct sim_tally *)b)->what);
}

static void print_tallies(unsigned jobs)
{
	struct sim_tally sum[SIM_TALLIES];
	size_t n = 0;

	memset(sum, 0, sizeof sum);
	for (unsigned i = 0; i < jobs; i++)
		for (size_t k = 0; k < SIM_TALLIES && all->lanes[i].tallies[k].n != 0; k++)
			add_tally(sum, &all->lanes[i].tallies[k]);
	while (n < SIM_TALLIES && sum[n].n != 0)
		n++;
	qsort(sum, n, sizeof sum[0], by_name);
	for (size_t i = 0; i < n; i++)
		printf("%12" PRIu64 "  %s\n", sum[i].n, sum[i].what);
}

static void print_sums(const struct crowd *c, double seconds)
{
	uint64_t histories = 0, events = 0, hash = 0;

	for (unsigned i = 0; i < c->jobs; i++) {
		histories += all->lanes[i].histories;
		events += all->lanes[i].events;
		hash ^= all->lanes[i].hash;
	}
	print_tallies(c->jobs);
	printf("sim: %" PRIu64 " histories", histories);
	if (c->seeds == NULL)
		printf(" from seed %" PRIu64, c->first);
	printf(", %" PRIu64 " events, %.0f histories a minute of CPU, hash %016" PRIx64 "\n",
	       events, seconds > 0 ? (double)histories * 60 / seconds : 0, hash);
}

/* The lowest seed that broke a rule; several may have at once. */
static const struct lane *broken(unsigned jobs)
{
	const struct lane *low = NULL;

	for (unsigned i = 0; i < jobs; i++)
		if (all->lanes[i].v.broken && (low == NULL || all->lanes[i].seed < low->seed))
			low = &all->lanes[i];
	return low;
}

bool crowd_run(const struct crowd *c)
{
	const double before = cpu(RUSAGE_CHILDREN);
	const char *given = getenv("SHRINK");
	static struct shrunk it;
	const struct lane *b;

	if (all == NULL)
		all = trial_shared(sizeof *all);
	memset(all, 0, sizeof *all);
	fflush(stdout);
	for (unsigned i = 0; i < c->jobs; i++) {
		const pid_t pid = fork();

		if (pid == 0) {
			work(c, &all->lanes[i]);
			exit(0);
		}
		if (pid < 0) {
			perror("sim: cannot start a process");
			exit(2);
		}
		all->lanes[i].pid = pid;
	}
	wait_for_all(c);
	print_sums(c, cpu(RUSAGE_CHILDREN) - before);
	b = broken(c->jobs);
	if (b == NULL)
		return true;
	printf("BROKEN by seed %" PRIu64 ": %s\n", b->seed, b->v.how);
	if (shrink(b->seed, given != NULL ? (unsigned)atoi(given) : SHRINK_SECONDS, &it))
		shrink_show(&it);
	else
		printf("sim: alone seed %" PRIu64 " breaks no rule: something is not drawn from "
		       "the seed\n",
		       b->seed);
	return false;
}
