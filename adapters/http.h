/* http.h - services by URL as participants: try, confirm, cancel over HTTP.
 *
 * A branch is a hold that the service makes at prepare (a seat, an amount) and ends
 * at commit or rollback; the adapter remembers in a ledger what it asked for.
 * docs/adapters/http.md says what is asked of the service.
 * Thread: the loop's. */
#ifndef ADAPTERS_HTTP_H
#define ADAPTERS_HTTP_H

#include "participant/adapter.h"

extern const struct adapter adapter_http;

#endif
