/* test_base.c - errors, clocks, names, memory, the log line. */
#include "base/clock.h"
#include "base/err.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"

#include <ctype.h>
#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- err ---- */

START_TEST(an_error_keeps_code_place_and_text)
{
	struct err err;

	ck_assert_int_eq(err_set_at(&err, RC_INVALID, 3, 7, "no %s", "bread"), RC_INVALID);
	ck_assert_int_eq(err.line, 3);
	ck_assert_int_eq(err.column, 7);
	ck_assert_int_eq(err_wrap(&err, "in %s", "the shop"), RC_INVALID);
	ck_assert_str_eq(err.text, "in the shop: no bread");
	ck_assert_int_eq(err.line, 3);
	ck_assert_str_eq(rc_name(err.code), "invalid");
}
END_TEST

START_TEST(a_null_error_is_ignored)
{
	ck_assert_int_eq(err_set(NULL, RC_FULL, "x"), RC_FULL);
	ck_assert_int_eq(err_wrap(NULL, "x"), RC_IO);
}
END_TEST

START_TEST(a_text_that_is_too_long_is_cut)
{
	char longer[1000] = {0};
	struct err err;

	memset(longer, 'x', sizeof longer - 1);
	err_set(&err, RC_IO, "%s", longer);
	ck_assert_uint_eq(strlen(err.text), sizeof err.text - 1);
	err_wrap(&err, "%s", longer);
	ck_assert_uint_eq(strlen(err.text), sizeof err.text - 1);
}
END_TEST

/* ---- clock ---- */

static const struct {
	const char *text;
	uint64_t ms;
} durations[] = {
	{"0s", 0},         {"1ms", 1},     {"1500ms", 1500},
	{"30s", 30000},    {"5m", 300000}, {"2h", 7200000},
	{"7d", 604800000}, {"007s", 7000}, {"3650d", 315360000000},
};

START_TEST(a_duration_is_a_number_and_a_unit)
{
	uint64_t ms = UINT64_MAX;

	ck_assert_int_eq(duration_parse(durations[_i].text, &ms, NULL), RC_OK);
	ck_assert_uint_eq(ms, durations[_i].ms);
}
END_TEST

static const char *const no_durations[] = {
	"",
	"5",
	"s",
	"-5s",
	"+5s",
	"5 s",
	" 5s",
	"5s ",
	"1.5s",
	"5S",
	"5sec",
	"1h5m",
	"0x5s",
	"3651d",
	"315360000001ms",
	"99999999999999999999999s",
	"18446744073709551617ms",
};

START_TEST(anything_else_is_no_duration)
{
	struct err err = {0};
	uint64_t ms;

	ck_assert_int_eq(duration_parse(no_durations[_i], &ms, &err), RC_INVALID);
	ck_assert(strstr(err.text, "duration") != NULL || strstr(err.text, "10 years") != NULL);
}
END_TEST

START_TEST(a_duration_is_written_in_its_largest_whole_unit)
{
	char out[DURATION_TEXT_MAX];

	ck_assert_str_eq(duration_format(0, out), "0ms");
	ck_assert_str_eq(duration_format(1500, out), "1500ms");
	ck_assert_str_eq(duration_format(90000, out), "90s");
	ck_assert_str_eq(duration_format(7200000, out), "2h");
	ck_assert_str_eq(duration_format(86400000, out), "1d");
	ck_assert_str_eq(duration_format(UINT64_MAX, out), "18446744073709551615ms");
}
END_TEST

START_TEST(the_clocks_go_forward)
{
	const uint64_t mono = clock_mono_us(), wall = clock_wall_us();

	ck_assert_uint_ge(clock_mono_us(), mono);
	ck_assert_uint_gt(wall, UINT64_C(1700000000000000)); /* after 2023 */
}
END_TEST

START_TEST(a_time_is_written_in_utc_with_microseconds)
{
	char out[32];

	ck_assert_str_eq(time_format(0, out), "1970-01-01T00:00:00.000000Z");
	ck_assert_str_eq(time_format(UINT64_C(1709210096000042), out),
			 "2024-02-29T12:34:56.000042Z");
	ck_assert_uint_lt(strlen(time_format(UINT64_MAX, out)), 32);
}
END_TEST

static const struct {
	const char *text;
	uint64_t us;
} times[] = {
	{"1970-01-01T00:00:00Z", 0},
	{"2024-02-29T12:34:56.000042Z", UINT64_C(1709210096000042)},
	{"2024-02-29T12:34:56.5Z", UINT64_C(1709210096500000)},
	{"2024-02-29t12:34:56z", UINT64_C(1709210096000000)},
	{"2024-02-29T14:34:56+02:00", UINT64_C(1709210096000000)},
	{"2024-02-29T07:04:56.250-05:30", UINT64_C(1709210096250000)},
	{"9999-12-31T23:59:59.999999Z", UINT64_C(253402300799999999)},
};

START_TEST(a_time_is_read_with_any_precision_and_offset)
{
	uint64_t us = 1;

	ck_assert_int_eq(time_parse(times[_i].text, &us, NULL), RC_OK);
	ck_assert_uint_eq(us, times[_i].us);
}
END_TEST

static const char *const no_times[] = {
	"",
	"now",
	"2024-02-29",
	"2024-02-29T12:34:56",
	"2023-02-29T12:34:56Z",
	"2024-13-01T00:00:00Z",
	"2024-00-01T00:00:00Z",
	"2024-01-32T00:00:00Z",
	"2024-01-01T24:00:00Z",
	"2024-01-01T00:60:00Z",
	"2024-01-01T00:00:61Z",
	"2024-01-01T00:00:00.Z",
	"2024-01-01T00:00:00.1234567Z",
	"2024-01-01T00:00:00+0200",
	"2024-01-01T00:00:00+24:00",
	"2024-01-01 00:00:00Z",
	"2024-01-01T00:00:00Zx",
	"1969-12-31T23:59:59Z",
	"1970-01-01T00:00:00+01:00",
	"24-01-01T00:00:00Z",
};

START_TEST(anything_else_is_no_time)
{
	struct err err = {0};
	uint64_t us;

	ck_assert_int_eq(time_parse(no_times[_i], &us, &err), RC_INVALID);
	ck_assert_ptr_nonnull(strstr(err.text, "RFC 3339"));
}
END_TEST

/* ---- id ---- */

START_TEST(names_have_letters_digits_and_a_few_marks)
{
	for (int c = 1; c < 256; c++) {
		const char id[2] = {(char)c, '\0'};
		const bool plain = c < 128 && (isalnum(c) || c == '_' || c == '-');

		ck_assert_int_eq(id_valid_plain(id, 1), plain);
		ck_assert_int_eq(id_valid(id, 1), plain || c == '.');
	}
	ck_assert(id_valid("a.b-C_9", 7));
	ck_assert(!id_valid("a.b-C_9", 6));
	ck_assert(!id_valid("", 6));
	ck_assert(!id_valid("a b", 6));
	ck_assert(!id_valid("a/b", 6));
	ck_assert(!id_valid("\xc3\xa9", 6));
	ck_assert(!id_valid("a\n", 6));
	ck_assert(id_valid_plain("a-b_c", 6));
	ck_assert(!id_valid_plain("a.b", 6));
}
END_TEST

START_TEST(gids_are_valid_distinct_and_sort_by_time)
{
	char a[GID_MAX + 1], b[GID_MAX + 1], c[GID_MAX + 1];

	id_make_gid(1000, a);
	id_make_gid(1000, b);
	id_make_gid(1001, c);
	ck_assert(id_valid(a, GID_MAX));
	ck_assert_str_ne(a, b);
	ck_assert_int_lt(strcmp(a, c), 0);
	ck_assert_int_lt(strcmp(b, c), 0);
}
END_TEST

/* ---- mem ---- */

START_TEST(memory_comes_zeroed_and_copies_end_in_nul)
{
	char *zero = mem_new(0, 0), *copy = mem_dup_bytes("abc\0d", 5);
	char *none = mem_dup_bytes(NULL, 0), *text = mem_printf("%d-%s", 7, "x");

	ck_assert_int_eq(zero[0], 0);
	ck_assert_int_eq(memcmp(copy, "abc\0d", 6), 0);
	ck_assert_str_eq(none, "");
	ck_assert_str_eq(text, "7-x");
	ck_assert_ptr_null(mem_dup(NULL));
	free(zero);
	free(copy);
	free(none);
	free(text);
}
END_TEST

/* ---- log ---- */

/* What the log writes for one event. */
static size_t logged(char *out, size_t room, enum log_level level, const char *value)
{
	int fds[2], saved = dup(STDERR_FILENO);
	ssize_t n;

	ck_assert_int_eq(pipe(fds), 0);
	dup2(fds[1], STDERR_FILENO);
	log_event(level, "test-event", "key=%s text", value);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fds[1]);
	n = read(fds[0], out, room - 1);
	close(fds[0]);
	ck_assert_int_ge(n, 0);
	out[n] = '\0';
	return (size_t)n;
}

START_TEST(no_value_can_forge_a_log_line)
{
	char line[4096];

	logged(line, sizeof line, LOG_WARN, "a\nb\x1b[0m\x7f");
	ck_assert_ptr_nonnull(strstr(line, "Z warn test-event key=a?b?[0m? text\n"));
	ck_assert_ptr_eq(strchr(line, '\n'), line + strlen(line) - 1);
}
END_TEST

START_TEST(a_log_line_that_is_too_long_is_cut)
{
	char line[4096], longer[3000] = {0};

	memset(longer, 'x', sizeof longer - 1);
	ck_assert_uint_le(logged(line, sizeof line, LOG_ERROR, longer), 2048);
	ck_assert_int_eq(line[strlen(line) - 1], '\n');
}
END_TEST

START_TEST(lines_below_the_level_are_dropped)
{
	char line[4096];
	enum log_level level;

	ck_assert_uint_eq(logged(line, sizeof line, LOG_DEBUG, "x"), 0);
	ck_assert_int_eq(log_level_parse("debug", &level), RC_OK);
	log_set_level(level);
	ck_assert_uint_gt(logged(line, sizeof line, LOG_DEBUG, "x"), 0);
	ck_assert_int_eq(log_level_parse("loud", &level), RC_INVALID);
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

int main(void)
{
	Suite *suite = suite_create("base");
	TCase *tc = tcase_create("base");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, an_error_keeps_code_place_and_text);
	tcase_add_test(tc, a_null_error_is_ignored);
	tcase_add_test(tc, a_text_that_is_too_long_is_cut);
	tcase_add_loop_test(tc, a_duration_is_a_number_and_a_unit, 0, COUNT(durations));
	tcase_add_loop_test(tc, anything_else_is_no_duration, 0, COUNT(no_durations));
	tcase_add_test(tc, a_duration_is_written_in_its_largest_whole_unit);
	tcase_add_test(tc, the_clocks_go_forward);
	tcase_add_test(tc, a_time_is_written_in_utc_with_microseconds);
	tcase_add_loop_test(tc, a_time_is_read_with_any_precision_and_offset, 0, COUNT(times));
	tcase_add_loop_test(tc, anything_else_is_no_time, 0, COUNT(no_times));
	tcase_add_test(tc, names_have_letters_digits_and_a_few_marks);
	tcase_add_test(tc, gids_are_valid_distinct_and_sort_by_time);
	tcase_add_test(tc, memory_comes_zeroed_and_copies_end_in_nul);
	tcase_add_test(tc, no_value_can_forge_a_log_line);
	tcase_add_test(tc, a_log_line_that_is_too_long_is_cut);
	tcase_add_test(tc, lines_below_the_level_are_dropped);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
