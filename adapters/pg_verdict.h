/* pg_verdict.h - what one of the server's results means.
 *
 * Rule: PREPARE TRANSACTION (and COMMIT) in an aborted transaction succeed with
 * the command tag ROLLBACK, so that status alone proves nothing: only the tag
 * does.  A result without SQLSTATE, or one that ends the session, is unknown.
 * Thread: no shared state. */
#ifndef ADAPTERS_PG_VERDICT_H
#define ADAPTERS_PG_VERDICT_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>

enum pg_verdict {
	PG_NONE,    /* no result came */
	PG_DONE,    /* succeeded, and did what was asked */
	PG_UNDONE,  /* succeeded with another tag: the transaction was rolled back */
	PG_FAILED,  /* an error with its SQLSTATE: this statement certainly did nothing */
	PG_SKIPPED, /* not executed, because something before it failed */
	PG_LOST,    /* cannot tell */
};

/* Judges `res` (NULL: PG_LOST). `tag` is the command tag that proves success;
 * NULL takes any. */
enum pg_verdict pg_verdict(const PGresult *res, const char *tag);

/* The same, for statements that make or end a promise (PREPARE TRANSACTION,
 * COMMIT): an internal or system error there is PG_LOST, since the server may
 * have failed after the deed. */
enum pg_verdict pg_verdict_final(const PGresult *res, const char *tag);

/* True if `res` is an error with this SQLSTATE. */
bool pg_state_is(const PGresult *res, const char *sqlstate);
/* True if `sqlstate` begins with one of `prefixes`, which NULL ends. */
bool pg_state_in(const char *sqlstate, const char *const *prefixes);

/* What a person must know beside the server's words. */
struct pg_circumstance {
	enum { PG_WORKING, PG_PROMISING, PG_FINISHING } during;
	bool late;      /* the time that was given is used up */
	bool cancelled; /* we asked the server to cancel it */
};

/* Writes one line for people: our words for what a person meets often, the
 * server's primary message, its SQLSTATE, and the cure where we know one.
 * Returns `out`. */
char *pg_explain(char *out, size_t size, const PGresult *res, struct pg_circumstance how);

/* libpq's message about a connection, as one line. */
char *pg_one_line(char *out, size_t size, const char *message);

/* snprintf that never cuts a UTF-8 character in two. */
void pg_print(char *out, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
