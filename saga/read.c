/* read.c - see read.h. */
#include "saga/read.h"
#include "base/id.h"
#include "base/mem.h"

#include <string.h>

const struct name_rule name_dotted = {NAME_MAX_LEN, true};
const struct name_rule name_plain = {STEP_MAX, false};

bool read_keys(struct problems *p, const struct yaml_node *map, const char *const *known,
	       const char *what)
{
	if (map->kind != YAML_MAP) {
		problem_add(p, RC_INVALID, map, "%s must be a map (name: value), not %s", what,
			    yaml_kind_name(map->kind));
		return false;
	}
	for (size_t i = 0; i < map->count; i++) {
		const struct yaml_node *key = map->keys[i];
		const char *near;
		size_t k = 0;

		while (known[k] != NULL && strcmp(known[k], key->text) != 0)
			k++;
		if (known[k] != NULL)
			continue;
		near = nearest_word(key->text, known);
		problem_add(p, RC_INVALID, key, "%s has no \"%.60s\"%s%s%s", what, key->text,
			    near != NULL ? "; did you mean \"" : "", near != NULL ? near : "",
			    near != NULL ? "\"?" : "");
	}
	return true;
}

bool read_misspelt(const struct yaml_node *map, const char *key)
{
	const char *const one[] = {key, NULL};

	for (size_t i = 0; map->kind == YAML_MAP && i < map->count; i++)
		if (strcmp(map->keys[i]->text, key) != 0 &&
		    nearest_word(map->keys[i]->text, one) != NULL)
			return true;
	return false;
}

char *read_optional_name(struct problems *p, const struct yaml_node *map, const char *key,
			 struct name_rule rule)
{
	const struct yaml_node *node = yaml_get(map, key);

	if (node == NULL)
		return NULL;
	if (node->kind == YAML_SCALAR &&
	    (rule.dots ? id_valid(node->text, rule.max) : id_valid_plain(node->text, rule.max)))
		return mem_dup(node->text);
	problem_add(p, RC_INVALID, node, "%s: expected a name of 1 to %zu letters, digits, %s", key,
		    rule.max, rule.dots ? "-, _ and ." : "- and _");
	return NULL;
}

char *read_name(struct problems *p, const struct yaml_node *map, const char *key, const char *what,
		struct name_rule rule)
{
	if (yaml_get(map, key) == NULL && !read_misspelt(map, key))
		problem_add(p, RC_INVALID, map, "%s needs %s \"%s\": a name", what,
			    strchr("aeio", *key) != NULL ? "an" : "a", key);
	return read_optional_name(p, map, key, rule);
}

void read_bool(struct problems *p, const struct yaml_node *map, const char *key, bool *out)
{
	const struct yaml_node *node = yaml_get(map, key);
	struct err err;

	if (node != NULL && yaml_bool(node, key, out, &err) != RC_OK)
		problem_take(p, &err);
}

void read_ms(struct problems *p, const struct yaml_node *map, const char *key, uint64_t min_ms,
	     uint64_t max_ms, uint64_t *out)
{
	const struct yaml_node *node = yaml_get(map, key);
	struct err err;

	if (node != NULL && yaml_ms(node, key, min_ms, max_ms, out, &err) != RC_OK)
		problem_take(p, &err);
}
