/* rest_params.c - what a request carries in its query and its body, checked: every
 * refusal names the part that is wrong. */
#include "coordinator/rest_core.h"

#include "base/clock.h"
#include "base/json_text.h"
#include "base/mem.h"
#include "base/yaml.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void call_unknown(struct call *c, const char *what, const char *name, const char *const *known)
{
	const char *near = known != NULL ? nearest_word(name, known) : NULL;

	if (near != NULL)
		call_refuse(c, STATUS_INVALID, "%s has no \"%.40s\"; did you mean \"%s\"?", what,
			    name, near);
	else
		call_refuse(c, STATUS_INVALID, "%s has no \"%.40s\"", what, name);
}

/* ---- the query ---- */

const char *param(const struct call *c, const char *name)
{
	return MHD_lookup_connection_value(c->http, MHD_GET_ARGUMENT_KIND, name);
}

bool number_parse(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	*out = strtoull(text, &end, 10);
	return *end == '\0' && errno == 0 && *out >= min && *out <= max;
}

bool param_number(struct call *c, const char *name, uint64_t min, uint64_t max, uint64_t *out)
{
	const char *text = param(c, name);

	return text == NULL || number_parse(text, min, max, out) ||
	       call_refuse_at(c, name, "%s: must be a number from %" PRIu64 " to %" PRIu64, name,
			      min, max);
}

bool param_time(struct call *c, const char *name, uint64_t *out)
{
	const char *text = param(c, name);
	struct err err;

	return text == NULL || time_parse(text, out, &err) == RC_OK ||
	       call_refuse_at(c, name, "%s: %s", name, err.text);
}

bool call_wait(struct call *c, const char *name, const char *text, uint64_t *ms)
{
	struct err err;

	if (duration_parse(text, ms, &err) != RC_OK)
		return call_refuse_at(c, name, "%s: %s", name, err.text);
	return *ms <= WAIT_MAX_MS ||
	       call_refuse_at(c, name, "%s: at most 5m, then ask again", name);
}

/* ---- the body ---- */

static bool is_known(const char *name, const char *const *known)
{
	for (; *known != NULL; known++)
		if (strcmp(name, *known) == 0)
			return true;
	return false;
}

static bool refuse_json(struct call *c, const json_error_t *error)
{
	char detail[sizeof error->text + 32];

	snprintf(detail, sizeof detail, "the body is not JSON: %s", error->text);
	call_problem(c, &(struct problem){.status = 400,
					  .detail = c->size > 0 ? detail : "the body is empty",
					  .where = "body",
					  .line = error->line,
					  .column = error->column});
	return false;
}

static bool check_object(struct call *c, const json_t *json, const char *const *known)
{
	const char *name;
	json_t *value;

	if (!json_is_object(json)) {
		call_refuse(c, STATUS_INVALID, "the body must be a JSON object");
		return false;
	}
	json_object_foreach((json_t *)(uintptr_t)json, name, value)
	{
		if (is_known(name, known))
			continue;
		call_unknown(c, "the body", name, known);
		return false;
	}
	return true;
}

bool call_json(struct call *c, const char *const *known, bool optional, json_t **out)
{
	json_error_t error;

	if (c->size == 0 && optional) {
		*out = json_object();
		return true;
	}
	*out = json_text_read(c->body != NULL ? c->body : "", c->size, JSON_REJECT_DUPLICATES,
			      &error);
	if (*out == NULL)
		return refuse_json(c, &error);
	if (check_object(c, *out, known))
		return true;
	json_decref(*out);
	*out = NULL;
	return false;
}

bool field_text(struct call *c, const json_t *body, const char *name, const char **out)
{
	const json_t *value = json_object_get(body, name);

	*out = json_string_value(value);
	return value == NULL || *out != NULL || call_refuse_at(c, name, "%s: must be a text", name);
}

bool field_reason(struct call *c, const json_t *body, bool needed, const char **out)
{
	if (!field_text(c, body, "reason", out))
		return false;
	if (needed && (*out == NULL || **out == '\0'))
		return call_refuse_at(c, "reason",
				      "reason: is needed, and is kept with the transaction");
	return *out == NULL || strlen(*out) <= REASON_MAX ||
	       call_refuse_at(c, "reason", "reason: is over %d bytes", REASON_MAX);
}

bool field_step(struct call *c, const json_t *body, const char **out)
{
	if (!field_text(c, body, "step", out))
		return false;
	return *out == NULL || id_valid_plain(*out, STEP_MAX) ||
	       call_refuse_at(c, "step",
			      "step: must be the name of a step (1 to %d of A-Z a-z 0-9 _ -)",
			      STEP_MAX);
}
