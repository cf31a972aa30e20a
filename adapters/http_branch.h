/* http_branch.h - one HTTP resource, the calls on its branches, and those of sagas.
 *
 *   http.c        the contract's functions     http_run       one phase: lanes, deadline
 *   http_branch   a call, with its ledger      http_client    libcurl on the loop
 *   http_finish   commit, rollback, list       http_exchange  one transfer
 *   http_config, http_spec  the settings       http_verdict   answers judged
 *   http_template, http_render, http_args      http_request   what is sent
 *   http_secret, http_text                     http_saga      the calls of sagas
 *
 * Rule: the ledger knows of a try before anything of it is sent, and of its success
 * before PREPARED is answered.
 * Thread: the loop's. */
#ifndef ADAPTERS_HTTP_BRANCH_H
#define ADAPTERS_HTTP_BRANCH_H

#include "adapters/http_run.h"
#include "adapters/ledger.h"
#include "participant/adapter.h"

struct http {
	struct adapter_host host; /* its strings are ours */
	char *cluster, *resource;
	struct http_config config;
	struct operation_info *operations; /* for describe */
	struct adapter_loop loop;
	struct http_runner runner;
	struct ledger *ledger; /* NULL: every operation is read_only */
	struct http_call *open, *answers;
	char *problem; /* NULL: it serves */
	bool told;     /* whether the agent knows */
	size_t lists;  /* under way */
	bool closing, ledger_closing;
	adapter_closed_fn closed;
	void *closed_arg;
};

struct http_call {
	struct http *http;
	struct branch_id id; /* its strings are ours; of a saga's call: `branch` is the step */
	char *key;
	enum http_phase phase;
	bool repeat;      /* commit */
	bool undo;        /* HTTP_CALL */
	uint32_t attempt; /* HTTP_CALL */
	bool cancelled;
	bool ledgered; /* the ledger has the call: it must be waited for */
	bool running;
	struct http_run run;
	uint64_t due_ms;
	adapter_done_fn done;
	void *arg;
	/* the answer */
	enum result_kind kind;
	enum result_kind no; /* what is answered once the ledger knows that nothing is left */
	char *output, *reason;
	size_t output_size;
	uint32_t retry_after_ms;
	struct http_call *prev, *next;
};

/* A call that is open until it is answered. `undo` is of HTTP_CALL only. */
struct http_call *http_call_new(struct http *h, enum http_phase phase, const struct branch_id *id,
				bool undo, adapter_done_fn done, void *arg);
/* Answers; whoever asked is told in the loop's `after`.  `reason` is copied. */
void http_call_end(struct http_call *c, enum result_kind kind, const char *reason);
void http_call_endf(struct http_call *c, enum result_kind kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Makes the request of the call's phase: RC_OK, or the call must be ended. */
enum rc http_call_make(struct http_call *c, const char *operation, struct bytes args,
		       struct err *err);
/* Keeps a service's output for the answer. */
void http_call_output(struct http_call *c, struct bytes output);
void http_call_run(struct http_call *c, void (*done)(struct http_run *run));
/* Gives up what is out. */
void http_call_cancel(struct http_call *c, const char *why);
/* Tells all answers that are there. */
void http_call_deliver(struct http *h);

void http_saga_start(struct http_call *c, const struct adapter_call *call);
void http_prepare_start(struct http_call *c, const struct adapter_work *work);
void http_commit_start(struct http_call *c);
void http_rollback_start(struct http_call *c);
void http_list_start(struct http *h, adapter_list_fn done, void *arg);

#endif
