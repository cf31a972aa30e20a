/* sqlite_worker.c - see sqlite_worker.h. */
#include "adapters/sqlite_worker.h"

#include "base/clock.h"
#include "base/cond.h"
#include "base/log.h"
#include "base/mem.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

enum {
	RETRY_FIRST_US = 50 * 1000, /* between two tries to open the file, doubling … */
	RETRY_MAX_US = 1000 * 1000, /* … up to this */
	GROUP_MAX = 64,             /* calls in one transaction */
	GROUP_US = 20 * 1000,       /* after that it takes no more: those in it wait for its sync */
};

struct sqlite_worker {
	struct sqlite_worker_settings settings;
	struct mailbox *box;
	pthread_t thread;
	atomic_bool stopping;
	atomic_bool waits;

	pthread_mutex_t lock; /* guards the queue, and `taken` of what is in it */
	pthread_cond_t wake;
	struct sqlite_task *queue;

	/* The thread's. */
	struct sqlite_db *db; /* NULL: the file is not open */
	struct sqlite_task
		*again; /* taken, and rolled back with others through no fault of theirs */
	struct sqlite_task *group; /* in the transaction that is open */
	struct sqlite_task *current;
	char *problem; /* why it is not open */
	bool told;
	char *told_problem;
	uint64_t open_us;  /* when to try again */
	uint64_t pause_us; /* after the next failure */
};

/* ---- mail ---- */

static void post(struct sqlite_worker *w, struct sqlite_task *t)
{
	assert(t->job.kind != RESULT_NONE);
	mailbox_post(w->box, &t->mail.mail);
}

static void on_mail(struct mail *mail, void *arg)
{
	struct sqlite_worker *w = arg;

	w->settings.receive((struct sqlite_mail *)mail, w->settings.arg);
}

static void post_new(struct sqlite_worker *w, enum sqlite_mail_kind kind, const char *problem)
{
	struct sqlite_mail *m = mem_new(1, sizeof *m);

	m->kind = kind;
	m->problem = mem_dup(problem);
	mailbox_post(w->box, &m->mail);
}

static void tell(struct sqlite_worker *w)
{
	if (w->told && (w->problem == NULL) == (w->told_problem == NULL) &&
	    (w->problem == NULL || strcmp(w->problem, w->told_problem) == 0))
		return;
	w->told = true;
	free(w->told_problem);
	w->told_problem = mem_dup(w->problem);
	post_new(w, SQ_MAIL_READY, w->problem);
}

/* ---- when to give up ---- */

static bool is_due(const struct sqlite_task *t)
{
	return atomic_load(&t->cancelled) || clock_mono_us() >= t->ends_us;
}

static bool any_due(const struct sqlite_task *list)
{
	const struct sqlite_task *t;

	DL_FOREACH (list, t)
		if (is_due(t))
			return true;
	return false;
}

/* Tasks in the queue are the loop's to give up: it takes them back. */
static bool give_up(enum sqlite_phase phase, void *arg)
{
	struct sqlite_worker *w = arg;
	bool idle;

	if (atomic_load(&w->stopping))
		return true;
	switch (phase) {
	case SQ_RUNNING: return w->current != NULL && is_due(w->current);
	case SQ_FINISHING: return any_due(w->group);
	case SQ_WAITING: break;
	}
	atomic_store(&w->waits, true);
	if (w->again != NULL)
		return any_due(w->again);
	pthread_mutex_lock(&w->lock);
	idle = w->queue == NULL;
	pthread_mutex_unlock(&w->lock);
	return idle;
}

/* ---- the file ---- */

static void close_file(struct sqlite_worker *w, const char *problem)
{
	sqlite_db_close(w->db);
	w->db = NULL;
	free(w->problem);
	w->problem = mem_dup(problem);
	tell(w);
}

static void open_file(struct sqlite_worker *w)
{
	const struct sqlite_db_settings settings = {.config = w->settings.config,
						    .cluster = w->settings.cluster,
						    .resource = w->settings.resource,
						    .give_up = give_up,
						    .arg = w};
	struct err err = {0};

	if (sqlite_db_open(&settings, &w->db, &err) != RC_OK) {
		close_file(w, err.text);
		w->open_us = clock_mono_us() + w->pause_us;
		w->pause_us = w->pause_us < RETRY_MAX_US / 2 ? 2 * w->pause_us : RETRY_MAX_US;
		return;
	}
	w->pause_us = RETRY_FIRST_US;
	free(w->problem);
	w->problem = NULL;
	tell(w);
}

static void file_broken(struct sqlite_worker *w, const char *why)
{
	log_event(LOG_WARN, "sqlite-reopen", "resource=%s %s: the file is closed and opened again",
		  w->settings.resource, why);
	close_file(w, why);
	w->open_us = 0; /* at once, the first time */
}

/* ---- one transaction ---- */

static struct sqlite_task *next(struct sqlite_worker *w)
{
	struct sqlite_task *t = w->again;

	if (t != NULL) {
		DL_DELETE(w->again, t);
		return t;
	}
	pthread_mutex_lock(&w->lock);
	t = w->queue;
	if (t != NULL) {
		DL_DELETE(w->queue, t);
		t->taken = true;
	}
	pthread_mutex_unlock(&w->lock);
	return t;
}

/* What the task was told does not hold any more: its transaction is gone. */
static void set_back(struct sqlite_job *job, enum result_kind kind, const char *why)
{
	free(job->output);
	job->output = NULL;
	job->output_size = 0;
	job->acted = false;
	job->kind = kind;
	snprintf(job->reason, sizeof job->reason, "%s", why);
}

static void post_group(struct sqlite_worker *w)
{
	struct sqlite_task *t;

	while ((t = w->group) != NULL) {
		DL_DELETE(w->group, t);
		post(w, t);
	}
}

/* Each of them has been looked up under the lock and rolled back, so RETRY is true. */
static void retry_all(struct sqlite_worker *w, struct sqlite_task **list, bool only_due,
		      const char *why)
{
	struct sqlite_task *t, *tmp;

	DL_FOREACH_SAFE (*list, t, tmp) {
		if (only_due && !is_due(t))
			continue;
		DL_DELETE(*list, t);
		set_back(&t->job, RESULT_RETRY, why);
		post(w, t);
	}
}

static void group_again(struct sqlite_worker *w, const char *why)
{
	struct sqlite_task *t;

	retry_all(w, &w->group, !atomic_load(&w->stopping), why);
	DL_FOREACH (w->group, t)
		set_back(&t->job, RESULT_NONE, "");
	DL_CONCAT(w->again, w->group);
	w->group = NULL;
}

static void commit(struct sqlite_worker *w)
{
	char why[REASON_MAX];
	struct sqlite_task *t;

	switch (sqlite_db_commit(w->db, why)) {
	case SQ_END_OK: post_group(w); break;
	case SQ_END_LOST: group_again(w, why); break;
	case SQ_END_BROKEN:
	case SQ_END_UNKNOWN:
		DL_FOREACH (w->group, t)
			if (t->job.acted)
				set_back(&t->job, RESULT_UNKNOWN, why);
		file_broken(w, why); /* told before whoever hears of it asks again */
		post_group(w);
		break;
	}
}

/* Runs what waits in one transaction. */
static void work(struct sqlite_worker *w)
{
	const uint64_t until = clock_mono_us() + GROUP_US;
	enum sqlite_end end = SQ_END_OK;
	struct sqlite_task *t = NULL;
	char why[REASON_MAX] = "";

	for (int n = 0; end == SQ_END_OK && n < GROUP_MAX; n++) {
		if ((n > 0 && clock_mono_us() >= until) || (t = next(w)) == NULL)
			break;
		w->current = t;
		end = sqlite_db_call(w->db, &t->job);
		w->current = NULL;
		DL_APPEND(w->group, t);
	}
	if (end == SQ_END_OK) {
		commit(w);
		return;
	}
	DL_DELETE(w->group, t);
	snprintf(why, sizeof why, "%s", t->job.reason);
	if (end == SQ_END_LOST) {
		group_again(w, "another call's end rolled it back, and its time was over");
	} else {
		sqlite_db_rollback(w->db);
		file_broken(w, why);
		retry_all(w, &w->group, false, why);
	}
	post(w, t);
}

/* Works until nothing is left in the thread's own hands. */
static void serve(struct sqlite_worker *w)
{
	char why[REASON_MAX];

	do {
		const enum sqlite_end end = sqlite_db_begin(w->db, why);

		if (end == SQ_END_OK) {
			atomic_store(&w->waits, false);
			work(w);
			continue;
		}
		retry_all(w, &w->again, end == SQ_END_LOST && !atomic_load(&w->stopping), why);
		if (end == SQ_END_BROKEN)
			file_broken(w, why);
	} while (w->db != NULL && w->again != NULL);
	retry_all(w, &w->again, false, w->problem != NULL ? w->problem : "");
}

/* ---- its turns ---- */

/* The file is not open: nothing can be said of what came before. */
static void refuse_all(struct sqlite_worker *w)
{
	struct sqlite_task *t;

	while ((t = next(w)) != NULL) {
		set_back(&t->job, RESULT_UNKNOWN, w->problem);
		post(w, t);
	}
}

/* Waits for work, or until the file is to be tried again; true if there is work. */
static bool wait_turn(struct sqlite_worker *w)
{
	const uint64_t until = w->db == NULL ? w->open_us : clock_mono_us() + 3600000000u;
	bool any;

	pthread_mutex_lock(&w->lock);
	while (w->queue == NULL && !atomic_load(&w->stopping) &&
	       cond_wait_until(&w->wake, &w->lock, until))
		continue;
	any = w->queue != NULL;
	pthread_mutex_unlock(&w->lock);
	return any;
}

static void *run(void *arg)
{
	struct sqlite_worker *w = arg;

	w->pause_us = RETRY_FIRST_US;
	open_file(w);
	while (!atomic_load(&w->stopping)) {
		const bool any = wait_turn(w);

		if (w->db == NULL && clock_mono_us() >= w->open_us && !atomic_load(&w->stopping))
			open_file(w);
		if (any && w->db != NULL)
			serve(w);
		else if (any)
			refuse_all(w);
	}
	sqlite_db_close(w->db);
	w->db = NULL;
	post_new(w, SQ_MAIL_GOODBYE, NULL);
	return NULL;
}

/* ---- the loop ---- */

struct sqlite_worker *sqlite_worker_start(const struct sqlite_worker_settings *settings)
{
	struct sqlite_worker *w = mem_new(1, sizeof *w);
	sigset_t all, before;

	w->settings = *settings;
	w->box = mailbox_new(settings->loop, on_mail, w);
	pthread_mutex_init(&w->lock, NULL);
	cond_init(&w->wake);
	/* Signals are the loop's: none may be handled on this thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&w->thread, NULL, run, w) != 0)
		abort(); /* only for want of memory at start-up */
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return w;
}

void sqlite_worker_put(struct sqlite_worker *w, struct sqlite_task *task)
{
	assert(!atomic_load(&w->stopping) && task->job.kind == RESULT_NONE);
	pthread_mutex_lock(&w->lock);
	DL_APPEND(w->queue, task);
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

bool sqlite_worker_take_back(struct sqlite_worker *w, struct sqlite_task *task)
{
	bool mine;

	pthread_mutex_lock(&w->lock);
	mine = !task->taken;
	if (mine) {
		DL_DELETE(w->queue, task);
		task->taken = true;
	}
	pthread_mutex_unlock(&w->lock);
	return mine;
}

bool sqlite_worker_waits(struct sqlite_worker *w)
{
	return atomic_load(&w->waits);
}

void sqlite_worker_stop(struct sqlite_worker *w)
{
	pthread_mutex_lock(&w->lock);
	atomic_store(&w->stopping, true);
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

void sqlite_worker_free(struct sqlite_worker *w)
{
	assert(w->queue == NULL && w->again == NULL && w->group == NULL);
	pthread_join(w->thread, NULL);
	mailbox_close(w->box); /* it lives a little longer than this */
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	free(w->problem);
	free(w->told_problem);
	free(w);
}
