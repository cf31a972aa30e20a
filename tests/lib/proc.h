/* proc.h - programs that a test starts, watches, freezes and kills.
 *
 * A program's log goes to a file; a test waits for events in it.  Whatever was
 * started here is killed by the kernel when the test process ends, however it
 * ends.  Thread: the test's main thread (the kernel watches the thread that
 * started a program, not its process). */
#ifndef TESTS_LIB_PROC_H
#define TESTS_LIB_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct proc {
	char *name;
	char *log_path;
	char **argv;
	pid_t pid; /* 0: not running */
	long mark; /* where in the log proc_await begins to look */
};

/* How to launch: zeroed means as oneself, here. */
struct proc_as {
	uid_t uid; /* 0: no change */
	gid_t gid;
	const char *dir;  /* NULL: no change */
	int death_signal; /* sent to it when this thread ends; 0: SIGKILL */
};

/* Starts argv[0] with its output appended to `log_path`; fails the test if it
 * cannot. Returns the process id; the caller waits for it. */
pid_t proc_launch(const char *const *argv, const char *log_path, const struct proc_as *as);

/* True while it runs; a process that ended but was not waited for does not. */
bool proc_alive(pid_t pid);

/* A program that is not running yet; `argv` (ended by NULL) is copied. */
struct proc *proc_new(const char *name, const char *const *argv);
/* Starts it; its log goes on in the same file. */
void proc_start(struct proc *p);
/* kill -9; returns when it is gone. Nothing happens if it does not run. */
void proc_kill(struct proc *p);
/* SIGTERM; returns the exit status (128 + n for signal n); fails after `seconds`. */
int proc_end(struct proc *p, int seconds);
/* Waits for it to end by itself; returns as proc_end does. */
int proc_wait(struct proc *p, int seconds);
/* SIGSTOP, and returns when it has stopped; SIGCONT. */
void proc_freeze(struct proc *p);
void proc_thaw(struct proc *p);
void proc_free(struct proc *p);

/* Waits until the log has a line with `event` as its event id, written since the
 * last start or since the last line that was awaited, and copies it.  Fails when
 * `seconds` are over or the program ends. Give the line to free(). */
char *proc_await(struct proc *p, const char *event, int seconds);
/* True if the log has `text` anywhere, from whichever of its starts. */
bool proc_logged(const struct proc *p, const char *text);
/* The value of ` key=value` in a line; give to free(); NULL if it is not there. */
char *line_value(const char *line, const char *key);

#endif
