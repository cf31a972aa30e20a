/* bench_saga.c - sagas a second: a chain of three calls that do nothing, as a published
 * workflow, through `settled` and one agent, and on the engine and its journal alone.
 *
 * bench-saga.sh starts `settled` and the agent, publishes the workflow, and calls this.
 * Each round has one run of every number in flight of both, next to each other; every
 * second round goes through them backwards. */
#include "base/log.h"
#include "bench/disk.h"
#include "bench/inproc.h"
#include "bench/rest.h"
#include "bench/series.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_MAX = 4096 };

static struct {
	int port; /* of settled's REST interface; 0: in process alone */
	const char *data, *workflow, *sync_file;
	int rounds, window_ms, warm_ms;
	struct series_list series;
	struct cpu cpu;
	struct inproc *inproc;
	char text[TEXT_MAX];
} bench = {.rounds = 3, .window_ms = 3000, .warm_ms = 500};

enum {
	OPT_DATA = 256,
	OPT_WORKFLOW,
	OPT_REST,
	OPT_ROUNDS,
	OPT_WINDOW,
	OPT_WARM,
	OPT_AGENT,
	OPT_INPROCESS,
	OPT_PROCESS,
	OPT_SYNC,
};

static const struct option options[] = {
	{"data", required_argument, NULL, OPT_DATA},
	{"workflow", required_argument, NULL, OPT_WORKFLOW},
	{"rest-port", required_argument, NULL, OPT_REST},
	{"rounds", required_argument, NULL, OPT_ROUNDS},
	{"window-ms", required_argument, NULL, OPT_WINDOW},
	{"warm-ms", required_argument, NULL, OPT_WARM},
	{"agent", required_argument, NULL, OPT_AGENT},
	{"inprocess", required_argument, NULL, OPT_INPROCESS},
	{"process", required_argument, NULL, OPT_PROCESS},
	{"sync-file", required_argument, NULL, OPT_SYNC},
	{NULL, 0, NULL, 0},
};

static const char usage[] =
	"usage: bench_saga --data DIR --workflow FILE [--rest-port PORT] [options]\n"
	"  --data DIR            a directory to be made, for the journal in process\n"
	"  --workflow FILE       the workflow `chain`, published already at PORT\n"
	"  --agent 1,16,64,256   in flight, through settled and the agent; empty: none\n"
	"  --inprocess 1,16,…    in flight, on engine and journal alone; empty: none\n"
	"  --rounds N            (3)  --window-ms N (3000)  --warm-ms N (500), of each run\n"
	"  --process NAME=PID    whose CPU time is told, its children's with it; repeat\n"
	"  --sync-file PATH      a file to try how long a sync takes there\n";

static void read_options(int argc, char **argv)
{
	static char agents[] = "1,16,64,256", inprocesses[] = "1,16,64,256";
	char *agent = agents, *inprocess = inprocesses;
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (o) {
		case OPT_DATA: bench.data = optarg; break;
		case OPT_WORKFLOW: bench.workflow = optarg; break;
		case OPT_REST: bench.port = bench_number(optarg, 1, 65535); break;
		case OPT_ROUNDS: bench.rounds = bench_number(optarg, 1, ROUNDS_MAX); break;
		case OPT_WINDOW: bench.window_ms = bench_number(optarg, 10, 3600 * 1000); break;
		case OPT_WARM: bench.warm_ms = bench_number(optarg, 0, 3600 * 1000); break;
		case OPT_AGENT: agent = optarg; break;
		case OPT_INPROCESS: inprocess = optarg; break;
		case OPT_PROCESS: cpu_add_named(&bench.cpu, optarg); break;
		case OPT_SYNC: bench.sync_file = optarg; break;
		default: fputs(usage, stderr); exit(2);
		}
	}
	if (bench.data == NULL || bench.workflow == NULL || optind < argc) {
		fputs(usage, stderr);
		exit(2);
	}
	series_list_add(&bench.series, SAGA_INPROCESS, inprocess);
	if (bench.port != 0)
		series_list_add(&bench.series, SAGA_AGENT, agent);
	series_list_sort(&bench.series);
}

static void read_workflow(const char *path)
{
	FILE *f = fopen(path, "re");
	size_t n;

	if (f == NULL)
		bench_die("%s cannot be read", path);
	n = fread(bench.text, 1, sizeof bench.text - 1, f);
	if (n == 0 || n == sizeof bench.text - 1)
		bench_die("%s is empty or too long", path);
	fclose(f);
}

static void saga_body(const struct transfer *t, char *out, size_t room)
{
	(void)t;
	snprintf(out, room, "{\"workflow\":\"chain\",\"wait\":\"finished\"}");
}

static void one_run(struct series *s)
{
	static const struct rest_load sagas = {.body = saga_body};
	struct run run = {
		.clients = s->clients,
		.warm_ms = (uint64_t)bench.warm_ms,
		.window_ms = (uint64_t)bench.window_ms,
		.seed = 1,
		.cpu = &bench.cpu,
		.accounts = 1,
	};

	if (s->kind == SAGA_AGENT)
		rest_run(&run, bench.port, &sagas);
	else
		inproc_run(bench.inproc, &run);
	if (run.all_rolled_back > 0)
		bench_die("a saga was rolled back: %s", run.reason);
	series_add(s, &run);
	run_fini(&run);
}

int main(int argc, char **argv)
{
	cpu_add(&bench.cpu, "client", getpid());
	read_options(argc, argv);
	read_workflow(bench.workflow);
	log_set_level(LOG_WARN);
	if (bench.sync_file != NULL)
		disk_report(bench.sync_file);
	bench.inproc = inproc_open(bench.data, "chain", bench.text);
	if (bench.port != 0)
		rest_await_ready(bench.port, 1);
	for (int round = 1; round <= bench.rounds; round++)
		for (int i = 0; i < bench.series.n; i++)
			one_run(&bench.series.of[round % 2 ? i : bench.series.n - 1 - i]);
	inproc_close(bench.inproc);
	series_report(&bench.series, &bench.cpu);
	return 0;
}
