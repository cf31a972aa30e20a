#include "tests/lib/proxy.h"

#include "tests/lib/harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PAIRS_MAX = 256, PART = 16384 };

/* One connection: fd[0] to who connected, fd[1] to the server. */
struct pair {
	int fd[2];
	bool holed[2]; /* by way: bytes were lost, it stays silent */
};

struct proxy {
	char *upstream;
	int port, listener;
	int wake[2];
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t turned; /* the thread has seen what was asked */
	/* under the lock */
	enum proxy_mode mode[2];
	size_t stopped[2];
	bool cut, quit;
	unsigned long asked, seen;
	/* the thread's */
	struct pair pairs[PAIRS_MAX];
	size_t n;
};

static int dial(const char *upstream)
{
	if (upstream[0] == '/') {
		struct sockaddr_un at = {.sun_family = AF_UNIX};
		snprintf(at.sun_path, sizeof at.sun_path, "%s", upstream);
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof at) == 0)
			return fd;
		close(fd);
		return -1;
	}
	const char *colon = strrchr(upstream, ':');
	struct sockaddr_in at = {.sin_family = AF_INET};
	at.sin_port = htons((uint16_t)atoi(colon ? colon + 1 : "0"));
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1;
	if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof at) == 0) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		return fd;
	}
	close(fd);
	return -1;
}

static void welcome(struct proxy *p)
{
	int fd = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return;
	int one = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	int server = p->n < PAIRS_MAX ? dial(p->upstream) : -1;
	if (server < 0) {
		close(fd);
		return;
	}
	p->pairs[p->n++] = (struct pair){.fd = {fd, server}};
}

/* A reset, not a polite end, so that both sides notice at once. */
static void part(struct proxy *p, size_t i)
{
	struct linger hard = {.l_onoff = 1};
	for (int side = 0; side < 2; side++) {
		setsockopt(p->pairs[i].fd[side], SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
		close(p->pairs[i].fd[side]);
	}
	p->pairs[i] = p->pairs[--p->n];
}

static bool send_all(int fd, const char *bytes, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = send(fd, bytes + done, size - done, MSG_NOSIGNAL);
		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

static void count(struct proxy *p, int way, size_t bytes)
{
	pthread_mutex_lock(&p->lock);
	p->stopped[way] += bytes;
	pthread_mutex_unlock(&p->lock);
}

/* Moves what is there; false when the connection is over. */
static bool carry(struct proxy *p, struct pair *pair, int way, enum proxy_mode mode)
{
	char bytes[PART];
	ssize_t n = recv(pair->fd[way], bytes, sizeof bytes, 0);
	if (n <= 0)
		return false;
	if (mode == PROXY_DROP || pair->holed[way]) {
		pair->holed[way] = true;
		count(p, way, (size_t)n);
		return true;
	}
	return send_all(pair->fd[!way], bytes, (size_t)n);
}

/* While a way is held, what waits in the socket is counted, not read. */
static void count_held(struct proxy *p, const enum proxy_mode mode[2])
{
	for (int way = 0; way < 2; way++) {
		if (mode[way] != PROXY_HOLD)
			continue;
		size_t waiting = 0;
		for (size_t i = 0; i < p->n; i++) {
			int bytes = 0;
			if (ioctl(p->pairs[i].fd[way], FIONREAD, &bytes) == 0 && bytes > 0)
				waiting += (size_t)bytes;
		}
		pthread_mutex_lock(&p->lock);
		if (p->mode[way] == PROXY_HOLD)
			p->stopped[way] = waiting;
		pthread_mutex_unlock(&p->lock);
	}
}

/* Takes over what was asked; false at the end. */
static bool obey(struct proxy *p, enum proxy_mode mode[2])
{
	char drain[64];
	while (read(p->wake[0], drain, sizeof drain) > 0)
		continue;
	pthread_mutex_lock(&p->lock);
	mode[0] = p->mode[0];
	mode[1] = p->mode[1];
	bool cut = p->cut;
	bool quit = p->quit;
	p->cut = false;
	p->seen = p->asked;
	while ((cut || quit) && p->n)
		part(p, 0);
	pthread_cond_broadcast(&p->turned);
	pthread_mutex_unlock(&p->lock);
	return !quit;
}

static void *serve(void *arg)
{
	struct proxy *p = arg;
	enum proxy_mode mode[2];
	while (obey(p, mode)) {
		struct pollfd polled[2 + 2 * PAIRS_MAX];
		size_t n = p->n;
		polled[0] = (struct pollfd){.fd = p->wake[0], .events = POLLIN};
		polled[1] = (struct pollfd){.fd = p->listener, .events = POLLIN};
		for (size_t i = 0; i < n; i++) {
			for (int way = 0; way < 2; way++) {
				short events = mode[way] == PROXY_HOLD ? 0 : POLLIN;
				polled[2 + 2 * i + (size_t)way] = (struct pollfd){
					.fd = p->pairs[i].fd[way], .events = events};
			}
		}
		bool holding = mode[0] == PROXY_HOLD || mode[1] == PROXY_HOLD;
		poll(polled, (nfds_t)(2 + 2 * n), holding ? 5 : -1);
		/* An order that came meanwhile counts before any byte is moved. */
		if (polled[0].revents)
			continue;
		for (size_t i = n; i-- > 0;) {
			bool ok = true;
			for (int way = 0; ok && way < 2; way++) {
				short got = polled[2 + 2 * i + (size_t)way].revents;
				if (got & POLLIN)
					ok = carry(p, &p->pairs[i], way, mode[way]);
				else if (got)
					ok = false;
			}
			if (!ok)
				part(p, i);
		}
		if (polled[1].revents & POLLIN)
			welcome(p);
		if (holding)
			count_held(p, mode);
	}
	return NULL;
}

struct proxy *proxy_new(const char *upstream)
{
	struct proxy *p = calloc(1, sizeof *p);
	NEED(p, "out of memory");
	p->upstream = textf("%s", upstream);
	struct sockaddr_in at = {.sin_family = AF_INET};
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	socklen_t size = sizeof at;
	p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	NEED(p->listener >= 0 && bind(p->listener, (struct sockaddr *)&at, size) == 0 &&
		     listen(p->listener, 64) == 0 &&
		     getsockname(p->listener, (struct sockaddr *)&at, &size) == 0,
	     "proxy: %s", strerror(errno));
	p->port = ntohs(at.sin_port);
	NEED(pipe2(p->wake, O_CLOEXEC | O_NONBLOCK) == 0, "pipe: %s", strerror(errno));
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->turned, NULL);
	NEED(pthread_create(&p->thread, NULL, serve, p) == 0, "no thread");
	return p;
}

int proxy_port(const struct proxy *p)
{
	return p->port;
}

/* Under the lock: wakes the thread and waits until it has taken the order. */
static void ask_locked(struct proxy *p)
{
	unsigned long mine = ++p->asked;
	NEED(write(p->wake[1], "!", 1) == 1 || errno == EAGAIN, "proxy: %s", strerror(errno));
	while (p->seen < mine)
		pthread_cond_wait(&p->turned, &p->lock);
}

void proxy_set(struct proxy *p, enum proxy_way way, enum proxy_mode mode)
{
	pthread_mutex_lock(&p->lock);
	p->mode[way] = mode;
	p->stopped[way] = 0;
	ask_locked(p);
	pthread_mutex_unlock(&p->lock);
}

void proxy_cut(struct proxy *p)
{
	pthread_mutex_lock(&p->lock);
	p->cut = true;
	ask_locked(p);
	pthread_mutex_unlock(&p->lock);
}

size_t proxy_stopped(struct proxy *p, enum proxy_way way)
{
	pthread_mutex_lock(&p->lock);
	size_t n = p->stopped[way];
	pthread_mutex_unlock(&p->lock);
	return n;
}

void proxy_free(struct proxy *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->quit = true;
	ask_locked(p);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
	close(p->listener);
	close(p->wake[0]);
	close(p->wake[1]);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->turned);
	free(p->upstream);
	free(p);
}
