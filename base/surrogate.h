/* surrogate.h - the one thing in JSON texts that a YAML reader cannot take.
 *
 * JSON writes a character beyond 16 bits as two escapes, "\ud83d\ude00"; YAML
 * knows only its own "\U0001f600".  Thread: any. */
#ifndef BASE_SURROGATE_H
#define BASE_SURROGATE_H

#include <stdbool.h>
#include <stddef.h>

/* True if the text's first mark is that of a JSON object or list. */
bool surrogate_may_be(const char *text, size_t size);

/* A copy of the text with YAML's escapes for the pairs; `*size` becomes the
 * copy's (never more).  Give it to free().  Escapes that are themselves escaped
 * stay.  Columns behind a pair on the same line come out 2 too small. */
char *surrogate_join(const char *text, size_t *size);

#endif
