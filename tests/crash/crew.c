#include "tests/crash/crew.h"

#include "tests/crash/play.h"
#include "tests/lib/bank.h"
#include "tests/lib/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { JOBS_MAX = 32, TRIES = 3, PROGRESS_MS = 15000 };

struct task {
	const struct crash_case *c; /* NULL: a trace of `story` */
	const struct story *story;
	int tries;
};

static struct worker {
	pid_t pid; /* 0: nothing to do */
	struct task *task;
	struct seat seat;
} workers[JOBS_MAX];
static int jobs;

/* ---- seats ---- */

/* Sized for all workers: each has two agents with four sessions, and looks itself. */
void crew_open(int wanted)
{
	static const char *const settings[] = {"max_connections = 400", NULL};

	jobs = wanted < 1 ? 1 : wanted > JOBS_MAX ? JOBS_MAX : wanted;
	bank[BANK_A] = pg_server_new("bank-a", settings);
	bank[BANK_B] = pg_server_new("bank-b", settings);
	for (int b = 0; b < BANKS; b++) {
		PGconn *conn = pg_open(bank[b]);
		for (int i = 0; i < jobs; i++)
			pg_do(conn, "CREATE DATABASE w%d", i);
		PQfinish(conn);
	}
	for (int i = 0; i < jobs; i++)
		workers[i].seat = (struct seat){.slot = i, .slots = jobs, .dirty = true};
}

void crew_close(void)
{
	banks_close();
}

/* ---- one task ---- */

static char *said_path(const struct worker *w)
{
	return temp_path("said.%d", w->seat.slot);
}

_Noreturn static void work(const struct worker *w)
{
	const struct crash_case *c = w->task->c;
	char setting[CASE_NAME_ROOM], *said = said_path(w);
	int fd = open(said, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
		_exit(PLAY_BAD);
	close(fd);
	free(said);
	if (!c)
		play_trace(w->task->story, &w->seat);
	snprintf(setting, sizeof setting, "%s:%u:%s", plan_point_name(c->point), c->nth,
		 plan_action_name(c->what));
	const struct aim aim = {(int)c->actor, setting, plan_action_name(c->what)};
	play(c->story, &aim, &w->seat);
}

static void begin(struct worker *w, struct task *t)
{
	w->task = t;
	t->tries++;
	fflush(stdout);
	w->pid = fork();
	NEED(w->pid >= 0, "fork: %s", strerror(errno));
	if (w->pid == 0)
		work(w);
}

static void tell_failure(const struct worker *w, int status)
{
	char name[CASE_NAME_ROOM], *path = said_path(w), *said = file_read(path);

	if (w->task->c)
		plan_name(w->task->c, name);
	else
		snprintf(name, sizeof name, "(trace of) %s", w->task->story->name);
	printf("FAILED %s%s\n%s\n", name,
	       WIFSIGNALED(status) ? " (it took too long, or crashed itself)" : "",
	       said ? said : "");
	if (w->task->c)
		printf("again:  make crash CASE=%s\n", name);
	free(said);
	free(path);
}

/* Waits for one of them; true if its task is over, false if it must be done again. */
static struct worker *await_one(int *status)
{
	for (;;) {
		const pid_t pid = waitpid(-1, status, 0);
		for (int i = 0; i < jobs; i++)
			if (pid > 0 && workers[i].pid == pid) {
				workers[i].pid = 0;
				return &workers[i];
			}
		NEED(pid > 0 || errno == EINTR, "nobody to wait for: %s", strerror(errno));
		for (int b = 0; b < BANKS; b++)
			NEED(pid != bank[b]->pid, "%s has ended", bank[b]->name);
	}
}

/* ---- all of them ---- */

static struct worker *idle(void)
{
	for (int i = 0; i < jobs; i++)
		if (!workers[i].pid)
			return &workers[i];
	return NULL;
}

struct run {
	struct task *tasks;
	size_t n, next, over;
	int64_t began, told;
	struct crew_result sum;
};

static void progress(struct run *r)
{
	if (clock_ms() < r->told + PROGRESS_MS)
		return;
	r->told = clock_ms();
	printf("  %zu of %zu, %lld s, %d failed, %d not reached\n", r->over, r->n,
	       (long long)(r->told - r->began) / 1000, r->sum.failed, r->sum.not_reached);
}

static void finish(struct run *r, struct worker *w, int status)
{
	const int how = WIFEXITED(status) ? WEXITSTATUS(status) : PLAY_BAD;

	w->seat.dirty = how == PLAY_BAD;
	if (how == PLAY_NOT_REACHED && w->task->tries < TRIES) {
		begin(w, w->task);
		return;
	}
	r->over++;
	if (how == PLAY_NOT_REACHED) {
		char name[CASE_NAME_ROOM];
		plan_name(w->task->c, name);
		printf("not reached: %s\n", name);
		r->sum.not_reached++;
	} else if (how != PLAY_GOOD) {
		r->sum.failed++;
		tell_failure(w, status);
	}
	progress(r);
}

static void run_all(struct run *r)
{
	r->began = r->told = clock_ms();
	while (r->over < r->n) {
		struct worker *w;
		while (r->next < r->n && (w = idle()) != NULL)
			begin(w, &r->tasks[r->next++]);
		int status = 0;
		w = await_one(&status);
		finish(r, w, status);
	}
}

int crew_trace(void)
{
	struct run r = {.n = n_stories};

	r.tasks = calloc(r.n, sizeof *r.tasks);
	NEED(r.tasks, "out of memory");
	for (size_t i = 0; i < r.n; i++)
		r.tasks[i].story = &stories[i];
	run_all(&r);
	for (size_t i = 0; i < r.n && r.sum.failed == 0; i++) {
		char *path = play_trace_path(&stories[i]);
		plan_add_trace(&stories[i], path);
		free(path);
	}
	free(r.tasks);
	return r.sum.failed;
}

void crew_play(const struct crash_case *cases, size_t n, struct crew_result *sum)
{
	struct run r = {.n = n};

	r.tasks = calloc(n + 1, sizeof *r.tasks);
	NEED(r.tasks, "out of memory");
	for (size_t i = 0; i < n; i++)
		r.tasks[i].c = &cases[i];
	run_all(&r);
	sum->failed += r.sum.failed;
	sum->not_reached += r.sum.not_reached;
	free(r.tasks);
}
