/* test_json_plain.c - the quick reading and writing of JSON against Jansson's. */
#include "base/json_plain.h"
#include "base/json_sorted.h"
#include "base/mem.h"
#include "saga/jsonbuf.h"
#include "tests/lib/harness.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const plain[] = {
	"{}",
	"[]",
	"\"\"",
	"0",
	"-7",
	"999999999999999999",
	"true",
	"null",
	" { \"a\" : [ 1 , -2 , \"x\\ny\" , { } ] ,\r\n\t\"b\" : false } ",
	"{\"a\":{\"b\":{\"c\":[[[1]]]}},\"d\":\"\\\"\\\\\\r\\t\"}",
};

/* JSON or not: all that is to be left to Jansson. */
static const char *const others[] = {
	"",
	" ",
	"{",
	"[1",
	"[1,]",
	"[,1]",
	"{\"a\":1,}",
	"{\"a\" 1}",
	"{a:1}",
	"{\"a\":1}}",
	"1 2",
	"01",
	"-0",
	"-",
	"1.5",
	"1e3",
	"9999999999999999999",
	"\"\\u0041\"",
	"\"\\u0000\"",
	"\"\xc3\xa4\"",
	"\"\x01\"",
	"\"a",
	"\"\\",
	"\"\\x\"",
	"tru",
	"trueish",
	"nul",
	"{\"a\":1,\"a\":2}",
	"{\"a\":{\"b\":1,\"b\":1}}",
	"{\"a\\n\":1}",
	"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
};

static char *write_again(const json_t *value)
{
	struct jsonbuf b = {.max = SIZE_MAX};

	jsonbuf_value(&b, value);
	return jsonbuf_take(&b);
}

/* What is said of the text is what Jansson says; true if it is plain. */
static bool agrees(const char *text, size_t size)
{
	json_t *ours = json_plain_read(text, size);
	json_t *theirs = json_loadb(text, size, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
	const bool is_plain = ours != NULL;

	if (ours != NULL)
		ck_assert_msg(theirs != NULL && json_equal(ours, theirs), "%.*s", (int)size, text);
	if (json_plain_written(text, size)) {
		char *again;

		ck_assert_msg(theirs != NULL, "%.*s", (int)size, text);
		again = write_again(theirs);
		ck_assert_uint_eq(strlen(again), size);
		ck_assert_mem_eq(again, text, size);
		free(again);
	}
	if (theirs != NULL) {
		char *sorted = json_sorted(theirs);
		char *dumped = json_dumps(theirs, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);

		ck_assert_str_eq(sorted, dumped);
		free(sorted);
		free(dumped);
	}
	json_decref(ours);
	json_decref(theirs);
	return is_plain;
}

START_TEST(plain_json_is_read_as_jansson_reads_it)
{
	for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
		ck_assert_msg(agrees(plain[i], strlen(plain[i])), "%s", plain[i]);
}
END_TEST

START_TEST(what_is_not_plain_is_left_to_jansson)
{
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		ck_assert_msg(!agrees(others[i], strlen(others[i])), "%s", others[i]);
}
END_TEST

START_TEST(text_that_is_cut_anywhere_is_not_plain)
{
	for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
		for (size_t size = 0; size < strlen(plain[i]); size++) {
			/* In a piece of memory that ends there, for AddressSanitizer. */
			char *cut = mem_grow(NULL, size, 1);

			memcpy(cut, plain[i], size);
			agrees(cut, size);
			free(cut);
		}
	}
}
END_TEST

START_TEST(texts_that_are_nearly_plain_are_read_as_jansson_reads_them)
{
	static const char bytes[] = "{}[]\",:\\ntrue-0123456789.e \x7f\x80\x01u/b";
	unsigned seed = 1;
	int kept = 0;

	for (int round = 0; round < 40000; round++) {
		const char *from = plain[(unsigned)round % (sizeof plain / sizeof plain[0])];
		size_t size = strlen(from);
		char text[200];

		memcpy(text, from, size);
		for (int change = 0; change < 1 + round % 3; change++)
			text[(unsigned)rand_r(&seed) % size] =
				bytes[(unsigned)rand_r(&seed) % (sizeof bytes - 1)];
		kept += agrees(text, size);
	}
	ck_assert_int_gt(kept, 1000);
}
END_TEST

START_TEST(written_json_is_told_from_what_would_be_written_otherwise)
{
	ck_assert(json_plain_written("{\"a\":[1,\"x\\n\"]}", 15));
	ck_assert(!json_plain_written("{\"a\": 1}", 8));
	ck_assert(!json_plain_written("\"\\/\"", 4));
	ck_assert(!json_plain_written("[1]\n", 4));
	ck_assert(!json_plain_written("{\"a\":1,\"a\":1}", 13));
}
END_TEST

START_TEST(keys_are_sorted_as_jansson_sorts_them)
{
	json_t *json =
		json_loads("{\"b\":1,\"a\":{\"ab\":[],\"a\":null,\"B\":true},\"\":\"x\"}", 0, NULL);
	char *sorted = json_sorted(json);

	ck_assert_str_eq(sorted, "{\"\":\"x\",\"a\":{\"B\":true,\"a\":null,\"ab\":[]},\"b\":1}");
	free(sorted);
	json_decref(json);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("json_plain");
	TCase *tc = tcase_create("json_plain");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, plain_json_is_read_as_jansson_reads_it);
	tcase_add_test(tc, what_is_not_plain_is_left_to_jansson);
	tcase_add_test(tc, text_that_is_cut_anywhere_is_not_plain);
	tcase_add_test(tc, texts_that_are_nearly_plain_are_read_as_jansson_reads_them);
	tcase_add_test(tc, written_json_is_told_from_what_would_be_written_otherwise);
	tcase_add_test(tc, keys_are_sorted_as_jansson_sorts_them);
	suite_add_tcase(suite, tc);
	return suite_run(suite, NULL, NULL);
}
