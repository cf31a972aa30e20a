/* The plugin adapter: what a plugin's answers mean, and functions that do not return. */
#include "adapters/plugin_config.h"
#include "tests/lib/plugin_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char names[] = "show refuse mute retry pending gone odd bad_json full flood block "
			    "deaf done";
static char *dir, *library;
static struct pr *rig;

static void open_with(const char *more)
{
	char *text = pr_text(library, dir, names, more);

	rig = pr_open(text);
	free(text);
}

static void set_up(void)
{
	dir = pr_dir();
	library = pr_library("tame");
	open_with("grace: 30s\n");
}

static void tear_down(void)
{
	if (rig != NULL)
		pr_close(rig);
	free(library);
	free(dir);
}

static void reopen(const char *more)
{
	pr_close(rig);
	open_with(more);
}

static void touch(const char *name, const char *text)
{
	char *path = textf("%s/%s", dir, name);

	file_write(path, text);
	free(path);
}

static void take_away(const char *name)
{
	char *path = textf("%s/%s", dir, name);

	unlink(path);
	free(path);
}

/* How often the plugin has left that mark. */
static size_t marks(const char *name)
{
	char *path = textf("%s/%s", dir, name), *text = file_read(path);
	size_t n = 0;

	for (const char *at = text; at != NULL && *at != '\0'; at++)
		n += *at == '\n';
	free(text);
	free(path);
	return n;
}

/* ---- answers ---- */

START_TEST(each_answer_of_a_call_means_what_the_header_says)
{
	struct pr_call *c =
		pr_do_in(rig, "g", false, "show", "{\"a\": 12345678901234567890}", 9000);

	PR_IS(c, "done");
	PR_PUTS(c, "{\"key\":\"g/s/do\",\"gid\":\"g\",\"step\":\"s\",\"operation\":\"show\","
		   "\"attempt\":1,\"undo\":0,\"timely\":1,\"args\":{\"a\": 12345678901234567890}}");
	PR_IS(c = pr_undo(rig, "g", "show"), "done");
	PR_PUTS(c, "{\"key\":\"g/s/undo\",\"gid\":\"g\",\"step\":\"s\",\"operation\":\"show\","
		   "\"attempt\":1,\"undo\":1,\"timely\":1,\"args\":{}}");
	PR_IS(c = pr_do(rig, "g", "refuse"), "refused");
	ck_assert_str_eq(c->reason, "sold out"); /* one line */
	ck_assert_ptr_null(c->output);
	PR_IS(c = pr_do(rig, "g", "mute"), "refused");
	PR_SAYS(c, "the plugin's call says refused");
	PR_IS(c = pr_do(rig, "g", "retry"), "retry");
	ck_assert_uint_eq(c->retry_after_ms, 1500);
	PR_IS(pr_do(rig, "g", "pending"), "pending");
	PR_IS(pr_do(rig, "g", "gone"), "unknown");
	PR_IS(pr_undo(rig, "g", "gone"), "done");
	PR_IS(c = pr_do(rig, "g", "odd"), "unknown");
	PR_SAYS(c, "no result");
	PR_IS(c = pr_do(rig, "g", "none"), "refused");
	PR_SAYS(c, "resource box has no operation none");
	PR_IS(c = pr_do_in(rig, "g", false, "done", "[1]", 9000), "refused");
	PR_SAYS(c, "not a valid JSON object");
	PR_IS(c = pr_do_in(rig, "g", false, "show", "", 9000), "done");
}
END_TEST

START_TEST(output_that_is_no_json_or_too_big_is_never_passed_on)
{
	struct pr_call *c = pr_do(rig, "g", "full");

	PR_IS(c, "done");
	ck_assert_uint_eq(strlen(c->output), PAYLOAD_MAX);
	PR_IS(c = pr_do(rig, "g", "bad_json"), "unknown");
	PR_SAYS(c, "says done, but its output is not one valid JSON value");
	ck_assert_ptr_null(c->output);
	PR_IS(c = pr_do(rig, "g", "flood"), "unknown");
	PR_SAYS(c, "more than 1 MiB");
	PR_IS(pr_prepare(rig, "h", "bad_json"), "unknown");
	PR_IS(pr_rollback(rig, "h"), "rolled_back");
}
END_TEST

START_TEST(group_is_prepared_listed_and_ended)
{
	struct pr_call *c = pr_prepare_in(rig, "g", "show", "{\"n\": 1}", 9000, false);

	PR_IS(c, "prepared");
	ck_assert(strstr(c->output, "\"key\":\"settle:test:7:g:s.b\"") != NULL);
	PR_IS(pr_prepare(rig, "h", "done"), "prepared");
	PR_IS(c = pr_prepare(rig, "i", "refuse"), "refused");
	PR_IS(c = pr_prepare(rig, "i", "retry"), "retry");
	PR_SAYS(c, "closed");
	PR_IS(pr_prepare(rig, "i", "pending"), "unknown");
	touch("foreign", "");
	c = pr_list(rig);
	ck_assert_int_eq(c->rc, RC_OK);
	ck_assert_uint_eq(c->n, 2);
	ck_assert_str_eq(c->first, "7 box g s.b");
	touch("no_commit", "");
	PR_IS(c = pr_commit(rig, "g", false), "unknown"); /* there is no way to say no */
	PR_SAYS(c, "not today");
	take_away("no_commit");
	PR_IS(pr_commit(rig, "g", true), "committed");
	PR_IS(pr_commit(rig, "g", true), "committed");
	PR_IS(c = pr_commit(rig, "g", false), "hazard");
	PR_SAYS(c, "gone before its first commit");
	PR_IS(pr_rollback(rig, "h"), "rolled_back");
	PR_IS(pr_rollback(rig, "h"), "rolled_back");
	ck_assert_uint_eq(pr_list(rig)->n, 0);
}
END_TEST

START_TEST(list_that_cannot_be_trusted_is_no_list)
{
	PR_IS(pr_prepare(rig, "g", "done"), "prepared");
	touch("bad_list", "");
	ck_assert_int_ne(pr_list(rig)->rc, RC_OK);
	take_away("bad_list");
	touch("no_list", "");
	ck_assert_int_ne(pr_list(rig)->rc, RC_OK);
	take_away("no_list");
	ck_assert_int_eq(pr_list(rig)->rc, RC_OK);
	PR_IS(pr_rollback(rig, "g"), "rolled_back");
}
END_TEST

START_TEST(read_only_operation_leaves_nothing_prepared)
{
	struct pr_call *c;

	PR_IS(c = pr_prepare_in(rig, "g", "done", "{}", 9000, true), "refused");
	PR_SAYS(c, "not declared read_only");
	pr_close(rig);
	char *text = textf("adapter: plugin\nlibrary: %s\nsettings: {dir: %s}\n"
			   "operations: {done: {read_only: true, args: [a, b]}}\n",
			   library, dir);
	rig = pr_open(text);
	free(text);
	PR_IS(pr_prepare_in(rig, "g", "done", "{}", 9000, true), "read_only");
	ck_assert_uint_eq(pr_list(rig)->n, 0);
}
END_TEST

/* ---- functions that do not return ---- */

START_TEST(polite_function_ends_when_it_is_cancelled_or_late)
{
	struct pr_call *c = pr_prepare(rig, "g", "block");

	PR_UNTIL(rig, 20, marks("began") == 1);
	pr_cancel(rig, "g");
	PR_IS(c, "unknown");
	PR_SAYS(c, "cancelled");
	c = pr_do(rig, "g", "block");
	PR_UNTIL(rig, 20, marks("began") == 2);
	pr_cancel_call(rig, "g", true); /* that one is not under way */
	pr_cancel_call(rig, "g", false);
	PR_IS(c, "unknown");
	PR_IS(c = pr_do_in(rig, "g", false, "block", "{}", 20), "unknown");
	PR_SAYS(c, "cancelled");
}
END_TEST

START_TEST(function_that_does_not_return_is_given_up_and_its_step_waits_for_it)
{
	struct pr_call *c;

	reopen("threads: 4\ngrace: 50ms\n");
	c = pr_do_in(rig, "g", false, "deaf", "{}", 20);
	PR_IS(c, "unknown");
	PR_SAYS(c, "has not returned after");
	ck_assert_ptr_null(c->output);
	PR_IS(c = pr_undo(rig, "g", "done"), "unknown"); /* the action may still act */
	PR_SAYS(c, "an earlier call of it has been given up and still has not returned");
	PR_IS(pr_do(rig, "h", "done"), "done"); /* nobody else waits */
	ck_assert(rig->ready);
	touch("release", "");
	while (strcmp(pr_word(c = pr_undo(rig, "g", "done")), "done") != 0)
		ck_assert_msg(clock_ms() > 0 && strstr(c->reason, "given up") != NULL, "%s",
			      c->reason);
}
END_TEST

START_TEST(resource_without_any_thread_left_says_so_and_serves_when_one_returns)
{
	struct pr_call *c[4], *d;

	reopen("threads: 2\ngrace: 50ms\nqueue: 10\n");
	c[0] = pr_do_in(rig, "a", false, "deaf", "{}", 20);
	c[1] = pr_do_in(rig, "b", false, "deaf", "{}", 60000); /* one thread is kept for ends */
	PR_IS(c[0], "unknown");
	PR_UNTIL(rig, 20, marks("began") == 2); /* but not if it is the only one */
	c[2] = pr_do(rig, "c", "done");
	c[3] = pr_commit(rig, "d", true);
	pr_cancel_call(rig, "b", false);
	ck_assert(rig->ready);
	pr_close(rig);
	/* Those that were asked for in time have all been answered; again, with short ones. */
	open_with("threads: 1\ngrace: 50ms\nqueue: 10\n");
	d = pr_do_in(rig, "a", false, "deaf", "{}", 2000);
	PR_UNTIL(rig, 20, marks("began") == 3);
	c[0] = pr_prepare(rig, "b", "done");
	c[1] = pr_do(rig, "c", "done");
	c[2] = pr_rollback(rig, "d");
	PR_IS(d, "unknown");
	PR_IS(c[0], "retry");
	PR_SAYS(c[0], "every thread is in a function of the plugin that does not return");
	PR_IS(c[1], "retry");
	PR_IS(c[2], "unknown");
	PR_UNTIL(rig, 20, !rig->ready);
	ck_assert(strstr(rig->problem, "all 1 threads") != NULL);
	touch("release", "");
	PR_UNTIL(rig, 20, rig->ready);
	PR_IS(pr_do(rig, "a", "done"), "done");
}
END_TEST

START_TEST(full_queue_sends_back_and_waiting_ends_at_the_deadline)
{
	struct pr_call *held, *late, *in[2], *out;

	reopen("threads: 1\nqueue: 3\n");
	held = pr_do(rig, "a", "deaf");
	PR_UNTIL(rig, 20, marks("began") == 1);
	late = pr_prepare_in(rig, "b", "done", "{}", 20, false);
	in[0] = pr_do(rig, "c", "done");
	in[1] = pr_commit(rig, "d", true);
	out = pr_do(rig, "e", "done");
	PR_IS(out, "retry");
	PR_SAYS(out, "resource box is busy: 3 calls wait already");
	ck_assert_uint_gt(out->retry_after_ms, 0);
	PR_IS(late, "retry");
	PR_SAYS(late, "busy until the deadline");
	ck_assert_int_eq(held->answers + in[0]->answers + in[1]->answers, 0);
	touch("release", "");
	PR_IS(held, "done");
	PR_IS(in[0], "done");
	PR_IS(in[1], "committed");
}
END_TEST

START_TEST(work_never_takes_the_thread_that_ends_others)
{
	struct pr_call *work[3];

	PR_IS(pr_prepare(rig, "p", "done"), "prepared");
	reopen("threads: 4\n");
	for (int i = 0; i < 3; i++) {
		char gid[16];

		snprintf(gid, sizeof gid, "w%d", i);
		work[i] = pr_do(rig, gid, "deaf");
	}
	PR_UNTIL(rig, 20, marks("began") == 3);
	struct pr_call *fourth = pr_do(rig, "w3", "done");
	PR_IS(pr_rollback(rig, "p"), "rolled_back");
	PR_IS(pr_undo(rig, "u", "done"), "done");
	ck_assert_int_eq(fourth->answers, 0);
	touch("release", "");
	PR_IS(fourth, "done");
	for (int i = 0; i < 3; i++)
		PR_IS(work[i], "done");
}
END_TEST

/* ---- check, close ---- */

START_TEST(check_decides_whether_it_serves)
{
	pr_close(rig);
	touch("problem", "the till is locked\n");
	char *text = pr_text(library, dir, names, "check: 10ms\n");
	struct err err = {0};
	rig = pr_try(text, NULL, &err);
	free(text);
	ck_assert_msg(rig != NULL, "%s", err.text);
	PR_UNTIL(rig, 20, rig->told && strstr(rig->problem, "till") != NULL);
	ck_assert_str_eq(rig->problem, "the till is locked ");
	take_away("problem");
	PR_UNTIL(rig, 20, rig->ready);
	touch("problem", "");
	PR_UNTIL(rig, 20, !rig->ready);
	ck_assert_str_eq(rig->problem, "the plugin does not say why");
	take_away("problem");
	PR_UNTIL(rig, 20, rig->ready);
}
END_TEST

START_TEST(check_that_hangs_is_a_problem_and_takes_one_thread_only)
{
	pr_close(rig);
	open_with("check: 10ms\ntimeout: 2s\ngrace: 50ms\nthreads: 2\n");
	touch("hang_check", "");
	PR_UNTIL(rig, 30, !rig->ready && strstr(rig->problem, "check") != NULL);
	ck_assert_str_eq(rig->problem, "the plugin's `check` does not return");
	PR_IS(pr_do(rig, "g", "done"), "done");
	ck_assert_uint_eq(marks("began"), 1);
	take_away("hang_check");
	touch("release", "");
	PR_UNTIL(rig, 30, rig->ready);
}
END_TEST

START_TEST(close_answers_all_and_calls_the_plugins_close_once)
{
	struct pr_call *c[3];

	reopen("threads: 1\ngrace: 30s\n");
	ck_assert_uint_eq(marks("closed"), 1);
	c[0] = pr_do(rig, "a", "block");
	c[1] = pr_do(rig, "b", "done");
	PR_UNTIL(rig, 20, marks("began") == 1);
	c[2] = pr_commit(rig, "d", true);
	ck_assert_int_eq(c[0]->answers + c[1]->answers + c[2]->answers, 0);
	pr_close(rig); /* checks that each was answered */
	rig = NULL;
	ck_assert_uint_eq(marks("closed"), 2);
}
END_TEST

START_TEST(close_waits_for_nobody_and_a_late_return_then_harms_nothing)
{
	reopen("threads: 2\ngrace: 50ms\n");
	pr_do(rig, "a", "deaf");
	PR_UNTIL(rig, 20, marks("began") == 1);
	pr_close(rig);
	rig = NULL;
	ck_assert_uint_eq(marks("closed"), 1); /* not while somebody is inside */
	touch("release", "");
	WAIT_FOR(20, marks("closed") == 2);
	take_away("release");
	touch("hang_close", "");
	open_with("grace: 50ms\n");
	pr_close(rig);
	rig = NULL;
	WAIT_FOR(20, marks("began") == 2);
	touch("release", "");
}
END_TEST

#define ADD(name)                                                     \
	do {                                                          \
		TCase *tcase_ = tcase_create(#name);                  \
		tcase_set_timeout(tcase_, 200);                       \
		tcase_add_checked_fixture(tcase_, set_up, tear_down); \
		tcase_add_test(tcase_, name);                         \
		suite_add_tcase(suite, tcase_);                       \
	} while (0)

int main(void)
{
	Suite *suite = suite_create("plugin");

	ADD(each_answer_of_a_call_means_what_the_header_says);
	ADD(output_that_is_no_json_or_too_big_is_never_passed_on);
	ADD(group_is_prepared_listed_and_ended);
	ADD(list_that_cannot_be_trusted_is_no_list);
	ADD(read_only_operation_leaves_nothing_prepared);
	ADD(polite_function_ends_when_it_is_cancelled_or_late);
	ADD(function_that_does_not_return_is_given_up_and_its_step_waits_for_it);
	ADD(resource_without_any_thread_left_says_so_and_serves_when_one_returns);
	ADD(full_queue_sends_back_and_waiting_ends_at_the_deadline);
	ADD(work_never_takes_the_thread_that_ends_others);
	ADD(check_decides_whether_it_serves);
	ADD(check_that_hangs_is_a_problem_and_takes_one_thread_only);
	ADD(close_answers_all_and_calls_the_plugins_close_once);
	ADD(close_waits_for_nobody_and_a_late_return_then_harms_nothing);
	return suite_run(suite, NULL, NULL);
}
