/* pg_resolve.c - see pg_resolve.h. */
#include "adapters/pg_resolve.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ADDRESSES_MAX = 8 };

struct pg_resolve {
	uv_getaddrinfo_t req;
	struct adapter_loop *loop;
	char *host;
	pg_resolved_fn fn;
	void *arg;
};

/* Appends `word` to the comma list. */
static void append(char **list, const char *word)
{
	char *longer = *list == NULL ? mem_dup(word) : mem_printf("%s,%s", *list, word);

	free(*list);
	*list = longer;
}

static void tell(struct pg_resolve *r, const struct addrinfo *found)
{
	char *addresses = NULL, *names = NULL;
	char text[INET6_ADDRSTRLEN];

	for (unsigned n = 0; found != NULL && n < ADDRESSES_MAX; found = found->ai_next) {
		if (uv_ip_name(found->ai_addr, text, sizeof text) != 0)
			continue;
		append(&addresses, text);
		append(&names, r->host);
		n++;
	}
	r->fn(addresses, names, addresses == NULL ? "the host has no address" : NULL, r->arg);
	free(addresses);
	free(names);
}

static void on_found(uv_getaddrinfo_t *req, int status, struct addrinfo *found)
{
	struct pg_resolve *r = (struct pg_resolve *)req;
	struct adapter_loop *l = r->loop;

	adapter_loop_enter(l);
	if (r->fn != NULL && status == 0)
		tell(r, found);
	else if (r->fn != NULL)
		r->fn(NULL, NULL, uv_strerror(status), r->arg);
	uv_freeaddrinfo(found);
	free(r->host);
	free(r);
	adapter_loop_leave(l);
	adapter_loop_closed(l);
}

struct pg_resolve *pg_resolve_start(struct adapter_loop *l, const char *host, pg_resolved_fn fn,
				    void *arg)
{
	struct pg_resolve *r = mem_new(1, sizeof *r);
	struct addrinfo hints;

	memset(&hints, 0, sizeof hints);
	hints.ai_socktype = SOCK_STREAM;
	hints.ai_family = AF_UNSPEC;
	r->loop = l;
	r->host = mem_dup(host);
	r->fn = fn;
	r->arg = arg;
	if (uv_getaddrinfo(l->uv, &r->req, on_found, host, NULL, &hints) != 0) {
		free(r->host);
		free(r);
		return NULL;
	}
	adapter_loop_opened(l);
	return r;
}

void pg_resolve_cancel(struct pg_resolve *r)
{
	if (r == NULL)
		return;
	r->fn = NULL;
	uv_cancel((uv_req_t *)&r->req);
}
