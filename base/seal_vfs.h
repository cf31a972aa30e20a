/* seal_vfs.h - SQLite files whose pages are sealed (base/seal.h): a layer between SQLite and the
 * VFS that is the default when a database is opened.
 *
 * Rule: no page of a database, and no page of its log, reaches SQLite unless its checksum is
 * right.  A page is sealed when it is written into the database; in the log SQLite's own
 * checksums guard it, which SQLite looks at only after a crash and this layer each time that
 * a page is read.  For that, connections must not write pages of a transaction before its
 * end (PRAGMA cache_spill=OFF).  A wrong page is SQLITE_IOERR_DATA, and seal_vfs_problem says
 * which.
 *
 * What is written to a log reaches the file when that is synced, in one piece (base/gather.h).  So
 * connections must sync with each commit (PRAGMA synchronous=FULL): what a commit has not
 * synced, other connections would look for in vain.
 *
 * Page 1 carries a note, and all pages that SQLite reads, and so most that it writes into its
 * log, the same one without its lowest bit.  What it means is the caller's.
 *
 * Another program that reads the file is not disturbed.  One that writes pages into it leaves
 * them without a checksum.
 * Thread: any; a connection's files are its thread's. */
#ifndef BASE_SEAL_VFS_H
#define BASE_SEAL_VFS_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

enum seal_how {
	SEAL_YES,      /* every page must have its checksum */
	SEAL_NO,       /* pages are read and written as they are */
	SEAL_AS_FOUND, /* SEAL_YES if the file's header says that there is room for checksums */
};

/* Opens the file, which is there, to read and write, without a mutex.  An empty one becomes a
 * sealed one in any case, and so does what is VACUUMed INTO.  A code of SQLite; `*db` as by
 * sqlite3_open_v2. */
int seal_vfs_open(const char *path, enum seal_how how, sqlite3 **db);
/* Whether the pages of the database are sealed. */
bool seal_vfs_sealed(sqlite3 *db);

/* The note that page 1 had when the connection was opened (0 in a new file), or that was set
 * since.  It is written with page 1, when that is written next. */
uint64_t seal_vfs_note(sqlite3 *db);
void seal_vfs_set_note(sqlite3 *db, uint64_t note);

/* What was wrong with the last page that this thread was refused. */
const char *seal_vfs_problem(void);

#endif
