/* expr.h - one `${…}`: a plain path, or Lua.
 *
 * What an expression refers to is found when the file is parsed: so mistakes are
 * told early, and later only the steps that it mentions are read.
 * Thread: no shared state; an expression never changes once parsed.  Pure. */
#ifndef SAGA_EXPR_H
#define SAGA_EXPR_H

#include "base/yaml.h"
#include "saga/scope.h"

enum {
	EXPR_SOURCE_MAX = 4096,            /* bytes between the braces */
	EXPR_SCRIPTS_MAX = 2000,           /* expressions of a file that are no plain paths */
	EXPR_SCRIPT_BYTES_MAX = 256 << 10, /* of all of them */
	EXPR_SHOWN_MAX = 60,               /* bytes of it that messages show */
};

enum expr_root { ROOT_INPUT, ROOT_OUTPUT, ROOT_STATUS, ROOT_GID, ROOT_NULL, ROOT_SCRIPT };

struct expr {
	enum expr_root root; /* ROOT_SCRIPT: Lua; else a path */
	char *source;
	size_t size;
	char shown[EXPR_SHOWN_MAX + 8]; /* for messages */
	size_t step;                    /* ROOT_OUTPUT, ROOT_STATUS */
	char *fields;                   /* of a path: each ended by a NUL, as many as n_fields */
	size_t n_fields;
	/* What a script mentions. */
	char **inputs;
	size_t n_inputs;
	bool whole_input;
	size_t *steps;
	size_t n_steps;
};

/* Makes an expression of the text between the braces; `at` is for the place.  NULL
 * after a problem. */
struct expr *expr_parse(struct scope *scope, const struct yaml_node *at, const char *source,
			size_t size);
void expr_free(struct expr *e);

/* The text for people: what is between the braces. */
const char *expr_source(const struct expr *e);

#endif
