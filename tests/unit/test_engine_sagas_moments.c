/* test_engine_sagas_moments.c - sagas in the engine at bad moments: two things at once,
 * a word that comes too early or too late, an agent that says what it should not. */
#include "tests/lib/engine_world.h"
#include "tests/lib/harness.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A group that can be undone, and a call after it that nothing undoes. */
#define GROUP_FIRST                                                                     \
	"{workflow: w, steps: ["                                                        \
	"{name: pay, atomic: [{name: debit, resource: r0, operation: op, args: {x: "    \
	"1}}, {name: credit, resource: r1, operation: op, args: {x: 2}}], compensate: " \
	"{atomic: [{name: back, resource: r0, operation: op, args: {x: 3}}, "           \
	"{name: away, resource: r1, operation: op, args: {x: 4}}]}}, "                  \
	"{name: mail, after: [pay], resource: r1, operation: op, args: {x: 5}, "        \
	"compensate: none}]}"

/* A pivot of two branches, then a call. */
#define PIVOT                                                                    \
	"{workflow: w, steps: ["                                                 \
	"{name: pay, pivot: true, atomic: ["                                     \
	"{name: debit, resource: r0, operation: op, args: {x: 1}}, "             \
	"{name: credit, resource: r1, operation: op, args: {x: 2}}]}, "          \
	"{name: mail, after: [pay], resource: r1, operation: op, args: {x: 3}, " \
	"retry: {attempts: 1, first: 1s, max: 1s}}]}"

#define TWO                                                                                  \
	"{workflow: w, steps: ["                                                             \
	"{name: hotel, resource: r0, operation: op, args: {x: 1}, compensate: none, retry: " \
	"{attempts: 5, first: 1s, max: 1s}}, "                                               \
	"{name: car, after: [hotel], resource: r1, operation: op, args: {x: 1}, "            \
	"compensate: none}]}"

static void sync(void)
{
	world_turn();
	world_sync();
}

/* Time passes while both agents go on polling. */
static void pass(uint64_t ms)
{
	while (ms > 0) {
		const uint64_t some = ms < 10000 ? ms : 10000;

		world_pass(some);
		world_two_agents();
		ms -= some;
	}
	sync();
}

/* All at once: nothing was looked at meanwhile. */
static void leap(uint64_t ms)
{
	w.now_us += ms * 1000;
	engine_clock(w.e, w.now_us, 1700000000000000 + w.now_us);
	world_turn();
}

static void submit(const char *text)
{
	world_submit_text(1, "g", text, WAIT_FINISHED, 0);
	sync();
}

#define SAY(agent, step, kind) world_result(agent, 1, "g", step, RESULT_##kind, "because")

/* The gid of the newest group of a step, as its branch was sent. */
static const char *group_gid(const char *branch)
{
	for (size_t i = w.n_sent; i > 0; i--)
		if (strcmp(w.sent[i - 1].branch, branch) == 0)
			return w.sent[i - 1].gid;
	ck_abort_msg("no %s was sent", branch);
}

/* How many were sent for it, whatever the gid. */
static size_t sent_to(const char *branch, enum command_kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < w.n_sent; i++)
		n += w.sent[i].kind == kind && strcmp(w.sent[i].branch, branch) == 0;
	return n;
}

#define VOTE(agent, branch, kind) \
	world_result(agent, 1, group_gid(branch), branch, RESULT_##kind, "because")

static void commit_pay(void)
{
	VOTE("a0", "pay.debit", PREPARED);
	VOTE("a1", "pay.credit", PREPARED);
	sync();
	VOTE("a0", "pay.debit", COMMITTED);
	VOTE("a1", "pay.credit", COMMITTED);
	sync();
}

START_TEST(restart_does_not_take_a_group_for_its_own_compensation)
{
	submit(GROUP_FIRST);
	commit_pay();
	ck_assert_uint_eq(SENT("mail", DO), 1);
	engine_cancel(w.e, 5, "g", "no");
	sync();
	world_crash_restart(); /* `mail` is given up now, and `pay` is the next to be undone */
	world_two_agents();
	sync();
	STATUS("rolling_back");
	ck_assert_uint_eq(sent_to("pay.back", COMMAND_PREPARE), 1);
	ck_assert_uint_eq(sent_to("pay.away", COMMAND_PREPARE), 1);
}
END_TEST

START_TEST(call_past_the_pivot_that_is_failed_while_under_way_is_tried_again)
{
	submit(PIVOT);
	commit_pay();
	ck_assert_uint_eq(SENT("mail", DO), 1);
	engine_fail(w.e, 5, "g", "mail", "the post is on strike");
	sync();
	ck_assert_uint_eq(SENT("mail", DO), 1);
	pass(3000);
	ck_assert_uint_eq(SENT("mail", DO), 2);
	pass(30000); /* its time is over, and that of what came before as well */
	ck_assert_uint_ge(SENT("mail", DO), 3);
	SAY("a1", "mail", DONE);
	sync();
	STATUS("committed");
}
END_TEST

START_TEST(pending_call_past_the_pivot_that_failed_is_tried_again_after_a_pause)
{
	submit(PIVOT);
	commit_pay();
	SAY("a1", "mail", PENDING);
	sync();
	engine_fail(w.e, 5, "g", "mail", "the post is on strike");
	sync();
	ck_assert_uint_eq(SENT("mail", DO), 1);
	pass(3000);
	ck_assert_uint_eq(SENT("mail", DO), 2);
}
END_TEST

START_TEST(group_under_way_is_not_completed_by_hand)
{
	submit(PIVOT);
	engine_complete(w.e, 5, "g", "pay", NULL);
	engine_fail(w.e, 6, "g", "pay", "no");
	sync();
	ck_assert_int_eq(world_answer(5)->code, ANSWER_CONFLICT);
	ck_assert_int_eq(world_answer(6)->code, ANSWER_CONFLICT);
	STATUS("running");
}
END_TEST

START_TEST(deadline_and_the_next_try_of_a_group_at_once_begin_nothing)
{
	submit("{workflow: w, deadline: 20s, steps: [{name: pay, pivot: true, retry: {attempts: 5, "
	       "first: 1s, max: 1s}, atomic: [{name: debit, resource: r0, operation: op, args: "
	       "{x: 1}}, {name: credit, resource: r1, operation: op, args: {x: 2}}]}]}");
	VOTE("a0", "pay.debit", UNKNOWN); /* lost, so that it is tried again */
	sync();
	VOTE("a0", "pay.debit", ROLLED_BACK);
	VOTE("a1", "pay.credit", ROLLED_BACK);
	sync();
	STATUS("running");
	leap(30000);
	world_two_agents();
	sync();
	STATUS("rolled_back");
	ck_assert_uint_eq(sent_to("pay.debit", COMMAND_PREPARE), 1);
}
END_TEST

START_TEST(history_tells_no_status_that_a_crash_could_take_back)
{
	submit(TWO);
	SAY("a0", "hotel", DONE);
	sync();
	pass(30);
	engine_events(w.e, 5, "g", 0, 0);
	SAY("a1", "car", DONE); /* its record is on the way to the disk */
	if (world_answer(5) != NULL)
		ck_assert_str_eq(world_answer(5)->status, "running");
	sync();
	ck_assert_ptr_nonnull(world_answer(5));
}
END_TEST

START_TEST(history_of_a_plain_transaction_tells_no_decision_that_a_crash_could_take_back)
{
	world_submit(1, "g", 2, WAIT_FINISHED, 0);
	YES("a0", "t.b0");
	engine_events(w.e, 5, "g", 0, 0);
	YES("a1", "t.b1");
	if (world_answer(5) != NULL)
		ck_assert_str_eq(world_answer(5)->status, "running");
	sync();
	ck_assert_ptr_nonnull(world_answer(5));
}
END_TEST

START_TEST(yes_to_an_attempt_that_was_not_sent_yet_is_survived)
{
	submit(TWO);
	SAY("a0", "hotel", RETRY);
	world_pass(30);
	sync();
	world_crash_restart();
	world_two_agents();
	w.sent[w.n_sent - 1].epoch = w.epoch; /* an agent that answers what it was not asked */
	SAY("a0", "hotel", DONE);
	sync();
	ck_assert_uint_eq(SENT("car", DO), 1);
}
END_TEST

START_TEST(answer_to_a_call_does_not_end_an_atomic_group)
{
	submit(PIVOT);
	w.sent[w.n_sent++] = (struct world_command){.kind = COMMAND_DO,
						    .agent = "a0",
						    .gid = "g",
						    .branch = "pay",
						    .resource = "r0",
						    .epoch = 1,
						    .attempt = 1};
	SAY("a0", "pay", DONE);
	sync();
	STATUS("running");
}
END_TEST

/* More than are set going in one turn: the arguments of the others are made later. */
START_TEST(arguments_of_every_compensation_are_durable_before_it_leaves)
{
	enum { STEPS = 40 };
	char text[8000], step[16];
	int n = snprintf(text, sizeof text, "{workflow: wide, steps: [");
	size_t undone = 0;

	for (int i = 0; i < STEPS; i++)
		n += snprintf(text + n, sizeof text - (size_t)n,
			      "{name: s%d, resource: r0, operation: op, args: {x: 1}, compensate: "
			      "{operation: op, args: {x: 2}}}, ",
			      i);
	snprintf(text + n, sizeof text - (size_t)n, "]}");
	submit(text);
	pass(1);
	for (int i = 0; i < STEPS; i++) {
		snprintf(step, sizeof step, "s%d", i);
		SAY("a0", step, UNKNOWN); /* all are tried again, so all are in doubt */
	}
	sync();
	engine_cancel(w.e, 5, "g", "no");
	for (int turn = 0; turn < 10; turn++) {
		const struct record *r;

		sync();
		world_pass(1);
		world_poll("a0", 1, 100);
		for (int i = 0; i < STEPS; i++) {
			snprintf(step, sizeof step, "s%d", i);
			if (SENT(step, UNDO) > 0) {
				r = memory_journal_peek(w.journal, "g");
				ck_assert_ptr_nonnull(r->saga->steps[i].args);
				ck_assert_str_eq(r->saga->steps[i].args, "{\"x\":2}");
			}
		}
	}
	for (int i = 0; i < STEPS; i++) {
		snprintf(step, sizeof step, "s%d", i);
		undone += SENT(step, UNDO);
	}
	ck_assert_uint_eq(undone, STEPS);
}
END_TEST

START_TEST(yes_from_before_a_restart_counts)
{
	submit(TWO);
	ck_assert_uint_eq(SENT("hotel", DO), 1);
	world_crash_restart();
	SAY("a0", "hotel", DONE); /* it comes back with this in hand */
	sync();
	world_two_agents();
	sync();
	ck_assert_uint_eq(SENT("hotel", DO), 1);
	ck_assert_uint_eq(SENT("car", DO), 1);
}
END_TEST

START_TEST(no_from_before_a_restart_does_not_count)
{
	submit(TWO);
	world_crash_restart();
	SAY("a0", "hotel", REFUSED);
	sync();
	STATUS("running");
	world_two_agents();
	ck_assert_uint_eq(SENT("hotel", DO), 2);
}
END_TEST

/* Its agent never comes back, so it is never tried, and never stuck. */
START_TEST(step_that_no_agent_takes_can_be_skipped_past_the_pivot)
{
	submit(PIVOT);
	VOTE("a0", "pay.debit", PREPARED);
	VOTE("a1", "pay.credit", PREPARED);
	sync();
	VOTE("a1", "pay.credit", COMMITTED);
	world_pipe_lost("a1");
	VOTE("a0", "pay.debit", COMMITTED);
	sync();
	ck_assert_uint_eq(SENT("mail", DO), 0);
	engine_resolve(w.e, 5, "g", RESOLVE_SKIP, "mail", "the post office has closed for good");
	sync();
	ck_assert_str_eq(world_answer(5)->status, "committed");
}
END_TEST

START_TEST(compensation_that_no_agent_takes_can_be_skipped_and_the_others_go_on)
{
	submit("{workflow: w, steps: [{name: one, resource: r0, operation: op, args: {x: 1}, "
	       "compensate: {operation: op, args: {x: 2}}}, {name: two, after: [one], resource: "
	       "r1, operation: op, args: {x: 3}, compensate: {operation: op, args: {x: 4}}}]}");
	SAY("a0", "one", DONE);
	sync();
	world_pipe_lost("a1");
	engine_cancel(w.e, 5, "g", "no");
	sync();
	world_pass(100000);
	sync();
	ck_assert_uint_eq(SENT("two", UNDO), 0);
	engine_resolve(w.e, 6, "g", RESOLVE_SKIP, "two", "the garage burnt down");
	sync();
	ck_assert_int_eq(world_answer(6)->code, ANSWER_OK);
	world_agent("a0", 1, "r0", true);
	world_poll("a0", 1, 100);
	ck_assert_uint_eq(SENT("one", UNDO), 1);
	SAY("a0", "one", DONE);
	sync();
	STATUS("rolled_back");
}
END_TEST

START_TEST(group_with_a_hazard_is_not_tried_again_but_forgotten)
{
	submit(PIVOT);
	VOTE("a0", "pay.debit", PREPARED);
	VOTE("a1", "pay.credit", PREPARED);
	sync();
	VOTE("a0", "pay.debit", COMMITTED);
	VOTE("a1", "pay.credit", HAZARD);
	sync();
	STATUS("stuck");
	engine_retry(w.e, 5, "g", NULL, "once more");
	engine_retry(w.e, 6, "g", "pay", "once more");
	sync();
	ck_assert_int_eq(world_answer(5)->code, ANSWER_CONFLICT);
	ck_assert_int_eq(world_answer(6)->code, ANSWER_CONFLICT);
	ck_assert_uint_eq(sent_to("pay.debit", COMMAND_PREPARE), 1);
	engine_resolve(w.e, 7, "g", RESOLVE_FORGET, NULL, "credited by hand");
	sync();
	ck_assert_uint_eq(SENT("mail", DO), 1);
}
END_TEST

/* A JSON object, of which two are too much. */
static char *big_output(void)
{
	enum { SIZE = 5000000 };
	char *text = malloc(SIZE + 1);

	memset(text, 'x', SIZE);
	memcpy(text, "{\"a\": \"", 7);
	memcpy(text + SIZE - 2, "\"}", 3);
	return text;
}

START_TEST(outputs_that_people_give_are_bounded_all_together)
{
	enum { STEPS = 3, FIT = 1 };
	char text[2000], step[16], *output = big_output();
	int n = snprintf(text, sizeof text, "{workflow: wide, steps: [");

	for (int i = 0; i < STEPS; i++)
		n += snprintf(text + n, sizeof text - (size_t)n,
			      "{name: s%d, resource: r0, operation: op, args: {x: 1}, compensate: "
			      "none}, ",
			      i);
	snprintf(text + n, sizeof text - (size_t)n, "]}");
	submit(text);
	for (int i = 0; i < STEPS; i++) {
		snprintf(step, sizeof step, "s%d", i);
		SAY("a0", step, PENDING);
	}
	sync();
	for (int i = 0; i < STEPS; i++) {
		snprintf(step, sizeof step, "s%d", i);
		engine_complete(w.e, 10 + (uint64_t)i, "g", step, output);
		sync();
		ck_assert_int_eq(world_answer(10 + (uint64_t)i)->code,
				 i < FIT ? ANSWER_OK : ANSWER_INVALID);
	}
	engine_complete(w.e, 30, "g", "s1", NULL);
	engine_complete(w.e, 31, "g", "s2", NULL);
	sync();
	STATUS("committed");
	free(output);
}
END_TEST

START_TEST(outputs_of_groups_are_bounded_all_together)
{
	enum { BRANCHES = 1 };
	static const char *const steps[] = {"one", "two"};
	char text[2000], branch[16], *output = big_output();
	int n = snprintf(text, sizeof text, "{workflow: w, steps: [");

	for (int k = 0; k < 2; k++) {
		n += snprintf(text + n, sizeof text - (size_t)n,
			      "{name: %s, compensate: none, %s atomic: [", steps[k],
			      k > 0 ? "after: [one]," : "");
		for (int i = 0; i < BRANCHES; i++)
			n += snprintf(text + n, sizeof text - (size_t)n,
				      "{name: b%d, resource: r0, operation: op, args: {x: 1}}, ",
				      i);
		n += snprintf(text + n, sizeof text - (size_t)n, "]}, ");
	}
	snprintf(text + n, sizeof text - (size_t)n,
		 "{name: last, after: [two], resource: r0, operation: op, args: {x: 1}, "
		 "compensate: none}]}");
	submit(text);
	for (int k = 0; k < 2; k++) {
		for (int i = 0; i < BRANCHES; i++) {
			snprintf(branch, sizeof branch, "%s.b%d", steps[k], i);
			w.output = output;
			VOTE("a0", branch, PREPARED);
		}
		sync();
		for (int i = 0; i < BRANCHES; i++) {
			snprintf(branch, sizeof branch, "%s.b%d", steps[k], i);
			VOTE("a0", branch, COMMITTED);
		}
		sync();
	}
	ck_assert_ptr_nonnull(strstr(world_answer(1)->reason, "over 8 MiB"));
	free(output);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("engine-sagas-moments");
	TCase *tc = tcase_create("histories");

	tcase_add_checked_fixture(tc, world_setup, world_stop);
	tcase_set_timeout(tc, 60); /* megabytes are read and written on a slow machine */
	tcase_add_test(tc, restart_does_not_take_a_group_for_its_own_compensation);
	tcase_add_test(tc, call_past_the_pivot_that_is_failed_while_under_way_is_tried_again);
	tcase_add_test(tc, pending_call_past_the_pivot_that_failed_is_tried_again_after_a_pause);
	tcase_add_test(tc, group_under_way_is_not_completed_by_hand);
	tcase_add_test(tc, deadline_and_the_next_try_of_a_group_at_once_begin_nothing);
	tcase_add_test(tc, history_tells_no_status_that_a_crash_could_take_back);
	tcase_add_test(
		tc, history_of_a_plain_transaction_tells_no_decision_that_a_crash_could_take_back);
	tcase_add_test(tc, yes_to_an_attempt_that_was_not_sent_yet_is_survived);
	tcase_add_test(tc, answer_to_a_call_does_not_end_an_atomic_group);
	tcase_add_test(tc, arguments_of_every_compensation_are_durable_before_it_leaves);
	tcase_add_test(tc, outputs_that_people_give_are_bounded_all_together);
	tcase_add_test(tc, outputs_of_groups_are_bounded_all_together);
	tcase_add_test(tc, yes_from_before_a_restart_counts);
	tcase_add_test(tc, no_from_before_a_restart_does_not_count);
	tcase_add_test(tc, step_that_no_agent_takes_can_be_skipped_past_the_pivot);
	tcase_add_test(tc, compensation_that_no_agent_takes_can_be_skipped_and_the_others_go_on);
	tcase_add_test(tc, group_with_a_hazard_is_not_tried_again_but_forgotten);
	suite_add_tcase(suite, tc);
	return suite_run(suite, NULL, NULL);
}
