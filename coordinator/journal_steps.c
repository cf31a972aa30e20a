/* journal_steps.c - see journal_steps.h.
 *
 * Each has its number in two bytes, its size in four and its order in eight, low end first, in
 * front. */
#include "coordinator/journal_steps.h"
#include "base/mem.h"

#include <assert.h>
#include <string.h>

enum { HEAD = 14, ROOM_MIN = 256 };

static void put(unsigned char *to, uint64_t n, int bytes)
{
	for (int i = 0; i < bytes; i++, n >>= 8)
		to[i] = (unsigned char)n;
}

static uint64_t get(const unsigned char *from, int bytes)
{
	uint64_t n = 0;

	while (bytes-- > 0)
		n = n << 8 | from[bytes];
	return n;
}

void steps_add(struct steps *s, const struct steps_one *one)
{
	const size_t size = s->size + HEAD + one->detail_size;

	assert(one->n <= UINT16_MAX && one->detail_size <= UINT32_MAX);
	if (size > s->room) {
		s->room = size < ROOM_MIN ? ROOM_MIN : 2 * size;
		s->bytes = mem_grow(s->bytes, s->room, 1);
	}
	put(s->bytes + s->size, one->n, 2);
	put(s->bytes + s->size + 2, one->detail_size, 4);
	put(s->bytes + s->size + 6, one->order, 8);
	memcpy(s->bytes + s->size + HEAD, one->detail, one->detail_size);
	s->size = size;
}

bool steps_next(const unsigned char **at, const unsigned char *end, struct steps_one *one)
{
	const size_t left = (size_t)(end - *at);

	if (left < HEAD)
		return false;
	one->n = (size_t)get(*at, 2);
	one->detail_size = (size_t)get(*at + 2, 4);
	one->order = get(*at + 6, 8);
	one->detail = *at + HEAD;
	if (one->detail_size > left - HEAD)
		return false;
	*at += HEAD + one->detail_size;
	return true;
}
