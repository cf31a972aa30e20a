/* yaml.h - YAML text as a tree whose every node knows its line and column.
 *
 * A thin layer over libyaml's documents.  Refused, each with its place: bad
 * syntax, more than one document, a mapping key that repeats or is not a plain
 * scalar, aliases and anchors (a small text could name a huge tree), tags, NUL
 * characters, more than `YAML_DEPTH_MAX` levels of lists and maps, more than
 * `YAML_NODES_MAX` values, more than `YAML_TEXT_MAX` bytes.  JSON is read as well.
 * Thread: no shared state; any. */
#ifndef BASE_YAML_H
#define BASE_YAML_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { YAML_TEXT_MAX = 1 << 20, YAML_DEPTH_MAX = 64, YAML_NODES_MAX = 100 * 1000 };

enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP };

/* One node. `text` is the scalar's value; `plain` tells an unquoted scalar (so
 * that 12 and "12" differ).  A map's entries are in the file's order. */
struct yaml_node {
	enum yaml_kind kind;
	int line, column; /* from 1 */
	const char *text; /* scalar; NUL-terminated; never NULL for a scalar */
	bool plain;
	size_t count;                   /* list: items, map: entries */
	const struct yaml_node **items; /* list: items; map: values */
	const struct yaml_node **keys;  /* map only */
};

struct yaml_doc;

/* Parses `size` bytes.  RC_OK gives `*doc`, which owns every node; RC_INVALID or
 * RC_TOO_BIG fills `err` with line and column. An empty text is RC_INVALID. */
enum rc yaml_parse(const char *text, size_t size, struct yaml_doc **doc, struct err *err);

/* Reads a file and parses it; `err` carries the path as well. */
enum rc yaml_parse_file(const char *path, struct yaml_doc **doc, struct err *err);

/* The document's own node; lives as long as the document. */
const struct yaml_node *yaml_root(const struct yaml_doc *doc);
/* NULL is ignored.  (libyaml exports a `yaml_free` of its own.) */
void yaml_doc_free(struct yaml_doc *doc);

/* "a single value", "a list" or "a map", for messages. */
const char *yaml_kind_name(enum yaml_kind kind);

/* The value at `key` of a map; NULL when it is not there, or `map` is no map. */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);

/* RC_INVALID at the first key that is not among `known` (NULL-terminated); the
 * text names the nearest known one. `what` says what the map is ("a step"). */
enum rc yaml_only(const struct yaml_node *map, const char *const *known, const char *what,
		  struct err *err);

/* Typed reads of a scalar: RC_INVALID with place, name and what was expected. */
enum rc yaml_int(const struct yaml_node *node, const char *name, int64_t min, int64_t max,
		 int64_t *out, struct err *err);
enum rc yaml_bool(const struct yaml_node *node, const char *name, bool *out, struct err *err);
enum rc yaml_ms(const struct yaml_node *node, const char *name, uint64_t min_ms, uint64_t max_ms,
		uint64_t *out, struct err *err);

/* The word of `known` nearest to `word` (few edits), or NULL if none is near. */
const char *nearest_word(const char *word, const char *const *known);

#endif
