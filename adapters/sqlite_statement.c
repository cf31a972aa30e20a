/* sqlite_statement.c - see sqlite_impl.h and sqlite_db_check: SQL of the configuration,
 * and where it is wrong. */
#include "adapters/sqlite_impl.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* ---- in the file ---- */

/* For a function there is only the text to tell. */
static bool is_denied(sqlite3 *db)
{
	return (sqlite3_errcode(db) & 0xff) == SQLITE_AUTH ||
	       strstr(sqlite3_errmsg(db), "not authorized") != NULL;
}

/* SQLite's words about a statement of the configuration, with its place there. */
static enum rc fail_at(sqlite3 *db, enum rc code, const struct sqlite_sql *sql, struct err *err)
{
	const bool denied = is_denied(db);

	return err_set_at(err, code, sql->line, sql->column, "%s%s", sqlite3_errmsg(db),
			  denied ? ": SQL must not open other files, begin or end transactions, "
				   "change settings, make temporary tables, load extensions or "
				   "write to settle_barrier"
				 : "");
}

static enum rc prepare_one(sqlite3 *db, const struct sqlite_sql *sql, sqlite3_stmt **s,
			   struct err *err)
{
	const char *tail = NULL;

	if (sqlite3_prepare_v3(db, sql->text, -1, SQLITE_PREPARE_PERSISTENT, s, &tail) != SQLITE_OK)
		return fail_at(db, RC_IO, sql, err);
	if (*s == NULL || !sqlite_sql_blank(tail))
		return err_set_at(err, RC_IO, sql->line, sql->column,
				  "sql must be one statement, no more and no less");
	return RC_OK;
}

enum rc sqlite_schema_run(struct sqlite_db *d, struct err *err)
{
	const struct sqlite_config *config = d->settings.config;
	enum rc rc = RC_OK;

	d->guarded = true;
	for (size_t i = 0; rc == RC_OK && i < config->n_schema; i++) {
		sqlite3_stmt *s = NULL;
		int step = SQLITE_ROW;

		rc = prepare_one(d->db, &config->schema[i], &s, err);
		while (rc == RC_OK && step == SQLITE_ROW)
			step = sqlite3_step(s);
		if (rc == RC_OK && step != SQLITE_DONE)
			rc = fail_at(d->db, RC_IO, &config->schema[i], err);
		sqlite3_finalize(s);
		if (rc != RC_OK)
			err_wrap(err, "schema (line %d, column %d)", err->line, err->column);
	}
	d->guarded = false;
	return rc;
}

/* Which argument parameter `place` takes: `:name` by its name, `?` and `?1` by place. */
static enum rc find_arg(const struct sqlite_operation *op, struct sqlite_prepared *p, int place,
			struct err *err)
{
	const char *name = sqlite3_bind_parameter_name(p->s, place);

	p->arg_of[place - 1] = (size_t)place - 1;
	if (name != NULL && name[0] != '?') {
		size_t i = 0;

		while (i < op->n_args && strcmp(op->args[i], name + 1) != 0)
			i++;
		if (i == op->n_args)
			return err_set_at(err, RC_IO, op->sql.line, op->sql.column,
					  "sql uses %s, which is not among `args`", name);
		p->arg_of[place - 1] = i;
	} else if ((size_t)place > op->n_args) {
		return err_set_at(err, RC_IO, op->sql.line, op->sql.column,
				  "sql uses ?%d, and there are %zu `args`", place, op->n_args);
	}
	return RC_OK;
}

static enum rc find_args(const struct sqlite_operation *op, struct sqlite_prepared *p,
			 struct err *err)
{
	bool *used = mem_new(op->n_args, sizeof *used);
	enum rc rc = RC_OK;

	p->n = sqlite3_bind_parameter_count(p->s);
	p->arg_of = mem_new((size_t)p->n, sizeof *p->arg_of);
	for (int i = 1; rc == RC_OK && i <= p->n; i++) {
		rc = find_arg(op, p, i, err);
		if (rc == RC_OK)
			used[p->arg_of[i - 1]] = true;
	}
	for (size_t i = 0; rc == RC_OK && i < op->n_args; i++)
		if (!used[i])
			rc = err_set_at(err, RC_IO, op->sql.line, op->sql.column,
					"sql does not use the argument %s: write :%s or ?%zu",
					op->args[i], op->args[i], i + 1);
	free(used);
	return rc;
}

enum rc sqlite_operations_prepare(struct sqlite_db *d, struct err *err)
{
	const struct sqlite_config *config = d->settings.config;
	enum rc rc = RC_OK;

	d->operations = mem_new(config->n_operations, sizeof *d->operations);
	d->guarded = true;
	for (size_t i = 0; rc == RC_OK && i < config->n_operations; i++) {
		const struct sqlite_operation *op = &config->operations[i];

		rc = prepare_one(d->db, &op->sql, &d->operations[i].s, err);
		if (rc == RC_OK)
			rc = find_args(op, &d->operations[i], err);
		if (rc != RC_OK)
			err_wrap(err, "operation %s (line %d, column %d)", op->name, err->line,
				 err->column);
	}
	d->guarded = false;
	return rc;
}

/* ---- without the file ---- */

/* Tables are not known here, so only errors that no table could mend count. */
static bool is_grammar(sqlite3 *db)
{
	const char *text = sqlite3_errmsg(db);

	return is_denied(db) || strstr(text, "syntax error") != NULL ||
	       strstr(text, "incomplete input") != NULL ||
	       strstr(text, "unrecognized token") != NULL;
}

static enum rc check_one(sqlite3 *db, const struct sqlite_sql *sql, struct err *err)
{
	sqlite3_stmt *s = NULL;
	const int rc = sqlite3_prepare_v2(db, sql->text, -1, &s, NULL);

	sqlite3_finalize(s);
	return rc != SQLITE_OK && is_grammar(db) ? fail_at(db, RC_INVALID, sql, err) : RC_OK;
}

enum rc sqlite_db_check(const struct sqlite_config *config, struct err *err)
{
	static const bool guarded = true;
	sqlite3 *db = NULL;
	enum rc rc = RC_OK;

	if (sqlite3_open(":memory:", &db) != SQLITE_OK)
		rc = err_set(err, RC_IO, "SQLite does not start: %s", sqlite3_errmsg(db));
	else
		sqlite_guard(db, &guarded);
	for (size_t i = 0; rc == RC_OK && i < config->n_schema; i++)
		if ((rc = check_one(db, &config->schema[i], err)) != RC_OK)
			err_wrap(err, "schema");
	for (size_t i = 0; rc == RC_OK && i < config->n_operations; i++)
		if ((rc = check_one(db, &config->operations[i].sql, err)) != RC_OK)
			err_wrap(err, "operation %s", config->operations[i].name);
	sqlite3_close(db);
	return rc;
}
