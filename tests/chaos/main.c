/* chaos [SECONDS [SEED]] - a bank whose every part is killed, frozen and cut while 32
 * clients move money; at the end everything must add up.  See docs/testing.md.
 *
 * Without arguments, as in `make test`: a few seconds of it.  What is wrong is printed at
 * once, and all files are kept then. */
#include "tests/chaos/clients.h"
#include "tests/chaos/faults.h"
#include "tests/chaos/pulse.h"
#include "tests/chaos/site.h"
#include "tests/chaos/verdict.h"
#include "tests/chaos/watch.h"
#include "tests/lib/harness.h"
#include "tests/lib/team.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { CLIENTS = 32, SECONDS = 6 };

static void print_faults(void)
{
	static const char *const names[VICTIM_KINDS] = {
		[VICTIM_COORDINATOR] = "coordinator",   [VICTIM_AGENT] = "agents",
		[VICTIM_SERVER] = "PostgreSQL servers", [VICTIM_LINK] = "lines agent-coordinator",
		[VICTIM_DB] = "lines agent-PostgreSQL", [VICTIM_FRONT] = "line clients-coordinator",
	};
	const struct fault_counts *f = &fault_counts;

	for (int k = 0; k < VICTIM_LINK; k++)
		printf("%s: %ld kills, %ld freezes\n", names[k], f->kills[k], f->freezes[k]);
	for (int k = VICTIM_LINK; k < VICTIM_KINDS; k++)
		printf("%s: %ld cuts, %ld times held up, %ld silenced\n", names[k], f->cuts[k],
		       f->held[k], f->silenced[k]);
	printf("full stops: %ld; restarts: %ld\n", f->full_stops, f->starts);
}

static void print_deals(const struct verdict *v, const struct client_sums *s)
{
	printf("transactions: %ld, of them sagas: %ld\n", v->deals, v->sagas);
	printf("told: %ld committed, %ld rolled back; of these %ld after a lost answer\n",
	       v->told_committed, v->told_rolled_back, v->told_late);
	printf("left without an outcome, and found consistent: %ld, of them promised: %ld\n",
	       v->left, v->promised);
	printf("at the end: %ld committed, %ld rolled back, %ld never begun; %ld ledger rows\n",
	       v->committed, v->rolled_back, v->never_begun, v->rows);
	printf("hazards suspected by agents that were cut off, not by the coordinator: %ld\n",
	       v->suspected);
	printf("lost answers: %ld; submitted again: %ld; asked: %ld; cancels: %ld\n", s->lost,
	       s->again, s->looks, s->cancels);
}

static void print_times(const struct verdict *v, int64_t prepared_ms)
{
	printf("longest from submit to end: %" PRId64
	       " ms (%s); to the knowing of a client that waits: %" PRId64 " ms\n",
	       v->longest_ms, v->longest_gid, v->longest_told_ms);
	printf("longest that nobody was told a new outcome: %" PRId64 " ms\n", pulse_silence_ms());
	printf("longest that a branch stayed prepared: %" PRId64 " ms\n", prepared_ms);
	printf("from healing to the end of all: %" PRId64 " ms\n", v->heal_ms);
}

/* True if nothing was wrong. */
static bool run(int seconds, uint64_t seed)
{
	struct client_sums sums;
	struct verdict v;

	site_open();
	shapes_publish(site.direct);
	const long begin_kib = rss_kib(site.coordinator);
	watch_start();
	clients_start(CLIENTS, seed, site.url);
	faults_run(seed, clock_ms() + (int64_t)seconds * 1000);
	pulse_end();
	faults_heal();
	sums = clients_join();
	const int64_t prepared_ms = watch_join();
	verdict_find(&v);
	const long end_kib = rss_kib(site.coordinator);
	const long peak_kib = rss_peak_kib(site.coordinator);
	site_stop();
	print_deals(&v, &sums);
	print_faults();
	print_times(&v, prepared_ms);
	printf("memory of the coordinator in KiB: %ld at the begin, %ld at the end, %ld at most\n",
	       begin_kib, end_kib,
	       peak_kib > fault_counts.rss_peak_kib ? peak_kib : fault_counts.rss_peak_kib);
	return pulse_wrongs() == 0;
}

int main(int argc, char **argv)
{
	const int seconds = argc > 1 ? atoi(argv[1]) : SECONDS;
	const uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL) * 1000;
	const bool keep = getenv("KEEP") != NULL;

	if (seconds <= 0) {
		fprintf(stderr, "usage: chaos [SECONDS [SEED]]\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	curl_global_init(CURL_GLOBAL_ALL);
	setenv("KEEP", "1", 1); /* unless all goes well */
	printf("chaos seconds=%d seed=%" PRIu64 " clients=%d agents=%d\n", seconds, seed, CLIENTS,
	       AGENTS);
	const bool well = run(seconds, seed);
	if (well && !keep)
		unsetenv("KEEP");
	if (!well)
		printf("chaos: %d things are wrong; the logs are in %s\n", pulse_wrongs(),
		       temp_dir());
	site_close();
	printf("%d%%: Checks: 1, Failures: %d, Errors: 0\n", well ? 100 : 0, well ? 0 : 1);
	return well ? 0 : 1;
}
