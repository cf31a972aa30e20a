/* main.c - settle-agent: the loop, and what is plugged into the agent's core.
 *
 * Start: settings, resources (each connects in the background), uplink.
 * Each round of the loop ends in agent_turn: what the round brought leaves together.
 * Stop (SIGTERM, SIGINT): no more work is taken, calls under way end, their results
 * are sent, all within STOP_MAX_MS; then resources and uplink are closed.  What is
 * prepared stays prepared: that is its promise.
 * Thread: the loop's is the main thread. */
#include "adapters/exec.h"
#include "adapters/http.h"
#include "adapters/noop.h"
#include "adapters/plugin.h"
#include "adapters/postgres.h"
#include "adapters/sqlite.h"
#include "base/clock.h"
#include "base/crash.h"
#include "base/log.h"
#include "base/mem.h"
#include "participant/agent.h"
#include "participant/agent_conf.h"
#include "participant/uplink.h"

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_USAGE = 2, STOP_MAX_MS = 5000 };

static const struct adapter *const adapters[] = {
	&adapter_exec,     &adapter_http,   &adapter_noop, &adapter_plugin,
	&adapter_postgres, &adapter_sqlite, NULL};

struct program;

/* One resource of the configuration. */
struct entry {
	struct program *program;
	struct adapter_host host;
	const struct adapter *adapter;
	void *self;
};

struct program {
	const char *path; /* of the configuration */
	char *directory;  /* its folder; NULL: where we run */
	struct agent_conf conf;
	uv_loop_t loop;
	uv_prepare_t prepare;
	uv_check_t check;
	uv_timer_t due, deadline;
	uv_signal_t signals[2];
	uint64_t due_us; /* for when `due` is set */
	struct agent *agent;
	struct uplink *uplink;
	struct entry *entries;
	size_t n_entries;
	size_t open; /* adapters that are not closed yet */
	uint64_t incarnation;
	bool stopping, closing;
	int status;
};

/* ---- the end ---- */

static void close_handles(struct program *p)
{
	uv_close((uv_handle_t *)&p->prepare, NULL);
	uv_close((uv_handle_t *)&p->check, NULL);
	uv_close((uv_handle_t *)&p->due, NULL);
	uv_close((uv_handle_t *)&p->deadline, NULL);
	uv_close((uv_handle_t *)&p->signals[0], NULL);
	uv_close((uv_handle_t *)&p->signals[1], NULL);
}

static void on_closed(void *arg)
{
	struct entry *e = arg;

	CRASH_POINT(resource_closed);
	if (--e->program->open == 0)
		close_handles(e->program);
}

/* Closes everything; the loop ends when the last of it is gone. */
static void program_close(struct program *p)
{
	if (p->closing)
		return;
	p->closing = true;
	CRASH_POINT(agent_close);
	uplink_close(p->uplink);
	p->uplink = NULL;
	if (p->open == 0)
		close_handles(p);
	/* on_closed may come before this loop is over, but never the last one. */
	for (size_t i = 0, n = p->n_entries; i < n; i++)
		if (p->entries[i].self != NULL)
			p->entries[i].adapter->close(p->entries[i].self, on_closed, &p->entries[i]);
}

static void on_deadline(uv_timer_t *t)
{
	log_event(LOG_WARN, "agent-stop-late", "calls under way did not end in %d ms", STOP_MAX_MS);
	program_close(t->data);
}

static void program_stop(struct program *p)
{
	if (p->stopping)
		return;
	p->stopping = true;
	CRASH_POINT(agent_stop);
	agent_stop(p->agent);
	uv_timer_start(&p->deadline, on_deadline, STOP_MAX_MS, 0);
}

static void on_signal(uv_signal_t *s, int signum)
{
	struct program *p = s->data;

	if (p->stopping) {
		log_event(LOG_WARN, "agent-killed", "signal=%d a second one: ending at once",
			  signum);
		_exit(128 + signum);
	}
	log_event(LOG_INFO, "agent-stopping", "signal=%d", signum);
	program_stop(p);
}

/* ---- the rounds of the loop ---- */

static void on_due(uv_timer_t *t)
{
	((struct program *)t->data)->due_us = UINT64_MAX; /* the round does the rest */
}

static void set_due(struct program *p)
{
	const uint64_t due = agent_due(p->agent), now = clock_mono_us();

	if (due == p->due_us)
		return;
	p->due_us = due;
	if (due == UINT64_MAX) {
		uv_timer_stop(&p->due);
		return;
	}
	uv_update_time(&p->loop);
	uv_timer_start(&p->due, on_due, due > now ? (due - now + 999) / 1000 : 0, 0);
}

static void turn(struct program *p)
{
	if (p->closing)
		return;
	agent_turn(p->agent);
	if (p->stopping && (p->status != EXIT_SUCCESS || agent_idle(p->agent)))
		program_close(p);
	else
		set_due(p);
}

/* Before the loop sleeps, and after it has been woken: timers run before the one,
 * everything else before the other. */
static void on_prepare(uv_prepare_t *h)
{
	turn(h->data);
}

static void on_check(uv_check_t *h)
{
	turn(h->data);
}

/* ---- what is plugged into the core ---- */

static uint64_t world_now(void *self)
{
	(void)self;
	return clock_mono_us();
}

static void world_send(void *self, const struct poll *poll)
{
	uplink_send(((struct program *)self)->uplink, poll);
}

static void world_superseded(void *self, const char *why)
{
	struct program *p = self;

	if (p->status != EXIT_SUCCESS)
		return; /* each poll that is out says it */
	log_event(LOG_ERROR, "agent-superseded", "agent=%s %s", p->conf.agent, why);
	p->status = EXIT_FAILURE;
	program_stop(p);
}

static void on_connected(bool up, void *arg)
{
	agent_connected(((struct program *)arg)->agent, up);
}

static void on_reply(uint64_t seq, const struct reply *r, void *arg)
{
	agent_reply(((struct program *)arg)->agent, seq, r);
}

static void on_lost(uint64_t seq, void *arg)
{
	agent_poll_lost(((struct program *)arg)->agent, seq);
}

/* ---- the start ---- */

static const struct adapter *adapter_find(const struct yaml_node *node, struct err *err)
{
	const struct yaml_node *kind = yaml_get(node, "adapter");
	const char *names[sizeof adapters / sizeof adapters[0]] = {NULL};
	const char *near;

	for (size_t i = 0; adapters[i] != NULL; i++) {
		if (strcmp(adapters[i]->name, kind->text) == 0)
			return adapters[i];
		names[i] = adapters[i]->name;
	}
	near = nearest_word(kind->text, names);
	err_set_at(err, RC_INVALID, kind->line, kind->column, "`%s` is no adapter%s%s", kind->text,
		   near != NULL ? "; perhaps you mean " : "", near != NULL ? near : "");
	return NULL;
}

static enum rc entry_open(struct program *p, const char *name, const struct yaml_node *node,
			  struct err *err)
{
	struct entry *e = &p->entries[p->n_entries];
	struct served *served;
	enum rc rc;

	e->program = p;
	e->adapter = adapter_find(node, err);
	if (e->adapter == NULL)
		return err_wrap(err, "resource %s", name);
	served = agent_serve(p->agent, name, e->adapter);
	e->host = (struct adapter_host){.loop = &p->loop,
					.cluster = p->conf.cluster,
					.agent = p->conf.agent,
					.directory = p->directory,
					.incarnation = p->incarnation,
					.ready = agent_ready,
					.arg = served};
	CRASH_POINT(resource_open);
	rc = e->adapter->open(&e->host, name, node, &e->self, err);
	if (rc != RC_OK) {
		e->self = NULL;
		return err_wrap(err, "resource %s", name);
	}
	served_attach(served, e->self);
	p->n_entries++;
	p->open++;
	return RC_OK;
}

static enum rc program_start(struct program *p, struct err *err)
{
	const struct agent_conf *c = &p->conf;
	const struct agent_world world = {world_now, world_send, world_superseded, p};
	const struct uplink_events events = {on_connected, on_reply, on_lost, p};
	const struct agent_settings settings = {.cluster = c->cluster,
						.agent = c->agent,
						.incarnation = p->incarnation,
						.window = (uint32_t)c->window,
						.sweep_ms = c->sweep_ms};

	p->agent = agent_new(&settings, &world);
	p->entries = mem_new(c->resources->count, sizeof *p->entries);
	for (size_t i = 0; i < c->resources->count; i++)
		if (entry_open(p, c->resources->keys[i]->text, c->resources->items[i], err) !=
		    RC_OK)
			return err_wrap(err, "%s", p->path);
	CRASH_POINT(uplink_open);
	if (uplink_open(&p->loop, c->coordinator, &events, &p->uplink, err) != RC_OK)
		return err->code;
	uv_prepare_start(&p->prepare, on_prepare);
	uv_check_start(&p->check, on_check);
	uv_signal_start(&p->signals[0], on_signal, SIGTERM);
	uv_signal_start(&p->signals[1], on_signal, SIGINT);
	log_event(LOG_INFO, "agent-started",
		  "agent=%s cluster=%s coordinator=%s resources=%zu window=%" PRId64
		  " incarnation=%" PRIu64 " pid=%ld",
		  c->agent, c->cluster, c->coordinator, p->n_entries, c->window,
		  settings.incarnation, (long)getpid());
	return RC_OK;
}

static void handles_init(struct program *p)
{
	uv_prepare_init(&p->loop, &p->prepare);
	uv_check_init(&p->loop, &p->check);
	uv_timer_init(&p->loop, &p->due);
	uv_timer_init(&p->loop, &p->deadline);
	uv_signal_init(&p->loop, &p->signals[0]);
	uv_signal_init(&p->loop, &p->signals[1]);
	p->prepare.data = p->check.data = p->due.data = p->deadline.data = p;
	p->signals[0].data = p->signals[1].data = p;
	p->due_us = UINT64_MAX;
}

static void complain(const struct err *err)
{
	if (err->line > 0)
		fprintf(stderr, "settle-agent: %s (line %d, column %d)\n", err->text, err->line,
			err->column);
	else
		fprintf(stderr, "settle-agent: %s\n", err->text);
}

static int run(struct program *p)
{
	struct err err = {0};
	bool started;

	if (strrchr(p->path, '/') != NULL)
		p->directory =
			mem_dup_bytes(p->path, (size_t)(strrchr(p->path, '/') - p->path) + 1);
	signal(SIGPIPE, SIG_IGN); /* a broken connection is an error code */
	log_set_level(p->conf.log_level);
	if (uv_loop_init(&p->loop) != 0)
		return EXIT_FAILURE;
	handles_init(p);
	p->incarnation = clock_wall_us(); /* grows with each start, as long as the clock does */
	started = program_start(p, &err) == RC_OK;
	if (!started) {
		complain(&err);
		p->status = err.code == RC_INVALID ? EXIT_USAGE : EXIT_FAILURE;
		program_close(p);
	}
	uv_run(&p->loop, UV_RUN_DEFAULT);
	uv_loop_close(&p->loop);
	CRASH_POINT(agent_closed);
	agent_free(p->agent);
	free(p->entries);
	free(p->directory);
	if (started)
		log_event(LOG_INFO, "agent-stopped", "agent=%s", p->conf.agent);
	return p->status;
}

/* ---- the command line ---- */

static void help(void)
{
	printf("usage: settle-agent --config FILE\n"
	       "Enlists resources beside it in a coordinator's transactions.\n\n"
	       "  --config FILE  read settings from this YAML file\n"
	       "  --settings     print the settings as a Markdown table\n"
	       "  --version      print the version\n"
	       "  --help         print this\n\n"
	       "Settings:\n");
	conf_help(agent_conf_rows, stdout);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"settings", no_argument, NULL, 'm'},
		{"version", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	struct program p = {0};
	struct err err = {0};
	int option, status = EXIT_USAGE;

	CRASH_BEGIN();
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'c': p.path = optarg; break;
		case 'm': conf_markdown(agent_conf_rows, stdout); return EXIT_SUCCESS;
		case 'v': printf("settle-agent %s\n", SETTLE_VERSION); return EXIT_SUCCESS;
		case 'h': help(); return EXIT_SUCCESS;
		default: fprintf(stderr, "try settle-agent --help\n"); return EXIT_USAGE;
		}
	}
	if (p.path == NULL || optind < argc) {
		fprintf(stderr, "usage: settle-agent --config FILE; try --help\n");
		return EXIT_USAGE;
	}
	if (agent_conf_load(&p.conf, p.path, &err) == RC_OK)
		status = run(&p);
	else
		complain(&err);
	agent_conf_fini(&p.conf);
	return status;
}
