/* bench_2pc.c - transfers between two PostgreSQL servers: Settle against a loop
 * written by hand, in turns, on the same servers and tables.
 *
 * bench-2pc.sh starts the servers, `settled` and the agents, and calls this.  Each
 * round has one run of every number of clients of both sides, next to each other;
 * every second round goes through them backwards.  After each run the two servers
 * are held against what the clients were told. */
#include "bench/accounts.h"
#include "bench/disk.h"
#include "bench/loop.h"
#include "bench/rest.h"
#include "bench/series.h"

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
	struct series_list series;
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
	OPT_DECIDED,
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
	{"decided", required_argument, NULL, OPT_DECIDED},
	{"lock-timeout", required_argument, NULL, OPT_LOCK},
	{"process", required_argument, NULL, OPT_PROCESS},
	{"sync-file", required_argument, NULL, OPT_SYNC},
	{"accounts", required_argument, NULL, OPT_ACCOUNTS},
	{NULL, 0, NULL, 0},
};

static const char usage[] =
	"usage: bench_2pc --a CONNINFO --b CONNINFO [--rest-port PORT] [options]\n"
	"  --loop 1,4,16,64      clients of the loop; empty: none\n"
	"  --settle 1,16,64      clients of settled, each waits for the end; empty: none\n"
	"  --decided 1           clients that are answered on the decision; empty: none\n"
	"  --rounds N            (3)  --window-ms N (5000)  --warm-ms N (500), of each run\n"
	"  --accounts N          (10000) on each server; few of them wait for each other\n"
	"  --lock-timeout T      (2s) of the loop; the agents' is in their own files\n"
	"  --process NAME=PID    whose CPU time is told, its children's with it; repeat\n"
	"  --sync-file PATH      a file to try how long a sync takes there\n";

static const char transfer_workflow[] =
	"{\"workflow\": \"transfer\", \"input\": [\"from\", \"to\", \"amount\"], \"steps\": ["
	"{\"name\": \"pay\", \"timeout\": \"10s\", \"atomic\": ["
	"{\"name\": \"debit\", \"resource\": \"bank-a\", \"operation\": \"debit\", "
	"\"args\": {\"id\": \"${input.from}\", \"amount\": \"${input.amount}\"}}, "
	"{\"name\": \"credit\", \"resource\": \"bank-b\", \"operation\": \"credit\", "
	"\"args\": {\"id\": \"${input.to}\", \"amount\": \"${input.amount}\"}}]}]}";

static void write_body(const struct transfer *t, const char *wait, char *out, size_t room)
{
	snprintf(out, room,
		 "{\"workflow\":\"transfer\",\"input\":{\"from\":%d,\"to\":%d,\"amount\":%d},"
		 "\"wait\":\"%s\"}",
		 t->from, t->to, t->amount, wait);
}

static void finished_body(const struct transfer *t, char *out, size_t room)
{
	write_body(t, "finished", out, room);
}

static void decided_body(const struct transfer *t, char *out, size_t room)
{
	write_body(t, "decided", out, room);
}

static const struct rest_load finished = {finished_body, false}, decided = {decided_body, true};

static void read_options(int argc, char **argv)
{
	static char loops[] = "1,4,16,64", settles[] = "1,16,64", decideds[] = "1";
	char *loop = loops, *settle = settles, *on_decision = decideds;
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (o) {
		case OPT_A: bench.conninfo[SIDE_A] = optarg; break;
		case OPT_B: bench.conninfo[SIDE_B] = optarg; break;
		case OPT_REST: bench.port = bench_number(optarg, 1, 65535); break;
		case OPT_ROUNDS: bench.rounds = bench_number(optarg, 1, ROUNDS_MAX); break;
		case OPT_WINDOW: bench.window_ms = bench_number(optarg, 10, 3600 * 1000); break;
		case OPT_WARM: bench.warm_ms = bench_number(optarg, 0, 3600 * 1000); break;
		case OPT_LOOP: loop = optarg; break;
		case OPT_SETTLE: settle = optarg; break;
		case OPT_DECIDED: on_decision = optarg; break;
		case OPT_LOCK: bench.lock_timeout = optarg; break;
		case OPT_PROCESS: cpu_add_named(&bench.cpu, optarg); break;
		case OPT_SYNC: bench.sync_file = optarg; break;
		case OPT_ACCOUNTS: bench.accounts = bench_number(optarg, 1, 10000000); break;
		default: fputs(usage, stderr); exit(2);
		}
	}
	if (bench.conninfo[SIDE_A] == NULL || bench.conninfo[SIDE_B] == NULL || optind < argc) {
		fputs(usage, stderr);
		exit(2);
	}
	series_list_add(&bench.series, LOOP, loop);
	if (bench.port == 0)
		return;
	series_list_add(&bench.series, SETTLE, settle);
	series_list_add(&bench.series, SETTLE_DECIDED, on_decision);
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
		rest_run(&run, bench.port, s->kind == SETTLE ? &finished : &decided);
	accounts_check(accounts, run.moved);
	series_add(s, &run);
	run_fini(&run);
}

int main(int argc, char **argv)
{
	struct accounts accounts = {0};

	cpu_add(&bench.cpu, "client", getpid());
	read_options(argc, argv);
	series_list_sort(&bench.series);
	memcpy(accounts.conninfo, bench.conninfo, sizeof accounts.conninfo);
	if (bench.sync_file != NULL)
		disk_report(bench.sync_file);
	accounts_open(&accounts, bench.accounts);
	if (bench.port != 0)
		rest_await_ready(bench.port, 2);
	if (bench.port != 0)
		rest_publish(bench.port, transfer_workflow);
	for (int round = 1; round <= bench.rounds; round++)
		for (int i = 0; i < bench.series.n; i++)
			one_run(&bench.series.of[round % 2 ? i : bench.series.n - 1 - i], &accounts,
				round);
	accounts_close(&accounts);
	series_report(&bench.series, &bench.cpu);
	return 0;
}
