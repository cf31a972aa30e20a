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

/* The step that begins with branch `*i`, which moves past it.  A transaction is one
 * atomic group, so the group's state is the transaction's. */
static json_t *view_step(const struct record *r, size_t *i)
{
	const char *name = r->branches[*i].name;
	const size_t size = step_size(name);
	json_t *branches = json_array();
	json_t *out = json_object();

	put(out, "name", view_text(name, size));
	put_text(out, "status", record_status(r->state));
	for (; *i < r->n_branches; (*i)++) {
		const struct record_branch *b = &r->branches[*i];

		if (step_size(b->name) != size || strncmp(b->name, name, size) != 0)
			break;
		json_array_append_new(branches, view_branch(b));
	}
	put(out, "branches", branches);
	return out;
}

/* ---- the whole ---- */

static json_t *view_head(const struct record *r)
{
	json_t *out = json_object();

	put_text(out, "gid", r->gid);
	put_text(out, "status", record_status(r->state));
	put_text(out, "workflow", r->workflow);
	put_text(out, "reason", r->reason);
	return out;
}

static void put_times(json_t *out, const struct record *r)
{
	put_time(out, "created", r->seq);
	put_time(out, "finished", r->finished_us);
}

json_t *view_row(const struct record *r)
{
	json_t *out = view_head(r);

	put_times(out, r);
	return out;
}

json_t *view_record(const struct record *r)
{
	json_t *out = view_head(r);
	json_t *steps = json_array();

	if (r->input != NULL)
		put(out, "input", view_json(r->input));
	put_times(out, r);
	for (size_t i = 0; i < r->n_branches;)
		json_array_append_new(steps, view_step(r, &i));
	put(out, "steps", steps);
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
