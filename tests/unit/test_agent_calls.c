/* test_agent_calls.c - the agent's core: saga calls, their duplicates, and a
 * coordinator that starts again. */
#include "base/mem.h"
#include "participant/call.h"
#include "tests/lib/agent_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the plain ways ---- */

START_TEST(an_action_is_done_and_its_undo_too)
{
	DO("t1", 1);
	SAID("");
	FINISH("do t1 1", DONE, NULL);
	SAID("done t1 do:1 +;");
	UNDO("t1", 1);
	FINISH("undo t1 1", DONE, NULL);
	SAID("done t1 undo:1 +;");
	NO_CALLS();
}
END_TEST

START_TEST(every_answer_goes_up_with_its_reason)
{
	DO("t1", 1);
	FINISH("do t1 1", REFUSED, "no room");
	SAID("refused t1 do:1 !;");
	DO("t2", 3);
	FINISH("do t2 3", PENDING, NULL);
	SAID("pending t2 do:3;");
	DO("t3", 1);
	FINISH("do t3 1", UNKNOWN, "the connection broke");
	SAID("unknown t3 do:1 !;");
	DO("t4", 1);
	FINISH("do t4 1", RETRY, "too many requests");
	SAID("retry t4 do:1 !;");
}
END_TEST

START_TEST(a_wish_to_wait_goes_up_with_retry_alone)
{
	struct adapter_answer answer = {RESULT_RETRY, {NULL, 0}, "busy", 500};
	struct aw_call c;

	DO("t1", 1);
	c = aw_take("do t1 1");
	c.done(&answer, c.arg);
	SAID("retry t1 do:1 ~500 !;");
	DO("t1", 2);
	c = aw_take("do t1 2");
	answer.kind = RESULT_UNKNOWN;
	c.done(&answer, c.arg);
	SAID("unknown t1 do:2 !;");
}
END_TEST

START_TEST(an_answer_that_fits_no_call_is_unknown)
{
	DO("t1", 1);
	FINISH("do t1 1", COMMITTED, NULL);
	SAID("unknown t1 do:1 !;");
}
END_TEST

START_TEST(an_output_over_the_cap_is_left_out_and_said)
{
	char *big = mem_new(1, PAYLOAD_MAX + 1);
	const struct adapter_answer answer = {RESULT_DONE, {big, PAYLOAD_MAX + 1}, NULL, 0};
	struct aw_call c;

	DO("t1", 1);
	c = aw_take("do t1 1");
	c.done(&answer, c.arg);
	free(big);
	SAID("done t1 do:1 !;");
	DO("t1", 1);
	SAID("done t1 do:1 !;");
}
END_TEST

START_TEST(answers_to_both_directions_and_of_a_branch_go_up_side_by_side)
{
	struct command branch = {.kind = COMMAND_PREPARE,
				 .id = {"bank", "t1", AW_EPOCH, "reserve"},
				 .operation = "debit",
				 .args = {"{}", 2},
				 .timeout_ms = 1000};
	struct reply r = aw_reply_empty();

	DO("t1", 1);
	FINISH("do t1 1", DONE, NULL);
	UNDO("t1", 1);
	FINISH("undo t1 1", DONE, NULL);
	r.commands = &branch;
	r.n_commands = 1;
	aw_reply(&r);
	FINISH("prepare t1", PREPARED, NULL);
	aw_lose_all();
	SECONDS(1);
	SAID("done t1 do:1 +;done t1 undo:1 +;prepared t1 +;"
	     "prepared t1 +;done t1 undo:1 +;done t1 do:1 +;");
}
END_TEST

START_TEST(an_answer_is_sent_until_it_is_acknowledged)
{
	DO("t1", 1);
	FINISH("do t1 1", DONE, NULL);
	SAID("done t1 do:1 +;");
	aw_lose_all();
	SECONDS(1);
	SAID("done t1 do:1 +;");
	REPLY_ALL();
	SECONDS(1);
	SAID("");
}
END_TEST

START_TEST(an_agent_tells_what_its_resource_can_do)
{
	ck_assert(aw.told_calls && aw.told_exact);
	aw.no_calls = true;
	agent_ready(aw.served, "gone");
	agent_ready(aw.served, NULL);
	SAID("hello ready;");
	ck_assert(!aw.told_calls && !aw.told_exact);
}
END_TEST

/* ---- duplicates ---- */

START_TEST(an_action_under_way_is_not_begun_twice_and_answers_once)
{
	DO("t1", 1);
	DO("t1", 1);
	FINISH("do t1 1", DONE, NULL);
	NO_CALLS();
	SAID("done t1 do:1 +;");
}
END_TEST

START_TEST(the_answer_carries_the_newest_attempt_that_came)
{
	DO("t1", 1);
	DO("t1", 3);
	DO("t1", 2); /* late */
	FINISH("do t1 1", RETRY, "busy");
	SAID("retry t1 do:3 !;");
	NO_CALLS();
	UNDO("t1", 1);
	UNDO("t1", 2);
	FINISH("undo t1 1", DONE, NULL);
	SAID("done t1 undo:2 +;");
	NO_CALLS();
}
END_TEST

START_TEST(the_same_attempt_is_answered_from_memory)
{
	static const struct {
		enum result_kind kind;
		const char *reason, *said;
	} rows[] = {{RESULT_DONE, NULL, "done t1 do:1 +;"},
		    {RESULT_REFUSED, "no", "refused t1 do:1 !;"},
		    {RESULT_RETRY, "busy", "retry t1 do:1 !;"},
		    {RESULT_PENDING, NULL, "pending t1 do:1;"},
		    {RESULT_UNKNOWN, "lost", "unknown t1 do:1 !;"}};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		DO("t1", 1);
		aw_finish("do t1 1", rows[i].kind, rows[i].reason);
		SAID(rows[i].said);
		REPLY_ALL();
		DO("t1", 1);
		NO_CALLS();
		SAID(rows[i].said);
		REPLY_ALL();
		aw_wait(CALL_LIFE_US); /* forgotten: the next row begins anew */
	}
}
END_TEST

START_TEST(a_newer_attempt_runs_again)
{
	static const enum result_kind kinds[] = {RESULT_REFUSED, RESULT_RETRY, RESULT_PENDING,
						 RESULT_UNKNOWN};

	for (uint32_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		char text[20];

		DO("t1", i + 1);
		snprintf(text, sizeof text, "do t1 %u", i + 1);
		aw_finish(text, kinds[i], "so");
		REPLY_ALL();
	}
	UNDO("t1", 1);
	FINISH("undo t1 1", RETRY, "busy");
	UNDO("t1", 2);
	FINISH("undo t1 2", DONE, NULL);
}
END_TEST

START_TEST(what_is_done_answers_newer_attempts_and_is_not_done_again)
{
	DO("t1", 1);
	FINISH("do t1 1", DONE, NULL);
	SAID("done t1 do:1 +;");
	DO("t1", 2); /* the coordinator gave the first up while its answer was on its way */
	SAID("done t1 do:2 +;");
	UNDO("t1", 1);
	FINISH("undo t1 1", DONE, NULL);
	UNDO("t1", 4);
	SAID("done t1 undo:1 +;done t1 undo:4 +;");
	NO_CALLS();
}
END_TEST

START_TEST(an_attempt_overtaken_by_a_newer_one_is_ignored)
{
	DO("t1", 2);
	FINISH("do t1 2", RETRY, "busy");
	SAID("retry t1 do:2 !;");
	DO("t1", 1);
	SAID("");
	NO_CALLS();
	UNDO("t1", 2);
	FINISH("undo t1 2", RETRY, "busy");
	SAID("retry t1 undo:2 !;");
	UNDO("t1", 1);
	SAID("");
	NO_CALLS();
}
END_TEST

START_TEST(memory_ends_after_twice_the_life_of_a_poll)
{
	DO("t1", 1);
	FINISH("do t1 1", DONE, NULL);
	REPLY_ALL();
	aw_wait(CALL_LIFE_US - 1);
	DO("t1", 1);
	NO_CALLS();
	ck_assert_uint_eq(agent_due(aw.agent), aw.now + 1);
	REPLY_ALL();
	aw_wait(1);
	DO("t1", 1);
	CALLED("do t1 1"); /* nothing is known of it: the resource tells by the key */
}
END_TEST

/* A coordinator that slept has yet to read it, and sends the command once more: a second run
 * could end otherwise than it will then read. */
START_TEST(attempt_whose_answer_is_on_its_way_is_not_run_again_however_old)
{
	DO("t1", 1);
	FINISH("do t1 1", RETRY, "not now");
	aw_wait(2 * CALL_LIFE_US);
	DO_AGAIN("t1", 1);
	NO_CALLS();
	DO_AGAIN("t1", 2);
	CALLED("do t1 2");
}
END_TEST

/* The step itself is remembered, since it was undone. */
START_TEST(undo_whose_answer_was_forgotten_to_save_room_waits_for_it_to_be_read)
{
	char *big = mem_new(1, CALL_OUTPUTS_MAX + 1);
	struct aw_call other;

	memset(big, 'x', CALL_OUTPUTS_MAX);
	DO("t2", 1);
	UNDO("t1", 1);
	other = aw_take("do t2 1");
	FINISH("undo t1 1", RETRY, "not now");
	other.done(&(struct adapter_answer){RESULT_DONE, {NULL, 0}, big, 0}, other.arg);
	free(big);
	UNDO_AGAIN("t1", 1);
	NO_CALLS();
	REPLY_ALL();
	UNDO_AGAIN("t1", 1);
	CALLED("undo t1 1");
}
END_TEST

/* ---- a coordinator that starts again ---- */

START_TEST(a_new_coordinator_is_answered_what_the_old_one_was)
{
	DO("t1", 1);
	FINISH("do t1 1", DONE, NULL);
	DO("t2", 1);
	FINISH("do t2 1", RETRY, "busy");
	DO("t3", 5);
	FINISH("do t3 5", RETRY, "busy");
	SAID("done t1 do:1 +;retry t2 do:1 !;retry t3 do:5 !;");
	aw.epoch = AW_EPOCH + 1;
	DO("t1", 1);
	DO("t2", 1);
	SAID("done t1 do:1@8 +;retry t2 do:1@8 !;");
	NO_CALLS();
	DO("t3", 4); /* it counts from what its predecessor had on disk */
	CALLED("do t3 4");
}
END_TEST

START_TEST(a_call_under_way_answers_the_new_coordinator)
{
	DO("t1", 2);
	UNDO("t2", 3);
	aw.epoch = AW_EPOCH + 1;
	DO("t1", 1);
	UNDO("t2", 3);
	FINISH("do t1 2", DONE, NULL);
	FINISH("undo t2 3", DONE, NULL);
	SAID("done t1 do:1@8 +;done t2 undo:3@8 +;");
	NO_CALLS();
}
END_TEST

START_TEST(an_undo_that_waits_answers_the_new_coordinator)
{
	DO("t1", 1);
	UNDO("t1", 1);
	aw.epoch = AW_EPOCH + 1;
	UNDO("t1", 1);
	FINISH("do t1 1", DONE, NULL);
	CALLED("cancel_call t1 do");
	FINISH("undo t1 1", DONE, NULL);
	SAID("done t1 do:1 +;done t1 undo:1@8 +;");
}
END_TEST

START_TEST(calls_of_another_coordinator_are_ignored)
{
	struct command c = {.kind = COMMAND_DO,
			    .id = {"bank", "t1", AW_EPOCH - 1, "reserve"},
			    .operation = "reserve",
			    .args = {"{}", 2},
			    .timeout_ms = 1000,
			    .attempt = 1};
	struct reply r = aw_reply_empty();

	r.commands = &c;
	r.n_commands = 1;
	aw_reply(&r); /* an older epoch than its reply's */
	SAID("");
	c.id.epoch = r.epoch = AW_EPOCH - 1; /* a coordinator that was replaced */
	aw_reply(&r);
	SAID("");
	NO_CALLS();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		an_action_is_done_and_its_undo_too,
		every_answer_goes_up_with_its_reason,
		a_wish_to_wait_goes_up_with_retry_alone,
		an_answer_that_fits_no_call_is_unknown,
		an_output_over_the_cap_is_left_out_and_said,
		answers_to_both_directions_and_of_a_branch_go_up_side_by_side,
		an_answer_is_sent_until_it_is_acknowledged,
		an_agent_tells_what_its_resource_can_do,
		an_action_under_way_is_not_begun_twice_and_answers_once,
		the_answer_carries_the_newest_attempt_that_came,
		the_same_attempt_is_answered_from_memory,
		a_newer_attempt_runs_again,
		what_is_done_answers_newer_attempts_and_is_not_done_again,
		an_attempt_overtaken_by_a_newer_one_is_ignored,
		memory_ends_after_twice_the_life_of_a_poll,
		attempt_whose_answer_is_on_its_way_is_not_run_again_however_old,
		undo_whose_answer_was_forgotten_to_save_room_waits_for_it_to_be_read,
		a_new_coordinator_is_answered_what_the_old_one_was,
		a_call_under_way_answers_the_new_coordinator,
		an_undo_that_waits_answers_the_new_coordinator,
		calls_of_another_coordinator_are_ignored,
		NULL,
	};

	return aw_run("agent calls", aw_setup, tests);
}
