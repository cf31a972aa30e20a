/* agents.c - settle agents and settle resources: who is there, and what can be
 * called. */
#include "base/clock.h"
#include "base/mem.h"
#include "cli/http.h"
#include "cli/text.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WAIT_PAUSE_MS = 100 };

/* ---- agents ---- */

static void add_agent(struct table *t, const json_t *agent)
{
	const json_t *list = json_object_get(agent, "resources"), *resource;
	const bool connected = json_is_true(json_object_get(agent, "connected"));
	size_t i;

	if (json_array_size(list) == 0) {
		table_add(t, text_of(agent, "name"));
		table_add(t, connected ? "connected" : "disconnected");
		table_add(t, NULL);
		table_add(t, text_of(agent, "last_seen"));
		table_add(t, NULL);
	}
	json_array_foreach(list, i, resource)
	{
		const bool ready = json_is_true(json_object_get(resource, "ready"));

		table_add(t, text_of(agent, "name"));
		table_add(t, !connected ? "disconnected" : ready ? "ready" : "not ready");
		table_add(t, text_of(resource, "name"));
		table_add(t, text_of(agent, "last_seen"));
		table_add(t, text_of(resource, "problem"));
	}
}

static enum cli_exit show_agents(struct cli *cli)
{
	static const char *const heads[] = {"AGENT",     "STATUS",  "RESOURCE",
					    "LAST SEEN", "PROBLEM", NULL};
	struct http_answer answer = {0};
	enum cli_exit status = CLI_FAILED;
	const json_t *agent;
	struct table t;
	size_t i;

	if (http_ask(cli, "GET", "/v1/agents", NULL, HTTP_TIMEOUT_MS, NULL, &answer)) {
		status = CLI_DONE;
		table_init(&t, heads);
		json_array_foreach(json_object_get(answer.json, "agents"), i, agent)
			add_agent(&t, agent);
		if (!cli->json)
			table_print(&t, cli);
		table_fini(&t);
	}
	http_fini(&answer);
	return status;
}

/* ---- agents --wait ---- */

static bool is_ready(const json_t *resources, const char *name, size_t size)
{
	const json_t *resource;
	size_t i;

	json_array_foreach(resources, i, resource)
	{
		const char *its = text_of(resource, "name");

		if (its != NULL && strlen(its) == size && strncmp(its, name, size) == 0)
			return json_is_true(json_object_get(resource, "ready"));
	}
	return false;
}

/* The names of `wanted` (a,b,c) that are not ready; "" when all are. */
static char *missing(const json_t *resources, const char *wanted)
{
	char *out = mem_dup("");

	while (*wanted != '\0') {
		const size_t size = strcspn(wanted, ",");

		if (size > 0 && !is_ready(resources, wanted, size)) {
			char *longer = mem_printf("%s%s%.*s", out, out[0] != '\0' ? ", " : "",
						  (int)size, wanted);

			free(out);
			out = longer;
		}
		wanted += size + (wanted[size] == ',');
	}
	return out;
}

static enum cli_exit wait_ready(struct cli *cli, const char *wanted, uint64_t timeout_ms)
{
	const uint64_t until = clock_mono_us() + timeout_ms * 1000;
	const struct timespec pause = {.tv_nsec = WAIT_PAUSE_MS * 1000 * 1000};
	char *absent;
	bool all = false;

	for (;;) {
		struct http_answer answer = {0};
		struct err err = {0};
		const enum rc rc = http_call(cli, "GET", "/v1/resources", NULL, HTTP_TIMEOUT_MS,
					     &answer, &err);
		const bool answered = rc == RC_OK && answer.status == 200;
		/* The server may be starting too: asked again like the resources are. */
		const bool final =
			rc == RC_INVALID || (rc == RC_OK && !answered && answer.status != 503);

		absent = answered ? missing(json_object_get(answer.json, "resources"), wanted)
				  : mem_printf("the server: %s",
					       rc == RC_OK ? "not ready" : err.text);
		all = answered && absent[0] == '\0';
		if (final && rc == RC_OK)
			http_explain(&answer, NULL);
		http_fini(&answer);
		if (all || final || clock_mono_us() >= until) {
			if (!all && (!final || rc != RC_OK))
				cli_fail("not ready: %s", absent);
			free(absent);
			return all ? CLI_DONE : final ? CLI_FAILED : CLI_UNFINISHED;
		}
		free(absent);
		nanosleep(&pause, NULL);
	}
}

static enum cli_exit run_agents(struct cli *cli, const struct args *args)
{
	const char *wanted = args_value(args, "wait");
	const char *timeout = args_value(args, "timeout");
	uint64_t timeout_ms = 30 * 1000;
	struct err err;

	if (wanted == NULL)
		return timeout == NULL
			       ? show_agents(cli)
			       : cli_fail("--timeout is for --wait; see settle help agents");
	if (timeout != NULL && duration_parse(timeout, &timeout_ms, &err) != RC_OK)
		return cli_fail("--timeout: %s", err.text);
	return wait_ready(cli, wanted, timeout_ms);
}

/* ---- resources ---- */

/* "debit(id, amount) credit(id, amount)" */
static char *describe(const json_t *operations)
{
	const json_t *operation, *arg;
	char *out = mem_dup("");
	size_t i, j;

	json_array_foreach(operations, i, operation)
	{
		char *longer =
			mem_printf("%s%s%s(", out, i > 0 ? " " : "", text_of(operation, "name"));

		free(out);
		out = longer;
		json_array_foreach(json_object_get(operation, "args"), j, arg)
		{
			longer = mem_printf("%s%s%s", out, j > 0 ? ", " : "",
					    json_string_value(arg));
			free(out);
			out = longer;
		}
		longer = mem_printf("%s)", out);
		free(out);
		out = longer;
	}
	return out;
}

static char *join(const json_t *names)
{
	char *out = mem_dup("");
	const json_t *name;
	size_t i;

	json_array_foreach(names, i, name)
	{
		char *longer = mem_printf("%s%s%s", out, i > 0 ? "," : "", json_string_value(name));

		free(out);
		out = longer;
	}
	return out;
}

static enum cli_exit run_resources(struct cli *cli, const struct args *args)
{
	static const char *const heads[] = {"RESOURCE", "STATUS",     "ADAPTER",
					    "AGENTS",   "OPERATIONS", NULL};
	struct http_answer answer = {0};
	enum cli_exit status = CLI_FAILED;
	const json_t *r;
	struct table t;
	size_t i;

	(void)args;
	if (http_ask(cli, "GET", "/v1/resources", NULL, HTTP_TIMEOUT_MS, NULL, &answer)) {
		status = CLI_DONE;
		table_init(&t, heads);
		json_array_foreach(json_object_get(answer.json, "resources"), i, r)
		{
			char *agents = join(json_object_get(r, "agents"));
			char *operations = describe(json_object_get(r, "operations"));

			table_add(&t, text_of(r, "name"));
			table_add(&t, json_is_true(json_object_get(r, "ready")) ? "ready"
										: "not ready");
			table_add(&t, text_of(r, "adapter"));
			table_add(&t, agents[0] != '\0' ? agents : NULL);
			table_add(&t, operations);
			free(agents);
			free(operations);
		}
		if (!cli->json)
			table_print(&t, cli);
		table_fini(&t);
	}
	http_fini(&answer);
	return status;
}

static const struct option_row agents_options[] = {
	{"wait", "NAMES", "print nothing; end when these resources (a,b) are ready"},
	{"timeout", "DURATION", "how long --wait waits (30s); then the exit status is 3"},
	{NULL, NULL, NULL},
};

const struct cli_command command_agents = {
	"agents",   "",
	0,          "Lists the agents, connected or not, and what they serve",
	NULL,       agents_options,
	run_agents,
};
const struct cli_command command_resources = {
	"resources", "", 0, "Lists the resources and their operations", NULL, NULL, run_resources,
};
