/* What is refused: by the database, by a deadline, or before anything is sent. */
#include "tests/lib/cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- by the database ---- */

/* Rolled back on both sides; the reason names the branch and has `word` in it. */
static void refused(const char *gid, const char *debit, const char *credit, const char *word)
{
	struct response r = SUBMIT(.gid = gid, .debit = debit, .credit = credit, .amount = 1500);
	ck_assert_int_eq(r.status, 201);
	ck_assert_str_eq(json_text(r.json, "status"), "rolled_back");
	const char *reason = json_text(r.json, "reason");
	ck_assert_msg(strstr(reason, debit ? "debit" : "credit") && strstr(reason, word),
		      "reason: %s", reason);
	response_free(&r);
	ENDS(gid, "rolled_back");
	ck_assert_int_eq(balance(BANK_A, 1) + balance(BANK_B, 1), 2 * BALANCE);
}

/* PREPARE TRANSACTION after it answers with success, and the tag ROLLBACK. */
START_TEST(failing_statement_is_never_committed_on_one_side)
{
	START(0);
	bank_do(BANK_A, "UPDATE account SET balance = balance + 1000 WHERE id = 1");
	struct response r = SUBMIT(.gid = "f", .credit = "fail", .amount = 1500);
	ck_assert_str_eq(json_text(r.json, "status"), "rolled_back");
	ck_assert_msg(strstr(json_text(r.json, "reason"), "zero"), "%s", r.body);
	response_free(&r);
	ENDS("f", "rolled_back");
	ck_assert_int_eq(balance(BANK_A, 1), 2 * BALANCE);
	bank_do(BANK_A, "UPDATE account SET balance = balance - 1000 WHERE id = 1");
	refused("g", "fail", NULL, "zero");
}
END_TEST

START_TEST(violated_constraint_rolls_back)
{
	START(0);
	refused("c", "overdraw", NULL, "account_balance_check");
}
END_TEST

START_TEST(constraint_that_fails_at_prepare_rolls_back)
{
	START(0);
	refused("d", "refer", NULL, "note");
}
END_TEST

START_TEST(what_cannot_be_prepared_rolls_back)
{
	START(0);
	refused("t", "scratch", NULL, "temporary");
}
END_TEST

START_TEST(unfit_argument_rolls_back)
{
	START(0);
	struct response r = rest_send(
		cluster.url, "POST", "/v1/transactions",
		"{\"gid\": \"unfit\", \"definition\": {\"workflow\": \"w\", \"steps\": [{\"name\": "
		"\"s\", \"atomic\": [{\"name\": \"d\", \"resource\": \"bank-a\", \"operation\": "
		"\"debit\", \"args\": {\"id\": \"one\", \"amount\": 1, \"gid\": \"unfit\"}}, "
		"{\"name\": \"c\", \"resource\": \"bank-b\", \"operation\": \"credit\", \"args\": "
		"{\"id\": 1, \"amount\": 1, \"gid\": \"unfit\"}}]}]}}",
		-1, 30000);
	ck_assert_str_eq(json_text(r.json, "status"), "rolled_back");
	response_free(&r);
	ENDS("unfit", "rolled_back");
}
END_TEST

/* ---- by the deadline ---- */

START_TEST(lock_that_is_not_freed_rolls_back_at_the_deadline)
{
	START(0);
	PGconn *lock = row_lock(BANK_B, 1);
	struct response r = SUBMIT(.gid = "waits", .timeout = "1s");
	ck_assert_str_eq(json_text(r.json, "status"), "rolled_back");
	response_free(&r);
	ENDS("waits", "rolled_back");
	/* Nobody stands in the lock's queue any more. */
	ck_assert_int_eq(blocked(BANK_B), 0);
	row_free(lock);
}
END_TEST

static void submit_sequential(const char *gid, const int accounts[3], const char *first,
			      const char *last)
{
	char body[2000];
	snprintf(body, sizeof body,
		 "{\"gid\": \"%s\", \"timeout\": \"0ms\", \"definition\": {\"workflow\": \"w\", "
		 "\"steps\": [{\"name\": \"s\", \"timeout\": \"3s\", \"order\": \"sequential\", "
		 "\"atomic\": ["
		 "{\"name\": \"x\", \"resource\": \"%s\", \"operation\": \"overdraw\", "
		 "\"args\": {\"id\": %d, \"amount\": 0, \"gid\": \"\"}},"
		 "{\"name\": \"y\", \"resource\": \"bank-a\", \"operation\": \"overdraw\", "
		 "\"args\": {\"id\": %d, \"amount\": 0, \"gid\": \"\"}},"
		 "{\"name\": \"z\", \"resource\": \"%s\", \"operation\": \"overdraw\", "
		 "\"args\": {\"id\": %d, \"amount\": 0, \"gid\": \"\"}}]}]}}",
		 gid, first, accounts[0], accounts[1], last, accounts[2]);
	struct response r = rest_send(cluster.url, "POST", "/v1/transactions", body, -1, 30000);
	ck_assert_msg(r.status == 202, "%ld %s", r.status, r.body);
	response_free(&r);
}

/* One has account 1 at a and wants account 1 at b, the other the reverse; each
 * server sees only a waiter.  The locks on accounts 8 and 9 hold both in the middle
 * until each has what the other wants. */
START_TEST(deadlock_across_the_servers_ends_at_the_deadline)
{
	START(0);
	PGconn *middle1 = row_lock(BANK_A, 8), *middle2 = row_lock(BANK_A, 9);
	submit_sequential("left", (const int[3]){1, 8, 1}, "bank-a", "bank-b");
	submit_sequential("right", (const int[3]){1, 9, 1}, "bank-b", "bank-a");
	WAIT_FOR(10, prepared(BANK_A) == 1 && prepared(BANK_B) == 1 && blocked(BANK_A) == 2);
	int64_t began = clock_ms();
	row_free(middle1);
	row_free(middle2);
	char *reason = NULL;
	const char *left = end_of("left", &reason);
	/* One of the two may get through when the other is gone; never both. */
	int rolled_back = strcmp(left, "rolled_back") == 0;
	if (rolled_back)
		ck_assert_msg(strstr(reason, "deadline"), "reason: %s", reason);
	free(reason);
	reason = NULL;
	if (strcmp(end_of("right", &reason), "rolled_back") == 0) {
		rolled_back++;
		ck_assert_msg(strstr(reason, "deadline"), "reason: %s", reason);
	}
	free(reason);
	ck_assert_int_ge(rolled_back, 1);
	ck_assert_int_lt(clock_ms() - began, harness_patience_ms(8));
}
END_TEST

START_TEST(resource_without_an_agent_waits_until_its_deadline)
{
	START(0);
	proc_end(cluster.agent[BANK_B], 20);
	await_ready("bank-b", false);
	struct response r = SUBMIT(.gid = "nobody", .timeout = "1s");
	ck_assert_str_eq(json_text(r.json, "status"), "rolled_back");
	const char *reason = json_text(r.json, "reason");
	ck_assert_msg(strstr(reason, "no agent") && strstr(reason, "bank-b"), "reason: %s", reason);
	response_free(&r);
	ENDS("nobody", "rolled_back");
	/* One that comes in time is waited for. */
	BEGIN(.gid = "somebody", .timeout = "20s");
	WAIT_FOR(10, prepared(BANK_A) == 1);
	agent_start(BANK_B);
	ENDS("somebody", "committed");
}
END_TEST

/* ---- before anything is sent ---- */

static void not_taken(const struct transfer *t, const char *word)
{
	struct response r = transfer_submit(t);
	ck_assert_msg(r.status == 422, "%ld %s", r.status, r.body);
	ck_assert_msg(strstr(r.type, "application/problem+json"), "%s", r.type);
	ck_assert_msg(strstr(json_text(r.json, "detail"), word), "%s", r.body);
	response_free(&r);
	ck_assert_str_eq(status_of(t->gid), "unknown");
}

START_TEST(unknown_names_are_refused_before_anything_is_sent)
{
	START(0);
	/* Whatever was sent would wait here, and be seen. */
	PGconn *lock = row_lock(BANK_A, 1);
	not_taken(&(struct transfer){.gid = "r", .credit_at = "bank-x"}, "bank-x");
	not_taken(&(struct transfer){.gid = "o", .credit = "give"}, "give");
	struct response r = rest_send(
		cluster.url, "POST", "/v1/transactions",
		"{\"gid\": \"m\", \"definition\": {\"workflow\": \"w\", \"steps\": [{\"name\": "
		"\"s\", \"atomic\": [{\"name\": \"d\", \"resource\": \"bank-a\", \"operation\": "
		"\"debit\", \"args\": {\"id\": 1, \"amount\": 1, \"colour\": \"red\"}}]}]}}",
		-1, 30000);
	ck_assert_msg(r.status == 422 && (strstr(r.body, "colour") || strstr(r.body, "gid")),
		      "%ld %s", r.status, r.body);
	response_free(&r);
	ck_assert_int_eq(blocked(BANK_A), 0);
	row_free(lock);
}
END_TEST

/* ---- a server that cannot prepare ---- */

START_TEST(server_without_prepared_transactions_says_what_to_change)
{
	struct pg_server *poor =
		pg_server_new("poor", (const char *[]){"max_prepared_transactions = 0", NULL});
	char *more = textf("  bank-c:\n"
			   "    adapter: postgres\n"
			   "    connection: \"%s\"\n"
			   "    operations:\n"
			   "      look: {sql: SELECT 1}\n",
			   poor->conninfo);
	START(.resources = more);
	struct response r = {0};
	for (int64_t until = clock_ms() + harness_patience_ms(20);;) {
		r = rest_send(cluster.url, "GET", "/v1/agents", NULL, 0, 10000);
		if (strstr(r.body, "max_prepared_transactions"))
			break;
		NEED(clock_ms() < until, "the agents do not say it: %s", r.body);
		response_free(&r);
		harness_pause();
	}
	response_free(&r);
	ck_assert(proc_logged(cluster.agent[BANK_B], "max_prepared_transactions"));
	/* Its other resource serves. */
	r = SUBMIT(.gid = "fine");
	ck_assert_str_eq(json_text(r.json, "status"), "committed");
	response_free(&r);
	free(more);
	for (int b = 0; b < BANKS; b++)
		proc_end(cluster.agent[b], 20);
	pg_server_free(poor);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("refusals");
	TCase *c = cluster_case(s, "refusals");
	tcase_add_test(c, failing_statement_is_never_committed_on_one_side);
	tcase_add_test(c, violated_constraint_rolls_back);
	tcase_add_test(c, constraint_that_fails_at_prepare_rolls_back);
	tcase_add_test(c, what_cannot_be_prepared_rolls_back);
	tcase_add_test(c, unfit_argument_rolls_back);
	tcase_add_test(c, lock_that_is_not_freed_rolls_back_at_the_deadline);
	tcase_add_test(c, deadlock_across_the_servers_ends_at_the_deadline);
	tcase_add_test(c, resource_without_an_agent_waits_until_its_deadline);
	tcase_add_test(c, unknown_names_are_refused_before_anything_is_sent);
	tcase_add_test(c, server_without_prepared_transactions_says_what_to_change);
	return suite_run(s, banks_open, banks_close);
}
