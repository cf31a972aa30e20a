/* What base/word.h says. */
#include "base/mem.h"
#include "base/word.h"
#include "tests/lib/harness.h"

#include <stdlib.h>

START_TEST(the_same_text_is_the_same_word)
{
	char *other = mem_dup("bank-a");
	const char *a = word_hold("bank-a"), *b = word_hold(other);

	free(other); /* it was copied */
	ck_assert_ptr_eq(a, b);
	ck_assert_str_eq(a, "bank-a");
	ck_assert_ptr_ne(word_hold("bank-b"), a);
	ck_assert_ptr_eq(word_printf("bank-%c", 'a'), a);
	word_drop(word_hold("bank-b"));
	word_drop(b);
	word_drop(b);
	ck_assert_str_eq(a, "bank-a"); /* one hold is left */
	word_drop(a);
	a = word_hold("bank-b");
	word_drop(a);
	word_drop(a);
}
END_TEST

START_TEST(no_text_is_no_word)
{
	const char *empty = word_hold("");

	ck_assert_ptr_null(word_hold(NULL));
	word_drop(NULL);
	ck_assert_str_eq(empty, ""); /* an empty one is a text */
	word_drop(empty);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("word");
	TCase *tc = tcase_create("word");

	tcase_add_test(tc, the_same_text_is_the_same_word);
	tcase_add_test(tc, no_text_is_no_word);
	suite_add_tcase(suite, tc);
	return suite_run(suite, NULL, NULL);
}
