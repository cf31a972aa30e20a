/* The coordinator is killed, and started again on the same journal. */
#include "tests/lib/cluster.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* Branch a is prepared, branch b waits for a lock: no decision can have been made. */
static PGconn *half_prepared(const char *gid, const char *wait)
{
	PGconn *lock = row_lock(BANK_B, 1);
	BEGIN(.gid = gid, .wait = wait, .timeout = "20s");
	WAIT_FOR(10, prepared(BANK_A) == 1 && blocked(BANK_B) == 1);
	return lock;
}

/* Both are prepared and the decision is made, but no agent has heard of it. */
static void decided_but_unheard(const char *gid)
{
	PGconn *lock = half_prepared(gid, NULL);
	for (int b = 0; b < BANKS; b++)
		proxy_set(cluster.link[b], PROXY_DOWN, PROXY_HOLD);
	row_free(lock);
	WAIT_FOR(10, strcmp(status_of(gid), "committing") == 0);
	ck_assert_int_eq(prepared(BANK_A) + prepared(BANK_B), 2);
}

static void links_pass(void)
{
	for (int b = 0; b < BANKS; b++) {
		proxy_cut(cluster.link[b]);
		proxy_set(cluster.link[b], PROXY_DOWN, PROXY_PASS);
	}
}

START_TEST(killed_before_the_decision_rolls_back)
{
	START(0);
	PGconn *lock = half_prepared("early", NULL);
	coordinator_kill();
	ck_assert_str_eq(status_of("early"), "");
	row_free(lock);
	coordinator_start();
	WAIT_FOR(20, prepared(BANK_A) == 0 && prepared(BANK_B) == 0 && blocked(BANK_B) == 0);
	/* It was never decided, nor promised: it is not known, and nothing is left. */
	ck_assert_str_eq(status_of("early"), "unknown");
	ck_assert_int_eq(balance(BANK_A, 1) + balance(BANK_B, 1), 2 * BALANCE);
	ck_assert_int_eq(entries(BANK_A, "early") + entries(BANK_B, "early"), 0);
}
END_TEST

START_TEST(unknown_after_a_crash_may_be_submitted_again)
{
	START(0);
	PGconn *lock = half_prepared("again", NULL);
	coordinator_kill();
	row_free(lock);
	coordinator_start();
	struct response r = SUBMIT(.gid = "again", .timeout = "20s");
	ck_assert_str_eq(json_text(r.json, "status"), "committed");
	response_free(&r);
	ENDS("again", "committed");
}
END_TEST

START_TEST(accepted_before_the_crash_is_begun_again)
{
	START(0);
	PGconn *lock = half_prepared("promised", "accepted");
	long epoch = cluster.epoch;
	coordinator_kill();
	row_free(lock);
	coordinator_start();
	ck_assert_int_gt(cluster.epoch, epoch);
	ENDS("promised", "committed");
}
END_TEST

START_TEST(decision_survives_the_crash)
{
	START(.link_proxy = true);
	decided_but_unheard("late");
	coordinator_kill();
	links_pass();
	ck_assert_int_eq(entries(BANK_A, "late") + entries(BANK_B, "late"), 0);
	coordinator_start();
	ENDS("late", "committed");
}
END_TEST

START_TEST(client_without_an_answer_is_told_the_truth_later)
{
	START(.link_proxy = true);
	decided_but_unheard("asked");
	/* The client that submits it again while it is on its way gets its state. */
	struct response r = SUBMIT(.gid = "asked", .timeout = "20s", .hold = "0ms");
	ck_assert_int_eq(r.status, 202);
	ck_assert_str_eq(json_text(r.json, "status"), "committing");
	response_free(&r);
	coordinator_kill();
	links_pass();
	coordinator_start();
	r = SUBMIT(.gid = "asked", .timeout = "20s");
	ck_assert_int_eq(r.status, 201);
	ck_assert_str_eq(json_text(r.json, "status"), "committed");
	response_free(&r);
	ENDS("asked", "committed");
}
END_TEST

START_TEST(killed_between_two_commits_commits_the_other)
{
	START(.link_proxy = true);
	PGconn *lock = half_prepared("halfway", NULL);
	proxy_set(cluster.link[BANK_B], PROXY_DOWN, PROXY_HOLD);
	row_free(lock);
	WAIT_FOR(10, entries(BANK_A, "halfway") == 1);
	ck_assert_int_eq(prepared(BANK_B), 1);
	ck_assert_str_eq(status_of("halfway"), "committing");
	coordinator_kill();
	links_pass();
	coordinator_start();
	ENDS("halfway", "committed");
}
END_TEST

START_TEST(killed_again_and_again_still_commits)
{
	START(.link_proxy = true);
	decided_but_unheard("stubborn");
	for (int i = 0; i < 3; i++) {
		coordinator_kill();
		coordinator_start();
		ck_assert_str_eq(status_of("stubborn"), "committing");
	}
	links_pass();
	ENDS("stubborn", "committed");
}
END_TEST

START_TEST(finished_transactions_are_remembered)
{
	START(0);
	struct response r = SUBMIT(.gid = "past");
	response_free(&r);
	coordinator_kill();
	coordinator_start();
	ENDS("past", "committed");
}
END_TEST

START_TEST(second_coordinator_is_refused)
{
	START(0);
	char *path = program_path("settled");
	const char *argv[] = {path,
			      "--config",
			      cluster.conf_path,
			      "--set",
			      "listen=127.0.0.1:0",
			      "--set",
			      "agents=tcp://127.0.0.1:0",
			      NULL};
	struct proc *second = proc_new("second", argv);
	proc_start(second);
	ck_assert_int_ne(proc_wait(second, 20), 0);
	char *pid = textf("%d", (int)cluster.coordinator->pid);
	ck_assert(proc_logged(second, pid));
	free(pid);
	free(path);
	proc_free(second);
	struct response r = SUBMIT(.gid = "served");
	response_free(&r);
	ENDS("served", "committed");
}
END_TEST

START_TEST(sigterm_lets_the_open_end)
{
	START(0);
	PGconn *lock = half_prepared("open", NULL);
	kill(cluster.coordinator->pid, SIGTERM);
	free(proc_await(cluster.coordinator, "settled-draining", 20));
	row_free(lock);
	ck_assert_int_eq(proc_wait(cluster.coordinator, 30), 0);
	coordinator_start();
	ENDS("open", "committed");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("coordinator_crash");
	TCase *c = cluster_case(s, "coordinator_crash");
	tcase_add_test(c, killed_before_the_decision_rolls_back);
	tcase_add_test(c, unknown_after_a_crash_may_be_submitted_again);
	tcase_add_test(c, accepted_before_the_crash_is_begun_again);
	tcase_add_test(c, decision_survives_the_crash);
	tcase_add_test(c, client_without_an_answer_is_told_the_truth_later);
	tcase_add_test(c, killed_between_two_commits_commits_the_other);
	tcase_add_test(c, killed_again_and_again_still_commits);
	tcase_add_test(c, finished_transactions_are_remembered);
	tcase_add_test(c, second_coordinator_is_refused);
	tcase_add_test(c, sigterm_lets_the_open_end);
	return suite_run(s, banks_open, banks_close);
}
