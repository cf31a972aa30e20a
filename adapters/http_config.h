/* http_config.h - what the agent's configuration says of one HTTP service.
 *
 * Thread: no shared state; read once, never changed. */
#ifndef ADAPTERS_HTTP_CONFIG_H
#define ADAPTERS_HTTP_CONFIG_H

#include "adapters/http_secret.h"
#include "adapters/http_template.h"
#include "base/conf.h"

#include <stdint.h>

/* The first three make an operation fit for atomic groups, the last one for sagas. */
enum http_phase { HTTP_PREPARE, HTTP_COMMIT, HTTP_ROLLBACK, HTTP_CALL, HTTP_PHASES };

struct http_header {
	char *name;
	struct http_template value;
};

struct http_headers {
	struct http_header *all;
	size_t n;
};

/* How one phase of an operation is asked for. */
struct http_spec {
	char *method; /* NULL: the operation has no such phase */
	struct http_template path;
	bool has_body;
	struct http_template body;
	struct http_headers headers; /* replace the resource's of the same name */
	int64_t *gone;               /* statuses that say that nothing is there */
	size_t n_gone;
};

struct http_operation {
	char *name;
	const char **args; /* each is owned */
	size_t n_args;
	bool read_only;
	uint64_t timeout_ms; /* of one request */
	struct http_spec phases[HTTP_PHASES];
};

struct http_config {
	char *adapter;
	char *base;  /* without a slash at its end */
	char *state; /* "": none */
	char *ca;    /* "": the system's */
	int64_t parallel;
	uint64_t connect_timeout_ms;
	bool follow_redirects;
	const struct yaml_node *headers_node, *secrets_node, *operations_node;
	struct http_secrets secrets;
	struct http_headers headers;
	struct http_operation *operations;
	size_t n_operations;
};

/* The table of the resource's keys, for the docs. */
extern const struct conf_row http_config_rows[];

/* Fills a zeroed `config`, which the caller ends with http_config_fini on failure too.
 * RC_INVALID: `err` tells line, column and what was expected. */
enum rc http_config_read(const struct yaml_node *map, struct http_config *config, struct err *err);
void http_config_fini(struct http_config *config);

const struct http_operation *http_config_find(const struct http_config *config, const char *name);

/* Whether the operation, or any of them (NULL), can do this. */
bool http_config_can(const struct http_config *config, const struct http_operation *op,
		     enum http_phase phase);

/* "prepare", "commit", "rollback", "call". */
const char *http_phase_name(enum http_phase phase);

/* ---- http_spec.c: the parts of an operation ---- */

/* Reads one request. */
enum rc http_spec_read(const struct yaml_node *map, const struct http_scope *scope,
		       struct http_spec *out, struct err *err);
void http_spec_fini(struct http_spec *spec);
/* Reads a map of name to value; `map` may be NULL. */
enum rc http_headers_read(const struct yaml_node *map, const struct http_scope *scope,
			  struct http_headers *out, struct err *err);
void http_headers_fini(struct http_headers *headers);
bool http_spec_gone(const struct http_spec *spec, long status);

#endif
