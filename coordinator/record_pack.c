/* record_pack.c - a record and the steps of a saga as bytes, and back; see record.h.
 *
 * gid, hash, state, epoch, the times, workflow and reason are columns of the
 * journal's row, because lists and inquiries read them without the rest; all else
 * is packed (record.proto).  How far a saga's step is has a row of its own, so that a
 * saga of many steps is not written anew with each of them.  In the packed form an
 * absent text is an empty one: none of ours is ever empty and there (JSON is not,
 * names are not). */
#include "base/mem.h"
#include "coordinator/record.h"
#include "coordinator/record.pb-c.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

typedef Settle__Record__Detail detail_msg;
typedef Settle__Record__Branch branch_msg;
typedef Settle__Record__Step step_msg;
typedef Settle__Record__Progress progress_msg;

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

static void fill_step(step_msg *m, const struct saga_step *step)
{
	settle__record__step__init(m);
	m->name = text_of(step->name);
	m->resource = text_of(step->resource);
	m->operation = text_of(step->operation);
	m->undo_resource = text_of(step->undo_resource);
	m->undo_operation = text_of(step->undo_operation);
	m->pivot = step->pivot;
}

/* The branches of a plain transaction or the steps of a saga, for the time of packing. */
struct parts {
	branch_msg *branches, **branch_list;
	step_msg *steps, **step_list;
};

static void fill_parts(detail_msg *m, struct parts *p, const struct record *r)
{
	const size_t n_steps = r->saga != NULL ? r->saga->n_steps : 0;

	p->branches = mem_new(r->n_branches, sizeof *p->branches);
	p->branch_list = mem_new(r->n_branches, sizeof *p->branch_list);
	for (size_t i = 0; i < r->n_branches; i++) {
		fill_branch(&p->branches[i], &r->branches[i]);
		p->branch_list[i] = &p->branches[i];
	}
	m->n_branches = r->n_branches;
	m->branches = p->branch_list;
	p->steps = mem_new(n_steps, sizeof *p->steps);
	p->step_list = mem_new(n_steps, sizeof *p->step_list);
	for (size_t i = 0; i < n_steps; i++) {
		fill_step(&p->steps[i], &r->saga->steps[i]);
		p->step_list[i] = &p->steps[i];
	}
	m->n_steps = n_steps;
	m->steps = p->step_list;
}

static void parts_fini(struct parts *p)
{
	free(p->branches);
	free(p->branch_list);
	free(p->steps);
	free(p->step_list);
}

void record_pack(const struct record *r, void **out, size_t *size)
{
	detail_msg m = SETTLE__RECORD__DETAIL__INIT;
	struct parts parts;

	assert(r->definition == NULL || strlen(r->definition) <= WORKFLOW_TEXT_MAX);
	m.input = text_of(r->input);
	m.timeout_ms = r->timeout_ms;
	m.sequential = r->sequential;
	m.accepted = r->accepted;
	m.version = r->version;
	m.definition = text_of(r->definition);
	m.deadline_us = r->deadline_us;
	m.parent_seq = r->parent_seq;
	m.parent = text_of(r->parent);
	m.parent_step = r->parent_step;
	if (r->saga != NULL) {
		assert(r->n_branches == 0 && r->state == record_of_saga(r->saga->state));
		m.stop = r->saga->stop;
	}
	fill_parts(&m, &parts, r);
	*size = settle__record__detail__get_packed_size(&m);
	*out = mem_new(*size, 1);
	settle__record__detail__pack(&m, *out);
	parts_fini(&parts);
}

void record_pack_step(const struct saga_step *step, void **out, size_t *size)
{
	progress_msg m = SETTLE__RECORD__PROGRESS__INIT;

	m.state = (uint32_t)step->state;
	m.maybe = step->maybe;
	m.undo = step->undo;
	m.attempts = step->attempts;
	m.tries = step->tries;
	m.args = text_of(step->args);
	m.output = text_of(step->output);
	m.reason = text_of(step->reason);
	m.agent = text_of(step->agent);
	*size = settle__record__progress__get_packed_size(&m);
	*out = mem_new(*size, 1);
	settle__record__progress__pack(&m, *out);
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

/* Both there, or both not. */
static bool work_valid(const char *resource, const char *operation)
{
	if (resource[0] == '\0')
		return operation[0] == '\0';
	return id_valid(resource, NAME_MAX_LEN) && id_valid(operation, NAME_MAX_LEN);
}

static enum rc read_step(struct saga_step *step, const step_msg *m, struct err *err)
{
	if (!id_valid_plain(m->name, STEP_MAX))
		return err_set(err, RC_INVALID, "a step without a proper name");
	if (!work_valid(m->resource, m->operation) ||
	    !work_valid(m->undo_resource, m->undo_operation))
		return err_set(err, RC_INVALID, "step %s: a call without a proper name", m->name);
	step->name = mem_dup(m->name);
	step->resource = kept(m->resource);
	step->operation = kept(m->operation);
	step->undo_resource = kept(m->undo_resource);
	step->undo_operation = kept(m->undo_operation);
	step->pivot = m->pivot;
	step->state = STEP_WAITING;
	return RC_OK;
}

static enum rc read_saga(struct record *r, const detail_msg *m, struct err *err)
{
	const enum saga_state state = record_saga_state(r->state);

	if (state == 0)
		return err_set(err, RC_INVALID, "a saga in state %d", (int)r->state);
	if (m->n_steps > RECORD_STEPS_MAX || m->n_branches > 0 ||
	    (m->n_steps == 0 && state != SAGA_DONE))
		return err_set(err, RC_INVALID, "%zu steps and %zu branches", m->n_steps,
			       m->n_branches);
	r->saga = saga_blank(m->n_steps);
	r->saga->state = state;
	r->saga->stop = m->stop;
	for (size_t i = 0; i < m->n_steps; i++)
		if (read_step(&r->saga->steps[i], m->steps[i], err) != RC_OK)
			return RC_INVALID;
	return RC_OK;
}

static enum rc read_branches(struct record *r, const detail_msg *m, struct err *err)
{
	if (record_saga_state(r->state) != 0 && !record_finished(r->state))
		return err_set(err, RC_INVALID, "a saga without steps");
	if (m->n_branches == 0 || m->n_branches > WORKFLOW_BRANCHES_MAX)
		return err_set(err, RC_INVALID, "%zu branches", m->n_branches);
	r->n_branches = m->n_branches;
	r->branches = mem_new(r->n_branches, sizeof *r->branches);
	for (size_t i = 0; i < r->n_branches; i++)
		if (read_branch(&r->branches[i], m->branches[i], err) != RC_OK)
			return RC_INVALID;
	if (record_finished(r->state))
		finish_branches(r);
	return RC_OK;
}

static enum rc read_parent(struct record *r, const detail_msg *m, struct err *err)
{
	if (m->parent_seq == 0 && m->parent[0] == '\0')
		return RC_OK;
	if (m->parent_seq == 0 || !id_valid(m->parent, GID_MAX) ||
	    m->parent_step >= RECORD_STEPS_MAX)
		return err_set(err, RC_INVALID, "a saga's group without a proper saga");
	r->parent_seq = m->parent_seq;
	r->parent = mem_dup(m->parent);
	r->parent_step = m->parent_step;
	return RC_OK;
}

static enum rc read_detail(struct record *r, const detail_msg *m, struct err *err)
{
	if (strlen(m->definition) > WORKFLOW_TEXT_MAX)
		return err_set(err, RC_INVALID, "a definition of %zu bytes", strlen(m->definition));
	r->input = kept(m->input);
	r->timeout_ms = m->timeout_ms;
	r->sequential = m->sequential;
	r->accepted = m->accepted;
	r->version = m->version;
	r->definition = kept(m->definition);
	r->deadline_us = m->deadline_us;
	if (read_parent(r, m, err) != RC_OK)
		return RC_INVALID;
	/* Without either it is a saga without steps, which ends as it begins. */
	if (m->n_steps > 0 || (m->n_branches == 0 && r->state == TXN_COMMITTED))
		return read_saga(r, m, err);
	return read_branches(r, m, err);
}

enum rc record_unpack(struct record *r, const void *bytes, size_t size, struct err *err)
{
	detail_msg *m = settle__record__detail__unpack(NULL, size, bytes);
	enum rc rc;

	assert(r->branches == NULL && r->input == NULL && r->saga == NULL);
	if (m == NULL)
		return err_set(err, RC_INVALID, "the detail of %s cannot be read", r->gid);
	rc = read_detail(r, m, err);
	settle__record__detail__free_unpacked(m, NULL);
	return rc == RC_OK ? rc : err_wrap(err, "the detail of %s", r->gid);
}

static void replace(char **text, const char *with)
{
	free(*text);
	*text = kept(with);
}

enum rc record_unpack_step(struct saga_step *step, const void *bytes, size_t size, struct err *err)
{
	progress_msg *m = settle__record__progress__unpack(NULL, size, bytes);
	enum rc rc = RC_OK;

	if (m == NULL)
		return err_set(err, RC_INVALID, "step %s cannot be read", step->name);
	if (m->state == 0 || m->state >= STEP_STATES) {
		rc = err_set(err, RC_INVALID, "step %s: no such state: %u", step->name,
			     (unsigned)m->state);
	} else {
		step->state = (enum step_state)m->state;
		step->maybe = m->maybe;
		step->undo = m->undo;
		step->attempts = m->attempts;
		step->tries = m->tries;
		replace(&step->args, m->args);
		replace(&step->output, m->output);
		replace(&step->reason, m->reason);
		replace(&step->agent, m->agent);
	}
	settle__record__progress__free_unpacked(m, NULL);
	return rc;
}
