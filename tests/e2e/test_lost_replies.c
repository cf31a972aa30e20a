/* Answers are lost on the way: between an agent and its database, and between an
 * agent and the coordinator.  A lost answer is not a no, and never a yes. */
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

static void mend(struct proxy *p, enum proxy_way way)
{
	proxy_set(p, way, PROXY_PASS);
	proxy_cut(p); /* what lost bytes can never be whole again */
}

START_TEST(database_answer_to_prepare_is_lost)
{
	START(.pg_proxy = true);
	PGconn *lock = half_prepared("lost", "2s");
	proxy_set(cluster.pg[BANK_B], PROXY_DOWN, PROXY_DROP);
	row_free(lock);
	/* It is prepared in the database, and the agent cannot know. */
	WAIT_FOR(10, prepared(BANK_B) == 1);
	WAIT_FOR(10, prepared(BANK_A) == 0); /* the deadline has decided */
	ck_assert_int_eq(entries(BANK_A, "lost"), 0);
	/* Not finished while the other branch may still be there. */
	ck_assert_str_ne(status_of("lost"), "committed");
	mend(cluster.pg[BANK_B], PROXY_DOWN);
	ENDS("lost", "rolled_back");
}
END_TEST

START_TEST(database_connection_is_cut_while_it_prepares)
{
	START(.pg_proxy = true);
	PGconn *lock = half_prepared("cut", "5s");
	proxy_cut(cluster.pg[BANK_B]);
	row_free(lock);
	ENDS("cut", "rolled_back");
}
END_TEST

START_TEST(database_answer_to_commit_is_lost)
{
	START(.pg_proxy = true, .link_proxy = true);
	PGconn *lock = half_prepared("late", "20s");
	proxy_set(cluster.link[BANK_B], PROXY_DOWN, PROXY_HOLD);
	row_free(lock);
	WAIT_FOR(10, entries(BANK_A, "late") == 1);
	proxy_set(cluster.pg[BANK_B], PROXY_DOWN, PROXY_DROP);
	proxy_set(cluster.link[BANK_B], PROXY_DOWN, PROXY_PASS);
	/* Committed in the database, and the agent cannot know: nor says it so. */
	WAIT_FOR(20, entries(BANK_B, "late") == 1);
	ck_assert_str_eq(status_of("late"), "committing");
	mend(cluster.pg[BANK_B], PROXY_DOWN);
	/* Done again, and found to be done: no hazard. */
	ENDS("late", "committed");
}
END_TEST

START_TEST(agents_vote_is_lost)
{
	START(.link_proxy = true);
	PGconn *lock = half_prepared("vote", "20s");
	proxy_set(cluster.link[BANK_B], PROXY_UP, PROXY_DROP);
	row_free(lock);
	WAIT_FOR(10, prepared(BANK_B) == 1 && proxy_stopped(cluster.link[BANK_B], PROXY_UP) > 0);
	mend(cluster.link[BANK_B], PROXY_UP);
	/* The agent is the one that was asked, and lives: it is asked again, in time. */
	ENDS("vote", "committed");
}
END_TEST

START_TEST(agents_vote_is_lost_until_the_deadline)
{
	START(.link_proxy = true);
	PGconn *lock = half_prepared("mute", "2s");
	proxy_set(cluster.link[BANK_B], PROXY_UP, PROXY_DROP);
	row_free(lock);
	/* Told to roll back, both do; that b has done it, the coordinator cannot know. */
	WAIT_FOR(10, prepared(BANK_A) == 0 && prepared(BANK_B) == 0);
	ck_assert_int_eq(entries(BANK_A, "mute"), 0);
	ck_assert_str_eq(status_of("mute"), "rolling_back");
	mend(cluster.link[BANK_B], PROXY_UP);
	ENDS("mute", "rolled_back");
}
END_TEST

START_TEST(order_to_prepare_is_lost)
{
	START(.link_proxy = true);
	proxy_set(cluster.link[BANK_B], PROXY_DOWN, PROXY_DROP);
	BEGIN(.gid = "unheard", .timeout = "20s");
	WAIT_FOR(10, prepared(BANK_A) == 1 && proxy_stopped(cluster.link[BANK_B], PROXY_DOWN) > 0);
	mend(cluster.link[BANK_B], PROXY_DOWN);
	ENDS("unheard", "committed");
}
END_TEST

START_TEST(order_to_commit_is_lost)
{
	START(.link_proxy = true);
	PGconn *lock = half_prepared("order", "20s");
	proxy_set(cluster.link[BANK_B], PROXY_DOWN, PROXY_DROP);
	row_free(lock);
	WAIT_FOR(10, entries(BANK_A, "order") == 1 &&
			     proxy_stopped(cluster.link[BANK_B], PROXY_DOWN) > 0);
	ck_assert_int_eq(prepared(BANK_B), 1);
	ck_assert_str_eq(status_of("order"), "committing");
	mend(cluster.link[BANK_B], PROXY_DOWN);
	ENDS("order", "committed");
}
END_TEST

START_TEST(agents_answer_to_commit_is_lost)
{
	START(.link_proxy = true);
	PGconn *lock = half_prepared("done", "20s");
	proxy_set(cluster.link[BANK_B], PROXY_DOWN, PROXY_HOLD);
	row_free(lock);
	WAIT_FOR(10, entries(BANK_A, "done") == 1);
	proxy_set(cluster.link[BANK_B], PROXY_UP, PROXY_DROP);
	proxy_set(cluster.link[BANK_B], PROXY_DOWN, PROXY_PASS);
	WAIT_FOR(20, entries(BANK_B, "done") == 1);
	ck_assert_str_eq(status_of("done"), "committing");
	mend(cluster.link[BANK_B], PROXY_UP);
	ENDS("done", "committed");
}
END_TEST

/* Bank b has committed, agent b has said so, and nobody has heard it. */
static void committed_unheard(const char *gid)
{
	PGconn *lock = half_prepared(gid, "20s");
	proxy_set(cluster.link[BANK_B], PROXY_DOWN, PROXY_HOLD);
	row_free(lock);
	WAIT_FOR(10, entries(BANK_A, gid) == 1);
	proxy_set(cluster.link[BANK_B], PROXY_UP, PROXY_DROP);
	proxy_set(cluster.link[BANK_B], PROXY_DOWN, PROXY_PASS);
	WAIT_FOR(20, entries(BANK_B, gid) == 1);
}

/* The new agent finds no such branch: after a repeat that means done, no hazard. */
START_TEST(answer_to_commit_is_lost_with_its_agent)
{
	START(.link_proxy = true);
	committed_unheard("gone");
	agent_kill(BANK_B);
	mend(cluster.link[BANK_B], PROXY_UP);
	agent_start(BANK_B);
	ENDS("gone", "committed");
}
END_TEST

START_TEST(answer_to_commit_is_lost_with_agent_and_coordinator)
{
	START(.link_proxy = true);
	committed_unheard("gone");
	agent_kill(BANK_B);
	coordinator_kill();
	mend(cluster.link[BANK_B], PROXY_UP);
	coordinator_start();
	agent_start(BANK_B);
	ENDS("gone", "committed");
}
END_TEST

/* Somebody ended the branch by hand, before its first commit: that is said. */
START_TEST(branch_ended_by_hand_is_a_hazard_and_never_passed_as_done)
{
	START(.link_proxy = true);
	PGconn *lock = half_prepared("byhand", "20s");
	proxy_set(cluster.link[BANK_B], PROXY_DOWN, PROXY_HOLD);
	row_free(lock);
	WAIT_FOR(10, entries(BANK_A, "byhand") == 1);
	char *name = bank_text(BANK_B, "SELECT quote_literal(gid) FROM pg_prepared_xacts");
	bank_do(BANK_B, "ROLLBACK PREPARED %s", name);
	free(name);
	proxy_set(cluster.link[BANK_B], PROXY_DOWN, PROXY_PASS);
	char *reason = NULL;
	ck_assert_str_eq(end_of("byhand", &reason), "stuck");
	ck_assert_msg(strstr(reason, "bank-b"), "reason: %s", reason);
	free(reason);
	/* It stays so over a restart, until a person has put it right and says so. */
	coordinator_kill();
	coordinator_start();
	ck_assert_str_eq(status_of("byhand"), "stuck");
	bank_do(BANK_B, "UPDATE account SET balance = balance + 10 WHERE id = 1");
	bank_do(BANK_B, "INSERT INTO ledger VALUES ('byhand', 1, 10)");
	struct response r =
		rest_send(cluster.url, "POST", "/v1/transactions/byhand/resolve",
			  "{\"action\": \"forget\", \"reason\": \"put right\"}", -1, 20000);
	ck_assert_msg(r.status == 200, "%ld %s", r.status, r.body);
	response_free(&r);
	reason = ends("byhand", "committed");
	ck_assert_msg(strstr(reason, "put right"), "reason: %s", reason);
	free(reason);
}
END_TEST

START_TEST(answer_to_rollback_is_lost)
{
	START(.link_proxy = true);
	PGconn *lock = half_prepared("back", "2s");
	proxy_set(cluster.link[BANK_A], PROXY_UP, PROXY_DROP);
	WAIT_FOR(10, prepared(BANK_A) == 0); /* the deadline, and the order to roll back */
	row_free(lock);
	WAIT_FOR(10, blocked(BANK_B) == 0);
	ck_assert_str_eq(status_of("back"), "rolling_back");
	mend(cluster.link[BANK_A], PROXY_UP);
	ENDS("back", "rolled_back");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("lost_replies");
	TCase *c = cluster_case(s, "lost_replies");
	tcase_add_test(c, database_answer_to_prepare_is_lost);
	tcase_add_test(c, database_connection_is_cut_while_it_prepares);
	tcase_add_test(c, database_answer_to_commit_is_lost);
	tcase_add_test(c, agents_vote_is_lost);
	tcase_add_test(c, agents_vote_is_lost_until_the_deadline);
	tcase_add_test(c, order_to_prepare_is_lost);
	tcase_add_test(c, order_to_commit_is_lost);
	tcase_add_test(c, agents_answer_to_commit_is_lost);
	tcase_add_test(c, answer_to_commit_is_lost_with_its_agent);
	tcase_add_test(c, answer_to_commit_is_lost_with_agent_and_coordinator);
	tcase_add_test(c, branch_ended_by_hand_is_a_hazard_and_never_passed_as_done);
	tcase_add_test(c, answer_to_rollback_is_lost);
	return suite_run(s, banks_open, banks_close);
}
