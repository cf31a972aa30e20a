/* template.h - values in a workflow file, with `${…}` expressions in them.
 *
 * A text that is exactly one `${…}` keeps the JSON type of what it gives; inside
 * longer text it is interpolated; `$${` is a literal `${`.  Unquoted scalars are
 * typed as in YAML's core schema, integers stay exact to 64 bits.  What holds no
 * expression is made into JSON once, when the file is parsed.
 * Thread: no shared state; a template never changes once parsed.  Pure. */
#ifndef SAGA_TEMPLATE_H
#define SAGA_TEMPLATE_H

#include "saga/eval.h"

struct template;

/* Makes a template of a value; NULL after problems, with their places: an expression
 * that is wrong, a number that JSON or 64 bits cannot hold. */
struct template *template_parse(struct scope *scope, const struct yaml_node *node);
void template_free(struct template *t);

/* Writes the value as JSON.
 *   RC_INVALID  an expression failed; the text names it
 *   RC_TOO_BIG  more than the buffer may hold */
enum rc template_render(const struct template *t, struct eval *eval, struct jsonbuf *out,
			struct err *err);

/* Its JSON if it holds no expression (borrowed); else NULL. */
const char *template_constant(const struct template *t);

#endif
