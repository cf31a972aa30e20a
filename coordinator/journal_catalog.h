/* journal_catalog.h - the row of a resource.  Private to the journal.
 *
 * Its operations are kept as JSON, [{"name": "debit", "args": ["id", "amount"]}, …].
 * Thread: any; the connection's for a statement. */
#ifndef COORDINATOR_JOURNAL_CATALOG_H
#define COORDINATOR_JOURNAL_CATALOG_H

#include "coordinator/ports.h"

#include <sqlite3.h>

/* What catalog_read reads. */
#define CATALOG_COLUMNS "name, adapter, one_phase, operations"

/* The JSON of a resource's operations; give it to free(). */
char *catalog_operations(const struct resource_info *info);

/* Calls `each` with the row of `stmt`; false if it is not as we wrote it. */
bool catalog_read(sqlite3_stmt *stmt, resource_fn each, void *arg);

#endif
