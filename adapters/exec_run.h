/* exec_run.h - one run of a command: started, fed, read, ended.
 *
 * The command leads a session and process group of its own.  It gets `input` on its
 * standard input, no descriptor of ours but its three pipes, and default signals.
 *
 *   WORKING ──▶ TERMINATED ──▶ KILLED ──▶ lost      it does not even die: told, once
 *      │ deadline,    │ `grace`    │ `patience`
 *      │ stop, flood  │            │
 *      └──────────────┴────────────┴──▶ ended       told, once; reaped; freed
 *
 * Rule: when `ended` is told, nothing of the command's process group runs any more:
 * what the command leaves behind there is killed with it.  (A daemon that began a
 * session of its own lives on, and cannot hold anybody up by the pipes it keeps.)
 * Thread: the loop's. */
#ifndef ADAPTERS_EXEC_RUN_H
#define ADAPTERS_EXEC_RUN_H

#include "adapters/exec_spawn.h"
#include "adapters/loop.h"

enum { EXEC_OUTPUT_MAX = PAYLOAD_MAX, EXEC_SAYING_MAX = 300 };

struct exec_run;

enum exec_why {
	EXEC_BY_ITSELF, /* it ended before anybody asked it to */
	EXEC_DEADLINE,
	EXEC_STOPPED, /* exec_run_stop */
	EXEC_FLOOD,   /* printed more than EXEC_OUTPUT_MAX */
};

/* How it ended. */
struct exec_end {
	enum exec_why why;   /* why it was killed, if it was */
	bool lost;           /* it has been killed and does not die: it may still act */
	int status;          /* exit status; -1 if a signal ended it, or lost */
	int signal;          /* that signal; 0: none */
	struct bytes output; /* a NUL follows, if there is any */
	const char *saying;  /* the last line that it wrote to standard error; may be "" */
};

/* Called exactly once, never from inside exec_run_start or _stop.  If `lost`, the
 * run goes on without anybody (exec_run_lost), else it is freed after the call. */
typedef void (*exec_ended_fn)(const struct exec_end *end, void *arg);

/* Starts it; failures are those of exec_spawn, `*run` is NULL then.  `command` is
 * borrowed for the call. */
enum rc exec_run_start(struct adapter_loop *loop, const struct exec_command *command,
		       exec_ended_fn ended, void *arg, struct exec_run **run, struct err *err);

/* Ends it: SIGTERM, after the grace SIGKILL; `at_once`: SIGKILL. */
void exec_run_stop(struct exec_run *run, bool at_once);

/* For a run that was told lost: `gone` will be called when it has died after all. */
void exec_run_lost(struct exec_run *run, void (*gone)(void *arg), void *arg);
/* Forgets such a run: `gone` is not called, its process is not waited for. */
void exec_run_forget(struct exec_run *run);

#endif
