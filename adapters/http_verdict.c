/* http_verdict.c - see http_verdict.h. */
#include "adapters/http_verdict.h"

#include "adapters/http_exchange.h"
#include "base/json_text.h"
#include "base/mem.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXCERPT_MAX = 300, REASON_ROOM = 900 };

static void say(struct http_verdict *v, const struct http_secrets *secrets, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The one place where a reason is made: nothing gets past the redaction. */
static void say(struct http_verdict *v, const struct http_secrets *secrets, const char *fmt, ...)
{
	char *text = NULL, *clean;
	va_list ap;
	int size;

	va_start(ap, fmt);
	size = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (size < 0)
		abort(); /* as in mem.h */
	clean = http_secrets_redact(secrets, text, (size_t)size, REASON_ROOM);
	free(v->reason);
	v->reason = frame_cut_reason(clean);
	explicit_bzero(text, (size_t)size);
	free(text);
	free(clean);
}

/* ---- the service's own words ---- */

static char *words_in_json(json_t *json)
{
	static const char *const keys[] = {"detail", "message", "error_description",
					   "reason", "error",   "title"};

	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		const char *text = json_string_value(json_object_get(json, keys[i]));

		if (text != NULL && text[0] != '\0')
			return mem_dup(text);
	}
	return NULL;
}

/* What a service said about its no, cut to a sentence's length; "" if nothing. */
static char *words_of(const struct http_exchange *x, const struct http_secrets *secrets)
{
	json_t *json = x->body_size > 0 ? json_text_read(x->body, x->body_size, 0, NULL) : NULL;
	char *text = words_in_json(json), *clean;
	size_t size;

	json_decref(json);
	if (text == NULL)
		text = mem_dup(x->body != NULL ? x->body : "");
	for (size = strlen(text); size > 0 && strchr(" \t\r\n", text[size - 1]) != NULL; size--)
		text[size - 1] = '\0';
	/* Redacted before it is cut: a cut through a secret would hide it from view. */
	clean = http_secrets_redact(secrets, text, size, EXCERPT_MAX);
	free(text);
	return clean;
}

static void say_status(struct http_verdict *v, const struct http_exchange *x,
		       const struct http_secrets *secrets, const char *what)
{
	char *words = words_of(x, secrets);
	char later[64] = "";

	if (v->retry_after_s > 0)
		snprintf(later, sizeof later, " (to be tried again after %ld s)", v->retry_after_s);
	say(v, secrets, "the service answered %ld%s%s%s%s", x->status, what, later,
	    words[0] != '\0' ? ": " : "", words);
	free(words);
}

/* ---- the verdict ---- */

static void judge_failure(struct http_verdict *v, const struct http_exchange *x,
			  const struct http_secrets *secrets)
{
	v->end = x->sent ? HTTP_UNKNOWN : HTTP_RETRY;
	v->clean = !x->sent;
	if (x->header_bytes > HTTP_ANSWER_HEADERS_MAX)
		say(v, secrets, "the answer's headers are too big: at most %d bytes are read",
		    HTTP_ANSWER_HEADERS_MAX);
	else if (x->too_big)
		say(v, secrets, "the answer (%ld) is too big: at most %d bytes are read", x->status,
		    PAYLOAD_MAX);
	else
		say(v, secrets, "%s: %s",
		    x->sent ? "the request was sent, and then" : "nothing was sent", x->error);
}

static void judge_done(struct http_verdict *v, const struct http_exchange *x,
		       const struct http_secrets *secrets)
{
	json_t *json;

	v->end = HTTP_DONE;
	if (x->body_size == 0)
		return;
	json = json_text_read(x->body, x->body_size, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL,
			      NULL);
	if (json != NULL) {
		v->output = (struct bytes){x->body, x->body_size};
	} else if (x->json) {
		v->end = HTTP_UNKNOWN;
		say(v, secrets, "the service answered %ld with a body that is not JSON, as it says",
		    x->status);
	}
	json_decref(json);
}

static bool passing(long status)
{
	return status == 408 || status == 425 || status == 429 || status >= 500;
}

/* 500, 502 and 504 may come when the work is done already, and so may a 503 of a
 * proxy that lost its service; one that names a time was made by who did not begin. */
static bool turns_away(const struct http_exchange *x)
{
	if (x->resent)
		return false; /* the first of the two may have been let in */
	return x->status < 500 || (x->status == 503 && x->retry_after_s > 0);
}

static void judge_no(struct http_verdict *v, const struct http_exchange *x,
		     const struct http_spec *spec, const struct http_secrets *secrets)
{
	const bool gone = http_spec_gone(spec, x->status);

	if (passing(x->status)) {
		v->end = HTTP_RETRY;
		v->turned_away = turns_away(x);
		say_status(v, x, secrets, "");
	} else if (x->resent) {
		/* The first of the two may be what the second stumbled over. */
		v->end = HTTP_UNKNOWN;
		say_status(v, x, secrets, " to a request that had to be sent twice");
	} else if (x->status >= 400) {
		v->end = gone ? HTTP_GONE : HTTP_REFUSED;
		say_status(v, x, secrets, "");
	} else if (x->status == 307 || x->status == 308) {
		v->end = HTTP_REFUSED;
		say_status(v, x, secrets, ", a redirect that is not followed");
	} else {
		v->end = HTTP_UNKNOWN;
		say_status(v, x, secrets, ", which is neither yes nor no");
	}
}

void http_verdict_of(const struct http_exchange *x, const struct http_spec *spec,
		     const struct http_secrets *secrets, struct http_verdict *out)
{
	*out = (struct http_verdict){.retry_after_s = x->retry_after_s};
	if (x->code != CURLE_OK) {
		judge_failure(out, x, secrets);
	} else if (x->status == 202) {
		out->end = HTTP_PENDING;
		say_status(out, x, secrets, ", that it will be done later");
	} else if (x->status >= 200 && x->status < 300) {
		judge_done(out, x, secrets);
	} else {
		judge_no(out, x, spec, secrets);
	}
}

void http_verdict_fini(struct http_verdict *v)
{
	free(v->reason);
	*v = (struct http_verdict){0};
}
