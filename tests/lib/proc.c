#include "tests/lib/proc.h"

#include "tests/lib/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LOG_SHOWN = 1500, KILL_S = 20 };

/* In the child: only calls that are safe after a fork of a process with threads. */
static void become(const char *const *argv, int log_fd, const struct proc_as *as, pid_t parent)
{
	int null_fd = open("/dev/null", O_RDONLY);
	if (null_fd < 0 || dup2(null_fd, 0) < 0 || dup2(log_fd, 1) < 0 || dup2(log_fd, 2) < 0)
		_exit(126);
	if (as->gid && (setgroups(1, &as->gid) != 0 || setgid(as->gid) != 0))
		_exit(126);
	if (as->uid && setuid(as->uid) != 0)
		_exit(126);
	if (as->dir && chdir(as->dir) != 0)
		_exit(126);
	signal(SIGPIPE, SIG_DFL);
	/* A process group of its own: Check kills its test's group, and a terminal's
	 * Ctrl-C must reach the test first. Changing the user has cleared the death
	 * signal, hence only now; the parent may have died before. */
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, as->death_signal ? as->death_signal : SIGKILL);
	if (getppid() != parent)
		_exit(126);
	execv(argv[0], (char *const *)(size_t)argv);
	_exit(127);
}

pid_t proc_launch(const char *const *argv, const char *log_path, const struct proc_as *as)
{
	static const struct proc_as nothing;
	int fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	NEED(fd >= 0, "cannot open %s: %s", log_path, strerror(errno));
	pid_t parent = getpid();
	pid_t pid = fork();
	NEED(pid >= 0, "fork: %s", strerror(errno));
	if (pid == 0)
		become(argv, fd, as ? as : &nothing, parent);
	close(fd);
	return pid;
}

bool proc_alive(pid_t pid)
{
	char path[64], stat[512];
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	FILE *f = fopen(path, "r");
	if (!f)
		return false;
	size_t n = fread(stat, 1, sizeof stat - 1, f);
	fclose(f);
	stat[n] = '\0';
	const char *after = strrchr(stat, ')'); /* the name may hold anything */
	return after && after[1] == ' ' && after[2] != 'Z' && after[2] != 'X';
}

struct proc *proc_new(const char *name, const char *const *argv)
{
	struct proc *p = calloc(1, sizeof *p);
	NEED(p, "out of memory");
	p->name = textf("%s", name);
	p->log_path = temp_path("%s.%d.log", name, (int)getpid());
	size_t n = 0;
	while (argv[n])
		n++;
	p->argv = calloc(n + 1, sizeof *p->argv);
	for (size_t i = 0; i < n; i++)
		p->argv[i] = textf("%s", argv[i]);
	return p;
}

void proc_start(struct proc *p)
{
	NEED(!p->pid, "%s runs already", p->name);
	struct stat st;
	p->mark = stat(p->log_path, &st) == 0 ? (long)st.st_size : 0;
	p->pid = proc_launch((const char *const *)p->argv, p->log_path, NULL);
}

static int exit_status(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static char *log_since(const struct proc *p)
{
	char *text = file_read(p->log_path);
	if (!text)
		return textf("%s", "");
	size_t size = strlen(text);
	size_t from = (size_t)p->mark < size ? (size_t)p->mark : size;
	memmove(text, text + from, size - from + 1);
	return text;
}

static const char *log_tail(const struct proc *p)
{
	static char tail[LOG_SHOWN + 1];
	char *text = file_read(p->log_path);
	size_t size = text ? strlen(text) : 0;
	size_t from = size > LOG_SHOWN ? size - LOG_SHOWN : 0;
	snprintf(tail, sizeof tail, "%s", text ? text + from : "(no log)");
	free(text);
	return tail;
}

int proc_wait(struct proc *p, int seconds)
{
	int64_t until = clock_ms() + harness_patience_ms(seconds);
	int status = 0;
	NEED(p->pid, "%s does not run", p->name);
	for (;;) {
		pid_t got = waitpid(p->pid, &status, WNOHANG);
		if (got == p->pid)
			break;
		NEED(got == 0, "waitpid %s: %s", p->name, strerror(errno));
		NEED(clock_ms() <= until, "%s did not end within %d s; its log:\n%s", p->name,
		     seconds, log_tail(p));
		harness_pause();
	}
	p->pid = 0;
	return exit_status(status);
}

void proc_kill(struct proc *p)
{
	if (!p || !p->pid)
		return;
	kill(p->pid, SIGKILL);
	proc_wait(p, KILL_S);
}

int proc_end(struct proc *p, int seconds)
{
	NEED(p->pid, "%s does not run", p->name);
	kill(p->pid, SIGTERM);
	return proc_wait(p, seconds);
}

void proc_freeze(struct proc *p)
{
	NEED(p->pid, "%s does not run", p->name);
	kill(p->pid, SIGSTOP);
	int status = 0;
	pid_t got = waitpid(p->pid, &status, WUNTRACED);
	NEED(got == p->pid && WIFSTOPPED(status), "%s did not stop", p->name);
}

void proc_thaw(struct proc *p)
{
	NEED(p->pid, "%s does not run", p->name);
	kill(p->pid, SIGCONT);
}

void proc_free(struct proc *p)
{
	if (!p)
		return;
	proc_kill(p);
	for (size_t i = 0; p->argv[i]; i++)
		free(p->argv[i]);
	free(p->argv);
	free(p->name);
	free(p->log_path);
	free(p);
}

/* A whole line whose third word is `event`. */
static char *find_event(const char *text, const char *event, size_t *after)
{
	for (const char *line = text; *line;) {
		const char *end = strchr(line, '\n');
		if (!end)
			return NULL;
		char word[128] = "";
		int fields = sscanf(line, "%*s %*s %127s", word);
		if (fields == 1 && strcmp(word, event) == 0) {
			*after = (size_t)(end + 1 - text);
			return textf("%.*s", (int)(end - line), line);
		}
		line = end + 1;
	}
	return NULL;
}

char *proc_await(struct proc *p, const char *event, int seconds)
{
	int64_t until = clock_ms() + harness_patience_ms(seconds);
	for (;;) {
		bool running = p->pid && proc_alive(p->pid);
		char *text = log_since(p);
		size_t after = 0;
		char *line = find_event(text, event, &after);
		free(text);
		if (line) {
			p->mark += (long)after;
			return line;
		}
		NEED(running, "%s ended before its event %s; its log:\n%s", p->name, event,
		     log_tail(p));
		NEED(clock_ms() <= until, "no %s from %s within %d s; its log:\n%s", event, p->name,
		     seconds, log_tail(p));
		harness_pause();
	}
}

bool proc_logged(const struct proc *p, const char *text)
{
	char *log = file_read(p->log_path);
	bool found = log && strstr(log, text);
	free(log);
	return found;
}

char *line_value(const char *line, const char *key)
{
	char *wanted = textf(" %s=", key);
	const char *at = strstr(line, wanted);
	char *value = NULL;
	if (at) {
		at += strlen(wanted);
		value = textf("%.*s", (int)strcspn(at, " \n"), at);
	}
	free(wanted);
	return value;
}
