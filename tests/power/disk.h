/* disk.h - what a process does to the journal's files, call by call, and what a power failure
 * may make of it.
 *
 * disk.c has functions of its own for the system calls that SQLite and the journal write with,
 * and so stands between both and the system; it is linked into no other test.  What is done in
 * one directory is noted in memory that a child shares with its parent.  The shared-memory file
 * (-shm) and the lock are not: the first to open makes them anew.
 * Thread: any while it notes; else one. */
#ifndef TESTS_POWER_DISK_H
#define TESTS_POWER_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SECTOR = 512 };

enum disk_name {
	DISK_FILE,
	DISK_LOG,
	DISK_ROLLBACK,
	DISK_NEW,
	DISK_NEW_LOG,
	DISK_NEW_ROLLBACK,
	DISK_NAMES
};
extern const char *const disk_names[DISK_NAMES];

enum disk_kind {
	/* of a file */
	DISK_WRITE,
	DISK_TRUNCATE,
	DISK_SYNC,
	/* of the directory */
	DISK_CREATE,
	DISK_RENAME,
	DISK_UNLINK,
	DISK_DIR_SYNC,
	/* what the life did */
	DISK_TOLD
};

enum { DISK_OPS = 100000, DISK_FILES = 64 };

struct disk_op {
	enum disk_kind kind;
	int file;            /* DISK_CREATE: the new one */
	enum disk_name a, b; /* the names; rename: from and to */
	size_t at, size;     /* truncate: `size` alone */
	size_t data;         /* in `bytes` */
	uint64_t what, n;    /* DISK_TOLD */
};

/* One life of a process. */
struct disk_story {
	size_t n_ops, n_bytes, n_files;
	struct disk_op ops[DISK_OPS];
	unsigned char *bytes;
	/* What there was before, all of it durable: the size, and where it begins in `bytes`. */
	int first[DISK_NAMES]; /* the file of that name, or -1 */
	size_t first_size[DISK_NAMES], first_data[DISK_NAMES];
};

/* Memory for a story that children share; once. */
struct disk_story *disk_story_new(void);

/* Forgets the last story; from now on this process and its children to come note what they do
 * in `dir`, beginning with the files that are there. */
void disk_note(const char *dir);
void disk_note_no_more(void);

/* Notes what else matters, in order with the rest. */
void disk_tell(uint64_t what, uint64_t n);

#endif
