/* pg_output.c - see pg_output.h. */
#include "adapters/pg_output.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* Type oids are part of the server's catalogue and never change (pg_type.dat). */
enum {
	OID_BOOL = 16,
	OID_INT8 = 20,
	OID_INT2 = 21,
	OID_INT4 = 23,
	OID_JSON = 114,
	OID_FLOAT4 = 700,
	OID_FLOAT8 = 701,
	OID_JSONB = 3802,
};

static void put(struct pg_output *o, const char *text, size_t n)
{
	if (o->too_big)
		return;
	if (n > PAYLOAD_MAX - o->size) {
		o->too_big = true;
		free(o->text);
		o->text = NULL;
		o->size = o->room = 0;
		return;
	}
	if (o->size + n > o->room) {
		o->room = 2 * (o->size + n) + 256;
		o->text = mem_grow(o->text, o->room, 1);
	}
	memcpy(o->text + o->size, text, n);
	o->size += n;
}

/* The bytes of the UTF-8 character at `p`; 0 if there is none. Shortest forms
 * only, no surrogates, nothing past U+10FFFF. */
static size_t utf8_length(const unsigned char *p, size_t left)
{
	const size_t n = *p < 0x80 ? 1 : *p < 0xc2 ? 0 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;

	if (n == 0 || *p > 0xf4 || n > left)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f))
		return 0;
	if ((*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

static bool utf8_valid(const char *text, size_t size)
{
	const unsigned char *p = (const unsigned char *)text;

	while (size > 0) {
		const size_t n = utf8_length(p, size);

		if (n == 0)
			return false;
		p += n;
		size -= n;
	}
	return true;
}

static void put_escaped(struct pg_output *o, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	char text[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

	if (c == '"' || c == '\\') {
		text[1] = (char)c;
		put(o, text, 2);
	} else {
		put(o, text, 6);
	}
}

static void put_string(struct pg_output *o, const char *text, size_t size)
{
	size_t from = 0;

	if (!utf8_valid(text, size)) {
		o->bad_text = true;
		return;
	}
	put(o, "\"", 1);
	for (size_t i = 0; i < size; i++) {
		const unsigned char c = (unsigned char)text[i];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		put(o, text + from, i - from);
		put_escaped(o, c);
		from = i + 1;
	}
	put(o, text + from, size - from);
	put(o, "\"", 1);
}

/* NaN and the infinities are no JSON numbers. */
static bool is_number(const char *text)
{
	return (*text >= '0' && *text <= '9') || (*text == '-' && text[1] >= '0' && text[1] <= '9');
}

static void put_value(struct pg_output *o, const PGresult *res, int row, int column)
{
	const char *text = PQgetvalue(res, row, column);
	const size_t size = (size_t)PQgetlength(res, row, column);

	if (PQgetisnull(res, row, column)) {
		put(o, "null", 4);
		return;
	}
	switch (PQftype(res, column)) {
	case OID_BOOL:
		if (*text == 't')
			put(o, "true", 4);
		else
			put(o, "false", 5);
		return;
	case OID_INT2:
	case OID_INT4:
	case OID_INT8: put(o, text, size); return;
	case OID_FLOAT4:
	case OID_FLOAT8:
		if (!is_number(text))
			break;
		put(o, text, size);
		return;
	case OID_JSON:
	case OID_JSONB:
		o->bad_text = o->bad_text || !utf8_valid(text, size);
		put(o, text, size);
		return;
	default: break; /* numeric among them: exact as a string, not as a double */
	}
	put_string(o, text, size);
}

void pg_output_add(struct pg_output *o, const PGresult *res)
{
	const int rows = PQntuples(res), columns = PQnfields(res);

	if (columns == 0 && rows == 0)
		return;
	if (!o->open)
		put(o, "[", 1);
	o->open = true;
	for (int row = 0; row < rows && !o->too_big; row++) {
		if (o->rows++ > 0)
			put(o, ",", 1);
		put(o, "{", 1);
		for (int column = 0; column < columns; column++) {
			const char *name = PQfname(res, column);

			if (column > 0)
				put(o, ",", 1);
			put_string(o, name, strlen(name));
			put(o, ":", 1);
			put_value(o, res, row, column);
		}
		put(o, "}", 1);
	}
}

struct bytes pg_output_finish(struct pg_output *o)
{
	struct bytes bytes = {NULL, 0};

	if (!o->open)
		return bytes;
	put(o, "]", 1);
	o->open = false;
	bytes.data = o->text;
	bytes.size = o->size;
	return bytes;
}

void pg_output_fini(struct pg_output *o)
{
	free(o->text);
	memset(o, 0, sizeof *o);
}
