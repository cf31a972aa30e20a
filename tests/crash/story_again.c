/* The stories of recovery: each leaves something unfinished behind. */
#include "tests/crash/story_kit.h"

static void open_all(void)
{
	world_start();
	client_await_ready();
}

/* One that was accepted and one that was not, both before their decision. */
void before_undecided(void)
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
void before_decided(void)
{
	open_all();
	struct deal *d = deal_new(&flow_pay);
	PGconn *lock = story_half_prepared(d, 1);
	MOMENT(deal_look(d, "0ms") && d->voted);
	proc_freeze(world.procs[AGENT_A]);
	row_free(lock);
	MOMENT(count_rows(BANK_B, d->gid) == 1);
	world_kill_all();
}

void before_saga(void)
{
	open_all();
	PGconn *lock = row_lock(BANK_B, 8);
	deal_submit(deal_new(&flow_trip), "accepted", HOLD);
	MOMENT(count_waiting(BANK_B) > 0);
	world_kill_all();
	row_free(lock);
}

/* One phase is under way, and whoever began it has gone. */
void before_once(void)
{
	open_all();
	PGconn *lock = row_lock(BANK_A, 6);
	deal_submit(deal_new(&flow_once), "accepted", HOLD);
	MOMENT(count_waiting(BANK_A) == 1);
	world_kill_all();
	row_free(lock);
}

/* The first step is done, and nobody has heard of it: neither the coordinator, which was
 * dead before, nor does its agent know any more. */
void before_done(void)
{
	open_all();
	PGconn *lock = row_lock(BANK_A, 8);
	struct deal *d = deal_new(&flow_trip);
	deal_submit(d, "accepted", HOLD);
	MOMENT(count_waiting(BANK_A) == 1);
	world_kill(COORDINATOR);
	row_free(lock);
	MOMENT(count_rows(BANK_A, d->gid) == 1);
	world_kill_all();
}

/* The compensation of the first step is held up. */
void before_undo(void)
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
	PGconn *lock = story_half_prepared(d, 1), *step = row_lock(BANK_B, 8);
	deal_submit(saga, "accepted", HOLD);
	MOMENT(count_waiting(BANK_B) == 2);
	world_kill(a);
	row_free(lock);
	row_free(step);
}

void before_agent_a(void)
{
	before_agent(AGENT_A);
}

void before_agent_b(void)
{
	before_agent(AGENT_B);
}

/* Everything of the custom resources that lasts is left behind. */
void before_mixed(void)
{
	open_all();
	PGconn *lock = row_lock(BANK_A, 7);
	deal_submit(deal_new(&flow_mixed), "accepted", HOLD);
	deal_submit(deal_new(&flow_ask), "accepted", HOLD);
	MOMENT(count_waiting(BANK_A) > 0);
	world_kill_all();
	row_free(lock);
}

void act_mixed_again(void)
{
	struct deal *ask = deal_at(1);
	story_await_pending(ask);
	deal_say(ask, "/steps/ask/complete", "{\"output\": {}}");
}
