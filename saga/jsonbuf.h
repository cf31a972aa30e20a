/* jsonbuf.h - JSON text that is written piece by piece and cannot outgrow a cap.
 *
 * Small templates can name a big input many times; what comes of it must be
 * refused at the cap and not when memory ends.  So text is written here and no
 * tree is built.  Thread: the owner's. */
#ifndef SAGA_JSONBUF_H
#define SAGA_JSONBUF_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero it, but for `max`. Once `over`, nothing more is written. */
struct jsonbuf {
	size_t max; /* bytes, without the NUL */
	char *text;
	size_t size, room;
	bool over;
};

/* Room for `size` bytes at the end: the caller writes no more than these there and adds
 * what it wrote to `size`.  NULL: over. */
char *jsonbuf_room(struct jsonbuf *b, size_t size);
/* Bytes as they are. */
void jsonbuf_raw(struct jsonbuf *b, const char *bytes, size_t size);
void jsonbuf_text(struct jsonbuf *b, const char *text);

/* UTF-8 as the inside of a JSON string; the quotes are the caller's. */
void jsonbuf_escape(struct jsonbuf *b, const char *text, size_t size);

/* A whole value. Reals come out as the shortest text that reads back the same. */
void jsonbuf_value(struct jsonbuf *b, const json_t *value);

/* The shortest text of a real that reads back the same; returns `out`. */
enum { REAL_TEXT_MAX = 40 };
char *real_json(double value, char out[REAL_TEXT_MAX]);
void jsonbuf_number(struct jsonbuf *b, int64_t n);
/* A string with its quotes. */
void jsonbuf_string(struct jsonbuf *b, const char *text, size_t size);

/* The text, NUL-terminated, for free(); the buffer is empty afterwards. */
char *jsonbuf_take(struct jsonbuf *b);
/* The same, but it stays in the buffer; until the next writing. */
const char *jsonbuf_peek(struct jsonbuf *b);
void jsonbuf_fini(struct jsonbuf *b);

#endif
