/* http.h - one call to the server, and its answer.
 * Rule: no answer is not a no.  What was sent and not answered is reported as
 * unknown, never as failed.  Thread: one. */
#ifndef CLI_HTTP_H
#define CLI_HTTP_H

#include "base/err.h"
#include "cli/cli.h"

#include <jansson.h>
#include <stdint.h>

struct http_answer {
	long status;
	char *text;   /* the body as it came */
	json_t *json; /* the same, parsed; never NULL after RC_OK */
};

/* Calls `path` (with its query) and waits `timeout_ms` at most. `body` may be
 * NULL. RC_OK: the server answered, whatever it said; http_fini in any case.
 *   RC_UNAVAILABLE  nothing listens there: nothing was sent
 *   RC_UNKNOWN      sent, and no whole answer came back
 *   RC_INVALID      the answer is not of a coordinator, or the URL is wrong */
enum rc http_call(struct cli *cli, const char *method, const char *path, const json_t *body,
		  uint64_t timeout_ms, struct http_answer *out, struct err *err);
void http_fini(struct http_answer *a);

/* The same as http_ask for a body that is no JSON of ours: POST, of the type `type`. */
bool http_ask_text(struct cli *cli, const char *path, const char *type, const char *text,
		   size_t size, const char *file, struct http_answer *out);

/* The same, and says on standard error what went wrong, if anything but a 2xx came
 * (`file`, or NULL: the name of the definition, for its errors); prints the text
 * if `--json`. True: a 2xx. */
bool http_ask(struct cli *cli, const char *method, const char *path, const json_t *body,
	      uint64_t timeout_ms, const char *file, struct http_answer *out);

/* Tells a person what a problem answer says: what, where, what to do. */
void http_explain(const struct http_answer *a, const char *file);

/* A piece of a path or query, escaped; give it to free(). */
char *http_escape(const char *text);

/* Longer than any answer that the server does not hold. */
enum { HTTP_TIMEOUT_MS = 20 * 1000 };

#endif
