/* http_secret.h - the values that requests carry and nobody may see.
 *
 * Rule: a secret leaves this process in a request's header, and nowhere else.  What
 * people read (reasons, logs) goes through http_secrets_redact first, since a
 * service may echo what it was sent.
 * Thread: no shared state. */
#ifndef ADAPTERS_HTTP_SECRET_H
#define ADAPTERS_HTTP_SECRET_H

#include "base/err.h"
#include "base/yaml.h"

#include <stddef.h>

enum { HTTP_SECRET_MAX = 8192 };

struct http_secret {
	char *name;
	char *value;
};

struct http_secrets {
	struct http_secret *all;
	size_t n;
};

/* Reads `secrets: {NAME: {env: VAR} or {file: PATH}}`; `map` may be NULL.  Blanks
 * and line ends around a file's text are dropped.  RC_INVALID: it is not of that
 * form, or the value is missing, empty, too long or has control characters; `err`
 * never has the value.  End with http_secrets_fini on failure too. */
enum rc http_secrets_read(const struct yaml_node *map, struct http_secrets *out, struct err *err);
void http_secrets_fini(struct http_secrets *s);

/* The value, or NULL. */
const char *http_secrets_find(const struct http_secrets *s, const char *name);

/* A copy of `text` of at most `max` bytes, with `***` for every secret in it.  Give
 * it to free(). */
char *http_secrets_redact(const struct http_secrets *s, const char *text, size_t size, size_t max);

#endif
