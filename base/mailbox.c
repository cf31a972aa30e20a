/* mailbox.c - see mailbox.h.
 *
 * Many posts ride one wake-up: only the post that finds nobody woken yet wakes
 * the loop, and one wake-up delivers all that has been posted until then. */
#include "base/mailbox.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

struct mailbox {
	uv_async_t async;
	mailbox_fn fn;
	void *arg;
	pthread_mutex_t lock; /* guards what follows */
	struct mail *first;
	struct mail **end; /* where the next mail goes */
	bool awake;        /* the loop was woken and has not taken the list yet */
	bool closing;      /* nobody may wake the handle any more */
};

/* Takes the whole list and delivers it. `fn` runs without the lock: it may post,
 * and it may close the box (which lives on until its close callback). */
static bool deliver(struct mailbox *box)
{
	struct mail *mail, *next;

	pthread_mutex_lock(&box->lock);
	mail = box->first;
	box->first = NULL;
	box->end = &box->first;
	box->awake = box->closing;
	pthread_mutex_unlock(&box->lock);
	if (mail == NULL)
		return false;
	for (; mail != NULL; mail = next) {
		next = mail->next;
		box->fn(mail, box->arg);
	}
	return true;
}

static void on_wake(uv_async_t *async)
{
	deliver(async->data);
}

static void on_closed(uv_handle_t *handle)
{
	struct mailbox *box = handle->data;

	while (deliver(box))
		continue;
	pthread_mutex_destroy(&box->lock);
	free(box);
}

struct mailbox *mailbox_new(uv_loop_t *loop, mailbox_fn fn, void *arg)
{
	struct mailbox *box = mem_new(1, sizeof *box);

	/* These fail only for want of memory or descriptors at start-up. */
	if (uv_async_init(loop, &box->async, on_wake) != 0 ||
	    pthread_mutex_init(&box->lock, NULL) != 0)
		abort();
	box->async.data = box;
	box->fn = fn;
	box->arg = arg;
	box->end = &box->first;
	return box;
}

void mailbox_post(struct mailbox *box, struct mail *mail)
{
	bool wake;

	mail->next = NULL;
	pthread_mutex_lock(&box->lock);
	wake = !box->awake;
	box->awake = true;
	*box->end = mail;
	box->end = &mail->next;
	pthread_mutex_unlock(&box->lock);
	if (wake)
		uv_async_send(&box->async);
}

void mailbox_close(struct mailbox *box)
{
	/* Mail that `fn` itself posts from here on is found by on_closed. */
	pthread_mutex_lock(&box->lock);
	box->awake = box->closing = true;
	pthread_mutex_unlock(&box->lock);
	uv_close((uv_handle_t *)&box->async, on_closed);
}
