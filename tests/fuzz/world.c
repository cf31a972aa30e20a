/* world.c - see world.h: the engine, its disk, and time. */
#include "tests/fuzz/world.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct fuzz_world fw;
struct client_port world_other_clients;

enum { HEAL_ROUNDS = 3000, RESOURCES_SERVED = 24, OPERATIONS_SERVED = 24, TURNS = 10000 };

/* ---- the engine ---- */

static void load_workflow(const struct workflow_row *row, void *arg)
{
	(void)arg;
	engine_load_workflow(fw.e, row);
}

static void load_record(struct record *r, void *arg)
{
	struct err err = {0};

	(void)arg;
	if (engine_load(fw.e, r, &err) == RC_OK)
		return;
	MUST_SAY(fw.foreign, "what was written can be loaded: %s", err.text);
	MUST(err.text[0] != '\0');
	fw.refused = true;
}

static void tell_time(void)
{
	engine_clock(fw.e, fw.now_us, 1700000000000000 + fw.now_us + fw.wall_jump_us);
}

static void engine_up(void)
{
	const struct engine_settings settings = {.cluster = "test",
						 .epoch = ++fw.epoch,
						 .timeout_ms = 5000,
						 .max_in_flight = 20,
						 .call_ms = 5000,
						 .seed = 1};
	const struct journal_port journal = memory_journal_port(fw.journal);
	const struct link_port agents = {.reply = world_reply};
	const struct client_port clients =
		world_other_clients.answer != NULL ? world_other_clients : world_clients();

	fw.e = engine_new(&settings, &journal, &agents, &clients);
	tell_time();
	for (size_t i = 0; i < fw.n_resources; i++)
		engine_load_resource(fw.e, &fw.resources[i]);
	memory_journal_replay(fw.journal, load_workflow, load_record, NULL);
	if (!fw.refused)
		world_turn();
}

static void begin(bool one_phase, bool exact)
{
	memset(&fw, 0, sizeof fw);
	fw.now_us = 1000000;
	fw.one_phase = one_phase;
	fw.exact = exact;
	fw.journal = memory_journal_new();
	fw.sent = mem_new(WORLD_KEPT, sizeof *fw.sent);
	for (unsigned i = 0; i < WORLD_AGENTS; i++)
		fw.agents[i].incarnation = fw.agents[i].pipe = i + 1;
	world_decisions_reset();
	world_clients_reset();
}

void world_open(bool one_phase, bool exact)
{
	begin(one_phase, exact);
	engine_up();
}

bool world_open_over(const struct record *r, bool one_phase)
{
	struct journal_port journal;

	begin(one_phase, false);
	fw.mute = fw.foreign = true;
	journal = memory_journal_port(fw.journal);
	journal.put(journal.self, r);
	for (size_t i = 0; r->saga != NULL && i < r->saga->n_steps; i++)
		journal.put_step(journal.self, r, i);
	journal.commit(journal.self, 1, false);
	memory_journal_durable(fw.journal, 1);
	memory_journal_crash(fw.journal);
	engine_up();
	if (!fw.refused) {
		world_know(r->gid);
		return true;
	}
	world_close();
	return false;
}

static void resources_free(void)
{
	for (size_t i = 0; i < fw.n_resources; i++) {
		struct resource_info *r = &fw.resources[i];

		for (size_t k = 0; k < r->n_operations; k++) {
			for (size_t a = 0; a < r->operations[k].n_args; a++)
				free((char *)r->operations[k].args[a]);
			free(r->operations[k].args);
			free((char *)r->operations[k].name);
		}
		free(r->operations);
		free((char *)r->name);
	}
	free(fw.resources);
}

void world_close(void)
{
	engine_free(fw.e);
	memory_journal_free(fw.journal);
	resources_free();
	free(fw.sent);
	world_decisions_reset();
	world_clients_reset();
	memset(&fw, 0, sizeof fw);
}

static struct resource_info *resource_named(const char *name)
{
	for (size_t i = 0; i < fw.n_resources; i++)
		if (strcmp(fw.resources[i].name, name) == 0)
			return &fw.resources[i];
	if (fw.n_resources == RESOURCES_SERVED)
		return NULL;
	if (fw.resources == NULL)
		fw.resources = mem_new(RESOURCES_SERVED, sizeof *fw.resources);
	fw.resources[fw.n_resources] = (struct resource_info){
		.name = mem_dup(name),
		.adapter = "fake",
		.ready = true,
		.problem = "",
		.one_phase = fw.one_phase,
		.calls = true,
		.exact = fw.exact,
		.groups = true,
		.operations = mem_new(OPERATIONS_SERVED, sizeof(struct operation_info))};
	return &fw.resources[fw.n_resources++];
}

void world_serve(const char *resource, const char *operation, const char *const *args)
{
	struct resource_info *r = resource_named(resource);
	struct operation_info *op;

	if (r == NULL || r->n_operations == OPERATIONS_SERVED)
		return;
	for (size_t i = 0; i < r->n_operations; i++)
		if (strcmp(r->operations[i].name, operation) == 0)
			return;
	op = &r->operations[r->n_operations++];
	op->name = mem_dup(operation);
	while (args[op->n_args] != NULL)
		op->n_args++;
	op->args = mem_new(op->n_args, sizeof *op->args);
	for (size_t i = 0; i < op->n_args; i++)
		op->args[i] = mem_dup(args[i]);
}

/* ---- time and disk ---- */

void world_turn(void)
{
	int turns = 0;

	engine_turn(fw.e);
	while (engine_due(fw.e) <= fw.now_us) {
		MUST_SAY(++turns < TURNS, "the engine comes to rest");
		engine_turn(fw.e);
	}
}

void world_pass(uint64_t ms)
{
	const uint64_t end = fw.now_us + ms * 1000;

	while (fw.now_us < end) {
		const uint64_t due = engine_due(fw.e);

		fw.now_us = due > fw.now_us && due < end ? due : end;
		tell_time();
		world_turn();
	}
}

void world_sync(uint64_t batches)
{
	const uint64_t last = memory_journal_committed(fw.journal);
	const uint64_t synced = memory_journal_synced(fw.journal);
	const uint64_t to = batches == 0 || batches > last - synced ? last : synced + batches;

	memory_journal_durable(fw.journal, to);
	engine_durable(fw.e, to);
	world_turn();
}

void world_crash(void)
{
	engine_free(fw.e);
	memory_journal_crash(fw.journal);
	memset(fw.held, 0, sizeof fw.held);
	for (size_t i = 0; i < WORLD_AGENTS; i++) {
		fw.agents[i].greeted = false;
		fw.agents[i].pipe += WORLD_AGENTS;
	}
	world_decisions_reset();
	world_clients_reset();
	engine_up();
}

/* ---- the end ---- */

void world_heal(void)
{
	int round = 0;
	bool over;

	/* Some may have said that they cannot serve. */
	for (size_t i = 0; i < WORLD_AGENTS; i++)
		fw.agents[i].greeted = false;
	do {
		MUST_SAY(++round < HEAL_ROUNDS, "all ends once everybody answers well");
		world_serve_all();
		world_sync(0);
		over = world_see_to_all(round % 8 == 0);
		world_sync(0);
		world_pass(round % 4 == 0 ? 20000 : 200);
		world_sync(0);
	} while (!over);
	/* Every wait of a client is over by then. */
	for (int i = 0; i < 20; i++) {
		world_pass(20000);
		world_sync(0);
	}
	world_told_holds();
	world_crash();
	world_sync(0);
	world_told_holds();
}
