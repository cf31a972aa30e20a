/* fake_http.h - what coordinator/rest*.c asks of libmicrohttpd, in memory: a request goes in as
 * text, its response comes out, no socket between.
 *
 * A request: a line `METHOD /path?query`, lines `Name: value`, an empty line, the body.
 * Thread: one. */
#ifndef TESTS_FUZZ_FAKE_HTTP_H
#define TESTS_FUZZ_FAKE_HTTP_H

#include "coordinator/rest_core.h"
#include "tests/fuzz/fuzz.h"

struct fake_request;

/* Parses and hands it over; NULL: it is not even a request. */
struct fake_request *fake_request(struct rest *r, struct feed text);
/* Goes on with it if it was resumed. */
void fake_pump(struct fake_request *q);
/* True once the whole response is there (of a stream: its end). */
bool fake_over(const struct fake_request *q);
/* 0: there is none yet. */
unsigned fake_status(const struct fake_request *q);
const char *fake_type(const struct fake_request *q);
const char *fake_body(const struct fake_request *q, size_t *size);
/* The connection ends, whether it is over or not. */
void fake_free(struct fake_request *q);

#endif
