/* test_settings.c - what settled makes of its file and its command line. */
#include "coordinator/settings.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/settle-settings-XXXXXX";
static char token_path[] = "/tmp/settle-token-XXXXXX";
static struct settings s;
static struct err err;

static void write_to(const char *where, const char *text)
{
	FILE *file = fopen(where, "w");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

static void set_up(void)
{
	close(mkstemp(path));
	close(mkstemp(token_path));
	err = (struct err){0};
}

static void tear_down(void)
{
	settings_fini(&s);
	unlink(path);
	unlink(token_path);
}

static enum rc load(const char *text, const char *const *overrides, size_t n)
{
	if (text != NULL)
		write_to(path, text);
	return settings_load(&s, text != NULL ? path : NULL, overrides, n, &err);
}

START_TEST(defaults_need_only_the_data_directory)
{
	ck_assert_int_eq(load(NULL, (const char *[]){"data=/x"}, 1), RC_OK);
	ck_assert_str_eq(s.data, "/x");
	ck_assert_str_eq(s.cluster, "settle");
	ck_assert_str_eq(s.listen, "127.0.0.1:7480");
	ck_assert_str_eq(s.agents, "tcp://127.0.0.1:7481");
	ck_assert_uint_eq(s.timeout_ms, 10 * 1000);
	ck_assert_uint_eq(s.retention_ms, UINT64_C(7) * 24 * 3600 * 1000);
	ck_assert_uint_eq(s.call_ms, 30 * 1000);
	ck_assert_uint_eq(s.deadline_ms, UINT64_C(7) * 24 * 3600 * 1000);
	ck_assert_int_eq(s.max_in_flight, 10000);
	ck_assert_int_eq(s.log_level, LOG_INFO);
	ck_assert_ptr_null(s.token);
}
END_TEST

START_TEST(command_line_is_stronger_than_the_file)
{
	static const char *const overrides[] = {"timeout=3s", "log_level=debug", "timeout=4s"};

	ck_assert_int_eq(load("data: /x\ntimeout: 1s\nmax_in_flight: 7\nsaga_deadline: 0s\n"
			      "call_timeout: 2s\n",
			      overrides, 3),
			 RC_OK);
	ck_assert_uint_eq(s.deadline_ms, 0);
	ck_assert_uint_eq(s.call_ms, 2000);
	ck_assert_uint_eq(s.timeout_ms, 4000);
	ck_assert_int_eq(s.max_in_flight, 7);
	ck_assert_int_eq(s.log_level, LOG_DEBUG);
}
END_TEST

START_TEST(wrong_file_is_refused_with_its_place)
{
	static const struct {
		const char *text, *part;
		int line;
	} wrong[] = {
		{"data: /x\ntimeuot: 1s\n", "timeout", 2},
		{"data: /x\ntimeout: soon\n", "timeout", 2},
		{"- data\n", "settings", 1},
		{"data: [\n", "", 2},
		{"cluster: x\n", "data", 1},
		{"data: /x\ncluster: a.b\n", "cluster", 0},
		{"data: /x\nlog_level: loud\n", "log_level", 0},
	};

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		err = (struct err){0};
		ck_assert_int_eq(load(wrong[i].text, NULL, 0), RC_INVALID);
		ck_assert_msg(strstr(err.text, wrong[i].part) != NULL, "%s", err.text);
		ck_assert_int_eq(err.line, wrong[i].line);
		settings_fini(&s);
	}
}
END_TEST

START_TEST(wrong_override_is_refused)
{
	static const char *const wrong[] = {"data", "=x", "data=", "colour=1", "timeout=-1s"};

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		ck_assert_int_ne(load("data: /x\n", &wrong[i], 1), RC_OK);
		settings_fini(&s);
	}
}
END_TEST

START_TEST(token_is_read_from_its_file_and_never_told)
{
	char *line = NULL;
	const char *overrides[2] = {"data=/x"};

	ck_assert_int_gt(asprintf(&line, "token_file=%s", token_path), 0);
	overrides[1] = line;
	write_to(token_path, "0123456789abcdef\n");
	ck_assert_int_eq(load(NULL, overrides, 2), RC_OK);
	ck_assert_str_eq(s.token, "0123456789abcdef");
	settings_fini(&s);
	write_to(token_path, "0123456789 abcdef\n");
	ck_assert_int_eq(load(NULL, overrides, 2), RC_INVALID);
	ck_assert_ptr_null(strstr(err.text, "abcdef"));
	settings_fini(&s);
	write_to(token_path, "short\n");
	ck_assert_int_eq(load(NULL, overrides, 2), RC_INVALID);
	settings_fini(&s);
	unlink(token_path);
	ck_assert_int_eq(load(NULL, overrides, 2), RC_INVALID);
	free(line);
}
END_TEST

/* make runs the tests from the top of the repository. */
START_TEST(documentation_has_the_table_as_it_is)
{
	char *table = NULL, *docs = NULL;
	size_t size, room = 0;
	FILE *out = open_memstream(&table, &size);
	FILE *in = fopen("docs/configuration.md", "r");

	conf_markdown(settings_rows, out);
	fclose(out);
	ck_assert_ptr_nonnull(in);
	ck_assert_int_gt(getdelim(&docs, &room, '\0', in), 0);
	fclose(in);
	ck_assert_msg(strstr(docs, table) != NULL, "docs/configuration.md needs:\n%s", table);
	free(table);
	free(docs);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("settings");
	TCase *t = tcase_create("settings");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, defaults_need_only_the_data_directory);
	tcase_add_test(t, command_line_is_stronger_than_the_file);
	tcase_add_test(t, wrong_file_is_refused_with_its_place);
	tcase_add_test(t, wrong_override_is_refused);
	tcase_add_test(t, token_is_read_from_its_file_and_never_told);
	tcase_add_test(t, documentation_has_the_table_as_it_is);
	suite_add_tcase(suite, t);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
