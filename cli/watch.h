/* watch.h - following a transaction to its end.
 * Rule: a server that is away is asked again for a while: it may be restarting, and
 * finishes then what it had begun.  Thread: one. */
#ifndef CLI_WATCH_H
#define CLI_WATCH_H

#include "cli/cli.h"

#include <stdint.h>

/* Prints a line for each thing that happens: of a saga its history, of a plain
 * transaction each change of its branches, then how it ended.  After `timeout_ms`
 * (UINT64_MAX: never) CLI_UNFINISHED; else as show_exit, or CLI_FAILED. */
enum cli_exit watch_transaction(struct cli *cli, const char *gid, uint64_t timeout_ms);

/* Only the history, of whatever transaction. */
enum cli_exit watch_events(struct cli *cli, const char *gid);

#endif
