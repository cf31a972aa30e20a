/* exec_config.h - what the agent's configuration says of one exec resource.
 *
 * Rule: values of the environment may be secrets; they are never shown.
 * Thread: no shared state. */
#ifndef ADAPTERS_EXEC_CONFIG_H
#define ADAPTERS_EXEC_CONFIG_H

#include "base/conf.h"
#include "base/err.h"
#include "base/yaml.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The first three make an operation fit for atomic groups, the last one for sagas. */
enum exec_phase { EXEC_PREPARE, EXEC_COMMIT, EXEC_ROLLBACK, EXEC_CALL, EXEC_PHASES };

/* "prepare", "commit", "rollback", "call". */
const char *exec_phase_name(enum exec_phase phase);

struct exec_step {
	char **argv; /* ends with NULL; NULL: there is no such step */
	uint64_t timeout_ms;
};

struct exec_operation {
	char *name;
	const char **args; /* each is owned */
	size_t n_args;
	bool read_only; /* its prepare has no commit and no rollback */
	struct exec_step steps[EXEC_PHASES];
};

struct exec_config {
	char *adapter;
	char *state;          /* "": none, since there are only calls */
	char *directory_text; /* as written; "": the agent's own */
	char *directory;      /* the same, absolute; or NULL */
	int64_t parallel;
	char *env_from;
	const struct yaml_node *env_node, *operations_node;
	char **env; /* NAME=value */
	size_t n_env;
	const char *path; /* the PATH among these */
	struct exec_operation *operations;
	size_t n_operations;
};

/* The table of the resource's keys, for the docs. */
extern const struct conf_row exec_config_rows[];

/* Fills a zeroed `config`, which the caller ends with exec_config_fini on failure too.
 * Reads the file of `env_from`, and the agent's environment.
 * RC_INVALID: `err` tells line, column and what was expected. */
enum rc exec_config_read(const struct yaml_node *map, struct exec_config *config, struct err *err);
void exec_config_fini(struct exec_config *config);

const struct exec_operation *exec_config_find(const struct exec_config *config, const char *name);

/* Whether the operation, or any of them (NULL), can do this. */
bool exec_config_can(const struct exec_config *config, const struct exec_operation *op,
		     enum exec_phase phase);

#endif
