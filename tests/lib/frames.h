/* frames.h - the frames of the test vectors in docs/protocol.md. */
#ifndef TESTS_LIB_FRAMES_H
#define TESTS_LIB_FRAMES_H

#include "wire/frame.h"

enum { FRAMES = 12 };
/* Their names; those of polls begin with `poll-`. */
extern const char *const frame_names[FRAMES];

extern const struct branch_id frames_debit, frames_credit, frames_reserve;
/* What they hold is static: it may be changed for the length of a test. */
struct poll frames_poll(const char *name);
struct reply frames_reply(const char *name);
/* The bytes that our encoder writes; give to free(). */
unsigned char *frames_encode(const char *name, size_t *size);

#endif
