/* http_args.h - a branch's arguments, each as it was written.
 *
 * Numbers keep every digit: what a service receives is the text that the workflow
 * gave, not what a double made of it.
 * Thread: no shared state. */
#ifndef ADAPTERS_HTTP_ARGS_H
#define ADAPTERS_HTTP_ARGS_H

#include "base/err.h"
#include "wire/frame.h"

#include <stddef.h>

struct http_arg {
	const char *raw; /* the JSON value, in http_args.json */
	size_t size;
	char *text; /* what a string stands for; NULL: it is no string */
};

struct http_args {
	char *json;
	struct http_arg *all; /* in the order of the names */
	size_t n;
};

/* Takes a JSON object apart: every one of `names` must be there, and nothing else.
 * RC_INVALID has the reason.  End with http_args_fini on failure too. */
enum rc http_args_read(const char *const *names, size_t n, struct bytes json, struct http_args *out,
		       struct err *err);
void http_args_fini(struct http_args *a);

#endif
