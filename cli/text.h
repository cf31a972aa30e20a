/* text.h - printing for people: tables, states in colour, and text of the server
 * without what could drive a terminal.  Thread: one. */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include "cli/cli.h"

#include <jansson.h>
#include <stdio.h>

/* Prints `text` with control characters as `?`. */
void text_put(FILE *out, const char *text);

/* A table that is printed once all its rows are known. */
struct table {
	const char *const *heads; /* NULL at the end */
	size_t columns;
	char **cells;
	size_t n_cells;
	size_t status_column; /* is coloured; SIZE_MAX: none */
};

void table_init(struct table *t, const char *const *heads);
/* Adds the next cell of the present row; NULL is shown as `-`. */
void table_add(struct table *t, const char *text);
void table_print(const struct table *t, const struct cli *cli);
void table_fini(struct table *t);

/* A state, coloured if the terminal is. */
void text_status(const struct cli *cli, const char *status, int width);

/* The member of an object as text; NULL when it is absent or not a text. */
const char *text_of(const json_t *object, const char *name);
/* The same with something to show instead. */
const char *text_or(const json_t *object, const char *name, const char *instead);

/* Prints `text` and as many blanks as make it `width` wide. */
void text_padded(const char *text, int width);

#endif
