#include "tests/crash/play.h"

#include "base/crash.h"
#include "tests/crash/count.h"
#include "tests/crash/deal.h"
#include "tests/crash/plan.h"
#include "tests/lib/bank.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { CASE_S = 150 };
enum moment { READY, OVER, STOPPED, MOMENTS };

static const struct story *story;
static unsigned passes[ACTORS][CRASH_AT_COUNT][MOMENTS];
static atomic_bool client_done;

/* ---- traces ---- */

static void count_passes(enum actor a, enum moment m)
{
	static const char mark[] = " crash-pass at=";
	char *log = file_read(world.procs[a]->log_path);

	for (char *at = log; at && (at = strstr(at, mark)) != NULL;) {
		char name[64];
		at += sizeof mark - 1;
		if (sscanf(at, "%63[a-z0-9_]", name) == 1 && plan_point(name) >= 0)
			passes[a][plan_point(name)][m]++;
	}
	free(log);
}

static void note(enum moment m)
{
	if (world.aim.actor == ACTORS)
		for (enum actor a = 0; a < ACTORS; a++)
			count_passes(a, m);
}

char *play_trace_path(const struct story *s)
{
	return temp_path("trace.%s", s->name);
}

static void write_trace(const char *path)
{
	FILE *out = fopen(path, "w");
	NEED(out, "%s cannot be written", path);
	for (enum actor a = 0; a < ACTORS; a++)
		for (int p = 0; p < CRASH_AT_COUNT; p++)
			if (passes[a][p][STOPPED])
				fprintf(out, "%d %d %u %u %u\n", (int)a, p, passes[a][p][READY],
					passes[a][p][OVER], passes[a][p][STOPPED]);
	NEED(fclose(out) == 0, "%s cannot be written", path);
}

/* ---- a case ---- */

static void await_deals(void)
{
	for (int i = 0; i < deals(); i++) {
		struct deal *d = deal_at(i);
		deal_await(d);
		NEED(!d->stuck, "%s is stuck", d->gid);
	}
	count_await_orphans();
}

static void *client(void *arg)
{
	client_await_ready();
	if (!story->before)
		note(READY);
	if (story->act)
		story->act();
	await_deals();
	client_await_ready();
	atomic_store(&client_done, true);
	return arg;
}

static void take_seat(const struct seat *seat)
{
	/* If the runner is killed, so is this, and with it what it started. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm((unsigned)(harness_patience_ms(CASE_S) / 1000));
	temp_dir_anew();
	for (int b = 0; b < BANKS; b++) {
		free(bank[b]->conninfo);
		bank[b]->conninfo = textf("host=%s port=%d user=postgres dbname=w%d", bank[b]->dir,
					  bank[b]->port, seat->slot);
	}
	if (seat->dirty) {
		count_clear();
		count_make_tables();
	}
}

static void attend(void)
{
	pthread_t thread;
	NEED(pthread_create(&thread, NULL, client, NULL) == 0, "no thread");
	while (!atomic_load(&client_done)) {
		world_look();
		harness_pause();
	}
	pthread_join(thread, NULL);
	note(OVER);
}

/* Everybody ends well, at the second time if the first was a crash; what was told
 * must be told again then. */
static void end_all(void)
{
	if (!world_stop()) {
		world_start();
		client_await_ready();
		await_deals();
		NEED(world_stop(), "the second stop was no better than the first");
	}
	note(STOPPED);
}

static void history(const struct aim *aim, const struct seat *seat)
{
	take_seat(seat);
	world_open(aim, story->settings, seat->slot, seat->slots);
	if (story->before)
		story->before();
	world.arming = true;
	world_start();
	attend();
	end_all();
	count_all();
	count_journal();
	world_is_well();
}

void play(const struct story *which, const struct aim *aim, const struct seat *seat)
{
	story = which;
	history(aim, seat);
	exit(world_reached() ? PLAY_GOOD : PLAY_NOT_REACHED);
}

void play_trace(const struct story *which, const struct seat *seat)
{
	const struct aim everybody = {.actor = ACTORS, .setting = "trace", .action = ""};
	char *path = play_trace_path(which); /* while the directory is the runner's */

	story = which;
	history(&everybody, seat);
	write_trace(path);
	free(path);
	exit(PLAY_GOOD);
}
