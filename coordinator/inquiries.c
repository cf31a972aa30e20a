/* inquiries.c - what an agent is told of a prepared branch that it has no work for.
 *
 * Rule: an orphan is rolled back only on the coordinator's word, and that word is
 * presumed abort: what neither memory nor journal knows as committed was not. */
#include "base/log.h"
#include "base/mem.h"
#include "coordinator/core.h"

#include <inttypes.h>
#include <stdlib.h>

static enum verdict verdict_of_past(struct engine *e, const struct branch_id *id)
{
	struct record *r = NULL;
	struct err err;
	enum verdict v = VERDICT_ABORT; /* presumed: what is not known was not committed */
	const enum rc rc = e->journal.find(e->journal.self, id->gid, &r, &err);

	if (rc != RC_OK && rc != RC_NOT_FOUND) {
		log_event(LOG_ERROR, "journal-read-failed", "gid=%s %s", id->gid, err.text);
		return VERDICT_WAIT;
	}
	if (rc == RC_OK && r->epoch == id->epoch &&
	    (r->state == TXN_COMMITTED || r->state == TXN_COMMITTING ||
	     r->state == TXN_COMMIT_HAZARD))
		v = VERDICT_COMMIT;
	record_free(r);
	return v;
}

/* While a transaction is in memory its own commands do the work; an answer beside
 * them could make a first commit find nothing, and look like a hazard. */
static enum verdict verdict_of(struct engine *e, const struct branch_id *id)
{
	struct txn *t;

	if (id->epoch > e->settings.epoch)
		return VERDICT_WAIT; /* of a coordinator after us: not ours to say */
	HASH_FIND_STR(e->txns, id->gid, t);
	if (t == NULL)
		return verdict_of_past(e, id);
	if (t->rec->epoch != id->epoch)
		return VERDICT_ABORT; /* an earlier try, never decided */
	if (t->rec->state == TXN_COMMITTED)
		return VERDICT_COMMIT;
	return t->rec->state == TXN_ABORTED ? VERDICT_ABORT : VERDICT_WAIT;
}

void inquiries_answer(struct engine *e, struct agent *a, const struct poll *p)
{
	for (size_t i = 0; i < p->n_inquiries; i++) {
		const struct branch_id *id = &p->inquiries[i];
		struct answer *ans;

		if (a->n_answers >= FRAME_ITEMS_MAX)
			return; /* it will ask again */
		if (a->n_answers == a->answers_room) {
			a->answers_room = a->answers_room > 0 ? 2 * a->answers_room : 16;
			a->answers = mem_grow(a->answers, a->answers_room, sizeof *a->answers);
		}
		ans = &a->answers[a->n_answers++];
		ans->id = (struct branch_id){mem_dup(id->resource), mem_dup(id->gid), id->epoch,
					     mem_dup(id->branch)};
		ans->verdict = verdict_of(e, id);
		log_event(LOG_INFO, "inquiry",
			  "agent=%s gid=%s branch=%s epoch=%" PRIu64 " answer=%s", a->name, id->gid,
			  id->branch, id->epoch, verdict_name(ans->verdict));
	}
}

void inquiries_clear(struct agent *a)
{
	for (size_t i = 0; i < a->n_answers; i++) {
		free((char *)a->answers[i].id.resource);
		free((char *)a->answers[i].id.gid);
		free((char *)a->answers[i].id.branch);
	}
	a->n_answers = 0;
}
