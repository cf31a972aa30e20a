/* json_plain.c - see json_plain.h. */
#include "base/json_plain.h"
#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 32, DIGITS_MAX = 18, KEYS_MAX = 16 };

/* A text being read. */
struct plain {
	const char *at, *end;
	bool tight; /* blanks are none of it */
	int depth;
};

static bool skip(struct plain *p, char c)
{
	if (p->at == p->end || *p->at != c)
		return false;
	p->at++;
	return true;
}

static void blanks(struct plain *p)
{
	while (!p->tight && p->at < p->end &&
	       (*p->at == ' ' || *p->at == '\n' || *p->at == '\t' || *p->at == '\r'))
		p->at++;
}

static char unescaped(char c)
{
	switch (c) {
	case '"':
	case '\\': return c;
	case 'n': return '\n';
	case 'r': return '\r';
	case 't': return '\t';
	default: return '\0'; /* the others are rare, and we write them otherwise */
	}
}

/* What stands between quotes; moves behind the second.  `*escapes`: how many there are. */
static bool string_part(struct plain *p, const char **from, size_t *size, size_t *escapes)
{
	*escapes = 0;
	if (!skip(p, '"'))
		return false;
	*from = p->at;
	for (; p->at < p->end && *p->at != '"'; p->at++) {
		const unsigned char c = (unsigned char)*p->at;

		if (c < 0x20 || c >= 0x80)
			return false;
		if (c != '\\')
			continue;
		if (++p->at == p->end || unescaped(*p->at) == '\0')
			return false;
		++*escapes;
	}
	*size = (size_t)(p->at - *from);
	return skip(p, '"');
}

static void unescape(const char *from, size_t size, char *to)
{
	for (const char *end = from + size; from < end; from++)
		*to++ = *from == '\\' ? unescaped(*++from) : *from;
}

static bool read_string(struct plain *p, json_t **out)
{
	size_t size, escapes;
	const char *from;
	char *text;

	if (!string_part(p, &from, &size, &escapes))
		return false;
	if (out == NULL)
		return true;
	if (escapes == 0) {
		*out = json_stringn_nocheck(from, size);
		return true;
	}
	text = mem_grow(NULL, size, 1);
	unescape(from, size, text);
	*out = json_stringn_nocheck(text, size - escapes);
	free(text);
	return true;
}

static bool read_number(struct plain *p, json_t **out)
{
	const bool minus = skip(p, '-');
	const char *from = p->at;
	json_int_t n = 0;
	size_t digits;

	for (; p->at < p->end && *p->at >= '0' && *p->at <= '9'; p->at++)
		if (p->at - from < DIGITS_MAX)
			n = 10 * n + (*p->at - '0');
	digits = (size_t)(p->at - from);
	if (digits == 0 || digits > DIGITS_MAX || (*from == '0' && (digits > 1 || minus)))
		return false;
	if (p->at < p->end && (*p->at == '.' || *p->at == 'e' || *p->at == 'E'))
		return false;
	if (out != NULL)
		*out = json_integer(minus ? -n : n);
	return true;
}

static bool read_word(struct plain *p, const char *word, json_t *value, json_t **out)
{
	const size_t size = strlen(word);

	if ((size_t)(p->end - p->at) < size || memcmp(p->at, word, size) != 0)
		return false;
	p->at += size;
	if (out != NULL)
		*out = value;
	return true;
}

static bool read_value(struct plain *p, json_t **out);

/* After a part of a list or an object: true if another one follows, or `*end`. */
static bool goes_on(struct plain *p, char bracket, bool *end)
{
	blanks(p);
	*end = skip(p, bracket);
	return *end || skip(p, ',');
}

static bool read_items(struct plain *p, json_t *list)
{
	bool end;

	blanks(p);
	if (skip(p, ']'))
		return true;
	do {
		json_t *item = NULL;

		if (!read_value(p, list != NULL ? &item : NULL))
			return false;
		if (list != NULL)
			json_array_append_new(list, item);
		if (!goes_on(p, ']', &end))
			return false;
	} while (!end);
	return true;
}

/* The keys of an object that is only looked through. */
struct keys {
	const char *at[KEYS_MAX];
	size_t size[KEYS_MAX], n;
};

static bool is_new(struct keys *k, const char *key, size_t size)
{
	if (k->n == KEYS_MAX)
		return false; /* who knows */
	for (size_t i = 0; i < k->n; i++)
		if (k->size[i] == size && memcmp(k->at[i], key, size) == 0)
			return false;
	k->at[k->n] = key;
	k->size[k->n++] = size;
	return true;
}

static bool read_field(struct plain *p, json_t *object, struct keys *keys)
{
	size_t size, escapes, before;
	json_t *value = NULL;
	const char *key;

	blanks(p);
	if (!string_part(p, &key, &size, &escapes) || escapes > 0)
		return false;
	blanks(p);
	if (!skip(p, ':'))
		return false;
	if (object == NULL)
		return is_new(keys, key, size) && read_value(p, NULL);
	if (!read_value(p, &value))
		return false;
	before = json_object_size(object);
	json_object_setn_new_nocheck(object, key, size, value);
	return json_object_size(object) > before;
}

static bool read_fields(struct plain *p, json_t *object)
{
	struct keys keys;
	bool end;

	keys.n = 0;
	blanks(p);
	if (skip(p, '}'))
		return true;
	do {
		if (!read_field(p, object, &keys) || !goes_on(p, '}', &end))
			return false;
	} while (!end);
	return true;
}

/* A list or an object: its first bracket was read. */
static bool read_parts(struct plain *p, char bracket, json_t **out)
{
	json_t *whole = NULL;
	bool ok;

	if (out != NULL)
		whole = bracket == '{' ? json_object() : json_array();
	ok = p->depth++ < DEPTH_MAX &&
	     (bracket == '{' ? read_fields(p, whole) : read_items(p, whole));
	p->depth--;
	if (!ok)
		json_decref(whole);
	else if (out != NULL)
		*out = whole;
	return ok;
}

/* `out` NULL: it is only looked through. */
static bool read_value(struct plain *p, json_t **out)
{
	blanks(p);
	if (p->at == p->end)
		return false;
	switch (*p->at) {
	case '"': return read_string(p, out);
	case '{':
	case '[': return read_parts(p, *p->at++, out);
	case 't': return read_word(p, "true", json_true(), out);
	case 'f': return read_word(p, "false", json_false(), out);
	case 'n': return read_word(p, "null", json_null(), out);
	default: return read_number(p, out);
	}
}

json_t *json_plain_read(const char *text, size_t size)
{
	struct plain p = {.at = text, .end = text + size};
	json_t *value = NULL;

	if (!read_value(&p, &value))
		return NULL;
	blanks(&p);
	if (p.at == p.end)
		return value;
	json_decref(value);
	return NULL;
}

bool json_plain_written(const char *text, size_t size)
{
	struct plain p = {.at = text, .end = text + size, .tight = true};

	return read_value(&p, NULL) && p.at == p.end;
}
