/* What is not ours: agents in Python and C (examples/agents) and a plugin
 * (examples/plugin), in groups and sagas of the real coordinator. */
#include "tests/lib/cluster.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MANY = 12 };

static struct proc *shop;
static char *points_path;

/* ---- the agent in Python ---- */

static void shop_start(void)
{
	if (shop == NULL) {
		char *url = textf("tcp://127.0.0.1:%d", cluster.agents_port);

		points_path = temp_path("points.%d.db", (int)getpid());
		const char *argv[] = {"/usr/bin/python3",
				      "examples/agents/python/agent.py",
				      url,
				      "test",
				      "shop",
				      points_path,
				      NULL};
		shop = proc_new("shop", argv);
		free(url);
	}
	proc_start(shop);
	await_ready("points", true);
}

static void shop_stop(void)
{
	proc_kill(shop);
	proc_free(shop);
	shop = NULL;
	free(points_path);
}

/* What the agent's own database says that the customer has; 0 if it has never heard of
 * them. */
static int points_of(const char *customer)
{
	sqlite3_stmt *s = NULL;
	sqlite3 *db = NULL;
	int n = 0;

	NEED(sqlite3_open(points_path, &db) == SQLITE_OK, "cannot open %s", points_path);
	sqlite3_busy_timeout(db, 20000);
	NEED(sqlite3_prepare_v2(db, "SELECT points FROM account WHERE customer = ?", -1, &s,
				NULL) == SQLITE_OK,
	     "%s", sqlite3_errmsg(db));
	sqlite3_bind_text(s, 1, customer, -1, SQLITE_STATIC);
	if (sqlite3_step(s) == SQLITE_ROW)
		n = sqlite3_column_int(s, 0);
	sqlite3_finalize(s);
	sqlite3_close(db);
	return n;
}

/* ---- transactions ---- */

static void submit(const char *gid, const char *wait, const char *steps)
{
	char *body = textf("{\"gid\": \"%s\", \"wait\": \"%s\", \"timeout\": \"30s\", "
			   "\"definition\": {\"workflow\": \"w\", \"steps\": [%s]}}",
			   gid, wait, steps);
	struct response r = rest_send(cluster.url, "POST", "/v1/transactions", body, -1, 60000);

	NEED(r.status == 201 || r.status == 202, "%s: %ld %s", gid, r.status, r.body);
	response_free(&r);
	free(body);
}

static void ended(const char *gid, const char *status)
{
	char *reason = NULL;
	const char *is = end_of(gid, &reason);

	NEED(strcmp(is, status) == 0, "%s is %s, not %s: %s", gid, is, status, reason);
	free(reason);
}

#define POINTS(name, op, who, n)                                                  \
	"{\"name\": \"" name "\", \"resource\": \"points\", \"operation\": \"" op \
	"\", \"args\": {\"customer\": \"" who "\", \"points\": " #n "}}"

static const char pair[] = "{\"name\": \"p\", \"timeout\": \"20s\", \"atomic\": [" POINTS(
	"a", "earn", "ann", 1) ", " POINTS("b", "earn", "bob", 1) "]}";

START_TEST(agent_in_python_takes_part_in_groups)
{
	START(0);
	shop_start();
	submit("earn", "finished", pair);
	ended("earn", "committed");
	ck_assert_int_eq(points_of("ann"), 1);
	submit("both", "finished",
	       "{\"name\": \"p\", \"atomic\": [" POINTS("a", "spend", "ann", 1) ", " POINTS(
		       "b", "spend", "bob", 2) "]}");
	ended("both", "rolled_back");
	ck_assert_int_eq(points_of("ann"), 1);
	ck_assert_int_eq(points_of("bob"), 1);
	shop_stop();
}
END_TEST

/* ann and bob get a point each, or neither does; as often as the coordinator says. */
static void pairs_agree(void)
{
	int committed = 0;

	for (int i = 0; i < MANY; i++) {
		char gid[16];
		const char *is;

		snprintf(gid, sizeof gid, "g%d", i);
		is = end_of(gid, NULL);
		committed += strcmp(is, "committed") == 0;
		NEED(strcmp(is, "stuck") != 0, "%s is stuck", gid);
	}
	ck_assert_int_eq(points_of("ann"), committed);
	ck_assert_int_eq(points_of("bob"), committed);
}

static void begin_pairs(void)
{
	for (int i = 0; i < MANY; i++) {
		char gid[16];

		snprintf(gid, sizeof gid, "g%d", i);
		submit(gid, "accepted", pair);
	}
}

START_TEST(agent_in_python_is_killed_and_its_branches_end_alike)
{
	START(0);
	shop_start();
	begin_pairs();
	WAIT_FOR(30, proc_logged(shop, "worked PREPARE"));
	proc_kill(shop);
	shop_start();
	pairs_agree();
	shop_stop();
}
END_TEST

START_TEST(coordinator_is_killed_and_the_agent_in_python_goes_on)
{
	START(0);
	shop_start();
	begin_pairs();
	WAIT_FOR(30, proc_logged(shop, "worked COMMIT"));
	coordinator_kill();
	coordinator_start();
	await_ready("points", true);
	pairs_agree();
	submit("after", "finished", pair);
	ended("after", "committed");
	shop_stop();
}
END_TEST

/* ---- sagas over the agent in Python and the plugin ---- */

#define STOCK(n)                                                                            \
	"{\"name\": \"take\", \"resource\": \"stock\", \"operation\": \"take\", \"args\": " \
	"{\"item\": \"bolt\", \"count\": " #n "}, \"compensate\": {\"operation\": \"give\"}}"
#define SPEND(n)                                                                                 \
	"{\"name\": \"spend\", \"after\": [\"take\"], \"resource\": \"points\", \"operation\": " \
	"\"spend\", \"args\": {\"customer\": \"ann\", \"points\": " #n "}, \"compensate\": "     \
	"{\"operation\": \"reverse\"}}"

/* How many bolts are left, as the plugin itself says. */
static void bolts_are(int n)
{
	char *wanted = textf("\"output\":{\"left\":%d}", n), *gid = textf("look-%d", n);
	char *path = textf("/v1/transactions/%s", gid);
	struct response r;

	submit(gid, "finished",
	       "{\"name\": \"p\", \"atomic\": [{\"name\": \"look\", \"resource\": \"stock\", "
	       "\"operation\": \"look\", \"read_only\": true, \"args\": {\"item\": \"bolt\", "
	       "\"count\": 1}}]}");
	r = rest_send(cluster.url, "GET", path, NULL, 0, 20000);
	NEED(strstr(r.body, wanted) != NULL, "no %s in: %s", wanted, r.body);
	response_free(&r);
	free(path);
	free(gid);
	free(wanted);
}

START_TEST(saga_and_group_over_a_plugin_and_a_foreign_agent)
{
	const char *build = getenv("BUILD");
	char *library = textf("%s/examples/plugin/stock.so", build != NULL ? build : "build");
	char *real = realpath(library, NULL), *facts = temp_path("facts.%d", (int)getpid());
	char *resources;

	NEED(real != NULL, "%s has not been built", library);
	resources = textf("  stock:\n"
			  "    adapter: plugin\n"
			  "    library: %s\n"
			  "    settings: {file: %s, items: {bolt: 20}}\n"
			  "    operations:\n"
			  "      take: {args: [item, count]}\n"
			  "      give:\n"
			  "      look: {args: [item, count], read_only: true}\n",
			  real, facts);
	START(.resources = resources);
	shop_start();
	await_ready("stock", true);
	submit("earn", "finished",
	       "{\"name\": \"p\", \"atomic\": [" POINTS("a", "earn", "ann", 10) "]}");
	ended("earn", "committed");
	submit("good", "finished", STOCK(5) ", " SPEND(4));
	ended("good", "committed");
	ck_assert_int_eq(points_of("ann"), 6);
	bolts_are(15);
	submit("undone", "finished", STOCK(6) ", " SPEND(7));
	ended("undone", "rolled_back");
	ck_assert_int_eq(points_of("ann"), 6);
	submit("group", "finished",
	       "{\"name\": \"p\", \"atomic\": [{\"name\": \"take\", \"resource\": \"stock\", "
	       "\"operation\": \"take\", \"args\": {\"item\": \"bolt\", \"count\": 1}}, " POINTS(
		       "a", "spend", "ann", 1) "]}");
	ended("group", "committed");
	bolts_are(14);
	ck_assert_int_eq(points_of("ann"), 5);
	shop_stop();
	free(resources);
	free(facts);
	free(real);
	free(library);
}
END_TEST

/* ---- the agent in C ---- */

#define ADD(name, after, n)                           \
	"{\"name\": \"" name "\", \"after\": [" after \
	"], \"resource\": \"tally\", \"operation\": " \
	"\"add\", \"args\": {\"n\": " n "}, \"compensate\": {\"operation\": \"take\"}}"

/* The sum of all that has been added, after one more. */
static void tally_is(const char *gid, int total)
{
	char *path = textf("/v1/transactions/%s", gid), *wanted;
	struct response r;

	submit(gid, "finished", ADD("one", "", "1"));
	ended(gid, "committed");
	r = rest_send(cluster.url, "GET", path, NULL, 0, 20000);
	wanted = textf("\"output\":{\"total\":%d}", total);
	NEED(strstr(r.body, wanted) != NULL, "no %s in: %s", wanted, r.body);
	free(wanted);
	response_free(&r);
	free(path);
}

START_TEST(agent_in_c_on_the_wire_alone_serves_sagas_over_a_coordinators_death)
{
	const char *build = getenv("BUILD");
	char *program = textf("%s/examples/agents/c/tally", build != NULL ? build : "build");

	START(0);
	char *port = textf("%d", cluster.agents_port);
	const char *argv[] = {program, "127.0.0.1", port, "test", "counter", NULL};
	struct proc *tally = proc_new("tally", argv);
	proc_start(tally);
	await_ready("tally", true);
	tally_is("a", 1);
	submit("good", "finished", ADD("x", "", "10") ", " ADD("y", "\"x\"", "100"));
	ended("good", "committed");
	submit("undone", "finished", ADD("x", "", "10") ", " ADD("y", "\"x\"", "\"no\""));
	ended("undone", "rolled_back");
	tally_is("b", 112);
	coordinator_kill();
	coordinator_start();
	await_ready("tally", true);
	tally_is("c", 113);
	proc_kill(tally);
	proc_free(tally);
	free(port);
	free(program);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("custom");

	tcase_add_test(cluster_case(suite, "groups"), agent_in_python_takes_part_in_groups);
	tcase_add_test(cluster_case(suite, "killed"),
		       agent_in_python_is_killed_and_its_branches_end_alike);
	tcase_add_test(cluster_case(suite, "coordinator"),
		       coordinator_is_killed_and_the_agent_in_python_goes_on);
	tcase_add_test(cluster_case(suite, "sagas"),
		       saga_and_group_over_a_plugin_and_a_foreign_agent);
	tcase_add_test(cluster_case(suite, "c"),
		       agent_in_c_on_the_wire_alone_serves_sagas_over_a_coordinators_death);
	return suite_run(suite, banks_open, banks_close);
}
