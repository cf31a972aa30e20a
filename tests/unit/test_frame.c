/* test_frame.c - frames against the test vectors of docs/protocol.md. */
#include "base/mem.h"
#include "tests/lib/frames.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The bytes of the block "```frame NAME"; NULL if the page has none. */
static unsigned char *vector_read(const char *name, size_t *size)
{
	unsigned char *out = mem_new(1, 4096);
	char line[300], head[100];
	bool inside = false, found = false;
	FILE *f = fopen("docs/protocol.md", "re");

	ck_assert_msg(f != NULL, "run the tests in the repository's root");
	snprintf(head, sizeof head, "```frame %s\n", name);
	*size = 0;
	while (fgets(line, sizeof line, f) != NULL) {
		if (!inside && strcmp(line, head) == 0) {
			inside = found = true;
		} else if (inside && line[0] == '`') {
			break;
		} else if (inside) {
			for (const char *c = line; *c != '\n' && *c != '\0';) {
				unsigned byte;

				ck_assert_int_eq(sscanf(c, "%2x", &byte), 1);
				out[(*size)++] = (unsigned char)byte;
				c += c[2] == ' ' ? 3 : 2;
			}
		}
	}
	fclose(f);
	if (!found) {
		free(out);
		out = NULL;
	}
	return out;
}

static void print_hex(const char *name, const unsigned char *bytes, size_t size)
{
	fprintf(stderr, "```frame %s\n", name);
	for (size_t i = 0; i < size; i++)
		fprintf(stderr, "%02x%c", bytes[i], i % 24 == 23 || i + 1 == size ? '\n' : ' ');
	fprintf(stderr, "```\n");
}

START_TEST(encoder_writes_the_bytes_of_the_page)
{
	const char *name = frame_names[_i];
	size_t size, want;
	unsigned char *bytes = frames_encode(name, &size), *page = vector_read(name, &want);
	const bool same = page != NULL && size == want && memcmp(bytes, page, size) == 0;

	if (!same)
		print_hex(name, bytes, size);
	ck_assert_msg(same, "docs/protocol.md has other bytes for %s", name);
	free(bytes);
	free(page);
}
END_TEST

START_TEST(decoding_the_bytes_of_the_page_gives_the_frame_back)
{
	const char *name = frame_names[_i];
	size_t size, again_size;
	unsigned char *page = vector_read(name, &size), *again;
	struct err err;

	ck_assert_ptr_nonnull(page);
	if (name[0] == 'p') {
		struct poll p;

		ck_assert_msg(poll_decode(&p, page, size, &err) == RC_OK, "%s", err.text);
		again_size = poll_size(&p);
		again = mem_new(1, again_size);
		poll_encode(&p, again);
		poll_free(&p);
		ck_assert_ptr_null(p.owned);
	} else {
		struct reply r;

		ck_assert_msg(reply_decode(&r, page, size, &err) == RC_OK, "%s", err.text);
		again_size = reply_size(&r);
		again = mem_new(1, again_size);
		reply_encode(&r, again);
		reply_free(&r);
	}
	ck_assert_uint_eq(again_size, size);
	ck_assert_mem_eq(again, page, size);
	free(again);
	free(page);
}
END_TEST

START_TEST(decoded_fields_are_those_encoded)
{
	size_t size;
	unsigned char *bytes = frames_encode("reply-commands", &size);
	struct reply r;

	ck_assert_int_eq(reply_decode(&r, bytes, size, NULL), RC_OK);
	free(bytes); /* may be freed: the frame owns what it points to */
	ck_assert_str_eq(r.cluster, "settle");
	ck_assert_uint_eq(r.epoch, 7);
	ck_assert_str_eq(r.error, "");
	ck_assert_uint_eq(r.n_commands, 5);
	ck_assert_int_eq(r.commands[0].kind, COMMAND_PREPARE);
	ck_assert_str_eq(r.commands[0].id.resource, "bank-a");
	ck_assert_str_eq(r.commands[0].id.gid, "t1");
	ck_assert_str_eq(r.commands[0].id.branch, "pay.debit");
	ck_assert_uint_eq(r.commands[0].id.epoch, 7);
	ck_assert_str_eq(r.commands[0].operation, "debit");
	ck_assert_uint_eq(r.commands[0].timeout_ms, 9950);
	ck_assert_uint_eq(r.commands[0].args.size, 20);
	ck_assert_mem_eq(r.commands[0].args.data, "{\"id\":1,\"amount\":10}", 20);
	ck_assert(r.commands[1].repeat && !r.commands[2].repeat);
	ck_assert_str_eq(r.commands[1].operation, "");
	ck_assert(r.commands[3].read_only);
	ck_assert_uint_eq(r.n_answers, 0);
	reply_free(&r);
}
END_TEST

START_TEST(decoded_fields_of_calls_are_those_encoded)
{
	size_t size;
	unsigned char *bytes = frames_encode("reply-calls", &size);
	struct reply r;
	struct poll p;

	ck_assert_int_eq(reply_decode(&r, bytes, size, NULL), RC_OK);
	free(bytes);
	ck_assert_int_eq(r.commands[0].kind, COMMAND_DO);
	ck_assert_str_eq(r.commands[0].operation, "reserve");
	ck_assert_uint_eq(r.commands[0].attempt, 2);
	ck_assert_int_eq(r.commands[1].kind, COMMAND_UNDO);
	ck_assert_uint_eq(r.commands[1].attempt, 1);
	reply_free(&r);

	bytes = frames_encode("poll-calls", &size);
	ck_assert_int_eq(poll_decode(&p, bytes, size, NULL), RC_OK);
	free(bytes);
	ck_assert_int_eq(p.results[0].kind, RESULT_DONE);
	ck_assert_int_eq(p.results[0].call, COMMAND_DO);
	ck_assert_uint_eq(p.results[0].attempt, 2);
	ck_assert_mem_eq(p.results[0].output.data, "{\"id\":17}", 9);
	ck_assert_int_eq(p.results[1].kind, RESULT_RETRY);
	ck_assert_int_eq(p.results[1].call, COMMAND_UNDO);
	ck_assert_uint_eq(p.results[1].retry_after_ms, 1500);
	ck_assert_int_eq(p.results[2].kind, RESULT_PENDING);
	poll_free(&p);

	bytes = frames_encode("poll-hello-calls", &size);
	ck_assert_int_eq(poll_decode(&p, bytes, size, NULL), RC_OK);
	free(bytes);
	ck_assert(p.resources[0].calls && !p.resources[0].exact && !p.resources[0].groups);
	ck_assert(p.resources[1].calls && p.resources[1].exact && p.resources[1].groups);
	poll_free(&p);
}
END_TEST

START_TEST(kinds_have_names)
{
	ck_assert_str_eq(result_kind_name(RESULT_ROLLED_BACK), "rolled_back");
	ck_assert_str_eq(command_kind_name(COMMAND_SETTLE_ONCE), "settle_once");
	ck_assert_str_eq(result_kind_name(RESULT_PENDING), "pending");
	ck_assert_str_eq(command_kind_name(COMMAND_UNDO), "undo");
	ck_assert_str_eq(verdict_name(VERDICT_ABORT), "abort");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("frame");
	TCase *t = tcase_create("frame");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, encoder_writes_the_bytes_of_the_page, 0, FRAMES);
	tcase_add_loop_test(t, decoding_the_bytes_of_the_page_gives_the_frame_back, 0, FRAMES);
	tcase_add_test(t, decoded_fields_are_those_encoded);
	tcase_add_test(t, decoded_fields_of_calls_are_those_encoded);
	tcase_add_test(t, kinds_have_names);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
