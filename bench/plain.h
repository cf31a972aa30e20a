/* plain.h - SQLite alone, writing the rows that the journal writes.
 *
 * The journal's tables and settings, prepared statements, one thread, SQLite's own
 * checkpoints (at 1,000 pages, when a transaction has been committed) and its own file
 * access: pages are as large and have no checksums.
 * Thread: the program's only one. */
#ifndef BENCH_PLAIN_H
#define BENCH_PLAIN_H

#include "bench/rows.h"

#include <sqlite3.h>

struct plain;

/* Makes the file `path`. */
struct plain *plain_open(const char *path);
/* On a connection to a journal's file, which it takes; with the settings that it has. */
struct plain *plain_on(sqlite3 *db);

/* One transaction each, from plain_begin to plain_commit, which returns when it is durable. */
void plain_begin(struct plain *p);
void plain_put(struct plain *p, const struct record *r, const void *detail, size_t size);
void plain_end(struct plain *p, const struct record *r);
void plain_commit(struct plain *p);
void plain_close(struct plain *p);

#endif
