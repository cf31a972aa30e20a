/* proxy.h - a TCP proxy that loses, holds back or cuts what goes through it.
 *
 * It stands between an agent and the coordinator, or between an agent and its
 * database, on a thread of its own.  Two directions: UP is from who connected to
 * the server, DOWN is back.
 * Rule: bytes that were dropped leave a hole, and TCP has no holes: a connection
 * that lost something in a direction stays silent in it until it is cut.
 * Thread: every call from the test's main thread. */
#ifndef TESTS_LIB_PROXY_H
#define TESTS_LIB_PROXY_H

#include <stdbool.h>
#include <stddef.h>

enum proxy_way { PROXY_UP, PROXY_DOWN };

enum proxy_mode {
	PROXY_PASS,
	PROXY_HOLD, /* nothing is read: the bytes wait, and go on when passed again */
	PROXY_DROP, /* bytes vanish, the connection stays */
};

struct proxy;

/* Listens on 127.0.0.1 and connects to `upstream`: "127.0.0.1:7481", or the path
 * of a Unix socket. */
struct proxy *proxy_new(const char *upstream);
int proxy_port(const struct proxy *p);
/* From now on, also for open connections; returns when it holds. */
void proxy_set(struct proxy *p, enum proxy_way way, enum proxy_mode mode);
/* Closes every open connection; new ones are accepted. */
void proxy_cut(struct proxy *p);
/* Bytes seen and dropped, or held back by the last look, since proxy_set. */
size_t proxy_stopped(struct proxy *p, enum proxy_way way);
void proxy_free(struct proxy *p);

#endif
