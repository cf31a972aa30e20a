/* test_workflow.c - workflow files, and the plans that come of them. */
#include "base/mem.h"
#include "saga/workflow.h"
#include "tests/lib/harness.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define STEP         "steps: [{name: s, atomic: [{name: b, resource: r, operation: o}]}]"
#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

static struct workflow *workflow;
static struct plan plan;
static struct err err;

static void clean(void)
{
	workflow_free(workflow);
	workflow = NULL;
	plan_fini(&plan);
}

static void PARSE(const char *text)
{
	enum rc rc;

	clean();
	rc = workflow_parse(text, strlen(text), &workflow, &err);
	ck_assert_msg(rc == RC_OK, "%s\n%d:%d %s", text, err.line, err.column, err.text);
}

static void REFUSED(const char *text, int line, int column, const char *says)
{
	clean();
	err = (struct err){0};
	ck_assert_int_ne(workflow_parse(text, strlen(text), &workflow, &err), RC_OK);
	ck_assert_ptr_null(workflow);
	ck_assert_msg(strstr(err.text, says) != NULL, "`%s` not in: %s", says, err.text);
	ck_assert_msg(err.line == line && err.column == column, "%d:%d, not %d:%d: %s", err.line,
		      err.column, line, column, err.text);
}

/* Binds the parsed workflow to an input written as JSON. */
static enum rc BIND(const char *json)
{
	json_t *input = json != NULL ? json_loads(json, JSON_DECODE_ANY, NULL) : NULL;
	json_t *bound = NULL;
	struct workflow_data data = {.gid = "g-1"};
	enum rc rc;

	ck_assert(json == NULL || input != NULL);
	plan_fini(&plan);
	err = (struct err){0};
	rc = workflow_input(workflow, input, &bound, &err);
	data.input = bound;
	if (rc == RC_OK)
		rc = workflow_group(workflow, 0, false, &data, &plan, &err);
	json_decref(bound);
	json_decref(input);
	if (rc != RC_OK)
		ck_assert(plan.workflow == NULL && plan.branches == NULL && plan.n_branches == 0);
	return rc;
}

static void BOUND(const char *json)
{
	ck_assert_msg(BIND(json) == RC_OK, "%s: %s", json, err.text);
}

static void UNBOUND(const char *json, const char *says)
{
	ck_assert_int_eq(BIND(json), RC_INVALID);
	ck_assert_msg(strstr(err.text, says) != NULL, "`%s` not in: %s", says, err.text);
}

/* A workflow with the inputs a and b whose one branch has these arguments. */
static char *with_args(const char *args)
{
	return mem_printf(
		"workflow: w\ninput: [a, b]\nsteps:\n  - name: s\n    atomic:\n"
		"      - {name: x, resource: r, operation: o}\n"
		"      - name: y\n        resource: r\n        operation: o\n        args: %s\n",
		args);
}

/* ---- the whole ---- */

START_TEST(the_example_binds)
{
	FILE *file = fopen("examples/transfer.yaml", "r");
	char text[4096] = {0};

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_gt(fread(text, 1, sizeof text - 1, file), 0);
	fclose(file);
	PARSE(text);
	ck_assert_str_eq(workflow->name, "transfer");
	BOUND("{\"from\":\"alice\",\"to\":7,\"amount\":12.34}");
	ck_assert_str_eq(plan.workflow, "transfer");
	ck_assert_uint_eq(plan.timeout_ms, 5000);
	ck_assert(!plan.sequential);
	ck_assert_uint_eq(plan.n_branches, 2);
	ck_assert_str_eq(plan.branches[0].name, "pay.debit");
	ck_assert_str_eq(plan.branches[0].resource, "bank-a");
	ck_assert_str_eq(plan.branches[0].operation, "debit");
	ck_assert_str_eq(plan.branches[0].args, "{\"id\":\"alice\",\"amount\":12.34}");
	ck_assert(!plan.branches[0].read_only);
	ck_assert_str_eq(plan.branches[1].name, "pay.credit");
	ck_assert_str_eq(plan.branches[1].args, "{\"id\":7,\"amount\":12.34}");
}
END_TEST

START_TEST(a_definition_may_be_json)
{
	PARSE("{\"workflow\":\"w.1\",\"steps\":[{\"name\":\"s\",\"order\":\"sequential\","
	      "\"timeout\":"
	      "\"1500ms\",\"atomic\":[{\"name\":\"b\",\"resource\":\"r\",\"operation\":\"o\","
	      "\"args\":{\"t\":\"\\ud83d\\ude00 \\\"q\\\" "
	      "\\u00e9\\n\",\"n\":-1.5e3,\"i\":9007199254740993,"
	      "\"l\":[null,true,[{}]]},\"read_only\":true}]}]}");
	BOUND(NULL);
	ck_assert(plan.sequential);
	ck_assert_uint_eq(plan.timeout_ms, 1500);
	ck_assert(plan.branches[0].read_only);
	ck_assert_str_eq(plan.branches[0].args,
			 "{\"t\":\"\xf0\x9f\x98\x80 \\\"q\\\" \xc3\xa9\\n\",\"n\":-1.5e3,"
			 "\"i\":9007199254740993,\"l\":[null,true,[{}]]}");
}
END_TEST

START_TEST(what_is_optional_may_be_left_out)
{
	PARSE("workflow: w\n" STEP);
	BOUND("{}");
	ck_assert_uint_eq(plan.timeout_ms, 0);
	ck_assert_str_eq(plan.branches[0].args, "{}");
	BOUND(NULL);
}
END_TEST

START_TEST(one_workflow_binds_many_times)
{
	char *text = with_args("{v: \"${input.a}-${input.b}\"}");

	PARSE(text);
	free(text);
	BOUND("{\"a\":1,\"b\":2}");
	ck_assert_str_eq(plan.branches[1].args, "{\"v\":\"1-2\"}");
	BOUND("{\"a\":\"x\",\"b\":true}");
	ck_assert_str_eq(plan.branches[1].args, "{\"v\":\"x-true\"}");
	UNBOUND("{\"a\":null,\"b\":2}", "the arguments of \"s.y\": ${input.a}: it is null");
}
END_TEST

/* ---- files that are refused ---- */

static const struct {
	const char *text;
	int line, column;
	const char *says;
} refused[] = {
	{"", 1, 1, "empty"},
	{"[]", 1, 1, "a workflow must be a map"},
	{"x", 1, 1, "a workflow must be a map"},
	{"worfklow: w\n" STEP, 1, 1, "did you mean \"workflow\"?"},
	{STEP, 1, 1, "needs a \"workflow\": a name"},
	{"workflow: w w\n" STEP, 1, 11, "expected a name of 1 to 63"},
	{"workflow: 1234567890123456789012345678901234567890123456789012345678901234\n" STEP, 1, 11,
	 "expected a name"},
	{"workflow: w", 1, 1, "needs \"steps\""},
	{"workflow: w\nsteps:\n", 2, 7, "expected a list of steps"},
	{"workflow: w\nsteps:\n- x", 3, 3, "a step must be a map"},
	{"workflow: w\nsteps:\n- {name: s}", 3, 3, "a step needs a \"resource\""},
	{"workflow: w\nsteps:\n- {name: s, resource: r, operation: o}", 3, 3,
	 "the step \"s\" needs \"compensate\""},
	{"workflow: w\nsteps:\n- {name: s, atomc: []}", 3, 13, "did you mean \"atomic\"?"},
	{"workflow: w\nsteps:\n- {name: s, atomic: []}", 3, 21, "one branch or more"},
	{"workflow: w\nsteps:\n- {atomic: [{}]}", 3, 3, "a step needs a \"name\""},
	{"workflow: w\nsteps:\n- {name: s.t, atomic: [{}]}", 3, 10, "name of 1 to 31"},
	{"workflow: w\nsteps:\n- {name: [s], atomic: [{}]}", 3, 10, "name of 1 to 31"},
	{"workflow: w\nsteps:\n- {name: s, atomic: [{name: b, resource: r, operation: o}], order: "
	 "any}",
	 3, 68, "expected parallel or sequential"},
	{"workflow: w\nsteps:\n- {name: s, atomic: [{name: b, resource: r, operation: o}], "
	 "timeout: 0s}",
	 3, 70, "from 1ms to 1d"},
	{"workflow: w\nsteps:\n- {name: s, atomic: [{name: b, resource: r, operation: o}], "
	 "timeout: 25h}",
	 3, 70, "from 1ms to 1d"},
	{"workflow: w\nsteps:\n- {name: s, atomic: [{name: b, resource: r, operation: o}], "
	 "timeout: 5}",
	 3, 70, "a duration"},
	{"workflow: w\nsteps:\n- {name: s, atomic: [b]}", 3, 22, "a branch must be a map"},
	{"workflow: w\nsteps:\n- {name: s, atomic: [{}]}", 3, 22, "a branch needs a \"name\""},
	{"workflow: w\nsteps:\n- {name: s, atomic: [{name: b, operation: o}]}", 3, 22,
	 "a branch needs a \"resource\""},
	{"workflow: w\nsteps:\n- {name: s, atomic: [{name: b, resource: r}]}", 3, 22,
	 "a branch needs an \"operation\""},
	{"workflow: w\nsteps:\n- {name: s, atomic: [{name: b, resource: 'r/x', operation: o}]}", 3,
	 42, "resource: expected a name"},
	{"workflow: w\nsteps:\n- {name: s, atomic: [{name: b, resource: r, operation: o, arg: 1}]}",
	 3, 59, "a branch has no \"arg\"; did you mean \"args\"?"},
	{"workflow: w\nsteps:\n- {name: s, atomic: [{name: b, resource: r, operation: o, args: "
	 "[]}]}",
	 3, 65, "args: expected a map"},
	{"workflow: w\nsteps:\n- {name: s, atomic: [{name: b, resource: r, operation: o, "
	 "read_only: 1}]}",
	 3, 70, "true or false"},
	{"workflow: w\nsteps:\n- name: s\n  atomic:\n  - {name: b, resource: r, operation: o}\n"
	 "  - {name: b, resource: q, operation: o}",
	 6, 5, "\"b\" was given before, on line 5"},
	{"workflow: w\ninput: x\n" STEP, 2, 8, "a list of names"},
	{"workflow: w\ninput: [a, b, a]\n" STEP, 2, 15, "\"a\" is declared twice"},
	{"workflow: w\ninput: [a.b]\n" STEP, 2, 9, "a name of 1 to 63"},
	{"workflow: w\ninput: [{a: 1}]\n" STEP, 2, 9, "a name of 1 to 63"},
	{"workflow: w\ninput: {a: {typ: any}}\n" STEP, 2, 13, "did you mean \"type\"?"},
	{"workflow: w\ninput: {a: {type: text}}\n" STEP, 2, 19, "string, integer, number"},
	{"workflow: w\ninput: {a: string}\n" STEP, 2, 12, "an input must be a map"},
	{"workflow: w\ninput: {a: {type: integer, default: x}}\n" STEP, 2, 37, "not of the type"},
	{"workflow: w\ninput: {a: {default: 1, required: true}}\n" STEP, 2, 35,
	 "cannot be required"},
	{"workflow: w\ninput: {a: {default: \"${input.b}\"}, b: {}}\n" STEP, 2, 22,
	 "a default cannot refer to anything"},
	{"workflow: w\nworkflow: v\n" STEP, 2, 1, "given before, on line 1"},
	{"workflow: w\ninput: [from]\nsteps: [{name: s, atomic: [{name: b, resource: r, operation: "
	 "o, "
	 "args: {x: [\"${input.frm}\"]}}]}]",
	 3, 76, "did you mean \"from\"?"},
	{"workflow: &x w\n" STEP, 1, 11, "anchors"},
};

START_TEST(what_is_wrong_is_refused_at_its_place)
{
	REFUSED(refused[_i].text, refused[_i].line, refused[_i].column, refused[_i].says);
}
END_TEST

/* A workflow with `n` branches, each of these arguments. */
static char *many_branches(size_t n, const char *args)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	fputs("workflow: w\ninput: [a]\nsteps:\n- name: s\n  atomic:\n", out);
	for (size_t i = 0; i < n; i++)
		fprintf(out, "  - {name: b%zu, resource: r, operation: o, args: %s}\n", i, args);
	fclose(out);
	return text;
}

START_TEST(a_thousand_branches_are_the_most)
{
	char *text = many_branches(WORKFLOW_BRANCHES_MAX, "{}");

	PARSE(text);
	BOUND("{\"a\":1}");
	ck_assert_uint_eq(plan.n_branches, WORKFLOW_BRANCHES_MAX);
	ck_assert_str_eq(plan.branches[999].name, "s.b999");
	free(text);
	text = many_branches(WORKFLOW_BRANCHES_MAX + 1, "{}");
	REFUSED(text, 6, 3, "1001 branches; at most 1000");
	ck_assert_int_eq(err.code, RC_TOO_BIG);
	free(text);
}
END_TEST

START_TEST(too_many_inputs_are_refused)
{
	char names[2 * WORKFLOW_INPUTS_MAX + 3] = {0}, *text;

	for (size_t i = 0; i <= WORKFLOW_INPUTS_MAX; i++)
		memcpy(names + 2 * i, "n,", 2);
	text = mem_printf("workflow: w\ninput: [%s]\n" STEP, names);
	REFUSED(text, 2, 8, "more than 1000 names");
	free(text);
}
END_TEST

START_TEST(a_text_over_the_cap_is_refused)
{
	char *text = mem_new(WORKFLOW_TEXT_MAX + 2, 1);

	memset(text, ' ', WORKFLOW_TEXT_MAX + 1);
	REFUSED(text, 0, 0, "at most 1048576");
	ck_assert_int_eq(err.code, RC_TOO_BIG);
	free(text);
}
END_TEST

/* ---- inputs ---- */

START_TEST(inputs_must_be_those_declared)
{
	char *text = with_args("{}");

	PARSE(text);
	free(text);
	UNBOUND("{\"a\":1}", "the input \"b\" is missing");
	UNBOUND(NULL, "the input \"a\" is missing");
	UNBOUND("[]", "must be a JSON object");
	UNBOUND("{\"a\":1,\"b\":2,\"zzzz\":3}", "there is no input \"zzzz\"");
	PARSE("workflow: w\ninput: [amount]\n" STEP);
	UNBOUND("{\"amuont\":1}", "there is no input \"amuont\"; did you mean \"amount\"?");
	PARSE("workflow: w\n" STEP);
	UNBOUND("{\"amount\":1}", "there is no input \"amount\": the workflow takes none");
}
END_TEST

START_TEST(inputs_may_have_types_and_defaults)
{
	PARSE("workflow: w\n"
	      "input:\n"
	      "  s: {type: string}\n"
	      "  i: {type: integer, default: 5}\n"
	      "  n: {type: number, required: false}\n"
	      "  b: {type: boolean, default: true}\n"
	      "  d: {default: {x: [1, \"$${y}\"]}}\n"
	      "  e:\n"
	      "steps:\n"
	      "- name: s\n"
	      "  atomic:\n"
	      "  - name: b\n"
	      "    resource: r\n"
	      "    operation: o\n"
	      "    args: {s: \"${input.s}\", i: \"${input.i}\", n: \"${input.n}\", b: "
	      "\"${input.b}\",\n"
	      "           d: \"${input.d}\", e: \"${input.e}\"}\n");
	BOUND("{\"s\":\"x\",\"e\":1}");
	ck_assert_str_eq(plan.branches[0].args, "{\"s\":\"x\",\"i\":5,\"n\":null,\"b\":true,"
						"\"d\":{\"x\":[1,\"${y}\"]},\"e\":1}");
	BOUND("{\"s\":\"x\",\"e\":null,\"i\":6,\"n\":7,\"b\":false,\"d\":0}");
	ck_assert_str_eq(plan.branches[0].args,
			 "{\"s\":\"x\",\"i\":6,\"n\":7,\"b\":false,\"d\":0,\"e\":null}");
	UNBOUND("{\"s\":1,\"e\":1}", "the input \"s\" must be a string");
	UNBOUND("{\"s\":null,\"e\":1}", "the input \"s\" must be a string");
	UNBOUND("{\"s\":\"\",\"e\":1,\"i\":1.5}", "the input \"i\" must be an integer");
	UNBOUND("{\"s\":\"\",\"e\":1,\"n\":\"1\"}", "the input \"n\" must be a number");
	UNBOUND("{\"s\":\"\",\"e\":1,\"b\":0}", "the input \"b\" must be true or false");
	UNBOUND("{\"s\":\"\"}", "the input \"e\" is missing");
}
END_TEST

/* ---- caps ---- */

/* {"a": a text of `size` bytes} and {"b": 0}. */
static char *big_input(size_t size, bool b)
{
	char *xs = mem_new(size + 1, 1), *json;

	memset(xs, 'x', size);
	json = mem_printf("{\"a\":\"%s\"%s}", xs, b ? ",\"b\":0" : "");
	free(xs);
	return json;
}

static void TOO_BIG(const char *json, const char *says)
{
	ck_assert_int_eq(BIND(json), RC_TOO_BIG);
	ck_assert_msg(strstr(err.text, says) != NULL, "`%s` not in: %s", says, err.text);
}

START_TEST(an_input_over_the_cap_is_refused)
{
	char *text = with_args("{}"), *json = big_input(WORKFLOW_INPUT_MAX, true);

	PARSE(text);
	TOO_BIG(json, "the input has more than 1048576 bytes");
	free(text);
	free(json);
}
END_TEST

static const char *const multipliers[] = {
	"{v: \"${input.a}\", w: \"${input.a}\"}",
	"{v: \"${input.a}${input.a}\"}",
	"{v: [\"x${input.a}\", \"y${input.a}\", [\"${input.a}\"]]}",
};

START_TEST(arguments_over_the_cap_are_refused)
{
	char *text = with_args(multipliers[_i]), *json = big_input(WORKFLOW_ARGS_MAX / 2, true);

	PARSE(text);
	TOO_BIG(json, "the arguments of \"s.y\" come to more than 1048576 bytes");
	free(text);
	free(json);
}
END_TEST

START_TEST(a_small_file_cannot_make_huge_arguments)
{
	char *list = mem_new(1000 * 1000, 1), *text,
	     *json = big_input(WORKFLOW_INPUT_MAX - 100, true);
	size_t used = 0;

	for (int i = 0; i < 40000; i++)
		used += (size_t)sprintf(list + used, "\"-${input.a}\",");
	text = mem_printf(
		"workflow: w\ninput: [a, b]\nsteps: [{name: s, atomic: [{name: y, resource: r, "
		"operation: o, args: {v: [%s]}}]}]",
		list);
	PARSE(text);
	TOO_BIG(json, "come to more than");
	free(list);
	free(text);
	free(json);
}
END_TEST

START_TEST(all_branches_together_have_a_cap)
{
	char *text = many_branches(1000, "{v: \"${input.a}\"}");
	char *json = big_input(WORKFLOW_ARGS_MAX - 1000, false);

	PARSE(text);
	TOO_BIG(json, "those of all branches to more than 8388608");
	free(json);
	json = big_input(8000, false);
	BOUND(json);
	free(json);
	free(text);
}
END_TEST

/* ---- hostile texts ---- */

START_TEST(every_cut_and_every_changed_byte_is_handled)
{
	static const char good[] =
		"{workflow: w, input: {a: {default: [1]}}, steps: [{name: s, timeout: "
		"5s, atomic: [{name: b, resource: r, operation: o, args: {x: "
		"\"$${ ${input.a.b} .\", y: [1e3, 0x1]}}]}]}";
	static const char bytes[] = {'\0', '"',    '{', '}', '[', ':',
				     '\n', '\xff', '&', '$', '-', '\\'};
	char *text = malloc(sizeof good - 1);

	for (size_t i = 0; i < sizeof good - 1; i++) {
		memcpy(text, good, sizeof good - 1);
		workflow_parse(text, i, &workflow, &err);
		clean();
		for (size_t j = 0; j < sizeof bytes; j++) {
			text[i] = bytes[j];
			if (workflow_parse(text, sizeof good - 1, &workflow, &err) == RC_OK)
				BIND("{\"a\":{\"b\":1}}");
			clean();
		}
	}
	free(text);
}
END_TEST

START_TEST(deep_arguments_are_refused)
{
	char deep[201] = {0}, *text;

	memset(deep, '[', 100);
	memset(deep + 100, ']', 100);
	text = mem_printf(
		"workflow: w\nsteps: [{name: s, atomic: [{name: b, resource: r, operation: o, "
		"args: {x: %s}}]}]",
		deep);
	REFUSED(text, 2, 133, "more than 64 levels");
	free(text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("workflow");
	TCase *tc = tcase_create("workflow");

	tcase_add_checked_fixture(tc, NULL, clean);
	tcase_set_timeout(tc, 20);
	tcase_add_test(tc, the_example_binds);
	tcase_add_test(tc, a_definition_may_be_json);
	tcase_add_test(tc, what_is_optional_may_be_left_out);
	tcase_add_test(tc, one_workflow_binds_many_times);
	tcase_add_loop_test(tc, what_is_wrong_is_refused_at_its_place, 0, COUNT(refused));
	tcase_add_test(tc, a_thousand_branches_are_the_most);
	tcase_add_test(tc, too_many_inputs_are_refused);
	tcase_add_test(tc, a_text_over_the_cap_is_refused);
	tcase_add_test(tc, inputs_must_be_those_declared);
	tcase_add_test(tc, inputs_may_have_types_and_defaults);
	tcase_add_test(tc, an_input_over_the_cap_is_refused);
	tcase_add_loop_test(tc, arguments_over_the_cap_are_refused, 0, COUNT(multipliers));
	tcase_add_test(tc, a_small_file_cannot_make_huge_arguments);
	tcase_add_test(tc, all_branches_together_have_a_cap);
	tcase_add_test(tc, every_cut_and_every_changed_byte_is_handled);
	tcase_add_test(tc, deep_arguments_are_refused);
	suite_add_tcase(suite, tc);
	return suite_run(suite, NULL, NULL);
}
