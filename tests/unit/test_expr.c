/* test_expr.c - expressions: what they give, what they may not do, and that each ends
 * soon, whatever it is. */
#include "base/mem.h"
#include "saga/jsonbuf.h"
#include "saga/saga.h"
#include "saga/workflow.h"
#include "tests/lib/harness.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

/* The step `s` comes after `x`, which gave `output`, and after `y`, which was skipped. */
static const char frame[] =
	"workflow: w\n"
	"input: {n: {required: false}, t: {required: false}, o: {required: false}, "
	"l: {required: false}}\n"
	"steps:\n"
	"- {name: x, resource: r, operation: o, compensate: none}\n"
	"- {name: y, resource: r, operation: o, compensate: none}\n"
	"- {name: s, after: [x, y], resource: r, operation: o, compensate: none, args: {v: %s}}\n";
static const char standard_input[] =
	"{\"n\":7,\"t\":\"h\\u00e9\",\"o\":{\"a\":{\"b\":1},\"null\":null,\"e\":{}},"
	"\"l\":[1,\"two\",[],null]}";
static const char *input_text = standard_input;
static const char *output = "{\"id\":9007199254740993,\"r\":0.1,\"list\":[10,20]}";
static struct err err;

static char *quoted(const char *text)
{
	struct jsonbuf b = {.max = 10 << 20};

	jsonbuf_string(&b, text, strlen(text));
	return jsonbuf_take(&b);
}

/* The arguments of `s` with the YAML text `value` as v; or NULL, with `err`. */
static char *args_of(const char *value)
{
	char *text = mem_printf(frame, value), *args = NULL;
	struct saga_step states[3] = {
		{.state = STEP_DONE, .output = (char *)output},
		{.state = STEP_SKIPPED},
		{.state = STEP_DOING},
	};
	struct saga saga = {.steps = states, .n_steps = 3};
	json_t *given = json_loads(input_text, 0, NULL), *input = NULL;
	struct workflow_data data = {.gid = "g-1", .saga = &saga};
	struct workflow *w = NULL;

	ck_assert_ptr_nonnull(given);
	err = (struct err){0};
	if (workflow_parse(text, strlen(text), &w, &err) == RC_OK &&
	    workflow_input(w, given, &input, &err) == RC_OK) {
		data.input = input;
		if (workflow_args(w, 2, false, &data, &args, &err) != RC_OK)
			ck_assert_ptr_null(args);
	}
	workflow_free(w);
	json_decref(input);
	json_decref(given);
	free(text);
	return args;
}

/* A text of the file as a value. */
static void GIVES(const char *value, const char *expected)
{
	char *yaml = quoted(value), *args = args_of(yaml), *whole;

	whole = mem_printf("{\"v\":%s}", expected);
	ck_assert_msg(args != NULL, "%s: %s", value, err.text);
	ck_assert_msg(strcmp(args, whole) == 0, "%s: %s, not %s", value, args, whole);
	free(whole);
	free(yaml);
	free(args);
}

static void FAILS(const char *value, const char *says)
{
	char *yaml = quoted(value), *args = args_of(yaml);

	ck_assert_msg(args == NULL, "%.100s: %.100s", value, args);
	ck_assert_msg(strstr(err.text, says) != NULL, "%.100s: `%s` not in: %s", value, says,
		      err.text);
	ck_assert_int_eq(err.code, RC_INVALID);
	ck_assert_int_eq(err.line, 0); /* the file was good */
	free(yaml);
}

/* ---- values ---- */

static const struct {
	const char *value, *json;
} values[] = {
	/* plain paths */
	{"${input.n}", "7"},
	{"${input.o}", "{\"a\":{\"b\":1},\"null\":null,\"e\":{}}"},
	{"${input.o.a.b}", "1"},
	{"${input.o.null}", "null"},
	{"${input.o.nothing}", "null"},
	{"${input.n.nothing.at.all}", "null"},
	{"${steps.x.output.id}", "9007199254740993"},
	{"${steps.x.output.r}", "0.1"},
	{"${steps.x.output}", "{\"id\":9007199254740993,\"r\":0.1,\"list\":[10,20]}"},
	{"${steps.y.output}", "null"},
	{"${steps.y.output.id}", "null"},
	{"${steps.x.status} ${steps.y.status}", "\"done skipped\""},
	{"${gid}", "\"g-1\""},
	{"${null}", "null"},
	{"at ${input.n}, $${not} ${input.t}!", "\"at 7, ${not} h\xc3\xa9!\""},
	/* arithmetic, exact to 64 bits */
	{"${input.n + 1}", "8"},
	{"${input.n-1}", "6"},
	{"${7 // 2} ${7 % 2}", "\"3 1\""},
	{"${7 / 2}", "3.5"},
	{"${6 / 2}", "3.0"},
	{"${steps.x.output.id + 1}", "9007199254740994"},
	{"${9223372036854775807}", "9223372036854775807"},
	{"${-9223372036854775807 - 1}", "-9223372036854775808"},
	{"${0.1 + 0.2}", "0.30000000000000004"},
	{"${steps.x.output.r}", "0.1"},
	{"${2^53}", "9007199254740992.0"},
	{"${1e300}", "1e+300"},
	{"${math.floor(2.7)} ${math.ceil(2.1)} ${math.abs(-3)}", "\"2 3 3\""},
	{"${math.floor(1e300)}", "1e+300"},
	{"${math.max(1, 9007199254740993, 2)}", "9007199254740993"},
	{"${math.min(1, -0.5)}", "-0.5"},
	{"${math.abs(-9223372036854775807)}", "9223372036854775807"},
	/* truth */
	{"${input.n > 5}", "true"},
	{"${input.n > 5 and input.t ~= 'x'}", "true"},
	{"${not input.o.nothing}", "true"},
	{"${input.o.nothing == nil}", "true"},
	{"${input.o['null'] == null}", "true"},
	{"${input.o['null'] == nil}", "false"},
	{"${null == nil}", "false"},
	{"${input.n == '7'}", "false"},
	/* missing and null */
	{"${input.o.nothing.deeper['and'].deeper == nil}", "true"},
	{"${input.o['null'].deeper == nil}", "true"},
	{"${steps.y.output.id == nil}", "true"},
	{"${steps.y.output == nil and steps.y.status == 'skipped'}", "true"},
	{"${default(input.o.nothing, 3)}", "3"},
	{"${default(null, 'x')} ${default(false, true)}", "\"x false\""},
	{"${nil}", "null"},
	{"${ {a = null, b = nil} }", "{\"a\":null}"},
	/* texts */
	{"${'a' .. 1 .. input.t}", "\"a1h\xc3\xa9\""},
	{"${string.upper('abc') .. string.lower('DEF')}", "\"ABCdef\""},
	{"${string.len(input.t)} ${#input.t}", "\"2 3\""},
	{"${string.sub('h\xc3\xa9llo', 2, 3)}", "\"\xc3\xa9l\""},
	{"${string.sub('hello', -3)} ${string.sub('hello', 0, 99)} ${string.sub('x', 2)}.",
	 "\"llo hello .\""},
	{"${tostring(1.5) .. tostring(true) .. tostring(0.1) .. tostring(-3)}", "\"1.5true0.1-3\""},
	{"${tonumber('12') + 1} ${tonumber('0x10')} ${tonumber('1.5')}", "\"13 16 1.5\""},
	{"${tonumber('twelve') == nil and tonumber({}) == nil}", "true"},
	{"${'\\0651\\n'}", "\"A1\\n\""},
	{"${'}' .. \"{\" .. [[}]]}", "\"}{}\""},
	/* lists and objects */
	{"${ {1, 2, {}} }", "[1,2,{}]"},
	{"${ {b = 1, a = 2, ['c d'] = 3} }", "{\"a\":2,\"b\":1,\"c d\":3}"},
	{"${input.l}", "[1,\"two\",[],null]"},
	{"${(input.l)}", "[1,\"two\",[],null]"},
	{"${input.l[2]} ${#input.l} ${#steps.x.output.list}", "\"two 4 2\""},
	{"${input.l[3]}", "[]"},
	{"${input.l[9]}", "null"},
	{"${list()}", "[]"},
	{"${list(1, list(), {})}", "[1,[],{}]"},
	{"${ {} }", "{}"},
	{"${input.o.e}", "{}"},
	{"${(input.o).e}", "{}"},
	{"${ {input.o, input.o} }",
	 "[{\"a\":{\"b\":1},\"e\":{},\"null\":null},{\"a\":{\"b\":1},\"e\":{},\"null\":null}]"},
	{"${type(1)} ${type('')} ${type(null)} ${type(nil)} ${type({})} ${type({1})} "
	 "${type(list())} ${type(true)} ${type(type)}",
	 "\"number text null missing object list list boolean function\""},
	{"${input}", "{\"n\":7,\"t\":\"h\xc3\xa9\",\"o\":{\"a\":{\"b\":1},\"null\":null,\"e\":{}},"
		     "\"l\":[1,\"two\",[],null]}"},
	{"${(function() local s = 0 for _, v in ipairs(steps.x.output.list) do s = s + v end "
	 "return s end)()}",
	 "30"},
	{"${(function(a, ...) local n <const> = 5 return a + n end)(5)}", "10"},
	{"${(function() goto over ::over:: return 1 end)()}", "1"},
	{"${(function() if input.n > 5 then return 'more' else return 'less' end end)()}",
	 "\"more\""},
};

START_TEST(expressions_give_values)
{
	GIVES(values[_i].value, values[_i].json);
}
END_TEST

/* ---- failures ---- */

static const struct {
	const char *value, *says;
} failures[] = {
	{"x ${input.o}", "${input.o}: it is an object, which cannot stand inside a longer text"},
	{"x ${input.l}", "it is a list"},
	{"x ${input.o.nothing}", "it is missing"},
	{"x ${(input.o.nothing)}", "it is missing"},
	{"x ${input.o['null']}", "it is null"},
	{"x ${ {} }", "it is an object, which"},
	{"${1 / 0}", "the number is infinite"},
	{"${0 / 0}", "not a number"},
	{"${ {x = {-1 / 0}} }", "infinite"},
	{"x ${1 / 0}", "infinite"},
	{"${'\\xff'}", "not valid UTF-8"},
	{"x ${'\\xc3'}", "not valid UTF-8"},
	{"${'\\xed\\xa0\\x80'}", "not valid UTF-8"},
	{"${ {['\\xff'] = 1} }", "not valid UTF-8"},
	{"${'a\\0b'}", "NUL"},
	{"${tostring}", "a function: it cannot be sent"},
	{"${ {f = function() end} }", "a function"},
	{"${math}", "a function"},
	{"${ {1, nil, 3} }", "a list has gaps"},
	{"${ {[0] = 1} }", "a list has gaps"},
	{"${ {[1.5] = 1} }", "a list has gaps"},
	{"${ {[true] = 1} }", "a list has gaps"},
	{"${ {1, a = 2} }", "a list and an object at once"},
	{"${(function() local t = list(1) t.a = 2 return t end)()}", "at once"},
	{"${(function() local t = {} t.t = t return t end)()}", "contains itself"},
	{"${(function() local t = {} for i = 1, 200 do t = {t} end return t end)()}",
	 "nested more than 100 levels"},
	{"${input.n + input.o.nothing}", "cannot calculate with a missing value (field 'nothing')"},
	{"${input.n + input.t}", "cannot calculate with a text (field 't')"},
	{"${input.n .. null}", "cannot join null"},
	{"${input.n > input.t}", "cannot compare a text with a number"},
	{"${input.n < nil}", "cannot compare a number with a missing value"},
	{"${null < null}", "null cannot be compared"},
	{"${#input.n}", "cannot take the length of a number"},
	{"${input.t:upper()}", "cannot call a missing value (method 'upper')"},
	{"${input.n()}", "cannot call a number (field 'n')"},
	{"${(function() input.n.x = 1 end)()}", "cannot set a field of a number"},
	{"${(function() math.floor = nil end)()}", "the functions cannot be changed"},
	{"${(function() string.len = 1 end)()}", "the functions cannot be changed"},
	{"${math.floor('x')}", "math.floor needs a number, not a text"},
	{"${math.max()}", "math.max needs a number, not missing"},
	{"${math.abs(-9223372036854775807 - 1)}", "does not fit 64 bits"},
	{"${string.upper(1)}", "string.upper needs a text, not a number"},
	{"${string.sub('abc', 1.5)}", "string.sub needs a whole number"},
	{"${tostring({})}", "tostring needs a text, a number, true or false, not an object"},
	{"${tostring(nil)}", "not missing"},
	{"${(function() for _ in ipairs(input.n) do end end)()}",
	 "ipairs needs a list, not a number"},
	{"${1 // 0}", "cannot divide by zero"},
	{"${1 % 0}", "cannot divide by zero"},
	/* what runs away */
	{"${(function() while true do end end)()}", "it runs for too long: more than 100000"},
	{"${(function() for i = 1, 1e18 do end end)()}", "it runs for too long"},
	{"${(function() ::again:: goto again end)()}", "it runs for too long"},
	{"${(function() local function f() return f() end return f() end)()}",
	 "it runs for too long"},
	{"${(function() local function f() return 1 + f() end return f() end)()}",
	 "it needs too much memory: more than 1048576 bytes"},
	{"${(function() local s = 'x' while true do s = s .. s end end)()}", "too much memory"},
	{"${(function() local s = 'x' while true do s = s .. 'x' end end)()}", "it"},
	{"${(function() local t = {} while true do t = {t} end end)()}", "too much memory"},
	{"${(function() local t = {} while true do t[#t + 1] = 1 end end)()}", "it"},
	{"${(function() local t = {} while true do t[#t + 1] = {} end end)()}", "too much memory"},
	{"${(function() local s = 'x' for i = 1, 15 do s = s .. s end "
	 "while s == s .. '' do end end)()}",
	 "it"},
	{"${(function() local s = '0' for i = 1, 17 do s = s .. s end "
	 "while true do for i = 1, s do end end end)()}",
	 "it runs for too long"},
	{"${(function() local s = 'x' for i = 1, 17 do s = s .. s end "
	 "while true do local n = string.len(s) end end)()}",
	 "it runs for too long"},
};

START_TEST(failures_are_told)
{
	if (strcmp(failures[_i].says, "it") == 0)
		FAILS(failures[_i].value, ""); /* whichever limit it meets first */
	else
		FAILS(failures[_i].value, failures[_i].says);
}
END_TEST

START_TEST(a_value_that_grows_as_it_is_written_is_cut_short)
{
	char *yaml = quoted(
		"${(function() local t = {} for i = 1, 50 do t = {t, t} end return t end)()}");

	ck_assert_ptr_null(args_of(yaml));
	ck_assert_msg(strstr(err.text, "it runs for too long") != NULL, "%s", err.text);
	free(yaml);
}
END_TEST

START_TEST(messages_name_the_step_and_the_expression)
{
	FAILS("${input.n + nil}", "the arguments of \"s\": ${input.n + nil}: cannot calculate");
	FAILS("${'\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
	      "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
	      "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9' + "
	      "1}",
	      "\xc3\xa9...}: cannot calculate");
}
END_TEST

/* ---- nothing stays behind ---- */

START_TEST(one_expression_cannot_touch_the_next)
{
	char *args =
		args_of("{a: \"${(function() input.n = 99 input.o.a.b = 98 steps.x.output.id = 1 "
			"gid = 2 null = 3 return 1 end)()}\", "
			"b: \"${input.n + input.o.a.b}\", c: \"${steps.x.output.id + 0}\", "
			"d: \"${gid .. ''}\", e: \"${null == 3}\", f: \"${input.o.a.b}\"}");

	ck_assert_msg(args != NULL, "%s", err.text);
	ck_assert_str_eq(args, "{\"v\":{\"a\":1,\"b\":8,\"c\":9007199254740993,\"d\":\"g-1\","
			       "\"e\":false,\"f\":1}}");
	free(args);
}
END_TEST

/* ---- budgets of a whole call ---- */

static char *many(int n, const char *one)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	fputc('[', out);
	for (int i = 0; i < n; i++)
		fprintf(out, "%s\"%s\"", i > 0 ? ", " : "", one);
	fputc(']', out);
	fclose(out);
	return text;
}

static void MANY_FAIL(int n, const char *one, const char *says)
{
	char *value = many(n, one), *args = args_of(value);

	ck_assert_ptr_null(args);
	ck_assert_msg(strstr(err.text, says) != NULL, "`%s` not in: %s", says, err.text);
	free(value);
}

static void MANY_PASS(int n, const char *one)
{
	char *value = many(n, one), *args = args_of(value);

	ck_assert_msg(args != NULL, "%s", err.text);
	free(args);
	free(value);
}

START_TEST(all_expressions_of_a_call_share_a_budget)
{
	static const char busy[] = "${(function() for i = 1, 80000 do end return 1 end)()}";
	static const char big[] =
		"${(function() local t = {} for i = 1, 500 do t[i] = {i} end return #t end)()}";

	MANY_PASS(3, busy);
	MANY_FAIL(4, busy, "the expressions of one step may take 300000 instructions together");
	MANY_PASS(5, big);
	MANY_FAIL(60, big, "together");
	MANY_PASS(800, "${input.n + 1}");
	MANY_FAIL(1900, "${input.n + 1}", "together");
	MANY_FAIL(2001, "${input.n + 1}", "more than 2000 expressions that are not plain paths");
	MANY_PASS(3000, "${input.n}"); /* plain paths cost next to nothing */
}
END_TEST

/* ---- large values ---- */

START_TEST(large_values_meet_a_limit)
{
	char *big = mem_new(900 * 1000 + 1, 1), *json;

	memset(big, 'x', 900 * 1000);
	json = mem_printf("{\"t\":\"%s\",\"n\":1}", big);
	input_text = json;
	GIVES("${input.n + 1}", "2"); /* what is not mentioned costs nothing */
	GIVES("${#input.t}", "900000");
	FAILS("${input.t .. input.t}", "too much memory");
	FAILS("${(function() for i = 1, 1000 do end return input.t end)()}",
	      "long texts cost more");
	input_text = standard_input;
	free(json);
	free(big);
}
END_TEST

START_TEST(deep_values_meet_a_limit)
{
	char deep[2 * 500 + 1], *json;

	memset(deep, '[', 500);
	memset(deep + 500, ']', 500);
	deep[1000] = '\0';
	json = mem_printf("{\"l\":%s}", deep);
	input_text = json;
	GIVES("${input.l}", deep); /* a plain path hands on what came */
	FAILS("${(input.l)}", "nested more than 100 levels deep");
	input_text = standard_input;
	free(json);
}
END_TEST

START_TEST(outputs_are_read_only_if_they_are_mentioned)
{
	char *big = mem_new(WORKFLOW_OUTPUTS_MAX + 10, 1);
	const char *before = output;

	output = "{broken";
	GIVES("${input.n + 1} ${steps.x.status} ${steps.y.status .. ''}", "\"8 done skipped\"");
	FAILS("${steps.x.output.id}", "the output of the step \"x\" cannot be read");
	FAILS("${steps.x.output.id + 1}", "the output of the step \"x\" cannot be read");
	output = "{\"n\":9223372036854775808}";
	FAILS("${steps.x.output.n}", "too big integer");
	memset(big, ' ', WORKFLOW_OUTPUTS_MAX + 8);
	output = big;
	FAILS("${steps.x.output.id}", "come to more than 2097152 bytes");
	output = before;
	free(big);
}
END_TEST

START_TEST(text_in_the_json_cannot_break_out)
{
	input_text = "{\"t\":\"\\\",\\\"x\\\":1}${input.n}\\u0001\",\"n\":7}";
	GIVES("${input.t}", "\"\\\",\\\"x\\\":1}${input.n}\\u0001\"");
	GIVES("a${input.t}b", "\"a\\\",\\\"x\\\":1}${input.n}\\u0001b\"");
	GIVES("${input.t .. ''}", "\"\\\",\\\"x\\\":1}${input.n}\\u0001\"");
	GIVES("${ {[input.t] = 1} }", "{\"\\\",\\\"x\\\":1}${input.n}\\u0001\":1}");
	input_text = standard_input;
}
END_TEST

/* ---- a hostile source ---- */

START_TEST(every_cut_and_every_changed_byte_is_handled)
{
	static const char good[] =
		"${(function(a) local t = {x = 'y', [1] = [[z]]} for i = 1, #input.l do t[i] = "
		"steps.x.output.id // 2 end if a ~= nil then return t['x'] end end)(input.o.a)}";
	static const char bytes[] = {'\0',   '"',  '\'', '{', '}', '[', ']', '(', ')', '\n',
				     '\xff', '\\', '-',  '.', '=', ':', '1', ' ', '$'};
	char *text = mem_dup(good), *yaml;

	for (size_t i = 2; i < sizeof good - 1; i++) {
		for (size_t j = 0; j < sizeof bytes; j++) {
			text[i] = bytes[j];
			yaml = quoted(text);
			free(args_of(yaml));
			free(yaml);
		}
		text[i] = good[i];
	}
	free(text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("expr");
	TCase *tc = tcase_create("expr");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, expressions_give_values, 0, COUNT(values));
	tcase_add_loop_test(tc, failures_are_told, 0, COUNT(failures));
	tcase_add_test(tc, a_value_that_grows_as_it_is_written_is_cut_short);
	tcase_add_test(tc, messages_name_the_step_and_the_expression);
	tcase_add_test(tc, one_expression_cannot_touch_the_next);
	tcase_add_test(tc, all_expressions_of_a_call_share_a_budget);
	tcase_add_test(tc, large_values_meet_a_limit);
	tcase_add_test(tc, deep_values_meet_a_limit);
	tcase_add_test(tc, outputs_are_read_only_if_they_are_mentioned);
	tcase_add_test(tc, text_in_the_json_cannot_break_out);
	tcase_add_test(tc, every_cut_and_every_changed_byte_is_handled);
	suite_add_tcase(suite, tc);
	return suite_run(suite, NULL, NULL);
}
