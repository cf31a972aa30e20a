/* pg_session.h - one connection to the server: non-blocking, in pipeline mode,
 * reconnecting for ever.
 *
 * What is sent goes out in units, each closed by a sync point; units end in the
 * order in which they were sent.  A unit ends `whole` when its sync point came
 * back: then every result is known, and the server has finished with it (an
 * aborted transaction has let go of its locks).  It ends not whole when the
 * connection is lost: then nothing is known of it, whatever results came.
 *
 *        start           address          accepted          facts, probe
 *   OFF ───────▶ RESOLVING ────▶ CONNECTING ────▶ SETTING_UP ────▶ UP
 *                    ▲               │ failed          │            │ lost
 *                    └──── WAITING ◀─┴─────────────────┴────────────┘
 *
 * Thread: the loop's.  No call blocks, and no callback is made from inside a
 * call but for pg_session_break and pg_session_stop, which end the units. */
#ifndef ADAPTERS_PG_SESSION_H
#define ADAPTERS_PG_SESSION_H

#include "adapters/loop.h"
#include "adapters/pg_statement.h"

#include <libpq-fe.h>

struct pg_session;
struct pg_unit;

enum { PG_UNIT_SENDS = 8, PG_START_SIZE = 40 };

/* One result of step `step`; borrowed. A statement that returns rows gives one
 * result a row and one that ends them; every other gives one. */
typedef void (*pg_result_fn)(struct pg_unit *u, int step, const PGresult *res);
typedef void (*pg_end_fn)(struct pg_unit *u, bool whole);

/* Embedded in what waits for it; must live until its end. Fill `result`, `end`
 * and `arg` only. */
struct pg_unit {
	struct pg_unit *prev, *next;
	pg_result_fn result;
	pg_end_fn end;
	void *arg;
	struct {
		const struct pg_statement *parse;   /* this one prepares a statement */
		const struct pg_statement *execute; /* this one runs a prepared one, or … */
		int step;                           /* … a plain text when both are NULL */
	} sends[PG_UNIT_SENDS];
	unsigned n_sends, at;
	bool got; /* a result of the present send came */
	bool parse_failed;
};

/* What all sessions of a resource share. */
struct pg_session_host {
	struct adapter_loop *loop;
	const char *connection, *host, *app_name;
	size_t n_statements;
	/* It can be used; it cannot any more (or could not be connected), and why; units
	 * have ended and there may be room for more. */
	void (*up)(struct pg_session *s, void *arg);
	void (*down)(struct pg_session *s, bool was_up, const char *why, void *arg);
	void (*idle)(struct pg_session *s, void *arg);
	void *arg;
};

/* `host` is borrowed until pg_session_free. */
struct pg_session *pg_session_new(const struct pg_session_host *host);
/* Connects, if it is off. */
void pg_session_start(struct pg_session *s);
/* Closes and ends all units; the socket's handle closes in a later iteration. */
void pg_session_stop(struct pg_session *s);
/* Of one that is off, when no other session's units speak of it any more. */
void pg_session_free(struct pg_session *s);

/* Ends the connection now, because of `why`, and all units with it; it will
 * connect again after a pause that grows with each failure. */
void pg_session_break(struct pg_session *s, const char *why);
/* The same in the loop's next iteration; until then it is given no work. */
void pg_session_doom(struct pg_session *s);
/* The connection has proved good: the next pause is the shortest again. */
void pg_session_settle(struct pg_session *s);
/* Breaks once its units have ended (something is stale in it). */
void pg_session_recycle(struct pg_session *s);

/* Sends one statement of the unit that pg_session_sync closes. `values` has `n`
 * texts, NULL for NULL.  A connection that cannot send is broken later. */
void pg_session_execute(struct pg_session *s, struct pg_unit *u, int step,
			const struct pg_statement *st, const char *const *values, size_t n);
void pg_session_query(struct pg_session *s, struct pg_unit *u, int step, const char *sql);
void pg_session_sync(struct pg_session *s, struct pg_unit *u);

/* Sends, as a unit of the session's own, what sets the two timeouts, unless they
 * are so already. ms; 0 is none. */
void pg_session_timeouts(struct pg_session *s, const struct pg_statement *st, uint32_t lock_ms,
			 uint32_t statement_ms);
/* Sends a ROLLBACK as a unit of the session's own. */
void pg_session_rollback(struct pg_session *s, const struct pg_statement *st);

/* A claimed or held session is given no other work. */
void pg_session_claim(struct pg_session *s);
void pg_session_release(struct pg_session *s);
void pg_session_hold(struct pg_session *s);
void pg_session_unhold(struct pg_session *s);

bool pg_session_up(const struct pg_session *s);
/* Up, and nothing is under way on it, and nobody has claimed it. */
bool pg_session_vacant(const struct pg_session *s);
/* False while units of others are under way before those of `arg`. */
bool pg_session_serves(const struct pg_session *s, const void *arg);
/* No statement on it is ended by its time-out before `ms` have passed. */
bool pg_session_patient(const struct pg_session *s, uint32_t ms);
/* Units under way. */
unsigned pg_session_load(const struct pg_session *s);
/* The backend that serves it, or served it until it broke. */
int pg_session_pid(const struct pg_session *s);
const char *pg_session_backend_start(const struct pg_session *s);

#endif
