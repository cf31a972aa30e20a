/* test_engine_sagas.c - sagas in the engine, told as histories in a world of tables. */
#include "tests/unit/saga_fixture.h"

START_TEST(nothing_is_sent_before_its_intent_is_durable)
{
	submit_two();
	ck_assert_uint_eq(SENT("hotel", DO), 0);
	sync();
	ck_assert_uint_eq(SENT("hotel", DO), 1);
	ck_assert_str_eq(world_last("g", "hotel")->args, "{\"x\":7}");
	SAY("a0", "hotel", DONE);
	ck_assert_uint_eq(SENT("car", DO), 0);
	sync();
	ck_assert_uint_eq(SENT("car", DO), 1);
}
END_TEST

START_TEST(saga_that_ran_to_its_end_is_committed_once_that_is_durable)
{
	submit_two();
	sync();
	SAY("a0", "hotel", DONE);
	sync();
	SAY("a1", "car", DONE);
	ck_assert_ptr_null(world_answer(1));
	ENDS("committed");
	world_crash_restart();
	STATUS("committed");
}
END_TEST

START_TEST(refused_step_is_undone_with_the_outputs_of_what_was_done)
{
	submit_two();
	sync();
	w.output = "{\"id\": 41}";
	SAY("a0", "hotel", DONE);
	sync();
	SAY("a1", "car", REFUSED);
	ck_assert_uint_eq(SENT("hotel", UNDO), 0);
	sync();
	ck_assert_uint_eq(SENT("hotel", UNDO), 1);
	ck_assert_str_eq(world_last("g", "hotel")->args, "{\"x\":41}");
	ck_assert_uint_eq(SENT("car", UNDO), 0);
	SAY("a0", "hotel", DONE);
	ENDS("rolled_back");
	ck_assert_str_eq(world_answer(1)->reason, "step car: because");
}
END_TEST

START_TEST(lost_answer_is_tried_again_and_then_undone)
{
	submit_two();
	sync();
	SAY("a0", "hotel", DONE);
	sync();
	pass(200000); /* both attempts at the car end in silence */
	sync();
	ck_assert_uint_eq(SENT("car", DO), 2);
	ck_assert_uint_eq(SENT("car", UNDO), 1);
	ck_assert_uint_eq(SENT("hotel", UNDO), 0);
	SAY("a1", "car", DONE);
	sync();
	ck_assert_uint_eq(SENT("hotel", UNDO), 1);
}
END_TEST

START_TEST(passing_fault_is_tried_again_after_a_pause)
{
	submit_two();
	sync();
	SAY("a0", "hotel", RETRY);
	ck_assert_uint_eq(SENT("hotel", DO), 1);
	pass(2000);
	ck_assert_uint_eq(SENT("hotel", DO), 2);
	ck_assert_uint_eq(world_last("g", "hotel")->attempt, 2);
	SAY("a0", "hotel", DONE);
	sync();
	ck_assert_uint_eq(SENT("car", DO), 1);
}
END_TEST

START_TEST(restart_sends_what_was_unanswered_again_under_the_same_key)
{
	submit_two();
	sync();
	ck_assert_uint_eq(SENT("hotel", DO), 1);
	world_crash_restart();
	world_two_agents();
	sync();
	ck_assert_uint_eq(SENT("hotel", DO), 2);
	ck_assert_str_eq(world_last("g", "hotel")->args, "{\"x\":7}");
	ck_assert_uint_eq(world_last("g", "hotel")->epoch, 2);
	SAY("a0", "hotel", DONE);
	sync();
	SAY("a1", "car", DONE);
	sync();
	STATUS("committed");
}
END_TEST

START_TEST(saga_whose_first_record_was_lost_was_never_there)
{
	submit_two();
	world_crash_restart();
	STATUS("none");
}
END_TEST

START_TEST(counts_of_attempts_survive_a_restart)
{
	submit_two();
	sync();
	SAY("a0", "hotel", RETRY);
	pass(1500);
	SAY("a0", "hotel", RETRY);
	pass(50); /* lazily, but soon */
	sync();
	world_crash_restart();
	world_two_agents();
	pass(3000);
	sync();
	SAY("a0", "hotel", RETRY); /* the third of three; the second may have been sent */
	sync();
	ck_assert_uint_eq(SENT("hotel", UNDO), 1);
}
END_TEST

START_TEST(undoing_goes_on_after_a_restart)
{
	submit_two();
	sync();
	SAY("a0", "hotel", DONE);
	sync();
	SAY("a1", "car", REFUSED);
	sync();
	world_crash_restart();
	world_two_agents();
	sync();
	ck_assert_uint_eq(SENT("hotel", UNDO), 2);
	ck_assert_uint_eq(SENT("car", DO), 1);
	SAY("a0", "hotel", DONE);
	sync();
	STATUS("rolled_back");
}
END_TEST

START_TEST(atomic_group_is_a_step_and_its_commit_is_the_pivot)
{
	submit(1, PIVOT);
	sync();
	SAY("a0", "hold", DONE);
	sync();
	ck_assert_uint_eq(world_sent(group_gid("pay.debit"), "pay.debit", COMMAND_PREPARE), 1);
	VOTE("a0", "pay.debit", PREPARED);
	VOTE("a1", "pay.credit", PREPARED);
	sync();
	STATUS("running");
	VOTE("a0", "pay.debit", COMMITTED);
	VOTE("a1", "pay.credit", COMMITTED);
	sync();
	STATUS("committing");
	SAY("a1", "mail", REFUSED); /* past the pivot it is tried until it succeeds */
	pass(3000);
	ck_assert_uint_eq(SENT("mail", DO), 2);
	SAY("a1", "mail", DONE);
	ENDS("committed");
}
END_TEST

START_TEST(refused_branch_of_a_group_undoes_the_saga)
{
	submit(1, PIVOT);
	sync();
	SAY("a0", "hold", DONE);
	sync();
	VOTE("a0", "pay.debit", REFUSED);
	sync();
	VOTE("a1", "pay.credit", ROLLED_BACK);
	sync();
	ck_assert_uint_eq(SENT("hold", UNDO), 1);
	SAY("a0", "hold", DONE);
	ENDS("rolled_back");
}
END_TEST

START_TEST(group_that_met_a_lock_is_tried_again_and_not_undone)
{
	char gid[65];

	submit(1, PIVOT);
	sync();
	SAY("a0", "hold", DONE);
	sync();
	snprintf(gid, sizeof gid, "%s", group_gid("pay.debit"));
	VOTE("a0", "pay.debit", RETRY);
	sync();
	VOTE("a1", "pay.credit", ROLLED_BACK);
	pass(5000);
	sync();
	ck_assert_uint_eq(SENT("hold", UNDO), 0);
	ck_assert_str_ne(group_gid("pay.debit"), gid);
	ck_assert_uint_eq(world_sent(group_gid("pay.debit"), "pay.debit", COMMAND_PREPARE), 1);
}
END_TEST

START_TEST(late_no_for_a_passing_cause_in_one_phase_is_no_word_about_the_business)
{
	char gid[65];

	w.one_phase = true;
	world_agent("a0", 1, "r0", true);
	submit(1,
	       "{workflow: w, steps: [{name: pay, pivot: true, retry: {attempts: 5, first: 1s, "
	       "max: 1s}, atomic: [{name: debit, resource: r0, operation: op, args: {x: 1}}]}]}");
	sync();
	snprintf(gid, sizeof gid, "%s", group_gid("pay.debit"));
	world_pass(5001);
	world_poll("a0", 1, 100);
	ck_assert_uint_eq(world_sent(gid, "pay.debit", COMMAND_SETTLE_ONCE), 1);
	VOTE("a0", "pay.debit", RETRY); /* to the ONCE, and crossed the question */
	sync();
	pass(1500);
	STATUS("running");
	ck_assert_str_ne(group_gid("pay.debit"), gid);
	ck_assert_uint_eq(world_sent(group_gid("pay.debit"), "pay.debit", COMMAND_ONCE), 1);
}
END_TEST

START_TEST(group_that_was_decided_before_a_crash_is_taken_for_what_it_is)
{
	char gid[65];

	submit(1, PIVOT);
	sync();
	SAY("a0", "hold", DONE);
	sync();
	VOTE("a0", "pay.debit", PREPARED);
	VOTE("a1", "pay.credit", PREPARED);
	sync();
	snprintf(gid, sizeof gid, "%s", group_gid("pay.debit"));
	world_crash_restart();
	world_two_agents();
	sync();
	ck_assert_uint_eq(world_sent(gid, "pay.debit", COMMAND_PREPARE), 1);
	VOTE("a0", "pay.debit", COMMITTED);
	VOTE("a1", "pay.credit", COMMITTED);
	sync();
	ck_assert_uint_eq(SENT("mail", DO), 1);
}
END_TEST

START_TEST(group_that_was_not_decided_before_a_crash_begins_anew_under_another_name)
{
	char gid[65];

	submit(1, PIVOT);
	sync();
	SAY("a0", "hold", DONE);
	sync();
	VOTE("a0", "pay.debit", PREPARED);
	pass(50);
	sync();
	snprintf(gid, sizeof gid, "%s", group_gid("pay.debit"));
	world_crash_restart();
	world_two_agents();
	sync();
	ck_assert_str_ne(group_gid("pay.debit"), gid);
	ck_assert_uint_eq(world_sent(group_gid("pay.debit"), "pay.debit", COMMAND_PREPARE), 1);
}
END_TEST

START_TEST(groups_of_sagas_are_not_listed_but_shown_with_their_saga)
{
	submit(1, PIVOT);
	sync();
	SAY("a0", "hold", DONE);
	sync();
	engine_list(w.e, 5, &(struct list_query){.limit = 10});
	engine_get(w.e, 6, "g", 0);
	sync();
	ck_assert_ptr_null(strstr(world_answer(5)->json, "\"gid\":\"settle."));
	ck_assert_ptr_nonnull(strstr(world_answer(6)->json, "\"transaction\":\"settle."));
}
END_TEST

START_TEST(expression_that_runs_away_fails_its_saga_with_a_reason)
{
	submit(1, "{workflow: bad, steps: [{name: a, resource: r0, operation: op, args: {x: "
		  "'${(function() while true do end end)()}'}, compensate: none}]}");
	ENDS("rolled_back");
	ck_assert_ptr_nonnull(strstr(world_answer(1)->reason, "step a"));
}
END_TEST

START_TEST(step_whose_when_is_false_is_skipped)
{
	submit(1, "{workflow: w, steps: [{name: a, resource: r0, operation: op, args: {x: 1}, "
		  "when: '${1 > 2}', compensate: none}]}");
	ENDS("committed");
	ck_assert_uint_eq(SENT("a", DO), 0);
}
END_TEST

START_TEST(saga_without_steps_is_committed_at_once_but_answered_when_that_is_durable)
{
	static const char empty[] = "{workflow: w, steps: []}";

	submit(1, empty);
	ck_assert_ptr_null(world_answer(1));
	world_crash_restart(); /* nothing was durable */
	submit(2, empty);
	ck_assert_ptr_null(world_answer(2));
	sync();
	ck_assert_int_eq(world_answer(2)->code, ANSWER_FINISHED);
	STATUS("committed");
	world_crash_restart();
	STATUS("committed");
	submit(3, empty);
	ck_assert_int_eq(world_answer(3)->code, ANSWER_FINISHED);
}
END_TEST

START_TEST(deadline_undoes_a_saga)
{
	submit(1, "{workflow: w, deadline: 5s, steps: [{name: a, resource: r7, operation: op, "
		  "args: {x: 1}, compensate: none}]}");
	ck_assert_int_eq(world_answer(1)->code, ANSWER_INVALID); /* nobody serves r7 */
	submit(2, "{workflow: w, deadline: 20s, steps: [{name: a, resource: r0, operation: op, "
		  "args: {x: 1}, compensate: {operation: op, args: {x: 2}}, "
		  "retry: {attempts: 1000}}]}");
	sync();
	pass(60000);
	sync();
	ck_assert_uint_ge(SENT("a", UNDO), 1);
	STATUS("rolling_back");
}
END_TEST

START_TEST(restarted_agent_makes_the_attempt_unknown_and_the_next_one_goes_to_it)
{
	submit_two();
	sync();
	world_agent("a0", 2, "r0", true);
	world_poll("a0", 2, 100);
	pass(2000);
	ck_assert_uint_eq(SENT("hotel", DO), 2);
	world_result("a0", 2, "g", "hotel", RESULT_REFUSED, "no"); /* not exact: no proof */
	sync();
	ck_assert_uint_eq(SENT("hotel", UNDO), 1);
}
END_TEST

START_TEST(lost_connection_sends_the_same_attempt_to_the_same_agent)
{
	submit_two();
	sync();
	world_pipe_lost("a0");
	world_poll("a0", 1, 100);
	ck_assert_uint_eq(SENT("hotel", DO), 2);
	ck_assert_uint_eq(world_last("g", "hotel")->attempt, 1);
}
END_TEST

START_TEST(work_waits_for_an_agent_without_using_up_attempts)
{
	world_pipe_lost("a0");
	submit_two();
	sync();
	world_pass(100000);
	ck_assert_uint_eq(SENT("hotel", DO), 0);
	engine_get(w.e, 5, "g", 0);
	sync();
	ck_assert_ptr_nonnull(strstr(world_answer(5)->json, "\"queued\":true"));
	world_agent("a0", 1, "r0", true);
	world_poll("a0", 1, 100);
	ck_assert_uint_eq(world_last("g", "hotel")->attempt, 1);
	engine_get(w.e, 6, "g", 0);
	sync();
	ck_assert_ptr_null(strstr(world_answer(6)->json, "queued"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("engine-sagas");
	TCase *tc = tcase_create("histories");

	tcase_add_checked_fixture(tc, world_setup, world_stop);
	tcase_add_test(tc, nothing_is_sent_before_its_intent_is_durable);
	tcase_add_test(tc, saga_that_ran_to_its_end_is_committed_once_that_is_durable);
	tcase_add_test(tc, refused_step_is_undone_with_the_outputs_of_what_was_done);
	tcase_add_test(tc, lost_answer_is_tried_again_and_then_undone);
	tcase_add_test(tc, passing_fault_is_tried_again_after_a_pause);
	tcase_add_test(tc, restart_sends_what_was_unanswered_again_under_the_same_key);
	tcase_add_test(tc, saga_whose_first_record_was_lost_was_never_there);
	tcase_add_test(tc, counts_of_attempts_survive_a_restart);
	tcase_add_test(tc, undoing_goes_on_after_a_restart);
	tcase_add_test(tc, atomic_group_is_a_step_and_its_commit_is_the_pivot);
	tcase_add_test(tc, refused_branch_of_a_group_undoes_the_saga);
	tcase_add_test(tc, group_that_met_a_lock_is_tried_again_and_not_undone);
	tcase_add_test(tc, late_no_for_a_passing_cause_in_one_phase_is_no_word_about_the_business);
	tcase_add_test(tc, group_that_was_decided_before_a_crash_is_taken_for_what_it_is);
	tcase_add_test(tc,
		       group_that_was_not_decided_before_a_crash_begins_anew_under_another_name);
	tcase_add_test(tc, groups_of_sagas_are_not_listed_but_shown_with_their_saga);
	tcase_add_test(tc, expression_that_runs_away_fails_its_saga_with_a_reason);
	tcase_add_test(tc, step_whose_when_is_false_is_skipped);
	tcase_add_test(tc,
		       saga_without_steps_is_committed_at_once_but_answered_when_that_is_durable);
	tcase_add_test(tc, deadline_undoes_a_saga);
	tcase_add_test(tc, restarted_agent_makes_the_attempt_unknown_and_the_next_one_goes_to_it);
	tcase_add_test(tc, lost_connection_sends_the_same_attempt_to_the_same_agent);
	tcase_add_test(tc, work_waits_for_an_agent_without_using_up_attempts);
	suite_add_tcase(suite, tc);
	return suite_run(suite, NULL, NULL);
}
