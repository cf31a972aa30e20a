/* engine_world.c - see engine_world.h. */
#include "tests/lib/engine_world.h"
#include "base/mem.h"

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct world w;

static uint64_t pipe_of(const char *agent)
{
	uint64_t h = 7;

	while (*agent != '\0')
		h = h * 31 + (unsigned char)*agent++;
	return h;
}

static void copy(char *to, size_t room, const char *from)
{
	snprintf(to, room, "%s", from != NULL ? from : "");
}

/* ---- agents ---- */

static void reply(void *self, uint64_t poll, const struct reply *r)
{
	const char *agent = NULL;

	(void)self;
	for (size_t i = 0; i < w.n_polls; i++) {
		if (w.polls[i].id == poll) {
			agent = w.polls[i].agent;
			w.polls[i].id = 0;
		}
	}
	ck_assert_ptr_nonnull(agent); /* each poll is answered once */
	copy(w.poll_error, sizeof w.poll_error, r->error);
	for (size_t i = 0; i < r->n_commands; i++) {
		const struct command *c = &r->commands[i];
		struct world_command *s = &w.sent[w.n_sent++];

		ck_assert_uint_le(w.n_sent, WORLD_SENT);
		s->kind = c->kind;
		s->epoch = c->id.epoch;
		s->repeat = c->repeat;
		s->attempt = c->attempt;
		s->elsewhere = c->elsewhere;
		snprintf(s->args, sizeof s->args, "%.*s", (int)c->args.size,
			 c->args.size > 0 ? c->args.data : "");
		copy(s->agent, sizeof s->agent, agent);
		copy(s->gid, sizeof s->gid, c->id.gid);
		copy(s->branch, sizeof s->branch, c->id.branch);
		copy(s->resource, sizeof s->resource, c->id.resource);
	}
	for (size_t i = 0; i < r->n_answers; i++) {
		copy(w.verdicts[w.n_verdicts].branch, 65, r->answers[i].id.branch);
		w.verdicts[w.n_verdicts++].verdict = r->answers[i].verdict;
	}
	w.empty_frames += r->n_commands == 0 && r->n_answers == 0;
}

static void poll_with(const char *agent, struct poll *p)
{
	size_t slot = 0;

	while (slot < w.n_polls && w.polls[slot].id != 0)
		slot++;
	ck_assert_uint_lt(slot, 64);
	if (slot == w.n_polls)
		w.n_polls++;
	w.polls[slot].id = ++w.next_poll;
	copy(w.polls[slot].agent, sizeof w.polls[slot].agent, agent);
	p->cluster = "test";
	p->agent = agent;
	p->seq = w.next_poll - w.late;
	w.late = 0;
	if (p->window != 0)
		w.window = p->window;
	p->window = w.window;
	engine_poll(w.e, w.next_poll, pipe_of(agent), p);
	world_turn();
}

void world_agent(const char *agent, uint64_t incarnation, const char *resource, bool ready)
{
	const char *args[] = {"x"};
	struct operation_info op = {"op", args, 1};
	struct resource_info info = {.name = resource,
				     .adapter = "fake",
				     .ready = ready,
				     .problem = ready ? "" : "its disk is on fire",
				     .operations = &op,
				     .n_operations = 1,
				     .one_phase = w.one_phase,
				     .groups = true,
				     .calls = true,
				     .exact = w.exact};
	struct poll p = {
		.incarnation = incarnation, .hello = true, .resources = &info, .n_resources = 1};
	const bool idle = memory_journal_committed(w.journal) == memory_journal_synced(w.journal);

	poll_with(agent, &p);
	if (idle)
		world_sync(); /* nothing is sent to an agent that starts before a batch is durable
			       */
}

void world_poll(const char *agent, uint64_t incarnation, uint32_t window)
{
	struct poll p = {.incarnation = incarnation, .window = window};

	poll_with(agent, &p);
}

void world_inquire(const char *agent, uint64_t incarnation, const char *resource, const char *gid,
		   uint64_t epoch, const char *branch)
{
	struct branch_id id = {resource, gid, epoch, branch};
	struct poll p = {.incarnation = incarnation, .inquiries = &id, .n_inquiries = 1};

	poll_with(agent, &p);
}

void world_result(const char *agent, uint64_t incarnation, const char *gid, const char *branch,
		  enum result_kind kind, const char *reason)
{
	const struct world_command *c = world_last(gid, branch);
	struct result r = {.kind = kind, .reason = reason};
	struct poll p = {.incarnation = incarnation, .results = &r, .n_results = 1};

	ck_assert_ptr_nonnull(c);
	if (command_is_call(c->kind)) {
		r.call = c->kind;
		r.attempt = c->attempt;
	}
	if (w.output != NULL)
		r.output = (struct bytes){w.output, strlen(w.output)};
	w.output = NULL;
	r.id = (struct branch_id){c->resource, gid, c->epoch, branch};
	poll_with(agent, &p);
}

void world_votes(const char *agent, const char *const *gids, size_t n, const char *branch)
{
	struct result *all = mem_new(n, sizeof *all);
	struct poll p = {.incarnation = 1, .results = all, .n_results = n};

	for (size_t i = 0; i < n; i++) {
		const struct world_command *c = world_last(gids[i], branch);

		ck_assert_ptr_nonnull(c);
		all[i] = (struct result){.id = {c->resource, gids[i], c->epoch, branch},
					 .kind = RESULT_PREPARED,
					 .reason = ""};
	}
	poll_with(agent, &p);
	free(all);
}

void world_pipe_lost(const char *agent)
{
	for (size_t i = 0; i < w.n_polls; i++)
		if (strcmp(w.polls[i].agent, agent) == 0)
			w.polls[i].id = 0;
	engine_pipe_lost(w.e, pipe_of(agent));
	world_turn();
}

/* ---- clients ---- */

static void answer(void *self, uint64_t client, enum answer_code code, char *json, const char *text)
{
	struct world_answer *a = &w.answers[w.n_answers++];
	json_t *j = json != NULL ? json_loads(json, 0, NULL) : NULL;

	(void)self;
	ck_assert_uint_le(w.n_answers, WORLD_ANSWERS);
	ck_assert_ptr_null(world_answer(client)); /* each client is answered once */
	a->code = code;
	copy(a->status, sizeof a->status, json_string_value(json_object_get(j, "status")));
	copy(a->reason, sizeof a->reason, json_string_value(json_object_get(j, "reason")));
	copy(a->text, sizeof a->text, text);
	copy(a->json, sizeof a->json, json);
	a->client = client;
	json_decref(j);
	free(json);
}

const struct world_answer *world_answer(uint64_t client)
{
	for (size_t i = 0; i < w.n_answers; i++)
		if (w.answers[i].client == client)
			return &w.answers[i];
	return NULL;
}

const char *world_status(const char *gid)
{
	static uint64_t client = 1000000;
	const struct world_answer *a;

	engine_get(w.e, ++client, gid, 0);
	world_turn();
	a = world_answer(client);
	ck_assert_ptr_nonnull(a);
	return a->code == ANSWER_NOT_FOUND ? "none" : a->status;
}

void world_submit_text(uint64_t client, const char *gid, const char *definition, enum wait_for wait,
		       int salt)
{
	unsigned char hash[BODY_HASH_SIZE] = {(unsigned char)salt};
	struct submit s = {.gid = gid,
			   .hash = hash,
			   .definition = definition,
			   .definition_size = strlen(definition),
			   .wait = wait,
			   .wait_ms = 60000};

	engine_submit(w.e, client, &s);
	world_turn();
}

void world_submit(uint64_t client, const char *gid, size_t branches, enum wait_for wait, int salt)
{
	char text[4096];
	int n = snprintf(text, sizeof text,
			 "{workflow: w, steps: [{name: t, timeout: 5s, atomic: [");

	for (size_t i = 0; i < branches; i++)
		n += snprintf(text + n, sizeof text - (size_t)n,
			      "{name: b%zu, resource: r%zu, operation: op, args: {x: 1}}, ", i, i);
	snprintf(text + n, sizeof text - (size_t)n, "]}]}");
	world_submit_text(client, gid, text, wait, salt);
}

/* ---- the world ---- */

static void load_workflow(const struct workflow_row *row, void *arg)
{
	(void)arg;
	engine_load_workflow(w.e, row);
}

static void load_record(struct record *r, void *arg)
{
	(void)arg;
	ck_assert_int_eq(engine_load(w.e, r, NULL), RC_OK);
}

static uint64_t wall_us(void)
{
	return (uint64_t)((int64_t)(1700000000000000 + w.now_us) + w.wall_off_us);
}

static void engine_up(void)
{
	const struct engine_settings settings = {.cluster = "test",
						 .epoch = ++w.epoch,
						 .timeout_ms = 5000,
						 .retention_ms = w.retention_ms,
						 .max_in_flight = WORLD_IN_FLIGHT,
						 .call_ms = 5000,
						 .seed = 1};
	const struct journal_port journal = memory_journal_port(w.journal);
	const struct link_port agents = {.reply = reply};
	const struct client_port clients = {.answer = answer};

	w.e = engine_new(&settings, &journal, &agents, &clients);
	engine_clock(w.e, w.now_us, wall_us());
	memory_journal_replay(w.journal, load_workflow, load_record, NULL);
	world_turn();
}

void world_start(void)
{
	memset(&w, 0, sizeof w);
	w.now_us = 1000000;
	w.window = 100;
	w.journal = memory_journal_new();
	engine_up();
}

void world_stop(void)
{
	engine_free(w.e);
	memory_journal_free(w.journal);
}

void world_turn(void)
{
	engine_turn(w.e);
	for (int i = 0; i < 100 && engine_due(w.e) <= w.now_us; i++)
		engine_turn(w.e);
}

void world_sync(void)
{
	const uint64_t batch = memory_journal_committed(w.journal);

	memory_journal_durable(w.journal, batch);
	engine_durable(w.e, batch);
	world_turn();
}

void world_crash_restart(void)
{
	engine_free(w.e);
	memory_journal_crash(w.journal);
	w.n_polls = 0;
	engine_up();
}

void world_pass(uint64_t ms)
{
	const uint64_t end = w.now_us + ms * 1000;

	while (w.now_us < end) {
		const uint64_t due = engine_due(w.e);

		w.now_us = due > w.now_us && due < end ? due : end;
		engine_clock(w.e, w.now_us, wall_us());
		world_turn();
	}
}

size_t world_sent(const char *gid, const char *branch, enum command_kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < w.n_sent; i++)
		n += w.sent[i].kind == kind && strcmp(w.sent[i].gid, gid) == 0 &&
		     strcmp(w.sent[i].branch, branch) == 0;
	return n;
}

const struct world_command *world_last(const char *gid, const char *branch)
{
	for (size_t i = w.n_sent; i > 0; i--)
		if (strcmp(w.sent[i - 1].gid, gid) == 0 &&
		    strcmp(w.sent[i - 1].branch, branch) == 0)
			return &w.sent[i - 1];
	return NULL;
}

void world_two_agents(void)
{
	world_agent("a0", 1, "r0", true);
	world_agent("a1", 1, "r1", true);
	for (int i = 0; i < 3; i++) {
		world_poll("a0", 1, 100);
		world_poll("a1", 1, 100);
	}
}

void world_setup(void)
{
	world_start();
	world_two_agents();
}

void world_both_yes(void)
{
	world_submit(1, "g", 2, WAIT_FINISHED, 0);
	YES("a0", "t.b0");
	YES("a1", "t.b1");
}
