/* http_finish.c - see http_branch.h: commit, rollback, list.
 *
 *   ledger_commit   → the request → done: ledger_end → COMMITTED
 *   ledger_rollback → the request → done: ledger_end → ROLLED_BACK
 *   Anything else the service says leaves the row as it is, and the answer UNKNOWN:
 *   the decision stands, and is sent until it is carried out. */
#include "adapters/http_branch.h"

#include "base/mem.h"

#include <stdlib.h>

/* ---- the end ---- */

static void on_over(enum rc rc, const struct ledger_row *row, const char *problem, void *arg)
{
	struct http_call *c = arg;
	struct adapter_loop *loop = &c->http->loop;

	(void)row;
	adapter_loop_enter(loop);
	c->ledgered = false;
	if (rc == RC_OK)
		http_call_end(c, c->kind, NULL);
	else
		http_call_endf(c, RESULT_UNKNOWN,
			       "it is done, but the ledger could not keep that: %s",
			       problem != NULL ? problem : rc_name(rc));
	adapter_loop_leave(loop);
}

/* `kind` is answered once the ledger has it. */
static void over(struct http_call *c, enum ledger_phase phase, enum result_kind kind)
{
	c->kind = kind;
	c->ledgered = true;
	ledger_end(c->http->ledger, &c->id, phase, on_over, c);
}

/* Makes the request of what the ledger kept, and sends it. */
static void run_row(struct http_call *c, const struct ledger_row *row,
		    void (*done)(struct http_run *run))
{
	struct err err = {0};

	if (http_call_make(c, row->operation, row->args, &err) != RC_OK) {
		http_call_endf(c, RESULT_UNKNOWN,
			       "%s; the agent's configuration was changed while the branch was "
			       "prepared: change it back",
			       err.text);
		return;
	}
	if (c->cancelled) {
		http_call_end(c, RESULT_UNKNOWN, "the resource is being closed");
		return;
	}
	c->due_ms = uv_now(c->http->loop.uv) + c->run.op->timeout_ms;
	http_call_run(c, done);
}

static void end_io(struct http_call *c, const char *problem)
{
	http_call_endf(c, RESULT_UNKNOWN, "the ledger could not be written: %s",
		       problem != NULL ? problem : "no reason given");
}

/* ---- commit ---- */

static void on_committed(struct http_run *run)
{
	struct http_call *c = run->owner;
	const struct http_verdict *v = &run->verdict;

	c->running = false;
	if (v->end == HTTP_DONE || (v->end == HTTP_GONE && c->repeat)) {
		over(c, LEDGER_COMMITTED, RESULT_COMMITTED);
	} else if (v->end == HTTP_GONE) {
		/* Over for us: asking again would make "gone" look like "done before". */
		c->reason = mem_printf("gone before its first commit: %s", v->reason);
		over(c, LEDGER_COMMITTED, RESULT_HAZARD);
	} else {
		http_call_end(c, RESULT_UNKNOWN, v->reason);
	}
}

static void end_absent(struct http_call *c)
{
	if (c->repeat)
		http_call_end(c, RESULT_COMMITTED, NULL);
	else
		http_call_end(c, RESULT_HAZARD, "this agent has no such branch");
}

static void on_committing(enum rc rc, const struct ledger_row *row, const char *problem, void *arg)
{
	struct http_call *c = arg;
	struct adapter_loop *loop = &c->http->loop;

	adapter_loop_enter(loop);
	c->ledgered = false;
	if (rc == RC_OK)
		run_row(c, row, on_committed);
	else if (rc == RC_NOT_FOUND)
		end_absent(c);
	else if (rc == RC_CONFLICT && row->phase == LEDGER_COMMITTED)
		http_call_end(c, RESULT_COMMITTED, NULL);
	else if (rc == RC_CONFLICT)
		http_call_endf(c, RESULT_HAZARD, "told to commit a branch that is %s",
			       ledger_phase_name(row->phase));
	else
		end_io(c, problem);
	adapter_loop_leave(loop);
}

void http_commit_start(struct http_call *c)
{
	if (c->http->ledger == NULL) {
		end_absent(c);
		return;
	}
	c->ledgered = true;
	ledger_commit(c->http->ledger, &c->id, on_committing, c);
}

/* ---- rollback ---- */

static void on_rolled_back(struct http_run *run)
{
	struct http_call *c = run->owner;
	const struct http_verdict *v = &run->verdict;

	c->running = false;
	if (v->end == HTTP_DONE || v->end == HTTP_GONE)
		over(c, LEDGER_ROLLED_BACK, RESULT_ROLLED_BACK);
	else
		http_call_end(c, RESULT_UNKNOWN, v->reason);
}

static void on_rolling_back(enum rc rc, const struct ledger_row *row, const char *problem,
			    void *arg)
{
	struct http_call *c = arg;
	struct adapter_loop *loop = &c->http->loop;

	adapter_loop_enter(loop);
	c->ledgered = false;
	if (rc == RC_OK)
		run_row(c, row, on_rolled_back);
	else if (rc == RC_NOT_FOUND || (rc == RC_CONFLICT && row->phase == LEDGER_ROLLED_BACK))
		http_call_end(c, RESULT_ROLLED_BACK, NULL);
	else if (rc == RC_CONFLICT)
		http_call_endf(c, RESULT_HAZARD, "told to roll back a branch that is %s",
			       ledger_phase_name(row->phase));
	else
		end_io(c, problem);
	adapter_loop_leave(loop);
}

void http_rollback_start(struct http_call *c)
{
	if (c->http->ledger == NULL) {
		http_call_end(c, RESULT_ROLLED_BACK, NULL);
		return;
	}
	c->ledgered = true;
	ledger_rollback(c->http->ledger, &c->id, on_rolling_back, c);
}

/* ---- list ---- */

struct listing {
	struct http *http;
	adapter_list_fn done;
	void *arg;
	struct adapter_timer timer; /* without a ledger */
};

static void list_end(struct listing *l, enum rc rc, const struct branch_id *ids, size_t n)
{
	l->http->lists--;
	l->done(rc, ids, n, l->arg);
	adapter_loop_soon(&l->http->loop);
	free(l);
}

static void on_listed(enum rc rc, const struct ledger_row *rows, size_t n, void *arg)
{
	struct listing *l = arg;
	struct branch_id *ids = mem_new(n + 1, sizeof *ids);

	for (size_t i = 0; i < n; i++) {
		ids[i] = rows[i].id;
		ids[i].resource = l->http->resource;
	}
	list_end(l, rc, ids, n);
	free(ids);
}

static void on_none(struct adapter_timer *t)
{
	list_end((struct listing *)(void *)((char *)t - offsetof(struct listing, timer)), RC_OK,
		 NULL, 0);
}

void http_list_start(struct http *h, adapter_list_fn done, void *arg)
{
	struct listing *l = mem_new(1, sizeof *l);

	*l = (struct listing){.http = h, .done = done, .arg = arg, .timer = {.fn = on_none}};
	h->lists++;
	if (h->ledger != NULL)
		ledger_list(h->ledger, on_listed, l);
	else
		adapter_timer_set(&h->loop, &l->timer, 0);
}
