/* packer.c - see packer.h.  The encoding: protobuf.dev/programming-guides/encoding. */
#include "wire/packer.h"
#include "base/mem.h"

#include <string.h>

enum { VARINT_MAX = 10, ROOM_MIN = 256 };
enum wire_type { WIRE_VARINT = 0, WIRE_BYTES = 2 };

/* Room for `size` bytes more. */
static unsigned char *room_for(struct packer *p, size_t size)
{
	if (p->room - p->size < size) {
		p->room = 2 * p->room > p->size + size ? 2 * p->room : p->size + size + ROOM_MIN;
		p->bytes = mem_grow(p->bytes, p->room, 1);
	}
	return p->bytes + p->size;
}

/* Seven bits a byte, the lowest first; all but the last have the eighth set. */
static unsigned char *varint(unsigned char *to, uint64_t n)
{
	for (; n >= 0x80; n >>= 7)
		*to++ = (unsigned char)(n | 0x80);
	*to++ = (unsigned char)n;
	return to;
}

static unsigned char *tag(unsigned char *to, uint32_t field, enum wire_type type)
{
	return varint(to, field << 3 | (uint32_t)type);
}

static void ends_at(struct packer *p, const unsigned char *end)
{
	p->size = (size_t)(end - p->bytes);
}

void pack_number(struct packer *p, uint32_t field, uint64_t n)
{
	if (n != 0)
		ends_at(p, varint(tag(room_for(p, 2 * VARINT_MAX), field, WIRE_VARINT), n));
}

static void put_bytes(struct packer *p, uint32_t field, const void *bytes, size_t size)
{
	unsigned char *to =
		varint(tag(room_for(p, 2 * VARINT_MAX + size), field, WIRE_BYTES), size);

	if (size > 0)
		memcpy(to, bytes, size);
	ends_at(p, to + size);
}

void pack_bytes(struct packer *p, uint32_t field, const void *bytes, size_t size)
{
	if (size > 0)
		put_bytes(p, field, bytes, size);
}

void pack_text(struct packer *p, uint32_t field, const char *text)
{
	pack_bytes(p, field, text, text != NULL ? strlen(text) : 0);
}

void pack_item(struct packer *p, uint32_t field, const char *text)
{
	put_bytes(p, field, text, strlen(text));
}

/* One byte is kept for the length, which is known at the end. */
size_t pack_open(struct packer *p, uint32_t field)
{
	ends_at(p, tag(room_for(p, VARINT_MAX + 1), field, WIRE_BYTES) + 1);
	return p->size;
}

void pack_close(struct packer *p, size_t at)
{
	const size_t size = p->size - at;
	unsigned char length[VARINT_MAX];
	const size_t more = (size_t)(varint(length, size) - length) - 1;

	room_for(p, more);
	memmove(p->bytes + at + more, p->bytes + at, size);
	memcpy(p->bytes + at - 1, length, more + 1);
	p->size += more;
}
