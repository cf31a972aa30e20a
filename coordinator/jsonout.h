/* jsonout.h - objects written as text, field by field, without a tree.
 *
 * For what is written thousands of times a second: answers and lines of histories.
 * A comma is put where the text so far asks for one, so that the caller keeps no count.
 * Rule: whatever a field is given, the text stays JSON.
 * Thread: the owner's. */
#ifndef COORDINATOR_JSONOUT_H
#define COORDINATOR_JSONOUT_H

#include "saga/jsonbuf.h"

#include <stdint.h>

/* '{' or '[', as the next item or, after out_key, as its value; and '}' or ']'. */
void out_open(struct jsonbuf *b, char bracket);
void out_close(struct jsonbuf *b, char bracket);

/* A name of ours, with nothing to escape; its value comes next. */
void out_key(struct jsonbuf *b, const char *key);

/* JSON of ours, as the next item of a list. */
void out_item(struct jsonbuf *b, const char *json);
void out_item_number(struct jsonbuf *b, int64_t n);

/* A whole field.  NULL: none.  A text need not be UTF-8 (a database may speak another
 * encoding, a long reason may have been cut): then each of its odd bytes becomes `?`. */
void out_text(struct jsonbuf *b, const char *key, const char *text);
void out_part(struct jsonbuf *b, const char *key, const char *text, size_t size);
void out_number(struct jsonbuf *b, const char *key, uint64_t n);
/* RFC 3339; 0: none. */
void out_time(struct jsonbuf *b, const char *key, uint64_t wall_us);
/* JSON text; NULL: none.  What is not JSON is given as a string, so that nothing is
 * hidden. */
void out_json(struct jsonbuf *b, const char *key, const char *json);

#endif
