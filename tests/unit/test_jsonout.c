/* test_jsonout.c - objects written as text, field by field. */
#include "coordinator/jsonout.h"
#include "tests/lib/harness.h"

#include <stdlib.h>
#include <string.h>

static struct jsonbuf b;

static void setup(void)
{
	b = (struct jsonbuf){.max = SIZE_MAX};
}

static void teardown(void)
{
	jsonbuf_fini(&b);
}

/* One field in an object, as it is read back; NULL: there is none. */
static json_t *field(const char *text)
{
	json_t *all;

	out_open(&b, '{');
	out_text(&b, "before", "x");
	out_text(&b, "is", text);
	out_text(&b, "after", "y");
	out_close(&b, '}');
	all = json_loads(jsonbuf_peek(&b), JSON_REJECT_DUPLICATES, NULL);
	ck_assert_ptr_nonnull(all);
	ck_assert_str_eq(json_string_value(json_object_get(all, "after")), "y");
	return all;
}

static void reads_back_as(const char *text, const char *want)
{
	json_t *all = field(text);

	ck_assert_str_eq(json_string_value(json_object_get(all, "is")), want);
	json_decref(all);
}

START_TEST(commas_stand_where_they_must)
{
	out_open(&b, '{');
	out_key(&b, "list");
	out_open(&b, '[');
	out_open(&b, '{');
	out_close(&b, '}');
	out_item(&b, "1");
	out_item(&b, "\"[\"");
	out_item(&b, "[]");
	out_close(&b, ']');
	out_number(&b, "n", 0);
	out_number(&b, "most", UINT64_MAX);
	out_text(&b, "none", NULL);
	out_json(&b, "no", NULL);
	out_time(&b, "never", 0);
	out_time(&b, "once", 1);
	out_part(&b, "part", "abc", 2);
	out_close(&b, '}');
	ck_assert_str_eq(jsonbuf_peek(&b),
			 "{\"list\":[{},1,\"[\",[]],\"n\":0,\"most\":18446744073709551615,"
			 "\"once\":\"1970-01-01T00:00:00.000001Z\",\"part\":\"ab\"}");
}
END_TEST

START_TEST(texts_of_every_kind_read_back_as_they_were)
{
	static const char *const texts[] = {
		"",
		"plain",
		"say \"no\"",
		"back\\slash",
		"two\nlines\ttab",
		"\x01\x1f",
		"{",
		"[",
		":",
		"\x7f",
		"Grüße, 日本",
		"\xf0\x9f\x99\x82",
		"ends in a quote\"",
		",",
		"a/b",
	};

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		reads_back_as(texts[i], texts[i]);
		b.size = 0;
	}
}
END_TEST

START_TEST(bytes_that_are_no_utf8_become_question_marks)
{
	reads_back_as("caf\xe9", "caf?");
	b.size = 0;
	reads_back_as("cut \xe6\x97", "cut ??");
	b.size = 0;
	reads_back_as("\xed\xa0\x80\"", "???\""); /* a surrogate */
}
END_TEST

START_TEST(json_is_taken_over_and_what_is_none_becomes_a_string)
{
	out_open(&b, '{');
	out_json(&b, "a", "{}");
	out_json(&b, "b", "{ \"x\" : [1,\n 0.1] }");
	out_json(&b, "c", "{\"x\": ");
	out_json(&b, "d", "null");
	out_close(&b, '}');
	ck_assert_str_eq(jsonbuf_peek(&b), "{\"a\":{},\"b\":{\"x\":[1,0.1]},"
					   "\"c\":\"{\\\"x\\\": \",\"d\":null}");
}
END_TEST

START_TEST(nothing_is_written_beyond_the_cap)
{
	b.max = 10;
	out_open(&b, '{');
	out_text(&b, "long", "0123456789");
	out_number(&b, "n", 123);
	ck_assert(b.over);
	ck_assert_uint_le(b.size, 10);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("jsonout");
	TCase *tc = tcase_create("fields");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, commas_stand_where_they_must);
	tcase_add_test(tc, texts_of_every_kind_read_back_as_they_were);
	tcase_add_test(tc, bytes_that_are_no_utf8_become_question_marks);
	tcase_add_test(tc, json_is_taken_over_and_what_is_none_becomes_a_string);
	tcase_add_test(tc, nothing_is_written_beyond_the_cap);
	suite_add_tcase(suite, tc);
	return suite_run(suite, NULL, NULL);
}
