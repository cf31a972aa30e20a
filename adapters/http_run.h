/* http_run.h - one request of one operation, from its arguments to a verdict.
 *
 * Runs wait in two lanes for their turn, prepares and actions in the one, commits,
 * rollbacks and compensations in the other: those that hang at a slow service cannot
 * hold up what would free it.
 * Rule: a run ends by its deadline, the wait included, with exactly one `done`.
 * Thread: the loop's. */
#ifndef ADAPTERS_HTTP_RUN_H
#define ADAPTERS_HTTP_RUN_H

#include "adapters/http_verdict.h"

enum http_lane { HTTP_LANE_WORK, HTTP_LANE_FINISH, HTTP_LANES };

struct http_runner {
	const struct http_config *config;
	struct adapter_loop *loop;
	struct http_client client;
	struct {
		struct http_run *queue;
		int64_t out;
	} lanes[HTTP_LANES];
};

struct http_run {
	/* Filled by the owner. */
	uint64_t due_ms; /* on the loop's clock */
	void (*done)(struct http_run *run);
	void *owner;

	struct http_verdict verdict; /* from `done` on */

	/* the runner's */
	struct http_runner *runner;
	const struct http_operation *op;
	enum http_phase phase;
	enum http_lane lane;
	struct http_request request;
	struct http_exchange x;
	struct adapter_timer timer; /* while it waits */
	bool waits, out;
	struct http_run *prev, *next;
};

/* Borrows both for its life. */
void http_runner_init(struct http_runner *r, const struct http_config *config,
		      struct adapter_loop *loop);
/* Every run must have ended. */
void http_runner_fini(struct http_runner *r);

/* Makes the request, without sending it. RC_INVALID, RC_TOO_BIG: it cannot be made
 * of these values.  End with http_run_fini, on failure too. */
enum rc http_run_init(struct http_run *run, struct http_runner *r, const struct http_operation *op,
		      enum http_phase phase, const struct http_values *values, struct err *err);
/* Sends it when its turn comes; `done` follows, never from inside this call. */
void http_run_start(struct http_run *run);
/* Gives up a run that was started: `done` comes from inside this call, with RETRY
 * and `clean` if nothing was sent, else with UNKNOWN. */
void http_run_cancel(struct http_run *run, const char *why);
void http_run_fini(struct http_run *run);

#endif
