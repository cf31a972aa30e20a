/* frames.c - see frames.h. */
#include "tests/lib/frames.h"
#include "base/mem.h"

#include <check.h>
#include <string.h>

const char *const frame_names[FRAMES] = {"poll-empty",       "poll-hello",       "poll-results",
					 "poll-inquiry",     "reply-empty",      "reply-commands",
					 "reply-answers",    "reply-want-hello", "reply-error",
					 "poll-hello-calls", "poll-calls",       "reply-calls"};

const struct branch_id frames_debit = {"bank-a", "t1", 7, "pay.debit"};
const struct branch_id frames_credit = {"bank-b", "t1", 7, "pay.credit"};
const struct branch_id frames_reserve = {"hotel", "t2", 8, "reserve"};

/* What is said of saga calls. */
static void add_calls(struct poll *p, bool hello)
{
	static struct operation_info operations[] = {{"reserve", NULL, 0}, {"release", NULL, 0}};
	static struct resource_info hotel = {.name = "hotel",
					     .adapter = "http",
					     .ready = true,
					     .problem = "",
					     .calls = true,
					     .operations = operations,
					     .n_operations = 2};
	static struct resource_info bank = {.name = "bank-a",
					    .adapter = "postgres",
					    .ready = true,
					    .problem = "",
					    .one_phase = true,
					    .calls = true,
					    .exact = true,
					    .groups = true};
	static struct resource_info resources[2];
	static struct result results[] = {
		{.kind = RESULT_DONE,
		 .output = {"{\"id\":17}", 9},
		 .reason = "",
		 .call = COMMAND_DO,
		 .attempt = 2},
		{.kind = RESULT_RETRY,
		 .reason = "503 Service Unavailable",
		 .call = COMMAND_UNDO,
		 .attempt = 1,
		 .retry_after_ms = 1500},
		{.kind = RESULT_PENDING, .reason = "", .call = COMMAND_DO, .attempt = 1},
	};

	resources[0] = hotel;
	resources[1] = bank;
	for (size_t i = 0; i < 3; i++)
		results[i].id = frames_reserve;
	if (hello) {
		p->hello = true;
		p->resources = resources;
		p->n_resources = 2;
	} else {
		p->seq = 3;
		p->epoch = 8;
		p->results = results;
		p->n_results = 3;
	}
}

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
	} else if (strcmp(name, "poll-hello-calls") == 0) {
		add_calls(&p, true);
	} else if (strcmp(name, "poll-calls") == 0) {
		add_calls(&p, false);
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
	static struct command calls[] = {
		{.kind = COMMAND_DO,
		 .operation = "reserve",
		 .args = {"{\"who\":\"ann\"}", 13},
		 .timeout_ms = 5000,
		 .attempt = 2},
		{.kind = COMMAND_UNDO,
		 .operation = "release",
		 .args = {"{}", 2},
		 .timeout_ms = 30000,
		 .attempt = 1},
	};
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
	} else if (strcmp(name, "reply-calls") == 0) {
		calls[0].id = calls[1].id = frames_reserve;
		r.epoch = 8;
		r.commands = calls;
		r.n_commands = 2;
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
