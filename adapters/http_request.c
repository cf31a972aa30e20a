/* http_request.c - see http_request.h. */
#include "adapters/http_request.h"

#include "base/mem.h"

#include <inttypes.h>
#include <nettle/sha2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

char *http_key(const char *cluster, const struct branch_id *id)
{
	return mem_printf("settle:%s:%" PRIu64 ":%s:%s", cluster, id->epoch, id->gid, id->branch);
}

/* ---- headers ---- */

static void add_line(struct http_request *r, const char *line)
{
	struct curl_slist *list = curl_slist_append(r->headers, line);

	if (list == NULL)
		abort(); /* as in mem.h */
	r->headers = list;
}

static enum rc add_header(struct http_request *r, const struct http_header *h,
			  const struct http_values *v, struct err *err)
{
	struct http_text line = {.max = HTTP_HEADER_MAX};
	size_t name_size;
	enum rc rc;

	http_text_put(&line, h->name, strlen(h->name));
	http_text_put(&line, ": ", 2);
	name_size = line.size;
	rc = http_template_header(&h->value, v, &line, err);
	if (rc == RC_OK && line.size == name_size) {
		/* To libcurl `Name:` means to leave it out, `Name;` that it is empty. */
		line.data[name_size - 2] = ';';
		line.data[name_size - 1] = '\0';
	}
	if (rc == RC_OK)
		add_line(r, line.data);
	else
		err_wrap(err, "header %s", h->name);
	explicit_bzero(line.data, line.size);
	http_text_fini(&line);
	return rc;
}

static bool has_header(const struct http_headers *headers, const char *name)
{
	for (size_t i = 0; i < headers->n; i++)
		if (strcasecmp(headers->all[i].name, name) == 0)
			return true;
	return false;
}

static void put_hex(char *at, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		snprintf(at + 2 * i, 3, "%02x", bytes[i]);
}

static void hash(const char *text, uint8_t out[SHA256_DIGEST_SIZE])
{
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	sha256_update(&ctx, strlen(text), (const uint8_t *)text);
	sha256_digest(&ctx, SHA256_DIGEST_SIZE, out);
}

/* A call's attempt has the same span id wherever it is computed, so that the
 * coordinator's history can be joined with the trace. */
static void make_span(enum http_phase phase, const struct http_values *v,
		      uint8_t span[SHA256_DIGEST_SIZE])
{
	char *text = mem_printf("%s:%" PRIu32, v->key, v->attempt);

	hash(text, span);
	free(text);
	if (phase != HTTP_CALL && getrandom(span, 8, 0) != 8)
		return; /* then a phase that is repeated has the same span */
}

/* W3C Trace Context: version 00, trace id, span id, sampled.  Neither id may be all
 * zeros; a hash or random bits that are will not be seen in this universe. */
static void add_trace(struct http_request *r, enum http_phase phase, const struct http_values *v)
{
	uint8_t trace[SHA256_DIGEST_SIZE], span[SHA256_DIGEST_SIZE];
	char trace_text[33], span_text[17], line[80];

	hash(v->gid, trace);
	make_span(phase, v, span);
	put_hex(trace_text, trace, 16);
	put_hex(span_text, span, 8);
	snprintf(line, sizeof line, "traceparent: 00-%s-%s-01", trace_text, span_text);
	add_line(r, line);
}

static void add_linef(struct http_request *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void add_linef(struct http_request *r, const char *fmt, ...)
{
	char line[CALL_KEY_SIZE + 256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap); /* keys have at most 255 bytes */
	va_end(ap);
	add_line(r, line);
}

static void add_own(struct http_request *r, enum http_phase phase, const struct http_values *v)
{
	if (phase == HTTP_CALL) {
		add_linef(r, "Idempotency-Key: %s", v->key);
		add_linef(r, "Settle-Gid: %s", v->gid);
		add_linef(r, "Settle-Step: %s", v->branch);
		add_linef(r, "Settle-Direction: %s", v->undo ? "undo" : "do");
		add_linef(r, "Settle-Attempt: %" PRIu32, v->attempt);
	} else {
		add_linef(r, "Idempotency-Key: %s:%s", v->key, http_phase_name(phase));
	}
	add_trace(r, phase, v);
	/* Our bodies are small: to wait for a 100 Continue would cost a round trip. */
	add_line(r, "Expect:");
}

static enum rc add_headers(const struct http_config *config, const struct http_spec *spec,
			   enum http_phase phase, const struct http_values *v,
			   struct http_request *r, struct err *err)
{
	enum rc rc = RC_OK;

	add_own(r, phase, v);
	if (!has_header(&config->headers, "Accept") && !has_header(&spec->headers, "Accept"))
		add_line(r, "Accept: application/json");
	if (!has_header(&config->headers, "Content-Type") &&
	    !has_header(&spec->headers, "Content-Type"))
		add_line(r, r->body != NULL ? "Content-Type: application/json" : "Content-Type:");
	for (size_t i = 0; rc == RC_OK && i < config->headers.n; i++)
		if (!has_header(&spec->headers, config->headers.all[i].name))
			rc = add_header(r, &config->headers.all[i], v, err);
	for (size_t i = 0; rc == RC_OK && i < spec->headers.n; i++)
		rc = add_header(r, &spec->headers.all[i], v, err);
	return rc;
}

/* ---- all of it ---- */

static enum rc make_url(const struct http_config *config, const struct http_spec *spec,
			const struct http_values *v, struct http_request *r, struct err *err)
{
	struct http_text url = {.max = HTTP_URL_MAX};
	enum rc rc;

	http_text_put(&url, config->base, strlen(config->base));
	rc = http_template_path(&spec->path, v, &url, err);
	r->url = http_text_take(&url);
	return rc;
}

static enum rc make_body(const struct http_spec *spec, const struct http_values *v,
			 struct http_request *r, struct err *err)
{
	struct http_text body = {.max = HTTP_BODY_MAX};
	enum rc rc;

	if (!spec->has_body)
		return RC_OK;
	rc = http_template_body(&spec->body, v, &body, err);
	r->body_size = body.size;
	r->body = http_text_take(&body);
	return rc;
}

enum rc http_request_make(const struct http_config *config, const struct http_operation *op,
			  enum http_phase phase, const struct http_values *values,
			  struct http_request *out, struct err *err)
{
	const struct http_spec *spec = &op->phases[phase];
	enum rc rc;

	*out = (struct http_request){.method = spec->method};
	rc = make_url(config, spec, values, out, err);
	if (rc == RC_OK)
		rc = make_body(spec, values, out, err);
	if (rc == RC_OK)
		rc = add_headers(config, spec, phase, values, out, err);
	if (rc != RC_OK)
		err_wrap(err, "operation %s, %s", op->name, http_phase_name(phase));
	return rc;
}

void http_request_fini(struct http_request *r)
{
	for (struct curl_slist *l = r->headers; l != NULL; l = l->next)
		explicit_bzero(l->data, strlen(l->data));
	curl_slist_free_all(r->headers);
	free(r->url);
	free(r->body);
	*r = (struct http_request){0};
}
