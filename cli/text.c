/* text.c - see text.h. */
#include "cli/text.h"

#include "base/mem.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void text_put(FILE *out, const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
		/* C1 controls come as C2 80 to C2 9F in UTF-8. */
		if (*p < 0x20 || *p == 0x7f) {
			fputc('?', out);
		} else if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0) {
			fputc('?', out);
			p++;
		} else {
			fputc(*p, out);
		}
	}
}

enum cli_exit cli_fail(const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	fflush(stdout);
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	fputs("settle: ", stderr);
	text_put(stderr, text);
	fputc('\n', stderr);
	return CLI_FAILED;
}

/* Characters, not bytes: good enough for names and reasons. */
static int width_of(const char *text)
{
	int n = 0;

	for (; *text != '\0'; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static const char *colour_of(const char *status)
{
	static const struct {
		const char *status, *colour;
	} colours[] = {
		{"committed", "\033[32m"},       {"ready", "\033[32m"},
		{"active", "\033[32m"},          {"done", "\033[32m"},
		{"rolled_back", "\033[33m"},     {"rolling back", "\033[33m"},
		{"undone", "\033[33m"},          {"undoing", "\033[33m"},
		{"retry", "\033[33m"},           {"broken", "\033[31m"},
		{"will be retried", "\033[33m"}, {"cancelled", "\033[33m"},
		{"stuck", "\033[1;31m"},         {"hazard", "\033[1;31m"},
		{"not ready", "\033[31m"},       {"disconnected", "\033[31m"},
		{"refused", "\033[31m"},         {"failed", "\033[31m"},
		{"unknown", "\033[31m"},
	};

	for (size_t i = 0; i < sizeof colours / sizeof colours[0]; i++)
		if (strcmp(colours[i].status, status) == 0)
			return colours[i].colour;
	return "\033[36m";
}

void text_status(const struct cli *cli, const char *status, int width)
{
	if (cli->colour)
		fputs(colour_of(status), stdout);
	text_put(stdout, status);
	if (cli->colour)
		fputs("\033[0m", stdout);
	printf("%*s", width > width_of(status) ? width - width_of(status) : 0, "");
}

void text_padded(const char *text, int width)
{
	const int pad = width - width_of(text);

	text_put(stdout, text);
	printf("%*s", pad > 0 ? pad : 0, "");
}

void table_init(struct table *t, const char *const *heads)
{
	*t = (struct table){.heads = heads, .status_column = SIZE_MAX};
	for (; heads[t->columns] != NULL; t->columns++)
		if (strcmp(heads[t->columns], "STATUS") == 0)
			t->status_column = t->columns;
}

void table_add(struct table *t, const char *text)
{
	t->cells = mem_grow(t->cells, t->n_cells + 1, sizeof *t->cells);
	t->cells[t->n_cells++] = mem_dup(text != NULL ? text : "-");
}

static int column_width(const struct table *t, size_t column)
{
	int width = width_of(t->heads[column]);

	for (size_t i = column; i < t->n_cells; i += t->columns)
		if (width_of(t->cells[i]) > width)
			width = width_of(t->cells[i]);
	return width;
}

void table_print(const struct table *t, const struct cli *cli)
{
	int *widths = mem_new(t->columns, sizeof *widths);

	assert(t->columns > 0);

	for (size_t c = 0; c < t->columns; c++)
		widths[c] = column_width(t, c);
	for (size_t c = 0; c < t->columns; c++)
		printf("%-*s%s", c + 1 < t->columns ? widths[c] : 0, t->heads[c],
		       c + 1 < t->columns ? "  " : "\n");
	for (size_t i = 0; i < t->n_cells; i++) {
		const size_t c = i % t->columns;
		const int width = c + 1 < t->columns ? widths[c] : 0;

		if (c == t->status_column) {
			text_status(cli, t->cells[i], width);
		} else {
			text_padded(t->cells[i], width);
		}
		fputs(c + 1 < t->columns ? "  " : "\n", stdout);
	}
	free(widths);
}

void table_fini(struct table *t)
{
	for (size_t i = 0; i < t->n_cells; i++)
		free(t->cells[i]);
	free(t->cells);
}

const char *text_of(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

const char *text_or(const json_t *object, const char *name, const char *instead)
{
	const char *text = text_of(object, name);

	return text != NULL ? text : instead;
}
