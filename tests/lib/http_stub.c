#include "tests/lib/http_stub.h"

#include "tests/lib/harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 512, REQUESTS_MAX = 8192, RULES_MAX = 64, REQUEST_MAX = 4 << 20 };

struct conn {
	struct http_stub *stub;
	pthread_t thread;
	int fd;
	int served; /* requests, with this one */
};

struct http_stub {
	int listener, port;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t ended;
	/* under the lock */
	bool quit;
	struct stub_rule rules[RULES_MAX];
	int n_rules;
	char *requests[REQUESTS_MAX];
	int n_requests;
	struct conn *conns[CONNECTIONS_MAX];
	int n_conns;
	size_t flooded;
};

/* ---- bytes ---- */

static bool say(int fd, const char *bytes, size_t size)
{
	while (size > 0) {
		const ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		bytes += n;
		size -= (size_t)n;
	}
	return true;
}

static size_t body_size(const char *head)
{
	const char *line = strcasestr(head, "\r\nContent-Length:");

	return line != NULL ? strtoul(line + 17, NULL, 10) : 0;
}

/* Reads one request, NUL-terminated; NULL when the connection ends. */
static char *hear(int fd)
{
	char *text = calloc(1, REQUEST_MAX + 1);
	const char *end;
	size_t size = 0;

	NEED(text, "out of memory");
	for (;;) {
		end = strstr(text, "\r\n\r\n");
		if (end != NULL && size >= (size_t)(end + 4 - text) + body_size(text))
			return text;
		const ssize_t n = recv(fd, text + size, REQUEST_MAX - size, 0);

		if (n <= 0)
			break;
		size += (size_t)n;
	}
	free(text);
	return NULL;
}

/* ---- manners ---- */

/* True once the stub ends; at most `ms` later. */
static bool ended_within(struct http_stub *s, int ms)
{
	struct timespec until;
	bool quit;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += (long)ms * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&s->lock);
	while (!s->quit && pthread_cond_timedwait(&s->ended, &s->lock, &until) == 0)
		continue;
	quit = s->quit;
	pthread_mutex_unlock(&s->lock);
	return quit;
}

static bool answer(const struct conn *c, const struct stub_rule *rule)
{
	const char *body = rule->body != NULL ? rule->body : "";
	char *text = textf("HTTP/1.1 %d Stub\r\nContent-Length: %zu\r\n%s\r\n%s",
			   rule->status != 0 ? rule->status : 200, strlen(body),
			   rule->headers != NULL ? rule->headers : "", body);
	const bool ok = say(c->fd, text, strlen(text));

	free(text);
	return ok;
}

static void drip(const struct conn *c)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";

	for (bool ok = say(c->fd, head, sizeof head - 1); ok; ok = say(c->fd, " ", 1))
		if (ended_within(c->stub, 100))
			break;
}

static void flood(const struct conn *c)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n";
	static char part[65536];
	size_t sent = 0;

	if (!say(c->fd, head, sizeof head - 1))
		return;
	while (sent < (size_t)1 << 30 && say(c->fd, part, sizeof part))
		sent += sizeof part;
	pthread_mutex_lock(&c->stub->lock);
	if (sent > c->stub->flooded)
		c->stub->flooded = sent;
	pthread_mutex_unlock(&c->stub->lock);
}

static void heads(const struct conn *c)
{
	static const char head[] = "HTTP/1.1 200 OK\r\n", line[] = "X-More: and more and more\r\n";

	for (bool ok = say(c->fd, head, sizeof head - 1); ok;)
		ok = say(c->fd, line, sizeof line - 1);
}

static void reset(const struct conn *c)
{
	static const char half[] = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"half\":";
	const struct linger now = {1, 0};

	say(c->fd, half, sizeof half - 1);
	ended_within(c->stub, 50); /* so that the half arrives before the reset */
	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

/* False when the connection ends with it. */
static bool act(const struct conn *c, const struct stub_rule *rule)
{
	char byte;

	switch (rule->manner) {
	case STUB_ANSWER: return answer(c, rule);
	case STUB_CLOSE: answer(c, rule); return false;
	case STUB_SILENT:
		while (recv(c->fd, &byte, 1, 0) > 0)
			continue;
		return false;
	case STUB_HANGUP: return false;
	case STUB_STALE: return c->served == 1 && answer(c, rule);
	case STUB_DRIP: drip(c); return false;
	case STUB_FLOOD: flood(c); return false;
	case STUB_HEADS: heads(c); return false;
	case STUB_RESET: reset(c); return false;
	}
	return false;
}

/* ---- requests ---- */

static bool asks_for(const char *request, const char *path)
{
	const char *at = strchr(request, ' ');

	return at != NULL && strncmp(at + 1, path, strlen(path)) == 0;
}

/* Keeps the request and finds what to do with it. */
static struct stub_rule note(struct http_stub *s, char *request)
{
	static const struct stub_rule standard = {.path = "/"};
	struct stub_rule rule = standard;

	pthread_mutex_lock(&s->lock);
	NEED(s->n_requests < REQUESTS_MAX, "too many requests for the stub");
	s->requests[s->n_requests++] = request;
	for (int i = s->n_rules - 1; i >= 0; i--) {
		const struct stub_rule *r = &s->rules[i];

		if (asks_for(request, r->path) &&
		    (r->method == NULL || strncmp(request, r->method, strlen(r->method)) == 0)) {
			rule = *r;
			break;
		}
	}
	pthread_mutex_unlock(&s->lock);
	return rule;
}

static void *serve(void *arg)
{
	struct conn *c = arg;
	char *request;

	while ((request = hear(c->fd)) != NULL) {
		char *copy = textf("%s", request);
		const struct stub_rule rule = note(c->stub, copy);

		free(request);
		c->served++;
		if (!act(c, &rule))
			break;
	}
	pthread_mutex_lock(&c->stub->lock);
	close(c->fd);
	c->fd = -1;
	pthread_mutex_unlock(&c->stub->lock);
	return NULL;
}

static void *listen_on(void *arg)
{
	struct http_stub *s = arg;
	const int yes = 1;
	int fd;

	while ((fd = accept(s->listener, NULL, NULL)) >= 0) {
		struct conn *c = calloc(1, sizeof *c);

		NEED(c && s->n_conns < CONNECTIONS_MAX, "too many connections for the stub");
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
		c->stub = s;
		c->fd = fd;
		pthread_mutex_lock(&s->lock);
		s->conns[s->n_conns++] = c;
		NEED(pthread_create(&c->thread, NULL, serve, c) == 0, "no thread");
		pthread_mutex_unlock(&s->lock);
	}
	return NULL;
}

/* ---- public ---- */

struct http_stub *http_stub_new(void)
{
	struct http_stub *s = calloc(1, sizeof *s);
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof at;

	NEED(s, "out of memory");
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->ended, NULL);
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	NEED(s->listener >= 0 && bind(s->listener, (struct sockaddr *)&at, sizeof at) == 0 &&
		     listen(s->listener, 128) == 0 &&
		     getsockname(s->listener, (struct sockaddr *)&at, &size) == 0,
	     "cannot listen: %s", strerror(errno));
	s->port = ntohs(at.sin_port);
	NEED(pthread_create(&s->thread, NULL, listen_on, s) == 0, "no thread");
	return s;
}

void http_stub_free(struct http_stub *s)
{
	pthread_mutex_lock(&s->lock);
	s->quit = true;
	pthread_cond_broadcast(&s->ended);
	pthread_mutex_unlock(&s->lock);
	shutdown(s->listener, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->listener);
	for (int i = 0; i < s->n_conns; i++) {
		pthread_mutex_lock(&s->lock);
		if (s->conns[i]->fd >= 0)
			shutdown(s->conns[i]->fd, SHUT_RDWR);
		pthread_mutex_unlock(&s->lock);
		pthread_join(s->conns[i]->thread, NULL);
		free(s->conns[i]);
	}
	for (int i = 0; i < s->n_requests; i++)
		free(s->requests[i]);
	pthread_cond_destroy(&s->ended);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

int http_stub_port(const struct http_stub *s)
{
	return s->port;
}

void http_stub_rule(struct http_stub *s, const struct stub_rule *rule)
{
	pthread_mutex_lock(&s->lock);
	NEED(s->n_rules < RULES_MAX, "too many rules for the stub");
	s->rules[s->n_rules++] = *rule;
	pthread_mutex_unlock(&s->lock);
}

int http_stub_count(struct http_stub *s, const char *path)
{
	int n = 0;

	pthread_mutex_lock(&s->lock);
	for (int i = 0; i < s->n_requests; i++)
		n += asks_for(s->requests[i], path);
	pthread_mutex_unlock(&s->lock);
	return n;
}

char *http_stub_last(struct http_stub *s, const char *path)
{
	char *found = NULL;

	pthread_mutex_lock(&s->lock);
	for (int i = s->n_requests - 1; i >= 0 && found == NULL; i--)
		if (asks_for(s->requests[i], path))
			found = textf("%s", s->requests[i]);
	pthread_mutex_unlock(&s->lock);
	return found;
}

int http_stub_connections(struct http_stub *s)
{
	int n;

	pthread_mutex_lock(&s->lock);
	n = s->n_conns;
	pthread_mutex_unlock(&s->lock);
	return n;
}

size_t http_stub_flooded(struct http_stub *s)
{
	size_t n;

	pthread_mutex_lock(&s->lock);
	n = s->flooded;
	pthread_mutex_unlock(&s->lock);
	return n;
}
