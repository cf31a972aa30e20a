/* world_agents.c - see world.h: what agents are sent and say. */
#include "base/mem.h"
#include "tests/fuzz/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

/* What the agents were told of one transaction in one epoch. */
struct decision {
	char key[GID_MAX + 24];
	bool work, commit, rollback;
	UT_hash_handle hh;
};
static struct decision *decisions;

void world_decisions_reset(void)
{
	struct decision *d, *next;

	HASH_ITER (hh, decisions, d, next) {
		HASH_DEL(decisions, d);
		free(d);
	}
}

static struct decision *decision_of(const struct branch_id *id)
{
	char key[GID_MAX + 24];
	struct decision *d;

	snprintf(key, sizeof key, "%s %" PRIu64, id->gid, id->epoch);
	HASH_FIND_STR(decisions, key, d);
	if (d == NULL) {
		d = mem_new(1, sizeof *d);
		memcpy(d->key, key, sizeof key);
		HASH_ADD_STR(decisions, key, d);
	}
	return d;
}

/* ---- rules ---- */

static bool is_commit(enum txn_state s)
{
	return s == TXN_COMMITTING || s == TXN_COMMITTED || s == TXN_COMMIT_HAZARD;
}

static void check_committed(const struct branch_id *id, bool asked)
{
	const struct record *r = memory_journal_peek(fw.journal, id->gid);
	/* Whoever asks may also be told of one that the resource itself decided. */
	const bool decided =
		r != NULL && (is_commit(r->state) || (asked && r->state == TXN_ONE_PHASE));

	MUST_SAY(decided, "%s: a commit leaves after its decision", id->gid);
	MUST_SAY(r->epoch == id->epoch, "%s: that of another epoch was committed", id->gid);
	decision_of(id)->commit = true;
	MUST_SAY(!decision_of(id)->rollback, "%s: committed here, rolled back there", id->gid);
}

static void check_rolled_back(const struct branch_id *id)
{
	struct decision *d = decision_of(id);

	/* Of what was never sent agents may hear anything before a client brings it. */
	d->rollback = d->work;
	MUST_SAY(!d->work || !d->commit, "%s: rolled back here, committed there", id->gid);
}

/* What the disk has of a saga's step. */
static const struct saga_step *durable_step(const struct command *c)
{
	const struct record *r = memory_journal_peek(fw.journal, c->id.gid);

	MUST_SAY(r != NULL && r->saga != NULL, "%s: sent before it was written", c->id.gid);
	for (size_t i = 0; i < r->saga->n_steps; i++)
		if (strcmp(r->saga->steps[i].name, c->id.branch) == 0)
			return &r->saga->steps[i];
	MUST_SAY(false, "%s: no step %s", c->id.gid, c->id.branch);
}

static void check_call(const struct command *c)
{
	const struct saga_step *s = durable_step(c);

	if (c->kind == COMMAND_DO)
		MUST_SAY(s->state != STEP_WAITING && s->state != STEP_SKIPPED,
			 "%s/%s: done before its intent is durable", c->id.gid, c->id.branch);
	else
		MUST_SAY(s->state != STEP_WAITING && s->state != STEP_DOING &&
				 s->state != STEP_PENDING && s->state != STEP_DONE,
			 "%s/%s: undone before its intent is durable", c->id.gid, c->id.branch);
	MUST(c->attempt > 0 && c->timeout_ms > 0);
	MUST(fw.foreign || (c->args.size > 0 && is_json(c->args.data, c->args.size)));
}

static void check_command(const struct command *c)
{
	MUST(branch_id_valid(&c->id));
	MUST_SAY(fw.foreign || c->id.epoch <= fw.epoch, "%s: of an epoch to come", c->id.gid);
	switch (c->kind) {
	case COMMAND_PREPARE:
	case COMMAND_ONCE:
		MUST(fw.foreign || is_json(c->args.data, c->args.size));
		MUST_SAY(!decision_of(&c->id)->commit && !decision_of(&c->id)->rollback,
			 "%s: begun after its end", c->id.gid);
		decision_of(&c->id)->work = true;
		break;
	case COMMAND_COMMIT: check_committed(&c->id, false); break;
	case COMMAND_ROLLBACK: check_rolled_back(&c->id); break;
	case COMMAND_SETTLE_ONCE: break;
	case COMMAND_DO:
	case COMMAND_UNDO: check_call(c); break;
	case COMMAND_NONE: MUST_SAY(false, "a command that is none");
	}
}

/* ---- the link's port ---- */

static void keep(unsigned agent, const struct command *c)
{
	struct sent *s = &fw.sent[fw.n_sent++ % WORLD_KEPT];

	*s = (struct sent){
		.kind = c->kind, .epoch = c->id.epoch, .attempt = c->attempt, .agent = agent};
	snprintf(s->resource, sizeof s->resource, "%s", c->id.resource);
	snprintf(s->gid, sizeof s->gid, "%s", c->id.gid);
	snprintf(s->branch, sizeof s->branch, "%s", c->id.branch);
}

/* What is sent must also be a frame that an agent takes. */
static void check_frame(const struct reply *r)
{
	const size_t size = reply_size(r);
	void *bytes = mem_new(size, 1);
	struct err err = {0};
	struct reply again;

	reply_encode(r, bytes);
	MUST_SAY(reply_decode(&again, bytes, size, &err) == RC_OK, "what is sent can be read: %s",
		 err.text);
	reply_free(&again);
	free(bytes);
}

void world_reply(void *self, uint64_t poll, const struct reply *r)
{
	size_t at = 0;

	(void)self;
	while (at < WORLD_HELD && (poll == 0 || fw.held[at].poll != poll))
		at++;
	MUST_SAY(at < WORLD_HELD, "a poll is answered once");
	fw.held[at].poll = 0;
	check_frame(r);
	for (size_t i = 0; i < r->n_commands; i++) {
		check_command(&r->commands[i]);
		keep(fw.held[at].agent, &r->commands[i]);
	}
	for (size_t i = 0; i < r->n_answers; i++) {
		if (r->answers[i].verdict == VERDICT_COMMIT)
			check_committed(&r->answers[i].id, true);
		else if (r->answers[i].verdict == VERDICT_ABORT)
			check_rolled_back(&r->answers[i].id);
	}
	if (r->want_hello)
		fw.agents[fw.held[at].agent].greeted = false;
}

/* ---- what agents say ---- */

void world_any_poll(unsigned agent, struct poll *p)
{
	static uint64_t last;
	size_t at = 0;

	while (at < WORLD_HELD && fw.held[at].poll != 0)
		at++;
	if (at == WORLD_HELD)
		return; /* the link refuses it */
	fw.held[at].poll = ++last;
	fw.held[at].agent = agent;
	engine_poll(fw.e, last, fw.agents[agent].pipe, p);
	world_turn();
}

static struct poll poll_of(unsigned agent)
{
	static const char *const names[WORLD_AGENTS] = {"a0", "a1", "a2"};

	return (struct poll){.cluster = "test",
			     .agent = names[agent],
			     .incarnation = fw.agents[agent].incarnation,
			     .seq = ++fw.agents[agent].seq,
			     .epoch = fw.epoch,
			     .window = 100};
}

void world_hello(unsigned agent, bool ready)
{
	struct poll p = poll_of(agent);

	p.hello = true;
	p.resources = fw.resources;
	p.n_resources = fw.n_resources;
	for (size_t i = 0; i < fw.n_resources; i++) {
		fw.resources[i].ready = ready;
		fw.resources[i].problem = ready ? "" : "its disk is on fire";
	}
	fw.agents[agent].greeted = true;
	world_any_poll(agent, &p);
}

void world_agent_restarted(unsigned agent)
{
	fw.agents[agent].incarnation += WORLD_AGENTS;
	fw.agents[agent].seq = 0;
	fw.agents[agent].greeted = false;
	world_pipe_lost(agent);
}

void world_poll(unsigned agent, uint32_t window, struct result *results, size_t n)
{
	struct poll p = poll_of(agent);

	p.window = window;
	p.results = results;
	p.n_results = n;
	world_any_poll(agent, &p);
}

void world_inquire(unsigned agent, const struct branch_id *id)
{
	struct branch_id one = *id;
	struct poll p = poll_of(agent);

	p.inquiries = &one;
	p.n_inquiries = 1;
	world_any_poll(agent, &p);
}

void world_pipe_lost(unsigned agent)
{
	const uint64_t pipe = fw.agents[agent].pipe;

	for (size_t i = 0; i < WORLD_HELD; i++)
		if (fw.held[i].agent == agent)
			fw.held[i].poll = 0;
	fw.agents[agent].pipe += WORLD_AGENTS;
	engine_pipe_lost(fw.e, pipe);
	world_turn();
}

struct sent *world_command(size_t back)
{
	if (back >= fw.n_sent || back >= WORLD_KEPT)
		return NULL;
	return &fw.sent[(fw.n_sent - 1 - back) % WORLD_KEPT];
}

struct result world_result(const struct sent *s, enum result_kind kind)
{
	const bool call = command_is_call(s->kind);
	struct result r = {.id = {s->resource, s->gid, s->epoch, s->branch}, .reason = ""};

	while (kind == RESULT_NONE || kind > RESULT_PENDING || !result_fits(kind, call))
		kind = kind >= RESULT_PENDING ? RESULT_PREPARED : kind + 1;
	r.kind = kind;
	if (call) {
		r.call = s->kind;
		r.attempt = s->attempt;
	}
	if (kind == RESULT_DONE || kind == RESULT_PREPARED || kind == RESULT_COMMITTED)
		r.output = (struct bytes){"{\"id\":7}", 8};
	else
		r.reason = "so it is";
	return r;
}

/* ---- healing ---- */

static enum result_kind good_answer(const struct sent *s)
{
	switch (s->kind) {
	case COMMAND_PREPARE: return RESULT_PREPARED;
	case COMMAND_COMMIT:
	case COMMAND_ONCE: return RESULT_COMMITTED;
	case COMMAND_ROLLBACK:
	case COMMAND_SETTLE_ONCE: return RESULT_ROLLED_BACK;
	case COMMAND_DO:
	case COMMAND_UNDO:
	case COMMAND_NONE: break;
	}
	return RESULT_DONE;
}

static size_t held_by(unsigned agent)
{
	size_t n = 0;

	for (size_t i = 0; i < WORLD_HELD; i++)
		n += fw.held[i].poll != 0 && fw.held[i].agent == agent;
	return n;
}

void world_serve_all(void)
{
	const size_t kept = fw.n_sent < WORLD_KEPT ? fw.n_sent : WORLD_KEPT;
	const size_t end = fw.n_sent;

	for (unsigned i = 0; i < WORLD_AGENTS; i++) {
		/* One more when the answer was that it is not known yet. */
		for (int tries = 0; held_by(i) < 2 && tries < 4; tries++) {
			if (fw.agents[i].greeted)
				world_poll(i, 100, NULL, 0);
			else
				world_hello(i, true);
		}
	}
	for (size_t n = end - kept; n < end; n++) {
		struct sent *s = &fw.sent[n % WORLD_KEPT];
		struct result r = world_result(s, good_answer(s));

		if (s->answered)
			continue;
		s->answered = true;
		world_poll(s->agent, 100, &r, 1);
	}
}
