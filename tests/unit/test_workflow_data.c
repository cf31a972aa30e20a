/* test_workflow_data.c - a saga's workflow with data: arguments, groups, conditions and
 * compensations, and the definition that a file becomes. */
#include "base/mem.h"
#include "saga/saga.h"
#include "saga/workflow.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char trip[] =
	"workflow: trip\n"
	"deadline: 1h\n"
	"input: {customer: {type: string}, amount: {type: integer}, note: {required: false}}\n"
	"steps:\n"
	"  - name: mail\n" /* 0: written first, runs last */
	"    after: pay\n"
	"    when: \"${input.amount > 100}\"\n"
	"    resource: mailer\n"
	"    operation: send\n"
	"    args: {to: \"${input.customer}\", hotel: \"${steps.hotel.output.id}\"}\n"
	"  - name: hotel\n" /* 1 */
	"    resource: hotel\n"
	"    operation: reserve\n"
	"    args: {customer: \"${input.customer}\", key: \"${gid}\"}\n"
	"    timeout: 5s\n"
	"    retry: {attempts: 7, first: 1s}\n"
	"    complete_within: 2h\n"
	"    compensate: {operation: release, args: {id: \"${steps.hotel.output.id}\", was: "
	"\"${steps.hotel.status}\"}, timeout: 3s}\n"
	"  - name: pay\n" /* 2 */
	"    after: [hotel, move]\n"
	"    pivot: true\n"
	"    order: sequential\n"
	"    timeout: 10s\n"
	"    atomic:\n"
	"      - {name: debit, resource: bank-a, operation: debit, args: {amount: "
	"\"${input.amount}\", of: \"${steps.hotel.output.id}\"}}\n"
	"      - {name: look, resource: bank-b, operation: read, read_only: true}\n"
	"  - name: move\n" /* 3 */
	"    atomic: [{name: a, resource: r, operation: o, args: {n: 1}}]\n"
	"    compensate:\n"
	"      timeout: 4s\n"
	"      atomic:\n"
	"        - {name: b, resource: q, operation: p, args: {n: \"${steps.move.status}\"}}\n"
	"        - {name: c, resource: q, operation: p, args: {n: \"${input.note}\"}}\n"
	"  - name: note\n" /* 4 */
	"    after: pay\n"
	"    when: \"${input.note}\"\n"
	"    resource: desk\n"
	"    operation: note\n";
enum { MAIL, HOTEL, PAY, MOVE, NOTE, STEPS };

static struct workflow *w;
static struct saga_step states[STEPS];
static struct saga saga = {.steps = states, .n_steps = STEPS};
static json_t *input;
static struct workflow_data data = {.gid = "g-7", .saga = &saga};
static struct plan plan;
static struct err err;

static void INPUT(const char *text)
{
	json_t *given = json_loads(text, 0, NULL);

	json_decref(input);
	ck_assert_msg(workflow_input(w, given, &input, &err) == RC_OK, "%s", err.text);
	json_decref(given);
	data.input = input;
}

static void set_up(void)
{
	ck_assert_msg(workflow_parse(trip, sizeof trip - 1, &w, &err) == RC_OK, "%d:%d %s",
		      err.line, err.column, err.text);
	for (size_t i = 0; i < STEPS; i++)
		states[i] = (struct saga_step){.state = STEP_WAITING};
	states[HOTEL].state = STEP_DONE;
	states[HOTEL].output = (char *)"{\"id\":17}";
	saga.def = w;
	INPUT("{\"customer\":\"ann\",\"amount\":150}");
}

static void tear_down(void)
{
	plan_fini(&plan);
	workflow_free(w);
	w = NULL;
	json_decref(input);
	input = NULL;
}

static void ARGS(size_t step, bool undo, const char *expected)
{
	char *args;

	ck_assert_msg(workflow_args(w, step, undo, &data, &args, &err) == RC_OK, "%s", err.text);
	ck_assert_str_eq(args, expected);
	free(args);
}

START_TEST(the_file_becomes_a_definition)
{
	const struct def_step *s = w->steps;

	ck_assert_str_eq(w->name, "trip");
	ck_assert(w->saga);
	ck_assert_uint_eq(w->deadline_ms, 3600 * 1000);
	ck_assert_uint_eq(w->n_steps, STEPS);
	ck_assert_uint_eq(w->pivot, PAY);
	ck_assert(s[PAY].pivot && !s[MAIL].pivot);
	ck_assert_uint_eq(s[PAY].n_after, 2);
	ck_assert_uint_eq(s[PAY].after[0], HOTEL);
	ck_assert_uint_eq(s[PAY].after[1], MOVE);
	ck_assert_uint_eq(s[PAY].n_before, 2);
	ck_assert_uint_eq(s[PAY].before[0], MAIL);
	ck_assert_uint_eq(s[PAY].before[1], NOTE);
	ck_assert_uint_eq(s[HOTEL].n_after, 0);
	ck_assert_uint_eq(s[HOTEL].n_before, 1);
	ck_assert(s[MAIL].when != NULL && s[HOTEL].when == NULL);
	ck_assert_uint_eq(s[HOTEL].complete_within_ms, 2 * 3600 * 1000);
}
END_TEST

START_TEST(actions_and_compensations_have_their_standards)
{
	const struct work *hotel = &w->steps[HOTEL].action, *release = &w->steps[HOTEL].undo;
	const struct work *move = &w->steps[MOVE].undo;

	ck_assert_int_eq(hotel->kind, WORK_CALL);
	ck_assert_str_eq(hotel->resource, "hotel");
	ck_assert_uint_eq(hotel->timeout_ms, 5000);
	ck_assert_uint_eq(hotel->retry.attempts, 7);
	ck_assert_uint_eq(hotel->retry.first_ms, 1000);
	ck_assert_uint_eq(hotel->retry.max_ms, 30 * 1000);
	ck_assert_int_eq(release->kind, WORK_CALL);
	ck_assert_str_eq(release->resource, "hotel"); /* the step's own */
	ck_assert_str_eq(release->operation, "release");
	ck_assert_uint_eq(release->retry.attempts, 10);
	ck_assert_uint_eq(release->retry.first_ms, 200);
	ck_assert_uint_eq(release->timeout_ms, 3000);
	ck_assert_int_eq(move->kind, WORK_ATOMIC);
	ck_assert_uint_eq(move->n_branches, 2);
	ck_assert_str_eq(move->branches[1].name, "move.c");
	ck_assert_int_eq(w->steps[PAY].undo.kind, WORK_NONE);
	ck_assert_uint_eq(w->steps[PAY].action.retry.attempts, 5);
}
END_TEST

START_TEST(calls_get_their_arguments)
{
	ARGS(HOTEL, false, "{\"customer\":\"ann\",\"key\":\"g-7\"}");
	ARGS(HOTEL, true, "{\"id\":17,\"was\":\"done\"}");
	ARGS(MAIL, false, "{\"to\":\"ann\",\"hotel\":17}");
	ARGS(NOTE, false, "{}");
	states[HOTEL].state = STEP_LOST; /* nobody knows: it is undone, and gave nothing */
	states[HOTEL].output = NULL;
	ARGS(HOTEL, true, "{\"id\":null,\"was\":\"unknown\"}");
}
END_TEST

START_TEST(groups_become_plans)
{
	ck_assert_int_eq(workflow_group(w, PAY, false, &data, &plan, &err), RC_OK);
	ck_assert_str_eq(plan.workflow, "trip");
	ck_assert(plan.sequential);
	ck_assert_uint_eq(plan.timeout_ms, 10 * 1000);
	ck_assert_uint_eq(plan.n_branches, 2);
	ck_assert_str_eq(plan.branches[0].name, "pay.debit");
	ck_assert_str_eq(plan.branches[0].args, "{\"amount\":150,\"of\":17}");
	ck_assert_str_eq(plan.branches[1].args, "{}");
	ck_assert(plan.branches[1].read_only);
	plan_fini(&plan);
	states[MOVE].state = STEP_UNDOING;
	ck_assert_int_eq(workflow_group(w, MOVE, true, &data, &plan, &err), RC_OK);
	ck_assert(!plan.sequential);
	ck_assert_uint_eq(plan.timeout_ms, 4000);
	ck_assert_str_eq(plan.branches[0].name, "move.b");
	ck_assert_str_eq(plan.branches[0].args, "{\"n\":\"undoing\"}");
	ck_assert_str_eq(plan.branches[1].args, "{\"n\":null}");
}
END_TEST

START_TEST(conditions_are_true_or_false)
{
	bool run = false;

	ck_assert_int_eq(workflow_when(w, MAIL, &data, &run, &err), RC_OK);
	ck_assert(run);
	ck_assert_int_eq(workflow_when(w, HOTEL, &data, &run, &err), RC_OK);
	ck_assert(run); /* has none */
	INPUT("{\"customer\":\"ann\",\"amount\":100}");
	ck_assert_int_eq(workflow_when(w, MAIL, &data, &run, &err), RC_OK);
	ck_assert(!run);
}
END_TEST

static void NO_CONDITION(const char *given, const char *says)
{
	bool run;

	INPUT(given);
	ck_assert_int_eq(workflow_when(w, NOTE, &data, &run, &err), RC_INVALID);
	ck_assert_msg(strstr(err.text, says) != NULL, "%s", err.text);
}

START_TEST(a_condition_that_is_neither_is_an_error)
{
	NO_CONDITION("{\"customer\":\"\",\"amount\":1}",
		     "`when` of \"note\": ${input.note}: it must be true or false, and is missing");
	NO_CONDITION("{\"customer\":\"\",\"amount\":1,\"note\":null}", "and is null");
	NO_CONDITION("{\"customer\":\"\",\"amount\":1,\"note\":\"true\"}", "and is a text");
	NO_CONDITION("{\"customer\":\"\",\"amount\":1,\"note\":0}", "and is a number");
	NO_CONDITION("{\"customer\":\"\",\"amount\":1,\"note\":[]}", "and is a list");
}
END_TEST

START_TEST(input_left_out_is_missing_and_null_is_null)
{
	ck_assert_ptr_null(json_object_get(input, "note"));
	INPUT("{\"customer\":\"ann\",\"amount\":1,\"note\":null}");
	ck_assert(json_is_null(json_object_get(input, "note")));
}
END_TEST

/* ---- what is a plain transaction ---- */

static bool is_saga(const char *more)
{
	char *text = mem_printf("workflow: w\n%s\nsteps:\n"
				"- name: s\n  atomic: [{name: b, resource: r, operation: o}]\n%s",
				strstr(more, "deadline") != NULL ? more : "",
				strstr(more, "deadline") != NULL ? "" : more);
	struct workflow *one;
	bool saga_it_is;

	ck_assert_msg(workflow_parse(text, strlen(text), &one, &err) == RC_OK, "%s: %s", more,
		      err.text);
	saga_it_is = one->saga;
	workflow_free(one);
	free(text);
	return saga_it_is;
}

START_TEST(a_group_with_nothing_around_it_is_a_plain_transaction)
{
	ck_assert(!is_saga(""));
	ck_assert(!is_saga("  timeout: 3s\n  order: sequential\n  pivot: false\n  after: []\n"));
	ck_assert(is_saga("  pivot: true\n"));
	ck_assert(is_saga("  compensate: none\n"));
	ck_assert(is_saga("  compensate: none\n  retry: {attempts: 3}\n"));
	ck_assert(is_saga("  pivot: true\n  when: \"${gid ~= ''}\"\n"));
}
END_TEST

START_TEST(a_deadline_makes_a_saga_which_needs_compensation)
{
	static const char text[] = "workflow: w\ndeadline: 5s\nsteps:\n- name: s\n"
				   "  atomic: [{name: b, resource: r, operation: o}]\n";
	struct workflow *one;

	ck_assert_int_eq(workflow_parse(text, sizeof text - 1, &one, &err), RC_INVALID);
	ck_assert_ptr_nonnull(strstr(err.text, "needs \"compensate\""));
}
END_TEST

/* ---- caps ---- */

static size_t problems_of(size_t steps, const char *action)
{
	struct workflow *one;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	enum rc rc;

	fputs("workflow: w\nsteps:\n", out);
	for (size_t i = 0; i < steps; i++)
		fprintf(out, "- {name: s%zu, %s}\n", i, action);
	fclose(out);
	rc = workflow_parse(text, size, &one, &err);
	workflow_free(one);
	free(text);
	return rc == RC_OK ? 0 : err.code == RC_TOO_BIG ? 2 : 1;
}

START_TEST(a_thousand_calls_are_the_most)
{
	static const char call[] = "resource: r, operation: o, compensate: none";
	static const char both[] = "resource: r, operation: o, compensate: {operation: u}";
	static const char group[] = "atomic: [{name: a, resource: r, operation: o}, {name: b, "
				    "resource: r, operation: o}], compensate: none";

	ck_assert_uint_eq(problems_of(1000, call), 0);
	ck_assert_uint_eq(problems_of(1001, call), 2);
	ck_assert_uint_eq(problems_of(500, both), 0);
	ck_assert_uint_eq(problems_of(501, both), 2);
	ck_assert_uint_eq(problems_of(500, group), 0);
	ck_assert_uint_eq(problems_of(501, group), 2);
}
END_TEST

START_TEST(arguments_over_the_cap_are_refused)
{
	static const char text[] =
		"workflow: w\ninput: [a]\nsteps:\n- name: s\n  resource: r\n"
		"  operation: o\n  args: {x: \"${input.a}${input.a}\"}\n"
		"  compensate: {operation: u, args: {y: \"${input.a}${input.a}\"}}\n";
	char *big = mem_new(WORKFLOW_ARGS_MAX / 2 + 1, 1), *args;
	struct workflow *one;
	struct workflow_data mine = {.gid = "g"};
	json_t *given;

	memset(big, 'x', WORKFLOW_ARGS_MAX / 2);
	given = json_pack("{s:s}", "a", big);
	mine.input = given;
	ck_assert_int_eq(workflow_parse(text, sizeof text - 1, &one, &err), RC_OK);
	ck_assert_int_eq(workflow_args(one, 0, false, &mine, &args, &err), RC_TOO_BIG);
	ck_assert_str_eq(err.text, "the arguments of \"s\" come to more than 1048576 bytes");
	ck_assert_int_eq(workflow_args(one, 0, true, &mine, &args, &err), RC_TOO_BIG);
	ck_assert_ptr_nonnull(strstr(err.text, "the arguments of the compensation of \"s\""));
	ck_assert_ptr_null(args);
	workflow_free(one);
	json_decref(given);
	free(big);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("workflow_data");
	TCase *tc = tcase_create("workflow_data");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, the_file_becomes_a_definition);
	tcase_add_test(tc, actions_and_compensations_have_their_standards);
	tcase_add_test(tc, calls_get_their_arguments);
	tcase_add_test(tc, groups_become_plans);
	tcase_add_test(tc, conditions_are_true_or_false);
	tcase_add_test(tc, a_condition_that_is_neither_is_an_error);
	tcase_add_test(tc, input_left_out_is_missing_and_null_is_null);
	tcase_add_test(tc, a_group_with_nothing_around_it_is_a_plain_transaction);
	tcase_add_test(tc, a_deadline_makes_a_saga_which_needs_compensation);
	tcase_add_test(tc, a_thousand_calls_are_the_most);
	tcase_add_test(tc, arguments_over_the_cap_are_refused);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
