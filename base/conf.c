/* conf.c - see conf.h. */
#include "base/conf.h"
#include "base/clock.h"
#include "base/mem.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const type_names[] = {
	[CONF_TEXT] = "text",   [CONF_INT] = "number",   [CONF_BOOL] = "true/false",
	[CONF_MS] = "duration", [CONF_NODE] = "section",
};

static void *field(const struct conf_row *row, void *settings)
{
	return (char *)settings + row->offset;
}

static enum rc read_text(const struct conf_row *row, const struct yaml_node *node, char **out,
			 struct err *err)
{
	/* The value may be a secret: no message repeats it. */
	if (node->kind != YAML_SCALAR)
		return err_set_at(err, RC_INVALID, node->line, node->column,
				  "%s: expected a text, not %s", row->name,
				  yaml_kind_name(node->kind));
	if (node->line > 0 && node->plain && node->text[0] == '\0')
		return err_set_at(err, RC_INVALID, node->line, node->column,
				  "%s: expected a text, but nothing is given", row->name);
	if (row->max > 0 && strlen(node->text) > (size_t)row->max)
		return err_set_at(err, RC_INVALID, node->line, node->column,
				  "%s: the text has %zu bytes; at most %" PRId64 " are allowed",
				  row->name, strlen(node->text), row->max);
	*out = mem_dup(node->text);
	return RC_OK;
}

static enum rc read_value(const struct conf_row *row, const struct yaml_node *node, void *settings,
			  struct err *err)
{
	void *out = field(row, settings);

	switch (row->type) {
	case CONF_TEXT: return read_text(row, node, out, err);
	case CONF_INT: return yaml_int(node, row->name, row->min, row->max, out, err);
	case CONF_BOOL: return yaml_bool(node, row->name, out, err);
	case CONF_MS:
		return yaml_ms(node, row->name, (uint64_t)row->min, (uint64_t)row->max, out, err);
	case CONF_NODE: *(const struct yaml_node **)out = node; return RC_OK;
	}
	abort();
}

/* The default goes the way of a value from a file; that it fits is our own duty. */
static void read_standard(const struct conf_row *row, void *settings)
{
	const struct yaml_node node = {.kind = YAML_SCALAR, .text = row->standard, .plain = true};
	enum rc rc;

	if (row->type == CONF_NODE)
		return; /* an optional section that is not there stays NULL */
	rc = read_value(row, &node, settings, NULL);
	assert(rc == RC_OK);
	(void)rc;
}

static enum rc check_keys(const struct conf_row *rows, const struct yaml_node *map, struct err *err)
{
	const char **known;
	size_t n = 0;
	enum rc rc;

	while (rows[n].name != NULL)
		n++;
	known = mem_new(n + 1, sizeof *known);
	for (size_t i = 0; i < n; i++)
		known[i] = rows[i].name;
	rc = yaml_only(map, known, "the configuration", err);
	free((void *)known);
	return rc;
}

static enum rc read_rows(const struct conf_row *rows, const struct yaml_node *map, void *settings,
			 struct err *err)
{
	for (const struct conf_row *row = rows; row->name != NULL; row++) {
		const struct yaml_node *node = map != NULL ? yaml_get(map, row->name) : NULL;
		enum rc rc = RC_OK;

		if (node != NULL)
			rc = read_value(row, node, settings, err);
		else if (row->standard != NULL)
			read_standard(row, settings);
		else
			rc = err_set_at(err, RC_INVALID, map != NULL ? map->line : 0,
					map != NULL ? map->column : 0, "%s must be given: %s",
					row->name, row->help);
		if (rc != RC_OK)
			return rc;
	}
	return RC_OK;
}

enum rc conf_read(const struct conf_row *rows, const struct yaml_node *map, void *settings,
		  struct err *err)
{
	enum rc rc = RC_OK;

	for (const struct conf_row *row = rows; row->name != NULL; row++) {
		if (row->type == CONF_TEXT)
			*(char **)field(row, settings) = NULL;
		else if (row->type == CONF_NODE)
			*(const struct yaml_node **)field(row, settings) = NULL;
	}
	if (map != NULL)
		rc = check_keys(rows, map, err);
	if (rc == RC_OK)
		rc = read_rows(rows, map, settings, err);
	if (rc != RC_OK)
		conf_fini(rows, settings);
	return rc;
}

void conf_fini(const struct conf_row *rows, void *settings)
{
	for (const struct conf_row *row = rows; row->name != NULL; row++) {
		if (row->type == CONF_TEXT) {
			char **text = field(row, settings);

			free(*text);
			*text = NULL;
		}
	}
}

/* ---- for people ---- */

/* "(must be given)", "-" or the default itself. */
static const char *standard_text(const struct conf_row *row)
{
	if (row->standard == NULL)
		return "must be given";
	return row->standard[0] != '\0' ? row->standard : "none";
}

/* What a value must keep to, or "". */
static void limits_text(const struct conf_row *row, char *out, size_t room)
{
	char lo[DURATION_TEXT_MAX], hi[DURATION_TEXT_MAX];

	out[0] = '\0';
	if (row->type == CONF_INT)
		snprintf(out, room, "%" PRId64 " to %" PRId64, row->min, row->max);
	else if (row->type == CONF_MS)
		snprintf(out, room, "%s to %s", duration_format((uint64_t)row->min, lo),
			 duration_format((uint64_t)row->max, hi));
	else if (row->type == CONF_TEXT && row->max > 0)
		snprintf(out, room, "at most %" PRId64 " bytes", row->max);
}

void conf_help(const struct conf_row *rows, FILE *out)
{
	for (; rows->name != NULL; rows++) {
		char limits[64];

		limits_text(rows, limits, sizeof limits);
		fprintf(out, "  %-20s %s\n  %-20s   %s%s%s; %s%s\n", rows->name, rows->help, "",
			type_names[rows->type], limits[0] != '\0' ? ", " : "", limits,
			rows->standard != NULL ? "default: " : "", standard_text(rows));
	}
}

void conf_markdown(const struct conf_row *rows, FILE *out)
{
	fputs("| name | type | default | limits | help |\n| --- | --- | --- | --- | --- |\n", out);
	for (; rows->name != NULL; rows++) {
		char limits[64];

		limits_text(rows, limits, sizeof limits);
		fprintf(out, "| `%s` | %s | %s%s%s | %s | %s |\n", rows->name,
			type_names[rows->type], rows->standard != NULL ? "`" : "",
			standard_text(rows), rows->standard != NULL ? "`" : "", limits, rows->help);
	}
}
