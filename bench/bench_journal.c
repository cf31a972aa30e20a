/* bench_journal.c - the journal against SQLite alone, in turns: the same rows in the same
 * batches, both durable before the next begins.
 *
 * A turn of n decides n transactions (their rows are forced) and tells of the n before that
 * they ended, in one batch.  Ours is the journal that `settled` has: staged on this thread,
 * written by the writer's, checksums and all, its checkpoints beside.  Theirs is bench/plain.c:
 * one thread, details packed beforehand.  What the rows hold is made outside the time. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "bench/disk.h"
#include "bench/goal.h"
#include "bench/plain.h"
#include "bench/run.h"
#include "coordinator/journal.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZES = 4, WARM_TURNS = 20 };

static const size_t sizes[SIZES] = {1, 16, 64, 256};

static struct {
	const char *dir, *only;
	int rounds, window_ms;
} options = {.rounds = 41, .window_ms = 60};

struct ours {
	uv_loop_t loop;
	struct journal *journal;
	struct journal_port port;
	uint64_t batch, durable;
};

/* One size of turns; each side has rows of its own. */
struct contest {
	size_t size;
	struct rows now, before; /* of a turn, and of the one before it */
	bool any_before;
	void *detail; /* packed: they are all alike */
	size_t detail_size;
};

static struct ours ours;
static struct plain *theirs;

/* ---- turns ---- */

static void our_turn(const struct contest *c)
{
	for (size_t i = 0; i < c->size; i++)
		ours.port.put(ours.port.self, &c->now.of[i]);
	for (size_t i = 0; i < c->size && c->any_before; i++)
		ours.port.end(ours.port.self, &c->before.of[i]);
	ours.port.commit(ours.port.self, ++ours.batch, c->size == 1);
	while (ours.durable < ours.batch)
		uv_run(&ours.loop, UV_RUN_ONCE);
}

static void their_turn(const struct contest *c)
{
	plain_begin(theirs);
	for (size_t i = 0; i < c->size; i++)
		plain_put(theirs, &c->now.of[i], c->detail, c->detail_size);
	for (size_t i = 0; i < c->size && c->any_before; i++)
		plain_end(theirs, &c->before.of[i]);
	plain_commit(theirs);
}

typedef void (*turn_fn)(const struct contest *c);

/* The time that one took, in µs. */
static uint64_t one_turn(struct contest *c, turn_fn turn)
{
	const struct rows rows = c->before;
	uint64_t began;

	c->before = c->now;
	c->now = rows;
	c->now.last_seq = c->before.last_seq;
	rows_end(&c->before);
	rows_renew(&c->now);
	began = clock_mono_us();
	turn(c);
	c->any_before = true;
	return clock_mono_us() - began;
}

/* Transactions a second. */
static double one_run(struct contest *c, turn_fn turn)
{
	const uint64_t window = (uint64_t)options.window_ms * 1000;
	uint64_t spent = 0, turns = 0;

	for (int i = 0; i < WARM_TURNS; i++)
		one_turn(c, turn);
	for (; spent < window; turns++)
		spent += one_turn(c, turn);
	return (double)(turns * c->size) * 1e6 / (double)spent;
}

/* ---- sides ---- */

static void on_durable(uint64_t batch, void *arg)
{
	(void)arg;
	ours.durable = batch;
}

static void no_workflow(const struct workflow_row *row, void *arg)
{
	(void)row;
	(void)arg;
}

static void no_resource(const struct resource_info *info, void *arg)
{
	(void)info;
	(void)arg;
}

static void no_record(struct record *r, void *arg)
{
	(void)arg;
	bench_die("the journal is not empty: transaction %s", r->gid);
}

static void open_sides(void)
{
	char *path = mem_printf("%s/journal", options.dir);
	struct err err;

	uv_loop_init(&ours.loop);
	if (journal_open(path, "bench", &ours.journal, &err) != RC_OK ||
	    journal_replay(ours.journal, no_workflow, no_resource, no_record, NULL, &err) != RC_OK)
		bench_die("%s", err.text);
	ours.port = journal_port(ours.journal);
	journal_start(ours.journal, &ours.loop, on_durable, NULL);
	free(path);
	path = mem_printf("%s/plain.db", options.dir);
	theirs = plain_open(path);
	free(path);
}

static void close_sides(void)
{
	plain_close(theirs);
	journal_close(ours.journal);
	uv_run(&ours.loop, UV_RUN_DEFAULT);
	uv_loop_close(&ours.loop);
}

/* `first_seq`: no other contest's. */
static void contest_init(struct contest *c, size_t size, uint64_t first_seq)
{
	memset(c, 0, sizeof *c);
	c->size = size;
	rows_init(&c->now, size, first_seq);
	rows_init(&c->before, size, first_seq);
	rows_renew(&c->now);
	record_pack(&c->now.of[0], &c->detail, &c->detail_size);
}

static void contest_fini(struct contest *c)
{
	rows_fini(&c->now);
	rows_fini(&c->before);
	free(c->detail);
}

/* Runs of both sides, next to each other; every second round the other way about. */
static void one_size(size_t size)
{
	struct contest our, their;
	struct pairs rates = {0};
	char name[32];
	static uint64_t seq = UINT64_C(1700000000) * 1000 * 1000;

	contest_init(&our, size, seq);
	contest_init(&their, size, seq);
	for (int round = 1; round <= options.rounds; round++) {
		double a = 0, b;

		if (round % 2 == 1)
			a = one_run(&our, our_turn);
		b = one_run(&their, their_turn);
		if (round % 2 == 0)
			a = one_run(&our, our_turn);
		pairs_add(&rates, a, b);
	}
	seq = our.now.last_seq > their.now.last_seq ? our.now.last_seq : their.now.last_seq;
	printf("journal turn=%zu journal=%.0f sqlite=%.0f transactions a second ratio=%.3f\n", size,
	       pairs_ours(&rates), pairs_theirs(&rates), pairs_ratio(&rates));
	snprintf(name, sizeof name, "journal_turn%zu", size);
	goal_at_least(name, pairs_ratio(&rates), "ratio", 0.80);
	contest_fini(&our);
	contest_fini(&their);
}

/* One side alone, so many turns of one size: for a profiler. */
static void profile(const char *what)
{
	struct contest c;
	const turn_fn turn = strncmp(what, "journal", 7) == 0 ? our_turn : their_turn;
	const char *colon = strchr(what, ':');

	contest_init(&c, colon != NULL ? (size_t)bench_number(colon + 1, 1, 10000) : 64,
		     UINT64_C(1700000000) * 1000 * 1000);
	for (int i = 0; i < options.rounds; i++)
		one_turn(&c, turn);
	contest_fini(&c);
}

int main(int argc, char **argv)
{
	static const struct option list[] = {
		{"dir", required_argument, NULL, 'd'},
		{"rounds", required_argument, NULL, 'r'},
		{"window-ms", required_argument, NULL, 'w'},
		{"only", required_argument, NULL, 'o'},
		{NULL, 0, NULL, 0},
	};
	int o;

	while ((o = getopt_long(argc, argv, "", list, NULL)) != -1) {
		switch (o) {
		case 'd': options.dir = optarg; break;
		case 'r': options.rounds = bench_number(optarg, 1, 1000000); break;
		case 'w': options.window_ms = bench_number(optarg, 1, 60000); break;
		case 'o': options.only = optarg; break;
		default: options.dir = NULL; optind = argc;
		}
	}
	if (options.dir == NULL || optind < argc) {
		fputs("usage: bench_journal --dir DIR [--rounds 41] [--window-ms 60]\n"
		      "       bench_journal --dir DIR --rounds TURNS --only "
		      "journal:SIZE|sqlite:SIZE\n",
		      stderr);
		exit(2);
	}
	log_set_level(LOG_WARN);
	open_sides();
	for (int i = 0; i < SIZES && options.only == NULL; i++)
		one_size(sizes[i]);
	if (options.only != NULL)
		profile(options.only);
	close_sides();
	return 0;
}
