/* sqlite_value.c - see sqlite_value.h. */
#include "adapters/sqlite_value.h"

#include "base/mem.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- in ---- */

static enum rc bind_number(sqlite3_stmt *s, int place, const char *text, struct err *err)
{
	long long whole;
	double real;

	errno = 0;
	if (strpbrk(text, ".eE") == NULL) {
		whole = strtoll(text, NULL, 10);
		if (errno == ERANGE)
			return err_set(err, RC_INVALID,
				       "%.40s does not fit in an integer of 64 bits", text);
		sqlite3_bind_int64(s, place, whole);
		return RC_OK;
	}
	real = strtod(text, NULL);
	if (isinf(real))
		return err_set(err, RC_INVALID, "%.40s is too large for a number", text);
	sqlite3_bind_double(s, place, real);
	return RC_OK;
}

enum rc sqlite_value_bind(sqlite3_stmt *s, int place, const struct http_arg *arg, struct err *err)
{
	char *copy;
	enum rc rc;

	if (arg->text != NULL) {
		sqlite3_bind_text64(s, place, arg->text, strlen(arg->text), SQLITE_STATIC,
				    SQLITE_UTF8);
		return RC_OK;
	}
	switch (arg->raw[0]) {
	case 'n': sqlite3_bind_null(s, place); return RC_OK;
	case 't': sqlite3_bind_int(s, place, 1); return RC_OK;
	case 'f': sqlite3_bind_int(s, place, 0); return RC_OK;
	case '{':
	case '[':
		sqlite3_bind_text64(s, place, arg->raw, arg->size, SQLITE_STATIC, SQLITE_UTF8);
		return RC_OK;
	default: break;
	}
	copy = mem_dup_bytes(arg->raw, arg->size);
	rc = bind_number(s, place, copy, err);
	free(copy);
	return rc;
}

/* ---- out ---- */

static void put(struct http_text *out, const char *text)
{
	http_text_put(out, text, strlen(text));
}

/* As JSON with quotes; false if it is not UTF-8. */
static bool put_string(struct http_text *out, const char *text, size_t size)
{
	json_t *string;
	char *json;

	if (size > out->max) {
		out->over = true;
		return true;
	}
	string = json_stringn(text, size);
	if (string == NULL)
		return false;
	json = json_dumps(string, JSON_ENCODE_ANY);
	json_decref(string);
	if (json == NULL)
		return false;
	put(out, json);
	free(json);
	return true;
}

/* The shortest text that reads back as the same double; JSON has no infinities. */
static void put_real(struct http_text *out, double value)
{
	char text[40];

	if (isinf(value)) {
		put(out, value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	put(out, text);
	if (strpbrk(text, ".e") == NULL)
		put(out, ".0"); /* it stays a real for whoever reads it */
}

static void put_blob(struct http_text *out, const unsigned char *data, size_t size)
{
	put(out, "\"\\\\x");
	for (size_t i = 0; i < size && !out->over; i++) {
		char code[3];

		snprintf(code, sizeof code, "%02x", data[i]);
		http_text_put(out, code, 2);
	}
	put(out, "\"");
}

static bool put_column(struct http_text *out, sqlite3_stmt *s, int i)
{
	const char *utf8;
	char text[24];

	switch (sqlite3_column_type(s, i)) {
	case SQLITE_INTEGER:
		snprintf(text, sizeof text, "%lld", (long long)sqlite3_column_int64(s, i));
		put(out, text);
		return true;
	case SQLITE_FLOAT: put_real(out, sqlite3_column_double(s, i)); return true;
	case SQLITE_TEXT:
		utf8 = (const char *)sqlite3_column_text(s, i); /* first: it may convert */
		return put_string(out, utf8, (size_t)sqlite3_column_bytes(s, i));
	case SQLITE_BLOB:
		put_blob(out, sqlite3_column_blob(s, i), (size_t)sqlite3_column_bytes(s, i));
		return true;
	default: put(out, "null"); return true;
	}
}

enum rc sqlite_value_row(sqlite3_stmt *s, struct http_text *out, struct err *err)
{
	const int n = sqlite3_column_count(s);

	put(out, "{");
	for (int i = 0; i < n && !out->over; i++) {
		const char *name = sqlite3_column_name(s, i);

		if (i > 0)
			put(out, ",");
		if (!put_string(out, name, strlen(name)))
			return err_set(err, RC_INVALID, "its output is not UTF-8");
		put(out, ":");
		if (!put_column(out, s, i))
			return err_set(err, RC_INVALID, "its output is not UTF-8");
	}
	put(out, "}");
	return out->over ? err_set(err, RC_TOO_BIG, "its output is over the limit of 1 MiB")
			 : RC_OK;
}
