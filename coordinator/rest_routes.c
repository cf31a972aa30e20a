/* rest_routes.c - the paths, and the calls that ask about the whole. */
#include "coordinator/rest_core.h"

#include "base/mem.h"
#include "coordinator/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the calls about the whole ---- */

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

static void render_metrics(struct call *c, enum answer_code code, char *json)
{
	json_t *stats = json_loads(json, 0, NULL);

	free(json);
	call_respond(c, code, METRICS_TYPE, metrics_text(stats));
	json_decref(stats);
}

static void call_metrics(struct call *c)
{
	c->render = render_metrics;
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
static const char *const events_query[] = {"after", "wait", NULL};
static const char *const workflow_query[] = {"version", NULL};

static const struct route routes[] = {
	{"POST", "/v1/transactions", call_submit, NULL, ROUTE_CREATES},
	{"GET", "/v1/transactions", call_list, list_query, 0},
	{"GET", "/v1/transactions/*", call_get, get_query, 0},
	{"GET", "/v1/transactions/*/events", call_events, events_query, 0},
	{"POST", "/v1/transactions/*/cancel", call_cancel, NULL, 0},
	{"POST", "/v1/transactions/*/retry", call_retry, NULL, 0},
	{"POST", "/v1/transactions/*/resolve", call_resolve, NULL, 0},
	{"POST", "/v1/transactions/*/steps/*/complete", call_complete, NULL, 0},
	{"POST", "/v1/transactions/*/steps/*/fail", call_fail, NULL, 0},
	{"POST", "/v1/workflows", call_publish, NULL, ROUTE_CREATES | ROUTE_YAML},
	{"GET", "/v1/workflows", call_workflows, NULL, 0},
	/* No call is POST on a workflow itself, so that one may have this name. */
	{"POST", "/v1/workflows/validate", call_validate, NULL, ROUTE_YAML},
	{"GET", "/v1/workflows/*", call_workflow, workflow_query, 0},
	{"POST", "/v1/workflows/*/activate", call_activate, NULL, 0},
	{"GET", "/v1/agents", call_agents, NULL, 0},
	{"GET", "/v1/resources", call_resources, NULL, 0},
	{"GET", "/v1/stats", call_stats, NULL, 0},
	{"GET", "/v1/openapi.json", call_openapi, NULL, 0},
	{"GET", "/metrics", call_metrics, NULL, 0},
	{"GET", "/healthz", call_health, NULL, ROUTE_PROBE},
	{"GET", "/readyz", call_ready, NULL, ROUTE_PROBE},
};

/* Copies the name at the start of `*url` to `to`, and moves past it. */
static bool take_name(const char **url, char to[GID_FIELD])
{
	const size_t size = strcspn(*url, "/");

	if (size > GID_MAX)
		return false;
	memcpy(to, *url, size);
	to[size] = '\0';
	*url += size;
	return id_valid(to, GID_MAX);
}

/* True if `url` is `path`; the names at its stars go to the call. */
static bool path_fits(struct call *c, const char *path, const char *url)
{
	char *to = c->gid;

	for (; *path != '\0'; path++) {
		if (*path != '*') {
			if (*url++ != *path)
				return false;
		} else {
			if (!take_name(&url, to))
				return false;
			to = c->step;
		}
	}
	return *url == '\0';
}

const struct route *route_find(struct call *c, const char *method, const char *url, char allow[64])
{
	size_t used = 0;

	if (strcmp(method, "HEAD") == 0)
		method = "GET"; /* libmicrohttpd leaves the body out */
	allow[0] = '\0';
	for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
		if (!path_fits(c, routes[i].path, url))
			continue;
		if (strcmp(routes[i].method, method) == 0)
			return &routes[i];
		used += (size_t)snprintf(allow + used, 64 - used, "%s%s", used > 0 ? ", " : "",
					 routes[i].method);
	}
	return NULL;
}
