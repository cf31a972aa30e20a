/* exec_env.h - the environment of commands: little, and nothing by accident.
 * Thread: no shared state. */
#ifndef ADAPTERS_EXEC_ENV_H
#define ADAPTERS_EXEC_ENV_H

#include "adapters/exec_config.h"
#include "wire/frame.h"

/* Fills config->env and ->path from `env`, `env_from` and the standard PATH.
 * RC_INVALID: a bad name, a variable that is not set, a file that cannot be read. */
enum rc exec_env_read(const struct yaml_node *map, struct exec_config *config, struct err *err);

/* What a run is told. */
struct exec_task {
	const char *cluster, *agent, *resource;
	const char *key;
	struct branch_id id; /* of a call: the step is its branch */
	const struct exec_operation *operation;
	enum exec_phase phase;
	struct bytes args;     /* a JSON object, or empty */
	struct bytes prepared; /* what prepare had as output: JSON, or empty */
	bool undo;             /* a call's */
	uint32_t attempt;
	const char *state; /* a call's: the resource's state file, or NULL */
};

/* The variables for it, ended with NULL; exec_env_free. */
char **exec_env_make(const struct exec_config *config, const struct exec_task *task);
void exec_env_free(char **env);

/* The JSON text for its standard input, of `*size` bytes, for free(). */
char *exec_input_make(const struct exec_task *task, size_t *size);

#endif
