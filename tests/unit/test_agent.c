/* test_agent.c - the agent's core: work and decisions. */
#include "tests/lib/agent_world.h"

#include <stdio.h>
#include <string.h>

/* ---- work and decisions ---- */

START_TEST(a_branch_is_prepared_and_committed)
{
	PREPARE("t1");
	SAID("");
	FINISH("prepare t1", PREPARED, NULL);
	SAID("prepared t1 +;");
	COMMIT("t1");
	FINISH("commit t1", COMMITTED, NULL);
	SAID("committed t1;");
	NO_CALLS();
}
END_TEST

START_TEST(a_branch_is_prepared_and_rolled_back)
{
	PREPARED("t1");
	ROLLBACK("t1");
	FINISH("rollback t1", ROLLED_BACK, NULL);
	SAID("rolled_back t1;");
}
END_TEST

START_TEST(a_duplicate_prepare_runs_once)
{
	PREPARE("t1");
	PREPARE("t1");
	CALLED("prepare t1");
	NO_CALLS();
}
END_TEST

START_TEST(a_duplicate_prepare_repeats_the_vote_only_after_it_was_acknowledged)
{
	PREPARE("t1");
	FINISH("prepare t1", PREPARED, NULL);
	SAID("prepared t1 +;");
	PREPARE("t1"); /* answers the poll before the one with the vote */
	SAID("");
	REPLY_ALL();
	PREPARE("t1");
	SAID("prepared t1;");
	NO_CALLS();
}
END_TEST

START_TEST(a_refusal_is_repeated_with_its_reason_and_never_run_again)
{
	PREPARE("t1");
	FINISH("prepare t1", REFUSED, "too little money");
	SAID("refused t1 !;");
	REPLY_ALL();
	PREPARE("t1");
	SAID("refused t1 !;");
	NO_CALLS();
}
END_TEST

START_TEST(a_prepare_overtaken_by_its_rollback_is_refused)
{
	ROLLBACK("t1");
	PREPARE("t1"); /* while the rollback is under way: its result will tell */
	FINISH("rollback t1", ROLLED_BACK, NULL);
	SAID("rolled_back t1;");
	REPLY_ALL();
	PREPARE("t1");
	SAID("refused t1 !;");
	NO_CALLS();
}
END_TEST

START_TEST(a_prepare_is_not_run_after_a_rollback_of_unknown_outcome)
{
	ROLLBACK("t1");
	FINISH("rollback t1", UNKNOWN, "connection lost");
	SAID("unknown t1 !;");
	REPLY_ALL();
	PREPARE("t1");
	SAID("");
	NO_CALLS();
	ROLLBACK("t1");
	FINISH("rollback t1", ROLLED_BACK, NULL);
	SAID("rolled_back t1;");
}
END_TEST

START_TEST(a_prepare_is_not_run_after_a_rollback_that_found_the_resource_away)
{
	agent_ready(aw.served, "gone");
	SAID("hello;");
	ROLLBACK("t1");
	SAID("unknown t1 !;");
	agent_ready(aw.served, NULL);
	SAID("hello ready;");
	PREPARE("t1");
	SAID("");
	NO_CALLS();
}
END_TEST

START_TEST(a_tombstone_is_forgotten_after_twice_the_life_of_a_poll_and_not_before)
{
	ROLLBACK("t1");
	FINISH("rollback t1", ROLLED_BACK, NULL);
	SAID("rolled_back t1;");
	REPLY_ALL();
	ck_assert_uint_le(agent_due(aw.agent), aw.now + TOMBSTONE_US);
	aw_wait(TOMBSTONE_US - 1);
	PREPARE("t1");
	SAID("refused t1 !;");
	REPLY_ALL();
	aw_wait(1);
	PREPARE("t1");
	CALLED("prepare t1");
}
END_TEST

START_TEST(a_rollback_during_the_prepare_cancels_it_and_then_rolls_back)
{
	PREPARE("t1");
	ROLLBACK("t1");
	ROLLBACK("t1"); /* again: one cancel, one rollback */
	FINISH("prepare t1", PREPARED, NULL);
	CALLED("cancel t1");
	SAID("");
	FINISH("rollback t1", ROLLED_BACK, NULL);
	SAID("rolled_back t1;");
	NO_CALLS();
}
END_TEST

START_TEST(a_cancelled_prepare_that_was_refused_is_rolled_back_already)
{
	PREPARE("t1");
	ROLLBACK("t1");
	FINISH("prepare t1", REFUSED, "cancelled");
	CALLED("cancel t1");
	SAID("rolled_back t1 !;");
	NO_CALLS();
}
END_TEST

START_TEST(a_cancelled_prepare_of_unknown_outcome_is_rolled_back)
{
	PREPARE("t1");
	ROLLBACK("t1");
	FINISH("prepare t1", UNKNOWN, "?");
	CALLED("cancel t1");
	FINISH("rollback t1", ROLLED_BACK, NULL);
	SAID("rolled_back t1;");
}
END_TEST

START_TEST(an_unknown_vote_is_told_and_never_becomes_a_yes)
{
	PREPARE("t1");
	FINISH("prepare t1", UNKNOWN, "connection lost");
	SAID("unknown t1 !;");
	REPLY_ALL();
	PREPARE("t1");
	SAID("");
	NO_CALLS();
	ROLLBACK("t1");
	CALLED("rollback t1");
}
END_TEST

START_TEST(a_commit_of_a_branch_from_before_the_restart_goes_to_the_adapter)
{
	COMMIT("t1");
	FINISH("commit t1", UNKNOWN, "busy");
	SAID("unknown t1 !;");
	COMMIT("t1"); /* it was tried here: no such branch now means done */
	FINISH("commit t1 repeat", COMMITTED, NULL);
	SAID("committed t1;");
	COMMIT_AGAIN("t1");
	SAID("committed t1;");
	NO_CALLS();
}
END_TEST

START_TEST(commands_that_come_during_a_call_do_not_begin_another)
{
	PREPARED("t1");
	COMMIT("t1");
	COMMIT_AGAIN("t1");
	FINISH("commit t1", COMMITTED, NULL);
	SAID("committed t1;");
	NO_CALLS();
}
END_TEST

START_TEST(what_contradicts_a_decision_is_a_hazard)
{
	PREPARED("t1");
	COMMIT("t1");
	FINISH("commit t1", COMMITTED, NULL);
	SAID("committed t1;");
	ROLLBACK("t1");
	SAID("hazard t1 !;");
	ROLLBACK("t2");
	FINISH("rollback t2", ROLLED_BACK, NULL);
	SAID("rolled_back t2;");
	COMMIT_AGAIN("t2");
	SAID("hazard t2 !;");
	PREPARED("t3");
	COMMIT("t3");
	FINISH("commit t3", HAZARD, "it vanished");
	SAID("hazard t3 !;");
	COMMIT_AGAIN("t3");
	SAID("hazard t3 !;");
	NO_CALLS();
}
END_TEST

START_TEST(a_commit_after_a_rollback_that_was_tried_is_no_repeat)
{
	PREPARED("t1");
	ROLLBACK("t1");
	FINISH("rollback t1", UNKNOWN, "?");
	SAID("unknown t1 !;");
	COMMIT_AGAIN("t1");
	CALLED("commit t1");
	NO_CALLS();
}
END_TEST

START_TEST(a_rollback_after_a_commit_that_was_tried_is_a_hazard)
{
	PREPARED("t1");
	COMMIT("t1");
	FINISH("commit t1", UNKNOWN, "?");
	SAID("unknown t1 !;");
	ROLLBACK("t1");
	SAID("hazard t1 !;");
	NO_CALLS();
}
END_TEST

START_TEST(read_only_branches_are_over_with_their_vote)
{
	PREPARE("t1");
	FINISH("prepare t1", READ_ONLY, NULL);
	SAID("read_only t1;");
	REPLY_ALL();
	PREPARE("t1");
	SAID("read_only t1;");
	COMMIT("t1");
	SAID("committed t1;");
	ROLLBACK("t1");
	SAID("rolled_back t1;");
	NO_CALLS();
}
END_TEST

START_TEST(once_never_runs_twice)
{
	ONCE("t1");
	ONCE("t1");
	FINISH("once t1", COMMITTED, NULL);
	SAID("committed t1;");
	REPLY_ALL();
	ONCE("t1");
	SAID("committed t1;");
	SETTLE("t1");
	SAID("committed t1;");
	ONCE("t2");
	FINISH("once t2", UNKNOWN, "?");
	SAID("unknown t2 !;");
	ONCE("t2");
	SAID("");
	SETTLE("t2");
	FINISH("settle t2", ROLLED_BACK, NULL);
	SAID("rolled_back t2;");
	REPLY_ALL();
	ONCE("t2");
	SAID("refused t2 !;");
	NO_CALLS();
}
END_TEST

START_TEST(a_settle_during_once_cancels_and_takes_its_answer)
{
	ONCE("t1");
	SETTLE("t1");
	FINISH("once t1", COMMITTED, NULL);
	CALLED("cancel t1");
	SAID("committed t1;");
	ONCE("t2");
	SETTLE("t2");
	FINISH("once t2", UNKNOWN, "?");
	CALLED("cancel t2");
	FINISH("settle t2", COMMITTED, NULL);
	SAID("committed t2;");
	NO_CALLS();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_branch_is_prepared_and_committed,
		a_branch_is_prepared_and_rolled_back,
		a_duplicate_prepare_runs_once,
		a_duplicate_prepare_repeats_the_vote_only_after_it_was_acknowledged,
		a_refusal_is_repeated_with_its_reason_and_never_run_again,
		a_prepare_overtaken_by_its_rollback_is_refused,
		a_prepare_is_not_run_after_a_rollback_of_unknown_outcome,
		a_prepare_is_not_run_after_a_rollback_that_found_the_resource_away,
		a_tombstone_is_forgotten_after_twice_the_life_of_a_poll_and_not_before,
		a_rollback_during_the_prepare_cancels_it_and_then_rolls_back,
		a_cancelled_prepare_that_was_refused_is_rolled_back_already,
		a_cancelled_prepare_of_unknown_outcome_is_rolled_back,
		an_unknown_vote_is_told_and_never_becomes_a_yes,
		a_commit_of_a_branch_from_before_the_restart_goes_to_the_adapter,
		commands_that_come_during_a_call_do_not_begin_another,
		what_contradicts_a_decision_is_a_hazard,
		a_commit_after_a_rollback_that_was_tried_is_no_repeat,
		a_rollback_after_a_commit_that_was_tried_is_a_hazard,
		read_only_branches_are_over_with_their_vote,
		once_never_runs_twice,
		a_settle_during_once_cancels_and_takes_its_answer,
		NULL};

	return aw_run("agent work", aw_setup, tests);
}
