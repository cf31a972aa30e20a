/* test_sandbox.c - the sandbox of expressions by itself. */
#include "saga/sandbox.h"
#include "tests/lib/harness.h"

#include <check.h>
#include <string.h>

static struct err err;

START_TEST(a_sandbox_serves_expression_after_expression)
{
	const struct sandbox_env env = {.gid = "g"};
	struct sandbox *s = sandbox_new();
	bool yes = false;

	for (int i = 0; i < 500; i++) {
		ck_assert_int_eq(sandbox_run(s, "gid == 'g'", 10, &env, &err), RC_OK);
		ck_assert_int_eq(sandbox_bool(s, &yes, &err), RC_OK);
		ck_assert(yes);
	}
	ck_assert_int_eq(sandbox_run(s, "gid", 3, &env, &err), RC_OK);
	ck_assert_int_eq(sandbox_bool(s, &yes, &err), RC_INVALID);
	ck_assert_msg(strstr(err.text, "must be true or false, and is a text") != NULL, "%s",
		      err.text);
	sandbox_free(s);
	sandbox_free(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sandbox");
	TCase *tc = tcase_create("sandbox");

	tcase_add_test(tc, a_sandbox_serves_expression_after_expression);
	suite_add_tcase(suite, tc);
	return suite_run(suite, NULL, NULL);
}
