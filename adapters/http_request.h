/* http_request.h - one request, ready to be sent.
 *
 * Every request carries the branch's key with its phase, or the call's key, as
 * `Idempotency-Key`, and a `traceparent` whose trace id comes of the gid, so that all
 * that a transaction asks for shares one trace.  Calls of sagas say in `Settle-Gid`
 * and `Settle-Step` whom to tell of their end if it comes later, and in
 * `Settle-Direction` and `Settle-Attempt` what they are.
 * Thread: no shared state. */
#ifndef ADAPTERS_HTTP_REQUEST_H
#define ADAPTERS_HTTP_REQUEST_H

#include "adapters/http_config.h"

#include <curl/curl.h>

enum { HTTP_URL_MAX = 8192, HTTP_BODY_MAX = 2 << 20, HTTP_HEADER_MAX = 16384 };

struct http_request {
	const char *method; /* the spec's */
	char *url;
	char *body; /* NULL: none */
	size_t body_size;
	struct curl_slist *headers; /* as libcurl wants them; some hold secrets */
};

/* The name that a branch has at every service: `settle:cluster:epoch:gid:branch`, for
 * free().  Its epoch keeps a transaction that is begun again apart from what the
 * first attempt left behind. */
char *http_key(const char *cluster, const struct branch_id *id);

/* Fills in the templates.  RC_INVALID, RC_TOO_BIG: an argument that cannot stand
 * where it is wanted.  End with http_request_fini on failure too. */
enum rc http_request_make(const struct http_config *config, const struct http_operation *op,
			  enum http_phase phase, const struct http_values *values,
			  struct http_request *out, struct err *err);
void http_request_fini(struct http_request *r);

#endif
