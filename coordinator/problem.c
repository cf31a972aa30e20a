/* problem.c - see problem.h. */
#include "coordinator/problem.h"

#include "base/mem.h"

#include <stdlib.h>

/* The last part of `type` is stable: programs may match it. */
static const struct {
	unsigned status;
	const char *word, *title;
} kinds[] = {
	{400, "malformed", "Bad Request"},         {401, "token", "Unauthorized"},
	{403, "forbidden", "Forbidden"},           {404, "not-found", "Not Found"},
	{405, "method", "Method Not Allowed"},     {409, "conflict", "Conflict"},
	{413, "too-big", "Content Too Large"},     {415, "media-type", "Unsupported Media Type"},
	{422, "invalid", "Unprocessable Content"}, {429, "full", "Too Many Requests"},
	{500, "failed", "Internal Server Error"},  {503, "unavailable", "Service Unavailable"},
};

static size_t kind_of(unsigned status)
{
	const size_t n = sizeof kinds / sizeof kinds[0];
	size_t failed = 0;

	for (size_t i = 0; i < n; i++) {
		if (kinds[i].status == status)
			return i;
		if (kinds[i].status == 500)
			failed = i;
	}
	return failed;
}

const char *problem_title(unsigned status)
{
	return kinds[kind_of(status)].title;
}

/* A text may quote what a client sent, or be cut in the middle of a character. */
json_t *problem_text(const char *text)
{
	json_t *json = json_string(text);
	char *copy;

	if (json != NULL)
		return json;
	copy = mem_dup(text);
	for (char *p = copy; *p != '\0'; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	json = json_string(copy);
	free(copy);
	return json;
}

static void put_place(json_t *json, const char *where, int line, int column)
{
	if (where != NULL)
		json_object_set_new(json, "where", json_string(where));
	if (line > 0)
		json_object_set_new(json, "line", json_integer(line));
	if (line > 0 && column > 0)
		json_object_set_new(json, "column", json_integer(column));
}

/* Drops the reference. */
static char *dump(json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT);

	if (text == NULL)
		abort(); /* only for want of memory */
	json_decref(json);
	return text;
}

char *problem_json(const struct problem *p)
{
	const size_t kind = kind_of(p->status);
	char *type = mem_printf("urn:settle:problem:%s", kinds[kind].word);
	json_t *json = json_pack("{s:s, s:s, s:i, s:o}", "type", type, "title", kinds[kind].title,
				 "status", (int)p->status, "detail", problem_text(p->detail));
	char *text;

	put_place(json, p->where, p->line, p->column);
	text = dump(json);
	free(type);
	return text;
}

char *problem_place(const char *where, int line, int column)
{
	json_t *json = json_object();

	put_place(json, where, line, column);
	return dump(json);
}
