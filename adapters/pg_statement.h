/* pg_statement.h - the statements that sessions prepare on first use: the
 * adapter's own, then one an operation.
 * Thread: no shared state. */
#ifndef ADAPTERS_PG_STATEMENT_H
#define ADAPTERS_PG_STATEMENT_H

#include "adapters/pg_config.h"

enum pg_statement_id {
	PG_BEGIN,
	PG_BEGIN_READ_ONLY,
	PG_COMMIT,
	PG_ROLLBACK,
	PG_TIMEOUTS,   /* lock_timeout, statement_timeout: both in ms */
	PG_MARK,       /* cluster, gid, epoch, branch: this session does it, once */
	PG_SETTLE,     /* the same: nobody will, unless somebody has */
	PG_READ_MARK,  /* the same: which of the two came first */
	PG_KEY,        /* cluster, gid, step, direction: this session does the call, once */
	PG_KEY_BLOCK,  /* cluster, gid, step: its action will not be done any more, unless
			* it has been */
	PG_KEY_LOOK,   /* the same: how its action's row is marked */
	PG_KEY_STORE,  /* cluster, gid, step, direction, output */
	PG_KEY_READ,   /* cluster, gid, step: direction, mark, output of what there is */
	PG_LIST,       /* prefix */
	PG_CANCEL,     /* pid, backend_start */
	PG_TERMINATE,  /* pid, backend_start */
	PG_FENCE,      /* prefix of application_name, our own application_name */
	PG_NEWER,      /* prefix of application_name, our own incarnation */
	PG_OPERATIONS, /* + the operation's number */
};

struct pg_statement {
	unsigned id;
	char name[16];
	const char *sql;
	bool rows; /* may return many: read row by row */
};

struct pg_statements {
	struct pg_statement *all;
	size_t n;
	char *owned[PG_OPERATIONS]; /* texts made for the barrier table */
};

/* `config` outlives `s`. */
void pg_statements_init(struct pg_statements *s, const struct pg_config *config);
void pg_statements_fini(struct pg_statements *s);

/* What the barrier table is made with; give to free(). */
char *pg_barrier_ddl(const struct pg_config *config);

#endif
