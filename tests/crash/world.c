#include "tests/crash/world.h"

#include "base/clock.h"
#include "tests/lib/bank.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	START_S = 30,
	END_S = 30,
	LOG_SHOWN = 6000,
	FULL_MS = 1500, /* how long a disk stays full for a program that goes on */
	LOOK_MS = 50,   /* between two looks into a log */
};

struct world world;
const char *const actor_name[ACTORS] = {"coordinator", "agent-a", "agent-b"};

static bool well;

/* ---- configuration ---- */

static const char bank_text_of_operations[] =
	"    pool: 3\n"
	"    finishers: 1\n"
	"    operations:\n"
	"      move:\n"
	"        sql: >-\n"
	"          WITH paid AS (UPDATE account SET balance = balance + $2\n"
	"          WHERE id = $1 RETURNING id),\n"
	"          noted AS (INSERT INTO ledger (gid, step, way, account, amount)\n"
	"          SELECT $3, $4, $5, id, $2 FROM paid)\n"
	"          SELECT id FROM paid\n"
	"        args: [id, amount, gid, step, way]\n"
	"        expect_rows: 1\n"
	"      refuse:\n"
	"        sql: SELECT id FROM account WHERE id = $1 AND id < 0\n"
	"        args: [id]\n"
	"        expect_rows: 1\n"
	"      look:\n"
	"        sql: SELECT balance FROM account WHERE id = $1\n"
	"        args: [id]\n"
	"        read_only: true\n";

char *world_file(const char *name)
{
	return temp_path("%s", name);
}

static void write_bank(FILE *out, int b)
{
	fprintf(out, "  %s:\n    adapter: postgres\n    connection: \"%s\"\n%s",
		place_name[b == BANK_A ? AT_BANK_A : AT_BANK_B], bank[b]->conninfo,
		bank_text_of_operations);
}

static void write_box(FILE *out)
{
	char *path = world_file("box.db");
	fprintf(out,
		"  box:\n    adapter: sqlite\n    file: %s\n"
		"    schema:\n      - CREATE TABLE effect (gid TEXT, step TEXT, way TEXT)\n"
		"    operations:\n      note:\n"
		"        sql: INSERT INTO effect (gid, step, way) VALUES (:gid, :step, :way)\n"
		"        args: [gid, step, way]\n",
		path);
	free(path);
}

/* The plugin is of the ordinary build: no crash points are in it. */
static void write_stock(FILE *out)
{
	char *path = world_file("stock.facts");
	char *library = realpath(getenv("STOCK"), NULL);
	NEED(library, "%s is not there: build it first", getenv("STOCK"));
	fprintf(out,
		"  stock:\n    adapter: plugin\n    library: %s\n    threads: 2\n    check: 500ms\n"
		"    settings: {file: %s, items: {bolt: 1000}}\n"
		"    operations:\n      take: {args: [item, count]}\n      give:\n",
		library, path);
	free(library);
	free(path);
}

static void write_hut(FILE *out)
{
	char *state = world_file("hut.db"), *script = world_file("hut.sh"),
	     *book = world_file("hut.book");
	char *text = textf(
		"cat >/dev/null\n"
		"echo \"$SETTLE_GID $SETTLE_STEP$SETTLE_BRANCH ${SETTLE_DIRECTION:-$1}\" >>'%s'\n"
		"[ \"$1\" != ask ] || echo '{\"result\": \"pending\"}'\n",
		book);
	file_write(script, text);
	fprintf(out,
		"  hut:\n    adapter: exec\n    state: %s\n    parallel: 4\n    operations:\n"
		"      note:\n        args: [gid, step, way]\n"
		"        call: {command: [/bin/sh, %s, call], timeout: 8s}\n"
		"      ask:\n        call: {command: [/bin/sh, %s, ask], timeout: 8s}\n"
		"      hold:\n"
		"        prepare: {command: [/bin/sh, %s, prepare], timeout: 8s}\n"
		"        commit: {command: [/bin/sh, %s, commit], timeout: 8s}\n"
		"        rollback: {command: [/bin/sh, %s, rollback], timeout: 8s}\n",
		state, script, script, script, script, script);
	free(text);
	free(book);
	free(script);
	free(state);
}

static void write_desk(FILE *out)
{
	char *state = world_file("desk.db");
	fprintf(out,
		"  desk:\n    adapter: http\n    base: http://127.0.0.1:%d\n    state: %s\n"
		"    operations:\n"
		"      note:\n        args: [way]\n"
		"        call: {path: \"/{gid}/{step}/{way}\"}\n"
		"      hold:\n"
		"        prepare: {path: \"/{gid}/{branch}/prepare\"}\n"
		"        commit: {path: \"/{gid}/{branch}/commit\"}\n"
		"        rollback: {path: \"/{gid}/{branch}/rollback\"}\n",
		http_stub_port(world.desk), state);
	free(state);
}

static void make_program(enum actor a, const char *program, const char *conf)
{
	char *path = program_path(program);
	const char *argv[] = {path, "--config", conf, NULL};
	world.procs[a] = proc_new(actor_name[a], argv);
	free(path);
}

static void make_agent(enum actor a, int port)
{
	char *conf = textf("%s/%s.yaml", temp_dir(), actor_name[a]);
	FILE *out = fopen(conf, "w");

	NEED(out, "%s cannot be written", conf);
	fprintf(out,
		"agent: %s\ncluster: %s\ncoordinator: tcp://127.0.0.1:%d\nsweep: "
		"250ms\nresources:\n",
		actor_name[a], world.cluster, port);
	if (a == AGENT_A) {
		write_bank(out, BANK_A);
		write_box(out);
		write_stock(out);
	} else {
		write_bank(out, BANK_B);
		write_hut(out);
		write_desk(out);
	}
	NEED(fclose(out) == 0, "%s cannot be written", conf);
	make_program(a, "settle-agent", conf);
	free(conf);
}

static void make_coordinator(int rest_port, int port, const char *settings)
{
	char *conf = textf("%s/settled.yaml", temp_dir());
	char *text = textf("data: %s\ncluster: %s\nlisten: 127.0.0.1:%d\n"
			   "agents: tcp://127.0.0.1:%d\n%s",
			   world.data, world.cluster, rest_port, port, settings ? settings : "");
	file_write(conf, text);
	make_program(COORDINATOR, "settled", conf);
	free(text);
	free(conf);
}

/* Ports that no other worker takes while a program of this one is away. */
static int slot_port(int slot, int slots)
{
	int port;
	do
		port = port_free();
	while (port % slots != slot);
	return port;
}

/* The last of what it wrote, without the lines of a trace. */
static void show_log(enum actor a)
{
	char *log = world.procs[a] ? file_read(world.procs[a]->log_path) : NULL, *save = NULL;
	char *shown = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&shown, &size);

	for (char *line = log ? strtok_r(log, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save))
		if (!strstr(line, " crash-pass "))
			fprintf(out, "%s\n", line);
	fclose(out);
	fprintf(stderr, "---- %s:\n%s", actor_name[a],
		shown + (size > LOG_SHOWN ? size - LOG_SHOWN : 0));
	free(shown);
	free(log);
}

static void show_logs(void)
{
	for (enum actor a = 0; !well && a < ACTORS; a++)
		show_log(a);
}

void world_is_well(void)
{
	well = true;
	http_stub_free(world.desk); /* ends its threads */
	world.desk = NULL;
}

void world_open(const struct aim *aim, const char *settings, int slot, int slots)
{
	int rest_port = slot_port(slot, slots), port;

	memset(&world, 0, sizeof world);
	atexit(show_logs);
	do
		port = slot_port(slot, slots);
	while (port == rest_port);
	world.aim = *aim;
	world.url = textf("http://127.0.0.1:%d", rest_port);
	world.data = textf("%s/data", temp_dir());
	/* Process ids come again within thousands of cases, and the databases stay. */
	snprintf(world.cluster, sizeof world.cluster, "c%dx%llx", (int)getpid(),
		 (unsigned long long)clock_wall_us() / 1000 % 0x100000000);
	world.desk = http_stub_new();
	make_coordinator(rest_port, port, settings);
	make_agent(AGENT_A, port);
	make_agent(AGENT_B, port);
}

/* ---- starting ---- */

static void start_one(enum actor a)
{
	const bool arm = world.arming && !world.replaced &&
			 (world.aim.actor == ACTORS || world.aim.actor == (int)a) &&
			 !world.armed[a];
	if (arm) {
		world.armed[a] = true;
		setenv("SETTLE_CRASH", world.aim.setting, 1);
	}
	proc_start(world.procs[a]);
	unsetenv("SETTLE_CRASH");
}

/* Says so in its log: from then on it hears signals. */
static bool has_started(struct proc *p)
{
	char *log = file_read(p->log_path);
	bool found = log && (size_t)p->mark <= strlen(log) && strstr(log + p->mark, "-started ");
	free(log);
	return found;
}

static void await_start(struct proc *p)
{
	if (p->pid)
		WAIT_FOR(START_S, !proc_alive(p->pid) || has_started(p));
}

/* An agent that dials too early tries again only after a pause. */
void world_start(void)
{
	if (!world.procs[COORDINATOR]->pid) {
		start_one(COORDINATOR);
		await_start(world.procs[COORDINATOR]);
	}
	for (enum actor a = AGENT_A; a < ACTORS; a++)
		if (!world.procs[a]->pid)
			start_one(a);
}

/* ---- ending ---- */

bool world_reached(void)
{
	const struct aim *aim = &world.aim;
	return aim->actor >= 0 && aim->actor < ACTORS &&
	       proc_logged(world.procs[aim->actor], " crash-point at=");
}

bool world_has_errors(void)
{
	return strcmp(world.aim.action, "eio") == 0 || strcmp(world.aim.action, "full") == 0;
}

/* How a program may end that an error was given to: the coordinator when it cannot
 * write its journal, and both when they cannot start. */
static bool ends_of_errors(enum actor a, int status)
{
	return status == 0 || status == 1 || (a == COORDINATOR && status == 70);
}

static void check_end(enum actor a, int status)
{
	const char *action = world.aim.action;
	bool expected = false;

	if (world.armed[a] && !world.replaced && world_reached())
		expected = strcmp(action, "kill") == 0    ? status == 128 + SIGKILL
			   : strcmp(action, "abort") == 0 ? status == 128 + SIGABRT
							  : ends_of_errors(a, status);
	NEED(expected, "%s ended with status %d", actor_name[a], status);
}

static void replace(enum actor a)
{
	world.replaced = true;
	atomic_store(&world.hit, true);
	start_one(a);
}

/* Room comes back on a full disk: by then whoever goes on is started again. */
static void look_at_error(void)
{
	static int64_t looked, since;
	const enum actor a = (enum actor)world.aim.actor;

	if (world.replaced || clock_ms() < looked + LOOK_MS)
		return;
	looked = clock_ms();
	if (!since && world_reached()) {
		since = looked;
		atomic_store(&world.hit, true);
	}
	if (since && strcmp(world.aim.action, "full") == 0 && clock_ms() > since + FULL_MS &&
	    world.procs[a]->pid) {
		const int status = proc_end(world.procs[a], END_S);
		NEED(ends_of_errors(a, status), "%s ended with status %d", actor_name[a], status);
		replace(a);
	}
}

static void look_at(enum actor a)
{
	struct proc *p = world.procs[a];

	if (p->pid && world.leave[a] == LEAVE_ASKED && has_started(p)) {
		world.leave[a] = LEAVE_TOLD;
		kill(p->pid, SIGTERM);
	}
	if (!p->pid || proc_alive(p->pid))
		return;
	const int status = proc_wait(p, END_S);
	const bool left = world.leave[a] == LEAVE_TOLD && status == 0;
	if (left) {
		start_one(a);
	} else {
		check_end(a, status);
		replace(a);
	}
	world.leave[a] = LEAVE_NOT;
}

void world_look(void)
{
	for (enum actor a = 0; a < ACTORS; a++)
		look_at(a);
	if (world_has_errors())
		look_at_error();
}

void world_kill(enum actor a)
{
	proc_kill(world.procs[a]);
}

void world_kill_all(void)
{
	for (enum actor a = 0; a < ACTORS; a++)
		world_kill(a);
}

bool world_stop(void)
{
	bool good = true;

	for (enum actor a = 0; a < ACTORS; a++)
		await_start(world.procs[a]);
	for (enum actor a = ACTORS; a-- > 0;)
		if (world.procs[a]->pid)
			kill(world.procs[a]->pid, SIGTERM);
	for (enum actor a = ACTORS; a-- > 0;) {
		const int status = world.procs[a]->pid ? proc_wait(world.procs[a], END_S) : 0;
		if (status != 0) {
			check_end(a, status);
			good = false;
		}
	}
	if (!good)
		world.replaced = true;
	return good;
}
