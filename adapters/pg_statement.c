/* pg_statement.c - see pg_statement.h. */
#include "adapters/pg_statement.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A backend is named by pid and start: a pid alone may be a stranger's by now.
 * extract() is exact (numeric) and, unlike the text of a timestamp, the same in
 * every session.  A start that our role may not see could be the one: it must
 * not pass for "gone". */
#define THE_BACKEND                                                       \
	"pg_stat_activity WHERE pid = $1::int AND (backend_start IS NULL" \
	" OR extract(epoch FROM backend_start) = $2::numeric)"

/* Every session of this agent, whichever of its starts opened it. */
#define THE_AGENTS                                                                       \
	"pg_stat_activity WHERE datname = current_database() AND usename = session_user" \
	" AND starts_with(application_name, $1)"

static const char *const fixed[PG_OPERATIONS] = {
	[PG_BEGIN] = "BEGIN",
	[PG_BEGIN_READ_ONLY] = "BEGIN READ ONLY",
	[PG_COMMIT] = "COMMIT",
	[PG_ROLLBACK] = "ROLLBACK",
	[PG_TIMEOUTS] = "SELECT set_config('lock_timeout', $1, false),"
			" set_config('statement_timeout', $2, false)",
	[PG_LIST] = "SELECT gid FROM pg_prepared_xacts WHERE starts_with(gid, $1)"
		    " AND database = current_database() AND owner = current_user ORDER BY gid",
	[PG_CANCEL] = "SELECT pg_cancel_backend(pid) FROM " THE_BACKEND,
	[PG_TERMINATE] = "SELECT pg_terminate_backend(pid) FROM " THE_BACKEND,
	[PG_FENCE] = "SELECT pid, pg_terminate_backend(pid) FROM " THE_AGENTS
		     " AND application_name <> $2 AND pid <> pg_backend_pid()",
	[PG_NEWER] = "SELECT pid FROM " THE_AGENTS
		     " AND CASE WHEN substr(application_name, length($1) + 1) ~ '^[0-9]+$'"
		     " THEN substr(application_name, length($1) + 1)::numeric > $2::numeric END",
};

/* The rows of a saga's step. */
#define STEP " cluster = $1 AND gid = $2 AND epoch = 0 AND branch = $3"

static const char *barrier_sql(struct pg_statements *s, unsigned id, const char *barrier)
{
	static const char insert[] = "INSERT INTO %s (cluster, gid, epoch, branch, kind, mark)"
				     " VALUES ($1, $2, $3::numeric, $4, 'branch', '%s')%s";
	static const char key[] = "INSERT INTO %s (cluster, gid, epoch, branch, kind, mark)"
				  " VALUES ($1, $2, 0, $3, %s)%s";
	switch (id) {
	case PG_MARK: s->owned[id] = mem_printf(insert, barrier, "once", ""); break;
	case PG_SETTLE:
		s->owned[id] = mem_printf(insert, barrier, "settled", " ON CONFLICT DO NOTHING");
		break;
	case PG_READ_MARK:
		s->owned[id] =
			mem_printf("SELECT mark FROM %s WHERE cluster = $1 AND gid = $2"
				   " AND epoch = $3::numeric AND branch = $4 AND kind = 'branch'",
				   barrier);
		break;
	case PG_KEY: s->owned[id] = mem_printf(key, barrier, "$4, 'done'", ""); break;
	case PG_KEY_BLOCK:
		s->owned[id] =
			mem_printf(key, barrier, "'do', 'blocked'", " ON CONFLICT DO NOTHING");
		break;
	case PG_KEY_LOOK:
		s->owned[id] =
			mem_printf("SELECT mark FROM %s WHERE" STEP " AND kind = 'do'", barrier);
		break;
	case PG_KEY_STORE:
		s->owned[id] = mem_printf("UPDATE %s SET output = $5 WHERE" STEP " AND kind = $4",
					  barrier);
		break;
	case PG_KEY_READ:
		s->owned[id] = mem_printf("SELECT kind, mark, output FROM %s WHERE" STEP
					  " AND kind IN ('do', 'undo')",
					  barrier);
		break;
	default: return fixed[id];
	}
	return s->owned[id];
}

void pg_statements_init(struct pg_statements *s, const struct pg_config *config)
{
	s->n = PG_OPERATIONS + config->n_operations;
	s->all = mem_new(s->n, sizeof *s->all);
	for (unsigned id = 0; id < s->n; id++) {
		struct pg_statement *st = &s->all[id];

		st->id = id;
		snprintf(st->name, sizeof st->name, "settle_%u", id);
		st->rows = id >= PG_OPERATIONS;
		st->sql = id < PG_OPERATIONS ? barrier_sql(s, id, config->barrier)
					     : config->operations[id - PG_OPERATIONS].sql;
	}
}

void pg_statements_fini(struct pg_statements *s)
{
	for (size_t i = 0; i < PG_OPERATIONS; i++)
		free(s->owned[i]);
	free(s->all);
	memset(s, 0, sizeof *s);
}

char *pg_barrier_ddl(const struct pg_config *config)
{
	return mem_printf("CREATE TABLE IF NOT EXISTS %s (cluster text NOT NULL, gid text NOT NULL,"
			  " epoch numeric(20) NOT NULL, branch text NOT NULL, kind text NOT NULL,"
			  " mark text NOT NULL, output text,"
			  " made_at timestamptz NOT NULL DEFAULT now(),"
			  " PRIMARY KEY (gid, branch, kind, epoch, cluster))",
			  config->barrier);
}
