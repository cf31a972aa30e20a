/* input.h - what a workflow asks of whoever submits it.
 *
 * In a file either a list of names, or a map of name to {type, required,
 * default}.  Thread: no shared state; any.  Pure. */
#ifndef SAGA_INPUT_H
#define SAGA_INPUT_H

#include "base/err.h"
#include "saga/problems.h"

#include <jansson.h>

struct inputs;

/* Parses the value of `input:`; `node` NULL: there are none.  Never NULL: what could
 * be read, and problems for the rest. */
struct inputs *inputs_parse(struct problems *p, const struct yaml_node *node);
void inputs_free(struct inputs *in);

/* The declared names, NULL-terminated; live as long as `in`. */
const char *const *inputs_names(const struct inputs *in);

/* Checks what was given (an object, or NULL for none) against the declarations and
 * fills in the defaults.  RC_OK gives `*out`, a new object; what was left out and has
 * no default is not in it.
 *   RC_INVALID  the text names the input that is missing, unknown or of wrong type
 *   RC_TOO_BIG  more than WORKFLOW_INPUT_MAX bytes of JSON */
enum rc inputs_bind(const struct inputs *in, const json_t *given, json_t **out, struct err *err);

#endif
