/* test_cond.c - a wait ends at its time by our clock, or when it is signalled. */
#include "base/clock.h"
#include "base/cond.h"

#include <check.h>
#include <stdlib.h>

enum { LONG_US = 1000 * 1000 * 1000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond;
static bool told;

static void setup(void)
{
	cond_init(&cond);
	pthread_mutex_lock(&lock);
}

static void teardown(void)
{
	pthread_mutex_unlock(&lock);
	pthread_cond_destroy(&cond);
}

START_TEST(wait_without_a_signal_ends_at_its_time)
{
	const uint64_t until = clock_mono_us() + 20 * 1000;

	while (cond_wait_until(&cond, &lock, until))
		continue;
	/* pthreads' clock is read a moment after ours. */
	ck_assert_uint_ge(clock_mono_us() + 1000, until);
}
END_TEST

START_TEST(time_that_is_over_is_not_waited_for)
{
	ck_assert(!cond_wait_until(&cond, &lock, 0));
	ck_assert(!cond_wait_until(&cond, &lock, clock_mono_us()));
}
END_TEST

static void *tell(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&lock);
	told = true;
	pthread_cond_signal(&cond);
	pthread_mutex_unlock(&lock);
	return NULL;
}

START_TEST(signal_ends_the_wait)
{
	const uint64_t until = clock_mono_us() + LONG_US;
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, tell, NULL), 0);
	while (!told && cond_wait_until(&cond, &lock, until))
		continue;
	ck_assert(told);
	pthread_join(thread, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cond");
	TCase *tc = tcase_create("waits");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, wait_without_a_signal_ends_at_its_time);
	tcase_add_test(tc, time_that_is_over_is_not_waited_for);
	tcase_add_test(tc, signal_ends_the_wait);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
