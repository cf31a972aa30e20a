/* test_check.c - settle validate and settle graph, and what graphs look like.  A
 * command runs in a child process, with no server anywhere. */
#include "base/mem.h"
#include "cli/args.h"
#include "cli/cli.h"
#include "saga/graph.h"
#include "saga/workflow.h"

#include <check.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/settle-check-XXXXXX";
static char out[1 << 16], err_out[1 << 16];
static char *made[8];
static size_t n_made;

static void set_up(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void tear_down(void)
{
	for (; n_made > 0; n_made--) {
		unlink(made[n_made - 1]);
		free(made[n_made - 1]);
	}
	rmdir(dir);
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
}

/* A file in the test's folder; the path lives until the test ends. */
static const char *FILE_WITH(const char *name, const char *text)
{
	char *path = mem_printf("%s/%s", dir, name);
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
	ck_assert_uint_lt(n_made, sizeof made / sizeof made[0]);
	return made[n_made++] = path;
}

static void read_back(const char *path, char *to, size_t room)
{
	FILE *file = fopen(path, "r");

	ck_assert_ptr_nonnull(file);
	to[fread(to, 1, room - 1, file)] = '\0';
	fclose(file);
}

/* Runs a command; its output is in `out` and `err_out`. */
static int RUN(const struct cli_command *command, bool json, const char *const *words)
{
	char *out_path = mem_printf("%s/out", dir), *err_path = mem_printf("%s/err", dir);
	int status, argc = 0;
	pid_t pid;

	while (words[argc] != NULL)
		argc++;
	pid = fork();
	if (pid == 0) {
		struct cli cli = {.server = "http://127.0.0.1:1", .json = json};
		struct args args = {0};
		int code = CLI_FAILED;

		dup2(open(out_path, O_WRONLY | O_CREAT | O_TRUNC, 0600), STDOUT_FILENO);
		dup2(open(err_path, O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO);
		if (args_parse(command, argc, (char **)words, &args))
			code = (int)command->run(&cli, &args);
		fflush(stdout);
		_exit(code);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	read_back(out_path, out, sizeof out);
	read_back(err_path, err_out, sizeof err_out);
	unlink(out_path);
	unlink(err_path);
	free(out_path);
	free(err_path);
	return WEXITSTATUS(status);
}
#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static const char good[] =
	"workflow: w\ninput: [n]\nsteps:\n"
	"- {name: a, resource: r.1, operation: o, compensate: {operation: u}}\n"
	"- {name: b, resource: r, operation: o, when: '${input.n < 3 and \"x\" ~= \"]\"}', "
	"compensate: none}\n"
	"- name: c\n  after: [a, b]\n  pivot: true\n  order: sequential\n"
	"  atomic: [{name: x, resource: r, operation: o}, {name: y, resource: r, operation: o, "
	"read_only: true}]\n"
	"- {name: d, after: c, resource: r, operation: o}\n";
static const char bad[] =
	"workflow: w\nsteps:\n- {name: a, resorce: r, operation: o, compensate: none}\n"
	"- {name: b, after: x, resource: r, operation: o, compensate: none}\n";

/* ---- validate ---- */

START_TEST(validate_says_ok)
{
	const char *path = FILE_WITH("good.yaml", good);
	char *line = mem_printf("%s: ok\n", path);

	ck_assert_int_eq(RUN(&command_validate, false, WORDS(path)), CLI_DONE);
	ck_assert_str_eq(out, line);
	ck_assert_str_eq(err_out, "");
	free(line);
}
END_TEST

START_TEST(validate_says_all_problems_of_all_files)
{
	const char *one = FILE_WITH("bad.yaml", bad), *two = FILE_WITH("good.yaml", good);
	char *expected =
		mem_printf("%s:3:13: a step has no \"resorce\"; did you mean \"resource\"?\n"
			   "%s:4:20: after: there is no step \"x\"\n"
			   "%s: ok\n",
			   one, one, two);

	ck_assert_int_eq(RUN(&command_validate, false, WORDS(one, two)), CLI_FAILED);
	ck_assert_str_eq(out, expected);
	free(expected);
}
END_TEST

START_TEST(validate_speaks_json)
{
	const char *one = FILE_WITH("bad.yaml", bad), *two = FILE_WITH("good.yaml", good);
	json_t *json;

	ck_assert_int_eq(RUN(&command_validate, true, WORDS(one, two)), CLI_FAILED);
	json = json_loads(out, 0, NULL);
	ck_assert_uint_eq(json_array_size(json), 2);
	ck_assert(json_is_false(json_object_get(json_array_get(json, 0), "ok")));
	ck_assert(json_is_true(json_object_get(json_array_get(json, 1), "ok")));
	json_decref(json);
}
END_TEST

START_TEST(validate_says_what_cannot_be_read)
{
	ck_assert_int_eq(RUN(&command_validate, false, WORDS("/nowhere/at/all.yaml")), CLI_FAILED);
	ck_assert_ptr_nonnull(strstr(err_out, "cannot open /nowhere/at/all.yaml"));
	ck_assert_int_eq(RUN(&command_validate, false, (const char *const[]){NULL}), CLI_FAILED);
	ck_assert_ptr_nonnull(strstr(err_out, "validate needs FILE..."));
}
END_TEST

START_TEST(problems_cannot_drive_the_terminal)
{
	const char *path = FILE_WITH("esc.yaml", "workflow: w\n\"\\e[31mred\": 1\nsteps: []\n");

	ck_assert_int_eq(RUN(&command_validate, false, WORDS(path)), CLI_FAILED);
	ck_assert_ptr_null(strchr(out, '\033'));
	ck_assert_ptr_nonnull(strstr(out, "?[31mred"));
}
END_TEST

/* ---- graph ---- */

START_TEST(graph_draws_mermaid)
{
	ck_assert_int_eq(RUN(&command_graph, false, WORDS(FILE_WITH("good.yaml", good))), CLI_DONE);
	ck_assert_str_eq(out, "flowchart TD\n"
			      "    s0[\"a<br/>r.1: o\"]\n"
			      "    s1[\"b<br/>r: o<br/>when input.n #lt; 3 and #quot;x#quot; ~= "
			      "#quot;]#quot;\"]\n"
			      "    subgraph s2[\"c (pivot): all or nothing, one after another\"]\n"
			      "        b2_0[\"x<br/>r: o\"]\n"
			      "        b2_1[\"y<br/>r: o (read only)\"]\n"
			      "    end\n"
			      "    style s2 stroke-width:4px\n"
			      "    s3[\"d<br/>r: o\"]\n"
			      "    s0 --> s2\n"
			      "    s1 --> s2\n"
			      "    s2 --> s3\n"
			      "    u0([\"r.1: u\"]):::undo\n"
			      "    s0 -. undo .-> u0\n"
			      "    classDef pivot stroke-width:4px\n"
			      "    classDef undo stroke-dasharray:4\n");
}
END_TEST

START_TEST(graph_draws_dot)
{
	ck_assert_int_eq(RUN(&command_graph, false, WORDS("--dot", FILE_WITH("good.yaml", good))),
			 CLI_DONE);
	ck_assert_str_eq(
		out, "digraph workflow {\n"
		     "    compound=true;\n"
		     "    node [shape=box];\n"
		     "    s0 [label=\"a\\nr.1: o\"];\n"
		     "    s1 [label=\"b\\nr: o\\nwhen input.n < 3 and \\\"x\\\" ~= \\\"]\\\"\"];\n"
		     "    subgraph cluster_s2 {\n"
		     "        label=\"c (pivot): all or nothing, one after another\";\n"
		     "        penwidth=3;\n"
		     "        s2_0 [label=\"x\\nr: o\"];\n"
		     "        s2_1 [label=\"y\\nr: o (read only)\"];\n"
		     "    }\n"
		     "    s3 [label=\"d\\nr: o\"];\n"
		     "    s0 -> s2_0 [lhead=cluster_s2];\n"
		     "    s1 -> s2_0 [lhead=cluster_s2];\n"
		     "    s2_0 -> s3 [ltail=cluster_s2];\n"
		     "    u0 [shape=oval, style=dashed, label=\"r.1: u\"];\n"
		     "    s0 -> u0 [style=dashed, label=\"undo\"];\n"
		     "}\n");
}
END_TEST

START_TEST(graph_shows_groups_that_undo_groups)
{
	const char *path = "examples/workflows/rebalance.yaml";

	ck_assert_int_eq(RUN(&command_graph, false, WORDS(path)), CLI_DONE);
	ck_assert_ptr_nonnull(strstr(out, "subgraph u0[\"undo move: all or nothing\"]"));
	ck_assert_ptr_nonnull(strstr(out, "c0_1([\"credit<br/>bank-a: credit\"]):::undo"));
	ck_assert_ptr_nonnull(strstr(out, "s0 -. undo .-> u0"));
	ck_assert_int_eq(RUN(&command_graph, false, WORDS(path, "--dot")), CLI_DONE);
	ck_assert_ptr_nonnull(strstr(out, "s0_0 -> u0_0 [style=dashed, label=\"undo\", "
					  "ltail=cluster_s0, lhead=cluster_u0];"));
}
END_TEST

START_TEST(what_a_file_holds_cannot_break_out_of_a_label)
{
	static const char text[] =
		"workflow: w\nsteps:\n- {name: a, resource: r, operation: o, compensate: none, "
		"when: \"${[[\\\"]; x --> y; <b>`#\\\\ \\n]] ~= nil}\"}\n";
	struct workflow *w;
	struct err err;
	char *graph;

	ck_assert_msg(workflow_parse(text, sizeof text - 1, &w, &err) == RC_OK, "%s", err.text);
	graph = graph_mermaid(w);
	ck_assert_msg(strstr(graph, "s0[\"a<br/>r: o<br/>when [[#quot;]; x --#gt; y; "
				    "#lt;b#gt;#96;#35;#92;  ]] ~= nil\"]\n") != NULL,
		      "%s", graph);
	free(graph);
	graph = graph_dot(w);
	ck_assert_msg(strstr(graph, "when [[\\\"]; x --> y; <b>`#\\\\  ]] ~= nil\"];\n") != NULL,
		      "%s", graph);
	free(graph);
	workflow_free(w);
}
END_TEST

START_TEST(a_bad_file_is_not_drawn)
{
	ck_assert_int_eq(RUN(&command_graph, false, WORDS(FILE_WITH("bad.yaml", bad))), CLI_FAILED);
	ck_assert_str_eq(out, "");
	ck_assert_ptr_nonnull(strstr(err_out, "3:13: a step has no \"resorce\""));
	ck_assert_ptr_nonnull(strstr(err_out, "cannot be drawn"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("check");
	TCase *tc = tcase_create("check");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, validate_says_ok);
	tcase_add_test(tc, validate_says_all_problems_of_all_files);
	tcase_add_test(tc, validate_speaks_json);
	tcase_add_test(tc, validate_says_what_cannot_be_read);
	tcase_add_test(tc, problems_cannot_drive_the_terminal);
	tcase_add_test(tc, graph_draws_mermaid);
	tcase_add_test(tc, graph_draws_dot);
	tcase_add_test(tc, graph_shows_groups_that_undo_groups);
	tcase_add_test(tc, what_a_file_holds_cannot_break_out_of_a_label);
	tcase_add_test(tc, a_bad_file_is_not_drawn);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
