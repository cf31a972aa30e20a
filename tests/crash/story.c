#include "tests/crash/story.h"

#include "tests/crash/count.h"
#include "tests/crash/deal.h"
#include "tests/crash/world.h"
#include "tests/lib/bank.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOMENT_S = 20, STREAM_MS = 10000 };

#define HOLD "20s"

/* Waits for a moment of the story.  When somebody has died it may never come: then the
 * story goes on without it, and only an undisturbed run must reach it. */
#define MOMENT(cond)                                                                \
	do {                                                                        \
		int64_t until_ = clock_ms() + harness_patience_ms(MOMENT_S);        \
		while (!(cond) && !atomic_load(&world.hit)) {                       \
			NEED(clock_ms() < until_, "this never came: %s", #cond);    \
			harness_pause();                                            \
		}                                                                   \
	} while (0)

static struct deal *run(const struct flow *flow, const char *wait)
{
	struct deal *d = deal_new(flow);
	deal_submit(d, wait, HOLD);
	return d;
}

/* ---- plain transactions ---- */

static void act_commit(void)
{
	run(&flow_pay, "finished");
	struct deal *d = deal_new(&flow_pay_aside);
	deal_try(d, "decided", HOLD); /* this client does not come back */
}

static void act_refused(void)
{
	run(&flow_pay_refused, "finished");
}

static void act_once(void)
{
	run(&flow_once, "finished");
	run(&flow_reader, "finished");
}

static void act_accepted(void)
{
	struct deal *once = run(&flow_once, "accepted");
	struct deal *one = run(&flow_pay, "accepted"), *two = run(&flow_pay_aside, "accepted");
	deal_await(one);
	deal_await(two);
	deal_await(once);
}

static void act_ordered(void)
{
	run(&flow_pay_ordered, "finished");
}

static void act_mixed(void)
{
	run(&flow_mixed, "finished");
	run(&flow_mixed_refused, "finished");
}

/* ---- sagas ---- */

static void act_saga(void)
{
	run(&flow_trip, "finished");
}

static void act_undo(void)
{
	run(&flow_trip_refused, "finished");
}

static void act_pivot(void)
{
	run(&flow_pivot, "finished");
}

static void act_custom(void)
{
	run(&flow_custom, "finished");
	run(&flow_custom_refused, "finished");
}

/* Until its second step waits for a word from outside. */
static struct deal *ask_begun(void)
{
	struct deal *d = run(&flow_ask, "accepted");
	while (!d->pending && !d->ended && !d->stuck)
		if (!deal_look(d, "0ms") || !d->pending)
			harness_pause();
	return d;
}

static void act_cancel(void)
{
	deal_say(ask_begun(), "/cancel", "{\"reason\": \"changed my mind\"}");
}

static void act_pending(void)
{
	deal_say(ask_begun(), "/steps/ask/complete", "{\"output\": {\"by\": \"ann\"}}");
	deal_say(ask_begun(), "/steps/ask/fail", "{\"reason\": \"she said no\"}");
}

/* ---- workflows by name; everything that can be asked ---- */

/* (JSON is YAML as well, so a text of either may be sent as such.) */
static void publish(const struct flow *flow)
{
	client_ask("POST", "/v1/workflows", flow->text);
}

static void act_publish(void)
{
	publish(&flow_pay);
	publish(&flow_trip);
	client_ask("POST", "/v1/workflows/trip/activate", "{\"version\": 1}");
	for (int i = 0; i < 2; i++) {
		struct deal *d = deal_new(i ? &flow_trip : &flow_pay);
		d->workflow = i ? "trip" : "pay@1";
		deal_submit(d, "finished", HOLD);
	}
}

/* Reads a stream of events to its end, or until it breaks. */
static void read_stream(const struct deal *d)
{
	const int port = atoi(strrchr(world.url, ':') + 1);
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	struct timeval limit = {.tv_sec = STREAM_MS / 1000};
	char part[4096];
	char *head = textf("GET /v1/transactions/%s/events HTTP/1.1\r\nHost: x\r\n"
			   "Accept: text/event-stream\r\nConnection: close\r\n\r\n",
			   d->gid);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0 &&
	    send(fd, head, strlen(head), MSG_NOSIGNAL) > 0)
		while (recv(fd, part, sizeof part, 0) > 0)
			if (atomic_load(&world.hit))
				break;
	close(fd);
	free(head);
}

static void act_watch(void)
{
	struct deal *d = run(&flow_trip, "accepted");
	read_stream(d);
	deal_await(d);
	client_ask("GET", "/v1/transactions?limit=5", NULL);
	client_ask("GET", "/v1/agents", NULL);
	client_ask("GET", "/v1/stats", NULL);
	client_ask("GET", "/metrics", NULL);
}

/* ---- people ---- */

/* A transaction whose second branch waits for a lock of ours: its first is prepared. */
static PGconn *half_prepared(struct deal *d, int account)
{
	PGconn *lock = row_lock(BANK_B, account);
	deal_submit(d, "accepted", HOLD);
	MOMENT(count_prepared(BANK_A) > 0 && count_waiting(BANK_B) > 0);
	return lock;
}

/* Ended by hand behind everybody's back. */
static void roll_back_by_hand(int b)
{
	PGconn *conn = pg_open(bank[b]);
	char *sql = textf("SELECT 'ROLLBACK PREPARED ' || quote_literal(gid) FROM "
			  "pg_prepared_xacts WHERE gid LIKE 'settle:%s:%%'",
			  world.cluster);
	PGresult *names = PQexec(conn, sql);
	for (int i = 0; i < PQntuples(names); i++)
		PQclear(PQexec(conn, PQgetvalue(names, i, 0)));
	PQclear(names);
	PQfinish(conn);
	free(sql);
}

static void act_hazard(void)
{
	struct deal *d = deal_new(&flow_pay_nothing);
	PGconn *lock = half_prepared(d, 5);
	d->by_hand = true;
	roll_back_by_hand(BANK_A);
	row_free(lock);
	deal_await(d);
	while (d->stuck) {
		deal_say(d, "/resolve", "{\"action\": \"forget\", \"reason\": \"put right\"}");
		deal_await(d);
	}
}

/* ---- programs and sessions that go in the middle ---- */

/* Has a program stop while its work waits for the lock, and start again. */
static void leave(enum actor a, const char *event, PGconn *lock)
{
	atomic_store(&world.leave[a], LEAVE_ASKED);
	MOMENT(proc_logged(world.procs[a], event));
	row_free(lock);
	WAIT_FOR(MOMENT_S, atomic_load(&world.leave[a]) == LEAVE_NOT);
}

static void act_drain(void)
{
	struct deal *d = deal_new(&flow_pay), *saga;
	PGconn *lock = half_prepared(d, 1);
	leave(COORDINATOR, "settled-draining", lock);
	deal_await(d);
	client_await_ready();
	lock = row_lock(BANK_B, 8);
	saga = run(&flow_trip, "accepted");
	MOMENT(count_waiting(BANK_B) > 0);
	leave(AGENT_B, "agent-stopping", lock);
	deal_await(saga);
}

static void end_sessions(void)
{
	for (int b = 0; b < BANKS; b++)
		bank_do(b, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
			   "datname = current_database() AND pid <> pg_backend_pid()");
}

static void act_sessions(void)
{
	end_sessions();
	run(&flow_pay, "finished");
	struct deal *d = deal_new(&flow_pay_aside);
	PGconn *lock = half_prepared(d, 2);
	end_sessions(); /* ours too, and with it the lock */
	deal_await(d);
	row_free(lock);
	end_sessions();
	run(&flow_trip, "finished");
}

static void act_prune(void)
{
	struct deal *old = deal_new(&flow_pay);
	old->may_fade = true;
	deal_submit(old, "finished", HOLD);
	while (!old->ended || old->told == TOLD_NOTHING || deals() < 8) {
		struct deal *d = deal_new(&flow_once);
		d->may_fade = true;
		deal_submit(d, "finished", HOLD);
		const int64_t until = clock_ms() + 120; /* older than a turn that prunes */
		while (clock_ms() < until)
			harness_pause();
	}
}

/* ---- recovery: these leave something unfinished ---- */

static void open_all(void)
{
	world_start();
	client_await_ready();
}

/* One that was accepted and one that was not, both before their decision. */
static void before_undecided(void)
{
	open_all();
	struct deal *mine = deal_new(&flow_pay), *lost = deal_new(&flow_pay_aside);
	PGconn *one = row_lock(BANK_B, 1), *two = row_lock(BANK_B, 2);
	deal_submit(mine, "accepted", HOLD);
	deal_submit(lost, "finished", "0ms");
	MOMENT(count_prepared(BANK_A) == 2 && count_waiting(BANK_B) == 2);
	world_kill_all();
	row_free(one);
	row_free(two);
}

/* Committed at one bank, and the other has not heard of it. */
static void before_decided(void)
{
	open_all();
	struct deal *d = deal_new(&flow_pay);
	PGconn *lock = half_prepared(d, 1);
	proc_freeze(world.procs[AGENT_A]);
	row_free(lock);
	MOMENT(count_rows(BANK_B, d->gid) == 1);
	world_kill_all();
}

static void before_saga(void)
{
	open_all();
	PGconn *lock = row_lock(BANK_B, 8);
	deal_submit(deal_new(&flow_trip), "accepted", HOLD);
	MOMENT(count_waiting(BANK_B) > 0);
	world_kill_all();
	row_free(lock);
}

/* The compensation of the first step is held up. */
static void before_undo(void)
{
	open_all();
	PGconn *there = row_lock(BANK_B, 8);
	struct deal *d = deal_new(&flow_trip_refused);
	deal_submit(d, "accepted", HOLD);
	MOMENT(count_waiting(BANK_B) > 0);
	PGconn *here = row_lock(BANK_A, 8);
	row_free(there);
	MOMENT(count_waiting(BANK_A) > 0);
	world_kill_all();
	row_free(here);
}

/* Only this agent is new; the coordinator knows the old one. */
static void before_agent(enum actor a)
{
	open_all();
	struct deal *d = deal_new(&flow_pay), *saga = deal_new(&flow_trip);
	PGconn *lock = half_prepared(d, 1), *step = row_lock(BANK_B, 8);
	deal_submit(saga, "accepted", HOLD);
	MOMENT(count_waiting(BANK_B) == 2);
	world_kill(a);
	row_free(lock);
	row_free(step);
}

static void before_agent_a(void)
{
	before_agent(AGENT_A);
}

static void before_agent_b(void)
{
	before_agent(AGENT_B);
}

/* Everything of the custom resources that lasts is left behind. */
static void before_mixed(void)
{
	open_all();
	PGconn *lock = row_lock(BANK_A, 7);
	deal_submit(deal_new(&flow_mixed), "accepted", HOLD);
	deal_submit(deal_new(&flow_ask), "accepted", HOLD);
	MOMENT(count_waiting(BANK_A) > 0);
	world_kill_all();
	row_free(lock);
}

static void act_mixed_again(void)
{
	struct deal *ask = deal_at(1);
	while (!ask->pending && !ask->ended && !ask->stuck)
		if (!deal_look(ask, "0ms") || !ask->pending)
			harness_pause();
	deal_say(ask, "/steps/ask/complete", "{\"output\": {}}");
}

const struct story stories[] = {
	{.name = "idle", .edges = true},
	{.name = "commit", .act = act_commit},
	{.name = "refused", .act = act_refused},
	{.name = "once", .act = act_once},
	{.name = "accepted", .act = act_accepted},
	{.name = "ordered", .act = act_ordered},
	{.name = "mixed", .act = act_mixed},
	{.name = "saga", .act = act_saga},
	{.name = "undo", .act = act_undo},
	{.name = "pivot", .act = act_pivot},
	{.name = "custom", .act = act_custom},
	{.name = "cancel", .act = act_cancel},
	{.name = "pending", .act = act_pending},
	{.name = "publish", .act = act_publish},
	{.name = "watch", .act = act_watch},
	{.name = "hazard", .act = act_hazard},
	{.name = "drain", .act = act_drain},
	{.name = "sessions", .act = act_sessions},
	{.name = "prune", .settings = "retention: 1ms\n", .act = act_prune},
	{.name = "again-undecided", .before = before_undecided},
	{.name = "again-decided", .before = before_decided},
	{.name = "again-saga", .before = before_saga},
	{.name = "again-undo", .before = before_undo},
	{.name = "again-agent-a", .before = before_agent_a},
	{.name = "again-agent-b", .before = before_agent_b},
	{.name = "again-mixed", .before = before_mixed, .act = act_mixed_again},
};
const size_t n_stories = sizeof stories / sizeof stories[0];
