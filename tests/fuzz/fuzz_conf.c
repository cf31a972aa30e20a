/* fuzz_conf.c - the bytes are YAML, and the file of `settled`, with settings of its command line.
 *
 * A tree is as yaml.h says: places, depth, caps, keys that differ.  Whatever is refused is
 * refused with words. */
#include "base/mem.h"
#include "coordinator/settings.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

static size_t nodes;

static void check_node(const struct yaml_node *n, int depth)
{
	MUST(n->line >= 1 && n->column >= 1 && depth <= YAML_DEPTH_MAX + 1);
	MUST(++nodes <= YAML_NODES_MAX);
	MUST((n->kind == YAML_SCALAR) == (n->text != NULL));
	for (size_t i = 0; n->kind != YAML_SCALAR && i < n->count; i++) {
		check_node(n->items[i], depth + 1);
		if (n->kind != YAML_MAP)
			continue;
		MUST(n->keys[i]->kind == YAML_SCALAR);
		MUST_SAY(yaml_get(n, n->keys[i]->text) == n->items[i], "a key is there once");
	}
}

static void read_scalars(const struct yaml_node *n)
{
	struct err err;
	uint64_t ms;
	int64_t number;
	bool yes;

	if (yaml_int(n, "n", -100, 1000000, &number, &err) == RC_OK)
		MUST(number >= -100 && number <= 1000000);
	if (yaml_ms(n, "n", 5, 1000000, &ms, &err) == RC_OK)
		MUST(ms >= 5 && ms <= 1000000);
	yaml_bool(n, "n", &yes, &err);
	for (size_t i = 0; n->kind != YAML_SCALAR && i < n->count; i++)
		read_scalars(n->items[i]);
}

static void read_tree(struct feed f)
{
	struct yaml_doc *doc = NULL;
	struct err err = {0};

	nodes = 0;
	if (yaml_parse((const char *)f.at, f.left, &doc, &err) == RC_OK) {
		check_node(yaml_root(doc), 0);
		read_scalars(yaml_root(doc));
	} else {
		MUST(doc == NULL && err.text[0] != '\0');
	}
	yaml_doc_free(doc);
}

static void read_settings(struct feed file, struct feed rest)
{
	struct settings s;
	struct err err = {0};
	char *overrides[8];
	size_t n = 0;

	while (rest.left > 0 && n < 8)
		overrides[n++] = feed_text(feed_until(&rest, "+"));
	if (settings_load(&s, fuzz_file(file.at, file.left), (const char *const *)overrides, n,
			  &err) == RC_OK) {
		MUST(s.cluster[0] != '\0' && s.listen != NULL && s.agents != NULL);
		MUST(s.max_in_flight >= 1 && s.max_connections >= 1);
	} else {
		MUST(err.text[0] != '\0');
	}
	settings_fini(&s);
	while (n > 0)
		free(overrides[--n]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed f = {data, size};
	const struct feed file = feed_until(&f, "--");

	read_tree(file);
	read_settings(file, f);
	return 0;
}
