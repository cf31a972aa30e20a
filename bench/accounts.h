/* accounts.h - the two servers' tables: the same for both sides of the benchmark.
 *
 * Thread: the program's only one. */
#ifndef BENCH_ACCOUNTS_H
#define BENCH_ACCOUNTS_H

#include <libpq-fe.h>
#include <stdint.h>

enum { SIDE_A, SIDE_B, SIDES };

/* As in the agents' files (bench-2pc.sh), to the letter. */
#define DEBIT_SQL  "UPDATE account SET balance = balance - $2 WHERE id = $1 AND balance >= $2"
#define CREDIT_SQL "UPDATE account SET balance = balance + $2 WHERE id = $1"

struct accounts {
	const char *conninfo[SIDES];
	PGconn *conn[SIDES];
	int64_t sum[SIDES]; /* as it should be */
};

/* Connects to servers that are empty, and makes tables of `n` accounts. */
void accounts_open(struct accounts *a, int n);

/* Before each run: nothing is prepared, nobody else's session works, tables and
 * write-ahead log are in the same state. */
void accounts_settle(const struct accounts *a);

/* After each run: ends the program if the two sums are not what they were, less
 * and more what was moved, or if a transaction is left prepared. */
void accounts_check(struct accounts *a, int64_t moved);

void accounts_close(struct accounts *a);

/* Opens a connection, or ends the program. */
PGconn *accounts_connect(const char *conninfo);
/* Executes, or ends the program. */
void accounts_do(PGconn *conn, const char *sql);

#endif
