/* scan.h - a look over packed bytes before Protocol Buffers unpacks them.
 *
 * protobuf-c hands strings over without their length and makes an object for
 * every two bytes that claim to be one.  So the bytes are walked first, guided
 * by the message's own descriptor: no string holds a NUL or is not UTF-8, and
 * the things in the frame are not so many that they would fill the memory.
 * Thread: no shared state; any. */
#ifndef WIRE_SCAN_H
#define WIRE_SCAN_H

#include "base/err.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

/* RC_OK: protobuf-c may unpack it. RC_INVALID, RC_TOO_BIG otherwise. */
enum rc scan_message(const ProtobufCMessageDescriptor *type, const void *bytes, size_t size,
		     struct err *err);

/* The bytes of the UTF-8 character at `s` (at most `size` there), 0 if it is none. */
size_t scan_utf8(const unsigned char *s, size_t size);

#endif
