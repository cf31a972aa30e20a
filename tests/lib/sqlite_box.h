/* sqlite_box.h - a database file for tests of the SQLite adapter, looked at and changed
 * behind the adapter's back.  Thread: the test's main thread. */
#ifndef TESTS_LIB_SQLITE_BOX_H
#define TESTS_LIB_SQLITE_BOX_H

#include "tests/lib/calls_rig.h"

#include <sqlite3.h>

/* A new path in the test's directory; for free(). */
char *box_path(void);
/* The resource's map: `file`, more lines of it, and operations (indented by two) beside
 * these: add (n), which puts a row in `item` and gives it back; take (n), which removes
 * one; slow (n), which ends never.  `schema` makes the table. For free(). */
char *box_config(const char *file, const char *more, const char *operations);
/* Opens with box_config and waits until it serves. */
struct cr *box_serve(const char *file, const char *more, const char *operations);
/* Runs the loop until it does not serve, for a reason that has `text` in it. */
void box_await_problem(struct cr *r, const char *text);

/* A connection of somebody else's; fails the test on an error. */
sqlite3 *box_open(const char *file);
void box_do(sqlite3 *db, const char *sql);
/* The first column of the first row, of a connection of its own. */
int64_t box_number(const char *file, const char *sql);
/* The same as text, for free(). */
char *box_text(const char *file, const char *sql);
#define ITEMS(file, n) ck_assert_int_eq(box_number(file, "SELECT count(*) FROM item"), n)

/* A call with so much time. */
struct cr_call *box_do_in(struct cr *r, const char *gid, const char *operation, const char *args,
			  uint32_t timeout_ms);

#endif
