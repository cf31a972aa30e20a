/* The command `settle`, as a person and a script use it. */
#include "tests/lib/cluster.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *said; /* what the last run printed */

static int settle(const char *first, ...)
{
	const char *argv[24];
	char *path = program_path("settle");
	size_t n = 0;
	va_list ap;
	argv[n++] = path;
	argv[n++] = "--server";
	argv[n++] = cluster.url;
	va_start(ap, first);
	for (const char *word = first; word; word = va_arg(ap, const char *))
		argv[n++] = word;
	va_end(ap);
	argv[n] = NULL;
	static int runs;
	char *name = textf("settle-%d", ++runs);
	struct proc *p = proc_new(name, argv);
	proc_start(p);
	int status = proc_wait(p, 60);
	free(said);
	said = file_read(p->log_path);
	proc_free(p);
	free(name);
	free(path);
	return status;
}

static char *workflow_file(const char *credit_at)
{
	char *path = temp_path("transfer.%d.yaml", (int)getpid());
	char *text = textf("workflow: transfer\n"
			   "input: [gid, amount]\n"
			   "steps:\n"
			   "  - name: pay\n"
			   "    timeout: 5s\n"
			   "    atomic:\n"
			   "      - name: debit\n"
			   "        resource: bank-a\n"
			   "        operation: debit\n"
			   "        args: {id: 1, amount: \"${input.amount}\", gid: "
			   "\"${input.gid}\"}\n"
			   "      - name: credit\n"
			   "        resource: %s\n"
			   "        operation: credit\n"
			   "        args: {id: 1, amount: \"${input.amount}\", gid: "
			   "\"${input.gid}\"}\n",
			   credit_at);
	file_write(path, text);
	free(text);
	return path;
}

START_TEST(exit_status_tells_the_outcome)
{
	START(0);
	char *file = workflow_file("bank-b");
	ck_assert_int_eq(settle("submit", file, "--gid", "one", "--input", "gid=one", "--input",
				"amount=100", NULL),
			 0);
	ck_assert_msg(strstr(said, "committed"), "%s", said);
	ck_assert_int_eq(settle("submit", file, "--gid", "two", "--input", "gid=two", "--input",
				"amount=5000", NULL),
			 2);
	ck_assert_msg(strstr(said, "rolled_back") && strstr(said, "row"), "%s", said);
	PGconn *lock = row_lock(BANK_B, 1);
	ck_assert_int_eq(settle("submit", file, "--gid", "three", "--input", "gid=three", "--input",
				"amount=1", "--timeout", "100ms", NULL),
			 3);
	row_free(lock);
	ck_assert_int_eq(settle("watch", "three", NULL), 0);
	ck_assert_int_eq(settle("show", "one", NULL), 0);
	ck_assert_int_eq(settle("show", "two", NULL), 2);
	ck_assert_int_eq(settle("show", "nobody", NULL), 1);
	ck_assert_int_eq(settle("submit", file, "--input", "gid=x", NULL), 1);
	ck_assert_msg(strstr(said, "amount"), "%s", said);
	ck_assert_int_eq(settle("no-such-command", NULL), 1);
	free(file);
	ENDS("one", "committed");
	ENDS("three", "committed");
}
END_TEST

START_TEST(json_is_for_programs)
{
	START(0);
	char *file = workflow_file("bank-b");
	ck_assert_int_eq(settle("--json", "submit", file, "--gid", "one", "--input", "gid=one",
				"--input", "amount=100", NULL),
			 0);
	json_t *one = json_loads(said, 0, NULL);
	ck_assert_str_eq(json_text(one, "status"), "committed");
	json_decref(one);
	static const char *const lists[] = {"list", "agents", "resources", "stats"};
	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
		ck_assert_int_eq(settle("--json", lists[i], NULL), 0);
		json_t *json = json_loads(said, 0, NULL);
		ck_assert_msg(json != NULL, "%s: %s", lists[i], said);
		json_decref(json);
		ck_assert_int_eq(settle(lists[i], NULL), 0);
	}
	free(file);
}
END_TEST

START_TEST(mistakes_in_a_file_are_shown_where_they_are)
{
	START(0);
	char *file = workflow_file("bank-b");
	file_write(file, "workflow: transfer\nsteps:\n  - name: pay\n    atomci: []\n");
	ck_assert_int_eq(settle("submit", file, NULL), 1);
	ck_assert_msg(strstr(said, ":4:") && strstr(said, "atomic"), "%s", said);
	free(file);
	file = workflow_file("bank-x");
	ck_assert_int_eq(settle("submit", file, "--input", "gid=x", "--input", "amount=1", NULL),
			 1);
	ck_assert_msg(strstr(said, "bank-x"), "%s", said);
	free(file);
}
END_TEST

START_TEST(no_server_is_a_connection_error)
{
	START(0);
	proc_end(cluster.coordinator, 20);
	ck_assert_int_eq(settle("list", NULL), 1);
	ck_assert_msg(strstr(said, "settle:"), "%s", said);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cli");
	TCase *c = cluster_case(s, "cli");
	tcase_add_test(c, exit_status_tells_the_outcome);
	tcase_add_test(c, json_is_for_programs);
	tcase_add_test(c, mistakes_in_a_file_are_shown_where_they_are);
	tcase_add_test(c, no_server_is_a_connection_error);
	return suite_run(s, banks_open, banks_close);
}
