/* plugin_config.h - what the agent's configuration says of one plugin resource.
 *
 * Rule: settings may hold secrets; they go to the plugin and are never shown.
 * Thread: no shared state. */
#ifndef ADAPTERS_PLUGIN_CONFIG_H
#define ADAPTERS_PLUGIN_CONFIG_H

#include "base/conf.h"
#include "base/err.h"
#include "base/yaml.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct plugin_operation {
	char *name;
	const char **args; /* each is owned */
	size_t n_args;
	bool read_only;
};

struct plugin_config {
	char *adapter;
	char *library;  /* as written; see plugin_path */
	char *settings; /* JSON */
	int64_t threads, queue;
	uint64_t timeout_ms, grace_ms, check_ms;
	const struct yaml_node *settings_node, *operations_node;
	struct plugin_operation *operations;
	size_t n_operations;
};

/* The table of the resource's keys, for the docs. */
extern const struct conf_row plugin_config_rows[];

/* Fills a zeroed `config`, which the caller ends with plugin_config_fini on failure too.
 * RC_INVALID: `err` tells line, column and what was expected. */
enum rc plugin_config_read(const struct yaml_node *map, struct plugin_config *config,
			   struct err *err);
void plugin_config_fini(struct plugin_config *config);

const struct plugin_operation *plugin_config_find(const struct plugin_config *config,
						  const char *name);

/* A YAML value as JSON text, for free(): what is written without quotes and reads as
 * null, true, false or a number is one; everything else is text.
 * RC_INVALID at a number that does not fit; `*json` is NULL then. */
enum rc plugin_settings_json(const struct yaml_node *node, char **json, struct err *err);

#endif
