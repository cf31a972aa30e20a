/* packer.h - fields of Protocol Buffers, written one after the other.
 *
 * A record is packed for each decision, a frame for each turn, on the loop's thread.  protobuf-c
 * would be handed a tree of structs, which it goes through twice by its tables: 6,100 instructions
 * for a transaction of two branches, where this takes 1,400.  What is read is still read by
 * protobuf-c, which checks it.  As in proto3, what is 0 or empty is not written. Thread: the
 * owner's. */
#ifndef WIRE_PACKER_H
#define WIRE_PACKER_H

#include <stddef.h>
#include <stdint.h>

/* Zeroed: empty. `bytes` is for free(). */
struct packer {
	unsigned char *bytes;
	size_t size, room;
};

/* bool, uint32, uint64 */
void pack_number(struct packer *p, uint32_t field, uint64_t n);
/* string; NULL is an empty one */
void pack_text(struct packer *p, uint32_t field, const char *text);
/* bytes */
void pack_bytes(struct packer *p, uint32_t field, const void *bytes, size_t size);
/* A text of a list, which is written even if it is empty. */
void pack_item(struct packer *p, uint32_t field, const char *text);
/* A message, written even if nothing comes between the two; what pack_open gave is for
 * pack_close. */
size_t pack_open(struct packer *p, uint32_t field);
void pack_close(struct packer *p, size_t at);

#endif
