/* sqlite_worker.h - the thread that works in one resource's file.
 *
 * SQLite blocks, so the loop only hands tasks over and gets them back as mail.  Tasks
 * that wait together share a transaction, and so a sync, each in a savepoint of its
 * own; when SQLite rolls such a transaction back because of one of them, the others
 * are carried out again.
 * Rule: a task has one owner: the loop until sqlite_worker_put and again from its
 * mail, or from sqlite_worker_take_back, on; in between the thread.
 * Thread: the loop's, for every function here. */
#ifndef ADAPTERS_SQLITE_WORKER_H
#define ADAPTERS_SQLITE_WORKER_H

#include "adapters/sqlite_db.h"
#include "base/mailbox.h"

#include <stdatomic.h>

enum sqlite_mail_kind { SQ_MAIL_TASK, SQ_MAIL_READY, SQ_MAIL_GOODBYE };

struct sqlite_mail {
	struct mail mail;
	enum sqlite_mail_kind kind;
	char *problem; /* of READY: NULL: the file is open; the receiver frees both */
};

/* Embed it first in your own struct. */
struct sqlite_task {
	struct sqlite_mail mail;
	struct sqlite_task *prev, *next;
	bool taken;            /* by the thread: it cannot be taken back */
	uint64_t ends_us;      /* by clock_mono_us: end it then */
	atomic_bool cancelled; /* the loop sets it at any time: end it soon */
	struct sqlite_job job;
};

struct sqlite_worker;

struct sqlite_worker_settings {
	uv_loop_t *loop;
	const struct sqlite_config *config; /* borrowed until the end, as are the strings */
	const char *cluster, *resource;
	/* Gets tasks that have ended, READY at each change, GOODBYE as the last. */
	void (*receive)(struct sqlite_mail *mail, void *arg);
	void *arg;
};

/* Starts the thread, which opens the file, and tries again, every second at the latest, for ever.
 */
struct sqlite_worker *sqlite_worker_start(const struct sqlite_worker_settings *settings);

void sqlite_worker_put(struct sqlite_worker *w, struct sqlite_task *task);
/* True: it had not begun, and is the loop's again; no mail of it will come. */
bool sqlite_worker_take_back(struct sqlite_worker *w, struct sqlite_task *task);
/* True while the file is locked by somebody else. */
bool sqlite_worker_waits(struct sqlite_worker *w);

/* Ends what it has, soon; GOODBYE follows when the file is closed. */
void sqlite_worker_stop(struct sqlite_worker *w);
/* After GOODBYE. */
void sqlite_worker_free(struct sqlite_worker *w);

#endif
