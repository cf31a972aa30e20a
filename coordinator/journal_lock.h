/* journal_lock.h - one coordinator per data directory.  Private to the journal.
 *
 * The lock is the kernel's, on a file that stays: it is gone with the process, so
 * nothing is left to clean up after a crash.  The pid in the file is for people.
 * Thread: any. */
#ifndef COORDINATOR_JOURNAL_LOCK_H
#define COORDINATOR_JOURNAL_LOCK_H

#include "base/err.h"

/* Makes the directory if it is missing (mode 0700, its parent must be there) and
 * locks it. `*fd` is held until journal_unlock.
 *   RC_FULL  another process holds it (the text says which pid)
 *   RC_IO    not a directory, not ours to write, or the system failed */
enum rc journal_lock(const char *dir, int *fd, struct err *err);

/* Ignores -1. */
void journal_unlock(int fd);

#endif
