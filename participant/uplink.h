/* uplink.h - polls out, replies in: the REQ side of nng's REQ/REP, dialing the
 * coordinator again and again for as long as it takes.
 *
 * Rule: a poll that is given up takes its connection with it.  So the coordinator
 * never holds a poll that nobody waits for, and a command that it sends is either
 * read here or its connection is known to be lost.
 *
 * Thread: the loop's. */
#ifndef PARTICIPANT_UPLINK_H
#define PARTICIPANT_UPLINK_H

#include "wire/frame.h"

#include <uv.h>

struct uplink;

/* Told from the loop, never from inside a call to the uplink. */
struct uplink_events {
	void (*connected)(bool up, void *arg);
	/* How a poll ended, once each; the reply is borrowed. */
	void (*reply)(uint64_t seq, const struct reply *r, void *arg);
	void (*lost)(uint64_t seq, void *arg);
	void *arg;
};

/* Begins to dial `url` (tcp:// or ipc://). RC_INVALID: not such a URL. */
enum rc uplink_open(uv_loop_t *loop, const char *url, const struct uplink_events *events,
		    struct uplink **out, struct err *err);
/* Only while connected, and at most AGENT_POLLS_MAX may be without an end at a time.
 * `p` is borrowed. */
void uplink_send(struct uplink *u, const struct poll *p);
/* No more events; what was sent may still arrive; frees in a later iteration. NULL
 * is ignored. */
void uplink_close(struct uplink *u);

#endif
