/* The state machine of sagas, told as scenes. */
#include "tests/unit/saga_machine.h"

/* The step's turn: it begins, and an attempt of it ends. */
static void run(size_t step, enum saga_event end)
{
	if (saga_owes(saga, step) == SAGA_OWES_START)
		happen(SAGA_EV_START, step);
	happen(SAGA_EV_ATTEMPT, step);
	happen(end, step);
}

#define STATE(i, s) ck_assert_int_eq(saga->steps[i].state, STEP_##s)
#define SAGA(s)     ck_assert_int_eq(saga->state, SAGA_##s)

START_TEST(steps_run_when_what_comes_before_is_done)
{
	chain();
	start();
	ck_assert_int_eq(saga_owes(saga, 0), SAGA_OWES_START);
	ck_assert_int_eq(saga_owes(saga, 1), SAGA_OWES_NOTHING);
	run(0, SAGA_EV_DONE);
	ck_assert_int_eq(saga_owes(saga, 1), SAGA_OWES_START);
	run(1, SAGA_EV_DONE);
	SAGA(RUNNING);
	run(2, SAGA_EV_DONE);
	SAGA(DONE);
}
END_TEST

START_TEST(refused_step_undoes_what_was_done_in_reverse_order)
{
	chain();
	start();
	run(0, SAGA_EV_DONE);
	run(1, SAGA_EV_DONE);
	run(2, SAGA_EV_REFUSED);
	SAGA(UNDOING);
	STATE(2, FAILED);
	STATE(1, UNDOING);
	STATE(0, DONE);
	run(1, SAGA_EV_DONE);
	STATE(1, UNDONE);
	STATE(0, UNDOING);
	run(0, SAGA_EV_DONE);
	SAGA(UNDONE);
}
END_TEST

START_TEST(step_whose_result_is_unknown_is_undone_like_one_that_succeeded)
{
	chain();
	start();
	run(0, SAGA_EV_DONE);
	run(1, SAGA_EV_UNKNOWN);
	run(1, SAGA_EV_UNKNOWN);
	STATE(1, DOING);
	run(1, SAGA_EV_UNKNOWN); /* the third of three */
	STATE(1, UNDOING);
	STATE(0, DONE);
}
END_TEST

START_TEST(refusal_after_an_unknown_attempt_is_proof_only_from_an_exact_resource)
{
	struct saga_news proof = {SAGA_EV_REFUSED, 0, "no", true};

	chain();
	start();
	run(0, SAGA_EV_UNKNOWN);
	run(0, SAGA_EV_REFUSED);
	STATE(0, UNDOING);
	start();
	run(0, SAGA_EV_UNKNOWN);
	happen(SAGA_EV_ATTEMPT, 0);
	saga_step(saga, &proof);
	STATE(0, FAILED);
	SAGA(UNDONE);
}
END_TEST

START_TEST(passing_fault_is_tried_again_to_its_limit)
{
	chain();
	start();
	run(0, SAGA_EV_RETRY);
	ck_assert(saga_may_retry(saga, 0));
	run(0, SAGA_EV_RETRY);
	STATE(0, DOING);
	run(0, SAGA_EV_RETRY);
	STATE(0, FAILED);
	SAGA(UNDONE);
}
END_TEST

START_TEST(compensation_that_fails_for_ever_is_stuck_until_a_person_speaks)
{
	chain();
	start();
	run(0, SAGA_EV_DONE);
	run(1, SAGA_EV_REFUSED);
	run(0, SAGA_EV_RETRY);
	run(0, SAGA_EV_REFUSED); /* the second of two */
	STATE(0, STUCK);
	SAGA(UNDO_STUCK);
	happen(SAGA_EV_AGAIN, 0);
	STATE(0, UNDOING);
	SAGA(UNDOING);
	run(0, SAGA_EV_UNKNOWN);
	run(0, SAGA_EV_UNKNOWN);
	SAGA(UNDO_STUCK);
	happen(SAGA_EV_SKIP, 0);
	STATE(0, KEPT);
	SAGA(UNDONE);
}
END_TEST

START_TEST(stuck_saga_can_be_ended_as_it_is)
{
	chain();
	start();
	run(0, SAGA_EV_DONE);
	happen(SAGA_EV_CANCEL, 0);
	run(0, SAGA_EV_REFUSED);
	run(0, SAGA_EV_REFUSED);
	SAGA(UNDO_STUCK);
	happen(SAGA_EV_RESOLVE, 0);
	SAGA(UNDONE);
	STATE(0, KEPT);
}
END_TEST

START_TEST(past_the_pivot_a_step_is_tried_until_it_succeeds)
{
	chain();
	make_pivot(1);
	steps[2].undo.kind = WORK_NONE;
	start();
	run(0, SAGA_EV_DONE);
	run(1, SAGA_EV_DONE);
	SAGA(FINISHING);
	for (int i = 0; i < 50; i++)
		run(2, i % 2 ? SAGA_EV_REFUSED : SAGA_EV_UNKNOWN);
	STATE(2, DOING);
	happen(SAGA_EV_CANCEL, 0);
	SAGA(FINISHING);
	run(2, SAGA_EV_DONE);
	SAGA(DONE);
}
END_TEST

START_TEST(refused_pivot_undoes_what_came_before_it)
{
	chain();
	make_pivot(1);
	start();
	run(0, SAGA_EV_DONE);
	run(1, SAGA_EV_REFUSED);
	STATE(0, UNDOING);
	run(0, SAGA_EV_DONE);
	SAGA(UNDONE);
	STATE(2, WAITING);
}
END_TEST

START_TEST(pivot_that_nobody_can_tell_of_waits_for_a_person)
{
	chain();
	make_pivot(1);
	start();
	run(0, SAGA_EV_DONE);
	run(1, SAGA_EV_UNKNOWN);
	run(1, SAGA_EV_RETRY);
	run(1, SAGA_EV_RETRY);
	SAGA(RUN_STUCK);
	happen(SAGA_EV_REFUSED, 1); /* a person has looked: it was not done */
	SAGA(UNDOING);
}
END_TEST

START_TEST(cancel_while_the_pivot_is_under_way_lets_the_pivot_decide)
{
	chain();
	make_pivot(1);
	start();
	run(0, SAGA_EV_DONE);
	happen(SAGA_EV_START, 1);
	happen(SAGA_EV_ATTEMPT, 1);
	happen(SAGA_EV_CANCEL, 0);
	SAGA(RUNNING);
	ck_assert(saga->stop);
	happen(SAGA_EV_DONE, 1);
	SAGA(FINISHING);
	start();
	run(0, SAGA_EV_DONE);
	happen(SAGA_EV_START, 1);
	happen(SAGA_EV_ATTEMPT, 1);
	happen(SAGA_EV_CANCEL, 0);
	happen(SAGA_EV_RETRY, 1); /* once is enough now */
	SAGA(UNDOING);
}
END_TEST

START_TEST(parallel_step_that_is_under_way_is_waited_for_before_it_is_undone)
{
	nothing();
	add_step(WORK_CALL);
	add_step(WORK_CALL);
	start();
	happen(SAGA_EV_START, 0);
	happen(SAGA_EV_ATTEMPT, 0);
	run(1, SAGA_EV_REFUSED);
	SAGA(UNDOING);
	STATE(0, DOING);
	happen(SAGA_EV_DONE, 0);
	STATE(0, UNDOING);
}
END_TEST

START_TEST(pending_step_is_completed_failed_or_undone_from_outside)
{
	chain();
	start();
	run(0, SAGA_EV_PENDING);
	STATE(0, PENDING);
	happen(SAGA_EV_DONE, 0);
	STATE(0, DONE);
	run(1, SAGA_EV_PENDING);
	happen(SAGA_EV_CANCEL, 0);
	STATE(1, UNDOING); /* it was begun, so it is undone */
}
END_TEST

START_TEST(omitted_steps_open_the_way_and_leave_nothing_to_undo)
{
	chain();
	start();
	run(0, SAGA_EV_DONE);
	happen(SAGA_EV_OMIT, 1);
	STATE(1, SKIPPED);
	run(2, SAGA_EV_REFUSED);
	STATE(1, SKIPPED);
	STATE(0, UNDOING);
}
END_TEST

START_TEST(restart_takes_what_was_under_way_for_perhaps_done)
{
	chain();
	start();
	run(0, SAGA_EV_DONE);
	happen(SAGA_EV_START, 1);
	happen(SAGA_EV_ATTEMPT, 1);
	saga_resume(saga);
	STATE(1, DOING);
	ck_assert(saga->steps[1].maybe && !saga->steps[1].out);
	happen(SAGA_EV_CANCEL, 0);
	STATE(1, UNDOING);
}
END_TEST

START_TEST(pauses_double_to_a_cap_and_are_jittered_in_full)
{
	const struct retry r = {100, 200, 1000};

	ck_assert_uint_eq(saga_pause_ms(&r, 1, 200), 200);
	ck_assert_uint_eq(saga_pause_ms(&r, 1, 201), 0);
	ck_assert_uint_eq(saga_pause_ms(&r, 2, 400), 400);
	ck_assert_uint_eq(saga_pause_ms(&r, 9, 1000), 1000);
	ck_assert_uint_le(saga_pause_ms(&r, 4000000000u, UINT64_MAX), 1000);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("saga");
	TCase *tc = tcase_create("scenes");

	tcase_add_checked_fixture(tc, NULL, finish);
	tcase_add_test(tc, steps_run_when_what_comes_before_is_done);
	tcase_add_test(tc, refused_step_undoes_what_was_done_in_reverse_order);
	tcase_add_test(tc, step_whose_result_is_unknown_is_undone_like_one_that_succeeded);
	tcase_add_test(tc, refusal_after_an_unknown_attempt_is_proof_only_from_an_exact_resource);
	tcase_add_test(tc, passing_fault_is_tried_again_to_its_limit);
	tcase_add_test(tc, compensation_that_fails_for_ever_is_stuck_until_a_person_speaks);
	tcase_add_test(tc, stuck_saga_can_be_ended_as_it_is);
	tcase_add_test(tc, past_the_pivot_a_step_is_tried_until_it_succeeds);
	tcase_add_test(tc, refused_pivot_undoes_what_came_before_it);
	tcase_add_test(tc, pivot_that_nobody_can_tell_of_waits_for_a_person);
	tcase_add_test(tc, cancel_while_the_pivot_is_under_way_lets_the_pivot_decide);
	tcase_add_test(tc, parallel_step_that_is_under_way_is_waited_for_before_it_is_undone);
	tcase_add_test(tc, pending_step_is_completed_failed_or_undone_from_outside);
	tcase_add_test(tc, omitted_steps_open_the_way_and_leave_nothing_to_undo);
	tcase_add_test(tc, restart_takes_what_was_under_way_for_perhaps_done);
	tcase_add_test(tc, pauses_double_to_a_cap_and_are_jittered_in_full);
	suite_add_tcase(suite, tc);
	return suite_run(suite, NULL, NULL);
}
