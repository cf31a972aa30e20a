#include "tests/lib/cluster.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum {
	START_S = 20,
	END_S = 20,
	CASE_S = 100,
	LOG_SHOWN = 3000,
	ANSWER_MS = 60000,
	LOOK_MS = 20000
};

struct cluster cluster;

static const char *const letter[BANKS] = {"a", "b"};

/* ---- configuration ---- */

static char *bank_connection(int b, bool proxied)
{
	if (!proxied)
		return textf("%s", bank[b]->conninfo);
	char *socket = textf("%s/.s.PGSQL.%d", bank[b]->dir, bank[b]->port);
	cluster.pg[b] = proxy_new(socket);
	free(socket);
	return textf("host=127.0.0.1 port=%d user=postgres dbname=bank sslmode=disable "
		     "gssencmode=disable",
		     proxy_port(cluster.pg[b]));
}

static void write_agent(int b, const struct cluster_wish *wish, const char *path)
{
	int port = cluster.agents_port;
	if (wish->link_proxy) {
		char *upstream = textf("127.0.0.1:%d", cluster.agents_port);
		cluster.link[b] = proxy_new(upstream);
		port = proxy_port(cluster.link[b]);
		free(upstream);
	}
	char *connection = bank_connection(b, wish->pg_proxy);
	char *text = textf("agent: agent-%s\n"
			   "cluster: test\n"
			   "coordinator: tcp://127.0.0.1:%d\n"
			   "window: 64\n"
			   "sweep: 500ms\n"
			   "resources:\n"
			   "  bank-%s:\n"
			   "    adapter: postgres\n"
			   "    connection: \"%s\"\n"
			   "    pool: 8\n"
			   "    finishers: 2\n"
			   "    operations:\n%s%s",
			   letter[b], port, letter[b], connection, bank_operations,
			   b == BANK_B && wish->resources ? wish->resources : "");
	file_write(path, text);
	free(text);
	free(connection);
}

static void write_coordinator(const struct cluster_wish *wish, const char *path)
{
	char *data = temp_path("data.%d", (int)getpid());
	char *text = textf("data: %s\n"
			   "cluster: test\n"
			   "listen: 127.0.0.1:%d\n"
			   "agents: tcp://127.0.0.1:%d\n"
			   "%s",
			   data, cluster.rest_port, cluster.agents_port,
			   wish->settings ? wish->settings : "");
	file_write(path, text);
	free(text);
	free(data);
}

static struct proc *program(const char *name, const char *as, const char *conf)
{
	char *path = program_path(name);
	const char *argv[] = {path, "--config", conf, NULL};
	struct proc *p = proc_new(as, argv);
	free(path);
	return p;
}

/* ---- starting and ending ---- */

void coordinator_start(void)
{
	proc_start(cluster.coordinator);
	char *line = proc_await(cluster.coordinator, "settled-started", START_S);
	char *epoch = line_value(line, "epoch");
	NEED(epoch, "no epoch in: %s", line);
	cluster.epoch = atol(epoch);
	free(epoch);
	free(line);
}

void coordinator_kill(void)
{
	proc_kill(cluster.coordinator);
}

void agent_start(int b)
{
	proc_start(cluster.agent[b]);
}

void agent_kill(int b)
{
	proc_kill(cluster.agent[b]);
}

static bool is_ready(const char *resource)
{
	struct response r = rest_send(cluster.url, "GET", "/v1/resources", NULL, 0, LOOK_MS);
	bool ready = false;
	size_t i;
	json_t *one;
	json_array_foreach(json_object_get(r.json, "resources"), i,
			   one) if (strcmp(json_text(one, "name"), resource) == 0) ready =
		json_is_true(json_object_get(one, "ready"));
	response_free(&r);
	return ready;
}

void await_ready(const char *resource, bool ready)
{
	WAIT_FOR(START_S, is_ready(resource) == ready);
}

void cluster_start(const struct cluster_wish *wish)
{
	/* If the runner is killed, so is this test, and with it what it started. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	banks_reset();
	memset(&cluster, 0, sizeof cluster);
	cluster.rest_port = port_free();
	do
		cluster.agents_port = port_free();
	while (cluster.agents_port == cluster.rest_port);
	cluster.url = textf("http://127.0.0.1:%d", cluster.rest_port);
	cluster.conf_path = temp_path("settled.%d.yaml", (int)getpid());
	write_coordinator(wish, cluster.conf_path);
	cluster.coordinator = program("settled", "settled", cluster.conf_path);
	coordinator_start();
	for (int b = 0; b < BANKS; b++) {
		char *name = textf("agent-%s", letter[b]);
		char *path = temp_path("%s.%d.yaml", name, (int)getpid());
		write_agent(b, wish, path);
		cluster.agent[b] = program("settle-agent", name, path);
		agent_start(b);
		free(name);
		free(path);
	}
	await_ready("bank-a", true);
	await_ready("bank-b", true);
}

/* Every gid that a bank has in its ledger was committed, says the coordinator. */
static void check_told(void)
{
	char *text = bank_text(BANK_A, "SELECT coalesce(string_agg(DISTINCT gid, ' '), '') "
				       "FROM ledger");
	char *save = NULL;
	for (char *gid = strtok_r(text, " ", &save); gid; gid = strtok_r(NULL, " ", &save)) {
		const char *told = end_of(gid, NULL);
		NEED(strcmp(told, "committed") == 0, "%s is in the ledgers, but is called %s", gid,
		     told);
	}
	free(text);
}

/* Politely; a leak or a race that a sanitizer found shows in the status. */
static void end_programs(void)
{
	struct proc *all[] = {cluster.agent[BANK_A], cluster.agent[BANK_B], cluster.coordinator};
	enum { ALL = sizeof all / sizeof all[0] };
	for (int i = 0; i < ALL; i++)
		if (all[i]->pid)
			kill(all[i]->pid, SIGTERM);
	for (int i = 0; i < ALL; i++) {
		int status = all[i]->pid ? proc_wait(all[i], END_S) : 0;
		char *log = status ? file_read(all[i]->log_path) : NULL;
		size_t size = log ? strlen(log) : 0;
		NEED(status == 0, "%s ended with status %d; its log:\n%s", all[i]->name, status,
		     log + (size > LOG_SHOWN ? size - LOG_SHOWN : 0));
		free(log);
		proc_free(all[i]);
	}
}

void cluster_stop(void)
{
	banks_agree();
	if (cluster.coordinator->pid)
		check_told();
	end_programs();
	for (int b = 0; b < BANKS; b++) {
		proxy_free(cluster.link[b]);
		proxy_free(cluster.pg[b]);
		WAIT_FOR(10, sessions(b) == 0);
		pg_server_stop_own(bank[b]);
	}
	free(cluster.url);
	free(cluster.conf_path);
}

TCase *cluster_case(Suite *suite, const char *name)
{
	TCase *c = tcase_create(name);
	tcase_set_timeout(c, (double)harness_patience_ms(CASE_S) / 1000);
	tcase_add_checked_fixture(c, NULL, cluster_stop);
	suite_add_tcase(suite, c);
	return c;
}

/* ---- transfers ---- */

static json_t *branch(const char *name, const char *resource, const char *operation, int account,
		      const struct transfer *t)
{
	json_t *args = json_pack("{s:i}", "id", account);
	if (strcmp(operation, "look") != 0) {
		json_object_set_new(args, "amount", json_integer(t->amount ? t->amount : 10));
		json_object_set_new(args, "gid", json_string(t->gid));
	}
	return json_pack("{s:s, s:s, s:s, s:o}", "name", name, "resource", resource, "operation",
			 operation, "args", args);
}

static const char *given_or(const char *given, const char *standard)
{
	return given ? given : standard;
}

char *transfer_body(const struct transfer *t)
{
	const char *from_at = t->back ? "bank-b" : "bank-a";
	const char *to_at = t->back ? "bank-a" : "bank-b";
	json_t *debit = branch("debit", given_or(t->debit_at, from_at), given_or(t->debit, "debit"),
			       t->from ? t->from : 1, t);
	json_t *credit = branch("credit", given_or(t->credit_at, to_at),
				given_or(t->credit, "credit"), t->to ? t->to : 1, t);
	json_t *body = json_pack("{s:s, s:s, s:s, s:{s:s, s:[{s:s, s:s, s:[o, o]}]}}", "gid",
				 t->gid, "wait", given_or(t->wait, "finished"), "timeout",
				 given_or(t->hold, "30s"), "definition", "workflow", "transfer",
				 "steps", "name", "pay", "timeout", given_or(t->timeout, "10s"),
				 "atomic", debit, credit);
	char *text = json_dumps(body, JSON_COMPACT);
	json_decref(body);
	return text;
}

struct response transfer_submit(const struct transfer *t)
{
	char *body = transfer_body(t);
	struct response r = rest_send(cluster.url, "POST", "/v1/transactions", body, -1, ANSWER_MS);
	free(body);
	return r;
}

void transfer_begin(const struct transfer *t)
{
	struct response r = transfer_submit(t);
	NEED(r.status == 202 || r.status == 201, "%s: %ld %s", t->gid, r.status, r.body);
	response_free(&r);
}

static struct response look(const char *gid, const char *wait)
{
	char *path = textf("/v1/transactions/%s%s%s", gid, wait ? "?wait=" : "", wait ? wait : "");
	struct response r = rest_send(cluster.url, "GET", path, NULL, 0, LOOK_MS);
	free(path);
	return r;
}

static const char *status_from(const struct response *r)
{
	static _Thread_local char word[32];
	snprintf(word, sizeof word, "%s",
		 r->status == 404   ? "unknown"
		 : r->status == 200 ? json_text(r->json, "status")
				    : "");
	return word;
}

const char *status_of(const char *gid)
{
	struct response r = look(gid, NULL);
	const char *word = status_from(&r);
	response_free(&r);
	return word;
}

const char *end_of(const char *gid, char **reason)
{
	int64_t until = clock_ms() + harness_patience_ms(40);
	for (;;) {
		struct response r = look(gid, "5s");
		const char *word = status_from(&r);
		bool over = strcmp(word, "committed") == 0 || strcmp(word, "rolled_back") == 0 ||
			    strcmp(word, "stuck") == 0 || strcmp(word, "unknown") == 0;
		if (over && reason)
			*reason = textf("%s", json_text(r.json, "reason"));
		NEED(over || clock_ms() < until, "%s does not end: %ld %s", gid, r.status, r.body);
		response_free(&r);
		if (over)
			return word;
		harness_pause();
	}
}

char *ends(const char *gid, const char *status)
{
	char *reason = NULL;
	const char *word = end_of(gid, &reason);
	NEED(strcmp(word, status) == 0, "%s ended %s, not %s: %s", gid, word, status, reason);
	long long wanted = strcmp(status, "committed") == 0 ? 1 : 0;
	for (int b = 0; b < BANKS; b++)
		NEED(entries(b, gid) == wanted, "%s is %s, but bank %s has %lld entries of it", gid,
		     status, letter[b], entries(b, gid));
	return reason;
}

const char *ends_alike(const char *gid)
{
	char status[32];
	snprintf(status, sizeof status, "%s", end_of(gid, NULL));
	NEED(strcmp(status, "committed") == 0 || strcmp(status, "rolled_back") == 0, "%s is %s",
	     gid, status);
	ENDS(gid, status);
	return end_of(gid, NULL);
}
