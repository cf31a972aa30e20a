/* main.c - settle: finds the command, its arguments and the server. */
#include "base/mem.h"
#include "cli/args.h"
#include "cli/cli.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* In the order in which the help lists them. */
static const struct cli_command *const commands[] = {
	&command_submit,   &command_show,      &command_watch,    &command_events,
	&command_list,

	&command_cancel,   &command_retry,     &command_resolve,  &command_skip,
	&command_complete, &command_fail,

	&command_publish,  &command_workflows, &command_workflow, &command_activate,

	&command_validate, &command_graph,

	&command_agents,   &command_resources, &command_stats,
};
enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

static const struct cli_command *find(const char *name)
{
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	cli_fail("there is no command \"%s\"; see settle help", name);
	return NULL;
}

static enum cli_exit help(const char *name)
{
	const struct cli_command *command;

	if (name != NULL) {
		command = find(name);
		if (command == NULL)
			return CLI_FAILED;
		args_help(command);
		return CLI_DONE;
	}
	printf("usage: settle COMMAND ...\nAsks a settled about distributed transactions.\n\n");
	for (size_t i = 0; i < N_COMMANDS; i++) {
		char left[64];

		snprintf(left, sizeof left, "%s %s", commands[i]->name, commands[i]->operands);
		printf("  %-22s %s\n", left, commands[i]->summary);
	}
	printf("  %-22s %s\n\n", "help COMMAND", "Prints a command's options");
	for (const struct option_row *row = args_common; row->name != NULL; row++)
		printf("  --%-20s %s\n", row->name, row->help);
	printf("\nExit status: 0 committed or done, 1 usage or connection, 2 rolled back,\n"
	       "3 not finished, 4 stuck.\n");
	return CLI_DONE;
}

static bool is_clean(const char *token)
{
	for (; *token != '\0'; token++)
		if ((unsigned char)*token <= 0x20 || *token == 0x7f)
			return false;
	return true;
}

/* From options, then the environment, then the default. False after having said
 * what is wrong. `*server` owns the URL. */
static bool configure(struct cli *cli, const struct args *args, char **server)
{
	const char *url = args_value(args, "server"), *token = args_value(args, "token");
	const char *term = getenv("TERM"), *plain = getenv("NO_COLOR");
	size_t size;

	if (url == NULL)
		url = getenv("SETTLE_SERVER");
	if (url == NULL || url[0] == '\0')
		url = "http://127.0.0.1:7480";
	*server = strstr(url, "://") != NULL ? mem_dup(url) : mem_printf("http://%s", url);
	for (size = strlen(*server); size > 0 && (*server)[size - 1] == '/'; size--)
		(*server)[size - 1] = '\0';
	if (token == NULL)
		token = getenv("SETTLE_TOKEN");
	if (token != NULL && !is_clean(token)) {
		cli_fail("the token holds a blank or a control character");
		return false;
	}
	*cli = (struct cli){
		.server = *server,
		.token = token != NULL && token[0] != '\0' ? token : NULL,
		.json = args_value(args, "json") != NULL,
		.colour = isatty(STDOUT_FILENO) && (plain == NULL || plain[0] == '\0') &&
			  (term == NULL || strcmp(term, "dumb") != 0),
	};
	return true;
}

static enum cli_exit run(const struct cli_command *command, const struct args *args)
{
	enum cli_exit status = CLI_FAILED;
	struct cli cli = {0};
	char *server = NULL;

	if (args_value(args, "help") != NULL) {
		args_help(command);
		return CLI_DONE;
	}
	curl_global_init(CURL_GLOBAL_DEFAULT);
	if (configure(&cli, args, &server))
		status = command->run(&cli, args);
	curl_easy_cleanup(cli.curl);
	curl_global_cleanup();
	free(server);
	if (fflush(stdout) != 0 && status == CLI_DONE)
		status = cli_fail("cannot write the output");
	return status;
}

int main(int argc, char **argv)
{
	struct args args = {0};
	const struct cli_command *command;
	enum cli_exit status = CLI_FAILED;
	int at = 1, used = 0;

	while (at < argc && (used = args_take_common(argc - at, argv + at, &args)) > 0)
		at += used;
	if (used < 0) {
		/* args_take_common said what is wrong */
	} else if (at < argc && strcmp(argv[at], "--version") == 0) {
		printf("settle %s\n", SETTLE_VERSION);
		status = CLI_DONE;
	} else if (at == argc || strcmp(argv[at], "help") == 0) {
		if (at == argc && args_value(&args, "help") == NULL)
			cli_fail("a command is needed; see settle help");
		else
			status = help(at + 1 < argc ? argv[at + 1] : NULL);
	} else {
		command = find(argv[at]);
		if (command != NULL && args_parse(command, argc - at - 1, argv + at + 1, &args))
			status = run(command, &args);
	}
	args_fini(&args);
	return (int)status;
}
