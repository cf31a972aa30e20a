/* rest_workflows.c - the calls about workflows: checked, published, shown. */
#include "coordinator/rest_core.h"

#include "base/mem.h"
#include "coordinator/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The body must be there, and be no longer than a workflow file may be. */
static bool has_text(struct call *c)
{
	if (c->size == 0)
		call_refuse(c, 400, "the body is empty: it must be the text of a workflow file");
	else if (c->size > WORKFLOW_TEXT_MAX)
		call_refuse(c, 413, "the workflow file is over %d MiB", WORKFLOW_TEXT_MAX >> 20);
	else
		return true;
	return false;
}

/* ---- publishing ---- */

static void render_published(struct call *c, enum answer_code code, char *json)
{
	json_t *row = json_loads(json, 0, NULL);
	const char *name = json_string_value(json_object_get(row, "workflow"));
	char location[NAME_MAX_LEN + 32];

	call_respond(c, code, "application/json", json);
	if (code == ANSWER_FINISHED && name != NULL && strlen(name) <= NAME_MAX_LEN) {
		snprintf(location, sizeof location, "/v1/workflows/%s", name);
		call_header(c, "Location", location);
	}
	json_decref(row);
}

void call_publish(struct call *c)
{
	if (!has_text(c))
		return;
	c->render = render_published;
	engine_publish(c->rest->engine, call_ask(c), c->body, c->size);
}

/* ---- checking ---- */

static void add_problem(const struct err *problem, void *arg)
{
	json_t *one = json_pack("{s:i, s:i, s:o}", "line", problem->line, "column", problem->column,
				"text", problem_text(problem->text));

	json_array_append_new(arg, one);
}

void call_validate(struct call *c)
{
	json_t *problems;
	size_t n;

	if (!has_text(c))
		return;
	problems = json_array();
	n = workflow_validate(c->body, c->size, add_problem, problems);
	call_respond(c, 200, "application/json",
		     view_dump(json_pack("{s:b, s:o}", "valid", n == 0, "problems", problems)));
}

/* ---- seeing, and going back ---- */

void call_workflows(struct call *c)
{
	engine_workflows(c->rest->engine, call_ask(c));
}

void call_workflow(struct call *c)
{
	uint64_t version = 0;

	if (param_number(c, "version", 1, UINT32_MAX, &version))
		engine_workflow(c->rest->engine, call_ask(c), c->gid, (uint32_t)version);
}

void call_activate(struct call *c)
{
	static const char *const known[] = {"version", NULL};
	const json_t *version;
	json_t *body;

	if (!call_json(c, known, false, &body))
		return;
	version = json_object_get(body, "version");
	if (!json_is_integer(version) || json_integer_value(version) < 1 ||
	    json_integer_value(version) > UINT32_MAX)
		call_refuse_at(c, "version", "version: must be the number of a published version");
	else
		engine_activate(c->rest->engine, call_ask(c), c->gid,
				(uint32_t)json_integer_value(version));
	json_decref(body);
}
