/* seal.h - checksums of SQLite pages.
 *
 * SQLite does not check what a disk gives back: a flipped bit in an index makes a row vanish.
 * So the last 16 bytes of each page, which SQLite leaves to us ("reserved bytes"), hold a note
 * of 8 bytes and a checksum over the page, the note and the page's number.  A page that
 * changed, or stands in another page's place, is found; an older state of the same page is
 * not.  The checksum is fast, not secret: it guards against accidents.
 * Thread: no shared state; any thread. */
#ifndef BASE_SEAL_H
#define BASE_SEAL_H

#include <stdbool.h>
#include <stdint.h>

enum {
	SEAL_PAGE = 4096,   /* the only size of a page that is sealed */
	SEAL_RESERVED = 16, /* of it */
};

/* Puts the note and the checksum at the end of `page`, which has SEAL_PAGE bytes. Pages are
 * counted from 1. */
void seal_put(unsigned char *page, uint32_t number, uint64_t note);

/* True if the checksum is that of the page. */
bool seal_check(const unsigned char *page, uint32_t number);

/* The note in a page, sealed or not. */
uint64_t seal_note(const unsigned char *page);

/* Leaves a note with no checksum, as in SQLite's memory and in its log. */
void seal_strip(unsigned char *page, uint64_t note);

#endif
