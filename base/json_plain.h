/* json_plain.h - JSON as nearly all of it is, read quickly; everything else is Jansson's
 * affair.
 *
 * Jansson takes some 130 instructions for each byte of a text, which for a transaction that
 * brings its definition along was a fifth of all the work of the loop.  Plain here is: ASCII, of
 * escapes only those of one letter, whole numbers of up to 18 digits, no key twice, 32 levels.
 * Rule: what these functions give is what Jansson would; where they are not sure they
 * give NULL or false, and the caller asks Jansson.
 * Thread: no shared state; any. */
#ifndef BASE_JSON_PLAIN_H
#define BASE_JSON_PLAIN_H

#include <jansson.h>
#include <stdbool.h>

/* The value of the text; NULL: it is not plain, or no JSON. */
json_t *json_plain_read(const char *text, size_t size);

/* Whether the text is plain, and as we write JSON: without blanks between its parts.  Then it
 * need not be read to be written again. */
bool json_plain_written(const char *text, size_t size);

#endif
