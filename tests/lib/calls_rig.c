#include "tests/lib/calls_rig.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { STANDARD_MS = 60000 };

static const char *agent_name = "agent-a";

void cr_agent(const char *name)
{
	agent_name = name;
}

static void on_ready(void *arg, const char *problem)
{
	struct cr *r = arg;

	NEED(!r->inside, "called back from inside a call");
	r->told = true;
	r->ready = problem == NULL;
	snprintf(r->problem, sizeof r->problem, "%s", problem != NULL ? problem : "");
}

static void free_all(struct cr *r)
{
	yaml_doc_free(r->doc);
	NEED(uv_loop_close(&r->loop) == 0, "the adapter left a handle open");
	free(r);
}

struct cr *cr_try_open(const struct adapter *adapter, const char *config, struct err *err)
{
	struct cr *r = calloc(1, sizeof *r);
	static uint64_t incarnation;
	struct adapter_host host = {.cluster = "test",
				    .agent = agent_name,
				    .incarnation = ++incarnation,
				    .ready = on_ready};
	enum rc rc;

	NEED(r, "out of memory");
	signal(SIGPIPE, SIG_IGN); /* as the agent's main does */
	r->adapter = adapter;
	uv_loop_init(&r->loop);
	host.loop = &r->loop;
	host.arg = r;
	NEED(yaml_parse(config, strlen(config), &r->doc, err) == RC_OK, "%d: %s\n%s", err->line,
	     err->text, config);
	r->inside = true;
	rc = adapter->open(&host, "box", yaml_root(r->doc), &r->self, err);
	r->inside = false;
	if (rc == RC_OK)
		return r;
	free_all(r);
	return NULL;
}

struct cr *cr_open(const struct adapter *adapter, const char *config)
{
	struct err err = {0};
	struct cr *r = cr_try_open(adapter, config, &err);

	NEED(r != NULL, "%d:%d: %s\n%s", err.line, err.column, err.text, config);
	return r;
}

struct cr *cr_serve(const struct adapter *adapter, const char *config)
{
	struct cr *r = cr_open(adapter, config);
	const int64_t until = clock_ms() + harness_patience_ms(30);

	while (!r->ready) {
		if (clock_ms() > until)
			FAIL("not ready: %s", r->problem);
		cr_turn(r);
	}
	return r;
}

static void on_closed(void *arg)
{
	struct cr *r = arg;

	NEED(!r->inside, "called back from inside a call");
	r->closed = true;
}

void cr_shut(struct cr *r)
{
	if (r->self == NULL)
		return;
	r->inside = true;
	r->adapter->close(r->self, on_closed, r);
	r->inside = false;
	r->self = NULL;
}

void cr_close(struct cr *r)
{
	cr_shut(r);
	CR_UNTIL(r, 30, r->closed);
	uv_run(&r->loop, UV_RUN_NOWAIT);
	for (size_t i = 0; i < r->n_calls; i++) {
		struct cr_call *c = r->calls[i];

		NEED(c->answers == 1, "call %zu was answered %d times", i, c->answers);
		free(c->output);
		free(c->reason);
		free(c);
	}
	free_all(r);
}

static void on_wake(uv_timer_t *t)
{
	(void)t;
}

void cr_turn(struct cr *r)
{
	uv_timer_t wake;

	/* A turn of the loop ends after a while even if nothing happens. */
	uv_timer_init(&r->loop, &wake);
	uv_timer_start(&wake, on_wake, 20, 20);
	uv_run(&r->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&wake, NULL);
	uv_run(&r->loop, UV_RUN_NOWAIT);
}

/* ---- calls ---- */

static void on_done(const struct adapter_answer *answer, void *arg)
{
	struct cr_call *c = arg;

	NEED(!c->rig->inside, "called back from inside a call");
	NEED(c->answers++ == 0, "answered a second time");
	c->kind = answer->kind;
	c->reason = answer->reason != NULL ? textf("%s", answer->reason) : NULL;
	c->output = answer->output.size > 0
			    ? textf("%.*s", (int)answer->output.size, answer->output.data)
			    : NULL;
}

struct cr_call *cr_call(struct cr *r, const struct adapter_call *call)
{
	struct cr_call *c = calloc(1, sizeof *c);
	char *gid = textf("%s", call->gid), *step = textf("%s", call->step);
	char *operation = textf("%s", call->operation);
	char *args = textf("%.*s", (int)call->args.size, call->args.data);
	struct adapter_call copy = *call;

	NEED(c && r->n_calls < sizeof r->calls / sizeof r->calls[0], "too many calls");
	c->rig = r;
	r->calls[r->n_calls++] = c;
	copy.gid = gid;
	copy.step = step;
	copy.operation = operation;
	copy.args.data = args;
	uv_update_time(&r->loop);
	r->inside = true;
	r->adapter->call(r->self, &copy, on_done, c);
	r->inside = false;
	free(gid);
	free(step);
	free(operation);
	free(args);
	return c;
}

static struct cr_call *standard(struct cr *r, const char *gid, const char *step, bool undo,
				const char *operation, const char *args)
{
	return cr_call(r, &(struct adapter_call){.gid = gid,
						 .step = step,
						 .undo = undo,
						 .attempt = 1,
						 .operation = operation,
						 .args = {args, strlen(args)},
						 .timeout_ms = STANDARD_MS});
}

struct cr_call *cr_do(struct cr *r, const char *gid, const char *step, const char *operation,
		      const char *args)
{
	return standard(r, gid, step, false, operation, args);
}

struct cr_call *cr_undo(struct cr *r, const char *gid, const char *step, const char *operation,
			const char *args)
{
	return standard(r, gid, step, true, operation, args);
}

void cr_cancel(struct cr *r, const char *gid, const char *step, bool undo)
{
	r->inside = true;
	r->adapter->cancel_call(r->self, gid, step, undo);
	r->inside = false;
}

const char *cr_word(struct cr_call *call)
{
	CR_UNTIL(call->rig, 90, call->answers > 0);
	return result_kind_name(call->kind);
}
