/* rest.c - see rest.h. */
#include "bench/rest.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REPLY_MAX = 16384, REQUEST_MAX = 2048, READY_TRIES = 400, READY_PAUSE_MS = 50 };

struct client {
	const struct rest_load *load;
	int fd;
	int port;
	struct transfer transfer;
	size_t size;
	char reply[REPLY_MAX + 1];
};

/* ---- HTTP, as little as it takes ---- */

static int dial(int port)
{
	const struct sockaddr_in to = {.sin_family = AF_INET,
				       .sin_port = htons((uint16_t)port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const int on = 1;

	if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof to) != 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0)
		bench_die("rest: cannot connect to 127.0.0.1:%d: %s", port, strerror(errno));
	return fd;
}

static void send_request(struct client *c, const char *line, const char *body)
{
	char request[REQUEST_MAX];
	const int size = snprintf(request, sizeof request,
				  "%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
				  "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
				  line, c->port, strlen(body), body);

	if (size < 0 || size >= REQUEST_MAX)
		bench_die("rest: the request is too long");
	/* It fits into an empty socket buffer, so that it goes whole. */
	if (send(c->fd, request, (size_t)size, MSG_NOSIGNAL) != size)
		bench_die("rest: a request could not be sent: %s", strerror(errno));
	c->size = 0;
}

/* The body of a whole reply; NULL: there is more to come. */
static const char *whole(const struct client *c)
{
	const char *end = strstr(c->reply, "\r\n\r\n");
	const char *length = strcasestr(c->reply, "\r\nContent-Length:");

	if (end == NULL)
		return NULL;
	if (length == NULL || length > end)
		bench_die("rest: a reply without a length: %.200s", c->reply);
	end += 4;
	if (c->size - (size_t)(end - c->reply) < strtoul(length + 17, NULL, 10))
		return NULL;
	return end;
}

/* Reads what has come; the body once the reply is whole, else NULL. */
static const char *receive(struct client *c)
{
	const ssize_t n = recv(c->fd, c->reply + c->size, REPLY_MAX - c->size, 0);

	if (n <= 0)
		bench_die("rest: %s", n < 0                  ? strerror(errno)
				      : c->size == REPLY_MAX ? "a reply is too long"
							     : "settled closed the connection");
	c->size += (size_t)n;
	c->reply[c->size] = '\0';
	return whole(c);
}

/* ---- transactions ---- */

static void begin(struct client *c, struct run *run)
{
	char body[REQUEST_MAX];

	if (!run_next(run, &c->transfer))
		return;
	c->load->body(&c->transfer, body, sizeof body);
	send_request(c, "POST /v1/transactions", body);
}

/* True if the text's first `key` has the value `value`, both with their quotes. */
static bool has(const char *json, const char *key, const char *value)
{
	const char *at = strstr(json, key);

	if (at == NULL)
		return false;
	at += strlen(key);
	at += strspn(at, ": ");
	return strncmp(at, value, strlen(value)) == 0;
}

static void on_ready(void *who, struct run *run)
{
	struct client *c = who;
	const char *body = receive(c), *reason;

	if (body == NULL)
		return;
	reason = strstr(body, "\"reason\"");
	if (strncmp(c->reply, "HTTP/1.1 20", 11) != 0)
		bench_die("rest: not finished: %.400s", c->reply);
	/* The transaction's own status stands before those of its steps. */
	if (has(body, "\"status\"", "\"committed\"") ||
	    (c->load->decided && has(body, "\"status\"", "\"committing\"")))
		run_ended(run, &c->transfer, NULL);
	else if (has(body, "\"status\"", "\"rolled_back\""))
		run_ended(run, &c->transfer, reason != NULL ? reason : body);
	else
		bench_die("rest: not an end: %.400s", body);
	begin(c, run);
}

static void await_idle(int port)
{
	struct client *c = mem_new(1, sizeof *c);
	const char *body;
	int tries = 0;

	c->fd = dial(port);
	c->port = port;
	do {
		if (tries++ > 0)
			usleep(READY_PAUSE_MS * 1000);
		if (tries == READY_TRIES)
			bench_die("transactions do not end: %s", c->reply);
		send_request(c, "GET /v1/stats", "");
		while ((body = receive(c)) == NULL)
			continue;
	} while (!has(body, "\"running\"", "0") || !has(body, "\"committing\"", "0"));
	close(c->fd);
	free(c);
}

void rest_run(struct run *run, int port, const struct rest_load *load)
{
	struct client *clients = mem_new((size_t)run->clients, sizeof *clients);
	const int ep = epoll_create1(EPOLL_CLOEXEC);

	for (int i = 0; i < run->clients; i++) {
		struct client *c = &clients[i];
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};

		c->load = load;
		c->port = port;
		c->fd = dial(port);
		if (epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &event) != 0)
			bench_die("rest: epoll_ctl failed");
	}
	run_start(run);
	for (int i = 0; i < run->clients; i++)
		begin(&clients[i], run);
	run_loop(run, ep, on_ready);
	for (int i = 0; i < run->clients; i++)
		close(clients[i].fd);
	free(clients);
	close(ep);
	if (load->decided)
		await_idle(port);
}

/* ---- readiness ---- */

static bool are_ready(struct client *c, int resources)
{
	const char *body;
	int ready = 0;

	send_request(c, "GET /v1/resources", "");
	while ((body = receive(c)) == NULL)
		continue;
	while ((body = strstr(body, "\"ready\"")) != NULL) {
		ready += has(body, "\"ready\"", "true");
		body++;
	}
	return ready == resources;
}

void rest_await_ready(int port, int resources)
{
	struct client c = {.fd = dial(port), .port = port};
	int tries = 0;

	while (!are_ready(&c, resources)) {
		if (++tries == READY_TRIES)
			bench_die("the agents are not ready: %s", c.reply);
		usleep(READY_PAUSE_MS * 1000);
	}
	close(c.fd);
}

void rest_publish(int port, const char *workflow)
{
	struct client *c = mem_new(1, sizeof *c);

	c->fd = dial(port);
	c->port = port;
	send_request(c, "POST /v1/workflows", workflow);
	while (receive(c) == NULL)
		continue;
	if (strncmp(c->reply, "HTTP/1.1 20", 11) != 0)
		bench_die("rest: a workflow is not taken: %.400s", c->reply);
	close(c->fd);
	free(c);
}
