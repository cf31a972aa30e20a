/* ledger_log.h - the log (-wal) that an earlier process has left beside a state file.
 *
 * SQLite reads a log up to the first frame that is not right, and drops the rest without a word;
 * it may be what was reported durable.
 * Thread: the ledger's. */
#ifndef ADAPTERS_LEDGER_LOG_H
#define ADAPTERS_LEDGER_LOG_H

#include "base/err.h"

#include <sqlite3.h>
#include <stdbool.h>

enum { LEDGER_DAMAGE_SIZE = 200 };

/* Looks through the log of the file that `db` has open, and in which it holds the lock for
 * writing.  What can be put right is (base/wal.h): then `*mended`, and `db` is to be closed and
 * opened anew, since it has read the log already.  False: it is damaged, `damage` says how; the
 * log is left as it is, also when `db` is closed. */
bool ledger_log_look(sqlite3 *db, const char *path, bool *mended, char damage[LEDGER_DAMAGE_SIZE]);

#endif
