/* test_engine_agents.c - the engine and its agents: who is sent what, and whose word counts. */
#include "tests/lib/engine_world.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

START_TEST(a_lost_connection_sends_again_at_once_to_the_same_incarnation)
{
	world_submit(1, "g", 2, WAIT_FINISHED, 0);
	world_pipe_lost("a0");
	world_poll("a0", 1, 100);
	ck_assert_uint_eq(SENT("t.b0", PREPARE), 2);
	YES("a0", "t.b0");
	YES("a1", "t.b1");
	world_sync();
	ck_assert_uint_eq(SENT("t.b0", COMMIT), 1);
}
END_TEST

START_TEST(an_agent_that_starts_anew_before_its_vote_rolls_back)
{
	world_submit(1, "g", 2, WAIT_FINISHED, 0);
	YES("a1", "t.b1");
	world_agent("a0", 2, "r0", true);
	world_sync();
	world_poll("a0", 2, 100);
	STATUS("rolling_back");
	ck_assert_uint_eq(SENT("t.b0", PREPARE), 1);
	ck_assert_uint_eq(SENT("t.b0", ROLLBACK), 1);
	ck_assert_uint_eq(SENT("t.b1", ROLLBACK), 1);
}
END_TEST

START_TEST(an_agent_that_starts_anew_after_its_vote_is_sent_the_commit)
{
	world_submit(1, "g", 2, WAIT_FINISHED, 0);
	YES("a0", "t.b0");
	world_agent("a0", 2, "r0", true);
	YES("a1", "t.b1");
	world_sync();
	world_poll("a0", 2, 100);
	ck_assert_uint_eq(SENT("t.b0", COMMIT), 1);
	world_result("a0", 2, "g", "t.b0", RESULT_COMMITTED, "");
	DONE("a1", "t.b1");
	STATUS("committed");
}
END_TEST

/* It has forgotten which epoch it has seen, and we may have been replaced. */
START_TEST(agent_that_starts_is_sent_nothing_before_the_journal_took_something)
{
	uint64_t decision;

	world_both_yes();
	decision = memory_journal_committed(w.journal);
	world_agent("a0", 2, "r0", true);
	world_poll("a0", 2, 100);
	memory_journal_durable(w.journal, decision);
	engine_durable(w.e, decision);
	world_turn();
	ck_assert_uint_eq(SENT("t.b1", COMMIT), 1);
	ck_assert_uint_eq(SENT("t.b0", COMMIT), 0);
	world_sync();
	ck_assert_uint_eq(SENT("t.b0", COMMIT), 1);
}
END_TEST

START_TEST(an_older_process_of_the_same_name_is_refused)
{
	world_agent("a0", 5, "r0", true);
	world_poll("a0", 4, 100);
	ck_assert_ptr_nonnull(strstr(w.poll_error, "superseded"));
}
END_TEST

START_TEST(another_agent_of_the_resource_commits_what_has_voted)
{
	world_submit(1, "g", 2, WAIT_FINISHED, 0);
	YES("a0", "t.b0");
	YES("a1", "t.b1");
	world_pipe_lost("a0");
	world_agent("a2", 1, "r0", true);
	world_poll("a2", 1, 100);
	world_sync();
	ck_assert_str_eq(world_last("g", "t.b0")->agent, "a2");
}
END_TEST

START_TEST(only_its_own_agent_may_declare_an_unanswered_branch_gone)
{
	world_submit(1, "g", 2, WAIT_FINISHED, 0);
	NO("a1", "t.b1");
	world_pipe_lost("a0");
	world_agent("a2", 1, "r0", true);
	world_sync();
	ck_assert_uint_eq(SENT("t.b0", ROLLBACK), 0);
	GONE("a2", "t.b0");
	STATUS("rolling_back");
	world_poll("a0", 1, 100);
	ck_assert_uint_eq(SENT("t.b0", ROLLBACK), 1);
	GONE("a0", "t.b0");
	STATUS("rolled_back");
}
END_TEST

START_TEST(a_known_resource_without_an_agent_waits_until_the_deadline_and_says_so)
{
	world_pipe_lost("a1");
	world_submit(1, "g", 2, WAIT_FINISHED, 0);
	ck_assert_uint_eq(SENT("t.b1", PREPARE), 0);
	YES("a0", "t.b0");
	world_pass(5001);
	world_sync();
	GONE("a0", "t.b0");
	ck_assert_str_eq(world_answer(1)->status, "rolled_back");
	ck_assert_ptr_nonnull(strstr(world_answer(1)->reason, "no agent for resource r1"));
}
END_TEST

START_TEST(an_agent_that_comes_in_time_gets_what_waited_for_it)
{
	world_pipe_lost("a1");
	world_submit(1, "g", 2, WAIT_FINISHED, 0);
	world_poll("a1", 1, 100);
	ck_assert_uint_eq(SENT("t.b1", PREPARE), 1);
}
END_TEST

START_TEST(a_resource_that_is_not_ready_tells_why_in_the_reason)
{
	world_agent("a1", 1, "r1", false);
	world_submit(1, "g", 2, WAIT_FINISHED, 0);
	YES("a0", "t.b0");
	world_pass(5001);
	world_sync();
	GONE("a0", "t.b0");
	ck_assert_ptr_nonnull(strstr(world_answer(1)->reason, "its disk is on fire"));
}
END_TEST

START_TEST(a_window_is_never_overfilled_and_refills_in_order)
{
	world_agent("a0", 1, "r0", true);
	world_poll("a0", 1, 2);
	for (int i = 0; i < 4; i++) {
		char gid[16];

		snprintf(gid, sizeof gid, "n%d", i);
		world_poll("a0", 1, 2);
		world_submit((uint64_t)(10 + i), gid, 1, WAIT_FINISHED, i);
	}
	ck_assert_uint_eq(world_sent("n1", "t.b0", COMMAND_PREPARE), 1);
	ck_assert_uint_eq(world_sent("n2", "t.b0", COMMAND_PREPARE), 0);
	world_poll("a0", 1, 2);
	world_result("a0", 1, "n0", "t.b0", RESULT_REFUSED, "no");
	world_poll("a0", 1, 2);
	ck_assert_uint_eq(world_sent("n2", "t.b0", COMMAND_PREPARE), 1);
	ck_assert_uint_eq(world_sent("n3", "t.b0", COMMAND_PREPARE), 0);
}
END_TEST

START_TEST(an_undecided_branch_is_told_to_wait)
{
	world_submit(1, "g", 2, WAIT_FINISHED, 0);
	YES("a0", "t.b0");
	world_inquire("a0", 1, "r0", "g", 1, "t.b0");
	ck_assert_int_eq(w.verdicts[0].verdict, VERDICT_WAIT);
	world_inquire("a0", 1, "r0", "g", 9, "t.b0");
	ck_assert_int_eq(w.verdicts[1].verdict, VERDICT_WAIT);
}
END_TEST

START_TEST(an_orphan_of_a_committed_transaction_is_told_to_commit)
{
	world_both_yes();
	world_sync();
	DONE("a0", "t.b0");
	DONE("a1", "t.b1");
	world_inquire("a0", 1, "r0", "g", 1, "t.b0");
	ck_assert_int_eq(w.verdicts[0].verdict, VERDICT_COMMIT);
	world_pass(100);
	world_sync();
	world_inquire("a0", 1, "r0", "g", 1, "t.b0");
	ck_assert_int_eq(w.verdicts[1].verdict, VERDICT_COMMIT);
}
END_TEST

START_TEST(a_vote_from_another_agent_does_not_count)
{
	world_submit(1, "g", 2, WAIT_FINISHED, 0);
	YES("a1", "t.b0");
	YES("a1", "t.b1");
	world_sync();
	ck_assert_uint_eq(SENT("t.b1", COMMIT), 0);
}
END_TEST

START_TEST(a_poll_is_held_no_longer_than_its_time_and_surplus_goes_back)
{
	const size_t before = w.empty_frames;

	world_poll("a0", 1, 100);
	ck_assert_uint_eq(w.empty_frames, before + 1);
	world_pass(POLL_HOLD_MS + 1);
	ck_assert_uint_eq(w.empty_frames, before + 1 + 8);
}
END_TEST

START_TEST(a_first_commit_overtaken_by_its_repeat_elsewhere_is_no_hazard)
{
	world_both_yes();
	world_sync();
	DONE("a1", "t.b1");
	world_pipe_lost("a0");
	world_agent("a2", 1, "r0", true);
	world_poll("a2", 1, 100);
	ck_assert_str_eq(world_last("g", "t.b0")->agent, "a2");
	world_result("a0", 1, "g", "t.b0", RESULT_HAZARD, "gone before its first commit");
	STATUS("committing");
	world_pass(1000);
	world_result("a2", 1, "g", "t.b0", RESULT_COMMITTED, "");
	STATUS("committed");
}
END_TEST

START_TEST(a_hello_that_comes_late_does_not_undo_a_newer_one)
{
	world_agent("a1", 1, "r1", true);
	w.late = 5;
	world_agent("a1", 1, "r1", false);
	world_submit(1, "g", 2, WAIT_FINISHED, 0);
	ck_assert_uint_eq(SENT("t.b1", PREPARE), 1);
}
END_TEST

/* The branch's window place is the first agent's, whoever commits it. */
START_TEST(another_agents_commit_frees_the_place_of_the_one_that_prepared)
{
	world_poll("a0", 1, 1);
	world_submit(1, "g", 2, WAIT_FINISHED, 0);
	YES("a0", "t.b0");
	world_pipe_lost("a0");
	world_agent("a2", 1, "r0", true);
	world_poll("a2", 1, 1);
	YES("a1", "t.b1");
	world_sync();
	world_result("a2", 1, "g", "t.b0", RESULT_COMMITTED, "");
	DONE("a1", "t.b1");
	world_sync();
	STATUS("committed");
	world_poll("a2", 1, 1);
	world_submit(2, "h", 2, WAIT_FINISHED, 0);
	ck_assert_uint_eq(world_sent("h", "t.b0", COMMAND_PREPARE), 1);
	world_result("a2", 1, "h", "t.b0", RESULT_REFUSED, "no");
	world_pipe_lost("a2");
	world_poll("a0", 1, 1);
	world_poll("a0", 1, 1);
	world_submit(3, "i", 2, WAIT_FINISHED, 0);
	ck_assert_uint_eq(world_sent("i", "t.b0", COMMAND_PREPARE), 1);
}
END_TEST

START_TEST(a_once_answered_as_rolled_back_runs_again_if_it_was_accepted)
{
	w.one_phase = true;
	world_agent("a0", 1, "r0", true);
	world_submit(1, "g", 1, WAIT_ACCEPTED, 0);
	world_sync();
	ck_assert_uint_eq(SENT("t.b0", ONCE), 1);
	GONE("a0", "t.b0");
	world_sync();
	STATUS("running");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("engine agents");
	TCase *t = tcase_create("histories");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(t, world_setup, world_stop);
	tcase_add_test(t, a_lost_connection_sends_again_at_once_to_the_same_incarnation);
	tcase_add_test(t, an_agent_that_starts_anew_before_its_vote_rolls_back);
	tcase_add_test(t, an_agent_that_starts_anew_after_its_vote_is_sent_the_commit);
	tcase_add_test(t, agent_that_starts_is_sent_nothing_before_the_journal_took_something);
	tcase_add_test(t, an_older_process_of_the_same_name_is_refused);
	tcase_add_test(t, another_agent_of_the_resource_commits_what_has_voted);
	tcase_add_test(t, only_its_own_agent_may_declare_an_unanswered_branch_gone);
	tcase_add_test(t, a_known_resource_without_an_agent_waits_until_the_deadline_and_says_so);
	tcase_add_test(t, an_agent_that_comes_in_time_gets_what_waited_for_it);
	tcase_add_test(t, a_resource_that_is_not_ready_tells_why_in_the_reason);
	tcase_add_test(t, a_window_is_never_overfilled_and_refills_in_order);
	tcase_add_test(t, an_undecided_branch_is_told_to_wait);
	tcase_add_test(t, an_orphan_of_a_committed_transaction_is_told_to_commit);
	tcase_add_test(t, a_vote_from_another_agent_does_not_count);
	tcase_add_test(t, a_poll_is_held_no_longer_than_its_time_and_surplus_goes_back);
	tcase_add_test(t, a_first_commit_overtaken_by_its_repeat_elsewhere_is_no_hazard);
	tcase_add_test(t, a_hello_that_comes_late_does_not_undo_a_newer_one);
	tcase_add_test(t, another_agents_commit_frees_the_place_of_the_one_that_prepared);
	tcase_add_test(t, a_once_answered_as_rolled_back_runs_again_if_it_was_accepted);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
