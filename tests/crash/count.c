#include "tests/crash/count.h"

#include "coordinator/record.h"
#include "tests/crash/world.h"
#include "tests/lib/bank.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SETTLED_S = 40, PATH_ROOM = 256 };

/* ---- the banks ---- */

void count_clear(void)
{
	for (int b = 0; b < BANKS; b++) {
		bank_do(b, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
			   "datname = current_database() AND pid <> pg_backend_pid()");
		while (bank_number(b, "SELECT count(*) FROM pg_prepared_xacts WHERE "
				      "database = current_database()") > 0) {
			char *name =
				bank_text(b, "SELECT quote_literal(gid) FROM pg_prepared_xacts "
					     "WHERE database = current_database() LIMIT 1");
			bank_do(b, "ROLLBACK PREPARED %s", name);
			free(name);
		}
	}
}

void count_make_tables(void)
{
	for (int b = 0; b < BANKS; b++) {
		bank_do(b, "DROP TABLE IF EXISTS account, ledger, settle_barrier CASCADE");
		bank_do(b, "CREATE TABLE account (id int PRIMARY KEY, balance bigint NOT NULL)");
		bank_do(b, "CREATE TABLE ledger (gid text NOT NULL, step text NOT NULL, "
			   "way text NOT NULL, account int NOT NULL, amount bigint NOT NULL)");
		bank_do(b, "CREATE INDEX ON ledger (gid)");
		bank_do(b, "INSERT INTO account SELECT i, %d FROM generate_series(1, %d) i",
			BALANCE, ACCOUNTS);
	}
}

long long count_prepared(int b)
{
	return bank_number(b,
			   "SELECT count(*) FROM pg_prepared_xacts WHERE gid LIKE 'settle:%s:%%'",
			   world.cluster);
}

long long count_waiting(int b)
{
	return bank_number(b, "SELECT count(*) FROM pg_stat_activity WHERE "
			      "datname = current_database() AND wait_event_type = 'Lock'");
}

long long count_rows(int b, const char *gid)
{
	return bank_number(b, "SELECT count(*) FROM ledger WHERE gid = '%s'", gid);
}

void count_await_orphans(void)
{
	for (int b = 0; b < BANKS; b++)
		WAIT_FOR(SETTLED_S, count_prepared(b) == 0);
}

static void check_money(void)
{
	long long total = 0;
	for (int b = 0; b < BANKS; b++) {
		NEED(count_prepared(b) == 0, "bank %d: a branch is left prepared", b);
		total += bank_number(b, "SELECT sum(balance) FROM account");
		NEED(bank_number(b,
				 "SELECT count(*) FROM account a WHERE balance <> %d + coalesce("
				 "(SELECT sum(amount) FROM ledger l WHERE l.account = a.id), 0)",
				 BALANCE) == 0,
		     "bank %d: a balance is not what its ledger says", b);
	}
	NEED(total == TOTAL, "the two banks hold %lld together, not %d", total, TOTAL);
}

/* ---- counting one effect ---- */

struct seen {
	long long done, undone;
	bool exact;       /* the counts are of effects, not of messages */
	bool undone_last; /* known of a book only */
};

static void see_bank(int b, const struct deal *d, const struct effect *e, struct seen *s)
{
	static const char sql[] = "SELECT count(*) FROM ledger WHERE gid = '%s' AND step = '%s' "
				  "AND way = '%s'";
	s->done = bank_number(b, sql, d->gid, e->step, "do");
	s->undone = bank_number(b, sql, d->gid, e->step, "undo");
	s->exact = true;
}

/* `mode`: a service's file may have to be rolled back first; the journal is only looked at. */
static long long file_number(const char *path, int mode, const char *sql, const char *gid,
			     const char *more)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *stmt = NULL;
	long long n = -1;

	NEED(sqlite3_open_v2(path, &db, mode, NULL) == SQLITE_OK, "%s: %s", path,
	     sqlite3_errmsg(db));
	sqlite3_busy_timeout(db, 20000);
	NEED(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK, "%s: %s", path,
	     sqlite3_errmsg(db));
	if (gid)
		sqlite3_bind_text(stmt, 1, gid, -1, SQLITE_STATIC);
	if (more)
		sqlite3_bind_text(stmt, 2, more, -1, SQLITE_STATIC);
	const int rc = sqlite3_step(stmt);
	NEED(rc == SQLITE_ROW || rc == SQLITE_DONE, "%s: %s", path, sqlite3_errmsg(db));
	if (rc == SQLITE_ROW)
		n = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return n;
}

static void see_box(const struct deal *d, const struct effect *e, struct seen *s)
{
	char *path = world_file("box.db");
	s->done =
		file_number(path, SQLITE_OPEN_READWRITE,
			    "SELECT count(*) FROM effect WHERE gid = ? AND step = ? AND way = 'do'",
			    d->gid, e->step);
	s->undone = file_number(
		path, SQLITE_OPEN_READWRITE,
		"SELECT count(*) FROM effect WHERE gid = ? AND step = ? AND way = 'undo'", d->gid,
		e->step);
	s->exact = true;
	free(path);
}

static bool ends_with(const char *text, const char *end)
{
	const size_t n = strlen(text), m = strlen(end);
	return n >= m && strcmp(text + n - m, end) == 0;
}

/* Facts of the plugin's file: a word, a key, and more. */
static void see_stock(const struct deal *d, const struct effect *e, struct seen *s)
{
	char *path = world_file("stock.facts"), *text = file_read(path), *save = NULL;
	char key[PATH_ROOM], branch[PATH_ROOM];

	snprintf(key, sizeof key, "%s/%s", d->gid, e->step);
	snprintf(branch, sizeof branch, ":%s:%s", d->gid, e->step);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char word[16] = "", of[PATH_ROOM] = "";
		sscanf(line, "%15s %255s", word, of);
		if (strcmp(of, key) == 0) {
			s->done += strcmp(word, "took") == 0;
			s->undone += strcmp(word, "gave") == 0;
		} else if (ends_with(of, branch)) {
			s->done += strcmp(word, "sold") == 0;
		}
	}
	s->exact = true;
	free(text);
	free(path);
}

/* The command's book: a line each time that it ran. Its arguments tell the way of a
 * call, which is also its key's. */
static void see_hut(const struct deal *d, const struct effect *e, struct seen *s)
{
	char *path = world_file("hut.book"), *text = file_read(path), *save = NULL;
	char doing[PATH_ROOM], undoing[PATH_ROOM];

	snprintf(doing, sizeof doing, "%s %s %s", d->gid, e->step,
		 e->kind == BRANCH ? "commit" : "do");
	snprintf(undoing, sizeof undoing, "%s %s undo", d->gid, e->step);
	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (strcmp(line, doing) == 0) {
			s->done++;
			s->undone_last = false;
		} else if (strcmp(line, undoing) == 0) {
			s->undone++;
			s->undone_last = true;
		}
	}
	free(text);
	free(path);
}

static void see_desk(const struct deal *d, const struct effect *e, struct seen *s)
{
	char path[PATH_ROOM];

	snprintf(path, sizeof path, "/%s/%s/%s", d->gid, e->step,
		 e->kind == BRANCH ? "commit" : "do");
	s->done = http_stub_count(world.desk, path);
	snprintf(path, sizeof path, "/%s/%s/undo", d->gid, e->step);
	s->undone = http_stub_count(world.desk, path);
	s->undone_last = true;
}

static struct seen see(const struct deal *d, const struct effect *e)
{
	struct seen s = {0};
	switch (e->at) {
	case AT_BANK_A: see_bank(BANK_A, d, e, &s); break;
	case AT_BANK_B: see_bank(BANK_B, d, e, &s); break;
	case AT_BOX: see_box(d, e, &s); break;
	case AT_STOCK: see_stock(d, e, &s); break;
	case AT_HUT: see_hut(d, e, &s); break;
	case AT_DESK: see_desk(d, e, &s); break;
	case PLACES: break;
	}
	return s;
}

/* ---- effects against what was told ---- */

static bool agrees(const struct seen *s, enum effect_kind kind, bool committed)
{
	if (committed)
		return s->undone == 0 && (s->exact ? s->done == 1 : s->done >= 1);
	if (kind == BRANCH)
		return s->done == 0;
	if (s->exact)
		return s->done == s->undone && s->done <= 1;
	return s->done == 0 || (s->undone > 0 && s->undone_last);
}

static void check_effects(const struct deal *d)
{
	const bool committed = d->told == TOLD_FORWARD;

	NEED(!(committed && d->flow->refused), "%s was refused, but is called committed", d->gid);
	for (const struct effect *e = d->flow->effects; e->kind; e++) {
		const struct seen s = see(d, e);
		NEED(agrees(&s, e->kind, committed),
		     "%s is called %s, but its effect %s at %s was done %lld times and undone %lld",
		     d->gid,
		     committed              ? "committed"
		     : d->told == TOLD_BACK ? "rolled back"
					    : "unknown",
		     e->step, place_name[e->at], s.done, s.undone);
	}
}

void count_all(void)
{
	check_money();
	for (int i = 0; i < deals(); i++)
		if (!deal_at(i)->by_hand && deal_at(i)->known)
			check_effects(deal_at(i));
}

/* ---- the journal ---- */

static char *integrity(const char *path)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *stmt = NULL;
	char *text;

	NEED(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK, "%s: %s", path,
	     sqlite3_errmsg(db));
	NEED(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &stmt, NULL) == SQLITE_OK &&
		     sqlite3_step(stmt) == SQLITE_ROW,
	     "%s: %s", path, sqlite3_errmsg(db));
	text = textf("%s", (const char *)sqlite3_column_text(stmt, 0));
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return text;
}

void count_journal(void)
{
	char unfinished[128];
	char *path = textf("%s/settle.db", world.data), *whole = integrity(path);

	snprintf(unfinished, sizeof unfinished,
		 "SELECT count(*) FROM txn WHERE state NOT IN (%d, %d)", TXN_COMMITTED,
		 TXN_ABORTED);
	NEED(strcmp(whole, "ok") == 0, "the journal is damaged: %s", whole);
	NEED(file_number(path, SQLITE_OPEN_READONLY, unfinished, NULL, NULL) == 0,
	     "what the journal has is not finished, though everybody was told so");
	for (int i = 0; i < deals(); i++) {
		const struct deal *d = deal_at(i);
		const long long state =
			file_number(path, SQLITE_OPEN_READONLY,
				    "SELECT state FROM txn WHERE gid = ?", d->gid, NULL);
		if (d->by_hand || d->may_fade)
			continue;
		if (d->told == TOLD_FORWARD || d->told == TOLD_BACK)
			NEED(state == (d->told == TOLD_FORWARD ? TXN_COMMITTED : TXN_ABORTED),
			     "%s was told an end, but the journal has %lld of it", d->gid, state);
		else
			NEED(state == -1, "%s is told unknown, but the journal has it: %lld",
			     d->gid, state);
	}
	free(whole);
	free(path);
}
