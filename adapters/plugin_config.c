/* plugin_config.c - see plugin_config.h. */
#include "adapters/plugin_config.h"

#include "base/id.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define FIELD(name) offsetof(struct plugin_config, name)

enum { OPERATIONS_MAX = 1000, ARGS_MAX = 1000, HOUR_MS = 3600 * 1000, MINUTE_MS = 60 * 1000 };

const struct conf_row plugin_config_rows[] = {
	{"adapter", CONF_TEXT, FIELD(adapter), "plugin", 0, 63, "must be `plugin`"},
	{"library", CONF_TEXT, FIELD(library), NULL, 0, 1000,
	 "the shared object; a relative path begins at the folder of this file"},
	{"threads", CONF_INT, FIELD(threads), "4", 1, 256,
	 "functions of the plugin that run at once"},
	{"queue", CONF_INT, FIELD(queue), "256", 1, 100000,
	 "how many more may wait for a thread; beyond it they are sent back"},
	{"timeout", CONF_MS, FIELD(timeout_ms), "30s", 10, HOUR_MS,
	 "how long open, commit, rollback, list and check may take"},
	{"grace", CONF_MS, FIELD(grace_ms), "2s", 10, MINUTE_MS,
	 "after its deadline a function that has not returned is given up so much later"},
	{"check", CONF_MS, FIELD(check_ms), "5s", 10, HOUR_MS,
	 "between two checks whether the plugin serves"},
	{"settings", CONF_NODE, FIELD(settings_node), "none", 0, 0,
	 "map that is handed to the plugin, as JSON"},
	{"operations", CONF_NODE, FIELD(operations_node), NULL, 0, 0,
	 "map of name to operation (below)"},
	{NULL, CONF_TEXT, 0, NULL, 0, 0, NULL},
};

static enum rc wrong(struct err *err, const struct yaml_node *at, const char *what)
{
	return err_set_at(err, RC_INVALID, at->line, at->column, "%s", what);
}

static enum rc read_args(const struct yaml_node *list, struct plugin_operation *op, struct err *err)
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

static enum rc read_operation(const struct yaml_node *map, struct plugin_operation *op,
			      struct err *err)
{
	static const char *const known[] = {"args", "read_only", NULL};
	const struct yaml_node *node;
	enum rc rc;

	if (map->kind == YAML_SCALAR && map->plain && map->text[0] == '\0')
		return RC_OK; /* `look:` with nothing behind it */
	if (map->kind != YAML_MAP)
		return wrong(err, map, "expected a map with `args`");
	rc = yaml_only(map, known, "an operation", err);
	node = yaml_get(map, "args");
	if (rc == RC_OK && node != NULL)
		rc = read_args(node, op, err);
	node = yaml_get(map, "read_only");
	if (rc == RC_OK && node != NULL)
		rc = yaml_bool(node, "read_only", &op->read_only, err);
	return rc;
}

static enum rc read_operations(struct plugin_config *config, struct err *err)
{
	const struct yaml_node *map = config->operations_node;

	if (map->kind != YAML_MAP || map->count == 0 || map->count > OPERATIONS_MAX)
		return wrong(err, map, "operations must be a map of 1 to 1000 operations");
	config->operations = mem_new(map->count, sizeof *config->operations);
	for (size_t i = 0; i < map->count; i++) {
		struct plugin_operation *op = &config->operations[i];
		const char *name = map->keys[i]->text;

		config->n_operations = i + 1;
		if (!id_valid(name, NAME_MAX_LEN))
			return wrong(err, map->keys[i],
				     "an operation's name is 1 to 63 of A-Z a-z 0-9 . _ -");
		op->name = mem_dup(name);
		if (read_operation(map->items[i], op, err) != RC_OK)
			return err_wrap(err, "operation %s", name);
	}
	return RC_OK;
}

static enum rc read_settings(struct plugin_config *config, struct err *err)
{
	if (config->settings_node == NULL) {
		config->settings = mem_dup("{}");
		return RC_OK;
	}
	if (config->settings_node->kind != YAML_MAP)
		return wrong(err, config->settings_node, "settings must be a map");
	return plugin_settings_json(config->settings_node, &config->settings, err);
}

enum rc plugin_config_read(const struct yaml_node *map, struct plugin_config *config,
			   struct err *err)
{
	enum rc rc = conf_read(plugin_config_rows, map, config, err);

	if (rc != RC_OK)
		return rc;
	if (strcmp(config->adapter, "plugin") != 0)
		return wrong(err, yaml_get(map, "adapter"), "this is not a plugin resource");
	if (config->library[0] == '\0')
		return wrong(err, yaml_get(map, "library"), "`library` must name a file");
	rc = read_settings(config, err);
	if (rc == RC_OK)
		rc = read_operations(config, err);
	config->operations_node = config->settings_node = NULL; /* the document's */
	return rc;
}

static void operation_fini(struct plugin_operation *op)
{
	for (size_t i = 0; i < op->n_args; i++)
		free((void *)(uintptr_t)op->args[i]);
	free(op->args);
	free(op->name);
}

void plugin_config_fini(struct plugin_config *config)
{
	for (size_t i = 0; i < config->n_operations; i++)
		operation_fini(&config->operations[i]);
	free(config->operations);
	free(config->settings);
	conf_fini(plugin_config_rows, config);
	memset(config, 0, sizeof *config);
}

const struct plugin_operation *plugin_config_find(const struct plugin_config *config,
						  const char *name)
{
	for (size_t i = 0; i < config->n_operations; i++)
		if (strcmp(config->operations[i].name, name) == 0)
			return &config->operations[i];
	return NULL;
}
