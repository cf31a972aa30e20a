/* test_journal_history.c - the lines of a history that are kept, and what is forgotten when. */
#include "base/mem.h"
#include "coordinator/journal_prune.h"
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

/* ---- histories ---- */

struct lines {
	size_t n;
	uint64_t first, last;
	uint64_t gap; /* the line after which one is missing */
};

static void note_line(uint64_t n, uint64_t wall_us, const char *json, void *arg)
{
	struct lines *seen = arg;
	char want[40];

	snprintf(want, sizeof want, "{\"line\":%" PRIu64 "}", n);
	ck_assert_str_eq(json, want);
	ck_assert_uint_eq(wall_us, 1000000 + n);
	if (seen->n++ == 0)
		seen->first = n;
	else if (n != seen->last + 1)
		seen->gap = seen->last;
	seen->last = n;
}

static struct lines lines_of(uint64_t seq, uint64_t after, size_t limit)
{
	struct lines seen = {0};
	struct err err = {0};

	NEED(f.port.events(f.port.self, seq, after, limit, note_line, &seen, &err) == RC_OK, "%s",
	     err.text);
	return seen;
}

START_TEST(history_is_given_in_order_and_in_parts)
{
	struct lines seen;

	jf_put_saga(&f, "s", 1000, SAGA_RUNNING, 1);
	jf_put_saga(&f, "other", 1001, SAGA_RUNNING, 1);
	jf_put_events(&f, 1000, 1, 20);
	jf_put_events(&f, 1001, 1, 3);
	seen = lines_of(1000, 0, 1000);
	ck_assert(seen.n == 20 && seen.first == 1 && seen.last == 20 && seen.gap == 0);
	seen = lines_of(1000, 5, 10);
	ck_assert(seen.n == 10 && seen.first == 6 && seen.last == 15);
	ck_assert_uint_eq(lines_of(1000, 20, 10).n, 0);
	ck_assert_uint_eq(lines_of(1000, UINT64_MAX, SIZE_MAX).n, 0);
	ck_assert_uint_eq(lines_of(999, 0, 10).n, 0);
}
END_TEST

START_TEST(long_history_keeps_its_first_hundred_lines_and_the_newest)
{
	struct record *r;
	struct lines seen;

	jf_put_saga(&f, "s", 1000, SAGA_RUNNING, 1);
	jf_put_events(&f, 1000, 1, EVENTS_KEPT);
	ck_assert_uint_eq(lines_of(1000, 0, 2000).gap, 0);
	jf_put_events(&f, 1000, EVENTS_KEPT + 1, 1700);
	seen = lines_of(1000, 0, 2000);
	ck_assert_uint_eq(seen.n, EVENTS_KEPT);
	ck_assert(seen.first == 1 && seen.gap == EVENTS_FIRST_KEPT && seen.last == 1700);
	seen = lines_of(1000, EVENTS_FIRST_KEPT, 2000);
	ck_assert(seen.first == 801 && seen.last == 1700);
	r = jf_find(&f, "s");
	ck_assert_uint_eq(r->events, 1700);
	record_free(r);
	jf_put_events(&f, 1000, 1701, 1701);
	ck_assert_uint_eq(lines_of(1000, 0, 2000).n, EVENTS_KEPT);
}
END_TEST

/* ---- forgetting ---- */

static void prune(uint64_t before)
{
	f.port.prune(f.port.self, before);
	jf_commit(&f);
}

START_TEST(prune_forgets_steps_and_history_with_the_saga)
{
	struct record *r = jf_saga("old", 10, SAGA_DONE, 2);

	f.port.put(f.port.self, r);
	f.port.put_step(f.port.self, r, 0);
	f.port.put_step(f.port.self, r, 1);
	jf_put_events(&f, 10, 1, 5);
	jf_put_saga(&f, "running", 11, SAGA_RUNNING, 1);
	jf_put_events(&f, 11, 1, 5);
	jf_put_saga(&f, "new", 50, SAGA_DONE, 1);
	jf_put_events(&f, 50, 1, 5);
	prune(50);
	ck_assert(!jf_has(&f, "old") && jf_has(&f, "running") && jf_has(&f, "new"));
	ck_assert_int_eq(jf_count(&f, "SELECT count(*) FROM step"), 0);
	ck_assert_int_eq(jf_count(&f, "SELECT count(*) FROM event WHERE seq = 10"), 0);
	ck_assert_int_eq(jf_count(&f, "SELECT count(*) FROM event"), 10);
	record_free(r);
}
END_TEST

START_TEST(prune_ends_after_many_rows_and_goes_on_next_time)
{
	enum { SAGAS = 30, EACH = 1000 };
	char gid[16];
	int64_t left = SAGAS, before;

	for (uint64_t seq = 1; seq <= SAGAS; seq++) {
		snprintf(gid, sizeof gid, "g%" PRIu64, seq);
		jf_put_saga(&f, gid, seq, SAGA_DONE, 1);
		jf_put_events(&f, seq, 1, EACH);
	}
	for (int calls = 1; left > 0; calls++) {
		before = left;
		prune(1000);
		left = jf_count(&f, "SELECT count(*) FROM txn");
		ck_assert_int_eq(jf_count(&f, "SELECT count(*) FROM event"),
				 left * EACH); /* whole */
		ck_assert_int_lt(left, before);
		ck_assert_int_le((before - left - 1) * EACH, PRUNE_ROWS_MAX);
		ck_assert_int_le(calls, SAGAS);
	}
}
END_TEST

/* What became of a group decides how its saga goes on. */
START_TEST(prune_keeps_the_groups_of_an_unfinished_saga)
{
	struct record *r = jf_saga("s", 10, SAGA_RUNNING, 3);

	f.port.put(f.port.self, r);
	jf_put_group(&f, "settle.s.pay.1", 11, TXN_COMMITTED, 10);
	jf_put_group(&f, "settle.gone.pay.1", 12, TXN_COMMITTED, 9);
	jf_put(&f, "plain", 13, TXN_COMMITTED);
	jf_commit(&f);
	prune(1000);
	ck_assert(jf_has(&f, "s") && jf_has(&f, "settle.s.pay.1"));
	ck_assert(!jf_has(&f, "settle.gone.pay.1") && !jf_has(&f, "plain"));
	r->state = TXN_COMMITTED;
	r->finished_us = 20;
	f.port.end(f.port.self, r);
	jf_commit(&f);
	prune(1000);
	ck_assert(!jf_has(&f, "s") && !jf_has(&f, "settle.s.pay.1"));
	record_free(r);
}
END_TEST

/* What was begun, and not written down when the coordinator died, may leave these. */
START_TEST(prune_finds_histories_without_a_transaction)
{
	enum { STRAYS = PRUNE_STRAYS_MAX + 200 };

	for (uint64_t seq = 1; seq <= STRAYS; seq++)
		f.port.put_event(f.port.self, seq, 1, seq, "{}");
	jf_put_saga(&f, "running", STRAYS + 1, SAGA_RUNNING, 1);
	jf_put_events(&f, STRAYS + 1, 1, 5);
	f.port.put_event(f.port.self, 5000, 1, 5000, "{}");
	jf_commit(&f);
	prune(5000);
	ck_assert_int_eq(jf_count(&f, "SELECT count(*) FROM event WHERE seq < 5000"), 200 + 5);
	prune(5000);
	ck_assert_int_eq(jf_count(&f, "SELECT count(*) FROM event WHERE seq < 5000"), 5);
	ck_assert_int_eq(jf_count(&f, "SELECT count(*) FROM event"), 6);
	prune(5001); /* the walk begins anew */
	ck_assert_int_eq(jf_count(&f, "SELECT count(*) FROM event"), 5);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("journal_history");
	TCase *tc = tcase_create("journal_history");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, history_is_given_in_order_and_in_parts);
	tcase_add_test(tc, long_history_keeps_its_first_hundred_lines_and_the_newest);
	tcase_add_test(tc, prune_forgets_steps_and_history_with_the_saga);
	tcase_add_test(tc, prune_ends_after_many_rows_and_goes_on_next_time);
	tcase_add_test(tc, prune_keeps_the_groups_of_an_unfinished_saga);
	tcase_add_test(tc, prune_finds_histories_without_a_transaction);
	suite_add_tcase(suite, tc);
	return suite_run(suite, NULL, NULL);
}
