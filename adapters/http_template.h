/* http_template.h - text with `{name}` in it: paths, headers, bodies.
 *
 * `{name}` is an argument of the operation, `{gid}`, `{branch}` and `{key}` are the
 * branch's, `{gid}`, `{step}` and `{key}` a call's, `{secret.NAME}` is a secret; `{{`
 * and `}}` are braces.
 * Rule: a value never becomes more than the value it was put in as: in a path it is
 * percent-encoded and no dot segment, in a header it has no control character, in a
 * body it stays inside its JSON value.
 * Thread: no shared state; a template never changes once it is made. */
#ifndef ADAPTERS_HTTP_TEMPLATE_H
#define ADAPTERS_HTTP_TEMPLATE_H

#include "adapters/http_args.h"
#include "adapters/http_secret.h"
#include "adapters/http_text.h"
#include "base/yaml.h"

#include <stdbool.h>
#include <stdint.h>

/* What a template may refer to. */
struct http_scope {
	const char *const *args;
	size_t n_args;
	const struct http_secrets *secrets; /* NULL: none may stand here */
	bool call;                          /* of a saga; else a branch */
};

enum http_piece_kind {
	HTTP_PIECE_TEXT, /* as it is: encoded already if it is JSON */
	HTTP_PIECE_ARG,
	HTTP_PIECE_GID,
	HTTP_PIECE_BRANCH,
	HTTP_PIECE_STEP,
	HTTP_PIECE_KEY,
};

struct http_piece {
	enum http_piece_kind kind;
	char *text;    /* TEXT; of a secret, too: wiped at the end */
	char *name;    /* ARG, for messages */
	size_t number; /* ARG */
	bool whole;    /* in JSON: a value of its own, not a part of a string */
};

struct http_template {
	struct http_piece *pieces;
	size_t n;
};

/* The values of one branch, or of one call. */
struct http_values {
	const char *gid, *branch, *key; /* of a call: `branch` is the step */
	const struct http_args *args;
	bool undo; /* these are a call's */
	uint32_t attempt;
};

/* Makes a template of a text (a path, a header) or of any value (a JSON body, where
 * a text that is exactly `{name}` keeps the type of the argument).  RC_INVALID has
 * line and column.  End with http_template_fini on failure too. */
enum rc http_template_text(const struct yaml_node *node, const struct http_scope *scope,
			   struct http_template *out, struct err *err);
enum rc http_template_json(const struct yaml_node *node, const struct http_scope *scope,
			   struct http_template *out, struct err *err);
void http_template_fini(struct http_template *t);

/* Render into `out`, which is not reset.  RC_INVALID: a value that cannot stand
 * there, by name and never with its text; RC_TOO_BIG: over the cap of `out`. */
enum rc http_template_path(const struct http_template *t, const struct http_values *v,
			   struct http_text *out, struct err *err);
enum rc http_template_header(const struct http_template *t, const struct http_values *v,
			     struct http_text *out, struct err *err);
enum rc http_template_body(const struct http_template *t, const struct http_values *v,
			   struct http_text *out, struct err *err);

/* What a path may not be: a segment (up to `?`) that is `.` or `..`, or empty. */
bool http_path_sound(const char *path);

/* True if `name` is one that templates give a meaning of their own. */
bool http_name_taken(const char *name);

#endif
