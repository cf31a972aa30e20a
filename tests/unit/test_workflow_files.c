/* test_workflow_files.c - the workflow files in tests/workflows and examples, each
 * against the reader and against the JSON Schema.
 *
 * A bad file says in comments at its top what must be found in it, and nothing else:
 *   # expect LINE:COLUMN what the message says */
#include "base/mem.h"
#include "saga/workflow.h"
#include "tests/lib/proc.h"

#include <check.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TEXT_MAX = 1 << 20, FOUND_MAX = 1 << 16 };

static char text[TEXT_MAX + 1];
static char found[FOUND_MAX];
static glob_t files;

static void clean(void)
{
	globfree(&files);
}

static size_t LOAD(const char *path)
{
	FILE *file = fopen(path, "r");
	size_t size;

	ck_assert_msg(file != NULL, "%s", path);
	size = fread(text, 1, TEXT_MAX, file);
	text[size] = '\0';
	fclose(file);
	return size;
}

static void note(const struct err *problem, void *arg)
{
	const size_t used = strlen(found);

	(void)arg;
	ck_assert(problem->code == RC_INVALID || problem->code == RC_TOO_BIG);
	snprintf(found + used, sizeof found - used, "%d:%d %s\n", problem->line, problem->column,
		 problem->text);
}

static void FIND(const char *path)
{
	const size_t size = LOAD(path);
	struct workflow *w;
	struct err err;
	size_t n;

	found[0] = '\0';
	n = workflow_validate(text, size, note, NULL);
	ck_assert_int_eq(workflow_parse(text, size, &w, &err) == RC_OK, n == 0);
	ck_assert((w != NULL) == (n == 0));
	workflow_free(w);
}

static void GLOB(const char *pattern)
{
	ck_assert_int_eq(glob(pattern, files.gl_pathc > 0 ? GLOB_APPEND : 0, NULL, &files), 0);
}

START_TEST(good_files_and_examples_have_no_problems)
{
	GLOB("tests/workflows/good/*.yaml");
	GLOB("examples/workflows/*.yaml");
	GLOB("examples/transfer.yaml");
	GLOB("examples/*/book.yaml");
	GLOB("examples/trip/*trip.yaml");
	GLOB("examples/sqlite/family.yaml");
	ck_assert_uint_ge(files.gl_pathc, 17);
	for (size_t i = 0; i < files.gl_pathc; i++) {
		FIND(files.gl_pathv[i]);
		ck_assert_msg(found[0] == '\0', "%s:\n%s", files.gl_pathv[i], found);
	}
}
END_TEST

/* The `# expect` lines at the top, as `note` would have written them. */
static void read_expected(char *expected, size_t room)
{
	static const char mark[] = "# expect ";
	const char *line = text;
	size_t used = 0;

	for (; *line == '#'; line = strchr(line, '\n') + 1) {
		const size_t size = strcspn(line, "\n") + 1;

		if (strncmp(line, mark, sizeof mark - 1) != 0)
			continue;
		ck_assert_uint_lt(used + size, room);
		memcpy(expected + used, line + sizeof mark - 1, size - (sizeof mark - 1));
		used += size - (sizeof mark - 1);
	}
	expected[used] = '\0';
}

START_TEST(bad_files_have_exactly_the_problems_they_tell)
{
	static char expected[FOUND_MAX];

	GLOB("tests/workflows/bad/*.yaml");
	ck_assert_uint_ge(files.gl_pathc, 30);
	for (size_t i = 0; i < files.gl_pathc; i++) {
		FIND(files.gl_pathv[i]);
		read_expected(expected, sizeof expected);
		ck_assert_msg(expected[0] != '\0', "%s expects nothing", files.gl_pathv[i]);
		ck_assert_msg(strcmp(found, expected) == 0, "%s:\n%s\nis not\n%s",
			      files.gl_pathv[i], found, expected);
	}
}
END_TEST

START_TEST(the_schema_agrees_on_every_file)
{
	const char **argv;
	char log[] = "/tmp/settle-schema-XXXXXX";
	int fd = mkstemp(log), status;
	FILE *file;
	pid_t pid;

	GLOB("tests/workflows/good/*.yaml");
	GLOB("tests/workflows/bad/*.yaml");
	GLOB("examples/workflows/*.yaml");
	GLOB("examples/transfer.yaml");
	GLOB("examples/trip/*trip.yaml");
	GLOB("examples/sqlite/family.yaml");
	argv = mem_new(files.gl_pathc + 4, sizeof *argv);
	argv[0] = "/usr/bin/python3"; /* Debian's: it has the packages of tests/deps.sh */
	argv[1] = "tests/workflows/check_schema.py";
	argv[2] = "docs/workflow.schema.json";
	for (size_t i = 0; i < files.gl_pathc; i++)
		argv[3 + i] = files.gl_pathv[i];
	pid = proc_launch(argv, log, &(struct proc_as){0});
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	file = fdopen(fd, "r");
	found[fread(found, 1, sizeof found - 1, file)] = '\0';
	fclose(file);
	unlink(log);
	free((void *)argv);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s", found);
}
END_TEST

/* ---- a hundred problems ---- */

static void count(const struct err *problem, void *arg)
{
	size_t *n = arg;

	if (++*n == WORKFLOW_PROBLEMS_MAX)
		ck_assert_msg(strstr(problem->text, "more than 99 problems") != NULL, "%s",
			      problem->text);
}

START_TEST(a_hundred_problems_are_enough)
{
	size_t size, n = 0;
	char *big = NULL;
	FILE *out = open_memstream(&big, &size);

	fputs("workflow: w\nsteps:\n", out);
	for (int i = 0; i < 900; i++)
		fprintf(out,
			"- {name: s%d, after: s%d, oops: \"${x + y}\", resource: '', args: 1}\n", i,
			(i + 1) % 900);
	fclose(out);
	ck_assert_uint_eq(workflow_validate(big, size, count, &n), WORKFLOW_PROBLEMS_MAX);
	ck_assert_uint_eq(n, WORKFLOW_PROBLEMS_MAX);
	free(big);
}
END_TEST

/* Files that are large in one way each: they are to be read fast, good or bad. */
static const char *const huge[] = {
	"- {name: s%1$d, resource: r, operation: o, compensate: none, args: {a: "
	"\"${steps.s%2$d.output}\"}}\n",
	"- {name: s%1$d, resource: r, operation: o, compensate: none, args: {a: \"${input.a + 1 == "
	"nil}\"}}\n",
	"- {name: s%1$d, after: [s%2$d, s%3$d], resource: r, operation: o, compensate: none}\n",
	"- {name: s%1$d, resource: r, operation: o, compensate: none, args: {a: \"${(function() "
	"local a%1$d, b, c = 1 return a%1$d end)()}\"}}\n",
};

START_TEST(huge_files_are_read)
{
	size_t size, n = 0;
	char *big = NULL;
	FILE *out = open_memstream(&big, &size);

	fputs("workflow: w\ninput: [a]\nsteps:\n", out);
	for (int i = 0; i < 1000; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		fprintf(out, huge[_i], i, (i + 500) % 1000, (i + 1) % 1000);
#pragma GCC diagnostic pop
	}
	fclose(out);
	workflow_validate(big, size, count, &n);
	ck_assert_int_eq(n > 0, _i == 0 || _i == 2);
	free(big);
}
END_TEST

/* Texts that a careless reader would go through again and again. */
static const char *const endless[] = {"[", "[[", "[==", "${", "${[[", "]=", "(", "x.", "$${", "a-"};

START_TEST(endless_texts_are_read_once)
{
	size_t size, n = 0;
	char *big = NULL;
	FILE *out = open_memstream(&big, &size);

	fputs("workflow: w\nsteps:\n- {name: s, resource: r, operation: o, compensate: none, "
	      "args: {x: \"${",
	      out);
	for (size_t i = 0; i < 900 * 1000 / strlen(endless[_i]); i++)
		fputs(endless[_i], out);
	fputs("\"}}\n", out);
	fclose(out);
	workflow_validate(big, size, count, &n);
	ck_assert_uint_eq(n, 1);
	free(big);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("workflow_files");
	TCase *tc = tcase_create("workflow_files");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, NULL, clean);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, good_files_and_examples_have_no_problems);
	tcase_add_test(tc, bad_files_have_exactly_the_problems_they_tell);
	tcase_add_test(tc, the_schema_agrees_on_every_file);
	tcase_add_test(tc, a_hundred_problems_are_enough);
	tcase_add_loop_test(tc, huge_files_are_read, 0, (int)(sizeof huge / sizeof huge[0]));
	tcase_add_loop_test(tc, endless_texts_are_read_once, 0,
			    (int)(sizeof endless / sizeof endless[0]));
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
