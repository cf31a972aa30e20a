/* fuzz_sp.c - the bytes are what a peer sends on a connection, cut into pieces; or a URL.
 *
 * The messages that come out are those that a plain reading of the stream finds, in order,
 * whatever the pieces are; after the first wrong byte nothing comes but the end, once. */
#include "base/mem.h"
#include "tests/fuzz/fuzz.h"
#include "wire/frame.h"
#include "wire/sp.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct seen {
	uint8_t *bytes; /* of all messages, each behind its length in eight bytes */
	size_t size, messages;
	bool open, closed;
} seen, expected;

static void keep(struct seen *to, const uint8_t *bytes, size_t size)
{
	to->bytes = mem_grow(to->bytes, to->size + size + 1, 1);
	if (size > 0)
		memcpy(to->bytes + to->size, bytes, size);
	to->size += size;
}

static void keep_message(struct seen *to, const uint8_t *bytes, size_t size)
{
	keep(to, (const uint8_t *)&size, sizeof size);
	keep(to, bytes, size);
	to->messages++;
}

static void on_open(struct sp_conn *c, void *arg)
{
	(void)c, (void)arg;
	MUST(!seen.open && !seen.closed);
	seen.open = true;
}

static void on_message(struct sp_conn *c, const unsigned char *bytes, size_t size, void *arg)
{
	(void)c, (void)arg;
	MUST(seen.open && !seen.closed);
	keep_message(&seen, bytes, size);
}

static void on_closed(struct sp_conn *c, const char *why, void *arg)
{
	(void)c, (void)arg;
	MUST(!seen.closed && why != NULL && why[0] != '\0');
	seen.closed = true;
}

/* A plain reading of the protocol. */
static void read_plainly(const uint8_t *at, size_t left, bool ipc)
{
	static const uint8_t hello[8] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};

	if (left < 8 || memcmp(at, hello, 8) != 0)
		return;
	expected.open = true;
	for (at += 8, left -= 8;;) {
		const size_t head = ipc ? 9 : 8;
		uint64_t size = 0;

		if (left < head || (ipc && at[0] != 1))
			return;
		for (size_t i = head - 8; i < head; i++)
			size = size << 8 | at[i];
		if (size > left - head)
			return;
		keep_message(&expected, at + head, (size_t)size);
		at += head + size;
		left -= head + (size_t)size;
	}
}

static void converse(struct feed *f, bool ipc)
{
	const struct sp_events events = {on_open, on_message, on_closed, NULL};
	const size_t piece = 1 + feed_choice(f, 64) * 7;
	struct sp_conn *c;
	uv_loop_t loop;
	int fds[2];

	memset(&seen, 0, sizeof seen);
	memset(&expected, 0, sizeof expected);
	read_plainly(f->at, f->left, ipc);
	MUST(uv_loop_init(&loop) == 0);
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
	c = sp_conn_new(&loop, ipc, SP_REP, &events);
	if (ipc)
		MUST(uv_pipe_open((uv_pipe_t *)sp_conn_stream(c), fds[0]) == 0);
	else
		MUST(uv_tcp_open((uv_tcp_t *)sp_conn_stream(c), fds[0]) == 0);
	sp_conn_start(c);
	while (f->left > 0 && !seen.closed) {
		const struct feed one = feed_take(f, piece);

		MUST(write(fds[1], one.at, one.left) == (ssize_t)one.left);
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	close(fds[1]);
	for (int i = 0; i < 100 && !seen.closed; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
	MUST_SAY(seen.closed, "the end of the peer is heard of");
	uv_run(&loop, UV_RUN_DEFAULT);
	MUST(uv_loop_close(&loop) == 0);
	MUST(seen.open == expected.open && seen.messages == expected.messages);
	MUST(seen.size == expected.size);
	MUST(seen.size == 0 || memcmp(seen.bytes, expected.bytes, seen.size) == 0);
	free(seen.bytes);
	free(expected.bytes);
}

static void read_url(struct feed f)
{
	char *text = feed_text(f);
	struct err err = {0};
	struct sp_url url;

	if (sp_url_parse(text, &url, &err) == RC_OK) {
		MUST(url.ipc ? url.path[0] == '/' : url.port[0] != '\0');
		MUST(!url.ipc || strcmp(url.path, text + 6) == 0);
	} else {
		MUST(err.text[0] != '\0');
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed f = {data, size};
	const size_t what = feed_choice(&f, 3);

	if (what == 2)
		read_url(f);
	else
		converse(&f, what == 1);
	return 0;
}
