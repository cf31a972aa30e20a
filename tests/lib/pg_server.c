#include "tests/lib/pg_server.h"

#include "tests/lib/harness.h"
#include "tests/lib/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { START_S = 60, STOP_S = 30 };

static const char standard_settings[] = "listen_addresses = ''\n"
					"max_prepared_transactions = 100\n"
					"max_connections = 120\n"
					"shared_buffers = 16MB\n"
					"fsync = off\n"
					"autovacuum = off\n"
					"max_wal_senders = 0\n"
					"wal_level = minimal\n"
					"max_parallel_workers = 0\n"
					"log_min_duration_statement = -1\n"
					"log_line_prefix = '%m [%p] %a '\n";

static const char *bin_dir(void)
{
	static char found[256];
	const char *given = getenv("PG_BIN");
	if (given && *given)
		return given;
	for (int version = 15; version <= 18 && !found[0]; version++) {
		char path[256];
		snprintf(path, sizeof path, "/usr/lib/postgresql/%d/bin/postgres", version);
		if (access(path, X_OK) == 0)
			snprintf(found, sizeof found, "/usr/lib/postgresql/%d/bin", version);
	}
	NEED(found[0], "no PostgreSQL server programs: set PG_BIN to their directory");
	return found;
}

/* PostgreSQL refuses to run as root: then it is the user postgres. */
static const struct passwd *server_user(void)
{
	if (geteuid() != 0)
		return NULL;
	const struct passwd *pw = getpwnam("postgres");
	NEED(pw, "root needs a user `postgres` to run the server as");
	return pw;
}

static pid_t launch(const char *const *argv, const char *log_path, int death_signal)
{
	const struct passwd *pw = server_user();
	struct proc_as as = {.death_signal = death_signal};
	if (pw) {
		as.uid = pw->pw_uid;
		as.gid = pw->pw_gid;
		as.dir = "/";
	}
	return proc_launch(argv, log_path, &as);
}

static void run(const char *what, const char *const *argv, const char *log_path)
{
	pid_t pid = launch(argv, log_path, SIGKILL);
	int status = 0;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (status != 0) {
		char *log = file_read(log_path);
		FAIL("%s failed: %s", what, log ? log : "no log");
	}
}

static void make_dir(const char *path)
{
	if (mkdir(path, 0755) != 0)
		FAIL("mkdir %s: %s", path, strerror(errno));
	const struct passwd *pw = server_user();
	if (pw && chown(path, pw->pw_uid, pw->pw_gid) != 0)
		FAIL("chown %s: %s", path, strerror(errno));
}

/* initdb once for all programs of a run, if the environment names a place for it;
 * else once a program.  A rename makes it appear whole. */
static char *template_dir(void)
{
	const char *shared = getenv("PG_TEMPLATE");
	char *path = shared && *shared ? textf("%s", shared) : temp_path("template");
	char *data = textf("%s/data", path);
	if (access(data, F_OK) == 0) {
		free(data);
		return path;
	}
	char *half = textf("%s.%d", path, (int)getpid());
	make_dir(half);
	char *half_data = textf("%s/data", half);
	char *initdb = textf("%s/initdb", bin_dir());
	char *log = textf("%s/initdb.log", half);
	const char *argv[] = {initdb,  "-D", half_data, "-U",   "postgres",   "-A",
			      "trust", "-N", "-E",      "UTF8", "--locale=C", "--wal-segsize=4",
			      NULL};
	run("initdb", argv, log);
	if (rename(half, path) != 0 && access(data, F_OK) != 0)
		FAIL("rename %s: %s", half, strerror(errno));
	free(half);
	free(half_data);
	free(initdb);
	free(log);
	free(data);
	return path;
}

static char *conf_path(const struct pg_server *s)
{
	return textf("%s/data/postgresql.conf", s->dir);
}

void pg_server_set(struct pg_server *s, const char *setting)
{
	char *path = conf_path(s);
	FILE *f = fopen(path, "a");
	NEED(f && fprintf(f, "%s\n", setting) > 0 && fclose(f) == 0, "cannot write %s", path);
	free(path);
}

static void configure(struct pg_server *s, const char *const *settings)
{
	char *line = textf("port = %d\nunix_socket_directories = '%s'\n", s->port, s->dir);
	pg_server_set(s, standard_settings);
	pg_server_set(s, line);
	for (size_t i = 0; settings && settings[i]; i++)
		pg_server_set(s, settings[i]);
	free(line);
}

struct pg_server *pg_server_new(const char *name, const char *const *settings)
{
	struct pg_server *s = calloc(1, sizeof *s);
	NEED(s, "out of memory");
	s->name = textf("%s", name);
	s->dir = temp_path("%s", name);
	s->port = port_free();
	s->conninfo = textf("host=%s port=%d user=postgres dbname=bank", s->dir, s->port);
	char *template = template_dir();
	make_dir(s->dir);
	char *from = textf("%s/data", template);
	char *to = textf("%s/", s->dir);
	char *log = textf("%s/copy.log", s->dir);
	const char *argv[] = {"/bin/cp", "-a", from, to, NULL};
	run("copying the template", argv, log);
	configure(s, settings);
	pg_server_start(s);
	char *admin = textf("host=%s port=%d user=postgres dbname=postgres", s->dir, s->port);
	PGconn *conn = PQconnectdb(admin);
	pg_do(conn, "CREATE DATABASE bank");
	PQfinish(conn);
	free(admin);
	free(template);
	free(from);
	free(to);
	free(log);
	return s;
}

/* True if the process was started on our directory: a process id that a dead
 * server left behind may be somebody else's by now. */
static bool is_ours(const struct pg_server *s, pid_t pid)
{
	char path[64], line[1024];
	snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
	FILE *f = fopen(path, "r");
	if (!f)
		return false;
	size_t n = fread(line, 1, sizeof line - 1, f);
	fclose(f);
	line[n] = '\0';
	for (size_t i = 0; i + 1 < n; i++)
		if (line[i] == '\0')
			line[i] = ' '; /* between the words */
	return strstr(line, s->dir) != NULL;
}

/* The postmaster that the data directory names, if it runs; else 0. */
static pid_t running_pid(const struct pg_server *s)
{
	char *path = textf("%s/data/postmaster.pid", s->dir);
	char *text = file_read(path);
	pid_t pid = text ? (pid_t)atoi(text) : 0;
	free(path);
	free(text);
	return pid > 0 && proc_alive(pid) && is_ours(s, pid) ? pid : 0;
}

static bool serves(const struct pg_server *s)
{
	char *admin = textf("host=%s port=%d user=postgres dbname=postgres connect_timeout=2",
			    s->dir, s->port);
	bool ok = PQping(admin) == PQPING_OK;
	free(admin);
	return ok;
}

/* After kill -9 the old children hold the shared memory for a moment, and the
 * server refuses to start until they are gone: then it is started again. */
void pg_server_start(struct pg_server *s)
{
	s->pid = running_pid(s);
	char *postgres = textf("%s/postgres", bin_dir());
	char *data = textf("%s/data", s->dir);
	char *log = textf("%s/log", s->dir);
	const char *argv[] = {postgres, "-D", data, NULL};
	int64_t until = clock_ms() + harness_patience_ms(START_S);
	while (!serves(s)) {
		if (clock_ms() > until) {
			char *text = file_read(log);
			size_t size = text ? strlen(text) : 0;
			FAIL("server %s does not start: %s", s->name,
			     text ? text + (size > 1500 ? size - 1500 : 0) : "no log");
		}
		if (s->pid && !proc_alive(s->pid)) {
			waitpid(s->pid, NULL, WNOHANG);
			s->pid = 0;
		}
		if (!s->pid) {
			s->pid = launch(argv, log, SIGQUIT);
			s->started_by = getpid();
		}
		harness_pause();
	}
	free(postgres);
	free(data);
	free(log);
}

static void end(struct pg_server *s, int sig)
{
	pid_t pid = running_pid(s);
	if (!pid && s->pid && waitpid(s->pid, NULL, WNOHANG) == 0)
		pid = s->pid; /* our child, on its way up or down */
	s->pid = 0;
	if (pid <= 0)
		return;
	kill(pid, sig);
	WAIT_FOR(STOP_S, !proc_alive(pid));
	waitpid(pid, NULL, WNOHANG);
}

void pg_server_stop(struct pg_server *s)
{
	end(s, SIGQUIT);
}

void pg_server_kill(struct pg_server *s)
{
	end(s, SIGKILL);
}

void pg_server_stop_own(struct pg_server *s)
{
	if (s->started_by == getpid())
		pg_server_stop(s);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	(void)remove(path);
	return 0;
}

void pg_server_free(struct pg_server *s)
{
	if (!s)
		return;
	pg_server_stop(s);
	if (!getenv("KEEP"))
		nftw(s->dir, remove_one, 32, FTW_DEPTH | FTW_PHYS);
	free(s->name);
	free(s->dir);
	free(s->conninfo);
	free(s);
}

PGconn *pg_open(const struct pg_server *s)
{
	PGconn *conn = PQconnectdb(s->conninfo);
	NEED(PQstatus(conn) == CONNECTION_OK, "%s: %s", s->name, PQerrorMessage(conn));
	return conn;
}

static PGresult *execute(PGconn *conn, const char *fmt, va_list ap)
{
	char *sql = NULL;
	if (vasprintf(&sql, fmt, ap) < 0)
		abort();
	PGresult *res = PQexec(conn, sql);
	ExecStatusType status = PQresultStatus(res);
	NEED(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK, "%s: %s", sql,
	     PQerrorMessage(conn));
	free(sql);
	return res;
}

void pg_do(PGconn *conn, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	PQclear(execute(conn, fmt, ap));
	va_end(ap);
}

static long long first_number(PGresult *res)
{
	NEED(PQntuples(res) > 0 && PQnfields(res) > 0, "no row");
	long long n = atoll(PQgetvalue(res, 0, 0));
	PQclear(res);
	return n;
}

long long pg_number(PGconn *conn, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	PGresult *res = execute(conn, fmt, ap);
	va_end(ap);
	return first_number(res);
}

long long pg_ask(const struct pg_server *s, const char *fmt, ...)
{
	PGconn *conn = pg_open(s);
	va_list ap;
	va_start(ap, fmt);
	PGresult *res = execute(conn, fmt, ap);
	va_end(ap);
	long long n = first_number(res);
	PQfinish(conn);
	return n;
}
