/* test_engine_load.c - what a start refuses to take out of a journal. */
#include "base/mem.h"
#include "base/word.h"
#include "tests/lib/engine_world.h"
#include "tests/lib/harness.h"

#include <stdlib.h>
#include <string.h>

/* A transaction of two branches, both in `state`. */
static struct record *a_record(enum txn_state state, enum branch_state branches)
{
	struct plan plan = {.workflow = mem_dup("w"), .n_branches = 2};
	struct record *r;

	plan.branches = mem_new(2, sizeof *plan.branches);
	for (size_t i = 0; i < 2; i++)
		plan.branches[i] = (struct plan_branch){.name = word_printf("t.b%zu", i),
							.resource = word_hold("r0"),
							.operation = word_hold("op"),
							.args = mem_dup("{}")};
	r = record_new("g", &plan);
	r->seq = 1;
	r->epoch = 1;
	r->state = state;
	for (size_t i = 0; i < 2; i++)
		r->branches[i].state = branches;
	return r;
}

static void refused(struct record *r, const char *why)
{
	struct err err;

	ck_assert_int_eq(engine_load(w.e, r, &err), RC_INVALID);
	ck_assert_msg(strstr(err.text, why) != NULL, "%s", err.text);
	ck_assert_ptr_nonnull(strstr(err.text, "damaged"));
}

START_TEST(branches_of_one_name_are_damage)
{
	struct record *r = a_record(TXN_ABORTING, BR_ABORTING);

	word_drop(r->branches[1].name);
	r->branches[1].name = word_hold(r->branches[0].name);
	refused(r, "two branches of the same name");
}
END_TEST

START_TEST(branch_to_be_done_without_arguments_is_damage)
{
	struct record *r = a_record(TXN_ACCEPTED, BR_WAITING);

	free(r->branches[1].args);
	r->branches[1].args = NULL;
	refused(r, "no arguments");
}
END_TEST

START_TEST(steps_of_another_definition_are_damage)
{
	struct record *r = mem_new(1, sizeof *r);

	strcpy(r->gid, "g");
	r->seq = 1;
	r->state = TXN_SAGA_RUNNING;
	r->definition = mem_dup("{workflow: w, steps: [{name: a, resource: r0, operation: op, "
				"compensate: none}]}");
	r->saga = saga_blank(1);
	r->saga->state = SAGA_RUNNING;
	r->saga->steps[0].name = mem_dup("b");
	r->saga->steps[0].state = STEP_WAITING;
	refused(r, "in a state that cannot be");
}
END_TEST

START_TEST(what_is_whole_is_taken)
{
	ck_assert_int_eq(engine_load(w.e, a_record(TXN_COMMITTING, BR_COMMITTING), NULL), RC_OK);
	STATUS("committing");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("engine_load");
	TCase *tcase = tcase_create("engine_load");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, world_setup, world_stop);
	tcase_add_test(tcase, branches_of_one_name_are_damage);
	tcase_add_test(tcase, branch_to_be_done_without_arguments_is_damage);
	tcase_add_test(tcase, steps_of_another_definition_are_damage);
	tcase_add_test(tcase, what_is_whole_is_taken);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
