/* test_engine_clocks.c - the engine when the wall clock is set, and what it may say no
 * with: histories that the simulator found. */
#include "tests/lib/engine_world.h"
#include "tests/lib/harness.h"

#include <check.h>
#include <string.h>

#define DAY_US  (INT64_C(24) * 3600 * 1000 * 1000)
#define WEEK_MS (UINT64_C(7) * 24 * 3600 * 1000)
#define HOUR_MS (UINT64_C(3600) * 1000)

static void keep_a_week(void)
{
	world_stop();
	world_start();
	w.retention_ms = WEEK_MS;
	world_crash_restart();
	world_two_agents();
}

/* "g" is committed, and so written. */
static void commit(void)
{
	world_both_yes();
	world_sync();
	DONE("a0", "t.b0");
	DONE("a1", "t.b1");
	world_pass(1000);
	world_sync();
	STATUS("committed");
}

START_TEST(clock_set_years_ahead_forgets_nothing)
{
	keep_a_week();
	commit();
	w.wall_off_us = 3650 * DAY_US;
	world_pass(30 * 60 * 1000);
	world_sync();
	STATUS("committed");
	world_submit(7, "g", 2, WAIT_FINISHED, 0);
	ck_assert_str_eq(world_answer(7)->status, "committed"); /* it is not done again */
}
END_TEST

START_TEST(clock_that_a_start_finds_years_ahead_forgets_nothing_at_once)
{
	keep_a_week();
	commit();
	w.wall_off_us = 3650 * DAY_US;
	world_crash_restart();
	world_pass(30 * 60 * 1000);
	world_sync();
	STATUS("committed");
}
END_TEST

START_TEST(clock_that_goes_on_after_it_was_set_is_believed)
{
	keep_a_week();
	commit();
	w.wall_off_us = 8 * DAY_US;
	world_pass(2 * HOUR_MS);
	world_sync();
	STATUS("none");
}
END_TEST

START_TEST(clock_set_back_gives_no_number_twice)
{
	commit();
	w.wall_off_us = -3650 * DAY_US;
	world_crash_restart();
	world_two_agents();
	world_submit(2, "h", 2, WAIT_FINISHED, 1);
	world_result("a0", 1, "h", "t.b0", RESULT_PREPARED, "");
	world_result("a1", 1, "h", "t.b1", RESULT_PREPARED, "");
	world_sync();
	ck_assert_str_eq(world_status("h"), "committing");
	STATUS("committed");
}
END_TEST

START_TEST(clock_set_back_over_a_restart_leaves_a_saga_no_longer_than_its_deadline)
{
	world_submit_text(1, "g",
			  "{workflow: w, deadline: 20s, steps: [{name: a, resource: r0, operation: "
			  "op, args: {x: 1}, compensate: none, complete_within: 1h}]}",
			  WAIT_FINISHED, 0);
	world_sync();
	world_result("a0", 1, "g", "a", RESULT_PENDING, "");
	world_sync();
	w.wall_off_us = -365 * DAY_US;
	world_crash_restart();
	STATUS("running");
	world_pass(21 * 1000);
	world_sync();
	ck_assert_str_ne(world_status("g"), "running");
}
END_TEST

START_TEST(idle_coordinator_asks_the_journal_from_time_to_time)
{
	uint64_t before;

	world_sync();
	before = memory_journal_committed(w.journal);
	world_pass(11 * 1000);
	ck_assert_uint_gt(memory_journal_committed(w.journal), before);
}
END_TEST

/* ---- a no that tells of something ---- */

START_TEST(too_late_is_not_said_before_the_decision_is_durable)
{
	world_both_yes();
	engine_cancel(w.e, 2, "g", "a whim");
	world_turn();
	ck_assert_ptr_null(world_answer(2));
	world_sync();
	ck_assert_int_eq(world_answer(2)->code, ANSWER_CONFLICT);
	ck_assert_ptr_nonnull(strstr(world_answer(2)->text, "too late"));
}
END_TEST

START_TEST(rolled_back_with_a_hazard_is_not_called_committed)
{
	world_submit(1, "g", 2, WAIT_FINISHED, 0);
	YES("a0", "t.b0");
	NO("a1", "t.b1");
	world_sync();
	world_result("a0", 1, "g", "t.b0", RESULT_HAZARD, "somebody committed it");
	world_sync();
	STATUS("stuck");
	engine_cancel(w.e, 2, "g", "a whim");
	world_turn();
	ck_assert_int_eq(world_answer(2)->code, ANSWER_CONFLICT);
	ck_assert_ptr_null(strstr(world_answer(2)->text, "too late"));
	ck_assert_ptr_nonnull(strstr(world_answer(2)->text, "rolled back"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("engine_clocks");
	TCase *tc = tcase_create("histories");

	tcase_add_checked_fixture(tc, world_setup, world_stop);
	tcase_add_test(tc, clock_set_years_ahead_forgets_nothing);
	tcase_add_test(tc, clock_that_a_start_finds_years_ahead_forgets_nothing_at_once);
	tcase_add_test(tc, clock_that_goes_on_after_it_was_set_is_believed);
	tcase_add_test(tc, clock_set_back_gives_no_number_twice);
	tcase_add_test(tc, clock_set_back_over_a_restart_leaves_a_saga_no_longer_than_its_deadline);
	tcase_add_test(tc, idle_coordinator_asks_the_journal_from_time_to_time);
	tcase_add_test(tc, too_late_is_not_said_before_the_decision_is_durable);
	tcase_add_test(tc, rolled_back_with_a_hazard_is_not_called_committed);
	suite_add_tcase(suite, tc);
	return suite_run(suite, NULL, NULL);
}
