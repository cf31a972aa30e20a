/* mailbox.h - how another thread hands something to the loop thread.
 *
 * Other threads (the journal's writer) only post; the loop's thread
 * receives every post in order, in a later iteration of its loop.
 * Thread: mailbox_post from any; everything else on the loop's thread. */
#ifndef BASE_MAILBOX_H
#define BASE_MAILBOX_H

#include <stddef.h>
#include <uv.h>

struct mailbox;

/* One posted thing. Embed it first in your own struct; the mailbox owns it from
 * mailbox_post until it calls `mailbox_fn`, which gets it back. */
struct mail {
	struct mail *next;
};

typedef void (*mailbox_fn)(struct mail *mail, void *arg);

/* A new mailbox on `loop`; `fn` is called on the loop's thread once per mail. */
struct mailbox *mailbox_new(uv_loop_t *loop, mailbox_fn fn, void *arg);

/* Takes `mail`, wakes the loop, returns at once. */
void mailbox_post(struct mailbox *box, struct mail *mail);

/* Stops receiving.  The posters have been stopped before; mail that is left is
 * still delivered, once, before the box frees itself in a later iteration. */
void mailbox_close(struct mailbox *box);

#endif
