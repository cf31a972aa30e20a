/* agent_world.c - see agent_world.h. */
#include "tests/lib/agent_world.h"
#include "base/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct agent_world_state aw;
static int self; /* of the fake adapter */

/* ---- the fake adapter ---- */

static struct aw_call *note(void *arg, const char *what, const char *gid, const char *more)
{
	struct aw_call *c;

	ck_assert_uint_lt(aw.n_calls, AW_ROOM);
	c = &aw.calls[aw.n_calls++];
	*c = (struct aw_call){.arg = arg};
	snprintf(c->text, sizeof c->text, "%s%s%s%s", what, gid[0] != '\0' ? " " : "", gid, more);
	return c;
}

static enum rc fake_open(const struct adapter_host *host, const char *resource,
			 const struct yaml_node *config, void **out, struct err *err)
{
	(void)host, (void)resource, (void)config, (void)out;
	return err_set(err, RC_INVALID, "the core does not open");
}

static void fake_describe(void *arg, struct resource_info *info)
{
	static struct operation_info debit = {"debit", NULL, 0};

	ck_assert_ptr_eq(arg, &self);
	info->operations = &debit;
	info->n_operations = 1;
	info->one_phase = aw.one_phase;
	info->groups = !aw.no_groups;
	info->calls = !aw.no_calls;
	info->exact = true;
}

static void fake_prepare(void *arg, const struct adapter_work *work, adapter_done_fn done,
			 void *done_arg)
{
	(void)arg;
	note(done_arg, "prepare", work->id.gid, "")->done = done;
}

static void fake_commit(void *arg, const struct branch_id *id, bool repeat, adapter_done_fn done,
			void *done_arg)
{
	(void)arg;
	note(done_arg, "commit", id->gid, repeat ? " repeat" : "")->done = done;
}

static void fake_rollback(void *arg, const struct branch_id *id, adapter_done_fn done,
			  void *done_arg)
{
	(void)arg;
	note(done_arg, "rollback", id->gid, "")->done = done;
}

static void fake_cancel(void *arg, const struct branch_id *id)
{
	(void)arg;
	note(NULL, "cancel", id->gid, "");
}

static void fake_once(void *arg, const struct adapter_work *work, adapter_done_fn done,
		      void *done_arg)
{
	(void)arg;
	note(done_arg, "once", work->id.gid, "")->done = done;
}

static void fake_settle(void *arg, const struct branch_id *id, adapter_done_fn done, void *done_arg)
{
	(void)arg;
	note(done_arg, "settle", id->gid, "")->done = done;
}

static void fake_call(void *arg, const struct adapter_call *call, adapter_done_fn done,
		      void *done_arg)
{
	char attempt[20];
	struct aw_call *c;

	(void)arg;
	ck_assert_str_eq(call->step, "reserve");
	ck_assert_str_eq(call->operation, call->undo ? "release" : "reserve");
	ck_assert_uint_eq(call->args.size, 2);
	ck_assert_mem_eq(call->args.data, "{}", 2);
	snprintf(attempt, sizeof attempt, " %" PRIu32, call->attempt);
	c = note(done_arg, call->undo ? "undo" : "do", call->gid, attempt);
	c->done = done;
	c->timeout_ms = call->timeout_ms;
}

static void fake_cancel_call(void *arg, const char *gid, const char *step, bool undo)
{
	(void)arg;
	ck_assert_str_eq(step, "reserve");
	note(NULL, "cancel_call", gid, undo ? " undo" : " do");
}

static void fake_list(void *arg, adapter_list_fn done, void *done_arg)
{
	(void)arg;
	note(done_arg, "list", "", "")->listed = done;
}

static void fake_close(void *arg, adapter_closed_fn closed, void *closed_arg)
{
	(void)arg;
	closed(closed_arg);
}

static const struct adapter fake = {.name = "fake",
				    .open = fake_open,
				    .describe = fake_describe,
				    .prepare = fake_prepare,
				    .commit = fake_commit,
				    .rollback = fake_rollback,
				    .cancel = fake_cancel,
				    .once = fake_once,
				    .settle_once = fake_settle,
				    .call = fake_call,
				    .cancel_call = fake_cancel_call,
				    .list = fake_list,
				    .close = fake_close};

/* ---- the world ---- */

static uint64_t world_now(void *arg)
{
	(void)arg;
	return aw.now;
}

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *fmt, ...)
{
	const size_t used = strlen(aw.said);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(aw.said + used, sizeof aw.said - used, fmt, ap);
	va_end(ap);
}

/* What an answer to a saga call has beside its kind and gid. */
static void say_call(const struct result *r)
{
	if (r->call == COMMAND_NONE)
		return;
	ck_assert_str_eq(r->id.branch, "reserve");
	say(" %s:%" PRIu32, command_kind_name(r->call), r->attempt);
	if (r->id.epoch != AW_EPOCH)
		say("@%" PRIu64, r->id.epoch);
	if (r->retry_after_ms > 0)
		say(" ~%" PRIu32, r->retry_after_ms);
}

static void world_send(void *arg, const struct poll *p)
{
	(void)arg;
	ck_assert_uint_lt(aw.n_seqs, AW_ROOM);
	aw.seqs[aw.n_seqs++] = p->seq;
	aw.window = p->window;
	if (p->hello) {
		aw.told_one_phase = p->resources[0].one_phase;
		aw.told_calls = p->resources[0].calls;
		aw.told_exact = p->resources[0].exact;
	}
	if (p->hello)
		say("hello%s;", p->resources[0].ready ? " ready" : "");
	for (size_t i = 0; i < p->n_results; i++) {
		const struct result *r = &p->results[i];

		ck_assert(branch_id_valid(&r->id));
		ck_assert(result_fits(r->kind, r->call != COMMAND_NONE));
		say("%s %s", result_kind_name(r->kind), r->id.gid);
		say_call(r);
		say("%s%s;", r->output.size > 0 ? " +" : "", r->reason[0] != '\0' ? " !" : "");
	}
	for (size_t i = 0; i < p->n_inquiries; i++)
		say("ask %s %" PRIu64 ";", p->inquiries[i].gid, p->inquiries[i].epoch);
}

static void world_superseded(void *arg, const char *why)
{
	(void)arg;
	snprintf(aw.superseded, sizeof aw.superseded, "%s", why);
}

/* ---- verbs ---- */

void aw_wait(uint64_t us)
{
	aw.now += us;
	agent_turn(aw.agent);
}

void aw_said(const char *text)
{
	agent_turn(aw.agent);
	ck_assert_str_eq(aw.said, text);
	aw.said[0] = '\0';
}

static uint64_t oldest_poll(void)
{
	const uint64_t seq = aw.seqs[0];

	ck_assert_uint_gt(aw.n_seqs, 0);
	memmove(aw.seqs, aw.seqs + 1, --aw.n_seqs * sizeof aw.seqs[0]);
	return seq;
}

void aw_reply(const struct reply *r)
{
	agent_reply(aw.agent, oldest_poll(), r);
	agent_turn(aw.agent);
}

void aw_lose(void)
{
	agent_poll_lost(aw.agent, oldest_poll());
}

void aw_lose_all(void)
{
	while (aw.n_seqs > 0)
		aw_lose();
}

void aw_reply_all(void)
{
	for (size_t n = aw.n_seqs; n > 0; n--)
		REPLY();
}

struct reply aw_reply_empty(void)
{
	return (struct reply){.cluster = "settle", .epoch = aw.epoch, .error = ""};
}

void aw_command(enum command_kind kind, const char *gid, uint64_t epoch, bool repeat)
{
	struct command c = {.kind = kind,
			    .id = {"bank", gid, epoch, "pay.debit"},
			    .operation = "debit",
			    .args = {"{}", 2},
			    .timeout_ms = 1000,
			    .repeat = repeat};
	struct reply r = aw_reply_empty();

	r.commands = &c;
	r.n_commands = 1;
	aw_reply(&r);
}

static void saga(enum command_kind kind, const char *gid, uint32_t attempt, bool repeat)
{
	struct command c = {.kind = kind,
			    .id = {"bank", gid, aw.epoch, "reserve"},
			    .operation = kind == COMMAND_UNDO ? "release" : "reserve",
			    .args = {"{}", 2},
			    .timeout_ms = 1000,
			    .attempt = attempt,
			    .repeat = repeat};
	struct reply r = aw_reply_empty();

	r.commands = &c;
	r.n_commands = 1;
	aw_reply(&r);
}

void aw_saga(enum command_kind kind, const char *gid, uint32_t attempt)
{
	saga(kind, gid, attempt, false);
}

void aw_saga_again(enum command_kind kind, const char *gid, uint32_t attempt)
{
	saga(kind, gid, attempt, true);
}

void aw_verdict(const char *gid, uint64_t epoch, enum verdict verdict)
{
	struct answer a = {{"bank", gid, epoch, "pay.debit"}, verdict};
	struct reply r = aw_reply_empty();

	r.answers = &a;
	r.n_answers = 1;
	aw_reply(&r);
}

struct aw_call aw_take(const char *text)
{
	const struct aw_call c = aw.calls[0];

	ck_assert_msg(aw.n_calls > 0, "no call where `%s` was expected", text);
	ck_assert_str_eq(c.text, text);
	memmove(aw.calls, aw.calls + 1, --aw.n_calls * sizeof aw.calls[0]);
	return c;
}

void aw_finish(const char *text, enum result_kind kind, const char *reason)
{
	const struct aw_call c = aw_take(text);
	struct adapter_answer answer = {.kind = kind, .reason = reason};

	if (kind == RESULT_PREPARED || kind == RESULT_DONE)
		answer.output = (struct bytes){"[1]", 3};
	c.done(&answer, c.arg);
	agent_turn(aw.agent);
}

void aw_listed(const char *const *gids)
{
	const struct aw_call c = aw_take("list");
	struct branch_id ids[AW_ROOM];
	size_t n = 0;

	for (; gids[n] != NULL; n++)
		ids[n] = (struct branch_id){"bank", gids[n], AW_EPOCH, "pay.debit"};
	c.listed(RC_OK, ids, n, c.arg);
	agent_turn(aw.agent);
}

void aw_prepared(const char *gid)
{
	char text[80], said[80];

	PREPARE(gid);
	snprintf(text, sizeof text, "prepare %s", gid);
	aw_finish(text, RESULT_PREPARED, NULL);
	snprintf(said, sizeof said, "prepared %s +;", gid);
	SAID(said);
	REPLY_ALL();
	SAID("");
}

/* ---- fixtures ---- */

static void begin(void)
{
	static const struct agent_settings settings = {.cluster = "settle",
						       .agent = "a",
						       .incarnation = 1,
						       .window = AW_WINDOW,
						       .sweep_ms = 5000};
	const struct agent_world world = {world_now, world_send, world_superseded, NULL};

	memset(&aw, 0, sizeof aw);
	log_set_level(LOG_ERROR + 1);
	aw.now = AW_SECOND;
	aw.epoch = AW_EPOCH;
	aw.agent = agent_new(&settings, &world);
	aw.served = agent_serve(aw.agent, "bank", &fake);
	ck_assert_ptr_null(agent_serve(aw.agent, "bank", &fake));
	served_attach(aw.served, &self);
	agent_connected(aw.agent, true);
	SAID("hello;");
	REPLY();
	NO_CALLS(); /* no sweep before the resource is ready */
	agent_ready(aw.served, NULL);
	SAID("hello ready;");
	REPLY_ALL();
}

void aw_setup(void)
{
	begin();
	CALLED("list");
}

void aw_setup_sweeps(void)
{
	begin();
	FINDS_NOTHING();
	NO_CALLS();
}

void aw_teardown(void)
{
	agent_free(aw.agent);
}

int aw_run(const char *name, void (*setup)(void), const TTest *const *tests)
{
	Suite *s = suite_create(name);
	TCase *t = tcase_create(name);
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, aw_teardown);
	for (; *tests != NULL; tests++)
		tcase_add_test(t, *tests);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
