/* arena.c - see arena.h. */
#include "wire/arena.h"
#include "base/mem.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGN = 16, CHUNK_MIN = 1024 };

struct chunk {
	struct chunk *next;
	size_t size, used; /* of what follows */
	_Alignas(ALIGN) unsigned char bytes[];
};

struct arena {
	struct chunk *chunks; /* the newest first; only that one is filled */
};

static struct chunk *chunk_add(struct arena *a, size_t size)
{
	struct chunk *c = mem_grow(NULL, 1, sizeof *c + size);

	c->next = a->chunks;
	c->size = size;
	c->used = 0;
	a->chunks = c;
	return c;
}

struct arena *arena_new(size_t first_size)
{
	struct arena *a = mem_new(1, sizeof *a);

	chunk_add(a, first_size > CHUNK_MIN ? first_size : CHUNK_MIN);
	return a;
}

void arena_free(struct arena *a)
{
	if (a == NULL)
		return;
	for (struct chunk *c = a->chunks, *next; c != NULL; c = next) {
		next = c->next;
		free(c);
	}
	free(a);
}

void *arena_raw(struct arena *a, size_t size)
{
	struct chunk *c = a->chunks;
	void *p;

	assert(size < SIZE_MAX / 4);
	size = (size + ALIGN - 1) / ALIGN * ALIGN;
	if (c->size - c->used < size)
		c = chunk_add(a, size > 2 * c->size ? size : 2 * c->size);
	p = c->bytes + c->used;
	c->used += size;
	return p;
}

void *arena_get(struct arena *a, size_t n, size_t size)
{
	void *p;

	assert(size == 0 || n < SIZE_MAX / 4 / size);
	p = arena_raw(a, n * size);
	if (n * size > 0)
		memset(p, 0, n * size);
	return p;
}
