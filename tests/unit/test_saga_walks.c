/* The state machine of sagas on random walks over random graphs: every rule is checked
 * after every event. */
#include "tests/unit/saga_machine.h"

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
	for (uint64_t i = 1; i <= 5000; i++)
		walk(i);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("saga-walks");
	TCase *tc = tcase_create("walks");

	tcase_add_checked_fixture(tc, NULL, finish);
	tcase_set_timeout(tc, 180);
	tcase_add_test(tc, every_walk_keeps_the_rules_and_ends);
	suite_add_tcase(suite, tc);
	return suite_run(suite, NULL, NULL);
}
