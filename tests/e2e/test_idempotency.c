/* The gid is the client's own name for what it wants done once. */
#include "tests/lib/cluster.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { TWINS = 8 };

struct twin {
	pthread_t thread;
	long status;
	char outcome[32];
};

static void *submit_twin(void *arg)
{
	struct twin *t = arg;
	struct response r = SUBMIT(.gid = "same", .amount = 100);
	t->status = r.status;
	strncpy(t->outcome, json_text(r.json, "status"), sizeof t->outcome - 1);
	response_free(&r);
	return NULL;
}

START_TEST(same_gid_at_once_is_one_transaction)
{
	static struct twin twins[TWINS];
	START(0);
	for (int i = 0; i < TWINS; i++)
		NEED(pthread_create(&twins[i].thread, NULL, submit_twin, &twins[i]) == 0,
		     "no thread");
	for (int i = 0; i < TWINS; i++) {
		pthread_join(twins[i].thread, NULL);
		ck_assert_int_eq(twins[i].status, 201);
		ck_assert_str_eq(twins[i].outcome, "committed");
	}
	ck_assert_int_eq(balance(BANK_A, 1), 900);
	ck_assert_int_eq(balance(BANK_B, 1), 1100);
	ENDS("same", "committed");
}
END_TEST

START_TEST(same_gid_later_answers_its_state)
{
	START(0);
	for (int i = 0; i < 3; i++) {
		struct response r = SUBMIT(.gid = "same", .amount = 100);
		ck_assert_int_eq(r.status, 201);
		ck_assert_str_eq(json_text(r.json, "status"), "committed");
		response_free(&r);
	}
	ck_assert_int_eq(balance(BANK_A, 1), 900);
	/* And after a crash: the journal remembers. */
	coordinator_kill();
	coordinator_start();
	struct response r = SUBMIT(.gid = "same", .amount = 100);
	ck_assert_int_eq(r.status, 201);
	ck_assert_str_eq(json_text(r.json, "status"), "committed");
	response_free(&r);
	ck_assert_int_eq(balance(BANK_A, 1), 900);
}
END_TEST

START_TEST(same_gid_while_it_runs_waits_for_the_one)
{
	START(0);
	PGconn *lock = row_lock(BANK_B, 1);
	BEGIN(.gid = "same", .amount = 100);
	struct response r = SUBMIT(.gid = "same", .amount = 100, .hold = "100ms");
	ck_assert_int_eq(r.status, 202);
	ck_assert_str_eq(json_text(r.json, "status"), "running");
	response_free(&r);
	row_free(lock);
	ENDS("same", "committed");
	ck_assert_int_eq(balance(BANK_A, 1), 900);
}
END_TEST

static void conflicts(void)
{
	struct response r = SUBMIT(.gid = "same", .amount = 101);
	ck_assert_msg(r.status == 409, "%ld %s", r.status, r.body);
	ck_assert_ptr_nonnull(strstr(r.type, "application/problem+json"));
	response_free(&r);
}

START_TEST(same_gid_with_another_body_conflicts)
{
	START(0);
	PGconn *lock = row_lock(BANK_B, 1);
	BEGIN(.gid = "same", .amount = 100);
	conflicts();
	row_free(lock);
	ENDS("same", "committed");
	conflicts();
	coordinator_kill();
	coordinator_start();
	conflicts();
	ck_assert_int_eq(balance(BANK_A, 1), 900);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("idempotency");
	TCase *c = cluster_case(s, "idempotency");
	tcase_add_test(c, same_gid_at_once_is_one_transaction);
	tcase_add_test(c, same_gid_later_answers_its_state);
	tcase_add_test(c, same_gid_while_it_runs_waits_for_the_one);
	tcase_add_test(c, same_gid_with_another_body_conflicts);
	return suite_run(s, banks_open, banks_close);
}
