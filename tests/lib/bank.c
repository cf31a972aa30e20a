#include "tests/lib/bank.h"

#include "tests/lib/harness.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct pg_server *bank[BANKS];

static PGconn *kept[BANKS];
static pid_t kept_by;

/* An operation changes one account and notes it; `note` refers to an account by a
 * foreign key that is looked at only when the transaction is prepared. */
const char bank_operations[] =
	"      debit:\n"
	"        sql: >-\n"
	"          WITH paid AS (UPDATE account SET balance = balance - $2\n"
	"          WHERE id = $1 AND balance >= $2 RETURNING id, balance),\n"
	"          noted AS (INSERT INTO ledger (gid, account, amount)\n"
	"          SELECT $3, id, -($2::bigint) FROM paid)\n"
	"          SELECT balance FROM paid\n"
	"        args: [id, amount, gid]\n"
	"        expect_rows: 1\n"
	"      credit:\n"
	"        sql: >-\n"
	"          WITH paid AS (UPDATE account SET balance = balance + $2\n"
	"          WHERE id = $1 RETURNING id, balance),\n"
	"          noted AS (INSERT INTO ledger (gid, account, amount)\n"
	"          SELECT $3, id, $2 FROM paid)\n"
	"          SELECT balance FROM paid\n"
	"        args: [id, amount, gid]\n"
	"        expect_rows: 1\n"
	"      overdraw:\n"
	"        sql: UPDATE account SET balance = balance - $2 WHERE id = $1 AND $3 <> '-'\n"
	"        args: [id, amount, gid]\n"
	"      fail:\n"
	"        sql: SELECT 1 / (length($3) - length($3)) + $1 + $2\n"
	"        args: [id, amount, gid]\n"
	"      refer:\n"
	"        sql: INSERT INTO note (account, amount, gid) VALUES ($1 + 1000000, $2, $3)\n"
	"        args: [id, amount, gid]\n"
	"      scratch:\n"
	"        sql: CREATE TEMP TABLE scratch AS SELECT $1::int, $2::bigint, $3::text\n"
	"        args: [id, amount, gid]\n"
	"      look:\n"
	"        sql: SELECT balance FROM account WHERE id = $1\n"
	"        args: [id]\n"
	"        read_only: true\n";

void banks_open(void)
{
	bank[BANK_A] = pg_server_new("bank-a", NULL);
	bank[BANK_B] = pg_server_new("bank-b", NULL);
}

void banks_close(void)
{
	for (int b = 0; b < BANKS; b++)
		pg_server_free(bank[b]);
}

/* A connection is never carried over a fork. */
static PGconn *keep(int b)
{
	if (kept_by != getpid()) {
		memset(kept, 0, sizeof kept);
		kept_by = getpid();
	}
	if (kept[b] && PQstatus(kept[b]) != CONNECTION_OK) {
		PQfinish(kept[b]);
		kept[b] = NULL;
	}
	if (!kept[b]) {
		kept[b] = pg_open(bank[b]);
		/* A look must not be answered from a stale snapshot, nor hang. */
		pg_do(kept[b], "SET statement_timeout = '20s'");
		pg_do(kept[b], "SET client_min_messages = warning");
	}
	return kept[b];
}

/* The server may have gone since the last look: then once more, on a new one. An
 * error without SQLSTATE is the connection's, whatever PQstatus still believes. */
static PGresult *ask(int b, const char *sql)
{
	for (int attempt = 0;; attempt++) {
		PGconn *conn = keep(b);
		PGresult *res = PQexec(conn, sql);
		ExecStatusType status = PQresultStatus(res);
		if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
			return res;
		bool lost = !PQresultErrorField(res, PG_DIAG_SQLSTATE) ||
			    PQstatus(conn) != CONNECTION_OK;
		NEED(attempt == 0 && lost, "%s: %s: %s", bank[b]->name, sql, PQerrorMessage(conn));
		PQclear(res);
		PQfinish(kept[b]);
		kept[b] = NULL;
	}
}

static PGresult *vask(int b, const char *fmt, va_list ap)
{
	char *sql = NULL;
	if (vasprintf(&sql, fmt, ap) < 0)
		abort();
	PGresult *res = ask(b, sql);
	free(sql);
	return res;
}

long long bank_number(int b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	PGresult *res = vask(b, fmt, ap);
	va_end(ap);
	NEED(PQntuples(res) == 1, "not one row");
	long long n = atoll(PQgetvalue(res, 0, 0));
	PQclear(res);
	return n;
}

void bank_do(int b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	PQclear(vask(b, fmt, ap));
	va_end(ap);
}

char *bank_text(int b, const char *sql)
{
	PGresult *res = ask(b, sql);
	NEED(PQntuples(res) == 1, "not one row");
	char *text = textf("%s", PQgetvalue(res, 0, 0));
	PQclear(res);
	return text;
}

static void clear(int b)
{
	pg_server_start(bank[b]);
	bank_do(b, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
		   "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'");
	WAIT_FOR(10, bank_number(b, "SELECT count(*) FROM pg_stat_activity WHERE "
				    "pid <> pg_backend_pid() "
				    "AND backend_type = 'client backend'") == 0);
	while (bank_number(b, "SELECT count(*) FROM pg_prepared_xacts") > 0) {
		char *gid =
			bank_text(b, "SELECT quote_literal(gid) FROM pg_prepared_xacts LIMIT 1");
		bank_do(b, "ROLLBACK PREPARED %s", gid);
		free(gid);
	}
	bank_do(b, "DROP TABLE IF EXISTS account, ledger, note, settle_barrier CASCADE");
	bank_do(b, "CREATE TABLE account (id int PRIMARY KEY, "
		   "balance bigint NOT NULL CHECK (balance >= 0))");
	bank_do(b, "CREATE TABLE ledger (gid text NOT NULL, account int NOT NULL, "
		   "amount bigint NOT NULL)");
	bank_do(b, "CREATE TABLE note (account int REFERENCES account "
		   "DEFERRABLE INITIALLY DEFERRED, amount bigint, gid text)");
	bank_do(b, "INSERT INTO account SELECT i, %d FROM generate_series(1, %d) i", BALANCE,
		ACCOUNTS);
}

void banks_reset(void)
{
	for (int b = 0; b < BANKS; b++)
		clear(b);
}

long long balance(int b, int account)
{
	return bank_number(b, "SELECT balance FROM account WHERE id = %d", account);
}

long long prepared(int b)
{
	return bank_number(b, "SELECT count(*) FROM pg_prepared_xacts WHERE gid LIKE 'settle:%%'");
}

long long blocked(int b)
{
	return bank_number(b, "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted");
}

long long sessions(int b)
{
	return bank_number(b, "SELECT count(*) FROM pg_stat_activity WHERE "
			      "backend_type = 'client backend' AND pid <> pg_backend_pid()");
}

long long entries(int b, const char *gid)
{
	return bank_number(b, "SELECT count(*) FROM ledger WHERE gid = '%s'", gid);
}

PGconn *row_lock(int b, int account)
{
	PGconn *conn = pg_open(bank[b]);
	pg_do(conn, "BEGIN");
	pg_do(conn, "SELECT 1 FROM account WHERE id = %d FOR UPDATE", account);
	return conn;
}

void row_free(PGconn *lock)
{
	PQfinish(lock);
}

void banks_agree(void)
{
	static const char gids[] = "SELECT coalesce(string_agg(gid, ' ' ORDER BY gid), '') "
				   "FROM (SELECT DISTINCT gid FROM ledger) g";
	long long total = 0;
	for (int b = 0; b < BANKS; b++) {
		WAIT_FOR(30, prepared(b) == 0);
		total += bank_number(b, "SELECT sum(balance) FROM account");
	}
	NEED(total == TOTAL, "the two banks hold %lld together, not %d", total, TOTAL);
	for (int b = 0; b < BANKS; b++) {
		NEED(bank_number(b, "SELECT count(*) FROM note") == 0, "a note without account");
		NEED(bank_number(b,
				 "SELECT count(*) FROM account a WHERE balance <> %d + coalesce("
				 "(SELECT sum(amount) FROM ledger l WHERE l.account = a.id), 0)",
				 BALANCE) == 0,
		     "%s: a balance is not what its ledger says", bank[b]->name);
	}
	char *a = bank_text(BANK_A, gids);
	char *b = bank_text(BANK_B, gids);
	NEED(strcmp(a, b) == 0, "committed on one side only:\n  %s: %.600s\n  %s: %.600s",
	     bank[BANK_A]->name, a, bank[BANK_B]->name, b);
	free(a);
	free(b);
}
