/* rest_call.c - one request: received and checked, handed on, responded to. */
#include "coordinator/rest_core.h"

#include "base/crash.h"
#include "base/mem.h"

#include <assert.h>
#include <nettle/memops.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- responses ---- */

void call_header(struct call *c, const char *name, const char *value)
{
	MHD_add_response_header(c->response, name, value);
}

void call_give(struct call *c, unsigned status, struct MHD_Response *response)
{
	assert(c->response == NULL);
	if (response == NULL)
		abort(); /* out of memory: see base/mem.h */
	c->response = response;
	c->status = status;
	if (status == 429 || status == 503)
		call_header(c, "Retry-After", "1");
	if (c->rest->quiesced)
		call_header(c, "Connection", "close");
}

void call_respond(struct call *c, unsigned status, const char *type, char *body)
{
	call_give(c, status,
		  MHD_create_response_from_buffer(strlen(body), body, MHD_RESPMEM_MUST_FREE));
	call_header(c, "Content-Type", type);
}

void call_problem(struct call *c, const struct problem *p)
{
	call_respond(c, p->status, PROBLEM_TYPE, problem_json(p));
}

enum { DETAIL_MAX = 512 };

void call_refuse(struct call *c, unsigned status, const char *fmt, ...)
{
	char detail[DETAIL_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(detail, sizeof detail, fmt, ap);
	va_end(ap);
	call_problem(c, &(struct problem){.status = status, .detail = detail});
}

bool call_refuse_at(struct call *c, const char *where, const char *fmt, ...)
{
	char detail[DETAIL_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(detail, sizeof detail, fmt, ap);
	va_end(ap);
	call_problem(c,
		     &(struct problem){.status = STATUS_INVALID, .detail = detail, .where = where});
	return false;
}

/* ---- asking the engine ---- */

uint64_t call_ask(struct call *c)
{
	struct rest *r = c->rest;

	c->id = ++r->last_id;
	HASH_ADD(hh, r->waiting, id, sizeof c->id, c);
	r->handed = true;
	return c->id;
}

/* Only what makes a new thing says 201. */
static unsigned status_of(const struct call *c, enum answer_code code)
{
	if (code == ANSWER_FINISHED && (c->route->traits & ROUTE_CREATES) == 0)
		return ANSWER_OK;
	if (code == ANSWER_UNFINISHED && strcmp(c->route->method, "GET") == 0)
		return ANSWER_OK;
	return code;
}

void call_resume(struct call *c)
{
	/* Inside the engine's call from our own handler it is not suspended yet: the
	 * handler goes on and finds the response. */
	if (!c->suspended)
		return;
	c->suspended = false;
	MHD_resume_connection(c->http);
	rest_wake(c->rest);
}

/* A refusal; `place` (borrowed, may be NULL) says where, as problem_place wrote it. */
static void refuse_answer(struct call *c, enum answer_code code, const char *place,
			  const char *text)
{
	json_t *json = place != NULL ? json_loads(place, 0, NULL) : NULL;
	struct problem p = {.status = code, .detail = text != NULL ? text : problem_title(code)};

	p.where = json_string_value(json_object_get(json, "where"));
	if (!c->placeless) {
		p.line = (int)json_integer_value(json_object_get(json, "line"));
		p.column = (int)json_integer_value(json_object_get(json, "column"));
	}
	call_problem(c, &p);
	json_decref(json);
}

static void respond_answer(struct call *c, enum answer_code code, char *json, const char *text)
{
	if (code < 200 || code >= 300) {
		refuse_answer(c, code, json, text);
		free(json);
	} else if (c->render != NULL) {
		c->render(c, code, json);
	} else {
		call_respond(c, status_of(c, code), "application/json", json);
	}
}

void call_answered(void *self, uint64_t client, enum answer_code code, char *json, const char *text)
{
	struct rest *r = self;
	struct call *c;

	HASH_FIND(hh, r->waiting, &client, sizeof client, c);
	if (c == NULL) { /* it went away */
		free(json);
		return;
	}
	CRASH_POINT(answer_given);
	HASH_DELETE(hh, r->waiting, c);
	c->id = 0;
	if (c->stream == NULL || !stream_answered(c, code, json))
		respond_answer(c, code, json, text);
	call_resume(c);
}

/* ---- the head of a request ---- */

const char *call_head(const struct call *c, const char *name)
{
	return MHD_lookup_connection_value(c->http, MHD_HEADER_KIND, name);
}

static bool token_fits(const struct call *c)
{
	static const char scheme[] = "Bearer ";
	const char *given = call_head(c, "Authorization");
	unsigned char digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx sha;

	if (given == NULL || strncasecmp(given, scheme, sizeof scheme - 1) != 0)
		return false;
	given += sizeof scheme - 1;
	/* Digests have one length and differ everywhere: time tells nothing of the token. */
	sha256_init(&sha);
	sha256_update(&sha, strlen(given), (const uint8_t *)given);
	sha256_digest(&sha, sizeof digest, digest);
	return memeql_sec(digest, c->rest->token, sizeof digest) != 0;
}

static bool is_local_name(const char *host)
{
	static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
	const char *end = strrchr(host, ':');
	size_t size;

	if (end == NULL || strchr(end, ']') != NULL)
		end = host + strlen(host);
	size = (size_t)(end - host);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strlen(names[i]) == size && strncasecmp(host, names[i], size) == 0)
			return true;
	return strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == size;
}

/* Without a token, what keeps a web page in a browser on this machine from moving
 * money is that its request tells where it comes from: another origin, or a foreign
 * name that resolves to us. */
static bool from_foreign_page(const struct call *c)
{
	const char *host = call_head(c, "Host");
	const char *origin = call_head(c, "Origin");
	const char *name = origin != NULL ? strstr(origin, "://") : NULL;

	if (host != NULL && !is_local_name(host))
		return true;
	return origin != NULL && (name == NULL || !is_local_name(name + 3));
}

static bool is_type(const char *type, const char *wanted)
{
	const size_t size = strlen(wanted);

	return strncasecmp(type, wanted, size) == 0 &&
	       (type[size] == '\0' || type[size] == ';' || type[size] == ' ');
}

/* Responds if the body is said to be of a type that the route does not take. */
static bool type_fits(struct call *c)
{
	static const char *const yaml[] = {"application/yaml", "text/yaml", "application/x-yaml",
					   "text/x-yaml", NULL};
	const char *type = call_head(c, "Content-Type");
	const bool takes_yaml = (c->route->traits & ROUTE_YAML) != 0;

	if (type == NULL || is_type(type, "application/json"))
		return true;
	for (const char *const *y = yaml; takes_yaml && *y != NULL; y++)
		if (is_type(type, *y))
			return true;
	call_refuse(c, 415, "Content-Type must be application/json%s, not %.80s",
		    takes_yaml ? ", application/yaml or text/yaml" : "", type);
	return false;
}

static bool body_too_long(const struct call *c)
{
	const char *length = call_head(c, "Content-Length");

	/* A length that is not a number does not get past libmicrohttpd. */
	return length != NULL && strtoull(length, NULL, 10) > BODY_MAX;
}

static void refuse_body(struct call *c)
{
	call_refuse(c, 413, "the body is over %d MiB", BODY_MAX >> 20);
}

/* Refuses the first unescaped parameter that the route does not know. */
static enum MHD_Result find_unknown(void *cls, enum MHD_ValueKind kind, const char *key,
				    const char *value)
{
	struct call *c = cls;

	(void)kind;
	(void)value;
	for (const char *const *known = c->route->query; known != NULL && *known != NULL; known++)
		if (strcmp(*known, key) == 0)
			return MHD_YES;
	call_unknown(c, "the query", key, c->route->query);
	return MHD_NO;
}

/* Responds if the request can be refused before its body is read. */
static void check_head(struct call *c, const char *url, const char *method)
{
	const struct rest *r = c->rest;
	char allow[64];

	c->route = route_find(c, method, url, allow);
	if (r->has_token && (c->route == NULL || (c->route->traits & ROUTE_PROBE) == 0) &&
	    !token_fits(c)) {
		call_refuse(c, 401,
			    "this call needs the token of the coordinator "
			    "(header Authorization: Bearer …)");
		call_header(c, "WWW-Authenticate", "Bearer");
	} else if (!r->has_token && from_foreign_page(c)) {
		call_refuse(c, 403,
			    "requests for another host or from another origin are refused while "
			    "no token is set (token_file)");
	} else if (c->route == NULL && allow[0] == '\0') {
		call_refuse(c, 404, "there is nothing at %.200s", url);
	} else if (c->route == NULL) {
		call_refuse(c, 405, "%.200s takes %s, not %.20s", url, allow, method);
		call_header(c, "Allow", allow);
	} else if (body_too_long(c)) {
		refuse_body(c);
	} else if (strcmp(c->route->method, "POST") != 0 || type_fits(c)) {
		MHD_get_connection_values(c->http, MHD_GET_ARGUMENT_KIND, find_unknown, c);
	}
}

/* ---- receiving ---- */

static struct call *call_new(struct rest *r, struct MHD_Connection *http)
{
	struct call *c = mem_new(1, sizeof *c);

	c->rest = r;
	c->http = http;
	r->calls++;
	return c;
}

/* Takes a piece of the body; false: the connection is to be closed. */
static bool receive(struct call *c, const char *data, size_t size)
{
	if (c->response == NULL && size > BODY_MAX - c->size) {
		free(c->body);
		c->body = NULL;
		refuse_body(c);
	}
	if (c->response != NULL) {
		c->dropped += size;
		return c->dropped <= DRAIN_MAX;
	}
	if (c->size + size + 1 > c->room) {
		c->room = 2 * (c->size + size + 1);
		c->body = mem_grow(c->body, c->room, 1);
	}
	memcpy(c->body + c->size, data, size);
	c->size += size;
	c->body[c->size] = '\0';
	return true;
}

static enum MHD_Result send_response(struct call *c)
{
	enum MHD_Result taken;

	connection_phase(c->rest, c->http, c->rest->transfer_us);
	if (CRASH_ERROR(answer_send))
		return MHD_NO;
	taken = MHD_queue_response(c->http, c->status, c->response);
	CRASH_POINT(answer_sent);
	return taken;
}

enum MHD_Result call_access(void *cls, struct MHD_Connection *http, const char *url,
			    const char *method, const char *version, const char *data, size_t *size,
			    void **slot)
{
	struct rest *r = cls;
	struct call *c = *slot;

	(void)version;
	if (c == NULL) {
		c = *slot = call_new(r, http);
		CRASH_POINT(request_begin);
		check_head(c, url, method);
		/* A client that asks before it sends is told at once. */
		if (c->response != NULL && call_head(c, "Expect") != NULL)
			return send_response(c);
		return MHD_YES;
	}
	if (*size > 0) {
		const bool more = receive(c, data, *size);

		*size = 0;
		return more ? MHD_YES : MHD_NO;
	}
	if (CRASH_ERROR(request_received))
		return MHD_NO;
	if (c->response == NULL && r->engine == NULL && (c->route->traits & ROUTE_PROBE) == 0)
		call_refuse(c, 503, "the coordinator is %s",
			    r->quiesced ? "stopping" : "still starting");
	if (c->response == NULL) {
		c->route->handle(c);
		CRASH_POINT(request_handed);
		free(c->body);
		c->body = NULL;
	}
	if (c->response != NULL)
		return send_response(c);
	assert(c->id != 0); /* it waits for the engine, which has deadlines of its own */
	c->suspended = true;
	connection_phase(r, http, 0);
	MHD_suspend_connection(http);
	return MHD_YES;
}

void call_completed(void *cls, struct MHD_Connection *http, void **slot,
		    enum MHD_RequestTerminationCode why)
{
	struct rest *r = cls;
	struct call *c = *slot;

	(void)why;
	CRASH_POINT(request_over);
	connection_phase(r, http, r->idle_us);
	if (c == NULL)
		return;
	*slot = NULL;
	if (c->id != 0) {
		HASH_DELETE(hh, r->waiting, c);
		if (r->engine != NULL)
			engine_client_gone(r->engine, c->id);
	}
	if (c->response != NULL)
		MHD_destroy_response(c->response);
	stream_free(c);
	free(c->body);
	r->calls--;
	free(c);
}
