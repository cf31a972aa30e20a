/* link_rig.c - see link_rig.h. */
#include "tests/lib/link_rig.h"
#include "base/log.h"
#include "base/mem.h"

#include <nng/protocol/reqrep0/req.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { TICK_MS = 2 };

/* ---- the coordinator's side: what the engine would hear ---- */

struct link_rig lr;

void lr_answer(uint64_t poll, uint64_t epoch)
{
	const struct reply r = {.cluster = "settle", .epoch = epoch, .error = ""};

	lr.port.reply(lr.port.self, poll, &r);
}

static void on_poll(uint64_t poll, uint64_t pipe, const struct poll *p, void *arg)
{
	(void)arg;
	ck_assert_str_eq(p->cluster, "settle");
	lr.polls[lr.n_polls].id = poll;
	lr.polls[lr.n_polls].pipe = pipe;
	lr.polls[lr.n_polls++].seq = p->seq;
	if (lr.echo)
		lr_answer(poll, p->seq);
	if (lr.close) {
		link_close(lr.link);
		lr.link = NULL;
	}
}

static void on_pipe_lost(uint64_t pipe, void *arg)
{
	(void)arg;
	lr.lost[lr.n_lost++] = pipe;
}

static void on_tick(uv_timer_t *t)
{
	(void)t;
}

const struct link_events lr_events = {on_poll, on_pipe_lost, NULL};

void lr_start(const char *url)
{
	struct err err;

	memset(&lr, 0, sizeof lr);
	signal(SIGPIPE, SIG_IGN); /* as in settled: a broken connection is an error code */
	log_set_level(LOG_ERROR);
	ck_assert_int_eq(uv_loop_init(&lr.loop), 0);
	uv_timer_init(&lr.loop, &lr.tick);
	uv_timer_start(&lr.tick, on_tick, TICK_MS, TICK_MS);
	ck_assert_msg(link_open(&lr.loop, url, &lr_events, &lr.link, &err) == RC_OK, "%s",
		      err.text);
	lr.port = link_port(lr.link);
}

void lr_setup(void)
{
	lr_start("tcp://127.0.0.1:0");
}

void lr_teardown(void)
{
	link_close(lr.link);
	uv_close((uv_handle_t *)&lr.tick, NULL);
	uv_run(&lr.loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(uv_loop_close(&lr.loop), 0);
}

/* ---- the agent's side ---- */

static void on_request(void *arg)
{
	struct lr_request *q = arg;

	q->rv = nng_aio_result(q->aio);
	if (q->rv == 0 && !q->received) {
		q->received = true;
		nng_ctx_recv(q->ctx, q->aio);
		return;
	}
	if (q->rv != 0 && !q->received)
		nng_msg_free(nng_aio_get_msg(q->aio));
	if (q->rv == 0) {
		nng_msg *m = nng_aio_get_msg(q->aio);

		reply_decode(&q->reply, nng_msg_body(m), nng_msg_len(m), NULL);
		nng_msg_free(m);
	}
	atomic_store(&q->done, true);
}

nng_socket lr_dial(void)
{
	nng_socket s;

	ck_assert_int_eq(nng_req0_open(&s), 0);
	nng_socket_set_ms(s, NNG_OPT_REQ_RESENDTIME, 3600 * 1000);
	ck_assert_int_eq(nng_dial(s, link_url(lr.link), NULL, NNG_FLAG_NONBLOCK), 0);
	return s;
}

struct lr_request *lr_request_bytes(nng_socket s, const void *bytes, size_t size)
{
	struct lr_request *q = mem_new(1, sizeof *q);
	nng_msg *m;

	ck_assert_int_eq(nng_ctx_open(&q->ctx, s), 0);
	ck_assert_int_eq(nng_aio_alloc(&q->aio, on_request, q), 0);
	ck_assert_int_eq(nng_msg_alloc(&m, 0), 0);
	ck_assert_int_eq(nng_msg_append(m, bytes, size), 0);
	nng_aio_set_msg(q->aio, m);
	nng_ctx_send(q->ctx, q->aio);
	return q;
}

struct lr_request *lr_request_poll(nng_socket s, uint64_t seq)
{
	const struct poll p = {.cluster = "settle", .agent = "a", .seq = seq};
	const size_t size = poll_size(&p);
	char *bytes = mem_new(1, size);
	struct lr_request *q;

	poll_encode(&p, bytes);
	q = lr_request_bytes(s, bytes, size);
	free(bytes);
	return q;
}

void lr_request_free(struct lr_request *q)
{
	nng_ctx_close(q->ctx);
	nng_aio_stop(q->aio);
	nng_aio_free(q->aio);
	reply_free(&q->reply);
	free(q);
}
