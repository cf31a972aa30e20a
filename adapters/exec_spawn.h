/* exec_spawn.h - starting a command's process.
 * Thread: no shared state; any. */
#ifndef ADAPTERS_EXEC_SPAWN_H
#define ADAPTERS_EXEC_SPAWN_H

#include "base/err.h"
#include "wire/frame.h"

#include <sys/types.h>

struct exec_command {
	const char *path; /* of the program, as exec_find gives it */
	char *const *argv;
	char *const *envp;
	const char *directory; /* NULL: the agent's own */
	struct bytes input;
	uint64_t timeout_ms;
	uint64_t grace_ms;    /* from SIGTERM to SIGKILL */
	uint64_t patience_ms; /* from SIGKILL until it counts as lost */
};

struct exec_process {
	pid_t pid; /* leads a session and a process group of its own */
	int pidfd;
	int fds[3]; /* our ends of its standard descriptors; they do not block */
};

/* Starts it, with default signals and no descriptor but its three pipes.
 *   RC_NOT_FOUND, RC_REFUSED (no permission), RC_FULL (no process or descriptor
 *   to be had), RC_IO   it was certainly not started
 *   RC_UNKNOWN          it was, and had to be killed at once */
enum rc exec_spawn(const struct exec_command *c, struct exec_process *p, struct err *err);

/* The path of the program that `name` stands for: with a slash in it itself, in
 * `directory` if it is relative and there is one; else the first in `path` (as in
 * $PATH).  For free(); NULL: there is none that can be executed. */
char *exec_find(const char *name, const char *directory, const char *path);

#endif
