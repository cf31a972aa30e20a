/* saga_fixture.h - two sagas, and the words that their histories are told with, for the
 * tests of sagas in the engine. */
#ifndef TESTS_UNIT_SAGA_FIXTURE_H
#define TESTS_UNIT_SAGA_FIXTURE_H

#include "tests/lib/engine_world.h"
#include "tests/lib/harness.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Two calls in a row, each with a compensation. */
#define TWO                                                                                   \
	"{workflow: trip, input: [n], steps: ["                                               \
	"{name: hotel, resource: r0, operation: op, args: {x: '${input.n}'}, timeout: 2s, "   \
	"retry: {attempts: 3, first: 100ms, max: 1s}, "                                       \
	"compensate: {operation: op, args: {x: '${steps.hotel.output.id}'}, "                 \
	"retry: {attempts: 2, first: 100ms, max: 1s}}}, "                                     \
	"{name: car, after: [hotel], resource: r1, operation: op, args: {x: 1}, "             \
	"retry: {attempts: 2, first: 100ms, max: 1s}, compensate: {operation: op, args: {x: " \
	"2}}}]}"

/* A call, a pivot of two branches, a call. */
#define PIVOT                                                                                  \
	"{workflow: buy, steps: ["                                                             \
	"{name: hold, resource: r0, operation: op, args: {x: 1}, compensate: {operation: op, " \
	"args: {x: 2}}}, "                                                                     \
	"{name: pay, after: [hold], pivot: true, atomic: ["                                    \
	"{name: debit, resource: r0, operation: op, args: {x: 3}}, "                           \
	"{name: credit, resource: r1, operation: op, args: {x: 4}}]}, "                        \
	"{name: mail, after: [pay], resource: r1, operation: op, args: {x: 5}, "               \
	"retry: {attempts: 1, first: 100ms, max: 1s}}]}"

/* What was asked for goes to the disk, and all of it gets there. */
__attribute__((unused)) static void sync(void)
{
	world_turn();
	world_sync();
}

/* Time passes while both agents go on polling. */
__attribute__((unused)) static void pass(uint64_t ms)
{
	while (ms > 0) {
		const uint64_t some = ms < 10000 ? ms : 10000;

		world_pass(some);
		world_two_agents();
		ms -= some;
	}
	sync();
}

__attribute__((unused)) static void submit(uint64_t client, const char *text)
{
	world_submit_text(client, "g", text, WAIT_FINISHED, 0);
}

/* TWO takes an input. */
__attribute__((unused)) static void submit_two(void)
{
	unsigned char hash[BODY_HASH_SIZE] = {0};
	json_t *input = json_pack("{s:i}", "n", 7);
	const struct submit s = {.gid = "g",
				 .hash = hash,
				 .definition = TWO,
				 .definition_size = strlen(TWO),
				 .input = input,
				 .wait = WAIT_FINISHED,
				 .wait_ms = 600000};

	engine_submit(w.e, 1, &s);
	json_decref(input);
	world_turn();
}

#define SAY(agent, step, kind) world_result(agent, 1, "g", step, RESULT_##kind, "because")
#define ENDS(word)                                               \
	do {                                                     \
		sync();                                          \
		ck_assert_ptr_nonnull(world_answer(1));          \
		ck_assert_str_eq(world_answer(1)->status, word); \
	} while (0)

/* The gid of the newest group of a step, as its first branch was sent. */
__attribute__((unused)) static const char *group_gid(const char *branch)
{
	for (size_t i = w.n_sent; i > 0; i--)
		if (strcmp(w.sent[i - 1].branch, branch) == 0)
			return w.sent[i - 1].gid;
	ck_abort_msg("no %s was sent", branch);
}

#define VOTE(agent, branch, kind) \
	world_result(agent, 1, group_gid(branch), branch, RESULT_##kind, "because")

#endif
