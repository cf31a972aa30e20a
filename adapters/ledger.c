/* ledger.c - see ledger.h: the calls, and the thread that carries them out.
 *
 * The thread takes all that is queued into one transaction, so that many moves
 * share a sync.  Whatever fails in it ends the whole of it with RC_IO, and the file
 * is closed: only opening it again, with a write, tells whether it can be used. */
#include "adapters/ledger.h"

#include "adapters/ledger_db.h"
#include "base/clock.h"
#include "base/cond.h"
#include "base/crash.h"
#include "base/mailbox.h"
#include "base/mem.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { RETRY_MS = 1000, PRUNE_EVERY_MS = 60 * 1000 };

enum kind { KIND_MOVE, KIND_LIST, KIND_READY, KIND_GOODBYE };

/* What goes to the thread, and comes back as mail. */
struct request {
	struct mail mail;
	struct request *next; /* in the queue */
	enum kind kind;
	ledger_done_fn done;
	ledger_list_fn listed;
	void *arg;

	struct ledger_move move; /* points into what follows */
	char *gid, *branch, *operation, *args, *output;

	enum rc rc;
	char *problem; /* of RC_IO, or of KIND_READY */
	struct ledger_copy copy;
	struct ledger_copy *rows;
	size_t n_rows;
};

struct ledger {
	struct ledger_settings settings; /* its strings are ours */
	char *path, *cluster, *resource;
	struct mailbox *box;
	pthread_t thread;
	bool closing; /* the loop's */
	void (*closed)(void *arg);
	void *closed_arg;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t wake;
	struct request *queue, **queue_end;
	bool stop;

	/* The thread's. */
	struct ledger_db *db; /* NULL: the file is not open */
	char *problem;        /* why */
	bool told;            /* `ready` was told at least once … */
	char *told_problem;   /* … this, last */
	uint64_t open_us;     /* when to try again */
	uint64_t prune_us;
};

/* ---- requests ---- */

static struct bytes keep(struct bytes from, char **copy)
{
	*copy = from.size > 0 ? mem_dup_bytes(from.data, from.size) : NULL;
	return (struct bytes){*copy, from.size};
}

static struct request *request_new(enum kind kind, void *arg)
{
	struct request *r = mem_new(1, sizeof *r);

	r->kind = kind;
	r->arg = arg;
	return r;
}

static void request_free(struct request *r)
{
	for (size_t i = 0; i < r->n_rows; i++)
		ledger_copy_fini(&r->rows[i]);
	free(r->rows);
	ledger_copy_fini(&r->copy);
	free(r->gid);
	free(r->branch);
	free(r->operation);
	free(r->args);
	free(r->output);
	free(r->problem);
	free(r);
}

static void submit(struct ledger *l, struct request *r)
{
	assert(!l->closing);
	pthread_mutex_lock(&l->lock);
	*l->queue_end = r;
	l->queue_end = &r->next;
	pthread_cond_signal(&l->wake);
	pthread_mutex_unlock(&l->lock);
}

/* ---- the thread: the file ---- */

/* Tells the loop whether the file can be used, if that is news. */
static void tell(struct ledger *l)
{
	struct request *r;

	if (l->told && (l->problem == NULL) == (l->told_problem == NULL) &&
	    (l->problem == NULL || strcmp(l->problem, l->told_problem) == 0))
		return;
	l->told = true;
	free(l->told_problem);
	l->told_problem = mem_dup(l->problem);
	r = request_new(KIND_READY, NULL);
	r->problem = mem_dup(l->problem);
	mailbox_post(l->box, &r->mail);
}

static void set_problem(struct ledger *l, const struct err *err)
{
	ledger_db_close(l->db);
	l->db = NULL;
	free(l->problem);
	l->problem = mem_dup(err->text);
	l->open_us = clock_mono_us() + RETRY_MS * 1000;
}

static void open_file(struct ledger *l)
{
	struct err err = {0};

	if (ledger_db_open(l->path, l->cluster, l->resource, &l->db, &err) != RC_OK) {
		set_problem(l, &err);
	} else {
		free(l->problem);
		l->problem = NULL;
	}
	tell(l);
}

static void prune(struct ledger *l)
{
	const uint64_t wall_ms = clock_wall_us() / 1000;
	struct err err = {0};

	l->prune_us = clock_mono_us() + PRUNE_EVERY_MS * 1000;
	if (wall_ms > LEDGER_KEEP_MS &&
	    (ledger_db_begin(l->db, &err) != RC_OK ||
	     ledger_db_prune(l->db, wall_ms - LEDGER_KEEP_MS, &err) != RC_OK ||
	     ledger_db_end(l->db, &err) != RC_OK))
		set_problem(l, &err);
}

static enum rc carry_out(struct ledger *l, struct request *r, uint64_t wall_ms, struct err *err)
{
	if (r->kind == KIND_LIST)
		return ledger_db_list(l->db, &r->rows, &r->n_rows, err);
	return ledger_db_move(l->db, &r->move, wall_ms, &r->rc, &r->copy, err);
}

static enum rc carry_out_all(struct ledger *l, struct request *list, struct err *err)
{
	const uint64_t wall_ms = clock_wall_us() / 1000;

	if (l->db == NULL)
		return err_set(err, RC_IO, "%s", l->problem);
	if (ledger_db_begin(l->db, err) != RC_OK)
		return RC_IO;
	for (struct request *r = list; r != NULL; r = r->next)
		if (carry_out(l, r, wall_ms, err) != RC_OK)
			return RC_IO;
	CRASH_POINT(ledger_commit);
	return ledger_db_end(l->db, err);
}

static void serve(struct ledger *l, struct request *list)
{
	struct err err = {0};
	const enum rc rc = carry_out_all(l, list, &err);
	struct request *r, *next;

	CRASH_POINT(ledger_committed);
	if (rc != RC_OK && l->db != NULL)
		set_problem(l, &err);
	tell(l);
	for (r = list; r != NULL; r = next) {
		next = r->next;
		if (rc != RC_OK) {
			r->rc = RC_IO;
			r->problem = mem_dup(err.text);
		}
		mailbox_post(l->box, &r->mail);
	}
}

/* ---- the thread: its turns ---- */

static uint64_t next_turn(const struct ledger *l)
{
	return l->db == NULL ? l->open_us : l->prune_us;
}

/* Waits for work or for what is due; all that is queued. `*stop` when nothing will
 * come any more. */
static struct request *take_queue(struct ledger *l, bool *stop)
{
	const uint64_t until = next_turn(l);
	struct request *list;

	pthread_mutex_lock(&l->lock);
	while (l->queue == NULL && !l->stop && cond_wait_until(&l->wake, &l->lock, until))
		continue;
	list = l->queue;
	l->queue = NULL;
	l->queue_end = &l->queue;
	*stop = l->stop;
	pthread_mutex_unlock(&l->lock);
	return list;
}

static void *run(void *arg)
{
	struct ledger *l = arg;
	bool stop = false;

	open_file(l);
	while (!stop) {
		struct request *list = take_queue(l, &stop);

		if (list != NULL)
			serve(l, list);
		if (!stop && clock_mono_us() >= next_turn(l)) {
			if (l->db == NULL)
				open_file(l);
			else
				prune(l);
			tell(l);
		}
	}
	ledger_db_close(l->db);
	l->db = NULL;
	mailbox_post(l->box, &request_new(KIND_GOODBYE, NULL)->mail);
	return NULL;
}

/* ---- the loop ---- */

static void ledger_free(struct ledger *l)
{
	assert(l->queue == NULL);
	pthread_cond_destroy(&l->wake);
	pthread_mutex_destroy(&l->lock);
	free(l->problem);
	free(l->told_problem);
	free(l->path);
	free(l->cluster);
	free(l->resource);
	free(l);
}

/* The last mail: the thread ends. */
static void goodbye(struct ledger *l)
{
	void (*const closed)(void *arg) = l->closed;
	void *const arg = l->closed_arg;

	pthread_join(l->thread, NULL);
	mailbox_close(l->box);
	ledger_free(l);
	closed(arg);
}

static void answer_move(struct request *r)
{
	r->copy.row.id = r->move.id;
	if (r->copy.row.operation == NULL)
		r->copy.row.operation = "";
	if (r->rc != RC_OK && r->rc != RC_CONFLICT)
		r->copy.row.phase = LEDGER_NONE;
	if (r->move.to == LEDGER_TRYING || r->move.to == LEDGER_PREPARED) {
		/* The file's row was read before the move. */
		if (r->rc == RC_OK && r->move.to == LEDGER_TRYING) {
			r->copy.row.operation = r->move.operation;
			r->copy.row.args = r->move.args;
		} else if (r->rc == RC_OK) {
			r->copy.row.output = r->move.output;
		}
	}
	r->done(r->rc, &r->copy.row, r->problem, r->arg);
}

static void answer_list(struct request *r)
{
	struct ledger_row *rows = mem_new(r->n_rows, sizeof *rows);

	for (size_t i = 0; i < r->n_rows; i++)
		rows[i] = r->rows[i].row;
	r->listed(r->rc, rows, r->rc == RC_OK ? r->n_rows : 0, r->arg);
	free(rows);
}

static void on_mail(struct mail *mail, void *arg)
{
	struct request *r = (struct request *)mail;
	struct ledger *l = arg;
	const bool last = r->kind == KIND_GOODBYE;

	switch (r->kind) {
	case KIND_MOVE: answer_move(r); break;
	case KIND_LIST: answer_list(r); break;
	case KIND_READY:
		if (!l->closing)
			l->settings.ready(l->settings.arg, r->problem);
		break;
	case KIND_GOODBYE: break;
	}
	request_free(r);
	if (last)
		goodbye(l);
}

/* Signals are the loop's: none may be handled on this thread. */
static void start_thread(struct ledger *l)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&l->thread, NULL, run, l) != 0)
		abort(); /* only for want of memory at start-up */
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

struct ledger *ledger_open(const struct ledger_settings *settings)
{
	struct ledger *l = mem_new(1, sizeof *l);

	l->settings = *settings;
	l->path = mem_dup(settings->path);
	l->cluster = mem_dup(settings->cluster);
	l->resource = mem_dup(settings->resource);
	l->queue_end = &l->queue;
	l->box = mailbox_new(settings->loop, on_mail, l);
	pthread_mutex_init(&l->lock, NULL);
	cond_init(&l->wake);
	start_thread(l);
	return l;
}

void ledger_close(struct ledger *l, void (*closed)(void *arg), void *arg)
{
	assert(!l->closing);
	l->closing = true;
	l->closed = closed;
	l->closed_arg = arg;
	pthread_mutex_lock(&l->lock);
	l->stop = true;
	pthread_cond_signal(&l->wake);
	pthread_mutex_unlock(&l->lock);
}

/* ---- the calls ---- */

static struct request *request_move(const struct branch_id *id, enum ledger_phase to,
				    ledger_done_fn done, void *arg)
{
	struct request *r = request_new(KIND_MOVE, arg);

	r->done = done;
	r->gid = mem_dup(id->gid);
	r->branch = mem_dup(id->branch);
	r->move.id = (struct branch_id){"", r->gid, id->epoch, r->branch};
	r->move.to = to;
	return r;
}

void ledger_try(struct ledger *l, const struct branch_id *id, const char *operation,
		struct bytes args, ledger_done_fn done, void *arg)
{
	struct request *r = request_move(id, LEDGER_TRYING, done, arg);

	r->move.operation = r->operation = mem_dup(operation);
	r->move.args = keep(args, &r->args);
	submit(l, r);
}

void ledger_prepared(struct ledger *l, const struct branch_id *id, struct bytes output,
		     ledger_done_fn done, void *arg)
{
	struct request *r = request_move(id, LEDGER_PREPARED, done, arg);

	r->move.output = keep(output, &r->output);
	submit(l, r);
}

void ledger_commit(struct ledger *l, const struct branch_id *id, ledger_done_fn done, void *arg)
{
	submit(l, request_move(id, LEDGER_COMMITTING, done, arg));
}

void ledger_rollback(struct ledger *l, const struct branch_id *id, ledger_done_fn done, void *arg)
{
	submit(l, request_move(id, LEDGER_ROLLING_BACK, done, arg));
}

void ledger_end(struct ledger *l, const struct branch_id *id, enum ledger_phase over,
		ledger_done_fn done, void *arg)
{
	assert(over == LEDGER_COMMITTED || over == LEDGER_ROLLED_BACK);
	submit(l, request_move(id, over, done, arg));
}

void ledger_list(struct ledger *l, ledger_list_fn done, void *arg)
{
	struct request *r = request_new(KIND_LIST, arg);

	r->listed = done;
	submit(l, r);
}
