#include "tests/lib/saga_stage.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { START_S = 40, END_S = 40, LOOK_MS = 20000, BUSY_MS = 60000, LOG_SHOWN = 3000 };

struct stage stage;

static sqlite3 *files[SAGA_PLACES]; /* for counting; of this process */

struct stage_lock {
	sqlite3 *file;
	PGconn *bank;
};

static const struct saga_place *place(const struct saga_unit *u)
{
	return &stage.file->places[u->place];
}

static const char *way(const struct saga_unit *u)
{
	return u->undo ? "undo" : "do";
}

/* ---- files ---- */

static char *file_path(size_t at)
{
	return temp_path("%s.%d.db", stage.file->places[at].resource, (int)getpid());
}

static sqlite3 *file_open(size_t at)
{
	sqlite3 *db = NULL;
	char *path = file_path(at);
	NEED(sqlite3_open(path, &db) == SQLITE_OK, "%s: %s", path, sqlite3_errmsg(db));
	sqlite3_busy_timeout(db, BUSY_MS);
	free(path);
	return db;
}

static void file_do(sqlite3 *db, const char *sql)
{
	char *problem = NULL;
	NEED(sqlite3_exec(db, sql, NULL, NULL, &problem) == SQLITE_OK, "%s: %s", sql, problem);
}

/* One statement about one effect; gives the first column of its row. */
static long long file_ask(size_t at, const char *sql, const char *gid, const struct saga_unit *u)
{
	sqlite3_stmt *s = NULL;
	sqlite3 *db = files[at];
	NEED(sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));
	sqlite3_bind_text(s, 1, gid, -1, SQLITE_STATIC);
	sqlite3_bind_text(s, 2, u->label, -1, SQLITE_STATIC);
	sqlite3_bind_text(s, 3, way(u), -1, SQLITE_STATIC);
	const int rc = sqlite3_step(s);
	NEED(rc == SQLITE_ROW || rc == SQLITE_DONE, "%s: %s", sql, sqlite3_errmsg(db));
	const long long n = rc == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
	sqlite3_finalize(s);
	return n;
}

/* A rollback journal, so that a reader can keep a writer from its commit. */
static void file_make(size_t at)
{
	files[at] = file_open(at);
	file_do(files[at], "PRAGMA journal_mode = DELETE");
	file_do(files[at], "CREATE TABLE effect (id INTEGER PRIMARY KEY, gid TEXT NOT NULL, "
			   "step TEXT NOT NULL, way TEXT NOT NULL, given TEXT)");
	file_do(files[at], "CREATE TABLE trouble (gid TEXT, step TEXT, way TEXT)");
	file_do(files[at],
		"CREATE TRIGGER no BEFORE INSERT ON effect WHEN EXISTS (SELECT 1 FROM trouble "
		"WHERE gid = new.gid AND step = new.step AND way = new.way) "
		"BEGIN SELECT RAISE(ABORT, 'the resource says no'); END");
}

/* ---- banks ---- */

static void bank_make(int b)
{
	bank_do(b, "DROP TABLE IF EXISTS effect, trouble, gate");
	bank_do(b, "CREATE TABLE effect (id serial, gid text NOT NULL, step text NOT NULL, "
		   "way text NOT NULL, given text)");
	bank_do(b, "CREATE TABLE trouble (gid text, step text, way text)");
	bank_do(b, "CREATE TABLE gate (step text, way text, PRIMARY KEY (step, way))");
	for (size_t i = 0; i < stage.file->n_units; i++) {
		const struct saga_unit *u = &stage.file->units[i];
		if (place(u)->bank == b)
			bank_do(b, "INSERT INTO gate VALUES ('%s', '%s')", u->label, way(u));
	}
}

/* ---- configuration ---- */

/* The row of the gate is read first, so that whoever holds it holds up a refusal too. */
static const char bank_sql[] =
	"          WITH g AS MATERIALIZED (SELECT step FROM gate\n"
	"          WHERE step = $2 AND way = $3 FOR SHARE)\n"
	"          INSERT INTO effect (gid, step, way, given)\n"
	"          SELECT $1::text, g.step, $3::text, $4::text FROM g\n"
	"          WHERE NOT EXISTS (SELECT 1 FROM trouble t\n"
	"          WHERE t.gid = $1::text AND t.step = g.step AND t.way = $3::text)\n"
	"          RETURNING id\n";
/* What the examples read of an output; a name more does no harm. */
static const char file_sql[] =
	"          INSERT INTO effect (gid, step, way, given) VALUES (:gid, :step, :way, :given)\n"
	"          RETURNING id, 'ann' AS by, 'unusual' AS verdict, 'good' AS rating,\n"
	"          2 AS worth, 17 AS net, 3 AS tax\n";

static void write_place(FILE *out, size_t at)
{
	const struct saga_place *p = &stage.file->places[at];
	char *path = file_path(at);

	fprintf(out, "  %s:\n", p->resource);
	if (p->bank >= 0)
		fprintf(out,
			"    adapter: postgres\n    connection: \"%s\"\n    pool: 6\n"
			"    finishers: 2\n    operations:\n",
			bank[p->bank]->conninfo);
	else
		fprintf(out, "    adapter: sqlite\n    file: %s\n    operations:\n", path);
	for (size_t i = 0; i < p->n_operations; i++)
		fprintf(out,
			"      %s:\n        args: [gid, step, way, given]\n"
			"        expect_rows: 1\n        sql: >-\n%s",
			p->operations[i], p->bank >= 0 ? bank_sql : file_sql);
	free(path);
}

static int agent_at(const struct saga_place *p)
{
	return p->bank < 0 ? STAGE_FILES : STAGE_BANK + p->bank;
}

static struct proc *program(const char *name, const char *as, const char *conf)
{
	char *path = program_path(name);
	const char *argv[] = {path, "--config", conf, NULL};
	struct proc *p = proc_new(as, argv);
	free(path);
	return p;
}

static void make_agent(int a)
{
	char *upstream = textf("127.0.0.1:%d", stage.agents_port);
	char *path = temp_path("agent-%d.%d.yaml", a, (int)getpid());
	char *name = textf("agent-%d", a);
	FILE *out = fopen(path, "w");

	NEED(out, "%s cannot be written", path);
	stage.link[a] = proxy_new(upstream);
	fprintf(out,
		"agent: %s\ncluster: test\ncoordinator: tcp://127.0.0.1:%d\nsweep: 500ms\n"
		"resources:\n",
		name, proxy_port(stage.link[a]));
	for (size_t i = 0; i < stage.file->n_places; i++)
		if (agent_at(&stage.file->places[i]) == a)
			write_place(out, i);
	fclose(out);
	stage.agent[a] = program("settle-agent", name, path);
	free(upstream);
	free(path);
	free(name);
}

static void make_coordinator(void)
{
	char *data = temp_path("data.%d", (int)getpid());
	char *path = temp_path("settled.%d.yaml", (int)getpid());
	char *text = textf("data: %s\ncluster: test\nlisten: 127.0.0.1:%d\n"
			   "agents: tcp://127.0.0.1:%d\n",
			   data, stage.rest_port, stage.agents_port);
	file_write(path, text);
	stage.coordinator = program("settled", "settled", path);
	free(data);
	free(path);
	free(text);
}

/* ---- programs ---- */

void stage_coordinator_start(void)
{
	proc_start(stage.coordinator);
	free(proc_await(stage.coordinator, "settled-started", START_S));
}

void stage_coordinator_kill(void)
{
	proc_kill(stage.coordinator);
}

int stage_agent_of(const struct saga_unit *u)
{
	return agent_at(place(u));
}

void stage_agent_kill(int agent)
{
	proc_kill(stage.agent[agent]);
}

void stage_agent_start(int agent)
{
	proc_start(stage.agent[agent]);
}

void stage_links(enum proxy_way which, enum proxy_mode mode)
{
	for (int a = 0; a < STAGE_AGENTS; a++)
		if (stage.link[a])
			proxy_set(stage.link[a], which, mode);
}

void stage_links_anew(void)
{
	for (int a = 0; a < STAGE_AGENTS; a++)
		if (stage.link[a])
			proxy_cut(stage.link[a]);
	stage_links(PROXY_UP, PROXY_PASS);
	stage_links(PROXY_DOWN, PROXY_PASS);
}

static bool all_served(void)
{
	struct response r = rest_send(stage.url, "GET", "/v1/resources", NULL, 0, LOOK_MS);
	size_t i, served = 0;
	json_t *one;
	json_array_foreach(json_object_get(r.json, "resources"), i, one) served +=
		json_is_true(json_object_get(one, "ready"));
	response_free(&r);
	return served == stage.file->n_places;
}

void stage_open(const struct saga_file *f)
{
	/* If the runner is killed, so is this test, and with it what it started. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	memset(&stage, 0, sizeof stage);
	stage.file = f;
	stage.rest_port = port_free();
	do
		stage.agents_port = port_free();
	while (stage.agents_port == stage.rest_port);
	stage.url = textf("http://127.0.0.1:%d", stage.rest_port);
	if (f->banks) {
		banks_reset();
		for (int b = 0; b < BANKS; b++)
			bank_make(b);
	}
	for (size_t i = 0; i < f->n_places; i++)
		if (f->places[i].bank < 0)
			file_make(i);
	make_coordinator();
	stage_coordinator_start();
	for (size_t i = 0; i < f->n_places; i++) {
		const int a = agent_at(&f->places[i]);
		if (stage.agent[a])
			continue;
		make_agent(a);
		stage_agent_start(a);
	}
	WAIT_FOR(START_S, all_served());
}

static void end(struct proc *p)
{
	if (!p)
		return;
	const int status = p->pid ? proc_end(p, END_S) : 0;
	char *log = status ? file_read(p->log_path) : NULL;
	const size_t size = log ? strlen(log) : 0;
	NEED(status == 0, "%s ended with status %d; its log:\n%s", p->name, status,
	     log + (size > LOG_SHOWN ? size - LOG_SHOWN : 0));
	free(log);
	proc_free(p);
}

void stage_close(void)
{
	for (int a = 0; a < STAGE_AGENTS; a++)
		end(stage.agent[a]);
	end(stage.coordinator);
	for (int a = 0; a < STAGE_AGENTS; a++)
		proxy_free(stage.link[a]);
	for (int b = 0; stage.file->banks && b < BANKS; b++) {
		NEED(prepared(b) == 0, "a branch is still prepared at bank %d", b);
		pg_server_stop_own(bank[b]);
	}
	for (size_t i = 0; i < stage.file->n_places; i++)
		sqlite3_close(files[i]);
	memset(files, 0, sizeof files);
	free(stage.url);
}

/* ---- effects, trouble, locks ---- */

long long stage_effects(const char *gid, const struct saga_unit *u)
{
	const int b = place(u)->bank;
	if (b >= 0)
		return bank_number(b,
				   "SELECT count(*) FROM effect WHERE gid = '%s' AND step = '%s' "
				   "AND way = '%s'",
				   gid, u->label, way(u));
	return file_ask(u->place,
			"SELECT count(*) FROM effect WHERE gid = ?1 AND step = ?2 AND way = ?3",
			gid, u);
}

void stage_forbid(const char *gid, const struct saga_unit *u)
{
	const int b = place(u)->bank;
	if (b >= 0)
		bank_do(b, "INSERT INTO trouble VALUES ('%s', '%s', '%s')", gid, u->label, way(u));
	else
		file_ask(u->place, "INSERT INTO trouble VALUES (?1, ?2, ?3)", gid, u);
}

void stage_allow(const char *gid, const struct saga_unit *u)
{
	const int b = place(u)->bank;
	if (b >= 0)
		bank_do(b, "DELETE FROM trouble WHERE gid = '%s' AND step = '%s' AND way = '%s'",
			gid, u->label, way(u));
	else
		file_ask(u->place, "DELETE FROM trouble WHERE gid = ?1 AND step = ?2 AND way = ?3",
			 gid, u);
}

struct stage_lock *stage_hold(const struct saga_unit *u, enum stage_hold hold)
{
	struct stage_lock *lock = calloc(1, sizeof *lock);
	NEED(lock, "out of memory");
	if (place(u)->bank >= 0) {
		lock->bank = pg_open(bank[place(u)->bank]);
		pg_do(lock->bank, "BEGIN");
		pg_do(lock->bank, "SELECT 1 FROM gate WHERE step = '%s' AND way = '%s' FOR UPDATE",
		      u->label, way(u));
		return lock;
	}
	lock->file = file_open(u->place);
	file_do(lock->file, hold == HOLD_ALL ? "BEGIN IMMEDIATE" : "BEGIN");
	file_do(lock->file, "SELECT count(*) FROM effect");
	return lock;
}

void stage_let_go(struct stage_lock *lock)
{
	if (!lock)
		return;
	if (lock->bank)
		PQfinish(lock->bank);
	sqlite3_close(lock->file);
	free(lock);
}

long long stage_prepared(const struct saga_unit *u)
{
	return prepared(place(u)->bank);
}

long long stage_waiting(const struct saga_unit *u)
{
	return blocked(place(u)->bank);
}
