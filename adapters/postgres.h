/* postgres.h - the adapter that enlists PostgreSQL (14 and later) by PREPARE
 * TRANSACTION.  docs/adapters/postgres.md tells its configuration and its rules.
 * Thread: the loop's. */
#ifndef ADAPTERS_POSTGRES_H
#define ADAPTERS_POSTGRES_H

#include "participant/adapter.h"

extern const struct adapter adapter_postgres;

#endif
