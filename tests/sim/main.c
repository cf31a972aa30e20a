/* main.c - the simulator's command line; see sim.h.
 *
 *   sim                     what `make test` runs: every seed that ever failed, and some new
 *   sim FIRST COUNT         the seeds FIRST … FIRST + COUNT - 1, by JOBS processes
 *   sim SEED [--only …]     shows the history of one, or that part of it
 *
 * SIM_LOG=1 adds what the programs would log. */
#include "base/log.h"
#include "tests/sim/trial.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { KNOWN_MAX = 1000, NEW = 1500, NEW_SECONDS = 8, REPEATED = 3 };

static uint64_t number(const char *text, const char *what)
{
	char *end;
	uint64_t n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (end == text || *end != '\0' || text[0] == '-' || errno != 0) {
		fprintf(stderr, "sim: %s is '%s', it must be a number\n", what, text);
		exit(2);
	}
	return n;
}

static unsigned jobs(void)
{
	const char *given = getenv("JOBS");
	const long cores = sysconf(_SC_NPROCESSORS_ONLN);
	const uint64_t n = given != NULL && given[0] != '\0' ? number(given, "JOBS")
							     : (uint64_t)(cores > 0 ? cores : 1);

	return n < 1 ? 1 : n > CROWD_JOBS_MAX ? CROWD_JOBS_MAX : (unsigned)n;
}

static int one(uint64_t seed, const char *parts)
{
	struct trial *t = trial_shared(sizeof *t);
	static struct sim_only only;

	if (parts != NULL && !only_parse(&only, parts))
		return 2;
	trial_run(t, seed, parts != NULL ? &only : NULL, parts != NULL ? SHOW_SHORT : SHOW_ALL);
	printf("sim: seed %" PRIu64 ", %zu lines, hash %016" PRIx64 ": %s\n", seed, t->v.lines,
	       t->v.hash, t->v.broken ? t->v.how : "all rules kept");
	return t->v.broken;
}

/* ---- make test ---- */

/* Each line is `SEED why`. */
static size_t read_known(const char *path, uint64_t *seeds)
{
	FILE *f = fopen(path, "r");
	char line[1000];
	size_t n = 0;

	if (f == NULL) {
		fprintf(stderr, "sim: %s: %s (run it from the root of the repository)\n", path,
			strerror(errno));
		exit(2);
	}
	while (n < KNOWN_MAX && fgets(line, sizeof line, f) != NULL) {
		if (line[0] == '#' || line[0] == '\n')
			continue;
		line[strcspn(line, " \n")] = '\0';
		seeds[n++] = number(line, path);
	}
	fclose(f);
	return n;
}

static int suite(void)
{
	static uint64_t known[KNOWN_MAX];
	const struct crowd old = {
		.seeds = known, .count = read_known("tests/sim/seeds", known), .jobs = jobs()};
	const struct crowd new = {.first = (uint64_t)time(NULL) * 1000,
				  .count = NEW,
				  .cpu_seconds = NEW_SECONDS,
				  .jobs = jobs()};
	bool good = crowd_run(&old);

	for (unsigned i = 0; good && i < REPEATED; i++)
		good = repeat_check(new.first + i);
	good = good && repeat_check_shrunk(1);
	good = good && crowd_run(&new);
	printf("%d%%: Checks: 4, Failures: %d, Errors: 0\n", good ? 100 : 0, !good);
	return !good;
}

int main(int argc, char **argv)
{
	log_set_level(getenv("SIM_LOG") != NULL ? LOG_DEBUG : (enum log_level)(LOG_ERROR + 1));
	if (argc == 1)
		return suite();
	if (argc == 2 || (argc == 4 && strcmp(argv[2], "--only") == 0))
		return one(number(argv[1], "the seed"), argc == 4 ? argv[3] : NULL);
	if (argc == 3) {
		const struct crowd c = {.first = number(argv[1], "the first seed"),
					.count = number(argv[2], "the number of seeds"),
					.jobs = jobs()};

		return !crowd_run(&c);
	}
	fprintf(stderr, "usage: sim [FIRST COUNT | SEED [--only PARTS]]\n");
	return 2;
}
