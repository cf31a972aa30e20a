/* agent_conf.c - see agent_conf.h. */
#include "participant/agent_conf.h"
#include "base/id.h"

#include <string.h>

enum { URL_MAX = 255, RESOURCES_MAX = 1000, WINDOW_MAX = 100000, HOUR_MS = 3600 * 1000 };

#define AT(field) offsetof(struct agent_conf, field)

const struct conf_row agent_conf_rows[] = {
	{"agent", CONF_TEXT, AT(agent), NULL, 1, NAME_MAX_LEN,
	 "this agent's name; no other process of the cluster may have it"},
	{"cluster", CONF_TEXT, AT(cluster), "settle", 1, CLUSTER_MAX,
	 "the coordinator's cluster; part of every branch's name, so it never changes while "
	 "transactions are open"},
	{"coordinator", CONF_TEXT, AT(coordinator), NULL, 1, URL_MAX,
	 "where to dial the coordinator: tcp://host:port or ipc:///path"},
	{"window", CONF_INT, AT(window), "64", 1, WINDOW_MAX,
	 "branches and saga calls that the coordinator may have open here at once"},
	{"sweep", CONF_MS, AT(sweep_ms), "5s", 100, HOUR_MS,
	 "how often the resources are searched for prepared branches that nobody works on"},
	{"log_level", CONF_TEXT, AT(log_level_word), "info", 1, 8, "debug, info, warn or error"},
	{"resources", CONF_NODE, AT(resources), NULL, 0, 0,
	 "what is served: a map from each resource's name to its adapter and settings"},
	{NULL, CONF_TEXT, 0, NULL, 0, 0, NULL},
};

/* An error at the value of `key`, which the file has. */
static enum rc wrong(const struct agent_conf *c, const char *key, const char *what, struct err *err)
{
	const struct yaml_node *node = yaml_get(yaml_root(c->file), key);

	return err_set_at(err, RC_INVALID, node != NULL ? node->line : 0,
			  node != NULL ? node->column : 0, "%s: must be %s", key, what);
}

static enum rc check_resources(const struct yaml_node *map, struct err *err)
{
	if (map->kind != YAML_MAP || map->count == 0 || map->count > RESOURCES_MAX)
		return err_set_at(err, RC_INVALID, map->line, map->column,
				  "resources: must be a map with 1 to %d resources", RESOURCES_MAX);
	for (size_t i = 0; i < map->count; i++) {
		const struct yaml_node *name = map->keys[i], *node = map->items[i];
		const struct yaml_node *adapter = yaml_get(node, "adapter");

		if (!id_valid(name->text, NAME_MAX_LEN))
			return err_set_at(err, RC_INVALID, name->line, name->column,
					  "a resource's name must be 1 to %d of A-Z a-z 0-9 . _ -",
					  NAME_MAX_LEN);
		if (node->kind != YAML_MAP)
			return err_set_at(err, RC_INVALID, node->line, node->column,
					  "resource %s: expected its settings, not %s", name->text,
					  yaml_kind_name(node->kind));
		if (adapter == NULL || adapter->kind != YAML_SCALAR)
			return err_set_at(err, RC_INVALID, node->line, node->column,
					  "resource %s: `adapter` must say what kind it is",
					  name->text);
	}
	return RC_OK;
}

static enum rc check(struct agent_conf *c, struct err *err)
{
	const bool url = strncmp(c->coordinator, "tcp://", 6) == 0 ||
			 strncmp(c->coordinator, "ipc://", 6) == 0;

	if (!id_valid(c->agent, NAME_MAX_LEN))
		return wrong(c, "agent", "1 to 63 of A-Z a-z 0-9 . _ -", err);
	if (!id_valid_plain(c->cluster, CLUSTER_MAX))
		return wrong(c, "cluster", "1 to 31 of A-Z a-z 0-9 _ -", err);
	if (!url)
		return wrong(c, "coordinator", "tcp://host:port or ipc:///path", err);
	if (log_level_parse(c->log_level_word, &c->log_level) != RC_OK)
		return wrong(c, "log_level", "debug, info, warn or error", err);
	return check_resources(c->resources, err);
}

enum rc agent_conf_load(struct agent_conf *c, const char *path, struct err *err)
{
	const struct yaml_node *root;
	enum rc rc;

	*c = (struct agent_conf){0};
	rc = yaml_parse_file(path, &c->file, err);
	if (rc != RC_OK)
		return rc; /* names the path itself */
	root = yaml_root(c->file);
	if (root->kind != YAML_MAP)
		rc = err_set_at(err, RC_INVALID, root->line, root->column,
				"expected settings, one `name: value` a line");
	if (rc == RC_OK)
		rc = conf_read(agent_conf_rows, root, c, err);
	if (rc == RC_OK)
		rc = check(c, err);
	return rc == RC_OK ? rc : err_wrap(err, "%s", path);
}

void agent_conf_fini(struct agent_conf *c)
{
	conf_fini(agent_conf_rows, c);
	yaml_doc_free(c->file);
	*c = (struct agent_conf){0};
}
