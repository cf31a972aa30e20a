/* args.h - a command line against a command's table, and the help from the same
 * table.  Thread: one. */
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include "cli/cli.h"

/* Options that every command takes. */
extern const struct option_row args_common[];

/* Parses what follows the command's name; `--name value` and `--name=value`, in
 * any order with the operands, `--` ends the options. False after having said on
 * standard error what is wrong. `a` starts zeroed and may hold options already;
 * args_fini in any case. */
bool args_parse(const struct cli_command *command, int argc, char **argv, struct args *a);
void args_fini(struct args *a);

/* Takes one common option at argv[0]; the number of words used, 0 if it is none,
 * -1 after having said what is wrong. */
int args_take_common(int argc, char **argv, struct args *a);

/* Prints how to use `command`. */
void args_help(const struct cli_command *command);

#endif
