/* pg_args.c - see pg_args.h.
 *
 * jansson proves that the text is JSON, and decodes strings; the walk over the
 * text then only has to find where each value begins and ends. */
#include "adapters/pg_args.h"

#include "base/json_text.h"
#include "base/mem.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* A part of the text. */
struct span {
	const char *at;
	size_t size;
};

static const char *skip_space(const char *p)
{
	while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')
		p++;
	return p;
}

static const char *skip_string(const char *p)
{
	for (p++; *p != '"'; p++)
		if (*p == '\\')
			p++;
	return p + 1;
}

static const char *skip_nested(const char *p)
{
	int depth = 0;

	do {
		if (*p == '"') {
			p = skip_string(p);
			continue;
		}
		depth += (*p == '{' || *p == '[') - (*p == '}' || *p == ']');
		p++;
	} while (depth > 0);
	return p;
}

/* The value at `p`, which is known to be valid JSON. */
static struct span value_at(const char *p)
{
	struct span s = {p, 0};

	if (*p == '"')
		s.size = (size_t)(skip_string(p) - p);
	else if (*p == '{' || *p == '[')
		s.size = (size_t)(skip_nested(p) - p);
	else
		s.size = strcspn(p, ",} \t\r\n");
	return s;
}

/* The text that a string stands for. */
static char *string_text(struct span s)
{
	json_t *string;
	char *text;

	if (memchr(s.at, '\\', s.size) == NULL)
		return mem_dup_bytes(s.at + 1, s.size - 2);
	string = json_text_read(s.at, s.size, JSON_DECODE_ANY, NULL);
	text = mem_dup(json_string_value(string)); /* NULL only if jansson changed its mind */
	json_decref(string);
	return text != NULL ? text : mem_dup("");
}

static char *value_text(struct span s)
{
	if (s.size == 4 && memcmp(s.at, "null", 4) == 0)
		return NULL;
	return s.at[0] == '"' ? string_text(s) : mem_dup_bytes(s.at, s.size);
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

static enum rc bind_one(const struct pg_operation *op, const char *key, struct span value,
			bool *given, struct pg_params *out, struct err *err)
{
	for (size_t i = 0; i < op->n_args; i++) {
		if (strcmp(op->args[i], key) == 0) {
			given[i] = true;
			out->values[i] = value_text(value);
			return RC_OK;
		}
	}
	return err_set(err, RC_INVALID, "operation %s has no argument \"%.64s\"", op->name, key);
}

static enum rc bind_all(const struct pg_operation *op, const char *text, bool *given,
			struct pg_params *out, struct err *err)
{
	const char *p = skip_space(skip_space(text) + 1); /* past the brace */
	enum rc rc = RC_OK;

	while (rc == RC_OK && *p != '}') {
		struct span key_span = value_at(p), value;
		char *key = string_text(key_span);

		p = skip_space(p + key_span.size);
		p = skip_space(p + 1); /* past the colon */
		value = value_at(p);
		p = skip_space(p + value.size);
		if (*p == ',')
			p = skip_space(p + 1);
		rc = bind_one(op, key, value, given, out, err);
		free(key);
	}
	for (size_t i = 0; rc == RC_OK && i < op->n_args; i++)
		if (!given[i])
			rc = err_set(err, RC_INVALID, "operation %s needs the argument \"%s\"",
				     op->name, op->args[i]);
	return rc;
}

enum rc pg_args_bind(const struct pg_operation *op, struct bytes args, struct pg_params *out,
		     struct err *err)
{
	static const struct bytes none = {"{}", 2};
	bool *given = mem_new(op->n_args, sizeof *given);
	char *text;
	enum rc rc;

	if (args.size == 0)
		args = none;
	text = mem_dup_bytes(args.data, args.size); /* the walk relies on a NUL */
	out->n = op->n_args;
	out->values = mem_new(op->n_args, sizeof *out->values);
	rc = check_json(args, err);
	if (rc == RC_OK)
		rc = bind_all(op, text, given, out, err);
	free(text);
	free(given);
	return rc;
}

void pg_params_fini(struct pg_params *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->values[i]);
	free(p->values);
	memset(p, 0, sizeof *p);
}
