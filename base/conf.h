/* conf.h - configuration from one table: the table feeds the parser, `--help`
 * and the docs, so that they cannot disagree.
 *
 * A program's settings are the fields of one struct; each row of its table says
 * name, type, where the field is, default, limits and help.  An unknown key is
 * an error with its line.  Thread: before threads start. */
#ifndef BASE_CONF_H
#define BASE_CONF_H

#include "base/err.h"
#include "base/yaml.h"

#include <stddef.h>
#include <stdio.h>

enum conf_type {
	CONF_TEXT, /* char *            (owned by the struct; conf_fini frees it) */
	CONF_INT,  /* int64_t           min..max */
	CONF_BOOL, /* bool */
	CONF_MS,   /* uint64_t, ms      a duration: "30s" */
	CONF_NODE, /* const struct yaml_node *: read by its own module; borrowed from the doc */
};

struct conf_row {
	const char *name;
	enum conf_type type;
	size_t offset;        /* of the field in the settings struct */
	const char *standard; /* default, as it would be written in the file; NULL: must be given;
				 any for a CONF_NODE that may be left out (NULL then) */
	int64_t min, max;     /* CONF_INT; CONF_MS in ms; CONF_TEXT: max is its length, 0: any */
	const char *help;
};

/* Fills `settings` from `map` (NULL: defaults only) by `rows` (ends with a row
 * whose name is NULL). RC_INVALID tells line, column and what was expected, and
 * leaves nothing to free. */
enum rc conf_read(const struct conf_row *rows, const struct yaml_node *map, void *settings,
		  struct err *err);

/* Frees the texts that conf_read gave the struct. */
void conf_fini(const struct conf_row *rows, void *settings);

/* The table for people: name, type, default, help; as text, or as a Markdown table. */
void conf_help(const struct conf_row *rows, FILE *out);
void conf_markdown(const struct conf_row *rows, FILE *out);

#endif
