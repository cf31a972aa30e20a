/* test_view.c - records as the JSON that clients see. */
#include "base/mem.h"
#include "base/word.h"
#include "coordinator/view.h"
#include "tests/lib/harness.h"

#include <stdlib.h>
#include <string.h>

/* 2024-05-17T08:30:00.25Z */
enum { SECONDS = 1715934600 };
static const uint64_t begun = (uint64_t)SECONDS * 1000000 + 250000;

static void branch(struct record_branch *b, const char *name, enum branch_state state)
{
	b->name = word_hold(name);
	b->resource = word_hold("bank-a");
	b->operation = word_hold("debit");
	b->state = state;
}

static struct record *a_record(void)
{
	struct record *r = mem_new(1, sizeof *r);

	strcpy(r->gid, "g1");
	r->seq = begun;
	r->state = TXN_COMMITTED;
	r->finished_us = begun + 1000000;
	r->workflow = mem_dup("transfer");
	r->input = mem_dup("{\"amount\": 0.1}");
	r->n_branches = 2;
	r->branches = mem_new(2, sizeof *r->branches);
	branch(&r->branches[0], "pay.debit", BR_COMMITTED);
	branch(&r->branches[1], "pay.credit", BR_READ_ONLY);
	r->branches[0].output = mem_dup("[{\"balance\":93}]");
	r->branches[0].agent = word_hold("agent-a");
	return r;
}

START_TEST(whole_transaction_reads_as_documented)
{
	struct record *r = a_record();
	char *text = view_record(r, NULL);

	ck_assert_str_eq(
		text, "{\"gid\":\"g1\",\"status\":\"committed\",\"workflow\":\"transfer\","
		      "\"input\":{\"amount\":0.1},\"created\":\"2024-05-17T08:30:00.250000Z\","
		      "\"finished\":\"2024-05-17T08:30:01.250000Z\",\"steps\":[{\"name\":\"pay\","
		      "\"status\":\"committed\",\"branches\":[{\"name\":\"debit\",\"resource\":"
		      "\"bank-a\","
		      "\"operation\":\"debit\",\"status\":\"committed\",\"agent\":\"agent-a\","
		      "\"output\":[{\"balance\":93}]},{\"name\":\"credit\",\"resource\":\"bank-a\","
		      "\"operation\":\"debit\",\"status\":\"read_only\"}]}]}");
	free(text);
	record_free(r);
}
END_TEST

START_TEST(row_has_no_input_and_no_branches)
{
	struct record *r = a_record();
	char *text;

	r->state = TXN_ABORTING;
	r->finished_us = 0;
	r->reason = mem_dup("too little money");
	text = view_row(r);
	ck_assert_str_eq(text,
			 "{\"gid\":\"g1\",\"status\":\"rolling_back\",\"workflow\":\"transfer\","
			 "\"reason\":\"too little money\","
			 "\"created\":\"2024-05-17T08:30:00.250000Z\"}");
	free(text);
	record_free(r);
}
END_TEST

/* A record of a list may come without its branches and input. */
START_TEST(record_without_detail_can_be_shown)
{
	struct record r = {.gid = "g1", .seq = begun, .state = TXN_ACCEPTED};
	char *text = view_record(&r, NULL);

	ck_assert_str_eq(text, "{\"gid\":\"g1\",\"status\":\"running\","
			       "\"created\":\"2024-05-17T08:30:00.250000Z\",\"steps\":[]}");
	free(text);
}
END_TEST

static void output_shows_as(const char *output, const char *json)
{
	struct record *r = a_record();
	char *text, *want = textf("\"output\":%s}", json);

	free(r->branches[0].output);
	r->branches[0].output = mem_dup(output);
	text = view_record(r, NULL);
	ck_assert_msg(strstr(text, want) != NULL, "no %s in %s", want, text);
	free(want);
	free(text);
	record_free(r);
}

START_TEST(output_is_embedded_as_json_or_else_as_text)
{
	output_shows_as("12", "12");
	output_shows_as("null", "null");
	output_shows_as("\"a\\u0000b\"", "\"a\\u0000b\"");
	output_shows_as("[0.1,9999999999999.99,1.0]", "[0.1,9999999999999.99,1.0]");
	output_shows_as("{\"who\":\"Zoë 猫\"}", "{\"who\":\"Zoë 猫\"}");
	output_shows_as("{broken", "\"{broken\"");
	output_shows_as("123456789012345678901234567890", "\"123456789012345678901234567890\"");
}
END_TEST

START_TEST(reason_that_is_not_utf8_is_shown)
{
	struct record *r = a_record();
	char *text;

	r->reason = mem_dup("caf\xe9 \"closed\"\n");
	text = view_row(r);
	ck_assert_ptr_nonnull(strstr(text, "\"reason\":\"caf? \\\"closed\\\"\\n\""));
	free(text);
	record_free(r);
}
END_TEST

START_TEST(branches_are_grouped_by_step)
{
	struct record *r = mem_new(1, sizeof *r);
	json_t *json, *steps;
	char *text;

	strcpy(r->gid, "g1");
	r->state = TXN_COMMITTING;
	r->n_branches = 4;
	r->branches = mem_new(4, sizeof *r->branches);
	branch(&r->branches[0], "pay.a", BR_COMMITTING);
	branch(&r->branches[1], "pay.b", BR_COMMITTING);
	branch(&r->branches[2], "payment.a", BR_COMMITTING);
	branch(&r->branches[3], "alone", BR_COMMITTING);
	text = view_record(r, NULL);
	json = json_loads(text, 0, NULL);
	free(text);
	steps = json_object_get(json, "steps");
	ck_assert_uint_eq(json_array_size(steps), 3);
	ck_assert_uint_eq(json_array_size(json_object_get(json_array_get(steps, 0), "branches")),
			  2);
	ck_assert_str_eq(json_string_value(json_object_get(json_array_get(steps, 1), "name")),
			 "payment");
	ck_assert_str_eq(json_string_value(json_object_get(json_array_get(steps, 2), "name")),
			 "alone");
	json_decref(json);
	record_free(r);
}
END_TEST

/* ---- sagas ---- */

static void step(struct saga_step *s, const char *name, enum step_state state, uint32_t attempts)
{
	s->name = mem_dup(name);
	s->resource = mem_dup("hotel");
	s->operation = mem_dup("reserve");
	s->state = state;
	s->attempts = attempts;
}

static void make_group(struct saga_step *s)
{
	free(s->resource);
	free(s->operation);
	s->resource = s->operation = NULL;
	s->pivot = true;
}

static struct record *a_saga(void)
{
	struct record *r = mem_new(1, sizeof *r);
	struct saga_step *s;

	strcpy(r->gid, "g1");
	r->seq = begun;
	r->state = TXN_SAGA_UNDOING;
	r->workflow = mem_dup("trip");
	r->version = 3;
	r->deadline_us = begun + 2000000;
	r->saga = saga_blank(3);
	r->saga->state = SAGA_UNDOING;
	s = r->saga->steps;
	step(&s[0], "reserve", STEP_UNDOING, 2);
	s[0].undo_resource = mem_dup("hotel");
	s[0].undo_operation = mem_dup("release");
	s[0].output = mem_dup("{\"id\":7}");
	s[0].reason = mem_dup("no route");
	s[0].agent = mem_dup("agent-h");
	step(&s[1], "pay", STEP_FAILED, 1);
	make_group(&s[1]);
	step(&s[2], "mail", STEP_WAITING, 0);
	return r;
}

static const struct record *group_of(size_t i, void *arg)
{
	return i == 1 ? arg : NULL;
}

static uint64_t next_of(size_t i, void *arg)
{
	(void)arg;
	return i == 0 ? begun + 1000000 : 0;
}

static bool queued_of(size_t i, void *arg)
{
	(void)arg;
	return i == 2;
}

START_TEST(saga_reads_as_documented)
{
	struct record *r = a_saga(), *group = a_record();
	const struct view_more more = {group_of, next_of, queued_of, group};
	char *text;

	strcpy(group->gid, "settle.g1.pay.1");
	group->n_branches = 1;
	text = view_record(r, &more);
	ck_assert_str_eq(
		text,
		"{\"gid\":\"g1\",\"status\":\"rolling_back\",\"workflow\":\"trip\",\"version\":3,"
		"\"created\":\"2024-05-17T08:30:00.250000Z\",\"deadline\":"
		"\"2024-05-17T08:30:02.250000Z\",\"steps\":["
		"{\"name\":\"reserve\",\"kind\":\"call\",\"status\":\"undoing\",\"resource\":"
		"\"hotel\",\"operation\":\"reserve\",\"attempts\":2,\"direction\":\"undo\","
		"\"undo\":"
		"{\"resource\":\"hotel\",\"operation\":\"release\"},\"output\":{\"id\":7},"
		"\"reason\":\"no route\",\"agent\":\"agent-h\",\"next_attempt\":"
		"\"2024-05-17T08:30:01.250000Z\"},"
		"{\"name\":\"pay\",\"kind\":\"atomic\",\"status\":\"failed\",\"pivot\":true,"
		"\"attempts\":1,\"direction\":\"do\",\"transaction\":\"settle.g1.pay.1\","
		"\"branches\":[{\"name\":\"debit\",\"resource\":\"bank-a\",\"operation\":\"debit\","
		"\"status\":\"committed\",\"agent\":\"agent-a\",\"output\":[{\"balance\":93}]}]},"
		"{\"name\":\"mail\",\"kind\":\"call\",\"status\":\"not_run\",\"resource\":"
		"\"hotel\",\"operation\":\"reserve\",\"attempts\":0,\"queued\":true}]}");
	free(text);
	group->n_branches = 2; /* for record_free */
	record_free(group);
	record_free(r);
}
END_TEST

START_TEST(saga_is_shown_without_what_only_the_engine_knows)
{
	static const struct view_more nothing = {NULL, NULL, NULL, NULL};
	struct record *r = a_saga();
	char *bare = view_record(r, NULL), *same = view_record(r, &nothing);

	ck_assert_str_eq(bare, same);
	ck_assert_ptr_null(strstr(bare, "transaction"));
	ck_assert_ptr_null(strstr(bare, "next_attempt"));
	free(bare);
	free(same);
	bare = view_row(r);
	ck_assert_str_eq(bare, "{\"gid\":\"g1\",\"status\":\"rolling_back\",\"workflow\":\"trip\","
			       "\"version\":3,\"created\":\"2024-05-17T08:30:00.250000Z\"}");
	free(bare);
	record_free(r);
}
END_TEST

START_TEST(stuck_step_tells_which_way_it_went)
{
	struct record *r = a_saga();
	char *text;

	r->state = TXN_SAGA_UNDO_STUCK;
	r->saga->state = SAGA_UNDO_STUCK;
	r->saga->steps[0].state = STEP_STUCK;
	r->saga->steps[0].undo = true;
	text = view_record(r, NULL);
	ck_assert_ptr_nonnull(strstr(text, "\"status\":\"stuck\",\"resource\":\"hotel\","
					   "\"operation\":\"reserve\",\"attempts\":2,"
					   "\"direction\":\"undo\""));
	ck_assert_ptr_nonnull(strstr(text, "\"gid\":\"g1\",\"status\":\"stuck\""));
	free(text);
	record_free(r);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("view");
	TCase *tc = tcase_create("view");

	tcase_add_test(tc, whole_transaction_reads_as_documented);
	tcase_add_test(tc, row_has_no_input_and_no_branches);
	tcase_add_test(tc, record_without_detail_can_be_shown);
	tcase_add_test(tc, output_is_embedded_as_json_or_else_as_text);
	tcase_add_test(tc, reason_that_is_not_utf8_is_shown);
	tcase_add_test(tc, branches_are_grouped_by_step);
	tcase_add_test(tc, saga_reads_as_documented);
	tcase_add_test(tc, saga_is_shown_without_what_only_the_engine_knows);
	tcase_add_test(tc, stuck_step_tells_which_way_it_went);
	suite_add_tcase(suite, tc);
	return suite_run(suite, NULL, NULL);
}
