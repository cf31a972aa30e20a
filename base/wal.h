/* wal.h - SQLite's write-ahead log as bytes (sqlite.org/fileformat2.html, "The Write-Ahead
 * Log"), for pages of SEAL_PAGE bytes.
 *
 * A header of 32 bytes, then frames: a head of 24 bytes and a page.  Each frame's checksum
 * covers its page, the first 8 bytes of its head, and by way of the checksum before it all
 * that comes earlier.  SQLite reads up to the first frame that is not right and takes the
 * rest for the torn end of the last transaction.  If it is not, transactions that were
 * reported durable are lost without a word: wal_scan tells one from the other.
 * Thread: no shared state; any thread. */
#ifndef BASE_WAL_H
#define BASE_WAL_H

#include "base/seal.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	WAL_HEADER = 32,
	WAL_HEAD = 24, /* of a frame */
	WAL_FRAME = WAL_HEAD + SEAL_PAGE,
	/* Our logs are made longer by so much at a time (base/seal_vfs.h), so that one that
	 * was cut short is noticed. */
	WAL_PIECE = 1 << 20,
};

/* True if the frame's checksum follows from `before`: the 8 bytes of the checksum of the
 * frame before it, or of the header. */
bool wal_frame_follows(const unsigned char *before, const unsigned char *frame, bool big_endian);

/* How checksums are made on this machine. */
bool wal_here_big_endian(void);

enum { WAL_FIXES = 16 };

/* 8 bytes that are not as they were written, and what was. */
struct wal_fix {
	uint64_t frame;
	off_t at;
	unsigned char bytes[8];
};

struct wal_facts {
	bool header;      /* it has one that is right: else nothing of it counts */
	bool page_1;      /* page 1 is in it */
	uint64_t frames;  /* that SQLite will take */
	uint64_t commits; /* among them */
	uint64_t whole;   /* those up to the last commit */
	bool tail;        /* frames of this log stand after them */
	size_t n_fixes;   /* in them */
	struct wal_fix fixes[WAL_FIXES];
	char damage[160]; /* what cannot come of a crash; "" if nothing */
};

/* Looks through a log of `size` bytes. `id`: the note that its pages must have, unless they
 * have none (0: any).  Reads once, a frame at a time; RC_IO is the return of -1, with errno.
 *
 * A frame that is right but for one bit, or but for its salts, is taken as it was meant, and told
 * as a fix: SQLite reads it after wal_fix_of.  That need not be a fault of the disk: a power
 * failure that loses one sector of a frame leaves the old one, and that may differ in one bit
 * from the new.  So such a frame alone cannot be told from damage; but whatever it
 * is, its checksum tells what was written.
 *
 * Damage is
 *   - a frame of a transaction that is whole, in which one bit is wrong, and the checksum does
 *     not tell which: so it is with the highest bits of a word;
 *   - a frame that is not right, followed by frames that were written after a later commit:
 *     each commit is synced before the next transaction is written;
 *   - a page with another's note.
 * Not seen is what looks as if the last transaction had not been written whole: more than one
 * wrong bit in a frame of it, or, together with it, the head of the last frame of the one
 * before; where a head stands in two sectors, as one in 64 does, it tells nothing. */
int wal_scan(int fd, off_t size, uint64_t id, struct wal_facts *out);

/* The same for the log of the database at `path`; one that is not there has no facts. */
int wal_scan_of(const char *path, uint64_t id, struct wal_facts *out);

/* Makes nothing of the frames after the last commit, and syncs.  SQLite leaves them there, and
 * where it does not begin the log anew, or begins it with the same salts (as it does when
 * the torn transaction was the first in it), they stand behind the next transaction, and
 * would be taken for later ones. The caller keeps others from writing. -1, with errno. */
int wal_forget_tail(const char *path);

/* Writes the fixes into that log, and syncs it. Before SQLite opens it. -1, with errno. */
int wal_fix_of(const char *path, const struct wal_facts *facts);

#endif
