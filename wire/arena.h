/* arena.h - memory that is freed all at once: what a frame is made of.
 *
 * Nothing in it is freed alone, so no malformed frame can leak.
 * Thread: the owner's. */
#ifndef WIRE_ARENA_H
#define WIRE_ARENA_H

#include <stddef.h>

struct arena;

/* `first_size` bytes are a good guess of what will be needed. */
struct arena *arena_new(size_t first_size);
void arena_free(struct arena *a);

/* Zeroed memory for `n` things of `size` bytes; never NULL. */
void *arena_get(struct arena *a, size_t n, size_t size);
/* The same, not zeroed, in bytes. */
void *arena_raw(struct arena *a, size_t size);

#endif
