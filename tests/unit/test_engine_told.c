/* test_engine_told.c - the end of a call, told from outside at odd moments. */
#include "tests/lib/engine_world.h"
#include "tests/lib/harness.h"

#include <check.h>

#define ASK                                                                                        \
	"{workflow: ask, steps: [{name: ask, resource: r0, operation: op, args: {x: 1}, timeout: " \
	"2s, retry: {attempts: 3, first: 10s, max: 10s}, compensate: none}, {name: car, after: "   \
	"[ask], resource: r1, operation: op, args: {x: '${steps.ask.output.n}'}, compensate: "     \
	"none}]}"
#define PAY                                                                                \
	"{workflow: pay, steps: [{name: hold, resource: r0, operation: op, args: {x: 1}, " \
	"compensate: none}, {name: pay, after: [hold], atomic: ["                          \
	"{name: debit, resource: r0, operation: op, args: {x: 3}}, "                       \
	"{name: credit, resource: r1, operation: op, args: {x: 4}}], compensate: none}]}"

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

static void completed(void)
{
	engine_complete(w.e, 5, "g", "ask", "{\"n\": 9}");
	sync();
	ck_assert_int_eq(world_answer(5)->code, ANSWER_OK);
	world_two_agents();
	sync();
	ck_assert_uint_eq(SENT("car", DO), 1);
	ck_assert_str_eq(world_last("g", "car")->args, "{\"x\":9}");
}

/* The service was asked and the answer, that it is pending, died with the coordinator. */
START_TEST(call_is_completed_though_its_answer_was_lost_in_a_restart)
{
	submit(ASK);
	ck_assert_uint_eq(SENT("ask", DO), 1);
	world_crash_restart();
	completed();
	ck_assert_uint_eq(SENT("ask", DO), 1);
}
END_TEST

START_TEST(call_is_completed_though_its_agent_did_not_answer_in_time)
{
	submit(ASK);
	world_pass(9000);
	sync();
	completed();
	ck_assert_uint_eq(SENT("ask", DO), 1);
}
END_TEST

START_TEST(call_is_failed_though_its_answer_was_lost)
{
	submit(ASK);
	world_crash_restart();
	engine_fail(w.e, 5, "g", "ask", "she said no");
	sync();
	STATUS("rolled_back");
	world_two_agents();
	sync();
	ck_assert_uint_eq(SENT("ask", DO), 1);
}
END_TEST

/* Its branches are being prepared: nobody may say that they are committed. */
START_TEST(atomic_group_under_way_is_not_completed_from_outside)
{
	submit(PAY);
	world_result("a0", 1, "g", "hold", RESULT_DONE, "");
	sync();
	engine_complete(w.e, 5, "g", "pay", NULL);
	engine_fail(w.e, 6, "g", "pay", "no");
	sync();
	ck_assert_int_eq(world_answer(5)->code, ANSWER_CONFLICT);
	ck_assert_int_eq(world_answer(6)->code, ANSWER_CONFLICT);
	STATUS("running");
}
END_TEST

START_TEST(call_that_nobody_was_sent_is_not_completed)
{
	submit(ASK);
	engine_complete(w.e, 5, "g", "car", NULL);
	sync();
	ck_assert_int_eq(world_answer(5)->code, ANSWER_CONFLICT);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("engine told");
	TCase *tc = tcase_create("told");

	tcase_add_checked_fixture(tc, world_setup, world_stop);
	tcase_add_test(tc, call_is_completed_though_its_answer_was_lost_in_a_restart);
	tcase_add_test(tc, call_is_completed_though_its_agent_did_not_answer_in_time);
	tcase_add_test(tc, call_is_failed_though_its_answer_was_lost);
	tcase_add_test(tc, atomic_group_under_way_is_not_completed_from_outside);
	tcase_add_test(tc, call_that_nobody_was_sent_is_not_completed);
	suite_add_tcase(s, tc);
	return suite_run(s, NULL, NULL);
}
