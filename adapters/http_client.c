/* http_client.c - see http_client.h: libcurl on the loop.  What it is told about one
 * transfer is in http_exchange.c. */
#include "adapters/http_client.h"

#include "adapters/http_exchange.h"
#include "base/crash.h"
#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <utlist.h>

enum { IDLE_MAX_S = 30 }; /* a kept connection that is older was likely closed */

/* libuv's watch over one of libcurl's sockets. */
struct watch {
	uv_poll_t poll;
	struct http_client *client;
	curl_socket_t fd;
};

/* ---- what has ended ---- */

static void end(struct http_exchange *x, CURLcode code)
{
	struct http_client *c = x->client;

	if (CRASH_ERROR(http_ended))
		code = CURLE_RECV_ERROR;
	http_exchange_read(x, code);
	if (http_exchange_redirects(x)) {
		curl_multi_remove_handle(c->multi, x->easy);
		http_exchange_again(x);
		if (curl_multi_add_handle(c->multi, x->easy) == CURLM_OK)
			return;
	}
	http_client_abort(x);
	x->done(x);
}

static void take_ended(struct http_client *c)
{
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(c->multi, &left)) != NULL) {
		char *x = NULL;

		if (msg->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &x);
		end((struct http_exchange *)(void *)x, msg->data.result);
	}
}

static void act(struct http_client *c, curl_socket_t fd, int events)
{
	int running;

	curl_multi_socket_action(c->multi, fd, events, &running);
	take_ended(c);
}

/* ---- the loop ---- */

static void on_poll(uv_poll_t *poll, int status, int events)
{
	const struct watch *w = poll->data;
	struct http_client *c = w->client;
	const curl_socket_t fd = w->fd; /* `w` may go while libcurl acts */
	int flags = status < 0 ? CURL_CSELECT_ERR : 0;

	if ((events & (UV_READABLE | UV_DISCONNECT)) != 0)
		flags |= CURL_CSELECT_IN;
	if ((events & UV_WRITABLE) != 0)
		flags |= CURL_CSELECT_OUT;
	adapter_loop_enter(c->loop);
	act(c, fd, flags);
	adapter_loop_leave(c->loop);
}

static void on_watch_closed(uv_handle_t *handle)
{
	struct watch *w = handle->data;
	struct adapter_loop *loop = w->client->loop;

	free(w);
	adapter_loop_closed(loop);
}

static struct watch *watch_new(struct http_client *c, curl_socket_t fd)
{
	struct watch *w = mem_new(1, sizeof *w);

	if (uv_poll_init_socket(c->loop->uv, &w->poll, fd) != 0) {
		free(w);
		return NULL;
	}
	w->poll.data = w;
	w->client = c;
	w->fd = fd;
	adapter_loop_opened(c->loop);
	curl_multi_assign(c->multi, fd, w);
	return w;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct http_client *c = arg;
	struct watch *w = socket_arg;
	int events = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (w != NULL) {
			curl_multi_assign(c->multi, fd, NULL);
			uv_poll_stop(&w->poll);
			uv_close((uv_handle_t *)&w->poll, on_watch_closed);
		}
		return 0;
	}
	/* A failure is not told to libcurl, which would give up every transfer for it:
	 * the deadline ends the one that hangs on the socket. */
	if (w == NULL && (w = watch_new(c, fd)) == NULL)
		return 0;
	if (what != CURL_POLL_OUT)
		events |= UV_READABLE;
	if (what != CURL_POLL_IN)
		events |= UV_WRITABLE;
	uv_poll_start(&w->poll, events, on_poll);
	return 0;
}

static void on_due(struct adapter_timer *t)
{
	struct http_client *c =
		(struct http_client *)(void *)((char *)t - offsetof(struct http_client, timer));

	act(c, CURL_SOCKET_TIMEOUT, 0);
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct http_client *c = arg;

	(void)multi;
	if (timeout_ms < 0)
		adapter_timer_stop(c->loop, &c->timer);
	else
		adapter_timer_set(c->loop, &c->timer, (uint64_t)timeout_ms);
	return 0;
}

/* ---- public ---- */

void http_client_init(struct http_client *c, struct adapter_loop *loop)
{
	static bool begun; /* the agent is one thread, and keeps libcurl to its end */

	if (!begun && curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		abort();
	begun = true;
	c->loop = loop;
	c->timer.fn = on_due;
	c->multi = curl_multi_init();
	if (c->multi == NULL)
		abort(); /* as in mem.h */
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
}

void http_client_fini(struct http_client *c)
{
	assert(c->open == NULL);
	if (c->multi == NULL)
		return;
	curl_multi_cleanup(c->multi); /* closes what is kept */
	adapter_timer_stop(c->loop, &c->timer);
	c->multi = NULL;
}

void http_client_send(struct http_client *c, struct http_exchange *x)
{
	x->client = c;
	CRASH_POINT(http_begin);
	DL_APPEND(c->open, x);
	http_exchange_start(x, uv_now(c->loop->uv));
	curl_easy_setopt(x->easy, CURLOPT_MAXAGE_CONN, (long)IDLE_MAX_S);
	/* It begins by libcurl's timer, so never inside this call. */
	if (curl_multi_add_handle(c->multi, x->easy) != CURLM_OK)
		abort(); /* as in mem.h: nothing else can fail here */
}

void http_client_abort(struct http_exchange *x)
{
	struct http_client *c = x->client;

	if (x->easy == NULL)
		return;
	curl_multi_remove_handle(c->multi, x->easy);
	curl_easy_cleanup(x->easy);
	x->easy = NULL;
	DL_DELETE(c->open, x);
}
