#include "tests/lib/plugin_rig.h"

#include "adapters/plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

char *pr_library(const char *name)
{
	const char *build = getenv("BUILD");
	const char *folder = strcmp(name, "stock") == 0 ? "examples/plugin" : "tests/plugins";
	char *path = textf("%s/%s/%s.so", build != NULL ? build : "build", folder, name);
	char *real = realpath(path, NULL);

	NEED(real != NULL, "%s has not been built", path);
	free(path);
	return real;
}

char *pr_dir(void)
{
	static int n;
	char *dir = temp_path("plugin-%d-%d", (int)getpid(), n++);

	NEED(mkdir(dir, 0755) == 0, "cannot make %s", dir);
	return dir;
}

char *pr_text(const char *library, const char *dir, const char *names, const char *more)
{
	char *text = textf("adapter: plugin\nlibrary: %s\nsettings:\n  dir: %s\n%soperations:\n",
			   library, dir, more);
	char *words = textf("%s", names), *save = NULL;

	for (char *w = strtok_r(words, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save)) {
		char *longer = textf("%s  %s:\n", text, w);

		free(text);
		text = longer;
	}
	free(words);
	return text;
}

static void on_ready(void *arg, const char *problem)
{
	struct pr *r = arg;

	NEED(!r->inside, "called back from inside a call");
	r->told = true;
	r->ready = problem == NULL;
	snprintf(r->problem, sizeof r->problem, "%s", problem != NULL ? problem : "");
}

static void rig_free(struct pr *r)
{
	uv_run(&r->loop, UV_RUN_NOWAIT);
	NEED(uv_loop_close(&r->loop) == 0, "the adapter left a handle open");
	yaml_doc_free(r->doc);
	free(r);
}

struct pr *pr_try(const char *text, const char *directory, struct err *err)
{
	struct pr *r = calloc(1, sizeof *r);
	struct adapter_host host = {.cluster = "test",
				    .agent = "agent-a",
				    .directory = directory,
				    .incarnation = 1,
				    .ready = on_ready};
	enum rc rc;

	NEED(r != NULL, "out of memory");
	uv_loop_init(&r->loop);
	host.loop = &r->loop;
	host.arg = r;
	NEED(yaml_parse(text, strlen(text), &r->doc, err) == RC_OK, "%d: %s\n%s", err->line,
	     err->text, text);
	r->inside = true;
	rc = adapter_plugin.open(&host, "box", yaml_root(r->doc), &r->self, err);
	r->inside = false;
	if (rc == RC_OK)
		return r;
	NEED(rc == err->code, "the code that is returned is not that of the error");
	rig_free(r);
	return NULL;
}

struct pr *pr_open(const char *text)
{
	struct err err = {0};
	struct pr *r = pr_try(text, NULL, &err);

	NEED(r != NULL, "%d:%d: %s", err.line, err.column, err.text);
	PR_UNTIL(r, 20, r->ready);
	return r;
}

static void on_wake(uv_timer_t *t)
{
	(void)t;
}

void pr_turn(struct pr *r)
{
	uv_timer_t wake;

	uv_timer_init(&r->loop, &wake);
	uv_timer_start(&wake, on_wake, 20, 20);
	uv_run(&r->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&wake, NULL);
	uv_run(&r->loop, UV_RUN_NOWAIT);
}

static void on_closed(void *arg)
{
	struct pr *r = arg;

	NEED(!r->inside, "called back from inside a call");
	r->closed = true;
}

void pr_close(struct pr *r)
{
	r->inside = true;
	adapter_plugin.close(r->self, on_closed, r);
	r->inside = false;
	PR_UNTIL(r, 20, r->closed);
	for (size_t i = 0; i < r->n_calls; i++) {
		struct pr_call *c = r->calls[i];

		NEED(c->answers == 1, "call %zu was answered %d times", i, c->answers);
		free(c->output);
		free(c->reason);
		free(c->first);
		free(c);
	}
	rig_free(r);
}

/* ---- calls ---- */

static struct pr_call *new_call(struct pr *r)
{
	struct pr_call *call = calloc(1, sizeof *call);

	NEED(call && r->n_calls < sizeof r->calls / sizeof r->calls[0], "too many calls");
	call->rig = r;
	r->calls[r->n_calls++] = call;
	uv_update_time(&r->loop);
	r->inside = true;
	return call;
}

static void on_done(const struct adapter_answer *answer, void *arg)
{
	struct pr_call *call = arg;

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
	struct pr_call *call = arg;

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

/* What is given is only borrowed: each is a copy that is gone after the call. */
struct pr_call *pr_do_in(struct pr *r, const char *gid, bool undo, const char *op, const char *args,
			 uint32_t timeout_ms)
{
	struct pr_call *call = new_call(r);
	char *gid_copy = textf("%s", gid), *op_copy = textf("%s", op), *copy = textf("%s", args);
	const struct adapter_call c = {
		.gid = gid_copy,
		.step = "s",
		.undo = undo,
		.attempt = 1,
		.operation = op_copy,
		.args = {copy, strlen(copy)},
		.timeout_ms = timeout_ms,
	};

	adapter_plugin.call(r->self, &c, on_done, call);
	r->inside = false;
	free(gid_copy);
	free(op_copy);
	free(copy);
	return call;
}

struct pr_call *pr_do(struct pr *r, const char *gid, const char *op)
{
	return pr_do_in(r, gid, false, op, "{}", 60000);
}

struct pr_call *pr_undo(struct pr *r, const char *gid, const char *op)
{
	return pr_do_in(r, gid, true, op, "{}", 60000);
}

struct pr_call *pr_prepare_in(struct pr *r, const char *gid, const char *op, const char *args,
			      uint32_t timeout_ms, bool read_only)
{
	struct pr_call *call = new_call(r);
	char *gid_copy = textf("%s", gid), *op_copy = textf("%s", op), *copy = textf("%s", args);
	const struct adapter_work w = {
		.id = id_of(gid_copy),
		.operation = op_copy,
		.args = {copy, strlen(copy)},
		.timeout_ms = timeout_ms,
		.read_only = read_only,
	};

	adapter_plugin.prepare(r->self, &w, on_done, call);
	r->inside = false;
	free(gid_copy);
	free(op_copy);
	free(copy);
	return call;
}

struct pr_call *pr_prepare(struct pr *r, const char *gid, const char *op)
{
	return pr_prepare_in(r, gid, op, "{}", 60000, false);
}

struct pr_call *pr_commit(struct pr *r, const char *gid, bool repeat)
{
	struct pr_call *call = new_call(r);
	const struct branch_id id = id_of(gid);

	adapter_plugin.commit(r->self, &id, repeat, on_done, call);
	r->inside = false;
	return call;
}

struct pr_call *pr_rollback(struct pr *r, const char *gid)
{
	struct pr_call *call = new_call(r);
	const struct branch_id id = id_of(gid);

	adapter_plugin.rollback(r->self, &id, on_done, call);
	r->inside = false;
	return call;
}

struct pr_call *pr_list(struct pr *r)
{
	struct pr_call *call = new_call(r);

	adapter_plugin.list(r->self, on_listed, call);
	r->inside = false;
	PR_UNTIL(r, 20, call->answers > 0);
	return call;
}

void pr_cancel(struct pr *r, const char *gid)
{
	const struct branch_id id = id_of(gid);

	r->inside = true;
	adapter_plugin.cancel(r->self, &id);
	r->inside = false;
}

void pr_cancel_call(struct pr *r, const char *gid, bool undo)
{
	r->inside = true;
	adapter_plugin.cancel_call(r->self, gid, "s", undo);
	r->inside = false;
}

const char *pr_word(struct pr_call *call)
{
	PR_UNTIL(call->rig, 60, call->answers > 0);
	return result_kind_name(call->kind);
}
