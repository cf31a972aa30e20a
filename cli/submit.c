/* submit.c - settle submit: a workflow file and its input. */
#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "cli/http.h"
#include "cli/show.h"
#include "cli/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 4 << 20 };

/* The whole of a file, or of standard input for "-"; NULL after having said why. */
static char *read_all(const char *path, size_t *size)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	char *text;

	if (file == NULL) {
		cli_fail("cannot open %s: %s", path, strerror(errno));
		return NULL;
	}
	text = mem_new(FILE_MAX + 2, 1);
	*size = fread(text, 1, FILE_MAX + 1, file);
	if (ferror(file) || *size > FILE_MAX) {
		if (*size > FILE_MAX)
			cli_fail("%s is over %d MiB", path, FILE_MAX >> 20);
		else
			cli_fail("cannot read %s: %s", path, strerror(errno));
		free(text);
		text = NULL;
	}
	if (file != stdin)
		fclose(file);
	return text;
}

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
	char *text = read_all(path, &size);
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
	char *text = read_all(path, &size);
	json_t *definition;

	if (text == NULL)
		return NULL;
	definition = json_stringn(text, size);
	if (definition == NULL)
		cli_fail("%s is not UTF-8 text", path);
	free(text);
	return definition;
}

/* The transaction that was asked for, as JSON; NULL after having said why not. */
static json_t *read_request(const struct args *args, const char *gid)
{
	json_t *definition = read_definition(args->operands[0]), *input = json_object();
	json_t *body;

	if (definition == NULL || !read_input(args, input)) {
		json_decref(definition);
		json_decref(input);
		return NULL;
	}
	body = json_pack("{s:s, s:o, s:o}", "gid", gid, "definition", definition, "input", input);
	if (body == NULL)
		cli_fail("--gid is not UTF-8");
	else if (args_value(args, "wait") != NULL)
		json_object_set_new(body, "wait", json_string(args_value(args, "wait")));
	if (body != NULL && args_value(args, "timeout") != NULL)
		json_object_set_new(body, "timeout", json_string(args_value(args, "timeout")));
	return body;
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

static enum cli_exit send_request(struct cli *cli, const struct args *args, const char *gid,
				  const json_t *body, uint64_t timeout_ms)
{
	const char *file = args->operands[0];
	struct http_answer answer = {0};
	enum cli_exit status = CLI_FAILED;

	if (http_ask(cli, "POST", "/v1/transactions", body, timeout_ms + HTTP_TIMEOUT_MS, file,
		     &answer)) {
		if (!cli->json)
			show_transaction(cli, answer.json);
		status = judge(answer.json, args_value(args, "wait"));
		if (status == CLI_UNFINISHED && !cli->json)
			fprintf(stderr, "not finished yet; follow it with: settle watch %s\n", gid);
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
	uint64_t timeout_ms = 30 * 1000;
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
	{NULL, NULL, NULL},
};

const struct cli_command command_submit = {
	"submit",
	"FILE",
	1,
	"Runs the transaction that a workflow file defines",
	"Exit status: 0 committed (or as far as --wait asked), 1 not accepted or no connection,\n"
	"2 rolled back, 3 not finished in time, 4 stuck.",
	options,
	run_submit,
};
