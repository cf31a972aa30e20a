/* cli.h - what every command of `settle` shares: where the server is, how to
 * print, and the exit statuses that scripts rely on.
 * Thread: one. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>

/* Stable: docs/cli.md lists them. */
enum cli_exit {
	CLI_DONE = 0,   /* committed, or the call did what was asked */
	CLI_FAILED = 1, /* usage, connection, or the server refused */
	CLI_ROLLED_BACK = 2,
	CLI_UNFINISHED = 3,
	CLI_STUCK = 4,
};

struct cli {
	const char *server; /* "http://127.0.0.1:7480", no slash at its end */
	const char *token;  /* NULL: none. Never printed */
	bool json;          /* print the server's JSON as it came */
	bool colour;
	void *curl; /* http.c's */
};

/* ---- arguments ---- */

struct option_row {
	const char *name;    /* without the dashes */
	const char *metavar; /* NULL: a flag */
	const char *help;
};

/* What was given. `args_parse` fills it; the strings are argv's. */
struct args {
	const char **operands;
	size_t n_operands;
	const struct option_row **rows; /* of each option that was given, in order */
	const char **values;            /* NULL for a flag */
	size_t n_options;
};

struct cli_command {
	const char *name;
	const char *operands; /* "FILE", "GID STEP", "", or "FILE..." */
	size_t n_operands;    /* exactly so many; with "..." so many or more */
	const char *summary;
	const char *more;                 /* the rest of its help, or NULL */
	const struct option_row *options; /* ends with a row without a name */
	enum cli_exit (*run)(struct cli *cli, const struct args *args);
};

/* The last value of an option; NULL when it was not given. A flag gives "". */
const char *args_value(const struct args *a, const char *name);

/* ---- the commands ---- */
extern const struct cli_command command_submit, command_show, command_watch, command_events,
	command_list;
extern const struct cli_command command_cancel, command_retry, command_resolve, command_skip,
	command_complete, command_fail;
extern const struct cli_command command_publish, command_workflows, command_workflow,
	command_activate, command_validate, command_graph;
extern const struct cli_command command_agents, command_resources, command_stats;

/* Prints "settle: …" as one line on standard error; returns CLI_FAILED. */
enum cli_exit cli_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
