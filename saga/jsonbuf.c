/* jsonbuf.c - see jsonbuf.h. */
#include "saga/jsonbuf.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *jsonbuf_room(struct jsonbuf *b, size_t size)
{
	if (b->over || size > b->max - b->size) {
		b->over = true;
		return NULL;
	}
	if (b->size + size + 1 > b->room) {
		b->room = 2 * b->room > b->size + size + 1 ? 2 * b->room : b->size + size + 256;
		b->text = mem_grow(b->text, b->room, 1);
	}
	return b->text + b->size;
}

void jsonbuf_raw(struct jsonbuf *b, const char *bytes, size_t size)
{
	char *at = jsonbuf_room(b, size);

	if (at == NULL)
		return;
	memcpy(at, bytes, size);
	b->size += size;
}

void jsonbuf_text(struct jsonbuf *b, const char *text)
{
	jsonbuf_raw(b, text, strlen(text));
}

static void escape_one(struct jsonbuf *b, char c)
{
	char out[8] = {'\\', c, '\0'};

	switch (c) {
	case '"':
	case '\\': break;
	case '\n': out[1] = 'n'; break;
	case '\r': out[1] = 'r'; break;
	case '\t': out[1] = 't'; break;
	default: snprintf(out, sizeof out, "\\u%04x", (unsigned char)c); break;
	}
	jsonbuf_text(b, out);
}

void jsonbuf_escape(struct jsonbuf *b, const char *text, size_t size)
{
	size_t from = 0;

	for (size_t i = 0; i < size && !b->over; i++) {
		if ((unsigned char)text[i] >= 0x20 && text[i] != '"' && text[i] != '\\')
			continue;
		jsonbuf_raw(b, text + from, i - from);
		escape_one(b, text[i]);
		from = i + 1;
	}
	jsonbuf_raw(b, text + from, size - from);
}

/* 17 digits always read back the same, but make 0.10000000000000001 of 0.1, which
 * a decimal column would then keep. */
char *real_json(double value, char out[REAL_TEXT_MAX])
{
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(out, REAL_TEXT_MAX - 2, "%.*g", digits, value);
		if (strtod(out, NULL) == value)
			break;
	}
	if (strpbrk(out, ".e") == NULL)
		strcat(out, ".0"); /* stays a real for whoever reads it */
	return out;
}

void jsonbuf_string(struct jsonbuf *b, const char *text, size_t size)
{
	jsonbuf_text(b, "\"");
	jsonbuf_escape(b, text, size);
	jsonbuf_text(b, "\"");
}

void jsonbuf_number(struct jsonbuf *b, int64_t n)
{
	uint64_t left = n < 0 ? -(uint64_t)n : (uint64_t)n;
	char digits[20], *at = digits + sizeof digits;

	do
		*--at = (char)('0' + left % 10);
	while ((left /= 10) > 0);
	if (n < 0)
		*--at = '-';
	jsonbuf_raw(b, at, (size_t)(digits + sizeof digits - at));
}

static void put_object(struct jsonbuf *b, json_t *object)
{
	const char *key, *comma = "";
	json_t *value;

	jsonbuf_text(b, "{");
	json_object_foreach(object, key, value)
	{
		jsonbuf_text(b, comma);
		jsonbuf_string(b, key, strlen(key));
		jsonbuf_text(b, ":");
		jsonbuf_value(b, value);
		comma = ",";
		if (b->over)
			return;
	}
	jsonbuf_text(b, "}");
}

static void put_array(struct jsonbuf *b, const json_t *array)
{
	jsonbuf_text(b, "[");
	for (size_t i = 0; i < json_array_size(array) && !b->over; i++) {
		if (i > 0)
			jsonbuf_text(b, ",");
		jsonbuf_value(b, json_array_get(array, i));
	}
	jsonbuf_text(b, "]");
}

void jsonbuf_value(struct jsonbuf *b, const json_t *value)
{
	char number[REAL_TEXT_MAX];

	switch (json_typeof(value)) {
	case JSON_OBJECT: put_object(b, (json_t *)value); return; /* foreach only reads */
	case JSON_ARRAY: put_array(b, value); return;
	case JSON_STRING:
		jsonbuf_string(b, json_string_value(value), json_string_length(value));
		return;
	case JSON_INTEGER: jsonbuf_number(b, json_integer_value(value)); return;
	case JSON_REAL: jsonbuf_text(b, real_json(json_real_value(value), number)); return;
	case JSON_TRUE: jsonbuf_text(b, "true"); return;
	case JSON_FALSE: jsonbuf_text(b, "false"); return;
	case JSON_NULL: jsonbuf_text(b, "null"); return;
	}
}

char *jsonbuf_take(struct jsonbuf *b)
{
	char *text = b->text != NULL ? b->text : mem_new(1, 1);

	text[b->size] = '\0'; /* jsonbuf_room keeps a byte for it */
	b->text = NULL;
	b->size = b->room = 0;
	return text;
}

const char *jsonbuf_peek(struct jsonbuf *b)
{
	if (b->text == NULL)
		return "";
	b->text[b->size] = '\0';
	return b->text;
}

void jsonbuf_fini(struct jsonbuf *b)
{
	free(b->text);
	b->text = NULL;
	b->size = b->room = 0;
}
