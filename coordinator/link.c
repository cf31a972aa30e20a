/* link.c - see link.h.
 *
 * A request of REQ/REP begins with ids of four bytes, the last of which has its
 * highest bit set; the reply begins with the same ids.  That is all of it: a poll
 * that is held is those ids and the connection to answer on. */
#include "coordinator/link.h"
#include "base/clock.h"
#include "base/crash.h"
#include "base/log.h"
#include "base/mem.h"
#include "wire/sp.h"

#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uthash.h>
#include <utlist.h>

enum {
	PEERS_MAX = 10000,
	HELD_MAX = 20000,    /* polls in all */
	PEER_HELD_MAX = 512, /* of one connection; an honest agent has 8 */
	BACKLOG = 512,
	LOG_EVERY_US = 1000 * 1000,
};

struct peer {
	struct link *link;
	struct sp_conn *conn;
	uint64_t pipe;
	bool polled; /* the engine has heard of it */
	struct held *held;
	size_t n_held;
	struct peer *prev, *next;
};

struct held {
	uint64_t poll;
	struct peer *peer;
	unsigned char ids[SP_HEADER_MAX];
	size_t ids_size;
	struct held *prev, *next; /* in peer->held */
	UT_hash_handle hh;        /* by poll */
};

struct link {
	uv_loop_t *loop;
	struct link_events events;
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} u;
	bool ipc, closing;
	char *url;
	struct peer *peers;
	size_t n_peers;
	struct held *held;
	uint64_t last_pipe, last_poll;
	uint64_t log_us, log_dropped;
};

/* At most one line a second: whoever sends rubbish sends much of it. */
static void complain(struct link *l, const char *event, uint64_t pipe, const char *text)
{
	const uint64_t now = clock_mono_us();

	if (l->log_us != 0 && now - l->log_us < LOG_EVERY_US) {
		l->log_dropped++;
		return;
	}
	log_event(LOG_WARN, event, "pipe=%" PRIu64 " not_logged=%" PRIu64 " %s", pipe,
		  l->log_dropped, text);
	l->log_us = now;
	l->log_dropped = 0;
}

/* ---- replies ---- */

static void answer(struct peer *p, const unsigned char *ids, size_t ids_size,
		   const struct reply *reply)
{
	const struct reply refusal = {.cluster = reply->cluster,
				      .epoch = reply->epoch,
				      .error = "the reply is too big for a frame"};
	size_t size;
	void *bytes = reply_pack(reply, &size);
	struct sp_out *out;

	if (size > FRAME_MAX) { /* the engine fills frames to less than that */
		complain(p->link, "reply-too-big", p->pipe, refusal.error);
		free(bytes);
		bytes = reply_pack(&refusal, &size);
	}
	out = sp_out_new(size);
	memcpy(sp_out_body(out), bytes, size);
	free(bytes);
	CRASH_POINT(reply_send);
	sp_send(p->conn, out, ids, ids_size);
	CRASH_POINT(reply_sent);
}

static void refuse(struct peer *p, const unsigned char *ids, size_t ids_size, const char *event,
		   const char *text)
{
	char *error = frame_cut_reason(text);
	const struct reply reply = {.cluster = "", .error = error};

	complain(p->link, event, p->pipe, error);
	answer(p, ids, ids_size, &reply);
	free(error);
}

/* ---- polls ---- */

static void held_drop(struct link *l, struct held *h)
{
	HASH_DEL(l->held, h);
	DL_DELETE(h->peer->held, h);
	h->peer->n_held--;
	free(h);
}

static uint64_t held_add(struct peer *p, const unsigned char *ids, size_t ids_size)
{
	struct link *l = p->link;
	struct held *h = mem_new(1, sizeof *h);

	h->poll = ++l->last_poll;
	h->peer = p;
	h->ids_size = ids_size;
	memcpy(h->ids, ids, ids_size);
	DL_APPEND(p->held, h);
	p->n_held++;
	HASH_ADD(hh, l->held, poll, sizeof h->poll, h);
	return h->poll;
}

/* The bytes of ids at the front of a request; 0 if it has none. */
static size_t ids_size_of(const unsigned char *bytes, size_t size)
{
	for (size_t n = 4; n <= size && n <= SP_HEADER_MAX; n += 4)
		if ((bytes[n - 4] & 0x80) != 0)
			return n;
	return 0;
}

static void peer_closed(struct sp_conn *conn, const char *why, void *arg)
{
	struct peer *p = arg;
	struct link *l = p->link;
	const uint64_t pipe = p->pipe;
	const bool polled = p->polled;

	(void)conn;
	CRASH_POINT(agent_lost);
	log_event(LOG_DEBUG, "pipe-lost", "pipe=%" PRIu64 " %s", pipe, why);
	while (p->held != NULL)
		held_drop(l, p->held);
	DL_DELETE(l->peers, p);
	l->n_peers--;
	free(p);
	if (polled)
		l->events.pipe_lost(pipe, l->events.arg);
}

static void peer_message(struct sp_conn *conn, const unsigned char *bytes, size_t size, void *arg)
{
	struct peer *p = arg;
	struct link *l = p->link;
	const size_t ids = ids_size_of(bytes, size);
	struct poll poll;
	struct err err;

	CRASH_POINT(poll_received);
	if (ids == 0) {
		complain(l, "frame-malformed", p->pipe, "a request without an id");
		peer_closed(conn, "a request without an id", p);
		sp_conn_close(conn);
		return;
	}
	if (p->n_held >= PEER_HELD_MAX || HASH_COUNT(l->held) >= HELD_MAX) {
		refuse(p, bytes, ids, "polls-at-cap", "too many polls are held already");
		return;
	}
	if (poll_decode(&poll, bytes + ids, size - ids, &err) != RC_OK) {
		refuse(p, bytes, ids, "frame-malformed", err.text);
		return;
	}
	p->polled = true;
	CRASH_POINT(poll_decoded);
	/* Afterwards the peer may be gone: the event may close the link. */
	l->events.poll(held_add(p, bytes, ids), p->pipe, &poll, l->events.arg);
	CRASH_POINT(poll_handled);
	poll_free(&poll);
}

static void peer_open(struct sp_conn *conn, void *arg)
{
	(void)conn, (void)arg; /* nothing is said before its first poll */
}

static void on_connection(uv_stream_t *stream, int status)
{
	struct link *l = stream->data;
	struct peer *p;
	struct sp_events events = {peer_open, peer_message, peer_closed, NULL};

	if (status < 0) {
		complain(l, "accept-failed", 0, uv_strerror(status));
		return;
	}
	p = mem_new(1, sizeof *p);
	events.arg = p;
	p->link = l;
	p->pipe = ++l->last_pipe;
	p->conn = sp_conn_new(l->loop, l->ipc, SP_REP, &events);
	if (uv_accept(stream, sp_conn_stream(p->conn)) != 0 || CRASH_ERROR(agent_accept) ||
	    l->n_peers >= PEERS_MAX) {
		complain(l, "accept-failed", p->pipe,
			 "too many connections, or it is gone already");
		sp_conn_close(p->conn);
		free(p);
		return;
	}
	DL_APPEND(l->peers, p);
	l->n_peers++;
	CRASH_POINT(agent_accepted);
	sp_conn_start(p->conn);
}

static void port_reply(void *self, uint64_t poll, const struct reply *reply)
{
	struct link *l = self;
	struct held *h;

	HASH_FIND(hh, l->held, &poll, sizeof poll, h);
	if (h == NULL)
		return; /* its connection is lost */
	answer(h->peer, h->ids, h->ids_size, reply);
	held_drop(l, h);
}

struct link_port link_port(struct link *l)
{
	return (struct link_port){.reply = port_reply, .self = l};
}

/* ---- opening and closing ---- */

static enum rc cannot_listen(struct err *err, const char *url, const char *why)
{
	return err_set(err, RC_IO, "cannot listen for agents on %s: %s", url, why);
}

static char *bound_url(const struct link *l, const char *url)
{
	struct sockaddr_storage address;
	int size = sizeof address, port = 0;

	if (l->ipc || uv_tcp_getsockname(&l->u.tcp, (struct sockaddr *)&address, &size) != 0)
		return mem_dup(url);
	if (address.ss_family == AF_INET)
		port = ntohs(((struct sockaddr_in *)&address)->sin_port);
	else
		port = ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
	return mem_printf("%.*s:%d", (int)(strrchr(url, ':') - url), url, port);
}

static enum rc listen_tcp(struct link *l, const struct sp_url *parts, const char *url,
			  struct err *err)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC,
				       .ai_socktype = SOCK_STREAM,
				       .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	struct addrinfo *found;
	int rc = getaddrinfo(parts->host[0] != '\0' ? parts->host : NULL, parts->port, &hints,
			     &found);

	if (rc != 0)
		return cannot_listen(err, url, gai_strerror(rc));
	rc = uv_tcp_bind(&l->u.tcp, found->ai_addr, 0);
	if (rc == 0)
		rc = uv_listen(&l->u.stream, BACKLOG, on_connection);
	freeaddrinfo(found);
	return rc == 0 ? RC_OK : cannot_listen(err, url, uv_strerror(rc));
}

/* True if nobody listens behind the socket file, so that it may be removed. */
static bool file_is_stale(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool stale;

	if (fd < 0)
		return false;
	memcpy(address.sun_path, path, strlen(path) + 1);
	stale = connect(fd, (struct sockaddr *)&address, sizeof address) != 0 &&
		errno == ECONNREFUSED;
	close(fd);
	return stale;
}

static enum rc listen_ipc(struct link *l, const struct sp_url *parts, const char *url,
			  struct err *err)
{
	int rc = uv_pipe_bind(&l->u.pipe, parts->path);

	if (rc == UV_EADDRINUSE && file_is_stale(parts->path) && unlink(parts->path) == 0)
		rc = uv_pipe_bind(&l->u.pipe, parts->path);
	if (rc == 0)
		rc = uv_listen(&l->u.stream, BACKLOG, on_connection);
	return rc == 0 ? RC_OK : cannot_listen(err, url, uv_strerror(rc));
}

enum rc link_open(uv_loop_t *loop, const char *url, const struct link_events *events,
		  struct link **out, struct err *err)
{
	struct sp_url parts;
	struct link *l;
	enum rc rc = sp_url_parse(url, &parts, err);

	if (rc != RC_OK)
		return rc;
	l = mem_new(1, sizeof *l);
	l->loop = loop;
	l->events = *events;
	l->ipc = parts.ipc;
	if ((l->ipc ? uv_pipe_init(loop, &l->u.pipe, 0) : uv_tcp_init(loop, &l->u.tcp)) != 0)
		abort(); /* like mem_new: no descriptor is needed yet */
	l->u.handle.data = l;
	rc = l->ipc ? listen_ipc(l, &parts, url, err) : listen_tcp(l, &parts, url, err);
	if (rc != RC_OK) {
		link_close(l);
		return rc;
	}
	l->url = bound_url(l, url);
	*out = l;
	return RC_OK;
}

const char *link_url(const struct link *l)
{
	return l->url;
}

static void on_closed(uv_handle_t *handle)
{
	struct link *l = handle->data;

	free(l->url);
	free(l);
}

void link_close(struct link *l)
{
	struct peer *p, *tmp;

	if (l == NULL || l->closing)
		return;
	l->closing = true;
	DL_FOREACH_SAFE (l->peers, p, tmp) {
		while (p->held != NULL)
			held_drop(l, p->held);
		sp_conn_close(p->conn);
		free(p);
	}
	l->peers = NULL;
	uv_close(&l->u.handle, on_closed);
}
