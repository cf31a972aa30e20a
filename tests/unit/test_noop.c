/* test_noop.c - the noop adapter. */
#include "adapters/noop.h"
#include "base/log.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uv_loop_t loop;
static struct yaml_doc *doc;
static void *self;
static bool ready, closed, inside;
static unsigned answers;
static enum result_kind kind;
static char output[100], reason[100];

static void on_ready(void *arg, const char *problem)
{
	(void)arg;
	ck_assert(!inside);
	ready = problem == NULL;
}

static void on_closed(void *arg)
{
	(void)arg;
	closed = true;
}

static enum rc open_text(const char *text, struct err *err)
{
	struct adapter_host host = {
		.loop = &loop, .cluster = "test", .agent = "a", .ready = on_ready};
	enum rc rc;

	ck_assert_int_eq(yaml_parse(text, strlen(text), &doc, err), RC_OK);
	inside = true;
	rc = adapter_noop.open(&host, "nothing", yaml_root(doc), &self, err);
	inside = false;
	return rc;
}

static void set_up(void)
{
	ck_assert_int_eq(uv_loop_init(&loop), 0);
}

static void serve(void)
{
	struct err err;

	ck_assert_msg(open_text("adapter: noop\noperations: {step: {args: [n, m]}, undo: {}}\n",
				&err) == RC_OK,
		      "%s", err.text);
	ck_assert(!ready);
	uv_run(&loop, UV_RUN_ONCE);
	ck_assert(ready);
}

static void close_all(void)
{
	adapter_noop.close(self, on_closed, NULL);
	ck_assert(!closed);
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert(closed);
}

static void tear_down(void)
{
	ck_assert_int_eq(uv_loop_close(&loop), 0); /* every handle is closed */
	yaml_doc_free(doc);
}

static void call(const char *operation, const char *args, adapter_done_fn done)
{
	const struct adapter_call c = {.gid = "t1",
				       .step = "s",
				       .attempt = 1,
				       .operation = operation,
				       .args = {args, strlen(args)},
				       .timeout_ms = 1000};

	inside = true;
	adapter_noop.call(self, &c, done, NULL);
	inside = false;
}

static void on_done(const struct adapter_answer *a, void *arg)
{
	(void)arg;
	ck_assert(!inside);
	answers++;
	kind = a->kind;
	snprintf(output, sizeof output, "%.*s", (int)a->output.size, a->output.data);
	snprintf(reason, sizeof reason, "%s", a->reason != NULL ? a->reason : "");
}

START_TEST(a_call_is_done_in_the_next_round_with_its_arguments_as_output)
{
	serve();
	call("step", "{\"n\":1}", on_done);
	ck_assert_uint_eq(answers, 0);
	uv_run(&loop, UV_RUN_ONCE);
	ck_assert_uint_eq(answers, 1);
	ck_assert_int_eq(kind, RESULT_DONE);
	ck_assert_str_eq(output, "{\"n\":1}");
	call("undo", "", on_done);
	uv_run(&loop, UV_RUN_ONCE);
	ck_assert_str_eq(output, "{}");
	close_all();
}
END_TEST

static void on_first(const struct adapter_answer *a, void *arg)
{
	on_done(a, arg);
	call("undo", "{}", on_done);
}

START_TEST(an_answer_may_bring_the_next_call)
{
	serve();
	call("step", "{}", on_first);
	call("step", "{}", on_done);
	uv_run(&loop, UV_RUN_ONCE);
	ck_assert_uint_eq(answers, 3);
	close_all();
}
END_TEST

START_TEST(an_operation_that_is_not_declared_is_refused)
{
	serve();
	call("stepp", "{}", on_done);
	uv_run(&loop, UV_RUN_ONCE);
	ck_assert_int_eq(kind, RESULT_REFUSED);
	ck_assert_str_eq(reason, "there is no operation stepp");
	close_all();
}
END_TEST

START_TEST(what_is_under_way_is_answered_before_the_end)
{
	serve();
	call("step", "{}", on_done);
	close_all();
	ck_assert_uint_eq(answers, 1);
}
END_TEST

START_TEST(it_serves_calls_and_no_groups)
{
	struct resource_info info = {0};

	serve();
	adapter_noop.describe(self, &info);
	ck_assert(info.calls && !info.exact && !info.groups && !info.one_phase);
	ck_assert_uint_eq(info.n_operations, 2);
	ck_assert_str_eq(info.operations[0].name, "step");
	ck_assert_uint_eq(info.operations[0].n_args, 2);
	ck_assert_str_eq(info.operations[0].args[1], "m");
	close_all();
}
END_TEST

START_TEST(a_wrong_configuration_is_refused_with_its_place)
{
	static const struct {
		const char *text, *said;
		int line;
	} wrongs[] = {
		{"adapter: noop\n", "operations", 1},
		{"adapter: noop\noperations: {}\n", "operations", 2},
		{"adapter: noop\noperations: [a]\n", "operations", 2},
		{"adapter: noop\nspeed: 9\noperations: {a: {}}\n", "speed", 2},
		{"adapter: noop\noperations:\n  a b: {}\n", "name", 3},
		{"adapter: noop\noperations:\n  a: x\n", "map", 3},
		{"adapter: noop\noperations:\n  a: {arg: [x]}\n", "arg", 3},
		{"adapter: noop\noperations:\n  a: {args: x}\n", "args", 3},
		{"adapter: noop\noperations:\n  a: {args: [x, \"\"]}\n", "name", 3},
	};
	struct err err;

	for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
		err = (struct err){0};
		ck_assert_int_eq(open_text(wrongs[i].text, &err), RC_INVALID);
		ck_assert_msg(strstr(err.text, wrongs[i].said) != NULL, "%s", err.text);
		ck_assert_int_eq(err.line, wrongs[i].line);
		yaml_doc_free(doc);
		doc = NULL;
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("noop");
	TCase *t = tcase_create("noop");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, a_call_is_done_in_the_next_round_with_its_arguments_as_output);
	tcase_add_test(t, an_answer_may_bring_the_next_call);
	tcase_add_test(t, an_operation_that_is_not_declared_is_refused);
	tcase_add_test(t, what_is_under_way_is_answered_before_the_end);
	tcase_add_test(t, it_serves_calls_and_no_groups);
	tcase_add_test(t, a_wrong_configuration_is_refused_with_its_place);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
