/* record.c - see record.h.  How it is packed: record_pack.c. */
#include "coordinator/record.h"
#include "base/mem.h"
#include "base/word.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- life ---- */

struct record *record_new(const char *gid, struct plan *plan)
{
	struct record *r = mem_new(1, sizeof *r);
	const size_t gid_size = strlen(gid);

	assert(gid_size > 0 && gid_size <= GID_MAX);
	memcpy(r->gid, gid, gid_size + 1);
	r->state = TXN_ACCEPTED;
	r->timeout_ms = plan->timeout_ms;
	r->sequential = plan->sequential;
	r->workflow = plan->workflow;
	r->n_branches = plan->n_branches;
	r->branches = mem_new(r->n_branches, sizeof *r->branches);
	for (size_t i = 0; i < r->n_branches; i++) {
		struct plan_branch *from = &plan->branches[i];

		r->branches[i] = (struct record_branch){
			.name = from->name,
			.resource = from->resource,
			.operation = from->operation,
			.args = from->args,
			.state = BR_WAITING,
			.read_only = from->read_only,
		};
	}
	free(plan->branches);
	memset(plan, 0, sizeof *plan);
	return r;
}

void record_fini(struct record *r)
{
	for (size_t i = 0; i < r->n_branches; i++) {
		struct record_branch *b = &r->branches[i];

		word_drop(b->name);
		word_drop(b->resource);
		word_drop(b->operation);
		word_drop(b->agent);
		free(b->args);
		free(b->output);
		free(b->reason);
	}
	free(r->branches);
	saga_free(r->saga);
	free(r->workflow);
	free(r->definition);
	free(r->input);
	free(r->reason);
	free(r->parent);
	memset(r, 0, sizeof *r);
}

void record_free(struct record *r)
{
	if (r == NULL)
		return;
	record_fini(r);
	free(r);
}

/* ---- words ---- */

static const char *const status_words[TXN_STATES] = {
	[TXN_ACCEPTED] = "running",          [TXN_PREPARING] = "running",
	[TXN_ONE_PHASE] = "running",         [TXN_COMMITTING] = "committing",
	[TXN_ABORTING] = "rolling_back",     [TXN_COMMITTED] = "committed",
	[TXN_ABORTED] = "rolled_back",       [TXN_COMMIT_HAZARD] = "stuck",
	[TXN_ABORT_HAZARD] = "stuck",        [TXN_SAGA_RUNNING] = "running",
	[TXN_SAGA_FINISHING] = "committing", [TXN_SAGA_UNDOING] = "rolling_back",
	[TXN_SAGA_RUN_STUCK] = "stuck",      [TXN_SAGA_FINISH_STUCK] = "stuck",
	[TXN_SAGA_UNDO_STUCK] = "stuck",
};

static const enum txn_state of_saga[SAGA_STATES] = {
	[SAGA_RUNNING] = TXN_SAGA_RUNNING,
	[SAGA_FINISHING] = TXN_SAGA_FINISHING,
	[SAGA_UNDOING] = TXN_SAGA_UNDOING,
	[SAGA_FINISH_STUCK] = TXN_SAGA_FINISH_STUCK,
	[SAGA_UNDO_STUCK] = TXN_SAGA_UNDO_STUCK,
	[SAGA_DONE] = TXN_COMMITTED,
	[SAGA_UNDONE] = TXN_ABORTED,
	[SAGA_RUN_STUCK] = TXN_SAGA_RUN_STUCK,
};

static const char *const branch_words[BR_STATES] = {
	[BR_WAITING] = "waiting",       [BR_WORKING] = "working",
	[BR_PREPARED] = "prepared",     [BR_READ_ONLY] = "read_only",
	[BR_COMMITTING] = "committing", [BR_COMMITTED] = "committed",
	[BR_ABORTING] = "rolling_back", [BR_ABORTED] = "rolled_back",
	[BR_HAZARD] = "hazard",
};

const char *record_status(enum txn_state state)
{
	assert(state > 0 && state < TXN_STATES);
	return status_words[state];
}

const char *record_branch_status(enum branch_state state)
{
	assert(state > 0 && state < BR_STATES);
	return branch_words[state];
}

enum txn_state record_of_saga(enum saga_state state)
{
	assert(state > 0 && state < SAGA_STATES);
	return of_saga[state];
}

enum saga_state record_saga_state(enum txn_state state)
{
	for (int s = 1; s < SAGA_STATES; s++)
		if (of_saga[s] == state)
			return (enum saga_state)s;
	return (enum saga_state)0;
}

const char *record_step_status(const struct saga *saga, size_t n)
{
	const enum step_state state = saga->steps[n].state;
	const enum saga_state s = saga->state;

	assert(n < saga->n_steps);
	if (state == STEP_WAITING &&
	    (s == SAGA_UNDOING || s == SAGA_UNDO_STUCK || s == SAGA_UNDONE))
		return "not_run";
	return step_state_name(state);
}

bool record_finished(enum txn_state state)
{
	return state == TXN_COMMITTED || state == TXN_ABORTED;
}
