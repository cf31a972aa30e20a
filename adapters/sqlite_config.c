/* sqlite_config.c - see sqlite_config.h. */
#include "adapters/sqlite_config.h"

#include "base/id.h"
#include "base/mem.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FIELD(name) offsetof(struct sqlite_config, name)

enum { SQL_MAX = 65536, OPERATIONS_MAX = 1000, ARGS_MAX = 1000, SCHEMA_MAX = 1000 };

const struct conf_row sqlite_config_rows[] = {
	{"adapter", CONF_TEXT, FIELD(adapter), "sqlite", 0, 63, "must be `sqlite`"},
	{"file", CONF_TEXT, FIELD(file), NULL, 0, 1000,
	 "path of the database; its folder must be there"},
	{"create", CONF_BOOL, FIELD(create), "true", 0, 0, "make the file if it is not there"},
	{"foreign_keys", CONF_BOOL, FIELD(foreign_keys), "true", 0, 0,
	 "check REFERENCES clauses, which SQLite does only when it is told to"},
	{"schema", CONF_NODE, FIELD(schema_node), "none", 0, 0,
	 "list of SQL statements that fill a new, empty file; any other file is left as it is"},
	{"operations", CONF_NODE, FIELD(operations_node), NULL, 0, 0,
	 "map of name to operation (below)"},
	{NULL, CONF_TEXT, 0, NULL, 0, 0, NULL},
};

/* What an operation may begin with … */
static const char *const row_words[] = {"DELETE", "INSERT", "REPLACE", "SELECT",
					"UPDATE", "VALUES", "WITH",    NULL};
/* … and a statement of `schema`. */
static const char *const schema_words[] = {"ALTER",   "CREATE", "DELETE", "INSERT",
					   "REPLACE", "UPDATE", "WITH",   NULL};

static enum rc wrong(struct err *err, const struct yaml_node *at, const char *what)
{
	return err_set_at(err, RC_INVALID, at->line, at->column, "%s", what);
}

/* Past space and comments. */
static const char *first_word(const char *p)
{
	for (;;) {
		if (isspace((unsigned char)*p)) {
			p++;
		} else if (p[0] == '-' && p[1] == '-') {
			p += strcspn(p, "\n");
		} else if (p[0] == '/' && p[1] == '*') {
			const char *end = strstr(p + 2, "*/");

			p = end != NULL ? end + 2 : p + strlen(p);
		} else {
			return p;
		}
	}
}

static bool begins_with(const char *sql, const char *const *words)
{
	const char *word = first_word(sql);
	size_t n = 0;

	while (isalpha((unsigned char)word[n]))
		n++;
	for (; *words != NULL; words++)
		if (strlen(*words) == n && strncasecmp(word, *words, n) == 0)
			return true;
	return false;
}

static enum rc read_statement(const struct yaml_node *node, struct sqlite_sql *out, struct err *err)
{
	if (node->kind != YAML_SCALAR)
		return wrong(err, node, "expected one SQL statement as text");
	if (strlen(node->text) > SQL_MAX)
		return wrong(err, node, "the statement is longer than 65536 bytes");
	*out = (struct sqlite_sql){mem_dup(node->text), node->line, node->column};
	return RC_OK;
}

static enum rc read_args(const struct yaml_node *list, struct sqlite_operation *op, struct err *err)
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

static enum rc read_sql(const struct yaml_node *map, struct sqlite_operation *op, struct err *err)
{
	const struct yaml_node *sql = yaml_get(map, "sql");
	enum rc rc;

	if (sql == NULL)
		return wrong(err, map, "an operation needs `sql`, one statement as text");
	rc = read_statement(sql, &op->sql, err);
	if (rc == RC_OK && !begins_with(op->sql.text, row_words))
		return wrong(err, sql,
			     "sql must begin with SELECT, INSERT, REPLACE, UPDATE, DELETE, VALUES "
			     "or WITH: Settle begins and ends the transaction, and the "
			     "connection is shared");
	return rc;
}

static enum rc read_operation(const struct yaml_node *map, struct sqlite_operation *op,
			      struct err *err)
{
	static const char *const known[] = {"sql", "args", "expect_rows", NULL};
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
	return rc;
}

static enum rc read_operations(struct sqlite_config *config, struct err *err)
{
	const struct yaml_node *map = config->operations_node;

	if (map->kind != YAML_MAP || map->count == 0 || map->count > OPERATIONS_MAX)
		return wrong(err, map, "operations must be a map of 1 to 1000 operations");
	config->operations = mem_new(map->count, sizeof *config->operations);
	for (size_t i = 0; i < map->count; i++) {
		struct sqlite_operation *op = &config->operations[i];
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

static enum rc read_schema(struct sqlite_config *config, struct err *err)
{
	const struct yaml_node *list = config->schema_node;

	if (list == NULL)
		return RC_OK;
	if (list->kind != YAML_LIST || list->count > SCHEMA_MAX)
		return wrong(err, list, "schema must be a list of at most 1000 SQL statements");
	config->schema = mem_new(list->count, sizeof *config->schema);
	for (size_t i = 0; i < list->count; i++) {
		if (read_statement(list->items[i], &config->schema[i], err) != RC_OK)
			return err_wrap(err, "schema");
		config->n_schema = i + 1;
		if (!begins_with(config->schema[i].text, schema_words))
			return wrong(err, list->items[i],
				     "a statement of `schema` must begin with CREATE, ALTER, "
				     "INSERT, REPLACE, UPDATE, DELETE or WITH");
	}
	return RC_OK;
}

enum rc sqlite_config_read(const struct yaml_node *map, struct sqlite_config *config,
			   struct err *err)
{
	enum rc rc = conf_read(sqlite_config_rows, map, config, err);

	if (rc != RC_OK)
		return rc;
	if (strcmp(config->adapter, "sqlite") != 0)
		return wrong(err, yaml_get(map, "adapter"), "this is not a sqlite resource");
	/* SQLite takes both of these for a database that ends with the connection. */
	if (config->file[0] == '\0' || config->file[0] == ':')
		return wrong(err, yaml_get(map, "file"),
			     "file must be the path of a file: what is only in memory is lost "
			     "with the agent");
	rc = read_operations(config, err);
	if (rc == RC_OK)
		rc = read_schema(config, err);
	/* The document's, which may be freed before us. */
	config->operations_node = config->schema_node = NULL;
	return rc;
}

void sqlite_config_fini(struct sqlite_config *config)
{
	for (size_t i = 0; i < config->n_operations; i++) {
		struct sqlite_operation *op = &config->operations[i];

		for (size_t k = 0; k < op->n_args; k++)
			free((void *)(uintptr_t)op->args[k]);
		free(op->args);
		free(op->name);
		free(op->sql.text);
	}
	free(config->operations);
	for (size_t i = 0; i < config->n_schema; i++)
		free(config->schema[i].text);
	free(config->schema);
	conf_fini(sqlite_config_rows, config);
	memset(config, 0, sizeof *config);
}

const struct sqlite_operation *sqlite_config_find(const struct sqlite_config *config,
						  const char *name)
{
	for (size_t i = 0; i < config->n_operations; i++)
		if (strcmp(config->operations[i].name, name) == 0)
			return &config->operations[i];
	return NULL;
}

bool sqlite_sql_blank(const char *sql)
{
	while (*(sql = first_word(sql)) == ';')
		sql++;
	return *sql == '\0';
}
