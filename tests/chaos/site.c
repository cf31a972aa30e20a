#include "tests/chaos/site.h"

#include "tests/chaos/pulse.h"
#include "tests/chaos/shapes.h"
#include "tests/lib/harness.h"
#include "tests/lib/rest_client.h"

#include <dirent.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { START_S = 30, END_S = 40, CHILDREN = 512 };

struct site site;

static pid_t frozen[BANKS][CHILDREN];
static size_t n_frozen[BANKS];

int agent_bank(int agent)
{
	return agent < 2 ? BANK_A : BANK_B;
}

/* ---- starting ---- */

static struct proc *program(const char *name, const char *as, const char *conf)
{
	char *path = program_path(name);
	const char *argv[] = {path, "--config", conf, NULL};
	struct proc *p = proc_new(as, argv);

	free(path);
	return p;
}

static void open_coordinator(int rest_port, int agents_port)
{
	char *conf = temp_path("settled.yaml");
	char *data = temp_path("journal");
	char *upstream = textf("127.0.0.1:%d", rest_port);
	char *text = textf("data: %s\n"
			   "cluster: chaos\n"
			   "listen: %s\n"
			   "agents: tcp://127.0.0.1:%d\n",
			   data, upstream, agents_port);

	file_write(conf, text);
	site.journal = textf("%s/settle.db", data);
	site.coordinator = program("settled", "settled", conf);
	site.front = proxy_new(upstream);
	site.url = textf("http://127.0.0.1:%d", proxy_port(site.front));
	site.direct = textf("http://%s", upstream);
	free(text);
	free(upstream);
	free(data);
	free(conf);
}

static void open_agent(int i, int agents_port)
{
	const int b = agent_bank(i);
	char *name = textf("agent-%d", i);
	char *conf = temp_path("%s.yaml", name);
	char *upstream = textf("127.0.0.1:%d", agents_port);
	char *socket = textf("%s/.s.PGSQL.%d", bank[b]->dir, bank[b]->port);

	site.link[i] = proxy_new(upstream);
	site.db[i] = proxy_new(socket);
	char *text = textf("agent: %s\n"
			   "cluster: chaos\n"
			   "coordinator: tcp://127.0.0.1:%d\n"
			   "window: 32\n"
			   "sweep: 1s\n"
			   "resources:\n"
			   "  bank-%c:\n"
			   "    adapter: postgres\n"
			   "    connection: \"host=127.0.0.1 port=%d user=postgres dbname=bank "
			   "sslmode=disable gssencmode=disable\"\n"
			   "    pool: 8\n"
			   "    finishers: 2\n"
			   "    operations:\n%s",
			   name, proxy_port(site.link[i]), 'a' + b, proxy_port(site.db[i]),
			   shape_operations);
	file_write(conf, text);
	site.agent[i] = program("settle-agent", name, conf);
	free(text);
	free(socket);
	free(upstream);
	free(conf);
	free(name);
}

static size_t ready_resources(void)
{
	struct response r = rest_send(site.direct, "GET", "/v1/resources", NULL, 0, 5000);
	const json_t *one;
	size_t n = 0, i;

	json_array_foreach(json_object_get(r.json, "resources"), i, one)
	{
		n += json_is_true(json_object_get(one, "ready"));
	}
	response_free(&r);
	return n;
}

static void fill(int b)
{
	bank_do(b, "CREATE TABLE account (id int PRIMARY KEY, balance bigint NOT NULL)");
	bank_do(b, "CREATE TABLE ledger (gid text NOT NULL, part text NOT NULL, "
		   "account int NOT NULL, amount bigint NOT NULL)");
	bank_do(b, "INSERT INTO account SELECT i, %d FROM generate_series(1, %d) i", PURSE, PURSES);
}

void site_open(void)
{
	int rest_port = port_free(), agents_port = port_free();

	while (agents_port == rest_port)
		agents_port = port_free();
	banks_open();
	fill(BANK_A);
	fill(BANK_B);
	open_coordinator(rest_port, agents_port);
	proc_start(site.coordinator);
	free(proc_await(site.coordinator, "settled-started", START_S));
	for (int i = 0; i < AGENTS; i++) {
		open_agent(i, agents_port);
		proc_start(site.agent[i]);
	}
	WAIT_FOR(START_S, ready_resources() == BANKS);
}

/* ---- ending ---- */

static void check_journal(void)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *stmt = NULL;
	const char *said = "nothing";

	if (sqlite3_open_v2(site.journal, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
	    sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &stmt, NULL) == SQLITE_OK &&
	    sqlite3_step(stmt) == SQLITE_ROW)
		said = (const char *)sqlite3_column_text(stmt, 0);
	if (strcmp(said, "ok") != 0)
		pulse_wrong("the journal is not whole: %s (%s)", said, sqlite3_errmsg(db));
	sqlite3_finalize(stmt);
	sqlite3_close(db);
}

void site_stop(void)
{
	struct proc *all[AGENTS + 1];

	memcpy(all, site.agent, sizeof site.agent);
	all[AGENTS] = site.coordinator;
	for (int i = 0; i <= AGENTS; i++)
		if (all[i]->pid)
			kill(all[i]->pid, SIGTERM);
	for (int i = 0; i <= AGENTS; i++) {
		const int status = all[i]->pid ? proc_wait(all[i], END_S) : 0;

		if (status != 0)
			pulse_wrong("%s ended with status %d", all[i]->name, status);
	}
	check_journal();
}

void site_close(void)
{
	for (int i = 0; i < AGENTS; i++) {
		proxy_free(site.link[i]);
		proxy_free(site.db[i]);
		proc_free(site.agent[i]);
	}
	proxy_free(site.front);
	proc_free(site.coordinator);
	banks_close();
	free(site.url);
	free(site.direct);
	free(site.journal);
}

/* ---- servers ---- */

/* The process that started this one; 0 if it is not there. */
static pid_t parent_of(const char *pid)
{
	char path[64], text[512];
	int parent = 0;

	snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
	FILE *f = fopen(path, "r");
	if (!f)
		return 0;
	const size_t n = fread(text, 1, sizeof text - 1, f);
	fclose(f);
	text[n] = '\0';
	const char *after = strrchr(text, ')');
	return after && sscanf(after + 1, " %*c %d", &parent) == 1 ? parent : 0;
}

/* Stops the postmaster first: then no child is born, and the id of one that dies is not
 * given to anybody else, since nobody has waited for it. */
void server_freeze(int b)
{
	const pid_t postmaster = bank[b]->pid;
	const struct dirent *entry;
	int status = 0;

	kill(postmaster, SIGSTOP);
	NEED(waitpid(postmaster, &status, WUNTRACED) == postmaster && WIFSTOPPED(status),
	     "%s did not stop", bank[b]->name);
	n_frozen[b] = 0;
	DIR *dir = opendir("/proc");
	NEED(dir, "no /proc");
	while ((entry = readdir(dir)) && n_frozen[b] < CHILDREN)
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
		    parent_of(entry->d_name) == postmaster)
			frozen[b][n_frozen[b]++] = (pid_t)atoi(entry->d_name);
	closedir(dir);
	for (size_t i = 0; i < n_frozen[b]; i++)
		kill(frozen[b][i], SIGSTOP);
}

void server_thaw(int b)
{
	for (size_t i = 0; i < n_frozen[b]; i++)
		kill(frozen[b][i], SIGCONT);
	kill(bank[b]->pid, SIGCONT);
}

static bool children_gone(int b)
{
	for (size_t i = 0; i < n_frozen[b]; i++)
		if (proc_alive(frozen[b][i]))
			return false;
	return true;
}

void server_crash(int b)
{
	server_freeze(b);
	for (size_t i = 0; i < n_frozen[b]; i++)
		kill(frozen[b][i], SIGKILL);
	WAIT_FOR(START_S, children_gone(b)); /* while their ids are still theirs */
	pg_server_kill(bank[b]);
}
