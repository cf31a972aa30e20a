/* world_text.c - see world.h: what the text of a workflow asks of resources. */
#include "base/mem.h"
#include "base/yaml.h"
#include "tests/fuzz/world.h"

#include <stdlib.h>
#include <string.h>

enum { NAMES_MAX = 24 };

static const char *resources[NAMES_MAX];
static size_t n_resources;

static const char *text_at(const struct yaml_node *map, const char *key)
{
	const struct yaml_node *n = yaml_get(map, key);

	return n != NULL && n->kind == YAML_SCALAR ? n->text : NULL;
}

static void find_resources(const struct yaml_node *n)
{
	const char *resource = text_at(n, "resource");

	if (resource != NULL && id_valid(resource, NAME_MAX_LEN) && n_resources < NAMES_MAX)
		resources[n_resources++] = resource;
	for (size_t i = 0; n->kind != YAML_SCALAR && i < n->count; i++)
		find_resources(n->items[i]);
}

/* A compensation may leave its resource to its action: so each serves all. */
static void serve_operations(const struct yaml_node *n)
{
	const char *operation = text_at(n, "operation");
	const struct yaml_node *args = yaml_get(n, "args");

	if (operation != NULL && id_valid(operation, NAME_MAX_LEN)) {
		const size_t count = args != NULL && args->kind == YAML_MAP ? args->count : 0;
		const char **names = mem_new(count + 1, sizeof *names);

		for (size_t i = 0; i < count; i++)
			names[i] = args->keys[i]->text;
		for (size_t i = 0; i < n_resources; i++)
			world_serve(resources[i], operation, names);
		free(names);
	}
	for (size_t i = 0; n->kind != YAML_SCALAR && i < n->count; i++)
		serve_operations(n->items[i]);
}

void world_serve_text(const char *text, size_t size)
{
	struct yaml_doc *doc = NULL;

	n_resources = 0;
	if (yaml_parse(text, size, &doc, NULL) == RC_OK) {
		find_resources(yaml_root(doc));
		serve_operations(yaml_root(doc));
	}
	yaml_doc_free(doc);
}
