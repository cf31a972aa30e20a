/* clerk.h - serves an example workflow as it is in its file, whatever it asks for.
 *
 * One agent: calls go to a script (the exec adapter) that writes a line for each into a
 * book, and answers what the examples read; a step that may wait for a word from outside is
 * answered `pending`.  Groups go to the two banks, which write a row for each branch.
 * Thread: the test's main thread. */
#ifndef TESTS_LIB_CLERK_H
#define TESTS_LIB_CLERK_H

#include "tests/lib/saga_file.h"

/* Makes the script and, for an agent that dials `port`, the configuration, and fresh
 * tables at the banks if there are groups. Gives the configuration's path, for free(). */
char *clerk_conf(const struct saga_file *f, int port);
/* The names of all resources with commas between; for free(). */
char *clerk_resources(void);
/* Fails unless each step of the workflow was done once, and nothing else was. */
void clerk_count(const struct saga_file *f, const char *gid);

#endif
