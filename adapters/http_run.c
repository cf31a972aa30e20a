/* http_run.c - see http_run.h. */
#include "adapters/http_run.h"

#include "base/mem.h"

#include <assert.h>
#include <string.h>
#include <utlist.h>

static void leave_lane(struct http_run *run)
{
	struct http_runner *r = run->runner;

	if (run->waits) {
		DL_DELETE(r->lanes[run->lane].queue, run);
		adapter_timer_stop(r->loop, &run->timer);
	}
	if (run->out)
		r->lanes[run->lane].out--;
	run->waits = run->out = false;
}

static void end_clean(struct http_run *run, const char *why)
{
	run->verdict = (struct http_verdict){
		.end = HTTP_RETRY, .clean = true, .reason = frame_cut_reason(why)};
	run->done(run);
}

static void fill_lane(struct http_runner *r, enum http_lane lane);

static void on_answer(struct http_exchange *x)
{
	struct http_run *run = x->owner;
	struct http_runner *r = run->runner;
	const enum http_lane lane = run->lane;

	leave_lane(run);
	http_verdict_of(x, &run->op->phases[run->phase], &r->config->secrets, &run->verdict);
	run->done(run);
	fill_lane(r, lane);
}

static void run_send(struct http_run *run)
{
	struct http_runner *r = run->runner;
	const uint64_t now = uv_now(r->loop->uv);
	const uint64_t left = run->due_ms > now ? run->due_ms - now : 1;

	leave_lane(run);
	run->out = true;
	r->lanes[run->lane].out++;
	run->x.request = &run->request;
	run->x.timeout_ms = left < run->op->timeout_ms ? left : run->op->timeout_ms;
	run->x.done = on_answer;
	run->x.owner = run;
	http_client_send(&r->client, &run->x);
}

static void fill_lane(struct http_runner *r, enum http_lane lane)
{
	while (r->lanes[lane].queue != NULL && r->lanes[lane].out < r->config->parallel)
		run_send(r->lanes[lane].queue);
}

static void on_due(struct adapter_timer *t)
{
	struct http_run *run =
		(struct http_run *)(void *)((char *)t - offsetof(struct http_run, timer));

	leave_lane(run);
	end_clean(run, "nothing was sent: as many requests as `parallel` allows were out until "
		       "the deadline");
}

void http_run_start(struct http_run *run)
{
	struct http_runner *r = run->runner;
	const uint64_t now = uv_now(r->loop->uv);

	run->waits = true;
	run->timer.fn = on_due;
	DL_APPEND(r->lanes[run->lane].queue, run);
	adapter_timer_set(r->loop, &run->timer, run->due_ms > now ? run->due_ms - now : 0);
	if (run->due_ms > now) /* else the timer ends it at once */
		fill_lane(r, run->lane);
}

void http_run_cancel(struct http_run *run, const char *why)
{
	struct http_runner *r = run->runner;
	const enum http_lane lane = run->lane;
	const bool sent = run->x.sent;

	assert(run->waits || run->out);
	leave_lane(run);
	http_client_abort(&run->x);
	if (sent) {
		run->verdict =
			(struct http_verdict){.end = HTTP_UNKNOWN, .reason = frame_cut_reason(why)};
		run->done(run);
	} else {
		end_clean(run, why);
	}
	fill_lane(r, lane);
}

enum rc http_run_init(struct http_run *run, struct http_runner *r, const struct http_operation *op,
		      enum http_phase phase, const struct http_values *values, struct err *err)
{
	run->runner = r;
	run->op = op;
	run->phase = phase;
	run->lane = phase == HTTP_PREPARE || (phase == HTTP_CALL && !values->undo)
			    ? HTTP_LANE_WORK
			    : HTTP_LANE_FINISH;
	return http_request_make(r->config, op, phase, values, &run->request, err);
}

void http_run_fini(struct http_run *run)
{
	assert(!run->waits && !run->out);
	http_verdict_fini(&run->verdict);
	http_exchange_fini(&run->x);
	http_request_fini(&run->request);
	run->x = (struct http_exchange){0};
}

void http_runner_init(struct http_runner *r, const struct http_config *config,
		      struct adapter_loop *loop)
{
	r->config = config;
	r->loop = loop;
	http_client_init(&r->client, loop);
	r->client.ca = config->ca[0] != '\0' ? config->ca : NULL;
	r->client.connect_timeout_ms = config->connect_timeout_ms;
	r->client.follow_redirects = config->follow_redirects;
}

void http_runner_fini(struct http_runner *r)
{
	assert(r->lanes[HTTP_LANE_WORK].out == 0 && r->lanes[HTTP_LANE_FINISH].out == 0);
	http_client_fini(&r->client);
}
