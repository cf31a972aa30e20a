/* show.c - settle show. */
#include "cli/show.h"

#include "base/clock.h"
#include "base/mem.h"
#include "cli/http.h"
#include "cli/text.h"

#include <stdlib.h>
#include <string.h>

enum cli_exit show_exit(const json_t *txn)
{
	const char *status = text_of(txn, "status");

	if (status == NULL)
		return CLI_FAILED;
	if (strcmp(status, "committed") == 0)
		return CLI_DONE;
	if (strcmp(status, "rolled_back") == 0)
		return CLI_ROLLED_BACK;
	return strcmp(status, "stuck") == 0 ? CLI_STUCK : CLI_UNFINISHED;
}

static void put_line(const char *name, const char *text)
{
	if (text == NULL)
		return;
	printf("%-10s", name);
	text_put(stdout, text);
	printf("\n");
}

static void put_json(const char *name, const json_t *value)
{
	char *text;

	if (value == NULL)
		return;
	text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	put_line(name, text);
	free(text);
}

/* What came of it: what it gave, or its last error. */
static void add_result(struct table *t, const json_t *thing)
{
	const json_t *output = json_object_get(thing, "output");
	const char *reason = text_of(thing, "reason"), *again = text_of(thing, "next_attempt");
	char *text = NULL;

	if (output != NULL && strcmp(text_or(thing, "status", ""), "done") == 0)
		reason = NULL; /* of an attempt before */
	if (again != NULL)
		text = mem_printf("%s%sagain at %s", reason != NULL ? reason : "",
				  reason != NULL ? "; " : "", again);
	else if (json_is_true(json_object_get(thing, "queued")))
		text = mem_printf("%s%swaits for an agent that serves it: see settle agents",
				  reason != NULL ? reason : "", reason != NULL ? "; " : "");
	else if (reason == NULL && output != NULL)
		text = json_dumps(output, JSON_COMPACT | JSON_ENCODE_ANY);
	table_add(t, text != NULL ? text : reason);
	free(text);
}

/* ---- a plain transaction: its branches ---- */

static void add_branches(struct table *t, const json_t *steps)
{
	const json_t *step, *branch;
	size_t i, j;

	json_array_foreach(steps, i, step)
	{
		json_array_foreach(json_object_get(step, "branches"), j, branch)
		{
			table_add(t, text_of(branch, "name"));
			table_add(t, text_of(branch, "resource"));
			table_add(t, text_of(branch, "operation"));
			table_add(t, text_of(branch, "status"));
			table_add(t, text_of(branch, "agent"));
			add_result(t, branch);
		}
	}
}

/* ---- a saga: its steps, and under a group its branches ---- */

static void add_step(struct table *t, const json_t *step)
{
	const bool pivot = json_is_true(json_object_get(step, "pivot"));
	const bool group = strcmp(text_or(step, "kind", ""), "atomic") == 0;
	const json_t *attempts = json_object_get(step, "attempts"), *branch;
	char *name = mem_printf("%s%s", text_or(step, "name", "?"), pivot ? " (pivot)" : "");
	char tries[24] = "-";
	size_t i;

	if (json_integer_value(attempts) > 0)
		snprintf(tries, sizeof tries, "%" JSON_INTEGER_FORMAT,
			 json_integer_value(attempts));
	table_add(t, name);
	table_add(t, text_of(step, "status"));
	table_add(t, text_of(step, "direction"));
	table_add(t, tries);
	table_add(t, group ? "(group)" : text_of(step, "resource"));
	table_add(t, text_of(step, "operation"));
	table_add(t, text_of(step, "agent"));
	add_result(t, step);
	free(name);
	json_array_foreach(json_object_get(step, "branches"), i, branch)
	{
		name = mem_printf("  %s", text_or(branch, "name", "?"));
		table_add(t, name);
		table_add(t, text_of(branch, "status"));
		table_add(t, "");
		table_add(t, "");
		table_add(t, text_of(branch, "resource"));
		table_add(t, text_of(branch, "operation"));
		table_add(t, text_of(branch, "agent"));
		add_result(t, branch);
		free(name);
	}
}

bool show_is_saga(const json_t *txn)
{
	const json_t *first = json_array_get(json_object_get(txn, "steps"), 0);

	return json_object_get(first, "kind") != NULL;
}

static void put_steps(const struct cli *cli, const json_t *txn)
{
	static const char *const plain[] = {"BRANCH", "RESOURCE", "OPERATION", "STATUS",
					    "AGENT",  "RESULT",   NULL};
	static const char *const saga[] = {"STEP",      "STATUS", "DIRECTION", "TRIES", "RESOURCE",
					   "OPERATION", "AGENT",  "RESULT",    NULL};
	const json_t *steps = json_object_get(txn, "steps"), *step;
	struct table t;
	size_t i;

	table_init(&t, show_is_saga(txn) ? saga : plain);
	if (show_is_saga(txn))
		json_array_foreach(steps, i, step) add_step(&t, step);
	else
		add_branches(&t, steps);
	if (t.n_cells > 0) {
		printf("\n");
		table_print(&t, cli);
	}
	table_fini(&t);
}

/* ---- the whole ---- */

static void put_workflow(const json_t *txn)
{
	const json_t *version = json_object_get(txn, "version");
	char *text;

	if (!json_is_integer(version)) {
		put_line("workflow", text_of(txn, "workflow"));
		return;
	}
	text = mem_printf("%s@%" JSON_INTEGER_FORMAT, text_or(txn, "workflow", "?"),
			  json_integer_value(version));
	put_line("workflow", text);
	free(text);
}

void show_transaction(const struct cli *cli, const json_t *txn)
{
	put_line("gid", text_of(txn, "gid"));
	printf("%-10s", "status");
	text_status(cli, text_or(txn, "status", "?"), 0);
	printf("\n");
	put_line("reason", text_of(txn, "reason"));
	put_workflow(txn);
	put_line("created", text_of(txn, "created"));
	put_line("deadline", text_of(txn, "deadline"));
	put_line("finished", text_of(txn, "finished"));
	put_json("input", json_object_get(txn, "input"));
	put_steps(cli, txn);
}

/* ---- show ---- */

static char *path_of(const char *gid, const char *query)
{
	char *escaped = http_escape(gid);
	char *path = mem_printf("/v1/transactions/%s%s", escaped, query);

	free(escaped);
	return path;
}

static enum cli_exit run_show(struct cli *cli, const struct args *args)
{
	const char *wait = args_value(args, "wait");
	char *escaped = http_escape(wait != NULL ? wait : "0s");
	char *query = mem_printf("?wait=%s", escaped);
	char *path = path_of(args->operands[0], query);
	enum cli_exit status = CLI_FAILED;
	struct http_answer answer = {0};
	uint64_t wait_ms = 0;
	struct err err;

	if (wait != NULL && duration_parse(wait, &wait_ms, &err) != RC_OK) {
		cli_fail("--wait: %s", err.text);
	} else if (http_ask(cli, "GET", path, NULL, wait_ms + HTTP_TIMEOUT_MS, NULL, &answer)) {
		if (!cli->json)
			show_transaction(cli, answer.json);
		status = show_exit(answer.json);
	}
	http_fini(&answer);
	free(escaped);
	free(query);
	free(path);
	return status;
}

static const struct option_row show_options[] = {
	{"wait", "DURATION", "let the server answer when it is finished, or after this"},
	{NULL, NULL, NULL},
};

const struct cli_command command_show = {
	"show",
	"GID",
	1,
	"Shows one transaction with its steps and branches",
	"Exit status: 0 committed, 1 not known or no connection, 2 rolled back, 3 not finished,\n"
	"4 stuck.",
	show_options,
	run_show,
};
