/* test_record.c - records: made from plans, packed and unpacked. */
#include "base/mem.h"
#include "base/word.h"
#include "coordinator/record.h"
#include "coordinator/record.pb-c.h"
#include "tests/lib/harness.h"

#include <stdlib.h>
#include <string.h>

static struct plan a_plan(size_t n)
{
	struct plan plan = {
		.workflow = mem_dup("transfer"),
		.timeout_ms = 1500,
		.sequential = true,
		.n_branches = n,
	};

	plan.branches = mem_new(n, sizeof *plan.branches);
	for (size_t i = 0; i < n; i++)
		plan.branches[i] = (struct plan_branch){
			.name = word_printf("pay.b%zu", i),
			.resource = word_hold(i % 2 == 0 ? "bank-a" : "bank-b"),
			.operation = word_hold("debit"),
			.args = mem_dup("{\"id\":1,\"who\":\"Zoë 猫\"}"),
			.read_only = i == 1,
		};
	return plan;
}

/* The encoding is the one that record.proto asks for, byte by byte. */
static void encoded_as(const ProtobufCMessageDescriptor *message, const void *bytes, size_t size)
{
	ProtobufCMessage *m = protobuf_c_message_unpack(message, NULL, size, bytes);
	unsigned char *again;

	ck_assert_ptr_nonnull(m);
	ck_assert_uint_eq(protobuf_c_message_get_packed_size(m), size);
	again = mem_new(size, 1);
	protobuf_c_message_pack(m, again);
	ck_assert_mem_eq(bytes, again, size);
	free(again);
	protobuf_c_message_free_unpacked(m, NULL);
}

/* What the journal does: the columns by themselves, the rest packed. */
static struct record *reloaded(const struct record *r)
{
	struct record *c = mem_new(1, sizeof *c);
	struct err err = {0};
	size_t size;
	void *bytes;

	memcpy(c->gid, r->gid, sizeof c->gid);
	c->state = r->state;
	record_pack(r, &bytes, &size);
	encoded_as(&settle__record__detail__descriptor, bytes, size);
	ck_assert_msg(record_unpack(c, bytes, size, &err) == RC_OK, "%s", err.text);
	free(bytes);
	return c;
}

START_TEST(record_takes_the_plan)
{
	struct plan plan = a_plan(2);
	struct record *r = record_new("g1", &plan);

	ck_assert_ptr_null(plan.workflow);
	ck_assert_ptr_null(plan.branches);
	ck_assert_uint_eq(plan.n_branches, 0);
	ck_assert_str_eq(r->gid, "g1");
	ck_assert_str_eq(r->workflow, "transfer");
	ck_assert_uint_eq(r->timeout_ms, 1500);
	ck_assert(r->sequential);
	ck_assert_int_eq(r->state, TXN_ACCEPTED);
	ck_assert_uint_eq(r->n_branches, 2);
	ck_assert_str_eq(r->branches[1].name, "pay.b1");
	ck_assert(r->branches[1].read_only && !r->branches[0].read_only);
	ck_assert_int_eq(r->branches[0].state, BR_WAITING);
	record_free(r);
	record_free(NULL);
}
END_TEST

START_TEST(detail_survives_packing)
{
	struct plan plan = a_plan(3);
	struct record *r = record_new("g1", &plan), *c;

	r->input = mem_dup("{\"amount\":7}");
	r->accepted = true;
	r->state = TXN_COMMITTING;
	free(r->branches[0].args);
	r->branches[0].args = NULL;
	r->branches[0].output = mem_dup("[{\"balance\":93}]");
	r->branches[0].agent = word_hold("agent-a");
	r->branches[0].state = BR_COMMITTING;
	r->branches[2].reason = mem_dup("strange\xff bytes");
	r->branches[2].state = BR_HAZARD;
	c = reloaded(r);
	ck_assert_str_eq(c->input, r->input);
	ck_assert(c->accepted && c->sequential);
	ck_assert_uint_eq(c->timeout_ms, 1500);
	ck_assert_uint_eq(c->n_branches, 3);
	ck_assert_ptr_null(c->branches[0].args);
	ck_assert_str_eq(c->branches[0].output, "[{\"balance\":93}]");
	ck_assert_str_eq(c->branches[0].agent, "agent-a");
	ck_assert_int_eq(c->branches[0].state, BR_COMMITTING);
	ck_assert_ptr_null(c->branches[0].reason);
	ck_assert_str_eq(c->branches[1].args, r->branches[1].args);
	ck_assert_str_eq(c->branches[1].resource, "bank-b");
	ck_assert_str_eq(c->branches[1].operation, "debit");
	ck_assert(c->branches[1].read_only);
	ck_assert_str_eq(c->branches[2].reason, "strange\xff bytes");
	ck_assert_int_eq(c->branches[2].state, BR_HAZARD);
	record_free(c);
	record_free(r);
}
END_TEST

/* The end of a transaction is written to its row only. */
START_TEST(finished_transaction_shows_finished_branches)
{
	static const enum branch_state committed[][2] = {
		{BR_COMMITTING, BR_COMMITTED},
		{BR_READ_ONLY, BR_READ_ONLY},
		{BR_HAZARD, BR_HAZARD},
	};
	static const enum branch_state aborted[][2] = {
		{BR_ABORTING, BR_ABORTED},
		{BR_WAITING, BR_ABORTED},
		{BR_HAZARD, BR_HAZARD},
	};
	struct plan plan = a_plan(3);
	struct record *r = record_new("g1", &plan), *c;

	for (int end = 0; end < 2; end++) {
		r->state = end == 0 ? TXN_COMMITTED : TXN_ABORTED;
		for (size_t i = 0; i < 3; i++)
			r->branches[i].state = (end == 0 ? committed : aborted)[i][0];
		c = reloaded(r);
		for (size_t i = 0; i < 3; i++)
			ck_assert_int_eq(c->branches[i].state,
					 (end == 0 ? committed : aborted)[i][1]);
		record_free(c);
	}
	record_free(r);
}
END_TEST

START_TEST(largest_transaction_survives_packing)
{
	struct plan plan = a_plan(WORKFLOW_BRANCHES_MAX);
	struct record *r = record_new("g1", &plan), *c;

	r->input = mem_new(WORKFLOW_INPUT_MAX + 1, 1);
	memset(r->input, '7', WORKFLOW_INPUT_MAX);
	c = reloaded(r);
	ck_assert_uint_eq(c->n_branches, WORKFLOW_BRANCHES_MAX);
	ck_assert_str_eq(c->branches[999].name, "pay.b999");
	ck_assert_str_eq(c->input, r->input);
	record_free(c);
	record_free(r);
}
END_TEST

static void is_refused(const void *bytes, size_t size)
{
	struct record r = {.gid = "g1", .state = TXN_COMMITTING};
	struct err err = {0};

	ck_assert_int_eq(record_unpack(&r, bytes, size, &err), RC_INVALID);
	ck_assert_ptr_nonnull(strstr(err.text, "g1"));
	record_fini(&r);
}

/* Whatever the bytes are: refused or read, never a crash (the sanitizers watch). */
START_TEST(damaged_detail_is_refused)
{
	struct plan plan = a_plan(2);
	struct record *r = record_new("g1", &plan);
	unsigned char *bytes;
	size_t size;
	void *packed;

	is_refused("", 0);
	is_refused("\xff\xff\xff\xff", 4);
	record_pack(r, &packed, &size);
	bytes = packed;
	is_refused(bytes, size - 1);
	for (size_t i = 0; i < size; i++) {
		for (int bit = 0; bit < 8; bit++) {
			struct record c = {.gid = "g1", .state = TXN_ABORTED};
			const unsigned char old = bytes[i];
			struct err err;

			bytes[i] ^= (unsigned char)(1 << bit);
			record_unpack(&c, bytes, size, &err);
			record_fini(&c);
			bytes[i] = old;
		}
	}
	free(packed);
	r->branches[0].state = (enum branch_state)77;
	record_pack(r, &packed, &size);
	is_refused(packed, size);
	free(packed);
	record_free(r);
}
END_TEST

/* ---- sagas ---- */

static struct record *a_saga(size_t n)
{
	struct record *r = mem_new(1, sizeof *r);

	strcpy(r->gid, "s1");
	r->state = TXN_SAGA_RUNNING;
	r->workflow = mem_dup("trip");
	r->saga = saga_blank(n);
	for (size_t i = 0; i < n; i++) {
		struct saga_step *step = &r->saga->steps[i];

		step->name = mem_printf("s%zu", i);
		if (i == 1) /* an atomic group */
			continue;
		step->resource = mem_dup("hotel");
		step->operation = mem_dup("reserve");
		step->undo_resource = mem_dup("hotel-undo");
		step->undo_operation = mem_dup("release");
	}
	return r;
}

START_TEST(saga_survives_packing_with_its_steps_waiting)
{
	struct record *r = a_saga(3), *c;

	r->version = 7;
	r->definition = mem_dup("workflow: trip");
	r->deadline_us = 123456789;
	r->saga->stop = true;
	r->saga->steps[1].pivot = true;
	r->saga->steps[2].state = STEP_DOING;
	c = reloaded(r);
	ck_assert_uint_eq(c->version, 7);
	ck_assert_str_eq(c->definition, "workflow: trip");
	ck_assert_uint_eq(c->deadline_us, 123456789);
	ck_assert_uint_eq(c->n_branches, 0);
	ck_assert_uint_eq(c->saga->n_steps, 3);
	ck_assert_ptr_null(c->saga->def);
	ck_assert(c->saga->stop && c->saga->state == SAGA_RUNNING);
	ck_assert_str_eq(c->saga->steps[0].name, "s0");
	ck_assert_str_eq(c->saga->steps[0].undo_resource, "hotel-undo");
	ck_assert_str_eq(c->saga->steps[2].operation, "reserve");
	ck_assert_str_eq(c->saga->steps[2].undo_operation, "release");
	ck_assert_ptr_null(c->saga->steps[1].resource);
	ck_assert_ptr_null(c->saga->steps[1].undo_operation);
	ck_assert(c->saga->steps[1].pivot && !c->saga->steps[0].pivot);
	ck_assert_int_eq(c->saga->steps[2].state, STEP_WAITING); /* its row says more */
	record_free(c);
	record_free(r);
}
END_TEST

START_TEST(saga_without_steps_survives_packing_once_it_has_ended)
{
	struct record *r = a_saga(0), *c;

	r->saga->state = SAGA_DONE;
	r->state = record_of_saga(r->saga->state);
	c = reloaded(r);
	ck_assert_ptr_nonnull(c->saga);
	ck_assert_uint_eq(c->saga->n_steps, 0);
	ck_assert_int_eq(c->saga->state, SAGA_DONE);
	record_free(c);
	record_free(r);
}
END_TEST

START_TEST(step_survives_packing)
{
	struct saga_step from = {.state = STEP_STUCK,
				 .maybe = true,
				 .undo = true,
				 .attempts = 4000000000,
				 .tries = 17,
				 .args = mem_dup("{\"id\":1}"),
				 .output = mem_dup("{}"),
				 .reason = mem_dup("no answer"),
				 .agent = mem_dup("agent-a")},
			 bare = {.state = STEP_DOING};
	struct saga *saga = saga_blank(1);
	struct saga_step *to = &saga->steps[0];
	struct err err = {0};
	void *bytes;
	size_t size;

	to->name = mem_dup("s0");
	record_pack_step(&from, &bytes, &size);
	encoded_as(&settle__record__progress__descriptor, bytes, size);
	ck_assert_int_eq(record_unpack_step(to, bytes, size, &err), RC_OK);
	free(bytes);
	ck_assert(to->state == STEP_STUCK && to->maybe && to->undo);
	ck_assert(to->attempts == 4000000000 && to->tries == 17);
	ck_assert_str_eq(to->args, "{\"id\":1}");
	ck_assert_str_eq(to->output, "{}");
	ck_assert_str_eq(to->reason, "no answer");
	ck_assert_str_eq(to->agent, "agent-a");
	ck_assert_str_eq(to->name, "s0");
	record_pack_step(&bare, &bytes, &size);
	ck_assert_int_eq(record_unpack_step(to, bytes, size, &err), RC_OK);
	free(bytes);
	ck_assert(to->state == STEP_DOING && !to->maybe && to->attempts == 0);
	ck_assert(to->args == NULL && to->output == NULL && to->reason == NULL);
	ck_assert_int_eq(record_unpack_step(to, "\xff", 1, &err), RC_INVALID);
	ck_assert_int_eq(record_unpack_step(to, "", 0, &err), RC_INVALID); /* state 0 */
	ck_assert_ptr_nonnull(strstr(err.text, "step s0"));
	from.state = (enum step_state)99;
	record_pack_step(&from, &bytes, &size);
	ck_assert_int_eq(record_unpack_step(to, bytes, size, &err), RC_INVALID);
	ck_assert_ptr_nonnull(strstr(err.text, "99"));
	free(bytes);
	free(from.args);
	free(from.output);
	free(from.reason);
	free(from.agent);
	saga_free(saga);
}
END_TEST

START_TEST(group_of_a_saga_remembers_whose_it_is)
{
	struct plan plan = a_plan(2);
	struct record *r = record_new("settle.s1.pay.1", &plan), *c;

	r->parent_seq = 1700000000000000;
	r->parent = mem_dup("s1");
	r->parent_step = 4;
	c = reloaded(r);
	ck_assert_uint_eq(c->parent_seq, 1700000000000000);
	ck_assert_str_eq(c->parent, "s1");
	ck_assert_uint_eq(c->parent_step, 4);
	record_free(c);
	record_free(r);
}
END_TEST

static void saga_is_refused(const struct record *r, enum txn_state state)
{
	struct record c = {.gid = "s1", .state = state};
	struct err err = {0};
	size_t size;
	void *bytes;

	record_pack(r, &bytes, &size);
	ck_assert_int_eq(record_unpack(&c, bytes, size, &err), RC_INVALID);
	ck_assert_ptr_nonnull(strstr(err.text, "s1"));
	record_fini(&c);
	free(bytes);
}

START_TEST(damaged_saga_is_refused)
{
	struct record *r = a_saga(2), *many = a_saga(RECORD_STEPS_MAX + 1);
	struct plan plan = a_plan(2);
	struct record *plain = record_new("s1", &plan);
	void *packed;
	size_t size;
	unsigned char *bytes;

	saga_is_refused(many, TXN_SAGA_RUNNING);
	saga_is_refused(r, TXN_PREPARING);
	saga_is_refused(plain, TXN_SAGA_UNDOING);
	record_pack(r, &packed, &size);
	bytes = packed;
	for (size_t i = 0; i < size; i++) {
		for (int bit = 0; bit < 8; bit++) {
			struct record c = {.gid = "s1", .state = TXN_SAGA_RUNNING};
			struct err err;

			bytes[i] ^= (unsigned char)(1 << bit);
			record_unpack(&c, bytes, size, &err);
			record_fini(&c);
			bytes[i] ^= (unsigned char)(1 << bit);
		}
	}
	free(packed);
	free(r->saga->steps[0].name);
	r->saga->steps[0].name = mem_dup("a.b");
	saga_is_refused(r, TXN_SAGA_RUNNING);
	free(r->saga->steps[1].name);
	r->saga->steps[1].name = NULL;
	saga_is_refused(r, TXN_SAGA_RUNNING);
	record_free(r);
	record_free(many);
	record_free(plain);
}
END_TEST

START_TEST(states_of_sagas_stand_for_each_other)
{
	for (int s = 1; s < SAGA_STATES; s++)
		ck_assert_int_eq(record_saga_state(record_of_saga((enum saga_state)s)), s);
	ck_assert_int_eq(record_of_saga(SAGA_DONE), TXN_COMMITTED);
	ck_assert_int_eq(record_of_saga(SAGA_UNDONE), TXN_ABORTED);
	ck_assert_int_eq(record_saga_state(TXN_COMMITTING), 0);
	ck_assert_str_eq(record_status(TXN_SAGA_FINISHING), "committing");
	ck_assert_str_eq(record_status(TXN_SAGA_RUN_STUCK), "stuck");
}
END_TEST

START_TEST(step_that_never_will_be_run_says_so)
{
	struct saga *saga = saga_blank(1);

	for (int s = 1; s < STEP_STATES; s++) {
		saga->steps[0].state = (enum step_state)s;
		ck_assert_ptr_nonnull(record_step_status(saga, 0));
	}
	ck_assert_str_eq(record_step_status(saga, 0), "stuck");
	saga->steps[0].state = STEP_LOST;
	ck_assert_str_eq(record_step_status(saga, 0), "unknown");
	saga->steps[0].state = STEP_WAITING;
	ck_assert_str_eq(record_step_status(saga, 0), "waiting");
	saga->state = SAGA_UNDONE;
	ck_assert_str_eq(record_step_status(saga, 0), "not_run");
	saga_free(saga);
}
END_TEST

START_TEST(every_state_has_a_word)
{
	for (int s = 1; s < TXN_STATES; s++)
		ck_assert_ptr_nonnull(record_status((enum txn_state)s));
	for (int s = 1; s < BR_STATES; s++)
		ck_assert_ptr_nonnull(record_branch_status((enum branch_state)s));
	ck_assert_str_eq(record_status(TXN_ONE_PHASE), "running");
	ck_assert_str_eq(record_status(TXN_ABORT_HAZARD), "stuck");
	ck_assert(record_finished(TXN_COMMITTED) && record_finished(TXN_ABORTED));
	ck_assert(!record_finished(TXN_COMMIT_HAZARD) && !record_finished(TXN_COMMITTING));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("record");
	TCase *tc = tcase_create("record");

	tcase_add_test(tc, record_takes_the_plan);
	tcase_add_test(tc, detail_survives_packing);
	tcase_add_test(tc, finished_transaction_shows_finished_branches);
	tcase_add_test(tc, largest_transaction_survives_packing);
	tcase_add_test(tc, damaged_detail_is_refused);
	tcase_add_test(tc, saga_survives_packing_with_its_steps_waiting);
	tcase_add_test(tc, saga_without_steps_survives_packing_once_it_has_ended);
	tcase_add_test(tc, step_survives_packing);
	tcase_add_test(tc, group_of_a_saga_remembers_whose_it_is);
	tcase_add_test(tc, damaged_saga_is_refused);
	tcase_add_test(tc, states_of_sagas_stand_for_each_other);
	tcase_add_test(tc, step_that_never_will_be_run_says_so);
	tcase_add_test(tc, every_state_has_a_word);
	suite_add_tcase(suite, tc);
	return suite_run(suite, NULL, NULL);
}
