/* Agents are killed, frozen and started again. */
#include "tests/lib/cluster.h"

#include <stdlib.h>
#include <string.h>

static PGconn *half_prepared(const char *gid, const char *timeout)
{
	PGconn *lock = row_lock(BANK_B, 1);
	BEGIN(.gid = gid, .timeout = timeout);
	WAIT_FOR(10, prepared(BANK_A) == 1 && blocked(BANK_B) == 1);
	return lock;
}

/* The agent of b has its commit order waiting in the proxy; a has committed. */
static void commit_withheld(const char *gid)
{
	PGconn *lock = half_prepared(gid, "20s");
	proxy_set(cluster.link[BANK_B], PROXY_DOWN, PROXY_HOLD);
	row_free(lock);
	WAIT_FOR(10, entries(BANK_A, gid) == 1);
	ck_assert_int_eq(prepared(BANK_B), 1);
}

START_TEST(killed_before_its_prepare_rolls_back)
{
	START(0);
	PGconn *lock = half_prepared("early", "20s");
	agent_kill(BANK_B);
	row_free(lock);
	agent_start(BANK_B);
	/* The new agent says that the old one is gone: no need to wait for a deadline. */
	ENDS("early", "rolled_back");
	ck_assert_int_eq(balance(BANK_A, 1), BALANCE);
}
END_TEST

START_TEST(agent_that_never_returns_rolls_back_at_the_deadline)
{
	START(0);
	PGconn *lock = half_prepared("alone", "2s");
	agent_kill(BANK_B);
	row_free(lock);
	/* Bank a is let go at the deadline, without waiting for agent b. */
	WAIT_FOR(10, prepared(BANK_A) == 0);
	ck_assert_int_eq(balance(BANK_A, 1), BALANCE);
	/* What became of bank b nobody can say yet: so it is not called finished. */
	ck_assert_str_eq(status_of("alone"), "rolling_back");
	agent_start(BANK_B);
	char *reason = ends("alone", "rolled_back");
	ck_assert_msg(strstr(reason, "deadline") && strstr(reason, "bank-b"), "reason: %s", reason);
	free(reason);
}
END_TEST

START_TEST(killed_after_its_prepare_asks_and_is_told)
{
	START(.link_proxy = true);
	PGconn *lock = half_prepared("voted", "20s");
	proxy_set(cluster.link[BANK_B], PROXY_UP, PROXY_HOLD); /* its vote is on its way … */
	row_free(lock);
	WAIT_FOR(10, prepared(BANK_B) == 1);
	agent_kill(BANK_B); /* … and lost with it */
	proxy_cut(cluster.link[BANK_B]);
	proxy_set(cluster.link[BANK_B], PROXY_UP, PROXY_PASS);
	agent_start(BANK_B);
	ends_alike("voted");
}
END_TEST

START_TEST(killed_before_its_commit_commits_after_its_start)
{
	START(.link_proxy = true);
	commit_withheld("decided");
	agent_kill(BANK_B);
	proxy_cut(cluster.link[BANK_B]);
	proxy_set(cluster.link[BANK_B], PROXY_DOWN, PROXY_PASS);
	ck_assert_str_eq(status_of("decided"), "committing");
	agent_start(BANK_B);
	ENDS("decided", "committed");
}
END_TEST

START_TEST(both_agents_killed_after_the_decision)
{
	START(.link_proxy = true);
	PGconn *lock = half_prepared("both", "20s");
	for (int b = 0; b < BANKS; b++)
		proxy_set(cluster.link[b], PROXY_DOWN, PROXY_HOLD);
	row_free(lock);
	WAIT_FOR(10, strcmp(status_of("both"), "committing") == 0);
	for (int b = 0; b < BANKS; b++) {
		agent_kill(b);
		proxy_set(cluster.link[b], PROXY_DOWN, PROXY_PASS);
	}
	ck_assert_int_eq(prepared(BANK_A) + prepared(BANK_B), 2);
	for (int b = 0; b < BANKS; b++)
		agent_start(b);
	ENDS("both", "committed");
}
END_TEST

START_TEST(frozen_agent_rolls_back_at_the_deadline_and_learns_of_it)
{
	START(0);
	proc_freeze(cluster.agent[BANK_B]);
	BEGIN(.gid = "frozen", .timeout = "1500ms");
	WAIT_FOR(10, prepared(BANK_A) == 1);
	WAIT_FOR(10, prepared(BANK_A) == 0);
	ck_assert_int_eq(entries(BANK_A, "frozen"), 0);
	proc_thaw(cluster.agent[BANK_B]);
	ENDS("frozen", "rolled_back");
}
END_TEST

START_TEST(agent_and_coordinator_killed_together)
{
	START(.link_proxy = true);
	commit_withheld("everything");
	agent_kill(BANK_B);
	agent_kill(BANK_A);
	coordinator_kill();
	proxy_cut(cluster.link[BANK_B]);
	proxy_set(cluster.link[BANK_B], PROXY_DOWN, PROXY_PASS);
	agent_start(BANK_B);
	agent_start(BANK_A);
	coordinator_start();
	ENDS("everything", "committed");
}
END_TEST

/* The agent dies while its PREPARE waits behind a lock in the server. Nothing is
 * prepared when the new agent first looks; then the lock goes, and it may appear. */
START_TEST(zombie_prepare_is_swept)
{
	START(0);
	PGconn *lock = half_prepared("zombie", "20s");
	agent_kill(BANK_B);
	agent_start(BANK_B);
	await_ready("bank-b", true);
	row_free(lock);
	ENDS("zombie", "rolled_back");
	WAIT_FOR(20, prepared(BANK_B) == 0 && blocked(BANK_B) == 0);
	/* Only the sessions of the agent that runs are left, and none is at work. */
	WAIT_FOR(20, bank_number(BANK_B, "SELECT count(*) FROM pg_stat_activity WHERE "
					 "pid <> pg_backend_pid() AND xact_start IS NOT NULL "
					 "AND backend_type = 'client backend'") == 0);
	ck_assert_int_eq(entries(BANK_B, "zombie"), 0);
	struct response r = SUBMIT(.gid = "next");
	ck_assert_str_eq(json_text(r.json, "status"), "committed");
	response_free(&r);
}
END_TEST

/* The same, and the prepare has gone through before the new agent starts. */
START_TEST(zombie_prepare_that_was_quicker_is_swept)
{
	START(0);
	PGconn *lock = half_prepared("zombie", "20s");
	agent_kill(BANK_B);
	row_free(lock);
	WAIT_FOR(10, blocked(BANK_B) == 0 && sessions(BANK_B) == 0);
	agent_start(BANK_B);
	ENDS("zombie", "rolled_back");
	ck_assert_int_eq(prepared(BANK_B), 0);
}
END_TEST

/* The same, and no coordinator knows of it any more. */
START_TEST(zombie_prepare_of_a_forgotten_epoch_is_swept)
{
	START(0);
	PGconn *lock = half_prepared("forgotten", "20s");
	agent_kill(BANK_B);
	coordinator_kill();
	coordinator_start();
	agent_start(BANK_B);
	await_ready("bank-b", true);
	row_free(lock);
	WAIT_FOR(20, prepared(BANK_A) == 0 && prepared(BANK_B) == 0 && blocked(BANK_B) == 0);
	struct response r = SUBMIT(.gid = "next");
	ck_assert_str_eq(json_text(r.json, "status"), "committed");
	response_free(&r);
	ck_assert_int_eq(entries(BANK_B, "forgotten"), 0);
	ck_assert_str_eq(status_of("forgotten"), "unknown");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("agent_crash");
	TCase *c = cluster_case(s, "agent_crash");
	tcase_add_test(c, killed_before_its_prepare_rolls_back);
	tcase_add_test(c, agent_that_never_returns_rolls_back_at_the_deadline);
	tcase_add_test(c, killed_after_its_prepare_asks_and_is_told);
	tcase_add_test(c, killed_before_its_commit_commits_after_its_start);
	tcase_add_test(c, both_agents_killed_after_the_decision);
	tcase_add_test(c, frozen_agent_rolls_back_at_the_deadline_and_learns_of_it);
	tcase_add_test(c, agent_and_coordinator_killed_together);
	TCase *z = cluster_case(s, "zombie");
	tcase_add_test(z, zombie_prepare_is_swept);
	tcase_add_test(z, zombie_prepare_that_was_quicker_is_swept);
	tcase_add_test(z, zombie_prepare_of_a_forgotten_epoch_is_swept);
	return suite_run(s, banks_open, banks_close);
}
