/* accounts.c - see accounts.h. */
#include "bench/accounts.h"

#include "bench/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BALANCE = 1000 * 1000, PATIENCE_MS = 10 * 1000, PAUSE_MS = 5 };

PGconn *accounts_connect(const char *conninfo)
{
	PGconn *conn = PQconnectdb(conninfo);

	if (PQstatus(conn) != CONNECTION_OK)
		bench_die("%s", PQerrorMessage(conn));
	return conn;
}

static PGresult *ask(PGconn *conn, const char *sql)
{
	PGresult *res = PQexec(conn, sql);
	const ExecStatusType status = PQresultStatus(res);

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
		bench_die("%s: %s", sql, PQerrorMessage(conn));
	return res;
}

void accounts_do(PGconn *conn, const char *sql)
{
	PQclear(ask(conn, sql));
}

static int64_t number(PGconn *conn, const char *sql)
{
	PGresult *res = ask(conn, sql);
	const int64_t n = strtoll(PQgetvalue(res, 0, 0), NULL, 10);

	PQclear(res);
	return n;
}

/* What has been answered may take the server a moment to forget. */
static void await_none(PGconn *conn, const char *what, const char *sql)
{
	int64_t n;

	for (int waited = 0; (n = number(conn, sql)) > 0; waited += PAUSE_MS) {
		if (waited >= PATIENCE_MS)
			bench_die("%" PRId64 " %s left on %s:%s", n, what, PQhost(conn),
				  PQport(conn));
		usleep(PAUSE_MS * 1000);
	}
}

static void await_nothing_prepared(const struct accounts *a)
{
	for (int s = 0; s < SIDES; s++)
		await_none(a->conn[s], "prepared transactions are",
			   "SELECT count(*) FROM pg_prepared_xacts");
}

void accounts_open(struct accounts *a, int n)
{
	char fill[200];

	snprintf(fill, sizeof fill,
		 "INSERT INTO account SELECT i, %d FROM generate_series(1, %d) AS i", BALANCE, n);
	for (int s = 0; s < SIDES; s++) {
		a->conn[s] = accounts_connect(a->conninfo[s]);
		/* Half of each page is left for new versions, so that a run does not
		 * find another table than the run before it. */
		accounts_do(a->conn[s], "CREATE TABLE account (id int PRIMARY KEY, "
					"balance bigint NOT NULL) WITH (fillfactor = 50)");
		accounts_do(a->conn[s], fill);
		a->sum[s] = (int64_t)n * BALANCE;
	}
}

void accounts_settle(const struct accounts *a)
{
	await_nothing_prepared(a);
	for (int s = 0; s < SIDES; s++) {
		await_none(a->conn[s], "sessions of the loop are",
			   "SELECT count(*) FROM pg_stat_activity "
			   "WHERE application_name = 'bench-loop'");
		accounts_do(a->conn[s], "VACUUM (ANALYZE) account");
	}
	for (int s = 0; s < SIDES; s++)
		accounts_do(a->conn[s], "CHECKPOINT");
}

void accounts_check(struct accounts *a, int64_t moved)
{
	await_nothing_prepared(a);
	a->sum[SIDE_A] -= moved;
	a->sum[SIDE_B] += moved;
	for (int s = 0; s < SIDES; s++) {
		const int64_t sum = number(a->conn[s], "SELECT sum(balance) FROM account");

		if (sum != a->sum[s])
			bench_die("server %c has %" PRId64 ", by what the clients were told it "
				  "should be %" PRId64,
				  "ab"[s], sum, a -> sum[s]);
	}
}

void accounts_close(struct accounts *a)
{
	for (int s = 0; s < SIDES; s++)
		PQfinish(a->conn[s]);
}
