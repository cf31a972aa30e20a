#include "tests/lib/conformance.h"

#include "adapters/exec.h"
#include "adapters/http.h"
#include "adapters/plugin.h"
#include "adapters/postgres.h"
#include "adapters/sqlite.h"
#include "tests/lib/http_stub.h"
#include "tests/lib/pg_server.h"

#include <dirent.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- sqlite: effects are rows of a file ---- */

static void *sqlite_begin(void)
{
	static int n;

	return temp_path("conformance-%d-%d.db", (int)getpid(), n++);
}

static char *sqlite_config(void *world)
{
	return textf("adapter: sqlite\n"
		     "file: %s\n"
		     "schema:\n"
		     "  - CREATE TABLE effect (id INTEGER PRIMARY KEY, name TEXT NOT NULL)\n"
		     "operations:\n"
		     "  add:\n"
		     "    sql: INSERT INTO effect (name) VALUES (:name)"
		     " RETURNING id, name, hex(randomblob(4)) AS mark\n"
		     "    args: [name]\n"
		     "  remove:\n"
		     "    sql: DELETE FROM effect WHERE id = (SELECT max(id) FROM effect"
		     " WHERE name = :name)\n"
		     "    args: [name]\n"
		     "    expect_rows: 1\n"
		     "  refuse:\n"
		     "    sql: INSERT INTO effect (name) VALUES (:name), (NULL)\n"
		     "    args: [name]\n"
		     "  slow:\n"
		     "    sql: WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n"
		     " WHERE i < 1000000000000) INSERT INTO effect (name)"
		     " SELECT :name || count(*) FROM n\n"
		     "    args: [name]\n",
		     (char *)world);
}

static int sqlite_effects(void *world, const char *name)
{
	sqlite3 *db;
	sqlite3_stmt *s;
	int n;

	NEED(sqlite3_open(world, &db) == SQLITE_OK, "cannot open %s", (char *)world);
	sqlite3_busy_timeout(db, 10000);
	NEED(sqlite3_prepare_v2(db, "SELECT count(*) FROM effect WHERE name = ?1 OR ?1 IS NULL", -1,
				&s, NULL) == SQLITE_OK,
	     "%s", sqlite3_errmsg(db));
	sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
	NEED(sqlite3_step(s) == SQLITE_ROW, "%s", sqlite3_errmsg(db));
	n = sqlite3_column_int(s, 0);
	sqlite3_finalize(s);
	sqlite3_close(db);
	return n;
}

/* ---- exec: effects are files in a folder: NAME.anything ---- */

#define NAMED "name=$(sed -n \"s/.*\\\"name\\\": *\\\"\\([a-z]*\\)\\\".*/\\1/p\"); "

static void *folder_begin(void)
{
	static int n;
	char *folder = temp_path("conformance-%d-%d.d", (int)getpid(), n++);

	NEED(mkdir(folder, 0755) == 0, "cannot make %s", folder);
	return folder;
}

static char *exec_config(void *world)
{
	return textf("adapter: exec\n"
		     "directory: %s\n"
		     "operations:\n"
		     "  add:\n"
		     "    args: [name]\n"
		     "    call: {command: [sh, -c, '" NAMED
		     "mktemp $name.XXXXXX > /dev/null && echo 1']}\n"
		     "  remove:\n"
		     "    args: [name]\n"
		     "    call: {command: [sh, -c, '" NAMED "set -- $name.*;"
		     " test -e $1 || exit 65; rm $1']}\n"
		     "  refuse:\n"
		     "    args: [name]\n"
		     "    call: {command: [sh, -c, 'echo no >&2; exit 65']}\n"
		     "  slow:\n"
		     "    args: [name]\n"
		     "    call: {command: [sh, -c, 'sleep 3600 && mktemp late.XXXXXX']}\n",
		     (char *)world);
}

static int folder_effects(void *world, const char *name)
{
	DIR *dir = opendir(world);
	const struct dirent *entry;
	int n = 0;

	NEED(dir != NULL, "cannot read %s", (char *)world);
	while ((entry = readdir(dir)) != NULL) {
		const char *dot = strchr(entry->d_name, '.');
		const size_t size = dot != NULL ? (size_t)(dot - entry->d_name) : 0;

		n += size > 0 && (name == NULL || (strlen(name) == size &&
						   strncmp(name, entry->d_name, size) == 0));
	}
	closedir(dir);
	return n;
}

/* ---- http: effects are the requests that the service has answered with yes ---- */

static void *http_begin(void)
{
	struct http_stub *stub = http_stub_new();

	RULE(stub, .path = "/add/", .body = "{\"n\": 1}",
	     .headers = "Content-Type: application/json\r\n");
	RULE(stub, .path = "/refuse/", .status = 409);
	RULE(stub, .path = "/slow/", .manner = STUB_SILENT);
	return stub;
}

static void http_end(void *world)
{
	http_stub_free(world);
}

static char *http_config(void *world)
{
	return textf("adapter: http\n"
		     "base: http://127.0.0.1:%d\n"
		     "operations:\n"
		     "  add: {args: [name], call: {method: POST, path: '/add/{name}'}}\n"
		     "  remove: {args: [name], call: {method: POST, path: '/remove/{name}'}}\n"
		     "  refuse: {args: [name], call: {method: POST, path: '/refuse/{name}'}}\n"
		     "  slow: {args: [name], call: {method: POST, path: '/slow/{name}'}}\n",
		     http_stub_port(world));
}

static int http_effects(void *world, const char *name)
{
	char *add = textf("/add/%s", name != NULL ? name : "");
	char *take = textf("/remove/%s", name != NULL ? name : "");
	const int n = http_stub_count(world, add) - http_stub_count(world, take);

	free(add);
	free(take);
	return n;
}

/* ---- plugin: tests/plugins/shelf.c, whose effects are files as those of exec are ---- */

static char *plugin_config(void *world)
{
	char *library = program_path("tests/plugins/shelf.so");
	char *config = textf("adapter: plugin\n"
			     "library: %s\n"
			     "settings: {dir: %s}\n"
			     "operations:\n"
			     "  add: {args: [name]}\n"
			     "  remove: {args: [name]}\n"
			     "  refuse: {args: [name]}\n"
			     "  slow: {args: [name]}\n",
			     library, (char *)world);

	free(library);
	return config;
}

/* ---- postgres: effects are rows of a table ---- */

static struct pg_server *server;

static void *pg_begin(void)
{
	PGconn *conn = pg_open(server);

	pg_do(conn,
	      "SET client_min_messages = warning; DROP TABLE IF EXISTS settle_barrier, effect");
	pg_do(conn, "CREATE TABLE effect (id serial PRIMARY KEY, name text NOT NULL)");
	PQfinish(conn);
	return server;
}

static void pg_end(void *world)
{
	(void)world; /* the next one cleans up */
}

static char *pg_config(void *world)
{
	const struct pg_server *s = world;

	return textf("adapter: postgres\n"
		     "connection: \"%s\"\n"
		     "pool: 4\n"
		     "finishers: 1\n"
		     "operations:\n"
		     "  add:\n"
		     "    sql: INSERT INTO effect (name) VALUES ($1)"
		     " RETURNING id, name, md5(random()::text) AS mark\n"
		     "    args: [name]\n"
		     "  remove:\n"
		     "    sql: DELETE FROM effect WHERE id = (SELECT max(id) FROM effect"
		     " WHERE name = $1)\n"
		     "    args: [name]\n"
		     "    expect_rows: 1\n"
		     "  refuse:\n"
		     "    sql: INSERT INTO effect (name) VALUES ($1), (NULL)\n"
		     "    args: [name]\n"
		     "  slow:\n"
		     "    sql: INSERT INTO effect (name) SELECT $1 FROM pg_sleep(3600)\n"
		     "    args: [name]\n",
		     s->conninfo);
}

static int pg_effects(void *world, const char *name)
{
	if (name == NULL)
		return (int)pg_ask(world, "SELECT count(*) FROM effect");
	return (int)pg_ask(world, "SELECT count(*) FROM effect WHERE name = '%s'", name);
}

void conformance_open(void)
{
	server = pg_server_new("conformance", NULL);
}

void conformance_close(void)
{
	pg_server_free(server);
}

const struct conformer conformers[] = {
	{"exec", &adapter_exec, folder_begin, free, exec_config, folder_effects},
	{"http", &adapter_http, http_begin, http_end, http_config, http_effects},
	{"plugin", &adapter_plugin, folder_begin, free, plugin_config, folder_effects},
	{"postgres", &adapter_postgres, pg_begin, pg_end, pg_config, pg_effects},
	{"sqlite", &adapter_sqlite, sqlite_begin, free, sqlite_config, sqlite_effects},
};
const int n_conformers = sizeof conformers / sizeof conformers[0];
