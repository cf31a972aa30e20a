/* journal_writer.c - see journal_writer.h.
 *
 * The thread takes all that is queued into one transaction: while one sync runs, the
 * next turns' batches pile up and share the next one.  With nobody else to serve meanwhile
 * (`at_once`), the loop writes itself: to wake the thread and be woken by it took a tenth
 * of the time of a transaction alone (docs/performance.md).  A checkpoint (copying the log
 * into the file) comes after the batches have been reported, and best when nothing
 * is queued, so that nobody waits for it.  After a quiet while the thread gives memory back. */
#include "coordinator/journal_writer.h"
#include "base/clock.h"
#include "base/cond.h"
#include "base/crash.h"
#include "base/log.h"
#include "base/mem.h"
#include "coordinator/journal_apply.h"
#include "coordinator/journal_db.h"
#include "coordinator/journal_mark.h"

#include <assert.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	/* Pages in the log (4 KiB each) at which it is copied when idle, and at which it
	 * is copied in any case. */
	CHECKPOINT_IDLE = 1000,
	CHECKPOINT_BUSY = 8000,
	/* Without a batch for so long, memory that a burst has left behind is given back. */
	QUIET_S = 5,
	/* A disk whose last batch took longer than this is not waited for by the loop. */
	WRITE_HERE_US = 2000,
};

/* How durable batches come back.  It outlives the writer: mail that was posted
 * before the close is delivered after it, and `goodbye` is the last of it. */
struct outlet {
	void (*durable)(uint64_t batch, void *arg);
	void *arg;
	bool closed;
	struct mail goodbye;
};

struct writer {
	uint64_t epoch;
	/* Theirs who have `taken` them: one thread at a time. */
	sqlite3 *db;
	struct apply *apply;
	int log_pages;    /* in the log after the last commit */
	int log_seen;     /* of these, what the last checkpoint has looked at */
	uint64_t took_us; /* the last batch */

	bool started;
	pthread_t thread;
	struct mailbox *box;
	struct outlet *outlet;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t wake;
	struct staged *queue, **queue_end;
	bool taken;       /* somebody is at the connection */
	bool log_long;    /* a checkpoint is due */
	bool gave_back;   /* memory, and nothing was written since */
	uint64_t last_us; /* when something was written */
	bool stop;
};

/* ---- writing ---- */

/* Memory says one thing, the disk perhaps another; and another try may succeed
 * without having written what the first one lost.  Only a restart can tell. */
static _Noreturn void die(const struct err *err)
{
	log_event(LOG_ERROR, "journal-failed",
		  "%s; the coordinator stops, what was durable is found again at the next start",
		  err->text);
	_exit(JOURNAL_FAILED_STATUS);
}

static int on_log(void *arg, sqlite3 *db, const char *name, int pages)
{
	struct writer *w = arg;

	(void)db;
	(void)name;
	w->log_pages = pages;
	if (pages < w->log_seen)
		w->log_seen = 0; /* the log was begun anew */
	return SQLITE_OK;
}

static void write_list(struct writer *w, const struct staged *list)
{
	struct err err;

	if (apply_all(w->apply, list, &err) != RC_OK)
		die(&err);
}

static void checkpoint(struct writer *w)
{
	int in_log = 0, copied = 0, rc;
	struct err err;

	CRASH_POINT(checkpoint_begin);
	rc = sqlite3_wal_checkpoint_v2(w->db, "main", SQLITE_CHECKPOINT_PASSIVE, &in_log, &copied);
	CRASH_POINT(checkpoint_done);
	if (rc != SQLITE_OK && rc != SQLITE_BUSY) {
		db_fail(w->db, "checkpoint", &err);
		die(&err);
	}
	/* What somebody's long read kept from being copied, or the log from being begun
	 * anew, is tried again after as many pages more, not at each commit. */
	w->log_seen = in_log;
}

static bool checkpoint_due(const struct writer *w, bool idle)
{
	const int pages = w->log_pages - w->log_seen;

	return pages >= CHECKPOINT_BUSY || (pages >= CHECKPOINT_IDLE && idle);
}

/* Makes them durable, and tells. */
static void write_and_tell(struct writer *w, struct staged *list)
{
	const uint64_t began = clock_mono_us();
	struct staged *next;

	CRASH_POINT(batch_write);
	write_list(w, list);
	CRASH_POINT(batch_durable);
	w->took_us = clock_mono_us() - began;
	for (; list != NULL; list = next) {
		next = list->next;
		mailbox_post(w->box, &list->mail);
		CRASH_POINT(batch_told);
	}
}

/* ---- the thread ---- */

/* SQLite's cache of pages, and what the allocator keeps of transactions that are over:
 * ten thousand at once leave some 20 MiB in it.  The system's own cache has the pages still. */
static void give_back(struct writer *w)
{
	sqlite3_db_release_memory(w->db);
	malloc_trim(0);
}

static bool nothing_to_do(const struct writer *w)
{
	return w->taken || (w->queue == NULL && !w->log_long && !w->stop);
}

/* When it will have been quiet for a while, if nothing comes. */
static uint64_t quiet_at(const struct writer *w)
{
	const uint64_t since = w->taken ? clock_mono_us() : w->last_us;

	return since + QUIET_S * UINT64_C(1000000);
}

/* Until it has been quiet for a while; the loop's thread may write all the time. */
static void wait_for_quiet(struct writer *w)
{
	uint64_t until = quiet_at(w);

	while (nothing_to_do(w) && !w->gave_back) {
		if (cond_wait_until(&w->wake, &w->lock, until))
			continue;
		if (until == quiet_at(w))
			return;
		until = quiet_at(w);
	}
}

static void when_quiet(struct writer *w)
{
	if (!w->taken && !w->gave_back) {
		w->taken = true;
		pthread_mutex_unlock(&w->lock);
		give_back(w);
		pthread_mutex_lock(&w->lock);
		w->taken = false;
		w->gave_back = true;
	}
	while (nothing_to_do(w) && w->gave_back)
		pthread_cond_wait(&w->wake, &w->lock);
}

/* Waits for work and takes the connection; false when it is time to end.  `*list`: all
 * that is queued, NULL if it is only the log. */
static bool take_work(struct writer *w, struct staged **list)
{
	bool go_on;

	pthread_mutex_lock(&w->lock);
	while (nothing_to_do(w)) {
		wait_for_quiet(w);
		if (nothing_to_do(w))
			when_quiet(w);
	}
	*list = w->queue;
	go_on = w->taken = w->queue != NULL || !w->stop;
	w->queue = NULL;
	w->queue_end = &w->queue;
	w->log_long = false;
	pthread_mutex_unlock(&w->lock);
	return go_on;
}

static bool idle(struct writer *w)
{
	bool empty;

	pthread_mutex_lock(&w->lock);
	empty = w->queue == NULL;
	pthread_mutex_unlock(&w->lock);
	return empty;
}

static void written(struct writer *w)
{
	w->taken = w->gave_back = false;
	w->last_us = clock_mono_us();
}

static void leave(struct writer *w)
{
	pthread_mutex_lock(&w->lock);
	written(w);
	pthread_mutex_unlock(&w->lock);
}

static void *run(void *arg)
{
	struct writer *w = arg;
	struct staged *list;

	while (take_work(w, &list)) {
		if (list != NULL)
			write_and_tell(w, list);
		if (checkpoint_due(w, idle(w)))
			checkpoint(w);
		leave(w);
	}
	return NULL;
}

static void on_mail(struct mail *mail, void *arg)
{
	struct outlet *out = arg;
	struct staged *s = (struct staged *)mail;

	if (mail == &out->goodbye) {
		free(out);
		return;
	}
	CRASH_POINT(batch_heard);
	if (!out->closed && s->id != 0)
		out->durable(s->id, out->arg);
	staged_free(s);
}

/* ---- life ---- */

enum rc writer_open(sqlite3 *db, uint64_t epoch, struct writer **out, struct err *err)
{
	struct writer *w = mem_new(1, sizeof *w);
	enum rc rc;

	w->db = db;
	w->epoch = epoch;
	w->queue_end = &w->queue;
	if (pthread_mutex_init(&w->lock, NULL) != 0)
		abort(); /* only for want of memory */
	cond_init(&w->wake);
	sqlite3_wal_hook(db, on_log, w);
	/* No larger cache: after a commit that has split a page SQLite 3.40 walks through all of
	 * it (pcache1TruncateUnsafe), which with 32 MiB was a seventh of this thread's time. */
	rc = db_exec(db, "PRAGMA cache_size=-4096; PRAGMA journal_size_limit=67108864", err);
	if (rc == RC_OK)
		rc = apply_open(db, epoch, &w->apply, err);
	if (rc != RC_OK) {
		writer_close(w);
		w = NULL;
	}
	*out = w;
	return rc;
}

void writer_start(struct writer *w, uv_loop_t *loop, void (*durable)(uint64_t batch, void *arg),
		  void *arg)
{
	sigset_t all, before;

	assert(!w->started);
	w->outlet = mem_new(1, sizeof *w->outlet);
	w->outlet->durable = durable;
	w->outlet->arg = arg;
	w->box = mailbox_new(loop, on_mail, w->outlet);
	w->last_us = clock_mono_us();
	sigfillset(&all); /* signals are the loop's */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&w->thread, NULL, run, w) != 0)
		abort(); /* at start-up, for want of memory or of a limit */
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	w->started = true;
}

/* On the loop's thread; false if the other one is at work or has reason to be, or the disk
 * is slow. */
static bool write_here(struct writer *w, struct staged *s)
{
	bool mine, wake;

	pthread_mutex_lock(&w->lock);
	mine = w->started && !w->taken && w->queue == NULL && !w->log_long &&
	       w->took_us <= WRITE_HERE_US;
	w->taken = w->taken || mine;
	pthread_mutex_unlock(&w->lock);
	if (!mine)
		return false;
	if (!apply_begin(w->apply)) { /* a person's shell, say, has the file: the thread may wait */
		pthread_mutex_lock(&w->lock);
		w->taken = false;
		pthread_mutex_unlock(&w->lock);
		return false;
	}
	write_and_tell(w, s);
	pthread_mutex_lock(&w->lock);
	w->log_long = checkpoint_due(w, true);
	wake = w->log_long || w->gave_back;
	written(w);
	pthread_mutex_unlock(&w->lock);
	if (wake)
		pthread_cond_signal(&w->wake);
	return true;
}

void writer_queue(struct writer *w, struct staged *s, bool at_once)
{
	if (at_once && write_here(w, s))
		return;
	pthread_mutex_lock(&w->lock);
	*w->queue_end = s;
	w->queue_end = &s->next;
	pthread_mutex_unlock(&w->lock);
	pthread_cond_signal(&w->wake); /* after the lock, or it would wake only to wait for that */
}

static void stop_thread(struct writer *w)
{
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	w->outlet->closed = true;
	mailbox_post(w->box, &w->outlet->goodbye);
	mailbox_close(w->box);
}

/* What was queued before there was a thread. */
static void write_rest(struct writer *w)
{
	struct staged *s, *next;

	if (w->queue != NULL)
		write_list(w, w->queue);
	for (s = w->queue; s != NULL; s = next) {
		next = s->next;
		staged_free(s);
	}
}

void writer_close(struct writer *w)
{
	if (w == NULL)
		return;
	if (w->started)
		stop_thread(w);
	else
		write_rest(w);
	apply_close(w->apply);
	mark_closed(w->db, w->epoch);
	db_close(w->db);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	free(w);
}
