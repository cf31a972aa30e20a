/* Files, expressions, commands, services and plugins that mean harm, or are careless: each
 * is answered with a clear error, in bounded memory, and holds nobody else up. */
#include "tests/lib/http_stub.h"
#include "tests/lib/team.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	OTHERS = 50, /* sagas that mean no harm */
	EACH = 10,   /* of every hostile kind */
	/* What an agent may need at the most, while it is sent gigabytes. */
	AGENT_KIB = 200 << 10,
};

static const char nothing[] = "  fine:\n    adapter: noop\n    operations: {step: {}}\n";
static const char fine[] =
	"\"definition\": {\"workflow\": \"fine\", \"steps\": ["
	"{\"name\": \"a\", \"resource\": \"fine\", \"operation\": \"step\", \"compensate\": "
	"\"none\"}, {\"name\": \"b\", \"after\": \"a\", \"resource\": \"fine\", "
	"\"operation\": \"step\", \"compensate\": \"none\"}]}";

/* ---- how long others wait ---- */

static atomic_bool over;
static int64_t longest_ms; /* the longest /healthz; read when its thread has ended */

static void *ask_health(void *arg)
{
	longest_ms = 0;
	while (!atomic_load(&over)) {
		const int64_t began = clock_ms();
		struct response r = rest_send(team.url, "GET", "/healthz", NULL, -1, 60000);

		NEED(r.status == 200, "no answer: %ld", r.status);
		response_free(&r);
		if (clock_ms() - began > longest_ms)
			longest_ms = clock_ms() - began;
		harness_pause();
	}
	return arg;
}

static pthread_t health_begin(void)
{
	pthread_t thread;

	atomic_store(&over, false);
	NEED(pthread_create(&thread, NULL, ask_health, NULL) == 0, "no thread");
	return thread;
}

static void health_end(pthread_t thread, const char *what)
{
	atomic_store(&over, true);
	pthread_join(thread, NULL);
	printf("hostile: %s: the longest /healthz took %d ms\n", what, (int)longest_ms);
}

static void others_begin(void)
{
	char gid[24];

	for (int i = 0; i < OTHERS; i++) {
		snprintf(gid, sizeof gid, "fine-%d", i);
		team_submit(gid, fine);
	}
}

static void others_end(void)
{
	char gid[24];

	for (int i = 0; i < OTHERS; i++) {
		snprintf(gid, sizeof gid, "fine-%d", i);
		team_ends(gid, "committed");
	}
}

/* It is rolled back, and its reason says so. */
static void undone_because(const char *gid, const char *word)
{
	char *path = textf("/v1/transactions/%s", gid);
	const char *reason;

	team_ends(gid, "rolled_back");
	reason = json_text(team_ask("GET", path, NULL, 200), "reason");
	NEED(strstr(reason, word) != NULL, "%s: no \"%s\" in its reason: %s", gid, word, reason);
	free(path);
}

/* ---- expressions ---- */

static const struct runaway {
	const char *name, *expression, *word;
} runaways[] = {
	{"endless", "(function() while true do end end)()", "instructions"},
	{"tail", "(function() local function f() return f() end return f() end)()", "instructions"},
	{"recursion", "(function() local function f(n) return 1 + f(n + 1) end return f(1) end)()",
	 "memory"},
	{"text", "(function() local s = 'x' while true do s = s .. s end end)()", "memory"},
	{"list", "(function() local t, i = {}, 0 while true do i = i + 1 t[i] = {i} end end)()",
	 "memory"},
	{"nested", "(function() local t = {} for i = 1, 5000 do t = {t} end return t end)()",
	 "deep"},
	{"circle", "(function() local t = {} t.t = t return t end)()", "itself"},
	{"shout", "string.upper(input.big .. input.big)", "memory"},
	{"joined", "input.big .. input.big", "memory"},
	{"missing", "input.big.at.all .. 'x'", "missing"},
};
enum { RUNAWAYS = sizeof runaways / sizeof runaways[0] };

/* Its first step is done, its second cannot be said: the first is undone. */
static json_t *runaway_body(const struct runaway *r, const char *big)
{
	char *text = textf("${%s}", r->expression);
	json_t *body = json_pack(
		"{s:{s:s}, s:{s:s, s:[s], s:[{s:s, s:s, s:s, s:{s:s}}, "
		"{s:s, s:s, s:s, s:s, s:{s:s}, s:s}]}}",
		"input", "big", strstr(r->expression, "big") != NULL ? big : "small", "definition",
		"workflow", r->name, "input", "big", "steps", "name", "a", "resource", "fine",
		"operation", "step", "compensate", "operation", "step", "name", "b", "after", "a",
		"resource", "fine", "operation", "step", "args", "x", text, "compensate", "none");

	free(text);
	return body;
}

static void runaways_begin(void)
{
	char *big = calloc(1, 600001);

	NEED(big, "out of memory");
	memset(big, 'x', 600000);
	for (int i = 0; i < RUNAWAYS; i++) {
		json_t *body = runaway_body(&runaways[i], big);
		char *text = json_dumps(body, JSON_COMPACT), gid[32];

		for (int k = 0; k < EACH; k++) {
			snprintf(gid, sizeof gid, "%s-%d", runaways[i].name, k);
			/* The rest of the body, without its braces. */
			text[strlen(text) - 1] = '\0';
			team_submit(gid, text + 1);
			text[strlen(text)] = '}';
		}
		free(text);
		json_decref(body);
	}
	free(big);
}

START_TEST(runaway_expression_ends_its_own_saga_only)
{
	char gid[32];
	pthread_t health;

	team_start(NULL);
	team_agent("agent", nothing);
	team_await("fine");
	health = health_begin();
	runaways_begin();
	others_begin();
	others_end();
	for (int i = 0; i < RUNAWAYS; i++)
		for (int k = 0; k < EACH; k++) {
			snprintf(gid, sizeof gid, "%s-%d", runaways[i].name, k);
			undone_because(gid, runaways[i].word);
		}
	health_end(health, "100 runaway expressions");
	ck_assert_int_eq(team_stat("steps", "undone"), RUNAWAYS * EACH);
	ck_assert_int_eq(team_stat("now", "running"), 0);
}
END_TEST

/* A thousand steps at once, each as long as an expression may take. */
START_TEST(many_long_expressions_leave_others_their_turn)
{
	enum { STEPS = 1000 };
	json_t *steps = json_array(), *body;
	pthread_t health;
	char *text;

	team_start(NULL);
	team_agent("agent", nothing);
	team_await("fine");
	for (int i = 0; i < STEPS; i++) {
		char name[16];

		snprintf(name, sizeof name, "s%d", i);
		json_array_append_new(
			steps, json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", name, "resource",
					 "fine", "operation", "step", "compensate", "none", "when",
					 "${(function() local n = 0 for i = 1, 20000 do n = n + i "
					 "end return n > 0 end)()}"));
	}
	body = json_pack("{s:{s:s, s:o}}", "definition", "workflow", "long", "steps", steps);
	text = json_dumps(body, JSON_COMPACT);
	text[strlen(text) - 1] = '\0';
	health = health_begin();
	team_submit("long", text + 1);
	others_begin();
	others_end();
	team_ends("long", "committed");
	health_end(health, "a thousand long expressions");
	free(text);
	json_decref(body);
}
END_TEST

/* ---- files ---- */

static void refused(const char *body, int status, const char *word)
{
	struct response r = rest_send(team.url, "POST", "/v1/workflows", body, -1, 20000);

	NEED(r.status == status && strstr(r.body, word) != NULL, "%ld, or no \"%s\": %s", r.status,
	     word, r.body);
	response_free(&r);
}

START_TEST(bad_files_are_refused_and_nothing_kept)
{
	static const char three[] = "workflow: w\n"
				    "version: 2\n"
				    "steps:\n"
				    "  - {name: a, after: [z], resource: r, operation: o}\n"
				    "  - {name: b, resource: r, operation: o, compensate: none,\n"
				    "     args: {x: \"${1 +}\"}}\n";
	char *deep = calloc(1, 200001), *big = calloc(1, (1 << 20) + 1001);

	NEED(deep && big, "out of memory");
	team_start(NULL);
	const json_t *said = team_ask("POST", "/v1/workflows/validate", three, 200);

	ck_assert(json_is_false(json_object_get(said, "valid")));
	ck_assert_uint_ge(json_array_size(json_object_get(said, "problems")), 4);
	refused(three, 422, "version");
	memset(deep, '[', 200000);
	refused(deep, 422, "deep");
	memset(big, '#', (1 << 20) + 1000);
	refused(big, 413, "1 MiB");
	refused("a: &x [1]\nb: *x\n", 422, "anchor");
	refused("\xff\xfe workflow", 422, "");
	refused("workflow: w\nsteps:\n  - {name: a, resource: r, operation: o, compensate: none,\n"
		"     when: \"${while true do end}\"}\n",
		422, "while");
	ck_assert_uint_eq(json_array_size(json_object_get(
				  team_ask("GET", "/v1/workflows", NULL, 200), "workflows")),
			  0);
	free(big);
	free(deep);
}
END_TEST

/* ---- commands and services ---- */

#define ONE(at, op)                                                                            \
	"\"definition\": {\"workflow\": \"one\", \"steps\": [{\"name\": \"s\", \"resource\": " \
	"\"" at "\", \"operation\": \"" op                                                     \
	"\", \"timeout\": \"2s\", \"retry\": {\"attempts\": 2, "                               \
	"\"first\": \"1ms\"}, \"compensate\": \"none\"}]}"

static const struct flooding {
	const char *gid, *more, *word;
} floods[] = {
	{"exec-out", ONE("shell", "flood"), "1 MiB"},
	{"exec-err", ONE("shell", "shout"), "time"},
	{"exec-hangs", ONE("shell", "hang"), "time"},
	{"http-silent", ONE("web", "silent"), "time"},
	{"http-drips", ONE("web", "drip"), "time"},
	{"http-flood", ONE("web", "flood"), "too big"},
	{"http-heads", ONE("web", "heads"), "headers are too big"},
	{"http-resets", ONE("web", "reset"), ""},
};
enum { FLOODS = sizeof floods / sizeof floods[0] };

static char *flooding_resources(int port)
{
	return textf("%s"
		     "  shell:\n"
		     "    adapter: exec\n"
		     "    operations:\n"
		     "      flood: {call: {command: [sh, -c, \"head -c 1073741824 /dev/zero\"]}}\n"
		     "      shout: {call: {command: [sh, -c, \"cat /dev/zero >&2\"]}}\n"
		     "      hang: {call: {command: [sh, -c, \"trap '' TERM; sleep 600\"]}}\n"
		     "  web:\n"
		     "    adapter: http\n"
		     "    base: http://127.0.0.1:%d\n"
		     "    operations:\n"
		     "      silent: {call: {path: /silent}}\n"
		     "      drip: {call: {path: /drip}}\n"
		     "      flood: {call: {path: /flood}}\n"
		     "      heads: {call: {path: /heads}}\n"
		     "      reset: {call: {path: /reset}}\n",
		     nothing, port);
}

START_TEST(floods_and_silence_are_cut_off_in_bounded_memory)
{
	struct http_stub *web = http_stub_new();
	char *resources = flooding_resources(http_stub_port(web));
	struct proc *agent;
	pthread_t health;
	char gid[32];

	RULE(web, .path = "/silent", .manner = STUB_SILENT);
	RULE(web, .path = "/drip", .manner = STUB_DRIP);
	RULE(web, .path = "/flood", .manner = STUB_FLOOD);
	RULE(web, .path = "/heads", .manner = STUB_HEADS);
	RULE(web, .path = "/reset", .manner = STUB_RESET);
	team_start(NULL);
	agent = team_agent("agent", resources);
	team_await("fine");
	team_await("shell");
	team_await("web");
	health = health_begin();
	for (int i = 0; i < FLOODS; i++)
		for (int k = 0; k < 2; k++) {
			snprintf(gid, sizeof gid, "%s-%d", floods[i].gid, k);
			team_submit(gid, floods[i].more);
		}
	others_begin(); /* at the same agent */
	others_end();
	for (int i = 0; i < FLOODS; i++)
		for (int k = 0; k < 2; k++) {
			snprintf(gid, sizeof gid, "%s-%d", floods[i].gid, k);
			undone_because(gid, floods[i].word);
		}
	health_end(health, "commands and services without end");
	printf("hostile: the agent took %ld KiB at the most\n", rss_peak_kib(agent));
	if (memory_counts())
		ck_assert_int_lt(rss_peak_kib(agent), AGENT_KIB);
	ck_assert_uint_lt(http_stub_flooded(web), 64 << 20);
	http_stub_free(web);
	free(resources);
}
END_TEST

/* ---- plugins ---- */

static void not_started(const char *library, const char *word)
{
	static int n;
	char *name = textf("bad-agent-%d", ++n);
	char *resources = textf("  x:\n    adapter: plugin\n    library: %s\n"
				"    operations: {o: {}}\n",
				library);
	struct proc *agent = team_agent(name, resources);

	ck_assert_int_eq(proc_wait(agent, 20), 2);
	NEED(proc_logged(agent, word) && proc_logged(agent, strrchr(library, '/')),
	     "%s: no \"%s\" in: %s", library, word, file_read(agent->log_path));
	NEED(proc_logged(agent, "line 7"), "no line in: %s", file_read(agent->log_path));
	free(resources);
	free(name);
}

static char *built(const char *name)
{
	const char *build = getenv("BUILD");
	char *path = textf("%s/tests/plugins/%s", build != NULL ? build : "build", name);
	char *real = realpath(path, NULL);

	NEED(real != NULL, "%s has not been built", path);
	free(path);
	return real;
}

START_TEST(agent_with_a_bad_plugin_does_not_start)
{
	char *abi = built("bad-WRONG_ABI.so"), *symbol = built("no_table.so");
	char *text = temp_path("text.%d.so", (int)getpid()), *none = temp_path("none.so");

	team_start(NULL);
	file_write(text, "this is no library\n");
	chmod(text, 0755);
	not_started(abi, "ABI");
	not_started(symbol, "settle_plugin");
	not_started(text, "");
	not_started(none, "No such file");
	free(none);
	free(text);
	free(symbol);
	free(abi);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("saga hostile");
	TCase *c = team_case(s, "hostile");

	setvbuf(stdout, NULL, _IOLBF, 0);
	tcase_add_test(c, runaway_expression_ends_its_own_saga_only);
	tcase_add_test(c, many_long_expressions_leave_others_their_turn);
	tcase_add_test(c, bad_files_are_refused_and_nothing_kept);
	tcase_add_test(c, floods_and_silence_are_cut_off_in_bounded_memory);
	tcase_add_test(c, agent_with_a_bad_plugin_does_not_start);
	return suite_run(s, NULL, NULL);
}
