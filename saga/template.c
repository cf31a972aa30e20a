/* template.c - see template.h. */
#include "saga/template.h"
#include "base/mem.h"
#include "saga/lexer.h"
#include "saga/scalar.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum kind {
	T_CONST, /* text: JSON; inside a T_TEXT: the inside of a JSON string */
	T_EXPR,
	T_TEXT, /* items: T_CONST and T_EXPR, joined to one string */
	T_LIST, /* items */
	T_MAP,  /* items, and as many keys */
};

struct template
{
	enum kind kind;
	char *text;
	struct expr *expr;
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
	expr_free(t->expr);
	free(t);
}

static char *escaped(const char *text, size_t size)
{
	struct jsonbuf b = {.max = 6 * size}; /* \u0001 is the longest escape */

	jsonbuf_escape(&b, text, size);
	return jsonbuf_take(&b);
}

/* ---- parsing: NULL after a problem ---- */

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

/* Renders what holds only constants, once and for all. */
static struct template *template_fold(struct template *t)
{
	struct jsonbuf text = {.max = SIZE_MAX / 2}; /* the file's own cap is the limit */
	struct template *constant;

	template_render(t, NULL, &text, NULL);
	constant = template_new(T_CONST, jsonbuf_take(&text));
	template_free(t);
	return constant;
}

/* Reads the expression that begins at `*p`, moves behind it. */
static struct template *parse_expr(struct scope *scope, const struct yaml_node *at, const char **p)
{
	const char *from = *p + strlen("${"), *why = NULL, *to = lexer_end(from, &why);
	struct template *t;
	struct expr *e;

	if (to == NULL) {
		problem_add(scope->problems, RC_INVALID, at,
			    "the expression that begins with \"%.40s\": %s; a literal ${ is "
			    "written $${",
			    *p, why);
		return NULL;
	}
	*p = to + 1;
	e = expr_parse(scope, at, from, (size_t)(to - from));
	if (e == NULL)
		return NULL;
	t = template_new(T_EXPR, NULL);
	t->expr = e;
	return t;
}

/* A text without expressions becomes the constant that it is. */
static struct template *fold_text(struct template *t)
{
	struct template *one;

	if (t->count == 1 && t->items[0]->kind == T_EXPR) { /* alone: keeps its type */
		one = t->items[0];
		t->count = 0;
		template_free(t);
		return one;
	}
	for (size_t i = 0; i < t->count; i++)
		if (t->items[i]->kind != T_CONST)
			return t;
	return template_fold(t);
}

/* A text with `${` in it, cut into literals and expressions. */
static struct template *parse_text(struct scope *scope, const struct yaml_node *node)
{
	struct template *t = template_new(T_TEXT, NULL), *item;
	const char *p = node->text, *from = p;
	bool good = true;

	while ((p = strchr(p, '$')) != NULL) {
		if (strncmp(p, "$${", 3) == 0) {
			add_literal(t, from, p);
			from = p + 1;
			p += 3;
		} else if (strncmp(p, "${", 2) == 0) {
			const char *begin = p;

			add_literal(t, from, p);
			item = parse_expr(scope, node, &p);
			good = good && item != NULL;
			if (item != NULL)
				add_item(t, item);
			if (p == begin)
				break; /* it has no end */
			from = p;
		} else {
			p++;
		}
	}
	if (!good) {
		template_free(t);
		return NULL;
	}
	/* A block of YAML (|) ends in a line feed that nobody means. */
	if (t->count != 1 || t->items[0]->kind != T_EXPR || from[strspn(from, "\n")] != '\0')
		add_literal(t, from, from + strlen(from));
	return fold_text(t);
}

static struct template *parse_scalar(struct scope *scope, const struct yaml_node *node)
{
	char *json = NULL;
	struct err err;

	if (strstr(node->text, "${") != NULL)
		return parse_text(scope, node);
	if (scalar_json(node, &json, &err) == RC_OK)
		return template_new(T_CONST, json);
	problem_take(scope->problems, &err);
	return NULL;
}

struct template *template_parse(struct scope *scope, const struct yaml_node *node)
{
	const bool map = node->kind == YAML_MAP;
	bool good = true, constant = true;
	struct template *t;

	if (node->kind == YAML_SCALAR)
		return parse_scalar(scope, node);
	t = template_new(map ? T_MAP : T_LIST, NULL);
	if (map)
		t->keys = mem_new(node->count, sizeof *t->keys);
	for (size_t i = 0; i < node->count; i++) {
		struct template *item = template_parse(scope, node->items[i]);

		good = good && item != NULL;
		if (!good) { /* only its problems are of interest from here on */
			template_free(item);
			continue;
		}
		if (map)
			t->keys[i] = escaped(node->keys[i]->text, strlen(node->keys[i]->text));
		add_item(t, item);
		constant = constant && item->kind == T_CONST;
	}
	if (good)
		return constant ? template_fold(t) : t;
	template_free(t);
	return NULL;
}

/* ---- rendering ---- */

static enum rc render_items(const struct template *t, struct eval *eval, struct jsonbuf *out,
			    struct err *err)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct template *item = t->items[i];
		enum rc rc;

		if (i > 0 && t->kind != T_TEXT)
			jsonbuf_text(out, ",");
		if (t->kind == T_MAP) {
			jsonbuf_text(out, "\"");
			jsonbuf_text(out, t->keys[i]);
			jsonbuf_text(out, "\":");
		}
		if (t->kind == T_TEXT && item->kind == T_EXPR)
			rc = eval_text(eval, item->expr, out, err);
		else
			rc = template_render(item, eval, out, err);
		if (rc != RC_OK)
			return rc;
		if (out->over)
			break; /* template_render says so */
	}
	return RC_OK;
}

enum rc template_render(const struct template *t, struct eval *eval, struct jsonbuf *out,
			struct err *err)
{
	enum rc rc = RC_OK;

	switch (t->kind) {
	case T_CONST: jsonbuf_text(out, t->text); break;
	case T_EXPR: rc = eval_json(eval, t->expr, out, err); break;
	case T_TEXT:
	case T_LIST:
	case T_MAP:
		jsonbuf_text(out, t->kind == T_TEXT ? "\"" : t->kind == T_LIST ? "[" : "{");
		rc = render_items(t, eval, out, err);
		jsonbuf_text(out, t->kind == T_TEXT ? "\"" : t->kind == T_LIST ? "]" : "}");
		break;
	}
	if (rc == RC_OK && out->over)
		rc = err_set(err, RC_TOO_BIG, "more than %zu bytes of JSON", out->max);
	return rc;
}

const char *template_constant(const struct template *t)
{
	return t->kind == T_CONST ? t->text : NULL;
}
