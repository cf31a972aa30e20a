/* crash_vfs.h - the crash points of SQLite's files: the journal, ledgers, SQLite resources.
 *
 * Only in a build with SETTLE_CRASH_POINTS; crash_begin calls it.
 * Thread: main's, before anybody opens a file with SQLite. */
#ifndef BASE_CRASH_VFS_H
#define BASE_CRASH_VFS_H

/* Puts itself in front of SQLite's default VFS.  Ends the program if it cannot. */
void crash_vfs_install(void);

#endif
