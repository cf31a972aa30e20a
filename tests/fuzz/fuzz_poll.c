/* fuzz_poll.c - the bytes are a frame from an agent.
 *
 * What decodes is encoded and decoded to the same again; then it is given, on a connection of
 * its own or on that of an agent, to an engine with work in flight (a pair waiting for a
 * vote, a saga in its first step), which must keep the rules of world.h and end well. */
#include "base/mem.h"
#include "tests/fuzz/world.h"

#include <stdlib.h>
#include <string.h>

static void check_round_trip(const struct poll *p)
{
	const size_t size = poll_size(p);
	unsigned char *once = mem_new(size, 1), *twice = mem_new(size, 1);
	struct err err = {0};
	struct poll again;

	MUST(size <= FRAME_MAX);
	poll_encode(p, once);
	MUST_SAY(poll_decode(&again, once, size, &err) == RC_OK, "what was encoded is read: %s",
		 err.text);
	MUST(poll_size(&again) == size);
	poll_encode(&again, twice);
	MUST(memcmp(once, twice, size) == 0);
	poll_free(&again);
	free(once);
	free(twice);
}

static void give_to_engine(struct poll *p)
{
	static const char pair[] = "{workflow: w, steps: [{name: t, atomic: ["
				   "{name: b0, resource: r0, operation: op, args: {x: 1}}, "
				   "{name: b1, resource: r1, operation: op, args: {x: 1}}]}]}";
	static const char trip[] = "{workflow: s, steps: [{name: hotel, resource: r0, "
				   "operation: op, args: {x: 1}, compensate: none}]}";
	static const char *const args[] = {"x", NULL};

	world_open((p->seq & 1) != 0, (p->seq & 2) != 0);
	fw.mute = true; /* a resource that says once that it decides alone */
	world_serve("r0", "op", args);
	world_serve("r1", "op", args);
	world_serve_all();
	world_submit("g", pair, strlen(pair), NULL, WAIT_FINISHED);
	world_submit("s", trip, strlen(trip), NULL, WAIT_FINISHED);
	world_sync(0);
	world_any_poll(p->window % WORLD_AGENTS, p);
	world_sync(0);
	world_any_poll(p->window % WORLD_AGENTS, p);
	world_agent_restarted(p->window % WORLD_AGENTS);
	/* A frame may have made any of them one that lives in the far future, or a resource
	 * one that can nothing: then others do the work. */
	world_pass(1000);
	world_sync(0);
	world_crash();
	world_heal();
	world_close();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = {0};
	struct poll p;

	if (poll_decode(&p, data, size, &err) != RC_OK) {
		MUST(err.text[0] != '\0' && p.owned == NULL);
		return 0;
	}
	check_round_trip(&p);
	give_to_engine(&p);
	poll_free(&p);
	return 0;
}
