/* pg_server.h - a PostgreSQL server of the test's own.
 *
 * It lives in the program's temporary directory, listens on a socket there (on TCP
 * only if `listen_addresses` is set), runs as the user postgres when the test is
 * root, and ends with the process that started it, however that one ends.
 * Nothing is ever ended but by the process id that was started here.
 * Thread: the test's main thread. */
#ifndef TESTS_LIB_PG_SERVER_H
#define TESTS_LIB_PG_SERVER_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <sys/types.h>

struct pg_server {
	char *name;     /* of its directory */
	char *dir;      /* holds data/, log and the socket */
	int port;       /* part of the socket's name; TCP if asked for */
	char *conninfo; /* for libpq, database `bank`, as a superuser */
	pid_t pid;      /* of the postmaster; 0: not running */
	pid_t started_by;
};

/* Makes a cluster with an empty database `bank` and starts it.  `settings` are
 * lines for postgresql.conf ("max_prepared_transactions = 0"), ended by NULL, or
 * NULL; they win over these: max_prepared_transactions = 100, fsync = off,
 * autovacuum = off, small buffers. Fails the test if it does not serve in time. */
struct pg_server *pg_server_new(const char *name, const char *const *settings);

/* Adds a line to postgresql.conf; it counts from the next start. */
void pg_server_set(struct pg_server *s, const char *setting);

/* Starts it, if it does not run, and waits until it serves. A test may be another
 * process than the one that made the server: what runs is looked up, not assumed. */
void pg_server_start(struct pg_server *s);

/* Immediate stop (SIGQUIT) of the postmaster; returns when it is gone. */
void pg_server_stop(struct pg_server *s);

/* kill -9 of the postmaster; its children notice and end themselves. */
void pg_server_kill(struct pg_server *s);

/* Stops it if this very process started it, which it would not outlive: the next
 * test then finds it stopped, not stopping. */
void pg_server_stop_own(struct pg_server *s);

/* Stops it, removes its directory, frees. NULL is ignored. */
void pg_server_free(struct pg_server *s);

/* Opens a connection, or fails the test; PQfinish ends it. */
PGconn *pg_open(const struct pg_server *s);
/* Executes, or fails the test with the server's message. */
void pg_do(PGconn *conn, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The first column of the first row as a number; fails the test if there is none. */
long long pg_number(PGconn *conn, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same, on a connection of its own. */
long long pg_ask(const struct pg_server *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
