/* journal_catalog.h - the rows of a resource and of a workflow.  Private to the journal.
 *
 * A resource's operations are kept as JSON, [{"name": "debit", "args": ["id", "amount"]}, …].
 * Thread: any; the connection's for a statement. */
#ifndef COORDINATOR_JOURNAL_CATALOG_H
#define COORDINATOR_JOURNAL_CATALOG_H

#include "coordinator/ports.h"

#include <sqlite3.h>

/* What catalog_read and catalog_read_workflow read. */
#define CATALOG_COLUMNS          "name, adapter, one_phase, operations, calls, exact, groups"
#define CATALOG_WORKFLOW_COLUMNS "name, version, active, published_us"

/* The JSON of a resource's operations; give it to free(). */
char *catalog_operations(const struct resource_info *info);

/* Call `each` with the row of `stmt`; false if it is not as we wrote it. */
bool catalog_read(sqlite3_stmt *stmt, resource_fn each, void *arg);
bool catalog_read_workflow(sqlite3_stmt *stmt, workflow_fn each, void *arg);

#endif
