/* exec_spawn.c - see exec_spawn.h.
 *
 * posix_spawn, not uv_spawn: it shares the agent's memory until the exec, so a big
 * agent starts processes as fast as a small one, and it can close every descriptor,
 * also those of libraries that forget O_CLOEXEC. */
#include "adapters/exec_spawn.h"

#include "base/crash.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* `ends[0]` is the parent's, not blocking, `ends[1]` the child's. */
static int make_pipe(int ends[2], bool to_child)
{
	int fds[2], flags;

	if (pipe2(fds, O_CLOEXEC) != 0)
		return errno;
	ends[0] = fds[to_child ? 1 : 0];
	ends[1] = fds[to_child ? 0 : 1];
	if (ends[1] <= 2)
		return EBADF; /* the agent runs without its standard descriptors */
	flags = fcntl(ends[0], F_GETFL);
	if (flags < 0 || fcntl(ends[0], F_SETFL, flags | O_NONBLOCK) != 0)
		return errno;
	return 0;
}

static int spawn_with(const struct exec_command *c, int (*pipes)[2],
		      posix_spawn_file_actions_t *files, posix_spawnattr_t *attr, pid_t *pid)
{
	sigset_t none, all;
	int rc = 0;

	sigemptyset(&none);
	sigfillset(&all);
	/* The child's ends are above 2, so no dup2 hits another. */
	for (int i = 0; i < 3 && rc == 0; i++)
		rc = posix_spawn_file_actions_adddup2(files, pipes[i][1], i);
	if (rc == 0)
		rc = posix_spawn_file_actions_addclosefrom_np(files, 3);
	if (rc == 0 && c->directory != NULL)
		rc = posix_spawn_file_actions_addchdir_np(files, c->directory);
	if (rc == 0)
		rc = posix_spawnattr_setsigmask(attr, &none);
	if (rc == 0)
		rc = posix_spawnattr_setsigdefault(attr, &all);
	if (rc == 0)
		rc = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
							    POSIX_SPAWN_SETSIGDEF);
	return rc != 0 ? rc : posix_spawn(pid, c->path, files, attr, c->argv, c->envp);
}

static int spawn(const struct exec_command *c, int (*pipes)[2], pid_t *pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	int rc = posix_spawn_file_actions_init(&files);

	if (rc != 0)
		return rc;
	rc = posix_spawnattr_init(&attr);
	if (rc == 0) {
		rc = spawn_with(c, pipes, &files, &attr, pid);
		posix_spawnattr_destroy(&attr);
	}
	posix_spawn_file_actions_destroy(&files);
	return rc;
}

static enum rc explain(const struct exec_command *c, int error, struct err *err)
{
	const char *why = strerror(error);

	switch (error) {
	case ENOENT:
	case ENOTDIR:
		return err_set(err, RC_NOT_FOUND,
			       "cannot start %s: %s (the program, its "
			       "interpreter or its directory)",
			       c->path, why);
	case EACCES:
	case EPERM: return err_set(err, RC_REFUSED, "cannot start %s: %s", c->path, why);
	case EAGAIN:
	case ENOMEM:
	case EMFILE:
	case ENFILE: return err_set(err, RC_FULL, "cannot start %s now: %s", c->path, why);
	default: return err_set(err, RC_IO, "cannot start %s: %s", c->path, why);
	}
}

/* The process is there. Without a pidfd nobody would see its end. */
static enum rc watch_process(pid_t pid, int *pidfd, struct err *err)
{
	*pidfd = pidfd_open(pid, 0);
	if (*pidfd >= 0)
		return RC_OK;
	err_set(err, RC_UNKNOWN, "cannot watch a process: %s; it was killed", strerror(errno));
	kill(-pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return RC_UNKNOWN;
}

enum rc exec_spawn(const struct exec_command *c, struct exec_process *p, struct err *err)
{
	int pipes[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}}, error = 0;
	enum rc rc = RC_OK;

	for (int i = 0; i < 3 && error == 0; i++)
		error = make_pipe(pipes[i], i == 0);
	if (error == 0)
		error = CRASH_ERROR(exec_spawn);
	if (error == 0)
		error = spawn(c, pipes, &p->pid);
	CRASH_POINT(exec_spawned);
	rc = error == 0 ? watch_process(p->pid, &p->pidfd, err) : explain(c, error, err);
	for (int i = 0; i < 3; i++) {
		if (pipes[i][1] >= 0)
			close(pipes[i][1]);
		if (rc != RC_OK && pipes[i][0] >= 0)
			close(pipes[i][0]);
		p->fds[i] = pipes[i][0];
	}
	return rc;
}

static bool is_program(const char *path)
{
	struct stat st;

	return access(path, X_OK) == 0 && stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* Gives `path` back if it is a program; frees it if not. */
static char *if_program(char *path)
{
	if (is_program(path))
		return path;
	free(path);
	return NULL;
}

char *exec_find(const char *name, const char *directory, const char *path)
{
	if (strchr(name, '/') != NULL)
		return if_program(name[0] == '/' || directory == NULL
					  ? mem_dup(name)
					  : mem_printf("%s/%s", directory, name));
	while (*path != '\0') {
		const size_t size = strcspn(path, ":");
		char *full = if_program(mem_printf("%.*s/%s", (int)size, path, name));

		if (full != NULL)
			return full;
		path += size + (path[size] == ':');
	}
	return NULL;
}
