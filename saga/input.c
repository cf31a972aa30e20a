/* input.c - see input.h. */
#include "saga/input.h"
#include "base/id.h"
#include "base/mem.h"
#include "saga/template.h"
#include "saga/workflow.h"

#include <stdlib.h>
#include <string.h>

enum type { TYPE_ANY, TYPE_STRING, TYPE_INTEGER, TYPE_NUMBER, TYPE_BOOLEAN };

static const char *const type_words[] = {"any", "string", "integer", "number", "boolean", NULL};

struct input {
	char *name;
	enum type type;
	bool required;
	json_t *standard; /* NULL: none */
};

struct inputs {
	struct input *all;
	const char **names; /* borrowed from `all`; one more for the NULL */
	size_t count;
};

/* ---- parsing ---- */

static enum rc parse_type(const struct yaml_node *node, enum type *out, struct err *err)
{
	for (size_t i = 0; node->kind == YAML_SCALAR && type_words[i] != NULL; i++) {
		if (strcmp(node->text, type_words[i]) == 0) {
			*out = (enum type)i;
			return RC_OK;
		}
	}
	return err_set_at(err, RC_INVALID, node->line, node->column,
			  "type: expected string, integer, number, boolean or any");
}

static bool type_fits(enum type type, const json_t *value)
{
	switch (type) {
	case TYPE_ANY: return true;
	case TYPE_STRING: return json_is_string(value);
	case TYPE_INTEGER: return json_is_integer(value);
	case TYPE_NUMBER: return json_is_number(value);
	case TYPE_BOOLEAN: return json_is_boolean(value);
	}
	abort();
}

/* A default is a value without references. */
static enum rc parse_default(const struct yaml_node *node, struct input *in, struct err *err)
{
	static const char *const none[] = {NULL};
	const struct template_scope scope = {none};
	struct jsonbuf text = {.max = WORKFLOW_INPUT_MAX};
	struct template *t;
	enum rc rc = template_parse(node, &scope, &t, err);

	if (rc == RC_OK && (rc = template_render(t, NULL, &text, err)) == RC_OK) {
		char *json = jsonbuf_take(&text);

		in->standard = json_loads(json, JSON_DECODE_ANY, NULL);
		free(json);
		if (in->standard == NULL || !type_fits(in->type, in->standard))
			rc = err_set_at(err, RC_INVALID, node->line, node->column,
					"default: is not of the type %s", type_words[in->type]);
	}
	template_free(t);
	jsonbuf_fini(&text);
	return rc;
}

static enum rc parse_attributes(const struct yaml_node *map, struct input *in, struct err *err)
{
	static const char *const known[] = {"type", "required", "default", NULL};
	const struct yaml_node *type = yaml_get(map, "type");
	const struct yaml_node *required = yaml_get(map, "required");
	const struct yaml_node *standard = yaml_get(map, "default");
	enum rc rc;

	if (map->kind == YAML_SCALAR && map->text[0] == '\0')
		return RC_OK; /* `amount:` alone */
	rc = yaml_only(map, known, "an input", err);
	if (rc == RC_OK && type != NULL)
		rc = parse_type(type, &in->type, err);
	if (rc == RC_OK && standard != NULL)
		rc = parse_default(standard, in, err);
	in->required = standard == NULL;
	if (rc == RC_OK && required != NULL)
		rc = yaml_bool(required, "required", &in->required, err);
	if (rc == RC_OK && in->required && standard != NULL)
		rc = err_set_at(err, RC_INVALID, required->line, required->column,
				"an input with a default cannot be required as well");
	return rc;
}

static enum rc parse_name(struct inputs *in, const struct yaml_node *node, struct err *err)
{
	if (node->kind != YAML_SCALAR || !id_valid_plain(node->text, NAME_MAX_LEN))
		return err_set_at(err, RC_INVALID, node->line, node->column,
				  "input: expected a name of 1 to %d letters, digits, - and _",
				  NAME_MAX_LEN);
	for (size_t i = 0; i < in->count; i++)
		if (strcmp(in->names[i], node->text) == 0)
			return err_set_at(err, RC_INVALID, node->line, node->column,
					  "the input \"%s\" is declared twice", node->text);
	in->all[in->count].name = mem_dup(node->text);
	in->all[in->count].required = true;
	in->names[in->count] = in->all[in->count].name;
	in->count++;
	return RC_OK;
}

enum rc inputs_parse(const struct yaml_node *node, struct inputs **out, struct err *err)
{
	const size_t count = node != NULL ? node->count : 0;
	struct inputs *in;
	enum rc rc = RC_OK;

	*out = NULL;
	if (node != NULL && node->kind == YAML_SCALAR)
		return err_set_at(err, RC_INVALID, node->line, node->column,
				  "input: expected a list of names, such as [from, to, amount]");
	if (count > WORKFLOW_INPUTS_MAX)
		return err_set_at(err, RC_TOO_BIG, node->line, node->column,
				  "input: more than %d names", WORKFLOW_INPUTS_MAX);
	in = mem_new(1, sizeof *in);
	in->all = mem_new(count, sizeof *in->all);
	in->names = mem_new(count + 1, sizeof *in->names);
	for (size_t i = 0; rc == RC_OK && i < count; i++) {
		const bool map = node->kind == YAML_MAP;

		rc = parse_name(in, map ? node->keys[i] : node->items[i], err);
		if (rc == RC_OK && map)
			rc = parse_attributes(node->items[i], &in->all[i], err);
	}
	if (rc != RC_OK) {
		inputs_free(in);
		return rc;
	}
	*out = in;
	return RC_OK;
}

void inputs_free(struct inputs *in)
{
	if (in == NULL)
		return;
	for (size_t i = 0; i < in->count; i++) {
		free(in->all[i].name);
		json_decref(in->all[i].standard);
	}
	free(in->all);
	free((void *)in->names);
	free(in);
}

const char *const *inputs_names(const struct inputs *in)
{
	return in->names;
}

/* ---- binding ---- */

static bool is_declared(const struct inputs *in, const char *name)
{
	for (size_t i = 0; i < in->count; i++)
		if (strcmp(in->names[i], name) == 0)
			return true;
	return false;
}

static enum rc refuse_unknown(const struct inputs *in, const json_t *given, struct err *err)
{
	const char *key, *near;
	json_t *value;

	json_object_foreach((json_t *)given, key, value)
	{ /* it only reads */
		if (is_declared(in, key))
			continue;
		near = nearest_word(key, in->names);
		if (near != NULL)
			return err_set(err, RC_INVALID,
				       "there is no input \"%.60s\"; did you mean \"%s\"?", key,
				       near);
		return err_set(err, RC_INVALID, "there is no input \"%.60s\"%s", key,
			       in->count == 0 ? ": the workflow takes none" : "");
	}
	return RC_OK;
}

static enum rc bind_one(const struct input *in, const json_t *given, json_t *bound, struct err *err)
{
	static const char *const a[] = {
		[TYPE_ANY] = "anything",          [TYPE_STRING] = "a string",
		[TYPE_INTEGER] = "an integer",    [TYPE_NUMBER] = "a number",
		[TYPE_BOOLEAN] = "true or false",
	};
	json_t *value = json_object_get(given, in->name);

	if (value == NULL && in->required)
		return err_set(err, RC_INVALID, "the input \"%s\" is missing", in->name);
	if (value != NULL && !type_fits(in->type, value) && (in->required || !json_is_null(value)))
		return err_set(err, RC_INVALID, "the input \"%s\" must be %s", in->name,
			       a[in->type]);
	if (value == NULL && in->standard != NULL)
		value = in->standard;
	if (value != NULL)
		json_object_set(bound, in->name, value);
	else
		json_object_set_new(bound, in->name, json_null());
	return RC_OK;
}

enum rc inputs_bind(const struct inputs *in, const json_t *given, json_t **out, struct err *err)
{
	json_t *bound;
	enum rc rc = RC_OK;

	*out = NULL;
	if (given != NULL && !json_is_object(given))
		return err_set(err, RC_INVALID, "the input must be a JSON object");
	if (given != NULL && json_dumpb(given, NULL, 0, JSON_COMPACT) > WORKFLOW_INPUT_MAX)
		return err_set(err, RC_TOO_BIG, "the input has more than %d bytes",
			       WORKFLOW_INPUT_MAX);
	/* Unknown names first: a misspelt one is missing as well, and this says why. */
	if (given != NULL)
		rc = refuse_unknown(in, given, err);
	bound = json_object();
	for (size_t i = 0; rc == RC_OK && i < in->count; i++)
		rc = bind_one(&in->all[i], given, bound, err);
	if (rc != RC_OK) {
		json_decref(bound);
		return rc;
	}
	*out = bound;
	return RC_OK;
}
