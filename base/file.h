/* file.h - files and folders whose names must survive a power failure.
 *
 * Both block until the disk has them.  Thread: any. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/err.h"

/* Makes the names in `dir` durable. RC_IO. */
enum rc dir_sync(const char *dir, struct err *err);

/* Makes an empty file, mode 0600, if there is none; its name is durable then.  What is kept in it
 * may be private, and SQLite itself would make it readable for all.  One that is there is left
 * as it is, not even opened: closing it would drop SQLite's own locks on it. RC_IO. */
enum rc file_make(const char *path, struct err *err);

#endif
