/* crew.c - see crew.h. */
#include "bench/crew.h"

#include "base/clock.h"
#include "base/mem.h"
#include "bench/run.h"
#include "participant/agent.h"
#include "participant/uplink.h"

#include <stdio.h>
#include <stdlib.h>

enum { WINDOW = 4096, SWEEP_MS = 3600 * 1000 };

/* A call that is answered in the next round. */
struct pending {
	adapter_done_fn done;
	adapter_list_fn listed; /* instead: nothing is found that the agent does not know of */
	void *arg;
	enum result_kind kind;
};

struct crew {
	uv_loop_t loop;
	uv_prepare_t prepare;
	uv_check_t check;
	uv_timer_t due;
	struct member *members;
	int n;
	struct pending *calls;
	size_t n_calls, room;
};

struct member {
	struct crew *crew;
	struct agent *agent;
	struct uplink *uplink;
	char name[16], resource[16];
	bool touched; /* something happened since its last turn */
	uint64_t due_us;
};

/* ---- the resource ---- */

static void answer_later(void *self, struct pending pending)
{
	struct crew *c = ((struct member *)self)->crew;

	if (c->n_calls == c->room) {
		c->room = c->room > 0 ? 2 * c->room : 256;
		c->calls = mem_grow(c->calls, c->room, sizeof *c->calls);
	}
	c->calls[c->n_calls++] = pending;
	((struct member *)self)->touched = true;
}

static void idle_describe(void *self, struct resource_info *info)
{
	static struct operation_info work = {.name = "work"};

	(void)self;
	info->ready = true;
	info->problem = "";
	info->groups = true;
	info->operations = &work;
	info->n_operations = 1;
}

static void idle_prepare(void *self, const struct adapter_work *work, adapter_done_fn done,
			 void *arg)
{
	answer_later(self, (struct pending){.done = done,
					    .arg = arg,
					    .kind = work->read_only ? RESULT_READ_ONLY
								    : RESULT_PREPARED});
}

static void idle_commit(void *self, const struct branch_id *id, bool repeat, adapter_done_fn done,
			void *arg)
{
	(void)id, (void)repeat;
	answer_later(self, (struct pending){.done = done, .arg = arg, .kind = RESULT_COMMITTED});
}

static void idle_rollback(void *self, const struct branch_id *id, adapter_done_fn done, void *arg)
{
	(void)id;
	answer_later(self, (struct pending){.done = done, .arg = arg, .kind = RESULT_ROLLED_BACK});
}

static void idle_cancel(void *self, const struct branch_id *id)
{
	(void)self, (void)id; /* it is answered in the next round anyway */
}

static void idle_list(void *self, adapter_list_fn done, void *arg)
{
	answer_later(self, (struct pending){.listed = done, .arg = arg});
}

static const struct adapter idle = {
	.name = "idle",
	.describe = idle_describe,
	.prepare = idle_prepare,
	.commit = idle_commit,
	.rollback = idle_rollback,
	.cancel = idle_cancel,
	.list = idle_list,
};

/* ---- the rounds of the loop ---- */

static void answer_all(struct crew *c)
{
	for (size_t i = 0; i < c->n_calls; i++) { /* an answer may bring the next call */
		const struct pending p = c->calls[i];
		const struct adapter_answer answer = {.kind = p.kind};

		if (p.listed != NULL)
			p.listed(RC_OK, NULL, 0, p.arg);
		else
			p.done(&answer, p.arg);
	}
	c->n_calls = 0;
}

static void on_due(uv_timer_t *t)
{
	(void)t; /* the round does the rest */
}

static void round_of(struct crew *c)
{
	uint64_t due = UINT64_MAX, now;

	answer_all(c);
	now = clock_mono_us();
	for (int i = 0; i < c->n; i++) {
		struct member *m = &c->members[i];

		if (m->touched || m->due_us <= now) {
			m->touched = false;
			agent_turn(m->agent);
			m->due_us = agent_due(m->agent);
		}
		due = m->due_us < due ? m->due_us : due;
	}
	if (c->n_calls > 0)
		due = 0;
	uv_update_time(&c->loop);
	if (due == UINT64_MAX)
		uv_timer_stop(&c->due);
	else
		uv_timer_start(&c->due, on_due, due > now ? (due - now + 999) / 1000 : 0, 0);
}

static void on_prepare(uv_prepare_t *h)
{
	round_of(h->data);
}

static void on_check(uv_check_t *h)
{
	round_of(h->data);
}

/* ---- what is plugged into the core ---- */

static uint64_t world_now(void *self)
{
	(void)self;
	return clock_mono_us();
}

static void world_send(void *self, const struct poll *poll)
{
	uplink_send(((struct member *)self)->uplink, poll);
}

static void world_superseded(void *self, const char *why)
{
	bench_die("agent %s: %s", ((struct member *)self)->name, why);
}

static void on_connected(bool up, void *arg)
{
	struct member *m = arg;

	m->touched = true;
	agent_connected(m->agent, up);
}

static void on_reply(uint64_t seq, const struct reply *r, void *arg)
{
	struct member *m = arg;

	m->touched = true;
	agent_reply(m->agent, seq, r);
}

static void on_lost(uint64_t seq, void *arg)
{
	struct member *m = arg;

	m->touched = true;
	agent_poll_lost(m->agent, seq);
}

static void member_start(struct crew *c, struct member *m, int number, const char *url)
{
	const struct agent_world world = {world_now, world_send, world_superseded, m};
	const struct uplink_events events = {on_connected, on_reply, on_lost, m};
	struct agent_settings settings = {.cluster = "bench",
					  .incarnation = clock_wall_us(),
					  .window = WINDOW,
					  .sweep_ms = SWEEP_MS};
	struct served *served;
	struct err err;

	m->crew = c;
	m->touched = true;
	snprintf(m->name, sizeof m->name, "a%d", number);
	snprintf(m->resource, sizeof m->resource, "r%d", number);
	settings.agent = m->name;
	m->agent = agent_new(&settings, &world);
	served = agent_serve(m->agent, m->resource, &idle);
	served_attach(served, m);
	agent_ready(served, NULL);
	if (uplink_open(&c->loop, url, &events, &m->uplink, &err) != RC_OK)
		bench_die("%s", err.text);
}

_Noreturn void crew_run(const char *url, int agents)
{
	struct crew c = {.n = agents};

	uv_loop_init(&c.loop);
	uv_prepare_init(&c.loop, &c.prepare);
	uv_check_init(&c.loop, &c.check);
	uv_timer_init(&c.loop, &c.due);
	c.prepare.data = c.check.data = c.due.data = &c;
	c.members = mem_new((size_t)agents, sizeof *c.members);
	for (int i = 0; i < agents; i++)
		member_start(&c, &c.members[i], i, url);
	uv_prepare_start(&c.prepare, on_prepare);
	uv_check_start(&c.check, on_check);
	uv_run(&c.loop, UV_RUN_DEFAULT);
	bench_die("the crew's loop ended");
}
