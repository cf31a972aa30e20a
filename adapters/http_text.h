/* http_text.h - text that grows up to a cap.
 *
 * Rule: what does not fit is never kept in part as if it were whole: `over` says so,
 * and nothing more is taken.
 * Thread: the owner's. */
#ifndef ADAPTERS_HTTP_TEXT_H
#define ADAPTERS_HTTP_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Zero it, but for `max`. */
struct http_text {
	size_t max; /* bytes, without the NUL */
	char *data; /* NUL-terminated once anything was put */
	size_t size, room;
	bool over;
};

void http_text_put(struct http_text *t, const char *bytes, size_t size);
/* Percent-encoded, but for the unreserved characters of RFC 3986. */
void http_text_put_encoded(struct http_text *t, const char *bytes, size_t size);
/* As the inside of a JSON string. */
void http_text_put_escaped(struct http_text *t, const char *text);
/* What was put, for free(); never NULL.  The text is empty afterwards. */
char *http_text_take(struct http_text *t);
void http_text_fini(struct http_text *t);

#endif
