/* The state machine of sagas: scenes, and random walks over random graphs in which
 * every rule is checked after every event. */
#include "tests/lib/harness.h"

#include "base/mem.h"
#include "saga/saga.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS_MAX = 8 };

/* ---- definitions by hand ---- */

static struct workflow def;
static struct def_step steps[STEPS_MAX];
static uint32_t after[STEPS_MAX][STEPS_MAX], before[STEPS_MAX][STEPS_MAX];
static struct saga *saga;
static char names[STEPS_MAX][4];

static void add_step(enum work_kind undo)
{
	const size_t i = def.n_steps++;

	snprintf(names[i], sizeof names[i], "s%zu", i);
	steps[i] = (struct def_step){
		.name = names[i],
		.action = {.kind = WORK_CALL, .retry = {3, 100, 1000}},
		.undo = {.kind = undo, .retry = {2, 100, 1000}},
		.after = after[i],
		.before = before[i],
	};
}

static void order(uint32_t first, uint32_t then)
{
	steps[then].after[steps[then].n_after++] = first;
	steps[first].before[steps[first].n_before++] = then;
}

static void nothing(void)
{
	memset(&def, 0, sizeof def);
	def.steps = steps;
	def.pivot = SIZE_MAX;
}

static void make_pivot(size_t i)
{
	steps[i].pivot = true;
	steps[i].undo.kind = WORK_NONE;
	def.pivot = i;
}

/* a → b → c, all with a compensation. */
static void chain(void)
{
	nothing();
	for (int i = 0; i < 3; i++)
		add_step(WORK_CALL);
	order(0, 1);
	order(1, 2);
}

static void start(void)
{
	saga_free(saga);
	saga = saga_new(&def);
}

static void finish(void)
{
	saga_free(saga);
	saga = NULL;
}

/* ---- events ---- */

static bool happen(enum saga_event ev, size_t step)
{
	const struct saga_news news = {ev, step, "why", false};

	return saga_step(saga, &news);
}

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

/* ---- random walks ---- */

static uint64_t seed;

static unsigned dice(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

static void random_definition(void)
{
	const unsigned n = 1 + dice(STEPS_MAX);
	const unsigned p = dice(2) ? dice(n) : n;

	nothing();
	for (unsigned i = 0; i < n; i++)
		add_step(dice(4) ? WORK_CALL : WORK_NONE);
	for (unsigned j = 1; j < n; j++)
		for (unsigned i = 0; i < j; i++)
			if (i == p || j == p || dice(3) == 0)
				order(i, j);
	for (unsigned i = p + 1; i < n; i++)
		steps[i].undo.kind = WORK_NONE;
	if (p < n)
		make_pivot(p);
}

/* What was ever true, to be held against what is. */
static struct {
	bool acted[STEPS_MAX]; /* its effect may be there */
	bool finishing, undoing, by_hand;
} seen;

static void note(enum saga_event ev, size_t step, enum step_state was)
{
	if (ev == SAGA_EV_DONE && (was == STEP_DOING || was == STEP_PENDING))
		seen.acted[step] = true;
	if (ev == SAGA_EV_DONE && was == STEP_UNDOING)
		seen.acted[step] = false;
	if (ev == SAGA_EV_RESOLVE || ev == SAGA_EV_SKIP)
		seen.by_hand = true;
	seen.undoing = seen.undoing || saga->state == SAGA_UNDOING ||
		       saga->state == SAGA_UNDO_STUCK || saga->state == SAGA_UNDONE;
	seen.finishing = seen.finishing || saga->state == SAGA_FINISHING ||
			 saga->state == SAGA_FINISH_STUCK || saga->state == SAGA_DONE;
}

static void check_order(void)
{
	for (size_t i = 0; i < saga->n_steps; i++) {
		const enum step_state s = saga->steps[i].state;

		for (size_t k = 0; k < steps[i].n_before; k++) {
			const enum step_state later = saga->steps[steps[i].before[k]].state;

			if (s == STEP_WAITING)
				ck_assert_int_eq(later, STEP_WAITING);
			if (s == STEP_UNDOING || s == STEP_UNDONE)
				ck_assert(later != STEP_DONE && later != STEP_LOST &&
					  later != STEP_UNDOING && later != STEP_DOING);
		}
	}
}

static void check_walk(void)
{
	ck_assert(saga_valid(saga));
	ck_assert(!(seen.undoing && seen.finishing));
	if (!seen.by_hand)
		check_order();
	if (seen.by_hand)
		return;
	for (size_t i = 0; i < saga->n_steps; i++) {
		if (saga->state == SAGA_DONE)
			ck_assert(saga->steps[i].state == STEP_SKIPPED || seen.acted[i]);
		if (saga->state == SAGA_UNDONE && seen.acted[i])
			ck_assert(saga->steps[i].state == STEP_KEPT &&
				  steps[i].undo.kind == WORK_NONE);
	}
}

static void random_event(bool kind)
{
	static const enum saga_event ends[] = {
		SAGA_EV_DONE,    SAGA_EV_DONE,    SAGA_EV_DONE,   SAGA_EV_REFUSED, SAGA_EV_RETRY,
		SAGA_EV_UNKNOWN, SAGA_EV_PENDING, SAGA_EV_BROKEN, SAGA_EV_AGAIN,   SAGA_EV_SKIP,
		SAGA_EV_HAZARD,  SAGA_EV_CANCEL,  SAGA_EV_RESOLVE};
	const size_t step = dice((unsigned)saga->n_steps);
	const enum step_state was = saga->steps[step].state;
	enum saga_event ev = kind ? SAGA_EV_DONE : ends[dice(sizeof ends / sizeof ends[0])];

	if ((ev == SAGA_EV_RESOLVE || ev == SAGA_EV_SKIP || ev == SAGA_EV_CANCEL) && dice(8))
		ev = SAGA_EV_DONE;
	if (saga_owes(saga, step) == SAGA_OWES_START)
		ev = dice(6) ? SAGA_EV_START : SAGA_EV_OMIT;
	else if ((was == STEP_DOING || was == STEP_UNDOING) && !saga->steps[step].out)
		ev = SAGA_EV_ATTEMPT;
	else if (was == STEP_STUCK && kind)
		ev = saga->steps[step].undo ? SAGA_EV_AGAIN : SAGA_EV_DONE;
	else if (was == STEP_WAITING && ev != SAGA_EV_CANCEL && ev != SAGA_EV_RESOLVE)
		return;
	if (was == STEP_STUCK && ev == SAGA_EV_DONE)
		seen.by_hand = true;
	happen(ev, step);
	note(ev, step, was);
	if (!kind && dice(20) == 0)
		saga_resume(saga);
}

static void walk(uint64_t from)
{
	seed = from * 0x9e3779b97f4a7c15u;
	memset(&seen, 0, sizeof seen);
	random_definition();
	start();
	for (int i = 0; i < 60 && !saga_over(saga); i++) {
		random_event(false);
		check_walk();
	}
	for (int i = 0; i < 5000 && !saga_over(saga); i++) {
		random_event(true);
		check_walk();
	}
	ck_assert_msg(saga_over(saga), "walk %llu does not end: state %d", (unsigned long long)from,
		      (int)saga->state);
}

START_TEST(every_walk_keeps_the_rules_and_ends)
{
	for (uint64_t i = 1; i <= 20000; i++)
		walk(i);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("saga");
	TCase *tc = tcase_create("scenes"), *walks = tcase_create("walks");

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
	tcase_add_checked_fixture(walks, NULL, finish);
	tcase_set_timeout(walks, 120);
	tcase_add_test(walks, every_walk_keeps_the_rules_and_ends);
	suite_add_tcase(suite, walks);
	return suite_run(suite, NULL, NULL);
}
