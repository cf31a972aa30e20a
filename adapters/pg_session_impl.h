/* pg_session_impl.h - a session's inside, for pg_session.c (its life),
 * pg_setup.c (its beginning) and pg_pipe.c (its units) only. */
#ifndef ADAPTERS_PG_SESSION_IMPL_H
#define ADAPTERS_PG_SESSION_IMPL_H

#include "adapters/pg_resolve.h"
#include "adapters/pg_session.h"

enum pg_session_state {
	PG_OFF,
	PG_RESOLVING,
	PG_CONNECTING,
	PG_SETTING_UP,
	PG_UP,
	PG_WAITING, /* to connect again */
	PG_SESSION_STATES
};

struct pg_session {
	const struct pg_session_host *host;
	enum pg_session_state state;
	PGconn *conn;
	uv_poll_t *poll;
	int fd;     /* what `poll` watches */
	int events; /* what for; 0: stopped */
	struct pg_resolve *resolve;
	struct adapter_timer timer; /* pause, connect time-out, or a break that is due */
	unsigned failures;
	bool doomed;  /* could not send: it breaks in the loop's next iteration */
	bool recycle; /* breaks once it has no unit */
	bool claimed;
	unsigned holds;

	struct pg_unit *units; /* in the order sent */
	unsigned n_units;
	bool *parsed; /* by statement id: this backend knows it */

	int pid;
	char start[PG_START_SIZE];
	char token[PG_START_SIZE]; /* a setting that must still be there later */
	uint32_t lock_ms, statement_ms;
	struct pg_unit setup_unit, probe_unit, extra_unit, timeouts_unit, rollback_unit;
	char why[400]; /* first reason that setting up failed */
};

/* pg_pipe.c: reads what has arrived and gives it to its units; false if the
 * connection is lost, and `*why` tells (valid until the next call). */
bool pg_pipe_read(struct pg_session *s, const char **why);
/* Writes what waits; the events to watch for. */
int pg_pipe_flush(struct pg_session *s);
/* Ends all units as not whole. */
void pg_pipe_drop(struct pg_session *s);
/* pg_setup.c: takes a connection that was accepted from CONNECTING to UP. */
void pg_session_set_up(struct pg_session *s);
/* pg_session.c: the only place where `state` changes. */
void pg_session_move(struct pg_session *s, enum pg_session_state to);
/* pg_session.c: watches the socket as pg_pipe_flush says. */
void pg_session_watch(struct pg_session *s);

#endif
