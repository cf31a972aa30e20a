/* rest_client.h - REST calls as a test's client makes them, and raw sockets for
 * clients that misbehave.
 * Thread: any; one call at a time per thread. */
#ifndef TESTS_LIB_REST_CLIENT_H
#define TESTS_LIB_REST_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* What came back. `status` is 0 when nothing did (refused, cut, timed out). */
struct response {
	long status;
	char *body; /* NUL-terminated, never NULL */
	size_t size;
	char *type;   /* Content-Type or "" */
	json_t *json; /* the body parsed; NULL if it is not JSON */
};

/* Calls `method` on `base` + `path`; `body` may be NULL. `size` < 0: strlen. */
struct response rest_send(const char *base, const char *method, const char *path, const char *body,
			  long size, int timeout_ms);
void response_free(struct response *r);

/* The text at `key` of an object; "" if it is not there or no text. */
const char *json_text(const json_t *object, const char *key);

/* A TCP connection to 127.0.0.1:port; fails the test if there is none. */
int raw_connect(int port);
/* Sends everything, or returns false. */
bool raw_send(int fd, const char *bytes, size_t size);
/* Reads until the other side closes, `timeout_ms` is over or `room` is full;
 * NUL-terminates. Returns bytes read; `*closed` tells whether it was closed. */
size_t raw_read(int fd, char *out, size_t room, int timeout_ms, bool *closed);

#endif
