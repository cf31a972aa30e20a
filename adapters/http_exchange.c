/* http_exchange.c - see http_exchange.h. */
#include "adapters/http_exchange.h"

#include "base/crash.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- what libcurl tells ---- */

/* The connection is there (TLS and all), and the request is about to be written.
 * Before this, nothing can have reached the service. */
static int on_request(void *arg, char *remote, char *local, int remote_port, int local_port)
{
	struct http_exchange *x = arg;

	(void)remote, (void)local, (void)remote_port, (void)local_port;
	if (CRASH_ERROR(http_send))
		return CURL_PREREQFUNC_ABORT;
	x->resent = x->resent || x->sent;
	x->sent = true;
	return CURL_PREREQFUNC_OK;
}

static size_t on_header(char *data, size_t one, size_t size, void *arg)
{
	struct http_exchange *x = arg;

	(void)data;
	CRASH_POINT(http_answer);
	x->header_bytes += one * size;
	x->too_big = x->too_big || x->header_bytes > HTTP_ANSWER_HEADERS_MAX;
	return x->too_big ? 0 : one * size;
}

static size_t on_body(char *data, size_t one, size_t size, void *arg)
{
	struct http_exchange *x = arg;

	size *= one;
	if (size > PAYLOAD_MAX - x->body_size) {
		x->too_big = true;
		return 0; /* the transfer ends with an error */
	}
	if (x->body_size + size + 1 > x->room) {
		x->room = 2 * (x->body_size + size) + 256;
		x->body = mem_grow(x->body, x->room, 1);
	}
	memcpy(x->body + x->body_size, data, size);
	x->body_size += size;
	x->body[x->body_size] = '\0';
	return size;
}

/* ---- the handle ---- */

static void set_limits(struct http_exchange *x)
{
	const struct http_client *c = x->client;
	const uint64_t connect =
		c->connect_timeout_ms < x->timeout_ms ? c->connect_timeout_ms : x->timeout_ms;
	CURL *easy = x->easy;

	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L); /* see http_exchange_redirects */
	curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* none, whatever the environment says */
	curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	/* Without a directory libcurl keeps the certificates it has read, instead of
	 * reading them again for each connection. */
	curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	if (c->ca != NULL)
		curl_easy_setopt(easy, CURLOPT_CAINFO, c->ca);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)connect);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)x->timeout_ms);
	/* A name look-up runs in a thread of its own.  Without this, one that is given up
	 * would be waited for, and everybody else with it. */
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
}

static void set_request(struct http_exchange *x)
{
	const struct http_request *r = x->request;
	const bool with_body = r->body != NULL ||
			       (strcmp(r->method, "GET") != 0 && strcmp(r->method, "DELETE") != 0);
	CURL *easy = x->easy;

	curl_easy_setopt(easy, CURLOPT_URL, r->url);
	curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, r->headers);
	if (with_body) {
		curl_easy_setopt(easy, CURLOPT_POST, 1L);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_size);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, r->body != NULL ? r->body : "");
	}
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, r->method);
}

void http_exchange_start(struct http_exchange *x, uint64_t now_ms)
{
	x->easy = curl_easy_init();
	if (x->easy == NULL)
		abort(); /* as in mem.h */
	x->due_ms = now_ms + x->timeout_ms;
	curl_easy_setopt(x->easy, CURLOPT_PRIVATE, x);
	curl_easy_setopt(x->easy, CURLOPT_ERRORBUFFER, x->error);
	curl_easy_setopt(x->easy, CURLOPT_PREREQFUNCTION, on_request);
	curl_easy_setopt(x->easy, CURLOPT_PREREQDATA, x);
	curl_easy_setopt(x->easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(x->easy, CURLOPT_HEADERDATA, x);
	curl_easy_setopt(x->easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(x->easy, CURLOPT_WRITEDATA, x);
	set_limits(x);
	set_request(x);
}

void http_exchange_read(struct http_exchange *x, CURLcode code)
{
	curl_off_t retry_after = 0;
	char *type = NULL;

	x->code = code;
	curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &x->status);
	curl_easy_getinfo(x->easy, CURLINFO_RETRY_AFTER, &retry_after);
	curl_easy_getinfo(x->easy, CURLINFO_CONTENT_TYPE, &type);
	/* A date that is past gives a number below zero. */
	x->retry_after_s = retry_after < 0                        ? 0
			   : retry_after < HTTP_RETRY_AFTER_MAX_S ? (long)retry_after
								  : HTTP_RETRY_AFTER_MAX_S;
	x->json = type != NULL && (strncasecmp(type, "application/json", 16) == 0 ||
				   strcasestr(type, "+json") != NULL);
	if (code != CURLE_OK && x->error[0] == '\0')
		strncpy(x->error, curl_easy_strerror(code), sizeof x->error - 1);
}

/* ---- redirects ---- */

static bool same_part(CURLU *a, CURLU *b, CURLUPart part)
{
	char *x = NULL, *y = NULL;
	const bool same = curl_url_get(a, part, &x, CURLU_DEFAULT_PORT) == CURLUE_OK &&
			  curl_url_get(b, part, &y, CURLU_DEFAULT_PORT) == CURLUE_OK &&
			  strcasecmp(x, y) == 0;

	curl_free(x);
	curl_free(y);
	return same;
}

static bool same_origin(const char *from, const char *to)
{
	CURLU *a = curl_url(), *b = curl_url();
	char *user = NULL;
	const bool same = a != NULL && b != NULL &&
			  curl_url_set(a, CURLUPART_URL, from, 0) == CURLUE_OK &&
			  curl_url_set(b, CURLUPART_URL, to, 0) == CURLUE_OK &&
			  same_part(a, b, CURLUPART_SCHEME) && same_part(a, b, CURLUPART_HOST) &&
			  same_part(a, b, CURLUPART_PORT) &&
			  curl_url_get(b, CURLUPART_USER, &user, 0) == CURLUE_NO_USER;

	curl_free(user);
	curl_url_cleanup(a);
	curl_url_cleanup(b);
	return same;
}

bool http_exchange_redirects(struct http_exchange *x)
{
	const uint64_t now = uv_now(x->client->loop->uv);
	char *to = NULL;

	/* Only these two say that the same request is to be made elsewhere, and thus
	 * that nothing was done here. */
	if (!x->client->follow_redirects || x->code != CURLE_OK ||
	    (x->status != 307 && x->status != 308) || x->redirects >= HTTP_REDIRECTS_MAX ||
	    now >= x->due_ms)
		return false;
	curl_easy_getinfo(x->easy, CURLINFO_REDIRECT_URL, &to);
	if (to == NULL || !same_origin(x->request->url, to))
		return false;
	free(x->url);
	x->url = mem_dup(to);
	x->timeout_ms = x->due_ms - now;
	return true;
}

void http_exchange_again(struct http_exchange *x)
{
	x->redirects++;
	x->sent = false; /* the service has said so */
	x->status = 0;
	x->body_size = 0;
	x->error[0] = '\0';
	curl_easy_setopt(x->easy, CURLOPT_URL, x->url);
	curl_easy_setopt(x->easy, CURLOPT_TIMEOUT_MS, (long)x->timeout_ms);
}

void http_exchange_fini(struct http_exchange *x)
{
	http_client_abort(x);
	free(x->body);
	free(x->url);
	x->body = x->url = NULL;
	x->body_size = x->room = 0;
}
