/* exec_ready.c - may the resource serve?  Its ledger can be written, every program is
 * there, and no command of an earlier start is still at work.
 *
 * Once it has served, only the ledger takes that back, or a program that cannot be
 * found when it is started. */
#include "adapters/exec_impl.h"

#include "adapters/exec_orphans.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static struct exec *of(struct adapter_timer *t, size_t offset)
{
	return (struct exec *)((char *)t - offset);
}

static void set(char **problem, char *text)
{
	free(*problem);
	*problem = text;
}

const char *exec_ready_problem(const struct exec *ex)
{
	if (ex->ledger_problem != NULL)
		return ex->ledger_problem;
	return ex->missing != NULL ? ex->missing : ex->orphans_problem;
}

void exec_ready_tell(struct exec *ex)
{
	const char *problem = exec_ready_problem(ex);

	if (problem != NULL && problem == ex->orphans_problem && !ex->found)
		return; /* the first look takes a moment: no news */
	if (ex->closing || (ex->told && (problem == NULL) == (ex->told_problem == NULL) &&
			    (problem == NULL || strcmp(problem, ex->told_problem) == 0)))
		return;
	ex->told = true;
	set(&ex->told_problem, mem_dup(problem));
	ex->host.ready(ex->host.arg, problem);
}

/* ---- programs ---- */

static char *find_missing(const struct exec *ex)
{
	const struct exec_config *config = &ex->config;

	for (size_t i = 0; i < config->n_operations; i++) {
		const struct exec_operation *op = &config->operations[i];

		for (unsigned k = 0; k < EXEC_PHASES; k++) {
			char **argv = op->steps[k].argv;
			char *path = argv == NULL
					     ? NULL
					     : exec_find(argv[0], config->directory, config->path);

			free(path);
			if (argv != NULL && path == NULL)
				return mem_printf("operation %s: %s: cannot find or execute %s%s%s",
						  op->name, exec_phase_name((enum exec_phase)k),
						  argv[0],
						  strchr(argv[0], '/') == NULL ? " in PATH=" : "",
						  strchr(argv[0], '/') == NULL ? config->path : "");
		}
	}
	return NULL;
}

static void on_recheck(struct adapter_timer *t)
{
	exec_ready_check(of(t, offsetof(struct exec, recheck)));
}

void exec_ready_check(struct exec *ex)
{
	set(&ex->missing, find_missing(ex));
	if (ex->missing != NULL && !ex->closing)
		adapter_timer_set(&ex->loop, &ex->recheck, EXEC_RECHECK_MS);
	adapter_loop_soon(&ex->loop);
}

/* ---- commands of an earlier start ---- */

static void orphans_gone(struct exec *ex)
{
	for (size_t i = 0; i < ex->n_keys; i++)
		free(ex->keys[i]);
	free(ex->keys);
	ex->keys = NULL;
	ex->n_keys = 0;
	set(&ex->orphans_problem, NULL);
}

static void on_scanned(size_t found, int pid, void *arg)
{
	struct exec *ex = arg;

	adapter_loop_enter(&ex->loop);
	ex->scanning = false;
	ex->clean = found > 0 ? 0 : ex->clean + 1;
	ex->found = ex->found || found > 0;
	if (found > 0) {
		log_event(LOG_WARN, "exec-orphans-killed",
			  "resource=%s found=%zu pid=%d commands of an earlier start still ran",
			  ex->resource, found, pid);
		set(&ex->orphans_problem,
		    mem_printf("waiting for a command of an earlier start of this agent to die "
			       "(process %d)",
			       pid));
	}
	/* One look may miss a child whose parent ended while it looked. */
	if (ex->clean >= 2)
		orphans_gone(ex);
	else if (!ex->closing)
		adapter_timer_set(&ex->loop, &ex->rescan, EXEC_ORPHANS_MS);
	adapter_loop_leave(&ex->loop);
	adapter_loop_closed(&ex->loop);
}

static void on_rescan(struct adapter_timer *t)
{
	struct exec *ex = of(t, offsetof(struct exec, rescan));

	if (ex->closing)
		return;
	ex->scanning = true;
	adapter_loop_opened(&ex->loop);
	exec_orphans_kill(ex->loop.uv, ex->keys, ex->n_keys, ex->state, on_scanned, ex);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void on_left(enum rc rc, const struct ledger_row *rows, size_t n, void *arg)
{
	struct exec *ex = arg;

	adapter_loop_enter(&ex->loop);
	ex->scanning = false;
	if (rc == RC_OK && exec_config_can(&ex->config, NULL, EXEC_CALL) && ex->state == NULL)
		ex->state = realpath(ex->config.state, NULL); /* the file is there: it was read */
	if (rc == RC_OK && n == 0 && ex->state == NULL) {
		orphans_gone(ex);
	} else if (rc == RC_OK) {
		ex->keys = mem_new(n, sizeof *ex->keys);
		for (size_t i = 0; i < n; i++) {
			char key[EXEC_KEY_SIZE];

			exec_key_make(key, ex->cluster, &rows[i].id);
			ex->keys[ex->n_keys++] = mem_dup(key);
		}
		qsort(ex->keys, n, sizeof *ex->keys, by_text);
		if (!ex->closing)
			adapter_timer_set(&ex->loop, &ex->rescan, 0);
	} /* else the ledger will be ready again, and then this is done again */
	adapter_loop_leave(&ex->loop);
}

void exec_ready_ledger(void *exec, const char *problem)
{
	struct exec *ex = exec;

	adapter_loop_enter(&ex->loop);
	set(&ex->ledger_problem, mem_dup(problem));
	if (problem == NULL && ex->orphans_problem != NULL && ex->keys == NULL && !ex->scanning &&
	    !ex->closing) {
		ex->scanning = true;
		ledger_list(ex->ledger, on_left, ex);
	}
	adapter_loop_leave(&ex->loop);
}

/* ---- life ---- */

void exec_ready_init(struct exec *ex)
{
	ex->recheck.fn = on_recheck;
	ex->rescan.fn = on_rescan;
	if (ex->config.state[0] != '\0') {
		ex->ledger_problem = mem_dup("opening the state file");
		ex->orphans_problem =
			mem_dup("looking for commands of an earlier start of this agent");
		set(&ex->told_problem, mem_dup(ex->ledger_problem));
		ex->told = true;
	}
	exec_ready_check(ex);
}

void exec_ready_fini(struct exec *ex)
{
	orphans_gone(ex);
	free(ex->state);
	set(&ex->ledger_problem, NULL);
	set(&ex->missing, NULL);
	set(&ex->told_problem, NULL);
}
