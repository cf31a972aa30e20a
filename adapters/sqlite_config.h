/* sqlite_config.h - what the agent's configuration says of one SQLite resource.
 *
 * Rule: an operation is one statement that reads or changes rows; a value is only
 * ever bound to it.  What begins or ends transactions, changes the connection or
 * opens other files is refused here, by its first word, and again by SQLite's
 * authorizer (sqlite_guard.h).
 * Thread: no shared state. */
#ifndef ADAPTERS_SQLITE_CONFIG_H
#define ADAPTERS_SQLITE_CONFIG_H

#include "base/conf.h"
#include "base/err.h"
#include "base/yaml.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One statement, and where it stands in the configuration. */
struct sqlite_sql {
	char *text;
	int line, column;
};

struct sqlite_operation {
	char *name;
	struct sqlite_sql sql;
	const char **args; /* names; each is owned */
	size_t n_args;
	int64_t expect_rows; /* -1: any number */
};

struct sqlite_config {
	char *adapter;
	char *file;
	bool create;
	bool foreign_keys;
	const struct yaml_node *schema_node, *operations_node;
	struct sqlite_sql *schema; /* for a new, empty file */
	size_t n_schema;
	struct sqlite_operation *operations;
	size_t n_operations;
};

/* The table of the resource's keys, for the docs. */
extern const struct conf_row sqlite_config_rows[];

/* Fills a zeroed `config`, which the caller ends with sqlite_config_fini on failure too.
 * RC_INVALID: `err` tells line, column and what was expected. */
enum rc sqlite_config_read(const struct yaml_node *map, struct sqlite_config *config,
			   struct err *err);
void sqlite_config_fini(struct sqlite_config *config);

/* NULL if there is none. */
const struct sqlite_operation *sqlite_config_find(const struct sqlite_config *config,
						  const char *name);

/* True if there is nothing but space, comments and semicolons. */
bool sqlite_sql_blank(const char *sql);

#endif
