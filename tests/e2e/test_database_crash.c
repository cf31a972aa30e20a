/* A PostgreSQL server is stopped at once, or killed, in either phase. */
#include "tests/lib/cluster.h"

#include <stdlib.h>
#include <string.h>

static PGconn *half_prepared(const char *gid)
{
	PGconn *lock = row_lock(BANK_B, 1);
	BEGIN(.gid = gid, .timeout = "20s");
	WAIT_FOR(10, prepared(BANK_A) == 1 && blocked(BANK_B) == 1);
	return lock;
}

/* Both prepared, decided, and the orders to commit wait in the proxies. */
static void decided_but_unheard(const char *gid)
{
	PGconn *lock = half_prepared(gid);
	for (int b = 0; b < BANKS; b++)
		proxy_set(cluster.link[b], PROXY_DOWN, PROXY_HOLD);
	row_free(lock);
	WAIT_FOR(10, strcmp(status_of(gid), "committing") == 0);
}

static void links_pass(void)
{
	for (int b = 0; b < BANKS; b++)
		proxy_set(cluster.link[b], PROXY_DOWN, PROXY_PASS);
}

static void serves_again(void)
{
	await_ready("bank-a", true);
	await_ready("bank-b", true);
	struct response r = SUBMIT(.gid = "after");
	ck_assert_str_eq(json_text(r.json, "status"), "committed");
	response_free(&r);
}

START_TEST(stopped_while_it_prepares_rolls_back)
{
	START(0);
	PGconn *lock = half_prepared("prepares");
	pg_server_stop(bank[BANK_B]);
	row_free(lock);
	WAIT_FOR(25, prepared(BANK_A) == 0);
	ck_assert_int_eq(entries(BANK_A, "prepares"), 0);
	pg_server_start(bank[BANK_B]);
	ENDS("prepares", "rolled_back");
	serves_again();
}
END_TEST

START_TEST(stopped_after_it_prepared_rolls_back_or_commits_alike)
{
	START(0);
	PGconn *lock = half_prepared("prepared");
	pg_server_stop(bank[BANK_A]);
	row_free(lock);
	pg_server_start(bank[BANK_A]);
	ends_alike("prepared");
	serves_again();
}
END_TEST

START_TEST(stopped_before_its_commit_commits_when_it_is_back)
{
	START(.link_proxy = true);
	decided_but_unheard("commits");
	pg_server_stop(bank[BANK_B]);
	links_pass();
	WAIT_FOR(20, entries(BANK_A, "commits") == 1);
	ck_assert_str_eq(status_of("commits"), "committing");
	pg_server_start(bank[BANK_B]);
	ENDS("commits", "committed");
	serves_again();
}
END_TEST

START_TEST(killed_before_its_commit_commits_when_it_is_back)
{
	START(.link_proxy = true);
	decided_but_unheard("killed");
	pg_server_kill(bank[BANK_B]);
	links_pass();
	pg_server_start(bank[BANK_B]);
	ENDS("killed", "committed");
	serves_again();
}
END_TEST

START_TEST(both_stopped_before_their_commits)
{
	START(.link_proxy = true);
	decided_but_unheard("both");
	pg_server_stop(bank[BANK_A]);
	pg_server_stop(bank[BANK_B]);
	links_pass();
	ck_assert_str_eq(status_of("both"), "committing");
	pg_server_start(bank[BANK_B]);
	pg_server_start(bank[BANK_A]);
	ENDS("both", "committed");
	serves_again();
}
END_TEST

START_TEST(stopped_database_and_killed_agent_and_coordinator)
{
	START(.link_proxy = true);
	decided_but_unheard("worst");
	pg_server_stop(bank[BANK_B]);
	agent_kill(BANK_B);
	coordinator_kill();
	links_pass();
	agent_start(BANK_B); /* finds no database */
	coordinator_start();
	pg_server_start(bank[BANK_B]);
	ENDS("worst", "committed");
	serves_again();
}
END_TEST

START_TEST(stopped_database_is_shown_as_not_ready)
{
	START(0);
	pg_server_stop(bank[BANK_B]);
	await_ready("bank-b", false);
	struct response r = SUBMIT(.gid = "down", .timeout = "1s");
	ck_assert_str_eq(json_text(r.json, "status"), "rolled_back");
	const char *reason = json_text(r.json, "reason");
	ck_assert_msg(strstr(reason, "bank-b"), "reason: %s", reason);
	response_free(&r);
	pg_server_start(bank[BANK_B]);
	serves_again();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("database_crash");
	TCase *c = cluster_case(s, "database_crash");
	tcase_add_test(c, stopped_while_it_prepares_rolls_back);
	tcase_add_test(c, stopped_after_it_prepared_rolls_back_or_commits_alike);
	tcase_add_test(c, stopped_before_its_commit_commits_when_it_is_back);
	tcase_add_test(c, killed_before_its_commit_commits_when_it_is_back);
	tcase_add_test(c, both_stopped_before_their_commits);
	tcase_add_test(c, stopped_database_and_killed_agent_and_coordinator);
	tcase_add_test(c, stopped_database_is_shown_as_not_ready);
	return suite_run(s, banks_open, banks_close);
}
