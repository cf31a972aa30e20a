/* test_txn.c - the two-phase commit state machine, without any engine. */
#include "base/mem.h"
#include "base/word.h"
#include "coordinator/txn.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct record *r;

static struct record *new_record(size_t n)
{
	struct plan plan = {.workflow = mem_dup("w"), .n_branches = n};

	plan.branches = mem_new(n, sizeof *plan.branches);
	for (size_t i = 0; i < n; i++) {
		plan.branches[i].name = word_printf("pay.b%zu", i);
		plan.branches[i].resource = word_printf("r%zu", i);
		plan.branches[i].operation = word_hold("op");
		plan.branches[i].args = mem_dup("{}");
	}
	return record_new("g1", &plan);
}

#define GIVEN(n)     r = new_record(n)
#define EV(ev, b)    txn_step(r, TXN_EV_##ev, b, "because")
#define STATE(s)     ck_assert_int_eq(r->state, TXN_##s)
#define BRANCH(b, s) ck_assert_int_eq(r->branches[b].state, BR_##s)
#define OWES(b, c)   ck_assert_int_eq(txn_owes(r, b), COMMAND_##c)

static void begin_sent(size_t n)
{
	GIVEN(n);
	EV(BEGIN, 0);
	for (size_t i = 0; i < n; i++)
		EV(SENT, i);
}

static void teardown(void)
{
	record_free(r);
	r = NULL;
}

START_TEST(all_yes_commits_and_every_branch_owes_a_commit)
{
	begin_sent(2);
	EV(PREPARED, 0);
	STATE(PREPARING);
	EV(PREPARED, 1);
	STATE(COMMITTING);
	OWES(0, COMMIT);
	OWES(1, COMMIT);
	EV(COMMITTED, 1);
	STATE(COMMITTING);
	EV(COMMITTED, 0);
	STATE(COMMITTED);
}
END_TEST

START_TEST(one_no_rolls_the_others_back)
{
	begin_sent(3);
	EV(PREPARED, 0);
	EV(REFUSED, 1);
	STATE(ABORTING);
	ck_assert_str_eq(r->reason, "because");
	OWES(0, ROLLBACK);
	OWES(1, NONE);
	OWES(2, ROLLBACK);
	EV(ROLLED_BACK, 0);
	EV(ROLLED_BACK, 2);
	STATE(ABORTED);
}
END_TEST

START_TEST(a_lost_prepare_is_not_a_no_but_is_rolled_back_until_known_gone)
{
	begin_sent(2);
	EV(PREPARED, 1);
	EV(LOST, 0);
	STATE(ABORTING);
	BRANCH(0, ABORTING);
	OWES(0, ROLLBACK);
	EV(ROLLED_BACK, 1);
	STATE(ABORTING);
	EV(ROLLED_BACK, 0);
	STATE(ABORTED);
}
END_TEST

START_TEST(a_yes_after_the_deadline_does_not_revive_it)
{
	begin_sent(2);
	EV(DEADLINE, 0);
	STATE(ABORTING);
	EV(PREPARED, 0);
	EV(PREPARED, 1);
	STATE(ABORTING);
	OWES(0, ROLLBACK);
	OWES(1, ROLLBACK);
}
END_TEST

START_TEST(what_was_never_sent_owes_nothing_when_it_aborts)
{
	GIVEN(2);
	EV(BEGIN, 0);
	EV(DEADLINE, 0);
	STATE(ABORTED);
}
END_TEST

START_TEST(a_no_for_a_passing_cause_is_a_no_but_no_word_about_the_business)
{
	begin_sent(2);
	EV(FAILED, 1);
	STATE(ABORTING);
	ck_assert(!r->refused);
	record_free(r);
	begin_sent(2);
	EV(REFUSED, 1);
	STATE(ABORTING);
	ck_assert(r->refused);
}
END_TEST

START_TEST(a_decision_to_commit_is_never_changed)
{
	begin_sent(2);
	EV(PREPARED, 0);
	EV(PREPARED, 1);
	EV(DEADLINE, 0);
	EV(CANCEL, 0);
	EV(LOST, 0);
	EV(REFUSED, 1);
	STATE(COMMITTING);
}
END_TEST

START_TEST(a_branch_that_vanished_is_a_hazard_until_forgotten)
{
	begin_sent(2);
	EV(PREPARED, 0);
	EV(PREPARED, 1);
	EV(COMMITTED, 0);
	EV(HAZARD, 1);
	STATE(COMMIT_HAZARD);
	ck_assert(!record_finished(r->state));
	EV(COMMITTED, 1);
	STATE(COMMIT_HAZARD);
	EV(FORGET, 0);
	STATE(COMMITTED);
}
END_TEST

START_TEST(a_rollback_that_finds_a_commit_is_a_hazard)
{
	begin_sent(2);
	EV(REFUSED, 0);
	EV(COMMITTED, 1);
	STATE(ABORT_HAZARD);
	EV(FORGET, 0);
	STATE(ABORTED);
}
END_TEST

START_TEST(read_only_branches_owe_nothing_more)
{
	begin_sent(2);
	EV(READ_ONLY, 0);
	EV(PREPARED, 1);
	STATE(COMMITTING);
	OWES(0, NONE);
	OWES(1, COMMIT);
}
END_TEST

START_TEST(only_read_only_branches_commit_at_once)
{
	begin_sent(2);
	EV(READ_ONLY, 0);
	EV(READ_ONLY, 1);
	STATE(COMMITTED);
}
END_TEST

START_TEST(sequential_prepares_one_after_another)
{
	GIVEN(3);
	r->sequential = true;
	EV(BEGIN, 0);
	OWES(0, PREPARE);
	OWES(1, NONE);
	EV(SENT, 0);
	OWES(1, NONE);
	EV(PREPARED, 0);
	OWES(1, PREPARE);
	OWES(2, NONE);
}
END_TEST

START_TEST(votes_that_repeat_change_nothing)
{
	begin_sent(2);
	EV(PREPARED, 0);
	ck_assert(!EV(PREPARED, 0));
	ck_assert(!EV(REFUSED, 0));
	STATE(PREPARING);
}
END_TEST

START_TEST(one_phase_ends_by_the_word_of_the_resource)
{
	GIVEN(1);
	EV(BEGIN_ONCE, 0);
	STATE(ONE_PHASE);
	OWES(0, ONCE);
	EV(SENT, 0);
	EV(COMMITTED, 0);
	STATE(COMMITTED);
}
END_TEST

START_TEST(one_phase_without_an_answer_is_asked_not_assumed)
{
	GIVEN(1);
	EV(BEGIN_ONCE, 0);
	EV(SENT, 0);
	EV(DEADLINE, 0);
	STATE(ONE_PHASE);
	OWES(0, SETTLE_ONCE);
	EV(LOST, 0);
	STATE(ONE_PHASE);
	EV(COMMITTED, 0);
	STATE(COMMITTED);
}
END_TEST

START_TEST(one_phase_that_was_accepted_runs_again_if_only_a_restart_undid_it)
{
	GIVEN(1);
	r->accepted = true;
	EV(BEGIN_ONCE, 0);
	txn_resume(r);
	OWES(0, SETTLE_ONCE);
	EV(ROLLED_BACK, 0);
	STATE(ACCEPTED);
	BRANCH(0, WAITING);
}
END_TEST

START_TEST(one_phase_that_was_not_accepted_ends_rolled_back_after_a_restart)
{
	GIVEN(1);
	EV(BEGIN_ONCE, 0);
	txn_resume(r);
	EV(ROLLED_BACK, 0);
	STATE(ABORTED);
}
END_TEST

/* Every event in every reachable state, to a depth that reaches every state: the
 * machine asserts its own facts (txn_check), moves by its table, and a decision
 * never turns. */
static void explore(const struct record *from, int depth, bool decided_commit, bool decided_abort)
{
	for (int ev = TXN_EV_BEGIN; ev <= TXN_EV_HAZARD && depth > 0; ev++) {
		for (size_t b = 0; b < from->n_branches; b++) {
			struct record *copy = new_record(from->n_branches);
			bool commit, abort_;

			copy->state = from->state;
			for (size_t i = 0; i < from->n_branches; i++)
				copy->branches[i].state = from->branches[i].state;
			txn_step(copy, (enum txn_event)ev, b, "x");
			commit = copy->state == TXN_COMMITTING || copy->state == TXN_COMMITTED ||
				 copy->state == TXN_COMMIT_HAZARD;
			abort_ = copy->state == TXN_ABORTING || copy->state == TXN_ABORTED ||
				 copy->state == TXN_ABORT_HAZARD;
			ck_assert(!(commit && decided_abort));
			ck_assert(!(abort_ && decided_commit));
			explore(copy, depth - 1, commit, abort_);
			record_free(copy);
		}
	}
}

START_TEST(no_short_history_breaks_a_fact_or_turns_a_decision)
{
	GIVEN(2);
	explore(r, 3, false, false);
	record_free(r);
	begin_sent(2);
	explore(r, 3, false, false);
	record_free(r);
	GIVEN(1);
	explore(r, 4, false, false);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("txn");
	TCase *t = tcase_create("states");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(t, NULL, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, all_yes_commits_and_every_branch_owes_a_commit);
	tcase_add_test(t, one_no_rolls_the_others_back);
	tcase_add_test(t, a_lost_prepare_is_not_a_no_but_is_rolled_back_until_known_gone);
	tcase_add_test(t, a_yes_after_the_deadline_does_not_revive_it);
	tcase_add_test(t, what_was_never_sent_owes_nothing_when_it_aborts);
	tcase_add_test(t, a_no_for_a_passing_cause_is_a_no_but_no_word_about_the_business);
	tcase_add_test(t, a_decision_to_commit_is_never_changed);
	tcase_add_test(t, a_branch_that_vanished_is_a_hazard_until_forgotten);
	tcase_add_test(t, a_rollback_that_finds_a_commit_is_a_hazard);
	tcase_add_test(t, read_only_branches_owe_nothing_more);
	tcase_add_test(t, only_read_only_branches_commit_at_once);
	tcase_add_test(t, sequential_prepares_one_after_another);
	tcase_add_test(t, votes_that_repeat_change_nothing);
	tcase_add_test(t, one_phase_ends_by_the_word_of_the_resource);
	tcase_add_test(t, one_phase_without_an_answer_is_asked_not_assumed);
	tcase_add_test(t, one_phase_that_was_accepted_runs_again_if_only_a_restart_undid_it);
	tcase_add_test(t, one_phase_that_was_not_accepted_ends_rolled_back_after_a_restart);
	tcase_add_test(t, no_short_history_breaks_a_fact_or_turns_a_decision);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
