/* Ten thousand sagas in flight, and nobody who does their work for a while.
 *
 * MANY_STOP_S (3) is for how many seconds the agents are stopped: `make test` is quick, by
 * hand it is 60 or more.  MANY (10000) is how many there are.  What is asserted does not
 * depend on time; rates and sizes are printed. */
#include "tests/lib/http_stub.h"
#include "tests/lib/team.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	CLIENTS = 8,
	STEPS = 3,
	WARM = 500,
	BUSY = 500, /* sagas that a busy service turns away */
	ROUNDS = 3, /* and how often, about */
	ALL_S = 120,
	/* What the coordinator may keep over what it had when idle: the cache of reads, tables
	 * that grew.  Ten thousand sagas in flight take some 20 MiB. */
	KEPT_KIB = 8 << 10,
};

static const char flow[] =
	"workflow: chain\n"
	"input: {n: {type: integer}}\n"
	"steps:\n"
	"  - {name: one, resource: nothing, operation: step, args: {n: \"${input.n}\"},\n"
	"     compensate: {operation: step, args: {n: 0}}}\n"
	"  - {name: two, after: one, resource: nothing, operation: step,\n"
	"     args: {n: \"${steps.one.output.n}\"}, compensate: none}\n"
	"  - {name: three, after: two, resource: nothing, operation: step,\n"
	"     args: {n: \"${steps.two.output.n}\"}, compensate: none}\n";
static const char nothing[] = "  nothing:\n"
			      "    adapter: noop\n"
			      "    operations: {step: {args: [n]}}\n";

static struct proc *agents[2];
static int many;

static int wanted(const char *name, int standard)
{
	const char *text = getenv(name);

	return text != NULL && text[0] != '\0' ? atoi(text) : standard;
}

/* ---- submitting ---- */

struct clients {
	char letter;
	int n;
	atomic_int next;
};

static void *submit_some(void *arg)
{
	struct clients *c = arg;
	char gid[24], more[64];
	int i;

	while ((i = atomic_fetch_add(&c->next, 1)) < c->n) {
		snprintf(gid, sizeof gid, "%c%d", c->letter, i);
		snprintf(more, sizeof more, "\"workflow\": \"chain\", \"input\": {\"n\": %d}", i);
		team_submit(gid, more);
	}
	return NULL;
}

static void submit(char letter, int n)
{
	struct clients c = {.letter = letter, .n = n};
	pthread_t threads[CLIENTS];

	for (int i = 0; i < CLIENTS; i++)
		NEED(pthread_create(&threads[i], NULL, submit_some, &c) == 0, "no thread");
	for (int i = 0; i < CLIENTS; i++)
		pthread_join(threads[i], NULL);
}

/* ---- looking ---- */

static long attempts(void)
{
	return team_stat("steps", "attempts");
}

static void all_committed(long n)
{
	WAIT_FOR(ALL_S, team_stat("since_start", "committed") == n);
	ck_assert_int_eq(team_stat("now", "running"), 0);
	ck_assert_int_eq(team_stat("since_start", "rolled_back"), 0);
	ck_assert_int_eq(team_stat("now", "stuck"), 0);
}

/* Watches the attempts for as long as the agents are stopped; the most in a second. */
static long watch_stopped(int seconds)
{
	const int64_t until = clock_ms() + seconds * 1000;
	long most = 0, before = attempts();

	for (int64_t second = clock_ms() + 1000; clock_ms() < until; harness_pause()) {
		if (clock_ms() < second)
			continue;
		second += 1000;
		const long now = attempts();

		most = now - before > most ? now - before : most;
		before = now;
	}
	return most;
}

static void memory_is_back(long idle)
{
	if (memory_counts())
		WAIT_FOR(60, rss_kib(team.coordinator) < idle + KEPT_KIB);
}

static void begin(void)
{
	char settings[64];

	many = wanted("MANY", 10000);
	snprintf(settings, sizeof settings, "max_in_flight: %d\n", many);
	team_start(settings);
	agents[0] = team_agent("agent-1", nothing);
	agents[1] = team_agent("agent-2", nothing);
	team_await("nothing");
	team_publish(flow);
	submit('w', WARM);
	all_committed(WARM);
}

START_TEST(ten_thousand_wait_for_their_agents_and_all_finish)
{
	const int stop_s = wanted("MANY_STOP_S", 3);
	long idle, full, tried, most;
	int64_t began;

	begin();
	idle = rss_kib(team.coordinator);
	for (int i = 0; i < 2; i++)
		proc_freeze(agents[i]);
	began = clock_ms();
	submit('m', many);
	ck_assert_int_eq(team_stat("now", "running"), many);
	full = rss_kib(team.coordinator);
	printf("many: %d submitted in %d ms; memory idle %ld KiB, full %ld KiB\n", many,
	       (int)(clock_ms() - began), idle, full);
	/* One more is told to come again later. */
	team_ask("POST", "/v1/transactions",
		 "{\"gid\": \"more\", \"workflow\": \"chain\", \"input\": {\"n\": 1}}", 429);
	most = watch_stopped(stop_s);
	for (int i = 0; i < 2; i++)
		proc_thaw(agents[i]);
	began = clock_ms();
	all_committed(WARM + many);
	tried = attempts() - (long)WARM * STEPS;
	printf("many: stopped for %d s, at most %ld attempts in a second meanwhile; then all "
	       "finished in %d ms, %.3f attempts a call\n",
	       stop_s, most, (int)(clock_ms() - began), (double)tried / many / STEPS);
	ck_assert_int_ge(tried, (long)many * STEPS);
	ck_assert_int_le(tried, 2L * many * STEPS);
	memory_is_back(idle);
	memory_is_back(idle);
	printf("many: memory in the end %ld KiB\n", rss_kib(team.coordinator));
}
END_TEST

/* The agents are killed, and so is the coordinator: what waits is taken up again. */
START_TEST(thousands_survive_the_death_of_everybody)
{
	long tried, begun, idle;
	int64_t began;

	begin();
	many /= 4; /* one flood of ten thousand is enough for `make test` */
	idle = rss_kib(team.coordinator);
	for (int i = 0; i < 2; i++)
		proc_kill(agents[i]);
	submit('m', many);
	team_restart();
	begun = team_stat("now", "running");
	ck_assert_int_eq(begun, many);
	began = clock_ms();
	for (int i = 0; i < 2; i++)
		proc_start(agents[i]);
	WAIT_FOR(ALL_S, team_stat("since_start", "committed") >= many / 3);
	team_restart(); /* in the midst of it */
	WAIT_FOR(ALL_S, team_stat("now", "running") == 0);
	tried = attempts();
	memory_is_back(idle);
	printf("many: after two restarts %d ms to the end of all and to memory of %ld KiB; %ld "
	       "attempts since the last start\n",
	       (int)(clock_ms() - began), rss_kib(team.coordinator), tried);
	ck_assert_int_le(tried, 2L * many * STEPS);
	ck_assert_int_eq(team_stat("since_start", "rolled_back"), 0);
	ck_assert_int_eq(team_stat("now", "stuck"), 0);
}
END_TEST

/* The agent is there, and the service behind it says "come back in a second". */
START_TEST(busy_service_is_asked_no_more_often_than_it_says)
{
	struct http_stub *till = http_stub_new();
	char *resources = textf("  till:\n"
				"    adapter: http\n"
				"    base: http://127.0.0.1:%d\n"
				"    operations: {take: {call: {path: /take}}}\n",
				http_stub_port(till));
	const int64_t began = clock_ms();
	int64_t ms;
	long tried;

	RULE(till, .path = "/take", .status = 429, .headers = "Retry-After: 1\r\n");
	team_start(NULL);
	team_agent("agent", resources);
	team_await("till");
	team_publish("workflow: chain\n"
		     "input: [n]\n"
		     "steps:\n"
		     "  - {name: take, resource: till, operation: take, compensate: none,\n"
		     "     retry: {attempts: 1000, first: 1ms, max: 1s}}\n");
	submit('t', BUSY);
	WAIT_FOR(ALL_S, attempts() >= ROUNDS * BUSY);
	tried = attempts();
	ms = clock_ms() - began;
	printf("many: %d sagas at a busy service, %ld attempts in %d ms\n", BUSY, tried, (int)ms);
	ck_assert_int_le(tried, BUSY * (ms / 1000 + 1));
	ck_assert_int_eq(team_stat("now", "running"), BUSY);
	RULE(till, .path = "/take");
	all_committed(BUSY);
	http_stub_free(till);
	free(resources);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("many");
	TCase *c = team_case(s, "many");

	setvbuf(stdout, NULL, _IOLBF, 0);
	tcase_set_timeout(c, 240 + wanted("MANY_STOP_S", 3));
	tcase_add_test(c, ten_thousand_wait_for_their_agents_and_all_finish);
	tcase_add_test(c, thousands_survive_the_death_of_everybody);
	tcase_add_test(c, busy_service_is_asked_no_more_often_than_it_says);
	return suite_run(s, NULL, NULL);
}
