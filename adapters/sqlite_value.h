/* sqlite_value.h - JSON to SQLite's values, and rows to JSON.
 *
 * Rules: a value is only ever bound; an integer of 64 bits stays exact both ways;
 * output that does not fit in PAYLOAD_MAX, or is not UTF-8, is never passed on in part.
 * Thread: no shared state. */
#ifndef ADAPTERS_SQLITE_VALUE_H
#define ADAPTERS_SQLITE_VALUE_H

#include "adapters/http_args.h"
#include "adapters/http_text.h"
#include "base/err.h"

#include <sqlite3.h>

/* Binds one JSON value to parameter `place`.  Strings as text, whole numbers as
 * integers, others as reals, true and false as 1 and 0, null as NULL, objects and
 * arrays as their JSON text.  The text in `arg` must outlive the statement's run.
 * RC_INVALID: a number that SQLite cannot hold. */
enum rc sqlite_value_bind(sqlite3_stmt *s, int place, const struct http_arg *arg, struct err *err);

/* Appends the row that `s` stands on as a JSON object.  RC_TOO_BIG: over `out->max`;
 * RC_INVALID: a text is not UTF-8. */
enum rc sqlite_value_row(sqlite3_stmt *s, struct http_text *out, struct err *err);

#endif
