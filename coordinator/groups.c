/* groups.c - a step that is an atomic group: each attempt is a transaction of its own.
 *
 * Its gid follows from the saga, the step and the number of the try, which is
 * journalled with or before the group's decision: after a restart the journal tells
 * what became of it.  A try that the journal does not know was not committed
 * (presumed abort), and the next one has another name, so nothing of the old one can
 * be taken for the new.  Clients cannot submit under such a gid. */
#include "base/mem.h"
#include "coordinator/core.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void gid_of_try(const struct record *saga, size_t step, uint32_t try, char out[GID_MAX + 1])
{
	snprintf(out, GID_MAX + 1, "settle.%" PRIx64 ".%zu.%" PRIu32, saga->seq, step, try);
}

void group_gid(const struct record *saga, size_t step, char out[GID_MAX + 1])
{
	gid_of_try(saga, step, saga->saga->steps[step].tries, out);
}

static struct txn *newest(struct engine *e, const struct record *saga, size_t step)
{
	char gid[GID_MAX + 1];
	struct txn *t;

	group_gid(saga, step, gid);
	HASH_FIND_STR(e->txns, gid, t);
	return t;
}

static struct record *make_record(struct engine *e, struct txn *t, size_t step, struct plan *plan)
{
	char gid[GID_MAX + 1];
	struct record *r;

	group_gid(t->rec, step, gid);
	r = record_new(gid, plan);
	r->seq = e->wall_us > e->last_seq ? e->wall_us : e->last_seq + 1;
	e->last_seq = r->seq;
	r->epoch = e->settings.epoch;
	r->parent_seq = t->rec->seq;
	r->parent = mem_dup(t->rec->gid);
	r->parent_step = (uint32_t)step;
	return r;
}

enum rc group_begin(struct engine *e, struct txn *t, size_t step, struct err *err)
{
	const struct workflow *w = definition_workflow(t->definition);
	struct saga *s = t->rec->saga;
	const bool undo = s->steps[step].state == STEP_UNDOING;
	struct workflow_data data;
	struct plan plan;
	json_t *input;
	enum rc rc;

	data = saga_data(t, &input);
	rc = workflow_group(w, step, undo, &data, &plan, err);
	json_decref(input);
	if (rc != RC_OK)
		return rc;
	rc = plan_check(e, &plan, false, err);
	if (rc != RC_OK) {
		plan_fini(&plan);
		return rc;
	}
	saga_attempt_begins(e, t, step);
	/* Not forced: should this be lost, then so is the group's decision, which is in
	 * this batch or a later one. */
	effects_record_step(e, t, step, false);
	txn_begin(e, txn_add(e, make_record(e, t, step, &plan)));
	return RC_OK;
}

void group_cancel(struct engine *e, struct txn *t, size_t step)
{
	struct txn *group = newest(e, t->rec, step);

	if (group != NULL &&
	    (group->rec->state == TXN_PREPARING || group->rec->state == TXN_ONE_PHASE))
		txn_event(e, group, TXN_EV_CANCEL, 0, "its saga is rolled back");
}

/* ---- how it ended ---- */

/* {"debit": …, "credit": …}: what each branch gave, by its name in the file. */
static char *gather_outputs(const struct record *group)
{
	json_t *all = json_object();
	char *text;

	for (size_t i = 0; i < group->n_branches; i++) {
		const struct record_branch *b = &group->branches[i];
		const char *dot = strchr(b->name, '.');
		json_t *one =
			b->output != NULL ? json_loads(b->output, JSON_DECODE_ANY, NULL) : NULL;

		if (one != NULL)
			json_object_set_new(all, dot != NULL ? dot + 1 : b->name, one);
	}
	text = json_dumps(all, JSON_COMPACT);
	json_decref(all);
	return text;
}

static void take(struct engine *e, struct txn *t, size_t step, const struct record *group)
{
	struct saga_step *st = &t->rec->saga->steps[step];
	struct saga_news news = {SAGA_EV_RETRY, step, group->reason, true};
	bool kept = true;
	char *output;

	if (group->state == TXN_COMMITTED) {
		news.event = SAGA_EV_DONE;
		news.reason = NULL;
		if (st->state == STEP_DOING || (st->state == STEP_STUCK && !st->undo)) {
			output = gather_outputs(group);
			kept = saga_keep_output(t, step, (struct bytes){output, strlen(output)});
			free(output);
		}
	} else if (group->state != TXN_ABORTED) {
		news.event = SAGA_EV_HAZARD;
	} else if (group->refused) {
		news.event = SAGA_EV_REFUSED;
	}
	saga_attempt_over(e, t, &news, 0);
	if (!kept)
		saga_output_dropped(e, t);
}

void group_moved(struct engine *e, struct txn *group)
{
	const struct record *r = group->rec;
	char gid[GID_MAX + 1];
	struct txn *t;

	if (!record_finished(r->state) && !txn_is_stuck(r->state))
		return;
	HASH_FIND_STR(e->txns, r->parent, t);
	if (t == NULL || t->rec->saga == NULL || r->parent_step >= t->rec->saga->n_steps)
		return; /* a person has ended the saga meanwhile */
	group_gid(t->rec, r->parent_step, gid);
	if (strcmp(gid, r->gid) == 0)
		take(e, t, r->parent_step, r);
}

void group_recover(struct engine *e, struct txn *t, size_t step)
{
	struct saga_step *st = &t->rec->saga->steps[step];
	struct txn *group = st->attempts > 0 ? newest(e, t->rec, step) : NULL;
	struct saga_news unread = {SAGA_EV_HAZARD, step, NULL, false};
	struct record *r = NULL;
	char gid[GID_MAX + 1];
	struct err err;
	enum rc rc;

	/* `tries` alone would not do: the newest may be one of the action, and its
	 * compensation not begun. */
	group_gid(t->rec, step, gid);
	st->out = st->attempts > 0;
	if (group != NULL) {
		if (txn_is_stuck(group->rec->state))
			take(e, t, step, group->rec);
		return;
	}
	rc = st->out ? e->journal.find(e->journal.self, gid, &r, &err) : RC_NOT_FOUND;
	if (rc == RC_OK) {
		take(e, t, step, r);
	} else if (rc == RC_NOT_FOUND) {
		st->out = false;
		t->jobs[step].command = COMMAND_NONE; /* it is taken up anew */
	} else {
		unread.reason = err.text;
		saga_attempt_over(e, t, &unread, 0);
	}
	record_free(r);
}
