/* http_config.c - see http_config.h. */
#include "adapters/http_config.h"

#include "base/id.h"
#include "base/mem.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#define FIELD(name) offsetof(struct http_config, name)

enum {
	OPERATIONS_MAX = 1000,
	ARGS_MAX = 1000,
	TIMEOUT_STANDARD = 10 * 1000, /* ms */
	TIMEOUT_MAX = 3600 * 1000,
};

const struct conf_row http_config_rows[] = {
	{"adapter", CONF_TEXT, FIELD(adapter), "http", 0, 63, "must be `http`"},
	{"base", CONF_TEXT, FIELD(base), NULL, 0, 2048,
	 "the service's URL, `https://` or `http://`, without a user, `?` or `#`"},
	{"state", CONF_TEXT, FIELD(state), "", 0, 4000,
	 "file of the ledger, which remembers the branches that are prepared; needed as soon as "
	 "an operation has `prepare` and is not `read_only`"},
	{"parallel", CONF_INT, FIELD(parallel), "32", 1, 1000,
	 "prepares and actions that are out at once, more wait; and as many commits, rollbacks "
	 "and compensations"},
	{"connect_timeout", CONF_MS, FIELD(connect_timeout_ms), "5s", 1, 300000,
	 "longest wait for a connection, TLS and name look-up included"},
	{"headers", CONF_NODE, FIELD(headers_node), "", 0, 0, "map of headers for every request"},
	{"secrets", CONF_NODE, FIELD(secrets_node), "", 0, 0,
	 "map of name to `{env: VARIABLE}` or `{file: PATH}`, for headers; never logged"},
	{"ca", CONF_TEXT, FIELD(ca), "", 0, 4000,
	 "file of certificates to trust instead of the system's (PEM)"},
	{"follow_redirects", CONF_BOOL, FIELD(follow_redirects), "false", 0, 0,
	 "follow 307 and 308, within the same scheme, host and port"},
	{"operations", CONF_NODE, FIELD(operations_node), NULL, 0, 0,
	 "map of name to operation (below)"},
	{NULL, CONF_TEXT, 0, NULL, 0, 0, NULL},
};

const char *http_phase_name(enum http_phase phase)
{
	static const char *const names[] = {"prepare", "commit", "rollback", "call"};

	return names[phase];
}

static enum rc wrong(struct err *err, const struct yaml_node *at, const char *what)
{
	return err_set_at(err, RC_INVALID, at->line, at->column, "%s", what);
}

/* ---- operations ---- */

static enum rc read_args(const struct yaml_node *list, struct http_operation *op, struct err *err)
{
	if (list == NULL)
		return RC_OK;
	if (list->kind != YAML_LIST || list->count > ARGS_MAX)
		return wrong(err, list, "args must be a list of at most 1000 names");
	op->args = mem_new(list->count, sizeof *op->args);
	for (size_t i = 0; i < list->count; i++) {
		const struct yaml_node *item = list->items[i];

		if (item->kind != YAML_SCALAR || !id_valid(item->text, NAME_MAX_LEN))
			return wrong(err, item,
				     "an argument's name is 1 to 63 of A-Z a-z 0-9 . _ -");
		if (http_name_taken(item->text))
			return wrong(err, item,
				     "gid, branch, step, key and secret.NAME have a meaning "
				     "of their own: give the argument another name");
		for (size_t k = 0; k < i; k++)
			if (strcmp(op->args[k], item->text) == 0)
				return wrong(err, item, "this argument is named twice");
		op->args[op->n_args++] = mem_dup(item->text);
	}
	return RC_OK;
}

/* A call alone, or what an atomic group needs, or both. */
static bool is_group(const struct yaml_node *map, const struct http_operation *op)
{
	return yaml_get(map, "call") == NULL || op->read_only || yaml_get(map, "prepare") != NULL ||
	       yaml_get(map, "commit") != NULL || yaml_get(map, "rollback") != NULL;
}

static enum rc read_phase(const struct yaml_node *map, enum http_phase phase,
			  const struct http_config *config, struct http_operation *op,
			  struct err *err)
{
	const struct http_scope scope = {
		.args = op->args,
		.n_args = op->n_args,
		.secrets = &config->secrets,
		.call = phase == HTTP_CALL,
	};
	const struct yaml_node *node = yaml_get(map, http_phase_name(phase));
	const bool ends = phase == HTTP_COMMIT || phase == HTTP_ROLLBACK;

	if (node == NULL && (phase == HTTP_CALL || !is_group(map, op) || (ends && op->read_only)))
		return RC_OK;
	if (node == NULL)
		return err_set_at(err, RC_INVALID, map->line, map->column,
				  "an operation needs `call`, or `prepare`, `commit` and "
				  "`rollback` (or `read_only: true` and `prepare`); %s is missing",
				  http_phase_name(phase));
	if (ends && op->read_only)
		return err_set_at(err, RC_INVALID, node->line, node->column,
				  "an operation that is read_only has no %s",
				  http_phase_name(phase));
	if (http_spec_read(node, &scope, &op->phases[phase], err) != RC_OK)
		return err_wrap(err, "%s", http_phase_name(phase));
	return RC_OK;
}

static enum rc read_operation(const struct yaml_node *map, const struct http_config *config,
			      struct http_operation *op, struct err *err)
{
	static const char *const known[] = {"args",     "timeout", "prepare",   "commit",
					    "rollback", "call",    "read_only", NULL};
	const struct yaml_node *node;
	enum rc rc = yaml_only(map, known, "an operation", err);

	if (rc == RC_OK)
		rc = read_args(yaml_get(map, "args"), op, err);
	node = yaml_get(map, "timeout");
	op->timeout_ms = TIMEOUT_STANDARD;
	if (rc == RC_OK && node != NULL)
		rc = yaml_ms(node, "timeout", 1, TIMEOUT_MAX, &op->timeout_ms, err);
	node = yaml_get(map, "read_only");
	if (rc == RC_OK && node != NULL)
		rc = yaml_bool(node, "read_only", &op->read_only, err);
	for (int phase = 0; rc == RC_OK && phase < HTTP_PHASES; phase++)
		rc = read_phase(map, (enum http_phase)phase, config, op, err);
	if (rc == RC_OK && !op->read_only && config->state[0] == '\0' &&
	    http_config_can(config, op, HTTP_PREPARE))
		rc = wrong(err, map,
			   "the resource needs `state`, a file that remembers what is prepared "
			   "(only operations with read_only, or with `call` alone, do without)");
	return rc;
}

static enum rc read_operations(struct http_config *config, struct err *err)
{
	const struct yaml_node *map = config->operations_node;

	if (map->kind != YAML_MAP || map->count == 0 || map->count > OPERATIONS_MAX)
		return wrong(err, map, "operations must be a map of 1 to 1000 operations");
	config->operations = mem_new(map->count, sizeof *config->operations);
	for (size_t i = 0; i < map->count; i++) {
		struct http_operation *op = &config->operations[i];
		const char *name = map->keys[i]->text;

		config->n_operations = i + 1;
		if (!id_valid(name, NAME_MAX_LEN))
			return wrong(err, map->keys[i],
				     "an operation's name is 1 to 63 of A-Z a-z 0-9 . _ -");
		op->name = mem_dup(name);
		if (read_operation(map->items[i], config, op, err) != RC_OK)
			return err_wrap(err, "operation %s", name);
	}
	return RC_OK;
}

/* ---- the resource ---- */

static bool url_has(CURLU *url, CURLUPart part)
{
	char *text = NULL;
	const bool has = curl_url_get(url, part, &text, 0) == CURLUE_OK;

	curl_free(text);
	return has;
}

static const char *base_problem(const char *base)
{
	CURLU *url = curl_url();
	const char *problem = NULL;

	if (url == NULL)
		abort(); /* as in mem.h */
	if (strncmp(base, "https://", 8) != 0 && strncmp(base, "http://", 7) != 0)
		problem = "base must begin with https:// or http://";
	else if (curl_url_set(url, CURLUPART_URL, base, 0) != CURLUE_OK)
		problem = "base is not a valid URL";
	else if (url_has(url, CURLUPART_USER) || url_has(url, CURLUPART_PASSWORD))
		problem = "base must not hold a user or a password: use a header and a secret";
	else if (strpbrk(base, "?#") != NULL)
		problem = "base must not have a query or a fragment";
	curl_url_cleanup(url);
	return problem;
}

static enum rc read_base(const struct yaml_node *map, struct http_config *config, struct err *err)
{
	const char *problem = base_problem(config->base);
	size_t size = strlen(config->base);

	if (problem != NULL) /* the text may hold a password: it is not repeated */
		return wrong(err, yaml_get(map, "base"), problem);
	while (size > 0 && config->base[size - 1] == '/')
		config->base[--size] = '\0';
	return RC_OK;
}

enum rc http_config_read(const struct yaml_node *map, struct http_config *config, struct err *err)
{
	struct http_scope scope = {.secrets = &config->secrets};
	enum rc rc = conf_read(http_config_rows, map, config, err);

	if (rc != RC_OK)
		return rc;
	if (strcmp(config->adapter, "http") != 0)
		return wrong(err, yaml_get(map, "adapter"), "this is not an http resource");
	rc = read_base(map, config, err);
	if (rc == RC_OK)
		rc = http_secrets_read(config->secrets_node, &config->secrets, err);
	if (rc == RC_OK)
		rc = http_headers_read(config->headers_node, &scope, &config->headers, err);
	if (rc == RC_OK)
		rc = read_operations(config, err);
	/* The nodes are the document's, which may be freed before us. */
	config->headers_node = config->secrets_node = config->operations_node = NULL;
	return rc;
}

static void operation_fini(struct http_operation *op)
{
	for (int phase = 0; phase < HTTP_PHASES; phase++)
		http_spec_fini(&op->phases[phase]);
	for (size_t i = 0; i < op->n_args; i++)
		free((void *)(uintptr_t)op->args[i]);
	free((void *)op->args);
	free(op->name);
}

void http_config_fini(struct http_config *config)
{
	for (size_t i = 0; i < config->n_operations; i++)
		operation_fini(&config->operations[i]);
	free(config->operations);
	http_headers_fini(&config->headers);
	http_secrets_fini(&config->secrets);
	conf_fini(http_config_rows, config);
	memset(config, 0, sizeof *config);
}

const struct http_operation *http_config_find(const struct http_config *config, const char *name)
{
	for (size_t i = 0; i < config->n_operations; i++)
		if (strcmp(config->operations[i].name, name) == 0)
			return &config->operations[i];
	return NULL;
}

bool http_config_can(const struct http_config *config, const struct http_operation *op,
		     enum http_phase phase)
{
	if (op != NULL)
		return op->phases[phase].method != NULL;
	for (size_t i = 0; i < config->n_operations; i++)
		if (config->operations[i].phases[phase].method != NULL)
			return true;
	return false;
}
