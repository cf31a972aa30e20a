/* net.c - polls up, replies down; see sim.h.
 *
 * Each message is packed and unpacked by the real frame code.  It is delivered
 * late, out of order, lost, or (polls only) twice.  When a connection breaks, each
 * side hears of it in its own time; until the agent does, a reply that was in the
 * wire may still arrive.  A poll that has no answer after POLL_LIFE_MS is given up
 * by its agent. */
#include "base/mem.h"
#include "tests/sim/sim.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

struct message {
	size_t agent;
	uint64_t incarnation, pipe, seq;
	uint64_t epoch; /* of the coordinator that it goes to or comes from; 0: any */
	void *bytes;
	size_t size;
};

/* A poll that the coordinator holds. */
struct held {
	uint64_t id;
	size_t agent;
	uint64_t incarnation, pipe, seq;
	struct held *next, *prev;
};

/* What an agent has sent and not seen answered: sent again over a new connection. */
struct asked {
	struct message m;
	struct asked *next, *prev;
};

static struct held *held;
static struct asked *asked;
static uint64_t next_poll, next_pipe;
static uint64_t pipes[SIM_AGENTS]; /* 0: no connection */

void net_init(void)
{
	next_poll = 0;
	memset(pipes, 0, sizeof pipes);
}

static void message_free(struct message *m)
{
	free(m->bytes);
	free(m);
}

static struct asked *asked_find(size_t agent, uint64_t seq)
{
	struct asked *q;

	DL_FOREACH (asked, q)
		if (q->m.agent == agent && q->m.seq == seq)
			return q;
	return NULL;
}

static void asked_free(struct asked *q)
{
	DL_DELETE(asked, q);
	free(q->m.bytes);
	free(q);
}

/* ---- up ---- */

static void poll_arrives(void *arg, uint64_t n)
{
	struct message *m = arg;
	struct poll p;
	struct err err;
	struct held *h;

	(void)n;
	if (sim_engine != NULL && m->pipe == pipes[m->agent]) {
		if (poll_decode(&p, m->bytes, m->size, &err) != RC_OK)
			sim_fail("a poll does not decode: %s", err.text);
		h = mem_new(1, sizeof *h);
		*h = (struct held){++next_poll, m->agent, m->incarnation, m->pipe, m->seq,
				   NULL,        NULL};
		DL_APPEND(held, h);
		sim_engine_enter();
		engine_poll(sim_engine, h->id, m->pipe, &p);
		sim_engine_leave();
		poll_free(&p);
	}
	message_free(m);
}

/* Without a word. */
static bool lost(const char *what, size_t agent)
{
	if (!sim_chance(15))
		return false;
	sim_note("net: a %s of agent %zu is lost", what, agent);
	sim_tally("message lost");
	return true;
}

static void transmit(const struct message *m)
{
	struct message *copy;

	if (pipes[m->agent] == 0 || lost("poll", m->agent))
		return;
	copy = mem_new(1, sizeof *copy);
	*copy = *m;
	copy->bytes = mem_dup_bytes(m->bytes, m->size);
	copy->pipe = pipes[m->agent];
	sim_in(sim_delay_us(), poll_arrives, copy, 0);
}

static void given_up(void *arg, uint64_t n)
{
	struct sim_agent *a = &sim_agents[(uintptr_t)arg];
	struct asked *q = asked_find(a->number, n);

	if (q == NULL)
		return;
	asked_free(q);
	agent_poll_lost(a->core, n);
	sim_agent_turn(a);
}

/* Sequence numbers of a new incarnation must not meet old timers, so a poll's
 * number here is the agent's own with its life's start above it. */
void net_send(void *agent_self, const struct poll *p)
{
	struct sim_agent *a = agent_self;
	SIM_AS(SIM_LINK, a->number);
	struct asked *q = mem_new(1, sizeof *q);

	q->m.agent = a->number;
	q->m.incarnation = p->incarnation;
	q->m.seq = p->seq;
	q->m.size = poll_size(p);
	q->m.bytes = mem_new(q->m.size + 1, 1);
	poll_encode(p, q->m.bytes);
	DL_APPEND(asked, q);
	transmit(&q->m);
	if (sim_chance(10)) {
		sim_note("net: a poll of agent %zu comes twice", a->number);
		sim_tally("message doubled");
		transmit(&q->m);
	}
	sim_in((uint64_t)POLL_LIFE_MS * 1000, given_up, (void *)(uintptr_t)a->number, p->seq);
}

/* ---- down ---- */

static void reply_arrives(void *arg, uint64_t n)
{
	struct message *m = arg;
	struct sim_agent *a = &sim_agents[m->agent];
	struct asked *q = asked_find(m->agent, m->seq);
	struct reply r;
	struct err err;

	(void)n;
	if (a->core != NULL && a->incarnation == m->incarnation && q != NULL) {
		asked_free(q);
		if (reply_decode(&r, m->bytes, m->size, &err) != RC_OK)
			sim_fail("a reply does not decode: %s", err.text);
		agent_reply(a->core, m->seq, &r);
		reply_free(&r);
		sim_agent_turn(a);
	}
	message_free(m);
}

static void reply(void *self, uint64_t poll, const struct reply *r)
{
	struct held *h;
	struct message *m;

	(void)self;
	DL_FOREACH (held, h)
		if (h->id == poll)
			break;
	if (h == NULL)
		sim_fail("the engine answers poll %lu, which it does not hold",
			 (unsigned long)poll);
	SIM_AS(SIM_LINK, h->agent);
	if (h->pipe == pipes[h->agent] && !lost("reply", h->agent)) {
		m = mem_new(1, sizeof *m);
		*m = (struct message){
			.agent = h->agent, .incarnation = h->incarnation, .seq = h->seq};
		m->size = reply_size(r);
		m->bytes = mem_new(m->size + 1, 1);
		reply_encode(r, m->bytes);
		sim_in(sim_delay_us(), reply_arrives, m, 0);
	}
	DL_DELETE(held, h);
	free(h);
}

struct link_port net_port(void)
{
	return (struct link_port){.reply = reply};
}

/* ---- connections ---- */

static void drop_held(size_t agent, uint64_t pipe)
{
	struct held *h, *next;

	DL_FOREACH_SAFE (held, h, next) {
		if (h->agent != agent || h->pipe != pipe)
			continue;
		DL_DELETE(held, h);
		free(h);
	}
}

/* `n` is the pipe; it is 0 once the coordinator that knew it has gone. */
static void coordinator_hears(void *arg, uint64_t n)
{
	const size_t agent = (size_t)(uintptr_t)arg;

	drop_held(agent, n);
	if (sim_engine == NULL)
		return;
	sim_engine_enter();
	engine_pipe_lost(sim_engine, n);
	sim_engine_leave();
}

static void connects(void *arg, uint64_t incarnation)
{
	struct sim_agent *a = arg;

	if (a->core == NULL || a->incarnation != incarnation || pipes[a->number] != 0)
		return;
	if (sim_engine == NULL) {
		sim_in(100000 + sim_rand(1900000), connects, a, incarnation);
		return;
	}
	pipes[a->number] = ++next_pipe;
	agent_connected(a->core, true);
	sim_agent_turn(a);
}

/* All that was asked over the old connection is lost, answered or not. */
static void agent_hears(void *arg, uint64_t incarnation)
{
	struct sim_agent *a = arg;
	struct asked *q, *next;

	if (a->core == NULL || a->incarnation != incarnation)
		return;
	agent_connected(a->core, false);
	DL_FOREACH_SAFE (asked, q, next) {
		const uint64_t seq = q->m.seq;

		if (q->m.agent != a->number)
			continue;
		asked_free(q);
		agent_poll_lost(a->core, seq);
	}
	sim_agent_turn(a);
	sim_in(sim_delay_us(), connects, a, incarnation);
}

void net_agent_up(size_t agent)
{
	pipes[agent] = 0;
	connects(&sim_agents[agent], sim_agents[agent].incarnation);
}

/* Either side hears of it at once or later, and not at the same time. */
void net_cut(size_t agent)
{
	const uint64_t old = pipes[agent];

	if (old == 0)
		return;
	sim_note("net: the connection of agent %zu breaks", agent);
	sim_tally("connection broken");
	pipes[agent] = 0;
	sim_in(sim_rand(2) * sim_delay_us(), coordinator_hears, (void *)(uintptr_t)agent, old);
	sim_in(sim_rand(2) * sim_delay_us(), agent_hears, &sim_agents[agent],
	       sim_agents[agent].incarnation);
}

void net_coordinator_down(void)
{
	SIM_AS(SIM_COORDINATOR, 0);

	while (held != NULL)
		drop_held(held->agent, held->pipe);
	for (size_t i = 0; i < SIM_AGENTS; i++) {
		if (pipes[i] == 0)
			continue;
		pipes[i] = 0;
		sim_in(sim_delay_us(), agent_hears, &sim_agents[i], sim_agents[i].incarnation);
	}
}

void net_agent_down(size_t agent)
{
	struct asked *q, *next;
	const uint64_t old = pipes[agent];

	DL_FOREACH_SAFE (asked, q, next)
		if (q->m.agent == agent)
			asked_free(q);
	pipes[agent] = 0;
	if (old != 0)
		sim_in(sim_rand(2) * sim_delay_us(), coordinator_hears, (void *)(uintptr_t)agent,
		       old);
}
