/* rest_core.h - what the REST interface is made of.  Private to rest.c,
 * rest_call.c, rest_routes.c and rest_submit.c; nobody else includes it.
 *
 *   connection ─ call      one call at a time on a connection
 *   call                   receiving → with the engine (suspended) → responding
 *
 * Thread: the loop's. */
#ifndef COORDINATOR_REST_CORE_H
#define COORDINATOR_REST_CORE_H

#include "base/heap.h"
#include "coordinator/problem.h"
#include "coordinator/rest.h"

#include <jansson.h>
#include <microhttpd.h>
#include <nettle/sha2.h>
#include <uthash.h>

enum {
	BODY_MAX = 4 << 20,
	DRAIN_MAX = 64 << 20, /* of a refused body: read and dropped, so that the client
			       * gets to the answer; beyond it the connection is closed */
	HEADERS_MAX = 32 << 10,
	WAIT_MAX_MS = 5 * 60 * 1000,
	WAIT_STANDARD_MS = 30 * 1000,
	GID_FIELD = GID_MAX + 1,
};

struct definitions; /* rest_submit.c: parsed workflows */

struct rest {
	uv_loop_t *loop;
	struct MHD_Daemon *daemon;
	uv_poll_t poll;
	uv_timer_t timer;
	uint64_t timer_at_us; /* 0: not running */
	int handles;          /* of libuv, not yet closed */
	int listen_fd;        /* libmicrohttpd's while it accepts; we close it */

	struct engine *engine;
	void (*turn_wanted)(void *arg);
	void *turn_arg;
	bool handed; /* the engine was given something since its last turn */

	char address[80];
	bool has_token;
	bool quiesced;
	unsigned char token[SHA256_DIGEST_SIZE]; /* only its digest is kept */
	uint64_t idle_us, transfer_us;
	struct heap deadlines; /* of connections */

	uint64_t last_id;
	struct call *waiting; /* for the engine, by id */
	size_t calls;
	struct definitions *definitions;
};

/* One TCP connection. */
struct connection {
	struct rest *rest;
	int fd;
	struct heap_node deadline; /* of its present phase */
};

/* One request and its response. */
struct call {
	struct rest *rest;
	struct MHD_Connection *http;
	const struct route *route;
	char gid[GID_FIELD]; /* from the path, or of the transaction submitted */
	uint64_t id;         /* by which the engine knows it; 0: it does not wait for it */
	bool suspended;

	char *body;
	size_t size, room;
	size_t dropped; /* bytes of a body that was refused */

	struct MHD_Response *response; /* NULL: not known yet */
	unsigned status;
	UT_hash_handle hh; /* by id, in rest->waiting */
};

/* What can be called. `path` may have a `*`, which stands for a gid. */
struct route {
	const char *method;
	const char *path;
	void (*handle)(struct call *c); /* the request is complete: responds or asks the engine */
	const char *const *query;       /* parameters that it knows, then NULL */
	bool probe;                     /* answers without a token */
};

/* ---- rest.c ---- */

/* Lets libmicrohttpd work in the next round of the loop: a connection that was
 * resumed has nothing else to wake it. */
void rest_wake(struct rest *r);

/* ---- rest_call.c ---- */

/* libmicrohttpd's access handler: receives, then lets the route handle it. */
enum MHD_Result call_access(void *cls, struct MHD_Connection *http, const char *url,
			    const char *method, const char *version, const char *data, size_t *size,
			    void **slot);
void call_completed(void *cls, struct MHD_Connection *http, void **slot,
		    enum MHD_RequestTerminationCode why);
/* Gives the phase that the connection enters now its deadline; 0: none. */
void connection_phase(struct rest *r, struct MHD_Connection *http, uint64_t us);

/* Responds with JSON (taken). */
void call_respond(struct call *c, unsigned status, const char *type, char *body);
/* Responds with a problem (problem.h); `p` is borrowed. */
void call_problem(struct call *c, const struct problem *p);
/* The same without a place. */
void call_refuse(struct call *c, unsigned status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Adds a header to the response that was given. */
void call_header(struct call *c, const char *name, const char *value);
/* The id to ask the engine under; the answer goes to `call_answered`. */
uint64_t call_ask(struct call *c);
/* client_port's function. Takes `json`. */
void call_answered(void *self, uint64_t client, enum answer_code code, char *json,
		   const char *text);

/* ---- rest_routes.c ---- */

/* The route of a request, its gid copied to `gid`. NULL: `allow` has the methods
 * that the path does take ("" if there is no such path). */
const struct route *route_find(const char *method, const char *url, char gid[GID_FIELD],
			       char allow[64]);
/* True for the route that creates: its answer has a Location, and 201. */
bool route_creates(const struct route *route);
/* A JSON object from the call's body with only the fields `known`; NULL after
 * having responded with what is wrong. An empty body gives {}, if `optional`. */
json_t *call_json(struct call *c, const char *const *known, bool optional);
/* Reads a wait of at most WAIT_MAX_MS; false after having responded. */
bool call_wait(struct call *c, const char *name, const char *text, uint64_t *ms);

/* ---- rest_submit.c ---- */

void call_submit(struct call *c);
struct definitions *definitions_new(void);
void definitions_free(struct definitions *d);

/* ---- openapi.c ---- */
extern const char openapi_json[];

#endif
