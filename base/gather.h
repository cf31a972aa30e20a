/* gather.h - writes to one file, one behind the other, made with one call.
 *
 * SQLite writes its log in pieces of 24 and 4,096 bytes, two calls of the system for each
 * page; a batch of the journal has some 20 pages.
 *
 * Rule: nobody may look at the file between a write and the flush, which the caller makes
 * before anything else is done with the file: a read, a sync, a question for its size.  What
 * failed to be written stays, and fails again.
 * Thread: that of the file. */
#ifndef BASE_GATHER_H
#define BASE_GATHER_H

#include <sqlite3.h>
#include <stddef.h>

struct gather {
	unsigned char *bytes; /* NULL before the first write */
	int size;
	sqlite3_int64 at; /* where they belong in the file */
};

/* Takes the bytes; writes what was there if they do not follow it or there is no room.  A code of
 * SQLite: that of the write. */
int gather_write(struct gather *g, sqlite3_file *f, const void *data, int n, sqlite3_int64 at);
int gather_flush(struct gather *g, sqlite3_file *f);
/* Gives its memory back; what was not flushed is lost. */
void gather_fini(struct gather *g);

#endif
