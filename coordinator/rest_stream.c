/* rest_stream.c - the history of a transaction as a live stream (server-sent events).
 *
 * A stream is a response whose end is not known yet.  When libmicrohttpd has sent all
 * that there was, it asks for more (stream_read): then, and only then, the engine is
 * asked, so that a slow reader holds up nobody and piles up nothing.  While the engine
 * has no news the connection is suspended, as in every long poll.
 *
 *   ask ── lines ──▶ sent, then ask again     ── "finished" among them ──▶ end
 *    │ none
 *    ├── the transaction has not finished ──▶ a comment is sent, then ask again
 *    └── it has (the client had its last line), or is not known any more ──▶ end */
#include "coordinator/rest_core.h"

#include "base/crash.h"
#include "base/mem.h"
#include "saga/jsonbuf.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

enum { BLOCK_SIZE = 4096 };

struct stream {
	struct call *call;
	uint64_t after;     /* the last line that was put into `buf` */
	bool begun;         /* the engine has said once that it knows the transaction */
	bool ended;         /* nothing follows what is in `buf` */
	struct jsonbuf buf; /* to be sent */
	size_t sent;        /* of it */
	struct stream *prev, *next;
};

bool stream_wanted(const struct call *c)
{
	const char *accept = call_head(c, "Accept");

	return accept != NULL && strcasestr(accept, "text/event-stream") != NULL;
}

static struct stream *stream_new(struct call *c, uint64_t after)
{
	struct stream *s = mem_new(1, sizeof *s);

	s->call = c;
	s->after = after;
	s->buf.max = SIZE_MAX; /* an answer of the engine, which is bounded */
	c->stream = s;
	c->rest->n_streams++;
	DL_APPEND(c->rest->streams, s);
	return s;
}

void stream_free(struct call *c)
{
	struct stream *s = c->stream;

	if (s == NULL)
		return;
	DL_DELETE(c->rest->streams, s);
	c->rest->n_streams--;
	jsonbuf_fini(&s->buf);
	free(s);
	c->stream = NULL;
}

/* ---- asking ---- */

/* True while there is nothing to send and nobody was asked for it. */
static bool is_idle(const struct call *c)
{
	const struct stream *s = c->stream;

	return c->id == 0 && s->sent == s->buf.size && !s->ended;
}

static void ask(struct call *c)
{
	if (is_idle(c))
		engine_events(c->rest->engine, call_ask(c), c->gid, c->stream->after,
			      c->stream->begun ? STREAM_BEAT_MS : 0);
}

void stream_open(struct call *c, uint64_t after)
{
	if (c->rest->n_streams >= STREAMS_MAX) {
		call_refuse(c, 429,
			    "%d streams of events are open, and no more are taken: ask without "
			    "\"Accept: text/event-stream\"",
			    STREAMS_MAX);
		return;
	}
	stream_new(c, after);
	ask(c);
}

/* ---- sending ---- */

/* libmicrohttpd wants up to `max` more bytes; all before were taken by the kernel. */
static ssize_t stream_read(void *cls, uint64_t at, char *to, size_t max)
{
	struct call *c = cls;
	struct stream *s = c->stream;
	size_t left;

	(void)at;
	if (is_idle(c)) {
		jsonbuf_fini(&s->buf);
		s->buf = (struct jsonbuf){.max = SIZE_MAX};
		s->sent = 0;
		if (c->rest->engine == NULL || c->rest->quiesced)
			s->ended = true;
		ask(c);
	}
	left = s->buf.size - s->sent;
	if (left > 0) {
		const size_t n = left < max ? left : max;

		if (CRASH_ERROR(stream_send))
			return MHD_CONTENT_READER_END_WITH_ERROR;
		memcpy(to, s->buf.text + s->sent, n);
		s->sent += n;
		return (ssize_t)n;
	}
	if (s->ended)
		return MHD_CONTENT_READER_END_OF_STREAM;
	c->suspended = true;
	connection_phase(c->rest, c->http, 0);
	MHD_suspend_connection(c->http);
	return 0;
}

static void begin_response(struct call *c)
{
	call_give(c, 200,
		  MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_SIZE, stream_read, c,
						    NULL));
	call_header(c, "Content-Type", "text/event-stream; charset=utf-8");
	call_header(c, "Cache-Control", "no-store");
	call_header(c, "X-Accel-Buffering", "no"); /* a proxy must pass each line on at once */
}

/* ---- answers ---- */

/* A line of the history as an event: its number, its kind, and itself. */
static void put_event(struct stream *s, const json_t *event)
{
	const char *kind = json_string_value(json_object_get(event, "event"));
	const json_int_t n = json_integer_value(json_object_get(event, "n"));
	char head[NAME_MAX_LEN + 64];

	CRASH_POINT(stream_line);
	if (kind == NULL || !id_valid(kind, NAME_MAX_LEN))
		kind = "message"; /* what a browser calls an event without a name */
	snprintf(head, sizeof head, "id: %" JSON_INTEGER_FORMAT "\nevent: %s\ndata: ", n, kind);
	jsonbuf_text(&s->buf, head);
	jsonbuf_value(&s->buf, event); /* on one line: JSON escapes what would break it */
	jsonbuf_text(&s->buf, "\n\n");
	if (n > 0 && (uint64_t)n > s->after)
		s->after = (uint64_t)n;
	if (strcmp(kind, "finished") == 0)
		s->ended = true;
}

static bool is_over(const char *status)
{
	return status == NULL || strcmp(status, "committed") == 0 ||
	       strcmp(status, "rolled_back") == 0;
}

static void take_events(struct stream *s, const json_t *answer)
{
	const json_t *list = json_object_get(answer, "events"), *event;
	const json_int_t next = json_integer_value(json_object_get(answer, "next"));
	size_t i;

	json_array_foreach(list, i, event) put_event(s, event);
	if (next > 0 && (uint64_t)next > s->after)
		s->after = (uint64_t)next;
	if (json_array_size(list) > 0)
		return;
	if (is_over(json_string_value(json_object_get(answer, "status"))))
		s->ended = true;
	else
		jsonbuf_text(&s->buf, ":\n\n");
}

/* 204 tells a browser not to come back: all was seen and there will be no more. */
static void respond_nothing(struct call *c)
{
	call_give(c, 204, MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT));
}

bool stream_answered(struct call *c, enum answer_code code, char *json)
{
	struct stream *s = c->stream;
	json_t *answer;

	if (c->response != NULL)
		connection_phase(c->rest, c->http, c->rest->transfer_us);
	if (code < 200 || code >= 300) {
		s->ended = true; /* unknown, forgotten meanwhile, or stopping */
		if (c->response == NULL)
			return false;
		free(json);
		return true;
	}
	answer = json_loads(json, 0, NULL);
	free(json);
	s->begun = true;
	take_events(s, answer);
	json_decref(answer);
	if (c->response == NULL && s->buf.size > 0)
		begin_response(c);
	else if (c->response == NULL && s->ended)
		respond_nothing(c);
	return true;
}

void streams_end(struct rest *r)
{
	struct stream *s;

	DL_FOREACH (r->streams, s) {
		struct call *c = s->call;

		if (c->response == NULL)
			continue; /* its first answer comes without a wait */
		s->ended = true;
		if (c->id == 0)
			continue;
		HASH_DELETE(hh, r->waiting, c);
		if (r->engine != NULL)
			engine_client_gone(r->engine, c->id);
		c->id = 0;
		connection_phase(r, c->http, r->transfer_us);
		call_resume(c);
	}
}
