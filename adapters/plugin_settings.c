/* plugin_settings.c - from the settings in the agent's file to JSON: plugin_config.h. */
#include "adapters/plugin_config.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t digits(const char *s)
{
	return strspn(s, "0123456789");
}

/* True if `s` is a number as JSON writes one; `*whole` if it has no fraction or exponent. */
static bool is_number(const char *s, bool *whole)
{
	size_t n;

	s += *s == '-';
	n = digits(s);
	if (n == 0 || (n > 1 && s[0] == '0'))
		return false;
	s += n;
	*whole = *s == '\0';
	if (*s == '.') {
		n = digits(s + 1);
		s += n + 1;
		if (n == 0)
			return false;
	}
	if (*s == 'e' || *s == 'E') {
		s += 1 + (s[1] == '+' || s[1] == '-');
		n = digits(s);
		s += n;
		if (n == 0)
			return false;
	}
	return *s == '\0';
}

static json_t *number_of(const char *text, bool whole)
{
	errno = 0;
	if (whole) {
		const long long value = strtoll(text, NULL, 10);

		return errno == 0 ? json_integer(value) : NULL;
	}
	return json_real(strtod(text, NULL)); /* NULL if it is infinite */
}

static json_t *scalar_of(const struct yaml_node *node, struct err *err)
{
	const char *text = node->text;
	bool whole = false;
	json_t *json;

	if (node->plain && (text[0] == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0))
		return json_null();
	if (node->plain && strcmp(text, "true") == 0)
		return json_true();
	if (node->plain && strcmp(text, "false") == 0)
		return json_false();
	if (node->plain && is_number(text, &whole))
		json = number_of(text, whole);
	else
		json = json_string(text);
	if (json == NULL)
		err_set_at(err, RC_INVALID, node->line, node->column,
			   "settings: this number is too big (quote it to hand it on as text)");
	return json;
}

/* The depth of a YAML document is capped (YAML_DEPTH_MAX). */
static json_t *json_of(const struct yaml_node *node, struct err *err)
{
	json_t *all, *one;

	if (node->kind == YAML_SCALAR)
		return scalar_of(node, err);
	all = node->kind == YAML_MAP ? json_object() : json_array();
	for (size_t i = 0; i < node->count; i++) {
		one = json_of(node->items[i], err);
		if (one == NULL) {
			json_decref(all);
			return NULL;
		}
		if (node->kind == YAML_MAP)
			json_object_set_new(all, node->keys[i]->text, one);
		else
			json_array_append_new(all, one);
	}
	return all;
}

enum rc plugin_settings_json(const struct yaml_node *node, char **json, struct err *err)
{
	json_t *all = json_of(node, err);

	*json = NULL;
	if (all == NULL)
		return RC_INVALID;
	*json = json_dumps(all, JSON_COMPACT | JSON_ENCODE_ANY);
	json_decref(all);
	if (*json == NULL)
		abort(); /* only for want of memory */
	return RC_OK;
}
