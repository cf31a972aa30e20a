#include "tests/crash/story_kit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STREAM_MS = 10000 };

struct deal *story_run(const struct flow *flow, const char *wait)
{
	struct deal *d = deal_new(flow);
	deal_submit(d, wait, HOLD);
	return d;
}

PGconn *story_half_prepared(struct deal *d, int account)
{
	PGconn *lock = row_lock(BANK_B, account);
	deal_submit(d, "accepted", HOLD);
	MOMENT(count_prepared(BANK_A) > 0 && count_waiting(BANK_B) > 0);
	return lock;
}

void story_await_pending(struct deal *d)
{
	while (!d->pending && !d->ended && !d->stuck)
		if (!deal_look(d, "0ms") || !d->pending)
			harness_pause();
}

/* ---- plain transactions ---- */

void act_commit(void)
{
	story_run(&flow_pay, "finished");
	struct deal *d = deal_new(&flow_pay_aside);
	deal_try(d, "decided", HOLD); /* this client does not come back */
}

void act_refused(void)
{
	story_run(&flow_pay_refused, "finished");
}

void act_once(void)
{
	story_run(&flow_once, "finished");
	story_run(&flow_reader, "finished");
	/* Somebody has settled this one before it comes, as not done. */
	struct deal *late = deal_new(&flow_once);
	bank_do(BANK_A,
		"INSERT INTO settle_barrier (cluster, gid, epoch, branch, kind, mark) "
		"VALUES ('%s', '%s', 1, 'pay.a', 'branch', 'settled')",
		world.cluster, late->gid);
	deal_submit(late, "finished", HOLD);
}

/* So much that the journal's log is copied into its file. */
void act_heavy(void)
{
	for (int i = 0; i < 6; i++) {
		struct deal *d = deal_new(&flow_heavy);
		d->bulk = 900 * 1000;
		deal_submit(d, "accepted", HOLD);
		deal_await(d);
	}
}

void act_accepted(void)
{
	struct deal *once = story_run(&flow_once, "accepted");
	struct deal *one = story_run(&flow_pay, "accepted"),
		    *two = story_run(&flow_pay_aside, "accepted");
	deal_await(one);
	deal_await(two);
	deal_await(once);
}

void act_ordered(void)
{
	story_run(&flow_pay_ordered, "finished");
}

void act_mixed(void)
{
	story_run(&flow_mixed, "finished");
	story_run(&flow_mixed_refused, "finished");
}

/* ---- sagas ---- */

void act_saga(void)
{
	story_run(&flow_trip, "finished");
}

void act_undo(void)
{
	story_run(&flow_trip_refused, "finished");
}

void act_pivot(void)
{
	story_run(&flow_pivot, "finished");
}

void act_custom(void)
{
	story_run(&flow_custom, "finished");
	story_run(&flow_custom_refused, "finished");
}

/* Until its second step waits for a word from outside. */
static struct deal *ask_begun(void)
{
	struct deal *d = story_run(&flow_ask, "accepted");
	story_await_pending(d);
	return d;
}

void act_cancel(void)
{
	static const char why[] = "{\"reason\": \"changed my mind\"}";
	deal_say(ask_begun(), "/cancel", why);
	struct deal *plain = deal_new(&flow_pay);
	PGconn *lock = story_half_prepared(plain, 1);
	deal_say(plain, "/cancel", why);
	deal_await(plain);
	row_free(lock);
}

void act_pending(void)
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

void act_publish(void)
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
	char *head = textf("GET /v1/transactions/%s/events HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
			   "Accept: text/event-stream\r\nConnection: close\r\n\r\n",
			   d->gid, port);
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

void act_watch(void)
{
	struct deal *d = story_run(&flow_trip, "accepted");
	read_stream(d);
	deal_await(d);
	client_ask("GET", "/v1/transactions?limit=5", NULL);
	client_ask("GET", "/v1/agents", NULL);
	client_ask("GET", "/v1/stats", NULL);
	client_ask("GET", "/metrics", NULL);
}

/* ---- people ---- */

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

void act_hazard(void)
{
	struct deal *d = deal_new(&flow_pay_nothing);
	PGconn *lock = story_half_prepared(d, 5);
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

void act_drain(void)
{
	struct deal *d = deal_new(&flow_pay), *saga;
	PGconn *lock = story_half_prepared(d, 1);
	leave(COORDINATOR, "settled-draining", lock);
	deal_await(d);
	client_await_ready();
	lock = row_lock(BANK_B, 8);
	saga = story_run(&flow_trip, "accepted");
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

void act_sessions(void)
{
	end_sessions();
	story_run(&flow_pay, "finished");
	struct deal *d = deal_new(&flow_pay_aside);
	PGconn *lock = story_half_prepared(d, 2);
	end_sessions(); /* ours too, and with it the lock */
	deal_await(d);
	row_free(lock);
	end_sessions();
	story_run(&flow_trip, "finished");
}

void act_prune(void)
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
