/* loop.c - see loop.h. */
#include "adapters/loop.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>

static void arm(struct adapter_loop *l);

static void on_timer(uv_timer_t *timer)
{
	struct adapter_loop *l = timer->data;
	const uint64_t now = uv_now(l->uv);
	struct heap_node *node;

	adapter_loop_enter(l);
	l->soon = false;
	while ((node = heap_first(&l->heap)) != NULL && node->at <= now) {
		struct adapter_timer *t = (struct adapter_timer *)node;

		heap_remove(&l->heap, node);
		t->fn(t);
	}
	arm(l);
	adapter_loop_leave(l);
}

static void arm(struct adapter_loop *l)
{
	const uint64_t now = uv_now(l->uv);
	const struct heap_node *first = heap_first(&l->heap);
	uint64_t in;

	if (l->timer == NULL)
		return;
	if (!l->soon && first == NULL) {
		uv_timer_stop(l->timer);
		return;
	}
	in = l->soon || first->at <= now ? 0 : first->at - now;
	uv_timer_start(l->timer, on_timer, in, 0);
}

void adapter_loop_init(struct adapter_loop *l, uv_loop_t *uv)
{
	l->uv = uv;
	l->timer = mem_new(1, sizeof *l->timer);
	uv_timer_init(uv, l->timer);
	l->timer->data = l;
	adapter_loop_opened(l);
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct adapter_loop *l = handle->data;

	free(handle);
	adapter_loop_closed(l);
}

void adapter_loop_close(struct adapter_loop *l)
{
	uv_timer_t *timer = l->timer;

	assert(timer != NULL);
	l->timer = NULL;
	heap_fini(&l->heap);
	uv_close((uv_handle_t *)timer, on_timer_closed);
}

void adapter_timer_set(struct adapter_loop *l, struct adapter_timer *t, uint64_t ms)
{
	heap_set(&l->heap, &t->node, uv_now(l->uv) + ms);
	arm(l);
}

void adapter_timer_stop(struct adapter_loop *l, struct adapter_timer *t)
{
	if (t->node.place == 0)
		return;
	heap_remove(&l->heap, &t->node);
	arm(l);
}

void adapter_loop_soon(struct adapter_loop *l)
{
	if (l->inside)
		return;
	l->soon = true;
	arm(l);
}

void adapter_loop_enter(struct adapter_loop *l)
{
	assert(!l->inside);
	l->inside = true;
}

void adapter_loop_leave(struct adapter_loop *l)
{
	l->after(l->arg);
	l->inside = false;
}

void adapter_loop_opened(struct adapter_loop *l)
{
	l->handles++;
}

void adapter_loop_closed(struct adapter_loop *l)
{
	assert(l->handles > 0);
	if (--l->handles == 0 && l->timer == NULL)
		l->gone(l->arg);
}
