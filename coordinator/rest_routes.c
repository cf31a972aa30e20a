/* rest_routes.c - the paths, and what is asked of the engine for each. */
#include "coordinator/rest_core.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *query(const struct call *c, const char *name)
{
	return MHD_lookup_connection_value(c->http, MHD_GET_ARGUMENT_KIND, name);
}

/* ---- bodies and parameters ---- */

static bool is_known(const char *name, const char *const *known)
{
	for (; *known != NULL; known++)
		if (strcmp(name, *known) == 0)
			return true;
	return false;
}

json_t *call_json(struct call *c, const char *const *known, bool optional)
{
	json_error_t error;
	json_t *json, *value;
	const char *name;

	if (c->size == 0 && optional)
		return json_object();
	json = json_loadb(c->body != NULL ? c->body : "", c->size, JSON_REJECT_DUPLICATES, &error);
	if (json == NULL) {
		char detail[sizeof error.text + 32];

		snprintf(detail, sizeof detail, "the body is not JSON: %s", error.text);
		call_problem(c,
			     &(struct problem){.status = 400,
					       .detail = c->size > 0 ? detail : "the body is empty",
					       .where = "body",
					       .line = error.line,
					       .column = error.column});
		return NULL;
	}
	if (!json_is_object(json)) {
		call_refuse(c, 422, "the body must be a JSON object");
		json_decref(json);
		return NULL;
	}
	json_object_foreach(json, name, value)
	{
		if (is_known(name, known))
			continue;
		call_refuse(c, 422, "unknown field \"%.40s\" in the body", name);
		json_decref(json);
		return NULL;
	}
	return json;
}

bool call_wait(struct call *c, const char *name, const char *text, uint64_t *ms)
{
	struct err err;

	if (duration_parse(text, ms, &err) != RC_OK) {
		call_refuse(c, 422, "%s: %s", name, err.text);
		return false;
	}
	if (*ms > WAIT_MAX_MS) {
		call_refuse(c, 422, "%s: at most 5m, then ask again", name);
		return false;
	}
	return true;
}

/* `reason` of the body; false after having responded. */
static bool read_reason(struct call *c, const json_t *body, bool needed, const char **out)
{
	const json_t *reason = json_object_get(body, "reason");

	*out = json_string_value(reason);
	if (reason != NULL && *out == NULL)
		call_refuse(c, 422, "reason: must be a text");
	else if (needed && (*out == NULL || **out == '\0'))
		call_refuse(c, 422, "reason: is needed, and is kept with the transaction");
	else if (json_string_length(reason) > REASON_MAX)
		call_refuse(c, 422, "reason: is over %d bytes", REASON_MAX);
	else
		return true;
	return false;
}

/* ---- transactions ---- */

static void call_get(struct call *c)
{
	const char *wait = query(c, "wait");
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

/* A number of at most `max`; false after having responded. */
static bool read_number(struct call *c, const char *name, uint64_t min, uint64_t max, uint64_t *out)
{
	const char *text = query(c, name);
	char *end;

	if (text == NULL)
		return true;
	errno = 0;
	*out = strtoull(text, &end, 10);
	if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *out >= min &&
	    *out <= max)
		return true;
	if (max == UINT64_MAX)
		call_refuse(c, 422, "%s: must be what an earlier page gave as \"next\"", name);
	else
		call_refuse(c, 422, "%s: must be a number from %d to %d", name, (int)min, (int)max);
	return false;
}

static bool read_time(struct call *c, const char *name, uint64_t *out)
{
	const char *text = query(c, name);
	struct err err;

	if (text == NULL || time_parse(text, out, &err) == RC_OK)
		return true;
	call_refuse(c, 422, "%s: %s", name, err.text);
	return false;
}

static void call_list(struct call *c)
{
	struct list_query q = {
		.status = query(c, "status"),
		.workflow = query(c, "workflow"),
		.resource = query(c, "resource"),
	};
	uint64_t limit = LIST_STANDARD;

	if (q.status != NULL && !is_status(q.status)) {
		call_refuse(c, 422,
			    "status: must be running, committing, rolling_back, committed, "
			    "rolled_back or stuck");
		return;
	}
	if (!read_time(c, "since", &q.since_us) || !read_time(c, "until", &q.until_us) ||
	    !read_number(c, "cursor", 1, UINT64_MAX, &q.before_seq) ||
	    !read_number(c, "limit", 1, LIST_MAX, &limit))
		return;
	q.limit = (size_t)limit;
	engine_list(c->rest->engine, call_ask(c), &q);
}

static void call_cancel(struct call *c)
{
	static const char *const known[] = {"reason", NULL};
	json_t *body = call_json(c, known, true);
	const char *reason;

	if (body == NULL)
		return;
	if (read_reason(c, body, false, &reason))
		engine_cancel(c->rest->engine, call_ask(c), c->gid, reason);
	json_decref(body);
}

static void call_resolve(struct call *c)
{
	static const char *const known[] = {"action", "reason", NULL};
	json_t *body = call_json(c, known, false);
	const char *action, *reason;

	if (body == NULL)
		return;
	action = json_string_value(json_object_get(body, "action"));
	if (action == NULL || strcmp(action, "forget") != 0)
		call_refuse(c, 422, "action: must be \"forget\"");
	else if (read_reason(c, body, true, &reason))
		engine_forget(c->rest->engine, call_ask(c), c->gid, reason);
	json_decref(body);
}

/* ---- the others ---- */

static void call_agents(struct call *c)
{
	engine_agents(c->rest->engine, call_ask(c));
}

static void call_resources(struct call *c)
{
	engine_resources(c->rest->engine, call_ask(c));
}

static void call_stats(struct call *c)
{
	engine_stats(c->rest->engine, call_ask(c));
}

static void call_health(struct call *c)
{
	call_respond(c, 200, "application/json", mem_dup("{\"status\":\"ok\"}"));
}

static void call_ready(struct call *c)
{
	if (c->rest->engine == NULL || c->rest->quiesced)
		call_refuse(c, 503, "the coordinator is %s",
			    c->rest->quiesced ? "stopping" : "still starting");
	else
		call_respond(c, 200, "application/json", mem_dup("{\"status\":\"ready\"}"));
}

static void call_openapi(struct call *c)
{
	call_respond(c, 200, "application/json", mem_dup(openapi_json));
}

/* ---- the table ---- */

static const char *const list_query[] = {"status", "workflow", "resource", "since",
					 "until",  "limit",    "cursor",   NULL};
static const char *const get_query[] = {"wait", NULL};

static const struct route routes[] = {
	{"POST", "/v1/transactions", call_submit, NULL, false},
	{"GET", "/v1/transactions", call_list, list_query, false},
	{"GET", "/v1/transactions/*", call_get, get_query, false},
	{"POST", "/v1/transactions/*/cancel", call_cancel, NULL, false},
	{"POST", "/v1/transactions/*/resolve", call_resolve, NULL, false},
	{"GET", "/v1/agents", call_agents, NULL, false},
	{"GET", "/v1/resources", call_resources, NULL, false},
	{"GET", "/v1/stats", call_stats, NULL, false},
	{"GET", "/v1/openapi.json", call_openapi, NULL, false},
	{"GET", "/healthz", call_health, NULL, true},
	{"GET", "/readyz", call_ready, NULL, true},
};

/* True if `url` is `path`, whose `*` stands for a valid gid, copied to `gid`. */
static bool path_fits(const char *path, const char *url, char gid[GID_FIELD])
{
	const char *star = strchr(path, '*');
	size_t before, size;

	if (star == NULL)
		return strcmp(path, url) == 0;
	before = (size_t)(star - path);
	if (strncmp(path, url, before) != 0)
		return false;
	size = strcspn(url + before, "/");
	if (size > GID_MAX || strcmp(url + before + size, star + 1) != 0)
		return false;
	memcpy(gid, url + before, size);
	gid[size] = '\0';
	return id_valid(gid, GID_MAX);
}

const struct route *route_find(const char *method, const char *url, char gid[GID_FIELD],
			       char allow[64])
{
	size_t used = 0;

	if (strcmp(method, "HEAD") == 0)
		method = "GET"; /* libmicrohttpd leaves the body out */
	allow[0] = '\0';
	for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
		if (!path_fits(routes[i].path, url, gid))
			continue;
		if (strcmp(routes[i].method, method) == 0)
			return &routes[i];
		used += (size_t)snprintf(allow + used, 64 - used, "%s%s", used > 0 ? ", " : "",
					 routes[i].method);
	}
	return NULL;
}

bool route_creates(const struct route *route)
{
	return route->handle == call_submit;
}
