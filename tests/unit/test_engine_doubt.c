/* test_engine_doubt.c - sagas in the engine where it is not known what was done: histories
 * that the simulator found. */
#include "tests/lib/engine_world.h"
#include "tests/lib/harness.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALL(name, more)                                                                 \
	"{name: " name ", resource: r0, operation: op, args: {x: 1}, timeout: 2s, " more \
	"retry: {attempts: 3, first: 100ms, max: 100ms}}, "
#define UNDONE          "compensate: {operation: op, args: {x: 2}}, "
#define WORKFLOW(steps) "{workflow: w, steps: [" steps "]}"

static void sync(void)
{
	world_turn();
	world_sync();
}

static void submit(const char *text)
{
	world_submit_text(1, "g", text, WAIT_FINISHED, 0);
	sync();
}

static void restart(void)
{
	world_crash_restart();
	world_two_agents();
}

#define SAY(agent, step, kind) world_result(agent, 1, "g", step, RESULT_##kind, "because")

/* Agent a0 has the action and says nothing; a2, at the same resource, has the next
 * attempt of it. */
static void one_is_silent(const char *text)
{
	w.exact = true;
	world_two_agents();
	submit(text);
	ck_assert_str_eq(world_last("g", "one")->agent, "a0");
	world_pipe_lost("a0");
	world_agent("a2", 1, "r0", true);
	for (int i = 0; i < 3; i++)
		world_poll("a2", 1, 100);
	world_pass(8000);
	ck_assert_str_eq(world_last("g", "one")->agent, "a2");
}

START_TEST(no_of_one_agent_is_not_the_no_of_another_that_was_silent)
{
	one_is_silent(WORKFLOW(CALL("one", UNDONE)));
	SAY("a2", "one", REFUSED);
	sync();
	ck_assert_uint_eq(SENT("one", UNDO), 1); /* a0's attempt finds its mark */
	SAY("a2", "one", DONE);
	sync();
	STATUS("rolled_back");
}
END_TEST

START_TEST(no_long_after_another_agent_was_silent_is_undone_too)
{
	one_is_silent(
		"{workflow: w, steps: [{name: one, resource: r0, operation: op, args: {x: 1}, "
		"timeout: 2s, " UNDONE "retry: {attempts: 99, first: 100ms, max: 5s}}]}");
	for (int s = 0; s < 120; s += 6) {
		SAY("a2", "one", RETRY);
		world_pass(6000);
		world_poll("a2", 1, 100);
	}
	SAY("a2", "one", REFUSED);
	sync();
	ck_assert_uint_eq(SENT("one", UNDO), 1); /* a0 may stand still, and go on some day */
}
END_TEST

/* a2 lost an answer as well, much later: that says nothing of a0. */
START_TEST(second_silence_does_not_clear_the_doubt_about_the_first)
{
	one_is_silent(
		"{workflow: w, steps: [{name: one, resource: r0, operation: op, args: {x: 1}, "
		"timeout: 2s, " UNDONE "retry: {attempts: 99, first: 100ms, max: 5s}}]}");
	for (int s = 0; s < 120; s += 6) {
		SAY("a2", "one", RETRY);
		world_pass(6000);
		world_poll("a2", 1, 100);
	}
	while (SENT("one", DO) < 24) { /* it says nothing */
		world_pass(6000);
		world_poll("a2", 1, 100);
	}
	SAY("a2", "one", REFUSED);
	sync();
	ck_assert_uint_eq(SENT("one", UNDO), 1);
}
END_TEST

START_TEST(no_of_the_agent_that_had_every_attempt_is_proof)
{
	w.exact = true;
	world_two_agents();
	submit(WORKFLOW(CALL("one", UNDONE)));
	world_pass(8000);
	ck_assert_uint_eq(world_last("g", "one")->attempt, 2);
	SAY("a0", "one", REFUSED);
	sync();
	ck_assert_uint_eq(SENT("one", UNDO), 0);
	STATUS("rolled_back");
}
END_TEST

START_TEST(doubtful_no_of_a_pivot_is_asked_for_again_when_there_is_no_doubt)
{
	one_is_silent(WORKFLOW(CALL("one", "pivot: true, ")));
	SAY("a2", "one", REFUSED);
	world_pass(5000);
	STATUS("running");
	ck_assert_uint_eq(SENT("one", DO), 2);
	world_pass(15000);
	world_poll("a2", 1, 100);
	world_pass(15000);
	world_poll("a2", 1, 100);
	ck_assert_uint_eq(SENT("one", DO), 3);
	SAY("a2", "one", REFUSED);
	sync();
	STATUS("rolled_back");
}
END_TEST

START_TEST(no_after_a_restart_is_undone_since_another_agent_may_be_at_it)
{
	w.exact = true;
	world_two_agents();
	submit(WORKFLOW(CALL("one", UNDONE)));
	restart();
	SAY("a0", "one", REFUSED);
	sync();
	ck_assert_uint_eq(SENT("one", UNDO), 1);
}
END_TEST

START_TEST(no_of_a_stuck_pivot_that_is_tried_again_after_a_restart_is_doubtful)
{
	one_is_silent(WORKFLOW(CALL("one", "pivot: true, ")));
	world_pass(8000);
	world_poll("a2", 1, 100);
	world_pass(8000);
	world_sync();
	STATUS("stuck");
	restart();
	engine_retry(w.e, 5, "g", NULL, "perhaps now");
	sync();
	SAY("a0", "one", REFUSED); /* a2 may still be at what was sent before */
	sync();
	STATUS("running");
}
END_TEST

START_TEST(what_a_restart_concludes_is_durable_before_it_is_sent)
{
	submit(WORKFLOW(CALL("one", UNDONE)));
	engine_cancel(w.e, 5, "g", "changed my mind");
	sync();
	restart(); /* nobody knows what became of `one`: it is undone */
	world_turn();
	ck_assert_uint_eq(SENT("one", UNDO), 0);
	sync();
	ck_assert_uint_eq(SENT("one", UNDO), 1);
}
END_TEST

#define VOTE(branch, kind) world_result("a0", 1, group, branch, RESULT_##kind, "because")

static const char *gid_of(const char *branch)
{
	for (size_t i = w.n_sent; i > 0; i--)
		if (strcmp(w.sent[i - 1].branch, branch) == 0)
			return w.sent[i - 1].gid;
	return "none";
}

START_TEST(group_is_undone_by_a_group_of_its_own_when_a_restart_begins_it)
{
	char group[GID_MAX + 1];

	submit(WORKFLOW(
		"{name: both, atomic: [{name: take, resource: r0, operation: op, args: {x: "
		"1}}], compensate: {atomic: [{name: give, resource: r0, operation: op, args: "
		"{x: 1}}]}}, " CALL("one", "after: [both], compensate: none, ")));
	snprintf(group, sizeof group, "%s", gid_of("both.take"));
	VOTE("both.take", PREPARED);
	sync();
	VOTE("both.take", COMMITTED);
	sync();
	ck_assert_uint_eq(SENT("one", DO), 1);
	engine_cancel(w.e, 5, "g", "changed my mind");
	sync();
	ck_assert_str_eq(gid_of("both.give"), "none"); /* `one` is waited for */
	restart();
	sync();
	ck_assert_str_ne(gid_of("both.give"), "none");
	ck_assert_str_ne(gid_of("both.give"), group);
	STATUS("rolling_back");
}
END_TEST

START_TEST(cancel_that_came_too_late_does_not_hold_up_what_is_past_the_pivot)
{
	char group[GID_MAX + 1];

	submit(WORKFLOW(CALL("pay", "pivot: true, ") "{name: both, after: [pay], atomic: [{name: "
						     "take, resource: r0, operation: op, args: {x: "
						     "1}}]}"));
	engine_cancel(w.e, 5, "g", "changed my mind");
	SAY("a0", "pay", DONE);
	sync();
	STATUS("committing");
	snprintf(group, sizeof group, "%s", gid_of("both.take"));
	VOTE("both.take", PREPARED);
	sync();
	VOTE("both.take", COMMITTED);
	sync();
	STATUS("committed");
}
END_TEST

START_TEST(call_past_the_pivot_that_is_failed_from_outside_is_tried_again)
{
	submit(WORKFLOW(CALL("pay", "pivot: true, ") CALL("one", "after: [pay], ")));
	SAY("a0", "pay", DONE);
	sync();
	world_pipe_lost("a0");
	engine_fail(w.e, 5, "g", "one", "no paper");
	sync();
	ck_assert_str_eq(world_answer(5)->status, "committing");
	world_pass(10000); /* what was under way is not waited for any more */
	world_two_agents();
	ck_assert_uint_eq(SENT("one", DO), 2);
	SAY("a0", "one", DONE);
	sync();
	STATUS("committed");
}
END_TEST

START_TEST(group_that_is_under_way_is_not_ended_from_outside)
{
	submit(WORKFLOW("{name: both, atomic: [{name: take, resource: r0, operation: op, args: {x: "
			"1}}], compensate: none}, "));
	engine_complete(w.e, 5, "g", "both", NULL);
	engine_fail(w.e, 6, "g", "both", "no paper");
	sync();
	ck_assert_int_eq(world_answer(5)->code, ANSWER_CONFLICT);
	ck_assert_int_eq(world_answer(6)->code, ANSWER_CONFLICT);
	STATUS("running");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("engine_doubt");
	TCase *tc = tcase_create("histories");

	tcase_add_checked_fixture(tc, world_setup, world_stop);
	tcase_add_test(tc, no_of_one_agent_is_not_the_no_of_another_that_was_silent);
	tcase_add_test(tc, no_long_after_another_agent_was_silent_is_undone_too);
	tcase_add_test(tc, second_silence_does_not_clear_the_doubt_about_the_first);
	tcase_add_test(tc, no_of_the_agent_that_had_every_attempt_is_proof);
	tcase_add_test(tc, doubtful_no_of_a_pivot_is_asked_for_again_when_there_is_no_doubt);
	tcase_add_test(tc, no_after_a_restart_is_undone_since_another_agent_may_be_at_it);
	tcase_add_test(tc, no_of_a_stuck_pivot_that_is_tried_again_after_a_restart_is_doubtful);
	tcase_add_test(tc, what_a_restart_concludes_is_durable_before_it_is_sent);
	tcase_add_test(tc, group_is_undone_by_a_group_of_its_own_when_a_restart_begins_it);
	tcase_add_test(tc, cancel_that_came_too_late_does_not_hold_up_what_is_past_the_pivot);
	tcase_add_test(tc, call_past_the_pivot_that_is_failed_from_outside_is_tried_again);
	tcase_add_test(tc, group_that_is_under_way_is_not_ended_from_outside);
	suite_add_tcase(s, tc);
	return suite_run(s, NULL, NULL);
}
