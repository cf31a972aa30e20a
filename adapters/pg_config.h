/* pg_config.h - what the agent's configuration says of one PostgreSQL resource.
 *
 * Rule: the connection string may hold a password and is never echoed, not even
 * in part, not even when it is wrong.
 * Thread: no shared state. */
#ifndef ADAPTERS_PG_CONFIG_H
#define ADAPTERS_PG_CONFIG_H

#include "base/conf.h"
#include "base/err.h"
#include "base/yaml.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pg_operation {
	char *name;
	char *sql;
	const char **args; /* names, in the order of $1, $2, …; each is owned */
	size_t n_args;
	int64_t expect_rows; /* -1: any number */
	bool read_only;
};

struct pg_config {
	char *adapter;
	char *connection;
	char *host; /* the one host name in `connection` that DNS must resolve; or NULL */
	int64_t pool;
	int64_t finishers;
	char *barrier_table;   /* as written */
	char *barrier;         /* the same, quoted for SQL */
	uint64_t lock_timeout; /* ms; 0: only the deadline counts */
	const struct yaml_node *operations_node;
	struct pg_operation *operations;
	size_t n_operations;
};

/* The table of the resource's keys, for the docs. */
extern const struct conf_row pg_config_rows[];

/* Fills a zeroed `config`, which the caller ends with pg_config_fini on failure too.
 * RC_INVALID: `err` tells line, column and what was expected. */
enum rc pg_config_read(const struct yaml_node *map, struct pg_config *config, struct err *err);
void pg_config_fini(struct pg_config *config);

const struct pg_operation *pg_config_find(const struct pg_config *config, const char *name);

/* The first word of `sql` in capitals if an operation may not begin with it
 * (transaction control, session state, COPY); NULL if it may. */
const char *pg_sql_forbidden(const char *sql);

#endif
