/* net.c - connections, polls up, replies down; see sim.h.
 *
 * Each message is packed and unpacked by the real frame code.  It does what the
 * transport (participant/uplink.c, coordinator/link.c over TCP) can do, and a little more:
 * a message is late, by minutes too, out of order, lost, or (polls only) doubled.  When a
 * connection breaks, each side hears of it in its own time, and until then takes
 * what was in the wire, however old: a side that stood still finds it waiting.  But an agent
 * looks at its clock: a poll without an answer after POLL_LIFE_MS makes it hang up. */
#include "base/mem.h"
#include "tests/sim/sagas.h"
#include "tests/sim/sim.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

enum { LIFE_US = POLL_LIFE_MS * 1000, HANG_UPS = 750, LONGEST_US = 300 * 1000 * 1000 };

/* A connection, also after its end: what was sent on it may still come. */
struct pipe {
	uint64_t id;
	size_t agent;
	uint64_t incarnation;
	struct sim_coord *coord;
	uint64_t life;
	bool broken;                 /* nothing sent from now on arrives */
	bool agent_open, coord_open; /* that side has not heard of its end */
	struct pipe *next;
};

struct message {
	struct pipe *pipe;
	uint64_t seq, sent_us; /* of the poll, by the agent's clock */
	void *bytes;
	size_t size;
};

/* A poll that a coordinator holds. */
struct held {
	uint64_t id;
	struct message m; /* without bytes */
	struct held *next, *prev;
};

/* What an agent has sent and not seen answered: sent again over a new connection. */
struct asked {
	size_t agent;
	struct message m;
	struct asked *next, *prev;
};

static struct held *held;
static struct asked *asked;
static uint64_t next_poll, next_pipe;
static struct pipe *pipes;
static struct pipe *lines[SIM_AGENTS]; /* what the agent takes for open; NULL: none */

static void connects(void *arg, uint64_t incarnation);

void net_init(void)
{
	next_poll = 0;
	memset(lines, 0, sizeof lines);
}

void net_fini(void)
{
	struct pipe *p, *next;

	for (p = pipes; p != NULL; p = next) {
		next = p->next;
		free(p);
	}
	pipes = NULL;
}

static void message_free(struct message *m)
{
	free(m->bytes);
	free(m);
}

static void send_message(struct message m, const void *bytes, sim_fn arrives)
{
	struct message *copy = mem_new(1, sizeof *copy);
	uint64_t us = sim_delay_us();

	*copy = m;
	copy->bytes = mem_dup_bytes(bytes, m.size);
	if (sim_chance(2)) {
		sim_tally("message later than any poll lives");
		us = sim_rand(LONGEST_US);
	}
	sim_in(us, arrives, copy, 0);
}

static struct asked *asked_find(size_t agent, uint64_t seq)
{
	struct asked *q;

	DL_FOREACH (asked, q)
		if (q->agent == agent && q->m.seq == seq)
			return q;
	return NULL;
}

static void asked_free(struct asked *q)
{
	DL_DELETE(asked, q);
	free(q->m.bytes);
	free(q);
}

static bool its_coord_lives(const struct pipe *p)
{
	return p->coord->engine != NULL && p->coord->life == p->life;
}

static bool its_agent_lives(const struct pipe *p)
{
	return sim_agents[p->agent].core != NULL &&
	       sim_agents[p->agent].incarnation == p->incarnation;
}

/* ---- the end of a connection ---- */

static void drop_held(const struct pipe *pipe)
{
	struct held *h, *next;

	DL_FOREACH_SAFE (held, h, next) {
		if (h->m.pipe != pipe)
			continue;
		DL_DELETE(held, h);
		free(h);
	}
}

static void coord_hears(void *arg, uint64_t n)
{
	struct pipe *p = arg;

	if (!p->coord_open || !its_coord_lives(p) ||
	    sim_stands_still(p->coord->still_until_us, coord_hears, arg, n))
		return;
	p->coord_open = false;
	drop_held(p);
	coord_enter(p->coord);
	engine_pipe_lost(p->coord->engine, p->id);
	coord_leave(p->coord);
}

/* All that was asked over it is lost, answered or not. */
static void agent_hears(void *arg, uint64_t n)
{
	struct pipe *p = arg;
	struct sim_agent *a = &sim_agents[p->agent];
	struct asked *q, *next;

	if (!p->agent_open || !its_agent_lives(p) ||
	    sim_stands_still(a->still_until_us, agent_hears, arg, n))
		return;
	p->agent_open = false;
	p->broken = true;
	lines[p->agent] = NULL;
	agent_connected(a->core, false);
	DL_FOREACH_SAFE (asked, q, next) {
		const uint64_t seq = q->m.seq;

		if (q->agent != a->number)
			continue;
		asked_free(q);
		agent_poll_lost(a->core, seq);
	}
	sim_agent_turn(a);
	sim_in(sim_delay_us(), connects, a, a->incarnation);
}

/* Either side hears of it at once or later, and not at the same time. */
static void break_pipe(struct pipe *p)
{
	p->broken = true;
	sim_in(sim_rand(2) * sim_delay_us(), coord_hears, p, 0);
	sim_in(sim_rand(2) * sim_delay_us(), agent_hears, p, 0);
}

static void hang_up(struct pipe *p)
{
	agent_hears(p, 0);
	sim_in(sim_rand(2) * sim_delay_us(), coord_hears, p, 0);
}

/* ---- up ---- */

static void poll_arrives(void *arg, uint64_t n)
{
	struct message *m = arg;
	struct poll p;
	struct err err;
	struct held *h;

	if (m->pipe->coord_open && its_coord_lives(m->pipe) &&
	    sim_stands_still(m->pipe->coord->still_until_us, poll_arrives, arg, n))
		return;
	if (m->pipe->coord_open && its_coord_lives(m->pipe)) {
		struct sim_coord *c = m->pipe->coord;

		if (poll_decode(&p, m->bytes, m->size, &err) != RC_OK)
			sim_fail("a poll does not decode: %s", err.text);
		h = mem_new(1, sizeof *h);
		h->id = ++next_poll;
		h->m = *m;
		DL_APPEND(held, h);
		coord_enter(c);
		engine_poll(c->engine, h->id, m->pipe->id, &p);
		coord_leave(c);
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
	if (!m->pipe->broken && !lost("poll", m->pipe->agent))
		send_message(*m, m->bytes, poll_arrives);
}

/* The real uplink hangs up; another's agent may let only this poll go. */
static void given_up(void *arg, uint64_t n)
{
	struct sim_agent *a = &sim_agents[(uintptr_t)arg];
	struct asked *q = asked_find(a->number, n);

	if (q == NULL || sim_stands_still(a->still_until_us, given_up, arg, n))
		return;
	if (watch_mono_us(&a->watch) < q->m.sent_us + LIFE_US) {
		sim_in(watch_until_us(&a->watch, q->m.sent_us + LIFE_US) + 1, given_up, arg, n);
		return;
	}
	if (lines[a->number] != NULL && sim_rand(1000) < HANG_UPS) {
		hang_up(lines[a->number]);
		return;
	}
	asked_free(q);
	agent_poll_lost(a->core, n);
	sim_agent_turn(a);
}

void net_send(void *agent_self, const struct poll *p)
{
	struct sim_agent *a = agent_self;
	SIM_AS(SIM_LINK, a->number);
	struct asked *q = mem_new(1, sizeof *q);

	if (lines[a->number] == NULL)
		sim_fail("agent %zu polls without a connection", a->number);
	q->agent = a->number;
	q->m = (struct message){.pipe = lines[a->number],
				.seq = p->seq,
				.sent_us = watch_mono_us(&a->watch),
				.size = poll_size(p)};
	q->m.bytes = mem_new(q->m.size + 1, 1);
	poll_encode(p, q->m.bytes);
	DL_APPEND(asked, q);
	transmit(&q->m);
	if (sim_chance(10)) {
		sim_note("net: a poll of agent %zu comes twice", a->number);
		sim_tally("message doubled");
		transmit(&q->m);
	}
	sim_in(LIFE_US, given_up, (void *)(uintptr_t)a->number, p->seq);
}

/* ---- down ---- */

static void reply_arrives(void *arg, uint64_t n)
{
	struct message *m = arg;
	struct sim_agent *a = &sim_agents[m->pipe->agent];
	struct asked *q;
	struct reply r;
	struct err err;

	if (m->pipe->agent_open && its_agent_lives(m->pipe) &&
	    sim_stands_still(a->still_until_us, reply_arrives, arg, n))
		return;
	q = asked_find(a->number, m->seq);
	if (!m->pipe->agent_open || !its_agent_lives(m->pipe) || q == NULL) {
		message_free(m);
		return;
	}
	if (watch_mono_us(&a->watch) >= m->sent_us + LIFE_US) {
		hang_up(m->pipe); /* it answered too late */
	} else {
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
	void *bytes;

	(void)self;
	DL_FOREACH (held, h)
		if (h->id == poll)
			break;
	if (h == NULL)
		sim_fail("the engine answers poll %lu, which it does not hold",
			 (unsigned long)poll);
	for (size_t i = 0; i < r->n_commands; i++)
		ledger_sends(&r->commands[i]);
	SIM_AS(SIM_LINK, h->m.pipe->agent);
	if (!h->m.pipe->broken && !lost("reply", h->m.pipe->agent)) {
		h->m.size = reply_size(r);
		bytes = mem_new(h->m.size + 1, 1);
		reply_encode(r, bytes);
		send_message(h->m, bytes, reply_arrives);
		free(bytes);
	}
	DL_DELETE(held, h);
	free(h);
}

struct link_port net_port(void)
{
	return (struct link_port){.reply = reply};
}

/* ---- connections ---- */

static void connects(void *arg, uint64_t incarnation)
{
	struct sim_agent *a = arg;
	struct sim_coord *c;
	struct pipe *p;

	if (a->core == NULL || a->incarnation != incarnation || lines[a->number] != NULL ||
	    sim_stands_still(a->still_until_us, connects, arg, incarnation))
		return;
	c = coord_found();
	if (c == NULL) {
		sim_in(100000 + sim_rand(1900000), connects, a, incarnation);
		return;
	}
	p = mem_new(1, sizeof *p);
	*p = (struct pipe){.id = ++next_pipe,
			   .agent = a->number,
			   .incarnation = incarnation,
			   .coord = c,
			   .life = c->life,
			   .agent_open = true,
			   .coord_open = true,
			   .next = pipes};
	pipes = lines[a->number] = p;
	agent_connected(a->core, true);
	sim_agent_turn(a);
}

void net_agent_up(size_t agent)
{
	lines[agent] = NULL;
	connects(&sim_agents[agent], sim_agents[agent].incarnation);
}

void net_cut(size_t agent)
{
	if (lines[agent] == NULL || lines[agent]->broken)
		return;
	sim_note("net: the connection of agent %zu breaks", agent);
	sim_tally("connection broken");
	break_pipe(lines[agent]);
}

void net_coordinator_down(const struct sim_coord *c)
{
	SIM_AS(SIM_COORDINATOR, 0);

	for (struct pipe *p = pipes; p != NULL; p = p->next) {
		if (p->coord != c || p->life != c->life)
			continue;
		p->coord_open = false;
		p->broken = true;
		drop_held(p);
		if (p->agent_open)
			sim_in(sim_delay_us(), agent_hears, p, 0);
	}
}

void net_agent_down(size_t agent)
{
	struct asked *q, *next;

	DL_FOREACH_SAFE (asked, q, next)
		if (q->agent == agent)
			asked_free(q);
	if (lines[agent] != NULL) {
		lines[agent]->agent_open = false;
		lines[agent]->broken = true;
		sim_in(sim_rand(2) * sim_delay_us(), coord_hears, lines[agent], 0);
	}
	lines[agent] = NULL;
}
