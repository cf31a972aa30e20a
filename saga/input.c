/* input.c - see input.h. */
#include "saga/input.h"
#include "base/id.h"
#include "base/mem.h"
#include "saga/jsonbuf.h"
#include "saga/read.h"
#include "saga/template.h"
#include "saga/workflow.h"

#include <stdlib.h>
#include <string.h>

enum type {
	TYPE_ANY,
	TYPE_STRING,
	TYPE_INTEGER,
	TYPE_NUMBER,
	TYPE_BOOLEAN,
	TYPE_OBJECT,
	TYPE_ARRAY
};

static const char *const type_words[] = {"any",     "string", "integer", "number",
					 "boolean", "object", "array",   NULL};

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

static void parse_type(struct problems *p, const struct yaml_node *node, struct input *in)
{
	const char *near = node->kind == YAML_SCALAR ? nearest_word(node->text, type_words) : NULL;

	for (size_t i = 0; node->kind == YAML_SCALAR && type_words[i] != NULL; i++) {
		if (strcmp(node->text, type_words[i]) == 0) {
			in->type = (enum type)i;
			return;
		}
	}
	problem_add(p, RC_INVALID, node,
		    "type: expected string, integer, number, boolean, object, array or any%s%s%s",
		    near != NULL ? "; did you mean \"" : "", near != NULL ? near : "",
		    near != NULL ? "\"?" : "");
}

static bool type_fits(enum type type, const json_t *value)
{
	switch (type) {
	case TYPE_ANY: return true;
	case TYPE_STRING: return json_is_string(value);
	case TYPE_INTEGER: return json_is_integer(value);
	case TYPE_NUMBER: return json_is_number(value);
	case TYPE_BOOLEAN: return json_is_boolean(value);
	case TYPE_OBJECT: return json_is_object(value);
	case TYPE_ARRAY: return json_is_array(value);
	}
	abort();
}

/* A default is a value without expressions. */
static void parse_default(struct problems *p, const struct yaml_node *node, struct input *in)
{
	struct scope scope = {.problems = p, .constant = true};
	struct template *t = template_parse(&scope, node);

	if (t == NULL)
		return;
	in->standard = json_loads(template_constant(t), JSON_DECODE_ANY, NULL);
	if (in->standard == NULL || !type_fits(in->type, in->standard))
		problem_add(p, RC_INVALID, node, "default: is not of the type %s",
			    type_words[in->type]);
	template_free(t);
}

static void parse_attributes(struct problems *p, const struct yaml_node *map, struct input *in)
{
	static const char *const known[] = {"type", "required", "default", NULL};
	const struct yaml_node *type = yaml_get(map, "type");
	const struct yaml_node *required = yaml_get(map, "required");
	const struct yaml_node *standard = yaml_get(map, "default");

	if (map->kind == YAML_SCALAR && map->text[0] == '\0')
		return; /* `amount:` alone */
	if (!read_keys(p, map, known, "an input"))
		return;
	if (type != NULL)
		parse_type(p, type, in);
	if (standard != NULL)
		parse_default(p, standard, in);
	in->required = standard == NULL;
	read_bool(p, map, "required", &in->required);
	if (in->required && standard != NULL)
		problem_add(p, RC_INVALID, required,
			    "an input with a default cannot be required as well");
}

/* The input that `node` names; NULL after a problem. */
static struct input *parse_name(struct problems *p, struct inputs *in, const struct yaml_node *node)
{
	struct input *one = &in->all[in->count];

	if (node->kind != YAML_SCALAR || !id_valid_plain(node->text, NAME_MAX_LEN)) {
		problem_add(p, RC_INVALID, node,
			    "input: expected a name of 1 to %d letters, digits, - and _",
			    NAME_MAX_LEN);
		return NULL;
	}
	for (size_t i = 0; i < in->count; i++) {
		if (strcmp(in->names[i], node->text) == 0) {
			problem_add(p, RC_INVALID, node, "the input \"%s\" is declared twice",
				    node->text);
			return NULL;
		}
	}
	one->name = mem_dup(node->text);
	one->required = true;
	in->names[in->count++] = one->name;
	return one;
}

struct inputs *inputs_parse(struct problems *p, const struct yaml_node *node)
{
	struct inputs *in = mem_new(1, sizeof *in);
	size_t count = node != NULL ? node->count : 0;

	if (node != NULL && node->kind == YAML_SCALAR)
		problem_add(p, RC_INVALID, node,
			    "input: expected a list of names, such as [from, to, amount]");
	if (count > WORKFLOW_INPUTS_MAX) {
		problem_add(p, RC_TOO_BIG, node, "input: more than %d names", WORKFLOW_INPUTS_MAX);
		count = WORKFLOW_INPUTS_MAX;
	}
	in->all = mem_new(count, sizeof *in->all);
	in->names = mem_new(count + 1, sizeof *in->names);
	for (size_t i = 0; i < count; i++) {
		const bool map = node->kind == YAML_MAP;
		struct input *one = parse_name(p, in, map ? node->keys[i] : node->items[i]);

		if (one != NULL && map)
			parse_attributes(p, node->items[i], one);
	}
	return in;
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
		[TYPE_BOOLEAN] = "true or false", [TYPE_OBJECT] = "an object",
		[TYPE_ARRAY] = "a list",
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
	return RC_OK;
}

static bool is_too_big(const json_t *given)
{
	struct jsonbuf text = {.max = WORKFLOW_INPUT_MAX};
	bool over;

	jsonbuf_value(&text, given);
	over = text.over;
	jsonbuf_fini(&text);
	return over;
}

enum rc inputs_bind(const struct inputs *in, const json_t *given, json_t **out, struct err *err)
{
	json_t *bound;
	enum rc rc = RC_OK;

	*out = NULL;
	if (given != NULL && !json_is_object(given))
		return err_set(err, RC_INVALID, "the input must be a JSON object");
	if (given != NULL && is_too_big(given))
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
