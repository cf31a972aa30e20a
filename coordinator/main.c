/* main.c - settled: the coordinator's one loop, and what is plugged into it.
 *
 * Start: settings, loop, journal (lock, open, new epoch), replay, writer, agents,
 * REST.  Nobody is listened to before the journal has been read.
 * Each round of the loop hands events over; before it sleeps again the engine
 * takes its turn, if anything was handed over or is due.
 * Stop: refuse new work, let the open end, then close from the outside in, the
 * journal last.
 * Thread: the loop's is the main thread. */
#include "base/clock.h"
#include "base/crash.h"
#include "base/log.h"
#include "base/mem.h"
#include "coordinator/engine.h"
#include "coordinator/journal.h"
#include "coordinator/link.h"
#include "coordinator/rest.h"
#include "coordinator/settings.h"

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

enum { EXIT_USAGE = 2, TRANSFER_MS = 30 * 1000, FILES_BESIDE_REST = 256 };

struct coordinator {
	struct settings settings;
	uv_loop_t loop;
	struct journal *journal;
	bool journal_read; /* all of it that a start needs */
	struct engine *engine;
	struct link *agents;
	struct rest *rest;

	uv_prepare_t before_sleep;
	uv_timer_t due;
	uv_timer_t drained_at_latest;
	uv_signal_t signals[2];
	bool wanted; /* something was handed to the engine since its last turn */
	bool stopping;
	bool closing; /* nothing more goes to the engine */
};

/* ---- the turn ---- */

static void touch(struct coordinator *c)
{
	engine_clock(c->engine, clock_mono_us(), clock_wall_us());
}

static void want_turn(void *arg)
{
	struct coordinator *c = arg;

	c->wanted = true;
}

static void on_due(uv_timer_t *timer)
{
	want_turn(timer->data);
}

/* The loop sleeps until something comes, or the engine is due. */
static void set_due(struct coordinator *c)
{
	const uint64_t due = engine_due(c->engine), now = clock_mono_us();

	if (due == UINT64_MAX) {
		uv_timer_stop(&c->due);
		return;
	}
	uv_update_time(&c->loop);
	uv_timer_start(&c->due, on_due, due > now ? (due - now + 999) / 1000 : 0, 0);
}

static void stop_loop(struct coordinator *c)
{
	CRASH_POINT(drain_done);
	c->closing = true;
	uv_stop(&c->loop);
}

static void on_before_sleep(uv_prepare_t *prepare)
{
	struct coordinator *c = prepare->data;

	if (c->closing)
		return;
	if (c->wanted || engine_due(c->engine) <= clock_mono_us()) {
		c->wanted = false;
		touch(c);
		CRASH_POINT(turn_begin);
		engine_turn(c->engine);
		CRASH_POINT(turn_done);
		set_due(c);
	}
	if (c->stopping && engine_busy(c->engine) == 0 && rest_busy(c->rest) == 0)
		stop_loop(c);
}

/* ---- events of agents and of the journal ---- */

static void on_poll(uint64_t poll, uint64_t pipe, const struct poll *p, void *arg)
{
	struct coordinator *c = arg;

	if (c->closing)
		return;
	touch(c);
	engine_poll(c->engine, poll, pipe, p);
	c->wanted = true;
}

static void on_pipe_lost(uint64_t pipe, void *arg)
{
	struct coordinator *c = arg;

	if (c->closing)
		return;
	touch(c);
	engine_pipe_lost(c->engine, pipe);
	c->wanted = true;
}

static void on_durable(uint64_t batch, void *arg)
{
	struct coordinator *c = arg;

	if (c->closing)
		return;
	touch(c);
	engine_durable(c->engine, batch);
	c->wanted = true;
}

/* ---- stopping ---- */

static void on_drain_over(uv_timer_t *timer)
{
	struct coordinator *c = timer->data;

	log_event(LOG_WARN, "settled-drain-over", "open=%zu calls=%zu recovery will finish them",
		  engine_busy(c->engine), rest_busy(c->rest));
	stop_loop(c);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct coordinator *c = handle->data;

	if (c->stopping) {
		log_event(LOG_WARN, "settled-killed", "signal=%d a second one: ending at once",
			  number);
		_exit(128 + number); /* a crash is a state that recovery handles */
	}
	c->stopping = true;
	CRASH_POINT(drain_begin);
	log_event(LOG_INFO, "settled-draining", "signal=%d open=%zu", number,
		  engine_busy(c->engine));
	touch(c);
	engine_drain(c->engine);
	rest_quiesce(c->rest);
	uv_update_time(&c->loop);
	uv_timer_start(&c->drained_at_latest, on_drain_over, c->settings.drain_ms, 0);
	c->wanted = true;
}

static void close_handle(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

/* Closes what was opened, however far the start got. */
static void coordinator_stop(struct coordinator *c)
{
	c->closing = true;
	CRASH_POINT(stop_clients);
	rest_close(c->rest);
	CRASH_POINT(stop_agents);
	if (c->agents != NULL)
		link_close(c->agents);
	CRASH_POINT(journal_close);
	journal_close(c->journal);
	CRASH_POINT(journal_closed);
	close_handle((uv_handle_t *)&c->before_sleep, NULL);
	close_handle((uv_handle_t *)&c->due, NULL);
	close_handle((uv_handle_t *)&c->drained_at_latest, NULL);
	close_handle((uv_handle_t *)&c->signals[0], NULL);
	close_handle((uv_handle_t *)&c->signals[1], NULL);
	uv_run(&c->loop, UV_RUN_DEFAULT); /* until the last handle is closed */
	uv_loop_close(&c->loop);
	engine_free(c->engine);
}

/* ---- starting ---- */

/* Each connection is a file; the soft limit is often 1024. */
static void raise_file_limit(struct settings *s)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return;
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) != 0)
		return;
	if (files.rlim_cur != RLIM_INFINITY &&
	    (uint64_t)s->max_connections + FILES_BESIDE_REST > files.rlim_cur &&
	    files.rlim_cur > 2 * FILES_BESIDE_REST) {
		s->max_connections = (int64_t)files.rlim_cur - FILES_BESIDE_REST;
		log_event(LOG_WARN, "settled-few-files",
			  "max_connections=%" PRId64 " lowered to fit the limit of open files",
			  s->max_connections);
	}
}

static void start_handles(struct coordinator *c)
{
	uv_prepare_init(&c->loop, &c->before_sleep);
	uv_timer_init(&c->loop, &c->due);
	uv_timer_init(&c->loop, &c->drained_at_latest);
	uv_signal_init(&c->loop, &c->signals[0]);
	uv_signal_init(&c->loop, &c->signals[1]);
	c->before_sleep.data = c->due.data = c->drained_at_latest.data = c;
	c->signals[0].data = c->signals[1].data = c;
}

/* What the replay fills, and what was wrong with the first bad row. */
struct replay {
	struct engine *engine;
	struct err err;
};

static void load_record(struct record *r, void *arg)
{
	struct replay *replay = arg;

	CRASH_POINT(replay_record);
	if (replay->err.code == RC_OK)
		engine_load(replay->engine, r, &replay->err);
	else
		record_free(r);
}

static void load_resource(const struct resource_info *info, void *arg)
{
	engine_load_resource(((struct replay *)arg)->engine, info);
}

static void load_workflow(const struct workflow_row *row, void *arg)
{
	engine_load_workflow(((struct replay *)arg)->engine, row);
}

static enum rc load_all(struct coordinator *c, struct err *err)
{
	struct replay replay = {.engine = c->engine};
	const enum rc rc =
		journal_replay(c->journal, load_workflow, load_resource, load_record, &replay, err);

	if (rc == RC_OK && replay.err.code != RC_OK)
		*err = replay.err;
	return rc != RC_OK ? rc : replay.err.code;
}

/* The engine is there before anyone is listened to, and what it answers through
 * comes after it: these two look their other side up when they are called. */
static void to_agent(void *self, uint64_t poll, const struct reply *reply)
{
	const struct link_port port = link_port(((struct coordinator *)self)->agents);

	port.reply(port.self, poll, reply);
}

static void to_client(void *self, uint64_t client, enum answer_code code, char *json,
		      const char *text)
{
	const struct client_port port = rest_port(((struct coordinator *)self)->rest);

	port.answer(port.self, client, code, json, text);
}

/* Of the jitter in retries: two coordinators, or two starts, must not keep step. */
static uint64_t random_seed(void)
{
	uint64_t seed;

	/* So few bytes come whole, and the only error is that of an old kernel. */
	if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
		seed = clock_wall_us() ^ (uint64_t)getpid() << 32;
	return seed;
}

static void engine_make(struct coordinator *c)
{
	const struct settings *s = &c->settings;
	const struct engine_settings settings = {
		.cluster = s->cluster,
		.epoch = journal_epoch(c->journal),
		.timeout_ms = s->timeout_ms,
		.retention_ms = s->retention_ms,
		.max_in_flight = (size_t)s->max_in_flight,
		.deadline_ms = s->deadline_ms,
		.call_ms = s->call_ms,
		.seed = random_seed(),
	};
	const struct journal_port journal = journal_port(c->journal);
	const struct link_port agents = {to_agent, c};
	const struct client_port clients = {to_client, c};

	c->engine = engine_new(&settings, &journal, &agents, &clients);
	touch(c);
}

static enum rc listen_rest(struct coordinator *c, struct err *err)
{
	const struct settings *s = &c->settings;
	const struct rest_settings rest = {
		.listen = s->listen,
		.token = s->token,
		.idle_ms = s->idle_ms,
		.transfer_ms = TRANSFER_MS,
		.max_connections = s->max_connections,
	};
	enum rc rc = rest_open(&c->loop, &rest, &c->rest, err);

	if (rc == RC_OK)
		rest_serve(c->rest, c->engine, want_turn, c);
	return rc;
}

static enum rc coordinator_start(struct coordinator *c, struct err *err)
{
	const struct link_events events = {on_poll, on_pipe_lost, c};
	enum rc rc;

	if ((rc = journal_open(c->settings.data, c->settings.cluster, &c->journal, err)) != RC_OK)
		return rc;
	engine_make(c);
	CRASH_POINT(replay_begin);
	if ((rc = load_all(c, err)) != RC_OK)
		return rc;
	CRASH_POINT(replay_done);
	c->journal_read = true;
	journal_start(c->journal, &c->loop, on_durable, c);
	if ((rc = link_open(&c->loop, c->settings.agents, &events, &c->agents, err)) != RC_OK ||
	    (rc = listen_rest(c, err)) != RC_OK)
		return rc;
	uv_prepare_start(&c->before_sleep, on_before_sleep);
	uv_signal_start(&c->signals[0], on_signal, SIGTERM);
	uv_signal_start(&c->signals[1], on_signal, SIGINT);
	CRASH_POINT(listen_done);
	c->wanted = true; /* the first turn sends what the replay owes */
	return RC_OK;
}

static int serve(struct coordinator *c)
{
	struct err err = {0};
	enum rc rc;

	signal(SIGPIPE, SIG_IGN);
	raise_file_limit(&c->settings);
	uv_loop_init(&c->loop);
	start_handles(c);
	rc = coordinator_start(c, &err);
	if (rc == RC_OK) {
		log_event(LOG_INFO, "settled-started",
			  "rest=%s agents=%s epoch=%" PRIu64 " cluster=%s data=%s pid=%ld",
			  rest_address(c->rest), link_url(c->agents), journal_epoch(c->journal),
			  c->settings.cluster, c->settings.data, (long)getpid());
		uv_run(&c->loop, UV_RUN_DEFAULT);
	} else {
		fprintf(stderr, "settled: %s\n", err.text);
	}
	coordinator_stop(c);
	if (rc == RC_OK)
		log_event(LOG_INFO, "settled-stopped", "pid=%ld", (long)getpid());
	if (rc == RC_OK)
		return EXIT_SUCCESS;
	/* A journal that is refused is not a matter of the configuration. */
	return rc == RC_INVALID && c->journal_read ? EXIT_USAGE : EXIT_FAILURE;
}

/* ---- the command line ---- */

static void help(void)
{
	printf("usage: settled [--config FILE] [--set NAME=VALUE]...\n"
	       "The coordinator of distributed transactions.\n\n"
	       "  --config FILE     read settings from this YAML file\n"
	       "  --set NAME=VALUE  one setting, stronger than the file's; repeatable\n"
	       "  --settings        print the settings as a Markdown table\n"
	       "  --version         print the version\n"
	       "  --help            print this\n\n"
	       "Settings:\n");
	conf_help(settings_rows, stdout);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'}, {"set", required_argument, NULL, 's'},
		{"settings", no_argument, NULL, 'm'},     {"version", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
	};
	struct coordinator c = {0};
	const char **overrides = mem_new((size_t)argc, sizeof *overrides);
	const char *path = NULL;
	struct err err = {0};
	size_t n = 0;
	int option, status = EXIT_USAGE;
	enum rc rc;

	CRASH_BEGIN();
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'c': path = optarg; break;
		case 's': overrides[n++] = optarg; break;
		case 'm': conf_markdown(settings_rows, stdout); return EXIT_SUCCESS;
		case 'v': printf("settled %s\n", SETTLE_VERSION); return EXIT_SUCCESS;
		case 'h': help(); return EXIT_SUCCESS;
		default: fprintf(stderr, "try settled --help\n"); return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "settled: unexpected argument \"%s\"; try --help\n", argv[optind]);
		return EXIT_USAGE;
	}
	rc = settings_load(&c.settings, path, overrides, n, &err);
	if (rc == RC_OK) {
		log_set_level(c.settings.log_level);
		status = serve(&c);
	} else if (err.line > 0) {
		fprintf(stderr, "settled: %s (line %d, column %d)\n", err.text, err.line,
			err.column);
	} else {
		fprintf(stderr, "settled: %s\n", err.text);
	}
	settings_fini(&c.settings);
	free(overrides);
	return status;
}
