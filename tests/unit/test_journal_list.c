/* test_journal_list.c - lists from the journal: order, filters, pages, limits. */
#include "base/mem.h"
#include "coordinator/journal_reader.h"
#include "tests/lib/harness.h"
#include "tests/lib/journal_fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct jf f;

static void setup(void)
{
	jf_init(&f);
	jf_open(&f);
}

static void teardown(void)
{
	jf_fini(&f);
}

static void put(const char *gid, uint64_t seq, enum txn_state state, const char *workflow,
		const char *resource)
{
	struct record *r = jf_record(gid, seq, state, "bank-a", resource, (char *)NULL);

	free(r->workflow);
	r->workflow = mem_dup(workflow);
	f.port.put(f.port.self, r);
	record_free(r);
}

static void put_some(void)
{
	put("a", 10, TXN_COMMITTED, "transfer", "bank-b");
	put("b", 20, TXN_ABORTED, "transfer", "hotel");
	put("c", 30, TXN_COMMITTING, "trip", "hotel");
	put("d", 40, TXN_COMMITTED, "trip", "bank-b");
	put("e", 50, TXN_COMMIT_HAZARD, "transfer", "bank-bb");
	put("f", 60, TXN_ACCEPTED, "transfer", "bank-b");
	put("g", 70, TXN_ABORT_HAZARD, "trip", "hotel");
	put("h", 80, TXN_ONE_PHASE, "transfer", NULL);
	jf_commit(&f);
}

static void note(const struct record *r, void *arg)
{
	strcat(arg, r->gid);
}

/* The gids that the query gives, run together; up to 50 if it says no limit. */
static const char *listed(struct list_query q)
{
	static char gids[100];
	struct err err = {0};

	gids[0] = '\0';
	q.limit = q.limit > 0 ? q.limit : 50;
	NEED(f.port.list(f.port.self, &q, note, gids, &err) == RC_OK, "%s", err.text);
	return gids;
}

#define LIST(...) listed((struct list_query){__VA_ARGS__})

START_TEST(list_is_newest_first)
{
	ck_assert_str_eq(LIST(.status = NULL), "");
	put_some();
	ck_assert_str_eq(LIST(.status = NULL), "hgfedcba");
}
END_TEST

START_TEST(list_filters_by_status)
{
	put_some();
	ck_assert_str_eq(LIST(.status = "committed"), "da");
	ck_assert_str_eq(LIST(.status = "rolled_back"), "b");
	ck_assert_str_eq(LIST(.status = "committing"), "c");
	ck_assert_str_eq(LIST(.status = "running"), "hf");
	ck_assert_str_eq(LIST(.status = "stuck"), "ge");
	ck_assert_str_eq(LIST(.status = "rolling_back"), "");
}
END_TEST

START_TEST(list_refuses_an_unknown_status)
{
	struct err err = {0};
	char gids[100] = "";
	const struct list_query q = {.status = "done", .limit = 50};

	ck_assert_int_eq(f.port.list(f.port.self, &q, note, gids, &err), RC_INVALID);
	ck_assert_ptr_nonnull(strstr(err.text, "done"));
	ck_assert_ptr_nonnull(strstr(err.text, "rolled_back"));
}
END_TEST

START_TEST(list_filters_by_workflow_resource_and_time)
{
	put_some();
	ck_assert_str_eq(LIST(.workflow = "trip"), "gdc");
	ck_assert_str_eq(LIST(.workflow = "tri"), "");
	ck_assert_str_eq(LIST(.resource = "bank-b"), "fda");
	ck_assert_str_eq(LIST(.resource = "bank-a"), "hgfedcba");
	ck_assert_str_eq(LIST(.resource = "pay"), "");
	ck_assert_str_eq(LIST(.since_us = 30, .until_us = 60), "edc");
	ck_assert_str_eq(LIST(.since_us = UINT64_MAX), "");
	ck_assert_str_eq(LIST(.status = "stuck", .workflow = "trip", .resource = "hotel"), "g");
	ck_assert_str_eq(LIST(.status = "running", .since_us = 61), "h");
	ck_assert_str_eq(LIST(.status = "rolled_back", .until_us = 20), "");
}
END_TEST

START_TEST(pages_follow_each_other_and_end)
{
	uint64_t next = 0;

	put_some();
	ck_assert_str_eq(LIST(.limit = 3, .next_seq = &next), "hgf");
	ck_assert_str_eq(LIST(.limit = 3, .before_seq = next, .next_seq = &next), "edc");
	ck_assert_str_eq(LIST(.limit = 2, .before_seq = next, .next_seq = &next), "ba");
	ck_assert_uint_eq(next, 0);
	ck_assert_str_eq(LIST(.limit = 3, .before_seq = 61), "fed");
	ck_assert_str_eq(LIST(.limit = 1, .status = "stuck", .next_seq = &next), "g");
	ck_assert_str_eq(LIST(.limit = 1, .status = "stuck", .before_seq = next, .next_seq = &next),
			 "e");
	ck_assert_uint_eq(next, 0);
}
END_TEST

START_TEST(list_sees_what_is_durable_at_once)
{
	char gid[16];

	for (uint64_t seq = 1; seq <= 50; seq++) {
		snprintf(gid, sizeof gid, "g%" PRIu64, seq);
		jf_put(&f, gid, seq, TXN_COMMITTING);
		jf_commit(&f);
		ck_assert(jf_has(&f, gid));
		ck_assert_str_eq(LIST(.limit = 1), gid);
		ck_assert_str_eq(LIST(.limit = 1, .status = "committing"), gid);
	}
}
END_TEST

/* The loop stands still while a list is searched. */
START_TEST(search_stops_after_many_rows_and_can_be_continued)
{
	enum { ROWS = LIST_ROWS_LOOKED_AT + 10 };
	struct err err = {0};
	uint64_t next = 0;
	char gid[16], gids[100] = "";
	const struct list_query q = {.limit = 50, .workflow = "rare"};

	put("old", 1, TXN_COMMITTED, "rare", "bank-b");
	for (uint64_t seq = 2; seq <= ROWS; seq++) {
		snprintf(gid, sizeof gid, "g%" PRIu64, seq);
		jf_put(&f, gid, seq, TXN_COMMITTED);
	}
	jf_commit(&f);
	ck_assert_int_eq(f.port.list(f.port.self, &q, note, gids, &err), RC_FULL);
	ck_assert_ptr_nonnull(strstr(err.text, "since"));
	ck_assert_str_eq(LIST(.workflow = "rare", .next_seq = &next), "");
	ck_assert_uint_eq(next, ROWS - LIST_ROWS_LOOKED_AT + 1);
	ck_assert_str_eq(LIST(.workflow = "rare", .before_seq = next, .next_seq = &next), "old");
	ck_assert_uint_eq(next, 0);
	/* A page that is full before that needs no more looking. */
	ck_assert_str_eq(LIST(.limit = 1, .workflow = "transfer"), "g50010");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("journal_list");
	TCase *tc = tcase_create("journal_list");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, list_is_newest_first);
	tcase_add_test(tc, list_filters_by_status);
	tcase_add_test(tc, list_refuses_an_unknown_status);
	tcase_add_test(tc, list_filters_by_workflow_resource_and_time);
	tcase_add_test(tc, pages_follow_each_other_and_end);
	tcase_add_test(tc, list_sees_what_is_durable_at_once);
	tcase_add_test(tc, search_stops_after_many_rows_and_can_be_continued);
	suite_add_tcase(suite, tc);
	return suite_run(suite, NULL, NULL);
}
