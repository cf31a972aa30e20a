/* http_exchange.h - one transfer, as libcurl sees it.  Private to http_client.c.
 * Thread: the loop's. */
#ifndef ADAPTERS_HTTP_EXCHANGE_H
#define ADAPTERS_HTTP_EXCHANGE_H

#include "adapters/http_client.h"

enum {
	HTTP_ANSWER_HEADERS_MAX = 65536,
	HTTP_REDIRECTS_MAX = 5,
	HTTP_RETRY_AFTER_MAX_S = RETRY_AFTER_MAX_MS / 1000,
};

/* Makes the handle, with everything that is not a matter of the multi handle. */
void http_exchange_start(struct http_exchange *x, uint64_t now_ms);

/* Takes the answer off the handle. */
void http_exchange_read(struct http_exchange *x, CURLcode code);

/* True if the answer is a redirect that may be followed; then `again` points the
 * handle there.  To a different scheme, host or port it never is: credentials would
 * go with it. */
bool http_exchange_redirects(struct http_exchange *x);
void http_exchange_again(struct http_exchange *x);

#endif
