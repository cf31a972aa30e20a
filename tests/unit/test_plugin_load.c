/* The plugin adapter: libraries and settings that are refused, and the example. */
#include "adapters/plugin_config.h"
#include "tests/lib/plugin_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char *dir;

static void set_up(void)
{
	dir = pr_dir();
}

static void tear_down(void)
{
	free(dir);
}

/* `library` is refused: at its line, with the file's name and `word` in the text. */
static void refused(const char *library, const char *more, const char *word)
{
	char *text = pr_text(library, dir, "x", more);
	const char *slash = strrchr(library, '/');
	struct err err = {0};
	struct pr *r = pr_try(text, NULL, &err);

	ck_assert_msg(r == NULL, "%s was taken", library);
	ck_assert_int_eq(err.code, RC_INVALID);
	ck_assert_int_eq(err.line, 2);
	ck_assert_msg(strstr(err.text, word) != NULL && strstr(err.text, slash) != NULL, "%s: %s",
		      library, err.text);
	free(text);
}

/* A copy of a library, for free(), with `size` bytes at `at` changed. */
static char *copy_of(const char *name, const char *as, long at, const void *bytes, size_t size)
{
	char *from = pr_library(name), *to = textf("%s/%s", dir, as);
	char *command = textf("cp %s %s", from, to);
	FILE *f;

	NEED(system(command) == 0, "cannot copy %s", from);
	f = fopen(to, "r+");
	chmod(to, 0755);
	NEED(f != NULL && fseek(f, at, SEEK_SET) == 0 && fwrite(bytes, 1, size, f) == size &&
		     fclose(f) == 0,
	     "cannot change %s", to);
	free(command);
	free(from);
	return to;
}

/* ---- libraries ---- */

START_TEST(table_that_is_wrong_is_refused_with_what_is_wrong_in_it)
{
	static const char *const bad[][2] = {
		{"bad-WRONG_ABI", "built for version 2 of the plugin interface"},
		{"bad-SMALL", "sizeof(struct settle_plugin)"},
		{"bad-NAMELESS", "has no name"},
		{"bad-NO_OPEN", "no `open`"},
		{"bad-HALF_GROUP", "not all four"},
		{"bad-IDLE", "could do nothing"},
		{"bad-FLAGS", "flags"},
		{"bad-WONT_OPEN", "cannot be opened: the till has no key: set `key`"},
		{"no_table", "has no symbol `settle_plugin`"},
	};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		char *library = pr_library(bad[i][0]);

		refused(library, "", bad[i][1]);
		free(library);
	}
}
END_TEST

START_TEST(file_that_is_no_library_of_this_machine_is_refused)
{
	static const unsigned char program[2] = {2, 0}, sparc[2] = {2, 0}, bits32 = 1;
	char *path = textf("%s/text.so", dir);

	refused("/nowhere/at_all.so", "", "cannot find the library");
	file_write(path, "#!/bin/sh\necho I am no library, but long enough to have a header\n");
	refused(path, "", "is not a shared library");
	file_write(path, "");
	refused(path, "", "is not a shared library");
	free(path);
	path = copy_of("tame", "machine.so", 18, sparc, 2);
	refused(path, "", "another architecture");
	free(path);
	path = copy_of("tame", "bits.so", 4, &bits32, 1);
	refused(path, "", "another architecture");
	free(path);
	path = copy_of("tame", "program.so", 16, program, 2);
	refused(path, "", "but a program or an object file");
	free(path);
	path = copy_of("tame", "cut.so", 0, "\177ELF", 4);
	NEED(truncate(path, 200) == 0, "cannot cut %s", path);
	refused(path, "", "cannot load it");
	free(path);
	path = textf("%s/folder.so", dir);
	mkdir(path, 0755);
	refused(path, "", "is not a file");
	free(path);
}
END_TEST

START_TEST(library_that_others_may_write_is_refused)
{
	char *path = copy_of("tame", "open.so", 0, "\177ELF", 4);

	chmod(path, 0775);
	refused(path, "", "may be written by others than its owner");
	chmod(path, 0757);
	refused(path, "", "`chmod go-w` it");
	chmod(path, 0755);
	char *text = pr_text(path, dir, "x", "");
	pr_close(pr_open(text));
	free(text);
	free(path);
}
END_TEST

START_TEST(relative_library_lies_beside_the_configuration)
{
	char *path = copy_of("tame", "near.so", 0, "\177ELF", 4);
	char *text = pr_text("./near.so", dir, "x", "");
	struct err err = {0};

	chmod(path, 0755);
	struct pr *r = pr_try(text, dir, &err);
	ck_assert_msg(r != NULL, "%s", err.text);
	pr_close(r);
	refused("./near.so", "", "cannot find the library");
	free(text);
	free(path);
}
END_TEST

START_TEST(open_that_hangs_does_not_hang_the_agent)
{
	char *library = pr_library("tame"), *flag = textf("%s/hang", dir);

	file_write(flag, "");
	refused(library, "timeout: 100ms\n", "has not come back in time");
	free(flag);
	free(library);
}
END_TEST

/* ---- settings ---- */

START_TEST(mistakes_in_the_configuration_are_told_with_their_line)
{
#define LIB "library: /x.so\n"
	static const char *const bad[][2] = {
		{"operations: {a: }", "library must be given"},
		{LIB, "operations must be given"},
		{LIB "operations: {}", "1 to 1000 operations"},
		{LIB "operations: {a: b}", "expected a map with `args`"},
		{LIB "operations: {a: {arg: []}}", "args"},
		{LIB "operations: {a: {args: [x, x]}}", "named twice"},
		{LIB "operations: {a: {args: ['x y']}}", "argument's name"},
		{LIB "operations: {a b: }", "operation's name"},
		{LIB "operations: {a: }\nthreads: 0", "threads"},
		{LIB "operations: {a: }\nthread: 3", "threads"},
		{LIB "operations: {a: }\nsettings: 7", "settings must be a map"},
		{LIB "operations: {a: }\nsettings: {n: 99999999999999999999}", "too big"},
		{"library: ''\noperations: {a: }", "must name a file"},
		{LIB "operations: {a: }", "cannot find the library /x.so"},
	};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		char *text = textf("adapter: plugin\n%s\n", bad[i][0]);
		struct err err = {0};

		ck_assert(pr_try(text, NULL, &err) == NULL);
		ck_assert_int_eq(err.code, RC_INVALID);
		ck_assert_msg(strstr(err.text, bad[i][1]) != NULL && err.line > 0, "%zu: %d: %s", i,
			      err.line, err.text);
		free(text);
	}
}
END_TEST

START_TEST(settings_come_to_the_plugin_as_json)
{
	static const char *const pairs[][2] = {
		{"{a: 1, b: -0.5, c: 1e3}", "{\"a\":1,\"b\":-0.5,\"c\":1000.0}"},
		{"[true, false, null, ~, ]", "[true,false,null,null]"},
		{"['1', \"true\", no, 01, 1., .5, 0x1, -, 1e]",
		 "[\"1\",\"true\",\"no\",\"01\",\"1.\",\".5\",\"0x1\",\"-\",\"1e\"]"},
		{"{path: /a/b, deep: {list: [[], {}]}}",
		 "{\"path\":\"/a/b\",\"deep\":{\"list\":[[],{}]}}"},
		{"[9223372036854775807, \"a\\nb\"]", "[9223372036854775807,\"a\\nb\"]"},
	};
	struct err err = {0};

	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
		struct yaml_doc *doc;
		char *json;

		ck_assert_int_eq(yaml_parse(pairs[i][0], strlen(pairs[i][0]), &doc, &err), RC_OK);
		ck_assert_int_eq(plugin_settings_json(yaml_root(doc), &json, &err), RC_OK);
		ck_assert_str_eq(json, pairs[i][1]);
		free(json);
		yaml_doc_free(doc);
	}
}
END_TEST

/* ---- the example ---- */

static struct pr *stock_open(int bolts)
{
	char *library = pr_library("stock");
	char *text = textf("adapter: plugin\nlibrary: %s\n"
			   "settings: {file: %s/facts, items: {bolt: %d, nut: 5}}\n"
			   "operations:\n"
			   "  take: {args: [item, count]}\n"
			   "  look: {args: [item, count], read_only: true}\n",
			   library, dir, bolts);
	struct pr *r = pr_open(text);

	free(text);
	free(library);
	return r;
}

#define TAKE(gid, n) \
	pr_do_in(rig, gid, false, "take", "{\"item\":\"bolt\",\"count\":" #n "}", 60000)
#define GIVE(gid) pr_undo(rig, gid, "take")
#define HOLD(gid, n) \
	pr_prepare_in(rig, gid, "take", "{\"item\":\"bolt\",\"count\":" #n "}", 60000, false)

static void left_is(struct pr *rig, const char *text)
{
	struct pr_call *c =
		pr_prepare_in(rig, "look", "look", "{\"item\":\"bolt\",\"count\":1}", 60000, true);

	PR_IS(c, "read_only");
	PR_PUTS(c, text);
}

START_TEST(example_acts_once_for_each_key_over_restarts)
{
	struct pr *rig = stock_open(10);
	struct pr_call *c;

	PR_IS(c = TAKE("a", 3), "done");
	PR_PUTS(c, "{\"left\": 7}");
	PR_IS(TAKE("b", 2), "done");
	PR_IS(c = TAKE("a", 3), "done");
	PR_PUTS(c, "{\"left\": 7}"); /* as the first time */
	PR_IS(c = TAKE("c", 6), "refused");
	PR_SAYS(c, "6 of bolt wanted, 5 left");
	PR_IS(GIVE("d"), "done");
	pr_close(rig);
	rig = stock_open(10);
	left_is(rig, "{\"left\": 5}");
	PR_IS(TAKE("a", 3), "done");
	PR_IS(GIVE("a"), "done");
	PR_IS(GIVE("a"), "done");
	left_is(rig, "{\"left\": 8}");
	PR_IS(TAKE("a", 3), "refused"); /* late */
	PR_IS(TAKE("d", 1), "refused"); /* its undo came first */
	left_is(rig, "{\"left\": 8}");
	pr_close(rig);
}
END_TEST

START_TEST(example_keeps_what_is_prepared_over_a_crash_and_a_torn_line)
{
	char *facts = textf("%s/facts", dir), *text;
	struct pr *rig = stock_open(10);
	struct pr_call *c;
	FILE *f;

	PR_IS(HOLD("a", 4), "prepared");
	PR_IS(HOLD("b", 4), "prepared");
	PR_IS(HOLD("c", 4), "refused");
	pr_close(rig);
	f = fopen(facts, "a");
	NEED(f != NULL && fputs("held settle:test:7:z:s.b bol", f) > 0 && fclose(f) == 0, "write");
	rig = stock_open(10);
	c = pr_list(rig);
	ck_assert_int_eq(c->rc, RC_OK);
	ck_assert_uint_eq(c->n, 2);
	PR_IS(pr_commit(rig, "a", false), "committed");
	PR_IS(pr_commit(rig, "a", true), "committed");
	PR_IS(pr_rollback(rig, "b"), "rolled_back");
	PR_IS(pr_rollback(rig, "z"), "rolled_back");
	PR_IS(pr_commit(rig, "y", false), "hazard");
	left_is(rig, "{\"left\": 6}");
	ck_assert_uint_eq(pr_list(rig)->n, 0);
	pr_close(rig);
	text = file_read(facts);
	ck_assert_str_eq(text, "held settle:test:7:a:s.b bolt 4 6\n"
			       "held settle:test:7:b:s.b bolt 4 2\n"
			       "sold settle:test:7:a:s.b\n"
			       "freed settle:test:7:b:s.b\n");
	free(text);
	free(facts);
}
END_TEST

START_TEST(example_sells_no_more_than_there_is_to_many_at_once)
{
	enum { CALLS = 40 };
	struct pr *rig = stock_open(20);
	struct pr_call *calls[CALLS];
	int done = 0;

	for (int i = 0; i < CALLS; i++) {
		char gid[16];

		snprintf(gid, sizeof gid, "g%d", i);
		calls[i] = i % 2 == 0 ? TAKE(gid, 2) : HOLD(gid, 2);
	}
	for (int i = 0; i < CALLS; i++) {
		const char *word = pr_word(calls[i]);

		done += strcmp(word, "done") == 0 || strcmp(word, "prepared") == 0;
	}
	ck_assert_int_eq(done, 10);
	left_is(rig, "{\"left\": 0}");
	pr_close(rig);
}
END_TEST

#define ADD(name)                                                     \
	do {                                                          \
		TCase *tcase_ = tcase_create(#name);                  \
		tcase_set_timeout(tcase_, 200);                       \
		tcase_add_checked_fixture(tcase_, set_up, tear_down); \
		tcase_add_test(tcase_, name);                         \
		suite_add_tcase(suite, tcase_);                       \
	} while (0)

int main(void)
{
	Suite *suite = suite_create("plugin_load");

	ADD(table_that_is_wrong_is_refused_with_what_is_wrong_in_it);
	ADD(file_that_is_no_library_of_this_machine_is_refused);
	ADD(library_that_others_may_write_is_refused);
	ADD(relative_library_lies_beside_the_configuration);
	ADD(open_that_hangs_does_not_hang_the_agent);
	ADD(mistakes_in_the_configuration_are_told_with_their_line);
	ADD(settings_come_to_the_plugin_as_json);
	ADD(example_acts_once_for_each_key_over_restarts);
	ADD(example_keeps_what_is_prepared_over_a_crash_and_a_torn_line);
	ADD(example_sells_no_more_than_there_is_to_many_at_once);
	return suite_run(suite, NULL, NULL);
}
