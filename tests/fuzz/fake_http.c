/* fake_http.c - see fake_http.h.  Functions of libmicrohttpd's names stand here in its place. */
#include "tests/fuzz/fake_http.h"
#include "base/mem.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { PAIRS_MAX = 32, STREAM_MAX = 1 << 20 };

struct pair {
	char *name, *value;
};

struct MHD_Response {
	struct pair headers[8];
	size_t n_headers;
	char *body; /* owned */
	size_t size;
	MHD_ContentReaderCallback read; /* NULL: `body` is all */
	void *read_cls;
	bool ended;
	int users;
};

struct MHD_Connection {
	int nothing;
};

struct fake_request {
	struct MHD_Connection http; /* first: the two are one */
	struct connection connection;
	union MHD_ConnectionInfo info;
	struct rest *rest;
	char *method, *url, *body;
	size_t body_size;
	struct pair headers[PAIRS_MAX], arguments[PAIRS_MAX];
	size_t n_headers, n_arguments;
	void *slot;
	bool suspended, failed;
	unsigned status;
	struct MHD_Response *response;
};

static struct fake_request *request_of(struct MHD_Connection *http)
{
	return (struct fake_request *)(void *)http;
}

/* ---- responses ---- */

static void response_unref(struct MHD_Response *r)
{
	if (--r->users > 0)
		return;
	for (size_t i = 0; i < r->n_headers; i++) {
		free(r->headers[i].name);
		free(r->headers[i].value);
	}
	free(r->body);
	free(r);
}

struct MHD_Response *MHD_create_response_from_buffer(size_t size, void *buffer,
						     enum MHD_ResponseMemoryMode mode)
{
	struct MHD_Response *r = mem_new(1, sizeof *r);

	MUST(size == 0 || mode == MHD_RESPMEM_MUST_FREE);
	r->body = buffer;
	r->size = size;
	r->ended = true;
	r->users = 1;
	return r;
}

struct MHD_Response *MHD_create_response_from_callback(uint64_t size, size_t block,
						       MHD_ContentReaderCallback read, void *cls,
						       MHD_ContentReaderFreeCallback done)
{
	struct MHD_Response *r = mem_new(1, sizeof *r);

	(void)block;
	MUST(size == MHD_SIZE_UNKNOWN && done == NULL);
	r->read = read;
	r->read_cls = cls;
	r->users = 1;
	return r;
}

enum MHD_Result MHD_add_response_header(struct MHD_Response *r, const char *name, const char *value)
{
	MUST(r->n_headers < 8);
	MUST_SAY(strpbrk(name, "\r\n") == NULL && strpbrk(value, "\r\n") == NULL,
		 "a header is one line: %s", value);
	r->headers[r->n_headers++] = (struct pair){mem_dup(name), mem_dup(value)};
	return MHD_YES;
}

void MHD_destroy_response(struct MHD_Response *r)
{
	response_unref(r);
}

enum MHD_Result MHD_queue_response(struct MHD_Connection *http, unsigned status,
				   struct MHD_Response *r)
{
	struct fake_request *q = request_of(http);

	MUST_SAY(q->response == NULL, "one response");
	r->users++;
	q->response = r;
	q->status = status;
	return MHD_YES;
}

/* ---- connections ---- */

const union MHD_ConnectionInfo *MHD_get_connection_info(struct MHD_Connection *http,
							enum MHD_ConnectionInfoType type, ...)
{
	struct fake_request *q = request_of(http);

	MUST(type == MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	q->info.socket_context = &q->connection;
	return &q->info;
}

void MHD_suspend_connection(struct MHD_Connection *http)
{
	MUST(!request_of(http)->suspended);
	request_of(http)->suspended = true;
}

void MHD_resume_connection(struct MHD_Connection *http)
{
	MUST(request_of(http)->suspended);
	request_of(http)->suspended = false;
}

const char *MHD_lookup_connection_value(struct MHD_Connection *http, enum MHD_ValueKind kind,
					const char *name)
{
	const struct fake_request *q = request_of(http);
	const struct pair *all = kind == MHD_HEADER_KIND ? q->headers : q->arguments;
	const size_t n = kind == MHD_HEADER_KIND ? q->n_headers : q->n_arguments;

	for (size_t i = 0; i < n; i++)
		if (strcasecmp(all[i].name, name) == 0)
			return all[i].value;
	return NULL;
}

int MHD_get_connection_values(struct MHD_Connection *http, enum MHD_ValueKind kind,
			      MHD_KeyValueIterator each, void *cls)
{
	const struct fake_request *q = request_of(http);
	size_t i = 0;

	MUST(kind == MHD_GET_ARGUMENT_KIND);
	while (i < q->n_arguments &&
	       each(cls, kind, q->arguments[i].name, q->arguments[i].value) == MHD_YES)
		i++;
	return (int)i;
}

/* ---- requests ---- */

/* As libmicrohttpd does it: in place, a NUL ends the text. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *p = text; *p != '\0'; p++) {
		if (*p == '%' && isxdigit((unsigned char)p[1]) && isxdigit((unsigned char)p[2])) {
			const char hex[3] = {p[1], p[2], '\0'};

			*to++ = (char)strtol(hex, NULL, 16);
			p += 2;
		} else {
			*to++ = *p;
		}
	}
	*to = '\0';
}

static void read_arguments(struct fake_request *q, char *query)
{
	for (char *save, *one = strtok_r(query, "&", &save);
	     one != NULL && q->n_arguments < PAIRS_MAX; one = strtok_r(NULL, "&", &save)) {
		char *value = strchr(one, '=');
		struct pair *p = &q->arguments[q->n_arguments++];

		if (value != NULL)
			*value++ = '\0';
		*p = (struct pair){mem_dup(one), mem_dup(value)};
		unescape(p->name);
		if (p->value != NULL)
			unescape(p->value);
	}
}

static void read_head(struct fake_request *q, char *head)
{
	char *save, *line = strtok_r(head, "\n", &save), *space, *query;

	space = line != NULL ? strchr(line, ' ') : NULL;
	q->method =
		mem_dup_bytes(line != NULL ? line : "", space != NULL ? (size_t)(space - line) : 0);
	q->url = mem_dup(space != NULL ? space + 1 : "/");
	query = strchr(q->url, '?');
	if (query != NULL) {
		*query++ = '\0';
		read_arguments(q, query);
	}
	unescape(q->url);
	while ((line = strtok_r(NULL, "\n", &save)) != NULL && q->n_headers < PAIRS_MAX) {
		char *value = strstr(line, ": ");

		if (value == NULL)
			continue;
		*value = '\0';
		q->headers[q->n_headers++] = (struct pair){mem_dup(line), mem_dup(value + 2)};
	}
}

static void call(struct fake_request *q, const char *data, size_t *size)
{
	q->failed = call_access(q->rest, &q->http, q->url, q->method, "HTTP/1.1", data, size,
				&q->slot) != MHD_YES;
}

struct fake_request *fake_request(struct rest *r, struct feed text)
{
	struct fake_request *q = mem_new(1, sizeof *q);
	const struct feed head = feed_until(&text, "");
	char *lines = feed_text(head);
	size_t none = 0, at = 0;

	q->rest = r;
	q->connection.rest = r;
	read_head(q, lines);
	free(lines);
	q->body = feed_text(text);
	q->body_size = text.left;
	call(q, NULL, &none);
	/* In pieces, as they come from a socket. */
	while (!q->failed && q->response == NULL && at < q->body_size) {
		size_t size = q->body_size - at < 1000 ? q->body_size - at : 1000;

		at += size;
		call(q, q->body + at - size, &size);
		MUST(size == 0 || q->failed);
	}
	if (!q->failed && q->response == NULL)
		call(q, NULL, &none);
	fake_pump(q);
	return q;
}

static void read_stream(struct fake_request *q)
{
	struct MHD_Response *r = q->response;

	while (!r->ended && !q->suspended && r->size < STREAM_MAX) {
		ssize_t n;

		r->body = mem_grow(r->body, r->size + 4097, 1);
		n = r->read(r->read_cls, r->size, r->body + r->size, 4096);
		MUST(n <= 4096 && (n > 0 || q->suspended || n == MHD_CONTENT_READER_END_OF_STREAM));
		if (n > 0)
			r->size += (size_t)n;
		else if (n < 0)
			r->ended = true;
		r->body[r->size] = '\0';
	}
}

void fake_pump(struct fake_request *q)
{
	size_t none = 0;

	if (q->suspended || q->failed)
		return;
	if (q->response == NULL)
		call(q, NULL, &none);
	if (q->response != NULL && q->response->read != NULL)
		read_stream(q);
}

bool fake_over(const struct fake_request *q)
{
	return q->failed || (q->response != NULL && q->response->ended);
}

unsigned fake_status(const struct fake_request *q)
{
	return q->response != NULL ? q->status : 0;
}

const char *fake_type(const struct fake_request *q)
{
	for (size_t i = 0; i < q->response->n_headers; i++)
		if (strcmp(q->response->headers[i].name, "Content-Type") == 0)
			return q->response->headers[i].value;
	return "";
}

const char *fake_body(const struct fake_request *q, size_t *size)
{
	*size = q->response->size;
	return q->response->body;
}

void fake_free(struct fake_request *q)
{
	call_completed(q->rest, &q->http, &q->slot,
		       fake_over(q) ? MHD_REQUEST_TERMINATED_COMPLETED_OK
				    : MHD_REQUEST_TERMINATED_CLIENT_ABORT);
	heap_remove(&q->rest->deadlines, &q->connection.deadline);
	if (q->response != NULL)
		response_unref(q->response);
	for (size_t i = 0; i < q->n_headers; i++) {
		free(q->headers[i].name);
		free(q->headers[i].value);
	}
	for (size_t i = 0; i < q->n_arguments; i++) {
		free(q->arguments[i].name);
		free(q->arguments[i].value);
	}
	free(q->method);
	free(q->url);
	free(q->body);
	free(q);
}
