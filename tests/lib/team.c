#include "tests/lib/team.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { START_S = 20, END_S = 30, CASE_S = 150, ANSWER_MS = 60000, SAGA_S = 60, WORDS_MAX = 24 };

struct team team;

/* ---- programs ---- */

static struct proc *program(const char *name, const char *as, const char *config)
{
	char *path = program_path(name), *file = temp_path("%s.%d.yaml", as, (int)getpid());
	const char *argv[] = {path, "--config", file, NULL};
	struct proc *p;

	file_write(file, config);
	p = proc_new(as, argv);
	free(file);
	free(path);
	return p;
}

static void coordinator_start(void)
{
	proc_start(team.coordinator);
	free(proc_await(team.coordinator, "settled-started", START_S));
}

void team_start(const char *settings)
{
	char *data = temp_path("data.%d", (int)getpid()), *config;

	/* If the runner is killed, so is this test, and with it what it started. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	memset(&team, 0, sizeof team);
	team.rest_port = port_free();
	do
		team.agents_port = port_free();
	while (team.agents_port == team.rest_port);
	team.url = textf("http://127.0.0.1:%d", team.rest_port);
	config = textf("data: %s\ncluster: test\nlisten: 127.0.0.1:%d\n"
		       "agents: tcp://127.0.0.1:%d\n%s",
		       data, team.rest_port, team.agents_port, settings != NULL ? settings : "");
	team.coordinator = program("settled", "settled", config);
	coordinator_start();
	free(config);
	free(data);
}

void team_restart(void)
{
	proc_kill(team.coordinator);
	coordinator_start();
}

struct proc *team_agent(const char *name, const char *resources)
{
	char *config = textf("agent: %s\ncluster: test\ncoordinator: tcp://127.0.0.1:%d\n"
			     "resources:\n%s",
			     name, team.agents_port, resources);
	struct proc *p = program("settle-agent", name, config);

	NEED(team.n_agents < TEAM_AGENTS_MAX, "too many agents");
	team.agents[team.n_agents++] = p;
	proc_start(p);
	free(config);
	return p;
}

static void end_one(struct proc *p)
{
	const int status = p->pid != 0 ? proc_wait(p, END_S) : 0;
	char *log = status != 0 ? file_read(p->log_path) : NULL;

	NEED(status == 0, "%s ended with status %d; its log:\n%s", p->name, status,
	     log != NULL ? log : "");
	proc_free(p);
}

void team_stop(void)
{
	for (int i = 0; i < team.n_agents; i++)
		if (team.agents[i]->pid != 0)
			kill(team.agents[i]->pid, SIGTERM);
	if (team.coordinator->pid != 0)
		kill(team.coordinator->pid, SIGTERM);
	for (int i = 0; i < team.n_agents; i++)
		end_one(team.agents[i]);
	end_one(team.coordinator);
	free(team.said);
	free(team.url);
}

TCase *team_case(Suite *suite, const char *name)
{
	TCase *c = tcase_create(name);

	tcase_set_timeout(c, (double)harness_patience_ms(CASE_S) / 1000);
	tcase_add_checked_fixture(c, NULL, team_stop);
	suite_add_tcase(suite, c);
	return c;
}

/* ---- memory ---- */

static long status_kib(const struct proc *p, const char *what)
{
	char *path = textf("/proc/%d/status", (int)p->pid), *text = file_read(path);
	const char *at = text != NULL ? strstr(text, what) : NULL;
	const long kib = at != NULL ? atol(at + strlen(what)) : 0;

	free(text);
	free(path);
	return kib;
}

long rss_kib(const struct proc *p)
{
	return status_kib(p, "VmRSS:");
}

long rss_peak_kib(const struct proc *p)
{
	return status_kib(p, "VmHWM:");
}

bool memory_counts(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
	return false;
#else
	return true;
#endif
#else
	return true;
#endif
}

/* ---- the command ---- */

static struct proc *begin(const char *first, va_list ap)
{
	static int runs;
	const char *argv[WORDS_MAX];
	char *path = program_path("settle"), *name = textf("settle-%d", ++runs);
	size_t n = 0;
	struct proc *p;

	argv[n++] = path;
	argv[n++] = "--server";
	argv[n++] = team.url;
	for (const char *word = first; word != NULL; word = va_arg(ap, const char *)) {
		NEED(n + 1 < WORDS_MAX, "too many words");
		argv[n++] = word;
	}
	argv[n] = NULL;
	p = proc_new(name, argv);
	proc_start(p);
	free(name);
	free(path);
	return p;
}

struct proc *settle_begin(const char *first, ...)
{
	struct proc *p;
	va_list ap;

	va_start(ap, first);
	p = begin(first, ap);
	va_end(ap);
	return p;
}

int settle(const char *first, ...)
{
	struct proc *p;
	va_list ap;
	int status;

	va_start(ap, first);
	p = begin(first, ap);
	va_end(ap);
	status = proc_wait(p, SAGA_S);
	free(team.said);
	team.said = file_read(p->log_path);
	proc_free(p);
	return status;
}

void settle_is(int got, int status, const char *word, int line)
{
	if (got != status || (word != NULL && strstr(team.said, word) == NULL))
		harness_fail(__FILE__, line, "status %d, not %d; or it did not say \"%s\": %s", got,
			     status, word != NULL ? word : "", team.said);
}

/* ---- REST ---- */

const json_t *team_ask(const char *method, const char *path, const char *body, int status)
{
	static _Thread_local struct response r;

	if (r.body != NULL)
		response_free(&r);
	r = rest_send(team.url, method, path, body, -1, ANSWER_MS);
	NEED(status == 0 || r.status == status, "%s %s: %ld, not %d: %s", method, path, r.status,
	     status, r.body);
	return r.json;
}

static bool is_ready(const char *resource)
{
	const json_t *all = json_object_get(team_ask("GET", "/v1/resources", NULL, 0), "resources");
	const json_t *one;
	bool ready = false;
	size_t i;

	json_array_foreach(all, i, one)
	{
		if (strcmp(json_text(one, "name"), resource) == 0)
			ready = json_is_true(json_object_get(one, "ready"));
	}
	return ready;
}

void team_await(const char *resource)
{
	WAIT_FOR(START_S, is_ready(resource));
}

long team_stat(const char *group, const char *member)
{
	const json_t *stats = team_ask("GET", "/v1/stats", NULL, 200);

	return (long)json_integer_value(json_object_get(json_object_get(stats, group), member));
}

void team_submit(const char *gid, const char *more)
{
	char *body = textf("{\"gid\": \"%s\", \"wait\": \"accepted\", %s}", gid, more);
	struct response r = rest_send(team.url, "POST", "/v1/transactions", body, -1, ANSWER_MS);

	NEED(r.status == 201 || r.status == 202, "%s: %ld %s", gid, r.status, r.body);
	response_free(&r);
	free(body);
}

const char *team_end(const char *gid)
{
	const int64_t until = clock_ms() + harness_patience_ms(SAGA_S);
	char *path = textf("/v1/transactions/%s?wait=20s", gid);
	const char *word;

	for (;;) {
		const json_t *shown = team_ask("GET", path, NULL, 200);

		word = json_text(shown, "status");
		if (strcmp(word, "committed") == 0 || strcmp(word, "rolled_back") == 0 ||
		    strcmp(word, "stuck") == 0)
			break;
		NEED(clock_ms() < until, "%s does not end: it is %s", gid, word);
		harness_pause();
	}
	free(path);
	return word;
}

void team_ends(const char *gid, const char *status)
{
	const char *is = team_end(gid);

	NEED(strcmp(is, status) == 0, "%s is %s, not %s", gid, is, status);
}

int team_publish(const char *text)
{
	/* JSON is YAML as well, so any text may be sent as such. */
	const json_t *said = team_ask("POST", "/v1/workflows", text, 0);
	const json_int_t version = json_integer_value(json_object_get(said, "version"));

	NEED(version > 0, "not published: %s", text);
	return (int)version;
}
