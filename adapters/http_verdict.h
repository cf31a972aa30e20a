/* http_verdict.h - what an exchange says, and the words for people.
 *
 * Rule: UNKNOWN is the answer whenever the service may have acted and has not said
 * what it did.  A refusal counts only if the service cannot have acted before it.
 * Thread: no shared state. */
#ifndef ADAPTERS_HTTP_VERDICT_H
#define ADAPTERS_HTTP_VERDICT_H

#include "adapters/http_client.h"

enum http_end {
	HTTP_DONE,    /* 2xx; the output is there if there was JSON */
	HTTP_REFUSED, /* 4xx: understood, and nothing was done */
	HTTP_GONE,    /* one of the spec's `gone`: there is nothing of that name */
	HTTP_RETRY,   /* a passing fault; `clean`: certainly nothing was done */
	HTTP_PENDING, /* 202: it will be done later */
	HTTP_UNKNOWN, /* it may have been done */
};

struct http_verdict {
	enum http_end end;
	bool clean;
	/* RETRY: the service turned it away, to come again later, by a status that says
	 * that nothing was done. */
	bool turned_away;
	long retry_after_s; /* 0: not told */
	struct bytes output;
	char *reason; /* unless DONE; no secret is in it; for free() */
};

/* Judges an exchange that has ended; `output` points into it. */
void http_verdict_of(const struct http_exchange *x, const struct http_spec *spec,
		     const struct http_secrets *secrets, struct http_verdict *out);
void http_verdict_fini(struct http_verdict *v);

#endif
