/* The ledger: its moves, and what is left of them after every kind of end. */
#include "tests/lib/ledger_desk.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MANY = 2000 };

static char *path;

static void set_up(void)
{
	static int n;

	path = temp_path("ledger-%d-%d.db", (int)getpid(), n++);
	desk_open(path);
}

static void tear_down(void)
{
	desk_close(&desk);
	free(path);
}

/* ---- moves ---- */

START_TEST(branch_lives_from_try_to_committed)
{
	IS(desk_try("g"), "ok trying");
	IS(desk_list(), "7/g/s.b trying");
	IS(desk_prepared("g"), "ok prepared");
	IS(desk_list(), "7/g/s.b prepared");
	IS(desk_commit("g"), "ok committing");
	ck_assert_str_eq(desk.operation, "reserve");
	ck_assert_str_eq(desk.args, "{\"n\":1}");
	ck_assert_str_eq(desk.output, "{\"r\":2}");
	IS(desk_commit("g"), "ok committing"); /* again, after an answer that was lost */
	IS(desk_list(), "7/g/s.b committing");
	IS(desk_end("g", LEDGER_COMMITTED), "ok committed");
	IS(desk_list(), "");
	IS(desk_commit("g"), "conflict committed");
	IS(desk_rollback("g"), "conflict committed");
	IS(desk_try("g"), "conflict committed");
}
END_TEST

START_TEST(branch_rolls_back_from_trying_and_from_prepared)
{
	desk_try("a");
	IS(desk_rollback("a"), "ok rolling-back");
	ck_assert_str_eq(desk.operation, "reserve");
	ck_assert_str_eq(desk.args, "{\"n\":1}");
	IS(desk_rollback("a"), "ok rolling-back");
	IS(desk_list(), "7/a/s.b rolling-back");
	IS(desk_end("a", LEDGER_ROLLED_BACK), "ok rolled-back");
	IS(desk_rollback("a"), "conflict rolled-back");
	desk_try("b");
	desk_prepared("b");
	IS(desk_rollback("b"), "ok rolling-back");
	IS(desk_commit("b"), "conflict rolling-back");
	IS(desk_end("b", LEDGER_COMMITTED), "conflict rolling-back");
	IS(desk_end("b", LEDGER_ROLLED_BACK), "ok rolled-back");
	IS(desk_list(), "");
}
END_TEST

START_TEST(refused_try_is_over)
{
	desk_try("g");
	IS(desk_end("g", LEDGER_ROLLED_BACK), "ok rolled-back");
	IS(desk_prepared("g"), "conflict rolled-back");
	IS(desk_commit("g"), "conflict rolled-back");
	IS(desk_list(), "");
}
END_TEST

START_TEST(moves_that_the_diagram_does_not_have_change_nothing)
{
	IS(desk_try("g"), "ok trying");
	IS(desk_try("g"), "conflict trying");
	IS(desk_commit("g"), "conflict trying");
	IS(desk_end("g", LEDGER_COMMITTED), "conflict trying");
	IS(desk_prepared("g"), "ok prepared");
	IS(desk_prepared("g"), "conflict prepared");
	IS(desk_try("g"), "conflict prepared");
	IS(desk_end("g", LEDGER_ROLLED_BACK), "conflict prepared");
	IS(desk_end("g", LEDGER_COMMITTED), "conflict prepared");
	desk_commit("g");
	IS(desk_rollback("g"), "conflict committing");
	IS(desk_list(), "7/g/s.b committing");
}
END_TEST

START_TEST(unknown_branch_is_not_found)
{
	IS(desk_commit("g"), "not-found none");
	IS(desk_prepared("g"), "not-found none");
	IS(desk_end("g", LEDGER_COMMITTED), "not-found none");
	IS(desk_try("g"), "ok trying"); /* none of these has left anything */
}
END_TEST

START_TEST(rollback_of_an_unknown_branch_stops_a_try_that_comes_late)
{
	IS(desk_rollback("g"), "not-found none");
	IS(desk_try("g"), "conflict rolled-back");
	desk_reopen();
	IS(desk_try("g"), "conflict rolled-back");
	IS(desk_list(), "");
}
END_TEST

START_TEST(branches_differ_by_epoch)
{
	const struct branch_id id = {"seats", "g", UINT64_MAX, "s.b"};

	desk_try("g");
	desk_rollback("g");
	desk_end("g", LEDGER_ROLLED_BACK);
	IS(desk_try_id(&id), "ok trying");
	IS(desk_list(), "18446744073709551615/g/s.b trying");
}
END_TEST

/* ---- ends ---- */

START_TEST(branches_survive_a_restart)
{
	desk_try("a");
	desk_prepared("a");
	desk_try("b");
	desk_reopen();
	desk_list();
	ck_assert_uint_eq(desk.n_list, 2);
	IS(desk_commit("a"), "ok committing");
	ck_assert_str_eq(desk.args, "{\"n\":1}");
	ck_assert_str_eq(desk.output, "{\"r\":2}");
	IS(desk_rollback("b"), "ok rolling-back");
}
END_TEST

START_TEST(branches_survive_the_death_of_the_process)
{
	char *other = temp_path("killed-%d.db", (int)getpid());
	pid_t child;
	int status;

	desk_close(&desk); /* no thread may hold a lock while we fork */
	child = fork();
	if (child == 0) {
		desk_open(other);
		desk_try("a");
		desk_prepared("a");
		desk_try("b");
		kill(getpid(), SIGKILL);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	desk_open(other);
	desk_list();
	ck_assert_uint_eq(desk.n_list, 2);
	IS(desk_commit("a"), "ok committing");
	IS(desk_prepared("b"), "ok prepared");
	free(other);
}
END_TEST

static int many_done;

static void on_many(enum rc rc, const struct ledger_row *row, const char *problem, void *arg)
{
	const int *expected = arg;

	NEED(rc == RC_OK, "%s", problem);
	NEED(*expected == many_done, "out of order: %d, not %d", many_done, *expected);
	NEED(row->phase == LEDGER_TRYING, "phase");
	many_done++;
}

START_TEST(many_moves_share_syncs_and_keep_their_order)
{
	static int numbers[MANY];

	many_done = 0;
	for (int i = 0; i < MANY; i++) {
		char gid[32];
		struct branch_id id;

		numbers[i] = i;
		snprintf(gid, sizeof gid, "g%d", i);
		id = desk_id(gid);
		ledger_try(desk.ledger, &id, "reserve", desk_text("{}"), on_many, &numbers[i]);
	}
	RUN_UNTIL(&desk, 20, many_done == MANY);
	desk_list();
	ck_assert_uint_eq(desk.n_list, MANY);
}
END_TEST

START_TEST(close_ends_what_is_queued)
{
	static int numbers[100];
	struct branch_id id;

	many_done = 0;
	for (int i = 0; i < 100; i++) {
		char gid[32];

		numbers[i] = i;
		snprintf(gid, sizeof gid, "g%d", i);
		id = desk_id(gid);
		ledger_try(desk.ledger, &id, "reserve", desk_text("{}"), on_many, &numbers[i]);
	}
	desk_reopen();
	ck_assert_int_eq(many_done, 100);
	desk_list();
	ck_assert_uint_eq(desk.n_list, 100);
}
END_TEST

START_TEST(old_tombstones_are_deleted_and_nothing_else)
{
	char *file = textf("%s", path);

	desk_rollback("old");
	desk_try("live");
	desk_close(&desk);
	desk_alter(file, "UPDATE branch SET changed_ms = 1");
	desk_open(file);
	desk_rollback("new");
	/* The first look for old ones comes right after the opening. */
	RUN_UNTIL(&desk, 10, strcmp(desk_try("old"), "ok trying") == 0);
	IS(desk_try("new"), "conflict rolled-back");
	IS(desk_try("live"), "conflict trying");
	free(file);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ledger");
	TCase *moves = tcase_create("moves"), *ends = tcase_create("ends");

	tcase_set_timeout(moves, 120);
	tcase_add_checked_fixture(moves, set_up, tear_down);
	tcase_add_test(moves, branch_lives_from_try_to_committed);
	tcase_add_test(moves, branch_rolls_back_from_trying_and_from_prepared);
	tcase_add_test(moves, refused_try_is_over);
	tcase_add_test(moves, moves_that_the_diagram_does_not_have_change_nothing);
	tcase_add_test(moves, unknown_branch_is_not_found);
	tcase_add_test(moves, rollback_of_an_unknown_branch_stops_a_try_that_comes_late);
	tcase_add_test(moves, branches_differ_by_epoch);
	suite_add_tcase(suite, moves);
	tcase_set_timeout(ends, 120);
	tcase_add_checked_fixture(ends, set_up, tear_down);
	tcase_add_test(ends, branches_survive_a_restart);
	tcase_add_test(ends, branches_survive_the_death_of_the_process);
	tcase_add_test(ends, many_moves_share_syncs_and_keep_their_order);
	tcase_add_test(ends, close_ends_what_is_queued);
	tcase_add_test(ends, old_tombstones_are_deleted_and_nothing_else);
	suite_add_tcase(suite, ends);
	return suite_run(suite, NULL, NULL);
}
