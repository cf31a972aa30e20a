/* rest_txn.c - the calls about transactions that are there: seen, listed, and what a
 * person says to them. */
#include "coordinator/rest_core.h"

#include "base/mem.h"
#include "saga/jsonbuf.h"

#include <stdlib.h>
#include <string.h>

/* ---- seeing ---- */

void call_get(struct call *c)
{
	const char *wait = param(c, "wait");
	uint64_t ms = 0;

	if (wait == NULL || call_wait(c, "wait", wait, &ms))
		engine_get(c->rest->engine, call_ask(c), c->gid, ms);
}

static bool is_status(const char *word)
{
	for (int s = TXN_ACCEPTED; s < TXN_STATES; s++)
		if (strcmp(record_status((enum txn_state)s), word) == 0)
			return true;
	return false;
}

static bool read_cursor(struct call *c, uint64_t *out)
{
	const char *text = param(c, "cursor");

	return text == NULL || number_parse(text, 1, UINT64_MAX, out) ||
	       call_refuse_at(c, "cursor", "cursor: must be what an earlier page gave as \"next\"");
}

void call_list(struct call *c)
{
	struct list_query q = {
		.status = param(c, "status"),
		.workflow = param(c, "workflow"),
		.resource = param(c, "resource"),
	};
	uint64_t limit = LIST_STANDARD;

	if (q.status != NULL && !is_status(q.status)) {
		call_refuse_at(c, "status",
			       "status: must be running, committing, rolling_back, committed, "
			       "rolled_back or stuck");
		return;
	}
	if (!param_time(c, "since", &q.since_us) || !param_time(c, "until", &q.until_us) ||
	    !read_cursor(c, &q.before_seq) || !param_number(c, "limit", 1, LIST_MAX, &limit))
		return;
	q.limit = (size_t)limit;
	engine_list(c->rest->engine, call_ask(c), &q);
}

/* A stream goes on after the last line that the client had. */
static bool read_last_id(struct call *c, uint64_t *after)
{
	const char *text = call_head(c, "Last-Event-ID");

	return text == NULL || text[0] == '\0' || number_parse(text, 0, INT64_MAX, after) ||
	       call_refuse_at(c, "Last-Event-ID", "Last-Event-ID: must be the id of an event");
}

void call_events(struct call *c)
{
	const char *wait = param(c, "wait");
	uint64_t after = 0, ms = 0;

	if (!param_number(c, "after", 0, INT64_MAX, &after) ||
	    (wait != NULL && !call_wait(c, "wait", wait, &ms)))
		return;
	if (!stream_wanted(c))
		engine_events(c->rest->engine, call_ask(c), c->gid, after, ms);
	else if (wait != NULL)
		call_refuse_at(c, "wait", "wait: a stream waits by itself; leave it out");
	else if (read_last_id(c, &after))
		stream_open(c, after);
}

/* ---- a person's word ---- */

void call_cancel(struct call *c)
{
	static const char *const known[] = {"reason", NULL};
	const char *reason;
	json_t *body;

	if (!call_json(c, known, true, &body))
		return;
	if (field_reason(c, body, false, &reason))
		engine_cancel(c->rest->engine, call_ask(c), c->gid, reason);
	json_decref(body);
}

void call_retry(struct call *c)
{
	static const char *const known[] = {"step", "reason", NULL};
	const char *step, *reason;
	json_t *body;

	if (!call_json(c, known, true, &body))
		return;
	if (field_step(c, body, &step) && field_reason(c, body, false, &reason))
		engine_retry(c->rest->engine, call_ask(c), c->gid, step, reason);
	json_decref(body);
}

static const char *const actions[] = {
	[RESOLVE_FORGET] = "forget",
	[RESOLVE_SKIP] = "skip",
	[RESOLVE_COMMITTED] = "committed",
	[RESOLVE_ROLLED_BACK] = "rolled_back",
};

static bool field_action(struct call *c, const json_t *body, enum resolve_action *out)
{
	const char *word = json_string_value(json_object_get(body, "action"));

	for (size_t i = 0; word != NULL && i < sizeof actions / sizeof actions[0]; i++) {
		if (strcmp(actions[i], word) != 0)
			continue;
		*out = (enum resolve_action)i;
		return true;
	}
	return call_refuse_at(c, "action",
			      "action: must be \"forget\", \"skip\", \"committed\" or "
			      "\"rolled_back\"");
}

void call_resolve(struct call *c)
{
	static const char *const known[] = {"action", "step", "reason", NULL};
	enum resolve_action action = RESOLVE_FORGET;
	const char *step, *reason;
	json_t *body;

	if (!call_json(c, known, false, &body))
		return;
	if (field_action(c, body, &action) && field_step(c, body, &step) &&
	    field_reason(c, body, true, &reason)) {
		if (step != NULL && action != RESOLVE_SKIP)
			call_refuse_at(c, "step", "step: goes only with the action \"skip\"");
		else
			engine_resolve(c->rest->engine, call_ask(c), c->gid, action, step, reason);
	}
	json_decref(body);
}

/* ---- the end of a pending call ---- */

/* `output` of the body as text for free(), NULL if there is none. */
static bool field_output(struct call *c, const json_t *body, char **out)
{
	const json_t *output = json_object_get(body, "output");
	struct jsonbuf buf = {.max = WORKFLOW_ARGS_MAX};

	*out = NULL;
	if (output == NULL)
		return true;
	if (!json_is_object(output))
		return call_refuse_at(c, "output", "output: must be an object");
	jsonbuf_value(&buf, output); /* numbers stay as they were written */
	if (!buf.over)
		*out = jsonbuf_take(&buf);
	jsonbuf_fini(&buf);
	return *out != NULL || call_refuse_at(c, "output", "output: is over 1 MiB");
}

void call_complete(struct call *c)
{
	static const char *const known[] = {"output", NULL};
	char *output;
	json_t *body;

	if (!call_json(c, known, true, &body))
		return;
	if (field_output(c, body, &output))
		engine_complete(c->rest->engine, call_ask(c), c->gid, c->step, output);
	free(output);
	json_decref(body);
}

void call_fail(struct call *c)
{
	static const char *const known[] = {"reason", NULL};
	const char *reason;
	json_t *body;

	if (!call_json(c, known, false, &body))
		return;
	if (field_reason(c, body, true, &reason))
		engine_fail(c->rest->engine, call_ask(c), c->gid, c->step, reason);
	json_decref(body);
}
