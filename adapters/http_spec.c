/* http_spec.c - see http_config.h: one request of an operation. */
#include "adapters/http_config.h"

#include "base/mem.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HEADERS_MAX = 50, GONE_MAX = 20, GONE = 410 };

static enum rc wrong(struct err *err, const struct yaml_node *at, const char *what)
{
	return err_set_at(err, RC_INVALID, at->line, at->column, "%s", what);
}

/* ---- headers ---- */

/* These are the adapter's, or decide where the message ends. */
static const char *const own_headers[] = {
	"Connection",     "Content-Length",    "Expect",      "Host",        "Idempotency-Key",
	"Settle-Attempt", "Settle-Direction",  "Settle-Gid",  "Settle-Step", "TE",
	"Trailer",        "Transfer-Encoding", "traceparent", "Upgrade",     NULL,
};

static enum rc check_name(const struct yaml_node *key, struct err *err)
{
	const char *name = key->text;

	for (const char *p = name; *p != '\0'; p++)
		if (!isalnum((unsigned char)*p) && strchr("!#$%&'*+-.^_`|~", *p) == NULL)
			return wrong(err, key, "this is no header's name");
	if (*name == '\0' || strlen(name) > 100)
		return wrong(err, key, "a header's name has 1 to 100 characters");
	for (size_t i = 0; own_headers[i] != NULL; i++)
		if (strcasecmp(own_headers[i], name) == 0)
			return err_set_at(err, RC_INVALID, key->line, key->column,
					  "the header %s is set by the adapter", own_headers[i]);
	return RC_OK;
}

static enum rc check_text(const struct yaml_node *value, struct err *err)
{
	if (value->kind != YAML_SCALAR)
		return wrong(err, value, "a header's value must be a text");
	for (const char *p = value->text; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return wrong(err, value,
				     "a header's value has a line end or another control "
				     "character in it");
	return RC_OK;
}

enum rc http_headers_read(const struct yaml_node *map, const struct http_scope *scope,
			  struct http_headers *out, struct err *err)
{
	if (map == NULL)
		return RC_OK;
	if (map->kind != YAML_MAP || map->count > HEADERS_MAX)
		return wrong(err, map, "headers must be a map of at most 50 headers");
	out->all = mem_new(map->count, sizeof *out->all);
	for (size_t i = 0; i < map->count; i++) {
		struct http_header *h = &out->all[i];
		enum rc rc = check_name(map->keys[i], err);

		if (rc == RC_OK)
			rc = check_text(map->items[i], err);
		for (size_t k = 0; rc == RC_OK && k < i; k++)
			if (strcasecmp(out->all[k].name, map->keys[i]->text) == 0)
				rc = wrong(err, map->keys[i], "this header was given before");
		if (rc != RC_OK)
			return rc;
		h->name = mem_dup(map->keys[i]->text);
		out->n = i + 1;
		rc = http_template_text(map->items[i], scope, &h->value, err);
		if (rc != RC_OK)
			return err_wrap(err, "header %s", h->name);
	}
	return RC_OK;
}

void http_headers_fini(struct http_headers *headers)
{
	for (size_t i = 0; i < headers->n; i++) {
		http_template_fini(&headers->all[i].value);
		free(headers->all[i].name);
	}
	free(headers->all);
	*headers = (struct http_headers){0};
}

/* ---- the request ---- */

static enum rc read_method(const struct yaml_node *map, struct http_spec *out, struct err *err)
{
	static const char *const known[] = {"GET", "POST", "PUT", "PATCH", "DELETE", NULL};
	const struct yaml_node *node = yaml_get(map, "method");

	if (node == NULL) {
		out->method = mem_dup("POST");
		return RC_OK;
	}
	for (size_t i = 0; node->kind == YAML_SCALAR && known[i] != NULL; i++) {
		if (strcmp(known[i], node->text) == 0) {
			out->method = mem_dup(node->text);
			return RC_OK;
		}
	}
	return wrong(err, node, "the method must be GET, POST, PUT, PATCH or DELETE");
}

static enum rc read_path(const struct yaml_node *map, const struct http_scope *scope,
			 struct http_spec *out, struct err *err)
{
	const struct http_scope no_secrets = {scope->args, scope->n_args, NULL, scope->call};
	const struct yaml_node *node = yaml_get(map, "path");

	if (node == NULL || node->kind != YAML_SCALAR || node->text[0] != '/')
		return wrong(err, node != NULL ? node : map,
			     "a request needs `path`, a text that begins with /");
	for (const char *p = node->text; *p != '\0'; p++)
		if (!isgraph((unsigned char)*p) || *p == '#')
			return wrong(err, node,
				     "the path has a character that must be percent-encoded");
	if (!http_path_sound(node->text))
		return wrong(err, node, "the path has a part that is empty, `.` or `..`");
	return http_template_text(node, &no_secrets, &out->path, err);
}

static enum rc read_gone(const struct yaml_node *node, struct http_spec *out, struct err *err)
{
	if (node == NULL) {
		out->gone = mem_new(1, sizeof *out->gone);
		out->gone[out->n_gone++] = GONE;
		return RC_OK;
	}
	if (node->kind != YAML_LIST || node->count > GONE_MAX)
		return wrong(err, node, "gone must be a list of at most 20 statuses");
	out->gone = mem_new(node->count, sizeof *out->gone);
	for (size_t i = 0; i < node->count; i++) {
		const enum rc rc = yaml_int(node->items[i], "a status that says gone", 400, 499,
					    &out->gone[i], err);

		if (rc != RC_OK)
			return rc;
		out->n_gone++;
	}
	return RC_OK;
}

enum rc http_spec_read(const struct yaml_node *map, const struct http_scope *scope,
		       struct http_spec *out, struct err *err)
{
	static const char *const known[] = {"method", "path", "body", "headers", "gone", NULL};
	const struct http_scope no_secrets = {scope->args, scope->n_args, NULL, scope->call};
	const struct yaml_node *body;
	enum rc rc = yaml_only(map, known, "a request", err);

	if (rc == RC_OK)
		rc = read_method(map, out, err);
	if (rc == RC_OK)
		rc = read_path(map, scope, out, err);
	if (rc == RC_OK)
		rc = http_headers_read(yaml_get(map, "headers"), scope, &out->headers, err);
	if (rc == RC_OK)
		rc = read_gone(yaml_get(map, "gone"), out, err);
	body = yaml_get(map, "body");
	if (rc != RC_OK || body == NULL)
		return rc;
	if (strcmp(out->method, "GET") == 0)
		return wrong(err, body, "a GET has no body: use the path, or another method");
	out->has_body = true;
	return http_template_json(body, &no_secrets, &out->body, err);
}

void http_spec_fini(struct http_spec *spec)
{
	http_template_fini(&spec->path);
	http_template_fini(&spec->body);
	http_headers_fini(&spec->headers);
	free(spec->gone);
	free(spec->method);
	*spec = (struct http_spec){0};
}

bool http_spec_gone(const struct http_spec *spec, long status)
{
	for (size_t i = 0; i < spec->n_gone; i++)
		if (spec->gone[i] == status)
			return true;
	return false;
}
