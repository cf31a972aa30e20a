/* http_template.c - see http_template.h: making templates. */
#include "adapters/http_template.h"

#include "base/mem.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char secret_prefix[] = "secret.";

/* A template that is being made: text is gathered until a reference ends it. */
struct maker {
	const struct http_scope *scope;
	struct http_template *out;
	struct http_text text;
	struct err *err;
};

bool http_name_taken(const char *name)
{
	return strcmp(name, "gid") == 0 || strcmp(name, "branch") == 0 ||
	       strcmp(name, "key") == 0 || strcmp(name, "step") == 0 ||
	       strncmp(name, secret_prefix, sizeof secret_prefix - 1) == 0;
}

/* ---- pieces ---- */

static struct http_piece *add_piece(struct maker *m, enum http_piece_kind kind)
{
	struct http_template *t = m->out;
	struct http_piece *piece;

	t->pieces = mem_grow(t->pieces, t->n + 1, sizeof *t->pieces);
	piece = &t->pieces[t->n++];
	*piece = (struct http_piece){.kind = kind};
	return piece;
}

static void end_text(struct maker *m)
{
	if (m->text.size > 0)
		add_piece(m, HTTP_PIECE_TEXT)->text = http_text_take(&m->text);
}

static enum rc wrong(struct maker *m, const struct yaml_node *at, const char *what)
{
	return err_set_at(m->err, RC_INVALID, at->line, at->column, "%s", what);
}

static enum rc add_secret(struct maker *m, const struct yaml_node *at, const char *name)
{
	const char *value;

	if (m->scope->secrets == NULL)
		return wrong(m, at, "a secret may stand in a header only");
	value = http_secrets_find(m->scope->secrets, name);
	if (value == NULL)
		return err_set_at(m->err, RC_INVALID, at->line, at->column,
				  "there is no secret %.64s: `secrets` must name it", name);
	end_text(m);
	add_piece(m, HTTP_PIECE_TEXT)->text = mem_dup(value);
	return RC_OK;
}

static enum rc add_arg(struct maker *m, const struct yaml_node *at, const char *name, bool whole)
{
	struct http_piece *piece;

	for (size_t i = 0; i < m->scope->n_args; i++) {
		if (strcmp(m->scope->args[i], name) != 0)
			continue;
		end_text(m);
		piece = add_piece(m, HTTP_PIECE_ARG);
		piece->name = mem_dup(name);
		piece->number = i;
		piece->whole = whole;
		return RC_OK;
	}
	return err_set_at(m->err, RC_INVALID, at->line, at->column,
			  "{%.64s} is neither an argument that may be used here, nor gid, %s, "
			  "key or secret.NAME; a brace itself is written {{",
			  name, m->scope->call ? "step" : "branch");
}

static enum rc add_reference(struct maker *m, const struct yaml_node *at, const char *name,
			     bool whole)
{
	static const struct {
		const char *name;
		enum http_piece_kind kind;
		bool in_call, in_branch;
	} own[] = {
		{"gid", HTTP_PIECE_GID, true, true},
		{"branch", HTTP_PIECE_BRANCH, false, true},
		{"step", HTTP_PIECE_STEP, true, false},
		{"key", HTTP_PIECE_KEY, true, true},
	};

	if (strncmp(name, secret_prefix, sizeof secret_prefix - 1) == 0)
		return add_secret(m, at, name + sizeof secret_prefix - 1);
	for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
		if (strcmp(own[i].name, name) != 0 ||
		    !(m->scope->call ? own[i].in_call : own[i].in_branch))
			continue;
		end_text(m);
		add_piece(m, own[i].kind)->whole = whole;
		return RC_OK;
	}
	return add_arg(m, at, name, whole);
}

/* Takes a text apart.  In JSON it is the inside of a string. */
static enum rc add_text(struct maker *m, const struct yaml_node *at, const char *text, bool json)
{
	enum rc rc = RC_OK;

	while (rc == RC_OK && *text != '\0') {
		const size_t plain = strcspn(text, "{}");
		char *name = NULL;

		if (plain > 0)
			name = mem_dup_bytes(text, plain);
		else if (text[0] == text[1])
			name = mem_dup_bytes(text, 1);
		if (name != NULL && json)
			http_text_put_escaped(&m->text, name);
		else if (name != NULL)
			http_text_put(&m->text, name, strlen(name));
		if (name != NULL) {
			text += plain > 0 ? plain : 2;
		} else {
			const size_t size = *text == '{' ? strcspn(text + 1, "{}") : 0;

			if (*text == '}' || text[1 + size] != '}')
				return wrong(m, at,
					     "a brace stands alone: a reference is {name}, a "
					     "brace itself is written {{ or }}");
			name = mem_dup_bytes(text + 1, size);
			rc = add_reference(m, at, name, false);
			text += size + 2;
		}
		free(name);
	}
	return rc;
}

enum rc http_template_text(const struct yaml_node *node, const struct http_scope *scope,
			   struct http_template *out, struct err *err)
{
	struct maker m = {scope, out, {.max = YAML_TEXT_MAX}, err};
	enum rc rc;

	if (node->kind != YAML_SCALAR)
		return err_set_at(err, RC_INVALID, node->line, node->column,
				  "expected a text, not %s", yaml_kind_name(node->kind));
	rc = add_text(&m, node, node->text, false);
	if (rc == RC_OK)
		end_text(&m);
	http_text_fini(&m.text);
	return rc;
}

void http_template_fini(struct http_template *t)
{
	for (size_t i = 0; i < t->n; i++) {
		if (t->pieces[i].text != NULL)
			explicit_bzero(t->pieces[i].text, strlen(t->pieces[i].text));
		free(t->pieces[i].text);
		free(t->pieces[i].name);
	}
	free(t->pieces);
	*t = (struct http_template){0};
}

/* ---- bodies ---- */

static enum rc add_value(struct maker *m, const struct yaml_node *node);

static void add_raw(struct maker *m, const char *json)
{
	http_text_put(&m->text, json, strlen(json));
}

/* True if an unquoted scalar is a number as JSON writes it: then it is one. */
static bool is_number(const char *text)
{
	json_t *json = json_loads(text, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
	const bool number = json_is_number(json);

	json_decref(json);
	return number && strcspn(text, " \t\r\n") == strlen(text);
}

static enum rc add_scalar(struct maker *m, const struct yaml_node *node)
{
	const char *text = node->text;
	const size_t size = strlen(text);
	enum rc rc;

	if (node->plain && (size == 0 || strcmp(text, "null") == 0 || strcmp(text, "~") == 0)) {
		add_raw(m, "null");
		return RC_OK;
	}
	if (node->plain &&
	    (strcmp(text, "true") == 0 || strcmp(text, "false") == 0 || is_number(text))) {
		add_raw(m, text);
		return RC_OK;
	}
	if (size > 2 && text[0] == '{' && strcspn(text + 1, "{}") == size - 2 &&
	    text[size - 1] == '}') {
		char *name = mem_dup_bytes(text + 1, size - 2);

		rc = add_reference(m, node, name, true);
		free(name);
		return rc;
	}
	add_raw(m, "\"");
	rc = add_text(m, node, text, true);
	add_raw(m, "\"");
	return rc;
}

static enum rc add_map(struct maker *m, const struct yaml_node *map)
{
	enum rc rc = RC_OK;

	add_raw(m, "{");
	for (size_t i = 0; rc == RC_OK && i < map->count; i++) {
		add_raw(m, i > 0 ? ",\"" : "\"");
		http_text_put_escaped(&m->text, map->keys[i]->text);
		add_raw(m, "\":");
		rc = add_value(m, map->items[i]);
	}
	add_raw(m, "}");
	return rc;
}

static enum rc add_list(struct maker *m, const struct yaml_node *list)
{
	enum rc rc = RC_OK;

	add_raw(m, "[");
	for (size_t i = 0; rc == RC_OK && i < list->count; i++) {
		if (i > 0)
			add_raw(m, ",");
		rc = add_value(m, list->items[i]);
	}
	add_raw(m, "]");
	return rc;
}

static enum rc add_value(struct maker *m, const struct yaml_node *node)
{
	switch (node->kind) {
	case YAML_SCALAR: return add_scalar(m, node);
	case YAML_LIST: return add_list(m, node);
	case YAML_MAP: return add_map(m, node);
	}
	abort();
}

enum rc http_template_json(const struct yaml_node *node, const struct http_scope *scope,
			   struct http_template *out, struct err *err)
{
	struct maker m = {scope, out, {.max = 8 * YAML_TEXT_MAX}, err};
	const enum rc rc = add_value(&m, node);

	if (rc == RC_OK)
		end_text(&m);
	http_text_fini(&m.text);
	return rc;
}
