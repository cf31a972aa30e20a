/* json_sorted.c - see json_sorted.h. */
#include "base/json_sorted.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 32, KEYS_MAX = 16 };

struct sorted {
	char *text;
	size_t size, room;
};

static char *room(struct sorted *s, size_t size)
{
	if (s->size + size > s->room) {
		s->room = 2 * (s->size + size) + 64;
		s->text = mem_grow(s->text, s->room, 1);
	}
	s->size += size;
	return s->text + s->size - size;
}

static bool put_string(struct sorted *s, const char *text, size_t size)
{
	char *to = room(s, size + 2);

	*to++ = '"';
	for (size_t i = 0; i < size; i++) {
		const unsigned char c = (unsigned char)text[i];

		if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\')
			return false;
		*to++ = (char)c;
	}
	*to = '"';
	return true;
}

static void put_integer(struct sorted *s, json_int_t n)
{
	uint64_t left = n < 0 ? -(uint64_t)n : (uint64_t)n;
	char digits[20], *at = digits + sizeof digits;

	do
		*--at = (char)('0' + left % 10);
	while ((left /= 10) > 0);
	if (n < 0)
		*room(s, 1) = '-';
	memcpy(room(s, (size_t)(digits + sizeof digits - at)), at,
	       (size_t)(digits + sizeof digits - at));
}

static bool put_value(struct sorted *s, const json_t *value, int depth);

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool put_object(struct sorted *s, const json_t *object, int depth)
{
	const char *keys[KEYS_MAX], *key;
	json_t *value;
	size_t n = 0;

	if (json_object_size(object) > KEYS_MAX)
		return false;
	json_object_foreach((json_t *)(uintptr_t)object, key, value) keys[n++] = key;
	qsort(keys, n, sizeof *keys, by_name);
	*room(s, 1) = '{';
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			*room(s, 1) = ',';
		if (!put_string(s, keys[i], strlen(keys[i])))
			return false;
		*room(s, 1) = ':';
		if (!put_value(s, json_object_get(object, keys[i]), depth))
			return false;
	}
	*room(s, 1) = '}';
	return true;
}

static bool put_array(struct sorted *s, const json_t *array, int depth)
{
	*room(s, 1) = '[';
	for (size_t i = 0; i < json_array_size(array); i++) {
		if (i > 0)
			*room(s, 1) = ',';
		if (!put_value(s, json_array_get(array, i), depth))
			return false;
	}
	*room(s, 1) = ']';
	return true;
}

static bool put_value(struct sorted *s, const json_t *value, int depth)
{
	if (depth == DEPTH_MAX)
		return false;
	switch (json_typeof(value)) {
	case JSON_OBJECT: return put_object(s, value, depth + 1);
	case JSON_ARRAY: return put_array(s, value, depth + 1);
	case JSON_STRING: return put_string(s, json_string_value(value), json_string_length(value));
	case JSON_INTEGER: put_integer(s, json_integer_value(value)); return true;
	case JSON_TRUE: memcpy(room(s, 4), "true", 4); return true;
	case JSON_FALSE: memcpy(room(s, 5), "false", 5); return true;
	case JSON_NULL: memcpy(room(s, 4), "null", 4); return true;
	case JSON_REAL: return false;
	}
	return false;
}

char *json_sorted(const json_t *value)
{
	struct sorted s = {0};

	if (!put_value(&s, value, 0)) {
		free(s.text);
		return json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
	}
	*room(&s, 1) = '\0';
	return s.text;
}
