/* uplink.c - see uplink.h.
 *
 *     WAITING ──▶ RESOLVING ──▶ CONNECTING ──▶ GREETING ──▶ UP
 *        ▲            │              │             │         │
 *        └────────────┴──────────────┴─────────────┴─────────┘ failed or lost
 *
 * Only tcp:// has names to resolve.  The pause before the next attempt doubles up
 * to REDIAL_MAX_MS, and begins anew after a connection that worked. */
#include "participant/uplink.h"
#include "base/clock.h"
#include "base/crash.h"
#include "base/log.h"
#include "base/mem.h"
#include "participant/agent.h"
#include "wire/sp.h"

#include <assert.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

enum {
	REDIAL_MIN_MS = 100,
	REDIAL_MAX_MS = 2000,
	CONNECT_MAX_MS = 10000, /* to resolve, connect and greet */
	NAG_EVERY_US = 60 * 1000 * 1000,
	NAG_AFTER = 3, /* attempts that failed in a row */
	IDS_SIZE = 4,
};

enum dialing { WAITING, RESOLVING, CONNECTING, GREETING, UP };

struct request {
	bool busy;
	uint32_t id;
	uint64_t seq;
	uint64_t sent_us;
};

struct uplink {
	uv_loop_t *loop;
	struct uplink_events events;
	char *url;
	struct sp_url parts;
	enum dialing state;
	uv_timer_t timer; /* the next attempt, the end of this one, or a poll's */
	uv_getaddrinfo_t resolve;
	uv_connect_t connect;
	struct sp_conn *conn; /* CONNECTING and later */
	struct request requests[AGENT_POLLS_MAX];
	uint32_t last_id;
	uint64_t redial_ms;
	unsigned failed; /* attempts in a row */
	uint64_t nag_us;
	bool closing;
	bool resolving, connecting; /* libuv has our request: it must come back first */
	bool timer_closed;
};

static void dial(struct uplink *u);

/* ---- connections that end ---- */

static void free_if_done(struct uplink *u)
{
	if (!u->closing || u->resolving || u->connecting || !u->timer_closed)
		return;
	free(u->url);
	free(u);
}

static void on_redial(uv_timer_t *t)
{
	dial(t->data);
}

/* A person who waits for a connection is told why there is none. */
static void nag(struct uplink *u, const char *why)
{
	const uint64_t now = clock_mono_us();

	if (++u->failed < NAG_AFTER || (u->nag_us != 0 && now - u->nag_us < NAG_EVERY_US))
		return;
	u->nag_us = now;
	log_event(LOG_WARN, "coordinator-unreachable", "url=%s %s; dialing goes on", u->url, why);
}

/* Whatever state it was in: everything that was on the connection is lost. */
static void hang_up(struct uplink *u, const char *why)
{
	const bool was_up = u->state == UP;

	CRASH_POINT(uplink_lost);
	sp_conn_close(u->conn);
	u->conn = NULL;
	u->state = WAITING;
	uv_timer_start(&u->timer, on_redial, u->redial_ms, 0);
	u->redial_ms = 2 * u->redial_ms < REDIAL_MAX_MS ? 2 * u->redial_ms : REDIAL_MAX_MS;
	if (!was_up) {
		nag(u, why);
		return;
	}
	log_event(LOG_WARN, "coordinator-lost", "url=%s %s", u->url, why);
	u->events.connected(false, u->events.arg);
	for (size_t i = 0; i < AGENT_POLLS_MAX && !u->closing; i++) {
		if (!u->requests[i].busy)
			continue;
		u->requests[i].busy = false;
		u->events.lost(u->requests[i].seq, u->events.arg);
	}
}

static void on_conn_closed(struct sp_conn *c, const char *why, void *arg)
{
	struct uplink *u = arg;

	assert(c == u->conn);
	hang_up(u, why);
}

/* ---- polls ---- */

static void on_poll_old(uv_timer_t *t)
{
	hang_up(t->data, "a poll was not answered in its time");
}

/* The oldest poll's life is what the timer waits for. */
static void watch_polls(struct uplink *u)
{
	const uint64_t now = clock_mono_us(), life = (uint64_t)POLL_LIFE_MS * 1000;
	uint64_t oldest = UINT64_MAX;

	for (size_t i = 0; i < AGENT_POLLS_MAX; i++)
		if (u->requests[i].busy && u->requests[i].sent_us < oldest)
			oldest = u->requests[i].sent_us;
	if (oldest == UINT64_MAX)
		uv_timer_stop(&u->timer);
	else
		uv_timer_start(&u->timer, on_poll_old,
			       oldest + life > now ? (oldest + life - now) / 1000 : 0, 0);
}

static struct request *request_by_id(struct uplink *u, const unsigned char *bytes, size_t size)
{
	uint32_t id = 0;

	if (size < IDS_SIZE)
		return NULL;
	for (int i = 0; i < IDS_SIZE; i++)
		id = id << 8 | bytes[i];
	for (size_t i = 0; i < AGENT_POLLS_MAX; i++)
		if (u->requests[i].busy && u->requests[i].id == id)
			return &u->requests[i];
	return NULL;
}

static void on_message(struct sp_conn *c, const unsigned char *bytes, size_t size, void *arg)
{
	struct uplink *u = arg;
	struct request *q = request_by_id(u, bytes, size);
	struct reply r;
	struct err err;

	(void)c;
	CRASH_POINT(reply_received);
	if (q == NULL) {
		hang_up(u, "it answered a poll that was not made");
	} else if (clock_mono_us() - q->sent_us >= (uint64_t)POLL_LIFE_MS * 1000) {
		hang_up(u, "it answered a poll too late");
	} else if (reply_decode(&r, bytes + IDS_SIZE, size - IDS_SIZE, &err) != RC_OK) {
		log_event(LOG_ERROR, "reply-malformed", "url=%s %s", u->url, err.text);
		hang_up(u, "its reply is malformed");
	} else {
		q->busy = false;
		u->redial_ms = REDIAL_MIN_MS;
		watch_polls(u);
		CRASH_POINT(reply_decoded);
		u->events.reply(q->seq, &r, u->events.arg);
		CRASH_POINT(reply_handled);
		reply_free(&r);
	}
}

void uplink_send(struct uplink *u, const struct poll *p)
{
	size_t size;
	void *bytes = poll_pack(p, &size);
	struct sp_out *out = sp_out_new(size);
	struct request *q = NULL;
	unsigned char ids[IDS_SIZE];

	for (size_t i = 0; q == NULL && i < AGENT_POLLS_MAX; i++)
		if (!u->requests[i].busy)
			q = &u->requests[i];
	assert(q != NULL && u->state == UP);
	memcpy(sp_out_body(out), bytes, size);
	free(bytes);
	/* The highest bit marks the last of a request's ids. */
	*q = (struct request){.busy = true,
			      .id = 0x80000000u | ++u->last_id,
			      .seq = p->seq,
			      .sent_us = clock_mono_us()};
	for (int i = 0; i < IDS_SIZE; i++)
		ids[i] = (unsigned char)(q->id >> (24 - 8 * i));
	CRASH_POINT(poll_send);
	sp_send(u->conn, out, ids, sizeof ids);
	CRASH_POINT(poll_sent);
	watch_polls(u);
}

/* ---- dialing ---- */

static void on_open(struct sp_conn *c, void *arg)
{
	struct uplink *u = arg;

	(void)c;
	uv_timer_stop(&u->timer);
	u->state = UP;
	CRASH_POINT(uplink_up);
	u->failed = 0;
	log_event(LOG_INFO, "coordinator-connected", "url=%s", u->url);
	u->events.connected(true, u->events.arg);
}

/* The attempt was given up before libuv gave it back; meanwhile it may have been in
 * the way of the next. */
static void dial_if_idle(struct uplink *u)
{
	if (!uv_is_active((uv_handle_t *)&u->timer))
		dial(u);
}

static void on_connect(uv_connect_t *req, int status)
{
	struct uplink *u = req->data;

	u->connecting = false;
	if (CRASH_ERROR(uplink_connect))
		status = UV_EIO;
	if (u->closing) {
		free_if_done(u);
	} else if (u->state == WAITING) {
		dial_if_idle(u);
	} else if (status != 0) {
		hang_up(u, uv_strerror(status));
	} else {
		u->state = GREETING;
		sp_conn_start(u->conn);
	}
}

static void begin_connect(struct uplink *u, const struct sockaddr *address)
{
	const struct sp_events events = {on_open, on_message, on_conn_closed, u};
	int rc = 0;

	u->conn = sp_conn_new(u->loop, u->parts.ipc, SP_REQ, &events);
	u->state = CONNECTING;
	u->connect.data = u;
	if (u->parts.ipc)
		uv_pipe_connect(&u->connect, (uv_pipe_t *)sp_conn_stream(u->conn), u->parts.path,
				on_connect);
	else
		rc = uv_tcp_connect(&u->connect, (uv_tcp_t *)sp_conn_stream(u->conn), address,
				    on_connect);
	u->connecting = rc == 0;
	if (rc != 0)
		hang_up(u, uv_strerror(rc));
}

/* A name may have several addresses (::1 and 127.0.0.1): each attempt takes the next. */
static const struct sockaddr *one_of(const struct addrinfo *found, unsigned attempt)
{
	const struct addrinfo *a;
	unsigned n = 0;

	for (a = found; a != NULL; a = a->ai_next)
		n++;
	attempt %= n;
	for (a = found; attempt > 0; attempt--)
		a = a->ai_next;
	return a->ai_addr;
}

static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *found)
{
	struct uplink *u = req->data;

	u->resolving = false;
	if (u->closing)
		free_if_done(u);
	else if (u->state == WAITING)
		dial_if_idle(u);
	else if (status != 0)
		hang_up(u, uv_strerror(status));
	else
		begin_connect(u, one_of(found, u->failed));
	uv_freeaddrinfo(found);
}

static void on_attempt_long(uv_timer_t *t)
{
	hang_up(t->data, "no connection came about in time");
}

static void dial(struct uplink *u)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	const char *host = u->parts.host[0] != '\0' ? u->parts.host : "localhost";
	int rc;

	if (u->resolving || u->connecting)
		return; /* the attempt before is not back yet; it will dial */
	uv_timer_start(&u->timer, on_attempt_long, CONNECT_MAX_MS, 0);
	if (u->parts.ipc) {
		begin_connect(u, NULL);
		return;
	}
	u->state = RESOLVING;
	u->resolve.data = u;
	rc = uv_getaddrinfo(u->loop, &u->resolve, on_resolved, host, u->parts.port, &hints);
	u->resolving = rc == 0;
	if (rc != 0)
		hang_up(u, uv_strerror(rc));
}

/* ---- opening and closing ---- */

enum rc uplink_open(uv_loop_t *loop, const char *url, const struct uplink_events *events,
		    struct uplink **out, struct err *err)
{
	struct sp_url parts;
	struct uplink *u;
	enum rc rc = sp_url_parse(url, &parts, err);

	if (rc != RC_OK)
		return rc;
	u = mem_new(1, sizeof *u);
	u->loop = loop;
	u->events = *events;
	u->url = mem_dup(url);
	u->parts = parts;
	u->redial_ms = REDIAL_MIN_MS;
	uv_timer_init(loop, &u->timer);
	u->timer.data = u;
	uv_timer_start(&u->timer, on_redial, 0, 0); /* events come from the loop only */
	*out = u;
	return RC_OK;
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct uplink *u = handle->data;

	u->timer_closed = true;
	free_if_done(u);
}

void uplink_close(struct uplink *u)
{
	if (u == NULL || u->closing)
		return;
	u->closing = true;
	sp_conn_close(u->conn);
	u->conn = NULL;
	if (u->resolving)
		uv_cancel((uv_req_t *)&u->resolve);
	uv_close((uv_handle_t *)&u->timer, on_timer_closed);
}
