/* test_engine_sagas.c - sagas in the engine, told as histories in a world of tables. */
#include "tests/lib/engine_world.h"
#include "tests/lib/harness.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Two calls in a row, each with a compensation. */
#define TWO                                                                                   \
	"{workflow: trip, input: [n], steps: ["                                               \
	"{name: hotel, resource: r0, operation: op, args: {x: '${input.n}'}, timeout: 2s, "   \
	"retry: {attempts: 3, first: 100ms, max: 1s}, "                                       \
	"compensate: {operation: op, args: {x: '${steps.hotel.output.id}'}, "                 \
	"retry: {attempts: 2, first: 100ms, max: 1s}}}, "                                     \
	"{name: car, after: [hotel], resource: r1, operation: op, args: {x: 1}, "             \
	"retry: {attempts: 2, first: 100ms, max: 1s}, compensate: {operation: op, args: {x: " \
	"2}}}]}"

/* A call, a pivot of two branches, a call. */
#define PIVOT                                                                                  \
	"{workflow: buy, steps: ["                                                             \
	"{name: hold, resource: r0, operation: op, args: {x: 1}, compensate: {operation: op, " \
	"args: {x: 2}}}, "                                                                     \
	"{name: pay, after: [hold], pivot: true, atomic: ["                                    \
	"{name: debit, resource: r0, operation: op, args: {x: 3}}, "                           \
	"{name: credit, resource: r1, operation: op, args: {x: 4}}]}, "                        \
	"{name: mail, after: [pay], resource: r1, operation: op, args: {x: 5}, "               \
	"retry: {attempts: 1, first: 100ms, max: 1s}}]}"

/* What was asked for goes to the disk, and all of it gets there. */
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

static void submit(uint64_t client, const char *text)
{
	world_submit_text(client, "g", text, WAIT_FINISHED, 0);
}

/* TWO takes an input. */
static void submit_two(void)
{
	unsigned char hash[BODY_HASH_SIZE] = {0};
	json_t *input = json_pack("{s:i}", "n", 7);
	const struct submit s = {.gid = "g",
				 .hash = hash,
				 .definition = TWO,
				 .definition_size = strlen(TWO),
				 .input = input,
				 .wait = WAIT_FINISHED,
				 .wait_ms = 600000};

	engine_submit(w.e, 1, &s);
	json_decref(input);
	world_turn();
}

#define SAY(agent, step, kind) world_result(agent, 1, "g", step, RESULT_##kind, "because")
#define ENDS(word)                                               \
	do {                                                     \
		sync();                                          \
		ck_assert_ptr_nonnull(world_answer(1));          \
		ck_assert_str_eq(world_answer(1)->status, word); \
	} while (0)

/* The gid of the newest group of a step, as its first branch was sent. */
static const char *group_gid(const char *branch)
{
	for (size_t i = w.n_sent; i > 0; i--)
		if (strcmp(w.sent[i - 1].branch, branch) == 0)
			return w.sent[i - 1].gid;
	ck_abort_msg("no %s was sent", branch);
}

#define VOTE(agent, branch, kind) \
	world_result(agent, 1, group_gid(branch), branch, RESULT_##kind, "because")

START_TEST(nothing_is_sent_before_its_intent_is_durable)
{
	submit_two();
	ck_assert_uint_eq(SENT("hotel", DO), 0);
	sync();
	ck_assert_uint_eq(SENT("hotel", DO), 1);
	ck_assert_str_eq(world_last("g", "hotel")->args, "{\"x\":7}");
	SAY("a0", "hotel", DONE);
	ck_assert_uint_eq(SENT("car", DO), 0);
	sync();
	ck_assert_uint_eq(SENT("car", DO), 1);
}
END_TEST

START_TEST(saga_that_ran_to_its_end_is_committed_once_that_is_durable)
{
	submit_two();
	sync();
	SAY("a0", "hotel", DONE);
	sync();
	SAY("a1", "car", DONE);
	ck_assert_ptr_null(world_answer(1));
	ENDS("committed");
	world_crash_restart();
	STATUS("committed");
}
END_TEST

START_TEST(refused_step_is_undone_with_the_outputs_of_what_was_done)
{
	submit_two();
	sync();
	w.output = "{\"id\": 41}";
	SAY("a0", "hotel", DONE);
	sync();
	SAY("a1", "car", REFUSED);
	ck_assert_uint_eq(SENT("hotel", UNDO), 0);
	sync();
	ck_assert_uint_eq(SENT("hotel", UNDO), 1);
	ck_assert_str_eq(world_last("g", "hotel")->args, "{\"x\":41}");
	ck_assert_uint_eq(SENT("car", UNDO), 0);
	SAY("a0", "hotel", DONE);
	ENDS("rolled_back");
	ck_assert_str_eq(world_answer(1)->reason, "step car: because");
}
END_TEST

START_TEST(lost_answer_is_tried_again_and_then_undone)
{
	submit_two();
	sync();
	SAY("a0", "hotel", DONE);
	sync();
	pass(200000); /* both attempts at the car end in silence */
	sync();
	ck_assert_uint_eq(SENT("car", DO), 2);
	ck_assert_uint_eq(SENT("car", UNDO), 1);
	ck_assert_uint_eq(SENT("hotel", UNDO), 0);
	SAY("a1", "car", DONE);
	sync();
	ck_assert_uint_eq(SENT("hotel", UNDO), 1);
}
END_TEST

START_TEST(passing_fault_is_tried_again_after_a_pause)
{
	submit_two();
	sync();
	SAY("a0", "hotel", RETRY);
	ck_assert_uint_eq(SENT("hotel", DO), 1);
	pass(2000);
	ck_assert_uint_eq(SENT("hotel", DO), 2);
	ck_assert_uint_eq(world_last("g", "hotel")->attempt, 2);
	SAY("a0", "hotel", DONE);
	sync();
	ck_assert_uint_eq(SENT("car", DO), 1);
}
END_TEST

START_TEST(restart_sends_what_was_unanswered_again_under_the_same_key)
{
	submit_two();
	sync();
	ck_assert_uint_eq(SENT("hotel", DO), 1);
	world_crash_restart();
	world_two_agents();
	sync();
	ck_assert_uint_eq(SENT("hotel", DO), 2);
	ck_assert_str_eq(world_last("g", "hotel")->args, "{\"x\":7}");
	ck_assert_uint_eq(world_last("g", "hotel")->epoch, 2);
	SAY("a0", "hotel", DONE);
	sync();
	SAY("a1", "car", DONE);
	sync();
	STATUS("committed");
}
END_TEST

START_TEST(saga_whose_first_record_was_lost_was_never_there)
{
	submit_two();
	world_crash_restart();
	STATUS("none");
}
END_TEST

START_TEST(counts_of_attempts_survive_a_restart)
{
	submit_two();
	sync();
	SAY("a0", "hotel", RETRY);
	pass(1500);
	SAY("a0", "hotel", RETRY);
	pass(50); /* lazily, but soon */
	sync();
	world_crash_restart();
	world_two_agents();
	pass(3000);
	sync();
	SAY("a0", "hotel", RETRY); /* the third of three; the second may have been sent */
	sync();
	ck_assert_uint_eq(SENT("hotel", UNDO), 1);
}
END_TEST

START_TEST(undoing_goes_on_after_a_restart)
{
	submit_two();
	sync();
	SAY("a0", "hotel", DONE);
	sync();
	SAY("a1", "car", REFUSED);
	sync();
	world_crash_restart();
	world_two_agents();
	sync();
	ck_assert_uint_eq(SENT("hotel", UNDO), 2);
	ck_assert_uint_eq(SENT("car", DO), 1);
	SAY("a0", "hotel", DONE);
	sync();
	STATUS("rolled_back");
}
END_TEST

static void get_stuck(void)
{
	submit_two();
	sync();
	SAY("a0", "hotel", DONE);
	sync();
	SAY("a1", "car", REFUSED);
	sync();
	SAY("a0", "hotel", RETRY);
	pass(3000);
	SAY("a0", "hotel", RETRY);
	sync();
	STATUS("stuck");
	ck_assert_str_eq(world_answer(1)->status, "stuck");
}

START_TEST(compensation_that_fails_for_ever_is_stuck_across_restarts_until_retried)
{
	get_stuck();
	world_crash_restart();
	world_two_agents();
	STATUS("stuck");
	engine_retry(w.e, 5, "g", NULL, "the hotel is back");
	sync();
	ck_assert_int_eq(world_answer(5)->code, ANSWER_OK);
	ck_assert_uint_eq(SENT("hotel", UNDO), 3);
	SAY("a0", "hotel", DONE);
	sync();
	STATUS("rolled_back");
}
END_TEST

START_TEST(stuck_step_is_skipped_on_a_persons_word)
{
	get_stuck();
	engine_resolve(w.e, 5, "g", RESOLVE_SKIP, "hotel", "was undone by telephone");
	sync();
	ck_assert_str_eq(world_answer(5)->status, "rolled_back");
	engine_events(w.e, 6, "g", 0, 0);
	world_turn();
	ck_assert_ptr_nonnull(strstr(world_answer(6)->json, "was undone by telephone"));
}
END_TEST

START_TEST(stuck_saga_is_ended_as_rolled_back_but_never_as_committed)
{
	get_stuck();
	engine_resolve(w.e, 5, "g", RESOLVE_COMMITTED, NULL, "no");
	sync();
	ck_assert_int_eq(world_answer(5)->code, ANSWER_CONFLICT);
	engine_resolve(w.e, 6, "g", RESOLVE_ROLLED_BACK, NULL, "seen to");
	sync();
	ck_assert_str_eq(world_answer(6)->status, "rolled_back");
}
END_TEST

START_TEST(cancel_undoes_what_was_done_and_waits_for_what_is_under_way)
{
	submit_two();
	sync();
	engine_cancel(w.e, 5, "g", "changed my mind");
	sync();
	ck_assert_str_eq(world_answer(5)->status, "rolling_back");
	ck_assert_uint_eq(SENT("hotel", UNDO), 0);
	SAY("a0", "hotel", DONE);
	sync();
	ck_assert_uint_eq(SENT("hotel", UNDO), 1);
	SAY("a0", "hotel", DONE);
	ENDS("rolled_back");
}
END_TEST

START_TEST(pending_call_is_completed_from_outside_once)
{
	submit_two();
	sync();
	SAY("a0", "hotel", PENDING);
	sync();
	ck_assert_uint_eq(SENT("car", DO), 0);
	engine_complete(w.e, 5, "g", "hotel", "{\"id\": 9}");
	engine_complete(w.e, 6, "g", "hotel", "{\"id\": 10}");
	sync();
	ck_assert_int_eq(world_answer(5)->code, ANSWER_OK);
	ck_assert_int_eq(world_answer(6)->code, ANSWER_OK);
	ck_assert_uint_eq(SENT("car", DO), 1);
	SAY("a1", "car", REFUSED);
	sync();
	ck_assert_str_eq(world_last("g", "hotel")->args, "{\"x\":9}");
}
END_TEST

START_TEST(pending_call_stays_pending_across_a_restart_and_can_fail)
{
	submit_two();
	sync();
	SAY("a0", "hotel", PENDING);
	sync();
	world_crash_restart();
	world_two_agents();
	pass(100000);
	ck_assert_uint_eq(SENT("hotel", DO), 1);
	engine_fail(w.e, 5, "g", "hotel", "no room");
	sync();
	ck_assert_str_eq(world_answer(5)->status, "rolled_back");
}
END_TEST

START_TEST(atomic_group_is_a_step_and_its_commit_is_the_pivot)
{
	submit(1, PIVOT);
	sync();
	SAY("a0", "hold", DONE);
	sync();
	ck_assert_uint_eq(world_sent(group_gid("pay.debit"), "pay.debit", COMMAND_PREPARE), 1);
	VOTE("a0", "pay.debit", PREPARED);
	VOTE("a1", "pay.credit", PREPARED);
	sync();
	STATUS("running");
	VOTE("a0", "pay.debit", COMMITTED);
	VOTE("a1", "pay.credit", COMMITTED);
	sync();
	STATUS("committing");
	SAY("a1", "mail", REFUSED); /* past the pivot it is tried until it succeeds */
	pass(3000);
	ck_assert_uint_eq(SENT("mail", DO), 2);
	SAY("a1", "mail", DONE);
	ENDS("committed");
}
END_TEST

START_TEST(refused_branch_of_a_group_undoes_the_saga)
{
	submit(1, PIVOT);
	sync();
	SAY("a0", "hold", DONE);
	sync();
	VOTE("a0", "pay.debit", REFUSED);
	sync();
	VOTE("a1", "pay.credit", ROLLED_BACK);
	sync();
	ck_assert_uint_eq(SENT("hold", UNDO), 1);
	SAY("a0", "hold", DONE);
	ENDS("rolled_back");
}
END_TEST

START_TEST(group_that_was_decided_before_a_crash_is_taken_for_what_it_is)
{
	char gid[65];

	submit(1, PIVOT);
	sync();
	SAY("a0", "hold", DONE);
	sync();
	VOTE("a0", "pay.debit", PREPARED);
	VOTE("a1", "pay.credit", PREPARED);
	sync();
	snprintf(gid, sizeof gid, "%s", group_gid("pay.debit"));
	world_crash_restart();
	world_two_agents();
	sync();
	ck_assert_uint_eq(world_sent(gid, "pay.debit", COMMAND_PREPARE), 1);
	VOTE("a0", "pay.debit", COMMITTED);
	VOTE("a1", "pay.credit", COMMITTED);
	sync();
	ck_assert_uint_eq(SENT("mail", DO), 1);
}
END_TEST

START_TEST(group_that_was_not_decided_before_a_crash_begins_anew_under_another_name)
{
	char gid[65];

	submit(1, PIVOT);
	sync();
	SAY("a0", "hold", DONE);
	sync();
	VOTE("a0", "pay.debit", PREPARED);
	pass(50);
	sync();
	snprintf(gid, sizeof gid, "%s", group_gid("pay.debit"));
	world_crash_restart();
	world_two_agents();
	sync();
	ck_assert_str_ne(group_gid("pay.debit"), gid);
	ck_assert_uint_eq(world_sent(group_gid("pay.debit"), "pay.debit", COMMAND_PREPARE), 1);
}
END_TEST

START_TEST(groups_of_sagas_are_not_listed_but_shown_with_their_saga)
{
	submit(1, PIVOT);
	sync();
	SAY("a0", "hold", DONE);
	sync();
	engine_list(w.e, 5, &(struct list_query){.limit = 10});
	engine_get(w.e, 6, "g", 0);
	sync();
	ck_assert_ptr_null(strstr(world_answer(5)->json, "\"gid\":\"settle."));
	ck_assert_ptr_nonnull(strstr(world_answer(6)->json, "\"transaction\":\"settle."));
}
END_TEST

START_TEST(expression_that_runs_away_fails_its_saga_with_a_reason)
{
	submit(1, "{workflow: bad, steps: [{name: a, resource: r0, operation: op, args: {x: "
		  "'${(function() while true do end end)()}'}, compensate: none}]}");
	ENDS("rolled_back");
	ck_assert_ptr_nonnull(strstr(world_answer(1)->reason, "step a"));
}
END_TEST

START_TEST(step_whose_when_is_false_is_skipped)
{
	submit(1, "{workflow: w, steps: [{name: a, resource: r0, operation: op, args: {x: 1}, "
		  "when: '${1 > 2}', compensate: none}]}");
	ENDS("committed");
	ck_assert_uint_eq(SENT("a", DO), 0);
}
END_TEST

START_TEST(deadline_undoes_a_saga)
{
	submit(1, "{workflow: w, deadline: 5s, steps: [{name: a, resource: r7, operation: op, "
		  "args: {x: 1}, compensate: none}]}");
	ck_assert_int_eq(world_answer(1)->code, ANSWER_INVALID); /* nobody serves r7 */
	submit(2, "{workflow: w, deadline: 20s, steps: [{name: a, resource: r0, operation: op, "
		  "args: {x: 1}, compensate: {operation: op, args: {x: 2}}, "
		  "retry: {attempts: 1000}}]}");
	sync();
	pass(60000);
	sync();
	ck_assert_uint_ge(SENT("a", UNDO), 1);
	STATUS("rolling_back");
}
END_TEST

START_TEST(restarted_agent_makes_the_attempt_unknown_and_the_next_one_goes_to_it)
{
	submit_two();
	sync();
	world_agent("a0", 2, "r0", true);
	world_poll("a0", 2, 100);
	pass(2000);
	ck_assert_uint_eq(SENT("hotel", DO), 2);
	world_result("a0", 2, "g", "hotel", RESULT_REFUSED, "no"); /* not exact: no proof */
	sync();
	ck_assert_uint_eq(SENT("hotel", UNDO), 1);
}
END_TEST

START_TEST(lost_connection_sends_the_same_attempt_to_the_same_agent)
{
	submit_two();
	sync();
	world_pipe_lost("a0");
	world_poll("a0", 1, 100);
	ck_assert_uint_eq(SENT("hotel", DO), 2);
	ck_assert_uint_eq(world_last("g", "hotel")->attempt, 1);
}
END_TEST

START_TEST(work_waits_for_an_agent_without_using_up_attempts)
{
	world_pipe_lost("a0");
	submit_two();
	sync();
	world_pass(100000);
	ck_assert_uint_eq(SENT("hotel", DO), 0);
	engine_get(w.e, 5, "g", 0);
	sync();
	ck_assert_ptr_nonnull(strstr(world_answer(5)->json, "\"queued\":true"));
	world_agent("a0", 1, "r0", true);
	world_poll("a0", 1, 100);
	ck_assert_uint_eq(world_last("g", "hotel")->attempt, 1);
	engine_get(w.e, 6, "g", 0);
	sync();
	ck_assert_ptr_null(strstr(world_answer(6)->json, "queued"));
}
END_TEST

static void publish(uint64_t client, const char *text)
{
	engine_publish(w.e, client, text, strlen(text));
	sync();
}

START_TEST(published_versions_are_begun_by_name_and_survive_a_restart)
{
	static const char *const v1 = "{workflow: p, steps: [{name: one, resource: r0, operation: "
				      "op, args: {x: 1}, compensate: none}]}";
	static const char *const v2 = "{workflow: p, steps: [{name: two, resource: r0, operation: "
				      "op, args: {x: 1}, compensate: none}]}";
	unsigned char hash[BODY_HASH_SIZE] = {0};
	struct submit s = {.gid = "g", .hash = hash, .workflow = "p", .wait = WAIT_ACCEPTED};

	publish(11, v1);
	ck_assert_ptr_nonnull(strstr(world_answer(11)->json, "\"version\":1"));
	publish(12, v1);
	ck_assert_ptr_nonnull(strstr(world_answer(12)->json, "\"new\":false"));
	engine_submit(w.e, 1, &s);
	sync();
	publish(13, v2);
	ck_assert_ptr_nonnull(strstr(world_answer(13)->json, "\"version\":2"));
	world_crash_restart();
	world_two_agents();
	sync();
	ck_assert_uint_eq(SENT("one", DO), 2); /* it keeps the version that it began with */
	SAY("a0", "one", DONE);
	s.gid = "h";
	engine_submit(w.e, 2, &s);
	sync();
	ck_assert_uint_eq(world_sent("h", "two", COMMAND_DO), 1);
	engine_activate(w.e, 14, "p", 1);
	s.gid = "i";
	engine_submit(w.e, 3, &s);
	s.gid = "j";
	s.version = 2;
	engine_submit(w.e, 4, &s);
	sync();
	ck_assert_uint_eq(world_sent("i", "one", COMMAND_DO), 1);
	ck_assert_uint_eq(world_sent("j", "two", COMMAND_DO), 1);
}
END_TEST

START_TEST(compensation_at_another_resource_is_told_that_its_action_was_elsewhere)
{
	submit(1, "{workflow: w, steps: ["
		  "{name: a, resource: r0, operation: op, args: {x: 1}, compensate: "
		  "{resource: r1, operation: op, args: {x: 2}}}, "
		  "{name: b, after: [a], resource: r0, operation: op, args: {x: 1}, compensate: "
		  "{operation: op, args: {x: 2}}}, "
		  "{name: c, after: [b], resource: r0, operation: op, args: {x: 1}, compensate: "
		  "none}]}");
	sync();
	SAY("a0", "a", DONE);
	sync();
	SAY("a0", "b", DONE);
	sync();
	SAY("a0", "c", REFUSED);
	sync();
	ck_assert(!world_last("g", "b")->elsewhere);
	SAY("a0", "b", DONE);
	sync();
	ck_assert_str_eq(world_last("g", "a")->resource, "r1");
	ck_assert(world_last("g", "a")->elsewhere);
}
END_TEST

START_TEST(events_are_told_in_order_and_waited_for)
{
	submit_two();
	sync();
	pass(30); /* lines are written lazily, but soon */
	engine_events(w.e, 5, "g", 0, 0);
	world_turn();
	ck_assert_ptr_nonnull(strstr(world_answer(5)->json, "begun"));
	engine_events(w.e, 6, "g", 2, 60000);
	world_turn();
	ck_assert_ptr_null(world_answer(6));
	SAY("a0", "hotel", RETRY);
	pass(30);
	sync();
	ck_assert_ptr_nonnull(strstr(world_answer(6)->json, "\"outcome\":\"retry\""));
}
END_TEST

/* What is told after line `after`: the words in order, and each line's number and time. */
static void lines_are(uint64_t client, uint64_t after, const char *words)
{
	char told[400] = "";
	json_t *answer, *line;
	size_t i;

	engine_events(w.e, client, "g", after, 0);
	sync();
	answer = json_loads(world_answer(client)->json, 0, NULL);
	json_array_foreach(json_object_get(answer, "events"), i, line)
	{
		ck_assert_int_eq(json_integer_value(json_object_get(line, "n")),
				 (json_int_t)(after + i + 1));
		ck_assert_ptr_nonnull(json_object_get(line, "time"));
		strcat(told, json_string_value(json_object_get(line, "event")));
		strcat(told, " ");
	}
	ck_assert_str_eq(told, words);
	json_decref(answer);
}

START_TEST(lines_that_were_written_together_are_read_one_by_one)
{
	submit_two();
	sync();
	SAY("a0", "hotel", DONE);
	sync();
	SAY("a1", "car", DONE);
	sync();
	lines_are(5, 0, "begun attempt ended attempt ended finished ");
	lines_are(6, 1, "attempt ended attempt ended finished ");
	lines_are(7, 2, "ended attempt ended finished ");
	lines_are(8, 5, "finished ");
	world_crash_restart();
	lines_are(9, 2, "ended attempt ended finished ");
}
END_TEST

START_TEST(line_that_waits_for_others_is_durable_soon)
{
	submit_two();
	sync();
	ck_assert_uint_eq(SENT("hotel", DO), 1);
	pass(21);
	world_crash_restart();
	lines_are(5, 0, "begun attempt ");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("engine-sagas");
	TCase *tc = tcase_create("histories");

	tcase_add_checked_fixture(tc, world_setup, world_stop);
	tcase_add_test(tc, nothing_is_sent_before_its_intent_is_durable);
	tcase_add_test(tc, saga_that_ran_to_its_end_is_committed_once_that_is_durable);
	tcase_add_test(tc, refused_step_is_undone_with_the_outputs_of_what_was_done);
	tcase_add_test(tc, lost_answer_is_tried_again_and_then_undone);
	tcase_add_test(tc, passing_fault_is_tried_again_after_a_pause);
	tcase_add_test(tc, restart_sends_what_was_unanswered_again_under_the_same_key);
	tcase_add_test(tc, saga_whose_first_record_was_lost_was_never_there);
	tcase_add_test(tc, counts_of_attempts_survive_a_restart);
	tcase_add_test(tc, undoing_goes_on_after_a_restart);
	tcase_add_test(tc, compensation_that_fails_for_ever_is_stuck_across_restarts_until_retried);
	tcase_add_test(tc, stuck_step_is_skipped_on_a_persons_word);
	tcase_add_test(tc, stuck_saga_is_ended_as_rolled_back_but_never_as_committed);
	tcase_add_test(tc, cancel_undoes_what_was_done_and_waits_for_what_is_under_way);
	tcase_add_test(tc, pending_call_is_completed_from_outside_once);
	tcase_add_test(tc, pending_call_stays_pending_across_a_restart_and_can_fail);
	tcase_add_test(tc, atomic_group_is_a_step_and_its_commit_is_the_pivot);
	tcase_add_test(tc, refused_branch_of_a_group_undoes_the_saga);
	tcase_add_test(tc, group_that_was_decided_before_a_crash_is_taken_for_what_it_is);
	tcase_add_test(tc,
		       group_that_was_not_decided_before_a_crash_begins_anew_under_another_name);
	tcase_add_test(tc, groups_of_sagas_are_not_listed_but_shown_with_their_saga);
	tcase_add_test(tc, expression_that_runs_away_fails_its_saga_with_a_reason);
	tcase_add_test(tc, step_whose_when_is_false_is_skipped);
	tcase_add_test(tc, deadline_undoes_a_saga);
	tcase_add_test(tc, restarted_agent_makes_the_attempt_unknown_and_the_next_one_goes_to_it);
	tcase_add_test(tc, lost_connection_sends_the_same_attempt_to_the_same_agent);
	tcase_add_test(tc, work_waits_for_an_agent_without_using_up_attempts);
	tcase_add_test(tc, published_versions_are_begun_by_name_and_survive_a_restart);
	tcase_add_test(tc, compensation_at_another_resource_is_told_that_its_action_was_elsewhere);
	tcase_add_test(tc, events_are_told_in_order_and_waited_for);
	tcase_add_test(tc, lines_that_were_written_together_are_read_one_by_one);
	tcase_add_test(tc, line_that_waits_for_others_is_durable_soon);
	suite_add_tcase(suite, tc);
	return suite_run(suite, NULL, NULL);
}
