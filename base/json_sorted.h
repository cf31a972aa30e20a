/* json_sorted.h - JSON in its one form, byte for byte: what is told apart by a hash.
 *
 * It is what json_dumps makes with JSON_COMPACT and JSON_SORT_KEYS, and must stay so: hashes of it
 * are in journals.  What is simple (no reals, nothing that is escaped or not ASCII, few keys) is
 * written here, in a tenth of the instructions, the rest by Jansson.
 * Thread: no shared state; any. */
#ifndef BASE_JSON_SORTED_H
#define BASE_JSON_SORTED_H

#include <jansson.h>

/* For free(); NULL for want of memory. */
char *json_sorted(const json_t *value);

#endif
