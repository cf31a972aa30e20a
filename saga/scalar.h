/* scalar.h - a YAML scalar as JSON text, typed by YAML's core schema.
 *
 * An unquoted null, truth value, integer or real is one in JSON as well;
 * everything else, and everything quoted, is a string.  Numbers are carried as
 * text, so that 0.10 stays 0.10.  Thread: any.  Pure. */
#ifndef SAGA_SCALAR_H
#define SAGA_SCALAR_H

#include "base/err.h"
#include "base/yaml.h"

/* RC_OK gives `*json` for free(); RC_INVALID, with the place: an integer beyond 64
 * bits, or a real that JSON does not know (.inf, .nan) or a double cannot hold. */
enum rc scalar_json(const struct yaml_node *node, char **json, struct err *err);

#endif
