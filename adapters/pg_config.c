/* pg_config.c - see pg_config.h. */
#include "adapters/pg_config.h"

#include "base/id.h"
#include "base/mem.h"
#include "wire/frame.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FIELD(name) offsetof(struct pg_config, name)

enum { SQL_MAX = 65536, OPERATIONS_MAX = 1000, ARGS_MAX = 1000, LOCK_TIMEOUT_MAX = 3600000 };

const struct conf_row pg_config_rows[] = {
	{"adapter", CONF_TEXT, FIELD(adapter), "postgres", 0, 63, "must be `postgres`"},
	{"connection", CONF_TEXT, FIELD(connection), NULL, 0, 4096,
	 "libpq connection string or URI; never logged"},
	{"pool", CONF_INT, FIELD(pool), "16", 1, 1000,
	 "sessions for the work of branches: so many prepare at once, more wait"},
	{"finishers", CONF_INT, FIELD(finishers), "4", 1, 100,
	 "sessions kept for commit, rollback and recovery"},
	{"barrier_table", CONF_TEXT, FIELD(barrier_table), "settle_barrier", 0, 127,
	 "`table` or `schema.table`: one row a saga call or branch of one phase"},
	{"lock_timeout", CONF_MS, FIELD(lock_timeout), "0ms", 0, LOCK_TIMEOUT_MAX,
	 "longest wait for a lock; `0ms`: as long as the branch's deadline allows"},
	{"operations", CONF_NODE, FIELD(operations_node), NULL, 0, 0,
	 "map of name to operation (below)"},
	{NULL, CONF_TEXT, 0, NULL, 0, 0, NULL},
};

/* Words that would end or replace the adapter's own transaction, leave something
 * behind in the session that the next branch would inherit, or speak the COPY
 * sub-protocol, which a pipeline cannot. */
static const char *const forbidden[] = {
	"ABORT", "BEGIN",     "CLOSE", "COMMIT",   "COPY",    "DEALLOCATE", "DISCARD",
	"END",   "LISTEN",    "LOAD",  "PREPARE",  "RELEASE", "RESET",      "ROLLBACK",
	"SET",   "SAVEPOINT", "START", "UNLISTEN", NULL,
};

static const char *skip_comment(const char *p)
{
	int depth = 0; /* SQL's block comments nest */

	do {
		if (p[0] == '/' && p[1] == '*') {
			depth++;
			p += 2;
		} else if (p[0] == '*' && p[1] == '/') {
			depth--;
			p += 2;
		} else {
			p++;
		}
	} while (depth > 0 && *p != '\0');
	return p;
}

/* To the first word: past space, comments, and empty statements (`;COMMIT` is a
 * COMMIT to the server). */
static const char *first_word(const char *p)
{
	for (;;) {
		if (isspace((unsigned char)*p) || *p == ';')
			p++;
		else if (p[0] == '-' && p[1] == '-')
			p += strcspn(p, "\n\r");
		else if (p[0] == '/' && p[1] == '*')
			p = skip_comment(p);
		else
			return p;
	}
}

const char *pg_sql_forbidden(const char *sql)
{
	const char *word = first_word(sql);
	size_t n = 0;

	while (isalnum((unsigned char)word[n]) || word[n] == '_')
		n++;
	for (size_t i = 0; forbidden[i] != NULL; i++)
		if (strlen(forbidden[i]) == n && strncasecmp(word, forbidden[i], n) == 0)
			return forbidden[i];
	return NULL;
}

static enum rc wrong(struct err *err, const struct yaml_node *at, const char *what)
{
	return err_set_at(err, RC_INVALID, at->line, at->column, "%s", what);
}

static enum rc read_args(const struct yaml_node *list, struct pg_operation *op, struct err *err)
{
	if (list->kind != YAML_LIST || list->count > ARGS_MAX)
		return wrong(err, list, "args must be a list of at most 1000 names");
	op->args = mem_new(list->count, sizeof *op->args);
	for (size_t i = 0; i < list->count; i++) {
		const struct yaml_node *item = list->items[i];

		if (item->kind != YAML_SCALAR || !id_valid(item->text, NAME_MAX_LEN))
			return wrong(err, item,
				     "an argument's name is 1 to 63 of A-Z a-z 0-9 . _ -");
		for (size_t k = 0; k < i; k++)
			if (strcmp(op->args[k], item->text) == 0)
				return wrong(err, item, "this argument is named twice");
		op->args[op->n_args++] = mem_dup(item->text);
	}
	return RC_OK;
}

static enum rc read_sql(const struct yaml_node *map, struct pg_operation *op, struct err *err)
{
	const struct yaml_node *sql = yaml_get(map, "sql");
	const char *word;

	if (sql == NULL || sql->kind != YAML_SCALAR)
		return wrong(err, sql != NULL ? sql : map,
			     "an operation needs `sql`, one statement as text");
	if (strlen(sql->text) > SQL_MAX)
		return wrong(err, sql, "sql is longer than 65536 bytes");
	if (*first_word(sql->text) == '\0')
		return wrong(err, sql, "sql has no statement");
	word = pg_sql_forbidden(sql->text);
	if (word != NULL)
		return err_set_at(err, RC_INVALID, sql->line, sql->column,
				  "sql must not begin with %s: Settle begins and ends the "
				  "transaction, and sessions are shared",
				  word);
	op->sql = mem_dup(sql->text);
	return RC_OK;
}

static enum rc read_operation(const struct yaml_node *map, struct pg_operation *op, struct err *err)
{
	static const char *const known[] = {"sql", "args", "expect_rows", "read_only", NULL};
	const struct yaml_node *node;
	enum rc rc;

	if (map->kind != YAML_MAP)
		return wrong(err, map, "expected a map with `sql`");
	rc = yaml_only(map, known, "an operation", err);
	if (rc == RC_OK)
		rc = read_sql(map, op, err);
	node = yaml_get(map, "args");
	if (rc == RC_OK && node != NULL)
		rc = read_args(node, op, err);
	node = yaml_get(map, "expect_rows");
	op->expect_rows = -1;
	if (rc == RC_OK && node != NULL)
		rc = yaml_int(node, "expect_rows", 0, INT64_MAX, &op->expect_rows, err);
	node = yaml_get(map, "read_only");
	if (rc == RC_OK && node != NULL)
		rc = yaml_bool(node, "read_only", &op->read_only, err);
	return rc;
}

static enum rc read_operations(struct pg_config *config, struct err *err)
{
	const struct yaml_node *map = config->operations_node;

	if (map->kind != YAML_MAP || map->count == 0 || map->count > OPERATIONS_MAX)
		return wrong(err, map, "operations must be a map of 1 to 1000 operations");
	config->operations = mem_new(map->count, sizeof *config->operations);
	for (size_t i = 0; i < map->count; i++) {
		struct pg_operation *op = &config->operations[i];
		const char *name = map->keys[i]->text;
		enum rc rc;

		config->n_operations = i + 1;
		if (!id_valid(name, NAME_MAX_LEN))
			return wrong(err, map->keys[i],
				     "an operation's name is 1 to 63 of A-Z a-z 0-9 . _ -");
		op->name = mem_dup(name);
		rc = read_operation(map->items[i], op, err);
		if (rc != RC_OK)
			return err_wrap(err, "operation %s", name);
	}
	return RC_OK;
}

/* An identifier, or two joined by a dot, each quoted so that case is kept. */
static char *quoted_table(const char *name)
{
	const char *dot = strchr(name, '.');
	const char *p;

	for (p = name; *p != '\0'; p++)
		if (!(isalnum((unsigned char)*p) || *p == '_' || p == dot))
			return NULL;
	if (*name == '\0' || dot == name || (dot != NULL && dot[1] == '\0'))
		return NULL;
	if (dot == NULL)
		return mem_printf("\"%s\"", name);
	return mem_printf("\"%.*s\".\"%s\"", (int)(dot - name), name, dot + 1);
}

/* The host to be resolved before libpq is called, which would block on DNS: only
 * a single name without an address of its own is ours to do. */
static char *host_to_resolve(const PQconninfoOption *options)
{
	const char *host = NULL;
	struct in6_addr addr;

	for (; options->keyword != NULL; options++) {
		if (options->val == NULL || options->val[0] == '\0')
			continue;
		if (strcmp(options->keyword, "hostaddr") == 0)
			return NULL;
		if (strcmp(options->keyword, "host") == 0)
			host = options->val;
	}
	if (host == NULL || host[0] == '/' || host[0] == '@' || strchr(host, ',') != NULL)
		return NULL;
	if (inet_pton(AF_INET, host, &addr) == 1 || inet_pton(AF_INET6, host, &addr) == 1)
		return NULL;
	return mem_dup(host);
}

static enum rc read_connection(const struct yaml_node *map, struct pg_config *config,
			       struct err *err)
{
	char *message = NULL;
	PQconninfoOption *options = PQconninfoParse(config->connection, &message);

	PQfreemem(message); /* it quotes from the string: never shown */
	if (options == NULL)
		return wrong(err, yaml_get(map, "connection"),
			     "connection is not a valid libpq connection string, such as "
			     "\"host=/run/postgresql dbname=bank\"");
	config->host = host_to_resolve(options);
	PQconninfoFree(options);
	return RC_OK;
}

enum rc pg_config_read(const struct yaml_node *map, struct pg_config *config, struct err *err)
{
	enum rc rc = conf_read(pg_config_rows, map, config, err);

	if (rc != RC_OK)
		return rc;
	if (strcmp(config->adapter, "postgres") != 0)
		return wrong(err, yaml_get(map, "adapter"), "this is not a postgres resource");
	config->barrier = quoted_table(config->barrier_table);
	if (config->barrier == NULL)
		return wrong(err, yaml_get(map, "barrier_table"),
			     "barrier_table must be `table` or `schema.table`, of letters, "
			     "digits and _");
	rc = read_connection(map, config, err);
	if (rc == RC_OK)
		rc = read_operations(config, err);
	config->operations_node = NULL; /* the document's, which may be freed before us */
	return rc;
}

void pg_config_fini(struct pg_config *config)
{
	for (size_t i = 0; i < config->n_operations; i++) {
		struct pg_operation *op = &config->operations[i];

		for (size_t k = 0; k < op->n_args; k++)
			free((void *)(uintptr_t)op->args[k]);
		free(op->args);
		free(op->name);
		free(op->sql);
	}
	free(config->operations);
	free(config->host);
	free(config->barrier);
	conf_fini(pg_config_rows, config);
	memset(config, 0, sizeof *config);
}

const struct pg_operation *pg_config_find(const struct pg_config *config, const char *name)
{
	for (size_t i = 0; i < config->n_operations; i++)
		if (strcmp(config->operations[i].name, name) == 0)
			return &config->operations[i];
	return NULL;
}
