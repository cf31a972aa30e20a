/* http_render.c - see http_template.h: filling templates in. */
#include "adapters/http_template.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

typedef enum rc (*put_fn)(const struct http_piece *piece, const struct http_arg *arg,
			  struct http_text *out, struct err *err);

/* What an argument is as a part of a text: a string's text, a number or a truth
 * value as it was written.  NULL and `err`: it is none of these. */
static const char *plain_text(const struct http_piece *piece, const struct http_arg *arg,
			      size_t *size, struct err *err)
{
	const bool null = arg->size == 4 && memcmp(arg->raw, "null", 4) == 0;

	if (arg->text != NULL) {
		*size = strlen(arg->text);
		return arg->text;
	}
	*size = arg->size;
	if (arg->raw[0] != '{' && arg->raw[0] != '[' && !null)
		return arg->raw;
	err_set(err, RC_INVALID, "the argument \"%s\" is %s, which cannot stand inside text",
		piece->name,
		null               ? "null"
		: *arg->raw == '{' ? "an object"
				   : "a list");
	return NULL;
}

static enum rc put_in_path(const struct http_piece *piece, const struct http_arg *arg,
			   struct http_text *out, struct err *err)
{
	size_t size;
	const char *text = plain_text(piece, arg, &size, err);

	if (text == NULL)
		return RC_INVALID;
	if (size == 0 && (out->size == 0 || memchr(out->data, '?', out->size) == NULL))
		return err_set(err, RC_INVALID,
			       "the argument \"%s\" is empty and stands in the path: that would be "
			       "another path",
			       piece->name);
	http_text_put_encoded(out, text, size);
	return RC_OK;
}

static enum rc put_in_header(const struct http_piece *piece, const struct http_arg *arg,
			     struct http_text *out, struct err *err)
{
	size_t size;
	const char *text = plain_text(piece, arg, &size, err);

	if (text == NULL)
		return RC_INVALID;
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return err_set(err, RC_INVALID,
				       "the argument \"%s\" has a line end or another control "
				       "character in it, and is meant for a header",
				       piece->name);
	http_text_put(out, text, size);
	return RC_OK;
}

static enum rc put_in_body(const struct http_piece *piece, const struct http_arg *arg,
			   struct http_text *out, struct err *err)
{
	size_t size;

	if (piece->whole)
		http_text_put(out, arg->raw, arg->size);
	else if (arg->text != NULL)
		http_text_put(out, arg->raw + 1, arg->size - 2); /* escaped already */
	else if (plain_text(piece, arg, &size, err) == NULL)
		return RC_INVALID;
	else
		http_text_put(out, arg->raw, arg->size);
	return RC_OK;
}

/* The branch's and call's own names need no encoding in headers and JSON: their
 * characters (id.h, and the key's colons and slashes) are plain there. */
static void put_name(const struct http_piece *piece, const char *name, bool path,
		     struct http_text *out)
{
	if (piece->whole)
		http_text_put(out, "\"", 1);
	if (path)
		http_text_put_encoded(out, name, strlen(name));
	else
		http_text_put(out, name, strlen(name));
	if (piece->whole)
		http_text_put(out, "\"", 1);
}

static enum rc render(const struct http_template *t, const struct http_values *v, put_fn put,
		      struct http_text *out, struct err *err)
{
	const bool path = put == put_in_path;

	for (size_t i = 0; i < t->n; i++) {
		const struct http_piece *piece = &t->pieces[i];
		enum rc rc = RC_OK;

		switch (piece->kind) {
		case HTTP_PIECE_TEXT: http_text_put(out, piece->text, strlen(piece->text)); break;
		case HTTP_PIECE_ARG: rc = put(piece, &v->args->all[piece->number], out, err); break;
		case HTTP_PIECE_GID: put_name(piece, v->gid, path, out); break;
		case HTTP_PIECE_STEP:
		case HTTP_PIECE_BRANCH: put_name(piece, v->branch, path, out); break;
		case HTTP_PIECE_KEY: put_name(piece, v->key, path, out); break;
		}
		if (rc != RC_OK)
			return rc;
	}
	return RC_OK;
}

static enum rc too_big(const struct http_text *out, const char *what, struct err *err)
{
	return out->over
		       ? err_set(err, RC_TOO_BIG, "the %s is longer than %zu bytes", what, out->max)
		       : RC_OK;
}

bool http_path_sound(const char *path)
{
	const char *end = path + strcspn(path, "?");

	if (*path != '/')
		return false;
	while (path < end) {
		const char *segment = path + 1;
		size_t size = 0;

		while (segment + size < end && segment[size] != '/')
			size++;
		path = segment + size;
		if (size == 0 && (path < end || segment != end))
			return false;
		if ((size == 1 && segment[0] == '.') ||
		    (size == 2 && segment[0] == '.' && segment[1] == '.'))
			return false;
	}
	return true;
}

/* Nothing of a value can end a segment (a `/` in it is encoded), but a value alone
 * could be one that means another path: empty, `.` or `..`. */
enum rc http_template_path(const struct http_template *t, const struct http_values *v,
			   struct http_text *out, struct err *err)
{
	const size_t from = out->size;
	const enum rc rc = render(t, v, put_in_path, out, err);

	if (rc != RC_OK)
		return rc;
	if (out->over)
		return too_big(out, "URL", err);
	if (!http_path_sound(out->data != NULL ? out->data + from : ""))
		return err_set(
			err, RC_INVALID,
			"an argument in the path is `.` or `..`: that would be another path");
	return RC_OK;
}

enum rc http_template_header(const struct http_template *t, const struct http_values *v,
			     struct http_text *out, struct err *err)
{
	const enum rc rc = render(t, v, put_in_header, out, err);

	return rc == RC_OK ? too_big(out, "header", err) : rc;
}

enum rc http_template_body(const struct http_template *t, const struct http_values *v,
			   struct http_text *out, struct err *err)
{
	const enum rc rc = render(t, v, put_in_body, out, err);

	return rc == RC_OK ? too_big(out, "body", err) : rc;
}
