/* pg_suspect.c - see pg_suspect.h. */
#include "adapters/pg_suspect.h"

#include "adapters/pg.h"
#include "base/crash.h"
#include "base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

enum { ASK_AGAIN_MS = 20 };

struct pg_suspect {
	struct pg_suspect *prev, *next;
	char name[PG_NAME_SIZE];
	int pid;
	char start[PG_START_SIZE];
};

void pg_suspect_add(struct pg *pg, const char *name, const struct pg_session *s)
{
	struct pg_suspect *x = mem_new(1, sizeof *x);

	snprintf(x->name, sizeof x->name, "%s", name);
	snprintf(x->start, sizeof x->start, "%s", pg_session_backend_start(s));
	x->pid = pg_session_pid(s);
	DL_APPEND(pg->suspects, x);
}

static struct pg_suspect *suspect_of(const struct pg *pg, const char *name)
{
	struct pg_suspect *x;

	DL_FOREACH (pg->suspects, x)
		if (strcmp(x->name, name) == 0)
			return x;
	return NULL;
}

static void forget(struct pg *pg, struct pg_suspect *x)
{
	DL_DELETE(pg->suspects, x);
	free(x);
}

static void ask_queue(struct pg_call *c);

/* No row: the server knows no such backend any more, so it has aborted whatever
 * it was at (its entry goes after that), and let go of its locks.  A row: it was
 * told to end, and we look again. */
static void on_ask_result(struct pg_unit *u, int step, const PGresult *res)
{
	struct pg_call *c = u->arg;
	struct pg_suspect *x = suspect_of(c->pg, c->branch.name);
	char text[REASON_MAX / 2];

	(void)step;
	if (x == NULL)
		return;
	if (pg_verdict(res, NULL) == PG_DONE && PQntuples(res) == 0) {
		forget(c->pg, x);
		c->reason[0] = '\0';
		return;
	}
	text[0] = '\0';
	if (pg_verdict(res, NULL) != PG_DONE)
		pg_explain(text, sizeof text, res,
			   (struct pg_circumstance){.during = PG_FINISHING});
	pg_print(c->reason, sizeof c->reason,
		 "the server's process %d, which was at this branch when its connection broke, has "
		 "not ended yet %s",
		 x->pid, text);
}

static void on_ask_end(struct pg_unit *u, bool whole)
{
	struct pg_call *c = u->arg;

	CRASH_POINT(pg_terminated);
	if (whole && suspect_of(c->pg, c->branch.name) == NULL) {
		pg_call_pause(c, 0, c->when_clear);
		return;
	}
	pg_call_pause(c, ASK_AGAIN_MS, ask_queue);
}

static void ask(struct pg_call *c)
{
	const struct pg_suspect *x = suspect_of(c->pg, c->branch.name);
	char pid[16];
	const char *values[2] = {pid, x != NULL ? x->start : NULL};

	assert(x != NULL); /* one call of a branch at a time: nobody else took it away */
	snprintf(pid, sizeof pid, "%d", x->pid);
	CRASH_POINT(pg_terminate_send);
	c->unit.result = on_ask_result;
	c->unit.end = on_ask_end;
	pg_session_execute(c->session, &c->unit, 0, pg_statement_of(c->pg, PG_TERMINATE), values,
			   2);
	pg_session_sync(c->session, &c->unit);
}

static void ask_queue(struct pg_call *c)
{
	pg_call_queue_finish(c, ask);
}

void pg_suspect_clear(struct pg_call *c, pg_step_fn next)
{
	c->when_clear = next;
	if (suspect_of(c->pg, c->branch.name) == NULL)
		next(c);
	else
		ask_queue(c);
}

void pg_suspect_forget(struct pg *pg, const char *name)
{
	struct pg_suspect *x, *next;

	DL_FOREACH_SAFE (pg->suspects, x, next)
		if (strcmp(x->name, name) == 0)
			forget(pg, x);
}

void pg_suspect_free_all(struct pg *pg)
{
	while (pg->suspects != NULL)
		forget(pg, pg->suspects);
}
