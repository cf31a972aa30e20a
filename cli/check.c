/* check.c - settle validate and settle graph: workflow files, without a server. */
#include "base/mem.h"
#include "cli/file.h"
#include "cli/text.h"
#include "saga/graph.h"
#include "saga/workflow.h"

#include <stdlib.h>
#include <string.h>

/* What was found in one file. */
struct found {
	const char *path;
	FILE *out;
	json_t *problems; /* NULL: they are printed */
};

static void found_problem(const struct err *problem, void *arg)
{
	struct found *f = arg;

	if (f->problems != NULL) {
		json_array_append_new(f->problems,
				      json_pack("{s:i, s:i, s:s+}", "line", problem->line, "column",
						problem->column, "text", problem->text, ""));
		return;
	}
	text_put(f->out, f->path);
	if (problem->line > 0)
		fprintf(f->out, ":%d:%d", problem->line, problem->column);
	fputs(": ", f->out);
	text_put(f->out, problem->text);
	fputc('\n', f->out);
}

/* True if the file can be read and is good. */
static bool check(const struct cli *cli, const char *path, json_t *all)
{
	struct found f = {.path = path, .out = stdout};
	size_t size, n;
	char *text = file_read(path, &size);

	if (text == NULL)
		return false;
	if (cli->json)
		f.problems = json_array();
	n = workflow_validate(text, size, found_problem, &f);
	free(text);
	if (cli->json) {
		json_array_append_new(all, json_pack("{s:s, s:b, s:o}", "file", path, "ok", n == 0,
						     "problems", f.problems));
	} else if (n == 0) {
		text_put(stdout, path);
		fputs(": ok\n", stdout);
	}
	return n == 0;
}

static enum cli_exit run_validate(struct cli *cli, const struct args *args)
{
	json_t *all = json_array();
	bool good = true;

	for (size_t i = 0; i < args->n_operands; i++)
		good = check(cli, args->operands[i], all) && good;
	if (cli->json) {
		json_dumpf(all, stdout, JSON_INDENT(2));
		fputc('\n', stdout);
	}
	json_decref(all);
	return good ? CLI_DONE : CLI_FAILED;
}

static enum cli_exit run_graph(struct cli *cli, const struct args *args)
{
	struct found f = {.path = args->operands[0], .out = stderr};
	struct workflow *w;
	char *text, *graph;
	size_t size;

	(void)cli;
	text = file_read(f.path, &size);
	if (text == NULL)
		return CLI_FAILED;
	if (workflow_parse(text, size, &w, NULL) != RC_OK) {
		workflow_validate(text, size, found_problem, &f);
		free(text);
		return cli_fail("%s cannot be drawn: see above", f.path);
	}
	graph = args_value(args, "dot") != NULL ? graph_dot(w) : graph_mermaid(w);
	fputs(graph, stdout);
	free(graph);
	free(text);
	workflow_free(w);
	return CLI_DONE;
}

static const struct option_row no_options[] = {{NULL, NULL, NULL}};
static const struct option_row graph_options[] = {
	{"dot", NULL, "text for Graphviz (dot -Tsvg) instead of Mermaid"},
	{NULL, NULL, NULL},
};

const struct cli_command command_validate = {
	"validate",
	"FILE...",
	1,
	"Says everything that is wrong with workflow files",
	"Needs no server. A line for each problem: FILE:LINE:COLUMN: what it is. With\n"
	"--json a list of {file, ok, problems: [{line, column, text}]}. Exit status 1 if a\n"
	"file has problems. \"-\" reads standard input.",
	no_options,
	run_validate,
};

const struct cli_command command_graph = {
	"graph",
	"FILE",
	1,
	"Draws a workflow file as Mermaid text",
	"Needs no server. Compensations are dashed, the pivot is thick, and an atomic group\n"
	"is a box around its branches.",
	graph_options,
	run_graph,
};
