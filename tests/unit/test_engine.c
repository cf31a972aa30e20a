/* test_engine.c - the engine's turn, told as histories in a world of tables. */
#include "coordinator/state.h"
#include "tests/lib/engine_world.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

START_TEST(prepares_go_to_all_branches_at_once)
{
	world_submit(1, "g", 2, WAIT_FINISHED, 0);
	ck_assert_uint_eq(SENT("t.b0", PREPARE), 1);
	ck_assert_uint_eq(SENT("t.b1", PREPARE), 1);
}
END_TEST

START_TEST(no_commit_leaves_before_the_decision_is_durable)
{
	world_both_yes();
	ck_assert_uint_eq(SENT("t.b0", COMMIT), 0);
	world_sync();
	ck_assert_uint_eq(SENT("t.b0", COMMIT), 1);
	ck_assert_uint_eq(SENT("t.b1", COMMIT), 1);
	ck_assert(!world_last("g", "t.b0")->repeat);
}
END_TEST

START_TEST(of_many_decisions_in_one_turn_the_first_go_to_an_idle_journal_at_once)
{
	enum { MANY = EARLY_NEWS + 4 };
	char names[MANY][24];
	const char *gids[MANY];
	uint64_t before;

	for (size_t i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof names[i], "g%zu", i);
		gids[i] = names[i];
		world_submit(i + 1, gids[i], 2, WAIT_FINISHED, 0);
	}
	world_poll("a0", 1, 2 * MANY);
	world_poll("a1", 1, 2 * MANY);
	world_votes("a0", gids, MANY, "t.b0");
	world_sync();
	before = memory_journal_committed(w.journal);
	world_votes("a1", gids, MANY, "t.b1");
	ck_assert_uint_eq(memory_journal_committed(w.journal) - before, 2);
	ck_assert_uint_eq(world_sent(gids[0], "t.b0", COMMAND_COMMIT), 0);
	world_sync();
	world_poll("a0", 1, 2 * MANY);
	for (size_t i = 0; i < MANY; i++)
		ck_assert_uint_eq(world_sent(gids[i], "t.b0", COMMAND_COMMIT), 1);
}
END_TEST

START_TEST(no_client_hears_of_a_decision_before_it_is_durable)
{
	world_submit(1, "g", 2, WAIT_DECIDED, 0);
	YES("a0", "t.b0");
	YES("a1", "t.b1");
	engine_get(w.e, 2, "g", 0);
	engine_list(w.e, 3, &(struct list_query){.limit = 10});
	world_turn();
	ck_assert_ptr_null(world_answer(1));
	ck_assert_ptr_null(world_answer(2));
	ck_assert_ptr_null(world_answer(3));
	world_sync();
	ck_assert_str_eq(world_answer(1)->status, "committing");
	ck_assert_str_eq(world_answer(2)->status, "committing");
	ck_assert_ptr_nonnull(world_answer(3));
}
END_TEST

START_TEST(all_acknowledged_is_committed_and_answered_201)
{
	world_both_yes();
	world_sync();
	DONE("a0", "t.b0");
	ck_assert_ptr_null(world_answer(1));
	DONE("a1", "t.b1");
	ck_assert_int_eq(world_answer(1)->code, ANSWER_FINISHED);
	ck_assert_str_eq(world_answer(1)->status, "committed");
}
END_TEST

START_TEST(an_end_is_written_soon_and_then_memory_forgets_it)
{
	world_both_yes();
	world_sync();
	DONE("a0", "t.b0");
	DONE("a1", "t.b1");
	world_pass(100);
	world_sync();
	STATUS("committed");
	engine_stats(w.e, 77);
	world_crash_restart();
	STATUS("committed");
}
END_TEST

START_TEST(a_crash_before_the_decision_is_durable_leaves_it_unknown)
{
	world_both_yes();
	world_crash_restart();
	STATUS("none");
	world_two_agents();
	world_inquire("a0", 1, "r0", "g", 1, "t.b0");
	ck_assert_int_eq(w.verdicts[0].verdict, VERDICT_ABORT);
}
END_TEST

START_TEST(a_crash_after_the_decision_commits_again_as_a_repeat)
{
	world_both_yes();
	world_sync();
	world_crash_restart();
	STATUS("committing");
	world_two_agents();
	ck_assert_uint_eq(SENT("t.b0", COMMIT), 2);
	ck_assert(world_last("g", "t.b0")->repeat);
	ck_assert_uint_eq(world_last("g", "t.b0")->epoch, 1);
	DONE("a0", "t.b0");
	DONE("a1", "t.b1");
	STATUS("committed");
}
END_TEST

START_TEST(a_no_rolls_back_and_says_why)
{
	world_submit(1, "g", 2, WAIT_FINISHED, 0);
	YES("a0", "t.b0");
	NO("a1", "t.b1");
	world_sync();
	ck_assert_uint_eq(SENT("t.b0", ROLLBACK), 1);
	ck_assert_uint_eq(SENT("t.b1", ROLLBACK), 0);
	GONE("a0", "t.b0");
	ck_assert_str_eq(world_answer(1)->status, "rolled_back");
	ck_assert_ptr_nonnull(strstr(world_answer(1)->reason, "too little money"));
}
END_TEST

START_TEST(a_rollback_that_was_told_survives_a_crash)
{
	world_submit(1, "g", 2, WAIT_FINISHED, 0);
	NO("a0", "t.b0");
	NO("a1", "t.b1");
	world_sync();
	GONE("a1", "t.b1");
	ck_assert_str_eq(world_answer(1)->status, "rolled_back");
	world_crash_restart();
	world_two_agents();
	world_submit(2, "g", 2, WAIT_FINISHED, 0);
	ck_assert_uint_eq(SENT("t.b0", PREPARE), 1);
}
END_TEST

START_TEST(silence_ends_at_the_deadline_as_a_rollback)
{
	world_submit(1, "g", 2, WAIT_FINISHED, 0);
	YES("a0", "t.b0");
	world_pass(5001);
	world_sync();
	ck_assert_uint_eq(SENT("t.b1", ROLLBACK), 1);
	GONE("a0", "t.b0");
	STATUS("rolling_back");
	GONE("a1", "t.b1");
	ck_assert_str_eq(world_answer(1)->status, "rolled_back");
	ck_assert_ptr_nonnull(strstr(world_answer(1)->reason, "a1 has not answered"));
}
END_TEST

START_TEST(a_rollback_is_repeated_until_the_branch_is_known_gone)
{
	world_submit(1, "g", 2, WAIT_FINISHED, 0);
	NO("a0", "t.b0");
	world_sync();
	for (int i = 0; i < 5; i++) {
		world_poll("a1", 1, 100);
		world_pass(3000);
	}
	ck_assert_uint_gt(SENT("t.b1", ROLLBACK), 2);
	world_result("a1", 1, "g", "t.b1", RESULT_UNKNOWN, "cannot tell");
	STATUS("rolling_back");
	world_pass(1000);
	GONE("a1", "t.b1");
	STATUS("rolled_back");
}
END_TEST

START_TEST(a_commit_is_repeated_until_acknowledged)
{
	world_both_yes();
	world_sync();
	DONE("a0", "t.b0");
	for (int i = 0; i < 5; i++) {
		world_poll("a1", 1, 100);
		world_pass(3000);
	}
	ck_assert_uint_gt(SENT("t.b1", COMMIT), 2);
	ck_assert(world_last("g", "t.b1")->repeat);
	STATUS("committing");
}
END_TEST

START_TEST(a_hazard_is_stuck_until_a_person_forgets_it_and_survives_a_crash)
{
	world_both_yes();
	world_sync();
	DONE("a0", "t.b0");
	world_result("a1", 1, "g", "t.b1", RESULT_HAZARD, "it was gone before its first commit");
	world_sync();
	ck_assert_str_eq(world_answer(1)->status, "stuck");
	world_crash_restart();
	STATUS("stuck");
	engine_resolve(w.e, 2, "g", RESOLVE_FORGET, NULL, "paid by hand");
	world_turn();
	ck_assert_ptr_null(world_answer(2));
	world_sync();
	ck_assert_str_eq(world_answer(2)->status, "committed");
	ck_assert_ptr_nonnull(strstr(world_answer(2)->reason, "paid by hand"));
}
END_TEST

START_TEST(the_same_gid_twice_is_one_transaction)
{
	world_submit(1, "g", 2, WAIT_FINISHED, 0);
	world_submit(2, "g", 2, WAIT_FINISHED, 0);
	ck_assert_uint_eq(SENT("t.b0", PREPARE), 1);
	YES("a0", "t.b0");
	YES("a1", "t.b1");
	world_sync();
	DONE("a0", "t.b0");
	DONE("a1", "t.b1");
	ck_assert_str_eq(world_answer(1)->status, "committed");
	ck_assert_str_eq(world_answer(2)->status, "committed");
	world_pass(100);
	world_sync();
	world_submit(3, "g", 2, WAIT_FINISHED, 0);
	ck_assert_str_eq(world_answer(3)->status, "committed");
	ck_assert_uint_eq(SENT("t.b0", PREPARE), 1);
}
END_TEST

START_TEST(the_same_gid_with_another_body_is_a_conflict_now_and_later)
{
	world_both_yes();
	world_submit(2, "g", 2, WAIT_FINISHED, 9);
	ck_assert_int_eq(world_answer(2)->code, ANSWER_CONFLICT);
	world_sync();
	DONE("a0", "t.b0");
	DONE("a1", "t.b1");
	world_pass(100);
	world_sync();
	world_submit(3, "g", 2, WAIT_FINISHED, 9);
	ck_assert_int_eq(world_answer(3)->code, ANSWER_CONFLICT);
}
END_TEST

START_TEST(an_unknown_resource_is_refused_before_anything_is_sent)
{
	world_submit(1, "g", 3, WAIT_FINISHED, 0);
	ck_assert_int_eq(world_answer(1)->code, ANSWER_INVALID);
	ck_assert_ptr_nonnull(strstr(world_answer(1)->text, "r2"));
	ck_assert_uint_eq(w.n_sent, 0);
}
END_TEST

START_TEST(a_refusal_says_where_the_fault_is)
{
	static const unsigned char hash[BODY_HASH_SIZE];
	static const char wrong[] = "workflow: w\nstepps: []\n";
	static const char good[] = "workflow: w\ninput: [n]\nsteps:\n  - name: t\n    atomic:\n"
				   "      - {name: b, resource: r0, operation: op}\n";
	struct submit s = {.gid = "g", .hash = hash, .wait = WAIT_FINISHED};

	s.definition = wrong;
	s.definition_size = sizeof wrong - 1;
	engine_submit(w.e, 1, &s);
	engine_publish(w.e, 2, wrong, sizeof wrong - 1);
	s.definition = good;
	s.definition_size = sizeof good - 1;
	engine_submit(w.e, 3, &s);
	world_turn();
	for (uint64_t client = 1; client <= 3; client++)
		ck_assert_int_eq(world_answer(client)->code, ANSWER_INVALID);
	ck_assert_str_eq(world_answer(1)->json,
			 "{\"where\":\"definition\",\"line\":2,\"column\":1}");
	ck_assert_str_eq(world_answer(2)->json, world_answer(1)->json);
	ck_assert_str_eq(world_answer(3)->json, "{\"where\":\"input\"}");
}
END_TEST

START_TEST(too_many_in_flight_are_refused_not_queued)
{
	for (int i = 0; i < WORLD_IN_FLIGHT + 1; i++) {
		char gid[16];

		snprintf(gid, sizeof gid, "n%d", i);
		world_submit((uint64_t)(10 + i), gid, 2, WAIT_FINISHED, i);
	}
	ck_assert_ptr_null(world_answer(10 + WORLD_IN_FLIGHT - 1));
	ck_assert_int_eq(world_answer(10 + WORLD_IN_FLIGHT)->code, ANSWER_FULL);
}
END_TEST

START_TEST(accepted_is_durable_and_begins_again_in_the_new_epoch)
{
	world_submit(1, "g", 2, WAIT_ACCEPTED, 0);
	ck_assert_ptr_null(world_answer(1));
	world_sync();
	ck_assert_int_eq(world_answer(1)->code, ANSWER_UNFINISHED);
	YES("a0", "t.b0");
	world_crash_restart();
	world_two_agents();
	ck_assert_uint_eq(SENT("t.b0", PREPARE), 2);
	ck_assert_uint_eq(world_last("g", "t.b0")->epoch, 2);
	world_inquire("a0", 1, "r0", "g", 1, "t.b0");
	ck_assert_int_eq(w.verdicts[0].verdict, VERDICT_ABORT);
	YES("a0", "t.b0");
	YES("a1", "t.b1");
	world_sync();
	DONE("a0", "t.b0");
	DONE("a1", "t.b1");
	STATUS("committed");
}
END_TEST

START_TEST(a_cancel_rolls_back_before_the_decision_and_comes_too_late_after)
{
	world_submit(1, "g", 2, WAIT_FINISHED, 0);
	engine_cancel(w.e, 2, "g", "typo");
	world_turn();
	world_sync();
	ck_assert_str_eq(world_answer(2)->status, "rolling_back");
	GONE("a0", "t.b0");
	GONE("a1", "t.b1");
	world_submit(3, "h", 2, WAIT_FINISHED, 0);
	world_result("a0", 1, "h", "t.b0", RESULT_PREPARED, "");
	world_result("a1", 1, "h", "t.b1", RESULT_PREPARED, "");
	engine_cancel(w.e, 4, "h", NULL);
	world_turn();
	world_sync();
	ck_assert_int_eq(world_answer(4)->code, ANSWER_CONFLICT);
}
END_TEST

START_TEST(a_client_that_went_away_is_not_answered)
{
	world_submit(1, "g", 2, WAIT_FINISHED, 0);
	engine_client_gone(w.e, 1);
	NO("a0", "t.b0");
	NO("a1", "t.b1");
	world_sync();
	ck_assert_ptr_null(world_answer(1));
}
END_TEST

START_TEST(a_wait_that_ends_answers_with_the_present_state)
{
	world_both_yes();
	world_sync();
	world_pass(61000);
	ck_assert_int_eq(world_answer(1)->code, ANSWER_UNFINISHED);
	ck_assert_str_eq(world_answer(1)->status, "committing");
}
END_TEST

/* One branch, in one phase, accepted; its ONCE has no answer when the deadline
 * comes, and the resource says that it was not done. */
START_TEST(an_accepted_rollback_in_one_phase_is_durable_before_it_is_told)
{
	w.one_phase = true;
	world_agent("a0", 1, "r0", true);
	world_submit(1, "g", 1, WAIT_ACCEPTED, 0);
	world_sync();
	ck_assert_uint_eq(SENT("t.b0", ONCE), 1);
	world_pass(5001);
	world_poll("a0", 1, 100);
	ck_assert_uint_eq(SENT("t.b0", SETTLE_ONCE), 1);
	engine_get(w.e, 2, "g", 60000);
	GONE("a0", "t.b0");
	ck_assert_ptr_null(world_answer(2));
	world_sync();
	ck_assert_str_eq(world_answer(2)->status, "rolled_back");
	world_crash_restart();
	STATUS("rolled_back");
}
END_TEST

START_TEST(one_phase_is_asked_about_after_a_restart_and_never_done_twice)
{
	w.one_phase = true;
	world_agent("a0", 1, "r0", true);
	world_submit(1, "g", 1, WAIT_FINISHED, 0);
	ck_assert_uint_eq(SENT("t.b0", ONCE), 0);
	world_sync();
	ck_assert_uint_eq(SENT("t.b0", ONCE), 1);
	world_crash_restart();
	world_agent("a0", 1, "r0", true);
	world_poll("a0", 1, 100);
	ck_assert_uint_eq(SENT("t.b0", ONCE), 1);
	ck_assert_uint_eq(SENT("t.b0", SETTLE_ONCE), 1);
	DONE("a0", "t.b0");
	STATUS("committed");
}
END_TEST

/* Whether it is accepted is not part of what is submitted. */
START_TEST(accepted_is_not_promised_for_what_another_submitted_without_it)
{
	world_submit(1, "g", 2, WAIT_FINISHED, 0);
	world_submit(2, "g", 2, WAIT_ACCEPTED, 0);
	world_sync();
	ck_assert_ptr_null(world_answer(2));
	YES("a0", "t.b0");
	YES("a1", "t.b1");
	world_sync();
	ck_assert_str_eq(world_answer(2)->status, "committing");
}
END_TEST

START_TEST(a_cancel_in_one_phase_survives_a_crash)
{
	w.one_phase = true;
	world_agent("a0", 1, "r0", true);
	world_submit(1, "g", 1, WAIT_ACCEPTED, 0);
	world_sync();
	engine_cancel(w.e, 2, "g", "typo");
	world_turn();
	ck_assert_ptr_null(world_answer(2));
	world_sync();
	ck_assert_int_eq(world_answer(2)->code, ANSWER_OK);
	world_crash_restart();
	world_agent("a0", 2, "r0", true);
	world_poll("a0", 2, 100);
	world_result("a0", 2, "g", "t.b0", RESULT_ROLLED_BACK, "");
	world_sync();
	STATUS("rolled_back");
	ck_assert_uint_eq(SENT("t.b0", ONCE), 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("engine");
	TCase *t = tcase_create("histories");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(t, world_setup, world_stop);
	tcase_add_test(t, prepares_go_to_all_branches_at_once);
	tcase_add_test(t, no_commit_leaves_before_the_decision_is_durable);
	tcase_add_test(t, of_many_decisions_in_one_turn_the_first_go_to_an_idle_journal_at_once);
	tcase_add_test(t, no_client_hears_of_a_decision_before_it_is_durable);
	tcase_add_test(t, all_acknowledged_is_committed_and_answered_201);
	tcase_add_test(t, an_end_is_written_soon_and_then_memory_forgets_it);
	tcase_add_test(t, a_crash_before_the_decision_is_durable_leaves_it_unknown);
	tcase_add_test(t, a_crash_after_the_decision_commits_again_as_a_repeat);
	tcase_add_test(t, a_no_rolls_back_and_says_why);
	tcase_add_test(t, a_rollback_that_was_told_survives_a_crash);
	tcase_add_test(t, silence_ends_at_the_deadline_as_a_rollback);
	tcase_add_test(t, a_rollback_is_repeated_until_the_branch_is_known_gone);
	tcase_add_test(t, a_commit_is_repeated_until_acknowledged);
	tcase_add_test(t, a_hazard_is_stuck_until_a_person_forgets_it_and_survives_a_crash);
	tcase_add_test(t, the_same_gid_twice_is_one_transaction);
	tcase_add_test(t, the_same_gid_with_another_body_is_a_conflict_now_and_later);
	tcase_add_test(t, an_unknown_resource_is_refused_before_anything_is_sent);
	tcase_add_test(t, too_many_in_flight_are_refused_not_queued);
	tcase_add_test(t, accepted_is_durable_and_begins_again_in_the_new_epoch);
	tcase_add_test(t, a_cancel_rolls_back_before_the_decision_and_comes_too_late_after);
	tcase_add_test(t, a_client_that_went_away_is_not_answered);
	tcase_add_test(t, a_wait_that_ends_answers_with_the_present_state);
	tcase_add_test(t, an_accepted_rollback_in_one_phase_is_durable_before_it_is_told);
	tcase_add_test(t, a_refusal_says_where_the_fault_is);
	tcase_add_test(t, one_phase_is_asked_about_after_a_restart_and_never_done_twice);
	tcase_add_test(t, accepted_is_not_promised_for_what_another_submitted_without_it);
	tcase_add_test(t, a_cancel_in_one_phase_survives_a_crash);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
