/* exec_orphans.h - commands that outlived the agent which started them.
 *
 * An agent that is killed takes no command with it.  Before a branch that it left is
 * rolled back (or committed once more), what still works on it must be gone, or it
 * would act late; and before the calls of sagas are served, those of an earlier start
 * must be gone.  The first have the branch's key in their environment, the others the
 * resource's state file.
 * Thread: the loop's. */
#ifndef ADAPTERS_EXEC_ORPHANS_H
#define ADAPTERS_EXEC_ORPHANS_H

#include <stddef.h>
#include <uv.h>

/* `found` were there, and were killed; `pid` is one of them. Never called from
 * inside exec_orphans_kill. */
typedef void (*exec_orphans_fn)(size_t found, int pid, void *arg);

/* Looks for processes of this user with `SETTLE_KEY=` one of `keys`, which are sorted
 * by strcmp, or with `SETTLE_STATE=state` (NULL: for no such), and kills each.  Both
 * stay valid until `done`.  It may have to be done again: what is killed takes a moment to die, and
 * may have had a child meanwhile. */
void exec_orphans_kill(uv_loop_t *loop, char *const *keys, size_t n, const char *state,
		       exec_orphans_fn done, void *arg);

#endif
