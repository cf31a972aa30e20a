/* rest.c - see rest.h: the daemon, its place in the loop, and its connections. */
#include "coordinator/rest.h"

#include "base/clock.h"
#include "base/crash.h"
#include "base/log.h"
#include "base/mem.h"
#include "coordinator/rest_core.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 1024, FLUSH_ROUNDS = 8 };

/* ---- the loop ---- */

static struct connection *connection_of(struct MHD_Connection *http)
{
	return MHD_get_connection_info(http, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

void connection_phase(struct rest *r, struct MHD_Connection *http, uint64_t us)
{
	struct connection *c = connection_of(http);

	if (us == 0)
		heap_remove(&r->deadlines, &c->deadline);
	else
		heap_set(&r->deadlines, &c->deadline, clock_mono_us() + us);
}

/* libmicrohttpd's own time-out starts anew with each byte; ours does not.  It has
 * no call to close a connection: after this its next read says that the peer left. */
static void cut_slow(struct rest *r, uint64_t now)
{
	struct heap_node *node;

	while ((node = heap_first(&r->deadlines)) != NULL && node->at <= now) {
		const struct connection *c =
			(const void *)((const char *)node - offsetof(struct connection, deadline));

		heap_remove(&r->deadlines, node);
		shutdown(c->fd, SHUT_RDWR);
	}
}

static void on_timer(uv_timer_t *timer);

static void set_timer(struct rest *r, uint64_t now)
{
	const struct heap_node *first = heap_first(&r->deadlines);
	uint64_t at = first != NULL ? first->at : UINT64_MAX;
	MHD_UNSIGNED_LONG_LONG ms;

	if (MHD_get_timeout(r->daemon, &ms) == MHD_YES) {
		const uint64_t its = now + (uint64_t)ms * 1000;

		at = its < at ? its : at;
	}
	/* Most often a later deadline has replaced the one that the timer is set for:
	 * it then fires for nothing once, which is cheaper than to move it each time. */
	if (at == UINT64_MAX || (r->timer_at_us != 0 && r->timer_at_us <= at))
		return;
	r->timer_at_us = at;
	uv_update_time(r->loop);
	uv_timer_start(&r->timer, on_timer, at > now ? (at - now + 999) / 1000 : 0, 0);
}

void rest_wake(struct rest *r)
{
	if (r->timer_at_us == 1)
		return; /* it is on its way */
	r->timer_at_us = 1;
	uv_timer_start(&r->timer, on_timer, 0, 0);
}

static void rest_run(struct rest *r)
{
	if (r->engine != NULL)
		engine_clock(r->engine, clock_mono_us(), clock_wall_us());
	cut_slow(r, clock_mono_us());
	MHD_run(r->daemon);
	set_timer(r, clock_mono_us());
	if (r->handed && r->turn_wanted != NULL)
		r->turn_wanted(r->turn_arg);
	r->handed = false;
}

static void on_timer(uv_timer_t *timer)
{
	struct rest *r = timer->data;

	r->timer_at_us = 0;
	rest_run(r);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	rest_run(poll->data);
}

/* ---- libmicrohttpd's callbacks ---- */

static void on_connection(void *cls, struct MHD_Connection *http, void **slot,
			  enum MHD_ConnectionNotificationCode what)
{
	struct rest *r = cls;
	struct connection *c = *slot;

	if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
		heap_remove(&r->deadlines, &c->deadline);
		free(c);
		*slot = NULL;
		return;
	}
	c = mem_new(1, sizeof *c);
	c->rest = r;
	c->fd = MHD_get_connection_info(http, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	if (CRASH_ERROR(client_accept))
		shutdown(c->fd, SHUT_RDWR);
	heap_set(&r->deadlines, &c->deadline, clock_mono_us() + r->idle_us);
	*slot = c;
}

/* The request line has come. */
static void *on_request_line(void *cls, const char *uri, struct MHD_Connection *http)
{
	struct rest *r = cls;

	(void)uri;
	connection_phase(r, http, r->transfer_us);
	return NULL;
}

static void __attribute__((format(printf, 2, 0))) on_log(void *cls, const char *fmt, va_list ap)
{
	char text[256];
	const int printed = vsnprintf(text, sizeof text, fmt, ap);

	(void)cls;
	if (printed > 0 && (size_t)printed < sizeof text && text[printed - 1] == '\n')
		text[printed - 1] = '\0';
	log_event(LOG_DEBUG, "http", "%s", text);
}

/* ---- opening ---- */

/* "host:port" or "[v6]:port" to its parts; false if it is neither. */
static bool split_address(const char *text, char host[256], const char **port)
{
	const char *colon = strrchr(text, ':');
	size_t size;

	if (colon == NULL || colon == text || colon[1] == '\0' ||
	    strspn(colon + 1, "0123456789") != strlen(colon + 1))
		return false;
	size = (size_t)(colon - text);
	if (text[0] == '[') {
		if (text[size - 1] != ']' || size < 3)
			return false;
		text++;
		size -= 2;
	} else if (memchr(text, ':', size) != NULL) {
		return false; /* a bare IPv6 address: where does its port begin? */
	}
	if (size >= 256)
		return false;
	memcpy(host, text, size);
	host[size] = '\0';
	*port = colon + 1;
	return true;
}

static bool is_loopback(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)address;

		return ntohl(in->sin_addr.s_addr) >> 24 == 127;
	}
	return IN6_IS_ADDR_LOOPBACK(
		&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
}

static enum rc resolve(const char *text, struct addrinfo **out, struct err *err)
{
	const struct addrinfo hints = {
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM,
	};
	char host[256];
	const char *port;
	int failed;

	if (!split_address(text, host, &port) || strlen(port) > 5 || atoi(port) > 65535)
		return err_set(err, RC_INVALID,
			       "listen: \"%.80s\" is not an address with a port, such as "
			       "127.0.0.1:7480 or [::1]:7480",
			       text);
	failed = getaddrinfo(host, port, &hints, out);
	if (failed != 0)
		return err_set(err, RC_INVALID, "listen: \"%.80s\": %s", text,
			       gai_strerror(failed));
	return RC_OK;
}

static enum rc bind_socket(struct rest *r, const char *text, const struct addrinfo *address,
			   struct err *err)
{
	const int one = 1;
	struct sockaddr_storage bound;
	socklen_t size = sizeof bound;
	char host[INET6_ADDRSTRLEN], port[8];

	r->listen_fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (r->listen_fd < 0)
		return err_set(err, RC_IO, "listen: cannot make a socket: %s", strerror(errno));
	setsockopt(r->listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(r->listen_fd, address->ai_addr, address->ai_addrlen) != 0 ||
	    listen(r->listen_fd, BACKLOG) != 0)
		return err_set(err, RC_IO, "cannot listen on %s: %s", text, strerror(errno));
	if (getsockname(r->listen_fd, (struct sockaddr *)&bound, &size) != 0 ||
	    getnameinfo((struct sockaddr *)&bound, size, host, sizeof host, port, sizeof port,
			NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return err_set(err, RC_IO, "cannot tell the bound address of %s", text);
	snprintf(r->address, sizeof r->address,
		 address->ai_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
	return RC_OK;
}

static enum rc listen_on(struct rest *r, const char *text, struct err *err)
{
	struct addrinfo *address = NULL;
	enum rc rc = resolve(text, &address, err);

	if (rc != RC_OK)
		return rc;
	if (!is_loopback(address->ai_addr) && !r->has_token)
		rc = err_set(err, RC_INVALID,
			     "listen: %s can be reached from other machines, and no token is set: "
			     "set token_file, or listen on 127.0.0.1",
			     text);
	else
		rc = bind_socket(r, text, address, err);
	freeaddrinfo(address);
	return rc;
}

static enum rc start_daemon(struct rest *r, unsigned max_connections, struct err *err)
{
	/* Its time-outs are off (0): each connection has its own deadline here. */
	r->daemon = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL,
		call_access, r, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET,
		r->listen_fd, MHD_OPTION_CONNECTION_LIMIT, max_connections,
		MHD_OPTION_CONNECTION_TIMEOUT, 0u, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)HEADERS_MAX, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_COMPLETED,
		call_completed, r, MHD_OPTION_NOTIFY_CONNECTION, on_connection, r,
		MHD_OPTION_URI_LOG_CALLBACK, on_request_line, r, MHD_OPTION_SIGPIPE_HANDLED_BY_APP,
		1, MHD_OPTION_END);
	if (r->daemon == NULL)
		return err_set(err, RC_IO, "cannot start the HTTP server on %s", r->address);
	return RC_OK;
}

static void join_loop(struct rest *r)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(r->daemon, MHD_DAEMON_INFO_EPOLL_FD);

	r->handles = 2;
	uv_timer_init(r->loop, &r->timer);
	uv_poll_init(r->loop, &r->poll, info->epoll_fd);
	r->timer.data = r;
	r->poll.data = r;
	uv_poll_start(&r->poll, UV_READABLE, on_readable);
	rest_run(r); /* the first run puts the listening socket into the epoll set */
}

static void rest_free(struct rest *r)
{
	if (r->listen_fd >= 0)
		close(r->listen_fd);
	heap_fini(&r->deadlines);
	free(r);
}

enum rc rest_open(uv_loop_t *loop, const struct rest_settings *settings, struct rest **out,
		  struct err *err)
{
	struct rest *r = mem_new(1, sizeof *r);
	enum rc rc;

	r->loop = loop;
	r->listen_fd = -1;
	r->idle_us = settings->idle_ms * 1000;
	r->transfer_us = settings->transfer_ms * 1000;
	if (settings->token != NULL) {
		struct sha256_ctx sha;

		sha256_init(&sha);
		sha256_update(&sha, strlen(settings->token), (const uint8_t *)settings->token);
		sha256_digest(&sha, sizeof r->token, r->token);
		r->has_token = true;
	}
	rc = listen_on(r, settings->listen, err);
	if (rc == RC_OK)
		rc = start_daemon(r, (unsigned)settings->max_connections, err);
	if (rc != RC_OK) {
		rest_free(r);
		return rc;
	}
	join_loop(r);
	*out = r;
	return RC_OK;
}

/* ---- public, the rest ---- */

void rest_serve(struct rest *r, struct engine *e, void (*turn_wanted)(void *arg), void *arg)
{
	r->engine = e;
	r->turn_wanted = turn_wanted;
	r->turn_arg = arg;
}

const char *rest_address(const struct rest *r)
{
	return r->address;
}

struct client_port rest_port(struct rest *r)
{
	return (struct client_port){.answer = call_answered, .self = r};
}

void rest_quiesce(struct rest *r)
{
	if (r->quiesced)
		return;
	r->quiesced = true;
	MHD_quiesce_daemon(r->daemon);
	close(r->listen_fd);
	r->listen_fd = -1;
	streams_end(r);
}

size_t rest_busy(const struct rest *r)
{
	return r->calls;
}

static void on_closed(uv_handle_t *handle)
{
	struct rest *r = handle->data;

	if (--r->handles == 0)
		rest_free(r);
}

void rest_close(struct rest *r)
{
	struct call *c, *next;

	if (r == NULL)
		return;
	r->engine = NULL;
	rest_quiesce(r);
	HASH_ITER (hh, r->waiting, c, next)
		call_answered(r, c->id, ANSWER_STOPPING, NULL, "the coordinator is stopping");
	/* Suspended connections must have run again before the daemon may stop; what
	 * the kernel takes of their responses at once is sent, the rest is not. */
	for (int i = 0; i < FLUSH_ROUNDS; i++)
		MHD_run(r->daemon);
	uv_poll_stop(&r->poll);
	MHD_stop_daemon(r->daemon);
	uv_close((uv_handle_t *)&r->poll, on_closed);
	uv_close((uv_handle_t *)&r->timer, on_closed);
}
