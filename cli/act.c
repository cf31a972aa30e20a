/* act.c - what a person does to a transaction (cancel, resolve), and the counts. */
#include "base/mem.h"
#include "cli/http.h"
#include "cli/show.h"
#include "cli/text.h"

#include <stdlib.h>
#include <string.h>

/* Takes `body`. */
static enum cli_exit act(struct cli *cli, const char *gid, const char *verb, json_t *body)
{
	char *escaped = http_escape(gid);
	char *path = mem_printf("/v1/transactions/%s/%s", escaped, verb);
	struct http_answer answer = {0};
	enum cli_exit status = CLI_FAILED;

	if (http_ask(cli, "POST", path, body, HTTP_TIMEOUT_MS, NULL, &answer)) {
		status = CLI_DONE;
		if (!cli->json)
			show_transaction(cli, answer.json);
	}
	http_fini(&answer);
	json_decref(body);
	free(escaped);
	free(path);
	return status;
}

static enum cli_exit run_cancel(struct cli *cli, const struct args *args)
{
	const char *reason = args_value(args, "reason");
	json_t *body = reason != NULL ? json_pack("{s:s}", "reason", reason) : json_object();

	if (body == NULL)
		return cli_fail("--reason is not UTF-8");
	return act(cli, args->operands[0], "cancel", body);
}

static enum cli_exit run_resolve(struct cli *cli, const struct args *args)
{
	const char *action = args_value(args, "action"), *reason = args_value(args, "reason");
	json_t *body;

	if (action == NULL || reason == NULL)
		return cli_fail("resolve needs --action forget and --reason TEXT");
	body = json_pack("{s:s, s:s}", "action", action, "reason", reason);
	if (body == NULL)
		return cli_fail("--action or --reason is not UTF-8");
	return act(cli, args->operands[0], "resolve", body);
}

/* Counts may be nested; each is printed as `a.b  n`. */
static void put_counts(const json_t *object, const char *prefix)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)object, name, value)
	{
		char *full = mem_printf("%s%s", prefix, name);

		if (json_is_object(value)) {
			char *longer = mem_printf("%s.", full);

			put_counts(value, longer);
			free(longer);
		} else {
			char *text = json_is_string(value)
					     ? mem_dup(json_string_value(value))
					     : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

			printf("%-28s", full);
			text_put(stdout, text);
			printf("\n");
			free(text);
		}
		free(full);
	}
}

static enum cli_exit run_stats(struct cli *cli, const struct args *args)
{
	struct http_answer answer = {0};
	enum cli_exit status = CLI_FAILED;

	(void)args;
	if (http_ask(cli, "GET", "/v1/stats", NULL, HTTP_TIMEOUT_MS, NULL, &answer)) {
		status = CLI_DONE;
		if (!cli->json)
			put_counts(answer.json, "");
	}
	http_fini(&answer);
	return status;
}

static const struct option_row cancel_options[] = {
	{"reason", "TEXT", "kept with the transaction"},
	{NULL, NULL, NULL},
};
static const struct option_row resolve_options[] = {
	{"action", "forget", "the hazard was seen to outside of settle: close the transaction"},
	{"reason", "TEXT", "what was done; kept with the transaction"},
	{NULL, NULL, NULL},
};

const struct cli_command command_cancel = {
	"cancel",   "GID",
	1,          "Asks that a transaction be rolled back, if it is not decided yet",
	NULL,       cancel_options,
	run_cancel,
};
const struct cli_command command_resolve = {
	"resolve",   "GID",
	1,           "Closes a stuck transaction after a person has seen to it",
	NULL,        resolve_options,
	run_resolve,
};
const struct cli_command command_stats = {
	"stats", "", 0, "Prints the coordinator's counts", NULL, NULL, run_stats,
};
