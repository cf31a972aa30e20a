/* rest_core.h - what the REST interface is made of.  Private to rest*.c; nobody
 * else includes it.
 *
 *   connection ─ call      one call at a time on a connection
 *   call                   receiving → with the engine (suspended) → responding
 *   call with a stream     … → responding ⇄ with the engine
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
	DRAIN_MAX = 64 << 20,   /* of a refused body: read and dropped, so that the client
				 * gets to the answer; beyond it the connection is closed */
	HEADERS_MAX = 16 << 10, /* libmicrohttpd clears 1.5 times as much for each request */
	WAIT_MAX_MS = 5 * 60 * 1000,
	WAIT_STANDARD_MS = 30 * 1000,
	GID_FIELD = GID_MAX + 1,
	STREAMS_MAX = 256,               /* of events, open at once; beyond it 429 */
	STREAM_BEAT_MS = 15 * 1000,      /* a silent stream says this often that it lives */
	STATUS_INVALID = ANSWER_INVALID, /* understood, and wrong */
};

struct stream; /* rest_stream.c */

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
	size_t n_streams;
	struct stream *streams;
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
	char gid[GID_FIELD];  /* from the path (there it may also be the name of a workflow), or
			       * of the transaction submitted */
	char step[GID_FIELD]; /* from the path */
	uint64_t id;          /* by which the engine knows it; 0: it does not wait for it */
	bool suspended;

	char *body;
	size_t size, room;
	size_t dropped; /* bytes of a body that was refused */
	bool placeless; /* line and column of a problem mean nothing to this client */

	/* Makes the response of an answer that is a 2xx, whose JSON it takes; NULL: that
	 * JSON as it is. */
	void (*render)(struct call *c, enum answer_code code, char *json);
	struct stream *stream; /* NULL: the response is made at once */

	struct MHD_Response *response; /* NULL: not known yet */
	unsigned status;
	UT_hash_handle hh; /* by id, in rest->waiting */
};

enum route_traits {
	ROUTE_PROBE = 1,   /* answers without a token */
	ROUTE_CREATES = 2, /* what it makes is new: 201, with its place */
	ROUTE_YAML = 4,    /* its body may be the text of a workflow file */
};

/* What can be called.  A `*` in `path` stands for a gid or the name of a workflow, a
 * second one for a step. */
struct route {
	const char *method;
	const char *path;
	void (*handle)(struct call *c); /* the request is complete: responds or asks the engine */
	const char *const *query;       /* parameters that it knows, then NULL */
	unsigned traits;
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

/* Responds with a text (taken). */
void call_respond(struct call *c, unsigned status, const char *type, char *body);
/* Responds with a problem (problem.h); `p` is borrowed. */
void call_problem(struct call *c, const struct problem *p);
/* The same without a place. */
void call_refuse(struct call *c, unsigned status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* 422 for the part `where` of the request; returns false. */
bool call_refuse_at(struct call *c, const char *where, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* A header of the request; NULL: it has none. */
const char *call_head(const struct call *c, const char *name);
/* Gives the call its response, made elsewhere, with the headers that all carry. */
void call_give(struct call *c, unsigned status, struct MHD_Response *response);
/* Adds a header to the response that was given. */
void call_header(struct call *c, const char *name, const char *value);
/* The id to ask the engine under; the answer goes to `call_answered`. */
uint64_t call_ask(struct call *c);
/* client_port's function. Takes `json`. */
void call_answered(void *self, uint64_t client, enum answer_code code, char *json,
		   const char *text);
/* It does not wait for the engine any more: libmicrohttpd goes on with it. */
void call_resume(struct call *c);

/* ---- rest_routes.c ---- */

/* The route of a request; what stands at its stars is copied to the call. NULL: `allow`
 * has the methods that the path does take ("" if there is no such path). */
const struct route *route_find(struct call *c, const char *method, const char *url, char allow[64]);

/* ---- rest_params.c: each false after having responded with what is wrong ---- */

/* A parameter of the query; NULL: it was not given. */
const char *param(const struct call *c, const char *name);
/* One that is a number; `*out` stays as it is if it was not given. */
bool param_number(struct call *c, const char *name, uint64_t min, uint64_t max, uint64_t *out);
/* A number of digits only, from `min` to `max`; false if `text` is none. */
bool number_parse(const char *text, uint64_t min, uint64_t max, uint64_t *out);
bool param_time(struct call *c, const char *name, uint64_t *out);
/* A wait of at most WAIT_MAX_MS, which the request calls `name`. */
bool call_wait(struct call *c, const char *name, const char *text, uint64_t *ms);
/* The message for a name that is not in `known`: it says which is near. */
void call_unknown(struct call *c, const char *what, const char *name, const char *const *known);
/* A JSON object from the call's body with only the fields `known`; an empty body
 * gives {}, if `optional`. */
bool call_json(struct call *c, const char *const *known, bool optional, json_t **out);
/* Fields of a body; they borrow from it, and give NULL for one that is not there. */
bool field_text(struct call *c, const json_t *body, const char *name, const char **out);
bool field_reason(struct call *c, const json_t *body, bool needed, const char **out);
bool field_step(struct call *c, const json_t *body, const char **out);

/* ---- rest_txn.c, rest_submit.c, rest_stream.c, rest_workflows.c: the calls ---- */

void call_submit(struct call *c);
void call_get(struct call *c);
void call_list(struct call *c);
void call_events(struct call *c);
void call_cancel(struct call *c);
void call_retry(struct call *c);
void call_resolve(struct call *c);
void call_complete(struct call *c);
void call_fail(struct call *c);

void call_publish(struct call *c);
void call_validate(struct call *c);
void call_workflows(struct call *c);
void call_workflow(struct call *c);
void call_activate(struct call *c);

/* ---- rest_stream.c ---- */

/* True if the client wants the events as a stream. */
bool stream_wanted(const struct call *c);
/* Opens one that begins after line `after`, and asks the engine for its first lines. */
void stream_open(struct call *c, uint64_t after);
/* Takes an answer of the engine (and `json`) for the stream; false: it has not begun to
 * respond and the answer is a refusal, to be responded as every other. */
bool stream_answered(struct call *c, enum answer_code code, char *json);
/* Ends those that wait: the coordinator is stopping, and none may hold it up. */
void streams_end(struct rest *r);
/* NULL is ignored. */
void stream_free(struct call *c);

/* ---- openapi.c ---- */
extern const char openapi_json[];

#endif
