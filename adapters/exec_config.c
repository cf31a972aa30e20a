/* exec_config.c - see exec_config.h. */
#include "adapters/exec_config.h"

#include "adapters/exec_env.h"
#include "base/id.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define FIELD(name) offsetof(struct exec_config, name)

enum { OPERATIONS_MAX = 1000, ARGS_MAX = 1000, ARGV_MAX = 1000, DAY_MS = 86400000 };

const struct conf_row exec_config_rows[] = {
	{"adapter", CONF_TEXT, FIELD(adapter), "exec", 0, 63, "must be `exec`"},
	{"state", CONF_TEXT, FIELD(state), "", 0, 1000,
	 "file in which the agent keeps what it has prepared; made if it is not there; needed as "
	 "soon as an operation has `prepare`"},
	{"parallel", CONF_INT, FIELD(parallel), "16", 1, 1000,
	 "commands that run at once; more wait"},
	{"directory", CONF_TEXT, FIELD(directory_text), "", 0, 1000,
	 "where commands run; empty: where the agent does"},
	{"env", CONF_NODE, FIELD(env_node), "none", 0, 0,
	 "list of names: variables that commands get from the agent's own environment"},
	{"env_from", CONF_TEXT, FIELD(env_from), "", 0, 1000,
	 "file with more variables, one `NAME=value` a line"},
	{"operations", CONF_NODE, FIELD(operations_node), NULL, 0, 0,
	 "map of name to operation (below)"},
	{NULL, CONF_TEXT, 0, NULL, 0, 0, NULL},
};

static const char *const phase_names[] = {
	[EXEC_PREPARE] = "prepare",
	[EXEC_COMMIT] = "commit",
	[EXEC_ROLLBACK] = "rollback",
	[EXEC_CALL] = "call",
};

const char *exec_phase_name(enum exec_phase phase)
{
	return phase_names[phase];
}

static enum rc wrong(struct err *err, const struct yaml_node *at, const char *what)
{
	return err_set_at(err, RC_INVALID, at->line, at->column, "%s", what);
}

static enum rc read_argv(const struct yaml_node *map, struct exec_step *step, struct err *err)
{
	const struct yaml_node *list = yaml_get(map, "command");

	if (list == NULL || list->kind != YAML_LIST)
		return wrong(err, list != NULL ? list : map,
			     "`command` must be a list: a program and its arguments. There is no "
			     "shell in between; for one, write [sh, -c, \"…\"]");
	if (list->count == 0 || list->count > ARGV_MAX)
		return wrong(err, list, "`command` must have 1 to 1000 words");
	step->argv = mem_new(list->count + 1, sizeof *step->argv);
	for (size_t i = 0; i < list->count; i++) {
		if (list->items[i]->kind != YAML_SCALAR ||
		    (i == 0 && list->items[i]->text[0] == '\0'))
			return wrong(err, list->items[i], "expected a word of the command");
		step->argv[i] = mem_dup(list->items[i]->text);
	}
	return RC_OK;
}

static enum rc read_step(const struct yaml_node *map, struct exec_step *step, struct err *err)
{
	static const char *const known[] = {"command", "timeout", NULL};
	const struct yaml_node *timeout;
	enum rc rc;

	if (map->kind != YAML_MAP)
		return wrong(err, map, "expected a map with `command`");
	rc = yaml_only(map, known, "a step of an operation", err);
	if (rc == RC_OK)
		rc = read_argv(map, step, err);
	step->timeout_ms = 30000;
	timeout = yaml_get(map, "timeout");
	if (rc == RC_OK && timeout != NULL)
		rc = yaml_ms(timeout, "timeout", 1, DAY_MS, &step->timeout_ms, err);
	return rc;
}

/* A call alone, or what an atomic group needs, or both. */
static bool is_group(const struct yaml_node *map, const struct exec_operation *op)
{
	return yaml_get(map, "call") == NULL || op->read_only || yaml_get(map, "prepare") != NULL ||
	       yaml_get(map, "commit") != NULL || yaml_get(map, "rollback") != NULL;
}

static enum rc read_steps(const struct yaml_node *map, struct exec_operation *op, struct err *err)
{
	const bool group = is_group(map, op);

	for (unsigned i = 0; i < EXEC_PHASES; i++) {
		const struct yaml_node *node = yaml_get(map, phase_names[i]);
		const bool may = i == EXEC_CALL; /* it is there or not */
		const bool wanted = group && (i == EXEC_PREPARE || !op->read_only);

		if (node == NULL && wanted && !may)
			return err_set_at(
				err, RC_INVALID, map->line, map->column,
				"an operation needs `%s`%s, or only `call`", phase_names[i],
				i != EXEC_PREPARE ? " unless it is `read_only: true`" : "");
		if (node != NULL && !wanted && !may)
			return err_set_at(err, RC_INVALID, node->line, node->column,
					  "an operation that is read only has no `%s`",
					  phase_names[i]);
		if (node != NULL && read_step(node, &op->steps[i], err) != RC_OK)
			return err_wrap(err, "%s", phase_names[i]);
	}
	return RC_OK;
}

static enum rc read_args(const struct yaml_node *list, struct exec_operation *op, struct err *err)
{
	if (list->kind != YAML_LIST || list->count > ARGS_MAX)
		return wrong(err, list, "args must be a list of at most 1000 names");
	op->args = mem_new(list->count, sizeof *op->args);
	for (size_t i = 0; i < list->count; i++) {
		const struct yaml_node *item = list->items[i];

		if (item->kind != YAML_SCALAR || !id_valid(item->text, NAME_MAX_LEN))
			return wrong(err, item,
				     "an argument's name is 1 to 63 of A-Z a-z 0-9 . _ -");
		for (size_t k = 0; k < i; k++)
			if (strcmp(op->args[k], item->text) == 0)
				return wrong(err, item, "this argument is named twice");
		op->args[op->n_args++] = mem_dup(item->text);
	}
	return RC_OK;
}

static enum rc read_operation(const struct yaml_node *map, struct exec_operation *op,
			      struct err *err)
{
	static const char *const known[] = {"args",     "read_only", "prepare", "commit",
					    "rollback", "call",      NULL};
	const struct yaml_node *node;
	enum rc rc;

	if (map->kind != YAML_MAP)
		return wrong(err, map,
			     "expected a map with `call`, or `prepare`, `commit` and `rollback`");
	rc = yaml_only(map, known, "an operation", err);
	node = yaml_get(map, "args");
	if (rc == RC_OK && node != NULL)
		rc = read_args(node, op, err);
	node = yaml_get(map, "read_only");
	if (rc == RC_OK && node != NULL)
		rc = yaml_bool(node, "read_only", &op->read_only, err);
	return rc != RC_OK ? rc : read_steps(map, op, err);
}

static enum rc read_operations(struct exec_config *config, struct err *err)
{
	const struct yaml_node *map = config->operations_node;

	if (map->kind != YAML_MAP || map->count == 0 || map->count > OPERATIONS_MAX)
		return wrong(err, map, "operations must be a map of 1 to 1000 operations");
	config->operations = mem_new(map->count, sizeof *config->operations);
	for (size_t i = 0; i < map->count; i++) {
		struct exec_operation *op = &config->operations[i];
		const char *name = map->keys[i]->text;

		config->n_operations = i + 1;
		if (!id_valid(name, NAME_MAX_LEN))
			return wrong(err, map->keys[i],
				     "an operation's name is 1 to 63 of A-Z a-z 0-9 . _ -");
		op->name = mem_dup(name);
		if (read_operation(map->items[i], op, err) != RC_OK)
			return err_wrap(err, "operation %s", name);
		if (op->steps[EXEC_PREPARE].argv != NULL && config->state[0] == '\0')
			return wrong(
				err, map->items[i],
				"the resource needs `state`, a file that remembers what is "
				"prepared (only operations that have `call` alone do without)");
	}
	return RC_OK;
}

enum rc exec_config_read(const struct yaml_node *map, struct exec_config *config, struct err *err)
{
	enum rc rc = conf_read(exec_config_rows, map, config, err);

	if (rc != RC_OK)
		return rc;
	if (strcmp(config->adapter, "exec") != 0)
		return wrong(err, yaml_get(map, "adapter"), "this is not an exec resource");
	if (config->directory_text[0] != '\0' &&
	    (config->directory = realpath(config->directory_text, NULL)) == NULL)
		return wrong(err, yaml_get(map, "directory"), "`directory` is not there");
	rc = exec_env_read(map, config, err);
	if (rc == RC_OK)
		rc = read_operations(config, err);
	config->operations_node = config->env_node = NULL; /* the document's */
	return rc;
}

static void operation_fini(struct exec_operation *op)
{
	for (size_t i = 0; i < op->n_args; i++)
		free((void *)(uintptr_t)op->args[i]);
	free(op->args);
	for (unsigned i = 0; i < EXEC_PHASES; i++) {
		for (char **word = op->steps[i].argv; word != NULL && *word != NULL; word++)
			free(*word);
		free(op->steps[i].argv);
	}
	free(op->name);
}

void exec_config_fini(struct exec_config *config)
{
	for (size_t i = 0; i < config->n_operations; i++)
		operation_fini(&config->operations[i]);
	free(config->operations);
	for (size_t i = 0; i < config->n_env; i++)
		free(config->env[i]);
	free(config->env);
	free(config->directory);
	conf_fini(exec_config_rows, config);
	memset(config, 0, sizeof *config);
}

const struct exec_operation *exec_config_find(const struct exec_config *config, const char *name)
{
	for (size_t i = 0; i < config->n_operations; i++)
		if (strcmp(config->operations[i].name, name) == 0)
			return &config->operations[i];
	return NULL;
}

bool exec_config_can(const struct exec_config *config, const struct exec_operation *op,
		     enum exec_phase phase)
{
	if (op != NULL)
		return op->steps[phase].argv != NULL;
	for (size_t i = 0; i < config->n_operations; i++)
		if (config->operations[i].steps[phase].argv != NULL)
			return true;
	return false;
}
