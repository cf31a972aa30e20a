/* link.h - polls of agents in, frames out: the REP side of nng's REQ/REP.
 *
 * Listens for any peer that speaks the REQ protocol (wire/sp.h); holds as many of
 * its polls as the engine wants held.  A poll is named by a number that is never
 * used again.
 * Thread: the loop's. */
#ifndef COORDINATOR_LINK_H
#define COORDINATOR_LINK_H

#include "coordinator/ports.h"

#include <uv.h>

struct link;

/* Where polls go.  Told from the loop, never from inside a call to the link. */
struct link_events {
	void (*poll)(uint64_t poll, uint64_t pipe, const struct poll *p, void *arg);
	/* The connection is gone, with every poll that was held on it. */
	void (*pipe_lost)(uint64_t pipe, void *arg);
	void *arg;
};

/* Listens on `url` (tcp:// or ipc://; port 0 picks one). RC_INVALID, RC_IO. */
enum rc link_open(uv_loop_t *loop, const char *url, const struct link_events *events,
		  struct link **out, struct err *err);
/* The URL with the port that was bound; valid until link_close. */
const char *link_url(const struct link *l);
struct link_port link_port(struct link *l);
/* Closes every connection; no more events; frees in a later iteration of the loop.
 * NULL is ignored. */
void link_close(struct link *l);

#endif
