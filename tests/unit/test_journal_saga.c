/* test_journal_saga.c - sagas in the journal: steps, groups, lists and replay. */
#include "base/mem.h"
#include "tests/lib/harness.h"
#include "tests/lib/journal_fixture.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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

static void put_step(struct jf *on, const struct record *r, size_t n)
{
	on->port.put_step(on->port.self, r, n);
}

/* Puts step n of `r` in a new state. */
static void step_is(struct record *r, size_t n, enum step_state state)
{
	r->saga->steps[n].state = state;
	put_step(&f, r, n);
}

static void step_found(const char *gid, size_t n, enum step_state state)
{
	struct record *r = jf_find(&f, gid);

	ck_assert_int_eq(r->saga->steps[n].state, state);
	record_free(r);
}

/* ---- steps ---- */

START_TEST(saga_is_found_with_its_steps)
{
	struct record *r = jf_saga("s", 1000, SAGA_RUNNING, 3), *c;
	struct saga_step *step = &r->saga->steps[1];

	r->definition = mem_dup("workflow: trip");
	r->deadline_us = 77;
	f.port.put(f.port.self, r);
	step->state = STEP_DOING;
	step->attempts = 3;
	step->args = mem_dup("{\"id\":1}");
	step->agent = mem_dup("agent-a");
	put_step(&f, r, 1);
	step->attempts = 99; /* what was put is a copy */
	jf_commit(&f);
	c = jf_find(&f, "s");
	ck_assert_int_eq(c->state, TXN_SAGA_RUNNING);
	ck_assert_int_eq(c->saga->state, SAGA_RUNNING);
	ck_assert_ptr_null(c->saga->def);
	ck_assert_uint_eq(c->saga->n_steps, 3);
	ck_assert_str_eq(c->definition, "workflow: trip");
	ck_assert_uint_eq(c->deadline_us, 77);
	ck_assert_int_eq(c->saga->steps[0].state, STEP_WAITING); /* its row was never put */
	ck_assert_int_eq(c->saga->steps[1].state, STEP_DOING);
	ck_assert_uint_eq(c->saga->steps[1].attempts, 3);
	ck_assert_str_eq(c->saga->steps[1].args, "{\"id\":1}");
	ck_assert_str_eq(c->saga->steps[1].resource, "hotel-1");
	ck_assert_str_eq(c->saga->steps[2].undo_operation, "release");
	record_free(c);
	record_free(r);
}
END_TEST

START_TEST(row_of_a_saga_and_rows_of_its_steps_leave_each_other_alone)
{
	struct record *r = jf_saga("s", 1000, SAGA_RUNNING, 2), *c;

	f.port.put(f.port.self, r);
	step_is(r, 0, STEP_DOING);
	jf_commit(&f);
	r->saga->steps[0].state = STEP_DONE; /* not put */
	r->saga->state = SAGA_UNDOING;
	r->state = TXN_SAGA_UNDOING;
	r->saga->stop = true;
	r->reason = mem_dup("cancelled");
	f.port.put(f.port.self, r);
	jf_commit(&f);
	c = jf_find(&f, "s");
	ck_assert_int_eq(c->saga->state, SAGA_UNDOING);
	ck_assert(c->saga->stop);
	ck_assert_str_eq(c->reason, "cancelled");
	ck_assert_int_eq(c->saga->steps[0].state, STEP_DOING);
	record_free(c);
	step_is(r, 0, STEP_UNDOING);
	step_is(r, 0, STEP_UNDONE);
	r->saga->state = SAGA_UNDONE;
	r->state = TXN_ABORTED;
	r->finished_us = 5000;
	f.port.end(f.port.self, r);
	jf_commit(&f);
	c = jf_find(&f, "s");
	ck_assert_int_eq(c->state, TXN_ABORTED);
	ck_assert_int_eq(c->saga->state, SAGA_UNDONE);
	ck_assert_uint_eq(c->finished_us, 5000);
	ck_assert_int_eq(c->saga->steps[0].state, STEP_UNDONE);
	record_free(c);
	record_free(r);
}
END_TEST

static void begin_a_step_and_die(struct jf *mine, void *arg)
{
	struct record *r = jf_saga("s", 1000, SAGA_RUNNING, 2);

	(void)arg;
	jf_open(mine);
	mine->port.put(mine->port.self, r);
	r->saga->steps[0].state = STEP_DOING;
	put_step(mine, r, 0);
	mine->port.put_event(mine->port.self, 1000, 1, 1001, "{}");
	jf_commit(mine);
	r->saga->steps[0].state = STEP_DONE;
	put_step(mine, r, 0);
	mine->port.put_event(mine->port.self, 1000, 2, 1002, "{}");
	kill(getpid(), SIGKILL);
}

START_TEST(intent_survives_kill)
{
	struct record *r;
	int status;

	jf_close(&f);
	status = jf_fork(&f, begin_a_step_and_die, NULL, NULL);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	jf_open(&f);
	r = jf_find(&f, "s");
	ck_assert_int_eq(r->saga->steps[0].state, STEP_DOING);
	ck_assert_uint_eq(r->events, 1);
	record_free(r);
}
END_TEST

START_TEST(saga_of_a_thousand_steps_survives)
{
	struct record *r = jf_saga("s", 1000, SAGA_FINISHING, RECORD_STEPS_MAX);

	f.port.put(f.port.self, r);
	for (size_t i = 0; i < RECORD_STEPS_MAX; i++)
		step_is(r, i, i % 2 == 0 ? STEP_DONE : STEP_PENDING);
	jf_commit(&f);
	step_found("s", 998, STEP_DONE);
	step_found("s", 999, STEP_PENDING);
	record_free(r);
}
END_TEST

/* ---- groups, and lists ---- */

static void note(const struct record *r, void *arg)
{
	ck_assert_ptr_null(r->saga);
	strcat(strcat(arg, r->gid), " ");
}

static const char *listed(struct list_query q)
{
	static char gids[200];
	struct err err = {0};

	gids[0] = '\0';
	q.limit = 50;
	NEED(f.port.list(f.port.self, &q, note, gids, &err) == RC_OK, "%s", err.text);
	return gids;
}

#define LIST(...) listed((struct list_query){__VA_ARGS__})

START_TEST(list_hides_the_groups_of_sagas)
{
	struct record *r;

	jf_put_saga(&f, "s", 1000, SAGA_RUNNING, 3);
	jf_put_group(&f, "settle.s.pay.1", 1001, TXN_COMMITTING, 1000);
	jf_put(&f, "plain", 1002, TXN_COMMITTING);
	jf_commit(&f);
	ck_assert_str_eq(LIST(.status = NULL), "plain s ");
	ck_assert_str_eq(LIST(.status = "committing"), "plain ");
	ck_assert_str_eq(LIST(.resource = "bank-b"), "");
	ck_assert_str_eq(LIST(.groups = true), "plain settle.s.pay.1 s ");
	ck_assert_str_eq(LIST(.groups = true, .resource = "bank-b"), "settle.s.pay.1 ");
	r = jf_find(&f, "settle.s.pay.1");
	ck_assert_uint_eq(r->parent_seq, 1000);
	ck_assert_str_eq(r->parent, "s");
	ck_assert_uint_eq(r->parent_step, 2);
	record_free(r);
}
END_TEST

START_TEST(list_finds_sagas_by_status_and_resource)
{
	jf_put_saga(&f, "running", 1, SAGA_RUNNING, 1);
	jf_put_saga(&f, "finishing", 2, SAGA_FINISHING, 2);
	jf_put_saga(&f, "undoing", 3, SAGA_UNDOING, 3);
	jf_put_saga(&f, "stuck1", 4, SAGA_RUN_STUCK, 1);
	jf_put_saga(&f, "stuck2", 5, SAGA_FINISH_STUCK, 1);
	jf_put_saga(&f, "stuck3", 6, SAGA_UNDO_STUCK, 1);
	jf_put_saga(&f, "done", 7, SAGA_DONE, 1);
	jf_put_saga(&f, "undone", 8, SAGA_UNDONE, 1);
	jf_put(&f, "hazard1", 9, TXN_COMMIT_HAZARD);
	jf_put(&f, "hazard2", 10, TXN_ABORT_HAZARD);
	jf_commit(&f);
	ck_assert_str_eq(LIST(.status = "running"), "running ");
	ck_assert_str_eq(LIST(.status = "committing"), "finishing ");
	ck_assert_str_eq(LIST(.status = "rolling_back"), "undoing ");
	ck_assert_str_eq(LIST(.status = "stuck"), "hazard2 hazard1 stuck3 stuck2 stuck1 ");
	ck_assert_str_eq(LIST(.status = "committed"), "done ");
	ck_assert_str_eq(LIST(.status = "rolled_back"), "undone ");
	ck_assert_str_eq(LIST(.resource = "hotel-1"), "undoing finishing ");
	ck_assert_str_eq(LIST(.resource = "undo-2"), "undoing ");
	ck_assert_str_eq(LIST(.resource = "hotel"), "");
	ck_assert_str_eq(LIST(.workflow = "trip", .status = "stuck"), "stuck3 stuck2 stuck1 ");
}
END_TEST

/* ---- replay ---- */

struct replayed {
	char gids[200];
	enum step_state second; /* the state of the last saga's second step */
	uint64_t events;
};

static void no_workflow(const struct workflow_row *row, void *arg)
{
	(void)row;
	(void)arg;
}

static void no_resource(const struct resource_info *info, void *arg)
{
	(void)info;
	(void)arg;
}

static void note_record(struct record *r, void *arg)
{
	struct replayed *seen = arg;

	strcat(strcat(seen->gids, r->gid), " ");
	if (r->saga != NULL) {
		seen->second = r->saga->steps[1].state;
		seen->events = r->events;
	}
	record_free(r);
}

START_TEST(replay_gives_unfinished_sagas_with_their_steps_and_groups)
{
	struct record *r = jf_saga("s", 30, SAGA_UNDO_STUCK, 2);
	struct replayed seen = {0};
	struct err err;

	f.port.put(f.port.self, r);
	step_is(r, 1, STEP_STUCK);
	jf_put_events(&f, 30, 1, 7);
	jf_put_saga(&f, "done", 20, SAGA_DONE, 2);
	jf_put_group(&f, "settle.s.pay.1", 31, TXN_COMMITTING, 30);
	jf_put_group(&f, "settle.s.pay.0", 29, TXN_ABORTED, 30);
	jf_commit(&f);
	jf_close(&f);
	jf_open_only(&f);
	ck_assert_int_eq(journal_replay(f.j, no_workflow, no_resource, note_record, &seen, &err),
			 RC_OK);
	ck_assert_str_eq(seen.gids, "s settle.s.pay.1 ");
	ck_assert_int_eq(seen.second, STEP_STUCK);
	ck_assert_uint_eq(seen.events, 7);
	record_free(r);
}
END_TEST

START_TEST(damaged_steps_are_refused_at_replay_and_when_looked_for)
{
	static const char *const damage[] = {
		"INSERT OR REPLACE INTO step(key, detail) VALUES(30 * 1024, x'ff')",
		"INSERT OR REPLACE INTO step(key, detail) VALUES(30 * 1024, x'0863')", /* state 99
											*/
		"DELETE FROM step; INSERT INTO step(key, detail) VALUES(30 * 1024 + 2, x'0801')",
		"DELETE FROM step; INSERT INTO step(key, detail) VALUES(30 * 1024 + 1023, x'0801')",
		"UPDATE txn SET state = 4",
	};
	struct record *r = jf_saga("s", 30, SAGA_RUNNING, 2), *c;
	struct replayed seen = {0};
	struct err err = {0};

	f.port.put(f.port.self, r);
	step_is(r, 1, STEP_DOING);
	jf_commit(&f);
	for (size_t i = 0; i < sizeof damage / sizeof damage[0]; i++) {
		jf_close(&f);
		jf_sql(&f, damage[i]);
		jf_open_only(&f);
		ck_assert_int_eq(
			journal_replay(f.j, no_workflow, no_resource, note_record, &seen, &err),
			RC_INVALID);
		ck_assert_ptr_nonnull(strstr(err.text, "damaged"));
		ck_assert_ptr_nonnull(strstr(err.text, "docs/journal.md"));
		ck_assert_int_eq(f.port.find(f.port.self, "s", &c, &err), RC_INVALID);
		ck_assert_ptr_null(c);
	}
	record_free(r);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("journal_saga");
	TCase *tc = tcase_create("journal_saga");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, saga_is_found_with_its_steps);
	tcase_add_test(tc, row_of_a_saga_and_rows_of_its_steps_leave_each_other_alone);
	tcase_add_test(tc, intent_survives_kill);
	tcase_add_test(tc, saga_of_a_thousand_steps_survives);
	tcase_add_test(tc, list_hides_the_groups_of_sagas);
	tcase_add_test(tc, list_finds_sagas_by_status_and_resource);
	tcase_add_test(tc, replay_gives_unfinished_sagas_with_their_steps_and_groups);
	tcase_add_test(tc, damaged_steps_are_refused_at_replay_and_when_looked_for);
	suite_add_tcase(suite, tc);
	return suite_run(suite, NULL, NULL);
}
