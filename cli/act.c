/* act.c - what a person says to a transaction. */
#include "base/mem.h"
#include "cli/file.h"
#include "cli/http.h"
#include "cli/show.h"

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

/* A body of those of `names` that were given as options. */
static json_t *body_of(const struct args *args, const char *const *names)
{
	json_t *body = json_object();

	for (; *names != NULL; names++) {
		const char *value = args_value(args, *names);

		if (value != NULL && json_object_set_new(body, *names, json_string(value)) != 0) {
			cli_fail("--%s is not UTF-8", *names);
			json_decref(body);
			return NULL;
		}
	}
	return body;
}

/* ---- the whole, or some of its steps ---- */

static enum cli_exit run_cancel(struct cli *cli, const struct args *args)
{
	static const char *const names[] = {"reason", NULL};
	json_t *body = body_of(args, names);

	return body != NULL ? act(cli, args->operands[0], "cancel", body) : CLI_FAILED;
}

static enum cli_exit run_retry(struct cli *cli, const struct args *args)
{
	static const char *const names[] = {"step", "reason", NULL};
	json_t *body = body_of(args, names);

	return body != NULL ? act(cli, args->operands[0], "retry", body) : CLI_FAILED;
}

static enum cli_exit run_resolve(struct cli *cli, const struct args *args)
{
	static const char *const names[] = {"action", "step", "reason", NULL};
	json_t *body;

	if (args_value(args, "action") == NULL || args_value(args, "reason") == NULL)
		return cli_fail("resolve needs --action (forget, skip, committed or rolled_back) "
				"and --reason TEXT");
	body = body_of(args, names);
	return body != NULL ? act(cli, args->operands[0], "resolve", body) : CLI_FAILED;
}

static enum cli_exit run_skip(struct cli *cli, const struct args *args)
{
	static const char *const names[] = {"step", "reason", NULL};
	json_t *body;

	if (args_value(args, "step") == NULL || args_value(args, "reason") == NULL)
		return cli_fail("skip needs --step STEP and --reason TEXT");
	body = body_of(args, names);
	if (body == NULL)
		return CLI_FAILED;
	json_object_set_new(body, "action", json_string("skip"));
	return act(cli, args->operands[0], "resolve", body);
}

/* ---- a pending call ---- */

/* JSON, or @FILE that holds it, as an object; NULL after having said what is wrong. */
static json_t *read_output(const char *value)
{
	const bool in_file = value[0] == '@';
	size_t size = strlen(value);
	char *text = in_file ? file_read(value + 1, &size) : mem_dup(value);
	json_error_t error;
	json_t *json;

	if (text == NULL)
		return NULL;
	json = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
	free(text);
	if (json_is_object(json))
		return json;
	if (json == NULL)
		cli_fail("--output: not JSON: %s (line %d, column %d)", error.text, error.line,
			 error.column);
	else
		cli_fail("--output must be a JSON object");
	json_decref(json);
	return NULL;
}

static enum cli_exit act_on_step(struct cli *cli, const struct args *args, const char *verb,
				 json_t *body)
{
	char *escaped = http_escape(args->operands[1]);
	char *path = mem_printf("steps/%s/%s", escaped, verb);
	const enum cli_exit status = act(cli, args->operands[0], path, body);

	free(escaped);
	free(path);
	return status;
}

static enum cli_exit run_complete(struct cli *cli, const struct args *args)
{
	const char *value = args_value(args, "output");
	json_t *body = json_object(), *output;

	if (value != NULL) {
		output = read_output(value);
		if (output == NULL) {
			json_decref(body);
			return CLI_FAILED;
		}
		json_object_set_new(body, "output", output);
	}
	return act_on_step(cli, args, "complete", body);
}

static enum cli_exit run_fail(struct cli *cli, const struct args *args)
{
	static const char *const names[] = {"reason", NULL};
	json_t *body;

	if (args_value(args, "reason") == NULL)
		return cli_fail("fail needs --reason TEXT");
	body = body_of(args, names);
	return body != NULL ? act_on_step(cli, args, "fail", body) : CLI_FAILED;
}

/* ---- the table ---- */

#define REASON                                                     \
	{                                                          \
		"reason", "TEXT", "why; kept with the transaction" \
	}

static const struct option_row cancel_options[] = {REASON, {NULL, NULL, NULL}};
static const struct option_row retry_options[] = {
	{"step", "STEP", "only this one; else every step that is stuck or waits to be retried"},
	REASON,
	{NULL, NULL, NULL},
};
static const struct option_row resolve_options[] = {
	{"action", "ACTION", "forget, skip, committed or rolled_back"},
	{"step", "STEP", "with skip: only this one; else every step that is stuck"},
	REASON,
	{NULL, NULL, NULL},
};
static const struct option_row skip_options[] = {
	{"step", "STEP", "the step that is stuck"},
	REASON,
	{NULL, NULL, NULL},
};
static const struct option_row complete_options[] = {
	{"output", "JSON", "what the call gave: an object, or @FILE that holds it"},
	{NULL, NULL, NULL},
};
static const struct option_row fail_options[] = {REASON, {NULL, NULL, NULL}};

const struct cli_command command_cancel = {
	"cancel",   "GID",
	1,          "Asks that a transaction be rolled back, if it is not decided yet",
	NULL,       cancel_options,
	run_cancel,
};
const struct cli_command command_retry = {
	"retry",   "GID",
	1,         "Tries again now what is stuck, or waits for its next attempt",
	NULL,      retry_options,
	run_retry,
};
const struct cli_command command_resolve = {
	"resolve",
	"GID",
	1,
	"Ends what is stuck, after a person has seen to it",
	"  forget       a branch contradicted the decision, and that was seen to\n"
	"  skip         the stuck step is taken for done (or for undone); it goes on\n"
	"  committed    the saga ends as it is: past its pivot only\n"
	"  rolled_back  the saga ends as it is: while it is rolled back only",
	resolve_options,
	run_resolve,
};
const struct cli_command command_skip = {
	"skip",
	"GID",
	1,
	"Takes a stuck step for done (or for undone), and goes on",
	"Short for settle resolve --action skip.",
	skip_options,
	run_skip,
};
const struct cli_command command_complete = {
	"complete",       "GID STEP",   2, "Says that a pending call was done", NULL,
	complete_options, run_complete,
};
const struct cli_command command_fail = {
	"fail", "GID STEP",   2,        "Says that a pending call was not done, and will not be",
	NULL,   fail_options, run_fail,
};
