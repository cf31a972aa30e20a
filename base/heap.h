/* heap.h - deadlines in order: an intrusive binary heap.
 *
 * A node lives inside the thing that waits; the heap borrows it until it is
 * removed.  All operations cost O(log n) and allocate only when the heap grows.
 * Thread: the owner's. */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
	uint64_t at;  /* when it is due */
	size_t place; /* 1 + index in the heap; 0 when it is in none */
};

struct heap {
	struct heap_node **nodes;
	size_t count, room;
};

/* Puts `node` in at time `at`, or moves it there. */
void heap_set(struct heap *h, struct heap_node *node, uint64_t at);

/* Takes `node` out; nothing happens if it is not in. */
void heap_remove(struct heap *h, struct heap_node *node);

/* The node that is due first, still in the heap; NULL when empty. */
struct heap_node *heap_first(const struct heap *h);

/* Frees the heap's own memory; the nodes are their owners'. */
void heap_fini(struct heap *h);

#endif
