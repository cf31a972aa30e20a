/* ledger_file.h - a state file as others see it: making it, and the log (-wal) that an earlier
 * process has left beside it.
 *
 * Arguments may be private, so nobody else may read the file.  SQLite reads a log up to the first
 * frame that is not right, and drops the rest without a word; it may be what was reported durable.
 * Thread: the ledger's. */
#ifndef ADAPTERS_LEDGER_FILE_H
#define ADAPTERS_LEDGER_FILE_H

#include "base/err.h"

#include <sqlite3.h>
#include <stdbool.h>

enum { LEDGER_DAMAGE_SIZE = 200 };

/* Makes an empty file, mode 0600, if there is none; its name is durable then.  RC_IO. */
enum rc ledger_file_make(const char *path, struct err *err);

/* Looks through the log of the file that `db` has open, and in which it holds the lock for
 * writing.  What can be put right is (base/wal.h): then `*mended`, and `db` is to be closed and
 * opened anew, since it has read the log already.  False: it is damaged, `damage` says how; the
 * log is left as it is, also when `db` is closed. */
bool ledger_file_log(sqlite3 *db, const char *path, bool *mended, char damage[LEDGER_DAMAGE_SIZE]);

#endif
