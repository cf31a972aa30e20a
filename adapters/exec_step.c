/* exec_step.c - one command of an operation: started, and its end handed on.  See
 * exec_impl.h; what an end means is exec_verdict's.
 *
 * A command that was killed and does not die (its disk hangs) is kept here by its key
 * until it does, since it may still act. */
#include "adapters/exec_impl.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* ---- those that do not die ---- */

static void on_dead(void *arg)
{
	struct exec_lost *lost = arg;

	HASH_DEL(lost->ex->lost, lost);
	free(lost);
}

static void remember_lost(struct exec_call *c)
{
	struct exec_lost *lost = mem_new(1, sizeof *lost);

	lost->ex = c->ex;
	lost->run = c->run;
	strcpy(lost->key, c->key);
	HASH_ADD_STR(c->ex->lost, key, lost);
	exec_run_lost(c->run, on_dead, lost);
}

bool exec_step_lost(struct exec *ex, const char *key)
{
	struct exec_lost *lost;

	HASH_FIND_STR(ex->lost, key, lost);
	return lost != NULL;
}

void exec_step_forget_lost(struct exec *ex)
{
	struct exec_lost *lost, *tmp;

	HASH_ITER (hh, ex->lost, lost, tmp) {
		HASH_DEL(ex->lost, lost);
		exec_run_forget(lost->run);
		free(lost);
	}
}

/* ---- the command ---- */

/* Inside our own callback: runs are ended from the loop. */
static void on_ended(const struct exec_end *end, void *arg)
{
	struct exec_call *c = arg;
	struct exec_verdict v;

	exec_judge(end, &v);
	if (end->lost)
		remember_lost(c);
	c->run = NULL;
	c->after(c, &v);
	free(v.reason);
}

static enum rc start(struct exec_call *c, const struct exec_step *step,
		     const struct exec_task *task, uint64_t timeout_ms, struct err *err)
{
	struct exec *ex = c->ex;
	char *path = exec_find(step->argv[0], ex->config.directory, ex->config.path);
	struct exec_command command = {
		.path = path,
		.argv = step->argv,
		.directory = ex->config.directory,
		.timeout_ms = timeout_ms < step->timeout_ms ? timeout_ms : step->timeout_ms,
		.grace_ms = EXEC_GRACE_MS,
		.patience_ms = EXEC_PATIENCE_MS,
	};
	char **env = exec_env_make(&ex->config, task);
	char *input = exec_input_make(task, &command.input.size);
	enum rc rc;

	command.input.data = input;
	command.envp = env;
	if (path == NULL)
		rc = err_set(err, RC_NOT_FOUND, "cannot find %s", step->argv[0]);
	else
		rc = exec_run_start(&ex->loop, &command, on_ended, c, &c->run, err);
	exec_env_free(env);
	free(input);
	free(path);
	return rc;
}

enum rc exec_step_run(struct exec_call *c, enum exec_phase phase, struct bytes args,
		      struct bytes prepared, uint64_t timeout_ms, exec_after_fn after,
		      struct err *err)
{
	struct exec *ex = c->ex;
	const struct exec_task task = {
		.cluster = ex->cluster,
		.agent = ex->agent,
		.resource = ex->resource,
		.key = c->key,
		.id = c->id,
		.operation = c->operation,
		.phase = phase,
		.args = args,
		.prepared = prepared,
		.undo = c->kind == COMMAND_UNDO,
		.attempt = c->attempt,
		.state = ex->state,
	};
	enum rc rc;

	c->after = after;
	rc = start(c, &c->operation->steps[phase], &task, timeout_ms, err);
	if (rc == RC_NOT_FOUND || rc == RC_REFUSED)
		exec_ready_check(ex);
	return rc;
}
