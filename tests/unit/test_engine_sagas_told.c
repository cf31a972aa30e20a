/* test_engine_sagas_told.c - what people say of sagas and are told of them: stuck ones,
 * cancels, pending calls, published versions, the history. */
#include "tests/unit/saga_fixture.h"

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
	Suite *suite = suite_create("engine-sagas-told");
	TCase *tc = tcase_create("histories");

	tcase_add_checked_fixture(tc, world_setup, world_stop);
	tcase_add_test(tc, compensation_that_fails_for_ever_is_stuck_across_restarts_until_retried);
	tcase_add_test(tc, stuck_step_is_skipped_on_a_persons_word);
	tcase_add_test(tc, stuck_saga_is_ended_as_rolled_back_but_never_as_committed);
	tcase_add_test(tc, cancel_undoes_what_was_done_and_waits_for_what_is_under_way);
	tcase_add_test(tc, pending_call_is_completed_from_outside_once);
	tcase_add_test(tc, pending_call_stays_pending_across_a_restart_and_can_fail);
	tcase_add_test(tc, published_versions_are_begun_by_name_and_survive_a_restart);
	tcase_add_test(tc, compensation_at_another_resource_is_told_that_its_action_was_elsewhere);
	tcase_add_test(tc, events_are_told_in_order_and_waited_for);
	tcase_add_test(tc, lines_that_were_written_together_are_read_one_by_one);
	tcase_add_test(tc, line_that_waits_for_others_is_durable_soon);
	suite_add_tcase(suite, tc);
	return suite_run(suite, NULL, NULL);
}
