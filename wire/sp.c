/* sp.c - see sp.h.
 *
 * The mapping: each side sends "\0SP\0", its protocol's number in two bytes, two
 * zero bytes.  Then every message has its length in eight bytes, big end first, in
 * front; on ipc a byte 1 before that.  The ids of REQ/REP are the message's first
 * bytes and are the caller's affair.
 *
 * A peer is given up that does not shake hands, leaves a message unfinished or does
 * not read what we send, for SP_TICK_MS at the least. */
#include "wire/sp.h"
#include "base/crash.h"
#include "base/mem.h"
#include "wire/frame.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
	SP_TICK_MS = 10000,
	SP_HELLO = 8,
	PART_TICKS = 3,       /* for the rest of a message */
	IN_MIN = 4096,        /* bytes of room to read into, at the least */
	IN_KEPT = 256 * 1024, /* kept when there is nothing in it */
	MESSAGE_MAX = FRAME_MAX + SP_HEADER_MAX,
	UNSENT_MAX = 2 * FRAME_MAX,
	KEEPALIVE_S = 30,
};

struct sp_conn {
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} u;
	uv_timer_t tick;
	struct sp_events events;
	enum sp_role role;
	bool ipc, open, closing;
	const char *broken; /* found where no event may be told: the next tick tells */
	unsigned char *in;  /* bytes read and not yet consumed */
	size_t room, used;
	unsigned part_ticks; /* since when the message in `in` is unfinished */
	size_t unsent;       /* writes under way */
	size_t queued;       /* bytes that waited to be sent at the last tick */
	bool sent;           /* one ended since the last tick */
	int handles;         /* to be closed before the memory goes */
};

struct sp_out {
	uv_write_t req;
	struct sp_conn *conn;
	unsigned char head[9 + SP_HEADER_MAX];
	size_t size;
	unsigned char body[];
};

/* ---- the end ---- */

static void on_closed(uv_handle_t *handle)
{
	struct sp_conn *c = handle->data;

	if (--c->handles > 0)
		return;
	free(c->in);
	free(c);
}

void sp_conn_close(struct sp_conn *c)
{
	if (c == NULL || c->closing)
		return;
	c->closing = true;
	uv_close(&c->u.handle, on_closed);
	uv_close((uv_handle_t *)&c->tick, on_closed);
}

static void fail(struct sp_conn *c, const char *why)
{
	if (c->closing)
		return;
	c->events.closed(c, why, c->events.arg);
	sp_conn_close(c);
}

/* Nothing of what was to be sent at the last tick has left since: a big frame over
 * a slow line goes on, one that nobody reads does not. */
static bool stalled(struct sp_conn *c)
{
	const size_t queued = uv_stream_get_write_queue_size(sp_conn_stream(c));
	const bool still = c->queued > 0 && queued >= c->queued && !c->sent;

	c->queued = queued;
	c->sent = false;
	return still;
}

static void on_tick(uv_timer_t *t)
{
	struct sp_conn *c = t->data;

	if (c->broken != NULL)
		fail(c, c->broken);
	else if (!c->open)
		fail(c, "no handshake came");
	else if (c->used > 0 && ++c->part_ticks > PART_TICKS)
		fail(c, "a message was begun and not ended");
	else if (stalled(c))
		fail(c, "it does not read what is sent to it");
}

static void break_soon(struct sp_conn *c, const char *why)
{
	c->broken = why;
	uv_timer_start(&c->tick, on_tick, 0, 0);
}

/* ---- reading ---- */

static uint64_t get_64(const unsigned char *p)
{
	uint64_t n = 0;

	for (int i = 0; i < 8; i++)
		n = n << 8 | p[i];
	return n;
}

/* The room grows with what has come, not with what a peer says will come. */
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct sp_conn *c = handle->data;

	(void)suggested;
	if (c->room - c->used < IN_MIN) {
		c->room = 2 * c->room + IN_MIN;
		c->in = mem_grow(c->in, c->room, 1);
	}
	buf->base = (char *)c->in + c->used;
	buf->len = c->room - c->used;
}

/* Takes one thing off `at`: its size, 0 when it is not complete. The connection
 * may be closing afterwards. */
static size_t take_one(struct sp_conn *c, const unsigned char *at, size_t size)
{
	const size_t head = c->ipc ? 9 : 8;
	uint64_t length;

	if (!c->open) {
		const unsigned char want[SP_HELLO] = {
			0, 'S', 'P', 0, 0, (unsigned char)(c->role ^ 1), 0, 0};

		if (size < SP_HELLO)
			return 0;
		if (memcmp(at, want, SP_HELLO) != 0) {
			fail(c, "it does not speak our protocol");
			return 0;
		}
		c->open = true;
		c->events.open(c, c->events.arg);
		return SP_HELLO;
	}
	if (size < head)
		return 0;
	length = get_64(at + head - 8);
	if (length > MESSAGE_MAX || (c->ipc && at[0] != 1)) {
		fail(c, length > MESSAGE_MAX ? "its message is too big" : "not a message");
		return 0;
	}
	if (size - head < length)
		return 0;
	c->part_ticks = 0;
	c->events.message(c, at + head, (size_t)length, c->events.arg);
	return head + (size_t)length;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct sp_conn *c = stream->data;
	size_t done = 0, one;

	(void)buf;
	if (CRASH_ERROR(wire_read))
		n = UV_EIO;
	if (n < 0) {
		fail(c, n == UV_EOF ? "the peer closed the connection" : uv_strerror((int)n));
		return;
	}
	c->used += (size_t)n;
	while (!c->closing && (one = take_one(c, c->in + done, c->used - done)) > 0)
		done += one;
	if (c->closing)
		return;
	c->used -= done;
	memmove(c->in, c->in + done, c->used);
	if (c->used == 0)
		c->part_ticks = 0;
	if (c->used == 0 && c->room > IN_KEPT) {
		free(c->in);
		c->in = NULL;
		c->room = 0;
	}
}

/* ---- writing ---- */

static void on_written(uv_write_t *req, int status)
{
	struct sp_out *out = req->data;
	struct sp_conn *c = out->conn;

	free(out);
	c->unsent--;
	c->sent = true;
	if (status < 0)
		fail(c, uv_strerror(status));
}

/* Takes `n` bytes off the front. */
static void skip(uv_buf_t *bufs, size_t n)
{
	for (int i = 0; i < 2; i++) {
		const size_t some = n < bufs[i].len ? n : bufs[i].len;

		bufs[i] = uv_buf_init(bufs[i].base + some, (unsigned)(bufs[i].len - some));
		n -= some;
	}
}

/* The socket mostly takes all at once.  Only what it does not take goes through libuv's
 * queue, which costs an epoll_ctl and a callback for each frame.  Gives 1 when all is
 * written and `out` is not needed any more, 0 when it waits, or libuv's error. */
static int write_some(struct sp_conn *c, struct sp_out *out, size_t head_size)
{
	uv_buf_t bufs[2] = {uv_buf_init((char *)out->head, (unsigned)head_size),
			    uv_buf_init((char *)out->body, (unsigned)out->size)};
	const unsigned n = out->size > 0 ? 2 : 1;
	unsigned first;
	int rc;

	if (CRASH_ERROR(wire_write))
		return UV_EIO;
	rc = uv_try_write(&c->u.stream, bufs, n);
	if (rc >= 0 && (size_t)rc == head_size + out->size)
		return 1;
	if (rc < 0 && rc != UV_EAGAIN)
		return rc;
	skip(bufs, rc > 0 ? (size_t)rc : 0);
	first = bufs[0].len == 0 ? 1 : 0; /* then there is something in the second */
	rc = uv_write(&out->req, &c->u.stream, bufs + first, n - first, on_written);
	return rc < 0 ? rc : 0;
}

static void write_out(struct sp_conn *c, struct sp_out *out, size_t head_size)
{
	int rc;

	out->conn = c;
	out->req.data = out;
	c->unsent++;
	rc = write_some(c, out, head_size);
	CRASH_POINT(wire_written);
	if (rc != 0) { /* the callback will not come */
		free(out);
		c->unsent--;
	}
	if (rc > 0)
		c->sent = true;
	else if (rc < 0)
		break_soon(c, uv_strerror(rc));
	else if (uv_stream_get_write_queue_size(&c->u.stream) > UNSENT_MAX)
		break_soon(c, "it does not read what is sent to it");
}

struct sp_out *sp_out_new(size_t size)
{
	struct sp_out *out = mem_grow(NULL, 1, sizeof *out + size);

	assert(size <= FRAME_MAX);
	out->size = size;
	return out;
}

void *sp_out_body(struct sp_out *out)
{
	return out->body;
}

void sp_send(struct sp_conn *c, struct sp_out *out, const void *header, size_t header_size)
{
	const uint64_t length = header_size + out->size;
	unsigned char *at = out->head;

	assert(header_size <= SP_HEADER_MAX);
	if (c->closing || c->broken != NULL) {
		free(out);
		return;
	}
	if (c->ipc)
		*at++ = 1;
	for (int shift = 56; shift >= 0; shift -= 8)
		*at++ = (unsigned char)(length >> shift);
	memcpy(at, header, header_size);
	write_out(c, out, (size_t)(at - out->head) + header_size);
}

/* ---- the beginning ---- */

struct sp_conn *sp_conn_new(uv_loop_t *loop, bool ipc, enum sp_role role,
			    const struct sp_events *events)
{
	struct sp_conn *c = mem_new(1, sizeof *c);

	c->ipc = ipc;
	c->role = role;
	c->events = *events;
	c->handles = 2;
	/* Neither fails but for want of memory: descriptors come later. */
	if ((ipc ? uv_pipe_init(loop, &c->u.pipe, 0) : uv_tcp_init(loop, &c->u.tcp)) != 0 ||
	    uv_timer_init(loop, &c->tick) != 0)
		abort();
	c->u.handle.data = c;
	c->tick.data = c;
	return c;
}

uv_stream_t *sp_conn_stream(struct sp_conn *c)
{
	return &c->u.stream;
}

void sp_conn_start(struct sp_conn *c)
{
	const unsigned char hello[SP_HELLO] = {0, 'S', 'P', 0, 0, (unsigned char)c->role, 0, 0};
	struct sp_out *out = sp_out_new(0);

	if (!c->ipc) { /* both only help */
		uv_tcp_nodelay(&c->u.tcp, 1);
		uv_tcp_keepalive(&c->u.tcp, 1, KEEPALIVE_S);
	}
	uv_timer_start(&c->tick, on_tick, SP_TICK_MS, SP_TICK_MS);
	memcpy(out->head, hello, SP_HELLO);
	write_out(c, out, SP_HELLO);
	if (uv_read_start(&c->u.stream, on_alloc, on_read) != 0)
		break_soon(c, "it cannot be read from");
}
