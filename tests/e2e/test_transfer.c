/* Money moves between two PostgreSQL servers, on both sides or on none. */
#include "tests/lib/cluster.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

START_TEST(transfer_moves_money_on_both_sides)
{
	START(0);
	struct response r = SUBMIT(.gid = "one", .from = 2, .to = 3, .amount = 250);
	ck_assert_int_eq(r.status, 201);
	ck_assert_str_eq(json_text(r.json, "status"), "committed");
	response_free(&r);
	ck_assert_int_eq(balance(BANK_A, 2), 750);
	ck_assert_int_eq(balance(BANK_B, 3), 1250);
}
END_TEST

static const char *branch_output(const struct response *r, size_t i)
{
	static char text[200];
	const json_t *step = json_array_get(json_object_get(r->json, "steps"), 0);
	const json_t *branch = json_array_get(json_object_get(step, "branches"), i);
	char *dump = json_dumps(json_object_get(branch, "output"), JSON_COMPACT | JSON_ENCODE_ANY);
	snprintf(text, sizeof text, "%s", dump ? dump : "");
	free(dump);
	return text;
}

START_TEST(returned_rows_are_the_branches_output)
{
	START(0);
	struct response r = SUBMIT(.gid = "one", .amount = 250);
	ck_assert_ptr_nonnull(strstr(branch_output(&r, 0), "750"));
	ck_assert_ptr_nonnull(strstr(branch_output(&r, 1), "1250"));
	response_free(&r);
}
END_TEST

START_TEST(too_little_money_rolls_back_and_says_why)
{
	START(0);
	struct response r = SUBMIT(.gid = "poor", .amount = 1001);
	ck_assert_int_eq(r.status, 201);
	ck_assert_str_eq(json_text(r.json, "status"), "rolled_back");
	const char *reason = json_text(r.json, "reason");
	ck_assert_msg(strstr(reason, "debit") && strstr(reason, "bank-a") && strstr(reason, "row"),
		      "reason: %s", reason);
	response_free(&r);
	ENDS("poor", "rolled_back");
	ck_assert_int_eq(balance(BANK_A, 1), 1000);
	ck_assert_int_eq(balance(BANK_B, 1), 1000);
}
END_TEST

enum { THREADS = 8, EACH = 30 };

struct teller {
	pthread_t thread;
	unsigned seed;
	int number;
	int committed, rolled_back, other;
};

/* Random accounts in both directions: some of these deadlock across the two
 * servers, and end at their deadline. */
static void *tell(void *arg)
{
	struct teller *t = arg;
	for (int i = 0; i < EACH; i++) {
		char gid[32];
		snprintf(gid, sizeof gid, "t%d-%d", t->number, i);
		struct response r = SUBMIT(.gid = gid, .from = 1 + rand_r(&t->seed) % ACCOUNTS,
					   .to = 1 + rand_r(&t->seed) % ACCOUNTS,
					   .amount = 1 + rand_r(&t->seed) % 200,
					   .back = rand_r(&t->seed) % 2, .timeout = "1s");
		const char *status = json_text(r.json, "status");
		if (strcmp(status, "committed") == 0)
			t->committed++;
		else if (strcmp(status, "rolled_back") == 0)
			t->rolled_back++;
		else
			t->other++;
		response_free(&r);
	}
	return NULL;
}

START_TEST(concurrent_transfers_keep_the_sum)
{
	static struct teller tellers[THREADS];
	int committed = 0;
	START(0);
	for (int i = 0; i < THREADS; i++) {
		tellers[i] = (struct teller){.seed = (unsigned)i + 1, .number = i};
		NEED(pthread_create(&tellers[i].thread, NULL, tell, &tellers[i]) == 0, "no thread");
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(tellers[i].thread, NULL);
		ck_assert_int_eq(tellers[i].other, 0);
		committed += tellers[i].committed;
	}
	banks_agree();
	/* What the clients were told is what the banks have. */
	ck_assert_int_gt(committed, THREADS * EACH / 2);
	ck_assert_int_eq(bank_number(BANK_A, "SELECT count(*) FROM ledger"), committed);
	ck_assert_int_eq(bank_number(BANK_B, "SELECT count(*) FROM ledger"), committed);
}
END_TEST

static struct response post(const char *body)
{
	return rest_send(cluster.url, "POST", "/v1/transactions", body, -1, 30000);
}

START_TEST(single_branch_commits)
{
	START(0);
	struct response r = post("{\"gid\": \"single\", \"definition\": {\"workflow\": \"w\", "
				 "\"steps\": [{\"name\": \"s\", \"atomic\": [{\"name\": \"b\", "
				 "\"resource\": \"bank-a\", \"operation\": \"overdraw\", \"args\": "
				 "{\"id\": 1, \"amount\": 0, \"gid\": \"single\"}}]}]}}");
	ck_assert_int_eq(r.status, 201);
	ck_assert_str_eq(json_text(r.json, "status"), "committed");
	response_free(&r);
}
END_TEST

START_TEST(single_branch_is_refused_for_a_failing_statement)
{
	START(0);
	struct response r = post("{\"gid\": \"single\", \"definition\": {\"workflow\": \"w\", "
				 "\"steps\": [{\"name\": \"s\", \"atomic\": [{\"name\": \"b\", "
				 "\"resource\": \"bank-a\", \"operation\": \"overdraw\", \"args\": "
				 "{\"id\": 1, \"amount\": 1001, \"gid\": \"single\"}}]}]}}");
	ck_assert_int_eq(r.status, 201);
	ck_assert_str_eq(json_text(r.json, "status"), "rolled_back");
	response_free(&r);
	ck_assert_int_eq(balance(BANK_A, 1), 1000);
}
END_TEST

/* A branch that only reads is blocked by nothing that a prepared one would be. */
START_TEST(read_only_branch_is_never_prepared)
{
	START(0);
	PGconn *lock = row_lock(BANK_B, 1);
	struct response r =
		post("{\"gid\": \"reader\", \"timeout\": \"0ms\", \"definition\": "
		     "{\"workflow\": \"w\", \"steps\": [{\"name\": \"s\", \"atomic\": ["
		     "{\"name\": \"r\", \"resource\": \"bank-a\", \"operation\": "
		     "\"look\", \"read_only\": true, \"args\": {\"id\": 1}}, {\"name\": "
		     "\"b\", \"resource\": \"bank-b\", \"operation\": \"overdraw\", "
		     "\"args\": {\"id\": 1, \"amount\": 0, \"gid\": \"x\"}}]}]}}");
	ck_assert_int_eq(r.status, 202);
	response_free(&r);
	WAIT_FOR(10, blocked(BANK_B) == 1);
	row_free(lock);
	ck_assert_str_eq(end_of("reader", NULL), "committed");
	ck_assert_int_eq(prepared(BANK_A), 0);
	struct response seen =
		rest_send(cluster.url, "GET", "/v1/transactions/reader", NULL, 0, 10000);
	ck_assert_ptr_nonnull(strstr(seen.body, "read_only"));
	response_free(&seen);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("transfer");
	TCase *c = cluster_case(s, "transfer");
	tcase_add_test(c, transfer_moves_money_on_both_sides);
	tcase_add_test(c, returned_rows_are_the_branches_output);
	tcase_add_test(c, too_little_money_rolls_back_and_says_why);
	tcase_add_test(c, concurrent_transfers_keep_the_sum);
	tcase_add_test(c, single_branch_commits);
	tcase_add_test(c, single_branch_is_refused_for_a_failing_statement);
	tcase_add_test(c, read_only_branch_is_never_prepared);
	return suite_run(s, banks_open, banks_close);
}
