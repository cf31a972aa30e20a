/* record_pack.c - a record and the steps of a saga as bytes, and back; see record.h.
 *
 * gid, hash, state, epoch, the times, workflow and reason are columns of the
 * journal's row, because lists and inquiries read them without the rest; all else
 * is packed (record.proto).  How far a saga's step is has a row of its own, so that a
 * saga of many steps is not written anew with each of them.  In the packed form an
 * absent text is an empty one: none of ours is ever empty and there (JSON is not,
 * names are not). */
#include "base/mem.h"
#include "base/word.h"
#include "wire/packer.h"
#include "coordinator/record.h"
#include "coordinator/record.pb-c.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

typedef Settle__Record__Detail detail_msg;
typedef Settle__Record__Branch branch_msg;
typedef Settle__Record__Step step_msg;
typedef Settle__Record__Progress progress_msg;

/* ---- packing: the numbers are those of record.proto ---- */

static void pack_branch(struct packer *p, const struct record_branch *b)
{
	const size_t at = pack_open(p, 5);

	pack_text(p, 1, b->name);
	pack_text(p, 2, b->resource);
	pack_text(p, 3, b->operation);
	pack_text(p, 4, b->args);
	pack_number(p, 5, b->read_only);
	pack_number(p, 6, b->state);
	pack_text(p, 7, b->output);
	pack_text(p, 8, b->reason);
	pack_text(p, 9, b->agent);
	pack_close(p, at);
}

static void pack_step(struct packer *p, const struct saga_step *step)
{
	const size_t at = pack_open(p, 10);

	pack_text(p, 1, step->name);
	pack_text(p, 2, step->resource);
	pack_text(p, 3, step->operation);
	pack_text(p, 4, step->undo_resource);
	pack_text(p, 5, step->undo_operation);
	pack_number(p, 6, step->pivot);
	pack_close(p, at);
}

static void give(struct packer *p, void **out, size_t *size)
{
	*out = p->bytes != NULL ? p->bytes : mem_new(1, 1);
	*size = p->size;
}

void record_pack(const struct record *r, void **out, size_t *size)
{
	struct packer p = {0};
	const struct saga *saga = r->saga;

	assert(r->definition == NULL || strlen(r->definition) <= WORKFLOW_TEXT_MAX);
	assert(saga == NULL || (r->n_branches == 0 && r->state == record_of_saga(saga->state)));
	pack_text(&p, 1, r->input);
	pack_number(&p, 2, r->timeout_ms);
	pack_number(&p, 3, r->sequential);
	pack_number(&p, 4, r->accepted);
	for (size_t i = 0; i < r->n_branches; i++)
		pack_branch(&p, &r->branches[i]);
	pack_number(&p, 6, r->version);
	pack_text(&p, 7, r->definition);
	pack_number(&p, 8, r->deadline_us);
	pack_number(&p, 9, saga != NULL && saga->stop);
	for (size_t i = 0; saga != NULL && i < saga->n_steps; i++)
		pack_step(&p, &saga->steps[i]);
	pack_number(&p, 11, r->parent_seq);
	pack_text(&p, 12, r->parent);
	pack_number(&p, 13, r->parent_step);
	give(&p, out, size);
}

void record_pack_step(const struct saga_step *step, void **out, size_t *size)
{
	struct packer p = {0};

	pack_number(&p, 1, step->state);
	pack_number(&p, 2, step->maybe);
	pack_number(&p, 3, step->undo);
	pack_number(&p, 4, step->attempts);
	pack_number(&p, 5, step->tries);
	pack_text(&p, 6, step->args);
	pack_text(&p, 7, step->output);
	pack_text(&p, 8, step->reason);
	pack_text(&p, 9, step->agent);
	give(&p, out, size);
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
	b->name = word_hold(m->name);
	b->resource = word_hold(m->resource);
	b->operation = word_hold(m->operation);
	b->agent = m->agent[0] != '\0' ? word_hold(m->agent) : NULL;
	b->args = kept(m->args);
	b->output = kept(m->output);
	b->reason = kept(m->reason);
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
