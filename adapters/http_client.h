/* http_client.h - requests over the loop, by libcurl's multi interface.
 *
 * It knows nothing of branches: it sends, and tells what came of it, and above all
 * whether anything may have reached the service.
 * Rules: every exchange ends by its deadline, however slowly the other side drips;
 * what is read of an answer is bounded; nothing but http and https is spoken, to the
 * host of the URL only; certificates are verified.
 * Thread: the loop's. */
#ifndef ADAPTERS_HTTP_CLIENT_H
#define ADAPTERS_HTTP_CLIENT_H

#include "adapters/http_request.h"
#include "adapters/loop.h"
#include "wire/frame.h"

#include <uv.h>

struct http_client {
	struct adapter_loop *loop;
	CURLM *multi;
	struct adapter_timer timer; /* libcurl's */
	const char *ca;             /* NULL: the system's */
	uint64_t connect_timeout_ms;
	bool follow_redirects;
	struct http_exchange *open;
};

/* One request and what came of it.  The owner fills the first part and zeroes the
 * rest. */
struct http_exchange {
	const struct http_request *request; /* borrowed until `done` */
	uint64_t timeout_ms;
	void (*done)(struct http_exchange *x); /* never from inside http_client_send */
	void *owner;

	/* The answer, valid from `done` to http_exchange_fini. */
	CURLcode code;      /* CURLE_OK: the whole answer was read */
	long status;        /* 0: no status line came */
	bool sent;          /* false: certainly nothing of the request left this machine */
	bool resent;        /* a connection that had been kept died under it: sent twice */
	bool too_big;       /* the answer is over its cap, and was given up */
	bool json;          /* its Content-Type says so */
	long retry_after_s; /* 0: not told */
	char *body;         /* NUL-terminated; NULL: empty */
	size_t body_size;
	char error[CURL_ERROR_SIZE];

	/* the client's */
	struct http_client *client;
	CURL *easy;
	char *url; /* of a redirect */
	unsigned redirects;
	uint64_t due_ms;
	size_t room, header_bytes;
	struct http_exchange *prev, *next;
};

/* `loop` has to be running; the rest of the fields are set by the caller. */
void http_client_init(struct http_client *c, struct adapter_loop *loop);
/* Every exchange must have ended. */
void http_client_fini(struct http_client *c);

void http_client_send(struct http_client *c, struct http_exchange *x);
/* Gives an exchange up: `done` does not come, `sent` tells what may have happened. */
void http_client_abort(struct http_exchange *x);
void http_exchange_fini(struct http_exchange *x);

#endif
