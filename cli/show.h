/* show.h - one transaction for people, and what its state means to a script.
 * Thread: one. */
#ifndef CLI_SHOW_H
#define CLI_SHOW_H

#include "cli/cli.h"

#include <jansson.h>

/* Prints a transaction as the server gave it. */
void show_transaction(const struct cli *cli, const json_t *txn);

/* Whether it is a saga, whose steps tell what they are. */
bool show_is_saga(const json_t *txn);

/* CLI_DONE, CLI_ROLLED_BACK, CLI_STUCK or CLI_UNFINISHED, by its status. */
enum cli_exit show_exit(const json_t *txn);

#endif
