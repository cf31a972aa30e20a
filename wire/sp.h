/* sp.h - one connection of the Scalability Protocols, as nng and nanomsg speak
 * them, on a libuv stream: handshake, and messages with a length before them.
 *
 * Why not nng itself: nng 1.5.2, which Debian 12 has, can wait for ever on a
 * connection that breaks in the middle of a message (mended in 1.6, nng commit
 * a1bc737b), and then never reports a lost connection again, dials no more and
 * cannot close.  It took 130 kills of a busy peer to see that.  Any nng REQ or REP
 * socket is still a peer; tests/unit/test_link.c and test_uplink.c use such ones.
 *
 * Thread: the loop's. */
#ifndef WIRE_SP_H
#define WIRE_SP_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

enum {
	SP_URL_MAX = 255,
	SP_HEADER_MAX = 32, /* ids before the body: 8 hops, as nng's own limit */
};

/* The parts of "tcp://host:port" or "ipc:///path".  `host` is "" for `*`. */
struct sp_url {
	bool ipc;
	char host[SP_URL_MAX + 1];
	char port[6];
	char path[108];
};

/* RC_INVALID tells what is wrong. */
enum rc sp_url_parse(const char *text, struct sp_url *url, struct err *err);

enum sp_role { SP_REQ = 0x30, SP_REP = 0x31 };

struct sp_conn;

struct sp_events {
	/* The peer is one that we can talk to. */
	void (*open)(struct sp_conn *c, void *arg);
	/* A whole message with the ids in front, borrowed. The receiver may close. */
	void (*message)(struct sp_conn *c, const unsigned char *bytes, size_t size, void *arg);
	/* It is over, `why` for people: the last event, and the pointer is void. */
	void (*closed)(struct sp_conn *c, const char *why, void *arg);
	void *arg;
};

/* A connection that is not connected: the caller accepts or connects its stream,
 * then calls sp_conn_start.  `role` is ours; the peer must have the other one. */
struct sp_conn *sp_conn_new(uv_loop_t *loop, bool ipc, enum sp_role role,
			    const struct sp_events *events);
uv_stream_t *sp_conn_stream(struct sp_conn *c);
void sp_conn_start(struct sp_conn *c);
/* No more events; frees itself in a later iteration. */
void sp_conn_close(struct sp_conn *c);

/* A message to be: room for `size` bytes of body, to be filled in place. */
struct sp_out;
struct sp_out *sp_out_new(size_t size);
void *sp_out_body(struct sp_out *out);

/* Takes `out` and sends it behind `header` (at most SP_HEADER_MAX bytes).  Never
 * tells an event from inside; a peer that does not read is closed in the end. */
void sp_send(struct sp_conn *c, struct sp_out *out, const void *header, size_t header_size);

#endif
