/* view.c - see view.h. */
#include "coordinator/view.h"
#include "coordinator/jsonout.h"

#include <stdint.h>
#include <string.h>

/* ---- branches and steps ---- */

/* A branch is named `step.branch`; neither part has a dot. */
static size_t step_size(const char *name)
{
	return strcspn(name, ".");
}

static void put_branch(struct jsonbuf *out, const struct record_branch *b)
{
	const char *dot = strchr(b->name, '.');

	out_open(out, '{');
	out_text(out, "name", dot != NULL ? dot + 1 : b->name);
	out_text(out, "resource", b->resource);
	out_text(out, "operation", b->operation);
	out_text(out, "status", record_branch_status(b->state));
	out_text(out, "agent", b->agent);
	out_json(out, "output", b->output);
	out_text(out, "reason", b->reason);
	out_close(out, '}');
}

/* The branches from `*i` on that are of one step; `*i` moves past them. */
static void put_branches(struct jsonbuf *out, const struct record *r, size_t *i)
{
	const char *name = r->branches[*i].name;
	const size_t size = step_size(name);

	out_key(out, "branches");
	out_open(out, '[');
	for (; *i < r->n_branches; (*i)++) {
		const struct record_branch *b = &r->branches[*i];

		if (step_size(b->name) != size || strncmp(b->name, name, size) != 0)
			break;
		put_branch(out, b);
	}
	out_close(out, ']');
}

/* The step that begins with branch `*i`, which moves past it.  A plain transaction is
 * one atomic group, so the group's state is the transaction's. */
static void put_plain_step(struct jsonbuf *out, const struct record *r, size_t *i)
{
	const char *name = r->branches[*i].name;

	out_open(out, '{');
	out_part(out, "name", name, step_size(name));
	out_text(out, "status", record_status(r->state));
	put_branches(out, r, i);
	out_close(out, '}');
}

/* ---- the steps of a saga ---- */

/* Which way its work goes, or went last; NULL: nothing was begun. */
static const char *direction(const struct saga_step *s)
{
	switch (s->state) {
	case STEP_WAITING:
	case STEP_SKIPPED:
	case STEP_STATES: return NULL;
	case STEP_DOING:
	case STEP_PENDING:
	case STEP_DONE:
	case STEP_FAILED:
	case STEP_LOST:
	case STEP_KEPT: return "do";
	case STEP_UNDOING:
	case STEP_UNDONE: return "undo";
	case STEP_STUCK: return s->undo ? "undo" : "do";
	}
	return NULL;
}

/* The transaction of the step's group, with its branches. */
static void put_group(struct jsonbuf *out, const struct record *group)
{
	size_t i = 0;

	out_text(out, "transaction", group->gid);
	if (group->n_branches > 0)
		put_branches(out, group, &i);
}

static void put_undo(struct jsonbuf *out, const struct saga_step *s)
{
	if (s->undo_resource == NULL)
		return;
	out_key(out, "undo");
	out_open(out, '{');
	out_text(out, "resource", s->undo_resource);
	out_text(out, "operation", s->undo_operation);
	out_close(out, '}');
}

static void put_saga_step(struct jsonbuf *out, const struct saga *saga, size_t i,
			  const struct view_more *more)
{
	const struct saga_step *s = &saga->steps[i];
	const struct record *group =
		more != NULL && more->group != NULL ? more->group(i, more->arg) : NULL;

	out_open(out, '{');
	out_text(out, "name", s->name);
	out_text(out, "kind", s->resource != NULL ? "call" : "atomic");
	out_text(out, "status", record_step_status(saga, i));
	if (s->pivot) {
		out_key(out, "pivot");
		jsonbuf_text(out, "true");
	}
	out_text(out, "resource", s->resource);
	out_text(out, "operation", s->operation);
	out_number(out, "attempts", s->attempts);
	out_text(out, "direction", direction(s));
	put_undo(out, s);
	out_json(out, "output", s->output);
	out_text(out, "reason", s->reason);
	out_text(out, "agent", s->agent);
	if (more != NULL && more->next_attempt != NULL)
		out_time(out, "next_attempt", more->next_attempt(i, more->arg));
	if (more != NULL && more->queued != NULL && more->queued(i, more->arg)) {
		out_key(out, "queued");
		jsonbuf_text(out, "true");
	}
	if (group != NULL)
		put_group(out, group);
	out_close(out, '}');
}

static void put_steps(struct jsonbuf *out, const struct record *r, const struct view_more *more)
{
	out_key(out, "steps");
	out_open(out, '[');
	if (r->saga != NULL)
		for (size_t i = 0; i < r->saga->n_steps; i++)
			put_saga_step(out, r->saga, i, more);
	else
		for (size_t i = 0; i < r->n_branches;)
			put_plain_step(out, r, &i);
	out_close(out, ']');
}

/* ---- the whole ---- */

static void put_head(struct jsonbuf *out, const struct record *r)
{
	out_text(out, "gid", r->gid);
	out_text(out, "status", record_status(r->state));
	out_text(out, "workflow", r->workflow);
	if (r->version != 0)
		out_number(out, "version", r->version);
	out_text(out, "reason", r->reason);
}

char *view_row(const struct record *r)
{
	struct jsonbuf out = {.max = SIZE_MAX};

	out_open(&out, '{');
	put_head(&out, r);
	out_time(&out, "created", r->seq);
	out_time(&out, "finished", r->finished_us);
	out_close(&out, '}');
	return jsonbuf_take(&out);
}

char *view_record(const struct record *r, const struct view_more *more)
{
	struct jsonbuf out = {.max = SIZE_MAX};

	jsonbuf_room(&out,
		     r->saga != NULL ? 300 + 150 * r->saga->n_steps : 0); /* most often enough */
	out_open(&out, '{');
	put_head(&out, r);
	out_json(&out, "input", r->input);
	out_time(&out, "created", r->seq);
	out_time(&out, "deadline", r->deadline_us);
	out_time(&out, "finished", r->finished_us);
	put_steps(&out, r, more);
	out_close(&out, '}');
	return jsonbuf_take(&out);
}

char *view_dump(json_t *json)
{
	/* Not json_dumps: it would make 0.10000000000000001 of 0.1. */
	struct jsonbuf b = {.max = SIZE_MAX};

	jsonbuf_value(&b, json);
	json_decref(json);
	return jsonbuf_take(&b);
}
