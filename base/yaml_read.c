/* yaml_read.c - see yaml.h: what callers ask of a tree. */
#include "base/clock.h"
#include "base/yaml.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_MAX = 64 }; /* longer words are near to none */

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
	for (size_t i = 0; map->kind == YAML_MAP && i < map->count; i++)
		if (strcmp(map->keys[i]->text, key) == 0)
			return map->items[i];
	return NULL;
}

const char *yaml_kind_name(enum yaml_kind kind)
{
	switch (kind) {
	case YAML_SCALAR: return "a single value";
	case YAML_LIST: return "a list";
	case YAML_MAP: return "a map";
	}
	abort();
}

static bool is_known(const char *word, const char *const *known)
{
	for (; *known != NULL; known++)
		if (strcmp(word, *known) == 0)
			return true;
	return false;
}

enum rc yaml_only(const struct yaml_node *map, const char *const *known, const char *what,
		  struct err *err)
{
	if (map->kind != YAML_MAP)
		return err_set_at(err, RC_INVALID, map->line, map->column,
				  "%s must be a map (name: value), not %s", what,
				  yaml_kind_name(map->kind));
	for (size_t i = 0; i < map->count; i++) {
		const struct yaml_node *key = map->keys[i];
		const char *near;

		if (is_known(key->text, known))
			continue;
		near = nearest_word(key->text, known);
		if (near != NULL)
			return err_set_at(err, RC_INVALID, key->line, key->column,
					  "%s has no \"%.60s\"; did you mean \"%s\"?", what,
					  key->text, near);
		return err_set_at(err, RC_INVALID, key->line, key->column, "%s has no \"%.60s\"",
				  what, key->text);
	}
	return RC_OK;
}

/* Why `node` is not what `name` wants. */
static enum rc unfit(const struct yaml_node *node, const char *name, const char *expected,
		     struct err *err)
{
	if (node->kind != YAML_SCALAR)
		return err_set_at(err, RC_INVALID, node->line, node->column,
				  "%s: expected %s, not %s", name, expected,
				  yaml_kind_name(node->kind));
	if (node->plain && node->text[0] == '\0')
		return err_set_at(err, RC_INVALID, node->line, node->column,
				  "%s: expected %s, but nothing is given", name, expected);
	return err_set_at(err, RC_INVALID, node->line, node->column,
			  "%s: expected %s, not %s%.40s%s", name, expected,
			  node->plain ? "" : "the text \"", node->text, node->plain ? "" : "\"");
}

enum rc yaml_int(const struct yaml_node *node, const char *name, int64_t min, int64_t max,
		 int64_t *out, struct err *err)
{
	char expected[96];
	intmax_t n = 0;
	bool fits = false;

	if (node->kind == YAML_SCALAR && node->plain) {
		const char *digits = node->text + strspn(node->text, "+-");
		char *end;

		errno = 0;
		n = strtoimax(node->text, &end, 10);
		fits = isdigit((unsigned char)*digits) && *end == '\0' && errno == 0 && n >= min &&
		       n <= max;
	}
	if (!fits) {
		snprintf(expected, sizeof expected, "a whole number from %" PRId64 " to %" PRId64,
			 min, max);
		return unfit(node, name, expected, err);
	}
	*out = n;
	return RC_OK;
}

enum rc yaml_bool(const struct yaml_node *node, const char *name, bool *out, struct err *err)
{
	static const char *const yes[] = {"true", "True", "TRUE", NULL};
	static const char *const no[] = {"false", "False", "FALSE", NULL};

	if (node->kind == YAML_SCALAR && node->plain) {
		*out = is_known(node->text, yes);
		if (*out || is_known(node->text, no))
			return RC_OK;
	}
	return unfit(node, name, "true or false", err);
}

enum rc yaml_ms(const struct yaml_node *node, const char *name, uint64_t min_ms, uint64_t max_ms,
		uint64_t *out, struct err *err)
{
	char expected[128], lo[DURATION_TEXT_MAX], hi[DURATION_TEXT_MAX];
	uint64_t ms;

	if (node->kind == YAML_SCALAR && duration_parse(node->text, &ms, NULL) == RC_OK &&
	    ms >= min_ms && ms <= max_ms) {
		*out = ms;
		return RC_OK;
	}
	snprintf(expected, sizeof expected, "a duration from %s to %s, such as 500ms or 30s",
		 duration_format(min_ms, lo), duration_format(max_ms, hi));
	return unfit(node, name, expected, err);
}

/* ---- the nearest word ---- */

/* How many letters must be put in, taken out or changed (in either case of
 * letter) to make `b` of `a`; both at most WORD_MAX. */
static size_t edits(const char *a, const char *b)
{
	size_t row[WORD_MAX + 1]; /* of the edit table: for the letters of `a` so far */
	const size_t n = strlen(b);

	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 0; a[i] != '\0'; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < n; j++) {
			const bool same =
				tolower((unsigned char)a[i]) == tolower((unsigned char)b[j]);
			size_t best = diagonal + (same ? 0 : 1);

			diagonal = row[j + 1];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (diagonal + 1 < best)
				best = diagonal + 1;
			row[j + 1] = best;
		}
	}
	return row[n];
}

const char *nearest_word(const char *word, const char *const *known)
{
	const size_t length = strnlen(word, WORD_MAX + 1);
	const char *best = NULL;
	size_t least;

	if (length > WORD_MAX)
		return NULL;
	/* One edit in a short word, two from 4 letters, three from 8: and never all of it. */
	least = length < 2 ? 1 : length < 4 ? 2 : length < 8 ? 3 : 4;
	for (; *known != NULL; known++) {
		const size_t n = strlen(*known) <= WORD_MAX ? edits(word, *known) : least;

		if (n < least) {
			least = n;
			best = *known;
		}
	}
	return best;
}
