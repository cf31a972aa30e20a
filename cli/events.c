/* events.c - settle events, and each line of a history as a person reads it.
 *
 * A line is printed from what it has, so that kinds of a later server are shown too:
 * what it is, then the fields that are known, in an order that reads well, then all
 * others as name=value. */
#include "cli/events.h"

#include "base/mem.h"
#include "cli/http.h"
#include "cli/text.h"
#include "cli/watch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { STEP_WIDTH = 16 };

/* Words for kinds whose own name says less. */
static const char *const words[][2] = {
	{"attempt", "begins"},
	{"retry_planned", "will be retried"},
	{"past_pivot", "past the pivot"},
	{"undoing", "rolling back"},
	{"retried", "retry asked for"},
	{"resolved", "resolved by a person"},
	{"completed", "completed from outside"},
};

/* How an attempt, or the whole, ended says more than that it did. */
static const char *word_of(const json_t *event)
{
	const char *kind = text_or(event, "event", "?");

	if (text_of(event, "outcome") != NULL)
		return text_of(event, "outcome");
	if (strcmp(kind, "finished") == 0 && text_of(event, "status") != NULL)
		return text_of(event, "status");
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strcmp(words[i][0], kind) == 0)
			return words[i][1];
	return kind;
}

/* Fields that put_line prints in their own way. */
static bool is_shown(const char *name)
{
	static const char *const shown[] = {"n",      "time",    "event",      "step",
					    "agent",  "attempt", "reason",     "direction",
					    "status", "outcome", "retry_in_ms"};

	for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++)
		if (strcmp(shown[i], name) == 0)
			return true;
	return false;
}

static void put_others(const json_t *event)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)event, name, value)
	{
		char *text;

		if (is_shown(name))
			continue;
		text = json_is_string(value) ? mem_dup(json_string_value(value))
					     : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
		printf(" ");
		text_put(stdout, name);
		printf("=");
		text_put(stdout, text);
		free(text);
	}
}

static void put_line(const struct cli *cli, const json_t *event)
{
	const char *time = text_of(event, "time"), *step = text_of(event, "step");
	const char *direction = text_of(event, "direction"), *agent = text_of(event, "agent");
	const json_t *attempt = json_object_get(event, "attempt");
	const json_t *in_ms = json_object_get(event, "retry_in_ms");

	/* To the millisecond. */
	printf("%.23s%s  ", time != NULL ? time : "?", time != NULL ? "Z" : "");
	text_padded(step != NULL ? step : "-", STEP_WIDTH);
	printf("  %s", direction != NULL && strcmp(direction, "undo") == 0 ? "undo: " : "");
	text_status(cli, word_of(event), 0);
	if (json_is_integer(in_ms))
		printf(" in %" JSON_INTEGER_FORMAT " ms", json_integer_value(in_ms));
	else if (json_is_integer(attempt))
		printf(", attempt %" JSON_INTEGER_FORMAT, json_integer_value(attempt));
	if (agent != NULL && in_ms == NULL) {
		printf(", by ");
		text_put(stdout, agent);
	}
	if (text_of(event, "reason") != NULL) {
		printf(": ");
		text_put(stdout, text_of(event, "reason"));
	}
	put_others(event);
	printf("\n");
}

bool events_print(const struct cli *cli, const json_t *page, uint64_t *after)
{
	const json_t *list = json_object_get(page, "events"), *event;
	const json_int_t next = json_integer_value(json_object_get(page, "next"));
	bool worth = json_array_size(list) == 0;
	size_t i;

	json_array_foreach(list, i, event)
	{
		const json_int_t n = json_integer_value(json_object_get(event, "n"));
		const char *kind = text_of(event, "event");

		if (!cli->json)
			put_line(cli, event);
		if (n > 0 && (uint64_t)n > *after)
			*after = (uint64_t)n;
		worth = worth || (kind != NULL &&
				  (strcmp(kind, "finished") == 0 || strcmp(kind, "stuck") == 0));
	}
	if (next > 0 && (uint64_t)next > *after)
		*after = (uint64_t)next;
	fflush(stdout);
	return worth;
}

char *events_path(const char *gid, uint64_t after, uint64_t wait_ms)
{
	char *escaped = http_escape(gid);
	char *path = mem_printf("/v1/transactions/%s/events?after=%" PRIu64 "&wait=%" PRIu64 "ms",
				escaped, after, wait_ms);

	free(escaped);
	return path;
}

static enum cli_exit print_all(struct cli *cli, const char *gid)
{
	enum cli_exit status = CLI_DONE;
	uint64_t after = 0, before;
	size_t n;

	do {
		char *path = events_path(gid, after, 0);
		struct http_answer answer = {0};

		before = after;
		n = 0;
		if (http_ask(cli, "GET", path, NULL, HTTP_TIMEOUT_MS, NULL, &answer)) {
			events_print(cli, answer.json, &after);
			n = json_array_size(json_object_get(answer.json, "events"));
		} else {
			status = CLI_FAILED;
		}
		http_fini(&answer);
		free(path);
	} while (n > 0 && after > before);
	return status;
}

static enum cli_exit run_events(struct cli *cli, const struct args *args)
{
	if (args_value(args, "follow") != NULL)
		return watch_events(cli, args->operands[0]);
	return print_all(cli, args->operands[0]);
}

static const struct option_row options[] = {
	{"follow", NULL, "go on until the transaction is finished or stuck"},
	{NULL, NULL, NULL},
};

const struct cli_command command_events = {
	"events",
	"GID",
	1,
	"Prints the history of a transaction: every attempt, and what people did",
	"With --json, one answer of the server a line. With --follow the exit status is that of\n"
	"settle show.",
	options,
	run_events,
};
