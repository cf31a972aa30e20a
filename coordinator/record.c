/* record.c - see record.h.
 *
 * gid, hash, state, epoch, the times, workflow and reason are columns of the
 * journal's row, because lists and inquiries read them without the rest; all else
 * is packed (record.proto).  In the packed form an absent text is an empty one:
 * none of ours is ever empty and there (JSON is not, names are not). */
#include "coordinator/record.h"
#include "base/mem.h"
#include "coordinator/record.pb-c.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

typedef Settle__Record__Detail detail_msg;
typedef Settle__Record__Branch branch_msg;

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

		free(b->name);
		free(b->resource);
		free(b->operation);
		free(b->args);
		free(b->output);
		free(b->reason);
		free(b->agent);
	}
	free(r->branches);
	free(r->workflow);
	free(r->input);
	free(r->reason);
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
	[TXN_ACCEPTED] = "running",      [TXN_PREPARING] = "running",
	[TXN_ONE_PHASE] = "running",     [TXN_COMMITTING] = "committing",
	[TXN_ABORTING] = "rolling_back", [TXN_COMMITTED] = "committed",
	[TXN_ABORTED] = "rolled_back",   [TXN_COMMIT_HAZARD] = "stuck",
	[TXN_ABORT_HAZARD] = "stuck",
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

bool record_finished(enum txn_state state)
{
	return state == TXN_COMMITTED || state == TXN_ABORTED;
}

/* ---- packing ---- */

/* protobuf-c wants char * even for what it only reads. */
static char *text_of(char *s)
{
	return s != NULL ? s : (char *)protobuf_c_empty_string;
}

static void fill_branch(branch_msg *m, const struct record_branch *b)
{
	settle__record__branch__init(m);
	m->name = text_of(b->name);
	m->resource = text_of(b->resource);
	m->operation = text_of(b->operation);
	m->args = text_of(b->args);
	m->read_only = b->read_only;
	m->state = (uint32_t)b->state;
	m->output = text_of(b->output);
	m->reason = text_of(b->reason);
	m->agent = text_of(b->agent);
}

void record_pack(const struct record *r, void **out, size_t *size)
{
	const size_t n = r->n_branches;
	detail_msg m = SETTLE__RECORD__DETAIL__INIT;
	branch_msg *branches = mem_new(n, sizeof *branches);
	branch_msg **list = mem_new(n, sizeof *list);

	m.input = text_of(r->input);
	m.timeout_ms = r->timeout_ms;
	m.sequential = r->sequential;
	m.accepted = r->accepted;
	m.n_branches = n;
	m.branches = list;
	for (size_t i = 0; i < n; i++) {
		fill_branch(&branches[i], &r->branches[i]);
		list[i] = &branches[i];
	}
	*size = settle__record__detail__get_packed_size(&m);
	*out = mem_new(*size, 1);
	settle__record__detail__pack(&m, *out);
	free(list);
	free(branches);
}

/* ---- unpacking ---- */

static char *kept(const char *s)
{
	return s[0] != '\0' ? mem_dup(s) : NULL;
}

static enum rc read_branch(struct record_branch *b, const branch_msg *m, struct err *err)
{
	if (!id_valid(m->name, NAME_MAX_LEN) || !id_valid(m->resource, NAME_MAX_LEN) ||
	    !id_valid(m->operation, NAME_MAX_LEN))
		return err_set(err, RC_INVALID, "a branch without a proper name");
	if (m->state == 0 || m->state >= BR_STATES)
		return err_set(err, RC_INVALID, "branch %s: no such state: %u", m->name,
			       (unsigned)m->state);
	b->name = mem_dup(m->name);
	b->resource = mem_dup(m->resource);
	b->operation = mem_dup(m->operation);
	b->args = kept(m->args);
	b->output = kept(m->output);
	b->reason = kept(m->reason);
	b->agent = kept(m->agent);
	b->state = (enum branch_state)m->state;
	b->read_only = m->read_only;
	return RC_OK;
}

/* The end of a transaction is written into its row alone, and only after the last
 * branch has answered: what the detail still says was owed has been done. */
static void finish_branches(struct record *r)
{
	for (size_t i = 0; i < r->n_branches; i++) {
		enum branch_state *s = &r->branches[i].state;

		if (*s == BR_READ_ONLY || *s == BR_COMMITTED || *s == BR_ABORTED || *s == BR_HAZARD)
			continue;
		*s = r->state == TXN_COMMITTED ? BR_COMMITTED : BR_ABORTED;
	}
}

static enum rc read_detail(struct record *r, const detail_msg *m, struct err *err)
{
	if (m->n_branches == 0 || m->n_branches > WORKFLOW_BRANCHES_MAX)
		return err_set(err, RC_INVALID, "%zu branches", m->n_branches);
	r->input = kept(m->input);
	r->timeout_ms = m->timeout_ms;
	r->sequential = m->sequential;
	r->accepted = m->accepted;
	r->n_branches = m->n_branches;
	r->branches = mem_new(r->n_branches, sizeof *r->branches);
	for (size_t i = 0; i < r->n_branches; i++)
		if (read_branch(&r->branches[i], m->branches[i], err) != RC_OK)
			return RC_INVALID;
	if (record_finished(r->state))
		finish_branches(r);
	return RC_OK;
}

enum rc record_unpack(struct record *r, const void *bytes, size_t size, struct err *err)
{
	detail_msg *m = settle__record__detail__unpack(NULL, size, bytes);
	enum rc rc;

	assert(r->branches == NULL && r->input == NULL);
	if (m == NULL)
		return err_set(err, RC_INVALID, "the detail of %s cannot be read", r->gid);
	rc = read_detail(r, m, err);
	settle__record__detail__free_unpacked(m, NULL);
	return rc == RC_OK ? rc : err_wrap(err, "the detail of %s", r->gid);
}
