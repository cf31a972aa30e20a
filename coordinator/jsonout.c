/* jsonout.c - see jsonout.h. */
#include "coordinator/jsonout.h"
#include "base/clock.h"
#include "base/json_plain.h"
#include "base/mem.h"
#include "wire/scan.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A value is there already if the text does not end in what opens one. */
static void comma(struct jsonbuf *b)
{
	const char last = b->size > 0 ? b->text[b->size - 1] : '[';

	if (last != '{' && last != '[' && last != ':')
		jsonbuf_raw(b, ",", 1);
}

void out_open(struct jsonbuf *b, char bracket)
{
	comma(b);
	jsonbuf_raw(b, &bracket, 1);
}

void out_close(struct jsonbuf *b, char bracket)
{
	jsonbuf_raw(b, &bracket, 1);
}

void out_key(struct jsonbuf *b, const char *key)
{
	const size_t size = strlen(key);
	char *at;

	comma(b);
	at = jsonbuf_room(b, size + 3);
	if (at == NULL)
		return;
	*at = '"';
	memcpy(at + 1, key, size);
	memcpy(at + 1 + size, "\":", 2);
	b->size += size + 3;
}

void out_item(struct jsonbuf *b, const char *json)
{
	comma(b);
	jsonbuf_text(b, json);
}

static bool is_utf8(const char *text, size_t size)
{
	size_t n;

	for (size_t i = 0; i < size; i += n)
		if ((n = scan_utf8((const unsigned char *)text + i, size - i)) == 0)
			return false;
	return true;
}

static void put_plain(struct jsonbuf *b, const char *text, size_t size)
{
	char *plain = mem_dup_bytes(text, size);

	for (size_t i = 0; i < size; i++)
		if ((unsigned char)plain[i] >= 0x80)
			plain[i] = '?';
	jsonbuf_string(b, plain, size);
	free(plain);
}

/* A string of ASCII without anything to escape, as nearly all are, in one pass; false:
 * it is another one, and nothing was written. */
static bool put_simple(struct jsonbuf *b, const char *text, size_t size)
{
	char *at = jsonbuf_room(b, size + 2);

	if (at == NULL)
		return true;
	*at++ = '"';
	for (size_t i = 0; i < size; i++) {
		const unsigned char c = (unsigned char)text[i];

		if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\')
			return false;
		*at++ = (char)c;
	}
	*at = '"';
	b->size += size + 2;
	return true;
}

void out_part(struct jsonbuf *b, const char *key, const char *text, size_t size)
{
	out_key(b, key);
	if (put_simple(b, text, size))
		return;
	if (is_utf8(text, size))
		jsonbuf_string(b, text, size);
	else
		put_plain(b, text, size);
}

void out_text(struct jsonbuf *b, const char *key, const char *text)
{
	if (text != NULL)
		out_part(b, key, text, strlen(text));
}

void out_number(struct jsonbuf *b, const char *key, uint64_t n)
{
	char digits[20], *at = digits + sizeof digits;

	do
		*--at = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	out_key(b, key);
	jsonbuf_raw(b, at, (size_t)(digits + sizeof digits - at));
}

void out_item_number(struct jsonbuf *b, int64_t n)
{
	comma(b);
	jsonbuf_number(b, n);
}

void out_time(struct jsonbuf *b, const char *key, uint64_t wall_us)
{
	char text[32];

	if (wall_us != 0)
		out_text(b, key, time_format(wall_us, text));
}

/* Not as it is: it may be anything, of many lines, or no JSON. */
void out_json(struct jsonbuf *b, const char *key, const char *json)
{
	json_t *value;

	if (json == NULL)
		return;
	if (strcmp(json, "{}") == 0) { /* most often there is nothing */
		out_key(b, key);
		jsonbuf_raw(b, json, 2);
		return;
	}
	if (json_plain_written(json, strlen(json))) {
		out_key(b, key);
		jsonbuf_text(b, json);
		return;
	}
	value = json_loads(json, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	if (value == NULL) {
		out_text(b, key, json);
		return;
	}
	out_key(b, key);
	jsonbuf_value(b, value);
	json_decref(value);
}
