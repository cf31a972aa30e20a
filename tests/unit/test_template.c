/* test_template.c - values with references in them, typed and filled in. */
#include "base/mem.h"
#include "saga/saga.h"
#include "saga/template.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

static const char *const inputs[] = {"a", "b", NULL};
static const char *const steps[] = {"me", "x", NULL}; /* x comes before me */
static struct template *template;
static struct err err;

static void clean(void)
{
	template_free(template);
	template = NULL;
}

/* Parses a value of the step `me`. */
static enum rc parse(const char *text)
{
	struct yaml_doc *doc;
	uint32_t after = 1;
	struct def_step two[2] = {{.name = (char *)"me", .after = &after, .n_after = 1},
				  {.name = (char *)"x"}};
	struct workflow w = {.steps = two, .n_steps = 2};
	struct step_nodes nodes[2] = {0};
	struct problems problems = {0};
	struct names input_names, step_names;
	struct scope scope = {.problems = &problems, .inputs = &input_names, .steps = &step_names};
	enum rc rc = yaml_parse(text, strlen(text), &doc, &err);

	clean();
	if (rc != RC_OK)
		return rc;
	names_init(&input_names, inputs);
	names_init(&step_names, steps);
	scope.order = order_new(&problems, &w, nodes);
	template = template_parse(&scope, yaml_root(doc));
	ck_assert((template == NULL) == (problems.count > 0));
	if (problems.count > 0) {
		problems_sort(&problems);
		err = problems.all[0];
		rc = err.code;
	}
	sandbox_free(scope.checker);
	order_free((struct order *)scope.order);
	free(two[1].before);
	names_fini(&input_names);
	names_fini(&step_names);
	problems_fini(&problems);
	yaml_doc_free(doc);
	return rc;
}

static void PARSE(const char *text)
{
	ck_assert_msg(parse(text) == RC_OK, "%s: %s", text, err.text);
}

static void REFUSED(const char *text, int column, const char *says)
{
	ck_assert_int_eq(parse(text), RC_INVALID);
	ck_assert_ptr_null(template);
	ck_assert_msg(strstr(err.text, says) != NULL, "`%s` not in: %s", says, err.text);
	ck_assert_int_eq(err.line, 1);
	ck_assert_int_eq(err.column, column);
}

/* Fills the template in from an input written as JSON. */
static enum rc render(const char *input, struct jsonbuf *out)
{
	static struct saga_step states[2] = {
		{.state = STEP_DOING},
		{.state = STEP_DONE, .output = (char *)"{\"id\":7,\"l\":[1,2],\"n\":null}"},
	};
	static const struct saga saga = {.steps = states, .n_steps = 2};
	static struct def_step two[2] = {{.name = (char *)"me"}, {.name = (char *)"x"}};
	static const struct workflow w = {.steps = two, .n_steps = 2};
	json_t *json = json_loads(input, 0, NULL);
	struct workflow_data data = {.gid = "g-1", .input = json, .saga = &saga};
	struct eval eval = {.workflow = &w, .data = &data};
	enum rc rc;

	ck_assert_ptr_nonnull(json);
	rc = template_render(template, &eval, out, &err);
	eval_fini(&eval);
	json_decref(json);
	return rc;
}

static void GIVES(const char *input, const char *expected)
{
	struct jsonbuf out = {.max = 1000};
	char *text;

	ck_assert_msg(render(input, &out) == RC_OK, "%s: %s", input, err.text);
	text = jsonbuf_take(&out);
	ck_assert_str_eq(text, expected);
	free(text);
}

static void FAILS(const char *input, const char *says)
{
	struct jsonbuf out = {.max = 1000};

	ck_assert_int_eq(render(input, &out), RC_INVALID);
	ck_assert_msg(strstr(err.text, says) != NULL, "`%s` not in: %s", says, err.text);
	jsonbuf_fini(&out);
}

/* ---- values ---- */

static const struct {
	const char *text, *json;
} typed[] = {
	{"{v: 12}", "{\"v\":12}"},
	{"{v: \"12\"}", "{\"v\":\"12\"}"},
	{"{v: '12'}", "{\"v\":\"12\"}"},
	{"{v: -0}", "{\"v\":0}"},
	{"{v: +7}", "{\"v\":7}"},
	{"{v: 007}", "{\"v\":7}"},
	{"{v: 0o17}", "{\"v\":15}"},
	{"{v: 0xfF}", "{\"v\":255}"},
	{"{v: 9223372036854775807}", "{\"v\":9223372036854775807}"},
	{"{v: -9223372036854775808}", "{\"v\":-9223372036854775808}"},
	{"{v: 9007199254740993}", "{\"v\":9007199254740993}"},
	{"{v: 0x7fffffffffffffff}", "{\"v\":9223372036854775807}"},
	{"{v: 0.10}", "{\"v\":0.10}"},
	{"{v: .5}", "{\"v\":0.5}"},
	{"{v: 5.}", "{\"v\":5.0}"},
	{"{v: -00.5e+3}", "{\"v\":-0.5e+3}"},
	{"{v: 1e3}", "{\"v\":1.0e3}"},
	{"{v: 12345678901234567890.123456789}", "{\"v\":12345678901234567890.123456789}"},
	{"{v: true, w: False, x: TRUE}", "{\"v\":true,\"w\":false,\"x\":true}"},
	{"{v: null, w: ~, x: , y: NULL}", "{\"v\":null,\"w\":null,\"x\":null,\"y\":null}"},
	{"{v: \"null\", w: \"true\", x: \"\"}", "{\"v\":\"null\",\"w\":\"true\",\"x\":\"\"}"},
	{"{v: yes, w: tRue, x: 1_000, y: 0b1, z: 1e}",
	 "{\"v\":\"yes\",\"w\":\"tRue\",\"x\":\"1_000\",\"y\":\"0b1\",\"z\":\"1e\"}"},
	{"{v: -, w: ., x: +, y: 0x, z: -0x1}",
	 "{\"v\":\"-\",\"w\":\".\",\"x\":\"+\",\"y\":\"0x\",\"z\":\"-0x1\"}"},
	{"{v: 2024-01-02, w: 1.2.3, x: 12 34}",
	 "{\"v\":\"2024-01-02\",\"w\":\"1.2.3\",\"x\":\"12 34\"}"},
	{"{v: \"a\\\"b\\\\c\\n\\r\\t\\x01\\u00e9\"}",
	 "{\"v\":\"a\\\"b\\\\c\\n\\r\\t\\u0001\xc3\xa9\"}"},
	{"{\"k \\\"q\\\"\": 1, 2: 3}", "{\"k \\\"q\\\"\":1,\"2\":3}"},
	{"{v: [1, [x, {y: [], z: {}}]]}", "{\"v\":[1,[\"x\",{\"y\":[],\"z\":{}}]]}"},
	{"{}", "{}"},
	/* references, with a = "A" and b = 2 */
	{"{v: \"${input.a}\", w: \"${input.b}\"}", "{\"v\":\"A\",\"w\":2}"},
	{"{v: \"${ input.b }\"}", "{\"v\":2}"},
	{"{v: [\"${input.b}\", {w: \"${input.a}\"}]}", "{\"v\":[2,{\"w\":\"A\"}]}"},
	{"{v: \" ${input.b}\"}", "{\"v\":\" 2\"}"},
	{"{v: \"${input.a}${input.b}${input.a}\"}", "{\"v\":\"A2A\"}"},
	{"{v: \"<\\\"${input.a}\\\">\"}", "{\"v\":\"<\\\"A\\\">\"}"},
	{"{v: \"$${input.a}\"}", "{\"v\":\"${input.a}\"}"},
	{"{v: \"$$${input.a}\"}", "{\"v\":\"$${input.a}\"}"},
	{"{v: \"$${x ${input.a} $${\"}", "{\"v\":\"${x A ${\"}"},
	{"{v: \"$5 $$ $a {} $\"}", "{\"v\":\"$5 $$ $a {} $\"}"},
	{"{v: \"$\", w: \"costs $${\"}", "{\"v\":\"$\",\"w\":\"costs ${\"}"},
	{"{\"${input.a}\": 1}", "{\"${input.a}\":1}"}, /* keys are literal */
};

START_TEST(values_are_typed_and_filled_in)
{
	json_t *json = json_loads(typed[_i].json, 0, NULL);

	ck_assert_msg(json != NULL, "the expectation is no JSON: %s", typed[_i].json);
	json_decref(json);
	PARSE(typed[_i].text);
	GIVES("{\"a\":\"A\",\"b\":2}", typed[_i].json);
}
END_TEST

static const struct {
	const char *text;
	int at; /* characters before the place */
	const char *says;
} bad_values[] = {
	{"{v: 9223372036854775808}", 4, "does not fit 64 bits"},
	{"{v: -9223372036854775809}", 4, "does not fit 64 bits"},
	{"{v: 99999999999999999999999999}", 4, "does not fit 64 bits"},
	{"{v: 0x8000000000000000}", 4, "does not fit 64 bits"},
	{"{v: 1e999}", 4, "cannot be sent as JSON"},
	{"{v: .inf}", 4, "cannot be sent as JSON"},
	{"{v: -.Inf}", 4, "cannot be sent as JSON"},
	{"{v: .nan}", 4, "cannot be sent as JSON"},
	{"{v: \"${input.c}\"}", 4, "declares no input \"c\""},
	{"{v: [1, \"x ${input.aa}\"]}", 8, "did you mean \"a\"?"},
	{"{v: \"${input.a\"}", 4, "it has no closing `}`"},
	{"{v: \"${}\"}", 4, "${} is empty"},
	{"{v: \"${input.}\"}", 4, "${input.}: "},
	{"{v: \"${.a}\"}", 4, "${.a}: something is wrong near '.'"},
	{"{v: \"${input..a}\"}", 4, "there is nothing called \"a\""},
	{"{v: \"${inputs.a}\"}", 4, "there is nothing called \"inputs\"; did you mean \"input\"?"},
	{"{v: \"${steps.y.output.id}\"}", 4, "there is no step \"y\""},
	{"{v: \"${steps.me.output.id}\"}", 4, "the step \"me\" has no result yet"},
	{"{v: \"${steps.x.outputs}\"}", 4, "did you mean \"output\"?"},
	{"{v: \"${steps.x}\"}", 4, "a step has `output` and `status`: say which"},
	{"{v: \"${steps}\"}", 4, "after `steps` a name must stand"},
	{"{v: \"${input.a} ${${input.a}}\"}", 4, "something is wrong near '$'"},
	{"{v: ${input.a}}", 5, "quote a value with ${...}"},
	{"{v: \"\\0\"}", 4, "NUL"},
	{"{v: 1, v: 2}", 7, "given before"},
};

START_TEST(wrong_values_are_refused_at_their_place)
{
	REFUSED(bad_values[_i].text, 1 + bad_values[_i].at, bad_values[_i].says);
}
END_TEST

START_TEST(a_reference_keeps_its_type)
{
	PARSE("{v: \"${input.a}\"}");
	GIVES("{\"a\":{\"x\":[1,2.5,null,true,\"\\u0001\\\"\"]},\"b\":0}",
	      "{\"v\":{\"x\":[1,2.5,null,true,\"\\u0001\\\"\"]}}");
	GIVES("{\"a\":-9223372036854775808,\"b\":0}", "{\"v\":-9223372036854775808}");
	GIVES("{\"a\":null,\"b\":0}", "{\"v\":null}");
	GIVES("{\"a\":\"${input.b}\",\"b\":0}",
	      "{\"v\":\"${input.b}\"}"); /* what comes in is not read again */
}
END_TEST

START_TEST(reals_come_out_short_and_exact)
{
	PARSE("{v: \"${input.a}\", w: \"${input.a} ${input.b}\"}");
	GIVES("{\"a\":0.1,\"b\":1e22}", "{\"v\":0.1,\"w\":\"0.1 1e+22\"}");
	GIVES("{\"a\":5.0,\"b\":0.30000000000000004}",
	      "{\"v\":5.0,\"w\":\"5.0 0.30000000000000004\"}");
	GIVES("{\"a\":1234567.89,\"b\":-0.0}", "{\"v\":1234567.89,\"w\":\"1234567.89 -0.0\"}");
}
END_TEST

START_TEST(a_reference_may_go_deeper)
{
	PARSE("{v: \"${input.a.b.c}\", w: \"<${input.a.n}>\"}");
	GIVES("{\"a\":{\"b\":{\"c\":[7]},\"n\":1},\"b\":0}", "{\"v\":[7],\"w\":\"<1>\"}");
	GIVES("{\"a\":{\"b\":1,\"n\":true},\"b\":0}", "{\"v\":null,\"w\":\"<true>\"}");
	FAILS("{\"a\":{\"b\":{}},\"b\":0}",
	      "${input.a.n}: it is missing, which cannot stand inside a longer text");
	FAILS("{\"a\":1,\"b\":0}", "it is missing");
	FAILS("{\"b\":0}", "it is missing");
}
END_TEST

START_TEST(null_lists_and_objects_cannot_stand_in_text)
{
	PARSE("{v: \"no ${input.a}\"}");
	FAILS("{\"a\":null,\"b\":0}",
	      "${input.a}: it is null, which cannot stand inside a longer text");
	FAILS("{\"a\":[],\"b\":0}", "${input.a}: it is a list");
	FAILS("{\"a\":{},\"b\":0}", "${input.a}: it is an object");
}
END_TEST

/* ---- the cap ---- */

START_TEST(exactly_the_cap_fits_and_one_more_does_not)
{
	static const char *const texts[] = {"{v: \"${input.a}\"}", "{v: \"${input.a}x\"}",
					    "[\"${input.a}\", 1]", "{v: \"\\x01${input.a}\"}"};

	for (int i = 0; i < COUNT(texts); i++) {
		struct jsonbuf out = {.max = 1000};
		size_t size;

		PARSE(texts[i]);
		ck_assert_int_eq(render("{\"a\":\"\\u0001\\\"\",\"b\":0}", &out), RC_OK);
		size = out.size;
		for (size_t max = 0; max <= size; max++) {
			jsonbuf_fini(&out);
			out.max = max;
			out.over = false;
			ck_assert_int_eq(render("{\"a\":\"\\u0001\\\"\",\"b\":0}", &out),
					 max < size ? RC_TOO_BIG : RC_OK);
			ck_assert_uint_le(out.size, max);
		}
		jsonbuf_fini(&out);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("template");
	TCase *tc = tcase_create("template");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, NULL, clean);
	tcase_add_loop_test(tc, values_are_typed_and_filled_in, 0, COUNT(typed));
	tcase_add_loop_test(tc, wrong_values_are_refused_at_their_place, 0, COUNT(bad_values));
	tcase_add_test(tc, a_reference_keeps_its_type);
	tcase_add_test(tc, reals_come_out_short_and_exact);
	tcase_add_test(tc, a_reference_may_go_deeper);
	tcase_add_test(tc, null_lists_and_objects_cannot_stand_in_text);
	tcase_add_test(tc, exactly_the_cap_fits_and_one_more_does_not);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
