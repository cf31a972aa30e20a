/* test_journal_workflow.c - published workflows in the journal. */
#include "base/mem.h"
#include "coordinator/journal_writer.h"
#include "tests/lib/harness.h"
#include "tests/lib/journal_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static struct jf f;

static void setup(void)
{
	jf_init(&f);
	jf_open(&f);
}

static void teardown(void)
{
	jf_fini(&f);
}

static void publish(struct jf *on, const char *name, uint32_t version, const char *text)
{
	const struct workflow_row row = {
		.name = name, .version = version, .published_us = 100 + version, .text = text};

	on->port.put_workflow(on->port.self, &row);
}

static void note_workflow(const struct workflow_row *row, void *arg)
{
	char *at = (char *)arg + strlen(arg);

	ck_assert_ptr_null(row->text);
	ck_assert_uint_eq(row->published_us, 100 + row->version);
	sprintf(at, "%s@%u%s ", row->name, (unsigned)row->version, row->active ? "!" : "");
}

static void no_resource(const struct resource_info *info, void *arg)
{
	(void)info;
	(void)arg;
}

static void no_record(struct record *r, void *arg)
{
	(void)arg;
	record_free(r);
}

/* What a start finds: the active version has a `!`. */
static const char *replayed(void)
{
	static char seen[200];
	struct err err;

	seen[0] = '\0';
	jf_close(&f);
	jf_open(&f);
	NEED(journal_replay(f.j, note_workflow, no_resource, no_record, seen, &err) == RC_OK, "%s",
	     err.text);
	return seen;
}

START_TEST(newest_version_is_active_until_another_one_is_made_so)
{
	publish(&f, "trip", 1, "one");
	publish(&f, "order", 1, "an order");
	publish(&f, "trip", 2, "two");
	publish(&f, "trip", 3, "three");
	jf_commit(&f);
	ck_assert_str_eq(replayed(), "order@1! trip@1 trip@2 trip@3! ");
	f.port.activate(f.port.self, "trip", 1);
	f.port.activate(f.port.self, "trip", 1);
	jf_commit(&f);
	ck_assert_str_eq(replayed(), "order@1! trip@1! trip@2 trip@3 ");
	publish(&f, "trip", 4, "four");
	jf_commit(&f);
	ck_assert_str_eq(replayed(), "order@1! trip@1 trip@2 trip@3 trip@4! ");
}
END_TEST

START_TEST(text_of_each_version_is_found)
{
	char *largest = mem_new(WORKFLOW_TEXT_MAX + 1, 1), *text;
	struct err err;

	memset(largest, '#', WORKFLOW_TEXT_MAX);
	publish(&f, "trip", 1, "workflow: trip # Zoë 猫\n");
	publish(&f, "trip", 2, largest);
	jf_commit(&f);
	ck_assert_int_eq(f.port.workflow(f.port.self, "trip", 1, &text, &err), RC_OK);
	ck_assert_str_eq(text, "workflow: trip # Zoë 猫\n");
	free(text);
	ck_assert_int_eq(f.port.workflow(f.port.self, "trip", 2, &text, &err), RC_OK);
	ck_assert_str_eq(text, largest);
	free(text);
	ck_assert_int_eq(f.port.workflow(f.port.self, "trip", 3, &text, &err), RC_NOT_FOUND);
	ck_assert_ptr_null(text);
	ck_assert_int_eq(f.port.workflow(f.port.self, "tri", 1, &text, &err), RC_NOT_FOUND);
	free(largest);
}
END_TEST

START_TEST(damaged_workflow_is_refused)
{
	static const char *const damage[] = {
		"UPDATE workflow SET version = 0",
		"UPDATE workflow SET version = 5000000000",
		"UPDATE workflow SET version = 1, name = 'no name'",
		"DROP TABLE workflow",
	};
	char seen[200] = "", *text;
	struct err err = {0};

	publish(&f, "trip", 1, "one");
	jf_commit(&f);
	jf_sql(&f, "UPDATE workflow SET text = printf('%2000000s', 'x')");
	ck_assert_int_eq(f.port.workflow(f.port.self, "trip", 1, &text, &err), RC_INVALID);
	for (size_t i = 0; i < 3; i++) {
		jf_close(&f);
		jf_sql(&f, damage[i]);
		jf_open_only(&f);
		ck_assert_int_eq(
			journal_replay(f.j, note_workflow, no_resource, no_record, seen, &err),
			RC_INVALID);
		ck_assert_ptr_nonnull(strstr(err.text, "damaged"));
	}
	jf_close(&f);
	jf_sql(&f, damage[3]);
	jf_refused(&f, RC_INVALID, "workflow");
}
END_TEST

static void activate_what_is_not(struct jf *mine, void *arg)
{
	(void)arg;
	jf_open(mine);
	publish(mine, "trip", 1, "one");
	mine->port.activate(mine->port.self, "trip", 2);
	jf_commit(mine);
}

static void publish_twice(struct jf *mine, void *arg)
{
	(void)arg;
	jf_open(mine);
	publish(mine, "trip", 1, "one");
	publish(mine, "trip", 1, "two");
	jf_commit(mine);
}

START_TEST(contradicting_writes_end_the_process)
{
	static const struct {
		void (*child)(struct jf *, void *);
		const char *says;
	} wrong[] = {
		{activate_what_is_not, "workflow trip has no version 2"},
		{publish_twice, "version 1 of workflow trip: "},
	};

	jf_close(&f);
	for (size_t i = 0; i < 2; i++) {
		char *said;
		const int status = jf_fork(&f, wrong[i].child, NULL, &said);

		ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == JOURNAL_FAILED_STATUS,
			      "%zu: status %x: %s", i, (unsigned)status, said);
		ck_assert_msg(strstr(said, wrong[i].says) != NULL, "%s", said);
		free(said);
	}
	jf_open(&f);
	ck_assert_str_eq(replayed(), "");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("journal_workflow");
	TCase *tc = tcase_create("journal_workflow");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, newest_version_is_active_until_another_one_is_made_so);
	tcase_add_test(tc, text_of_each_version_is_found);
	tcase_add_test(tc, damaged_workflow_is_refused);
	tcase_add_test(tc, contradicting_writes_end_the_process);
	suite_add_tcase(suite, tc);
	return suite_run(suite, NULL, NULL);
}
