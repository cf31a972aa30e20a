/* inproc.c - see inproc.h. */
#include "bench/inproc.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "bench/rows.h"
#include "coordinator/engine.h"
#include "coordinator/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { POLLS = 4, PIPE = 1, WINDOW = 1000000, ACCEPTED_A_TURN = 256, TURN_MS = 1000 };

/* What an agent would remember of a command until it answers. */
struct done {
	char gid[GID_MAX + 1];
	char step[NAME_MAX_LEN + 1];
	enum command_kind kind;
	uint64_t epoch;
	uint32_t attempt;
};

struct client {
	struct transfer transfer;
	bool free; /* to submit the next one */
};

struct inproc {
	uv_loop_t loop;
	uv_timer_t due;
	struct journal *journal;
	struct engine *engine;
	const char *workflow;
	bool closing;
	bool news; /* a client was answered */

	struct done *done; /* to be told in the next turn */
	size_t n_done, room;
	struct result *results;
	uint64_t last_poll, seq;
	int polls; /* that the engine holds */

	struct run *run;
	struct client *clients;

	bool own_gids;
	const char *silent; /* the branch whose commands are not answered; NULL: none */
	size_t accepted, unanswered;
};

static void touch(struct inproc *p)
{
	engine_clock(p->engine, clock_mono_us(), clock_wall_us());
}

/* ---- the agent that is none ---- */

static void on_reply(void *self, uint64_t poll, const struct reply *reply)
{
	struct inproc *p = self;

	(void)poll;
	p->polls--;
	if (reply->error[0] != '\0')
		bench_die("the engine refuses the agent: %s", reply->error);
	while (p->n_done + reply->n_commands > p->room) {
		p->room = p->room > 0 ? 2 * p->room : 1024;
		p->done = mem_grow(p->done, p->room, sizeof *p->done);
		p->results = mem_grow(p->results, p->room, sizeof *p->results);
	}
	for (size_t i = 0; i < reply->n_commands; i++) {
		const struct command *c = &reply->commands[i];
		struct done *d = &p->done[p->n_done];

		if (p->silent != NULL && strcmp(c->id.branch, p->silent) == 0) {
			p->unanswered++;
			continue;
		}
		memcpy(d->gid, c->id.gid, strlen(c->id.gid) + 1);
		memcpy(d->step, c->id.branch, strlen(c->id.branch) + 1);
		d->kind = c->kind;
		d->epoch = c->id.epoch;
		d->attempt = c->attempt;
		p->n_done++;
	}
}

static void hand_poll(struct inproc *p, const struct resource_info *declared, size_t n_results)
{
	const struct poll poll = {
		.cluster = "bench",
		.agent = "inprocess",
		.incarnation = 1,
		.seq = ++p->seq,
		.window = WINDOW,
		.hello = declared != NULL,
		.resources = (struct resource_info *)declared,
		.n_resources = declared != NULL,
		.results = p->results,
		.n_results = n_results,
	};

	p->polls++;
	engine_poll(p->engine, ++p->last_poll, PIPE, &poll);
}

static void say_hello(struct inproc *p)
{
	struct operation_info step = {.name = "step"};
	const struct resource_info nothing = {
		.name = "nothing",
		.adapter = "noop",
		.ready = true,
		.problem = "",
		.calls = true,
		.groups = true,
		.operations = &step,
		.n_operations = 1,
	};

	hand_poll(p, &nothing, 0);
}

static struct result result_of(const struct done *d)
{
	static const enum result_kind kinds[] = {
		[COMMAND_NONE] = RESULT_NONE,        [COMMAND_PREPARE] = RESULT_PREPARED,
		[COMMAND_COMMIT] = RESULT_COMMITTED, [COMMAND_ROLLBACK] = RESULT_ROLLED_BACK,
		[COMMAND_ONCE] = RESULT_COMMITTED,   [COMMAND_SETTLE_ONCE] = RESULT_COMMITTED,
		[COMMAND_DO] = RESULT_DONE,          [COMMAND_UNDO] = RESULT_DONE,
	};
	const bool call = command_is_call(d->kind);

	return (struct result){
		.id = {"nothing", d->gid, d->epoch, d->step},
		.kind = kinds[d->kind],
		.output = {call ? "{}" : NULL, call ? 2 : 0},
		.reason = "",
		.call = call ? d->kind : COMMAND_NONE,
		.attempt = d->attempt,
	};
}

/* All that was done since the last turn, in one poll. */
static void answer_calls(struct inproc *p)
{
	const size_t n = p->n_done;

	for (size_t i = 0; i < n; i++)
		p->results[i] = result_of(&p->done[i]);
	/* Replies come in engine_turn only, as there are never more than POLLS polls: what
	 * is handed over now stays as it is. */
	if (n > 0)
		hand_poll(p, NULL, n);
	p->n_done = 0;
	while (p->polls < POLLS)
		hand_poll(p, NULL, 0);
}

/* ---- clients ---- */

static void on_answer(void *self, uint64_t id, enum answer_code code, char *json, const char *text)
{
	struct inproc *p = self;
	struct client *c;

	if (id == 0) { /* the publishing; OK: it was published before */
		if (code != ANSWER_FINISHED && code != ANSWER_OK)
			bench_die("the workflow is not taken: %s", text);
	} else if (p->clients == NULL) {
		if (code != ANSWER_UNFINISHED)
			bench_die("not accepted: %d %s", (int)code, json != NULL ? json : text);
		p->accepted++;
	} else if (code != ANSWER_FINISHED || strstr(json, "\"status\":\"committed\"") == NULL) {
		bench_die("not committed: %d %s", (int)code, json != NULL ? json : text);
	} else {
		c = &p->clients[id - 1];
		run_ended(p->run, &c->transfer, NULL);
		c->free = p->news = true;
	}
	free(json);
}

static void submit(struct inproc *p, uint64_t client, enum wait_for wait)
{
	static const unsigned char hash[BODY_HASH_SIZE]; /* only ever compared with a known gid's */
	char gid[GID_MAX + 1];
	const struct submit s = {
		.gid = gid,
		.fresh_gid = !p->own_gids,
		.hash = hash,
		.workflow = p->workflow,
		.wait = wait,
		.wait_ms = 60 * 1000,
	};

	rows_gid(clock_wall_us(), p->own_gids, gid);
	engine_submit(p->engine, client, &s);
}

static void submit_next(struct inproc *p)
{
	for (int i = 0; i < p->run->clients; i++) {
		struct client *c = &p->clients[i];

		if (!c->free || !run_next(p->run, &c->transfer))
			continue;
		c->free = false;
		submit(p, (uint64_t)i + 1, WAIT_FINISHED);
	}
}

/* ---- the loop ---- */

static void on_durable(uint64_t batch, void *arg)
{
	struct inproc *p = arg;

	if (p->closing)
		return;
	touch(p);
	engine_durable(p->engine, batch);
}

static void on_due(uv_timer_t *timer)
{
	(void)timer;
}

/* One turn, and a look at what the journal's thread has posted; sleeps if there is
 * nothing else to do, for `most_ms` at the most. */
static void turn(struct inproc *p, uint64_t most_ms)
{
	uint64_t due, now, ms;

	touch(p);
	engine_turn(p->engine);
	due = engine_due(p->engine);
	now = clock_mono_us();
	if (p->n_done > 0 || p->news || due <= now) {
		uv_run(&p->loop, UV_RUN_NOWAIT);
		return;
	}
	ms = due == UINT64_MAX ? most_ms : (due - now) / 1000 + 1;
	uv_update_time(&p->loop);
	uv_timer_start(&p->due, on_due, ms < most_ms ? ms : most_ms, 0);
	uv_run(&p->loop, UV_RUN_ONCE);
}

void inproc_run(struct inproc *p, struct run *run)
{
	p->run = run;
	p->clients = mem_new((size_t)run->clients, sizeof *p->clients);
	for (int i = 0; i < run->clients; i++)
		p->clients[i].free = true;
	run_start(run);
	for (;;) {
		touch(p);
		answer_calls(p);
		p->news = false;
		submit_next(p);
		if (run->open == 0)
			break;
		turn(p, TURN_MS);
	}
	run_finish(run);
	free(p->clients);
	p->clients = NULL;
}

void inproc_own_gids(struct inproc *p)
{
	p->own_gids = true;
}

void inproc_pile_up(struct inproc *p, size_t n, const char *silent)
{
	size_t begun = 0;

	p->silent = silent;
	while (p->accepted < n || p->unanswered < n || p->n_done > 0) {
		touch(p);
		answer_calls(p);
		for (int i = 0; i < ACCEPTED_A_TURN && begun < n; i++)
			submit(p, ++begun, WAIT_ACCEPTED);
		turn(p, TURN_MS);
	}
}

void inproc_idle(struct inproc *p, uint64_t ms)
{
	const uint64_t until = clock_mono_us() + ms * 1000;

	while (clock_mono_us() < until) {
		touch(p);
		answer_calls(p);
		turn(p, 10);
	}
}

/* ---- life ---- */

static void load_workflow(const struct workflow_row *row, void *arg)
{
	struct inproc *p = arg;

	engine_load_workflow(p->engine, row);
}

static void load_resource(const struct resource_info *info, void *arg)
{
	struct inproc *p = arg;

	engine_load_resource(p->engine, info);
}

static void load_record(struct record *r, void *arg)
{
	(void)arg;
	bench_die("the journal has an unfinished transaction: %s", r->gid);
}

struct inproc *inproc_open(const char *dir, const char *name, const char *text)
{
	struct inproc *p = mem_new(1, sizeof *p);
	struct engine_settings settings = {
		.cluster = "bench",
		.timeout_ms = 30 * 1000,
		.max_in_flight = 1000000,
		.call_ms = 30 * 1000,
		.seed = 1,
	};
	const struct link_port link = {on_reply, p};
	const struct client_port clients = {on_answer, p};
	struct journal_port port;
	struct err err;

	uv_loop_init(&p->loop);
	uv_timer_init(&p->loop, &p->due);
	p->workflow = name;
	if (journal_open(dir, "bench", &p->journal, &err) != RC_OK)
		bench_die("%s", err.text);
	settings.epoch = journal_epoch(p->journal);
	port = journal_port(p->journal);
	p->engine = engine_new(&settings, &port, &link, &clients);
	if (journal_replay(p->journal, load_workflow, load_resource, load_record, p, &err) != RC_OK)
		bench_die("%s", err.text);
	journal_start(p->journal, &p->loop, on_durable, p);
	touch(p);
	engine_turn(p->engine);
	say_hello(p);
	engine_publish(p->engine, 0, text, strlen(text));
	turn(p, TURN_MS);
	return p;
}

void inproc_close(struct inproc *p)
{
	if (p == NULL)
		return;
	p->closing = true;
	journal_close(p->journal);
	uv_close((uv_handle_t *)&p->due, NULL);
	uv_run(&p->loop, UV_RUN_DEFAULT);
	uv_loop_close(&p->loop);
	engine_free(p->engine);
	free(p->done);
	free(p->results);
	free(p);
}
