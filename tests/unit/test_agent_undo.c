/* test_agent_undo.c - the agent's core: undoing saga calls, what cannot begin, the
 * end, and the caps of its memory. */
#include "base/mem.h"
#include "participant/call.h"
#include "tests/lib/agent_world.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- undoing ---- */

START_TEST(an_action_that_comes_after_its_undo_is_refused)
{
	UNDO("t1", 1);
	DO("t1", 1); /* while it is under way */
	SAID("refused t1 do:1 !;");
	FINISH("undo t1 1", DONE, NULL);
	SAID("done t1 undo:1 +;");
	REPLY_ALL();
	aw_wait(CALL_LIFE_US - 1);
	DO("t1", 1);
	DO("t1", 2);
	SAID("refused t1 do:1 !;refused t1 do:2 !;");
	NO_CALLS();
	aw_wait(1);
	DO("t1", 3);
	CALLED("do t1 3");
}
END_TEST

START_TEST(an_undo_that_could_not_begin_refuses_its_action_too)
{
	agent_ready(aw.served, "gone");
	SAID("hello;");
	UNDO("t1", 1);
	SAID("retry t1 undo:1 !;");
	agent_ready(aw.served, NULL);
	SAID("hello ready;");
	DO("t1", 1);
	SAID("refused t1 do:1 !;");
	NO_CALLS();
	UNDO("t1", 2);
	FINISH("undo t1 2", DONE, NULL);
}
END_TEST

START_TEST(a_done_action_is_refused_once_it_is_undone)
{
	DO("t1", 1);
	FINISH("do t1 1", DONE, NULL);
	UNDO("t1", 1);
	FINISH("undo t1 1", DONE, NULL);
	SAID("done t1 do:1 +;done t1 undo:1 +;");
	REPLY_ALL();
	DO("t1", 1); /* a late duplicate */
	SAID("refused t1 do:1 !;");
	NO_CALLS();
}
END_TEST

START_TEST(an_undo_waits_for_its_action_which_is_told_to_end)
{
	DO("t1", 1);
	UNDO("t1", 1);
	UNDO("t1", 1); /* told once */
	ck_assert_str_eq(aw.calls[1].text, "cancel_call t1 do");
	ck_assert_uint_eq(aw.n_calls, 2);
	FINISH("do t1 1", UNKNOWN, "killed");
	SAID("unknown t1 do:1 !;");
	CALLED("cancel_call t1 do");
	FINISH("undo t1 1", DONE, NULL);
	SAID("done t1 undo:1 +;");
	NO_CALLS();
}
END_TEST

START_TEST(an_action_that_ends_well_in_spite_of_its_undo_is_undone)
{
	DO("t1", 1);
	UNDO("t1", 1);
	DO("t1", 2); /* late: the one under way answers */
	FINISH("do t1 1", DONE, NULL);
	SAID("done t1 do:2 +;");
	CALLED("cancel_call t1 do");
	CALLED("undo t1 1");
}
END_TEST

START_TEST(an_undo_that_waited_has_the_rest_of_its_time)
{
	struct aw_call c;

	DO("t1", 1);
	UNDO("t1", 1);
	aw_wait(400 * 1000);
	UNDO("t1", 1); /* a duplicate gives no more time */
	FINISH("do t1 1", REFUSED, "no");
	CALLED("cancel_call t1 do");
	c = aw_take("undo t1 1");
	ck_assert_uint_eq(c.timeout_ms, 600);
}
END_TEST

START_TEST(a_newer_undo_takes_the_place_of_the_one_that_waits)
{
	struct aw_call c;

	DO("t1", 1);
	UNDO("t1", 1);
	aw_wait(900 * 1000);
	UNDO("t1", 2);
	aw_wait(300 * 1000);
	FINISH("do t1 1", REFUSED, "no");
	CALLED("cancel_call t1 do");
	c = aw_take("undo t1 2");
	ck_assert_uint_eq(c.timeout_ms, 700);
}
END_TEST

START_TEST(an_undo_that_waited_too_long_is_to_be_tried_again)
{
	DO("t1", 1);
	UNDO("t1", 1);
	SECONDS(1);
	FINISH("do t1 1", UNKNOWN, "killed");
	SAID("unknown t1 do:1 !;retry t1 undo:1 !;");
	CALLED("cancel_call t1 do");
	NO_CALLS();
	UNDO("t1", 2);
	CALLED("undo t1 2");
}
END_TEST

/* ---- what cannot begin ---- */

START_TEST(a_resource_that_cannot_serve_answers_retry)
{
	struct command c = {.kind = COMMAND_UNDO,
			    .id = {"other", "t9", AW_EPOCH, "reserve"},
			    .operation = "x",
			    .args = {"{}", 2},
			    .timeout_ms = 1000,
			    .attempt = 4};
	struct reply r = aw_reply_empty();

	agent_ready(aw.served, "the server is starting");
	SAID("hello;");
	DO("t1", 1);
	UNDO("t2", 1);
	SAID("retry t1 do:1 !;retry t2 undo:1 !;");
	agent_ready(aw.served, NULL);
	SAID("hello ready;");
	REPLY_ALL();
	DO("t1", 1); /* a duplicate of what was answered never runs */
	SAID("retry t1 do:1 !;");
	NO_CALLS();
	DO("t1", 2);
	CALLED("do t1 2");
	r.commands = &c;
	r.n_commands = 1;
	aw_reply(&r); /* of a resource that is not served here */
	SAID("retry t9 undo:4 !;");
	NO_CALLS();
}
END_TEST

START_TEST(a_resource_without_calls_answers_retry)
{
	aw.no_calls = true;
	agent_ready(aw.served, "gone");
	agent_ready(aw.served, NULL);
	SAID("hello ready;");
	DO("t1", 1);
	SAID("retry t1 do:1 !;");
	NO_CALLS();
}
END_TEST

START_TEST(a_resource_without_groups_refuses_branches)
{
	aw.no_groups = true;
	agent_ready(aw.served, "gone");
	agent_ready(aw.served, NULL);
	SAID("hello ready;");
	PREPARE("t1");
	ONCE("t2");
	SAID("retry t1 !;retry t2 !;");
	NO_CALLS();
}
END_TEST

START_TEST(calls_beyond_twice_the_window_answer_busy)
{
	char gid[20];

	for (int i = 0; i < AW_WINDOW; i++) {
		snprintf(gid, sizeof gid, "c%d", i);
		DO(gid, 1);
		snprintf(gid, sizeof gid, "b%d", i);
		PREPARE(gid);
	}
	ck_assert_uint_eq(aw.n_calls, 2 * AW_WINDOW);
	DO("more", 1);
	UNDO("more2", 1);
	PREPARE("more3");
	SAID("retry more do:1 !;retry more2 undo:1 !;retry more3 !;");
	ck_assert_uint_eq(aw.n_calls, 2 * AW_WINDOW);
	UNDO("c0", 1); /* is open already */
	FINISH("do c0 1", UNKNOWN, "killed");
	ck_assert_str_eq(aw.calls[aw.n_calls - 1].text, "undo c0 1");
}
END_TEST

/* ---- the end ---- */

START_TEST(an_agent_that_stops_waits_for_calls_and_begins_none)
{
	DO("t1", 1);
	DO("t2", 1);
	UNDO("t2", 1);
	agent_stop(aw.agent);
	ck_assert(!agent_idle(aw.agent));
	DO("t3", 1);
	SAID("retry t3 do:1 !;");
	REPLY_ALL();
	ck_assert(!agent_idle(aw.agent));
	FINISH("do t1 1", DONE, NULL);
	FINISH("do t2 1", DONE, NULL);
	CALLED("cancel_call t2 do");
	NO_CALLS();
	ck_assert(!agent_idle(aw.agent)); /* the answers are not delivered */
	SAID("done t1 do:1 +;done t2 do:1 +;retry t2 undo:1 !;");
	REPLY_ALL();
	ck_assert(agent_idle(aw.agent));
}
END_TEST

START_TEST(an_agent_may_end_while_an_undo_waits)
{
	DO("t1", 1);
	UNDO("t1", 1);
	CALLED("do t1 1"); /* teardown frees all: sanitizers watch */
}
END_TEST

/* ---- caps ---- */

static struct call *add(struct calls *t, const char *gid)
{
	return calls_add(t, &(struct branch_id){"r", gid, 1, "s"}, NULL, 5);
}

static struct call *find(struct calls *t, const char *gid)
{
	return calls_find(t, &(struct branch_id){"r", gid, 9, "s"}); /* of any epoch */
}

START_TEST(beyond_the_cap_the_oldest_answers_are_forgotten_but_no_tombstone)
{
	const struct adapter_answer done = {.kind = RESULT_DONE};
	struct adapter_answer what;
	struct calls t = {0};
	struct call *undone = add(&t, "undone");
	char gid[20];

	undone->undone = true;
	call_remember(&t, undone, true, &done);
	for (int i = 0; i < CALL_ANSWERS_MAX; i++) {
		snprintf(gid, sizeof gid, "t%d", i);
		call_remember(&t, add(&t, gid), false, &done);
	}
	ck_assert_uint_eq(t.n_memories, CALL_ANSWERS_MAX);
	ck_assert_ptr_eq(find(&t, "undone"), undone);
	ck_assert(!call_recall(undone, true, &what));
	ck_assert(call_recall(find(&t, "t0"), false, &what));
	call_remember(&t, add(&t, "more"), false, &done);
	ck_assert_ptr_null(find(&t, "t0"));
	ck_assert(call_recall(find(&t, "more"), false, &what));
	ck_assert_uint_eq(t.n_memories, CALL_ANSWERS_MAX);
	calls_expire(&t, 5 + CALL_LIFE_US - 1);
	ck_assert_ptr_nonnull(find(&t, "undone"));
	calls_expire(&t, 5 + CALL_LIFE_US);
	ck_assert_ptr_null(t.all);
	ck_assert_uint_eq(t.n_memories, 0);
	calls_fini(&t);
}
END_TEST

START_TEST(outputs_are_remembered_up_to_64_mib)
{
	char *big = mem_new(1, PAYLOAD_MAX);
	const struct adapter_answer done = {.kind = RESULT_DONE, .output = {big, PAYLOAD_MAX}};
	struct adapter_answer what;
	struct calls t = {0};
	struct call *live = add(&t, "live");
	char gid[20];

	call_remember(&t, live, true, &done);
	call_move(&t, live, CALL_DOING, 5); /* under way: loses its answer, not itself */
	for (int i = 0; i < 70; i++) {
		snprintf(gid, sizeof gid, "t%d", i);
		call_remember(&t, add(&t, gid), false, &done);
		ck_assert_uint_le(t.memory_bytes, CALL_OUTPUTS_MAX);
	}
	ck_assert_uint_eq(t.memory_bytes, CALL_OUTPUTS_MAX);
	ck_assert_ptr_eq(find(&t, "live"), live);
	ck_assert(!call_recall(live, true, &what));
	ck_assert_ptr_null(find(&t, "t5"));
	ck_assert(call_recall(find(&t, "t6"), false, &what));
	ck_assert_uint_eq(what.output.size, PAYLOAD_MAX);
	free(big);
	calls_fini(&t);
	ck_assert_uint_eq(t.memory_bytes, 0);
}
END_TEST

START_TEST(a_full_table_takes_no_more_calls_and_forgets_no_tombstone)
{
	struct calls t = {0};
	char gid[20];

	for (int i = 0; i < CALLS_MAX; i++) {
		snprintf(gid, sizeof gid, "t%d", i);
		add(&t, gid)->undone = true;
	}
	ck_assert_ptr_null(add(&t, "more"));
	ck_assert_ptr_nonnull(find(&t, "t0"));
	calls_fini(&t);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		an_action_that_comes_after_its_undo_is_refused,
		an_undo_that_could_not_begin_refuses_its_action_too,
		a_done_action_is_refused_once_it_is_undone,
		an_undo_waits_for_its_action_which_is_told_to_end,
		an_action_that_ends_well_in_spite_of_its_undo_is_undone,
		an_undo_that_waited_has_the_rest_of_its_time,
		a_newer_undo_takes_the_place_of_the_one_that_waits,
		an_undo_that_waited_too_long_is_to_be_tried_again,
		a_resource_that_cannot_serve_answers_retry,
		a_resource_without_calls_answers_retry,
		a_resource_without_groups_refuses_branches,
		calls_beyond_twice_the_window_answer_busy,
		an_agent_that_stops_waits_for_calls_and_begins_none,
		an_agent_may_end_while_an_undo_waits,
		beyond_the_cap_the_oldest_answers_are_forgotten_but_no_tombstone,
		outputs_are_remembered_up_to_64_mib,
		a_full_table_takes_no_more_calls_and_forgets_no_tombstone,
		NULL,
	};

	return aw_run("agent undo", aw_setup, tests);
}
