/* ledger_file.h - the ledger's file before SQLite reads it.  Private to the ledger.
 *
 * Thread: no shared state; any thread. */
#ifndef ADAPTERS_LEDGER_FILE_H
#define ADAPTERS_LEDGER_FILE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* Makes an empty file, mode 0600, if there is none; its name is as durable as it. RC_IO. */
enum rc ledger_file_make(const char *path, struct err *err);

/* Looks through the log of the file, which nobody writes meanwhile.  `damage` gets what cannot
 * come of a crash; "" if there is nothing.  What the log's checksums put right (base/wal.h) is
 * written and synced: true, and whoever has the file open must open it anew. */
bool ledger_file_look(const char *path, char *damage, size_t room);

#endif
