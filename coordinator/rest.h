/* rest.h - the REST interface, on libmicrohttpd inside the loop (its epoll
 * descriptor is watched; no thread of its own).
 *
 * Requests are parsed and checked here and handed to the engine; the answers come
 * back through client_port, in any order.
 * Rule: no client can make another one wait.  Every header, body and wait has a
 * cap, and each phase of a connection (silent, sending its request, reading its
 * response) a deadline of its own, so that a byte a second buys nothing.
 * Thread: the loop's. */
#ifndef COORDINATOR_REST_H
#define COORDINATOR_REST_H

#include "coordinator/engine.h"

#include <uv.h>

struct rest;

struct rest_settings {
	const char *listen;      /* "127.0.0.1:7480"; port 0 picks one */
	const char *token;       /* asked of every call but the probes; NULL: none */
	uint64_t idle_ms;        /* a connection without a request is closed after this */
	uint64_t transfer_ms;    /* a request must be received, a response read, in this */
	int64_t max_connections; /* beyond it new ones wait in the kernel's queue */
};

/* RC_INVALID: not an address, or one that other machines reach and no token is
 * set; RC_IO: cannot listen. The engine is set later, by rest_serve; until then
 * every call but /healthz answers 503. `settings` is borrowed for the call. */
enum rc rest_open(uv_loop_t *loop, const struct rest_settings *settings, struct rest **out,
		  struct err *err);
/* From now on calls go to `e`. `turn_wanted` is called after any were handed over. */
void rest_serve(struct rest *r, struct engine *e, void (*turn_wanted)(void *arg), void *arg);
/* "127.0.0.1:7480" with the port that was bound. */
const char *rest_address(const struct rest *r);
struct client_port rest_port(struct rest *r);
/* Stops accepting; open calls are still answered, and each connection closed after. */
void rest_quiesce(struct rest *r);
/* Requests that have begun and whose response has not left yet. */
size_t rest_busy(const struct rest *r);
/* Answers what still waits with 503, closes every connection, frees in a later
 * iteration. The engine must not answer any more. NULL is ignored. */
void rest_close(struct rest *r);

#endif
