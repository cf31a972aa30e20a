/* fuzz_history.c - the bytes are a history of the coordinator: submissions, what agents say
 * (true or not), lost connections, crashes, time, persons.
 *
 * Beyond "no crash": the rules of world.h at every step, every state machine's own asserts, and
 * an end for everything once all answer well. */
#include "tests/fuzz/world.h"

#include <stdlib.h>
#include <string.h>

enum { STEPS_MAX = 400 };

static const char *const workflows[] = {
	/* two branches; three, in order; one alone, of which the resource decides */
	"{workflow: pair, steps: [{name: t, timeout: 5s, atomic: ["
	"{name: b0, resource: r0, operation: op, args: {x: 1}}, "
	"{name: b1, resource: r1, operation: op, args: {x: 1}}]}]}",
	"{workflow: three, steps: [{name: t, sequential: true, atomic: ["
	"{name: b0, resource: r0, operation: op, args: {x: 1}}, "
	"{name: b1, resource: r1, operation: op, read_only: true, args: {x: 1}}, "
	"{name: b2, resource: r2, operation: op, args: {x: 1}}]}]}",
	"{workflow: one, steps: [{name: t, atomic: ["
	"{name: b0, resource: r0, operation: op, args: {x: 1}}]}]}",
	/* a chain whose compensation needs the output */
	"{workflow: trip, steps: [{name: hotel, resource: r0, operation: op, args: {x: 1}, "
	"timeout: 2s, retry: {attempts: 3, first: 100ms, max: 1s}, compensate: {operation: op, "
	"args: {x: '${steps.hotel.output.id}'}, retry: {attempts: 2, first: 100ms, max: 1s}}}, "
	"{name: car, after: [hotel], resource: r1, operation: op, args: {x: 1}, "
	"retry: {attempts: 2, first: 100ms, max: 1s}, compensate: none}]}",
	/* a pivot that is a group, with something before, beside and after */
	"{workflow: buy, deadline: 10m, steps: ["
	"{name: hold, resource: r0, operation: op, args: {x: 1}, "
	"compensate: {operation: op, args: {x: 2}}}, "
	"{name: look, resource: r2, operation: op, args: {x: 1}, "
	"retry: {attempts: 1, first: 100ms, max: 1s}, compensate: {operation: op, args: {x: 2}}}, "
	"{name: pay, after: [hold, look], pivot: true, atomic: ["
	"{name: debit, resource: r0, operation: op, args: {x: 3}}, "
	"{name: credit, resource: r1, operation: op, args: {x: 4}}], "
	"retry: {attempts: 2, first: 100ms, max: 1s}}, "
	"{name: mail, after: [pay], resource: r1, operation: op, args: {x: 5}, "
	"retry: {attempts: 1, first: 100ms, max: 1s}}]}",
	/* a pivot that is a call, a step that may not be run, one that may be pending */
	"{workflow: order, deadline: 1m, steps: ["
	"{name: ask, resource: r0, operation: op, args: {x: 1}, complete_within: 30s, "
	"compensate: {operation: op, args: {x: 2}}}, "
	"{name: maybe, after: [ask], when: '${steps.ask.output.id == 7}', resource: r2, "
	"operation: op, args: {x: 1}, compensate: {operation: op, args: {x: 2}}}, "
	"{name: pay, after: [maybe], pivot: true, resource: r1, operation: op, args: {x: 3}, "
	"retry: {attempts: 2, first: 100ms, max: 1s}}, "
	"{name: send, after: [pay], resource: r0, operation: op, args: {x: 4}}]}",
	/* a group that is undone by another one */
	"{workflow: swap, steps: [{name: both, atomic: ["
	"{name: b0, resource: r0, operation: op, args: {x: 1}}, "
	"{name: b1, resource: r1, operation: op, args: {x: 1}}], "
	"compensate: {atomic: [{name: b0, resource: r0, operation: op, args: {x: 2}}, "
	"{name: b1, resource: r1, operation: op, args: {x: 2}}]}}, "
	"{name: last, after: [both], resource: r2, operation: op, args: {x: 1}, "
	"compensate: none}]}",
	/* nothing can be undone, and what is asked for cannot be said */
	"{workflow: broken, steps: [{name: a, resource: r0, operation: op, args: {x: 1}, "
	"compensate: {operation: op, args: {x: '${1 + steps.a.output.nothing}'}}}, "
	"{name: b, after: [a], resource: r1, operation: op, "
	"args: {x: '${steps.a.output.id .. nil}'}, compensate: none}]}",
};
enum { WORKFLOWS = sizeof workflows / sizeof workflows[0] };

static const char *const gids[] = {"g0", "g1", "g2", "g3", "g4", "g5"};
static const char *const steps[] = {"t",   "hotel", "car",  "hold", "pay",  "mail",
				    "ask", "maybe", "both", "last", "send", "nothing"};

static const char *a_gid(struct feed *f)
{
	return gids[feed_choice(f, sizeof gids / sizeof gids[0])];
}

static const char *a_step(struct feed *f)
{
	const size_t n = feed_choice(f, sizeof steps / sizeof steps[0] + 1);

	return n < sizeof steps / sizeof steps[0] ? steps[n] : NULL;
}

static unsigned an_agent(struct feed *f)
{
	return (unsigned)feed_choice(f, WORLD_AGENTS);
}

/* ---- what can happen ---- */

static void submit(struct feed *f)
{
	const char *gid = a_gid(f);
	const size_t n = feed_choice(f, WORKFLOWS);

	world_submit(gid, workflows[n], strlen(workflows[n]), NULL,
		     (enum wait_for)feed_choice(f, 3));
}

/* The newest commands are the likeliest to be answered, by whom they were sent to or by
 * somebody else, rightly, wrongly, twice. */
static void results(struct feed *f)
{
	struct result all[4];
	size_t n = 1 + feed_choice(f, 4), made = 0;
	unsigned agent = 0;

	while (n-- > 0) {
		const struct sent *s = world_command(feed_choice(f, 32));

		if (s == NULL)
			continue;
		agent = s->agent;
		all[made] = world_result(s, (enum result_kind)feed_choice(f, RESULT_PENDING + 1));
		if (all[made].call != COMMAND_NONE && feed_choice(f, 8) == 7)
			all[made].attempt += 1 + (uint32_t)feed_choice(f, 2);
		made++;
	}
	if (feed_choice(f, 8) == 7)
		agent = an_agent(f);
	world_poll(agent, (uint32_t)feed_choice(f, 4) * 30, all, made);
}

/* Everything that the newest commands ask for, done well: a history gets further. */
static void good_results(struct feed *f)
{
	size_t n = 1 + feed_choice(f, 8);

	while (n-- > 0) {
		struct sent *s = world_command(n);
		struct result r;
		enum result_kind kind = RESULT_DONE;

		if (s == NULL || s->answered)
			continue;
		s->answered = true;
		if (s->kind == COMMAND_PREPARE)
			kind = RESULT_PREPARED;
		else if (s->kind == COMMAND_COMMIT || s->kind == COMMAND_ONCE)
			kind = RESULT_COMMITTED;
		else if (s->kind == COMMAND_ROLLBACK || s->kind == COMMAND_SETTLE_ONCE)
			kind = RESULT_ROLLED_BACK;
		r = world_result(s, kind);
		world_poll(s->agent, 100, &r, 1);
	}
}

static void inquiry(struct feed *f)
{
	const struct sent *s = world_command(feed_choice(f, 16));
	struct branch_id id = {"r0", "g0", fw.epoch, "t.b0"};

	if (s != NULL)
		id = (struct branch_id){s->resource, s->gid, s->epoch, s->branch};
	if (feed_choice(f, 4) == 3)
		id.gid = a_gid(f);
	if (feed_choice(f, 4) == 3)
		id.epoch = 1 + feed_choice(f, fw.epoch + 1);
	world_inquire(an_agent(f), &id);
}

static void person(struct feed *f)
{
	const char *gid = a_gid(f), *step = a_step(f);
	const size_t what = feed_choice(f, 5);
	uint64_t client;

	if (what >= 3 && step == NULL)
		step = "ask";
	client = world_client(gid);
	switch (what) {
	case 0: engine_cancel(fw.e, client, gid, "no more"); break;
	case 1: engine_retry(fw.e, client, gid, step, "again"); break;
	case 2:
		engine_resolve(fw.e, client, gid, (enum resolve_action)feed_choice(f, 4), step,
			       "so be it");
		break;
	case 3:
		engine_complete(fw.e, client, gid, step, feed_bool(f) ? "{\"id\": 7}" : NULL);
		break;
	default: engine_fail(fw.e, client, gid, step, "it failed"); break;
	}
	world_turn();
}

static void reader(struct feed *f)
{
	const char *gid = a_gid(f);
	const uint64_t wait_ms = feed_choice(f, 3) * 1000;
	const struct list_query q = {.limit = 1 + feed_choice(f, 5),
				     .status = feed_bool(f) ? "stuck" : NULL,
				     .groups = feed_bool(f)};

	switch (feed_choice(f, 5)) {
	case 0: engine_get(fw.e, world_client(gid), gid, wait_ms); break;
	case 1: engine_events(fw.e, world_client(gid), gid, feed_choice(f, 9), wait_ms); break;
	case 2: engine_list(fw.e, world_client(NULL), &q); break;
	case 3: engine_agents(fw.e, world_client(NULL)); break;
	default: engine_resources(fw.e, world_client(NULL)); break;
	}
	world_turn();
}

static void catalog(struct feed *f)
{
	const size_t n = feed_choice(f, WORKFLOWS);
	const char *gid = a_gid(f);
	const unsigned char hash[BODY_HASH_SIZE] = {99, (unsigned char)n};
	const struct submit s = {.gid = gid,
				 .hash = hash,
				 .workflow = n == 0 ? "trip" : "buy",
				 .version = (uint32_t)feed_choice(f, 3),
				 .wait = WAIT_FINISHED,
				 .wait_ms = 1000};

	switch (feed_choice(f, 4)) {
	case 0: engine_publish(fw.e, world_client(NULL), workflows[n], strlen(workflows[n])); break;
	case 1: engine_activate(fw.e, world_client(NULL), "trip", s.version); break;
	case 2: engine_workflow(fw.e, world_client(NULL), "buy", s.version); break;
	default: engine_submit(fw.e, world_client(gid), &s); break;
	}
	world_turn();
}

static void happen(struct feed *f)
{
	switch (feed_choice(f, 18)) {
	case 0:
	case 1: submit(f); break;
	case 2:
	case 3: results(f); break;
	case 4:
	case 5: good_results(f); break;
	case 6: world_sync(feed_choice(f, 3)); break;
	case 7: world_pass(1 + feed_number(f, 2)); break;
	case 8: world_poll(an_agent(f), 100, NULL, 0); break;
	case 9: world_hello(an_agent(f), feed_choice(f, 4) != 3); break;
	case 10: world_pipe_lost(an_agent(f)); break;
	case 11: world_agent_restarted(an_agent(f)); break;
	case 12: inquiry(f); break;
	case 13: person(f); break;
	case 14: reader(f); break;
	case 15: catalog(f); break;
	case 16:
		world_client_gone(feed_choice(f, 64));
		fw.wall_jump_us += feed_choice(f, 8) * 1000000;
		break;
	default: world_crash(); break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const args[] = {"x", NULL};
	struct feed feed = {data, size}, *f = &feed;
	const size_t shape = feed_choice(f, 8);
	int n = 0;

	world_open((shape & 1) != 0, (shape & 2) != 0);
	/* A resource that decides alone and says one thing now and another later makes any
	 * answer wrong. */
	fw.mute = (shape & 1) != 0;
	for (int i = 0; i < 3; i++)
		world_serve((const char *const[]){"r0", "r1", "r2"}[i], "op", args);
	if ((shape & 4) != 0)
		world_serve_all();
	while (f->left > 0 && ++n < STEPS_MAX)
		happen(f);
	world_heal();
	world_close();
	return 0;
}
