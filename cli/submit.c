/* submit.c - settle submit: a workflow and its input. */
#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "cli/file.h"
#include "cli/http.h"
#include "cli/show.h"
#include "cli/text.h"
#include "cli/watch.h"

#include <stdlib.h>
#include <string.h>

enum { STANDARD_MS = 30 * 1000 }; /* the server's own time-out */

/* `k=v` into `input`: v is JSON if it reads as a number, true, false, null, an
 * object or a list; else it is the text itself. */
static bool add_pair(json_t *input, const char *pair)
{
	const char *equals = strchr(pair, '=');
	json_t *value;
	char *key;
	bool added;

	if (equals == NULL || equals == pair) {
		cli_fail("--input takes name=value, not \"%s\"", pair);
		return false;
	}
	value = json_loads(equals + 1, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
	if (value == NULL || json_is_string(value)) {
		json_decref(value);
		value = json_string(equals + 1);
	}
	key = mem_dup_bytes(pair, (size_t)(equals - pair));
	added = json_object_set_new(input, key, value) == 0;
	free(key);
	if (!added)
		cli_fail("--input: \"%s\" is not UTF-8", pair);
	return added;
}

static bool add_file(json_t *input, const char *path)
{
	json_error_t error;
	size_t size;
	char *text = file_read(path, &size);
	json_t *json;
	bool good;

	if (text == NULL)
		return false;
	json = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
	free(text);
	good = json_is_object(json);
	if (json == NULL)
		cli_fail("%s:%d:%d: not JSON: %s", path, error.line, error.column, error.text);
	else if (!good)
		cli_fail("%s must hold a JSON object", path);
	else
		json_object_update(input, json);
	json_decref(json);
	return good;
}

/* In the order given, so that a later one wins. */
static bool read_input(const struct args *args, json_t *input)
{
	for (size_t i = 0; i < args->n_options; i++) {
		const char *name = args->rows[i]->name;

		if (strcmp(name, "input") == 0 && !add_pair(input, args->values[i]))
			return false;
		if (strcmp(name, "input-json") == 0 && !add_file(input, args->values[i]))
			return false;
	}
	return true;
}

static json_t *read_definition(const char *path)
{
	size_t size;
	char *text = file_read(path, &size);
	json_t *definition;

	if (text == NULL)
		return NULL;
	definition = json_stringn(text, size);
	if (definition == NULL)
		cli_fail("%s is not UTF-8 text", path);
	free(text);
	return definition;
}

/* `definition`, or `workflow` for the name of a published one, into `body`. */
static bool add_workflow(json_t *body, const char *operand)
{
	json_t *definition;

	if (!file_is_meant(operand)) {
		if (json_object_set_new(body, "workflow", json_string(operand)) == 0)
			return true;
		cli_fail("\"%s\" is neither a file nor the name of a workflow", operand);
		return false;
	}
	definition = read_definition(operand);
	return definition != NULL && json_object_set_new(body, "definition", definition) == 0;
}

/* When the server is to answer.  Who watches is answered at once, and then asks. */
static void add_wait(json_t *body, const struct args *args)
{
	const char *wait = args_value(args, "wait"), *timeout = args_value(args, "timeout");

	if (wait != NULL)
		json_object_set_new(body, "wait", json_string(wait));
	if (args_value(args, "watch") != NULL)
		timeout = "0s";
	if (timeout != NULL)
		json_object_set_new(body, "timeout", json_string(timeout));
}

/* The transaction that was asked for, as JSON; NULL after having said why not. */
static json_t *read_request(const struct args *args, const char *gid)
{
	json_t *input = json_object();
	json_t *body = json_pack("{s:s, s:o}", "gid", gid, "input", input);

	if (add_workflow(body, args->operands[0]) && read_input(args, input)) {
		add_wait(body, args);
		return body;
	}
	json_decref(body);
	return NULL;
}

/* Where less was asked for than its end, that much is success. */
static enum cli_exit judge(const json_t *txn, const char *wait)
{
	const enum cli_exit status = show_exit(txn);
	const char *word = text_of(txn, "status");

	if (status != CLI_UNFINISHED || wait == NULL)
		return status;
	if (strcmp(wait, "accepted") == 0)
		return CLI_DONE;
	if (strcmp(wait, "decided") == 0 && strcmp(word, "committing") == 0)
		return CLI_DONE;
	if (strcmp(wait, "decided") == 0 && strcmp(word, "rolling_back") == 0)
		return CLI_ROLLED_BACK;
	return status;
}

/* What the server's answer to the submission means. */
static enum cli_exit take_answer(struct cli *cli, const struct args *args, const char *gid,
				 const json_t *txn, uint64_t timeout_ms)
{
	enum cli_exit status;

	if (args_value(args, "watch") != NULL) {
		if (!cli->json)
			printf("gid       %s\n",
			       gid); /* as settle show has it: to ask for it later */
		return watch_transaction(cli, gid, timeout_ms);
	}
	if (!cli->json)
		show_transaction(cli, txn);
	status = judge(txn, args_value(args, "wait"));
	if (status == CLI_UNFINISHED && !cli->json)
		fprintf(stderr, "not finished yet; follow it with: settle watch %s\n", gid);
	return status;
}

static enum cli_exit send_request(struct cli *cli, const struct args *args, const char *gid,
				  const json_t *body, uint64_t timeout_ms)
{
	const char *file = file_is_meant(args->operands[0]) ? args->operands[0] : NULL;
	const bool watch = args_value(args, "watch") != NULL;
	const uint64_t held_ms = timeout_ms == UINT64_MAX || watch ? STANDARD_MS : timeout_ms;
	struct http_answer answer = {0};
	enum cli_exit status = CLI_FAILED;

	if (http_ask(cli, "POST", "/v1/transactions", body, held_ms + HTTP_TIMEOUT_MS, file,
		     &answer)) {
		status = take_answer(cli, args, gid, answer.json, timeout_ms);
	} else if (answer.json == NULL) {
		/* It may have arrived; the gid makes it safe to ask, and to send again. */
		fprintf(stderr,
			"  if it was received, it goes on without you; ask: settle show %s\n"
			"  or send it again with --gid %s: it runs once\n",
			gid, gid);
	}
	http_fini(&answer);
	return status;
}

static enum cli_exit run_submit(struct cli *cli, const struct args *args)
{
	const char *timeout = args_value(args, "timeout");
	const char *given = args_value(args, "gid");
	uint64_t timeout_ms = UINT64_MAX; /* none was given */
	enum cli_exit status;
	char made[GID_MAX + 1];
	struct err err;
	json_t *body;

	if (timeout != NULL && duration_parse(timeout, &timeout_ms, &err) != RC_OK)
		return cli_fail("--timeout: %s", err.text);
	if (given != NULL && !id_valid(given, GID_MAX))
		return cli_fail("--gid must be 1 to %d of A-Z a-z 0-9 . _ -", GID_MAX);
	/* Made here, not by the server: so that it can be asked for if no answer comes. */
	id_make_gid(clock_wall_us(), made);
	if (given == NULL)
		given = made;
	body = read_request(args, given);
	if (body == NULL)
		return CLI_FAILED;
	status = send_request(cli, args, given, body, timeout_ms);
	json_decref(body);
	return status;
}

static const struct option_row options[] = {
	{"input", "NAME=VALUE",
	 "one input; VALUE is JSON if it reads as such, else text; repeatable"},
	{"input-json", "FILE", "inputs from a JSON object in FILE, or - for standard input"},
	{"gid", "GID", "the transaction's name; sent twice, it runs once. Made if absent"},
	{"wait", "WHEN", "answer when it is accepted, decided or finished (default)"},
	{"timeout", "DURATION", "answer after this in any case (30s, at most 5m)"},
	{"watch", NULL, "print what happens as it happens, to the end or until --timeout (none)"},
	{NULL, NULL, NULL},
};

const struct cli_command command_submit = {
	"submit",
	"FILE|NAME[@V]",
	1,
	"Runs a transaction of a workflow file, or of a published workflow",
	"What is a file, has a slash, or ends in .yaml, .yml or .json is a file, else a name.\n"
	"Exit status: 0 committed (or as far as --wait asked), 1 not accepted or no connection,\n"
	"2 rolled back, 3 not finished in time, 4 stuck.",
	options,
	run_submit,
};
