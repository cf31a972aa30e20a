/* loop.h - one resource's share of the uv loop: timers, and the count of open
 * handles.
 *
 * Rule: nobody outside the adapter is called from the depth of it.  What the
 * adapter has to tell (answers, readiness) is told by `after`, which runs last in
 * each callback that libuv makes to us, when no session is half-way.
 * Thread: the loop's. */
#ifndef ADAPTERS_LOOP_H
#define ADAPTERS_LOOP_H

#include "base/heap.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct adapter_loop {
	uv_loop_t *uv;
	uv_timer_t *timer;
	struct heap heap;
	unsigned handles; /* uv handles and requests not yet closed */
	bool soon;        /* `after` is wanted though nothing is due */
	bool inside;      /* one of our callbacks is running: `after` will follow */
	void (*after)(void *arg);
	void (*gone)(void *arg); /* the last handle is closed; frees the resource */
	void *arg;
};

/* Embedded in what waits; `fn` gets it back when it is due. */
struct adapter_timer {
	struct heap_node node;
	void (*fn)(struct adapter_timer *t);
};

void adapter_loop_init(struct adapter_loop *l, uv_loop_t *uv);
/* Closes the timer; `gone` follows, in a later iteration, once `handles` is 0. */
void adapter_loop_close(struct adapter_loop *l);

/* (Re)starts `t`, due in `ms`; 0 is the loop's next iteration. */
void adapter_timer_set(struct adapter_loop *l, struct adapter_timer *t, uint64_t ms);
void adapter_timer_stop(struct adapter_loop *l, struct adapter_timer *t);

/* Has `after` called: at the end of the callback that is running, or in the loop's
 * next iteration. */
void adapter_loop_soon(struct adapter_loop *l);

/* Around all that a callback of libuv's does.  Leaving calls `after`. */
void adapter_loop_enter(struct adapter_loop *l);
void adapter_loop_leave(struct adapter_loop *l);

/* One more handle is open, or one is closed (called last: it may free all). */
void adapter_loop_opened(struct adapter_loop *l);
void adapter_loop_closed(struct adapter_loop *l);

#endif
