/* link_rig.h - coordinator/link.c on a loop of its own: what the engine would hear,
 * and requests to it from nng's REQ sockets. */
#ifndef TESTS_LIB_LINK_RIG_H
#define TESTS_LIB_LINK_RIG_H

#include "coordinator/link.h"

#include <check.h>
#include <nng/nng.h>
#include <stdatomic.h>

enum { LR_DEADLINE_MS = 20000, LR_ROOM = 4096 };

extern struct link_rig {
	uv_loop_t loop;
	uv_timer_t tick;
	struct link *link;
	struct link_port port;
	struct {
		uint64_t id, pipe, seq;
	} polls[LR_ROOM];
	size_t n_polls;
	uint64_t lost[LR_ROOM];
	size_t n_lost;
	bool echo;  /* answer at once, with the poll's seq as epoch */
	bool close; /* close the link from inside the event */
} lr;

extern const struct link_events lr_events;

/* Opens the link; setup is the same on tcp with any port. */
void lr_start(const char *url);
void lr_setup(void);
void lr_teardown(void);
/* Answers a poll that is held. */
void lr_answer(uint64_t poll, uint64_t epoch);

/* Runs the loop until `cond` holds. */
#define UNTIL(cond)                                                                       \
	do {                                                                              \
		const uint64_t lr_end = uv_hrtime() + LR_DEADLINE_MS * UINT64_C(1000000); \
		while (!(cond)) {                                                         \
			ck_assert_msg(uv_hrtime() < lr_end, "never came: %s", #cond);     \
			uv_run(&lr.loop, UV_RUN_ONCE);                                    \
		}                                                                         \
	} while (0)

/* A request on an nng socket, with a context of its own. */
struct lr_request {
	nng_ctx ctx;
	nng_aio *aio;
	bool received; /* the callback's */
	atomic_bool done;
	int rv;
	struct reply reply;
};

nng_socket lr_dial(void);
struct lr_request *lr_request_bytes(nng_socket s, const void *bytes, size_t size);
struct lr_request *lr_request_poll(nng_socket s, uint64_t seq);
void lr_request_free(struct lr_request *q);

#endif
