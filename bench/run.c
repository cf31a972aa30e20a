/* run.c - see run.h. */
#include "bench/run.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

enum { EVENTS_MAX = 256, SILENCE_MAX_MS = 60 * 1000, AMOUNT_MAX = 10 };

void bench_die(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("bench: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

int bench_number(const char *text, int min, int max)
{
	char *end;
	const long n = strtol(text, &end, 10);

	if (end == text || *end != '\0' || n < min || n > max)
		bench_die("\"%s\" is not a number from %d to %d", text, min, max);
	return (int)n;
}

/* Marsaglia's xorshift: accounts need to be spread, not to be secret. */
static uint64_t draw(struct run *run)
{
	run->seed ^= run->seed << 13;
	run->seed ^= run->seed >> 7;
	run->seed ^= run->seed << 17;
	return run->seed;
}

static int draw_below(struct run *run, int n)
{
	return (int)((draw(run) >> 11) % (uint64_t)n);
}

/* Opens or closes the window when it is time; true while it is open. */
static bool in_window(struct run *run, uint64_t now)
{
	if (run->opened_us == 0 && now >= run->opens_us) {
		cpu_begin(run->cpu, &run->use);
		run->opened_us = clock_mono_us();
		return false; /* it ended before */
	}
	if (run->opened_us != 0 && !run->closed && now >= run->closes_us) {
		run->seconds = (double)(now - run->opened_us) / 1e6;
		run->closed = true;
		cpu_end(run->cpu, &run->use);
	}
	return run->opened_us != 0 && !run->closed;
}

bool run_next(struct run *run, struct transfer *t)
{
	const uint64_t now = clock_mono_us();

	if (now >= run->closes_us) {
		in_window(run, now); /* perhaps nothing ends after this */
		return false;
	}
	t->from = 1 + draw_below(run, run->accounts);
	t->to = 1 + draw_below(run, run->accounts);
	t->amount = 1 + draw_below(run, AMOUNT_MAX);
	t->began_us = now;
	run->open++;
	return true;
}

static void keep_latency(struct run *run, uint64_t us)
{
	if (run->n_latencies == run->room) {
		run->room = run->room > 0 ? 2 * run->room : 1 << 16;
		run->latency_us = mem_grow(run->latency_us, run->room, sizeof *run->latency_us);
	}
	run->latency_us[run->n_latencies++] = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

void run_ended(struct run *run, const struct transfer *t, const char *reason)
{
	const uint64_t now = clock_mono_us();

	run->open--;
	if (reason == NULL)
		run->moved += t->amount;
	else
		snprintf(run->reason, sizeof run->reason, "%.*s", (int)strcspn(reason, "\n"),
			 reason);
	run->all_rolled_back += reason != NULL;
	if (!in_window(run, now))
		return;
	run->committed += reason == NULL;
	run->rolled_back += reason != NULL;
	keep_latency(run, now - t->began_us);
}

void run_start(struct run *run)
{
	run->opens_us = clock_mono_us() + run->warm_ms * 1000;
	run->closes_us = run->opens_us + run->window_ms * 1000;
}

static int by_size(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

void run_loop(struct run *run, int ep, run_ready_fn ready)
{
	struct epoll_event events[EVENTS_MAX];

	while (run->open > 0) {
		const int n = epoll_wait(ep, events, EVENTS_MAX, SILENCE_MAX_MS);

		if (n < 0 && errno != EINTR)
			bench_die("epoll_wait: %s", strerror(errno));
		if (n == 0)
			bench_die("%d transactions under way, and nothing heard for %d s",
				  run->open, SILENCE_MAX_MS / 1000);
		for (int i = 0; i < n; i++)
			ready(events[i].data.ptr, run);
	}
	run_finish(run);
}

void run_finish(struct run *run)
{
	if (!run->closed)
		bench_die("the last transaction ended before the window did");
	if (run->n_latencies > 0)
		qsort(run->latency_us, run->n_latencies, sizeof *run->latency_us, by_size);
}

double run_percentile_ms(const struct run *run, double share)
{
	if (run->n_latencies == 0)
		return 0;
	return run->latency_us[(size_t)((double)(run->n_latencies - 1) * share)] / 1e3;
}

double run_per_second(const struct run *run)
{
	return (double)run->committed / run->seconds;
}

void run_fini(struct run *run)
{
	free(run->latency_us);
	*run = (struct run){0};
}
