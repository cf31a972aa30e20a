#include "tests/lib/conformance.h"

#include "adapters/sqlite.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- sqlite: effects are rows of a file ---- */

static void *sqlite_begin(void)
{
	static int n;

	return temp_path("conformance-%d-%d.db", (int)getpid(), n++);
}

static char *sqlite_config(void *world)
{
	return textf("adapter: sqlite\n"
		     "file: %s\n"
		     "schema:\n"
		     "  - CREATE TABLE effect (id INTEGER PRIMARY KEY, name TEXT NOT NULL)\n"
		     "operations:\n"
		     "  add:\n"
		     "    sql: INSERT INTO effect (name) VALUES (:name)"
		     " RETURNING id, name, hex(randomblob(4)) AS mark\n"
		     "    args: [name]\n"
		     "  remove:\n"
		     "    sql: DELETE FROM effect WHERE id = (SELECT max(id) FROM effect"
		     " WHERE name = :name)\n"
		     "    args: [name]\n"
		     "    expect_rows: 1\n"
		     "  refuse:\n"
		     "    sql: INSERT INTO effect (name) VALUES (:name), (NULL)\n"
		     "    args: [name]\n"
		     "  slow:\n"
		     "    sql: WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n"
		     " WHERE i < 1000000000000) INSERT INTO effect (name)"
		     " SELECT :name || count(*) FROM n\n"
		     "    args: [name]\n",
		     (char *)world);
}

static int sqlite_effects(void *world, const char *name)
{
	sqlite3 *db;
	sqlite3_stmt *s;
	int n;

	NEED(sqlite3_open(world, &db) == SQLITE_OK, "cannot open %s", (char *)world);
	sqlite3_busy_timeout(db, 10000);
	NEED(sqlite3_prepare_v2(db, "SELECT count(*) FROM effect WHERE name = ?1 OR ?1 IS NULL", -1,
				&s, NULL) == SQLITE_OK,
	     "%s", sqlite3_errmsg(db));
	sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
	NEED(sqlite3_step(s) == SQLITE_ROW, "%s", sqlite3_errmsg(db));
	n = sqlite3_column_int(s, 0);
	sqlite3_finalize(s);
	sqlite3_close(db);
	return n;
}

const struct conformer conformers[] = {
	{"sqlite", &adapter_sqlite, sqlite_begin, free, sqlite_config, sqlite_effects},
};
const int n_conformers = sizeof conformers / sizeof conformers[0];
