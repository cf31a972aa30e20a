/* mem.h - memory that is there or the process is not.
 *
 * A coordinator that cannot allocate cannot keep a promise either; a crash is a
 * state that recovery handles, a half-done turn is not.  Sizes that come from
 * outside are capped before they get here.
 * Thread: any. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

/* Zeroed memory for `n` things of `size` bytes; never NULL.  Give to free(). */
void *mem_new(size_t n, size_t size);

/* realloc that never fails; `n` things of `size` bytes, the new part not zeroed. */
void *mem_grow(void *old, size_t n, size_t size);

/* A copy of a string; NULL gives NULL.  Give to free(). */
char *mem_dup(const char *s);

/* A copy of `size` bytes with a NUL after them; never NULL.  Give to free(). */
char *mem_dup_bytes(const void *bytes, size_t size);

/* Copies a string, with its NUL, to `at`, where there is room; the place behind it. */
char *mem_put(char *at, const char *s);

/* printf into memory of its own; never NULL.  Give to free(). */
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
