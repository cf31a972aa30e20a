/* heap.c - see heap.h. */
#include "base/heap.h"
#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void place(struct heap *h, size_t i, struct heap_node *node)
{
	h->nodes[i] = node;
	node->place = i + 1;
}

static void sift_up(struct heap *h, size_t i)
{
	struct heap_node *node = h->nodes[i];

	while (i > 0 && h->nodes[(i - 1) / 2]->at > node->at) {
		place(h, i, h->nodes[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	place(h, i, node);
}

static void sift_down(struct heap *h, size_t i)
{
	struct heap_node *node = h->nodes[i];

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= h->count)
			break;
		if (child + 1 < h->count && h->nodes[child + 1]->at < h->nodes[child]->at)
			child++;
		if (h->nodes[child]->at >= node->at)
			break;
		place(h, i, h->nodes[child]);
		i = child;
	}
	place(h, i, node);
}

void heap_set(struct heap *h, struct heap_node *node, uint64_t at)
{
	node->at = at;
	if (node->place == 0) {
		if (h->count == h->room) {
			h->room = h->room > 0 ? 2 * h->room : 16;
			h->nodes = mem_grow(h->nodes, h->room, sizeof(struct heap_node *));
		}
		place(h, h->count++, node);
	}
	sift_up(h, node->place - 1);
	sift_down(h, node->place - 1);
}

void heap_remove(struct heap *h, struct heap_node *node)
{
	const size_t i = node->place - 1;
	struct heap_node *last;

	if (node->place == 0)
		return;
	assert(h->nodes[i] == node);
	last = h->nodes[--h->count];
	node->place = 0;
	if (last == node)
		return;
	place(h, i, last);
	sift_up(h, i);
	sift_down(h, last->place - 1);
}

struct heap_node *heap_first(const struct heap *h)
{
	return h->count > 0 ? h->nodes[0] : NULL;
}

void heap_fini(struct heap *h)
{
	free(h->nodes);
	memset(h, 0, sizeof *h);
}
