#include "tests/lib/pooler.h"

#include "tests/lib/harness.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PAIRS_MAX = 64, PART = 65536 };

struct pair {
	int client, server; /* -1: closed */
	bool started;       /* the server has said that it is ready */
	int answer_to;      /* the pair whose client asked last */
};

struct pooler {
	struct sockaddr_un upstream;
	enum pooler_kind kind;
	int listener, port;
	int quit[2];
	pthread_t thread;
	struct pair pairs[PAIRS_MAX];
	int n;
	int turn;
};

static void send_all(int fd, const char *data, ssize_t size)
{
	while (size > 0) {
		const ssize_t n = send(fd, data, (size_t)size, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		data += n;
		size -= n;
	}
}

static int dial(const struct pooler *p)
{
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (const struct sockaddr *)&p->upstream, sizeof p->upstream) == 0)
		return fd;
	close(fd);
	return -1;
}

static void take_client(struct pooler *p)
{
	struct pair *x = &p->pairs[p->n];
	const int fd = accept(p->listener, NULL, NULL);

	if (fd < 0)
		return;
	if (p->n == PAIRS_MAX) {
		close(fd);
		return;
	}
	*x = (struct pair){.client = fd, .server = dial(p), .answer_to = p->n};
	p->n++;
}

/* The session that a started client's bytes go to. */
static int route(struct pooler *p, int from)
{
	if (p->kind == POOLER_SHARES)
		for (int i = 0; i < p->n; i++)
			if (p->pairs[i].server >= 0 && p->pairs[i].started)
				return i;
	if (p->kind == POOLER_ROTATES && p->n > 0) {
		const int i = p->turn++ % 2;

		/* The other session is a spare one, started by us as if for this client. */
		if (i == 0 || from + 1 >= p->n)
			return from;
		return from + 1;
	}
	return from;
}

static void end_pair(struct pair *x)
{
	if (x->client >= 0)
		close(x->client);
	if (x->server >= 0)
		close(x->server);
	x->client = x->server = -1;
}

/* What a client says at first (its start-up packet) goes to its own session, and
 * to a spare one as well where sessions are to rotate. */
static void start_spare(struct pooler *p, int owner, const char *data, ssize_t size)
{
	struct pair *x = &p->pairs[p->n];

	if (p->kind != POOLER_ROTATES || p->n == PAIRS_MAX || owner + 1 < p->n)
		return;
	*x = (struct pair){.client = -1, .server = dial(p), .started = true, .answer_to = -1};
	p->n++;
	send_all(x->server, data, size);
}

static void from_client(struct pooler *p, int i)
{
	char part[PART];
	const ssize_t n = read(p->pairs[i].client, part, sizeof part);
	int to;

	if (n <= 0) {
		close(p->pairs[i].client);
		p->pairs[i].client = -1;
		return;
	}
	if (!p->pairs[i].started) {
		start_spare(p, i, part, n);
		send_all(p->pairs[i].server, part, n);
		return;
	}
	to = route(p, i);
	p->pairs[to].answer_to = i;
	send_all(p->pairs[to].server, part, n);
}

static void from_server(struct pooler *p, int i)
{
	char part[PART];
	const ssize_t n = read(p->pairs[i].server, part, sizeof part);
	const int to = p->pairs[i].answer_to;

	if (n <= 0) {
		end_pair(&p->pairs[i]);
		return;
	}
	if (n >= 6 && memcmp(part + n - 6, "Z\0\0\0\5I", 6) == 0)
		p->pairs[i].started = true;
	if (to >= 0 && p->pairs[to].client >= 0)
		send_all(p->pairs[to].client, part, n);
}

static void *work(void *arg)
{
	struct pooler *p = arg;
	struct pollfd fds[2 + 2 * PAIRS_MAX];

	for (;;) {
		const int pairs = p->n;

		fds[0] = (struct pollfd){.fd = p->quit[0], .events = POLLIN};
		fds[1] = (struct pollfd){.fd = p->listener, .events = POLLIN};
		for (int i = 0; i < pairs; i++) {
			fds[2 + 2 * i] =
				(struct pollfd){.fd = p->pairs[i].client, .events = POLLIN};
			fds[3 + 2 * i] =
				(struct pollfd){.fd = p->pairs[i].server, .events = POLLIN};
		}
		poll(fds, 2 + 2 * (nfds_t)pairs, -1);
		if (fds[0].revents)
			return NULL;
		for (int i = 0; i < pairs; i++) {
			if (fds[2 + 2 * i].revents && p->pairs[i].client >= 0)
				from_client(p, i);
			if (fds[3 + 2 * i].revents && p->pairs[i].server >= 0)
				from_server(p, i);
		}
		if (fds[1].revents)
			take_client(p);
	}
}

struct pooler *pooler_new(const struct pg_server *server, enum pooler_kind kind)
{
	struct pooler *p = calloc(1, sizeof *p);
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t size = sizeof at;

	NEED(p, "out of memory");
	p->kind = kind;
	p->upstream.sun_family = AF_UNIX;
	snprintf(p->upstream.sun_path, sizeof p->upstream.sun_path, "%s/.s.PGSQL.%d", server->dir,
		 server->port);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	NEED(bind(p->listener, (struct sockaddr *)&at, sizeof at) == 0 &&
		     listen(p->listener, 64) == 0 &&
		     getsockname(p->listener, (struct sockaddr *)&at, &size) == 0 &&
		     pipe(p->quit) == 0 && pthread_create(&p->thread, NULL, work, p) == 0,
	     "cannot listen");
	p->port = ntohs(at.sin_port);
	return p;
}

int pooler_port(const struct pooler *p)
{
	return p->port;
}

void pooler_free(struct pooler *p)
{
	NEED(write(p->quit[1], "q", 1) == 1, "cannot end the pooler");
	pthread_join(p->thread, NULL);
	for (int i = 0; i < p->n; i++)
		end_pair(&p->pairs[i]);
	close(p->listener);
	close(p->quit[0]);
	close(p->quit[1]);
	free(p);
}
