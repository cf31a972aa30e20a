/* fuzz_agent.c - the bytes are a history of an agent: commands, verdicts, lost polls, what the
 * resource answers and when, time, a connection that comes and goes.
 *
 * Beyond "no crash": the rules of agent_side.h at every step, and an agent that is stopped becomes
 * idle. */
#include "tests/fuzz/agent_side.h"

enum { STEPS_MAX = 300 };

static struct branch_id an_id(struct feed *f, bool call)
{
	static const char *const gids[] = {"g0", "g1", "g2"};
	static const char *const resources[] = {"r0", "r1", "r2"};

	return (struct branch_id){resources[feed_choice(f, 8) % 3], gids[feed_choice(f, 3)],
				  1 + feed_choice(f, 3), call ? "s" : "s.b"};
}

static void say(struct feed *f)
{
	static const uint32_t timeouts[] = {1000, 100, 60000, 1};
	struct command commands[4];
	struct answer answers[2];
	struct reply r = {.cluster = feed_choice(f, 16) == 15 ? "another" : "settle",
			  .error = feed_choice(f, 32) == 31 ? "refused" : "",
			  .epoch = 1 + feed_choice(f, 3),
			  .want_hello = feed_choice(f, 8) == 7,
			  .commands = commands,
			  .n_commands = feed_choice(f, 5),
			  .answers = answers,
			  .n_answers = feed_choice(f, 8) % 3};

	for (size_t i = 0; i < r.n_commands; i++) {
		const enum command_kind kind =
			(enum command_kind)(1 + feed_choice(f, COMMAND_UNDO));
		const bool call = command_is_call(kind);

		commands[i] =
			(struct command){.kind = kind,
					 .id = an_id(f, call),
					 .operation = "op",
					 .args = {"{}", 2},
					 .timeout_ms = timeouts[feed_choice(f, 4)],
					 .read_only = feed_choice(f, 8) == 7,
					 .repeat = feed_bool(f),
					 .attempt = call ? 1 + (uint32_t)feed_choice(f, 3) : 0};
	}
	for (size_t i = 0; i < r.n_answers; i++)
		answers[i] = (struct answer){an_id(f, false), (enum verdict)feed_choice(f, 3)};
	side_reply(&r);
}

static void happen(struct feed *f)
{
	switch (feed_choice(f, 10)) {
	case 0:
	case 1:
	case 2: say(f); break;
	case 3:
	case 4:
	case 5: {
		const size_t n = feed_choice(f, 8);

		side_answer(n, (enum result_kind)feed_choice(f, RESULT_PENDING + 1));
		break;
	}
	case 6: side_lose(); break;
	case 7: side_pass(feed_number(f, 2)); break;
	case 8:
		while (side.n_seqs > 0)
			side_lose();
		agent_connected(side.agent, false);
		side_pass(1);
		agent_connected(side.agent, true);
		side_pass(1);
		break;
	default: side_pass(10000); break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed feed = {data, size}, *f = &feed;
	int n = 0;

	side_open(feed_bool(f));
	while (f->left > 0 && ++n < STEPS_MAX)
		happen(f);
	side_close();
	return 0;
}
