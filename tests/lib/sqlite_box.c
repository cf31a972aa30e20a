#include "tests/lib/sqlite_box.h"

#include "adapters/sqlite.h"

#include <stdlib.h>
#include <unistd.h>

char *box_path(void)
{
	static int n;

	return temp_path("box-%d-%d.db", (int)getpid(), n++);
}

char *box_config(const char *file, const char *more, const char *operations)
{
	return textf("adapter: sqlite\n"
		     "file: %s\n"
		     "schema:\n"
		     "  - CREATE TABLE item (id INTEGER PRIMARY KEY, n NOT NULL)\n"
		     "%s"
		     "operations:\n"
		     "  add: {sql: INSERT INTO item (n) VALUES (:n) RETURNING id, args: [n]}\n"
		     "  take: {sql: 'DELETE FROM item WHERE n = ?1', args: [n], expect_rows: 1}\n"
		     "  slow:\n"
		     "    sql: WITH RECURSIVE c(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM c"
		     " WHERE i < 1000000000000) INSERT INTO item (n)"
		     " SELECT :n + count(*) FROM c\n"
		     "    args: [n]\n"
		     "%s",
		     file, more, operations);
}

struct cr *box_serve(const char *file, const char *more, const char *operations)
{
	char *config = box_config(file, more, operations);
	struct cr *r = cr_serve(&adapter_sqlite, config);

	free(config);
	return r;
}

void box_await_problem(struct cr *r, const char *text)
{
	const int64_t until = clock_ms() + harness_patience_ms(30);

	while (r->ready || strstr(r->problem, text) == NULL) {
		if (clock_ms() > until)
			FAIL("%s, not a problem with \"%s\"", r->ready ? "ready" : r->problem,
			     text);
		cr_turn(r);
	}
}

sqlite3 *box_open(const char *file)
{
	sqlite3 *db;

	NEED(sqlite3_open(file, &db) == SQLITE_OK, "%s: %s", file, sqlite3_errmsg(db));
	sqlite3_busy_timeout(db, 30000);
	return db;
}

void box_do(sqlite3 *db, const char *sql)
{
	NEED(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s: %s", sql,
	     sqlite3_errmsg(db));
}

char *box_text(const char *file, const char *sql)
{
	sqlite3 *db = box_open(file);
	sqlite3_stmt *s;
	char *text;

	NEED(sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK, "%s: %s", sql,
	     sqlite3_errmsg(db));
	NEED(sqlite3_step(s) == SQLITE_ROW, "%s: no row: %s", sql, sqlite3_errmsg(db));
	text = textf("%s", (const char *)sqlite3_column_text(s, 0));
	sqlite3_finalize(s);
	sqlite3_close(db);
	return text;
}

int64_t box_number(const char *file, const char *sql)
{
	char *text = box_text(file, sql);
	const int64_t n = strtoll(text, NULL, 10);

	free(text);
	return n;
}

struct cr_call *box_do_in(struct cr *r, const char *gid, const char *operation, const char *args,
			  uint32_t timeout_ms)
{
	return cr_call(r, &(struct adapter_call){.gid = gid,
						 .step = "s",
						 .attempt = 1,
						 .operation = operation,
						 .args = {args, strlen(args)},
						 .timeout_ms = timeout_ms});
}
