/* template.c - see template.h. */
#include "saga/template.h"
#include "base/mem.h"
#include "saga/scalar.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum kind {
	T_CONST, /* text: JSON; inside a T_TEXT: the inside of a JSON string */
	T_REF,   /* text: a path, `input.a.b` */
	T_TEXT,  /* items: T_CONST and T_REF, joined to one string */
	T_LIST,  /* items */
	T_MAP,   /* items, and as many keys */
};

struct template
{
	enum kind kind;
	char *text;
	struct template **items;
	char **keys; /* each the inside of a JSON string */
	size_t count;
};

static struct template *template_new(enum kind kind, char *text)
{
	struct template *t = mem_new(1, sizeof *t);

	t->kind = kind;
	t->text = text;
	return t;
}

void template_free(struct template *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->count; i++) {
		template_free(t->items[i]);
		if (t->keys != NULL)
			free(t->keys[i]);
	}
	free(t->items);
	free(t->keys);
	free(t->text);
	free(t);
}

static char *escaped(const char *text, size_t size)
{
	struct jsonbuf b = {.max = 6 * size}; /* \u0001 is the longest escape */

	jsonbuf_escape(&b, text, size);
	return jsonbuf_take(&b);
}

/* ---- parsing ---- */

struct parse {
	const struct template_scope *scope;
	const struct yaml_node *node; /* for the place */
	struct err *err;
};

static bool is_path(const char *p, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		const bool inner = i > 0 && i + 1 < size && p[i - 1] != '.';

		if (!isalnum((unsigned char)p[i]) && p[i] != '_' && p[i] != '-' &&
		    !(p[i] == '.' && inner))
			return false;
	}
	return size > 0;
}

/* Checks the path of a reference against what the file declares. */
static enum rc check_path(const struct parse *ps, const char *path)
{
	const struct yaml_node *at = ps->node;
	const char *name = path + strlen("input.");
	const size_t size = strncmp(path, "input.", strlen("input.")) == 0 ? strcspn(name, ".") : 0;
	const char *near;
	char *word;
	enum rc rc;

	if (size == 0)
		return err_set_at(ps->err, RC_INVALID, at->line, at->column,
				  "${%.60s} cannot be referred to: this version knows only "
				  "${input.NAME}",
				  path);
	for (const char *const *known = ps->scope->inputs; *known != NULL; known++)
		if (strncmp(*known, name, size) == 0 && (*known)[size] == '\0')
			return RC_OK;
	word = mem_dup_bytes(name, size);
	near = nearest_word(word, ps->scope->inputs);
	rc = err_set_at(ps->err, RC_INVALID, at->line, at->column,
			"${%.60s}: the workflow declares no input \"%.60s\"%s%s%s", path, word,
			near != NULL ? "; did you mean \"" : "", near != NULL ? near : "",
			near != NULL ? "\"?" : "");
	free(word);
	return rc;
}

/* Reads the reference that begins at `*p`, moves behind it. */
static enum rc parse_ref(const struct parse *ps, const char **p, struct template **out)
{
	const struct yaml_node *at = ps->node;
	const char *from = *p + strlen("${"), *to = strchr(from, '}');
	enum rc rc;

	if (to == NULL)
		return err_set_at(ps->err, RC_INVALID, at->line, at->column,
				  "\"%.60s\": `${` has no `}`; a literal ${ is written $${", *p);
	*p = to + 1;
	while (from < to && *from == ' ')
		from++;
	while (to > from && to[-1] == ' ')
		to--;
	if (!is_path(from, (size_t)(to - from)))
		return err_set_at(
			ps->err, RC_INVALID, at->line, at->column,
			"${%.*s} is not understood: this version knows only ${input.NAME}",
			to - from > 60 ? 60 : (int)(to - from), from);
	*out = template_new(T_REF, mem_dup_bytes(from, (size_t)(to - from)));
	rc = check_path(ps, (*out)->text);
	if (rc != RC_OK) {
		template_free(*out);
		*out = NULL;
	}
	return rc;
}

static void add_item(struct template *t, struct template *item)
{
	if ((t->count & (t->count - 1)) == 0) /* doubles at each power of 2 */
		t->items = mem_grow(t->items, t->count > 0 ? 2 * t->count : 1, sizeof item);
	t->items[t->count++] = item;
}

static void add_literal(struct template *t, const char *from, const char *to)
{
	if (to > from)
		add_item(t, template_new(T_CONST, escaped(from, (size_t)(to - from))));
}

/* A text with `${` in it, cut into literals and references. */
static enum rc parse_text(const struct parse *ps, struct template **out)
{
	struct template *t = template_new(T_TEXT, NULL), *ref = NULL;
	const char *p = ps->node->text, *from = p;
	enum rc rc = RC_OK;

	while (rc == RC_OK && (p = strchr(p, '$')) != NULL) {
		if (strncmp(p, "$${", 3) == 0) {
			add_literal(t, from, p);
			from = p + 1;
			p += 3;
		} else if (strncmp(p, "${", 2) == 0) {
			add_literal(t, from, p);
			rc = parse_ref(ps, &p, &ref);
			from = p;
			if (rc == RC_OK)
				add_item(t, ref);
		} else {
			p++;
		}
	}
	if (rc != RC_OK) {
		template_free(t);
		return rc;
	}
	add_literal(t, from, from + strlen(from));
	*out = t;
	if (t->count == 1 && t->items[0]->kind == T_REF) { /* alone: keeps its type */
		*out = t->items[0];
		t->count = 0;
		template_free(t);
	}
	return RC_OK;
}

static enum rc parse_scalar(const struct parse *ps, struct template **out)
{
	const struct yaml_node *node = ps->node;
	char *json = NULL;
	enum rc rc;

	if (strstr(node->text, "${") != NULL)
		return parse_text(ps, out);
	rc = scalar_json(node, &json, ps->err);
	if (rc == RC_OK)
		*out = template_new(T_CONST, json);
	return rc;
}

static enum rc parse_children(const struct yaml_node *node, const struct template_scope *scope,
			      struct template **out, struct err *err)
{
	const bool map = node->kind == YAML_MAP;
	struct template *t = template_new(map ? T_MAP : T_LIST, NULL);

	if (map)
		t->keys = mem_new(node->count, sizeof *t->keys);
	for (size_t i = 0; i < node->count; i++) {
		struct template *item;
		const enum rc rc = template_parse(node->items[i], scope, &item, err);

		if (rc != RC_OK) {
			template_free(t);
			return rc;
		}
		if (map)
			t->keys[i] = escaped(node->keys[i]->text, strlen(node->keys[i]->text));
		add_item(t, item);
	}
	*out = t;
	return RC_OK;
}

enum rc template_parse(const struct yaml_node *node, const struct template_scope *scope,
		       struct template **out, struct err *err)
{
	const struct parse ps = {scope, node, err};

	*out = NULL;
	if (node->kind == YAML_SCALAR)
		return parse_scalar(&ps, out);
	return parse_children(node, scope, out, err);
}

/* ---- rendering ---- */

static const char *type_name(const json_t *value)
{
	return json_is_object(value) ? "an object" : json_is_array(value) ? "a list" : "null";
}

/* Follows `input.a.b`. */
static enum rc find(const char *path, const json_t *input, const json_t **out, struct err *err)
{
	const json_t *value = input;
	const char *name = path + strlen("input.");

	for (;;) {
		const size_t size = strcspn(name, ".");

		value = json_object_getn(value, name, size); /* NULL also if it is no object */
		if (value == NULL)
			return err_set(err, RC_INVALID, "${%.60s}: %.*s has no \"%.*s\"", path,
				       name - path > 60 ? 60 : (int)(name - path - 1), path,
				       size > 60 ? 60 : (int)size, name);
		if (name[size] == '\0')
			break;
		name += size + 1;
	}
	*out = value;
	return RC_OK;
}

/* A part of a longer text: texts as they are, numbers and truth values as JSON. */
static enum rc render_part(const struct template *t, const json_t *input, struct jsonbuf *out,
			   struct err *err)
{
	const json_t *value;
	enum rc rc;

	if (t->kind == T_CONST) {
		jsonbuf_text(out, t->text);
		return RC_OK;
	}
	rc = find(t->text, input, &value, err);
	if (rc != RC_OK)
		return rc;
	if (json_is_string(value))
		jsonbuf_escape(out, json_string_value(value), json_string_length(value));
	else if (json_is_number(value) || json_is_boolean(value))
		jsonbuf_value(out, value);
	else
		return err_set(err, RC_INVALID,
			       "${%.60s} is %s, which cannot stand inside a longer text", t->text,
			       type_name(value));
	return RC_OK;
}

static enum rc render_items(const struct template *t, const json_t *input, struct jsonbuf *out,
			    struct err *err)
{
	for (size_t i = 0; i < t->count; i++) {
		enum rc rc;

		if (i > 0 && t->kind != T_TEXT)
			jsonbuf_text(out, ",");
		if (t->kind == T_MAP) {
			jsonbuf_text(out, "\"");
			jsonbuf_text(out, t->keys[i]);
			jsonbuf_text(out, "\":");
		}
		rc = t->kind == T_TEXT ? render_part(t->items[i], input, out, err)
				       : template_render(t->items[i], input, out, err);
		if (rc != RC_OK)
			return rc;
		if (out->over)
			break; /* template_render says so */
	}
	return RC_OK;
}

enum rc template_render(const struct template *t, const json_t *input, struct jsonbuf *out,
			struct err *err)
{
	const json_t *value;
	enum rc rc = RC_OK;

	switch (t->kind) {
	case T_CONST: jsonbuf_text(out, t->text); break;
	case T_REF:
		rc = find(t->text, input, &value, err);
		if (rc == RC_OK)
			jsonbuf_value(out, value);
		break;
	case T_TEXT:
	case T_LIST:
	case T_MAP:
		jsonbuf_text(out, t->kind == T_TEXT ? "\"" : t->kind == T_LIST ? "[" : "{");
		rc = render_items(t, input, out, err);
		jsonbuf_text(out, t->kind == T_TEXT ? "\"" : t->kind == T_LIST ? "]" : "}");
		break;
	}
	if (rc == RC_OK && out->over)
		rc = err_set(err, RC_TOO_BIG, "more than %zu bytes of JSON", out->max);
	return rc;
}
