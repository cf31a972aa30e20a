/* frames.c - see frames.h. */
#include "tests/lib/frames.h"
#include "base/mem.h"

#include <check.h>
#include <string.h>

const char *const frame_names[FRAMES] = {"poll-empty",    "poll-hello",       "poll-results",
					 "poll-inquiry",  "reply-empty",      "reply-commands",
					 "reply-answers", "reply-want-hello", "reply-error"};

const struct branch_id frames_debit = {"bank-a", "t1", 7, "pay.debit"};
const struct branch_id frames_credit = {"bank-b", "t1", 7, "pay.credit"};

struct poll frames_poll(const char *name)
{
	static const char *debit_args[] = {"id", "amount"};
	static struct operation_info operations[] = {{"debit", debit_args, 2}, {"audit", NULL, 0}};
	static struct resource_info resources[] = {
		{.name = "bank-a",
		 .adapter = "postgres",
		 .ready = true,
		 .problem = "",
		 .one_phase = true,
		 .operations = operations,
		 .n_operations = 2},
		{.name = "bank-b",
		 .adapter = "postgres",
		 .problem = "set max_prepared_transactions to 64"},
	};
	static struct result results[] = {
		{.kind = RESULT_PREPARED, .output = {"{\"balance\":90}", 14}, .reason = ""},
		{.kind = RESULT_REFUSED, .reason = "expected 1 row, got 0"},
	};
	static struct branch_id inquiries[1];
	struct poll p = {.cluster = "settle",
			 .agent = "agent-a",
			 .incarnation = 1700000000000000,
			 .seq = 1,
			 .window = 64};

	results[0].id = frames_debit;
	results[1].id = frames_credit;
	inquiries[0] = frames_debit;
	if (strcmp(name, "poll-hello") == 0) {
		p.hello = true;
		p.resources = resources;
		p.n_resources = 2;
	} else if (strcmp(name, "poll-results") == 0) {
		p.seq = 2;
		p.epoch = 7;
		p.results = results;
		p.n_results = 2;
	} else if (strcmp(name, "poll-inquiry") == 0) {
		p.seq = 300;
		p.epoch = 8;
		p.inquiries = inquiries;
		p.n_inquiries = 1;
	} else {
		ck_assert_str_eq(name, "poll-empty");
	}
	return p;
}

struct reply frames_reply(const char *name)
{
	static struct command commands[] = {
		{.kind = COMMAND_PREPARE,
		 .operation = "debit",
		 .args = {"{\"id\":1,\"amount\":10}", 20},
		 .timeout_ms = 9950},
		{.kind = COMMAND_COMMIT, .operation = "", .repeat = true},
		{.kind = COMMAND_ROLLBACK, .operation = ""},
		{.kind = COMMAND_ONCE,
		 .operation = "audit",
		 .args = {"{}", 2},
		 .timeout_ms = 1,
		 .read_only = true},
		{.kind = COMMAND_SETTLE_ONCE, .operation = ""},
	};
	static struct answer answers[] = {
		{.verdict = VERDICT_WAIT}, {.verdict = VERDICT_COMMIT}, {.verdict = VERDICT_ABORT}};
	struct reply r = {.cluster = "settle", .epoch = 7, .error = ""};

	for (size_t i = 0; i < 5; i++)
		commands[i].id = i % 2 == 0 ? frames_debit : frames_credit;
	for (size_t i = 0; i < 3; i++)
		answers[i].id = frames_debit;
	if (strcmp(name, "reply-commands") == 0) {
		r.commands = commands;
		r.n_commands = 5;
	} else if (strcmp(name, "reply-answers") == 0) {
		r.answers = answers;
		r.n_answers = 3;
	} else if (strcmp(name, "reply-want-hello") == 0) {
		r.want_hello = true;
	} else if (strcmp(name, "reply-error") == 0) {
		r = (struct reply){.cluster = "", .error = "the bytes are not a frame"};
	} else {
		ck_assert_str_eq(name, "reply-empty");
	}
	return r;
}

unsigned char *frames_encode(const char *name, size_t *size)
{
	unsigned char *out;

	if (name[0] == 'p') {
		const struct poll p = frames_poll(name);

		*size = poll_size(&p);
		out = mem_new(1, *size);
		poll_encode(&p, out);
	} else {
		const struct reply r = frames_reply(name);

		*size = reply_size(&r);
		out = mem_new(1, *size);
		reply_encode(&r, out);
	}
	return out;
}
