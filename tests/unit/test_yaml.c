/* test_yaml.c - YAML and JSON as trees with places, and what is refused. */
#include "base/mem.h"
#include "base/yaml.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

static struct yaml_doc *doc;
static struct err err;

static const struct yaml_node *PARSE(const char *text)
{
	const enum rc rc = yaml_parse(text, strlen(text), &doc, &err);

	ck_assert_msg(rc == RC_OK, "%s: %d:%d %s", text, err.line, err.column, err.text);
	return yaml_root(doc);
}

static void REFUSED(const char *text, size_t size, enum rc rc, int line, int column,
		    const char *says)
{
	err = (struct err){0};
	ck_assert_int_eq(yaml_parse(text, size, &doc, &err), rc);
	ck_assert_ptr_null(doc);
	ck_assert_msg(strstr(err.text, says) != NULL, "`%s` not in: %s", says, err.text);
	ck_assert_int_eq(err.code, rc);
	ck_assert_msg(err.line == line && err.column == column, "%d:%d, not %d:%d: %s", err.line,
		      err.column, line, column, err.text);
}

static void clean(void)
{
	yaml_doc_free(doc);
	doc = NULL;
}

/* ---- what is read ---- */

START_TEST(every_node_knows_its_place)
{
	const struct yaml_node *root = PARSE("# top\nname: \xc3\xa9\xc3\xa9  # two letters\nlist:\n"
					     "  - 1\n  - {a: \"2\", b: [x, y]}\n"),
			       *list = yaml_get(root, "list"), *map = list->items[1];

	ck_assert_int_eq(root->kind, YAML_MAP);
	ck_assert_uint_eq(root->count, 2);
	ck_assert_str_eq(root->keys[1]->text, "list");
	ck_assert_int_eq(root->keys[1]->line, 3);
	ck_assert_int_eq(list->kind, YAML_LIST);
	ck_assert_uint_eq(list->count, 2);
	ck_assert_int_eq(list->items[0]->line, 4);
	ck_assert_int_eq(list->items[0]->column, 5);
	ck_assert(list->items[0]->plain);
	ck_assert_int_eq(map->line, 5);
	ck_assert(!yaml_get(map, "a")->plain);
	ck_assert_str_eq(yaml_get(map, "a")->text, "2");
	ck_assert_int_eq(yaml_get(map, "b")->items[1]->column, 21);
	ck_assert_ptr_null(yaml_get(map, "c"));
	ck_assert_ptr_null(yaml_get(list, "c"));
}
END_TEST

START_TEST(columns_count_characters)
{
	const struct yaml_node *root = PARSE("{\"\xc3\xa9\xf0\x9f\x98\x80\": 1, b: 2}");

	ck_assert_int_eq(root->keys[1]->column, 11);
}
END_TEST

START_TEST(json_is_read_with_its_escapes)
{
	const struct yaml_node *root =
		PARSE("{\"s\":\"q\\\" b\\\\ s\\/ \\b\\f\\n\\r\\t \\u00e9 "
		      "\\u20AC\",\n\t\"n\":-1.5e3,\"t\":true,"
		      "\"z\":null,\"e\":\"\",\"o\":{},\"l\":[],\"d\":[[{\"x\":[1,[2]]}]]}");

	ck_assert_str_eq(yaml_get(root, "s")->text, "q\" b\\ s/ \b\f\n\r\t \xc3\xa9 \xe2\x82\xac");
	ck_assert(!yaml_get(root, "s")->plain);
	ck_assert_str_eq(yaml_get(root, "n")->text, "-1.5e3");
	ck_assert(yaml_get(root, "n")->plain);
	ck_assert_int_eq(yaml_get(root, "n")->line, 2);
	ck_assert_str_eq(yaml_get(root, "e")->text, "");
	ck_assert_uint_eq(yaml_get(root, "o")->count, 0);
	ck_assert_uint_eq(yaml_get(root, "l")->count, 0);
	ck_assert_str_eq(
		yaml_get(yaml_get(root, "d")->items[0]->items[0], "x")->items[1]->items[0]->text,
		"2");
}
END_TEST

START_TEST(json_surrogate_pairs_are_one_character)
{
	const struct yaml_node *root = PARSE(" {\"a\":\"\\uD83D\\ude00!\",\"b\":"
					     "\"\\\\ud83d\\\\ude00\",\"c\":\"\\ud83d\\ude00\"}");

	ck_assert_str_eq(yaml_get(root, "a")->text, "\xf0\x9f\x98\x80!");
	ck_assert_str_eq(yaml_get(root, "b")->text, "\\ud83d\\ude00");
	ck_assert_str_eq(yaml_get(root, "c")->text, "\xf0\x9f\x98\x80");
}
END_TEST

START_TEST(a_byte_order_mark_is_skipped)
{
	const struct yaml_node *root = PARSE("\xef\xbb\xbfx: 1");

	ck_assert_ptr_nonnull(yaml_get(root, "x"));
	ck_assert_int_eq(yaml_get(root, "x")->column, 4);
}
END_TEST

START_TEST(a_scalar_of_the_whole_cap_is_read)
{
	char *text = mem_new(YAML_TEXT_MAX + 1, 1);

	memset(text, 'x', YAML_TEXT_MAX);
	ck_assert_uint_eq(strlen(PARSE(text)->text), YAML_TEXT_MAX);
	free(text);
}
END_TEST

START_TEST(sixty_four_levels_are_read)
{
	char text[2 * YAML_DEPTH_MAX + 1] = {0};

	memset(text, '[', YAML_DEPTH_MAX);
	memset(text + YAML_DEPTH_MAX, ']', YAML_DEPTH_MAX);
	PARSE(text);
}
END_TEST

/* ---- what is refused ---- */

#define TEXT(s) s, sizeof(s) - 1
static const struct {
	const char *text;
	size_t size;
	int line, column;
	const char *says;
} refused[] = {
	{TEXT(""), 1, 1, "empty"},
	{TEXT("# nothing\n"), 2, 1, "empty"},
	{TEXT("\xef\xbb\xbf"), 1, 1, "empty"},
	{TEXT("a: 1\n---\nb: 2\n"), 2, 1, "only one document"},
	{TEXT("a: 1\nb: 2\n\"a\": 3\n"), 3, 1, "\"a\" on line 3 was given before, on line 1"},
	{TEXT("x:\n  - {b: 1, c: 2,\n     b: 3}\n"), 3, 6, "on line 3 was given before, on line 2"},
	{TEXT("{\"a\":{\"k\":1,\"k\":2}}"), 1, 13, "given before"},
	{TEXT("[a]: b"), 1, 1, "a key must be"},
	{TEXT("? {a: b}\n: c"), 1, 3, "a key must be"},
	{TEXT("a: &x 1"), 1, 4, "anchors"},
	{TEXT("a: &x [1]"), 1, 4, "anchors"},
	{TEXT("a: *x"), 1, 4, "aliases"},
	{TEXT("a: &x {}\nb: *x"), 1, 4, "anchors"},
	{TEXT("*x : 1"), 1, 1, "aliases"},
	{TEXT("a: !!str 12"), 1, 4, "tags"},
	{TEXT("!x {a: 1}"), 1, 1, "tags"},
	{TEXT("a: \"x\\0y\""), 1, 4, "NUL"},
	{TEXT("{\"a\":\"\\u0000\"}"), 1, 6, "NUL"},
	{TEXT("a: x\0y"), 1, 5, "NUL byte"},
	{TEXT("a: 1\nb: \x01"), 2, 4, "control character"},
	{TEXT("a: \xff"), 1, 4, "UTF-8"},
	{TEXT("\xc3\xa9: 1\n  \xc3\xa9\xc3"), 2, 4, "UTF-8"},
	{TEXT("a: \xed\xa0\x80"), 1, 4, "UTF-8"},     /* a surrogate, encoded */
	{TEXT("a: \xc0\xaf"), 1, 4, "UTF-8"},         /* overlong */
	{TEXT("a: \xf4\x90\x80\x80"), 1, 4, "UTF-8"}, /* beyond U+10FFFF */
	{TEXT("\xff\xfe\x61\0"), 1, 1, "UTF-8"},      /* UTF-16 */
	{TEXT("{\"a\":\"\\ud83d\"}"), 1, 9, "Unicode"},
	{TEXT("{\"a\":\"\\ude00\\ud83d\"}"), 1, 9, "Unicode"},
	{TEXT("{\"a\":\"\\q\"}"), 1, 7, "escape"},
	{TEXT("a:\n\tb: 1"), 2, 1, "a tab cannot stand here"},
	{TEXT("a: @x"), 1, 4, "quote the value"},
	{TEXT("a: b: c"), 1, 5, "check the indentation"},
	{TEXT("a: {x: ${input.a}}"), 1, 9, "quote a value with ${...}"},
	{TEXT("a: 1\n b: 2"), 2, 3, "check the indentation"},
	{TEXT("{a: [1, 2}"), 1, 10, "expected ',' or ']'"},
	{TEXT("a: {b: 1,\nc: 2"), 3, 1, "that began on line 1"},
	{TEXT("a: 'x"), 1, 6, "end of stream"},
	{TEXT("{\"a\":1} x"), 1, 9, "document"},
};

START_TEST(what_breaks_a_rule_is_refused_at_its_place)
{
	REFUSED(refused[_i].text, refused[_i].size, RC_INVALID, refused[_i].line,
		refused[_i].column, refused[_i].says);
}
END_TEST

/* A text of `size` bytes that repeats `pattern`. */
static char *repeat(const char *pattern, size_t size)
{
	const size_t n = strlen(pattern);
	char *text = mem_new(size + 1, 1);

	for (size_t i = 0; i < size; i++)
		text[i] = pattern[i % n];
	return text;
}

START_TEST(one_byte_over_the_cap_is_refused)
{
	char *text = repeat("x", YAML_TEXT_MAX + 1);

	REFUSED(text, YAML_TEXT_MAX + 1, RC_TOO_BIG, 0, 0, "at most 1048576");
	free(text);
}
END_TEST

static const struct {
	const char *pattern;
	int column;
} deep[] = {{"[", 65}, {"{", 65}, {"- ", 129}, {"? ", 129}, {"{a: ", 257}, {"[{", 65}};

START_TEST(deep_nesting_is_refused_at_once)
{
	char *text = repeat(deep[_i].pattern, YAML_TEXT_MAX);

	REFUSED(text, YAML_TEXT_MAX, RC_TOO_BIG, 1, deep[_i].column, "more than 64 levels");
	free(text);
}
END_TEST

START_TEST(too_many_values_are_refused)
{
	char *text = repeat("- a\n", YAML_TEXT_MAX);

	REFUSED(text, YAML_TEXT_MAX, RC_TOO_BIG, YAML_NODES_MAX, 3, "more than 100000 values");
	free(text);
}
END_TEST

static const char *const hostile[] = {
	":",       "a:\n",
	"&a ",     "*",
	"!",       "%",
	"|",       ">",
	"\"",      "'",
	"\\",      ",",
	"]",       "\n",
	" ",       "\t",
	"---\n",   "...\n",
	"a: ",     "- - ",
	"#",       "?",
	"{\"\\",   "\"\\u",
	"- \"a\n", "\xef\xbb\xbf",
};

START_TEST(hostile_megabytes_end_soon)
{
	char *text = repeat(hostile[_i], YAML_TEXT_MAX);

	yaml_parse(text, YAML_TEXT_MAX, &doc, NULL); /* the suite's time-out and ASan judge */
	free(text);
}
END_TEST

START_TEST(every_cut_of_a_good_text_is_handled)
{
	static const char text[] =
		"w: \"\\ud83d\\ude00 \xc3\xa9\"\nl: [1, {a: 'b', \"c\": [x]}]\nt: |\n  a\n";
	static const char json[] = "{\"w\":\"\\ud83d\\ude00 \xc3\xa9\",\"l\":[1,{\"a\":null}]}";

	for (size_t n = 0; n < sizeof text; n++) {
		char *cut = malloc(n > 0 ? n : 1); /* no NUL behind it: ASan sees an overread */

		memcpy(cut, text, n);
		yaml_parse(cut, n, &doc, &err);
		clean();
		memcpy(cut, json, n < sizeof json ? n : sizeof json - 1);
		yaml_parse(cut, n < sizeof json ? n : sizeof json - 1, &doc, &err);
		clean();
		free(cut);
	}
}
END_TEST

/* ---- files ---- */

START_TEST(a_file_is_read_and_its_errors_name_it)
{
	char path[] = "/tmp/settle-yaml-XXXXXX";
	const int fd = mkstemp(path);

	ck_assert_int_eq((int)write(fd, "a: 1\na: 2\n", 10), 10);
	close(fd);
	ck_assert_int_eq(yaml_parse_file(path, &doc, &err), RC_INVALID);
	ck_assert_ptr_nonnull(strstr(err.text, path));
	ck_assert_int_eq(err.line, 2);
	ck_assert_int_eq(truncate(path, 5), 0);
	ck_assert_int_eq(yaml_parse_file(path, &doc, &err), RC_OK);
	ck_assert_int_eq(truncate(path, YAML_TEXT_MAX + 1), 0);
	clean();
	ck_assert_int_eq(yaml_parse_file(path, &doc, &err), RC_TOO_BIG);
	unlink(path);
	ck_assert_int_eq(yaml_parse_file(path, &doc, &err), RC_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(err.text, path));
	ck_assert_int_eq(yaml_parse_file("/tmp", &doc, &err), RC_IO);
}
END_TEST

/* ---- typed reads ---- */

START_TEST(an_unknown_key_names_the_nearest)
{
	static const char *const known[] = {"name", "timeout", "order", NULL};

	ck_assert_int_eq(yaml_only(PARSE("name: x\norder: y"), known, "a step", &err), RC_OK);
	clean();
	ck_assert_int_eq(yaml_only(PARSE("name: x\n\n  \ntimout: y"), known, "a step", &err),
			 RC_INVALID);
	ck_assert_str_eq(err.text, "a step has no \"timout\"; did you mean \"timeout\"?");
	ck_assert_int_eq(err.line, 4);
	ck_assert_int_eq(err.column, 1);
	clean();
	ck_assert_int_eq(yaml_only(PARSE("zzz: x"), known, "a step", &err), RC_INVALID);
	ck_assert_str_eq(err.text, "a step has no \"zzz\"");
	clean();
	ck_assert_int_eq(yaml_only(PARSE("[a]"), known, "a step", &err), RC_INVALID);
	ck_assert_str_eq(err.text, "a step must be a map (name: value), not a list");
}
END_TEST

static const struct {
	const char *text;
	bool ok;
	int64_t n;
} ints[] = {
	{"12", true, 12},
	{"-5", true, -5},
	{"+7", true, 7},
	{"9223372036854775807", true, INT64_MAX},
	{"-9223372036854775808", true, INT64_MIN},
	{"9223372036854775808", false, 0},
	{"\"12\"", false, 0},
	{"1.0", false, 0},
	{"1e3", false, 0},
	{"0x10", false, 0},
	{"12x", false, 0},
	{"x", false, 0},
	{"+-1", false, 0},
	{"''", false, 0},
	{"[1]", false, 0},
	{"{a: 1}", false, 0},
};

START_TEST(integers_are_exact_or_refused)
{
	const struct yaml_node *node = PARSE(ints[_i].text);
	int64_t n = 0;

	ck_assert_int_eq(yaml_int(node, "port", INT64_MIN, INT64_MAX, &n, &err),
			 ints[_i].ok ? RC_OK : RC_INVALID);
	ck_assert_int_eq(n, ints[_i].n);
	if (!ints[_i].ok)
		ck_assert_ptr_nonnull(strstr(err.text, "port: expected a whole number"));
}
END_TEST

START_TEST(an_integer_out_of_its_limits_says_them)
{
	const struct yaml_node *node = PARSE("a: 1\nb: 70000");
	int64_t n = 0;

	ck_assert_int_eq(yaml_int(yaml_get(node, "b"), "b", 1, 65535, &n, &err), RC_INVALID);
	ck_assert_str_eq(err.text, "b: expected a whole number from 1 to 65535, not 70000");
	ck_assert_int_eq(err.line, 2);
	ck_assert_int_eq(err.column, 4);
}
END_TEST

START_TEST(truth_values_are_true_and_false_only)
{
	bool b = false;

	ck_assert_int_eq(yaml_bool(PARSE("true"), "x", &b, &err), RC_OK);
	ck_assert(b);
	clean();
	ck_assert_int_eq(yaml_bool(PARSE("False"), "x", &b, &err), RC_OK);
	ck_assert(!b);
	clean();
	ck_assert_int_eq(yaml_bool(PARSE("yes"), "x", &b, &err), RC_INVALID);
	ck_assert_str_eq(err.text, "x: expected true or false, not yes");
	clean();
	ck_assert_int_eq(yaml_bool(PARSE("\"true\""), "x", &b, &err), RC_INVALID);
	clean();
	ck_assert_int_eq(yaml_bool(yaml_get(PARSE("x:\n"), "x"), "x", &b, &err), RC_INVALID);
	ck_assert_str_eq(err.text, "x: expected true or false, but nothing is given");
}
END_TEST

START_TEST(durations_have_limits)
{
	uint64_t ms = 0;

	ck_assert_int_eq(yaml_ms(PARSE("\"5s\""), "timeout", 1, 86400000, &ms, &err), RC_OK);
	ck_assert_uint_eq(ms, 5000);
	clean();
	ck_assert_int_eq(yaml_ms(PARSE("2d"), "timeout", 1, 86400000, &ms, &err), RC_INVALID);
	ck_assert_str_eq(err.text, "timeout: expected a duration from 1ms to 1d, such as 500ms or "
				   "30s, not 2d");
	clean();
	ck_assert_int_eq(yaml_ms(PARSE("30"), "timeout", 1, 86400000, &ms, &err), RC_INVALID);
	clean();
	ck_assert_int_eq(yaml_ms(PARSE("[5s]"), "timeout", 1, 86400000, &ms, &err), RC_INVALID);
	ck_assert_uint_eq(ms, 5000);
}
END_TEST

START_TEST(the_nearest_word_is_near)
{
	static const char *const known[] = {"listen", "data", "cluster", "x", NULL};
	static const char *const none[] = {NULL};
	char longer[1000] = {0};

	memset(longer, 'l', sizeof longer - 1);
	ck_assert_str_eq(nearest_word("lisen", known), "listen");
	ck_assert_str_eq(nearest_word("LISTEN", known), "listen");
	ck_assert_str_eq(nearest_word("lsitne", known) != NULL ? "near" : "far", "far");
	ck_assert_str_eq(nearest_word("dat", known), "data");
	ck_assert_str_eq(nearest_word("clustre", known), "cluster");
	ck_assert_ptr_null(nearest_word("y", known));
	ck_assert_ptr_null(nearest_word("", known));
	ck_assert_ptr_null(nearest_word("something", known));
	ck_assert_ptr_null(nearest_word(longer, known));
	ck_assert_ptr_null(nearest_word("data", none));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("yaml");
	TCase *tc = tcase_create("yaml");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, NULL, clean);
	tcase_set_timeout(tc, 20);
	tcase_add_test(tc, every_node_knows_its_place);
	tcase_add_test(tc, columns_count_characters);
	tcase_add_test(tc, json_is_read_with_its_escapes);
	tcase_add_test(tc, json_surrogate_pairs_are_one_character);
	tcase_add_test(tc, a_byte_order_mark_is_skipped);
	tcase_add_test(tc, a_scalar_of_the_whole_cap_is_read);
	tcase_add_test(tc, sixty_four_levels_are_read);
	tcase_add_loop_test(tc, what_breaks_a_rule_is_refused_at_its_place, 0, COUNT(refused));
	tcase_add_test(tc, one_byte_over_the_cap_is_refused);
	tcase_add_loop_test(tc, deep_nesting_is_refused_at_once, 0, COUNT(deep));
	tcase_add_test(tc, too_many_values_are_refused);
	tcase_add_loop_test(tc, hostile_megabytes_end_soon, 0, COUNT(hostile));
	tcase_add_test(tc, every_cut_of_a_good_text_is_handled);
	tcase_add_test(tc, a_file_is_read_and_its_errors_name_it);
	tcase_add_test(tc, an_unknown_key_names_the_nearest);
	tcase_add_loop_test(tc, integers_are_exact_or_refused, 0, COUNT(ints));
	tcase_add_test(tc, an_integer_out_of_its_limits_says_them);
	tcase_add_test(tc, truth_values_are_true_and_false_only);
	tcase_add_test(tc, durations_have_limits);
	tcase_add_test(tc, the_nearest_word_is_near);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
