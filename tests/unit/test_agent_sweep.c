/* test_agent_sweep.c - the agent's core: sweeps and inquiries. */
#include "tests/lib/agent_world.h"

#include <stdio.h>
#include <string.h>

/* ---- sweeps ---- */

START_TEST(an_orphan_is_asked_about_until_there_is_a_verdict)
{
	SECONDS(5);
	FINDS("old");
	SAID("ask old 7;");
	VERDICT("old", WAIT);
	SAID("");
	REPLY_ALL(); /* to the poll with the question */
	SECONDS(5);
	FINDS("old");
	SAID("ask old 7;");
	VERDICT("old", ABORT);
	FINISH("rollback old", ROLLED_BACK, NULL);
	SAID("rolled_back old;");
	NO_CALLS();
}
END_TEST

START_TEST(a_question_that_is_on_its_way_is_not_asked_twice)
{
	SECONDS(5);
	FINDS("old", "old");
	SAID("ask old 7;");
	SECONDS(5);
	FINDS("old");
	SAID("");
	agent_connected(aw.agent, false);
	aw_lose_all();
	agent_connected(aw.agent, true);
	SECONDS(1);
	SAID("hello ready;ask old 7;"); /* lost with its poll: asked again */
}
END_TEST

START_TEST(a_branch_that_waits_here_is_asked_about_only_after_a_while)
{
	SECONDS(4);
	PREPARED("t1");
	SECONDS(1);
	FINDS("t1");
	SAID("");
	SECONDS(5);
	FINDS("t1");
	SAID("ask t1 7;");
}
END_TEST

START_TEST(a_branch_that_is_worked_on_is_not_asked_about)
{
	PREPARED("t2");
	PREPARE("t1");
	COMMIT("t2");
	SECONDS(60);
	CALLED("prepare t1");
	CALLED("commit t2");
	FINDS("t1", "t2");
	SAID("");
}
END_TEST

START_TEST(a_branch_that_ended_while_the_sweep_looked_is_left_alone)
{
	PREPARED("t1");
	SECONDS(5);
	ROLLBACK("t1");
	ck_assert_str_eq(aw.calls[0].text, "list");
	{
		const struct aw_call list = aw_take("list");

		FINISH("rollback t1", ROLLED_BACK, NULL);
		SAID("rolled_back t1;");
		list.listed(RC_OK, &(struct branch_id){"bank", "t1", AW_EPOCH, "pay.debit"}, 1,
			    list.arg);
	}
	SAID("");
}
END_TEST

START_TEST(a_zombie_that_appears_behind_its_tombstone_is_asked_about_and_ended)
{
	ROLLBACK("t1");
	FINISH("rollback t1", ROLLED_BACK, NULL);
	SAID("rolled_back t1;");
	SECONDS(5);
	FINDS("t1");
	SAID("ask t1 7;");
	PREPARE("t1"); /* still not run */
	VERDICT("t1", ABORT);
	FINISH("rollback t1", ROLLED_BACK, NULL);
	SAID("rolled_back t1;");
	NO_CALLS();
}
END_TEST

START_TEST(a_branch_that_another_agent_ended_takes_no_room)
{
	char gid[20];

	for (int i = 0; i < 2 * AW_WINDOW; i++) {
		snprintf(gid, sizeof gid, "t%d", i);
		PREPARED(gid);
	}
	PREPARE("more");
	SAID("retry more !;");
	SECONDS(5);
	FINDS("t0");
	SAID("ask t0 7;");
	PREPARE("next");
	CALLED("prepare next");
	COMMIT_AGAIN("t3"); /* a decision for one that is gone still goes to the resource */
	FINISH("commit t3 repeat", COMMITTED, NULL);
	SAID("committed t3;");
}
END_TEST

START_TEST(a_branch_prepared_during_the_sweep_is_not_taken_for_gone)
{
	SECONDS(5);
	{
		const struct aw_call list = aw_take("list");

		PREPARED("t1");
		list.listed(RC_OK, NULL, 0, list.arg);
	}
	PREPARE("t1");
	SAID("prepared t1;"); /* still waiting */
}
END_TEST

START_TEST(a_failed_list_concludes_nothing_and_is_tried_again)
{
	PREPARED("t1");
	SECONDS(5);
	{
		const struct aw_call list = aw_take("list");

		list.listed(RC_IO, NULL, 0, list.arg);
	}
	SAID("");
	PREPARE("t1");
	SAID("prepared t1;");
	NO_CALLS();
	SECONDS(5);
	FINDS("t1");
	SAID("ask t1 7;");
}
END_TEST

START_TEST(sweeps_never_overlap_and_a_wanted_one_follows)
{
	SECONDS(5);
	SECONDS(60);
	aw.epoch = AW_EPOCH + 1;
	REPLY();
	ck_assert_uint_eq(aw.n_calls, 1);
	FINDS_NOTHING();
	ck_assert_uint_eq(aw.n_calls, 1); /* the one that the epoch wanted */
	FINDS_NOTHING();
	NO_CALLS();
	agent_ready(aw.served, "gone");
	SECONDS(60);
	NO_CALLS();
	agent_ready(aw.served, NULL);
	agent_turn(aw.agent);
	FINDS_NOTHING();
}
END_TEST

START_TEST(a_once_of_unknown_outcome_that_no_sweep_lists_is_not_refused)
{
	ONCE("t1");
	FINISH("once t1", UNKNOWN, "?");
	SAID("unknown t1 !;");
	REPLY_ALL();
	SECONDS(5);
	FINDS_NOTHING();
	ONCE("t1");
	SAID("");
	SETTLE("t1");
	FINISH("settle t1", COMMITTED, NULL);
	SAID("committed t1;");
	NO_CALLS();
}
END_TEST

START_TEST(what_a_list_finds_is_checked)
{
	const struct branch_id odd = {"bank", "not a gid", AW_EPOCH, "b"};

	SECONDS(5);
	{
		const struct aw_call list = aw_take("list");

		list.listed(RC_OK, &odd, 1, list.arg);
	}
	SAID("");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		an_orphan_is_asked_about_until_there_is_a_verdict,
		a_question_that_is_on_its_way_is_not_asked_twice,
		a_branch_that_waits_here_is_asked_about_only_after_a_while,
		a_branch_that_is_worked_on_is_not_asked_about,
		a_branch_that_ended_while_the_sweep_looked_is_left_alone,
		a_zombie_that_appears_behind_its_tombstone_is_asked_about_and_ended,
		a_branch_that_another_agent_ended_takes_no_room,
		a_branch_prepared_during_the_sweep_is_not_taken_for_gone,
		a_failed_list_concludes_nothing_and_is_tried_again,
		sweeps_never_overlap_and_a_wanted_one_follows,
		a_once_of_unknown_outcome_that_no_sweep_lists_is_not_refused,
		what_a_list_finds_is_checked,
		NULL};

	return aw_run("agent sweep", aw_setup_sweeps, tests);
}
