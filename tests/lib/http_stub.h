/* http_stub.h - a small HTTP/1.1 server that answers as a test tells it to, well or
 * badly, and remembers what it was asked.
 *
 * Each connection has a thread of its own, so that one which is held does not hold
 * the others.  Thread: any. */
#ifndef TESTS_LIB_HTTP_STUB_H
#define TESTS_LIB_HTTP_STUB_H

#include <stdbool.h>
#include <stddef.h>

enum stub_manner {
	STUB_ANSWER, /* status, headers, body; the connection is kept */
	STUB_CLOSE,  /* the same, and closes the connection afterwards, without a word of it */
	STUB_SILENT, /* reads the request, and says nothing for ever */
	STUB_HANGUP, /* reads the request, and closes */
	STUB_STALE,  /* the same on a connection that was used before, else answers */
	STUB_DRIP,   /* 200 and a body of a byte every 100 ms, without end */
	STUB_FLOOD,  /* 200 and 1 GB, as fast as it is read */
	STUB_HEADS,  /* 200 and headers without end */
	STUB_RESET,  /* 200, half of the body, and a reset */
};

struct stub_rule {
	const char *path;   /* the beginning of the request's path */
	const char *method; /* NULL: any */
	enum stub_manner manner;
	int status;          /* 0: 200 */
	const char *headers; /* "Name: value\r\n"…; NULL: none */
	const char *body;    /* NULL: none */
};

struct http_stub;

/* Listens on 127.0.0.1; without a rule that fits it answers 200 and no body. */
struct http_stub *http_stub_new(void);
void http_stub_free(struct http_stub *s);
int http_stub_port(const struct http_stub *s);

/* From now on; a later rule goes before the earlier ones.  What it points to must
 * stay. */
void http_stub_rule(struct http_stub *s, const struct stub_rule *rule);
#define RULE(s, ...) http_stub_rule(s, &(struct stub_rule){__VA_ARGS__})

/* How many requests (whole ones, with their body) came for paths that begin so. */
int http_stub_count(struct http_stub *s, const char *path);
/* The last of those, head and body; NULL if there is none.  Give to free(). */
char *http_stub_last(struct http_stub *s, const char *path);
/* Connections accepted so far. */
int http_stub_connections(struct http_stub *s);
/* The most bytes of a flood that one connection took. */
size_t http_stub_flooded(struct http_stub *s);

#endif
