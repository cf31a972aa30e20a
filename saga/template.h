/* template.h - values in a workflow file, with `${…}` references in them.
 *
 * A text that is exactly one `${input.NAME}` keeps the JSON type of what it
 * refers to; inside longer text it is interpolated; `$${` is a literal `${`.
 * Unquoted scalars are typed as in YAML's core schema, integers stay exact to 64
 * bits.  What is referred to is checked when the file is parsed, as far as the
 * declarations tell.
 * Thread: no shared state; a template never changes once parsed.  Pure. */
#ifndef SAGA_TEMPLATE_H
#define SAGA_TEMPLATE_H

#include "base/err.h"
#include "base/yaml.h"
#include "saga/jsonbuf.h"

#include <jansson.h>

struct template;

/* What a file declares that may be referred to: NULL-terminated names. */
struct template_scope {
	const char *const *inputs;
};

/* Makes a template of a value. RC_INVALID has line and column: a reference that is
 * not understood or not declared, a number that JSON or 64 bits cannot hold. */
enum rc template_parse(const struct yaml_node *node, const struct template_scope *scope,
		       struct template **out, struct err *err);
void template_free(struct template *t);

/* Writes the value as JSON, with `input` (a JSON object) for what is referred to.
 *   RC_INVALID  a part of an input is not there, or cannot stand inside text
 *   RC_TOO_BIG  more than the buffer may hold */
enum rc template_render(const struct template *t, const json_t *input, struct jsonbuf *out,
			struct err *err);

#endif
