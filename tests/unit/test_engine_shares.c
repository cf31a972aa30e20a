/* test_engine_shares.c - a saga of many steps: it takes its share of a turn and no more, and
 * what is taken back is not sent, however many there are. */
#include "tests/lib/engine_world.h"
#include "tests/lib/harness.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 60 };

/* Steps that do not wait for one another. */
static void submit_many(void)
{
	char *text = textf("{workflow: wide, steps: ["), *longer;

	for (int i = 0; i < STEPS; i++) {
		longer = textf("%s%s{name: s%d, resource: r0, operation: op, args: {x: %d}, "
			       "compensate: {operation: op, args: {x: 0}}}",
			       text, i > 0 ? ", " : "", i, i);
		free(text);
		text = longer;
	}
	longer = textf("%s]}", text);
	world_submit_text(1, "g", longer, WAIT_FINISHED, 0);
	free(longer);
	free(text);
}

static size_t sent(enum command_kind kind)
{
	char step[16];
	size_t n = 0;

	for (int i = 0; i < STEPS; i++) {
		snprintf(step, sizeof step, "s%d", i);
		n += world_sent("g", step, kind);
	}
	return n;
}

static void sync(void)
{
	world_turn();
	world_sync();
}

START_TEST(steps_of_one_saga_are_set_going_over_several_turns)
{
	size_t first;

	submit_many();
	world_sync();
	world_poll("a0", 1, 100);
	first = sent(COMMAND_DO);
	ck_assert_uint_gt(first, 0);
	ck_assert_uint_lt(first, STEPS);
	world_pass(1);
	sync();
	world_poll("a0", 1, 100);
	ck_assert_uint_eq(sent(COMMAND_DO), STEPS);
}
END_TEST

/* The agent's room is full, the rest waits for it. */
START_TEST(cancel_takes_back_at_once_all_that_nobody_was_sent)
{
	size_t before;

	submit_many();
	world_poll("a0", 1, 20);
	world_pass(1);
	sync();
	world_poll("a0", 1, 20);
	before = sent(COMMAND_DO);
	ck_assert_uint_eq(before, 20);
	engine_cancel(w.e, 5, "g", "changed my mind");
	for (int i = 0; i < 5; i++) { /* there is room again, before all is settled */
		char step[16];

		snprintf(step, sizeof step, "s%d", i);
		world_result("a0", 1, "g", step, RESULT_DONE, "");
	}
	sync();
	ck_assert_uint_eq(sent(COMMAND_DO), before);
	for (int i = 5; i < 20; i++) {
		char step[16];

		snprintf(step, sizeof step, "s%d", i);
		world_result("a0", 1, "g", step, RESULT_DONE, "");
	}
	world_pass(1);
	sync();
	world_poll("a0", 1, 20);
	ck_assert_uint_eq(sent(COMMAND_DO), before);
	ck_assert_uint_eq(sent(COMMAND_UNDO), before);
}
END_TEST

/* What a compensation needs is not there; a person who tries again is told so again. */
START_TEST(compensation_that_cannot_be_said_is_stuck_each_time)
{
	world_submit_text(1, "g",
			  "{workflow: w, steps: [{name: a, resource: r0, operation: op, args: "
			  "{x: 1}, compensate: {operation: op, args: {x: "
			  "'${steps.a.output.id + 1}'}}}, {name: b, after: [a], resource: r0, "
			  "operation: op, args: {x: 2}, compensate: none}]}",
			  WAIT_FINISHED, 0);
	sync();
	world_result("a0", 1, "g", "a", RESULT_DONE, "");
	sync();
	world_result("a0", 1, "g", "b", RESULT_REFUSED, "because");
	sync();
	STATUS("stuck");
	engine_retry(w.e, 5, "g", "a", "hoping");
	sync();
	STATUS("stuck");
	ck_assert_uint_eq(SENT("a", UNDO), 0);
	engine_resolve(w.e, 6, "g", RESOLVE_SKIP, "a", "done by hand");
	sync();
	STATUS("rolled_back");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("engine shares");
	TCase *tc = tcase_create("shares");

	tcase_add_checked_fixture(tc, world_setup, world_stop);
	tcase_add_test(tc, steps_of_one_saga_are_set_going_over_several_turns);
	tcase_add_test(tc, cancel_takes_back_at_once_all_that_nobody_was_sent);
	tcase_add_test(tc, compensation_that_cannot_be_said_is_stuck_each_time);
	suite_add_tcase(s, tc);
	return suite_run(s, NULL, NULL);
}
