/* saga_records.c - what happens to a saga, told to its machine and written down: its
 * steps, its own row with the reason, the lines of its history. */
#include "base/crash.h"
#include "base/log.h"
#include "base/mem.h"
#include "coordinator/core.h"
#include "coordinator/jsonout.h"

#include <stdlib.h>
#include <string.h>

bool saga_unwritten(const struct txn *t, size_t step)
{
	const int state = (int)t->rec->saga->steps[step].state, written = t->jobs[step].written;

	return written != state && (written != 0 || state != STEP_WAITING);
}

/* Once for all that happened in one go, with the arguments that were filled in
 * meanwhile; the batch is still open, and what is to be sent waits for it. */
void saga_write_steps(struct engine *e, struct txn *t)
{
	const struct saga *s = t->rec->saga;

	for (size_t i = 0; i < s->n_steps; i++) {
		if (!saga_unwritten(t, i))
			continue;
		CRASH_POINT(step_record);
		t->jobs[i].written = (int)s->steps[i].state;
		effects_record_step(e, t, i, true);
	}
}

static void explain(struct record *r, const char *step, const char *reason)
{
	if (reason == NULL || reason[0] == '\0')
		return;
	free(r->reason);
	r->reason = step != NULL ? mem_printf("step %s: %s", step, reason) : mem_dup(reason);
}

static void say_moved(struct engine *e, struct txn *t)
{
	const struct record *r = t->rec;
	struct jsonbuf *line;

	switch (r->saga->state) {
	case SAGA_FINISHING: history_say(e, t, "past_pivot", NULL); return;
	case SAGA_UNDOING: history_say(e, t, "undoing", r->reason); return;
	case SAGA_RUN_STUCK:
	case SAGA_FINISH_STUCK:
	case SAGA_UNDO_STUCK:
		log_event(LOG_ERROR, "saga-stuck", "gid=%s %s", r->gid,
			  r->reason != NULL ? r->reason : "");
		history_say(e, t, "stuck", r->reason);
		return;
	case SAGA_DONE:
	case SAGA_UNDONE:
		line = history_open(e, "finished");
		out_text(line, "status", record_status(r->state));
		out_text(line, "reason", r->reason);
		history_close(e, t);
		return;
	default: return;
	}
}

/* Why it is rolled back, or stuck, or was ended by a person; what went well has no
 * reason. */
static void keep_reason(struct record *r, const struct saga_news *n, enum saga_state before)
{
	const struct saga *s = r->saga;
	const bool whole = n->event == SAGA_EV_CANCEL || n->event == SAGA_EV_RESOLVE;
	const bool undo = s->state == SAGA_UNDOING || s->state == SAGA_UNDONE;

	if (s->state == SAGA_DONE && !whole) {
		free(r->reason);
		r->reason = NULL;
	} else if (whole || (undo && before == SAGA_RUNNING) ||
		   (r->reason == NULL && s->state != SAGA_FINISHING)) {
		explain(r, whole ? NULL : s->steps[n->step].name, n->reason);
	}
}

/* The saga's own row, when its state or what stands beside it has changed. */
void saga_write(struct engine *e, struct txn *t, enum saga_state before, bool whole)
{
	struct record *r = t->rec;

	CRASH_POINT(saga_record);
	r->state = record_of_saga(r->saga->state);
	if (saga_over(r->saga)) {
		r->finished_us = e->wall_us;
		txn_count_end(e, t);
	}
	if (r->saga->state != before)
		say_moved(e, t);
	effects_record_saga(e, t, whole || r->state != TXN_COMMITTED);
}

/* Steps the machine; true if anything changed: then the caller goes on to see_to. */
bool saga_tell(struct engine *e, struct txn *t, const struct saga_news *news)
{
	struct record *r = t->rec;
	struct saga *s = r->saga;
	const enum saga_state before = s->state;
	const bool stop = s->stop, reason = r->reason != NULL;

	if (!saga_step(s, news))
		return false;
	if (s->state != before || s->stop != stop) {
		keep_reason(r, news, before);
		saga_write(e, t, before, reason);
	}
	effects_stage_news(e, t); /* see_to writes the steps */
	return true;
}
