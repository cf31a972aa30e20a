/* bank.h - the two banks that the tests move money between.
 *
 * Each is a PostgreSQL server with ten accounts of 1,000, and a ledger: every
 * operation writes the gid beside the change that it made, in the same statement,
 * so that what a bank did can be held against what the coordinator says.
 * The servers live as long as the test program; each test begins with fresh tables.
 * Thread: the test's main thread. */
#ifndef TESTS_LIB_BANK_H
#define TESTS_LIB_BANK_H

#include "tests/lib/pg_server.h"

enum { BANK_A, BANK_B, BANKS };
enum { ACCOUNTS = 10, BALANCE = 1000, TOTAL = BANKS * ACCOUNTS * BALANCE };

extern struct pg_server *bank[BANKS];

/* Once a program. */
void banks_open(void);
void banks_close(void);

/* Once a test: running, nothing prepared, nobody connected, fresh tables. */
void banks_reset(void);

/* The operations that the tests' agents offer, as the map for their file. */
extern const char bank_operations[];

/* A number asked of the bank on a connection that is kept, and made anew if the
 * server went away. */
long long bank_number(int b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void bank_do(int b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A text asked of the bank; give to free(). */
char *bank_text(int b, const char *sql);

long long balance(int b, int account);
/* Prepared transactions of ours. */
long long prepared(int b);
/* Sessions that wait for a lock. */
long long blocked(int b);
/* Sessions of agents. */
long long sessions(int b);
/* Entries of `gid` in the ledger. */
long long entries(int b, const char *gid);

/* Takes the row's lock until row_free: who changes the account waits. */
PGconn *row_lock(int b, int account);
void row_free(PGconn *lock);

/* Both banks: nothing prepared soon, the total unchanged, the same gids in both. */
void banks_agree(void);

#endif
