/* bench_scale.c - what a branch costs the coordinator, by the number of branches of a
 * transaction and by the number of agents.
 *
 * bench-scale.sh starts a `settled` and a crew of agents (crew.h) for each number of agents
 * and calls this: with --crew to be such a crew, else to load them.  The agents' resource
 * does nothing, and only the CPU time of `settled` counts, so that the machine's speed and
 * what else it does matter little.  Rounds take turns; every second one goes backwards. */
#include "bench/crew.h"
#include "bench/goal.h"
#include "bench/rest.h"

#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	EACH = 16,
	TARGETS_MAX = 4,
	WORKFLOWS = 100,
	ROUNDS_MOST = 99,
	BRANCHES_MAX = 16,
	TEXT_MAX = 2048
};

/* A coordinator with so many agents. */
struct target {
	int agents, port;
	struct cpu cpu; /* of this program, and of the coordinator */
};

struct cell {
	int agents, branches, clients;
	bool full;              /* left out of a quick run */
	double us[ROUNDS_MOST]; /* of settled, a branch */
};

static struct {
	struct target targets[TARGETS_MAX];
	int n_targets, rounds, window_ms, warm_ms, crew;
	const char *url;
	bool quick;
} bench = {.rounds = 5, .window_ms = 700, .warm_ms = 200};

/* With one in flight nobody shares anything; with 64, one agent's frames carry many commands
 * and those of a hundred agents one each; with 1,600 the frames of all are well filled.
 * EACH: as many in flight for each agent, so that the load grows with the agents. */
static struct cell cells[] = {
	{.agents = 10, .branches = 2, .clients = 64},
	{.agents = 10, .branches = 4, .clients = 64, .full = true},
	{.agents = 10, .branches = 8, .clients = 64, .full = true},
	{.agents = 10, .branches = 16, .clients = 64},
	{.agents = 1, .branches = 2, .clients = 1},
	{.agents = 10, .branches = 2, .clients = 1, .full = true},
	{.agents = 100, .branches = 2, .clients = 1},
	{.agents = 1, .branches = 2, .clients = EACH},
	{.agents = 10, .branches = 2, .clients = 10 * EACH, .full = true},
	{.agents = 1, .branches = 2, .clients = 64},
	{.agents = 100, .branches = 2, .clients = 64},
	{.agents = 1, .branches = 2, .clients = 1600},
	{.agents = 10, .branches = 2, .clients = 1600, .full = true},
	{.agents = 100, .branches = 2, .clients = 100 * EACH},
};
enum { CELLS = sizeof cells / sizeof cells[0] };

/* ---- the load ---- */

static int branches_now; /* of the workflows that transaction_body names */

static void transaction_body(const struct transfer *t, char *out, size_t room)
{
	snprintf(out, room, "{\"workflow\":\"w%d.%d\",\"wait\":\"finished\"}", branches_now,
		 t->from - 1);
}

/* Branch k of workflow i is at agent i + k: so all agents have the same to do, and as few
 * definitions are known however many agents there are. */
static void publish(const struct target *t, int branches)
{
	for (int i = 0; i < WORKFLOWS; i++) {
		char text[TEXT_MAX];
		size_t n = (size_t)snprintf(text, sizeof text,
					    "{\"workflow\":\"w%d.%d\",\"steps\":[{\"name\":\"s\","
					    "\"atomic\":[",
					    branches, i);

		for (int k = 0; k < branches; k++)
			n += (size_t)snprintf(text + n, sizeof text - n,
					      "%s{\"name\":\"b%d\",\"resource\":\"r%d\","
					      "\"operation\":\"work\"}",
					      k > 0 ? "," : "", k, (i + k) % t->agents);
		snprintf(text + n, sizeof text - n, "]}]}");
		rest_publish(t->port, text);
	}
}

static bool left_out(const struct cell *c)
{
	return bench.quick && c->full;
}

static void prepare(const struct target *t)
{
	rest_await_ready(t->port, t->agents);
	for (int branches = 2; branches <= BRANCHES_MAX; branches *= 2)
		for (int i = 0; i < CELLS; i++)
			if (cells[i].agents == t->agents && cells[i].branches == branches &&
			    !left_out(&cells[i])) {
				publish(t, branches);
				break;
			}
}

static void one_run(struct cell *c, int round)
{
	static const struct rest_load load = {.body = transaction_body};
	struct target *t = bench.targets;
	struct run run;

	if (left_out(c))
		return;
	while (t->agents != c->agents)
		t++;
	branches_now = c->branches;
	run = (struct run){
		.clients = c->clients,
		.warm_ms = (uint64_t)bench.warm_ms,
		.window_ms = (uint64_t)bench.window_ms,
		.seed = 0x9e3779b97f4a7c15u + (uint64_t)round,
		.cpu = &t->cpu,
		.accounts = WORKFLOWS,
	};
	rest_run(&run, t->port, &load);
	if (run.all_rolled_back > 0 || run.committed == 0)
		bench_die("%d agents, %d branches: rolled back: %s", c->agents, c->branches,
			  run.reason);
	c->us[round] = run.use.of[1] * 1e6 / ((double)run.committed * c->branches);
	printf("run round=%d scale agents=%d branches=%d clients=%d per_second=%.0f "
	       "settled_us_per_branch=%.2f\n",
	       round + 1, c->agents, c->branches, c->clients, run_per_second(&run), c->us[round]);
	fflush(stdout);
	run_fini(&run);
}

/* ---- the report ---- */

static const struct cell *cell_of(int agents, int branches, int clients)
{
	const struct cell *c = cells;

	while (c->agents != agents || c->branches != branches || c->clients != clients)
		c++;
	return c;
}

/* What a branch costs in `c`, to what it costs in `base`. */
static void compare(const char *name, const struct cell *c, const struct cell *base)
{
	struct pairs pairs = {0};

	if (base == c || left_out(c))
		return;
	for (int r = 0; r < bench.rounds; r++)
		pairs_add(&pairs, c->us[r], base->us[r]);
	printf("scale agents=%d branches=%d clients=%d settled_us_per_branch=%.2f against=%.2f\n",
	       c->agents, c->branches, c->clients, pairs_ours(&pairs), pairs_theirs(&pairs));
	goal_at_most(name, pairs_ratio(&pairs), "ratio", 1.1);
}

static void report_branches(const struct cell *c)
{
	char name[64];

	snprintf(name, sizeof name, "scale_branches_%d", c->branches);
	compare(name, c, cell_of(c->agents, 2, c->clients));
}

/* To one agent: with as much in flight in all, and with as much for each agent. */
static void report_agents(const struct cell *c)
{
	char name[64];

	if (c->clients == 1 || c->clients == 64 || c->clients == 100 * EACH) {
		snprintf(name, sizeof name, "scale_agents_%d_inflight_%d", c->agents, c->clients);
		compare(name, c, cell_of(1, 2, c->clients));
	}
	if (c->clients == c->agents * EACH) {
		snprintf(name, sizeof name, "scale_agents_%d_each_%d", c->agents, EACH);
		compare(name, c, cell_of(1, 2, EACH));
	}
}

static void report(void)
{
	puts("\nmedians over the rounds: CPU of settled in us a branch, against 2 branches or 1 "
	     "agent");
	for (const struct cell *c = cells; c < cells + CELLS; c++)
		if (c->agents == 10 && c->clients == 64)
			report_branches(c);
		else
			report_agents(c);
}

/* ---- options ---- */

static void add_target(char *text)
{
	struct target *t = &bench.targets[bench.n_targets];
	char *port = strchr(text, '='), *pid = port != NULL ? strchr(port + 1, '=') : NULL;

	if (pid == NULL || bench.n_targets == TARGETS_MAX)
		bench_die("--settled wants AGENTS=PORT=PID, %d times at most", TARGETS_MAX);
	*port++ = *pid++ = '\0';
	t->agents = bench_number(text, 1, 1000);
	t->port = bench_number(port, 1, 65535);
	cpu_add(&t->cpu, "client", getpid());
	cpu_add(&t->cpu, "settled", bench_number(pid, 1, 1 << 30));
	bench.n_targets++;
}

static void read_options(int argc, char **argv)
{
	static const struct option options[] = {
		{"crew", required_argument, NULL, 'c'},
		{"url", required_argument, NULL, 'u'},
		{"settled", required_argument, NULL, 's'},
		{"rounds", required_argument, NULL, 'r'},
		{"window-ms", required_argument, NULL, 'w'},
		{"warm-ms", required_argument, NULL, 'm'},
		{"quick", no_argument, NULL, 'q'},
		{NULL, 0, NULL, 0},
	};
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (o) {
		case 'c': bench.crew = bench_number(optarg, 1, 1000); break;
		case 'u': bench.url = optarg; break;
		case 's': add_target(optarg); break;
		case 'r': bench.rounds = bench_number(optarg, 1, ROUNDS_MOST); break;
		case 'w': bench.window_ms = bench_number(optarg, 10, 3600 * 1000); break;
		case 'm': bench.warm_ms = bench_number(optarg, 0, 3600 * 1000); break;
		case 'q': bench.quick = true; break;
		default:
			fputs("usage: bench_scale --crew AGENTS --url URL\n"
			      "       bench_scale --settled AGENTS=PORT=PID... [--rounds N (5)]\n"
			      "                   [--window-ms N (700)] [--warm-ms N (200)] "
			      "[--quick]\n",
			      stderr);
			exit(2);
		}
	}
}

int main(int argc, char **argv)
{
	read_options(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	if (bench.crew > 0)
		crew_run(bench.url, bench.crew);
	for (int i = 0; i < bench.n_targets; i++)
		prepare(&bench.targets[i]);
	for (int round = 0; round < bench.rounds; round++)
		for (int i = 0; i < CELLS; i++)
			one_run(&cells[round % 2 ? CELLS - 1 - i : i], round);
	report();
	return 0;
}
