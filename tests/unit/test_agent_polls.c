/* test_agent_polls.c - the agent's core: what it refuses, epochs, polls, the end. */
#include "tests/lib/agent_world.h"

#include <stdio.h>
#include <string.h>

/* ---- what is refused ---- */

START_TEST(work_for_a_resource_that_cannot_serve_is_refused)
{
	struct command c = {
		.kind = COMMAND_PREPARE, .id = {"other", "t1", AW_EPOCH, "b"}, .operation = "x"};
	struct reply r = aw_reply_empty();

	agent_ready(aw.served, "max_prepared_transactions is 0");
	SAID("hello;");
	PREPARE("t1");
	SAID("retry t1 !;");
	ONCE("t2");
	SAID("retry t2 !;");
	COMMIT("t3");
	SAID("unknown t3 !;");
	r.commands = &c;
	r.n_commands = 1;
	aw_reply(&r);
	SAID("retry t1 !;");
	c.kind = COMMAND_ROLLBACK;
	aw_reply(&r);
	SAID("unknown t1 !;");
	NO_CALLS();
}
END_TEST

START_TEST(work_that_was_refused_is_not_run_when_its_duplicate_comes)
{
	agent_ready(aw.served, "gone");
	SAID("hello;");
	PREPARE("t1");
	SAID("retry t1 !;");
	agent_ready(aw.served, NULL);
	SAID("hello ready;");
	REPLY_ALL();
	PREPARE("t1");
	SAID("retry t1 !;");
	NO_CALLS();
}
END_TEST

START_TEST(a_prepare_of_another_epoch_than_its_reply_is_refused)
{
	aw_command(COMMAND_PREPARE, "t1", AW_EPOCH - 1, false);
	SAID("retry t1 !;");
	aw_command(COMMAND_PREPARE, "t2", AW_EPOCH + 1, false);
	SAID("retry t2 !;");
	NO_CALLS();
}
END_TEST

START_TEST(work_beyond_twice_the_window_is_refused)
{
	char gid[20];

	for (int i = 0; i < 2 * AW_WINDOW; i++) {
		snprintf(gid, sizeof gid, "t%d", i);
		PREPARE(gid);
	}
	ck_assert_uint_eq(aw.n_calls, 2 * AW_WINDOW);
	SAID("");
	PREPARE("more");
	SAID("retry more !;");
	ck_assert_uint_eq(aw.n_calls, 2 * AW_WINDOW);
}
END_TEST

START_TEST(a_full_table_refuses_and_forgets_nothing)
{
	struct branches t = {0};
	struct branch *b;
	char gid[20];

	for (int i = 0; i < BRANCHES_MAX; i++) {
		snprintf(gid, sizeof gid, "t%d", i);
		b = branches_add(&t, &(struct branch_id){"r", gid, 1, "b"}, NULL, STAGE_WORKING, 5);
		branch_bury(&t, b, END_ROLLED_BACK, NULL, 5);
	}
	ck_assert_ptr_null(
		branches_add(&t, &(struct branch_id){"r", "x", 1, "b"}, NULL, STAGE_WORKING, 5));
	branches_expire(&t, 5 + TOMBSTONE_US - 1);
	ck_assert_ptr_nonnull(branches_find(&t, &(struct branch_id){"r", "t0", 1, "b"}));
	ck_assert_ptr_null(branches_find(&t, &(struct branch_id){"r", "t0", 2, "b"}));
	branches_expire(&t, 5 + TOMBSTONE_US);
	ck_assert_ptr_null(branches_find(&t, &(struct branch_id){"r", "t0", 1, "b"}));
	branches_fini(&t);
}
END_TEST

/* ---- epochs and replies ---- */

START_TEST(a_coordinator_of_an_older_epoch_is_not_listened_to)
{
	PREPARE("t1");
	FINISH("prepare t1", PREPARED, NULL);
	SAID("prepared t1 +;");
	aw.epoch = AW_EPOCH - 1;
	while (aw.n_seqs > 0)
		COMMIT("t1");
	NO_CALLS();
	SAID(""); /* the pause after a refusal */
	aw.epoch = AW_EPOCH;
	SECONDS(2);
	SAID("prepared t1 +;"); /* it was not acknowledged */
}
END_TEST

START_TEST(a_rising_epoch_asks_about_all_that_wait_at_once)
{
	PREPARED("t1");
	PREPARE("t2");
	aw.epoch = AW_EPOCH + 1;
	REPLY();
	SAID("ask t1 7;");
	FINISH("prepare t2", PREPARED, NULL); /* of the coordinator that was */
	SAID("prepared t2 +;ask t2 7;");
	VERDICT("t1", COMMIT);
	FINISH("commit t1 repeat", COMMITTED, NULL);
	SAID("committed t1;");
	VERDICT("t2", ABORT);
	FINISH("rollback t2", ROLLED_BACK, NULL);
	SAID("rolled_back t2;");
}
END_TEST

START_TEST(replies_with_errors_or_of_others_acknowledge_nothing)
{
	struct reply r = {.cluster = "", .error = "the bytes are not a frame"};

	PREPARE("t1");
	FINISH("prepare t1", PREPARED, NULL);
	SAID("prepared t1 +;");
	while (aw.n_seqs > 0)
		aw_reply(&r);
	SAID("");
	ck_assert_uint_le(agent_due(aw.agent), aw.now + 1 * AW_SECOND);
	SECONDS(1);
	SAID("prepared t1 +;");
	r = (struct reply){.cluster = "other", .epoch = 99, .error = ""};
	while (aw.n_seqs > 0)
		aw_reply(&r);
	SECONDS(1);
	SAID("prepared t1 +;");
	ck_assert_str_eq(aw.superseded, "");
	r = (struct reply){
		.cluster = "settle", .epoch = AW_EPOCH, .error = "superseded: a newer one"};
	aw_reply(&r);
	ck_assert_str_eq(aw.superseded, "superseded: a newer one");
}
END_TEST

START_TEST(what_a_lost_poll_carried_goes_again)
{
	PREPARE("t1");
	FINISH("prepare t1", PREPARED, NULL);
	SAID("prepared t1 +;");
	agent_connected(aw.agent, false);
	aw_lose_all();
	SECONDS(60);
	SAID("");
	ck_assert_uint_eq(aw.n_seqs, 0); /* none without a connection */
	agent_connected(aw.agent, true);
	SAID("hello ready;prepared t1 +;");
}
END_TEST

START_TEST(two_polls_are_kept_and_more_carry_what_is_new)
{
	char gid[20], text[40];

	agent_turn(aw.agent);
	ck_assert_uint_eq(aw.n_seqs, 2);
	for (int i = 0; i < 8; i++) {
		snprintf(gid, sizeof gid, "t%d", i);
		PREPARE(gid);
	}
	ck_assert_uint_eq(aw.n_seqs, 2);
	for (int i = 0; i < 8; i++) {
		snprintf(text, sizeof text, "prepare t%d", i);
		FINISH(text, PREPARED, NULL);
		ck_assert_uint_le(aw.n_seqs, AGENT_POLLS_MAX);
	}
	ck_assert_uint_eq(aw.n_seqs, AGENT_POLLS_MAX);
	SAID("prepared t0 +;prepared t1 +;prepared t2 +;prepared t3 +;prepared t4 +;prepared t5 "
	     "+;");
	REPLY();
	SAID("prepared t6 +;prepared t7 +;"); /* together */
}
END_TEST

START_TEST(hello_goes_up_when_wanted_and_when_readiness_changes)
{
	struct reply r = aw_reply_empty();

	r.want_hello = true;
	aw_reply(&r);
	SAID("hello ready;");
	agent_ready(aw.served, "gone");
	agent_ready(aw.served, "gone");
	SAID("hello;");
	agent_ready(aw.served, "gone otherwise");
	SAID("hello;");
	agent_ready(aw.served, NULL);
	SAID("hello ready;");
	agent_ready(aw.served, NULL);
	SAID("");
}
END_TEST

/* ---- the end ---- */

START_TEST(a_stopping_agent_takes_no_work_and_sends_what_it_owes)
{
	PREPARE("t1");
	agent_stop(aw.agent);
	ck_assert(!agent_idle(aw.agent));
	PREPARE("t2");
	SAID("retry t2 !;");
	ck_assert_uint_eq(aw.window, 0);
	COMMIT("t3");
	SAID("unknown t3 !;");
	FINISH("prepare t1", PREPARED, NULL);
	SAID("prepared t1 +;");
	ck_assert(!agent_idle(aw.agent)); /* just sent */
	SECONDS(1);
	ck_assert(agent_idle(aw.agent));
	NO_CALLS();
}
END_TEST

START_TEST(a_stopping_agent_without_a_connection_does_not_wait)
{
	PREPARE("t1");
	FINISH("prepare t1", PREPARED, NULL);
	agent_connected(aw.agent, false);
	aw_lose_all();
	agent_stop(aw.agent);
	ck_assert(agent_idle(aw.agent));
}
END_TEST

START_TEST(a_refusal_on_its_way_is_not_outlived_by_another_try)
{
	struct command c = {.kind = COMMAND_ONCE,
			    .id = {"bank", "t1", aw.epoch, "pay.debit"},
			    .operation = "debit",
			    .args = {"{}", 2},
			    .timeout_ms = 1000,
			    .repeat = true};
	struct reply r = {.cluster = "settle",
			  .epoch = aw.epoch,
			  .error = "",
			  .commands = &c,
			  .n_commands = 1};

	ONCE("t1");
	FINISH("once t1", REFUSED, "too little money");
	agent_turn(aw.agent);
	agent_connected(aw.agent, false);
	aw_lose_all();
	SECONDS(61); /* its tombstone is gone, its refusal has not been acknowledged */
	agent_connected(aw.agent, true);
	agent_turn(aw.agent);
	ck_assert_uint_ge(aw.n_seqs, 2);
	agent_reply(aw.agent, aw.seqs[1], &r); /* not to the poll that carries it */
	agent_turn(aw.agent);
	ck_assert_uint_eq(aw.n_calls, 0);
}
END_TEST

START_TEST(the_adapter_itself_says_whether_it_has_one_phase)
{
	aw.one_phase = false;
	agent_ready(aw.served, "the barrier table is gone");
	agent_turn(aw.agent);
	ck_assert(!aw.told_one_phase);
	aw.one_phase = true;
	agent_ready(aw.served, NULL);
	agent_turn(aw.agent);
	ck_assert(aw.told_one_phase);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {work_for_a_resource_that_cannot_serve_is_refused,
				      work_that_was_refused_is_not_run_when_its_duplicate_comes,
				      a_prepare_of_another_epoch_than_its_reply_is_refused,
				      work_beyond_twice_the_window_is_refused,
				      a_full_table_refuses_and_forgets_nothing,
				      a_coordinator_of_an_older_epoch_is_not_listened_to,
				      a_rising_epoch_asks_about_all_that_wait_at_once,
				      replies_with_errors_or_of_others_acknowledge_nothing,
				      what_a_lost_poll_carried_goes_again,
				      two_polls_are_kept_and_more_carry_what_is_new,
				      hello_goes_up_when_wanted_and_when_readiness_changes,
				      a_stopping_agent_takes_no_work_and_sends_what_it_owes,
				      a_stopping_agent_without_a_connection_does_not_wait,
				      a_refusal_on_its_way_is_not_outlived_by_another_try,
				      the_adapter_itself_says_whether_it_has_one_phase,
				      NULL};

	return aw_run("agent polls", aw_setup, tests);
}
