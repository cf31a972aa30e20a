/* pooler.h - as much of a transaction-pooling proxy as it takes to be found out.
 *
 * It sits before a PostgreSQL server and shares the server's sessions out among
 * its clients, in one of the wrong ways.  Thread: calls from the test's main
 * thread; it works on one of its own. */
#ifndef TESTS_LIB_POOLER_H
#define TESTS_LIB_POOLER_H

#include "tests/lib/pg_server.h"

enum pooler_kind {
	POOLER_HONEST,  /* each client has its session */
	POOLER_SHARES,  /* all clients have the first client's session */
	POOLER_ROTATES, /* a client's every request goes to another session */
};

struct pooler;

struct pooler *pooler_new(const struct pg_server *server, enum pooler_kind kind);
int pooler_port(const struct pooler *p);
void pooler_free(struct pooler *p);

#endif
