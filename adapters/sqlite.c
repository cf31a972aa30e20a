/* sqlite.c - see sqlite.h: the contract's functions, and calls on the loop's side.
 *
 *   sqlite_config     the resource's map        sqlite_open       opening the file
 *   sqlite_worker     the thread                sqlite_statement  the operations' SQL
 *   sqlite_db         a call in the file        sqlite_guard      SQL judged, errors judged
 *   sqlite_value      JSON to values and back
 *
 * A call that is not ended some time after its deadline is answered UNKNOWN while the
 * thread still has it (a disk that hangs).  That is safe: whatever comes later for the
 * same key meets the barrier, behind it or before it.
 *
 * There is no two-phase commit here: SQLite cannot keep a transaction prepared over the
 * death of the process that has it open (docs/adapters/sqlite.md says more). */
#include "adapters/sqlite.h"

#include "adapters/loop.h"
#include "adapters/sqlite_worker.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

enum {
	GRACE_MS = 2000,      /* past the deadline, to look the key up and to roll back */
	CANCEL_MS = 500,      /* the same after a cancel */
	CALLS_MAX = 10000,    /* that wait or run … */
	BYTES_MAX = 64 << 20, /* … and what their arguments take */
};

struct sqlite_call {
	struct sqlite_task task; /* first: it is the worker's mail */
	struct sqlite *sq;
	struct sqlite_call *prev, *next;
	struct adapter_timer timer;
	char key[CALL_KEY_SIZE];
	char gid[GID_MAX + 1], step[NAME_MAX_LEN + 1];
	struct http_args args;
	char refusal[REASON_MAX];
	size_t bytes;
	adapter_done_fn done;
	void *arg;
	bool over; /* answered, and not ours but the worker's to end */
	UT_hash_handle hh;
};

/* What is to be told at the end of the callback. */
struct sqlite_answer {
	struct sqlite_answer *prev, *next;
	struct adapter_answer told; /* points into what follows, and to `output` */
	char *output;
	char reason[REASON_MAX];
	adapter_done_fn done;
	void *arg;
};

struct sqlite {
	struct adapter_host host; /* its strings are ours */
	char *cluster, *agent, *resource;
	struct sqlite_config config;
	struct operation_info *operations;
	struct adapter_loop loop;
	struct sqlite_worker *worker;

	struct sqlite_call *open, *by_key;
	size_t n_calls, bytes; /* with those that are over */
	struct sqlite_answer *answers;

	char *problem; /* NULL: it serves */
	bool news;     /* of `problem`, not told yet */
	bool closing, gone;
	adapter_closed_fn closed;
	void *closed_arg;
};

/* ---- answers ---- */

static void answer_add(struct sqlite_call *c, enum result_kind kind, const char *reason)
{
	struct sqlite_answer *a = mem_new(1, sizeof *a);
	char *clean = frame_cut_reason(reason); /* SQLite's words may quote the operation's */

	snprintf(a->reason, sizeof a->reason, "%s", clean);
	free(clean);
	a->told.kind = kind;
	a->told.reason = a->reason[0] != '\0' ? a->reason : NULL;
	a->done = c->done;
	a->arg = c->arg;
	DL_APPEND(c->sq->answers, a);
	HASH_DEL(c->sq->by_key, c);
	adapter_timer_stop(&c->sq->loop, &c->timer);
	adapter_loop_soon(&c->sq->loop);
}

/* The call's own end, as the worker found it. */
static void answer_job(struct sqlite_call *c)
{
	struct sqlite_job *job = &c->task.job;
	struct sqlite_answer *a;

	answer_add(c, job->kind, job->reason);
	a = c->sq->answers->prev; /* the last */
	a->output = job->output;
	a->told.output = (struct bytes){job->output, job->output_size};
	job->output = NULL;
}

static void deliver(struct sqlite *sq)
{
	struct sqlite_answer *a;

	while ((a = sq->answers) != NULL) {
		DL_DELETE(sq->answers, a);
		a->done(&a->told, a->arg);
		free(a->output);
		free(a);
	}
}

/* ---- calls ---- */

static void call_free(struct sqlite_call *c)
{
	struct sqlite *sq = c->sq;

	DL_DELETE(sq->open, c);
	sq->n_calls--;
	sq->bytes -= c->bytes;
	http_args_fini(&c->args);
	free(c->task.job.output);
	free(c);
}

/* It must be answered now, wherever it is. */
static void call_give_up(struct sqlite_call *c, const char *reason)
{
	answer_add(c, RESULT_UNKNOWN, reason);
	if (sqlite_worker_take_back(c->sq->worker, &c->task)) {
		call_free(c);
		return;
	}
	c->over = true;
	atomic_store(&c->task.cancelled, true);
}

static void on_late(struct adapter_timer *t)
{
	struct sqlite_call *c =
		(struct sqlite_call *)((char *)t - offsetof(struct sqlite_call, timer));
	char text[REASON_MAX];

	snprintf(text, sizeof text, "resource %s %s until the deadline", c->sq->resource,
		 sqlite_worker_waits(c->sq->worker) ? "waited for its file, which somebody else "
						      "keeps locked,"
						    : "was busy");
	call_give_up(c, text);
}

static void call_take(struct sqlite_call *c, const struct adapter_call *call)
{
	struct sqlite *sq = c->sq;
	struct sqlite_job *job = &c->task.job;
	struct err err;

	strcpy(c->gid, call->gid);
	strcpy(c->step, call->step);
	job->gid = c->gid;
	job->step = c->step;
	job->undo = call->undo;
	job->elsewhere = call->elsewhere;
	job->args = &c->args;
	job->operation = sqlite_config_find(&sq->config, call->operation);
	if (job->operation == NULL) {
		snprintf(c->refusal, sizeof c->refusal, "resource %s has no operation %s",
			 sq->resource, call->operation);
		job->refusal = c->refusal;
	} else if (http_args_read(job->operation->args, job->operation->n_args, call->args,
				  &c->args, &err) != RC_OK) {
		snprintf(c->refusal, sizeof c->refusal, "operation %s on %s: %s", call->operation,
			 sq->resource, err.text);
		job->refusal = c->refusal;
	}
}

static void sqlite_call(void *self, const struct adapter_call *call, adapter_done_fn done,
			void *arg)
{
	struct sqlite *sq = self;
	struct sqlite_call *c = mem_new(1, sizeof *c);

	assert(strlen(call->gid) <= GID_MAX && strlen(call->step) <= NAME_MAX_LEN);
	c->sq = sq;
	c->done = done;
	c->arg = arg;
	c->bytes = call->args.size;
	c->timer.fn = on_late;
	call_key(call->gid, call->step, call->undo, c->key);
	HASH_ADD_STR(sq->by_key, key, c);
	DL_APPEND(sq->open, c);
	sq->n_calls++;
	sq->bytes += c->bytes;
	if (sq->closing || sq->n_calls > CALLS_MAX || sq->bytes > BYTES_MAX) {
		answer_add(c, RESULT_UNKNOWN,
			   sq->closing ? "the agent is stopping"
				       : "too many calls wait for this resource already");
		call_free(c);
		return;
	}
	call_take(c, call);
	c->task.ends_us = clock_mono_us() + (uint64_t)call->timeout_ms * 1000;
	uv_update_time(sq->loop.uv);
	adapter_timer_set(&sq->loop, &c->timer, (uint64_t)call->timeout_ms + GRACE_MS);
	sqlite_worker_put(sq->worker, &c->task);
}

/* It stays in the queue for a moment: the thread's look tells more than we could. */
static void sqlite_cancel(void *self, const char *gid, const char *step, bool undo)
{
	struct sqlite *sq = self;
	struct sqlite_call *c;
	char key[CALL_KEY_SIZE];

	call_key(gid, step, undo, key);
	HASH_FIND_STR(sq->by_key, key, c);
	if (c == NULL || atomic_exchange(&c->task.cancelled, true))
		return;
	if (c->timer.node.at > uv_now(sq->loop.uv) + CANCEL_MS)
		adapter_timer_set(&sq->loop, &c->timer, CANCEL_MS);
}

/* ---- mail ---- */

static void receive(struct sqlite_mail *mail, void *arg)
{
	struct sqlite *sq = arg;
	struct sqlite_call *c = (struct sqlite_call *)mail;

	adapter_loop_enter(&sq->loop);
	switch (mail->kind) {
	case SQ_MAIL_TASK:
		if (!c->over)
			answer_job(c);
		call_free(c);
		break;
	case SQ_MAIL_READY:
		free(sq->problem);
		sq->problem = mail->problem;
		sq->news = true;
		free(mail);
		break;
	case SQ_MAIL_GOODBYE:
		sq->gone = true;
		free(mail);
		break;
	}
	adapter_loop_leave(&sq->loop);
}

static void on_after(void *arg)
{
	struct sqlite *sq = arg;

	if (sq->news && !sq->closing)
		sq->host.ready(sq->host.arg, sq->problem);
	sq->news = false;
	deliver(sq);
	if (!sq->gone || sq->worker == NULL)
		return;
	assert(sq->open == NULL);
	sqlite_worker_free(sq->worker);
	sq->worker = NULL;
	adapter_loop_close(&sq->loop);
}

/* ---- open, describe, close ---- */

static void sqlite_free(struct sqlite *sq)
{
	sqlite_config_fini(&sq->config);
	free(sq->operations);
	free(sq->cluster);
	free(sq->agent);
	free(sq->resource);
	free(sq->problem);
	free(sq);
}

static void on_gone(void *arg)
{
	struct sqlite *sq = arg;
	const adapter_closed_fn closed = sq->closed;
	void *closed_arg = sq->closed_arg;

	sqlite_free(sq);
	closed(closed_arg);
}

static void init_operations(struct sqlite *sq)
{
	const struct sqlite_config *config = &sq->config;

	sq->operations = mem_new(config->n_operations, sizeof *sq->operations);
	for (size_t i = 0; i < config->n_operations; i++) {
		sq->operations[i].name = config->operations[i].name;
		sq->operations[i].args = config->operations[i].args;
		sq->operations[i].n_args = config->operations[i].n_args;
	}
}

static enum rc sqlite_open(const struct adapter_host *host, const char *resource,
			   const struct yaml_node *config, void **self, struct err *err)
{
	struct sqlite *sq = mem_new(1, sizeof *sq);
	enum rc rc = sqlite_config_read(config, &sq->config, err);

	if (rc == RC_OK)
		rc = sqlite_db_check(&sq->config, err);
	if (rc != RC_OK) {
		sqlite_free(sq);
		return rc;
	}
	sq->host = *host;
	sq->host.cluster = sq->cluster = mem_dup(host->cluster);
	sq->host.agent = sq->agent = mem_dup(host->agent);
	sq->resource = mem_dup(resource);
	sq->problem = mem_printf("file %s is being opened", sq->config.file);
	init_operations(sq);
	sq->loop.after = on_after;
	sq->loop.gone = on_gone;
	sq->loop.arg = sq;
	adapter_loop_init(&sq->loop, host->loop);
	sq->worker = sqlite_worker_start(&(struct sqlite_worker_settings){
		.loop = host->loop,
		.config = &sq->config,
		.cluster = sq->cluster,
		.resource = sq->resource,
		.receive = receive,
		.arg = sq,
	});
	*self = sq;
	return RC_OK;
}

static void sqlite_describe(void *self, struct resource_info *info)
{
	struct sqlite *sq = self;

	*info = (struct resource_info){
		.name = sq->resource,
		.adapter = "sqlite",
		.ready = sq->problem == NULL,
		.problem = sq->problem != NULL ? sq->problem : "",
		.calls = true,
		.exact = true,
		.operations = sq->operations,
		.n_operations = sq->config.n_operations,
	};
}

static void sqlite_close(void *self, adapter_closed_fn closed, void *arg)
{
	struct sqlite *sq = self;
	struct sqlite_call *c, *tmp;

	assert(!sq->closing);
	sq->closing = true;
	sq->closed = closed;
	sq->closed_arg = arg;
	DL_FOREACH_SAFE (sq->open, c, tmp)
		if (!c->over && sqlite_worker_take_back(sq->worker, &c->task)) {
			answer_add(c, RESULT_UNKNOWN, "the agent is stopping");
			call_free(c);
		}
	sqlite_worker_stop(sq->worker);
}

const struct adapter adapter_sqlite = {
	.name = "sqlite",
	.open = sqlite_open,
	.describe = sqlite_describe,
	.call = sqlite_call,
	.cancel_call = sqlite_cancel,
	.close = sqlite_close,
};
