/* deal.h - transactions as a client sees them: what it asked for, and what it was told.
 *
 * Rules, checked at each answer:
 *   - what is called committed (or committing) is never called rolled back later, nor the
 *     other way round;
 *   - what was promised (accepted, ended, or a saga that was taken) is never unknown later.
 * A coordinator that does not answer is asked again: a client cannot tell why.
 * Thread: the client's, and the case's main thread when that has ended. */
#ifndef TESTS_CRASH_DEAL_H
#define TESTS_CRASH_DEAL_H

#include "tests/crash/flow.h"
#include "tests/lib/rest_client.h"

enum told { TOLD_NOTHING, TOLD_OPEN, TOLD_FORWARD, TOLD_BACK, TOLD_STUCK };

struct deal {
	char gid[65];
	const struct flow *flow;
	const char *workflow; /* if set it is submitted by this name */
	size_t bulk;          /* bytes of its input `bulk`, if it has one */
	bool promised;
	bool known;          /* a look found it, or was told that it is not there */
	enum told told;      /* of forward and back: for good */
	bool ended, pending; /* by the last answer */
	bool stuck;
	bool voted;    /* a branch was prepared, by the last answer */
	bool by_hand;  /* its effects were meddled with: not counted */
	bool may_fade; /* old ones are forgotten */
};

/* A new one; they live as long as the case. */
struct deal *deal_new(const struct flow *flow);
int deals(void);
struct deal *deal_at(int i);

/* Submits until somebody answers; then the answer counts.  `wait` as in REST. */
void deal_submit(struct deal *d, const char *wait, const char *hold);
/* Submits once, and does not come back if nobody answers. */
void deal_try(struct deal *d, const char *wait, const char *hold);
/* Looks once, for at most `hold`; false if nobody answered. */
bool deal_look(struct deal *d, const char *hold);
/* Says something of it (`/cancel`) until somebody answers; 409 and 404 are answers. */
void deal_say(struct deal *d, const char *what, const char *body);
/* Waits until it has ended or is stuck (then `stuck`), or nobody knows it. */
void deal_await(struct deal *d);
/* Any other call, until somebody answers; the answer must not be a fault (500). */
void client_ask(const char *method, const char *path, const char *body);
/* Waits until the coordinator has ready agents for all that is served. */
void client_await_ready(void);

#endif
