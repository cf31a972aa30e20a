/* Transfers without pause while every process is killed in turn, at moments that
 * nobody chose.  Each client keeps to the rule: no answer means ask again, by gid. */
#include "tests/lib/cluster.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLIENTS = 4, ROUNDS = 2 };

static atomic_bool over;
static atomic_int finished;

struct client {
	pthread_t thread;
	unsigned seed;
	int number;
	int committed, rolled_back;
};

static bool submit_once(struct client *c, const struct transfer *t)
{
	struct response r = transfer_submit(t);
	const char *status = json_text(r.json, "status");
	bool committed = strcmp(status, "committed") == 0;
	bool rolled_back = strcmp(status, "rolled_back") == 0;
	c->committed += committed;
	c->rolled_back += rolled_back;
	NEED(strcmp(status, "stuck") != 0, "a hazard: %s", r.body);
	response_free(&r);
	return committed || rolled_back;
}

static void *serve_client(void *arg)
{
	struct client *c = arg;
	for (int i = 0; !atomic_load(&over); i++) {
		char gid[32];
		snprintf(gid, sizeof gid, "storm-%d-%d", c->number, i);
		struct transfer t = {.gid = gid,
				     .from = 1 + rand_r(&c->seed) % ACCOUNTS,
				     .to = 1 + rand_r(&c->seed) % ACCOUNTS,
				     .amount = 1 + rand_r(&c->seed) % 50,
				     .back = rand_r(&c->seed) % 2,
				     .timeout = "3s",
				     .hold = "5s"};
		int64_t until = clock_ms() + harness_patience_ms(60);
		while (!submit_once(c, &t)) {
			NEED(clock_ms() < until, "%s never ends", gid);
			harness_pause();
		}
		atomic_fetch_add(&finished, 1);
	}
	return NULL;
}

/* Lets the clients finish a few, so that a kill falls into the midst of work. */
static void meanwhile(int transactions)
{
	int from = atomic_load(&finished);
	WAIT_FOR(40, atomic_load(&finished) >= from + transactions);
}

START_TEST(nothing_is_lost_whatever_is_killed)
{
	static struct client clients[CLIENTS];
	int committed = 0;
	START(0);
	for (int i = 0; i < CLIENTS; i++) {
		clients[i] = (struct client){.seed = (unsigned)(i + 1) * 77, .number = i};
		NEED(pthread_create(&clients[i].thread, NULL, serve_client, &clients[i]) == 0,
		     "no thread");
	}
	for (int round = 0; round < ROUNDS; round++) {
		meanwhile(20);
		coordinator_kill();
		coordinator_start();
		for (int b = 0; b < BANKS; b++) {
			meanwhile(20);
			agent_kill(b);
			agent_start(b);
			meanwhile(20);
			if (round % 2)
				pg_server_kill(bank[b]);
			else
				pg_server_stop(bank[b]);
			pg_server_start(bank[b]);
		}
	}
	meanwhile(20);
	atomic_store(&over, true);
	for (int i = 0; i < CLIENTS; i++) {
		pthread_join(clients[i].thread, NULL);
		committed += clients[i].committed;
	}
	banks_agree();
	/* Every commit that a client was told of is there; and no other. */
	ck_assert_int_eq(bank_number(BANK_A, "SELECT count(DISTINCT gid) FROM ledger"), committed);
	ck_assert_int_eq(bank_number(BANK_A, "SELECT count(*) FROM ledger"), committed);
	ck_assert_int_eq(bank_number(BANK_B, "SELECT count(*) FROM ledger"), committed);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("storm");
	TCase *c = cluster_case(s, "storm");
	tcase_add_test(c, nothing_is_lost_whatever_is_killed);
	return suite_run(s, banks_open, banks_close);
}
