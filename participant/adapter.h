/* adapter.h - the contract between the agent and what it enlists.
 *
 * An adapter makes one kind of resource (PostgreSQL, …) take part in two-phase
 * commit, serves the calls of sagas, or both.  It is asynchronous: every call returns at once and
 * answers later, by callback, exactly once, on the loop's thread, never from inside the call.
 *
 * What the agent sees to, so that an adapter need not:
 *   - at most one call for a branch is under way at a time (a rollback for a
 *     branch that is being prepared waits for its prepare, after `cancel`);
 *   - at most one call of a saga's step is under way at a time (an undo waits for
 *     the action, after `cancel_call`);
 *   - epochs, tombstones, duplicates, inquiries;
 *   - branches and calls are begun while the resource is ready, not before `ready`.
 * What the adapter promises:
 *   - PREPARED is answered only when the branch survives the death of agent and
 *     resource, and can be committed or rolled back by name later, by anyone;
 *   - REFUSED, RETRY and ROLLED_BACK are answered only when nothing of the branch is
 *     left and nothing of it can appear any more (no session of ours may still
 *     be working on it);
 *   - UNKNOWN is answered whenever it cannot tell;
 *   - every call ends by its own deadline or by the adapter's, never hangs.
 *
 * Thread: the loop's.  Strings and bytes given to a call are borrowed until its
 * callback returns; what a callback gets is borrowed until it returns. */
#ifndef PARTICIPANT_ADAPTER_H
#define PARTICIPANT_ADAPTER_H

#include "base/err.h"
#include "base/yaml.h"
#include "wire/frame.h"

#include <uv.h>

/* What an adapter is told of the agent that it lives in. */
struct adapter_host {
	uv_loop_t *loop;
	const char *cluster;
	const char *agent;
	const char *directory; /* of the configuration's file; NULL: where the agent runs */
	uint64_t incarnation;
	/* The resource began or ceased to serve: `problem` is NULL when it serves,
	 * else says for people what is wrong and what to change. */
	void (*ready)(void *arg, const char *problem);
	void *arg;
};

/* The work of PREPARE and ONCE. */
struct adapter_work {
	struct branch_id id;
	const char *operation;
	struct bytes args;   /* a JSON object, names as in the operation's `args` */
	uint32_t timeout_ms; /* from now; locks and statements end by then */
	bool read_only;      /* answer READ_ONLY, leave nothing prepared */
};

/* One call of a saga: a step's action, or its compensation (`undo`).  Its key is
 * gid/step/do or gid/step/undo (call_key): the same call comes again with the same
 * key after a lost answer, a crash, or an answer RETRY, and must not act twice
 * where the resource can tell. */
struct adapter_call {
	const char *gid;
	const char *step;
	bool undo;
	uint32_t attempt; /* from 1 */
	bool elsewhere;   /* an undo of what another resource, or an atomic group, did */
	const char *operation;
	struct bytes args;   /* a JSON object, names as in the operation's `args` */
	uint32_t timeout_ms; /* from now */
};

/* How a call ended. `reason` may be NULL when `kind` needs none. */
struct adapter_answer {
	enum result_kind kind;
	struct bytes output; /* JSON or empty */
	const char *reason;
	uint32_t retry_after_ms; /* RETRY only: not before; 0: no wish */
};

typedef void (*adapter_done_fn)(const struct adapter_answer *answer, void *arg);

/* `rc` is RC_OK, or why the listing failed (`branches` is then not complete). */
typedef void (*adapter_list_fn)(enum rc rc, const struct branch_id *branches, size_t n, void *arg);
typedef void (*adapter_closed_fn)(void *arg);

/* One row per kind of resource.  `open`, `describe` and `close` are always there;
 * `prepare`, `commit`, `rollback`, `cancel` and `list` are all NULL where the resource
 * takes no part in two-phase commit, `once` and `settle_once` where one_phase cannot be
 * had, `call` and `cancel_call` where it serves no calls. */
struct adapter {
	const char *name; /* as in `adapter: postgres` */

	/* Reads the resource's map from the agent's configuration and starts to
	 * connect; `ready` is called when it serves (and again at each change).
	 * `config` and `host` are borrowed until `close` is done.
	 * RC_INVALID: the configuration is wrong, `err` says where. */
	enum rc (*open)(const struct adapter_host *host, const char *resource,
			const struct yaml_node *config, void **self, struct err *err);

	/* The operations that may be called, valid until `close`; and what the resource can
	 * do: `groups`, `calls`, `exact`, and `one_phase`, whether `once` can be used now
	 * (asked again at each change of readiness). */
	void (*describe)(void *self, struct resource_info *info);

	/* Does the operation and promises.  PREPARED, READ_ONLY, REFUSED, UNKNOWN, or
	 * RETRY: refused for a passing cause (a lock, no room), nothing is left. */
	void (*prepare)(void *self, const struct adapter_work *work, adapter_done_fn done,
			void *arg);

	/* COMMITTED, HAZARD (gone before its first commit) or UNKNOWN (try again).
	 * `repeat`: it may have been committed before, so that "no such branch" means
	 * done. */
	void (*commit)(void *self, const struct branch_id *id, bool repeat, adapter_done_fn done,
		       void *arg);

	/* ROLLED_BACK or UNKNOWN (try again). */
	void (*rollback)(void *self, const struct branch_id *id, adapter_done_fn done, void *arg);

	/* Asks a prepare or once that is under way to end soon; it still answers. */
	void (*cancel)(void *self, const struct branch_id *id);

	/* The operation and its commit in one local transaction, with a durable mark
	 * that it was done: COMMITTED, REFUSED, RETRY or UNKNOWN. */
	void (*once)(void *self, const struct adapter_work *work, adapter_done_fn done, void *arg);

	/* COMMITTED if `once` was done; else makes sure that it never will be, and
	 * answers ROLLED_BACK; or UNKNOWN. */
	void (*settle_once)(void *self, const struct branch_id *id, adapter_done_fn done,
			    void *arg);

	/* A saga's call.
	 *   DONE     done, now or by an earlier call of this key; `output` is the first one's
	 *   REFUSED  a business no; this call has left nothing
	 *   RETRY    a passing fault; this call has left nothing (`retry_after_ms`)
	 *   PENDING  begun; the coordinator will be told its end from outside
	 *   UNKNOWN  it may or may not have acted; nothing of it acts any more
	 * An exact resource (`exact`) keeps a durable mark of each key in the local
	 * transaction of the work itself (a barrier row), so that
	 *   - a key that was done is not done again, and answers DONE with the stored output;
	 *   - an undo whose action was never done does nothing and answers DONE (but for one of
	 *     what was done `elsewhere`: that is done, once);
	 *   - an action that comes after its undo does nothing and answers REFUSED;
	 *   - REFUSED proves that no earlier call of the key was done either. (RETRY does
	 *     not: a full queue that did not look may say it.) */
	void (*call)(void *self, const struct adapter_call *call, adapter_done_fn done, void *arg);

	/* Asks a call that is under way to end soon; it still answers, with what became of
	 * it: DONE is as good an answer as UNKNOWN. */
	void (*cancel_call)(void *self, const char *gid, const char *step, bool undo);

	/* Every branch of ours that is prepared in the resource now. */
	void (*list)(void *self, adapter_list_fn done, void *arg);

	/* Ends connections, lets calls that are under way answer UNKNOWN, frees
	 * `self`, then calls `closed`. */
	void (*close)(void *self, adapter_closed_fn closed, void *arg);
};

#endif
