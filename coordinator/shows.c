/* shows.c - one transaction as clients see it, with the groups of a saga.
 *
 * Rule: what is shown of a group leaves when the group's own news is durable. */
#include "base/mem.h"
#include "coordinator/core.h"
#include "coordinator/view.h"

#include <stdlib.h>

struct showing {
	struct engine *e;
	const struct record *r;
	const struct txn *t;    /* NULL: read from the journal */
	uint64_t batch;         /* to wait for */
	struct record **loaded; /* read for this answer; freed after it */
	size_t n_loaded;
};

/* No step in this state was ever undone, not even in part. */
static bool forward_only(enum step_state s)
{
	return s == STEP_WAITING || s == STEP_DOING || s == STEP_PENDING || s == STEP_DONE ||
	       s == STEP_SKIPPED || s == STEP_FAILED || s == STEP_LOST;
}

/* The transaction of a group's newest attempt, in memory or from the journal. */
static const struct record *group_of(size_t step, void *arg)
{
	struct showing *s = arg;
	const struct saga_step *st = &s->r->saga->steps[step];
	char gid[GID_MAX + 1];
	struct record *r;
	struct txn *t;
	struct err err;

	if (st->tries == 0 ||
	    (st->operation != NULL && (st->undo_operation != NULL || forward_only(st->state))))
		return NULL; /* a call has none */
	group_gid(s->r, step, gid);
	HASH_FIND_STR(s->e->txns, gid, t);
	if (t != NULL) {
		if (t->batch > s->batch)
			s->batch = t->batch;
		return t->rec;
	}
	if (st->operation != NULL && st->state != STEP_UNDOING && st->state != STEP_UNDONE)
		return NULL;
	if (s->e->journal.find(s->e->journal.self, gid, &r, &err) != RC_OK)
		return NULL;
	s->loaded = mem_grow(s->loaded, s->n_loaded + 1, sizeof *s->loaded);
	return s->loaded[s->n_loaded++] = r;
}

static uint64_t next_attempt(size_t step, void *arg)
{
	const struct showing *s = arg;
	const struct saga_step *st = &s->r->saga->steps[step];
	uint64_t at;

	if (s->t == NULL || st->out || (st->state != STEP_DOING && st->state != STEP_UNDOING))
		return 0;
	at = s->t->jobs[step].retry_us;
	return at > s->e->now_us ? s->e->wall_us + (at - s->e->now_us) : 0;
}

static bool queued(size_t step, void *arg)
{
	const struct showing *s = arg;

	return s->t != NULL && s->t->jobs[step].place == JOB_FRESH;
}

void client_show_record(struct engine *e, const struct txn *t, const struct record *r,
			uint64_t client, enum answer_code code)
{
	struct showing s = {.e = e, .r = r, .t = t, .batch = t != NULL ? t->batch : 0};
	const struct view_more more = {group_of, next_attempt, queued, &s};
	char *json = view_record(r, r->saga != NULL ? &more : NULL);

	effects_answer(e, s.batch, client, code, json, NULL);
	for (size_t i = 0; i < s.n_loaded; i++)
		record_free(s.loaded[i]);
	free(s.loaded);
}
