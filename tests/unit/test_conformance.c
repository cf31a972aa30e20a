/* What every adapter owes to the calls of sagas (participant/adapter.h), tried on each
 * of them: tests/lib/conformance.h. Those that say `exact` owe more. */
#include "tests/lib/conformance.h"

#include <stdio.h>
#include <stdlib.h>

static const struct conformer *row;
static void *world;
static char *config;
static struct cr *r;
static struct resource_info info;

static void enter(int i)
{
	row = &conformers[i];
	world = row->begin();
	config = row->config(world);
	r = cr_serve(row->adapter, config);
	row->adapter->describe(r->self, &info);
}

static void leave(void)
{
	if (r != NULL)
		cr_close(r);
	r = NULL;
	free(config);
	row->end(world);
}

static void reopen(void)
{
	cr_close(r);
	r = cr_serve(row->adapter, config);
}

#define EFFECTS(name, n) ck_assert_int_eq(row->effects(world, name), n)
#define FACT(name)              \
	START_TEST(name)        \
	{                       \
		enter(_i);      \
		name##_holds(); \
		leave();        \
	}                       \
	END_TEST
/* Owed only by those that promise it. */
#define EXACT_FACT(name)                \
	START_TEST(name)                \
	{                               \
		enter(_i);              \
		if (info.exact)         \
			name##_holds(); \
		leave();                \
	}                               \
	END_TEST

static struct cr_call *in(bool undo, const char *gid, const char *operation, uint32_t timeout_ms)
{
	static const char args[] = "{\"name\":\"x\"}";

	return cr_call(r, &(struct adapter_call){.gid = gid,
						 .step = "s",
						 .undo = undo,
						 .attempt = 1,
						 .operation = operation,
						 .args = {args, sizeof args - 1},
						 .timeout_ms = timeout_ms});
}

#define ADD(gid)    cr_do(r, gid, "s", "add", "{\"name\":\"x\"}")
#define REMOVE(gid) cr_undo(r, gid, "s", "remove", "{\"name\":\"x\"}")

/* ---- all adapters ---- */

static void says_what_it_is_holds(void)
{
	ck_assert(info.calls);
	ck_assert_str_eq(info.name, "box");
	ck_assert_str_eq(info.adapter, row->adapter->name);
	ck_assert_uint_ge(info.n_operations, 4);
	ck_assert(!info.groups || row->adapter->prepare != NULL);
}
FACT(says_what_it_is)

static void done_has_acted_and_refused_has_not_holds(void)
{
	struct cr_call *c;

	CR_IS(ADD("g"), "done");
	EFFECTS("x", 1);
	c = cr_do(r, "h", "s", "refuse", "{\"name\":\"y\"}");
	CR_IS(c, "refused");
	ck_assert_ptr_nonnull(c->reason);
	EFFECTS("y", 0);
	CR_IS(REMOVE("g"), "done");
	EFFECTS(NULL, 0);
}
FACT(done_has_acted_and_refused_has_not)

static void what_cannot_be_done_is_refused_with_a_reason_holds(void)
{
	struct cr_call *c = cr_do(r, "g", "s", "fly", "{\"name\":\"x\"}");

	CR_IS(c, "refused");
	CR_SAYS(c, "fly");
	c = cr_do(r, "g", "s", "add", "{\"name\":");
	CR_IS(c, "refused");
	CR_SAYS(c, "JSON");
	EFFECTS(NULL, 0);
	CR_IS(ADD("g"), "done"); /* a refused key is free for another try */
	EFFECTS("x", 1);
}
FACT(what_cannot_be_done_is_refused_with_a_reason)

static void many_at_once_are_all_done_holds(void)
{
	enum { MANY = 100 };
	struct cr_call *calls[MANY];

	for (int i = 0; i < MANY; i++) {
		char *gid = textf("g%d", i);

		calls[i] = ADD(gid);
		free(gid);
	}
	for (int i = 0; i < MANY; i++)
		CR_IS(calls[i], "done");
	EFFECTS("x", MANY);
}
FACT(many_at_once_are_all_done)

/* It may have acted, as far as one can tell from the answer; here it has not. */
static void must_not_be_done(struct cr_call *c)
{
	const char *word = cr_word(c);

	ck_assert_msg(strcmp(word, "retry") == 0 || strcmp(word, "unknown") == 0, "%s: %s", word,
		      c->reason != NULL ? c->reason : "");
	ck_assert_ptr_nonnull(c->reason);
	EFFECTS(NULL, 0);
}

static void deadline_ends_a_slow_call_holds(void)
{
	must_not_be_done(in(false, "g", "slow", 200));
	CR_IS(ADD("h"), "done"); /* and others go on */
	EFFECTS("x", 1);
}
FACT(deadline_ends_a_slow_call)

static void cancel_ends_a_slow_call_holds(void)
{
	struct cr_call *c = in(false, "g", "slow", 3600000);

	for (int i = 0; i < 5; i++) /* it may have begun by now, or not */
		cr_turn(r);
	cr_cancel(r, "g", "s", true);
	cr_cancel(r, "g", "other", false);
	ck_assert_int_eq(c->answers, 0);
	cr_cancel(r, "g", "s", false);
	must_not_be_done(c);
	c = in(false, "h", "slow", 3600000);
	cr_cancel(r, "h", "s", false); /* before it can have begun */
	cr_cancel(r, "h", "s", false);
	must_not_be_done(c);
	cr_cancel(r, "h", "s", false); /* after its end: nobody there */
	CR_IS(ADD("i"), "done");
}
FACT(cancel_ends_a_slow_call)

static void close_answers_every_call_holds(void)
{
	in(false, "slow", "slow", 3600000);
	for (int i = 0; i < 50; i++) {
		char *gid = textf("g%d", i);

		ADD(gid);
		free(gid);
	}
	cr_turn(r);
	cr_close(r); /* checks it */
	r = NULL;
}
FACT(close_answers_every_call)

static void serves_again_after_a_close_holds(void)
{
	CR_IS(ADD("g"), "done");
	reopen();
	CR_IS(ADD("h"), "done");
	EFFECTS("x", 2);
}
FACT(serves_again_after_a_close)

/* ---- exact ones ---- */

static void key_that_was_done_is_not_done_again_holds(void)
{
	struct cr_call *first = ADD("g"), *again;

	CR_IS(first, "done");
	ck_assert_ptr_nonnull(first->output);
	for (int i = 0; i < 3; i++) {
		again = ADD("g");
		CR_IS(again, "done");
		CR_GAVE(again, first->output);
	}
	EFFECTS("x", 1);
	/* What it asks may have become impossible meanwhile; REFUSED would be a lie. */
	again = cr_call(r, &(struct adapter_call){.gid = "g",
						  .step = "s",
						  .attempt = 2,
						  .operation = "fly",
						  .timeout_ms = 60000});
	if (strcmp(cr_word(again), "unknown") != 0)
		CR_IS(again, "done");
	reopen();
	again = ADD("g");
	CR_IS(again, "done");
	ck_assert_ptr_nonnull(again->output);
	EFFECTS("x", 1);
}
EXACT_FACT(key_that_was_done_is_not_done_again)

static void output_outlives_the_agent_holds(void)
{
	struct cr_call *c = ADD("g");
	char *output;

	CR_IS(c, "done");
	output = textf("%s", c->output);
	reopen();
	c = ADD("g");
	CR_IS(c, "done");
	CR_GAVE(c, output);
	free(output);
}
EXACT_FACT(output_outlives_the_agent)

static void undo_without_its_action_does_nothing_holds(void)
{
	struct cr_call *c;

	CR_IS(ADD("other"), "done");
	CR_IS(REMOVE("g"), "done");
	CR_IS(REMOVE("g"), "done");
	EFFECTS("x", 1); /* not the other's */
	c = ADD("g");
	CR_IS(c, "refused");
	ck_assert_ptr_nonnull(c->reason);
	EFFECTS("x", 1);
	reopen();
	CR_IS(ADD("g"), "refused"); /* late for ever */
	EFFECTS("x", 1);
}
EXACT_FACT(undo_without_its_action_does_nothing)

/* The compensation of what another resource did: its mark is not here. */
static void undo_of_what_was_done_elsewhere_is_done_once_holds(void)
{
	static const char args[] = "{\"name\":\"x\"}";
	const struct adapter_call undo = {.gid = "g",
					  .step = "s",
					  .undo = true,
					  .attempt = 1,
					  .elsewhere = true,
					  .operation = "add",
					  .args = {args, sizeof args - 1},
					  .timeout_ms = 60000};

	CR_IS(cr_call(r, &undo), "done");
	EFFECTS("x", 1);
	CR_IS(cr_call(r, &undo), "done");
	reopen();
	CR_IS(cr_call(r, &undo), "done");
	EFFECTS("x", 1);
}
EXACT_FACT(undo_of_what_was_done_elsewhere_is_done_once)

static void undo_is_done_once_holds(void)
{
	CR_IS(ADD("g"), "done");
	CR_IS(ADD("h"), "done");
	CR_IS(REMOVE("g"), "done");
	EFFECTS("x", 1);
	CR_IS(REMOVE("g"), "done");
	reopen();
	CR_IS(REMOVE("g"), "done");
	EFFECTS("x", 1);
}
EXACT_FACT(undo_is_done_once)

/* DONE and REFUSED are both true of an action that was done and undone. */
static void duplicate_of_an_undone_action_does_nothing_holds(void)
{
	const char *word;

	CR_IS(ADD("g"), "done");
	CR_IS(REMOVE("g"), "done");
	word = cr_word(ADD("g"));
	ck_assert_msg(strcmp(word, "done") == 0 || strcmp(word, "refused") == 0, "%s", word);
	EFFECTS("x", 0);
}
EXACT_FACT(duplicate_of_an_undone_action_does_nothing)

static void refused_action_is_undone_by_nothing_holds(void)
{
	CR_IS(cr_do(r, "g", "s", "refuse", "{\"name\":\"x\"}"), "refused");
	CR_IS(ADD("other"), "done");
	CR_IS(REMOVE("g"), "done");
	EFFECTS("x", 1);
}
EXACT_FACT(refused_action_is_undone_by_nothing)

static void refused_undo_can_be_tried_again_holds(void)
{
	CR_IS(ADD("g"), "done");
	CR_IS(cr_undo(r, "g", "s", "refuse", "{\"name\":\"x\"}"), "refused");
	EFFECTS("x", 1);
	CR_IS(REMOVE("g"), "done");
	EFFECTS("x", 0);
}
EXACT_FACT(refused_undo_can_be_tried_again)

static void keys_do_not_mix_holds(void)
{
	CR_IS(cr_do(r, "g", "a", "add", "{\"name\":\"x\"}"), "done");
	CR_IS(cr_do(r, "g", "b", "add", "{\"name\":\"x\"}"), "done");
	CR_IS(cr_do(r, "h", "a", "add", "{\"name\":\"x\"}"), "done");
	CR_IS(cr_undo(r, "h", "b", "remove", "{\"name\":\"x\"}"), "done");
	EFFECTS("x", 3);
	CR_IS(cr_undo(r, "g", "a", "remove", "{\"name\":\"x\"}"), "done");
	EFFECTS("x", 2);
}
EXACT_FACT(keys_do_not_mix)

static void key_cut_off_at_its_deadline_can_be_done_later_holds(void)
{
	must_not_be_done(in(false, "g", "slow", 200));
	CR_IS(ADD("g"), "done");
	EFFECTS("x", 1);
	CR_IS(REMOVE("g"), "done");
	EFFECTS(NULL, 0);
}
EXACT_FACT(key_cut_off_at_its_deadline_can_be_done_later)

/* A session of somebody else on the same resource, as a second agent is. */
static void two_agents_share_the_marks_holds(void)
{
	struct cr *other, *mine = r;
	struct cr_call *first = ADD("g"), *again;

	cr_agent("agent-b");
	other = cr_serve(row->adapter, config);
	cr_agent("agent-a");
	CR_IS(first, "done");
	r = other;
	again = ADD("g");
	CR_IS(again, "done");
	CR_GAVE(again, first->output);
	CR_IS(REMOVE("h"), "done");
	r = mine;
	CR_IS(ADD("h"), "refused");
	EFFECTS("x", 1);
	cr_close(other);
}
EXACT_FACT(two_agents_share_the_marks)

static void add_all(TCase *tc, int n)
{
	const TTest *const facts[] = {
		says_what_it_is,
		done_has_acted_and_refused_has_not,
		what_cannot_be_done_is_refused_with_a_reason,
		many_at_once_are_all_done,
		deadline_ends_a_slow_call,
		cancel_ends_a_slow_call,
		close_answers_every_call,
		serves_again_after_a_close,
		key_that_was_done_is_not_done_again,
		output_outlives_the_agent,
		undo_without_its_action_does_nothing,
		undo_of_what_was_done_elsewhere_is_done_once,
		undo_is_done_once,
		duplicate_of_an_undone_action_does_nothing,
		refused_action_is_undone_by_nothing,
		refused_undo_can_be_tried_again,
		keys_do_not_mix,
		key_cut_off_at_its_deadline_can_be_done_later,
		two_agents_share_the_marks,
	};

	for (size_t i = 0; i < sizeof facts / sizeof facts[0]; i++)
		tcase_add_loop_test(tc, facts[i], 0, n);
}

int main(void)
{
	Suite *suite = suite_create("conformance");
	TCase *tc = tcase_create("calls");

	tcase_set_timeout(tc, 120);
	add_all(tc, n_conformers);
	suite_add_tcase(suite, tc);
	return suite_run(suite, conformance_open, conformance_close);
}
