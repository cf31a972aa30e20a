/* results.c - the agents' word: votes, and the ends of commits and rollbacks.
 *
 * Rule: a vote counts only from the agent that was given the work, and "gone" only
 * from one that can know.  "Cannot tell" is neither a yes nor a no: before the
 * decision it makes us roll back, after it we ask again. */
#include "base/log.h"
#include "base/mem.h"
#include "coordinator/core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t outputs_size(const struct record *r)
{
	size_t sum = 0;

	for (size_t i = 0; i < r->n_branches; i++)
		sum += r->branches[i].output != NULL ? strlen(r->branches[i].output) : 0;
	return sum;
}

static void keep_output(struct record_branch *b, const struct result *r)
{
	if (r->output.size == 0)
		return;
	free(b->output);
	b->output = mem_dup_bytes(r->output.data, r->output.size);
}

/* Nobody asks why then. */
static bool is_yes(enum result_kind kind)
{
	return kind == RESULT_PREPARED || kind == RESULT_READ_ONLY || kind == RESULT_COMMITTED;
}

static void explain(char *out, size_t room, const struct result *r, const char *otherwise)
{
	snprintf(out, room, "branch %s at %s: %s", r->id.branch, r->id.resource,
		 r->reason[0] != '\0' ? r->reason : otherwise);
}

/* An answer to PREPARE or ONCE counts only from the agent that was given it. */
static void vote(struct engine *e, struct job *job, const struct result *r)
{
	static const enum txn_event events[] = {
		[RESULT_NONE] = TXN_EV_LOST,           [RESULT_PREPARED] = TXN_EV_PREPARED,
		[RESULT_READ_ONLY] = TXN_EV_READ_ONLY, [RESULT_REFUSED] = TXN_EV_REFUSED,
		[RESULT_COMMITTED] = TXN_EV_COMMITTED, [RESULT_ROLLED_BACK] = TXN_EV_ROLLED_BACK,
		[RESULT_HAZARD] = TXN_EV_LOST,         [RESULT_UNKNOWN] = TXN_EV_LOST,
		[RESULT_DONE] = TXN_EV_LOST,           [RESULT_RETRY] = TXN_EV_FAILED,
		[RESULT_PENDING] = TXN_EV_LOST,
	};
	char reason[REASON_MAX + 200];

	reason[0] = '\0';
	if (!is_yes(r->kind))
		explain(reason, sizeof reason, r, "the agent gave no reason");
	if ((r->kind == RESULT_PREPARED || r->kind == RESULT_READ_ONLY) && r->output.size > 0 &&
	    r->output.size + outputs_size(job->txn->rec) > OUTPUTS_MAX) {
		txn_event(e, job->txn, TXN_EV_CANCEL, job->branch,
			  "the outputs of all branches together are over 8 MiB");
		return;
	}
	keep_output(job_branch(job), r);
	txn_event(e, job->txn, events[r->kind], job->branch, reason);
}

/* The agent cannot tell now: show why, and ask again later. */
static void postpone(struct engine *e, struct job *job, const struct result *r)
{
	struct record_branch *b = job_branch(job);

	if (job->place != JOB_SENT)
		return;
	free(b->reason);
	b->reason = r->reason[0] != '\0' ? mem_dup(r->reason) : NULL;
	job_unlist(job);
	job_retry_in(e, job, job_backoff_us(RETRY_FIRST_US, RETRY_MAX_US, job->sends - 1));
}

/* "Gone before its first commit" is no hazard if another agent may have committed
 * it: a slow first commit can be overtaken by its own repeat. */
static bool overtaken(struct engine *e, struct job *job, const struct result *r)
{
	if (!job->shared || job->command != COMMAND_COMMIT)
		return false;
	log_event(LOG_WARN, "hazard-unproven",
		  "gid=%s branch=%s gone, but perhaps by another agent's commit: asking again",
		  r->id.gid, r->id.branch);
	job_unlist(job);
	job_retry_in(e, job, job_backoff_us(RETRY_FIRST_US, RETRY_MAX_US, job->sends));
	return true;
}

static void finish(struct engine *e, struct job *job, struct agent *a, const struct result *r)
{
	char reason[REASON_MAX + 200];
	enum txn_event ev;

	switch (r->kind) {
	case RESULT_COMMITTED: ev = TXN_EV_COMMITTED; break;
	case RESULT_HAZARD:
		if (overtaken(e, job, r))
			return;
		ev = TXN_EV_HAZARD;
		break;
	case RESULT_ROLLED_BACK:
	case RESULT_REFUSED:
	case RESULT_RETRY:
	case RESULT_READ_ONLY:
		/* "Gone" is proof only from the agent that knows the branch's sessions. */
		if (job->agent != a && !job->voted)
			return;
		ev = r->kind == RESULT_ROLLED_BACK ? TXN_EV_ROLLED_BACK
		     : r->kind == RESULT_RETRY     ? TXN_EV_FAILED
						   : TXN_EV_REFUSED;
		break;
	case RESULT_UNKNOWN: postpone(e, job, r); return;
	case RESULT_NONE:
	case RESULT_PREPARED: return; /* late */
	default: return;
	}
	reason[0] = '\0';
	if (ev != TXN_EV_COMMITTED || job_branch(job)->state != BR_COMMITTING)
		explain(reason, sizeof reason, r, ev == TXN_EV_ROLLED_BACK ? "rolled back" : "");
	if (ev == TXN_EV_COMMITTED)
		keep_output(job_branch(job), r);
	txn_event(e, job->txn, ev, job->branch, reason);
}

void job_result(struct engine *e, struct agent *a, const struct result *r)
{
	struct txn *t;

	/* That a call was done is true in every epoch, as its key has none. */
	const bool lasting = command_is_call(r->call) && r->kind == RESULT_DONE;

	HASH_FIND_STR(e->txns, r->id.gid, t);
	if (t == NULL || (t->rec->epoch != r->id.epoch && !lasting))
		return; /* of a time that is over */
	if (t->rec->saga != NULL || command_is_call(r->call)) {
		if (t->rec->saga != NULL && command_is_call(r->call))
			call_result(e, a, t, r);
		return;
	}
	for (size_t i = 0; i < t->rec->n_branches; i++) {
		struct job *job = &t->jobs[i];

		if (strcmp(job_branch(job)->name, r->id.branch) != 0)
			continue;
		if (job_branch(job)->state == BR_WORKING) {
			if (job->agent == a)
				vote(e, job, r);
		} else {
			finish(e, job, a, r);
		}
		return;
	}
}

void job_orphaned(struct engine *e, struct job *job)
{
	struct record_branch *b;
	char reason[300];

	if (command_is_call(job->command)) {
		call_orphaned(e, job);
		return;
	}
	b = job_branch(job);
	if (b->state == BR_WORKING) {
		snprintf(reason, sizeof reason,
			 "branch %s at %s: agent %s started anew before it answered", b->name,
			 b->resource, b->agent);
		txn_event(e, job->txn, TXN_EV_LOST, job->branch, reason);
	} else {
		job_dispatch(e, job);
	}
}
