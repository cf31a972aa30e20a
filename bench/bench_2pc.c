/* bench_2pc.c - transfers between two PostgreSQL servers: Settle against a loop
 * written by hand, in turns, on the same servers and tables.
 *
 * bench-2pc.sh starts the servers, `settled` and the agents, and calls this.  Each
 * round has one run of every number of clients of both sides, next to each other;
 * every second round goes through them backwards.  After each run the two servers
 * are held against what the clients were told. */
#include "base/clock.h"
#include "bench/accounts.h"
#include "bench/loop.h"
#include "bench/rest.h"
#include "bench/series.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
	const char *conninfo[SIDES];
	int port; /* of settled's REST interface; 0: the loop alone */
	const char *lock_timeout;
	const char *sync_file;
	int rounds, window_ms, warm_ms, accounts;
	struct series series[SERIES_MAX];
	int n_series;
	struct cpu cpu;
} bench = {.lock_timeout = "2s", .rounds = 3, .window_ms = 5000, .warm_ms = 500, .accounts = 10000};

enum {
	OPT_A = 256,
	OPT_B,
	OPT_REST,
	OPT_ROUNDS,
	OPT_WINDOW,
	OPT_WARM,
	OPT_LOOP,
	OPT_SETTLE,
	OPT_LOCK,
	OPT_PROCESS,
	OPT_SYNC,
	OPT_ACCOUNTS,
};

static const struct option options[] = {
	{"a", required_argument, NULL, OPT_A},
	{"b", required_argument, NULL, OPT_B},
	{"rest-port", required_argument, NULL, OPT_REST},
	{"rounds", required_argument, NULL, OPT_ROUNDS},
	{"window-ms", required_argument, NULL, OPT_WINDOW},
	{"warm-ms", required_argument, NULL, OPT_WARM},
	{"loop", required_argument, NULL, OPT_LOOP},
	{"settle", required_argument, NULL, OPT_SETTLE},
	{"lock-timeout", required_argument, NULL, OPT_LOCK},
	{"process", required_argument, NULL, OPT_PROCESS},
	{"sync-file", required_argument, NULL, OPT_SYNC},
	{"accounts", required_argument, NULL, OPT_ACCOUNTS},
	{NULL, 0, NULL, 0},
};

static const char usage[] =
	"usage: bench_2pc --a CONNINFO --b CONNINFO [--rest-port PORT] [options]\n"
	"  --loop 1,4,16,64      clients of the loop; empty: none\n"
	"  --settle 1,16,64      clients of settled; empty: none\n"
	"  --rounds N            (3)  --window-ms N (5000)  --warm-ms N (500), of each run\n"
	"  --accounts N          (10000) on each server; few of them wait for each other\n"
	"  --lock-timeout T      (2s) of the loop; the agents' is in their own files\n"
	"  --process NAME=PID    whose CPU time is told, its children's with it; repeat\n"
	"  --sync-file PATH      a file to try how long a sync takes there\n";

static int number(const char *text, int min, int max)
{
	char *end;
	const long n = strtol(text, &end, 10);

	if (end == text || *end != '\0' || n < min || n > max)
		bench_die("\"%s\" is not a number from %d to %d", text, min, max);
	return (int)n;
}

static void add_series(enum kind kind, char *list)
{
	char *rest = NULL;

	for (char *word = strtok_r(list, ",", &rest); word != NULL;
	     word = strtok_r(NULL, ",", &rest)) {
		if (bench.n_series == SERIES_MAX)
			bench_die("more than %d kinds of runs", SERIES_MAX);
		bench.series[bench.n_series++] =
			(struct series){.kind = kind, .clients = number(word, 1, 10000)};
	}
}

static void add_process(char *text)
{
	char *equals = strchr(text, '=');

	if (equals == NULL)
		bench_die("--process wants NAME=PID");
	*equals = '\0';
	cpu_add(&bench.cpu, text, number(equals + 1, 1, 1 << 30));
}

static void read_options(int argc, char **argv)
{
	static char loops[] = "1,4,16,64", settles[] = "1,16,64";
	char *loop = loops, *settle = settles;
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (o) {
		case OPT_A: bench.conninfo[SIDE_A] = optarg; break;
		case OPT_B: bench.conninfo[SIDE_B] = optarg; break;
		case OPT_REST: bench.port = number(optarg, 1, 65535); break;
		case OPT_ROUNDS: bench.rounds = number(optarg, 1, ROUNDS_MAX); break;
		case OPT_WINDOW: bench.window_ms = number(optarg, 10, 3600 * 1000); break;
		case OPT_WARM: bench.warm_ms = number(optarg, 0, 3600 * 1000); break;
		case OPT_LOOP: loop = optarg; break;
		case OPT_SETTLE: settle = optarg; break;
		case OPT_LOCK: bench.lock_timeout = optarg; break;
		case OPT_PROCESS: add_process(optarg); break;
		case OPT_SYNC: bench.sync_file = optarg; break;
		case OPT_ACCOUNTS: bench.accounts = number(optarg, 1, 10000000); break;
		default: fputs(usage, stderr); exit(2);
		}
	}
	if (bench.conninfo[SIDE_A] == NULL || bench.conninfo[SIDE_B] == NULL || optind < argc) {
		fputs(usage, stderr);
		exit(2);
	}
	add_series(LOOP, loop);
	if (bench.port != 0)
		add_series(SETTLE, settle);
}

/* Few clients first; the loop before Settle. */
static int by_clients(const void *a, const void *b)
{
	const struct series *x = a, *y = b;

	if (x->clients != y->clients)
		return x->clients < y->clients ? -1 : 1;
	return (x->kind > y->kind) - (x->kind < y->kind);
}

/* The mean time in ms to write 4 KiB and make it durable, from the file's start on. */
static double sync_ms(int fd)
{
	enum { TRIES = 200 };
	static const char block[4096];
	const uint64_t began = clock_mono_us();

	for (int i = 0; i < TRIES; i++)
		if (pwrite(fd, block, sizeof block, (off_t)i * (off_t)sizeof block) < 0 ||
		    fdatasync(fd) != 0)
			bench_die("the sync file cannot be written: %s", strerror(errno));
	return (double)(clock_mono_us() - began) / 1e3 / TRIES;
}

/* Every latency has to do with this.  Logs are mostly overwritten, not appended to. */
static void report_sync(const char *path)
{
	const int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	double append, overwrite;

	if (fd < 0)
		bench_die("%s cannot be written: %s", path, strerror(errno));
	append = sync_ms(fd);
	overwrite = sync_ms(fd);
	printf("disk: 4 KiB are durable after %.3f ms appended, %.3f ms overwritten\n", append,
	       overwrite);
	close(fd);
	unlink(path);
}

static void one_run(struct series *s, struct accounts *accounts, int round)
{
	struct run run = {
		.clients = s->clients,
		.warm_ms = (uint64_t)bench.warm_ms,
		.window_ms = (uint64_t)bench.window_ms,
		.seed = 0x9e3779b97f4a7c15u + (uint64_t)round, /* both sides: the same accounts */
		.cpu = &bench.cpu,
		.accounts = bench.accounts,
	};

	accounts_settle(accounts);
	if (s->kind == LOOP)
		loop_run(&run, bench.conninfo, bench.lock_timeout);
	else
		rest_run(&run, bench.port);
	accounts_check(accounts, run.moved);
	series_add(s, &run);
	run_fini(&run);
}

int main(int argc, char **argv)
{
	struct accounts accounts = {0};

	cpu_add(&bench.cpu, "client", getpid());
	read_options(argc, argv);
	qsort(bench.series, (size_t)bench.n_series, sizeof *bench.series, by_clients);
	memcpy(accounts.conninfo, bench.conninfo, sizeof accounts.conninfo);
	if (bench.sync_file != NULL)
		report_sync(bench.sync_file);
	accounts_open(&accounts, bench.accounts);
	if (bench.port != 0)
		rest_await_ready(bench.port);
	for (int round = 1; round <= bench.rounds; round++)
		for (int i = 0; i < bench.n_series; i++)
			one_run(&bench.series[round % 2 ? i : bench.n_series - 1 - i], &accounts,
				round);
	accounts_close(&accounts);
	series_report(bench.series, bench.n_series, &bench.cpu);
	return 0;
}
