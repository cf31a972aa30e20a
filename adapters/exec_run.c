/* exec_run.c - see exec_run.h.
 *
 * The end of the process is seen by a pidfd, so there are no signals to share.  The
 * pipes are read here, not by a uv_stream: when the process has ended they must be
 * read empty and no further, since a daemon may hold them open for ever. */
#include "adapters/exec_run.h"

#include "base/crash.h"
#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	CHUNK = 65536,
	TURN_MAX = 4 * CHUNK,   /* bytes from one pipe in one turn: the loop has others to serve */
	PIPE_MAX = 2 << 20,     /* a pipe takes 64 KiB, or what it is set to, usually up to 1 MiB */
	STDERR_KEPT = 4 * 1024, /* bytes: the last line is looked for in these */
	N_WATCHES = 4,
};

enum watch_kind { ENDED, INPUT, OUTPUT, ERRORS };

struct watch {
	uv_poll_t poll;
	struct exec_run *run;
	int fd; /* -1: closed */
};

enum stage { WORKING, TERMINATED, KILLED, LOST, OVER };

struct exec_run {
	struct adapter_loop *loop;
	exec_ended_fn ended;
	void (*gone)(void *arg);
	void *arg;
	struct adapter_timer timer;
	uint64_t grace_ms, patience_ms;
	pid_t pid; /* and its process group; not reaped before `stage` is OVER */
	enum stage stage;
	enum exec_why why;

	struct watch watches[N_WATCHES];
	unsigned open; /* of these, whose handles are not closed yet */

	char *input;
	size_t input_size, input_sent;
	char *output;
	size_t output_size, output_room;
	char errors[STDERR_KEPT];
	size_t errors_size;
};

/* ---- watches ---- */

static void on_watch_closed(uv_handle_t *handle)
{
	struct exec_run *run = ((struct watch *)handle->data)->run;
	struct adapter_loop *loop = run->loop;

	if (--run->open == 0) {
		free(run->input);
		free(run->output);
		free(run);
	}
	adapter_loop_closed(loop);
}

static void watch_close(struct watch *w)
{
	if (w->fd < 0)
		return;
	uv_poll_stop(&w->poll);
	uv_close((uv_handle_t *)&w->poll, on_watch_closed);
	close(w->fd);
	w->fd = -1;
}

static void watch_open(struct exec_run *run, enum watch_kind kind, int fd, int events,
		       uv_poll_cb fn)
{
	struct watch *w = &run->watches[kind];

	w->run = run;
	w->fd = fd;
	/* Pipes and pidfds can be polled, all of them: these fail for nothing else. */
	if (uv_poll_init(run->loop->uv, &w->poll, fd) != 0 ||
	    uv_poll_start(&w->poll, events, fn) != 0)
		abort();
	w->poll.data = w;
	run->open++;
	adapter_loop_opened(run->loop);
}

/* ---- ending ---- */

static void signal_group(const struct exec_run *run, int signum)
{
	assert(run->stage != OVER);
	kill(-run->pid, signum); /* its leader is not reaped: the number is still its own */
}

static void kill_now(struct exec_run *run)
{
	run->stage = KILLED;
	signal_group(run, SIGKILL);
	adapter_timer_set(run->loop, &run->timer, run->patience_ms);
}

static void terminate(struct exec_run *run, enum exec_why why)
{
	if (run->stage != WORKING)
		return;
	run->why = why;
	run->stage = TERMINATED;
	signal_group(run, SIGTERM);
	signal_group(run, SIGCONT); /* one that is stopped would not hear it */
	adapter_timer_set(run->loop, &run->timer, run->grace_ms);
}

/* The last line with something in it. */
static char *last_line(const struct exec_run *run)
{
	size_t end = run->errors_size, begin;

	while (end > 0 && strchr(" \t\r\n", run->errors[end - 1]) != NULL)
		end--;
	for (begin = end; begin > 0 && run->errors[begin - 1] != '\n';)
		begin--;
	if (end - begin > EXEC_SAYING_MAX)
		end = begin + EXEC_SAYING_MAX;
	return mem_dup_bytes(run->errors + begin, end - begin);
}

static void tell(struct exec_run *run, const struct exec_end *how)
{
	struct exec_end end = *how;
	char *saying = last_line(run);

	end.why = run->why;
	end.output = (struct bytes){run->output, run->output_size};
	end.saying = saying;
	run->ended(&end, run->arg);
	free(saying);
}

static void close_all(struct exec_run *run)
{
	adapter_timer_stop(run->loop, &run->timer);
	for (int i = 0; i < N_WATCHES; i++)
		watch_close(&run->watches[i]);
}

/* It was killed long ago, and still is: a disk or file server hangs. */
static void lose(struct exec_run *run)
{
	run->stage = LOST;
	watch_close(&run->watches[INPUT]);
	watch_close(&run->watches[OUTPUT]);
	watch_close(&run->watches[ERRORS]);
	tell(run, &(struct exec_end){.lost = true, .status = -1});
}

static void on_due(struct adapter_timer *t)
{
	struct exec_run *run = (struct exec_run *)((char *)t - offsetof(struct exec_run, timer));

	switch (run->stage) {
	case WORKING: terminate(run, EXEC_DEADLINE); break;
	case TERMINATED: kill_now(run); break;
	case KILLED: lose(run); break;
	case LOST:
	case OVER: break;
	}
}

/* ---- input and output ---- */

static void on_input(uv_poll_t *poll, int status, int events)
{
	struct exec_run *run = ((struct watch *)poll->data)->run;
	ssize_t n;

	(void)events;
	adapter_loop_enter(run->loop);
	CRASH_POINT(exec_feed);
	n = status < 0 ? -1
		       : write(run->watches[INPUT].fd, run->input + run->input_sent,
			       run->input_size - run->input_sent);
	CRASH_POINT(exec_fed);
	if (n > 0)
		run->input_sent += (size_t)n;
	/* A command need not read what it is told. */
	if (run->input_sent == run->input_size || (n < 0 && errno != EAGAIN && errno != EINTR))
		watch_close(&run->watches[INPUT]);
	adapter_loop_leave(run->loop);
}

static void keep_output(struct exec_run *run, const char *data, size_t size)
{
	const size_t room = EXEC_OUTPUT_MAX - run->output_size, take = size < room ? size : room;

	if (run->output_size + take > run->output_room) {
		run->output_room = 2 * (run->output_size + take);
		run->output = mem_grow(run->output, run->output_room + 1, 1);
	}
	if (take > 0)
		memcpy(run->output + run->output_size, data, take);
	run->output_size += take;
	if (run->output != NULL)
		run->output[run->output_size] = '\0';
	if (take < size) {
		run->why = EXEC_FLOOD; /* also if it has just ended by itself */
		watch_close(&run->watches[OUTPUT]);
		if (run->stage == WORKING)
			kill_now(run);
	}
}

static void keep_errors(struct exec_run *run, const char *data, size_t size)
{
	size_t drop;

	if (size > STDERR_KEPT) {
		data += size - STDERR_KEPT;
		size = STDERR_KEPT;
	}
	drop = run->errors_size + size > STDERR_KEPT ? run->errors_size + size - STDERR_KEPT : 0;
	memmove(run->errors, run->errors + drop, run->errors_size - drop);
	memcpy(run->errors + run->errors_size - drop, data, size);
	run->errors_size += size - drop;
}

/* Reads what is there now, and stops at `limit` bytes. */
static void read_pipe(struct exec_run *run, enum watch_kind kind, size_t limit)
{
	static char chunk[CHUNK]; /* the loop's thread only */
	struct watch *w = &run->watches[kind];

	for (size_t got = 0; w->fd >= 0 && got < limit;) {
		const ssize_t n = read(w->fd, chunk, sizeof chunk);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			watch_close(w);
			return;
		}
		got += (size_t)n;
		if (kind == OUTPUT)
			keep_output(run, chunk, (size_t)n);
		else
			keep_errors(run, chunk, (size_t)n);
	}
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct watch *w = poll->data;
	struct exec_run *run = w->run;

	(void)events;
	adapter_loop_enter(run->loop);
	if (status < 0)
		watch_close(w);
	else
		read_pipe(run, w == &run->watches[OUTPUT] ? OUTPUT : ERRORS, TURN_MAX);
	adapter_loop_leave(run->loop);
}

/* ---- the end of the process ---- */

static void on_process(uv_poll_t *poll, int status, int events)
{
	struct exec_run *run = ((struct watch *)poll->data)->run;
	struct exec_end end = {.status = -1};
	siginfo_t info = {0};
	const bool lost = run->stage == LOST;

	(void)status;
	(void)events;
	CRASH_POINT(exec_ended);
	adapter_loop_enter(run->loop);
	/* Before the leader is reaped its number cannot be another group's. */
	signal_group(run, SIGKILL);
	if (waitid(P_PID, (id_t)run->pid, &info, WEXITED) != 0)
		abort(); /* somebody else has reaped our child */
	run->stage = OVER;
	CRASH_POINT(exec_reaped);
	if (info.si_code == CLD_EXITED)
		end.status = info.si_status;
	else
		end.signal = info.si_status;
	/* All that it wrote is in the pipes, which hold no more than this. */
	read_pipe(run, OUTPUT, PIPE_MAX);
	read_pipe(run, ERRORS, PIPE_MAX);
	if (!lost)
		tell(run, &end);
	else if (run->gone != NULL)
		run->gone(run->arg);
	close_all(run);
	adapter_loop_leave(run->loop);
}

/* ---- starting and stopping ---- */

enum rc exec_run_start(struct adapter_loop *loop, const struct exec_command *c, exec_ended_fn ended,
		       void *arg, struct exec_run **out, struct err *err)
{
	struct exec_process p;
	struct exec_run *run;
	const enum rc rc = exec_spawn(c, &p, err);

	*out = NULL;
	if (rc != RC_OK)
		return rc;
	*out = run = mem_new(1, sizeof *run);
	run->loop = loop;
	run->ended = ended;
	run->arg = arg;
	run->pid = p.pid;
	run->grace_ms = c->grace_ms;
	run->patience_ms = c->patience_ms;
	run->input = mem_dup_bytes(c->input.data, c->input.size);
	run->input_size = c->input.size;
	run->timer.fn = on_due;
	watch_open(run, ENDED, p.pidfd, UV_READABLE, on_process);
	watch_open(run, INPUT, p.fds[0], UV_WRITABLE, on_input);
	watch_open(run, OUTPUT, p.fds[1], UV_READABLE, on_readable);
	watch_open(run, ERRORS, p.fds[2], UV_READABLE, on_readable);
	adapter_timer_set(loop, &run->timer, c->timeout_ms);
	return RC_OK;
}

void exec_run_stop(struct exec_run *run, bool at_once)
{
	terminate(run, EXEC_STOPPED);
	if (at_once && run->stage == TERMINATED)
		kill_now(run);
}

void exec_run_lost(struct exec_run *run, void (*gone)(void *arg), void *arg)
{
	assert(run->stage == LOST);
	run->gone = gone;
	run->arg = arg;
}

void exec_run_forget(struct exec_run *run)
{
	assert(run->stage == LOST);
	run->gone = NULL;
	run->stage = OVER;
	close_all(run);
}
