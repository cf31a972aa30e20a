/* view.c - see view.h. */
#include "coordinator/view.h"
#include "base/clock.h"
#include "base/mem.h"
#include "saga/jsonbuf.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A string, even of bytes that are not UTF-8 (a database may speak another
 * encoding, a long reason may have been cut): what JSON cannot carry becomes `?`. */
static json_t *view_text(const char *s, size_t size)
{
	json_t *json = json_stringn(s, size);
	char *plain;

	if (json != NULL)
		return json;
	plain = mem_dup_bytes(s, size);
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)plain[i] >= 0x80)
			plain[i] = '?';
	json = json_stringn(plain, size);
	free(plain);
	return json;
}

/* JSON text as JSON; text that is none as a string, so that nothing is hidden. */
static json_t *view_json(const char *text)
{
	json_t *json = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

	return json != NULL ? json : view_text(text, strlen(text));
}

static void put(json_t *to, const char *key, json_t *value)
{
	const int failed = json_object_set_new(to, key, value);

	assert(failed == 0); /* keys are ours, memory is there */
	(void)failed;
}

static void put_text(json_t *to, const char *key, const char *text)
{
	if (text != NULL)
		put(to, key, view_text(text, strlen(text)));
}

static void put_time(json_t *to, const char *key, uint64_t wall_us)
{
	char text[32];

	if (wall_us != 0)
		put(to, key, json_string(time_format(wall_us, text)));
}

/* ---- branches and steps ---- */

/* A branch is named `step.branch`; neither part has a dot. */
static size_t step_size(const char *name)
{
	return strcspn(name, ".");
}

static json_t *view_branch(const struct record_branch *b)
{
	const char *dot = strchr(b->name, '.');
	json_t *out = json_object();

	put_text(out, "name", dot != NULL ? dot + 1 : b->name);
	put_text(out, "resource", b->resource);
	put_text(out, "operation", b->operation);
	put_text(out, "status", record_branch_status(b->state));
	put_text(out, "agent", b->agent);
	if (b->output != NULL)
		put(out, "output", view_json(b->output));
	put_text(out, "reason", b->reason);
	return out;
}

/* The branches from `*i` on that are of one step; `*i` moves past them. */
static json_t *view_branches(const struct record *r, size_t *i)
{
	const char *name = r->branches[*i].name;
	const size_t size = step_size(name);
	json_t *branches = json_array();

	for (; *i < r->n_branches; (*i)++) {
		const struct record_branch *b = &r->branches[*i];

		if (step_size(b->name) != size || strncmp(b->name, name, size) != 0)
			break;
		json_array_append_new(branches, view_branch(b));
	}
	return branches;
}

/* The step that begins with branch `*i`, which moves past it.  A plain transaction is
 * one atomic group, so the group's state is the transaction's. */
static json_t *view_plain_step(const struct record *r, size_t *i)
{
	const char *name = r->branches[*i].name;
	json_t *out = json_object();

	put(out, "name", view_text(name, step_size(name)));
	put_text(out, "status", record_status(r->state));
	put(out, "branches", view_branches(r, i));
	return out;
}

static json_t *view_plain_steps(const struct record *r)
{
	json_t *steps = json_array();

	for (size_t i = 0; i < r->n_branches;)
		json_array_append_new(steps, view_plain_step(r, &i));
	return steps;
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
static void put_group(json_t *out, const struct record *group)
{
	size_t i = 0;

	put_text(out, "transaction", group->gid);
	if (group->n_branches > 0)
		put(out, "branches", view_branches(group, &i));
}

static json_t *view_saga_step(const struct saga *saga, size_t i, const struct view_more *more)
{
	const struct saga_step *s = &saga->steps[i];
	const struct record *group =
		more != NULL && more->group != NULL ? more->group(i, more->arg) : NULL;
	json_t *out = json_object(), *undo;

	put_text(out, "name", s->name);
	put_text(out, "kind", s->resource != NULL ? "call" : "atomic");
	put_text(out, "status", record_step_status(saga, i));
	if (s->pivot)
		put(out, "pivot", json_true());
	put_text(out, "resource", s->resource);
	put_text(out, "operation", s->operation);
	put(out, "attempts", json_integer((json_int_t)s->attempts));
	put_text(out, "direction", direction(s));
	if (s->undo_resource != NULL) {
		undo = json_object();
		put_text(undo, "resource", s->undo_resource);
		put_text(undo, "operation", s->undo_operation);
		put(out, "undo", undo);
	}
	if (s->output != NULL)
		put(out, "output", view_json(s->output));
	put_text(out, "reason", s->reason);
	put_text(out, "agent", s->agent);
	if (more != NULL && more->next_attempt != NULL)
		put_time(out, "next_attempt", more->next_attempt(i, more->arg));
	if (more != NULL && more->queued != NULL && more->queued(i, more->arg))
		put(out, "queued", json_true());
	if (group != NULL)
		put_group(out, group);
	return out;
}

static json_t *view_saga_steps(const struct saga *saga, const struct view_more *more)
{
	json_t *steps = json_array();

	for (size_t i = 0; i < saga->n_steps; i++)
		json_array_append_new(steps, view_saga_step(saga, i, more));
	return steps;
}

/* ---- the whole ---- */

static json_t *view_head(const struct record *r)
{
	json_t *out = json_object();

	put_text(out, "gid", r->gid);
	put_text(out, "status", record_status(r->state));
	put_text(out, "workflow", r->workflow);
	if (r->version != 0)
		put(out, "version", json_integer((json_int_t)r->version));
	put_text(out, "reason", r->reason);
	return out;
}

json_t *view_row(const struct record *r)
{
	json_t *out = view_head(r);

	put_time(out, "created", r->seq);
	put_time(out, "finished", r->finished_us);
	return out;
}

json_t *view_record(const struct record *r, const struct view_more *more)
{
	json_t *out = view_head(r);

	if (r->input != NULL)
		put(out, "input", view_json(r->input));
	put_time(out, "created", r->seq);
	put_time(out, "deadline", r->deadline_us);
	put_time(out, "finished", r->finished_us);
	put(out, "steps", r->saga != NULL ? view_saga_steps(r->saga, more) : view_plain_steps(r));
	return out;
}

char *view_dump(json_t *json)
{
	/* Not json_dumps: it would make 0.10000000000000001 of 0.1. */
	struct jsonbuf b = {.max = SIZE_MAX};

	jsonbuf_value(&b, json);
	json_decref(json);
	return jsonbuf_take(&b);
}
