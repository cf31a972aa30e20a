/* clients.h - the clients of a chaos run, a thread each.
 *
 * Each submits one deal after another and keeps in memory what it was told.  After a lost
 * answer it submits again with the same gid, or asks, or leaves it at that.
 * Thread: start, join and what is counted from the main thread. */
#ifndef TESTS_CHAOS_CLIENTS_H
#define TESTS_CHAOS_CLIENTS_H

#include "tests/chaos/deals.h"

#include <stddef.h>

enum { CLIENTS_MAX = 64 };

struct client_deals {
	struct deal *all;
	size_t n, room;
};

/* What the clients did, summed up. */
struct client_sums {
	long lost, again, looks, cancels;
};

extern struct client_deals client_deals[CLIENTS_MAX];

void clients_start(int n, uint64_t seed, const char *url);
/* After pulse_end: waits for all threads. */
struct client_sums clients_join(void);

/* Room for a gid, and the gid of a client's deal; the deal of a gid, or NULL. */
enum { GID_ROOM = 32 };
void deal_gid(int client, size_t i, char gid[GID_ROOM]);
struct deal *deal_of(const char *gid);

#endif
