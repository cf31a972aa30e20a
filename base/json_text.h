/* json_text.h - JSON from outside as Jansson reads it, but for one thing: Jansson passes over
 * NUL bytes as if they were not there.
 *
 * Whoever takes the text that was read for a C string, or walks over it, would then stop in the
 * middle of it, or not stop at its end.  So a text with a NUL byte is none here.
 * Thread: no shared state; any. */
#ifndef BASE_JSON_TEXT_H
#define BASE_JSON_TEXT_H

#include <jansson.h>

/* json_loadb, which also takes size 0 and then `text` NULL. `where` may be NULL. */
json_t *json_text_read(const char *text, size_t size, size_t flags, json_error_t *where);

#endif
