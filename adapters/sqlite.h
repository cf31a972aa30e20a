/* sqlite.h - a SQLite file as a resource for calls of sagas: docs/adapters/sqlite.md.
 * Thread: the loop's. */
#ifndef ADAPTERS_SQLITE_H
#define ADAPTERS_SQLITE_H

#include "participant/adapter.h"

extern const struct adapter adapter_sqlite;

#endif
