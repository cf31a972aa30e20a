/* pg.h - one PostgreSQL resource: what its parts share.
 *
 *   postgres.c    the contract's functions          pg_session  a connection
 *   pg_call       a call, queues, deadlines         pg_pipe     its pipeline
 *   pg_work       prepare                           pg_resolve  DNS
 *   pg_once       one phase, with a barrier row     loop        timers, handles (shared)
 *   pg_saga       a saga's call, with the same      pg_config, pg_statement
 *   pg_finish     commit, rollback, list
 *   pg_cancel     stop what runs                    pg_name, pg_args, pg_output
 *   pg_suspect    backends that may still act       pg_verdict  results judged
 *   pg_preflight  may it serve?
 *
 * Thread: the loop's. */
#ifndef ADAPTERS_PG_H
#define ADAPTERS_PG_H

#include "adapters/pg_call.h"
#include "adapters/pg_config.h"
#include "adapters/loop.h"
#include "adapters/pg_name.h"
#include "adapters/pg_preflight.h"
#include "adapters/pg_session.h"
#include "adapters/pg_statement.h"
#include "adapters/pg_suspect.h"

struct pg {
	struct adapter_host host; /* its strings are ours */
	char *cluster, *agent, *resource;
	struct pg_config config;
	struct pg_statements statements;
	struct adapter_loop loop;
	struct operation_info *operations; /* for describe */

	char app_name[PG_APP_SIZE];
	size_t app_shared; /* so many bytes of it are the same in every incarnation */
	struct pg_session_host session_host;
	struct pg_session **work;   /* config.pool */
	struct pg_session **finish; /* config.finishers */

	struct pg_call *open, *by_name;
	struct pg_call *queued_work, *queued_commit, *queued_finish, *answers;
	struct pg_call *spare; /* memory of calls that ended, for the next */
	unsigned n_spare;
	struct adapter_timer relief; /* of commits that wait too long for a session */
	struct pg_suspect *suspects;
	bool told_short; /* that not all sessions can be opened */
	int strangers;   /* names in the last list that begin like ours and are not */

	struct pg_preflight preflight;
	bool fenced;  /* no session of an earlier start is left */
	bool checked; /* the preflight passed, and a finisher has been up since */
	bool looked;  /* for the barrier table, at least once */
	bool barrier; /* it can be used: one phase, saga calls */
	char no_barrier[PG_PROBLEM_SIZE * 2]; /* why not, and what to do */
	bool ready;                           /* what is so … */
	bool told_ready;
	char problem[PG_PROBLEM_SIZE];      /* … and why not */
	char told_problem[PG_PROBLEM_SIZE]; /* … and what the agent was told last */

	bool closing;
	adapter_closed_fn closed;
	void *closed_arg;
};

const struct pg_statement *pg_statement_of(const struct pg *pg, unsigned id);

/* What a crash point says of the call's connection: with an error it breaks, and what
 * was asked on it goes unanswered. */
static inline bool pg_cut(const struct pg_call *c, int error)
{
	if (error != 0)
		pg_session_doom(c->session);
	return error != 0;
}

/* prepare */
void pg_work_start(struct pg_call *c);
/* Fills what a call needs to run `work`; false: it was answered. */
bool pg_work_init(struct pg_call *c, const struct adapter_work *work);
/* The steps of the operation, for prepare, once and a saga's call alike; in the order
 * in which they are sent. */
enum pg_step {
	PG_STEP_BEGIN,
	PG_STEP_BLOCK,
	PG_STEP_MARK,
	PG_STEP_LOOK,
	PG_STEP_OPERATION,
	PG_STEP_STORE,
	PG_STEP_LAST,
};
/* Has locks and statements on the call's session end by the call's deadline. */
void pg_work_timeouts(struct pg_call *c);
/* Sends timeouts and BEGIN; the operation. */
void pg_work_begin(struct pg_call *c, enum pg_statement_id begin);
void pg_work_operation(struct pg_call *c);
/* Keeps what a result tells. */
void pg_work_result(struct pg_unit *u, int step, const PGresult *res);
/* True if everything up to the operation went well and its rows are as wanted;
 * else c->reason says what is not. */
bool pg_work_good(struct pg_call *c);
/* Whether what failed says nothing about what was asked for, so that it may go well later:
 * no connection, rolled back for others' sake, no resources, the operator, an object in
 * use or locked, a fault of the system or the server, a plan that was outlived (the
 * session is renewed), a server that has just become a standby. */
bool pg_work_passing(const struct pg_call *c);
/* How a branch says no: RETRY if its cause is passing, else REFUSED. */
enum result_kind pg_work_no(const struct pg_call *c);
/* Keeps what the result of a COMMIT tells. */
void pg_work_committed(struct pg_call *c, const PGresult *res);
/* The session is lost or has said nonsense: the call's outcome is unknown, its
 * backend suspect. */
void pg_work_unknown(struct pg_call *c);

/* one phase */
void pg_once_start(struct pg_call *c);
void pg_settle_start(struct pg_call *c);

/* a saga's call */
void pg_saga_start(struct pg_call *c, const struct adapter_call *call);

/* the end of a prepared branch, and the list of those */
void pg_commit_start(struct pg_call *c);
void pg_rollback_start(struct pg_call *c);
void pg_list_start(struct pg_call *c);

/* Asks the server to stop what a call is doing. */
void pg_cancel_start(struct pg_call *c);

#endif
