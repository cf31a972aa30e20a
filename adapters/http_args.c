/* http_args.c - see http_args.h.
 *
 * jansson proves that the text is JSON, and decodes strings; the walk over the text
 * then only has to find where each value begins and ends. */
#include "adapters/http_args.h"

#include "base/json_text.h"
#include "base/mem.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char *skip_space(const char *p)
{
	return p + strspn(p, " \t\n\r");
}

static const char *skip_string(const char *p)
{
	for (p++; *p != '"'; p++)
		if (*p == '\\')
			p++;
	return p + 1;
}

/* Past the value at `p`, in a text that is known to be JSON. */
static const char *skip_value(const char *p)
{
	int depth = 0;

	if (*p != '"' && *p != '{' && *p != '[')
		return p + strcspn(p, ",} \t\r\n");
	do {
		if (*p == '"') {
			p = skip_string(p);
		} else {
			depth += (*p == '{' || *p == '[') - (*p == '}' || *p == ']');
			p++;
		}
	} while (depth > 0);
	return p;
}

/* What the string from `at` to `end` stands for. */
static char *string_text(const char *at, const char *end)
{
	json_t *string = json_text_read(at, (size_t)(end - at), JSON_DECODE_ANY, NULL);
	const char *value = json_string_value(string);
	char *text = mem_dup(value != NULL ? value : "");

	json_decref(string);
	return text;
}

static enum rc check_json(struct bytes args, struct err *err)
{
	json_error_t where;
	json_t *json = json_text_read(args.data, args.size,
				      JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &where);
	enum rc rc = RC_OK;

	if (json == NULL)
		rc = err_set(err, RC_INVALID, "the arguments are not valid JSON: %s (line %d)",
			     where.text, where.line);
	else if (!json_is_object(json))
		rc = err_set(err, RC_INVALID, "the arguments must be a JSON object");
	json_decref(json);
	return rc;
}

static enum rc take_one(const char *const *names, size_t n, const char *key, const char *at,
			const char *end, struct http_args *out, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(names[i], key) != 0)
			continue;
		out->all[i].raw = at;
		out->all[i].size = (size_t)(end - at);
		out->all[i].text = *at == '"' ? string_text(at, end) : NULL;
		return RC_OK;
	}
	return err_set(err, RC_INVALID, "there is no argument \"%.64s\"", key);
}

static enum rc take_all(const char *const *names, size_t n, struct http_args *out, struct err *err)
{
	const char *p = skip_space(skip_space(out->json) + 1); /* past the brace */
	enum rc rc = RC_OK;

	while (rc == RC_OK && *p != '}') {
		const char *end = skip_string(p), *at;
		char *key = string_text(p, end);

		at = skip_space(skip_space(end) + 1); /* past the colon */
		end = skip_value(at);
		rc = take_one(names, n, key, at, end, out, err);
		free(key);
		p = skip_space(end);
		if (*p == ',')
			p = skip_space(p + 1);
	}
	for (size_t i = 0; rc == RC_OK && i < n; i++)
		if (out->all[i].raw == NULL)
			rc = err_set(err, RC_INVALID, "the argument \"%s\" is missing", names[i]);
	return rc;
}

enum rc http_args_read(const char *const *names, size_t n, struct bytes json, struct http_args *out,
		       struct err *err)
{
	static const struct bytes none = {"{}", 2};
	enum rc rc;

	if (json.size == 0)
		json = none;
	*out = (struct http_args){.json = mem_dup_bytes(json.data, json.size), .n = n};
	out->all = mem_new(n, sizeof *out->all);
	rc = check_json(json, err);
	return rc == RC_OK ? take_all(names, n, out, err) : rc;
}

void http_args_fini(struct http_args *a)
{
	for (size_t i = 0; i < a->n; i++)
		free(a->all[i].text);
	free(a->all);
	free(a->json);
	*a = (struct http_args){0};
}
