/* list.c - settle list: transactions, newest first. */
#include "base/mem.h"
#include "cli/http.h"
#include "cli/text.h"

#include <stdlib.h>
#include <string.h>

static char *path_of(const struct args *args, const char *cursor)
{
	static const char *const passed[] = {"status", "workflow", "resource", "since",
					     "until",  "limit",    NULL};
	char *path = mem_dup("/v1/transactions");
	char mark = '?';

	for (size_t i = 0; passed[i] != NULL || cursor != NULL; i++) {
		const char *name = passed[i] != NULL ? passed[i] : "cursor";
		const char *value = passed[i] != NULL ? args_value(args, name) : cursor;
		char *escaped, *longer;

		if (value != NULL) {
			escaped = http_escape(value);
			longer = mem_printf("%s%c%s=%s", path, mark, name, escaped);
			free(escaped);
			free(path);
			path = longer;
			mark = '&';
		}
		if (passed[i] == NULL)
			break;
	}
	return path;
}

static void add_rows(struct table *t, const json_t *page)
{
	const json_t *txn;
	size_t i;

	json_array_foreach(json_object_get(page, "transactions"), i, txn)
	{
		const char *created = text_of(txn, "created");
		char when[24];

		/* To the second: the rest is in settle show. */
		snprintf(when, sizeof when, "%.19sZ", created != NULL ? created : "?");
		table_add(t, text_of(txn, "gid"));
		table_add(t, text_of(txn, "status"));
		table_add(t, text_of(txn, "workflow"));
		table_add(t, when);
		table_add(t, text_of(txn, "reason"));
	}
}

static enum cli_exit run_list(struct cli *cli, const struct args *args)
{
	static const char *const heads[] = {"GID", "STATUS", "WORKFLOW", "CREATED", "REASON", NULL};
	const bool all = args_value(args, "all") != NULL;
	const char *from = args_value(args, "cursor");
	char *cursor = from != NULL ? mem_dup(from) : NULL;
	enum cli_exit status = CLI_DONE;
	struct table t;

	table_init(&t, heads);
	do {
		char *path = path_of(args, cursor);
		struct http_answer answer = {0};

		free(cursor);
		cursor = NULL;
		if (http_ask(cli, "GET", path, NULL, HTTP_TIMEOUT_MS, NULL, &answer)) {
			add_rows(&t, answer.json);
			cursor = mem_dup(text_of(answer.json, "next"));
		} else {
			status = CLI_FAILED;
		}
		http_fini(&answer);
		free(path);
	} while (all && cursor != NULL);
	if (!cli->json && (status == CLI_DONE || t.n_cells > 0))
		table_print(&t, cli);
	if (!cli->json && cursor != NULL)
		fprintf(stderr, "there are more: --cursor %s, or --all\n", cursor);
	table_fini(&t);
	free(cursor);
	return status;
}

static const struct option_row options[] = {
	{"status", "STATUS", "running, committing, rolling_back, committed, rolled_back or stuck"},
	{"workflow", "NAME", "only of this workflow"},
	{"resource", "NAME", "only those that touch this resource"},
	{"since", "TIME", "begun then or later (2024-05-17T08:30:00Z)"},
	{"until", "TIME", "begun before"},
	{"limit", "N", "rows of a page, 1 to 1000 (50)"},
	{"cursor", "CURSOR", "the page after an earlier one"},
	{"all", NULL, "every page"},
	{NULL, NULL, NULL},
};

const struct cli_command command_list = {
	"list",
	"",
	0,
	"Lists transactions, newest first",
	"With --json --all, one page a line.",
	options,
	run_list,
};
