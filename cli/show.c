/* show.c - settle show and settle watch. */
#include "cli/show.h"

#include "base/clock.h"
#include "base/mem.h"
#include "cli/http.h"
#include "cli/text.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WATCH_STEP_MS = 500, WATCH_PATIENCE_MS = 30 * 1000 };

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

static void add_branches(struct table *t, const json_t *steps)
{
	const json_t *step, *branch;
	size_t i, j;

	json_array_foreach(steps, i, step)
	{
		json_array_foreach(json_object_get(step, "branches"), j, branch)
		{
			const json_t *output = json_object_get(branch, "output");
			char *text = output != NULL
					     ? json_dumps(output, JSON_COMPACT | JSON_ENCODE_ANY)
					     : NULL;

			table_add(t, text_of(branch, "name"));
			table_add(t, text_of(branch, "resource"));
			table_add(t, text_of(branch, "operation"));
			table_add(t, text_of(branch, "status"));
			table_add(t, text_of(branch, "agent"));
			table_add(t, text_of(branch, "reason") != NULL ? text_of(branch, "reason")
								       : text);
			free(text);
		}
	}
}

void show_transaction(const struct cli *cli, const json_t *txn)
{
	static const char *const heads[] = {"BRANCH", "RESOURCE", "OPERATION", "STATUS",
					    "AGENT",  "RESULT",   NULL};
	const char *status = text_of(txn, "status");
	struct table t;

	put_line("gid", text_of(txn, "gid"));
	printf("%-10s", "status");
	text_status(cli, status != NULL ? status : "?", 0);
	printf("\n");
	put_line("reason", text_of(txn, "reason"));
	put_line("workflow", text_of(txn, "workflow"));
	put_line("created", text_of(txn, "created"));
	put_line("finished", text_of(txn, "finished"));
	put_json("input", json_object_get(txn, "input"));
	table_init(&t, heads);
	add_branches(&t, json_object_get(txn, "steps"));
	if (t.n_cells > 0) {
		printf("\n");
		table_print(&t, cli);
	}
	table_fini(&t);
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

/* ---- watch ---- */

/* What a person would see change: the states and reasons, not the times. */
static char *fingerprint(const json_t *txn)
{
	json_t *key = json_array();
	const json_t *step, *branch;
	char *text;
	size_t i, j;

	json_array_append(key, json_object_get(txn, "status"));
	json_array_append(key, json_object_get(txn, "reason"));
	json_array_foreach(json_object_get(txn, "steps"), i, step)
	{
		json_array_foreach(json_object_get(step, "branches"), j, branch)
		{
			json_array_append(key, json_object_get(branch, "status"));
			json_array_append(key, json_object_get(branch, "reason"));
		}
	}
	text = json_dumps(key, JSON_COMPACT);
	json_decref(key);
	return text;
}

static void put_change(const struct cli *cli, const json_t *txn, const char *text)
{
	const json_t *step, *branch;
	size_t i, j;
	char now[32];

	if (cli->json) {
		printf("%s\n", text);
		fflush(stdout);
		return;
	}
	time_format(clock_wall_us(), now);
	printf("%.19sZ  ", now);
	text_status(cli, text_of(txn, "status") != NULL ? text_of(txn, "status") : "?", 12);
	json_array_foreach(json_object_get(txn, "steps"), i, step)
	{
		json_array_foreach(json_object_get(step, "branches"), j, branch)
		{
			printf("  ");
			text_put(stdout, text_of(branch, "name"));
			printf("=");
			text_status(cli, text_of(branch, "status"), 0);
		}
	}
	if (text_of(txn, "reason") != NULL) {
		printf("  ");
		text_put(stdout, text_of(txn, "reason"));
	}
	printf("\n");
	fflush(stdout);
}

/* One look. A server that is away is asked again for a while: it may be restarting,
 * and finishes then what it had begun. `*done` when there is no more to see. */
static enum cli_exit look(struct cli *cli, const char *path, char **seen, uint64_t *since_us,
			  bool *done)
{
	struct http_answer answer = {0};
	struct err err = {0};
	const enum rc rc = http_call(cli, "GET", path, NULL, HTTP_TIMEOUT_MS, &answer, &err);
	enum cli_exit status = CLI_FAILED;

	*done = true;
	if (rc == RC_OK && answer.status == 200) {
		char *now = fingerprint(answer.json);

		*since_us = clock_mono_us();
		if (*seen == NULL || strcmp(*seen, now) != 0)
			put_change(cli, answer.json, answer.text);
		free(*seen);
		*seen = now;
		status = show_exit(answer.json);
		*done = status != CLI_UNFINISHED;
	} else if (rc == RC_OK && answer.status != 503) {
		http_explain(&answer, NULL);
	} else if (rc != RC_INVALID && *seen != NULL &&
		   clock_mono_us() - *since_us < WATCH_PATIENCE_MS * UINT64_C(1000)) {
		const struct timespec pause = {.tv_nsec = 200 * 1000 * 1000};

		nanosleep(&pause, NULL);
		*done = false;
	} else {
		cli_fail("%s", rc == RC_OK ? "the server is stopping" : err.text);
	}
	http_fini(&answer);
	return status;
}

static enum cli_exit run_watch(struct cli *cli, const struct args *args)
{
	char query[32], *path, *seen = NULL;
	enum cli_exit status;
	uint64_t since_us = clock_mono_us();
	bool done;

	snprintf(query, sizeof query, "?wait=%dms", WATCH_STEP_MS);
	path = path_of(args->operands[0], query);
	do
		status = look(cli, path, &seen, &since_us, &done);
	while (!done);
	free(path);
	free(seen);
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
	"Shows one transaction with its branches",
	"Exit status: 0 committed, 1 not known or no connection, 2 rolled back, 3 not finished,\n"
	"4 stuck.",
	show_options,
	run_show,
};
const struct cli_command command_watch = {
	"watch",
	"GID",
	1,
	"Follows a transaction to its end, one line for each change",
	"Ends with the same exit statuses as settle show.",
	NULL,
	run_watch,
};
