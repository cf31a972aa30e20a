/* exec_impl.h - one exec resource: what its parts share.
 *
 *   exec.c        the contract's functions       exec_config, exec_env
 *   exec_call     a call: queue, slot, answer    exec_run, exec_spawn  a process
 *   exec_flow     the steps of a branch's calls  exec_verdict  what its end means
 *   exec_saga     the calls of sagas             exec_orphans  an earlier agent's
 *   exec_step     one command of any of them     exec_ready    may it serve?
 *   ledger        what is prepared, durably
 *
 * Private to these files.  Thread: the loop's. */
#ifndef ADAPTERS_EXEC_IMPL_H
#define ADAPTERS_EXEC_IMPL_H

#include "adapters/exec_config.h"
#include "adapters/exec_env.h"
#include "adapters/exec_run.h"
#include "adapters/exec_verdict.h"
#include "adapters/ledger.h"
#include "adapters/loop.h"
#include "base/id.h"
#include "participant/adapter.h"

#include <uthash.h>

enum {
	EXEC_KEY_SIZE = 256,     /* `settle:<cluster>:<epoch>:<gid>:<branch>` */
	EXEC_GRACE_MS = 2000,    /* from SIGTERM to SIGKILL */
	EXEC_PATIENCE_MS = 5000, /* from SIGKILL to giving up */
	EXEC_QUEUE_MS = 10000,   /* longest wait of a commit or rollback for a free slot */
	EXEC_RECHECK_MS = 2000,  /* between looks for a program that is missing */
	EXEC_ORPHANS_MS = 100,   /* between looks for what an earlier start left running */
};

struct exec;
struct exec_call;

/* A command of the call has ended: called from inside our own callback. */
typedef void (*exec_after_fn)(struct exec_call *c, const struct exec_verdict *v);

/*   QUEUED ──▶ BUSY (the ledger, or a command) ──▶ ANSWERED ──▶ told, freed */
enum exec_place { EXEC_QUEUED, EXEC_BUSY, EXEC_ANSWERED };

struct exec_call {
	struct exec *ex;
	struct exec_call *prev, *next;           /* in a queue, or among the answers */
	struct exec_call *prev_open, *next_open; /* among all that are not answered */
	UT_hash_handle hh;                       /* by key, while not answered */
	char gid[GID_MAX + 1], branch[NAME_MAX_LEN + 1];
	struct branch_id id; /* points into these; of a saga's call: `branch` is the step */
	char key[EXEC_KEY_SIZE];

	enum command_kind kind; /* PREPARE, COMMIT, ROLLBACK, DO, UNDO; NONE: a list */
	enum exec_place place;
	bool slot;   /* it holds one of `parallel` */
	bool repeat; /* of a commit */
	bool cancelled;
	bool undoing;               /* a prepare that rolls back before it refuses */
	struct adapter_timer timer; /* while QUEUED */
	uint64_t ends_at;           /* of a prepare, DO or UNDO, in the loop's ms */
	uint32_t attempt;           /* DO and UNDO */

	const struct exec_operation *operation; /* NULL: not known (yet) */
	char *args;
	size_t args_size;
	struct exec_run *run;
	exec_after_fn after; /* the end of that */

	adapter_done_fn done;
	adapter_list_fn listed;
	void *arg;

	/* the answer */
	enum result_kind result;
	enum result_kind no; /* of a prepare: said once the ledger knows that nothing is left */
	char *output;
	size_t output_size;
	char *reason; /* or NULL */
	uint32_t retry_after_ms;
	enum rc rc; /* of a list */
	struct branch_id *found;
	char **names; /* which `found` points to */
	size_t n_found;
};

/* A run that was killed and does not die; its branch waits for that. */
struct exec_lost {
	struct exec *ex;
	char key[EXEC_KEY_SIZE];
	struct exec_run *run;
	UT_hash_handle hh;
};

struct exec {
	struct adapter_host host; /* its strings are ours */
	char *cluster, *agent, *resource;
	struct exec_config config;
	struct operation_info *operations; /* for describe */
	struct adapter_loop loop;
	struct ledger *ledger; /* NULL: there is none, or it is closed */

	struct exec_call *open, *by_key;
	struct exec_call *queued_work, *queued_finish, *answers;
	struct exec_lost *lost;
	int64_t running; /* slots that are taken */

	/* readiness */
	char *ledger_problem;  /* NULL: it can be written */
	char *missing;         /* NULL: every program is there */
	char *orphans_problem; /* NULL: none is left */
	char **keys;           /* whose orphans are looked for */
	size_t n_keys;
	char *state; /* the state file's whole path, if there are calls; or NULL */
	int clean;   /* looks in a row that found none */
	bool found;  /* one of them did find some */
	bool scanning;
	struct adapter_timer recheck, rescan;
	bool told;
	char *told_problem;

	bool closing, ledger_closing;
	adapter_closed_fn closed;
	void *closed_arg;
};

/* ---- exec_call.c ---- */

/* A call about `id` (NULL: a list; DO, UNDO: of gid and, as branch, step), which must be ended by
 * exec_call_answer. */
struct exec_call *exec_call_new(struct exec *ex, enum command_kind kind, const struct branch_id *id,
				void *arg);
/* Waits for a slot, then goes on with exec_flow_start; not longer than `ms`. */
void exec_call_queue(struct exec_call *c, uint64_t ms);
/* The call ends; the agent is told from exec_call_deliver. `fmt` may be NULL. */
void exec_call_answer(struct exec_call *c, enum result_kind result, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void exec_call_deliver(struct exec *ex);
/* Gives free slots to those who wait; true if anybody got one. */
bool exec_call_dispatch(struct exec *ex);
/* The call of that key (exec_key_make, call_key) that is not answered yet, or NULL. */
struct exec_call *exec_call_find(struct exec *ex, const char *key);
/* Ends what is queued and kills what runs. */
void exec_call_end_all(struct exec *ex);
void exec_key_make(char out[EXEC_KEY_SIZE], const char *cluster, const struct branch_id *id);

/* ---- exec_flow.c ---- */

/* The call has its slot. */
void exec_flow_start(struct exec_call *c);
void exec_flow_list(struct exec_call *c);

/* ---- exec_saga.c ---- */

/* Takes a call of a saga in: queued, or answered. */
void exec_saga_take(struct exec_call *c, const struct adapter_call *call);
/* It has its slot. */
void exec_saga_start(struct exec_call *c);
/* It is not to go on. */
void exec_saga_cancel(struct exec_call *c);

/* ---- exec_step.c ---- */

/* Starts the operation's command for `phase`; `after` follows when it has ended, unless
 * this fails: RC_UNKNOWN, or the command was certainly not started.  What is given is
 * borrowed for the call. */
enum rc exec_step_run(struct exec_call *c, enum exec_phase phase, struct bytes args,
		      struct bytes prepared, uint64_t timeout_ms, exec_after_fn after,
		      struct err *err);
/* True while a command of this key was killed and does not die. */
bool exec_step_lost(struct exec *ex, const char *key);
/* Runs that were lost are not waited for any more. */
void exec_step_forget_lost(struct exec *ex);

/* ---- exec_ready.c ---- */

void exec_ready_init(struct exec *ex);
/* For the ledger. */
void exec_ready_ledger(void *exec, const char *problem);
/* A program could not be started: look whether all are there. */
void exec_ready_check(struct exec *ex);
/* Tells the agent, if there is news. */
void exec_ready_tell(struct exec *ex);
/* The present problem; NULL: none. */
const char *exec_ready_problem(const struct exec *ex);
void exec_ready_fini(struct exec *ex);

#endif
