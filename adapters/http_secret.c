/* http_secret.c - see http_secret.h. */
#include "adapters/http_secret.h"

#include "adapters/http_text.h"
#include "base/id.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SECRETS_MAX = 100, STARS = 3 };

static enum rc wrong(struct err *err, const struct yaml_node *at, const char *what)
{
	return err_set_at(err, RC_INVALID, at->line, at->column, "%s", what);
}

static void wipe(char *text, size_t size)
{
	explicit_bzero(text, size);
}

/* ---- where they come from ---- */

static enum rc from_env(const struct yaml_node *node, char **value, struct err *err)
{
	const char *found = getenv(node->text);

	if (found == NULL)
		return err_set_at(err, RC_INVALID, node->line, node->column,
				  "the environment variable %s is not set", node->text);
	*value = mem_dup(found);
	return RC_OK;
}

static enum rc from_file(const struct yaml_node *node, char **value, struct err *err)
{
	char text[HTTP_SECRET_MAX + 64];
	FILE *f = fopen(node->text, "re");
	size_t size;

	if (f == NULL)
		return err_set_at(err, RC_INVALID, node->line, node->column,
				  "the file %s cannot be read: %s", node->text, strerror(errno));
	size = fread(text, 1, sizeof text, f);
	fclose(f);
	while (size > 0 && strchr(" \t\r\n", text[size - 1]) != NULL && text[size - 1] != '\0')
		size--;
	*value = mem_dup_bytes(text, size);
	wipe(text, sizeof text);
	if (strlen(*value) != size)
		return wrong(err, node, "the file holds a NUL byte: it is no secret in text");
	return RC_OK;
}

/* A header cannot hold control characters: they could begin another header. */
static enum rc check_value(const struct yaml_node *node, const char *value, struct err *err)
{
	if (value[0] == '\0')
		return wrong(err, node, "the secret is empty");
	if (strlen(value) > HTTP_SECRET_MAX)
		return wrong(err, node, "the secret is longer than 8192 bytes");
	for (const char *p = value; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return wrong(err, node, "the secret has a control character in it");
	return RC_OK;
}

static enum rc read_one(const struct yaml_node *map, struct http_secret *s, struct err *err)
{
	static const char *const known[] = {"env", "file", NULL};
	const struct yaml_node *env, *file, *node;
	enum rc rc = yaml_only(map, known, "a secret", err);

	if (rc != RC_OK)
		return rc;
	env = yaml_get(map, "env");
	file = yaml_get(map, "file");
	node = env != NULL ? env : file;
	if ((env == NULL) == (file == NULL) || node->kind != YAML_SCALAR || node->text[0] == '\0')
		return wrong(err, map, "a secret is {env: VARIABLE} or {file: PATH}");
	rc = env != NULL ? from_env(node, &s->value, err) : from_file(node, &s->value, err);
	return rc == RC_OK ? check_value(node, s->value, err) : rc;
}

enum rc http_secrets_read(const struct yaml_node *map, struct http_secrets *out, struct err *err)
{
	*out = (struct http_secrets){0};
	if (map == NULL)
		return RC_OK;
	if (map->kind != YAML_MAP || map->count > SECRETS_MAX)
		return wrong(err, map, "secrets must be a map of at most 100 secrets");
	out->all = mem_new(map->count, sizeof *out->all);
	for (size_t i = 0; i < map->count; i++) {
		const char *name = map->keys[i]->text;
		enum rc rc;

		if (!id_valid(name, NAME_MAX_LEN))
			return wrong(err, map->keys[i],
				     "a secret's name is 1 to 63 of A-Z a-z 0-9 . _ -");
		out->all[out->n++].name = mem_dup(name);
		rc = read_one(map->items[i], &out->all[i], err);
		if (rc != RC_OK)
			return err_wrap(err, "secret %s", name);
	}
	return RC_OK;
}

void http_secrets_fini(struct http_secrets *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->all[i].value != NULL)
			wipe(s->all[i].value, strlen(s->all[i].value));
		free(s->all[i].value);
		free(s->all[i].name);
	}
	free(s->all);
	*s = (struct http_secrets){0};
}

const char *http_secrets_find(const struct http_secrets *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->all[i].name, name) == 0)
			return s->all[i].value;
	return NULL;
}

/* ---- keeping them ---- */

/* The bytes of the longest secret that stands at `text`, or 0.  One that begins
 * here and is cut off by the end counts as well: it may be half of one. */
static size_t secret_at(const struct http_secrets *s, const char *text, size_t left)
{
	size_t longest = 0;

	for (size_t i = 0; i < s->n; i++) {
		const size_t size = strlen(s->all[i].value);
		const size_t n = size < left ? size : left;

		if (n > longest && memcmp(text, s->all[i].value, n) == 0)
			longest = n;
	}
	return longest;
}

char *http_secrets_redact(const struct http_secrets *s, const char *text, size_t size, size_t max)
{
	struct http_text out = {.max = max};

	for (size_t i = 0; i < size && !out.over;) {
		const size_t n = secret_at(s, text + i, size - i);

		/* A piece at the very end is only one's beginning if it is some bytes long:
		 * else many texts would lose their last letter. */
		if (n >= STARS || (n > 0 && i + n < size)) {
			http_text_put(&out, "***", STARS);
			i += n;
		} else {
			http_text_put(&out, text + i, 1);
			i++;
		}
	}
	return http_text_take(&out);
}
