/* pg_call.h - one call of the agent, from the contract's function to its answer.
 *
 *   QUEUED ──▶ RUNNING ──▶ ANSWERED ──▶ told, freed
 *      ▲          │
 *      └─ PAUSED ◀┘  (busy elsewhere, or a backend is not gone yet: again, soon)
 *
 * Every call has its deadline: queued work is refused by it, or is to be tried again
 * (nothing was sent), everything else is unknown, and what ran has its connection
 * broken.
 * Thread: the loop's. */
#ifndef ADAPTERS_PG_CALL_H
#define ADAPTERS_PG_CALL_H

#include "adapters/pg_args.h"
#include "adapters/loop.h"
#include "adapters/pg_name.h"
#include "adapters/pg_output.h"
#include "adapters/pg_session.h"
#include "adapters/pg_verdict.h"
#include "participant/adapter.h"

#include <uthash.h>

struct pg;
struct pg_call;

/* Goes on with a call: sends on c->session, or queues, or answers. */
typedef void (*pg_step_fn)(struct pg_call *c);

enum pg_place {
	PG_QUEUED_WORK,
	PG_QUEUED_COMMIT,
	PG_QUEUED_FINISH,
	PG_RUNNING,
	PG_PAUSED,
	PG_ANSWERED
};

struct pg_call {
	struct pg *pg;
	struct pg_call *prev, *next;           /* in the queue, or among the answers */
	struct pg_call *prev_open, *next_open; /* among all that are not answered */
	UT_hash_handle hh;                     /* by branch name, while not answered */
	struct pg_branch branch;               /* no name: a list */
	enum pg_place place;
	pg_step_fn step;       /* what is next, when queued or paused */
	pg_step_fn when_clear; /* what is next, when its suspects are gone */

	adapter_done_fn done;
	adapter_list_fn listed;
	void *arg;

	struct pg_session *session; /* running on it … */
	bool claims;                /* … alone */
	struct pg_unit unit, unit2;
	struct adapter_timer deadline, pause, cancel;
	uint64_t ends_at; /* the branch's own deadline, in the loop's ms */
	bool expired;     /* its deadline has passed: it may only be answered now */
	bool is_work;     /* prepare, once or a saga's call: has an operation */
	bool is_call;     /* a saga's call */
	bool repeat;      /* of a commit */

	/* work */
	const struct pg_operation *operation;
	const struct pg_statement *statement;
	struct pg_params params;
	bool read_only;
	bool may_cancel; /* is at its operation, where it can be stopped */
	bool cancelled;
	uint64_t queued;  /* when, of a commit */
	uint64_t began;   /* when it was sent */
	uint32_t lock_ms; /* how long it may wait for a lock */
	struct pg_output output;
	int64_t rows;           /* that the operation changed or returned */
	bool returned;          /* it was a SELECT */
	enum pg_verdict failed; /* the first thing that went wrong; PG_NONE: nothing */
	int failed_step;
	char state[6];        /* its SQLSTATE */
	enum pg_verdict last; /* of the statement that makes or ends the promise */
	char mark[16];        /* the barrier row that there is */
	unsigned tries;

	/* a saga's call */
	bool undo;
	bool elsewhere; /* an undo of what was not done here: no mark of it is looked for */
	bool marked;    /* its key is ours, in the transaction that is open */
	bool blocked;   /* it is an action, and its undo has been */
	uint32_t attempt;
	char *stored; /* the output as JSON text; or NULL */

	/* a list */
	struct pg_branch *found;
	size_t n_found;
	enum rc rc;

	/* the answer */
	enum result_kind kind;
	char reason[REASON_MAX + 1];
};

/* A call about `id` (NULL: a list). It is answered by pg_call_answer, once. */
struct pg_call *pg_call_new(struct pg *pg, const struct branch_id *id, adapter_done_fn done,
			    void *arg);
/* The same for a saga's call. */
struct pg_call *pg_call_new_saga(struct pg *pg, const struct adapter_call *call,
				 adapter_done_fn done, void *arg);

/* The answer to a work of which nothing was begun: of a saga's later attempts it is
 * unknown, since an earlier one may have done it. */
enum result_kind pg_call_unbegun(const struct pg_call *c);
/* … to one that cannot be begun as it is. */
enum result_kind pg_call_unfit(const struct pg_call *c);

/* The call ends; the agent is told from pg_call_deliver. `reason` was written to
 * c->reason before, or is empty. */
void pg_call_answer(struct pg_call *c, enum result_kind kind);
/* The same, with the reason. */
void pg_call_fail(struct pg_call *c, enum result_kind kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Runs `step` on a session of the pool, alone on it, as soon as there is one. */
void pg_call_queue_work(struct pg_call *c, pg_step_fn step);
/* Runs `step`, which takes no locks, on a session of the pool ahead of its next work, or
 * after a moment on a finisher. */
void pg_call_queue_commit(struct pg_call *c, pg_step_fn step);
/* Runs `step` on a finisher, behind what others have sent there. */
void pg_call_queue_finish(struct pg_call *c, pg_step_fn step);
/* Runs `step` in `ms`, on no session. */
void pg_call_pause(struct pg_call *c, uint64_t ms, pg_step_fn step);
/* Gives the session back; the call goes on without one. */
void pg_call_leave(struct pg_call *c);

/* Gives what is queued to sessions that have room. */
void pg_call_dispatch(struct pg *pg);
/* Stops the sessions; answers UNKNOWN to all that are open (then). */
void pg_call_end_all(struct pg *pg);
void pg_call_end_open(struct pg *pg);
/* Tells the agent what was answered.  The only place where it is called back
 * with results. */
void pg_call_deliver(struct pg *pg);

void pg_call_free_spare(struct pg *pg);

/* The open call of this branch; NULL if there is none. */
struct pg_call *pg_call_find(struct pg *pg, const struct branch_id *id);
/* The open call of this step, in this direction; NULL if there is none. */
struct pg_call *pg_call_find_saga(struct pg *pg, const char *gid, const char *step, bool undo);

#endif
