/* test_json_text.c - JSON from outside, and NUL bytes in it. */
#include "adapters/exec_verdict.h"
#include "adapters/http_args.h"
#include "adapters/http_verdict.h"
#include "base/json_text.h"
#include "tests/lib/harness.h"

#include <stdlib.h>
#include <string.h>

static const char spoiled[] = "{\"a\": true\0,\n \"b\": 999999}";
#define SPOILED spoiled, sizeof spoiled - 1

START_TEST(text_without_nul_is_read)
{
	json_t *json = json_text_read("{\"a\": 1}", 8, 0, NULL);

	ck_assert_int_eq(json_integer_value(json_object_get(json, "a")), 1);
	json_decref(json);
	ck_assert_ptr_null(json_text_read(NULL, 0, 0, NULL));
}
END_TEST

START_TEST(nul_byte_has_its_place)
{
	json_error_t where;

	ck_assert_ptr_null(json_text_read(SPOILED, 0, &where));
	ck_assert_str_eq(where.text, "a NUL byte is not allowed in the text");
	ck_assert_int_eq(where.line, 1);
	ck_assert_int_eq(where.column, 11);
	ck_assert_ptr_null(json_text_read(SPOILED, 0, NULL));
}
END_TEST

/* They are walked over as text once they are known to be JSON. */
START_TEST(arguments_with_a_nul_are_refused)
{
	static const char *const names[] = {"a", "b"};
	struct http_args args;
	struct err err;

	ck_assert_int_eq(http_args_read(names, 2, (struct bytes){SPOILED}, &args, &err),
			 RC_INVALID);
	ck_assert_ptr_nonnull(strstr(err.text, "NUL"));
	http_args_fini(&args);
}
END_TEST

/* The coordinator keeps outputs as text: it would keep half of this one. */
START_TEST(output_with_a_nul_is_no_output)
{
	const struct exec_end end = {.output = {SPOILED}, .saying = ""};
	struct http_exchange x = {.status = 200, .sent = true, .json = true};
	const struct http_secrets secrets = {0};
	const struct http_spec spec = {0};
	struct exec_verdict said;
	struct http_verdict v;

	exec_judge(&end, &said);
	ck_assert_int_ne(said.outcome, EXEC_PENDING);
	ck_assert_uint_eq(said.output.size, 0);
	free(said.reason);
	x.body = (char *)spoiled;
	x.body_size = sizeof spoiled - 1;
	http_verdict_of(&x, &spec, &secrets, &v);
	ck_assert_int_eq(v.end, HTTP_UNKNOWN);
	ck_assert_uint_eq(v.output.size, 0);
	http_verdict_fini(&v);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("json_text");
	TCase *tcase = tcase_create("json_text");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, text_without_nul_is_read);
	tcase_add_test(tcase, nul_byte_has_its_place);
	tcase_add_test(tcase, arguments_with_a_nul_are_refused);
	tcase_add_test(tcase, output_with_a_nul_is_no_output);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
