/* test_frame_refused.c - everything that is not a frame, and is refused. */
#include "base/mem.h"
#include "tests/lib/frames.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static enum rc try_poll(const struct poll *p, struct err *err)
{
	const size_t size = poll_size(p);
	unsigned char *bytes = mem_new(1, size);
	struct poll out;
	enum rc rc;

	poll_encode(p, bytes);
	rc = poll_decode(&out, bytes, size, err);
	if (rc != RC_OK)
		ck_assert(out.owned == NULL && out.n_results == 0 && out.cluster == NULL);
	poll_free(&out);
	free(bytes);
	return rc;
}

static enum rc try_reply(const struct reply *r, struct err *err)
{
	const size_t size = reply_size(r);
	unsigned char *bytes = mem_new(1, size);
	struct reply out;
	enum rc rc;

	reply_encode(r, bytes);
	rc = reply_decode(&out, bytes, size, err);
	reply_free(&out);
	free(bytes);
	return rc;
}

static void refuses(enum rc rc, const struct err *err, enum rc want, const char *part)
{
	ck_assert_int_eq(rc, want);
	ck_assert_int_eq(err->code, want);
	ck_assert_msg(strstr(err->text, part) != NULL, "`%s` is not in `%s`", part, err->text);
}

static char *long_text(size_t size)
{
	char *text = mem_new(size + 1, 1);

	memset(text, 'a', size);
	return text;
}

START_TEST(names_that_break_the_rules_are_refused)
{
	char *too_long = long_text(65);
	const char *const bad[] = {"", "a b", "a/b", "ä", "x\ny", too_long};
	struct err err;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct poll p = frames_poll("poll-results");
		struct result res = p.results[0];

		p.results = &res;
		p.n_results = 1;
		res.id.gid = bad[i];
		refuses(try_poll(&p, &err), &err, RC_INVALID, "gid");
		res.id = frames_debit;
		res.id.branch = bad[i];
		refuses(try_poll(&p, &err), &err, RC_INVALID, "branch");
		res.id = frames_debit;
		res.id.resource = bad[i];
		refuses(try_poll(&p, &err), &err, RC_INVALID, "resource");
		res.id = frames_debit;
		p.agent = bad[i];
		refuses(try_poll(&p, &err), &err, RC_INVALID, "agent");
		p.agent = "agent-a";
		p.cluster = bad[i];
		refuses(try_poll(&p, &err), &err, RC_INVALID, "cluster");
	}
	free(too_long);
}
END_TEST

START_TEST(unknown_kinds_are_refused)
{
	struct reply r = frames_reply("reply-commands");
	struct command cmd = r.commands[0];
	struct reply s = frames_reply("reply-answers");
	struct answer ans = s.answers[0];
	struct poll p = frames_poll("poll-results");
	struct result res = p.results[0];
	struct err err;

	r.commands = &cmd;
	r.n_commands = 1;
	cmd.kind = COMMAND_NONE;
	refuses(try_reply(&r, &err), &err, RC_INVALID, "command");
	cmd.kind = (enum command_kind)8;
	refuses(try_reply(&r, &err), &err, RC_INVALID, "command");
	cmd.kind = COMMAND_ONCE;
	cmd.operation = "";
	refuses(try_reply(&r, &err), &err, RC_INVALID, "operation");
	s.answers = &ans;
	s.n_answers = 1;
	ans.verdict = (enum verdict)3;
	refuses(try_reply(&s, &err), &err, RC_INVALID, "verdict");
	p.results = &res;
	p.n_results = 1;
	res.kind = RESULT_NONE;
	refuses(try_poll(&p, &err), &err, RC_INVALID, "result");
	res.kind = (enum result_kind)11;
	refuses(try_poll(&p, &err), &err, RC_INVALID, "result");
}
END_TEST

START_TEST(commands_of_calls_that_break_the_rules_are_refused)
{
	struct reply r = frames_reply("reply-calls");
	struct command cmd = r.commands[_i];
	const struct command good = cmd;
	struct err err;

	r.commands = &cmd;
	r.n_commands = 1;
	ck_assert_int_eq(try_reply(&r, &err), RC_OK);
	cmd.attempt = 0;
	refuses(try_reply(&r, &err), &err, RC_INVALID, "attempt");
	cmd = good;
	cmd.operation = "";
	refuses(try_reply(&r, &err), &err, RC_INVALID, "operation");
	cmd = good;
	cmd.args = (struct bytes){0};
	refuses(try_reply(&r, &err), &err, RC_INVALID, "args");
	cmd = good;
	cmd.id.branch = "";
	refuses(try_reply(&r, &err), &err, RC_INVALID, "branch");
}
END_TEST

START_TEST(answers_fit_what_they_answer)
{
	static const struct {
		enum result_kind kind;
		bool of_branch, of_call;
	} rows[] = {
		{RESULT_PREPARED, true, false},    {RESULT_READ_ONLY, true, false},
		{RESULT_REFUSED, true, true},      {RESULT_COMMITTED, true, false},
		{RESULT_ROLLED_BACK, true, false}, {RESULT_HAZARD, true, false},
		{RESULT_UNKNOWN, true, true},      {RESULT_DONE, false, true},
		{RESULT_RETRY, true, true},        {RESULT_PENDING, false, true},
	};
	struct poll p = frames_poll("poll-calls");
	struct result res = p.results[0];
	struct err err;

	p.results = &res;
	p.n_results = 1;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		res.kind = rows[i].kind;
		res.attempt = 1;
		for (int call = COMMAND_NONE; call <= COMMAND_UNDO + 1; call++) {
			const bool known = call == COMMAND_DO || call == COMMAND_UNDO;
			const bool good =
				call == COMMAND_NONE ? rows[i].of_branch : known && rows[i].of_call;

			res.call = (enum command_kind)call;
			ck_assert_int_eq(try_poll(&p, &err), good ? RC_OK : RC_INVALID);
		}
		res.call = COMMAND_DO;
		res.attempt = 0;
		ck_assert_int_eq(try_poll(&p, &err), RC_INVALID);
	}
}
END_TEST

START_TEST(a_wish_to_wait_is_cut_to_an_hour)
{
	struct poll p = frames_poll("poll-calls"), out;
	struct result res[2] = {p.results[1], p.results[0]};
	unsigned char bytes[300];

	res[0].retry_after_ms = RETRY_AFTER_MAX_MS + 1;
	res[1].retry_after_ms = 5; /* idle with DONE */
	p.results = res;
	p.n_results = 2;
	ck_assert_uint_le(poll_size(&p), sizeof bytes);
	poll_encode(&p, bytes);
	ck_assert_int_eq(poll_decode(&out, bytes, poll_size(&p), NULL), RC_OK);
	ck_assert_uint_eq(out.results[0].retry_after_ms, RETRY_AFTER_MAX_MS);
	ck_assert_uint_eq(out.results[1].retry_after_ms, 0);
	poll_free(&out);
}
END_TEST

START_TEST(caps_are_kept)
{
	struct poll p = frames_poll("poll-results");
	struct result res = p.results[0];
	struct branch_id *many = mem_new(FRAME_ITEMS_MAX + 1, sizeof *many);
	char *text = long_text(PAYLOAD_MAX + 1);
	struct err err;

	p.results = &res;
	p.n_results = 1;
	res.output = (struct bytes){text, PAYLOAD_MAX};
	ck_assert_int_eq(try_poll(&p, &err), RC_OK);
	res.output.size++;
	refuses(try_poll(&p, &err), &err, RC_TOO_BIG, "output");
	res.output.size = 0;
	text[REASON_MAX + 1] = '\0';
	res.reason = text;
	refuses(try_poll(&p, &err), &err, RC_TOO_BIG, "reason");
	text[REASON_MAX] = '\0';
	ck_assert_int_eq(try_poll(&p, &err), RC_OK);

	for (size_t i = 0; i <= FRAME_ITEMS_MAX; i++)
		many[i] = frames_debit;
	p.inquiries = many;
	p.n_inquiries = FRAME_ITEMS_MAX;
	ck_assert_int_eq(try_poll(&p, &err), RC_OK);
	p.n_inquiries++;
	refuses(try_poll(&p, &err), &err, RC_TOO_BIG, "inquiries");
	free(many);
	free(text);
}
END_TEST

/* Bytes of a poll up to its agent, then whatever the test adds. */
#define POLL_HEAD                        \
	"\x08\x01\x12\x06settle\x1a\x01" \
	"a"

static enum rc raw(const void *bytes, size_t size, struct err *err)
{
	struct poll p;
	const enum rc rc = poll_decode(&p, bytes, size, err);

	poll_free(&p);
	return rc;
}

START_TEST(a_small_frame_cannot_ask_for_much_memory)
{
	enum { PAIRS = 4 << 20 };
	unsigned char *bytes = mem_new(PAIRS + 1, 2);
	struct err err;

	/* Empty resources, then empty operations in one resource, then unknown fields. */
	for (size_t i = 0; i < PAIRS; i++)
		memcpy(bytes + 2 * i, "\x4a\x00", 2);
	ck_assert_int_eq(raw(bytes, 2 * PAIRS, &err), RC_TOO_BIG);
	memcpy(bytes, "\x4a\xfa\xff\xff\x03\x00", 5);
	for (size_t i = 5; i + 2 <= 2 * PAIRS; i += 2)
		memcpy(bytes + i, "\x2a\x00", 2);
	ck_assert_int_ne(raw(bytes, 2 * PAIRS, &err), RC_OK);
	for (size_t i = 0; i < PAIRS; i++)
		memcpy(bytes + 2 * i, "\x78\x00", 2);
	ck_assert_int_eq(raw(bytes, 2 * PAIRS, &err), RC_TOO_BIG);
	free(bytes);
	bytes = mem_new(FRAME_MAX + 1, 1);
	ck_assert_int_eq(raw(bytes, FRAME_MAX + 1, &err), RC_TOO_BIG);
	free(bytes);
}
END_TEST

START_TEST(strings_with_nul_or_broken_utf8_are_refused)
{
	static const struct {
		const char *bytes;
		size_t size;
	} bad[] = {
#define RAW(text) {text, sizeof(text) - 1}
		RAW("\x08\x01\x12\x06settle\x1a\x03"
		    "a\0b"), /* NUL in the agent */
		RAW("\x08\x01\x12\x06settle\x1a\x01\xff"),
		RAW(POLL_HEAD "\x4a\x04\x22\x02\xc0\x80"),     /* problem: too long a form */
		RAW(POLL_HEAD "\x4a\x05\x22\x03\xed\xa0\x80"), /* a surrogate */
		RAW(POLL_HEAD "\x4a\x03\x22\x01\xc3"),         /* cut */
	};
	struct err err;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		refuses(raw(bad[i].bytes, bad[i].size, &err), &err, RC_INVALID, "UTF-8");
}
END_TEST

START_TEST(other_versions_and_rubbish_are_refused)
{
	static const char other[] = "\x08\x02\x12\x06settle\x1a\x01"
				    "a";
	static const char no_branch[] = POLL_HEAD "\x52\x02\x10\x01";
	struct err err;

	refuses(raw(other, sizeof other - 1, &err), &err, RC_INVALID, "version 2");
	refuses(raw(no_branch, sizeof no_branch - 1, &err), &err, RC_INVALID,
		"`branch` is missing");
	refuses(raw("", 0, &err), &err, RC_INVALID, "not a frame");
	refuses(raw("GET / HTTP/1.1\r\n", 16, &err), &err, RC_INVALID, "");
	ck_assert_int_eq(raw("\x08", 1, NULL), RC_INVALID);
}
END_TEST

START_TEST(unknown_fields_are_skipped)
{
	static const char more[] = POLL_HEAD "\xf8\x07\x05\xfa\x07\x03"
					     "xyz\xfd\x07"
					     "1234\xf9\x07"
					     "12345678";
	struct err err = {0};

	ck_assert_msg(raw(more, sizeof more - 1, &err) == RC_OK, "%s", err.text);
}
END_TEST

/* Whatever is cut off or changed, decoding ends well: sanitizers watch. */
START_TEST(damaged_frames_never_hurt)
{
	const char *name = frame_names[_i];
	size_t size;
	unsigned char *bytes = frames_encode(name, &size);
	struct poll p;
	struct reply r;

	for (size_t cut = 0; cut < size; cut++) {
		unsigned char *copy = mem_new(1, cut);

		memcpy(copy, bytes, cut);
		poll_decode(&p, copy, cut, NULL);
		poll_free(&p);
		reply_decode(&r, copy, cut, NULL);
		reply_free(&r);
		free(copy);
	}
	for (size_t bit = 0; bit < 8 * size; bit++) {
		bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
		poll_decode(&p, bytes, size, NULL);
		poll_free(&p);
		reply_decode(&r, bytes, size, NULL);
		reply_free(&r);
		bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	free(bytes);
}
END_TEST

START_TEST(reasons_are_cut_and_made_fit)
{
	char *text = long_text(REASON_MAX + 10);
	char *cut = frame_cut_reason(text), *odd;

	ck_assert_uint_eq(strlen(cut), REASON_MAX);
	free(cut);
	memcpy(text + REASON_MAX - 1, "\xc3\xa4", 2); /* ä across the limit */
	cut = frame_cut_reason(text);
	ck_assert_uint_eq(strlen(cut), REASON_MAX - 1);
	odd = frame_cut_reason("a\xff"
			       "b\x01"
			       "c\nd\xc3\xa4");
	ck_assert_str_eq(odd, "a?b?c d\xc3\xa4");
	free(odd);
	odd = frame_cut_reason(NULL);
	ck_assert_str_eq(odd, "");
	free(odd);
	free(cut);
	free(text);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("frame refused");
	TCase *t = tcase_create("frame refused");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, damaged_frames_never_hurt, 0, FRAMES);
	tcase_add_test(t, names_that_break_the_rules_are_refused);
	tcase_add_test(t, unknown_kinds_are_refused);
	tcase_add_loop_test(t, commands_of_calls_that_break_the_rules_are_refused, 0, 2);
	tcase_add_test(t, answers_fit_what_they_answer);
	tcase_add_test(t, a_wish_to_wait_is_cut_to_an_hour);
	tcase_add_test(t, caps_are_kept);
	tcase_add_test(t, a_small_frame_cannot_ask_for_much_memory);
	tcase_add_test(t, strings_with_nul_or_broken_utf8_are_refused);
	tcase_add_test(t, other_versions_and_rubbish_are_refused);
	tcase_add_test(t, unknown_fields_are_skipped);
	tcase_add_test(t, reasons_are_cut_and_made_fit);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
