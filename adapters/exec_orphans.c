/* exec_orphans.c - see exec_orphans.h.
 *
 * On a thread of libuv's pool: reading the environment of a process that hangs in
 * the kernel may hang as well. */
#include "adapters/exec_orphans.h"

#include "base/mem.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

enum { ENVIRONMENT_MAX = 256 * 1024 };

static const char key_variable[] = "SETTLE_KEY=", state_variable[] = "SETTLE_STATE=";

struct scan {
	uv_work_t work;
	char *const *keys;
	size_t n;
	const char *state;
	exec_orphans_fn done;
	void *arg;
	size_t found;
	int pid;
};

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_ours(const struct scan *s, const char *text)
{
	const size_t size = sizeof key_variable - 1, state_size = sizeof state_variable - 1;
	const char *key = text + size;

	if (strncmp(text, key_variable, size) == 0)
		return s->n > 0 && bsearch(&key, s->keys, s->n, sizeof *s->keys, by_text) != NULL;
	return s->state != NULL && strncmp(text, state_variable, state_size) == 0 &&
	       strcmp(text + state_size, s->state) == 0;
}

/* True if the process works on one of the keys, or serves a call of the resource. */
static bool works_for_us(const struct scan *s, int pid, char *buffer)
{
	char path[64];
	size_t size = 0;
	ssize_t got;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/environ", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false; /* gone, or another user's */
	while (size < ENVIRONMENT_MAX &&
	       (got = read(fd, buffer + size, ENVIRONMENT_MAX - size)) > 0)
		size += (size_t)got;
	close(fd);
	buffer[size] = '\0';
	for (size_t at = 0; at < size; at += strlen(buffer + at) + 1)
		if (is_ours(s, buffer + at))
			return true;
	return false;
}

static void look_at(struct scan *s, int pid, char *buffer)
{
	int fd;

	if (pid == getpid() || !works_for_us(s, pid, buffer))
		return;
	fd = pidfd_open(pid, 0);
	if (fd < 0)
		return; /* it has just ended */
	/* The number may have changed hands before it was held fast. */
	if (works_for_us(s, pid, buffer)) {
		pidfd_send_signal(fd, SIGKILL, NULL, 0);
		s->found++;
		s->pid = pid;
	}
	close(fd);
}

static void on_work(uv_work_t *work)
{
	struct scan *s = work->data;
	char *buffer = mem_new(ENVIRONMENT_MAX + 1, 1);
	DIR *proc = opendir("/proc");
	const struct dirent *e;

	while (proc != NULL && (e = readdir(proc)) != NULL)
		if (isdigit((unsigned char)e->d_name[0]))
			look_at(s, atoi(e->d_name), buffer);
	if (proc != NULL)
		closedir(proc);
	free(buffer);
}

static void on_done(uv_work_t *work, int status)
{
	struct scan *s = work->data;
	const struct scan copy = *s;

	(void)status; /* it is never cancelled */
	free(s);
	copy.done(copy.found, copy.pid, copy.arg);
}

void exec_orphans_kill(uv_loop_t *loop, char *const *keys, size_t n, const char *state,
		       exec_orphans_fn done, void *arg)
{
	struct scan *s = mem_new(1, sizeof *s);

	s->work.data = s;
	s->keys = keys;
	s->n = n;
	s->state = state;
	s->done = done;
	s->arg = arg;
	if (uv_queue_work(loop, &s->work, on_work, on_done) != 0)
		abort(); /* only for a missing function */
}
