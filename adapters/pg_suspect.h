/* pg_suspect.h - backends that may still be working on a branch though we lost
 * the connection to them.
 *
 * Rule: "no such prepared transaction" proves nothing while such a backend
 * lives: its PREPARE may be waiting for a lock, and appear later.  So nobody
 * concludes that a branch is gone before its suspects are (named by pid and
 * start; terminated, and looked for until they are not there any more).
 * Thread: the loop's. */
#ifndef ADAPTERS_PG_SUSPECT_H
#define ADAPTERS_PG_SUSPECT_H

#include "adapters/pg_call.h"

struct pg_suspect;

/* The backend of `s` may still be working on branch `name`. */
void pg_suspect_add(struct pg *pg, const char *name, const struct pg_session *s);

/* Ends the suspects of the call's branch, then goes on with `next` (on no
 * session).  The call's deadline bounds it. */
void pg_suspect_clear(struct pg_call *c, pg_step_fn next);

/* Nobody will ask about `name` any more. */
void pg_suspect_forget(struct pg *pg, const char *name);

void pg_suspect_free_all(struct pg *pg);

#endif
