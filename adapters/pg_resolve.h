/* pg_resolve.h - a host's addresses, without blocking the loop as libpq would.
 * Thread: the loop's (the look-up itself runs in libuv's pool). */
#ifndef ADAPTERS_PG_RESOLVE_H
#define ADAPTERS_PG_RESOLVE_H

#include "adapters/loop.h"

struct pg_resolve;

/* `hostaddr` and `host` are what libpq is to be told: comma lists of equal
 * length, borrowed; or NULL, and `why` says what failed. */
typedef void (*pg_resolved_fn)(const char *hostaddr, const char *host, const char *why, void *arg);

struct pg_resolve *pg_resolve_start(struct adapter_loop *l, const char *host, pg_resolved_fn fn,
				    void *arg);
/* `fn` will not be called any more. NULL is allowed. */
void pg_resolve_cancel(struct pg_resolve *r);

#endif
