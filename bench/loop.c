/* loop.c - see loop.h. */
#include "bench/loop.h"

#include "base/mem.h"
#include "bench/accounts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum phase { IDLE, PREPARE, COMMIT, ROLLBACK };
enum { STEP_BEGIN, STEP_UPDATE, STEP_PREPARE };
enum { NAME_SIZE = 64, SQL_SIZE = 128 };

struct client;

/* One client's connection to one server. */
struct side {
	struct client *client;
	PGconn *conn;
	bool waiting;  /* for its answer to the phase */
	int step;      /* of the results of this phase */
	bool one_row;  /* the update found its account, with enough on it */
	bool prepared; /* a transaction of this name */
	bool finished;
};

struct client {
	struct side side[SIDES];
	enum phase phase;
	struct transfer transfer;
	int number;
	unsigned long count;
	char name[NAME_SIZE]; /* of the prepared transactions */
	char reason[200];
};

/* ---- sending ---- */

static void send_query(struct side *s, const char *sql)
{
	if (PQsendQuery(s->conn, sql) != 1)
		bench_die("loop: %s", PQerrorMessage(s->conn));
	s->waiting = true;
}

/* One simple query a phase, which calls the prepared statement.  The same in pipeline
 * mode is four commands with a Parse, Bind, Describe and Execute for most of them:
 * the servers took about a tenth more CPU time a transaction. */
static void send_prepare(struct side *s, int account, int amount)
{
	char sql[SQL_SIZE];

	snprintf(sql, sizeof sql, "BEGIN; EXECUTE move(%d, %d); PREPARE TRANSACTION '%s'", account,
		 amount, s->client->name);
	send_query(s, sql);
	s->step = STEP_BEGIN;
	s->one_row = s->prepared = s->finished = false;
}

static void send_finish(struct side *s)
{
	char sql[SQL_SIZE];

	/* A side that refused has its transaction still open. */
	if (s->prepared)
		snprintf(sql, sizeof sql, "%s PREPARED '%s'",
			 s->client->phase == COMMIT ? "COMMIT" : "ROLLBACK", s->client->name);
	else
		snprintf(sql, sizeof sql, "ROLLBACK");
	send_query(s, sql);
}

static void begin(struct client *c, struct run *run)
{
	if (!run_next(run, &c->transfer)) {
		c->phase = IDLE;
		return;
	}
	snprintf(c->name, sizeof c->name, "bench-%d-%d-%lu", (int)getpid(), c->number, c->count++);
	c->reason[0] = '\0';
	c->phase = PREPARE;
	send_prepare(&c->side[SIDE_A], c->transfer.from, c->transfer.amount);
	send_prepare(&c->side[SIDE_B], c->transfer.to, c->transfer.amount);
}

/* ---- receiving ---- */

static bool voted_yes(const struct side *s)
{
	return s->prepared && s->one_row;
}

/* Both sides have answered the phase. */
static void next_phase(struct client *c, struct run *run)
{
	struct side *a = &c->side[SIDE_A], *b = &c->side[SIDE_B];

	if (c->phase == PREPARE) {
		c->phase = voted_yes(a) && voted_yes(b) ? COMMIT : ROLLBACK;
		send_finish(a);
		send_finish(b);
		return;
	}
	if (!a->finished || !b->finished)
		bench_die("loop: a prepared transaction could not be ended: %s", c->reason);
	if (c->phase == COMMIT)
		run_ended(run, &c->transfer, NULL);
	else
		run_ended(run, &c->transfer, c->reason[0] != '\0' ? c->reason : "no row changed");
	begin(c, run);
}

static void take_result(struct side *s, const PGresult *res)
{
	struct client *c = s->client;
	PGresult *r = (PGresult *)(uintptr_t)res; /* libpq's getters want it non-const */

	if (PQresultStatus(res) != PGRES_COMMAND_OK)
		snprintf(c->reason, sizeof c->reason, "%s", PQresultErrorMessage(res));
	else if (c->phase != PREPARE)
		s->finished = true;
	else if (s->step == STEP_UPDATE)
		s->one_row = strcmp(PQcmdTuples(r), "1") == 0;
	else if (s->step == STEP_PREPARE) /* an aborted one "succeeds" with the tag ROLLBACK */
		s->prepared = strcmp(PQcmdStatus(r), "PREPARE TRANSACTION") == 0;
	s->step++;
}

static void on_ready(void *who, struct run *run)
{
	struct side *s = who;

	if (PQconsumeInput(s->conn) != 1)
		bench_die("loop: %s", PQerrorMessage(s->conn));
	while (s->waiting && !PQisBusy(s->conn)) {
		PGresult *res = PQgetResult(s->conn);

		if (res == NULL)
			s->waiting = false;
		else
			take_result(s, res);
		PQclear(res);
	}
	if (!s->client->side[SIDE_A].waiting && !s->client->side[SIDE_B].waiting)
		next_phase(s->client, run);
}

/* ---- connections ---- */

static void ignore_notice(void *arg, const PGresult *res)
{
	(void)arg;
	(void)res;
}

static void prepare_statement(PGconn *conn, const char *name, const char *sql)
{
	PGresult *res = PQprepare(conn, name, sql, 0, NULL);

	if (PQresultStatus(res) != PGRES_COMMAND_OK)
		bench_die("loop: %s: %s", sql, PQerrorMessage(conn));
	PQclear(res);
}

static void side_open(struct side *s, struct client *c, int ep, const char *conninfo,
		      const char *move_sql, const char *lock_timeout)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
	char sql[SQL_SIZE];

	s->client = c;
	s->conn = accounts_connect(conninfo);
	PQsetNoticeReceiver(s->conn, ignore_notice, NULL);
	accounts_do(s->conn, "SET application_name = 'bench-loop'");
	snprintf(sql, sizeof sql, "SET lock_timeout = '%s'", lock_timeout);
	accounts_do(s->conn, sql);
	prepare_statement(s->conn, "move", move_sql);
	if (epoll_ctl(ep, EPOLL_CTL_ADD, PQsocket(s->conn), &event) != 0)
		bench_die("loop: epoll_ctl failed");
}

void loop_run(struct run *run, const char *const conninfo[2], const char *lock_timeout)
{
	struct client *clients = mem_new((size_t)run->clients, sizeof *clients);
	const int ep = epoll_create1(EPOLL_CLOEXEC);

	for (int i = 0; i < run->clients; i++) {
		clients[i].number = i;
		side_open(&clients[i].side[SIDE_A], &clients[i], ep, conninfo[SIDE_A], DEBIT_SQL,
			  lock_timeout);
		side_open(&clients[i].side[SIDE_B], &clients[i], ep, conninfo[SIDE_B], CREDIT_SQL,
			  lock_timeout);
	}
	run_start(run);
	for (int i = 0; i < run->clients; i++)
		begin(&clients[i], run);
	run_loop(run, ep, on_ready);
	for (int i = 0; i < run->clients; i++)
		for (int s = 0; s < SIDES; s++)
			PQfinish(clients[i].side[s].conn);
	free(clients);
	close(ep);
}
