/* workflows.c - settle publish, workflows, workflow and activate. */
#include "base/mem.h"
#include "cli/file.h"
#include "cli/http.h"
#include "cli/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- publish ---- */

static enum cli_exit run_publish(struct cli *cli, const struct args *args)
{
	const char *path = args->operands[0];
	struct http_answer answer = {0};
	enum cli_exit status = CLI_FAILED;
	size_t size;
	char *text = file_read(path, &size);

	if (text == NULL)
		return CLI_FAILED;
	if (http_ask_text(cli, "/v1/workflows", "application/yaml", text, size, path, &answer)) {
		status = CLI_DONE;
		if (!cli->json) {
			text_put(stdout, text_or(answer.json, "workflow", "?"));
			printf("@%" JSON_INTEGER_FORMAT "%s\n",
			       json_integer_value(json_object_get(answer.json, "version")),
			       json_is_false(json_object_get(answer.json, "new"))
				       ? " (the same text: no new version)"
				       : "");
		}
	}
	http_fini(&answer);
	free(text);
	return status;
}

/* ---- workflows ---- */

static void add_row(struct table *t, const json_t *row)
{
	const char *published = text_of(row, "published");
	char version[24], when[24];

	snprintf(version, sizeof version, "%" JSON_INTEGER_FORMAT,
		 json_integer_value(json_object_get(row, "version")));
	/* To the second. */
	snprintf(when, sizeof when, "%.19sZ", published != NULL ? published : "?");
	table_add(t, text_of(row, "workflow"));
	table_add(t, version);
	table_add(t, json_is_true(json_object_get(row, "active")) ? "active" : NULL);
	table_add(t, when);
}

static enum cli_exit run_workflows(struct cli *cli, const struct args *args)
{
	static const char *const heads[] = {"WORKFLOW", "VERSION", "STATUS", "PUBLISHED", NULL};
	struct http_answer answer = {0};
	enum cli_exit status = CLI_FAILED;
	const json_t *row;
	struct table t;
	size_t i;

	(void)args;
	if (http_ask(cli, "GET", "/v1/workflows", NULL, HTTP_TIMEOUT_MS, NULL, &answer)) {
		status = CLI_DONE;
		table_init(&t, heads);
		json_array_foreach(json_object_get(answer.json, "workflows"), i, row)
			add_row(&t, row);
		if (!cli->json)
			table_print(&t, cli);
		table_fini(&t);
	}
	http_fini(&answer);
	return status;
}

/* ---- one of them ---- */

/* "trip@3" to its name (for free()) and version, 0 if there is none; NULL: it is wrong. */
static char *split(const char *operand, uint64_t *version)
{
	const char *at = strchr(operand, '@');
	char *end;

	*version = 0;
	if (at == NULL)
		return mem_dup(operand);
	if (at == operand || strspn(at + 1, "0123456789") == 0)
		return NULL;
	*version = strtoull(at + 1, &end, 10);
	if (*end != '\0' || *version == 0 || *version > UINT32_MAX)
		return NULL;
	return mem_dup_bytes(operand, (size_t)(at - operand));
}

/* As it is into a file, so that it can be published again; on a terminal without what
 * could drive it. */
static void put_text(const char *text)
{
	if (!isatty(STDOUT_FILENO)) {
		fputs(text, stdout);
		return;
	}
	while (*text != '\0') {
		const size_t size = strcspn(text, "\n");
		char *line = mem_dup_bytes(text, size);

		text_put(stdout, line);
		printf("\n");
		free(line);
		text += size + (text[size] == '\n');
	}
}

static enum cli_exit run_workflow(struct cli *cli, const struct args *args)
{
	struct http_answer answer = {0};
	enum cli_exit status = CLI_FAILED;
	uint64_t version;
	char *name = split(args->operands[0], &version), *escaped, *path;

	if (name == NULL)
		return cli_fail("workflow needs NAME or NAME@VERSION, not \"%s\"",
				args->operands[0]);
	escaped = http_escape(name);
	path = version == 0 ? mem_printf("/v1/workflows/%s", escaped)
			    : mem_printf("/v1/workflows/%s?version=%" PRIu64, escaped, version);
	if (http_ask(cli, "GET", path, NULL, HTTP_TIMEOUT_MS, NULL, &answer)) {
		status = CLI_DONE;
		if (!cli->json)
			put_text(text_or(answer.json, "text", ""));
	}
	http_fini(&answer);
	free(path);
	free(escaped);
	free(name);
	return status;
}

static enum cli_exit run_activate(struct cli *cli, const struct args *args)
{
	struct http_answer answer = {0};
	enum cli_exit status = CLI_FAILED;
	uint64_t version;
	char *name = split(args->operands[0], &version), *escaped, *path;
	json_t *body;

	if (name == NULL || version == 0) {
		free(name);
		return cli_fail("activate needs NAME@VERSION, not \"%s\"", args->operands[0]);
	}
	escaped = http_escape(name);
	path = mem_printf("/v1/workflows/%s/activate", escaped);
	body = json_pack("{s:I}", "version", (json_int_t)version);
	if (http_ask(cli, "POST", path, body, HTTP_TIMEOUT_MS, NULL, &answer)) {
		status = CLI_DONE;
		if (!cli->json)
			printf("%s is active\n", args->operands[0]);
	}
	http_fini(&answer);
	json_decref(body);
	free(path);
	free(escaped);
	free(name);
	return status;
}

const struct cli_command command_publish = {
	"publish",
	"FILE",
	1,
	"Publishes a workflow file: the next version, which is active at once",
	"The same text as that of the newest version makes no new one. Transactions that run keep\n"
	"theirs.",
	NULL,
	run_publish,
};
const struct cli_command command_workflows = {
	"workflows",   "", 0, "Lists the published workflows and their versions", NULL, NULL,
	run_workflows,
};
const struct cli_command command_workflow = {
	"workflow",
	"NAME[@V]",
	1,
	"Prints the text of a published workflow, of its active version or of V",
	NULL,
	NULL,
	run_workflow,
};
const struct cli_command command_activate = {
	"activate",
	"NAME@V",
	1,
	"Makes a published version the one that a submit by name begins",
	NULL,
	NULL,
	run_activate,
};
