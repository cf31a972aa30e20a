/* test_conf.c - settings from a table. */
#include "base/conf.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

struct settings {
	char *listen;
	char *data;
	int64_t connections;
	bool metrics;
	uint64_t timeout_ms;
	const struct yaml_node *resources;
};

#define AT(field) offsetof(struct settings, field)
static const struct conf_row rows[] = {
	{"listen", CONF_TEXT, AT(listen), "127.0.0.1:7480", 0, 20, "address for REST"},
	{"data", CONF_TEXT, AT(data), NULL, 0, 0, "directory of the journal"},
	{"connections", CONF_INT, AT(connections), "100", 1, 1000, "clients at once"},
	{"metrics", CONF_BOOL, AT(metrics), "true", 0, 0, "serve /metrics"},
	{"timeout", CONF_MS, AT(timeout_ms), "30s", 1, 60000, "of a group"},
	{"resources", CONF_NODE, AT(resources), "", 0, 0, "what is served"},
	{0},
};

static struct yaml_doc *doc;
static struct err err;
static struct settings got;

static enum rc READ(const char *text)
{
	memset(&got, 0xff, sizeof got); /* whatever was there does not matter */
	ck_assert_int_eq(yaml_parse(text, strlen(text), &doc, &err), RC_OK);
	return conf_read(rows, yaml_root(doc), &got, &err);
}

static void clean(void)
{
	conf_fini(rows, &got);
	yaml_doc_free(doc);
	doc = NULL;
}

static void REFUSED(const char *text, int line, int column, const char *says)
{
	ck_assert_int_eq(READ(text), RC_INVALID);
	ck_assert_msg(strstr(err.text, says) != NULL, "`%s` not in: %s", says, err.text);
	ck_assert_int_eq(err.line, line);
	ck_assert_int_eq(err.column, column);
	ck_assert_ptr_null(got.listen);
	ck_assert_ptr_null(got.data);
	clean();
}

START_TEST(what_is_left_out_has_its_default)
{
	ck_assert_int_eq(READ("data: /var/lib/settle"), RC_OK);
	ck_assert_str_eq(got.listen, "127.0.0.1:7480");
	ck_assert_str_eq(got.data, "/var/lib/settle");
	ck_assert_int_eq(got.connections, 100);
	ck_assert(got.metrics);
	ck_assert_uint_eq(got.timeout_ms, 30000);
	ck_assert_ptr_null(got.resources);
}
END_TEST

START_TEST(what_is_given_is_read)
{
	ck_assert_int_eq(READ("listen: \"\"\ndata: 12\nconnections: 7\nmetrics: false\n"
			      "timeout: 1500ms\nresources: {a: 1}"),
			 RC_OK);
	ck_assert_str_eq(got.listen, "");
	ck_assert_str_eq(got.data, "12");
	ck_assert_int_eq(got.connections, 7);
	ck_assert(!got.metrics);
	ck_assert_uint_eq(got.timeout_ms, 1500);
	ck_assert_ptr_nonnull(yaml_get(got.resources, "a"));
}
END_TEST

START_TEST(what_is_wrong_is_refused_at_its_place)
{
	REFUSED("data: x\nconections: 1", 2, 1,
		"the configuration has no \"conections\"; did you mean \"connections\"?");
	REFUSED("listen: x", 1, 1, "data must be given: directory of the journal");
	REFUSED("data: x\nconnections: 1001", 2, 14, "from 1 to 1000");
	REFUSED("data: x\nconnections: many", 2, 14, "expected a whole number");
	REFUSED("data: x\nmetrics: 1", 2, 10, "expected true or false");
	REFUSED("data: x\ntimeout: 2m", 2, 10, "a duration from 1ms to 1m");
	REFUSED("data: [x]", 1, 7, "data: expected a text, not a list");
	REFUSED("data:\nlisten: x", 1, 6, "nothing is given");
	REFUSED("data: x\nlisten: 123456789012345678901", 2, 9, "21 bytes; at most 20");
	REFUSED("- data", 1, 1, "the configuration must be a map");
	REFUSED("just text", 1, 1, "the configuration must be a map");
}
END_TEST

START_TEST(a_text_that_is_refused_is_not_repeated)
{
	ck_assert_int_eq(READ("data: x\nlisten: password=hunter2-and-more"), RC_INVALID);
	ck_assert_ptr_null(strstr(err.text, "hunter2"));
}
END_TEST

START_TEST(without_a_file_there_are_only_defaults)
{
	ck_assert_int_eq(conf_read(rows, NULL, &got, &err), RC_INVALID); /* data has none */
	ck_assert_int_eq(conf_read(rows + 2, NULL, &got, &err), RC_OK);
	ck_assert_int_eq(got.connections, 100);
}
END_TEST

/* What a printing function prints; freed by the caller. */
static char *printed(void (*print)(const struct conf_row *, FILE *))
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	print(rows, out);
	fclose(out);
	return text;
}

START_TEST(the_table_prints_itself)
{
	char *help = printed(conf_help), *markdown = printed(conf_markdown);

	ck_assert_ptr_nonnull(strstr(help, "  timeout "));
	ck_assert_ptr_nonnull(strstr(help, "duration, 1ms to 1m; default: 30s\n"));
	ck_assert_ptr_nonnull(strstr(help, "text; must be given\n"));
	ck_assert_ptr_nonnull(strstr(markdown, "| `connections` | number | `100` | 1 to 1000 | "
					       "clients at once |\n"));
	ck_assert_ptr_nonnull(strstr(markdown, "| `data` | text | must be given |  | "));
	free(help);
	free(markdown);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("conf");
	TCase *tc = tcase_create("conf");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, NULL, clean);
	tcase_add_test(tc, what_is_left_out_has_its_default);
	tcase_add_test(tc, what_is_given_is_read);
	tcase_add_test(tc, what_is_wrong_is_refused_at_its_place);
	tcase_add_test(tc, a_text_that_is_refused_is_not_repeated);
	tcase_add_test(tc, without_a_file_there_are_only_defaults);
	tcase_add_test(tc, the_table_prints_itself);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
