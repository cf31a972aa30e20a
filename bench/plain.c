/* plain.c - see plain.h. */
#include "bench/plain.h"

#include "base/mem.h"
#include "bench/run.h"
#include "coordinator/journal_schema.h"

#include <string.h>

struct plain {
	sqlite3 *db;
	sqlite3_stmt *begin, *commit, *put, *end;
};

static void check(struct plain *p, bool ok)
{
	if (!ok)
		bench_die("sqlite: %s", sqlite3_errmsg(p->db));
}

static void exec(struct plain *p, const char *sql)
{
	check(p, sqlite3_exec(p->db, sql, NULL, NULL, NULL) == SQLITE_OK);
}

static sqlite3_stmt *prepare(struct plain *p, const char *sql)
{
	sqlite3_stmt *stmt = NULL;

	check(p, sqlite3_prepare_v3(p->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL) ==
			 SQLITE_OK);
	return stmt;
}

struct plain *plain_open(const char *path)
{
	struct plain only = {0};
	struct err err;

	check(&only,
	      sqlite3_open_v2(path, &only.db,
			      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
			      NULL) == SQLITE_OK);
	exec(&only, "PRAGMA page_size=4096; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
		    "PRAGMA wal_autocheckpoint=1000; PRAGMA journal_size_limit=67108864;"
		    "PRAGMA cache_size=-32768; PRAGMA cache_spill=OFF; PRAGMA secure_delete=OFF;"
		    "PRAGMA temp_store=MEMORY; PRAGMA mmap_size=0");
	if (schema_update(only.db, 0, &err) != RC_OK)
		bench_die("%s", err.text);
	return plain_on(only.db);
}

struct plain *plain_on(sqlite3 *db)
{
	struct plain *p = mem_new(1, sizeof *p);

	p->db = db;
	p->begin = prepare(p, "BEGIN IMMEDIATE");
	p->commit = prepare(p, "COMMIT");
	p->put = prepare(p,
			 "INSERT INTO txn(seq, state, finished_us, epoch, gid, workflow, reason,"
			 " hash, detail, parent) VALUES(?1, ?2, ?3, ?4, ?5, ?6, NULL, ?7, ?8, 0)");
	p->end = prepare(p, "UPDATE txn SET state = ?2, finished_us = ?3 WHERE seq = ?1");
	return p;
}

static void run(struct plain *p, sqlite3_stmt *stmt)
{
	check(p, sqlite3_step(stmt) == SQLITE_DONE);
	sqlite3_reset(stmt);
}

void plain_begin(struct plain *p)
{
	run(p, p->begin);
}

void plain_put(struct plain *p, const struct record *r, const void *detail, size_t size)
{
	sqlite3_bind_int64(p->put, 1, (sqlite3_int64)r->seq);
	sqlite3_bind_int(p->put, 2, (int)r->state);
	sqlite3_bind_int64(p->put, 3,
			   (sqlite3_int64)(r->finished_us != 0 ? r->finished_us : r->seq));
	sqlite3_bind_int64(p->put, 4, (sqlite3_int64)r->epoch);
	sqlite3_bind_text(p->put, 5, r->gid, -1, SQLITE_STATIC);
	sqlite3_bind_text(p->put, 6, r->workflow, -1, SQLITE_STATIC);
	sqlite3_bind_blob(p->put, 7, r->hash, sizeof r->hash, SQLITE_STATIC);
	sqlite3_bind_blob64(p->put, 8, detail, size, SQLITE_STATIC);
	run(p, p->put);
}

void plain_end(struct plain *p, const struct record *r)
{
	sqlite3_bind_int64(p->end, 1, (sqlite3_int64)r->seq);
	sqlite3_bind_int(p->end, 2, (int)r->state);
	sqlite3_bind_int64(p->end, 3, (sqlite3_int64)r->finished_us);
	run(p, p->end);
}

void plain_commit(struct plain *p)
{
	run(p, p->commit);
}

void plain_close(struct plain *p)
{
	sqlite3_finalize(p->begin);
	sqlite3_finalize(p->commit);
	sqlite3_finalize(p->put);
	sqlite3_finalize(p->end);
	sqlite3_close(p->db);
	free(p);
}
