#include "tests/lib/exec_rig.h"

#include "adapters/exec.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

char *xr_dir(void)
{
	static int n;
	char *dir = temp_path("exec-%d-%d", (int)getpid(), n++);

	NEED(mkdir(dir, 0755) == 0, "cannot make %s", dir);
	return dir;
}

char *xr_operation(const char *name, const char *script)
{
	return textf("  %s:\n"
		     "    prepare: {command: [sh, -c, '%s']}\n"
		     "    commit: {command: [sh, -c, 'echo $SETTLE_GID >> committed']}\n"
		     "    rollback: {command: [sh, -c, 'echo $SETTLE_GID >> undone']}\n",
		     name, script);
}

static void on_ready(void *arg, const char *problem)
{
	struct xr *r = arg;

	NEED(!r->inside, "called back from inside a call");
	r->told = true;
	r->ready = problem == NULL;
	snprintf(r->problem, sizeof r->problem, "%s", problem != NULL ? problem : "");
}

/* Takes `text`. */
static struct xr *open_text(const char *dir, char *text)
{
	struct xr *r = calloc(1, sizeof *r);
	struct err err = {0};
	struct adapter_host host = {
		.cluster = "test", .agent = "agent-a", .incarnation = 1, .ready = on_ready};

	NEED(r, "out of memory");
	signal(SIGPIPE, SIG_IGN); /* as the agent's main does */
	r->dir = textf("%s", dir);
	uv_loop_init(&r->loop);
	host.loop = &r->loop;
	host.arg = r;
	NEED(yaml_parse(text, strlen(text), &r->doc, &err) == RC_OK, "%d: %s\n%s", err.line,
	     err.text, text);
	r->inside = true;
	NEED(adapter_exec.open(&host, "box", yaml_root(r->doc), &r->self, &err) == RC_OK,
	     "%d:%d: %s", err.line, err.column, err.text);
	r->inside = false;
	free(text);
	return r;
}

struct xr *xr_open(const char *dir, const char *operations, const char *more)
{
	return open_text(dir, textf("adapter: exec\nstate: %s/state.db\ndirectory: %s\n"
				    "%soperations:\n%s",
				    dir, dir, more, operations));
}

struct xr *xr_open_stateless(const char *dir, const char *operations)
{
	return open_text(dir,
			 textf("adapter: exec\ndirectory: %s\noperations:\n%s", dir, operations));
}

static void on_wake(uv_timer_t *t)
{
	(void)t;
}

void xr_turn(struct xr *r)
{
	uv_timer_t wake;

	uv_timer_init(&r->loop, &wake);
	uv_timer_start(&wake, on_wake, 20, 20);
	uv_run(&r->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&wake, NULL);
	uv_run(&r->loop, UV_RUN_NOWAIT);
}

struct xr *xr_serve(struct xr *r)
{
	const int64_t until = clock_ms() + harness_patience_ms(20);

	while (!r->ready) {
		if (clock_ms() > until)
			FAIL("not ready: %s", r->problem);
		xr_turn(r);
	}
	return r;
}

static void on_closed(void *arg)
{
	struct xr *r = arg;

	NEED(!r->inside, "called back from inside a call");
	r->closed = true;
}

void xr_close(struct xr *r)
{
	r->inside = true;
	adapter_exec.close(r->self, on_closed, r);
	r->inside = false;
	XR_UNTIL(r, 10, r->closed);
	uv_run(&r->loop, UV_RUN_NOWAIT);
	NEED(uv_loop_close(&r->loop) == 0, "the adapter left a handle open");
	NEED(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, "a child is left");
	for (size_t i = 0; i < r->n_calls; i++) {
		struct xr_call *c = r->calls[i];

		NEED(c->answers == 1, "call %zu was answered %d times", i, c->answers);
		free(c->output);
		free(c->reason);
		free(c->first);
		free(c);
	}
	yaml_doc_free(r->doc);
	free(r->dir);
	free(r);
}

/* ---- calls ---- */

static struct xr_call *new_call(struct xr *r)
{
	struct xr_call *call = calloc(1, sizeof *call);

	NEED(call && r->n_calls < sizeof r->calls / sizeof r->calls[0], "too many calls");
	call->rig = r;
	r->calls[r->n_calls++] = call;
	uv_update_time(&r->loop);
	r->inside = true;
	return call;
}

static void on_done(const struct adapter_answer *answer, void *arg)
{
	struct xr_call *call = arg;

	NEED(!call->rig->inside, "called back from inside a call");
	call->answers++;
	call->kind = answer->kind;
	call->retry_after_ms = answer->retry_after_ms;
	call->reason = answer->reason != NULL ? textf("%s", answer->reason) : NULL;
	call->output = answer->output.size > 0
			       ? textf("%.*s", (int)answer->output.size, answer->output.data)
			       : NULL;
}

static void on_listed(enum rc rc, const struct branch_id *branches, size_t n, void *arg)
{
	struct xr_call *call = arg;

	NEED(!call->rig->inside, "called back from inside a call");
	call->answers++;
	call->rc = rc;
	call->n = n;
	call->first = n == 0 ? textf("%s", "")
			     : textf("%llu %s %s %s", (unsigned long long)branches[0].epoch,
				     branches[0].resource, branches[0].gid, branches[0].branch);
}

static struct branch_id id_of(const char *gid)
{
	return (struct branch_id){.resource = "box", .gid = gid, .epoch = 7, .branch = "s.b"};
}

struct xr_call *xr_prepare_in(struct xr *r, const char *gid, const char *op, const char *args,
			      uint32_t timeout_ms, bool read_only)
{
	struct xr_call *call = new_call(r);
	/* What is given is only borrowed. */
	char *gid_copy = textf("%s", gid), *op_copy = textf("%s", op), *copy = textf("%s", args);
	const struct adapter_work w = {
		.id = id_of(gid_copy),
		.operation = op_copy,
		.args = {copy, strlen(copy)},
		.timeout_ms = timeout_ms,
		.read_only = read_only,
	};

	adapter_exec.prepare(r->self, &w, on_done, call);
	r->inside = false;
	free(gid_copy);
	free(op_copy);
	free(copy);
	return call;
}

struct xr_call *xr_prepare(struct xr *r, const char *gid, const char *op)
{
	return xr_prepare_in(r, gid, op, "{}", 20000, false);
}

struct xr_call *xr_commit(struct xr *r, const char *gid, bool repeat)
{
	struct xr_call *call = new_call(r);
	const struct branch_id id = id_of(gid);

	adapter_exec.commit(r->self, &id, repeat, on_done, call);
	r->inside = false;
	return call;
}

struct xr_call *xr_rollback(struct xr *r, const char *gid)
{
	struct xr_call *call = new_call(r);
	const struct branch_id id = id_of(gid);

	adapter_exec.rollback(r->self, &id, on_done, call);
	r->inside = false;
	return call;
}

struct xr_call *xr_list(struct xr *r)
{
	struct xr_call *call = new_call(r);

	adapter_exec.list(r->self, on_listed, call);
	r->inside = false;
	XR_UNTIL(r, 10, call->answers > 0);
	ck_assert_int_eq(call->rc, RC_OK);
	return call;
}

void xr_cancel(struct xr *r, const char *gid)
{
	const struct branch_id id = id_of(gid);

	r->inside = true;
	adapter_exec.cancel(r->self, &id);
	r->inside = false;
}

/* What is given is only borrowed. */
struct xr_call *xr_call_in(struct xr *r, const struct adapter_call *given)
{
	struct xr_call *call = new_call(r);
	char *gid = textf("%s", given->gid), *step = textf("%s", given->step),
	     *operation = textf("%s", given->operation),
	     *args = textf("%.*s", (int)given->args.size, given->args.data);
	struct adapter_call copy = *given;

	copy.gid = gid;
	copy.step = step;
	copy.operation = operation;
	copy.args.data = args;
	r->inside = true;
	adapter_exec.call(r->self, &copy, on_done, call);
	r->inside = false;
	free(gid);
	free(step);
	free(operation);
	free(args);
	return call;
}

struct xr_call *xr_do(struct xr *r, const char *gid, const char *op, const char *args)
{
	return xr_call_in(r, &(struct adapter_call){.gid = gid,
						    .step = "st",
						    .attempt = 1,
						    .operation = op,
						    .args = {args, strlen(args)},
						    .timeout_ms = 20000});
}

struct xr_call *xr_undo(struct xr *r, const char *gid, const char *op, const char *args)
{
	return xr_call_in(r, &(struct adapter_call){.gid = gid,
						    .step = "st",
						    .undo = true,
						    .attempt = 1,
						    .operation = op,
						    .args = {args, strlen(args)},
						    .timeout_ms = 20000});
}

void xr_cancel_call(struct xr *r, const char *gid, bool undo)
{
	r->inside = true;
	adapter_exec.cancel_call(r->self, gid, "st", undo);
	r->inside = false;
}

struct resource_info xr_info(struct xr *r)
{
	struct resource_info info;

	adapter_exec.describe(r->self, &info);
	return info;
}

const char *xr_word(struct xr_call *call)
{
	static const char *const words[] = {
		[RESULT_NONE] = "none",           [RESULT_PREPARED] = "prepared",
		[RESULT_READ_ONLY] = "read-only", [RESULT_REFUSED] = "refused",
		[RESULT_COMMITTED] = "committed", [RESULT_ROLLED_BACK] = "rolled-back",
		[RESULT_HAZARD] = "hazard",       [RESULT_UNKNOWN] = "unknown",
		[RESULT_DONE] = "done",           [RESULT_RETRY] = "retry",
		[RESULT_PENDING] = "pending",
	};

	XR_UNTIL(call->rig, 30, call->answers > 0);
	return words[call->kind];
}

/* ---- files ---- */

char *xr_file(const struct xr *r, const char *name)
{
	char *path = textf("%s/%s", r->dir, name), *text = file_read(path);

	free(path);
	return text;
}

bool xr_has(const struct xr *r, const char *name)
{
	char *path = textf("%s/%s", r->dir, name);
	const bool there = access(path, F_OK) == 0;

	free(path);
	return there;
}

bool xr_alive(const struct xr *r, const char *pid_file)
{
	char *text = xr_file(r, pid_file), *path, *stat;
	bool alive;

	NEED(text != NULL && atoi(text) > 0, "no process number in %s", pid_file);
	path = textf("/proc/%d/stat", atoi(text));
	stat = file_read(path);
	alive = stat != NULL && strstr(stat, ") Z ") == NULL;
	free(stat);
	free(path);
	free(text);
	return alive;
}
