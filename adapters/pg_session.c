/* pg_session.c - a session's life: connect, set up, serve, break, connect again.
 * See pg_session.h. */
#include "adapters/pg_session_impl.h"

#include "adapters/pg_verdict.h"
#include "base/crash.h"
#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { CONNECT_TIMEOUT_MS = 10000, PAUSE_FIRST_MS = 100, PAUSE_MAX_MS = 5000 };

#define TO(state) (1u << (state))

static const unsigned may_move[PG_SESSION_STATES] = {
	[PG_OFF] = TO(PG_RESOLVING) | TO(PG_CONNECTING) | TO(PG_WAITING),
	[PG_RESOLVING] = TO(PG_CONNECTING) | TO(PG_WAITING) | TO(PG_OFF),
	[PG_CONNECTING] = TO(PG_SETTING_UP) | TO(PG_WAITING) | TO(PG_OFF),
	[PG_SETTING_UP] = TO(PG_UP) | TO(PG_WAITING) | TO(PG_OFF),
	[PG_UP] = TO(PG_WAITING) | TO(PG_OFF),
	[PG_WAITING] = TO(PG_RESOLVING) | TO(PG_CONNECTING) | TO(PG_OFF),
};

void pg_session_move(struct pg_session *s, enum pg_session_state to)
{
	assert(may_move[s->state] & TO(to));
	s->state = to;
}

/* ---- the socket's handle; libpq may change the socket while it connects ---- */

static void on_poll(uv_poll_t *poll, int status, int events);

static void on_poll_closed(uv_handle_t *handle)
{
	struct adapter_loop *l = handle->data;

	free(handle);
	adapter_loop_closed(l);
}

static void drop_poll(struct pg_session *s)
{
	if (s->poll == NULL)
		return;
	s->poll->data = s->host->loop;
	uv_close((uv_handle_t *)s->poll, on_poll_closed);
	s->poll = NULL;
	s->events = 0;
}

static void watch(struct pg_session *s, int events)
{
	const int fd = PQsocket(s->conn);

	if (s->poll != NULL && s->fd != fd)
		drop_poll(s);
	if (s->poll == NULL) {
		s->poll = mem_new(1, sizeof *s->poll);
		if (uv_poll_init(s->host->loop->uv, s->poll, fd) != 0) {
			free(s->poll);
			s->poll = NULL;
			pg_session_doom(s);
			return;
		}
		adapter_loop_opened(s->host->loop);
		s->poll->data = s;
		s->fd = fd;
	}
	if (events != s->events)
		uv_poll_start(s->poll, events, on_poll);
	s->events = events;
}

void pg_session_watch(struct pg_session *s)
{
	watch(s, pg_pipe_flush(s));
}

void pg_session_doom(struct pg_session *s)
{
	s->doomed = true;
	adapter_timer_set(s->host->loop, &s->timer, 0);
}

/* ---- breaking, and the pause ---- */

static uint64_t pause_ms(unsigned failures)
{
	uint64_t ms = PAUSE_FIRST_MS;

	for (unsigned i = 1; i < failures && ms < PAUSE_MAX_MS; i++)
		ms *= 2;
	if (ms > PAUSE_MAX_MS)
		ms = PAUSE_MAX_MS;
	/* Jitter, so that a pool does not knock at a server's door in step. */
	return ms / 2 + uv_hrtime() % (ms / 2 + 1);
}

static void disconnect(struct pg_session *s)
{
	PGconn *conn = s->conn;

	pg_resolve_cancel(s->resolve);
	s->resolve = NULL;
	drop_poll(s);
	s->conn = NULL;
	PQfinish(conn);
	s->doomed = s->recycle = false;
	s->lock_ms = s->statement_ms = 0;
	memset(s->parsed, 0, s->host->n_statements * sizeof *s->parsed);
}

void pg_session_break(struct pg_session *s, const char *why)
{
	const bool was_up = s->state == PG_UP;
	char line[400];

	if (s->state == PG_OFF || s->state == PG_WAITING)
		return;
	pg_one_line(line, sizeof line, why);
	CRASH_POINT(pg_lost);
	disconnect(s);
	pg_session_move(s, PG_WAITING);
	s->failures++;
	adapter_timer_set(s->host->loop, &s->timer, pause_ms(s->failures));
	pg_pipe_drop(s);
	s->host->down(s, was_up, line, s->host->arg);
}

void pg_session_settle(struct pg_session *s)
{
	s->failures = 0;
}

static void recycle_if_done(struct pg_session *s)
{
	if (s->recycle && s->state == PG_UP && s->n_units == 0 && !s->claimed)
		pg_session_doom(s);
}

void pg_session_recycle(struct pg_session *s)
{
	s->recycle = true;
	recycle_if_done(s);
}

/* ---- connecting ---- */

static void go_on_connecting(struct pg_session *s)
{
	/* Not watched meanwhile: libpq may close this socket and open another. */
	if (s->poll != NULL)
		uv_poll_stop(s->poll);
	s->events = 0;
	switch (PQconnectPoll(s->conn)) {
	case PGRES_POLLING_READING: watch(s, UV_READABLE); return;
	case PGRES_POLLING_ACTIVE:
	case PGRES_POLLING_WRITING: watch(s, UV_WRITABLE); return;
	case PGRES_POLLING_OK: pg_session_set_up(s); return;
	case PGRES_POLLING_FAILED: pg_session_break(s, PQerrorMessage(s->conn)); return;
	}
}

/* Keep-alives may be overruled by the connection string, names may not. */
static void dial(struct pg_session *s, const char *hostaddr, const char *host)
{
	const char *keys[] = {"keepalives_idle",
			      "keepalives_interval",
			      "keepalives_count",
			      "dbname",
			      "application_name",
			      "client_encoding",
			      host ? "host" : NULL,
			      "hostaddr",
			      NULL};
	const char *values[] = {"10", "5",      "3", s->host->connection, s->host->app_name, "UTF8",
				host, hostaddr, NULL};

	pg_session_move(s, PG_CONNECTING);
	s->conn = PQconnectStartParams(keys, values, 1);
	if (s->conn == NULL || PQstatus(s->conn) == CONNECTION_BAD || CRASH_ERROR(pg_connect))
		pg_session_break(s, s->conn != NULL ? PQerrorMessage(s->conn) : "out of memory");
	else
		watch(s, UV_WRITABLE);
}

static void on_resolved(const char *hostaddr, const char *host, const char *why, void *arg)
{
	struct pg_session *s = arg;
	char line[400];

	s->resolve = NULL;
	if (hostaddr != NULL) {
		dial(s, hostaddr, host);
		return;
	}
	pg_print(line, sizeof line, "cannot find the address of %s: %s", s->host->host, why);
	pg_session_break(s, line);
}

static void connect_now(struct pg_session *s)
{
	adapter_timer_set(s->host->loop, &s->timer, CONNECT_TIMEOUT_MS);
	if (s->host->host == NULL) {
		dial(s, NULL, NULL);
		return;
	}
	pg_session_move(s, PG_RESOLVING);
	s->resolve = pg_resolve_start(s->host->loop, s->host->host, on_resolved, s);
	if (s->resolve == NULL)
		pg_session_break(s, "cannot look up the server's address");
}

/* ---- what the loop tells ---- */

static void serve(struct pg_session *s)
{
	const char *why;

	if (!pg_pipe_read(s, &why)) {
		pg_session_break(s, why);
		return;
	}
	if (s->conn == NULL)
		return;
	pg_session_watch(s);
	recycle_if_done(s);
	if (s->state == PG_UP)
		s->host->idle(s, s->host->arg);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct pg_session *s = poll->data;
	struct adapter_loop *l = s->host->loop;

	(void)events;
	if (status < 0)
		s->events = 0; /* libuv has stopped it; libpq finds out what is wrong */
	adapter_loop_enter(l);
	if (s->state == PG_CONNECTING)
		go_on_connecting(s);
	else
		serve(s);
	adapter_loop_leave(l);
}

static void on_timer(struct adapter_timer *t)
{
	struct pg_session *s =
		(struct pg_session *)((char *)t - offsetof(struct pg_session, timer));

	if (s->state == PG_WAITING)
		connect_now(s);
	else if (s->doomed)
		pg_session_break(s,
				 s->recycle ? "the session is renewed" : PQerrorMessage(s->conn));
	else
		pg_session_break(s, "the server did not take the connection within 10 s");
}

/* ---- public ---- */

struct pg_session *pg_session_new(const struct pg_session_host *host)
{
	struct pg_session *s = mem_new(1, sizeof *s);

	s->host = host;
	s->parsed = mem_new(host->n_statements, sizeof *s->parsed);
	s->timer.fn = on_timer;
	return s;
}

void pg_session_start(struct pg_session *s)
{
	if (s->state == PG_OFF)
		connect_now(s);
}

void pg_session_stop(struct pg_session *s)
{
	adapter_timer_stop(s->host->loop, &s->timer);
	disconnect(s);
	if (s->state != PG_OFF)
		pg_session_move(s, PG_OFF);
	pg_pipe_drop(s);
}

void pg_session_free(struct pg_session *s)
{
	if (s == NULL)
		return;
	assert(s->state == PG_OFF && s->n_units == 0 && s->holds == 0);
	free(s->parsed);
	free(s);
}

void pg_session_claim(struct pg_session *s)
{
	assert(pg_session_up(s) && !s->claimed && s->holds == 0);
	s->claimed = true;
}

void pg_session_release(struct pg_session *s)
{
	s->claimed = false;
	recycle_if_done(s);
}

void pg_session_hold(struct pg_session *s)
{
	s->holds++;
}

void pg_session_unhold(struct pg_session *s)
{
	assert(s->holds > 0);
	s->holds--;
}

bool pg_session_up(const struct pg_session *s)
{
	return s->state == PG_UP && !s->doomed;
}

bool pg_session_vacant(const struct pg_session *s)
{
	return pg_session_up(s) && !s->recycle && !s->claimed && s->holds == 0 && s->n_units == 0;
}

bool pg_session_serves(const struct pg_session *s, const void *arg)
{
	return s->units == NULL || s->units->arg == arg || s->units->arg == s;
}

bool pg_session_patient(const struct pg_session *s, uint32_t ms)
{
	return s->statement_ms == 0 || s->statement_ms >= ms;
}

unsigned pg_session_load(const struct pg_session *s)
{
	return s->n_units;
}

int pg_session_pid(const struct pg_session *s)
{
	return s->pid;
}

const char *pg_session_backend_start(const struct pg_session *s)
{
	return s->start;
}
