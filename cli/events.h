/* events.h - the history of a transaction for people.  Thread: one. */
#ifndef CLI_EVENTS_H
#define CLI_EVENTS_H

#include "cli/cli.h"

#include <jansson.h>
#include <stdint.h>

/* Prints the lines of one answer of /events (with --json they are printed already) and
 * moves `*after` on.  True if one of them says that the transaction finished or needs a
 * person, or if there were none: then its status is worth a look. */
bool events_print(const struct cli *cli, const json_t *page, uint64_t *after);

/* The path to ask for those after `after`, held for `wait_ms`; give it to free(). */
char *events_path(const char *gid, uint64_t after, uint64_t wait_ms);

#endif
